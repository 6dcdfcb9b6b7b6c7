"""Task: do cells of one perturbation point the same way, more than chance would have it?

Two protocols. *published* compares perturbations with those whose target is not expressed, as
Bendidi et al. 2024 do; *revised* compares them with draws of controls that match in size and batch
and that are left out of the controls that centre them.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL, DataError
from helpers.metrics.embeddings.centred_cells import centred_cells
from helpers.metrics.embeddings.consistency import empirical_p_value, perturbation_consistency
from helpers.metrics.embeddings.consistency_null import ControlDraws, consistency_test
from helpers.metrics.embeddings.postprocess import FEW_CONTROLS, postprocess
from helpers.scores import params as canonical
from helpers.stats import benjamini_hochberg, cluster_bootstrap, wilson_interval
from helpers.store import step
from helpers.tasks.departures import Departure, table_of
from helpers.tasks.requirements import CannotAnswer, Requirement, require

TASK = "consistency"
UNITS = ("perturbation", "guide", "control-guide")
UNEXPRESSED_MEAN = 0.15  # raw counts a cell; Tx-Evaluation main_eval.py:118


@dataclass(frozen=True)
class Protocol:
    """Choices of a protocol, and what it asks of the data.

    Parameters
    ----------
    name, source : str
    null : {"unexpressed", "matched"}
        Perturbations of genes that are not expressed; draws of controls.
    pairs : {"all", "across"}
        All pairs of cells; pairs across replicates.
    add_one : bool
        p = (1 + b) / (1 + B) instead of b / B.
    adjust : bool
        Benjamini-Hochberg within the table.
    level : float
        A perturbation is consistent if its (adjusted) p-value is at most this.
    requirements : tuple of Requirement
    """

    name: str
    source: str
    null: Literal["unexpressed", "matched"]
    pairs: Literal["all", "across"]
    add_one: bool
    adjust: bool
    level: float
    requirements: tuple[Requirement, ...]


PROTOCOLS = {
    "published": Protocol(
        name="published",
        source="Bendidi et al. 2024, section 3.3; Tx-Evaluation commit 1f24de0, bmdb.py",
        null="unexpressed",
        pairs="all",
        add_one=False,
        adjust=False,
        level=0.05,
        requirements=(
            Requirement(
                "unexpressed_perturbations",
                20,
                "perturbations with at least 2 cells whose target is measured and has fewer than "
                f"{UNEXPRESSED_MEAN} counts a cell",
            ),
        ),
    ),
    "revised": Protocol(
        name="revised",
        source="this book",
        null="matched",
        pairs="across",
        add_one=True,
        adjust=True,
        level=0.05,
        requirements=(
            Requirement(
                "replicates_with_controls", 2, "replicates with at least 4 control cells a batch"
            ),
        ),
    ),
}

DEPARTURES = (
    Departure(
        aspect="null",
        published="perturbations of unexpressed genes, whatever their size",
        revised="draws of controls, equal to the target in size and batch",
        kind="design choice",
        reason="a screen of essential or chosen genes has almost none, and elsewhere they have "
        "other numbers of cells than the target; controls are in every screen",
    ),
    Departure(
        aspect="controls that centre",
        published="all controls of a batch, for every perturbation",
        revised="a draw is left out of them; the target gets as many",
        kind="design choice",
        reason="cells that are among those that centre them carry no error of their mean, a target "
        "does: it looks consistent without any effect",
    ),
    Departure(
        aspect="pairs",
        published="all pairs of cells",
        revised="pairs across replicates",
        kind="design choice",
        reason="within a replicate, what the replicate did to its cells counts as agreement",
    ),
    Departure(
        aspect="what PCA gets",
        published="raw counts",
        revised="log1p of counts per ten thousand, genes centred (in both protocols here)",
        kind="design choice",
        reason="the first components of raw counts are library size and a few abundant genes",
    ),
    Departure(
        aspect="post-processing",
        published="raw, centered, center-scaled, TVN; the best one kept",
        revised="center-scaled; the other three beside it",
        kind="design choice",
        reason="what is chosen on the scored data looks better than it is",
    ),
    Departure(
        aspect="p-value",
        published="b / B",
        revised="(1 + b) / (1 + B)",
        kind="design choice",
        reason="b / B can be 0, and rejects more often than its level says",
    ),
    Departure(
        aspect="many tests",
        published="none",
        revised="Benjamini-Hochberg within the table",
        kind="design choice",
        reason="of a thousand perturbations without effect, fifty have p ≤ 0.05",
    ),
    Departure(
        aspect="batches after typical variation normalisation",
        published="whitened, not centred",
        revised="whitened, then centred on their controls",
        kind="design choice",
        reason="cells of a batch share its offset, so that perturbations without effect agree more "
        "than draws of the controls to which the whitening was fitted",
    ),
    Departure(
        aspect="no null",
        published="no perturbation of an unexpressed gene: p is undefined for all, and the score "
        "divides by zero; here: cannot be answered below 20",
        revised="cannot be answered without controls in two replicates",
        kind="bug",
        reason="the released code divides by the number of p-values, which is then 0; below 20 "
        "null perturbations b / B is at most 0.05 only where it is 0, and the paper asks for 1,000 "
        "unexpressed genes",
    ),
    Departure(
        aspect="targets that are not measured",
        published="count as expressed",
        revised="expression is not used",
        kind="design choice",
        reason="a gene left out of the file says nothing about its expression",
    ),
    Departure(
        aspect="tail",
        published="code: null at least as large (followed); appendix B.2: less than or equal",
        revised="null at least as large",
        kind="paper-code discrepancy",
        reason="section 3.3 asks for similarity higher than by chance",
    ),
    Departure(
        aspect="level",
        published="code: p ≤ 0.05 (followed); paper: p < 0.05",
        revised="adjusted p ≤ 0.05",
        kind="paper-code discrepancy",
        reason="with 20 null perturbations one p-value in 21 is exactly 0.05",
    ),
)


def departures() -> pd.DataFrame:
    """Departures as a table, one row each."""
    return table_of(DEPARTURES)


def available(screen, *, replicate: str = "batch") -> dict[str, int]:
    """Counts of a screen that the requirements of the task name.

    Parameters
    ----------
    screen : AnnData of counts
    replicate : str
        Column of `obs`.
    """
    obs = screen.obs
    is_control = (obs["perturbation"] == CONTROL).to_numpy()
    batches = obs.assign(is_control=is_control).groupby("batch", observed=True)
    enough = batches["is_control"].sum() >= 4
    replicates = obs[replicate][obs["batch"].map(enough).astype(bool).to_numpy() & is_control]
    n_cells = obs["perturbation"].value_counts()
    unexpressed = _unexpressed(screen)
    return {
        "replicates_with_controls": int(replicates.nunique()),
        "unexpressed_perturbations": int((n_cells.reindex(unexpressed) >= 2).sum()),
    }


@step
def consistency(
    screen,
    embedding,
    *,
    protocol: str,
    post: str = "center_scaled",
    n_draws: int = 1000,
    n_bootstrap: int = 1000,
    seed: int = 0,
    unit: str = "perturbation",
    replicate: str = "batch",
    context: str | None = None,
    missing_controls: str = "raise",
    null: str | None = None,
    pairs: str | None = None,
) -> pd.DataFrame:
    """Consistency of each perturbation, and its p-value.

    Parameters
    ----------
    screen : AnnData of counts, shape (n_cells, n_genes)
    embedding : ndarray of shape (n_cells, n_dims)
        Not centred yet.
    protocol : {"published", "revised"}
    post : {"raw", "centered", "center_scaled", "tvn"}
        In *revised*, typical variation normalisation is fitted on all controls (batches with few
        of them shrunk), and each batch is centred after it, for draws as for perturbations.
    n_draws, n_bootstrap, seed : int
        Draws of the null, resamples of the interval (*revised* only), and what draws them.
    unit : {"perturbation", "guide", "control-guide"}
        What is scored: targets, guides of targets, or each non-targeting guide in turn, left out
        of the controls (*revised* only; none of them has an effect).
    replicate : str
        Column of `obs` across which pairs are counted; a batch lies within one.
    context : str, optional
        Score this context. Needed where the screen has several: a perturbation is scored within
        one context.
    missing_controls : {"raise", "drop"}
        What to do with a batch with fewer than 2 controls; *revised* only.
    null : {"in-sample"}, optional
        For demonstration, in *revised* only: draws that are not left out of the controls that
        centre them.
    pairs : {"across", "all"}, optional
        For demonstration, in *revised* only: which pairs of cells count.

    Returns
    -------
    DataFrame indexed by unit, sorted
        `target` (the unit's perturbation); `similarity`, `p_value`, `n_cells`, `n_pairs`, `n_zero`,
        NaN where there is no pair. *revised*: also `q_value` and what `consistency_test` adds.
        *published*: also `in_null`, perturbations that are the null and have no p-value.

    Raises
    ------
    CannotAnswer
        The screen has less than the protocol needs.
    DataError
        An argument that does not fit the screen.
    """
    if protocol not in PROTOCOLS:
        raise DataError(f"protocol is {protocol!r}; choose from {', '.join(PROTOCOLS)}")
    if unit not in UNITS:
        raise DataError(f"unit is {unit!r}; choose from {', '.join(UNITS)}")
    if len(embedding) != screen.n_obs:
        raise DataError(f"the embedding has {len(embedding)} rows, the screen {screen.n_obs} cells")
    for name, value, known in (("null", null, ("in-sample",)), ("pairs", pairs, ("across", "all"))):
        if value is not None and (value not in known or protocol != "revised"):
            raise DataError(
                f"{name} is {value!r} in the {protocol} protocol; leave it out, or pass "
                f"{' or '.join(map(repr, known))} in the revised one to see what it does"
            )
    if replicate not in screen.obs:
        raise DataError(
            f"obs has no column {replicate!r} to count replicates by (columns: "
            f"{', '.join(screen.obs.columns)}); pass replicate='batch'"
        )
    screen, embedding = _one_context(screen, embedding, context)
    chosen = PROTOCOLS[protocol]
    question = f"{_name(screen)}, consistency, {protocol} protocol:"
    require(question, chosen.requirements, available(screen, replicate=replicate))
    labels = _labels(screen, unit)
    if chosen.null == "unexpressed":
        if unit == "control-guide":
            raise DataError(
                "non-targeting guides are scored in the revised protocol only: in the published "
                "one they are controls, and neither null nor query"
            )
        return _published(screen, embedding, labels, chosen, post)
    arguments = {
        "post": post,
        "replicate": replicate if (pairs or chosen.pairs) == "across" else None,
        "missing_controls": missing_controls,
        "n_bootstrap": n_bootstrap,
    }
    try:
        draws = ControlDraws(n_draws, left_out=null != "in-sample")
        frame = _revised(screen, embedding, labels, unit, seed, null=draws, **arguments)
    except ValueError as error:
        raise DataError(f"{_name(screen)}: {error}") from error
    scored = frame["p_value"].notna()
    frame.insert(frame.columns.get_loc("p_value") + 1, "q_value", np.nan)
    if chosen.adjust and scored.any():
        frame.loc[scored, "q_value"] = benjamini_hochberg(frame.loc[scored, "p_value"])
    return frame


def _published(screen, embedding, labels, protocol: Protocol, post: str) -> pd.DataFrame:
    is_control = labels == CONTROL
    try:
        embedding = postprocess(embedding, screen.obs["batch"], is_control, post)
    except ValueError as error:
        raise DataError(f"{_name(screen)}: {error}") from error
    frame = perturbation_consistency(embedding[~is_control], labels[~is_control])
    frame.insert(0, "target", _targets(screen, labels, frame.index))
    frame["in_null"] = frame["target"].isin(_unexpressed(screen))
    # Perturbations of one cell have no similarity: they are neither null nor scored.
    null = frame.loc[frame["in_null"], "similarity"].dropna()
    p_values = empirical_p_value(frame["similarity"], null, add_one=protocol.add_one)
    frame.insert(2, "p_value", np.where(frame["in_null"], np.nan, p_values))
    return frame


def _revised(
    screen, embedding, labels, unit, seed, *, post, replicate, missing_controls, **arguments
) -> pd.DataFrame:
    if post == "tvn":
        embedding = postprocess(
            embedding,
            screen.obs["batch"].to_numpy(),
            (screen.obs["perturbation"] == CONTROL).to_numpy(),
            "tvn",
            shrink_below=FEW_CONTROLS,
            bare="global",
        )
        post = "centered"

    def test(rows, labels, rng):
        obs = screen.obs[rows]
        cells = centred_cells(
            embedding[rows],
            labels[rows],
            obs["batch"].to_numpy(),
            replicates=None if replicate is None else obs[replicate].to_numpy(),
            control=CONTROL,
            post=post,
            missing_controls=missing_controls,
        )
        return consistency_test(cells, rng=rng, **arguments)

    rng = np.random.default_rng(seed)
    if unit == "control-guide":
        is_control = (screen.obs["perturbation"] == CONTROL).to_numpy()
        guides = np.unique(labels[is_control])
        frame = pd.concat(
            [
                test(is_control, np.where(labels == guide, guide, CONTROL), stream)
                for guide, stream in zip(guides, rng.spawn(len(guides)), strict=True)
            ]
        )
        frame.insert(0, "target", CONTROL)
        return frame
    frame = test(np.full(screen.n_obs, True), labels, rng)
    frame.insert(0, "target", _targets(screen, labels, frame.index))
    return frame


def _labels(screen, unit: str) -> np.ndarray:
    """What each cell is scored as; controls are controls unless their guides are scored."""
    perturbation = screen.obs["perturbation"].to_numpy(dtype=object)
    if unit == "perturbation":
        return perturbation
    if "guide" not in screen.obs:
        raise CannotAnswer(
            f"{_name(screen)}, consistency of guides cannot be answered: obs has no column 'guide' "
            f"(columns: {', '.join(screen.obs.columns)})"
        )
    guide = screen.obs["guide"].to_numpy(dtype=object)
    if unit == "control-guide":
        if len(np.unique(guide[perturbation == CONTROL])) < 2:
            raise CannotAnswer(
                f"{_name(screen)}, consistency of non-targeting guides cannot be answered: there "
                "is one only, and no control is left without it"
            )
        return guide
    return np.where(perturbation == CONTROL, CONTROL, guide)


def _targets(screen, labels, units) -> np.ndarray:
    """Perturbation of each unit."""
    pairs = pd.DataFrame({"unit": labels, "target": screen.obs["perturbation"].astype(str).array})
    pairs = pairs.drop_duplicates()
    if pairs["unit"].duplicated().any():
        torn = pairs.loc[pairs["unit"].duplicated(), "unit"].iloc[0]
        found = ", ".join(pairs.loc[pairs["unit"] == torn, "target"])
        raise DataError(f"{_name(screen)}: guide {torn!r} has several perturbations: {found}")
    return pairs.set_index("unit")["target"].reindex(units).to_numpy()


def _unexpressed(screen) -> pd.Index:
    """Perturbations whose target is measured, with a mean raw count below 0.15 over all cells."""
    kind = screen.uns["scale"]["kind"]
    if kind != "counts":
        raise DataError(f"{_name(screen)}: expression is read from counts, X holds {kind}")
    genes = screen.obs["perturbation"].cat.categories.intersection(screen.var_names)
    means = np.asarray(screen[:, genes].X.mean(axis=0)).ravel()
    return genes[means < UNEXPRESSED_MEAN]


def _one_context(screen, embedding, context: str | None):
    contexts = sorted(screen.obs["context"].unique())
    if context is None:
        if len(contexts) == 1:
            return screen, embedding
        raise DataError(
            f"{_name(screen)} holds {len(contexts)} contexts and a perturbation is scored within "
            f"one: pass context= one of {', '.join(contexts)}"
        )
    if context not in contexts:
        raise DataError(f"{_name(screen)} has no context {context!r}: {', '.join(contexts)}")
    inside = (screen.obs["context"] == context).to_numpy()
    return screen[inside], embedding[inside]


def _name(screen) -> str:
    return screen.uns["dataset"]["name"]


def scores(
    result: pd.DataFrame,
    *,
    dataset: str,
    model: str,
    params: dict,
    post: str,
    protocol: str,
    role: str,
    seed: int,
    split: str = "all",
    unit: str = "perturbation",
) -> pd.DataFrame:
    """Result of `consistency` as rows of the score table.

    Parameters
    ----------
    result : DataFrame
        Perturbations of the published null are not scored and have no row.
    dataset, model, post, protocol, role, split, unit : str
    params : dict
        Of the model.
    seed : int

    Returns
    -------
    DataFrame
        Two metrics a unit: `perturbation_consistency`, in [-1, 1], and `consistency_p_value`, in
        [0, 1]; NaN where it could not be scored. A guide's cluster is its target.
    """
    scored = _scored(result)
    clusters = scored.index if unit == "control-guide" else scored["target"]
    shared = {
        "task": TASK,
        "dataset": dataset,
        "split": split,
        "protocol": protocol,
        "model": model,
        "params": canonical(params),
        "post": post,
        "role": role,
        "unit_kind": unit,
        "unit": scored.index.astype(str),
        "cluster": np.asarray(clusters, dtype=object),
        "seed": seed,
        "n": scored["n_cells"].to_numpy(),
    }
    metrics = {"perturbation_consistency": "similarity", "consistency_p_value": "p_value"}
    return pd.concat(
        [
            pd.DataFrame(shared | {"metric": metric, "value": scored[column].to_numpy()})
            for metric, column in metrics.items()
        ],
        ignore_index=True,
    )


def summary(
    result: pd.DataFrame, *, protocol: str, n_resamples: int = 2000, rng: np.random.Generator
) -> pd.DataFrame:
    """Share of units that are consistent, and their median similarity, with 95 % intervals.

    Returns
    -------
    DataFrame indexed by metric
        `share_consistent`, in [0, 1], with Wilson's interval, and `perturbation_consistency`, the
        median, in [-1, 1], whose interval resamples targets; columns `value`, `low`, `high`,
        `n_scored`, `n_unscored`. Where nothing is scored: NaN. The error of the controls' mean is
        common to all targets and not in the median's interval; the p-values allow for it.
    """
    chosen, units = PROTOCOLS[protocol], _scored(result)
    decided = units["q_value" if chosen.adjust else "p_value"].dropna()
    hits = int((decided <= chosen.level).sum())
    similarity = units["similarity"].dropna()
    share = median = (np.nan, np.nan, np.nan)
    if len(decided):
        share = (hits / len(decided), *wilson_interval(hits, len(decided)))
    if len(similarity):
        median = cluster_bootstrap(
            similarity,
            units.loc[similarity.index, "target"],
            statistic=np.median,
            n_resamples=n_resamples,
            rng=rng,
        )
    rows = [
        (*share, len(decided), len(units) - len(decided)),
        (*median, len(similarity), len(units) - len(similarity)),
    ]
    return pd.DataFrame(
        rows,
        index=pd.Index(["share_consistent", "perturbation_consistency"], name="metric"),
        columns=["value", "low", "high", "n_scored", "n_unscored"],
    )


def _scored(result: pd.DataFrame) -> pd.DataFrame:
    return result[~result["in_null"]] if "in_null" in result else result
