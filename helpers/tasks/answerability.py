"""Which task can be answered with which data set?"""

from collections.abc import Mapping

import pandas as pd

from helpers.data.contract import CONTROL
from helpers.tasks.embeddings import batch_mixing, known_relationships, neighbourhood
from helpers.tasks.embeddings.consistency import PROTOCOLS, available
from helpers.tasks.embeddings.linear_separability import PROBE_CELLS, TOP_FIVE
from helpers.tasks.requirements import ENOUGH_UNITS, FEWEST_UNITS, Requirement, answer

_EFFECTS = Requirement(
    "perturbations_with_effect",
    FEWEST_UNITS,
    "perturbations with an effect (E-test, false discovery rate 5 %)",
    ENOUGH_UNITS,
)

TASKS: dict[str, tuple[Requirement, ...]] = {
    "consistency, published": PROTOCOLS["published"].requirements,
    "consistency, revised": PROTOCOLS["revised"].requirements,
    "recall of known relationships": known_relationships.REQUIREMENTS,
    "reconstruction": (
        Requirement("replicates_with_controls", 4, "batches with at least 4 control cells"),
    ),
    "linear probe, top five": (TOP_FIVE,),
    "batch mixing, published": batch_mixing.PROTOCOLS["published"].requirements,
    "batch mixing, revised": batch_mixing.PROTOCOLS["revised"].requirements,
    "neighbourhood across batches": neighbourhood.REQUIREMENTS,
    "prediction of unseen perturbations, bilinear model": (
        _EFFECTS,
        Requirement(
            "measured_targets",
            FEWEST_UNITS,
            "of these whose own gene is measured",
            ENOUGH_UNITS,
        ),
    ),
    "prediction of combinations": (
        Requirement(
            "combinations",
            FEWEST_UNITS,
            "pairs of genes perturbed together and each alone",
            ENOUGH_UNITS,
        ),
        _EFFECTS,
    ),
    "transfer between contexts": (
        Requirement("contexts_in_common", 2, "contexts with a perturbation in common"),
        Requirement(
            "transfer_pairs",
            FEWEST_UNITS,
            "effects (E-test) of perturbations that occur in another context too",
            ENOUGH_UNITS,
        ),
    ),
}
"""What each task of the book needs."""


def facts(screen, effects, relationships, *, replicate: str = "batch") -> pd.DataFrame:
    """Counts of each context of a screen that the requirements of all tasks name.

    Parameters
    ----------
    screen : AnnData of counts
    effects : DataFrame
        `context`, `unit` and `q_value` of the perturbations, from `screen_quality.quality`.
    relationships : DataFrame
        `gene_a`, `gene_b`, `database`.
    replicate : str
        Column of `obs`.

    Returns
    -------
    DataFrame indexed by context, sorted; one column of int a fact
        A perturbation is compared with another context's only where both are of one
        `perturbation_type`, if the screen states it.
    """
    significant = effects[effects["q_value"] <= 0.05]
    strong = set(zip(significant["context"], significant["unit"], strict=True))
    obs = screen.obs[screen.obs["perturbation"] != CONTROL].astype({"perturbation": str})
    kind = obs["perturbation_type"].astype(str) if "perturbation_type" in obs else "any"
    n_cells = obs.assign(kind=kind).groupby(["context", "perturbation", "kind"], observed=True)
    cells = n_cells.size().rename("n_cells").reset_index()
    common = cells.groupby(["perturbation", "kind"])["context"].transform("nunique") > 1
    cells["common"] = common.to_numpy()
    rows = {}
    for context in sorted(screen.obs["context"].unique()):
        part = screen[(screen.obs["context"] == context).to_numpy()]
        here = cells[cells["context"] == context]
        names = set(here["perturbation"])
        singles = {name for name in names if "+" not in name}
        with_effect = {name for name in names if (context, name) in strong}
        pairs = relationships[
            relationships["gene_a"].isin(singles) & relationships["gene_b"].isin(singles)
        ]
        shared = here.loc[here["common"], ["perturbation", "kind"]]
        partners = cells.merge(shared, on=["perturbation", "kind"])
        transfer = strong & set(zip(partners["context"], partners["perturbation"], strict=True))
        rows[context] = {
            **available(part, replicate=replicate),
            **batch_mixing.available(part),
            **neighbourhood.available(part),
            "perturbed_genes": len(singles),
            "known_pairs": int(pairs["database"].value_counts().max()) if len(pairs) else 0,
            "probe_classes": int((here["n_cells"] >= PROBE_CELLS).sum()),
            "perturbations_with_effect": len(with_effect),
            "measured_targets": sum(
                all(gene in screen.var_names for gene in name.split("+")) for name in with_effect
            ),
            "combinations": sum("+" in name and set(name.split("+")) <= singles for name in names),
            "contexts_in_common": int(partners["context"].nunique()),
            "transfer_pairs": len(transfer),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("context")


def matrix(has: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tasks against data sets and their contexts.

    Parameters
    ----------
    has : mapping
        Of the data set's name to the result of `facts`.

    Returns
    -------
    DataFrame
        `dataset`, `context`, `task`, `verdict` (yes, power-limited or cannot), `n` (NaN unless
        power-limited), `answer` (verdict and n in words), `reason`; tasks in the order of `TASKS`.
    """
    rows = []
    for dataset, table in has.items():
        for context, counts in table.iterrows():
            for task, requirements in TASKS.items():
                found = answer(requirements, counts.to_dict())
                rows.append(
                    {
                        "dataset": dataset,
                        "context": context,
                        "task": task,
                        "verdict": found.verdict,
                        "n": float("nan") if found.n is None else float(found.n),
                        "answer": str(found),
                        "reason": found.reason,
                    }
                )
    return pd.DataFrame(rows)


def wide(answers: pd.DataFrame) -> pd.DataFrame:
    """Result of `matrix` with a row for each data set and context, a column for each task."""
    rows = answers.pivot_table(
        index=["dataset", "context"], columns="task", values="answer", aggfunc="first"
    )
    rows = rows.loc[answers.set_index(["dataset", "context"]).index.unique(), list(TASKS)]
    return rows.rename_axis(["data set", "context"]).rename_axis(None, axis=1)


def missing(answers: pd.DataFrame) -> pd.DataFrame:
    """What `matrix` found missing or few: data set, task, contexts in which it is so, reason."""
    rows = answers[answers["reason"] != ""]
    grouped = rows.groupby(["dataset", "task", "reason"], sort=False)["context"]
    table = grouped.agg(", ".join).rename("contexts").reset_index()
    table = table.rename(columns={"dataset": "data set"})
    return table[["data set", "task", "contexts", "reason"]]
