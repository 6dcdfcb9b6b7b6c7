"""What is said of the three small deep models: their scores, their luck, their probes."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL
from helpers.tasks.departures import Departure
from helpers.tasks.effects import held_out_report as report
from helpers.tasks.effects.deep_models import (
    BLIND,
    GRAPH,
    LATENT,
    PLANTED,
    SHUFFLED,
    TRANSFORMER,
)
from helpers.tasks.effects.deep_models_plan import REFERENCE
from helpers.tasks.effects.published_scores import NAMES
from helpers.tasks.effects.published_scores_report import TITLES
from helpers.tasks.findings import listed, subject, with_interval
from helpers.tasks.prediction_scene import FEWEST
from helpers.tasks.requirements import ENOUGH_UNITS, Requirement

TASK = "deep-models"
DEEP = (GRAPH, LATENT, TRANSFORMER)
AT_HOME = {"graph": GRAPH, "latent": LATENT, "attention": TRANSFORMER}
"""The world in which each model must win."""
RIVALS = (
    {f"simulated: {world}": rival for world, rival in REFERENCE.items()}
    | dict.fromkeys((f"world of {world}" for world in AT_HOME), "linear model")
    | {"world of graph": "linear model, gene sets"}
)
"""The simple model that each data set's models are compared with: what knows as much."""

NEEDS = (
    Requirement(
        "single_perturbations",
        20,
        f"single perturbations of {2 * FEWEST} cells or more, three in five of them to be scored",
        2 * ENOUGH_UNITS,
    ),
)

DEPARTURES = (
    Departure(
        "what models are chosen on",
        "GEARS keeps the epoch that is best on validation perturbations, which are scored with the "
        "others; CPA stops early by them",
        "parameters are chosen on conditions that no split scores",
        "bug",
        "A model that was chosen on a condition has an advantage there, however small.",
    ),
    Departure(
        "seeds",
        "one seed for the split and for the model",
        "three splits and two initialisations, each with every other",
        "design choice",
        "Otherwise nobody can tell luck in the split from luck in the training.",
    ),
    Departure(
        "tuning",
        "settings as their authors give them, the linear model's as well",
        "eight trials for each deep model, none for the linear one",
        "design choice",
        "An untuned model that loses says little; here what was tried is said.",
    ),
    Departure(
        "models",
        "the released ones, two of them with weights from millions of cells",
        "small ones, after the key idea of each",
        "design choice",
        "They can be read and trained in seconds; nothing follows for the released ones.",
    ),
)


def available(part) -> dict[str, int]:
    """Counts that `NEEDS` names, of a screen of one context."""
    labels = part.obs["perturbation"].astype(str)
    sizes = labels[(labels != CONTROL) & ~labels.str.contains("+", regex=False)].value_counts()
    return {"single_perturbations": int((sizes >= 2 * FEWEST).sum())}


def role_of(model: str) -> str:
    """Whether a model is a floor, a ceiling or a candidate."""
    if model in ("no change", "mean") or model.endswith((SHUFFLED, BLIND)):
        return "floor"
    return "ceiling" if model == PLANTED else "candidate"


def of_initialisations(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Scores of single fits: the columns of `scores_of`, `model` and `initialisation`."""
    table = pd.concat(list(tables), ignore_index=True)
    named = table["prediction"].str.extract(
        r"^(?P<model>.*), initialisation (?P<initialisation>\d+)$"
    )
    return table.join(named)[named["model"].notna()].reset_index(drop=True)


def averaged(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Scores of splits as one table, a model's value the mean over its initialisations."""
    table = pd.concat(list(tables), ignore_index=True)
    name = table["prediction"].str.replace(r", initialisation \d+$", "", regex=True)
    keys = ["prediction", "metric", "perturbation", "n_cells", "stratum", "effect"]
    grouped = table.assign(prediction=name).groupby(keys, sort=False)
    return grouped.agg(value=("value", "mean"), imputed=("imputed", "any")).reset_index()


def score_rows(
    found: Mapping[tuple[str, int], Iterable[pd.DataFrame]], *, task: str = TASK
) -> pd.DataFrame:
    """Score table of data sets, each with the tables of its splits.

    Parameters
    ----------
    found : mapping of (data set, seed) to the tables of `split_scores`

    Returns
    -------
    DataFrame
        Of `held_out_report.score_rows`; means over initialisations.
    """
    tables = {key: averaged(own) for key, own in found.items()}
    models = sorted({name for table in tables.values() for name in table["prediction"]})
    roles = {name: role_of(name) for name in models if role_of(name) != "candidate"}
    return report.score_rows(tables, task=task, roles=roles)


def against_rivals(errors: pd.DataFrame, **given) -> pd.DataFrame:
    """`held_out_report.against`, by Euclidean distance, with the rival of each data set."""
    own = errors[errors["dataset"].isin(RIVALS)]
    found = [
        report.against(part, RIVALS[dataset], metric="l2", **given)
        for dataset, part in own.groupby("dataset", sort=False)
        if RIVALS[dataset] in set(part["model"])
    ]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["model"])


