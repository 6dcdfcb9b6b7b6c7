"""Every model in every task and data set, in one table: nothing is averaged over metrics."""

import json
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from helpers.comparisons import compare, equivalence_margin, paired, tie_groups
from helpers.metrics.facts import Metric
from helpers.plots.page import number
from helpers.score_columns import MEANINGS
from helpers.stats import MIN_UNITS
from helpers.summaries import ROLE_ORDER, group_means

GROUP = ["page", "task", "metric", "dataset", "split", "protocol", "post", "setting"]
COLUMNS = [
    "tier",
    *GROUP,
    "model",
    "role",
    "mean",
    "low",
    "high",
    "group",
    "n_units",
    "n_clusters",
]


def results(
    tiers: Iterable, tables: Mapping[str, pd.DataFrame], *, n_resamples: int, seed: int
) -> pd.DataFrame:
    """Mean of each model by task, data set and setting, its interval, and its tie group.

    Parameters
    ----------
    tiers : iterable of Tier
        Their primary metrics choose the rows, and `declared` the settings where there are several.
    tables : mapping
        Of chapter to its score table.
    n_resamples, seed : int
        Of intervals and comparisons.

    Returns
    -------
    DataFrame
        `COLUMNS`. Rows stand in the order of the book: task by task, data set by data set;
        ceilings, then candidates and reported models, then floors, each by name: nothing is sorted
        by its score. `group`: letters; models that share one are not told apart. Empty where there
        is too little to compare, and for floors and ceilings. `setting`: parameters of which one
        model has several values.
    """
    parts = []
    for tier in tiers:
        own = {name: t for name, t in tables.items() if name.split("/")[0] == tier.name}
        for task, metric in tier.primary.items():
            rows = declared_rows(own, task, metric, tier.declared)
            for _, group in rows.groupby([c for c in GROUP if c in rows], sort=False):
                name = group["metric"].iloc[0]
                given = tier.metrics[name], tier.scales.get(name), n_resamples, seed
                parts.append(_standings(group, *given).assign(tier=tier.name))
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def declared_rows(tables: Mapping, task: str, metric: str, declared: Mapping) -> pd.DataFrame:
    """Rows of a task's primary metrics in its declared setting; `setting` names what varies.

    Rows that two chapters left belong to the first of them; those of the published protocol are
    left out where any chapter has revised ones of the data set.
    """
    chosen = dict(declared.get(task, {}))
    metrics = {metric, chosen.pop("metric", metric)}
    asked = [
        table[(table["task"] == task) & table["metric"].isin(metrics)].assign(page=page)
        for page, table in tables.items()
    ]
    revised = {d for rows in asked for d in rows.loc[rows["protocol"] == "revised", "dataset"]}
    kept = []
    for rows in asked:
        for dataset, own in rows.groupby("dataset", sort=False):
            if dataset in revised:
                own = own[own["protocol"] == "revised"]
            for name, value in chosen.items():
                there = own[name] if name in own else own["params"].map(_value(name))
                own = own[there == value] if (there == value).any() else own
            kept.append(own)
    if not kept:
        return pd.DataFrame(columns=["dataset"])
    rows = pd.concat(kept, ignore_index=True).drop_duplicates(
        [c for c in MEANINGS if c not in ("value", "n", "cluster")]
    )
    return settings(rows)


def settings(rows: pd.DataFrame) -> pd.DataFrame:
    """Score rows with the column `page`, with `setting`: the parameters that vary, as text.

    Splits that are repeats are one.
    """
    by_page = rows.groupby(["page", "dataset"], sort=False)
    return pd.concat(_pooled(own.assign(setting=_setting(own))) for _, own in by_page)


def _pooled(rows: pd.DataFrame) -> pd.DataFrame:
    """Splits that are repeats, each under a seed of its own, as one: their units are resampled."""
    seeds = rows.groupby("split")["seed"].agg(set)
    repeats = len(seeds) > 1 and len(set.union(*seeds)) == len(seeds) == sum(map(len, seeds))
    return rows.assign(split=f"{len(seeds)} splits") if repeats else rows


def _value(name: str):
    return lambda text: json.loads(text).get(name)


def _setting(rows: pd.DataFrame) -> pd.Series:
    """The parameters of which some model of a page has several values, as text."""
    texts = rows["params"].unique()
    given = {text: json.loads(text) for text in texts}
    varied = set()
    where = ["split", "protocol", "post", "metric", "model"]
    for _, own in rows.groupby(where, sort=False):
        seed = own.groupby("params")["seed"].agg(set)
        # a parameter that names the seed, such as the draw of the data, makes no setting
        if len(seed) == len(set.union(*seed)) == sum(map(len, seed)):
            continue
        several = [given[text] for text in own["params"].unique()]
        names = {name for one in several for name in one}
        names = {n for n in names if len({str(one.get(n)) for one in several}) > 1}
        varied |= {n for n in names if not _repeats(own, n)}
    words = {
        text: ", ".join(f"{n} {one[n]}" for n in sorted(varied) if n in one)
        for text, one in given.items()
    }
    return rows["params"].map(words)


def _repeats(rows: pd.DataFrame, name: str) -> bool:
    """Whether a parameter only counts draws of the data: one value a cluster, one cluster a value.

    Such rows are resampled together, and are no setting of their own.
    """
    pairs = pd.DataFrame({"value": rows["params"].map(_value(name)), "cluster": rows["cluster"]})
    pairs = pairs.drop_duplicates()
    return pairs["value"].is_unique and pairs["cluster"].is_unique


