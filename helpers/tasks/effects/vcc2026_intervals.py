"""How certain scores of `vcc2026` are: intervals of values, members, scores, and differences.

A score stands on the perturbations that were measured, the draw of the submission's cells, the
seed of the baseline and the splits of the replicate. Samples draw all four.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from helpers.metrics.effects.vcc2026 import MEMBERS, aggregate
from helpers.metrics.effects.vcc2026_scale import (
    BETTER,
    BOUNDED,
    PUBLISHED,
    draws_of,
    resampled,
    resampled_scores,
    scaled,
)
from helpers.store.steps import step
from helpers.tasks.requirements import CannotAnswer

SCORE = "score"
ENDS = {"published": PUBLISHED, "revised": BOUNDED}


def tables_of(rows: pd.DataFrame, column: str, name: str) -> list[pd.DataFrame]:
    """Tables of `per_perturbation` of one name, one a draw."""
    chosen = rows[rows[column] == name].drop(columns=column)
    return [t.set_index("perturbation").drop(columns="draw") for _, t in chosen.groupby("draw")]


def scale_of(both_ends: pd.DataFrame) -> pd.DataFrame:
    """Values of both ends, means over their draws; indexed by member."""
    found = {
        end: pd.concat([aggregate(t) for t in tables_of(both_ends, "end", end)], axis=1).mean(
            axis=1
        )
        for end in ("baseline", "replicate")
    }
    return pd.DataFrame(found)


def scores_of(tables: Sequence[pd.DataFrame], scale: pd.DataFrame, protocol: str) -> pd.Series:
    """Scores of the six and their mean, mean over the draws of a submission."""
    every = [
        scaled(aggregate(t), scale["baseline"], scale["replicate"], ends=ENDS[protocol])
        for t in tables
    ]
    members = pd.concat(every, axis=1)
    members.loc[SCORE] = members.mean(skipna=False)
    return members.mean(axis=1)


@step
def ends_of_revised(rows) -> pd.DataFrame:
    """The ends of the revised scale, of `revised`, in the form of `ends`."""
    chosen = rows[rows["submission"].isin(["baseline", "replicate"])]
    return chosen.rename(columns={"submission": "end"})


@step
def judged(rows, both_ends, *, protocol: str, n_resamples: int, seed: int) -> pd.DataFrame:
    """Values and scores of each submission, means over its draws, with 95 % intervals.

    Parameters
    ----------
    rows : DataFrame
        Of `panel` or `revised`.
    both_ends : DataFrame
        Of `ends`; in the revised protocol, of `ends_of_revised`.
    protocol : {"published", "revised"}

    Returns
    -------
    DataFrame
        `submission`, `member` (of the six, and `score`), `value` with `value_low` and `value_high`
        (NaN for the score), `scaled` with `low` and `high`, `n_undefined` (perturbations without a
        value), `n_perturbations`.
    """
    scale, samples = scale_of(both_ends), Samples.of(both_ends, protocol, n_resamples, seed)
    found = []
    for name in dict.fromkeys(rows["submission"]):
        tables = tables_of(rows, "submission", name)
        which = np.random.default_rng(seed).integers(len(tables), size=n_resamples)
        at = which, np.arange(n_resamples)
        values = samples.values(tables)
        value_low, value_high = _interval(values[at])
        low, high = _interval(samples.scores(values)[at])
        at_whole = pd.concat([aggregate(table) for table in tables], axis=1).mean(axis=1)
        undefined = [int(tables[0]["excess" if m == "mse" else m].isna().sum()) for m in MEMBERS]
        found.append(
            pd.DataFrame(
                {
                    "submission": name,
                    "member": [*MEMBERS, SCORE],
                    "value": [*at_whole, np.nan],
                    "value_low": [*value_low, np.nan],
                    "value_high": [*value_high, np.nan],
                    "scaled": scores_of(tables, scale, protocol).to_numpy(),
                    "low": low,
                    "high": high,
                    "n_undefined": [*undefined, max(undefined)],
                    "n_perturbations": len(tables[0]),
                }
            )
        )
    return pd.concat(found, ignore_index=True)


@step
def differences(
    rows, both_ends, *, pairs: Sequence[Sequence[str]], protocol: str, n_resamples: int, seed: int
) -> pd.DataFrame:
    """What a submission's score is above another's, member by member, with 95 % intervals.

    Samples share perturbations, baseline and splits between both sides; draws of a submission's
    cells are averaged.

    Returns
    -------
    DataFrame
        `submission`, `other`, `member`, `difference`, `low`, `high`.
    """
    scale, samples = scale_of(both_ends), Samples.of(both_ends, protocol, n_resamples, seed)
    found = []
    for pair in pairs:
        tables = [tables_of(rows, "submission", name) for name in pair]
        one, other = (samples.scores(samples.values(t)).mean(axis=0) for t in tables)
        low, high = _interval(one - other)
        at = [scores_of(t, scale, protocol).to_numpy() for t in tables]
        columns = {"member": [*MEMBERS, SCORE], "difference": at[0] - at[1]}
        columns |= {"low": low, "high": high}
        found.append(pd.DataFrame({"submission": pair[0], "other": pair[1]} | columns))
    return pd.concat(found, ignore_index=True)


@dataclass(frozen=True)
class Samples:
    """Samples that all submissions share, so that their differences are paired.

    Parameters
    ----------
    draws : ndarray of shape (n_resamples, n_perturbations)
    baselines, replicates : ndarray of shape (n, n_resamples, 6)
        Values of both ends in the samples.
    protocol : {"published", "revised"}
    seed : int
        Of which emission and splits a sample draws.
    """

    draws: np.ndarray
    baselines: np.ndarray
    replicates: np.ndarray
    protocol: str
    seed: int

    @classmethod
    def of(cls, both_ends: pd.DataFrame, protocol: str, n_resamples: int, seed: int) -> Self:
        """Samples of the perturbations that both ends have."""
        n = both_ends["perturbation"].nunique()
        draws = draws_of(n, n_resamples, np.random.default_rng(seed))
        base, repeat = (
            np.stack([resampled(table, draws) for table in tables_of(both_ends, "end", end)])
            for end in ("baseline", "replicate")
        )
        return cls(draws, base, repeat, protocol, seed)

    def values(self, tables: Sequence[pd.DataFrame]) -> np.ndarray:
        """Values of the six, shape (n_draws, n_resamples, 6)."""
        return np.stack([resampled(table, self.draws) for table in tables])

    def scores(self, values: np.ndarray) -> np.ndarray:
        """Scores of the six, and their mean as the seventh; shape (n_draws, n_resamples, 7)."""
        members = np.stack(
            [
                resampled_scores(
                    value,
                    self.baselines,
                    self.replicates,
                    np.random.default_rng(self.seed),
                    ends=ENDS[self.protocol],
                )
                for value in values
            ]
        )
        return np.concatenate([members, members.mean(axis=-1, keepdims=True)], axis=-1)


def _interval(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % of samples; NaN where more than one in twenty has no value."""
    lost = np.isnan(samples).mean(axis=0) > 0.05
    low, high = np.nanquantile(np.where(lost, 0.0, samples), (0.025, 0.975), axis=0)
    return np.where(lost, np.nan, low), np.where(lost, np.nan, high)


def require_scale(both_ends: pd.DataFrame, where: str) -> None:
    """Pass where both ends of the scale are there, and apart in every member.

    Parameters
    ----------
    both_ends : DataFrame
        Of `ends`.
    where : str
        The data, for the page.

    Raises
    ------
    CannotAnswer
        The measured effects are no larger than their noise, or halves of the experiment agree no
        better with each other than the baseline agrees with it.
    """
    for end in ("baseline", "replicate"):
        for table in tables_of(both_ends, "end", end):
            if not table["effect"].sum() > 0:
                raise CannotAnswer(
                    f"{where}: the effects are no larger than their own noise, so that an error "
                    "cannot be compared with them; more cells a perturbation are needed"
                )
    scale = scale_of(both_ends)
    gap = (scale["replicate"] - scale["baseline"]) * pd.Series(BETTER)
    flat = [name for name in MEMBERS if not gap[name] > 0]
    if flat:
        raise CannotAnswer(
            f"{where}: in {', '.join(flat)} a half of the experiment does not agree better with "
            "the other half than the mean response does: there is no scale; more cells are needed"
        )
