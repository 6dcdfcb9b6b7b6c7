"""The score table: one row a scored unit. Aggregation happens after."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.home import home
from helpers.score_columns import COLUMNS
from helpers.store.steps import Step, results

if TYPE_CHECKING:
    from helpers.metrics.facts import Metric

ROLES = ("candidate", "floor", "ceiling", "reported")

_UNIT = [c for c in COLUMNS if c not in ("cluster", "n", "value", "role")]
_DEFAULTS = {"split": "all", "protocol": "revised", "params": {}, "post": "raw", "n": 1}


class ScoreError(ValueError):
    """A table that is not a score table, or scores that are not there."""


def check(scores: pd.DataFrame, metrics: Mapping[str, "Metric"] | None = None) -> pd.DataFrame:
    """The same table with its columns in order, or an error that lists every violation.

    A unit that could not be scored has the value NaN; an infinite value is refused.

    Parameters
    ----------
    scores : DataFrame
    metrics : mapping of name to Metric, optional
        Facts, as in a tier's `METRICS`: values outside a metric's range are refused.

    Raises
    ------
    ScoreError
    """
    missing = [c for c in COLUMNS if c not in scores.columns]
    extra = [c for c in scores.columns if c not in COLUMNS]
    problems = []
    if missing:
        problems.append(f"columns are missing: {', '.join(missing)}")
    if extra:
        problems.append(f"columns are not known: {', '.join(map(str, extra))}")
    if scores.empty:
        problems.append("there is no row")
    if not missing:
        problems += _violations(scores)
    if not problems:
        problems += _outside(scores, metrics or {})
    if problems:
        raise ScoreError("not a score table: " + "; ".join(problems))
    return scores[list(COLUMNS)].astype({k: v for k, v in COLUMNS.items() if v is not str})


def _violations(scores: pd.DataFrame) -> list[str]:
    problems = []
    for name, kind in COLUMNS.items():
        column = scores[name]
        if kind is str:
            fits = column.map(lambda v: isinstance(v, str)).all()
        elif kind is int:
            fits = pd.api.types.is_integer_dtype(column)
        else:
            fits = pd.api.types.is_numeric_dtype(column)
        if not fits:
            problems.append(f"column {name} holds values that are not {kind.__name__}")
    if problems:
        return problems
    if np.isinf(scores["value"]).any():
        problems.append(f"{np.isinf(scores['value']).sum()} values are infinite")
    if (scores["n"] < 0).any():
        problems.append(f"n is {scores['n'].min()}; it counts observations, 0 or more")
    if unknown := sorted(set(scores["role"]) - set(ROLES)):
        problems.append(f"roles {unknown} are not among {list(ROLES)}")
    bad = [p for p in scores["params"].unique() if not _is_canonical(p)]
    if bad:
        problems.append(f"params are not canonical JSON objects: {bad[:3]}")
    if (repeated := scores.duplicated(_UNIT)).any():
        first = scores.loc[repeated.idxmax(), _UNIT].to_dict()
        problems.append(f"{repeated.sum()} rows score a unit a second time, the first: {first}")
    return problems


def _outside(scores: pd.DataFrame, metrics: Mapping[str, "Metric"]) -> list[str]:
    problems = []
    for name, values in scores.groupby("metric")["value"]:
        if name in metrics:
            low, high = metrics[name].low, metrics[name].high
            wrong = values[(values < low) | (values > high)]
            if len(wrong):
                problems.append(
                    f"{len(wrong)} values of {name} lie outside {low:g} to {high:g}, the first "
                    f"{wrong.iloc[0]:g}"
                )
    return problems


def _is_canonical(text: str) -> bool:
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return isinstance(value, dict) and params(value) == text


def params(values: Mapping) -> str:
    """Canonical JSON of a model's parameters, for the column `params`."""
    return json.dumps(dict(values), sort_keys=True, separators=(",", ":"), allow_nan=False)


