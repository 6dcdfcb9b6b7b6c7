"""What is said of mechanisms: rows, means, nulls, sentences."""

import numpy as np
import pandas as pd

from helpers import scores
from helpers.stats import mean_interval
from helpers.summaries import draw_means, group_means
from helpers.tasks.discovery.mechanisms import CENTRED, LPM, REAL, SIMULATED
from helpers.tasks.findings import listed, with_interval
from helpers.words import Words

QUESTIONS = {
    "mechanism": "a compound, by others of its mechanism",
    "target": "an inhibitor, by others of its target",
    "gene": "an inhibitor, by its over-expressed target",
}
RISK_RATIOS = {5: "0.86", 10: "0.74"}
"""Of end-stage renal disease after simvastatin, by years (Miladinovic et al. 2025): quoted."""
PLAIN = ("profiles", "profiles less the mean of their kind")
CLEAR = 2.0
"""Standard deviations of the null from which a mean is said to differ from chance."""


def simulated_rows(found: pd.DataFrame, *, model: str, seed: int) -> pd.DataFrame:
    """Result of `simulated_mechanisms` as rows; the draw is the cluster."""
    return scores.rows(
        task="mechanism",
        dataset="simulated: compounds and genes apart",
        model=model,
        role=SIMULATED[model],
        unit_kind="gene",
        unit=found["gene"],
        cluster=f"draw {seed}",
        seed=seed,
        n=found["n"],
        value={m: found[m] for m in ("target_percentile", "recall_10")},
    )


def real_rows(found: pd.DataFrame, *, model: str, dataset: str) -> pd.DataFrame:
    """Result of `real_mechanisms` as rows; a mechanism or a gene is a unit."""
    parts = [
        scores.rows(
            task="mechanism" if question.startswith("gene") else "mechanism-groups",
            dataset=dataset,
            split=question,
            model=model,
            metric="target_percentile" if question == "gene" else "group_percentile",
            role=REAL[model],
            unit_kind="mechanism" if question == "mechanism" else "gene",
            unit=own["unit"],
            seed=0,
            n=own["n"],
            value=own["value"],
        )
        for question, own in found.groupby("question", sort=False)
        if question in QUESTIONS
    ]
    return pd.concat(parts, ignore_index=True)


