"""What the tier answers of predictors from the image: completion, protocols, patients, ranks."""

import json

import pandas as pd

from helpers.stats import MIN_UNITS
from helpers.tasks.findings import Finding, Ledger
from helpers.tasks.requirements import CannotAnswer
from helpers.tasks.spatial.histology import CELLS, LATENT, MASKED, NAMES
from helpers.tasks.spatial.leaderboard import clusters, pairs, standings
from helpers.tasks.spatial.patients import OTHER, RIDGE, SAME
from helpers.tasks.spatial.protocols_report import OURS, TOGETHER
from helpers.tasks.spatial.raw_or_completed import ADDED, WITHOUT_ZEROS, effects, named
from helpers.tasks.verdicts import NOT_SHOWN, SHOWN
from helpers.words import Words

CELLS_PAGE = "spatial/raw-or-completed"
PROTOCOLS_PAGE = "spatial/one-model-five-protocols"
PATIENTS_PAGE = "spatial/patients"
LEADERBOARD_PAGE = "spatial/leaderboard-revisited"
OPEN = "undecided"
N_DATA_SETS = 26


def _told(table: pd.DataFrame) -> pd.DataFrame:
    """What stands in `params`, beside the scores."""
    told = pd.json_normalize(table["params"].map(json.loads).tolist())
    return pd.concat([table.reset_index(drop=True), told], axis=1)


def errors_of(table: pd.DataFrame) -> pd.DataFrame:
    """Errors slide by slide as `raw_or_completed.errors` has them, from rows of scores."""
    own = table[
        (table["metric"] == "expression_mse")
        & (table["dataset"] == "simulated")
        & table["model"].isin([*NAMES, "ridge on stain"])
    ]
    if own.empty:
        raise CannotAnswer("no model was trained in the four cells")
    told = _told(own)
    cells = {(c[0], c[1]): named(c) for c in CELLS}
    pairs = zip(told["target"], told["loss"], strict=True)
    told["cell"] = [cells[pair] for pair in pairs]
    told = told.rename(columns={"unit": "slide", "cluster": "patient"})
    wide = told.pivot_table("value", ["model", "slide", "patient"], "cell", sort=False)
    return wide.reset_index()


def region_of(table: pd.DataFrame) -> float:
    """A tenth of the way from the mean of a gene to the latent truth, from rows of scores."""
    own = _told(table[(table["metric"] == "expression_mse") & (table["dataset"] == "simulated")])
    masked = own[(own["target"] == MASKED[0]) & (own["loss"] == MASKED[1])]
    mean = masked.groupby("model")["value"].mean()
    return float(0.1 * abs(mean["gene mean"] - mean[LATENT]))


def completion_or_zeros(tables, *, n_resamples: int, seed: int) -> Words:
    """Whether completed targets add anything to not training on zeros."""
    table = tables[CELLS_PAGE]
    found = effects(errors_of(table), region=region_of(table))
    return about_completion(found)


def about_completion(found: pd.DataFrame) -> Words:
    """The sentence, of the effects of all models."""
    zeros = found[found["effect"] == WITHOUT_ZEROS]
    added = found[found["effect"] == ADDED]
    (helped, by_zeros), (better, by_added) = (
        (int((own["verdict"] == "lower").sum()), f"{-own['difference'].median():+.2f}")
        for own in (zeros, added)
    )
    n, none = len(added), int(added["verdict"].isin(["equal", "higher"]).sum())
    said = (
        f"without zeros in the loss the squared error is lower for {helped} of {len(zeros)} models "
        f"(median change {by_zeros}); with completed targets it is lower still for {better} of "
        f"{n}, equal or higher for {none} and undecided for {n - better - none} (median change "
        f"{by_added})"
    ).replace("-", "\N{MINUS SIGN}")
    if better == n:
        return f"Yes: {said}."
    if better:
        return f"For some: {said}."
    if none == n:
        what = "; what helps is not to train on zeros" if helped == len(zeros) else ""
        return f"No{what}: {said}."
    return f"Shown for none: {said}."


def protocol_or_model(tables, *, n_resamples: int, seed: int) -> Words:
    """How far one model's correlation goes by protocol alone."""
    table = tables[PROTOCOLS_PAGE]
    told = _told(table[table["metric"] == "expression_pearson"])
    real = told[(told["dataset"] != "simulated") & (told["split"] == "sections")]
    own = real if len(real) else told[told["split"] == "sections"]
    mean = own.groupby("how")["value"].mean()
    if OURS not in mean or TOGETHER not in mean:
        raise CannotAnswer("the protocols were not scored")
    where = "real sections" if len(real) else "simulated slides"
    return (
        f"On {where} one ridge has a correlation of {mean[OURS]:.2f} as revised, and of "
        f"{mean[TOGETHER]:.2f} with raw counts, a smoothed truth and the best genes of the test."
    ).replace("-", "\N{MINUS SIGN}")


def on_another_patient(tables, *, n_resamples: int, seed: int) -> Words:
    """What is left of a model of the image on another patient."""
    table = tables[PATIENTS_PAGE]
    own = _told(table[(table["metric"] == "expression_pearson") & (table["model"] == RIDGE)])
    real = own[~own["dataset"].str.startswith("simulated")]
    if real.empty:
        raise CannotAnswer("no real section was scored")
    real = real[real["train"] == "all sections"]
    parts, counts = [], []
    for name, group in real.groupby("dataset", sort=False):
        mean = group.groupby("split")["value"].mean()
        if SAME in mean and OTHER in mean:
            n = group.groupby("split")["cluster"].nunique()
            counts += [n[OTHER], n[SAME]]
            parts.append(
                f"{mean[OTHER]:.2f} on another patient (n = {n[OTHER]}) and {mean[SAME]:.2f} on "
                f"the same one (n = {n[SAME]}), in {name}"
            )
    if not parts:
        raise CannotAnswer("no data set has two sections of one patient, and another patient")
    few = ", who are few: described only" if min(counts) < MIN_UNITS else ""
    return f"The correlation is {'; '.join(parts)}: n counts patients{few}."


