"""What every data set promises, and the one check of it.

The core contract holds for each AnnData of the book, the screen contract adds what a screen of
perturbations needs. Nothing is guessed: the scale is stated and then checked against the values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.data.errors import DataError
from helpers.data.matrix import canonical
from helpers.words import Words

if TYPE_CHECKING:
    from anndata import AnnData

CONTROL = "control"
"""The one name of unperturbed cells in `obs["perturbation"]`."""

SCALES = ("counts", "log1p", "log", "zscore", "lfc")
"""The kinds of values `X` may hold."""

_LABELS = ("perturbation", "batch", "context")
_OPTIONAL_LABELS = ("replicate", "donor", "guide")
_CONTROL_KINDS = (
    *("neg", "negative", "nt", "ntc", "nontargeting", "nontargetting", "nontarget", "notarget"),
    *("notargeting", "safetargeting", "scramble", "scrambled"),
)
_CONTROL_SPELLINGS = {
    *("control", "controls", "ctrl", "ctl"),
    *(f"{kind}{rest}" for kind in _CONTROL_KINDS for rest in ("", "control", "ctrl", "safe")),
    *("unperturbed", "untreated", "unstimulated", "vehicle", "dmso", "mock", "wt", "wildtype"),
}
_NUMBERED = ("nt", "ntc")  # short words after which a number counts controls and names no gene
_MISSING_AS_TEXT = {"nan", "none", "na", "n/a", "<na>", "nat", "null"}
_BLOCK = 1 << 20


def check(adata: AnnData, *, screen: bool = True, controls_in_every_batch: bool = False) -> AnnData:
    """Return the data unchanged, or say everything that is wrong with it.

    Parameters
    ----------
    adata : AnnData of shape (n_cells, n_genes)
    screen, controls_in_every_batch : bool
        As in `violations`.

    Returns
    -------
    AnnData
        The same object.

    Raises
    ------
    DataError
        With one line for each violation, after the name of the data set.
    """
    found = violations(adata, screen=screen, controls_in_every_batch=controls_in_every_batch)
    if not found:
        return adata
    name = _mapping(adata.uns.get("dataset")).get("name", "this data set")
    count = "1 violation" if len(found) == 1 else f"{len(found)} violations"
    raise DataError("\n  - ".join([f"{name}: {count} of the data contract", *found]))


def violations(
    adata: AnnData, *, screen: bool = True, controls_in_every_batch: bool = False
) -> list[Words]:
    """List every way in which the data breaks the contract.

    Core contract: finite `X` (sparse or dense) that is what `uns["scale"]` says, unique gene and
    cell names, `uns["dataset"]` with name, sha256, licence and citation, and the library size of
    each cell before genes were dropped in `obs["total_counts"]`, or `uns["panel"] = True` where
    nobody knows it. Screen contract: categorical `obs["perturbation"]` (control is exactly
    "control", a combination is "A+B" sorted), `obs["batch"]` and `obs["context"]`, all complete;
    `replicate`, `donor`, `guide` and `dose`, where they exist, are complete too.

    The check of each scale: *counts* are non-negative integers; *log1p* values are non-negative,
    not all integers (those are counts), and with a `target_sum` and all genes known the sum of
    `expm1(X)` of a cell is at most `target_sum`; *log* (logarithms of another base or offset, such
    as those of L1000 intensities; they may be negative), *zscore* and *lfc* are finite.

    Parameters
    ----------
    adata : AnnData of shape (n_cells, n_genes)
        Sparse `X` is never made dense.
    screen : bool
        Check the screen contract too.
    controls_in_every_batch : bool
        Count a batch without a control cell as a violation.

    Returns
    -------
    list of str
        One sentence for each violation; empty if there is none.
    """
    found = [*_axis_violations(adata), *_value_violations(adata), *_dataset_violations(adata)]
    if screen:
        found += _screen_violations(adata, controls_in_every_batch)
    return found


def _axis_violations(adata: AnnData) -> Iterator[Words]:
    for axis, names, advice in (
        ("gene", adata.var_names, "sum or drop the duplicates, or use Ensembl identifiers"),
        ("cell", adata.obs_names, "call adata.obs_names_make_unique()"),
    ):
        if len(names) == 0:
            yield f"there is no {axis} ({adata.n_obs} cells x {adata.n_vars} genes)"
        duplicated = names[names.duplicated()].unique()
        if len(duplicated):
            count = len(duplicated)
            yield f"{axis} names that occur twice or more: {count} ({_some(duplicated)}); {advice}"


def _value_violations(adata: AnnData) -> Iterator[Words]:
    scale = _mapping(adata.uns.get("scale"))
    kind, target_sum = scale.get("kind"), scale.get("target_sum")
    panel = adata.uns.get("panel", False)
    if kind not in SCALES:
        held = f"says {kind!r}" if "kind" in scale else "is missing or has no 'kind'"
        yield (
            f"uns['scale'] {held}; set uns['scale'] = {{'kind': ..., 'target_sum': ...}} "
            f"with a kind out of {', '.join(SCALES)}"
        )
    if not (target_sum is None or (_is_number(target_sum) and 0 < target_sum < np.inf)):
        yield f"uns['scale']['target_sum'] is {target_sum!r}; it is a positive number or None"
        target_sum = None
    elif kind == "counts" and target_sum is not None:
        yield f"uns['scale'] says counts with target_sum {target_sum:g}; counts have none (None)"
    if not isinstance(panel, bool | np.bool_):
        yield f"uns['panel'] is {panel!r}; it is True or False"
        panel = False

    X = adata.X
    if not (sparse.issparse(X) or isinstance(X, np.ndarray)) or X.dtype.kind not in "iuf":
        held = f"{type(X).__name__} of {getattr(X, 'dtype', 'no type')}"
        problems = [
            f"X is {held}; it is a numpy array or scipy sparse matrix of numbers, in memory"
        ]
    else:
        try:
            X = canonical(X, cells=adata.obs_names, genes=adata.var_names)
            problems = _number_violations(adata, X, kind)
        except DataError as damage:
            problems = [str(damage)]
    yield from problems
    if kind not in ("log", "zscore", "lfc"):
        measured = None if problems else X
        yield from _library_violations(adata, measured, kind, target_sum, bool(panel))


def _number_violations(adata: AnnData, X, kind: str | None) -> list[Words]:
    n_odd, where = _find(adata, X, lambda values: ~np.isfinite(values))
    if n_odd:
        return [f"X holds {n_odd} NaN or infinite values, the first at {where}"]
    if kind not in ("counts", "log1p"):
        return []
    n_negative, where = _find(adata, X, lambda values: values < 0)
    if n_negative:
        return [f"X holds {n_negative} negative values, the first at {where}, but is called {kind}"]
    n_broken, where = _find(adata, X, lambda values: values != np.floor(values))
    if kind == "counts" and n_broken:
        return [
            f"X is called counts but holds {n_broken} values that are no integers, the first at "
            f"{where}; pass raw counts, or state the scale they are on"
        ]
    if kind == "log1p" and not n_broken and X.shape[0] and X.max() >= 2:
        return [
            f"X is called log1p but holds integers only, up to {X.max():g}: this looks like "
            "counts; set uns['scale']['kind'] = 'counts', or normalise them"
        ]
    return []


def _library_violations(
    adata: AnnData, X, kind: str | None, target_sum: float | None, panel: bool
) -> Iterator[Words]:
    """Library sizes are stated once, and no cell holds more than its own (X None: not counted)."""
    if "total_counts" in adata.obs:
        total = adata.obs["total_counts"]
        numeric = pd.api.types.is_numeric_dtype(total)
        if panel:
            yield (
                "uns['panel'] is True (library sizes unknown) but obs has 'total_counts'; "
                "keep the one that is true"
            )
        elif not numeric or not np.isfinite(total.to_numpy(float)).all() or (total < 0).any():
            yield "obs['total_counts'] holds values that are not finite non-negative numbers"
        elif kind == "counts" and X is not None:
            excess = _row_sums(X) - total.to_numpy(float)
            cells = adata.obs_names[excess > 1e-3 * (1 + total.to_numpy(float))]
            if len(cells):
                yield (
                    f"{len(cells)} cells hold more counts than obs['total_counts'] says: "
                    f"{_some(cells)}; it is the library size before genes were dropped"
                )
    elif not panel:
        yield (
            "obs has no 'total_counts', the library size before genes were dropped; where nobody "
            "knows it set uns['panel'] = True"
        )
    if kind == "log1p" and target_sum is not None and not panel and X is not None:
        cells = adata.obs_names[_row_sums(X, np.expm1) > target_sum * (1 + 1e-3)]
        if len(cells):
            yield (
                f"X is called log1p of {target_sum:g} counts a cell, but {len(cells)} cells hold "
                f"more: {_some(cells)}; state the target_sum that was used"
            )


def _dataset_violations(adata: AnnData) -> Iterator[Words]:
    dataset = _mapping(adata.uns.get("dataset"))
    parts = ("name", "sha256", "licence", "citation")
    missing = [part for part in parts if not _is_text(dataset.get(part))]
    if missing:
        yield f"uns['dataset'] does not state {', '.join(missing)}; it names {', '.join(parts)}"
    if "sha256" not in missing and not re.fullmatch("[0-9a-f]{64}", str(dataset["sha256"])):
        yield f"uns['dataset']['sha256'] is {dataset['sha256']!r}, not 64 hexadecimal digits"


def _screen_violations(adata: AnnData, controls_in_every_batch: bool) -> Iterator[Words]:
    obs = adata.obs
    if obs.index.name in obs.columns:
        yield (
            f"the index of obs is called {obs.index.name!r}, as one of its columns is; set "
            "adata.obs.index.name = None"
        )
    usable = []
    for column in (*_LABELS, *(c for c in _OPTIONAL_LABELS if c in obs)):
        problem = _label_violation(obs, column)
        if problem:
            yield problem
        else:
            usable.append(column)
    if "dose" in obs and obs["dose"].isna().to_numpy().any():
        count = obs["dose"].isna().to_numpy().sum()
        yield f"obs['dose'] is missing for {count} cells; give each a dose"
    if "perturbation" not in usable or not len(obs):
        return

    perturbation = obs["perturbation"]
    yield from name_violations(perturbation.unique())
    if controls_in_every_batch and "batch" in usable:
        is_control = perturbation == CONTROL
        bare = sorted(set(obs["batch"]) - set(obs.loc[is_control, "batch"]))
        if bare and is_control.any():
            yield f"{len(bare)} batches hold no {CONTROL} cell: {_some(bare)}; drop or merge them"


def _label_violation(obs: pd.DataFrame, column: str) -> Words | None:
    if column not in obs:
        return (
            f"obs has no column {column!r} (columns: {', '.join(map(str, obs.columns)) or 'none'});"
            f" add it as a categorical, or rename the one that holds it"
        )
    labels = obs[column]
    if isinstance(labels, pd.DataFrame):
        return f"obs has {labels.shape[1]} columns called {column!r}; keep one of them"
    if not isinstance(labels.dtype, pd.CategoricalDtype):
        return (
            f"obs[{column!r}] is {labels.dtype}, not categorical; "
            f"name or drop cells without one, then use obs[{column!r}].map(str, "
            "na_action='ignore').astype('category')"
        )
    if labels.isna().any():
        first = labels.index[labels.isna()][0]
        return f"obs[{column!r}] is missing for {labels.isna().sum()} cells, the first {first!r}"
    odd = [label for label in labels.cat.categories if not _is_text(label)]
    if odd:
        return f"obs[{column!r}] has categories that are not names: {_some(map(repr, odd))}"
    return missing_as_text(labels.cat.categories[np.unique(labels.cat.codes)], column)


def missing_as_text(names: Iterable[str], column: str) -> Words | None:
    """What is wrong where a label says in letters that there is none."""
    found = sorted(name for name in names if name.strip().casefold() in _MISSING_AS_TEXT)
    if not found:
        return None
    return (
        f"obs[{column!r}] holds the text {_some(map(repr, found))}, a missing label that became a "
        "name (astype(str) does that): give these cells their label, or drop them"
    )


def name_violations(names: Iterable[str], column: str = "perturbation") -> Iterator[Words]:
    """Names of perturbations that break the contract.

    Parameters
    ----------
    names : iterable of str
        Each once; the control is "control".
    column : str
        Of `obs`, for messages.

    Yields
    ------
    str
        One sentence for each kind of violation.
    """
    names = sorted(names)
    blank = [name for name in names if any(p != p.strip() for p in name.split("+"))]
    if blank:
        yield f"obs[{column!r}] has names with blanks at an end: {_some(map(repr, blank))}"
    others = [name for name in names if name != CONTROL]
    misspelt = [name for name in others if looks_like_control(name)]
    if misspelt:
        yield (
            f"obs[{column!r}] calls controls {_some(map(repr, misspelt))}; "
            f"the control is exactly {CONTROL!r}: rename it"
        )
    elif CONTROL not in names:
        yield f"obs[{column!r}] holds no {CONTROL!r} (there are: {_some(names)})"

    combinations = {name: name.split("+") for name in others if "+" in name}
    half_control = [n for n, parts in combinations.items() if any(map(looks_like_control, parts))]
    if half_control:
        yield (
            f"combinations with a control in them: {_some(map(repr, half_control))}; "
            "a single perturbation is named alone"
        )
    malformed = [n for n, parts in combinations.items() if "" in parts or _repeats(parts)]
    if malformed:
        yield f"combinations that are not two or more names: {_some(map(repr, malformed))}"
    unsorted = [
        f"{name!r} (write {'+'.join(sorted(parts))!r})"
        for name, parts in combinations.items()
        if parts != sorted(parts) and name not in half_control and name not in malformed
    ]
    if unsorted:
        yield f"combinations that are not sorted: {_some(unsorted)}"


def looks_like_control(name: str) -> bool:
    """Whether a name is a usual one of unperturbed cells."""
    spelling = re.sub(r"[^a-z0-9]", "", name.lower())
    spelling = re.sub(r"^(sg|grna|sgrna|guide)(?=.)", "", spelling)
    # A number after a long word counts controls ("ctrl_2"), after a short one it may name a gene.
    stem = spelling.rstrip("0123456789")
    counted = len(stem) > 3 or stem in _NUMBERED
    return (stem if counted else spelling) in _CONTROL_SPELLINGS


def _repeats(parts: list[str]) -> bool:
    return len(set(parts)) < len(parts)


def _find(adata: AnnData, X, is_bad) -> tuple[int, str]:
    """Count the values for which `is_bad` holds and name cell and gene of the first."""
    values = X.data if sparse.issparse(X) else X.reshape(-1)
    n_bad, first = 0, None
    # In blocks, so that a check never doubles the memory of a large matrix.
    for start in range(0, len(values), _BLOCK):
        bad = np.flatnonzero(is_bad(values[start : start + _BLOCK]))
        if len(bad) and first is None:
            first = start + int(bad[0])
        n_bad += len(bad)
    if first is None:
        return 0, ""
    cell, gene = _position(X, first)
    value = values[first]
    return n_bad, f"cell {adata.obs_names[cell]!r}, gene {adata.var_names[gene]!r} ({value:g})"


def _position(X, stored: int) -> tuple[int, int]:
    if not sparse.issparse(X):
        return divmod(stored, X.shape[1])
    return int(np.searchsorted(X.indptr, stored, side="right")) - 1, int(X.indices[stored])


def _row_sums(X, transform=None) -> np.ndarray:
    """Sums over genes in float64, of transformed values if asked; the transform keeps 0."""
    if sparse.issparse(X):
        if transform is not None:
            X = X.astype(float)
            X.data = transform(X.data)
        return np.asarray(X.sum(axis=1, dtype=float)).ravel()
    rows = max(1, _BLOCK // max(1, X.shape[1]))
    sums = [np.empty(0)]
    for start in range(0, X.shape[0], rows):
        block = X[start : start + rows].astype(float)
        sums.append((block if transform is None else transform(block)).sum(axis=1))
    return np.concatenate(sums)


def _mapping(value) -> dict:
    return dict(value) if hasattr(value, "keys") else {}


def _is_number(value) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _is_text(value) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _some(names: Iterable, shown: int = 5) -> str:
    names = list(names)
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(map(str, names[:shown])) + more
