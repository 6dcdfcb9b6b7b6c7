"""Where the revised protocol of `vcc2026` departs from the published one, and why."""

from helpers.tasks.departures import Departure

DEPARTURES = (
    Departure(
        "what is handed in",
        "cells",
        "means; of cells, their sum",
        "design choice",
        "The six members judge means, yet reward cells whose scatter makes a change significant.",
    ),
    Departure(
        "end of the scale",
        "halves of the cells, against submissions of full depth",
        "a repeat of the depth that the reference has",
        "design choice",
        "1 is to be as good as the experiment.",
    ),
    Departure(
        "direction",
        "right signs among genes called, over the longer list",
        "right signs less wrong ones, over genes that change",
        "design choice",
        "Silence and coin flips both are 0, harm is below, and amplitude does not matter.",
    ),
    Departure(
        "reach",
        "ranked by the p-value of predicted cells",
        "ranked by the size of the predicted change",
        "design choice",
        "A p-value of cells that nobody measured says how they were made.",
    ),
    Departure(
        "Jaccard index",
        "of the lists of significant genes, whatever the sign",
        "of the genes that change and as many with the largest predicted change, equal signs",
        "design choice",
        "No gain by more calls or more power, and an effect that is turned round is no agreement.",
    ),
    Departure(
        "ends of a member's score",
        "0 to 1 for the squared error, at least -6 for fold changes, none for others",
        "-1 to 1 for all six",
        "design choice",
        "Harm in the squared error costs, and no member decides the mean alone.",
    ),
    Departure(
        "baseline",
        "mean of the measured perturbations, which are the answer; cells of one seed",
        "mean of the repeat's perturbations; no cells",
        "design choice",
        "A baseline is to know no more than a submission, and to have no seed.",
    ),
    Departure(
        "no significant gene",
        "a convention for each member",
        "no value in the three that ask for one",
        "design choice",
        "What is not there can be neither found nor missed.",
    ),
    Departure(
        "cells without counts",
        "accepted: every gene is significant, downwards",
        "refused",
        "bug",
        "They have no composition.",
    ),
)
