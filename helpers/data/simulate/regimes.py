"""Regimes: named settings of the simulator, each one in which another kind of model should win."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from helpers.data.simulate.screen import simulated_screen
from helpers.store.steps import Step


@dataclass(frozen=True)
class Regime:
    """A setting of the simulator.

    Parameters
    ----------
    name : str
    what : str
        What is special, in a sentence.
    winner : str
        The kind of model that should win.
    defining : mapping
        Knobs that make the regime what it is; they cannot be overridden.
    usual : mapping
        Knobs that go with it; they can.
    """

    name: str
    what: str
    winner: str
    defining: Mapping[str, float]
    usual: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "defining", MappingProxyType(dict(self.defining)))
        object.__setattr__(self, "usual", MappingProxyType(dict(self.usual)))

    @property
    def knobs(self) -> dict[str, float]:
        """Every knob that the regime sets."""
        return {**self.usual, **self.defining}


_COMBINATORIAL = {
    "n_combinations": 80,
    "effective_share": 1.0,
    "unexpressed_share": 0.0,
    "effect_size": 0.35,
    "abundance_sd": 1.0,
    "n_programs": 8,
    "efficacy": 0.95,
    "library_size": 8_000.0,
}
"""What the additive regime shares with the one that saturates, so that nothing else differs."""

REGIMES: Mapping[str, Regime] = MappingProxyType(
    {
        regime.name: regime
        for regime in (
            Regime(
                name="log-additive",
                what="Effects add on the log scale, in every state and combination alike.",
                winner="additive and linear models",
                defining={"saturation": 0.0, "interaction_share": 0.0, "state_dependence": 0.0},
                usual=_COMBINATORIAL,
            ),
            Regime(
                name="saturating-epistatic",
                what="Programs saturate, and a third of the combinations interact besides.",
                winner="models of interactions",
                defining={"saturation": 0.22, "interaction_share": 0.3},
                usual=_COMBINATORIAL,
            ),
            Regime(
                name="strongly saturating",
                what="Effects are large beside the limit at which programs saturate.",
                winner="models of interactions, scaled additive models being too rigid",
                defining={"saturation": 0.5, "effect_size": 1.2, "programs_per_target": 4},
                usual=_COMBINATORIAL,
            ),
            Regime(
                name="state-dependent",
                what="An effect is reversed in the second half of the cell cycle.",
                winner="embeddings that are not linear in expression",
                defining={"state_dependence": 1.0},
                usual={"state_sd": 0.5, "effect_size": 0.6, "abundance_sd": 1.2},
            ),
            Regime(
                name="sparse",
                what="Few counts a cell, and perturbations that move one small program each.",
                winner="models that pool cells and genes",
                defining={"programs_per_target": 1, "program_share": 0.02},
                usual={"library_size": 500.0, "n_programs": 50, "abundance_sd": 1.0},
            ),
            Regime(
                name="noise off the programs",
                what="Cells differ most along programs that no perturbation moves.",
                winner="models that know directions of effects, not those of variance",
                defining={"off_program_sd": 0.4},
                usual={"cell_sd": 0.05, "abundance_sd": 1.2},
            ),
            Regime(
                name="nuisance",
                what="Ambient RNA, wrong and dead guides, doublets, cells lost to fitness.",
                winner="models that correct for what is technical",
                defining={
                    "ambient_share": 0.15,
                    "misassigned_share": 0.1,
                    "dead_guide_share": 0.2,
                    "doublet_share": 0.1,
                    "fitness_loss": 0.8,
                },
                usual={
                    "batch_sd": 0.5,
                    "library_sd": 0.7,
                    "guide_sd": 0.5,
                    "systematic_shift": 0.2,
                    "efficacy": 0.6,
                },
            ),
        )
    }
)


def regime(name: str) -> Regime:
    """The regime of a name.

    Raises
    ------
    ValueError
        There is none.
    """
    if name not in REGIMES:
        raise ValueError(f"no regime {name!r}; there are {', '.join(REGIMES)}")
    return REGIMES[name]


def regime_knobs(name: str, **overrides) -> dict[str, float]:
    """Knobs of a regime, or of several: "sparse+nuisance".

    Raises
    ------
    ValueError
        There is no such regime; two of them, or a regime and an override, set a knob that defines
        one of them to another value.
    """
    chosen = [regime(part) for part in name.split("+")]
    knobs: dict[str, float] = {}
    for one in chosen:
        knobs |= one.usual
    said: dict[str, tuple[float, str]] = {}
    for one in chosen:
        for knob, value in one.defining.items():
            if knob in said and said[knob][0] != value:
                before, who = said[knob]
                raise ValueError(
                    f"regimes {who!r} and {one.name!r} contradict each other: {knob} is {before:g} "
                    f"in the one and {value:g} in the other; choose one of them"
                )
            said[knob] = (value, one.name)
    for knob, value in overrides.items():
        if knob in said and said[knob][0] != value:
            fixed, who = said[knob]
            raise ValueError(
                f"{knob} = {value!r} contradicts the regime {who!r}, which is defined by "
                f"{knob} = {fixed:g}; call simulated_screen to set every knob yourself"
            )
    return knobs | {knob: value for knob, (value, _) in said.items()} | overrides


def simulated_regime(name: str, seed: int, **overrides) -> Step:
    """The screen of a regime, as the step `simulated_screen`.

    Parameters
    ----------
    name : str
        Of `REGIMES`, or several with "+" between them.
    seed : int
    **overrides
        Other knobs.

    Raises
    ------
    TypeError, ValueError
        See `regime_knobs` and `simulated_screen`.

    Examples
    --------
    >>> print(simulated_regime("sparse", 0, n_programs=20, library_size=2_000.0))
    screen_of_knobs(seed=0, knobs={"abundance_sd": 1.0, "program_share": 0.02, \
"programs_per_target": 1})
    """
    return simulated_screen(seed=seed, **regime_knobs(name, **overrides))