def rows(**columns) -> pd.DataFrame:
    """Rows of a score table, from one value for all of them or one a row.

    Parameters
    ----------
    **columns
        Of `COLUMNS`; values a row are taken in their order, whatever their index. `params` is a
        mapping, or a sequence of them. `value` may be a mapping of metric to values: then
        `metric` is left out, and the rows of one metric follow those of another. Default of
        `split` is "all", of `protocol` "revised", of `post` "raw", of `n` 1, no parameters; the
        `cluster` of a unit is itself.

    Returns
    -------
    DataFrame with the columns of `COLUMNS`, in their order

    Raises
    ------
    ScoreError
        A column that is missing or not known, or columns of different lengths.
    """
    if isinstance(columns.get("value"), Mapping) and "metric" not in columns:
        tables = [rows(**columns | {"metric": m, "value": v}) for m, v in columns["value"].items()]
        return pd.concat(tables, ignore_index=True)
    columns = {"cluster": columns.get("unit"), **_DEFAULTS, **columns}
    if unknown := [c for c in columns if c not in COLUMNS]:
        raise ScoreError(f"columns are not known: {', '.join(unknown)}")
    if missing := [c for c in COLUMNS if c not in columns]:
        raise ScoreError(f"columns are missing: {', '.join(missing)}")
    many = {name: values for name, values in columns.items() if np.ndim(values)}
    lengths = {name: len(values) for name, values in many.items()}
    if len(set(lengths.values())) > 1:
        raise ScoreError(f"columns differ in length: {lengths}")
    if "params" in many:
        many["params"] = [params(one) for one in columns["params"]]
    else:
        columns["params"] = params(columns["params"])
    n_rows = next(iter(lengths.values()), 1)
    columns |= {name: np.asarray(values) for name, values in many.items()}
    return pd.DataFrame({name: columns[name] for name in COLUMNS}, index=range(n_rows))


def gather(
    asked: Mapping[tuple, Step],
    keys: Sequence[str],
    to_rows: Callable[..., pd.DataFrame],
    *,
    roles: Mapping[str, str] | None = None,
    params: Mapping[str, Mapping] | None = None,
    **shared,
) -> pd.DataFrame:
    """Results of many calls as one table, computed side by side where there is a cluster.

    Parameters
    ----------
    asked : mapping
        Of a tuple of values to a call.
    keys : sequence of str
        What these values are: arguments of `to_rows`, `model` among them.
    to_rows : callable
        Of a result, and the arguments `role`, `params`, `keys` and `shared`, to its rows.
    roles, params : mapping, optional
        Of the model's name to its role (default: candidate), and to its parameters (none where it
        is not named).
    **shared
        The same for all calls.

    Raises
    ------
    ScoreError
        A model without a role.
    """
    tables = []
    for values, result in zip(asked, results(asked.values()), strict=True):
        named = dict(zip(keys, values, strict=True))
        model = named["model"]
        if roles is not None and model not in roles:
            raise ScoreError(f"{model!r} has no role; roles are given for {', '.join(roles)}")
        facts = {"role": (roles or {}).get(model, "candidate")}
        facts["params"] = dict((params or {}).get(model, {}))
        tables.append(to_rows(result, **facts, **named, **shared))
    return pd.concat(tables, ignore_index=True)


def save(scores: pd.DataFrame, units: pd.DataFrame | None = None) -> None:
    """Check scores and, in a chapter run, add them to what the run leaves behind.

    Outside a run (Jupyter, Colab) they are checked only. Nothing is returned: a cell that ends with
    it shows no table.

    Parameters
    ----------
    scores : DataFrame
        Score table.
    units : DataFrame, optional
        Cell- or pair-level values, kept beside it.

    Raises
    ------
    ScoreError
        A violation, or a unit that an earlier call of the same run has scored.
    """
    scores = check(scores)
    if run := os.environ.get("BENCHBOOK_RUN"):
        file = Path(run, "scores.parquet")
        if file.is_file():
            scores_before = read(file)
            check(pd.concat([scores_before, scores], ignore_index=True)).to_parquet(file)
        else:
            scores.to_parquet(file, index=False)
        if units is not None:
            units.to_parquet(Path(run, "units.parquet"), index=False)


