"""What the tier answers of predictors from the image: completion, protocols, patients, ranks."""

import json

import pandas as pd

from helpers.tasks.findings import Finding, Ledger
from helpers.tasks.requirements import CannotAnswer
from helpers.tasks.spatial.histology import CELLS, LATENT, MASKED, NAMES
from helpers.tasks.spatial.leaderboard import clusters, standings
from helpers.tasks.spatial.patients import OTHER, RIDGE, SAME
from helpers.tasks.spatial.protocols_report import OURS, TOGETHER
from helpers.tasks.spatial.raw_or_completed import ADDED, effects, named
from helpers.words import Words

CELLS_PAGE = "spatial/raw-or-completed"
PROTOCOLS_PAGE = "spatial/one-model-five-protocols"
PATIENTS_PAGE = "spatial/patients"
LEADERBOARD_PAGE = "spatial/leaderboard-revisited"
HOLDS, FAILS, OPEN = (
    "mechanism shown on other data",
    "mechanism not seen on other data",
    "undecided",
)


def _told(table: pd.DataFrame) -> pd.DataFrame:
    """What stands in `params`, beside the scores."""
    told = pd.json_normalize(table["params"].map(json.loads).tolist())
    return pd.concat([table.reset_index(drop=True), told], axis=1)


def errors_of(table: pd.DataFrame) -> pd.DataFrame:
    """Errors slide by slide as `raw_or_completed.errors` has them, from rows of scores."""
    own = table[
        (table["metric"] == "expression_mse")
        & (table["dataset"] == "simulated")
        & table["model"].isin([*NAMES, "ridge on stain"])
    ]
    if own.empty:
        raise CannotAnswer("no model was trained in the four cells")
    told = _told(own)
    cells = {(c[0], c[1]): named(c) for c in CELLS}
    pairs = zip(told["target"], told["loss"], strict=True)
    told["cell"] = [cells[pair] for pair in pairs]
    told = told.rename(columns={"unit": "slide", "cluster": "patient"})
    wide = told.pivot_table("value", ["model", "slide", "patient"], "cell", sort=False)
    return wide.reset_index()


def region_of(table: pd.DataFrame) -> float:
    """A tenth of the way from the mean of a gene to the latent truth, from rows of scores."""
    own = _told(table[(table["metric"] == "expression_mse") & (table["dataset"] == "simulated")])
    masked = own[(own["target"] == MASKED[0]) & (own["loss"] == MASKED[1])]
    mean = masked.groupby("model")["value"].mean()
    return float(0.1 * abs(mean["gene mean"] - mean[LATENT]))


def completion_or_zeros(tables, *, n_resamples: int, seed: int) -> Words:
    """Whether completed targets add anything to not training on zeros."""
    table = tables[CELLS_PAGE]
    found = effects(errors_of(table), region=region_of(table))
    return about_completion(found)


def about_completion(found: pd.DataFrame) -> Words:
    """The sentence, of the effects of all models."""
    zeros = found[found["effect"] == "masked loss instead of all"]
    added = found[found["effect"] == ADDED]
    better = int((added["verdict"] == "lower").sum())
    none = int(added["verdict"].isin(["equal", "higher"]).sum())
    change = f"{-added['difference'].median():+.2f}".replace("-", "\N{MINUS SIGN}")
    said = (
        f"leaving zeros out of the loss lowers the error of {len(zeros)} models by "
        f"{zeros['difference'].median():.2f} (median); completed targets instead change it by "
        f"{change} more"
    )
    n = len(added)
    if better:
        return f"Partly: {said}; for {better} of {n} completion adds something."
    if none == n:
        return f"No; what helps is not to train on zeros: {said}, and add nothing for any of them."
    return (
        f"What helps is above all not to train on zeros: {said}, and add nothing for {none} of {n};"
        " for the others the intervals allow either."
    )


def protocol_or_model(tables, *, n_resamples: int, seed: int) -> Words:
    """How far one model's correlation goes by protocol alone."""
    table = tables[PROTOCOLS_PAGE]
    told = _told(table[table["metric"] == "expression_pearson"])
    real = told[(told["dataset"] != "simulated") & (told["split"] == "sections")]
    own = real if len(real) else told[told["split"] == "sections"]
    mean = own.groupby("how")["value"].mean()
    if OURS not in mean or TOGETHER not in mean:
        raise CannotAnswer("the protocols were not scored")
    where = "real sections" if len(real) else "simulated slides"
    return (
        f"Much of it: on {where} the same ridge has {mean[OURS]:.2f} as revised, and "
        f"{mean[TOGETHER]:.2f} with raw counts, a smoothed truth and the best genes of the test."
        if mean[TOGETHER] > 1.2 * mean[OURS]
        else f"Little: on {where} the same ridge has {mean[OURS]:.2f} and {mean[TOGETHER]:.2f}."
    )


