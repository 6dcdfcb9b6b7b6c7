"""What is said of models on conditions that they have not seen: rows, comparisons, sentences."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from helpers import scores
from helpers.comparisons import as_family, compare, equivalence_margin
from helpers.data.contract import CONTROL
from helpers.data.effects.published_splits import published_reports
from helpers.metrics.effects.facts import METRICS
from helpers.stats import MIN_UNITS
from helpers.summaries import group_means
from helpers.tasks.findings import listed, subject, with_interval
from helpers.tasks.prediction_panel import DUPLICATE
from helpers.tasks.prediction_scene import FEWEST

SHOWN = ("l2", "pearson_delta", "pearson_delta_mean", "weighted_mse", "l2_top20")
SHOWN += ("discrimination_cosine",)
"""Metrics of a page's tables; all of them are saved."""

IMPUTED = "mean where none"
"""Post-processing: a model's gaps are filled with the mean of the training conditions."""

EFFECT_SIZE = {"weak": 0.0, "middle": 1.0, "strong": 2.0}

SPLITS = (
    "Splits of this page: cosine of scored effects and the nearest that is learnt from, beside "
    "random divisions of the same sizes"
)

PUBLISHED_SPLITS = (
    "Published splits, drawn again from the names of the conditions; how similar these are is not "
    "known here, without their cells"
)


def published_splits_left(datasets: Sequence[str]) -> pd.DataFrame:
    """`splits_left` of splits of Ahlmann-Eltze et al. 2025, without what needs cells."""
    table = splits_left({(name,): published_reports(name) for name in datasets})
    return table.drop(columns=["nearest", "random"])


def enough_cells(part) -> list[str]:
    """Perturbations of a screen of one context that have cells for two halves, sorted."""
    counts = part.obs["perturbation"].astype(str).value_counts()
    return sorted(n for n, k in counts.items() if n != CONTROL and k >= 2 * FEWEST)


def score_rows(
    results: Mapping[tuple[str, int], pd.DataFrame], *, task: str, roles: Mapping[str, str]
) -> pd.DataFrame:
    """Results of `scores_of` by data set and seed, as a score table.

    Parameters
    ----------
    results : mapping of (data set, seed) to DataFrame
    task : str
    roles : mapping of model to role; others are candidates, the duplicate is the ceiling

    Returns
    -------
    DataFrame
        A row a model, metric and scored condition; `split` is the stratum. A condition that a
        model cannot predict is NaN, and has a second value under the post-processing `IMPUTED`, as
        have all conditions of that model. The metric `effect_third` (0 weak, 1 middle, 2 strong)
        of the duplicate says how large a change is.
    """
    tables = []
    roles = {DUPLICATE: "ceiling"} | dict(roles)
    for (dataset, seed), table in results.items():
        shared = dict(task=task, dataset=dataset, unit_kind="perturbation", seed=seed)
        gaps = table.groupby("prediction")["imputed"].transform("any")
        for post, own in (("raw", table), (IMPUTED, table[gaps])):
            if own.empty:
                continue
            value = own["value"].mask(own["imputed"]) if post == "raw" else own["value"]
            tables.append(
                scores.rows(
                    **shared,
                    split=own["stratum"],
                    model=own["prediction"],
                    post=post,
                    metric=own["metric"],
                    role=own["prediction"].map(lambda name: roles.get(name, "candidate")),
                    unit=own["perturbation"],
                    cluster=f"{dataset} {seed} " + own["perturbation"].astype(str),
                    n=own["n_cells"],
                    value=value,
                )
            )
        one = table[table["prediction"] == DUPLICATE].drop_duplicates("perturbation")
        tables.append(
            scores.rows(
                **shared,
                split=one["stratum"],
                model=DUPLICATE,
                metric="effect_third",
                role="ceiling",
                unit=one["perturbation"],
                cluster=f"{dataset} {seed} " + one["perturbation"].astype(str),
                n=one["n_cells"],
                value=one["effect"].map(EFFECT_SIZE).astype(float),
            )
        )
    return pd.concat(tables, ignore_index=True)


def chosen(rows: pd.DataFrame, metric: str, *, post: str = "raw") -> pd.DataFrame:
    """Rows of a metric, models without gaps included whatever the post-processing."""
    own = rows[rows["metric"] == metric]
    if post == "raw":
        return own[own["post"] == "raw"]
    filled = own[own["post"] == post]
    keys = filled.set_index(["dataset", "split", "model", "seed"]).index
    rest = own[own["post"] == "raw"].set_index(["dataset", "split", "model", "seed"], drop=False)
    return pd.concat([rest[~rest.index.isin(keys)], filled], ignore_index=True)


