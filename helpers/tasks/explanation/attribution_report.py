"""What is said of attributions: scores, their spread over draws, and published ones beside ours."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from helpers import scores
from helpers.metrics.explanation.facts import METRICS
from helpers.store.steps import Step, StepFunction
from helpers.tasks.explanation.attribution import TASK, attribution_scores, reference_scores
from helpers.tasks.explanation.attribution_published import TITLES, reported

REFERENCES = {"planted truth": "ceiling", "expression alone": "floor", "random order": "floor"}
"""Roles of the rankings of `reference_scores`."""


def score_rows(
    result: pd.DataFrame, *, draw: int, model: str, role: str, params: Mapping, **columns
) -> pd.DataFrame:
    """Result of `attribution_scores` or `reference_scores` as rows of the score table.

    Parameters
    ----------
    result : DataFrame
    draw : int
        Number of the data set's draw: part of the parameters, and the cluster.
    model : str
        Not used for a result that names its models; references have roles of their own.
    role : str
    params : mapping
        More parameters of the model.
    **columns
        See `helpers.scores.rows`.
    """
    names = result["model"] if "model" in result else [model] * len(result)
    return scores.rows(
        task=TASK,
        split="test",
        model=names,
        params={**params, "draw": draw},
        post="none",
        role=[REFERENCES.get(name, role) for name in names],
        cluster=f"draw {draw}",
        **result[["metric", "unit_kind", "unit", "n", "value"]],
        **columns,
    )


def gather(asked: Mapping[tuple, Step], *, protocol: str = "revised", roles=None) -> pd.DataFrame:
    """Score table of calls of `attribution_scores` and `reference_scores`.

    Parameters
    ----------
    asked : mapping of (data set, draw, model, training seed) to step
    protocol : str
    roles : mapping of model to role, optional
        Default: candidate.
    """
    keys = ("dataset", "draw", "model", "seed")
    return scores.gather(asked, keys, score_rows, roles=roles, protocol=protocol)


def benchmark(
    data: Mapping[tuple[str, int], Step],
    models: Mapping[str, StepFunction],
    seeds: Sequence[int],
    *,
    protocol: str,
    n_random: int,
    graphs: Mapping[tuple[str, int], Step] | None = None,
) -> pd.DataFrame:
    """Score table of all models with all seeds on all data sets, and of the references.

    Parameters
    ----------
    data : mapping
        Of (name, draw) to a simulated data set.
    models : mapping
        Of a model's name to the step that fits it.
    seeds : sequence of int
        Training seeds, the same for all draws.
    protocol : {"published", "revised"}
    n_random : int
        Random orders of PGR.
    graphs : mapping, optional
        Of (name, draw) to its graph; adds agreement of diffused attributions.
    """
    asked = {
        (name, draw, model, seed): attribution_scores(
            step,
            fit(step, seed=seed),
            (graphs or {}).get((name, draw)),
            protocol=protocol,
            n_random=n_random,
            seed=seed + draw,  # other random orders in each draw
        )
        for (name, draw), step in data.items()
        for model, fit in models.items()
        for seed in seeds
    }
    first = next(iter(models.values()))
    references = {
        (name, draw, "references", seeds[0]): reference_scores(
            step, first(step, seed=seeds[0]), seed=draw
        )
        for (name, draw), step in data.items()
    }
    return gather(asked | references, protocol=protocol)


def by_draw(table: pd.DataFrame) -> pd.DataFrame:
    """Macro average of each fit, in percent: the mean over classes, or hidden kinds.

    Returns
    -------
    DataFrame
        `dataset`, `model`, `role`, `metric`, `draw`, `seed`, `value` (NaN where no class was
        scored), `unscored` (classes without a correctly classified sample).
    """
    keys = ["dataset", "model", "role", "metric", "cluster", "seed"]
    groups = table.groupby(keys, sort=False)["value"]
    found = groups.agg(value="mean", unscored=lambda v: int(v.isna().sum())).reset_index()
    found["value"] *= 100
    return found.rename(columns={"cluster": "draw"})


def spread(table: pd.DataFrame) -> pd.DataFrame:
    """Mean over draws and seeds, what another draw would give, and where the spread is from.

    Parameters
    ----------
    table : DataFrame
        Score table, several draws, each with the same seeds.

    Returns
    -------
    DataFrame
        `dataset`, `model`, `role`, `metric`; in percent `value`; `low`, `high`: 95 % prediction
        interval of another draw (the mean of its fits; Student's t over draws, cut at the metric's
        range), NaN with one draw;
        `sd_draw`, `sd_training`: standard deviations between draws and between fits of one draw,
        NaN with one seed; `n_draws`, `n_seeds`.
    """
    from scipy.stats import t

    rows = []
    fits = by_draw(table)
    for key, group in fits.groupby(["dataset", "model", "role", "metric"], sort=False):
        values = group.pivot_table("value", "draw", "seed", dropna=False)
        draws = values.mean(axis=1)
        n, half = len(draws), np.nan
        if n > 1:
            half = t.ppf(0.975, n - 1) * draws.std(ddof=1) * np.sqrt(1 + 1 / n)
        sd_draw = sd_training = np.nan
        if min(values.shape) > 1 and values.notna().all(axis=None):
            # One-way random effects: a training seed means nothing across draws of the data.
            within = values.var(axis=1, ddof=1).mean()
            between = draws.var(ddof=1) - within / values.shape[1]
            sd_draw, sd_training = max(between, 0.0) ** 0.5, within**0.5
        mean = draws.mean()
        # Cut at the metric's range; NaN stays.
        low, high = np.clip([mean - half, mean + half], *_range(key[-1]))
        rows.append((*key, mean, low, high, sd_draw, sd_training, n, values.shape[1]))
    columns = ["dataset", "model", "role", "metric", "value", "low", "high", "sd_draw"]
    return pd.DataFrame(rows, columns=[*columns, "sd_training", "n_draws", "n_seeds"])


def above_random(table: pd.DataFrame) -> pd.DataFrame:
    """How much further a prediction falls with its own order of genes than with a random one.

    Parameters
    ----------
    table : DataFrame
        Score table with `pgi_local` and `pgr`.

    Returns
    -------
    DataFrame
        `model`; in percentage points `value`, the mean difference, paired by draw; `low`, `high`:
        its 95 % interval (Student's t over draws), NaN with one draw.
    """
    from scipy.stats import t

    wide = by_draw(table).pivot_table("value", ["model", "draw"], "metric", sort=False)
    rows = []
    for model, own in (wide["pgi_local"] - wide["pgr"]).groupby("model", sort=False):
        n, half = own.count(), np.nan
        if n > 1:
            half = t.ppf(0.975, n - 1) * own.std(ddof=1) / np.sqrt(n)
        rows.append((model, own.mean(), own.mean() - half, own.mean() + half))
    return pd.DataFrame(rows, columns=["model", "value", "low", "high"])


def diffusion(plain: pd.DataFrame, diffusing: pd.DataFrame) -> pd.DataFrame:
    """Feature agreement without diffusion, with diffused explanations, with diffusing models.

    Parameters
    ----------
    plain : DataFrame
        Score table with agreement of diffused attributions beside that of plain ones.
    diffusing : DataFrame
        Score table of models that diffuse, named as the others with ", diffusing" after it.

    Returns
    -------
    DataFrame
        What `spread` says, with `feature` (sample or class), `diffusion` (not diffused, explanation
        diffused, profiles diffused) and `panel`, a title.
    """
    found = spread(pd.concat([plain[plain["role"] == "candidate"], diffusing]))
    tables = []
    for level, feature in (("local", "sample"), ("global", "class")):
        for metric, suffix, kind in (
            (f"feature_agreement_{level}", "", "not diffused"),
            (f"feature_agreement_{level}_diffused", "", "explanation diffused"),
            (f"feature_agreement_{level}", ", diffusing", "profiles diffused"),
        ):
            inside = found["model"].str.endswith(", diffusing") == bool(suffix)
            rows = found[inside & (found["metric"] == metric)]
            names = rows["model"].str.removesuffix(", diffusing")
            tables.append(rows.assign(model=names, feature=feature, diffusion=kind))
    table = pd.concat(tables, ignore_index=True)
    table["panel"] = table["dataset"] + ", " + table["feature"]
    return table.sort_values(["dataset", "feature"], kind="stable", ignore_index=True)


def _range(metric: str) -> tuple[float, float]:
    """Least and greatest value of a metric, in percent."""
    return 100 * METRICS[metric].low, 100 * METRICS[metric].high


def means(table: pd.DataFrame) -> pd.DataFrame:
    """Mean over units, draws and trainings, in percent: metrics by their titles x models."""
    candidates = table[(table["role"] == "candidate") & table["metric"].isin(TITLES)]
    wide = candidates.pivot_table("value", "metric", "model", sort=False) * 100
    order = [metric for metric in TITLES if metric in wide.index]
    return wide.loc[order].rename(index=TITLES).rename_axis(columns=None)


def kept_draws(table: pd.DataFrame) -> pd.DataFrame:
    """What `long_runs.ATTRIBUTIONS` left, a draw a seed, as a score table that `spread` takes."""
    draws = "draw " + table["seed"].astype(str)
    return table.assign(role="candidate", cluster=draws, seed=0)


def reproduction(table: pd.DataFrame) -> pd.DataFrame:
    """Published rows beside ours: does the published draw look like one of ours?

    Parameters
    ----------
    table : DataFrame
        Score table of the published data sets, at their size.

    Returns
    -------
    DataFrame
        What `spread` says of each row that was published, with `published`, `difference` (ours less
        published, in points) and `inside`: whether the published value, give or take its rounding,
        lies in the prediction interval.

    Raises
    ------
    ValueError
        No data set of the table was published.
    """
    theirs = reported().rename(columns={"value": "published", "sd": "published_sd"})
    both = spread(table).merge(theirs, on=["dataset", "model", "metric"])
    if both.empty:
        raise ValueError(f"none of {sorted(set(table['dataset']))} has published values")
    both["difference"] = both["value"] - both["published"]
    room = both["rounding"]
    both["inside"] = (both["published"] >= both["low"] - room) & (
        both["published"] <= both["high"] + room
    )
    return both


def wide(table: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Our values in the layout of the published table: mean over draws and seeds, in percent."""
    frame = by_draw(table).pivot_table("value", ["dataset", "model"], "metric", sort=False)
    frame = frame.reindex(columns=list(metrics)).reset_index().rename_axis(columns=None)
    return frame.rename(columns=TITLES | {"dataset": "data set"})