def save_splits(entries: Sequence[Mapping]) -> str:
    """In a chapter run, add splits to what the run leaves behind: `splits.json`.

    Parameters
    ----------
    entries : sequence of mapping
        JSON values: manifests, hashes, reports.

    Returns
    -------
    str
        The file's text: a list, each entry once, in the order in which they came.
    """
    run = os.environ.get("BENCHBOOK_RUN")
    file = Path(run, "splits.json") if run else None
    before = json.loads(file.read_text(encoding="utf-8")) if file and file.is_file() else []
    texts = dict.fromkeys(json.dumps(e, sort_keys=True) for e in [*before, *entries])
    text = "[\n" + ",\n".join(texts) + "\n]\n"
    if file:
        file.write_text(text, encoding="utf-8")
    return text


def read(file: Path) -> pd.DataFrame:
    """A table of scores that a run left.

    Raises
    ------
    ScoreError
        The file is cut or damaged.
    """
    try:
        return pd.read_parquet(file)
    except (OSError, ValueError) as error:
        said = (str(error).splitlines() or [""])[0]
        raise ScoreError(
            f"{file} cannot be read ({said}): `benchbook clean --damaged` removes its run, then "
            "repeat the command"
        ) from error


def at_hand() -> list[str]:
    """Chapters whose scores can be loaded: those that are needed, or outside a run have been run.

    Returns
    -------
    list of str, sorted
    """
    if needs := os.environ.get("BENCHBOOK_NEEDS"):
        return sorted(
            n for n, f in json.loads(needs).items() if Path(f, "scores.parquet").is_file()
        )
    runs = home() / "runs"
    files = [f for f in runs.glob("*/*/[!.]*/scores.parquet") if _is_done(f.parent)]
    return sorted({file.parents[1].relative_to(runs).as_posix() for file in files})


def _is_done(folder: Path) -> bool:
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))["status"] == "done"


def load(chapter: str, *, every_run: bool = False) -> pd.DataFrame:
    """Scores of another chapter, which the asking one names under `needs`.

    In a chapter run these are the scores of the run that came before it, else of the newest
    complete run.

    Parameters
    ----------
    chapter : str
        Such as "embeddings/consistency".
    every_run : bool
        All complete runs one under the other, oldest first, as a grid leaves them: `run` is the
        name of a run's folder, `run_NAME` the value of each of its parameters, `run_started` when
        it began. Not inside a chapter's run, whose scores are those that it names.

    Raises
    ------
    ScoreError
        There are none; the message says how to get them.
    """
    needs = os.environ.get("BENCHBOOK_NEEDS")
    if needs and every_run:
        raise ScoreError(f"a chapter's run reads the run of {chapter} that it needs, not every one")
    if needs:
        folders = json.loads(needs)
        if chapter not in folders:
            raise ScoreError(
                f"scores of {chapter} are asked for but not named in the chapter's front matter: "
                f"add {chapter} under benchbook: needs"
            )
        return read(Path(folders[chapter], "scores.parquet"))
    found = (home() / "runs" / chapter).glob("[!.]*/run.json")
    records = [(json.loads(r.read_text(encoding="utf-8")), r.parent) for r in found]
    done = [(record, folder) for record, folder in records if record["status"] == "done"]
    done.sort(key=lambda one: one[0]["started"])
    if not done:
        raise ScoreError(f"{chapter} has no scores yet: run `benchbook run chapters/{chapter}`")
    if not every_run:
        return read(done[-1][1] / "scores.parquet")
    tables = []
    for record, folder in done:
        given = {f"run_{name}": value for name, value in record["parameters"].items()}
        about = {"run": folder.name} | given | {"run_started": record["started"]}
        tables.append(read(folder / "scores.parquet").assign(**about))
    return pd.concat(tables, ignore_index=True)