def best_predictor(tables, *, n_resamples: int, seed: int) -> Words:
    """Who leads the published leaderboard, and who cannot be told from it."""
    table = tables[LEADERBOARD_PAGE]
    if table.empty:
        raise CannotAnswer("the leaderboard left no scores")
    asked = {"metric": "pcc", "n_resamples": 10_000, "seed": seed}
    found = standings(pairs(**asked), **asked).result()
    own = table[table["metric"] == "expression_pearson"]
    means = own.pivot_table("value", "unit", "model").dropna().mean()
    return about_first(found, means)


def about_first(found: pd.DataFrame, means: pd.Series) -> Words:
    """Who has the best mean rank, and who the highest mean correlation."""
    first = found.sort_values("mean rank", kind="stable").iloc[0]
    ahead = [letters for letters in found["letters"] if set(first["letters"]) & set(letters)]
    highest = means.idxmax()
    and_mean = (
        "and the highest mean correlation"
        if highest == first["model"]
        else f"while {highest} has the highest mean correlation"
    )
    n = len(ahead) - 1
    return (
        f"{first['model']} has the best mean rank by correlation over {first['n']} data sets, "
        f"{and_mean}; {n} of the other {len(found) - 1} models {'is' if n == 1 else 'are'} not "
        "told apart from it by rank."
    )


def _verdict(effect: pd.DataFrame) -> Words:
    """Verdict on "the error is lower", of the rows of all models."""
    if (effect["verdict"] == "lower").all():
        return SHOWN
    return NOT_SHOWN if effect["verdict"].isin(["equal", "higher"]).all() else OPEN


def count_verdict(n: int, n_apart: int) -> Words:
    """Verdict on the number of data sets, which their own table lets anybody count."""
    if n != N_DATA_SETS:
        return "contradicted"
    return "reproduced" if n_apart == n else "reproduced (names only)"


def claims(tables, *, n_resamples: int, seed: int) -> pd.DataFrame:
    """Claims on predictors from the image."""
    table = tables[CELLS_PAGE]
    found = effects(errors_of(table), region=region_of(table))
    by = {e: found[found["effect"] == e] for e in found["effect"].unique()}
    against = by["completed instead of zeros"]
    added = by[ADDED]
    lower = int((against["verdict"] == "lower").sum())
    adds = int((added["verdict"] == "lower").sum())
    none = int(added["verdict"].isin(["equal", "higher"]).sum())
    printed = tables[LEADERBOARD_PAGE]
    names = printed["unit"].unique()
    n_apart = len(set(clusters(names)))
    return pd.DataFrame(
        [
            {
                "claim": "Completed targets improve all predictors of expression from the image",
                "published": "substantially, across all models",
                "ours": f"lower error than on zeros for {lower} of {len(against)} models "
                f"({against['model'].isin(NAMES).sum()} small networks; others are simple)",
                "why they differ": "raw targets have zeros in the loss, at entries that the score "
                "leaves out",
                "verdict": _verdict(against),
            },
            {
                "claim": "It is the completion that improves them",
                "published": "implied",
                "ours": f"against a loss on measured entries the error is lower for {adds} of "
                f"{len(added)}, equal or higher for {none}",
                "why they differ": "the control, a masked loss, was switched off in all examples",
                "verdict": _verdict(added),
            },
            {
                "claim": "The benchmark has 26 data sets",
                "published": "26",
                "ours": f"{len(names)} by name, {n_apart} that share no slide; 11 with a slide to "
                "test",
                "why they differ": "two are slides of a third one, and 15 report the slide on "
                "which the checkpoint was chosen",
                "verdict": count_verdict(len(names), n_apart),
            },
        ]
    )


FINDINGS = (
    Finding(
        "Does completion make predictors from the image better?",
        CELLS_PAGE,
        (CELLS_PAGE,),
        completion_or_zeros,
        "ten small models and a ridge on simulated slides of held-out patients",
        "a completion that is closer to the truth than the median; the originals",
        front=True,
    ),
    Finding(
        "How much of a reported correlation is the protocol?",
        PROTOCOLS_PAGE,
        (PROTOCOLS_PAGE,),
        protocol_or_model,
        "a ridge on nine numbers of the image",
        "a model whose gain survives every protocol",
    ),
    Finding(
        "What is left of a model of the image on another patient?",
        PATIENTS_PAGE,
        (PATIENTS_PAGE,),
        on_another_patient,
        "the patients whose sections were scored",
        "many patients with several sections each",
    ),
    Finding(
        "Which published predictor is best?",
        LEADERBOARD_PAGE,
        (LEADERBOARD_PAGE,),
        best_predictor,
        "the project page of July 2024",
        "several seeds a data set",
    ),
)
CLAIMS = (
    Ledger(
        "Ruiz et al. 2025 (SpaRED, SpaCKLE)",
        CELLS_PAGE,
        (CELLS_PAGE, LEADERBOARD_PAGE),
        claims,
    ),
)
