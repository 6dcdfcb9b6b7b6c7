"""What is said of mechanisms: rows, means, nulls, sentences."""

import numpy as np
import pandas as pd
from scipy import stats

from helpers import scores
from helpers.comparisons import compare, paired
from helpers.stats import MIN_UNITS, holm, mean_interval
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
RANDOM = "random vectors"


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


def simulated_gain(
    rows: pd.DataFrame, names=(LPM, CENTRED), others=PLAIN
) -> tuple[float, float, float]:
    """Percentile by the better of some representations less that by the better of others.

    Returns
    -------
    mean, low, high : float
        Over draws, paired, with the 95 % interval of the t distribution (NaN of one draw).
    """
    own = rows[rows["metric"] == "target_percentile"]
    wide = own.pivot_table("value", "cluster", "model")
    first, second = (
        wide[[m for m in those if m in wide]].mean().idxmax() for those in (names, others)
    )
    gain = wide[first] - wide[second]
    ends = mean_interval(gain) if len(gain) > 1 else (np.nan, np.nan)
    return float(gain.mean()), *ends


def real_means(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean over mechanisms or genes with its interval, by question."""
    table = group_means(rows, ["split", "model"], n_resamples=2_000)
    return table.assign(question=table["split"].map(QUESTIONS))


def null_deviations(shuffled: pd.DataFrame) -> pd.Series:
    """Standard deviation of each question's mean over permutations."""
    return shuffled.groupby("question", sort=False)["mean"].std(ddof=1)


def in_short(gain: tuple[float, float, float]) -> Words:
    """The answer of the page on simulated compounds, of `simulated_gain`."""
    if gain[1] > 0:
        head = "The model brings compounds and their genes together better than profiles do"
    elif gain[2] < 0:
        head = "The model brings compounds and their genes together less well than profiles do"
    else:
        head = (
            "It is undecided whether the model brings compounds and their genes together better "
            "than profiles do"
        )
    return (
        f"{head}: the shares of other compounds that lie farther from a gene differ by "
        f"{with_interval(*gain)}."
    )


def about_simulated(means: pd.DataFrame) -> Words:
    """How many other compounds lie farther, by representation; of `simulated_means`."""
    own = means[means["metric"] == "target_percentile"].set_index("model")
    best = own.loc[[m for m in PLAIN if m in own.index], "mean"].idxmax()
    named = {LPM: "in vectors of the model", CENTRED: "with the mean of each kind taken off"}
    named |= {"profiles": "in plain profiles"} | (
        {} if best == "profiles" else {best: f"in {best}"}
    )
    told = [
        f"{with_interval(*own.loc[model, ['mean', 'low', 'high']])} {where}"
        for model, where in named.items()
    ]
    return (
        "Of the compounds that do not hit a gene, this share lies farther from it than those that "
        f"do, where 0.50 is chance: {', '.join(told)}."
    )


def about_offset(rows: pd.DataFrame) -> Words:
    """What taking off the mean of each kind changes, in vectors and in profiles."""
    there, told = set(rows["model"]), []
    for name, model, plain in (("vectors", CENTRED, LPM), ("profiles", PLAIN[1], PLAIN[0])):
        if not {model, plain} <= there:
            continue
        gain = simulated_gain(rows, (model,), (plain,))
        word = "raises" if gain[1] > 0 else "lowers" if gain[2] < 0 else "is not shown to change"
        digits = 3 if np.round(gain, 3).all() else 5  # an end near 0 keeps its sign
        told.append(f"{word} the share in {name}, difference {with_interval(*gain, digits)}")
    if not told:
        return "The mean of each kind was not taken off."
    return f"Taking off the mean of each kind {listed(told)}."


def against_random(rows: pd.DataFrame, *, seed: int, n_resamples: int = 5_000) -> pd.DataFrame:
    """Every representation of real compounds less random vectors, by question.

    The rule of the tier's summary: paired over groups, corrected for all representations of a
    question.

    Returns
    -------
    DataFrame
        `split`, and the columns of `helpers.comparisons.compare`; *cannot* below six groups.
    """
    parts = []
    for question, own in rows[rows["split"].isin(QUESTIONS)].groupby("split", sort=False):
        both = paired(own, missing="drop")
        if len(set(both.clusters)) < MIN_UNITS:
            models = [m for m in both.table if m != RANDOM]
            found = pd.DataFrame({"model": models, "verdict": "cannot"})
        else:
            found = compare(
                both.table,
                both.clusters,
                better="higher",
                reference=RANDOM,
                n_resamples=n_resamples,
                rng=np.random.default_rng(seed),
            )
        parts.append(found.assign(split=question))
    return pd.concat(parts, ignore_index=True)


def about_groups(
    means: pd.DataFrame, pairs: pd.DataFrame, deviation: pd.Series, question: str
) -> Words:
    """Whether members of a group find each other in plain signatures; of `against_random`."""
    own = means[means["split"] == question].set_index("model")
    said = (
        f"{with_interval(*own.loc['signatures', ['mean', 'low', 'high']])} of the others lie "
        f"farther away, {own.loc[RANDOM, 'mean']:.2f} by random vectors; where compounds are "
        f"shuffled 0.50 \N{PLUS-MINUS SIGN} {deviation[question]:.3f}"
    )
    head = {
        "better": "They find each other",
        "worse": "They lie farther apart than by random vectors",
    }.get(_verdicts(pairs, question)["signatures"], "It is undecided whether they find each other")
    return f"{head}: {said}."


def _verdicts(pairs: pd.DataFrame, question: str) -> pd.Series:
    return pairs[pairs["split"] == question].set_index("model")["verdict"]


def about_gene(means: pd.DataFrame, pairs: pd.DataFrame) -> Words:
    """Whether an inhibitor is opposite to the over-expression of its target.

    Parameters
    ----------
    means : DataFrame
        Of `real_means`.
    pairs : DataFrame
        Of `against_random`.
    """
    own = means[means["split"] == "gene"].set_index("model")
    said = (
        f"of the other compounds {with_interval(*own.loc['signatures', ['mean', 'low', 'high']])} "
        f"lie farther by plain signatures, {own.loc[RANDOM, 'mean']:.2f} by random vectors"
    )
    verdict = _verdicts(pairs, "gene")
    above = verdict.index[verdict == "better"].tolist()
    if not above:
        return (
            f"Not shown in these data: {said}, and none of {len(verdict)} representations is shown "
            "to be above random vectors, corrected for all of them."
        )
    if "signatures" in above:
        return f"Yes: {said}."
    return (
        f"Not by plain signatures: {said}; of {len(verdict)} representations, corrected for all of "
        f"them, above random vectors: {listed(above)}."
    )


def about_peers(deviation: pd.Series, peers: float) -> Words:
    """What else finds the inhibitors of a gene, and how far chance goes.

    Parameters
    ----------
    deviation : Series
        Of `null_deviations`.
    peers : float
        Mean percentile of the same inhibitors by the other inhibitors of the target.
    """
    return (
        f"The other inhibitors of the same targets find them by {peers:.2f}. Where compounds are "
        f"shuffled it is 0.50 \N{PLUS-MINUS SIGN} {deviation['gene']:.3f}."
    )


def about_model(means: pd.DataFrame) -> Words:
    """Vectors of the joint model against signatures, on real compounds."""
    wide = means.pivot_table("mean", "model", "split")
    model = wide.loc[[LPM, CENTRED]].max()
    plain = wide.drop([LPM, CENTRED, RANDOM]).max()
    told = [f"{QUESTIONS[q]}: {model[q]:.2f} and {plain[q]:.2f}" for q in QUESTIONS if q in model]
    return (
        "The best mean of vectors of the joint model, and that of plain signatures or their "
        f"components: {'; '.join(told)}. The model is small and briefly trained here, on one "
        "signature a compound."
    )


def about_statins(found: pd.DataFrame, n_others: int) -> Words:
    """Whether the pattern that can be checked is there, and which genes cannot be asked.

    Parameters
    ----------
    found : DataFrame
        Of `statin_pattern`.
    n_others : int
        Other compounds. The share is a Mann-Whitney statistic: its null is known.
    """
    there = found[found["percentile"].notna()]
    absent = found[found["percentile"].isna()]["symbol"].tolist()
    tail = f" {listed(absent)}: no landmarks, which cannot be asked." if absent else ""
    if there.empty:
        return f"The positive control cannot be asked.{tail}"
    n = there["n"].max()
    sd = np.sqrt((n + n_others + 1) / (12 * n * n_others))
    p = holm(2 * stats.norm.sf(((there["percentile"] - 0.5) / sd).abs()))
    told = ", ".join(
        f"{row.symbol} {row.percentile:.2f} (p {one:.2g})"
        for row, one in zip(there.itertuples(), p, strict=True)
    )
    above = there.loc[(p <= 0.05) & (there["percentile"] > 0.5), "symbol"].tolist()
    below = there.loc[(p <= 0.05) & (there["percentile"] < 0.5), "symbol"].tolist()
    if below:
        word = f"The positive control fails: below chance is {listed(below)}."
    elif len(above) == len(there):
        word = "The positive control holds."
    elif above:
        word = f"The positive control holds for {listed(above)}; of other genes it is undecided."
    else:
        word = "It is undecided whether the positive control holds."
    return (
        f"Of {n} statins against {n_others:,} other compounds, the share with a lower value is "
        f"{told}; 0.5 is chance, p of Mann-Whitney tests, corrected (Holm). {word}{tail}"
    )


def real_short(pairs: pd.DataFrame) -> Words:
    """The answer of the page on real compounds; of `against_random`."""
    told = []
    for question, what in QUESTIONS.items():
        word = {"better": "above", "worse": "below"}.get(
            _verdicts(pairs, question)["signatures"], "not told from"
        )
        told.append(f"{what}: {word} random vectors")
    return f"In plain signatures real compounds are found as follows: {'; '.join(told)}."
