"""What the book knows of embeddings: facts of metrics, claims, what tasks need of a screen."""

import pandas as pd

from helpers.data.contract import CONTROL
from helpers.metrics.embeddings.facts import METRICS, PRIMARY
from helpers.tasks.embeddings import (
    batch_mixing,
    consistency,
    known_relationships,
    linear_separability,
    neighbourhood,
    reconstruction,
)
from helpers.tasks.embeddings.findings import CLAIMS, FINDINGS
from helpers.tasks.embeddings.known_relationships_report import counted
from helpers.tasks.embeddings.long_runs import LONG_RUNS
from helpers.tasks.embeddings.questions import QUESTIONS
from helpers.tasks.real import CONTROLLED, controlled
from helpers.tasks.tier import Tier

REQUIREMENTS = {
    "consistency, published": consistency.PROTOCOLS["published"].requirements,
    "consistency, revised": consistency.PROTOCOLS["revised"].requirements,
    "recall of known relationships": (*known_relationships.REQUIREMENTS, CONTROLLED),
    "reconstruction": (*reconstruction.SPLIT, *reconstruction.REQUIREMENTS),
    "linear probe, top five": (linear_separability.TOP_FIVE, CONTROLLED),
    "linear probe across guides": (*linear_separability.ACROSS_GUIDES, CONTROLLED),
    "linear probe across batches": (*linear_separability.ACROSS_BATCHES, CONTROLLED),
    "batch mixing, published": (*batch_mixing.PROTOCOLS["published"].requirements, CONTROLLED),
    "batch mixing, revised": (*batch_mixing.PROTOCOLS["revised"].requirements, CONTROLLED),
    "neighbourhood across batches": (*neighbourhood.REQUIREMENTS, CONTROLLED),
}


def available(screen, effects, relationships, *, replicate: str) -> pd.DataFrame:
    """Counts that `REQUIREMENTS` name, one row a context; see `Tier`."""
    rows = {}
    for context in sorted(screen.obs["context"].unique()):
        part = screen[(screen.obs["context"] == context).to_numpy()]
        label = part.obs["perturbation"].astype(str)
        n_cells = label[label != CONTROL].value_counts()
        singles = known_relationships.perturbed_genes.function(part)
        pairs = known_relationships.perturbed(
            singles, known_relationships.with_union(relationships)
        )
        rows[context] = {
            **consistency.available(part, replicate=replicate),
            **batch_mixing.available(part),
            **neighbourhood.available(part),
            **linear_separability.available(part),
            **reconstruction.has(part),
            **counted(singles, pairs),
            **controlled(part),
            "probe_classes": int((n_cells >= linear_separability.PROBE_CELLS).sum()),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("context")


DECLARED = {
    q.task: {k: v for k, v in q.chosen.items() if k not in ("dataset", "split")}
    | {"metric": q.metric}
    for q in QUESTIONS
}

TIER = Tier(
    "embeddings",
    METRICS,
    PRIMARY,
    REQUIREMENTS,
    available,
    FINDINGS,
    CLAIMS,
    DECLARED,
    LONG_RUNS,
    {q.metric: (q.floor, q.ceiling) for q in QUESTIONS if None not in (q.floor, q.ceiling)},
)
