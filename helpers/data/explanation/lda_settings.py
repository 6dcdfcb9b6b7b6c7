"""Data sets of the LDA simulator by name: those of the paper and its successor, and small ones."""

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType

from helpers.data.contract import DataError
from helpers.data.explanation.lda import LdaKnobs, simulated_lda
from helpers.store.steps import Step


def _classes(n: int, *, samples: int, genes: int, groups: int, each: int, **more) -> dict:
    return {
        "n_per_kind": [samples] * n,
        "n_genes": genes,
        "n_groups": groups,
        "groups_per_kind": each,
        **more,
    }


_BINARY = {"genes": 50_000, "groups": 5_000, "each": 500}
_SMALL = {"n_reads": 120_000, "keep_theta": True}
_TOY = {"group_size": 2, "keep_theta": True}


def _synthetic(*, kinds: int = 1, groups_per_kind: int = 10, size: int = 10) -> dict:
    """Half of 1,000 samples in each class; the kinds of the first share its half."""
    return {
        "n_per_kind": [500 // kinds] * kinds + [500],
        "class_of": [0] * kinds + [1],
        "n_genes": 2_000,
        "n_groups": 2_000 // size,
        "group_size": size,
        "groups_per_kind": groups_per_kind,
    }


SETTINGS: Mapping[str, Mapping] = MappingProxyType(
    {
        "SIMU1": _classes(33, samples=300, genes=15_000, groups=1_500, each=37),
        "SIMU2": _classes(33, samples=300, genes=15_000, groups=3_000, each=37, design="random"),
        "SimuA": _classes(2, samples=600, **_BINARY),
        "SimuB": _classes(4, samples=300, **_BINARY, class_of=[0, 0, 0, 1]),
        "SimuC": _classes(6, samples=200, **_BINARY, class_of=[0, 0, 0, 0, 0, 1]),
        "demo": _classes(2, samples=300, genes=60, groups=6, each=2, keep_theta=True),
        "set0": _classes(3, samples=200, genes=6, groups=3, each=1, **_TOY),
        "set1": _classes(3, samples=200, genes=26, groups=13, each=1, **_TOY),
        "set2": _classes(3, samples=200, genes=6, groups=3, each=1, **_TOY),
        "set3": _classes(3, samples=200, genes=6, groups=3, each=1, **_TOY),
        "set4": _classes(3, samples=200, genes=3, groups=3, each=1, design="ring", **_TOY),
        "set5": _classes(3, samples=200, genes=4, groups=3, each=1, design="chain", **_TOY),
        # Two classes of 2,000 genes: hidden kinds of the first, over-expressed groups, their size.
        **{f"syn_g_{k}": _synthetic(kinds=k) for k in (1, 2, 5, 10)},
        **{f"syn_p_{p}": _synthetic(groups_per_kind=p) for p in (1, 5, 10, 50)},
        **{f"syn_t_{t}": _synthetic(groups_per_kind=1, size=t) for t in (1, 10, 50, 100)},
        # Ours: small versions of the designs above, seconds each.
        "small SIMU1": _classes(8, samples=60, genes=1_200, groups=120, each=12, **_SMALL),
        "small SIMU2": _classes(
            8, samples=60, genes=1_200, groups=240, each=12, design="random", **_SMALL
        ),
        "small SimuA": _classes(2, samples=240, genes=1_200, groups=120, each=12, **_SMALL),
        "small SimuB": _classes(
            4, samples=120, genes=1_200, groups=120, each=12, class_of=[0, 0, 0, 1], **_SMALL
        ),
        "small SimuC": _classes(
            6, samples=80, genes=1_200, groups=120, each=12, class_of=[0] * 5 + [1], **_SMALL
        ),
    }
)
"""Data sets by name. SIMU1 to syn_t: Bontonou et al. 2023 and the code of its successor, which has
syn for other numbers too. It does not state the samples of set0 to set5 (here 200 a class) and of
syn (here 1,000); set0, set2 and set3 share one design."""


def lda(name: str, seed: int, **changes) -> Step:
    """Data set of a name, as a step.

    Parameters
    ----------
    name : str
        Of `SETTINGS`.
    seed : int
    **changes
        Knobs of `LdaKnobs` that differ from the setting.

    Raises
    ------
    DataError
        An unknown name or knob.
    """
    if name not in SETTINGS:
        raise DataError(f"no LDA setting {name!r}; there are {', '.join(SETTINGS)}")
    known = {f.name for f in fields(LdaKnobs)}
    if unknown := sorted(set(changes) - known):
        raise DataError(f"LDA setting {name}: no knobs {unknown}; there are {sorted(known)}")
    return simulated_lda(seed=seed, knobs={**SETTINGS[name], **changes})
