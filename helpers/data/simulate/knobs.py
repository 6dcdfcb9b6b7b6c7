"""The knobs of the simulated screen: default, range and meaning of each, stated once."""

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from numbers import Integral, Real
from typing import Any, Self

from helpers.words import Words


@dataclass(frozen=True)
class Knob:
    """Range of a knob, ends included, and what it is."""

    low: float
    high: float
    text: Words


def knob(default: float, about: Knob) -> Any:
    """A field of `Knobs`."""
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True)
class Knobs:
    """Every knob of `helpers.data.simulate.screen.simulate_screen`.

    SD is the standard deviation, logarithms are natural, and "in the latent" is in units of the
    latent coordinates of a cell. Guides and batches are balanced unless `guide_sd` or
    `fitness_loss` say otherwise: every guide has as many cells in each batch, but for one.
    `library_size` is the median of a cell's depth, which shifts, programs and effects multiply:
    its expected counts are some more. A combination's guides act or not each by itself; a cell in
    which no guide acts looks like a control. The default of `expressed_mean` is twice the 0.15
    counts under which the published protocol calls a target unexpressed.

    Raises
    ------
    ValueError
        A knob leaves its range, or the knobs do not fit each other.
    """

    n_cells: int = knob(20_000, Knob(10, 100_000_000, "Cells, in random order"))
    n_genes: int = knob(2_000, Knob(10, 100_000, "Genes"))
    n_targets: int = knob(100, Knob(1, 100_000, "Perturbed genes, at most half of all genes"))
    guides_per_target: int = knob(
        3, Knob(1, 100, "Guides against each target, each with a cell at least")
    )
    n_control_guides: int = knob(9, Knob(1, 10_000, "Non-targeting guides among the controls"))
    n_batches: int = knob(
        4, Knob(1, 10_000, "Batches, dealt to contexts, then to replicates within a context")
    )
    n_replicates: int = knob(
        2, Knob(1, 10_000, "Replicates, each in one batch of every context at least")
    )
    n_contexts: int = knob(1, Knob(1, 1_000, "Contexts (cell lines)"))
    n_combinations: int = knob(
        0,
        Knob(0, 100_000, 'Pairs "A+B" of acting targets, guide i of one with guide i of the other'),
    )
    control_share: float = knob(
        0.15, Knob(0.001, 0.999, "Share of cells that carry a non-targeting guide")
    )
    abundance_sd: float = knob(1.5, Knob(0.0, 3.0, "SD of log abundance between genes"))
    dispersion: float = knob(
        0.2, Knob(0.0, 10.0, "φ in variance = mean + φ mean²; 0 gives Poisson counts")
    )
    dispersion_sd: float = knob(0.0, Knob(0.0, 2.0, "SD of log φ between genes"))
    library_size: float = knob(
        2_000.0, Knob(10.0, 1_000_000.0, "Median depth, in counts before shifts and programs")
    )
    library_sd: float = knob(0.4, Knob(0.0, 2.0, "SD of log depth between cells"))
    batch_sd: float = knob(0.2, Knob(0.0, 2.0, "SD of the log shift of each gene in each batch"))
    context_sd: float = knob(
        0.3, Knob(0.0, 2.0, "SD of the log shift of each gene in each of several contexts")
    )
    context_sharing: float = knob(
        0.5, Knob(0.0, 1.0, "Correlation of a target's effects in two contexts")
    )
    state_sd: float = knob(0.3, Knob(0.0, 2.0, "SD of the two cell-cycle coordinates (a circle)"))
    cell_sd: float = knob(0.2, Knob(0.0, 2.0, "SD of a cell's own noise on each program"))
    off_program_sd: float = knob(
        0.0,
        Knob(0.0, 2.0, "SD of a cell's noise on as many programs more, which no effect moves"),
    )
    n_programs: int = knob(20, Knob(1, 1_000, "Gene programs, of standard normal loadings"))
    program_share: float = knob(0.1, Knob(0.001, 1.0, "Share of the genes that are in a program"))
    effect_size: float = knob(
        0.4,
        Knob(
            0.0,
            2.0,
            "SD of an effect on each program that its target moves; 0: no knock-down either",
        ),
    )
    effective_share: float = knob(
        0.6,
        Knob(
            0.0,
            1.0,
            "Share of expressed targets that move programs; others lose their own gene only",
        ),
    )
    unexpressed_share: float = knob(
        0.25,
        Knob(
            0.0,
            1.0,
            "Share of targets that are not expressed: no effect, the null of Celik et al. (2024)",
        ),
    )
    expressed_mean: float = knob(
        0.3,
        Knob(
            0.0,
            1_000.0,
            "Least mean of an expressed target, in counts; published protocols cut at 0.15",
        ),
    )
    programs_per_target: int = knob(
        3, Knob(1, 1_000, "Median number of programs that an acting target moves")
    )
    hub_sd: float = knob(
        0.0, Knob(0.0, 2.0, "SD of the logarithm of that number: few hubs move many programs")
    )
    systematic_shift: float = knob(
        0.0,
        Knob(
            0.0,
            2.0,
            "SD over programs of one shift, in the latent, that all responding cells share",
        ),
    )
    state_dependence: float = knob(
        0.0,
        Knob(
            0.0,
            1.0,
            "In the second half of the cycle an effect is 1 - 2 times this as large: 1 reverses it",
        ),
    )
    saturation: float = knob(
        0.0,
        Knob(0.0, 10.0, "Limit s of each program, in the latent: x becomes s tanh(x / s); 0: none"),
    )
    interaction_share: float = knob(
        0.0, Knob(0.0, 1.0, "Share of combinations that are not additive")
    )
    interaction_size: float = knob(0.5, Knob(0.0, 1.0, "How far from additive these are"))
    n_complexes: int = knob(0, Knob(0, 10_000, "Complexes of acting targets"))
    complex_size: int = knob(4, Knob(2, 1_000, "Members of each complex"))
    complex_similarity: float = knob(
        0.8, Knob(0.0, 1.0, "Correlation of the effects of two members, before signs")
    )
    opposite_share: float = knob(
        0.25, Knob(0.0, 1.0, "Share of members whose effect has the opposite sign")
    )
    database_recall: float = knob(
        0.5,
        Knob(0.0, 1.0, "Share of the pairs within complexes that the relationship database lists"),
    )
    database_false_share: float = knob(
        0.1, Knob(0.0, 0.9, "Share of the pairs that the database lists that is false")
    )
    efficacy: float = knob(
        0.7,
        Knob(
            0.0, 1.0, "Mean probability that a guide acts in a cell; guides vary around it (beta)"
        ),
    )
    knockdown: float = knob(
        0.8, Knob(0.0, 0.99, "Share of the target's own expression that a responding cell loses")
    )
    dead_guide_share: float = knob(0.0, Knob(0.0, 1.0, "Share of targeting guides that never act"))
    misassigned_share: float = knob(
        0.0, Knob(0.0, 1.0, "Share of cells that are labelled with the guide of another one")
    )
    doublet_share: float = knob(
        0.0, Knob(0.0, 1.0, "Share of droplets that hold a second cell of the same batch")
    )
    ambient_share: float = knob(
        0.0,
        Knob(
            0.0,
            0.9,
            "Share of depth that is the mean profile of the batch, which has no effects in it",
        ),
    )
    guide_sd: float = knob(0.0, Knob(0.0, 2.0, "SD of the log abundance of guides"))
    fitness_loss: float = knob(
        0.0, Knob(0.0, 10.0, "Log cells that a guide loses per efficacy times norm of its effect")
    )

    def __post_init__(self) -> None:
        for f in fields(self):
            check_range(f.name, getattr(self, f.name), RANGES[f.name])
        _check_fit(self)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """These knobs, the others at their defaults.

        Raises
        ------
        TypeError
            There is no such knob.
        ValueError
            See `Knobs`.
        """
        for name in given:
            if name not in RANGES:
                near = difflib.get_close_matches(str(name), RANGES, n=1, cutoff=0.0)
                raise TypeError(f"no knob {name!r} of the simulator; the closest is {near[0]!r}")
        return cls(**given)

    @classmethod
    def read(cls, screen) -> Self:
        """Those of a simulated screen, as plain numbers also where a file gave back NumPy's."""
        kept = screen.uns["truth"]["knobs"]
        return cls(**{f.name: f.type(kept[f.name]) for f in fields(cls)})

    def changed(self) -> dict[str, float]:
        """The knobs that are not at their defaults."""
        return {
            f.name: value for f in fields(self) if (value := getattr(self, f.name)) != f.default
        }

    def as_dict(self) -> dict[str, float]:
        """Every knob."""
        return asdict(self)


