"""What the page of small deep models answers, and which statements of papers it bears on.

The models were made after published ones and are not they: no verdict is on a released model.
"""

from collections.abc import Mapping

import pandas as pd

from helpers.tasks.effects import claims
from helpers.tasks.effects.deep_models import BLIND, GRAPH, LATENT, SHUFFLED, TRANSFORMER
from helpers.tasks.effects.deep_models_plan import SATURATE, SHIFT
from helpers.tasks.effects.deep_models_report import (
    DEEP,
    RIVALS,
    against_rivals,
    in_short,
    why_open,
)
from helpers.tasks.effects.held_out_report import against, chosen
from helpers.tasks.effects.summary import simulated
from helpers.tasks.findings import Finding, Ledger, with_interval
from helpers.tasks.requirements import CannotAnswer

PAGE = "effects/deep-models"
TASK, AT_HOME = "deep-models", "deep-models-at-home"
SMALL = "a small model made after it, in simulated screens"


def pairs_of(tables: Mapping[str, pd.DataFrame], *, n_resamples: int, seed: int) -> pd.DataFrame:
    """Deep models against the declared rival of each world, and at home against its own.

    Returns
    -------
    DataFrame
        Of `against`, with the deep models' rows alone; `world` without its prefix.

    Raises
    ------
    CannotAnswer
        No deep model was compared with a simple one.
    """
    pairs = against_rivals(errors_of(tables), n_resamples=n_resamples, seed=seed)
    pairs = pairs[pairs["model"].isin(DEEP)].reset_index(drop=True)
    if pairs.empty:
        raise CannotAnswer("no deep model was compared with a simple one")
    return _with_world(pairs)


def errors_of(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Errors of the page in simulated screens and at home, without the probes."""
    rows = simulated(tables, TASK)
    page = tables.get(PAGE, rows)
    home = page[page["task"] == AT_HOME] if "task" in page else page
    own = chosen(pd.concat([rows, home], ignore_index=True), "l2")
    return own[~own["model"].astype(str).str.endswith((SHUFFLED, BLIND))]


def _with_world(pairs: pd.DataFrame) -> pd.DataFrame:
    return pairs.assign(world=pairs["dataset"].str.removeprefix("simulated: "))


def answer(tables, *, n_resamples: int, seed: int) -> str:
    """Where a small deep model beats the declared simple one, and where not."""
    pairs = pairs_of(tables, n_resamples=n_resamples, seed=seed)
    own = pairs[pairs["dataset"].str.startswith("simulated: ")]
    if own.empty:
        raise CannotAnswer("no deep model was scored in a simulated screen")
    return in_short(own, RIVALS)


def none_better(pairs: pd.DataFrame) -> tuple[str, str]:
    """Whether no deep model beats the declared rival, world by world."""
    own = _simulated(pairs)
    return claims.none_better(own.assign(role="candidate")) if len(own) else NOTHING


def _simulated(pairs: pd.DataFrame) -> pd.DataFrame:
    return pairs[pairs["dataset"].str.startswith("simulated: ")]


NOTHING = ("not scored in this build", claims.UNTESTABLE)


def one_better(pairs: pd.DataFrame, model: str, world: str) -> tuple[str, str]:
    """Whether a model beats the simple one in a world that has what it is made for."""
    own = pairs[(pairs["model"] == model) & (pairs["world"] == world)]
    if own.empty:
        return NOTHING
    (row,) = own.itertuples()
    said = f"{row.model} minus {row.other}: {with_interval(row.difference, row.low, row.high)}"
    if row.verdict == "better":
        return said, claims.SHOWN
    if row.verdict in ("worse", "tied"):
        return said, claims.NOT_SHOWN
    if row.low > 0 or row.high < 0:
        said += f"; {why_open(row)}"
    return said, claims.UNDECIDED


def rows(tables, *, n_resamples: int, seed: int) -> pd.DataFrame:
    """Statements of the papers whose models were made small, as a `Ledger` asks."""
    pairs = pairs_of(tables, n_resamples=n_resamples, seed=seed)
    home = "world of {}".format
    errors = errors_of(tables)
    unseen = errors[errors["dataset"] == f"simulated: {SHIFT}"]
    given = dict(metric="l2", n_resamples=n_resamples, seed=seed)
    beside_mean = against(unseen, "mean", **given) if len(unseen) else pairs.iloc[:0]
    told = [
        (
            "Deep models do not yet outperform simple linear baselines (Ahlmann-Eltze et al. 2025)",
            "title; seven models on four data sets",
            *none_better(pairs),
            "three small models, rivals declared beforehand",
        ),
        (
            "A graph of related genes lets a network predict genes nobody perturbed (GEARS)",
            "abstract",
            *one_better(_with_world(beside_mean), GRAPH, SHIFT),
            SMALL,
        ),
        (
            "... better than a linear model that has the same gene sets",
            "not compared",
            *one_better(pairs, GRAPH, SHIFT),
            SMALL,
        ),
        (
            "... the same in a world where the sets are all that matters",
            "not compared",
            *one_better(pairs, GRAPH, home("graph")),
            SMALL,
        ),
        (
            "Effects that add in a latent space predict unseen combinations (CPA)",
            "abstract",
            *one_better(pairs, LATENT, SATURATE),
            f"{SMALL}; against adding on the log scale",
        ),
        (
            "... in a world that is made so",
            "abstract",
            *one_better(pairs, LATENT, home("latent")),
            SMALL,
        ),
        (
            "Attention over genes predicts the response to a perturbation (scGPT)",
            "abstract; after training on 33 million cells",
            *claims.one(_simulated(pairs), TRANSFORMER, better=True),
            f"{SMALL}, never trained on other cells",
        ),
        (
            "... in a world that is made so",
            "abstract; after training on 33 million cells",
            *one_better(pairs, TRANSFORMER, home("attention")),
            f"{SMALL}, never trained on other cells",
        ),
    ]
    columns = ["claim", "published", "ours", "verdict", "why they differ"]
    return pd.DataFrame(told, columns=columns)


FINDING = Finding(
    "Where can a deep model beat a simple one at all?",
    PAGE,
    (PAGE,),
    answer,
    "three small deep models, simulated screens whose mechanism is known, and the Euclidean "
    "distance; its page has what other metrics say",
    "larger models, more conditions, what real cells do",
)
LEDGER = Ledger("Deep models, made small", PAGE, (PAGE,), rows)
