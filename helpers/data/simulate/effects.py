"""Effects of a simulated screen: of targets in each context, of complexes and combinations."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.data.simulate import interactions
from helpers.data.simulate.genes import Genes
from helpers.data.simulate.knobs import Knobs


@dataclass(frozen=True)
class Effects:
    """What perturbations do, targets first, then combinations; positions are among the targets."""

    in_contexts: np.ndarray  # (n_contexts, n_perturbations, n_programs), before saturation
    systematic: np.ndarray  # (n_programs,), shift of all responding cells
    perturbations: np.ndarray  # (n_perturbations,), names
    components: np.ndarray  # (n_perturbations + 1, 2), targets, -1: none; the last row is control's
    acting: np.ndarray  # targets that move programs, sorted
    complexes: pd.DataFrame  # a row a target
    combinations: pd.DataFrame  # see `interactions.draw`

    @property
    def mean(self) -> np.ndarray:
        """Mean over contexts, of shape (n_perturbations, n_programs)."""
        return self.in_contexts.mean(axis=0)


def draw_effects(streams: Mapping[str, np.random.Generator], genes: Genes, k: Knobs) -> Effects:
    """Effects of targets, mixed with those of their complexes, and of their combinations."""
    shared, degree, acting = _of_targets(streams["effect"], genes.expressed, k)
    complexes = _complexes(streams["complex"], acting, k)
    shared = _with_complexes(streams["complex"], shared, complexes, k)
    combinations, novel = interactions.draw(
        streams["combination"],
        genes.targets,
        acting,
        n_combinations=k.n_combinations,
        interaction_share=k.interaction_share,
        n_programs=k.n_programs,
    )
    in_contexts = np.stack(
        [
            np.vstack([e, interactions.combine(e, combinations, novel, k.interaction_size)])
            for e in _in_contexts(streams["own"], shared, degree, complexes, k)
        ]
    )
    single = np.arange(k.n_targets)
    return Effects(
        in_contexts=in_contexts,
        systematic=k.systematic_shift * streams["systematic"].standard_normal(k.n_programs),
        perturbations=np.array([*genes.targets, *combinations["name"]], dtype=object),
        components=np.vstack(
            [
                np.column_stack([single, np.full(k.n_targets, -1)]),
                combinations[["first", "second"]].to_numpy(int),
                [[-1, -1]],  # control's, which index -1 finds
            ]
        ),
        acting=acting,
        complexes=complexes,
        combinations=combinations,
    )


def saturate(effect, limit: float):
    """How far a program moves: limit · tanh(effect / limit); the effect itself where it is 0."""
    return limit * np.tanh(effect / limit) if limit > 0 else effect


def _of_targets(rng, expressed, k: Knobs):
    """Effects (n_targets, n_programs), programs that each target moves, targets that act."""
    candidates = np.flatnonzero(expressed)
    acting = rng.choice(candidates, round(k.effective_share * candidates.size), replace=False)
    degree = np.zeros(expressed.size, dtype=int)
    # Hubs are drawn elsewhere, so that without them the effects are the same as ever.
    spread = k.hub_sd * rng.spawn(1)[0].standard_normal(acting.size)
    drawn = np.rint(k.programs_per_target * np.exp(spread)).astype(int)
    degree[acting] = np.clip(drawn, 1, k.n_programs)
    return _moves(rng, degree, k, order=acting), degree, np.sort(acting)


def _moves(rng, degree, k: Knobs, order=None) -> np.ndarray:
    """Effects of shape (len(degree), n_programs), row i on `degree[i]` programs."""
    effects = np.zeros((len(degree), k.n_programs))
    for t in np.flatnonzero(degree) if order is None else order:
        hit = rng.choice(k.n_programs, degree[t], replace=False)
        effects[t, hit] = k.effect_size * rng.standard_normal(degree[t])
    return effects


def _in_contexts(rng, shared, degree, complexes, k: Knobs) -> list[np.ndarray]:
    """Effects of targets in each context: what all share, mixed with the context's own."""
    if k.n_contexts == 1:
        return [shared]
    effects = []
    for _ in range(k.n_contexts):
        own = _with_complexes(rng, _moves(rng, degree, k), complexes, k)
        effects.append(np.sqrt(k.context_sharing) * shared + np.sqrt(1 - k.context_sharing) * own)
    return effects


def _complexes(rng, acting, k: Knobs) -> pd.DataFrame:
    """Complex ("" where none) and sign of each target, one row a target."""
    n_members = k.n_complexes * k.complex_size
    if n_members > acting.size:
        raise ValueError(
            f"{k.n_complexes} complexes of {k.complex_size} need {n_members} targets that "
            f"act, but there are {acting.size}: lower n_complexes or complex_size, or raise "
            "n_targets or effective_share"
        )
    members = rng.choice(acting, n_members, replace=False)
    name = np.full(k.n_targets, "", dtype=object)
    sign = np.ones(k.n_targets, dtype=int)
    name[members] = [f"complex{i // k.complex_size + 1}" for i in range(n_members)]
    sign[members] = np.where(rng.random(n_members) < k.opposite_share, -1, 1)
    return pd.DataFrame({"complex": name, "sign": sign})


def _with_complexes(rng, effects, complexes, k: Knobs) -> np.ndarray:
    """Effects of members mixed with that of their complex, in sign as well."""
    degree = np.full(k.n_complexes, min(k.programs_per_target, k.n_programs))
    common = _moves(rng, degree, k)
    effects = effects.copy()
    for c, effect in enumerate(common):
        members = np.flatnonzero(complexes["complex"] == f"complex{c + 1}")
        own = np.sqrt(1 - k.complex_similarity) * effects[members]
        sign = complexes["sign"].to_numpy()[members, None]
        effects[members] = sign * (np.sqrt(k.complex_similarity) * effect + own)
    return effects


def relationships(rng, targets, complexes, k: Knobs) -> pd.DataFrame:
    """Pairs of one complex, and the false ones of the database; sorted, one row a pair."""
    code = pd.factorize(complexes["complex"])[0]
    sign = complexes["sign"].to_numpy()
    first, second = np.triu_indices(len(targets), 1)
    named = (complexes["complex"] != "").to_numpy()
    related = (code[first] == code[second]) & named[first]
    true, other = np.flatnonzero(related), np.flatnonzero(~related)
    n_listed = round(k.database_recall * true.size)
    share = k.database_false_share
    n_false = min(round(n_listed * share / (1 - share)), other.size)
    listed = rng.choice(true, n_listed, replace=False)
    false = rng.choice(other, n_false, replace=False)
    kept = np.sort(np.concatenate([true, false]))
    same = related[kept]
    return pd.DataFrame(
        {
            "gene_a": targets[first[kept]],
            "gene_b": targets[second[kept]],
            "same_complex": same,
            "sign": np.where(same, sign[first[kept]] * sign[second[kept]], 0),
            "in_database": np.isin(kept, listed) | ~same,
        }
    )
