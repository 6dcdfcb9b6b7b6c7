"""What is said of the score of the Virtual Cell Challenge 2026: tables, sentences, departures."""

import numpy as np
import pandas as pd

from helpers import scores
from helpers.metrics.effects.vcc2026 import MEMBERS, aggregate
from helpers.plots.page import number
from helpers.tasks.effects.vcc2026_intervals import SCORE, scale_of, scores_of, tables_of
from helpers.tasks.effects.vcc2026_order import TITLES, signed
from helpers.tasks.findings import listed, with_interval

TASK = "vcc2026"
REPORTED = (
    ("discrimination", "0.500", "0.927 to 0.984", "0.5 to 1.3"),
    ("squared error", "0.986 to 0.992", "0.028 to 0.045", "0.8 to 2.2"),
    ("direction", "0.505 to 0.522", "0.795 to 0.832", "1.5 to 4.8"),
    ("reach", "0.047 to 0.097", "0.958 to 0.978", "not stated"),
    ("Jaccard", "0.021 to 0.037", "0.375 to 0.423", "0.8 to 2.2"),
    ("fold changes", "1.001 to 1.002", "0.369 to 0.431", "0.7 to 2.7"),
)
"""Member, baseline, replicate and the replicate's spread over splits (% of the way between them),
as the organisers state them of their three contexts (vcc2026-metrics.md, 2026-08-19)."""

ROLES = {
    "repeat": "ceiling",
    "the reference's own cells": "ceiling",
    "controls": "floor",
    "names permuted": "floor",
    "mean response, Poisson cells": "floor",
    "mean response, others' cells": "floor",
}

GAINS = (
    (
        "profile, Poisson cells",
        "profile, scaled controls",
        "the same means, as cells of another kind",
    ),
    (
        "half the effect, Poisson cells",
        "half the effect, scaled controls",
        "the same means, as cells of another kind",
    ),
    (
        "half the effect, even cells",
        "half the effect, Poisson cells",
        "the same means, in cells that hardly differ",
    ),
    (
        "half a repeat, constant cells, depth x 100",
        "repeat, half the cells",
        "the same means, in cells that do not vary and are deeper than any that was measured",
    ),
    ("half a repeat, one cell", "repeat, half the cells", "the same means, in one cell"),
    ("repeat, each cell five times", "repeat", "the same means, five times as many cells"),
    (
        "mean response doubled, Poisson cells",
        "mean response, Poisson cells",
        "twice the response that all share, farther from the truth",
    ),
    ("names permuted", "mean response, others' cells", "effects of other perturbations"),
)
"""A submission, one that predicts no worse, and what the first does."""

FEW = (
    "repeat",
    "repeat, half the cells",
    "profile, Poisson cells",
    "profile, scaled controls",
    "half a repeat, constant cells, depth x 100",
    "half the effect, Poisson cells",
    "half the effect, scaled controls",
    "mean response, others' cells",
    "mean response, Poisson cells",
    "mean response doubled, Poisson cells",
    "names permuted",
    "controls",
)
"""Submissions of a quick run."""


def reported() -> pd.DataFrame:
    """Both ends of the scale, as the organisers state them."""
    columns = ["member", "baseline", "replicate", "spread over splits, %"]
    return pd.DataFrame(list(REPORTED), columns=columns)


def members_table(judged: pd.DataFrame) -> pd.DataFrame:
    """Values of the six, and the score with its interval; a row a submission, the best first."""
    wide = judged[judged["member"] != SCORE].pivot_table(
        index="submission", columns="member", values="value", sort=False
    )[list(MEMBERS)]
    total = judged[judged["member"] == SCORE].set_index("submission")[["scaled", "low", "high"]]
    wide = wide.rename(columns=TITLES).join(total.rename(columns={"scaled": "score"}))
    return wide.sort_values("score", ascending=False).reset_index()


def totals(judged: pd.DataFrame) -> pd.DataFrame:
    """Score of each submission with its interval and role, the best first, for a figure."""
    found = judged[judged["member"] == SCORE].sort_values("scaled", ascending=False)
    return found.assign(role=[ROLES.get(name, "candidate") for name in found["submission"]])


def gains_table(published: pd.DataFrame, revised: pd.DataFrame) -> pd.DataFrame:
    """What each submission of `GAINS` is above one that predicts no worse, in both protocols.

    Parameters
    ----------
    published, revised : DataFrame
        Of `differences`.

    Returns
    -------
    DataFrame
        `submission`, `other`, `what`, `published` and `revised` (differences of scores) with their
        limits, `wins published`, `wins revised` (the interval lies above 0), `through` (the member
        that gains most in the published protocol; empty where the score does not gain).
    """
    rows = []
    for name, other, what in GAINS:
        row = {"submission": name, "other": other, "what": what}
        for protocol, table in (("published", published), ("revised", revised)):
            chosen = table[(table["submission"] == name) & (table["other"] == other)]
            if chosen.empty:
                break
            by = chosen.set_index("member")
            row |= {
                protocol: by.loc[SCORE, "difference"],
                f"{protocol} low": by.loc[SCORE, "low"],
                f"{protocol} high": by.loc[SCORE, "high"],
                f"wins {protocol}": bool(by.loc[SCORE, "low"] > 1e-9),
            }
            if protocol == "published":
                most = TITLES[by["difference"].drop(SCORE).idxmax()]
                row["through"] = most if by.loc[SCORE, "difference"] > 1e-9 else ""
        else:
            rows.append(row)
    return pd.DataFrame(rows)


