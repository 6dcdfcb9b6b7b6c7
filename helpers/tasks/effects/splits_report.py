"""The splits of a page: what a run leaves of them, and the table that the page shows."""

import json
from collections.abc import Mapping, Sequence

import pandas as pd

from helpers import scores


def left(found: Mapping[tuple, Sequence[str]]) -> pd.DataFrame:
    """Keep the splits of a page beside its scores, and list them.

    Parameters
    ----------
    found : mapping of key to sequence of str
        Texts of `helpers.data.effects.split_reports.split_report`, by data set (the first entry of
        the key), such as the column `split_report` of results.

    Returns
    -------
    DataFrame
        One row a split and training set: `data set`, `split`, `seed`, `learnt from` and `scored`
        (conditions), `nearest` (mean over scored conditions of the greatest cosine of effects to
        one that is learnt from), `random` (range of the same over random divisions of these
        sizes), `sha256` (its first 12 digits).
    """
    entries = {}
    for key, texts in found.items():
        for text in dict.fromkeys(texts):
            entries.setdefault((str(key[0]), text), json.loads(text) | {"data set": str(key[0])})
    scores.save_splits(list(entries.values()))
    return pd.DataFrame([_row(entry) for entry in entries.values()])


def _row(entry: dict) -> dict:
    manifest, leakage = entry["manifest"], entry["leakage"]
    drawn = leakage["random"]
    where = f" ({manifest['context']})" if manifest["context"] else ""
    return {
        "data set": entry["data set"],
        "split": manifest["kind"] + where,
        "seed": manifest["seed"],
        "learnt from": len(entry["trained on"]),
        "scored": len(manifest["test"]),
        "nearest": leakage["mean"],
        "random": f"{min(drawn):.2f} to {max(drawn):.2f}" if drawn else "",
        "sha256": entry["sha256"][:12],
    }


CAPTION = (
    "Splits of this page: how similar scored conditions are to the nearest that is learnt from "
    "(cosine of effects), beside random divisions of the same sizes. Manifests and similarities of "
    "every condition: splits.json, linked at the end of the page"
)