def fit_means(found: Mapping[str, Iterable[pd.DataFrame]], metric: str = "l2") -> pd.DataFrame:
    """Mean of every fit: `dataset`, `model`, `split`, `initialisation`, `mean`."""
    rows = []
    for dataset, tables in found.items():
        own = of_initialisations(tables)
        own = own[(own["metric"] == metric) & ~own["imputed"]]
        keys = ["model", "stratum", "initialisation"]
        means = own.groupby(keys, sort=False)["value"].mean().reset_index()
        rows.append(means.assign(dataset=dataset))
    table = pd.concat(rows, ignore_index=True)
    return table.rename(columns={"stratum": "split", "value": "mean"})


def spread(fits: pd.DataFrame) -> pd.DataFrame:
    """How far fits lie apart: SD of means over initialisations within a split, and over splits.

    Returns
    -------
    DataFrame
        `dataset`, `model`, `mean`, `between initialisations`, `between splits` (of the means over
        initialisations, which holds the difficulty of the scored conditions too); NaN for one.
    """
    rows = []
    for (dataset, model), own in fits.groupby(["dataset", "model"], sort=False):
        wide = own.pivot_table("mean", "split", "initialisation")
        within = np.sqrt(wide.var(axis=1, ddof=1).mean()) if wide.shape[1] > 1 else np.nan
        between = wide.mean(axis=1).std(ddof=1) if len(wide) > 1 else np.nan
        rows.append(
            {
                "dataset": dataset.removeprefix("simulated: "),
                "model": model,
                "mean": wide.to_numpy().mean(),
                "between initialisations": within,
                "between splits": between,
            }
        )
    return pd.DataFrame(rows)


def spread_said(table: pd.DataFrame) -> str:
    """How large luck in the initialisation is beside luck in the split."""
    known = table.dropna(subset=["between initialisations", "between splits"])
    if known.empty:
        return "With one fit a split, luck in the initialisation cannot be told from the rest."
    ratio = known["between initialisations"] / known["between splits"]
    ends = [
        f"{ratio[row]:.2f} ({known['model'][row]} where {_world(known['dataset'][row])})"
        for row in dict.fromkeys([ratio.idxmin(), ratio.idxmax()])
    ]
    return (
        f"The standard deviation of a model's error between initialisations is {' to '.join(ends)} "
        "times that between splits. Either is estimated from few fits."
    )


def trial_table(trials: Mapping[str, Mapping[str, pd.DataFrame]]) -> pd.DataFrame:
    """Trials by data set and model: default, best and worst error, and the parameters chosen."""
    rows = []
    for dataset, own in trials.items():
        for model, found in own.items():
            scored = found[found["error"].notna()]
            if scored.empty:
                continue
            best = scored.loc[scored["error"].idxmin()]
            rows.append(
                {
                    "dataset": dataset,
                    "model": model,
                    "trials": len(found),
                    "as it is": found["error"].iloc[0],
                    "best": best["error"],
                    "worst": scored["error"].max(),
                    "chosen": "as it is" if best["parameters"] == "{}" else best["parameters"],
                }
            )
    columns = ["dataset", "model", "trials", "as it is", "best", "worst", "chosen"]
    return pd.DataFrame(rows, columns=columns)


def tuning_said(table: pd.DataFrame) -> str:
    """How much the search of parameters gained, and could lose."""
    known = table.dropna(subset=["as it is"])
    if known.empty:
        return "No model was tuned."
    gain = 1 - known["best"] / known["as it is"]
    apart = known["worst"] / known["best"] - 1
    most, worst = known.loc[gain.idxmax(), "model"], known.loc[apart.idxmax(), "model"]
    return (
        "On the conditions that it is chosen on, the best of the trials has an error smaller by "
        f"{gain.median():.0%} (median) than the first parameters, and by "
        f"{gain.max():.0%} at most ({most}); the worst trial is above the best by "
        f"{apart.median():.0%} (median), and by {apart.max():.0%} at most ({worst})."
    )