def gains_said(gains: pd.DataFrame) -> str:
    """Says how many submissions gain by what is no better effect, and how many still do."""
    n = len(gains)
    if not n:
        return "None of these pairs can be compared here."
    won = gains[gains["wins published"]]
    if won.empty:
        return (
            f"None of {n} submissions scores clearly above another that predicts no worse: their "
            "intervals reach 0."
        )
    first = won.loc[won["published"].idxmax()]
    gained = first[["published", "published low", "published high"]]
    said = (
        f"{len(won)} of {n} submissions score clearly above another that predicts no worse; the "
        f"largest gain is {with_interval(*gained)}, of “{first['submission']}” against "
        f"“{first['other']}” ({first['what']}), most of it through {first['through']}."
    )
    still = won[won["wins revised"]]
    if still.empty:
        return f"{said} In the revised protocol none of them wins any more."
    named = listed(f"“{name}”" for name in still["submission"])
    return f"{said} In the revised protocol {len(still)} still win: {named}."


def ceiling_said(judged: pd.DataFrame) -> str:
    """Says what a repeat of equal depth scores where halves are the end of the scale."""
    by = judged[judged["member"] == SCORE].set_index("submission")
    if "repeat" not in by.index:
        return "Without other cells of the same perturbations there is no repeat of equal depth."
    row = by.loc["repeat"]
    known = np.isfinite([row["low"], row["high"]]).all()
    interval = f" ({number(row['low'], 2)} to {number(row['high'], 2)})" if known else ""
    said = f"A repeat of equal depth scores {number(row['scaled'], 2)}{interval}"
    if not known:
        return (
            f"{said}; it has no interval here: in more than one of twenty samples of perturbations "
            "half of the experiment is no better than the baseline, in one member at least."
        )
    if row["low"] > 1:
        return (
            f"{said}: 1 is not as good as the experiment, but what one half of its cells reaches "
            "against the other half."
        )
    if row["high"] < 1:
        return f"{said}: it stays below what half of the cells reach against the other half."
    return f"{said}: whether 1 is as good as the experiment is undecided here."


def silence_said(judged: pd.DataFrame) -> str:
    """Says where predicting no effect stands beside effects under wrong names."""
    by = judged[judged["member"] == SCORE].set_index("submission")
    none, wrong = by.loc["controls"], by.loc["names permuted"]
    said = f"Control cells, which say that nothing happens, score {number(none['scaled'], 2)}"
    if not np.isfinite([none["high"], wrong["low"]]).all():
        return f"{said}, effects under wrong names {number(wrong['scaled'], 2)}."
    if none["high"] < wrong["low"]:
        return (
            f"{said}, below real effects under wrong names ({number(wrong['scaled'], 2)}): to "
            "abstain is worse than to guess."
        )
    if none["low"] > wrong["high"]:
        return f"{said}, above real effects under wrong names ({number(wrong['scaled'], 2)})."
    value = number(wrong["scaled"], 2)
    return f"{said}, real effects under wrong names {value}: the intervals overlap."


def real_gains_said(published: pd.DataFrame) -> str:
    """Says which of `GAINS` are seen on a real screen, in the published protocol."""
    total = published[published["member"] == SCORE]
    known = total[total["low"].notna()]
    if total.empty:
        return "None of these pairs can be compared here."
    if known.empty:
        below = total[total["difference"] < -1e-9]
        turned = f" ({_pairs_said(below)})" if len(below) else ""
        return (
            f"None of the {len(total)} gains has an interval on this screen; {len(below)} of them "
            f"are below 0 there{turned}."
        )
    won, lost = known[known["low"] > 1e-9], known[known["high"] < -1e-9]
    said = f"Clearly above one that predicts no worse: {_pairs_said(won) or 'none'}"
    return f"{said} ({len(won)} of {len(known)} pairs, {len(lost)} clearly below)."


def _pairs_said(pairs: pd.DataFrame) -> str:
    return "; ".join(
        f"“{row.submission}” over “{row.other}” ({signed(row.difference)})"
        for row in pairs.itertuples()
    )


