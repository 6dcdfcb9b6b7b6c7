"""Which perturbations a model learns from, and which it is scored on: lists of conditions.

Published splits come from numpy's legacy generator and are the same to the letter. Ours come from a
generator that is passed in, on sorted names, so that no order of a set or a hash enters.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256

import numpy as np

from helpers.data.contract import DataError
from helpers.data.effects.similarity import nearest

SINGLE = "single perturbation"
SEEN = ("no part seen", "one part seen", "both parts seen")
"""Strata: what of a scored condition the training set holds."""


@dataclass(frozen=True)
class ConditionSplit:
    """Conditions to learn from and to score.

    Parameters
    ----------
    kind : str
    seed : int
    train, test : tuple of str, sorted
        In the form that they were given in.
    validation : tuple of str, sorted
        Held out too, for choosing; published splits score them with `test`.
    strata : mapping of scored condition to str
    context : str
        The context that is held out; empty where contexts play no part.

    Raises
    ------
    DataError
        A condition is in two parts: the split leaks. Nothing to learn from, or to score.
    """

    kind: str
    seed: int
    train: tuple[str, ...]
    test: tuple[str, ...]
    validation: tuple[str, ...] = ()
    strata: Mapping[str, str] = field(default_factory=dict)
    context: str = ""

    def __post_init__(self) -> None:
        held_out = [*self.test, *self.validation]
        twice = sorted(set(self.train) & set(held_out) | set(self.test) & set(self.validation))
        if twice and not self.context:  # in another context, a name may be learnt from
            raise DataError(
                f"the split {self.kind!r} leaks: {', '.join(twice[:5])} "
                f"({len(twice)} in all) are in two of its parts"
            )
        if not self.train or not self.test:
            raise DataError(
                f"the split {self.kind!r} has {len(self.train)} conditions to learn from and "
                f"{len(self.test)} to score; it needs one of each at least"
            )

    @property
    def held_out(self) -> tuple[str, ...]:
        """Test and validation together, sorted: what the published benchmark scores."""
        return tuple(sorted([*self.test, *self.validation]))

    def manifest(self) -> str:
        """The split as JSON, the same text for the same split."""
        return json.dumps(asdict(self), sort_keys=True, indent=1)

    @property
    def digest(self) -> str:
        """Hash of the manifest, by which predictions say what they were made for."""
        return sha256(self.manifest().encode()).hexdigest()

    def accept(self, digest: str) -> None:
        """Pass predictions that were made for this split.

        Raises
        ------
        DataError
            They were made for another one, and may have seen what is scored.
        """
        if digest != self.digest:
            raise DataError(
                f"predictions were made for the split {digest[:12]!r}, not for this one "
                f"({self.kind}, seed {self.seed}, {self.digest[:12]!r}): they may have seen what "
                "is scored; predict again with this split's manifest"
            )


def read_manifest(text: str) -> ConditionSplit:
    """The split of a manifest.

    Raises
    ------
    DataError
        It is none, or it leaks.
    """
    try:
        told = json.loads(text)
        lists = {k: tuple(told.pop(k)) for k in ("train", "test", "validation")}
        return ConditionSplit(**told, **lists)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"not a manifest of a split: {error!r}") from error


def norman_doubles(conditions: Iterable[str], seed: int) -> ConditionSplit:
    """Published split of double perturbations: half of them for training, all singles with them.

    Parameters
    ----------
    conditions : iterable of str
        "ctrl", "A+ctrl" and "A+B", as the published file has them.
    seed : int
        Of numpy's legacy generator; 1 to 5 were published.

    References
    ----------
    Ahlmann-Eltze et al. 2025, released code f5b6679, prepare_perturbation_data.py:100-115.
    """
    names = np.array(sorted(set(conditions)))
    single = np.array(["ctrl" in name for name in names])
    rng = np.random.RandomState(seed)  # legacy: the published split is drawn by it
    doubles = names[~single]
    train = rng.choice(doubles, len(doubles) // 2, replace=False)
    rest = np.setdiff1d(doubles, train)
    test = rng.choice(rest, len(rest) // 2, replace=False)
    return ConditionSplit(
        "published doubles",
        seed,
        train=tuple(sorted([*names[single].tolist(), *train.tolist()])),
        test=tuple(sorted(test.tolist())),
        validation=tuple(np.setdiff1d(rest, test).tolist()),
    )


def gears_simulation(conditions: Iterable[str], seed: int) -> ConditionSplit:
    """Published split of single perturbations: the `simulation` split of GEARS.

    Parameters
    ----------
    conditions : iterable of str
        "ctrl" and "A+ctrl".
    seed : int
        Of numpy's legacy generator; 1 and 2 were published.

    Raises
    ------
    DataError
        Combinations are among the conditions.

    References
    ----------
    GEARS 0.1.2, data_utils.py:145-289; Ahlmann-Eltze et al. 2025.
    """
    names = sorted(set(conditions))
    parts = {name: [p for p in name.split("+") if p != "ctrl"] for name in names}
    if several := [name for name, own in parts.items() if len(own) > 1]:
        raise DataError(f"single perturbations only; combinations are {', '.join(several[:5])}")
    of_gene = {own[0]: name for name, own in parts.items() if own}
    genes = np.array(sorted(of_gene))
    train = np.random.RandomState(seed).choice(genes, int(len(genes) * 0.75), replace=False)
    test = np.setdiff1d(genes, train)
    train = np.sort(train)
    # GEARS seeds its generator again before it takes validation genes out of the training genes.
    fit = np.random.RandomState(seed).choice(train, int(len(train) * 0.9), replace=False)
    validation = np.setdiff1d(train, fit)
    bare = [name for name, own in parts.items() if not own]
    train, test, validation = (
        tuple(sorted(of_gene[g] for g in part)) for part in (fit, test, validation)
    )
    return ConditionSplit(
        "published singles", seed, tuple(sorted([*bare, *train])), test, validation
    )


def unseen_perturbations(names: Iterable[str], *, seed: int, share: float = 0.5) -> ConditionSplit:
    """Single perturbations of which no cell, alone or in a combination, is learnt from.

    Combinations take no part.
    """
    singles = _singles(names)
    test = _drawn(singles, share, seed, "unseen perturbations")
    return ConditionSplit(
        "unseen perturbations",
        seed,
        tuple(n for n in singles if n not in test),
        tuple(sorted(test)),
        strata=dict.fromkeys(sorted(test), SINGLE),
    )


def combinations(
    names: Iterable[str], *, seed: int, share: float = 0.5, unseen_share: float = 0.0
) -> ConditionSplit:
    """Combinations of two with neither, one or both of their parts in the training set.

    Parameters
    ----------
    names : iterable of str
    seed : int
    share : float in (0, 1)
        Of combinations with both parts seen, those that are scored.
    unseen_share : float in [0, 1)
        Of perturbations, those that are left out of training altogether; combinations with them
        are scored. With 0 both parts of all are seen.
    """
    names = sorted(set(names))
    singles, pairs = _singles(names), [n for n in names if n.count("+") == 1]
    pairs = [n for n in pairs if set(n.split("+")) <= set(singles)]
    kind = f"combinations, {unseen_share:g} of the parts unseen"
    unseen = _drawn(singles, unseen_share, seed, kind) if unseen_share else set()
    known = {n: sum(part not in unseen for part in n.split("+")) for n in pairs}
    whole = [n for n in pairs if known[n] == 2]
    scored = _drawn(whole, share, seed + 1, kind) | {n for n in pairs if known[n] < 2}
    return ConditionSplit(
        kind,
        seed,
        tuple(n for n in [*singles, *pairs] if n not in unseen and n not in scored),
        tuple(sorted(scored)),
        strata={n: SEEN[known[n]] for n in sorted(scored)},
    )


def covariate_transfer(
    names_of: Mapping[str, Iterable[str]], context: str, *, seed: int, share: float = 0.5
) -> ConditionSplit:
    """Perturbations of one context that were seen in another, others of the context being known.

    Parameters
    ----------
    names_of : mapping of context to its single perturbations
    context : str
        Where some are held out.
    seed, share
        As in `unseen_perturbations`.

    Raises
    ------
    DataError
        No such context, or none of its perturbations is seen elsewhere.
    """
    own, common = _in_common(names_of, context)
    test = _drawn(common, share, seed, f"transfer to {context}")
    return ConditionSplit(
        "covariate transfer",
        seed,
        tuple(n for n in own if n not in test),
        tuple(sorted(test)),
        strata=dict.fromkeys(sorted(test), "seen in another context"),
        context=context,
    )


def leave_one_context_out(
    names_of: Mapping[str, Iterable[str]], context: str, *, seed: int = 0
) -> ConditionSplit:
    """A context of which the controls alone are known; what another one has is scored.

    Raises
    ------
    DataError
        See `covariate_transfer`.
    """
    common = _in_common(names_of, context)[1]
    others = sorted({n for c, names in names_of.items() if c != context for n in _singles(names)})
    return ConditionSplit(
        "leave one context out",
        seed,
        tuple(others),
        tuple(common),
        strata=dict.fromkeys(common, "seen in another context"),
        context=context,
    )


def similarity_controlled(
    names: Sequence[str], features: np.ndarray, *, seed: int, share: float = 0.5, most: float = 0.5
) -> ConditionSplit:
    """Unseen perturbations none of which is more similar to a training one than a limit.

    Perturbations whose similarity is above the limit are linked, and whole components of links are
    drawn, the largest of them for training.

    Parameters
    ----------
    names : sequence of str of length n
    features : ndarray of shape (n, n_features)
        Similarity is the cosine. Of the effects themselves it is a description of the split, never
        an input of a model.
    seed, share
        As in `unseen_perturbations`; at most that share is held out.
    most : float in (-1, 1)

    Raises
    ------
    DataError
        All perturbations hang together.
    """
    from scipy.sparse.csgraph import connected_components

    from helpers.data.effects.similarity import cosines

    names = np.asarray(names, dtype=str)
    order = np.argsort(names)
    names, features = names[order], np.asarray(features, dtype=float)[order]
    component = connected_components(cosines(features, features) > most, directed=False)[1]
    sizes = np.bincount(component)
    largest = int(np.argmax(sizes))
    test: list[int] = []
    for one in np.random.default_rng(seed).permutation(len(sizes)):
        own = np.flatnonzero(component == one)
        if one != largest and len(test) + len(own) <= share * len(names):
            test.extend(own)
    if not test:
        raise DataError(
            f"no perturbation can be held out at a similarity of at most {most:g}: all hang "
            "together; raise the limit"
        )
    held_out = np.isin(np.arange(len(names)), test)
    return ConditionSplit(
        f"similarity of at most {most:g}",
        seed,
        tuple(names[~held_out].tolist()),
        tuple(names[held_out].tolist()),
        strata=dict.fromkeys(names[held_out].tolist(), SINGLE),
    )


def leakage(
    split: ConditionSplit, names: Sequence[str], features: np.ndarray, *, n_random: int = 20
) -> dict:
    """How similar scored conditions are to what is learnt from, beside random splits of that size.

    Parameters
    ----------
    split : ConditionSplit
    names : sequence of str, with all conditions of the split
    features : ndarray of shape (n_names, n_features)
    n_random : int
        Splits of the same conditions into parts of the same sizes, drawn at random: a split whose
        scored conditions are less similar than theirs is harder, with no fewer data.

    Returns
    -------
    dict
        `nearest`: of each scored condition the greatest cosine to a training one. `mean`, and
        `random`, the mean of each random split.

    Raises
    ------
    DataError
        A condition without features.
    """
    place = {name: i for i, name in enumerate(names)}
    held_out, train = list(split.held_out), list(split.train)
    if absent := [n for n in [*held_out, *train] if n not in place]:
        raise DataError(f"conditions without features: {', '.join(absent[:5])}")
    features = np.asarray(features, dtype=float)
    found = nearest(features[[place[n] for n in held_out]], features[[place[n] for n in train]])
    everyone = np.array([place[n] for n in sorted({*held_out, *train})])
    rng, random = np.random.default_rng(split.seed), []
    for _ in range(n_random if len(everyone) == len(held_out) + len(train) else 0):
        mixed = rng.permutation(everyone)
        cut = len(held_out)
        random.append(float(nearest(features[mixed[:cut]], features[mixed[cut:]]).mean()))
    return {
        "nearest": dict(zip(held_out, map(float, found), strict=True)),
        "mean": float(found.mean()),
        "random": random,
    }


def _singles(names: Iterable[str]) -> list[str]:
    return sorted({n for n in names if "+" not in n})


def _in_common(names_of, context: str) -> tuple[list[str], list[str]]:
    """Singles of a context, and those that another context has too."""
    if context not in names_of:
        raise DataError(f"no context {context!r}; there are {', '.join(sorted(names_of))}")
    own = _singles(names_of[context])
    others = {n for c, names in names_of.items() if c != context for n in _singles(names)}
    common = [n for n in own if n in others]
    if not common:
        raise DataError(f"no perturbation of {context} was made in another context")
    return own, common


def _drawn(names: list[str], share: float, seed: int, kind: str) -> set[str]:
    """A share of names, rounded to whole ones, at random."""
    n = round(share * len(names))
    if not 0 < n < len(names):
        raise DataError(
            f"{kind}: a share of {share:g} of {len(names)} leaves one side empty; two are needed "
            "at least"
        )
    rng = np.random.default_rng(seed)
    return set(rng.choice(np.array(names), n, replace=False).tolist())