def why_open(row) -> str:
    """Why an interval that leaves out zero decides nothing, of a row of `against`."""
    if row.verdict == "cannot":
        return f"{row.n_clusters:.0f} conditions are too few for a test"
    return f"p = {row.p_holm:.2f}, corrected for all models of the world"


def home_said(pairs: pd.DataFrame) -> str:
    """Whether each model beats its rival in the world of its own mechanism, of `against_rivals`."""
    won, not_ = [], []
    for world, model in AT_HOME.items():
        own = pairs[(pairs["dataset"] == f"world of {world}") & (pairs["model"] == model)]
        if own.empty:
            not_.append(f"{model} (not scored)")
            continue
        (row,) = own.itertuples()
        value = with_interval(row.difference, row.low, row.high)
        if row.verdict in ("undecided", "cannot") and (row.low > 0 or row.high < 0):
            value += f", {why_open(row)}"
        (won if row.verdict == "better" else not_).append(f"{model}: {value}")
    if not not_:
        return (
            "At home each of them wins: the difference of its error to that of its rival is, "
            f"{'; '.join(won)}."
        )
    head = f"Shown to win at home: {'; '.join(won)}. " if won else ""
    return f"{head}Not shown to win at home: {'; '.join(not_)}."


def away_said(pairs: pd.DataFrame) -> str:
    """How often deep models win in the worlds of others, against the rivals there."""
    own = pairs[pairs["model"].isin(DEEP)]
    home = {(f"world of {world}", model) for world, model in AT_HOME.items()}
    away = own[[(d, m) not in home for d, m in zip(own["dataset"], own["model"], strict=True)]]
    asked = away[away["verdict"] != "cannot"]
    few = len(away) - len(asked)
    beside = f" (of {few} more the conditions are too few for a test)" if few else ""
    if asked.empty:
        return f"Away from home no comparison can be tested{beside}."
    n = int((asked["verdict"] == "better").sum())
    if n == 0:
        return (
            f"Away from home none of {len(asked)} comparisons{beside} shows one of them to be "
            "better."
        )
    return (
        f"Away from home {n} of {len(asked)} comparisons{beside} show one of them to be better "
        "than its rival: a mechanism that is nearly right can be enough."
    )


def in_short(pairs: pd.DataFrame, reference: Mapping[str, str]) -> str:
    """The answer of the page: where a deep model beats the best simple rival, and where not.

    Parameters
    ----------
    pairs : DataFrame
        Of `held_out_report.against`, a reference for each data set.
    reference : mapping of data set to the model that was compared with
    """
    own = pairs[pairs["model"].isin(DEEP)]
    if own.empty:
        return "No deep model was compared with a simple one."
    better, not_ = [], []
    for dataset, rows in own.groupby("dataset", sort=False):
        ahead = rows[rows["verdict"] == "better"]
        rival = reference[dataset]
        if ahead.empty:
            slight = report.by_little_said(rows)
            beside = f"; {slight}" if slight else ""
            not_.append(f"{_world(dataset)} (against {rival}{beside})")
            continue
        best = ahead.loc[ahead["difference"].idxmin()]
        value = with_interval(*best[["difference", "low", "high"]])
        better.append(
            f"where {_world(dataset)}, {subject(best['model'])} changes the error of "
            f"{subject(rival)} by {value}"
        )
    if not better:
        return f"No small deep model is shown to beat a simple one where {listed(not_)}."
    rest = f" None is shown to do so where {listed(not_)}." if not_ else ""
    return f"Small deep models can beat simple ones: {'; '.join(better)}.{rest}"


def _world(dataset: str) -> str:
    return dataset.removeprefix("simulated: ")


def mean_said(rows: pd.DataFrame) -> str:
    """Whether the mean looks good by a change from controls, and knows nothing all the same.

    Parameters
    ----------
    rows : DataFrame
        Score table of one data set.
    """
    own = rows[(rows["model"] == "mean") & (rows["post"] == "raw")]
    by = own.groupby("metric")["value"].mean()
    looks, knows = by.get("pearson_delta", np.nan), by.get("centroid_accuracy", np.nan)
    if np.isnan(looks) or np.isnan(knows):
        return "The mean could not be scored by both metrics."
    if looks < 0.3:
        return (
            f"The mean correlates with observed changes by {looks:.2f} only: the shift that all "
            "perturbations share is small here."
        )
    if abs(knows - 0.5) > 0.1:
        return (
            f"The mean correlates with observed changes by {looks:.2f}, and finds a perturbation "
            f"among the others with {knows:.2f}, not 0.5: it should know nothing, look again."
        )
    return (
        f"The mean correlates with observed changes by {looks:.2f}, since all perturbations share "
        "a shift. It knows nothing of any: asked to find the right perturbation among the others "
        f"it has a centroid accuracy (not in the table) of {knows:.2f}, and 0.5 is chance."
    )