def scored_said(rows: pd.DataFrame) -> str:
    """Says for how many perturbations each member has a value, of the step `panel`."""
    first = rows[rows["draw"] == 0]
    n = first["perturbation"].nunique()
    counts = first.groupby("submission")[[m for m in MEMBERS if m in first]].count().max()
    fewer = counts[counts < n]
    if fewer.empty:
        return f"Every member has a value for each of {n} perturbations."
    each = listed(f"{TITLES[member]} for {count}" for member, count in fewer.items())
    return (
        f"Where too few genes are significant a member has no value: of {n} perturbations, "
        f"{each} at most."
    )


def ends_table(both_ends: pd.DataFrame) -> pd.DataFrame:
    """Both ends of the scale, and how far seeds and splits move them.

    Returns
    -------
    DataFrame
        `member`, `baseline`, `replicate`, `over seeds` (standard deviation of the baseline), `over
        splits` (of the replicate), both as shares of the way between the ends.
    """
    scale = scale_of(both_ends)
    gap = (scale["replicate"] - scale["baseline"]).abs()
    for end, name in (("baseline", "over seeds"), ("replicate", "over splits")):
        values = [aggregate(table) for table in tables_of(both_ends, "end", end)]
        scale[name] = pd.concat(values, axis=1).std(axis=1) / gap
    scale.index = scale.index.map(TITLES).rename("member")
    return scale.reset_index()


def protocols(published: pd.DataFrame, revised: pd.DataFrame) -> pd.DataFrame:
    """Scores in both protocols, best in the revised one first; without the revised one's ends."""
    both = pd.concat([published.assign(protocol="published"), revised.assign(protocol="revised")])
    both = both[(both["member"] == SCORE) & both["submission"].isin(published["submission"])]
    order = both[both["protocol"] == "revised"].set_index("submission")["scaled"]
    place = both["submission"].map(order.rank(ascending=False, method="first"))
    return both.assign(place=place).sort_values(["place", "protocol"]).drop(columns="place")


def by_baseline(rows: pd.DataFrame, both_ends: pd.DataFrame) -> pd.DataFrame:
    """Score of each submission by the seed with which the baseline's cells were drawn.

    Returns
    -------
    DataFrame
        `submission`, `lowest`, `highest`, `spread` (their difference), the widest first.
    """
    found = {}
    baselines = both_ends[both_ends["end"] == "baseline"]
    for seed, base in baselines.groupby("draw"):
        scale = scale_of(pd.concat([base, both_ends[both_ends["end"] == "replicate"]]))
        found[seed] = {
            name: scores_of(tables_of(rows, "submission", name), scale, "published")[SCORE]
            for name in dict.fromkeys(rows["submission"])
        }
    wide = pd.DataFrame(found)
    table = pd.DataFrame({"lowest": wide.min(axis=1), "highest": wide.max(axis=1)})
    table["spread"] = table["highest"] - table["lowest"]
    return table.sort_values("spread", ascending=False).rename_axis("submission").reset_index()


def baseline_said(table: pd.DataFrame, n_seeds: int) -> str:
    """Says how far the seed of the baseline alone moves a score."""
    first = table.iloc[0]
    if n_seeds < 2:
        return "With one seed of the baseline, its effect on scores is not known."
    return (
        f"Over {n_seeds} seeds of the baseline's cells the score of one submission moves by up to "
        f"{number(first['spread'], 2)} (“{first['submission']}”: {number(first['lowest'], 2)} to "
        f"{number(first['highest'], 2)}), that of the median one by "
        f"{number(table['spread'].median(), 2)}. "
        "The competition uses one seed."
    )


def score_rows(
    rows: pd.DataFrame, judged: pd.DataFrame, *, dataset: str, protocol: str, seed: int
) -> pd.DataFrame:
    """Members of each perturbation, and the score and the squared error of the screen.

    Parameters
    ----------
    rows : DataFrame
        Of `panel`; in the revised protocol only the score is a row.
    judged : DataFrame
        Of `judged`.
    """
    shared = {"task": TASK, "dataset": dataset, "protocol": protocol, "seed": seed}
    total = judged[judged["member"] == SCORE]
    metric = "vcc2026_score" if protocol == "published" else "vcc2026_revised"
    found = [_screen_rows(total, metric, total["scaled"], shared)]
    if protocol == "published":
        error = judged[judged["member"] == "mse"]
        found.append(_screen_rows(error, "vcc2026_mse", error["value"], shared))
        first = rows[rows["draw"] == 0]
        found.append(
            scores.rows(
                **shared,
                model=first["submission"],
                role=[ROLES.get(name, "candidate") for name in first["submission"]],
                unit_kind="perturbation",
                unit=first["perturbation"],
                value={f"vcc2026_{m}": first[m] for m in MEMBERS if m != "mse"},
            )
        )
    return pd.concat(found, ignore_index=True)


def _screen_rows(judged, metric: str, value, shared: dict) -> pd.DataFrame:
    return scores.rows(
        **shared,
        model=judged["submission"],
        role=[ROLES.get(name, "candidate") for name in judged["submission"]],
        metric=metric,
        unit_kind="screen",
        unit="screen",
        n=judged["n_perturbations"],
        value=value,
    )