def on_another_patient(tables, *, n_resamples: int, seed: int) -> Words:
    """What is left of a model of the image on another patient."""
    table = tables[PATIENTS_PAGE]
    own = _told(table[(table["metric"] == "expression_pearson") & (table["model"] == RIDGE)])
    real = own[~own["dataset"].str.startswith("simulated")]
    if real.empty:
        raise CannotAnswer("no real section was scored")
    real = real[real["train"] == "all sections"]
    parts = []
    for name, group in real.groupby("dataset", sort=False):
        mean = group.groupby("split")["value"].mean()
        if SAME in mean and OTHER in mean:
            n = group["cluster"].nunique()
            many = f"{n} individual{'s' if n > 1 else ''}"
            parts.append(f"{mean[OTHER]:.2f} instead of {mean[SAME]:.2f} on {name} ({many})")
    if not parts:
        raise CannotAnswer("no data set has two sections of one patient, and another patient")
    return (
        f"Less than on its own: a correlation of {', and '.join(parts)}; few, and described only."
    )


def best_predictor(tables, *, n_resamples: int, seed: int) -> Words:
    """Who leads the published leaderboard, and who cannot be told from it."""
    table = tables[LEADERBOARD_PAGE]
    if table.empty:
        raise CannotAnswer("the leaderboard left no scores")
    found = standings(metric="pcc", n_resamples=10_000, seed=seed).result()
    first = found.sort_values("mean rank", kind="stable").iloc[0]
    ahead = [letters for letters in found["letters"] if first["letters"][0] in letters]
    return (
        f"{first['model']} ranks first by correlation over {first['n']} data sets, and "
        f"{len(ahead) - 1} of the other {len(found) - 1} models are not told apart from it."
    )


def claims(tables, *, n_resamples: int, seed: int) -> pd.DataFrame:
    """Claims on predictors from the image."""
    table = tables[CELLS_PAGE]
    found = effects(errors_of(table), region=region_of(table))
    by = {e: found[found["effect"] == e] for e in found["effect"].unique()}
    against = by["completed instead of zeros"]
    added = by[ADDED]
    lower = int((against["verdict"] == "lower").sum())
    adds = int((added["verdict"] == "lower").sum())
    printed = tables[LEADERBOARD_PAGE]
    names = printed["unit"].unique()
    return pd.DataFrame(
        [
            {
                "claim": "Completed targets improve all predictors of expression from the image",
                "published": "substantially, across all models",
                "ours": f"lower error than on zeros for {lower} of {len(against)} small models",
                "why they differ": "raw targets have zeros in the loss, at entries that the score "
                "leaves out",
                "verdict": HOLDS if lower == len(against) else FAILS if lower == 0 else OPEN,
            },
            {
                "claim": "It is the completion that improves them",
                "published": "implied",
                "ours": f"better than a loss on measured entries for {adds} of {len(added)}",
                "why they differ": "the control, a masked loss, was switched off in all examples",
                "verdict": HOLDS
                if adds == len(added)
                else FAILS
                if adds == 0 and added["verdict"].isin(["equal", "higher"]).all()
                else OPEN,
            },
            {
                "claim": "The benchmark has 26 data sets",
                "published": "26",
                "ours": f"{len(set(clusters(names)))} that share no slide; 11 with a slide to test",
                "why they differ": "two are slides of a third one, and 15 report the slide on "
                "which the checkpoint was chosen",
                "verdict": FAILS if len(set(clusters(names))) < len(names) else HOLDS,
            },
        ]
    )


FINDINGS = (
    Finding(
        "Does completion make predictors from the image better?",
        CELLS_PAGE,
        (CELLS_PAGE,),
        completion_or_zeros,
        "ten small models and a ridge on simulated slides of held-out patients",
        "a completion that is closer to the truth than the median; the originals",
        front=True,
    ),
    Finding(
        "How much of a reported correlation is the protocol?",
        PROTOCOLS_PAGE,
        (PROTOCOLS_PAGE,),
        protocol_or_model,
        "a ridge on nine numbers of the image",
        "a model whose gain survives every protocol",
    ),
    Finding(
        "What is left of a model of the image on another patient?",
        PATIENTS_PAGE,
        (PATIENTS_PAGE,),
        on_another_patient,
        "two mice and three women",
        "many patients with several sections each",
    ),
    Finding(
        "Which published predictor is best?",
        LEADERBOARD_PAGE,
        (LEADERBOARD_PAGE,),
        best_predictor,
        "the project page of July 2024",
        "several seeds a data set",
    ),
)
CLAIMS = (
    Ledger(
        "Ruiz et al. 2025 (SpaRED, SpaCKLE)",
        CELLS_PAGE,
        (CELLS_PAGE, LEADERBOARD_PAGE),
        claims,
    ),
)