def probes_said(pairs_of: Mapping[str, pd.DataFrame]) -> str:
    """Whether each deep model loses when it is kept from the names of perturbations.

    Parameters
    ----------
    pairs_of : mapping of deep model to DataFrame
        Its probes against it, of `held_out_report.against`.
    """
    lost, kept = [], []
    for model, pairs in pairs_of.items():
        probes = pairs[pairs["model"].isin([model + SHUFFLED, model + BLIND])]
        if probes.empty:
            continue
        if (probes["verdict"] == "worse").all():
            lost.append(model)
            continue
        ahead = "; ".join(
            f"{row.model.removeprefix(model + ', ')} it is better, by "
            f"{with_interval(row.difference, row.low, row.high)}"
            for row in probes[probes["verdict"] == "better"].itertuples()
        )
        kept.append(f"{model} ({ahead})" if ahead else model)
    if not lost and not kept:
        return "No probe was run."
    if not kept:
        return (
            f"Both probes are worse than the model itself for {listed(lost)}: what they predict "
            "does come from the names of perturbations."
        )
    rest = f" Shown to lose by both: {listed(lost)}." if lost else ""
    return (
        f"Not shown to lose by both, when kept from the names of perturbations: {listed(kept)}."
        f"{rest}"
    )


def probe_pairs(errors: pd.DataFrame, *, seed: int, n_resamples: int) -> dict[str, pd.DataFrame]:
    """Each deep model's probes against it, in rows of one data set."""
    found = {}
    for model in DEEP:
        family = {model, model + SHUFFLED, model + BLIND}
        own = errors[errors["model"].isin(family)]
        if model in (there := set(own["model"])) and len(there) > 1:
            given = dict(metric="l2", seed=seed, n_resamples=n_resamples)
            found[model] = report.against(own, model, **given)
    return found


PUBLISHED = ("gears", "scgpt", "cpa", "lpm_selftrained")
_PUBLISHED_DEEP = ("GEARS", "scGPT", "CPA")


def published_ratios(published: pd.DataFrame) -> pd.DataFrame:
    """Published errors over those of a simple rival: the additive model's, or the mean's.

    Parameters
    ----------
    published : DataFrame
        Of `ahlmann_eltze2025_scores`.

    Returns
    -------
    DataFrame
        `data`, `rival`, and a column a model: means over held-out rows of the ratio of errors.
    """
    own = published[(published["metric"] == "l2") & (published["part"] != "train")]
    rows = []
    for (setting, dataset), part in own.groupby(["setting", "dataset"], sort=False):
        wide = part.pivot_table("value", ["seed", "perturbation"], "model")
        rival = "additive_model" if setting == "double" else "mean"
        if rival not in wide:
            continue
        ratio = wide.div(wide[rival], axis=0).mean()
        row = {"data": TITLES.get(dataset, "pairs of genes"), "rival": rival.split("_")[0]}
        rows.append(row | {NAMES[name]: ratio.get(name, np.nan) for name in PUBLISHED})
    return pd.DataFrame(rows)


def our_ratios(errors: pd.DataFrame, reference: Mapping[str, str]) -> pd.DataFrame:
    """The same of ours: each candidate's error over that of the rival, mean over conditions."""
    rows = []
    for dataset, own in errors.groupby("dataset", sort=False):
        wide = own.pivot_table("value", ["split", "unit", "seed"], "model")
        rival = reference[dataset]
        ratio = wide.div(wide[rival], axis=0).mean()
        names = [n for n in (*DEEP, "linear model", "linear model, gene sets") if n in ratio]
        rows.append(
            {"data": dataset.removeprefix("simulated: "), "rival": rival}
            | {n: ratio[n] for n in names}
        )
    return pd.DataFrame(rows)


def published_said(table: pd.DataFrame) -> str:
    """Which published deep models are below their simple rival, on average."""
    deep = [c for c in _PUBLISHED_DEEP if c in table]
    known = table.melt("data", deep, "model", "ratio").dropna()
    if known.empty:
        return "The workbooks hold no ratio of a deep model."
    below = known[known["ratio"] < 1]
    if below.empty:
        return (
            f"In none of {len(known)} published cases is the mean ratio below one: the deep "
            "model's error is the larger one on average."
        )
    cases = listed(f"{row.model} in {row.data} ({row.ratio:.3f})" for row in below.itertuples())
    return f"In {len(below)} of {len(known)} published cases the mean ratio is below one: {cases}."