def against(
    rows: pd.DataFrame,
    reference: str,
    *,
    metric: str,
    seed: int,
    n_resamples: int = 5_000,
    by: str = "dataset",
) -> pd.DataFrame:
    """Candidates against one model, in each data set, on the conditions that both predict.

    Parameters
    ----------
    rows : DataFrame
        Of `chosen`.
    reference : str
    metric : str
    seed, n_resamples : int
    by : str
        Column whose values are compared apart.

    Returns
    -------
    DataFrame
        Rows of `helpers.comparisons.compare` with the column `by`, corrected together as a family
        within each of its values. A difference within `margin`, a tenth of the way from no change
        to the technical duplicate, is *tied*. With fewer than six conditions, or none in common,
        the verdict is *cannot* and there is no p-value.
    """
    better, parts = METRICS[metric].better, []
    for value, own in rows.groupby(by, sort=False):
        keys = ["dataset", "split", "unit", "seed"]
        wide = own.pivot_table("value", [*keys, "cluster"], "model", dropna=True, sort=False)
        role = own.groupby("model")["role"].first()
        margin = _margin(wide)
        found = []
        for model in [m for m in role.index if role[m] != "ceiling" and m != reference]:
            found.append(_pair(wide, model, reference, better, margin, seed, n_resamples))
        if found:
            table = pd.concat(found, ignore_index=True)
            table["role"] = table["model"].map(role)
            parts.append(as_family(table).assign(**{by: value, "margin": margin}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _margin(wide: pd.DataFrame) -> float:
    ends = [wide[m].mean() for m in ("no change", DUPLICATE) if m in wide]
    if len(ends) < 2 or not np.isfinite(ends).all() or ends[0] == ends[1]:
        return 0.0
    return equivalence_margin(*ends)


def _pair(wide, model, reference, better, margin, seed, n_resamples) -> pd.DataFrame:
    there = [m for m in (model, reference) if m in wide]
    both = wide[there].dropna() if len(there) == 2 else wide.iloc[:0]
    clusters = both.index.get_level_values("cluster").to_numpy() if len(both) else np.array([])
    if len(set(clusters)) < MIN_UNITS:
        nothing = dict.fromkeys(("low", "high", "p_value", "p_holm", "least_p", "least_p_holm"))
        row = dict(model=model, other=reference, difference=np.nan) | nothing
        if len(both):
            row["difference"] = (both[model] - both[reference]).mean()
        row |= dict(verdict="cannot", n_units=len(both), n_clusters=len(set(clusters)))
        return pd.DataFrame([row]).astype(dict.fromkeys(nothing, float))
    return compare(
        both,
        clusters,
        better=better,
        margin=margin,
        reference=reference,
        n_resamples=n_resamples,
        rng=np.random.default_rng(seed),
    )


def means(rows: pd.DataFrame, *, n_resamples: int = 2_000, seed: int = 0) -> pd.DataFrame:
    """Mean of each model and data set with its interval, for figures; ceilings first."""
    table = group_means(rows, ["dataset", "model", "role"], n_resamples=n_resamples, rng=seed)
    order = table["role"].map({"ceiling": 0, "candidate": 1, "floor": 2})
    return table.assign(order=order).sort_values(["order"], kind="stable").drop(columns="order")


def metric_table(rows: pd.DataFrame, metrics=SHOWN) -> pd.DataFrame:
    """Models x metrics, means over the conditions that a model predicts, by data set and model.

    A model that predicts none has no row. NaN stands for a metric that is defined for fewer than
    half of the conditions that a model predicts.
    """
    raw = rows[rows["post"] == "raw"]
    grouped = raw[raw["metric"].isin(metrics)].groupby(["dataset", "model", "metric"], sort=False)
    table = grouped["value"].mean().unstack("metric")  # noqa: PD010
    n = grouped["value"].count().unstack("metric")  # noqa: PD010
    table = table.where(n.ge(n.max(axis=1) / 2, axis=0)).rename_axis(columns=None)
    return without_kind(table[list(metrics)].dropna(how="all").reset_index())


def without_kind(table: pd.DataFrame, column: str = "dataset") -> pd.DataFrame:
    """The same without "simulated: " before each name: the section of the page says it."""
    return table.assign(**{column: table[column].str.removeprefix("simulated: ")})


def verdict_table(pairs: pd.DataFrame) -> pd.DataFrame:
    """Comparisons for a page: data set, model, difference with its interval, verdict, units."""
    columns = ["dataset", "model", "difference", "low", "high", "p_holm", "verdict", "n_units"]
    return without_kind(pairs[columns].rename(columns={"n_units": "conditions"}))


def verdicts_by_world(pairs: pd.DataFrame) -> pd.DataFrame:
    """Candidates x worlds: verdict and difference, empty where a model was not compared."""
    own = pairs[pairs["role"] == "candidate"]
    said = own["verdict"].replace({"cannot": "cannot say"})
    known = np.isfinite(own["difference"].astype(float))
    said = said.mask(known, said + " (" + own["difference"].map(_signed) + ")")
    worlds = own["dataset"].str.removeprefix("simulated: ")
    table = own.assign(said=said, world=worlds).pivot_table(
        "said", "model", "world", aggfunc="first", sort=False
    )
    return table.fillna("").reset_index().rename_axis(columns=None)


def verdict_said(pairs: pd.DataFrame, reference: str) -> str:
    """Which candidates are better than a reference, tied, worse, or left open, in one world."""
    own = pairs[pairs["role"] == "candidate"]
    if own.empty:
        return f"No model was compared with {reference}."
    said = []
    words = {
        "better": "better than {}",
        "tied": "tied with {}",
        "worse": "worse than {}",
        "undecided": "undecided against {}",
        "cannot": "not to be compared with {} for want of conditions",
    }
    for verdict, phrase in words.items():
        some = own[own["verdict"] == verdict]
        if some.empty:
            continue
        names = "; ".join(
            f"{row.model} ({_signed(row.difference)})"
            if verdict in ("better", "worse") and np.isfinite(row.difference)
            else row.model
            for row in some.itertuples()
        )
        phrase = phrase.format(reference)
        said.append(f"{phrase[0].upper()}{phrase[1:]}: {names}.")
    return " ".join(said)


def by_little_said(pairs: pd.DataFrame) -> str:
    """The best of the *tied* candidates that are certainly better, of errors; empty for none."""
    own = pairs[(pairs["role"] == "candidate") & (pairs["verdict"] == "tied")]
    own = own[(own["high"] < 0) & (own["p_holm"] <= 0.05)]
    if own.empty:
        return ""
    best = own.loc[own["difference"].idxmin()]
    return (
        f"{subject(best['model'])} is better by less than matters "
        f"({_signed(best['difference'])}, within the margin of {best['margin']:.2f})"
    )


def other_metrics_said(
    rows: pd.DataFrame, pairs: pd.DataFrame, *, seed: int, n_resamples: int, metrics=SHOWN
) -> str:
    """What the other metrics of a table say of the models that have the best verdict by error.

    Parameters
    ----------
    rows : DataFrame
        Score table of the data sets.
    pairs : DataFrame
        Of `against`, by the first of the metrics.
    """
    own = pairs[(pairs["role"] == "candidate") & (pairs["verdict"] == "better")]
    said = []
    for dataset, each in own.groupby("dataset", sort=False):
        best = each.loc[each["difference"].idxmin()]
        names = ["no change", DUPLICATE, best["model"], best["other"]]
        kept = rows[(rows["dataset"] == dataset) & rows["model"].isin(names)]
        found = []
        for metric in metrics[1:]:
            given = dict(metric=metric, seed=seed, n_resamples=n_resamples)
            table = against(chosen(kept, metric), best["other"], **given)
            found.append(table[table["model"] == best["model"]].assign(metric=metric))
        table = as_family(pd.concat(found, ignore_index=True))
        alike = table[["low", "high"]].abs().max(axis=1) < 1e-9
        verdicts = table["metric"].groupby(table["verdict"].mask(alike, "the same"))
        by = {word: listed(names).replace("_", " ") for word, names in verdicts}
        words = ("better", "worse", "the same", "tied", "undecided", "cannot")
        told = "; ".join(f"{word} by {by[word]}" for word in words if word in by)
        told = told.replace("cannot by", "not to be tested by")
        world = dataset.removeprefix("simulated: ")
        said.append(
            f"Where {world}, {subject(best['model'])} against {subject(best['other'])} is {told}."
        )
    if not said:
        return "By error no model is shown to be better, and no other metric is asked."
    return f"By the other metrics of the table: {' '.join(said)}"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")


def best_of(rows: pd.DataFrame, metric: str) -> pd.Series | None:
    """Mean, interval and name of the candidate with the best mean, in rows of one data set."""
    own = rows[(rows["role"] == "candidate") & rows["value"].notna()]
    if own.empty:
        return None
    table = group_means(own, ["model"])
    place = table["mean"].idxmax() if METRICS[metric].better == "higher" else table["mean"].idxmin()
    return table.loc[place]


def ceiling_said(rows: pd.DataFrame, metric: str) -> str:
    """The best candidate beside a technical duplicate, in one data set."""
    best = best_of(rows, metric)
    duplicate = rows.loc[rows["model"] == DUPLICATE, "value"].mean()
    if best is None or np.isnan(duplicate):
        return "How much is left to gain cannot be said: a model or the ceiling is not scored."
    value = with_interval(best["mean"], best["low"], best["high"])
    return (
        f"By its mean the best model is {best['model']}, {value}; a technical duplicate, as noisy "
        f"as what it is compared with, has {duplicate:.2f}."
    )


def gaps_said(rows: pd.DataFrame) -> str:
    """How many scored conditions models could not predict."""
    own = rows[(rows["post"] == "raw") & (rows["metric"] == SHOWN[0])]
    lost = own["value"].isna().groupby(own["model"]).mean()
    lost = lost[lost > 0]
    if lost.empty:
        return "Every model predicts every scored condition."
    each = "; ".join(f"{model} lacks {share:.0%}" for model, share in lost.items())
    return (
        f"Not every model predicts every scored condition: {each}. A model is compared on those "
        "that it predicts."
    )


def ranks_said(rows: pd.DataFrame, metrics=SHOWN) -> str:
    """Which candidate has the best mean by how many metrics, in one data set."""
    best = {}
    for metric in metrics:
        found = best_of(rows[(rows["metric"] == metric) & (rows["post"] == "raw")], metric)
        if found is not None:
            best[metric] = found["model"]
    names = sorted(set(best.values()))
    if not names:
        return "No metric could be computed for a candidate."
    if len(names) == 1:
        by = f"all {len(best)} metrics" if len(best) > 1 else "the one metric"
        return f"The best mean is that of {names[0]}, by {by} of the table."
    each = listed(f"of {n} by {sum(b == n for b in best.values())}" for n in names)
    return f"Of {len(best)} metrics of the table, the best mean is that {each}."


def splits_left(found: Mapping[tuple, Sequence[str]]) -> pd.DataFrame:
    """Keep the splits of a page beside its scores, and list them.

    Parameters
    ----------
    found : mapping of key to sequence of str
        Texts of `helpers.data.effects.split_reports.split_report`, by data set (the first entry of
        the key), such as the column `split_report` of results.

    Returns
    -------
    DataFrame
        One row a data set and way to split: `data set`, `split`, `splits` (their number), and the
        range over them of `learnt from` and `scored` (conditions), `nearest` (mean over scored
        conditions of the greatest cosine of effects to one that is learnt from; empty where no
        effects are at hand) and `random` (the same over random divisions of these sizes).
    """
    entries = {}
    for key, texts in found.items():
        for text in dict.fromkeys(texts):
            entries.setdefault((str(key[0]), text), json.loads(text) | {"data set": str(key[0])})
    scores.save_splits(list(entries.values()))
    alike = {}
    for entry in entries.values():
        manifest = entry["manifest"]
        kind = manifest["kind"].partition(", split ")[0]
        where = f" ({manifest['context']})" if manifest["context"] else ""
        name = entry["data set"].removeprefix("simulated: ")
        alike.setdefault((name, kind + where), []).append(entry)
    return pd.DataFrame([_split_row(*key, own) for key, own in alike.items()])


def _split_row(name: str, kind: str, entries: list[dict]) -> dict:
    found = [entry["leakage"] for entry in entries]
    return {
        "data set": name,
        "split": kind,
        "splits": len(entries),
        "learnt from": _range([len(entry["trained on"]) for entry in entries]),
        "scored": _range([len(entry["manifest"]["test"]) for entry in entries]),
        "nearest": _range([one["mean"] for one in found if one["mean"] is not None], 2),
        "random": _range([value for one in found for value in one["random"]], 2),
    }


def _range(values: list, digits: int = 0) -> str:
    """Lowest to highest, or the one that all are; empty for none."""
    if not values:
        return ""
    low, high = f"{min(values):,.{digits}f}", f"{max(values):,.{digits}f}"
    return low if low == high else f"{low} to {high}"