RANGES = {f.name: (f.metadata["about"].low, f.metadata["about"].high) for f in fields(Knobs)}
"""Smallest and largest value of each knob."""


def check_range(name: str, value: Any, between: tuple[float, float]) -> None:
    """Pass where a value lies within its range, and is an integer where that begins with one.

    Raises
    ------
    ValueError
    """
    low, high = between
    kind, article = (Integral, "an integer") if isinstance(low, int) else (Real, "a number")
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
        raise ValueError(f"{name} must be {article} in [{low}, {high}], not {value!r}")


def _check_fit(k: Knobs) -> None:
    if k.n_replicates > k.n_batches:
        raise ValueError(
            f"n_replicates must be at most n_batches = {k.n_batches}, "
            f"not {k.n_replicates}: a replicate is one batch or several"
        )
    if (blocks := k.n_contexts * k.n_replicates) > k.n_batches:
        raise ValueError(
            f"n_contexts x n_replicates = {blocks} must be at most n_batches = "
            f"{k.n_batches}: every context has every replicate, in batches of its own"
        )
    if 2 * k.n_targets > k.n_genes:
        raise ValueError(
            f"n_targets must be at most half of n_genes = {k.n_genes}, not {k.n_targets}"
        )
    if k.state_dependence > 0 and k.state_sd == 0:
        raise ValueError(
            "state_dependence is above 0 where state_sd is 0: effects would depend on a state that "
            "no gene shows; set state_sd, or state_dependence = 0"
        )
    if k.interaction_share > 0 and k.n_combinations == 0:
        raise ValueError(
            "interaction_share is above 0 where n_combinations is 0: nothing can interact; set "
            "n_combinations, or interaction_share = 0"
        )
    n_controls = round(k.control_share * k.n_cells)
    n_guides = (k.n_targets + k.n_combinations) * k.guides_per_target
    if n_controls < k.n_control_guides or k.n_cells - n_controls < n_guides:
        raise ValueError(
            f"n_cells = {k.n_cells} with control_share = {k.control_share} leaves "
            f"{n_controls} cells to {k.n_control_guides} non-targeting guides and "
            f"{k.n_cells - n_controls} to {n_guides} targeting ones: "
            "each guide needs at least one cell"
        )