def simulated_means(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean over draws, in the order of `SIMULATED`."""
    table = draw_means(rows, ["metric", "model", "role"], draw="cluster")
    order = list(SIMULATED)
    return table.sort_values("model", key=lambda names: names.map(order.index), kind="stable")


def simulated_gain(rows: pd.DataFrame) -> tuple[float, float, float]:
    """Percentile by the better vectors of the model less that by the better plain profiles.

    Returns
    -------
    mean, low, high : float
        Over draws, paired, with the 95 % interval of the t distribution (NaN of one draw).
    """
    own = rows[rows["metric"] == "target_percentile"]
    wide = own.pivot_table("value", "cluster", "model")
    vectors, plain = (
        wide[[m for m in names if m in wide]].mean().idxmax() for names in ((LPM, CENTRED), PLAIN)
    )
    gain = wide[vectors] - wide[plain]
    ends = mean_interval(gain) if len(gain) > 1 else (np.nan, np.nan)
    return float(gain.mean()), *ends


def real_means(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean over mechanisms or genes with its interval, by question."""
    table = group_means(rows, ["split", "model"], n_resamples=2_000)
    return table.assign(question=table["split"].map(QUESTIONS))


def null_deviations(shuffled: pd.DataFrame) -> pd.Series:
    """Standard deviation of each question's mean over permutations."""
    return shuffled.groupby("question", sort=False)["mean"].std(ddof=1)


def about_simulated(means: pd.DataFrame, gain: tuple[float, float, float]) -> Words:
    """Whether vectors bring compounds to their genes, and what the offset of their kind does.

    Parameters
    ----------
    means : DataFrame
        Of `simulated_means`.
    gain : tuple of float
        Of `simulated_gain`.
    """
    own = means[means["metric"] == "target_percentile"].set_index("model")["mean"]
    best = own[[m for m in PLAIN if m in own]]
    said = (
        f"Of the compounds that do not hit a gene, {own[LPM]:.0%} lie farther from it than those "
        f"that do in vectors of the model, {own[CENTRED]:.0%} with each kind's mean taken off, and "
        f"{own['profiles']:.0%} in plain profiles, at best {best.max():.0%}; 50 % is chance."
    )
    if gain[1] > 0:
        head = "The model brings them together better than profiles do"
    elif gain[2] < 0:
        head = "The model brings them together less well than profiles do"
    else:
        head = "It is undecided whether the model brings them together better than profiles do"
    return f"{said} {head}: the shares differ by {with_interval(*gain)}."


def about_groups(means: pd.DataFrame, deviation: pd.Series, question: str) -> Words:
    """Whether members of a group find each other in plain signatures."""
    own = means[means["split"] == question].set_index("model")
    row = own.loc["signatures"]
    sd = deviation[question]
    far = (row["mean"] - 0.5) / sd
    said = (
        f"{with_interval(row['mean'], row['low'], row['high'])} of the others lie farther away, "
        f"where shuffled compounds give 0.50 \N{PLUS-MINUS SIGN} {sd:.3f}"
    )
    if far > CLEAR:
        return f"They find each other: {said}."
    if far < -CLEAR:
        return f"They lie farther apart than others: {said}."
    return f"They are not told from chance: {said}."


def about_gene(means: pd.DataFrame, deviation: pd.Series, peers: float) -> Words:
    """Whether an inhibitor is opposite to the over-expression of its target.

    Parameters
    ----------
    peers : float
        Mean percentile of the same inhibitors by the other inhibitors of the target.
    """
    own = means[means["split"] == "gene"].set_index("model")["mean"]
    sd = deviation["gene"]
    tried = own.drop("random vectors")
    clear = [m for m in tried.index if (tried[m] - 0.5) / sd > CLEAR]
    said = (
        f"The other inhibitors of the same targets find them by {peers:.0%}. Where compounds are "
        f"shuffled it is 50 % \N{PLUS-MINUS SIGN} {sd:.1%}:"
    )
    if not clear:
        return (
            f"{said} no representation is told from that, and these data do not answer the "
            "question."
        )
    named = ", ".join(f"{m} ({tried[m]:.0%})" for m in clear)
    return (
        f"{said} of {len(tried)} representations more than {CLEAR:.0f} standard deviations above "
        f"it: {named}."
    )


def about_intervals(means: pd.DataFrame) -> Words:
    """The answer on compounds and genes from intervals over genes, where no null is at hand."""
    own = means[(means["split"] == "gene") & (means["model"] != "random vectors")]
    plain = own.set_index("model").loc["signatures"]
    said = (
        f"of the other compounds {with_interval(plain['mean'], plain['low'], plain['high'])} lie "
        "farther by plain signatures, where chance is 0.50"
    )
    above = own[own["low"] > 0.5]["model"].tolist()
    if not above:
        return f"Not shown in these data: {said}, and no representation is shown to be above it."
    if "signatures" in above:
        return f"Yes: {said}."
    return (
        f"Not by plain signatures: {said}; of {len(own)} representations that were tried, above "
        f"chance: {listed(above)}."
    )


def about_model(means: pd.DataFrame) -> Words:
    """Vectors of the joint model against signatures, on real compounds."""
    wide = means.pivot_table("mean", "model", "split")
    model = wide.loc[[LPM, CENTRED]].max()
    plain = wide.drop([LPM, CENTRED, "random vectors"]).max()
    told = [f"{QUESTIONS[q]}: {model[q]:.2f} and {plain[q]:.2f}" for q in QUESTIONS if q in model]
    return (
        "The best mean of vectors of the joint model, and that of plain signatures or their "
        f"components: {'; '.join(told)}. The model is small and briefly trained here, on one "
        "signature a compound."
    )


def about_statins(found: pd.DataFrame) -> Words:
    """Whether the pattern that can be checked is there, and which genes cannot be asked."""
    there = found[found["percentile"].notna()]
    absent = found[found["percentile"].isna()]["symbol"].tolist()
    told = ", ".join(f"{r.symbol} {r.percentile:.3f}" for r in there.itertuples())
    said = (
        f"Of {there['n'].max()} statins against all other compounds, the share with a lower value "
        f"is {told}."
    )
    word = "The positive control holds." if (there["percentile"] > 0.7).all() else "It fails."
    tail = f" {' and '.join(absent)} are no landmarks and cannot be asked." if absent else ""
    return f"{said} {word}{tail}"


def in_short(means: pd.DataFrame, deviation: pd.Series) -> Words:
    """The answer of the page."""
    own = means[means["model"] == "signatures"].set_index("split")["mean"]
    told = []
    for question, what in QUESTIONS.items():
        far = (own[question] - 0.5) / deviation[question]
        word = "above" if far > CLEAR else "below" if far < -CLEAR else "not told from"
        told.append(f"{what}: {word} chance")
    return f"In plain signatures real compounds are found as follows: {'; '.join(told)}."
