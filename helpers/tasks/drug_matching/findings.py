"""What the tier answers: does reversal find drugs, does learning, and what is left of a claim."""

import pandas as pd

from helpers.tasks.drug_matching import leakage_report, matching_report, simulated_report
from helpers.tasks.findings import Finding, Ledger, bracketed, listed, with_interval
from helpers.tasks.requirements import CannotAnswer
from helpers.tasks.verdicts import BOTH, NOT_SHOWN, SHOWN, UNTESTABLE

MATCHING = "drug_matching/matching"
LEARNING = "drug_matching/when-does-learning-win"
LEAKAGE = "drug_matching/leakage"
PAPER = "Papanikolaou et al. 2023 (DGEM-NN)"
ABSTRACT = "stated in the abstract, the only text that could be read"
NOVEL = "A model that learns from indications identifies novel ones"
BASELINES = "Connectivity scores are the baselines to pass"


def real_matching(tables) -> pd.DataFrame:
    """Rows of real diseases; `CannotAnswer` where no real data set was scored."""
    table = tables[MATCHING]
    real = table[table["model"].isin(matching_report.ROLES)]
    real = real[~real["dataset"].str.startswith("pure reversal")]
    if real.empty:
        raise CannotAnswer("no real drugs and diseases were scored")
    return real.reset_index(drop=True)


def reversal(tables, *, n_resamples: int, seed: int) -> str:
    """Reversal against chance, and against what is known of a drug alone."""
    real = real_matching(tables)
    means = matching_report.by_universe(real, matching_report.PRIMARY, n_resamples=n_resamples)
    matched = matching_report.by_universe(real, "degree_matched_auroc", n_resamples=n_resamples)
    means, matched = (
        table[table["candidates"] == matching_report.CANDIDATES["all"]]
        for table in (means, matched)
    )
    gaps = matching_report.differences(real, "popularity", n_resamples=n_resamples, seed=seed)
    return matching_report.in_short(means, (means, gaps, matched))


def gains(tables) -> pd.DataFrame:
    """Improvements of learned models over reversal, by value of the knob."""
    return simulated_report.improvements(tables[LEARNING])


def learning(tables, *, n_resamples: int, seed: int) -> str:
    """Where learning wins in the simulator."""
    return simulated_report.about_learning(gains(tables))


def leaks(tables, *, n_resamples: int, seed: int) -> str:
    """What a linear model gains by what is near in training, on real diseases if there are any."""
    table = tables[LEAKAGE]
    real = table[~table["dataset"].str.startswith("families")]
    own, where = (real, "") if len(real) else (table, "Simulated: ")
    return where + leakage_report.about_leak(own, "bilinear ridge", n_resamples=n_resamples)


FINDINGS = (
    Finding(
        "Does a drug that reverses the transcriptome of a disease treat it?",
        MATCHING,
        (MATCHING,),
        reversal,
        "drugs on cancer cell lines (L1000), contrasts of diseases from GEO, curated indications",
        "signatures in the tissue of the disease, replicated on another platform",
        front=True,
    ),
    Finding(
        "When is a model that learns from indications better than reversal?",
        LEARNING,
        (LEARNING,),
        learning,
        "simulated drugs and diseases, a relation that is linear in programs of genes",
        "knowing how many real indications follow reversal",
    ),
    Finding(
        "How much of a learned model's score leaks from training?",
        LEAKAGE,
        (LEAKAGE,),
        leaks,
        "a linear model; siblings and analogues as the page draws them",
        "a larger model, more diseases",
    ),
)


def rows(tables, *, n_resamples: int, seed: int) -> pd.DataFrame:
    """The claims of DGEM-NN, as `helpers.tasks.findings.Ledger` asks; one row each."""
    told = [_of_percent(gains(tables).sort_values("reversal", ascending=False))]
    try:
        real = real_matching(tables)
        given = {"n_resamples": n_resamples, "seed": seed}
        gaps = matching_report.differences(real, "popularity", **given)
        told += [_of_learned(gaps), _of_baselines(gaps)]
    except CannotAnswer as refusal:
        told += [[claim, "", refusal.reason, UNTESTABLE] for claim in (NOVEL, BASELINES)]
    columns = ["claim", "ours", "why they differ", "verdict"]
    return pd.DataFrame(told, columns=columns).assign(published=ABSTRACT)


def _of_percent(found: pd.DataFrame) -> list[str]:
    """Verdict on "more than 200 %", which depends on how far indications follow reversal."""
    low, high, claimed = found["low"], found["high"], simulated_report.CLAIMED
    weights = {
        "shown": found.loc[low > claimed, "reversal"],
        "not seen": found.loc[high < claimed, "reversal"],
        "undecided": found.loc[~((low > claimed) | (high < claimed)), "reversal"],
    }
    there = {word: listed(f"{w:g}" for w in own) for word, own in weights.items() if len(own)}
    verdict = BOTH if {"shown", "not seen"} <= set(there) else "undecided"
    verdict = {("shown",): SHOWN, ("not seen",): NOT_SHOWN}.get(tuple(there), verdict)
    where = "; ".join(f"{word} at weight {own}" for word, own in there.items())
    return [
        "More than 200 % over CMap and Characteristic Direction",
        "; ".join(_gain(one) for _, one in found.iterrows()),
        "average precision, simulated, by the weight of reversal in the indications; the paper's "
        "indications, split and metric were not released",
        f"{verdict}: {where}" if len(there) > 1 else verdict,
    ]


def _gain(one: pd.Series) -> str:
    low, high = one["low"], one["high"]
    ends = "one draw" if pd.isna(low) else f"95 % interval {low:.0f} to {high:.0f}"
    said = f"{one['improvement (%)']:+.0f} % at weight {one['reversal']:g} ({one['best learned']}"
    return f"{said} over {one['best reversal']}; {ends})".replace("-", "\N{MINUS SIGN}")


def _of_learned(gaps: pd.DataFrame) -> list[str]:
    """Verdict on learning from indications, against what is known of a drug alone."""
    own = gaps[[model.startswith("bilinear") for model in gaps.index]]
    apart = own[["siblings" in model for model in own.index]]
    apart = apart.loc[apart["difference"].idxmax()]
    verdict = {"better": SHOWN, "undecided": "undecided"}
    return [
        NOVEL,
        f"{bracketed(apart.name)} less popularity, AUROC within a disease: {_gap(apart)}",
        "the better of two linear models, siblings of the disease held out, as it stands alone and "
        "not beside popularity, which is the floor",
        verdict.get(apart["verdict"], NOT_SHOWN),
    ]


def _gap(row: pd.Series) -> str:
    return with_interval(*row[["difference", "low", "high"]], 3)


def _of_baselines(gaps: pd.DataFrame) -> list[str]:
    """Verdict on whether the two baselines are what has to be passed."""
    both = ["reversal, CMap 2006", "reversal, cosine"]
    verdicts = set(gaps.loc[both, "verdict"])
    verdict = NOT_SHOWN if verdicts == {"worse"} else "undecided"
    return [
        BASELINES,
        "less popularity, AUROC within a disease: "
        + listed(f"{bracketed(model)} {_gap(gaps.loc[model])}" for model in both),
        "cosine stands for Characteristic Direction, which needs samples; no floor is named",
        SHOWN if "better" in verdicts else verdict,
    ]


CLAIMS = (Ledger(PAPER, "drug_matching/claims", (MATCHING, LEARNING), rows),)