def _standings(rows, fact: Metric, scale, n_resamples: int, seed: int) -> pd.DataFrame:
    """Means and letters of one task, data set and setting."""
    found = group_means(rows, ["model"], n_resamples=n_resamples, rng=seed)
    margin = equivalence_margin(*scale) if scale else _margin(found, fact)
    letters = _letters(rows, margin, fact, n_resamples, seed)
    first = rows.iloc[0]
    order = found["role"].map(ROLE_ORDER | {"reported": ROLE_ORDER["candidate"]})
    found = found.assign(order=order, group=[letters.get(m, "") for m in found["model"]])
    found = found.sort_values(["order", "model"], kind="stable").drop(columns="order")
    return found.assign(**{name: first[name] for name in GROUP if name in rows})


def _letters(rows, margin: float, fact: Metric, n_resamples: int, seed: int) -> dict[str, str]:
    models = rows[rows["role"].isin(["candidate", "reported"]) & rows["value"].notna()]
    if models["model"].nunique() < 2:
        return {}
    units = models.groupby(["dataset", "split", "unit", "seed"])
    if not (units["model"].nunique() == models["model"].nunique()).any():
        return {}
    # Units that are not the same thing for all models are not paired: draws of each, say.
    if set(units["cluster"].nunique()) != {1} or len(set(models["unit_kind"])) > 1:
        return {}
    both = paired(models, missing="drop")
    if len(set(both.clusters)) < MIN_UNITS:
        return {}
    n_pairs = both.table.shape[1] * (both.table.shape[1] - 1) // 2
    pairs = compare(
        both.table,
        both.clusters,
        better=fact.better,
        margin=margin,
        n_resamples=max(n_resamples, 20 * n_pairs),
        rng=np.random.default_rng(seed),
    )
    best_first = both.table.mean().sort_values(ascending=fact.better == "lower", kind="stable")
    return tie_groups(pairs, list(best_first.index)).to_dict()


def _margin(found: pd.DataFrame, fact: Metric) -> float:
    """A tenth of the way from the best floor to the ceiling; 0 where one of them is missing."""
    ends = []
    for role in ("floor", "ceiling"):
        means = found.loc[found["role"] == role, "mean"].dropna()
        if means.empty:
            return 0.0
        ends.append(means.max() if fact.better == "higher" else means.min())
    return equivalence_margin(*ends) if ends[0] != ends[1] else 0.0


def dictionary() -> pd.DataFrame:
    """What each column of the download holds."""
    return pd.DataFrame({"column": list(MEANINGS), "meaning": list(MEANINGS.values())})


def readable(found: pd.DataFrame, metrics: Mapping[str, Metric]) -> pd.DataFrame:
    """`results` as the page shows it: columns in words, intervals cut at the metric's range."""
    facts = [metrics[name] for name in found["metric"]]
    ends = zip(found["low"], found["high"], facts, strict=True)
    interval = [
        "none" if np.isnan(a) else f"{number(max(a, f.low))} to {number(min(b, f.high))}"
        for a, b, f in ends
    ]
    return pd.DataFrame(
        {
            "task": [task_in_words(*row) for row in zip(found["task"], found["page"], strict=True)],
            "data set": found["dataset"],
            "model": found["model"],
            "role": found["role"],
            "mean": found["mean"],
            "95 % interval": interval,
            "letters": found["group"],
            "units": found["n_units"],
            "metric": [fact.title for fact in facts],
            "setting": parts_in_words(
                found.assign(split=found["split"].replace({"published": "published split"})),
                ["split", "protocol", "post", "setting"],
            ),
        }
    )


def parts_in_words(found: pd.DataFrame, columns: list[str]) -> list[str]:
    """Several columns of each row as a phrase, what says nothing left out."""
    rows = found[columns].astype(str).to_numpy()
    return [", ".join(v for v in row if v not in ("", "all")) for row in rows]


def task_in_words(task: str, page: str) -> str:
    """A task in words, with the page that asks it where this is not the task's own."""
    other = page.rpartition("/")[2]
    return (task if other == task else f"{task} ({other})").replace("-", " ")


def metrics_of(found: pd.DataFrame, metrics: Mapping[str, Metric]) -> pd.DataFrame:
    """Facts of the metrics that a table of `results` holds."""
    facts = [metrics[name] for name in dict.fromkeys(found["metric"])]

    def end(value):
        return "no bound" if np.isinf(value) else f"{value:g}"

    return pd.DataFrame(
        {
            "metric": fact.name,
            "what it is": fact.title,
            "range": f"{end(fact.low)} to {end(fact.high)}",
            "better": fact.better,
            "by chance": "depends on the data" if np.isnan(fact.chance) else f"{fact.chance:g}",
            "source": fact.source,
        }
        for fact in facts
    )


def left_out(tiers: Iterable, tables: Mapping[str, pd.DataFrame]) -> str:
    """Tasks that were scored and have no primary metric, as a phrase."""
    known = {task for tier in tiers for task in tier.primary}
    there = {task for table in tables.values() for task in table["task"]}
    return ", ".join(sorted(name.replace("-", " ") for name in there - known)) or "none"
