"""The command `benchbook`."""

import io
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from helpers.cli_data import app as data
from helpers.cli_kept import keep, verify
from helpers.home import claim
from helpers.terminal import Workers, console, plain_table

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.add_typer(data, name="data")
app.command()(keep)
app.command()(verify)

Parameters = Annotated[
    list[str] | None,
    typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="Set a parameter of the chapter."),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        help="Address of a dask.distributed scheduler to use instead of a local cluster; its "
        "workers see the same folders."
    ),
]


def _grid(pairs: list[str] | None, defaults: dict[str, Any]) -> dict[str, list[Any]]:
    from helpers.book.chapters import ChapterError, parse_value

    grid: dict[str, list[Any]] = {}
    for pair in pairs or []:
        name, equals, text = pair.partition("=")
        if not equals:
            raise ChapterError(f"-p {pair}: a parameter is given as NAME=VALUE")
        grid.setdefault(name, []).append(parse_value(text, defaults.get(name, 0)))
    return grid


@app.command()
def run(
    chapter: Annotated[str, typer.Argument(help="For example chapters/embeddings/consistency.")],
    parameter: Parameters = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
) -> None:
    """Run one chapter; a parameter given several times makes a grid of runs."""
    from helpers.book.chapters import Book

    book = Book()
    grid = _grid(parameter, book.chapter(chapter).defaults)
    for name, values in grid.items():  # refused before anything heavy is imported
        for value in values:
            book.chapter(chapter).check({name: value})
    claim()
    from helpers.book import warm

    if scheduler is None:  # elsewhere, nothing starts here
        warm.start_early()
    from helpers.book import build as book_build

    status = book_build.run(
        book, chapter, grid, workers=workers, address=scheduler, console=console
    )
    raise typer.Exit(status)


@app.command()
def build(
    preset: Annotated[str, typer.Option(help="tiny, book or full.")] = "book",
    seed: Annotated[int, typer.Option(min=0, help="Root of all seeds.")] = 0,
    only: Annotated[
        str | None,
        typer.Option(metavar="TIER", help="Build one tier, e.g. embeddings.", show_default="all"),
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
) -> None:
    """Run what has changed and build the site, or one tier of it."""
    from helpers.book.chapters import Book

    book, parameters = Book(), {"preset": preset, "seed": seed}
    pages = book.pages if only is None else book.pages_of(only)
    next(book.chapters[page] for page in pages if page in book.chapters).check(parameters)
    claim()  # what is refused is refused before anything heavy is imported
    from helpers.book import build as book_build

    status = book_build.build(
        book,
        parameters,
        only=only,
        workers=workers,
        address=scheduler,
        console=console,
    )
    raise typer.Exit(status)


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="A folder of results, or a built book.")],
    new: Annotated[Path, typer.Argument(help="The one to compare with it.")],
    chapter: Annotated[
        str | None, typer.Option(help="Part of a chapter's name.", show_default="all chapters")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="CSV for every row that differs.")] = None,
) -> None:
    """Compare the scores of two folders of results; exits with 1 where something differs."""
    from helpers.book.diff import diff as compare

    found = compare(old, new, chapter)
    table = plain_table()
    for column in ("chapter", *found.chapters.columns):
        table.add_column(column, justify="left" if column == "chapter" else "right")
    for name, row in found.chapters.iterrows():
        counts = [f"{row[c]:.0f}" for c in found.chapters.columns[:-1]]
        largest = "" if not row["changed"] else f"{row['largest']:.3g}"
        table.add_row(str(name), *counts, largest)
    console.print(table)
    changed = found.rows[found.rows["what"] == "changed"]
    for row in changed.sort_values("change", key=abs, ascending=False).head(10).itertuples():
        console.print(
            f"{row.chapter}: {row.task}, {row.dataset}, {row.model}, {row.metric}, {row.unit}: "
            f"{row.old:.6g} -> {row.new:.6g}"
        )
    if out is not None:
        found.rows.to_csv(out, index=False)
        console.print(f"{out}: {len(found.rows)} rows")
    rows = found.chapters["new"].sum()
    if found:
        console.print(f"rows that differ: {len(found.rows)} (of {rows})")
    else:
        console.print(f"every row is the same, to the last bit ({rows} rows)")
    raise typer.Exit(int(bool(found)))


@app.command()
def export(
    dataset: Annotated[str, typer.Argument(help="A data set; `benchbook data list` shows all.")],
    out: Annotated[Path, typer.Option(help="Folder for the counts and their manifest.")] = Path(),
) -> None:
    """Write a data set's counts for a model that runs elsewhere."""
    screen = _screen(dataset)
    from helpers.data import exchange

    path, manifest = exchange.export(screen, out)
    facts = exchange.read_manifest(manifest)
    console.print(f"{path}: {facts['n_cells']} cells x {facts['n_genes']} genes")
    console.print(f"{manifest}: keep it, the embedding is checked against it")
    if unknown := facts["genes_without_ensembl_id"]:
        console.print(f"{unknown} of {facts['n_genes']} genes have no known Ensembl id")


@app.command("import")
def import_embedding(
    name: Annotated[str, typer.Argument(help="What chapters shall call the embedding.")],
    file: Annotated[Path, typer.Argument(help="h5ad with the vectors in obsm.")],
    manifest: Annotated[Path, typer.Option(help="What `benchbook export` wrote.")],
    key: Annotated[
        str | None, typer.Option(help="Of obsm.", show_default="the only one there is")
    ] = None,
) -> None:
    """Check an embedding that was computed elsewhere and keep it for the chapters."""
    from helpers.data import exchange
    from helpers.data import imported as embeddings

    facts = exchange.read_manifest(manifest)
    screen = _screen(facts["dataset"])
    _kept(embeddings.add(name, file, facts, screen, key=key))


class Post(StrEnum):
    raw = "raw"
    centered = "centered"
    center_scaled = "center_scaled"
    tvn = "tvn"


class Model(StrEnum):
    geneformer = "geneformer"
    scgpt = "scgpt"


@app.command()
def embed(
    dataset: Annotated[str, typer.Argument(help="A data set; `benchbook data list` shows all.")],
    model: Annotated[Model, typer.Argument(help="Whose code of ours computes it.")],
    checkpoint: Annotated[Path, typer.Argument(help="Folder of the authors' files.")],
    name: Annotated[
        str | None, typer.Option(help="What chapters shall call it.", show_default="MODEL-DATASET")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what the model draws.")] = 0,
    batch_size: Annotated[int, typer.Option(min=1, help="Cells at a time.")] = 16,
    device: Annotated[str, typer.Option(help="cpu, or cuda.")] = "cpu",
) -> None:
    """Compute an embedding here from a checkpoint and keep it for the chapters."""
    _check_device(device)
    screen = _screen(dataset)
    from helpers.data import imported as embeddings
    from helpers.data.fetch import sha256

    if model is Model.geneformer:
        from helpers.models.embeddings import geneformer

        loaded = geneformer.read_checkpoint(checkpoint)
        values = geneformer.embed(screen, loaded, batch_size=batch_size, device=device)
    else:
        from helpers.models.embeddings import scgpt

        loaded = scgpt.read_checkpoint(checkpoint)
        values = scgpt.embed(screen, loaded, seed=seed, batch_size=batch_size, device=device)
    files = {p.name: sha256(p) for p in sorted(checkpoint.iterdir()) if p.is_file()}
    facts = {"model": str(model), "seed": seed, "checkpoint": files}
    _kept(embeddings.keep(name or f"{model}-{dataset}", values, screen, facts))


def _check_device(device: str) -> None:
    if device == "cpu":
        return
    import torch

    from helpers.data.errors import DataError

    try:
        torch.empty(1, device=device)
    except (AssertionError, RuntimeError) as error:  # the former where torch has no CUDA at all
        said = str(error).splitlines()[0].rstrip(".")
        raise DataError(f"torch cannot compute on {device!r} here: {said}; cpu works") from None


class Task(StrEnum):
    consistency = "consistency"
    relationships = "known-relationships"
    separability = "linear-separability"


SCORED = {Task.consistency: "similarity", Task.separability: "top1"}
NOTHING = {
    Task.consistency: "nothing is scored: no perturbation has cells in two batches or more",
    Task.separability: "nothing is scored: no perturbation of a batch held out is in another one",
}


@app.command()
def large(
    file: Annotated[
        str, typer.Argument(help="An h5ad of counts, or a data set of kind large-screen.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for one CSV a task.")] = Path("scores"),
    task: Annotated[list[Task], typer.Option(help="Repeat for several.")] = [Task.consistency],  # noqa: B006 (typer copies)
    perturbation: Annotated[str, typer.Option(help="Column of obs.")] = "perturbation",
    batch: Annotated[str, typer.Option(help="Column of obs.")] = "batch",
    embedding: Annotated[
        Path | None,
        typer.Option(help="h5ad with vectors of these cells in obsm.", show_default="PCA"),
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="Of its obsm.", show_default="the only one there is")
    ] = None,
    control: Annotated[str, typer.Option(help="What controls are called.")] = "control",
    post: Annotated[Post, typer.Option(help="What is done to the embedding.")] = Post.tvn,
    n_components: Annotated[int, typer.Option(min=2, help="Of PCA.")] = 50,
    permutations: Annotated[int, typer.Option(min=1, help="Of consistency.")] = 1_000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    scheduler: Scheduler = None,
) -> None:
    """Score a screen that does not fit into memory."""
    from helpers.data import registry

    is_large = file in registry.names() and registry.dataset(file).kind == "large-screen"
    if not is_large and not Path(file).exists():
        raise typer.BadParameter(f"{file} is neither a file nor a data set of kind large-screen")
    from helpers.data.fetch import fetch
    from helpers.data.tx_evaluation import COLUMNS
    from helpers.store.steps import results
    from helpers.tasks.embeddings import large_screen
    from helpers.tasks.embeddings.known_relationships import recall

    if Task.relationships in task:
        known = registry.load("known-relationships")
        known.result()  # what is missing is said before hours are spent
    columns = {"perturbation": perturbation, "batch": batch, "control": control}
    path = Path(file)
    if is_large:
        (path,) = fetch(registry.dataset(file), confirm=typer.confirm).values()
        columns = COLUMNS
    if scheduler:
        from helpers.book.cluster import connected

        connected(scheduler).close()  # what is not there is said in a sentence
        os.environ["BENCHBOOK_SCHEDULER"] = scheduler
    else:  # workers elsewhere see the folders that they were started with
        folders = {str(p.resolve().parent) for p in (path, embedding) if p}
        named = os.environ.get("BENCHBOOK_DATA", "")
        os.environ["BENCHBOOK_DATA"] = os.pathsep.join([*sorted(folders), *filter(None, [named])])
    cells = large_screen.large_embedding(
        file=large_screen.file_of(path),
        columns=columns,
        embedding=large_screen.file_of(embedding) if embedding else None,
        key=key,
        n_components=n_components,
        seed=seed,
    )
    shared = {"post": str(post), "seed": seed}
    asked = {}
    if Task.consistency in task:
        asked[Task.consistency] = large_screen.large_consistency(
            cells, n_permutations=permutations, **shared
        )
    if Task.relationships in task:
        asked[Task.relationships] = recall(
            large_screen.large_means(cells, post=str(post)),
            known,
            posts=[str(post)],
            protocol="revised",
            union=True,
            seed=seed,
        )
    if Task.separability in task:
        asked[Task.separability] = large_screen.large_separability(cells, **shared)
    out.mkdir(parents=True, exist_ok=True)
    unanswered = []
    for name, scored in zip(asked, results(asked.values()), strict=True):
        scored.to_csv(out / f"{name}.csv", index=scored.index.name is not None)
        if name in SCORED and not scored[SCORED[name]].notna().any():
            unanswered.append(name)
            console.print(f"{out / name}.csv: {NOTHING[name]}")
        else:
            console.print(f"{out / name}.csv: {_in_short(name, scored)}")
    raise typer.Exit(int(bool(unanswered)))


def _in_short(task: Task, scored) -> str:
    """A line on the scores of a large screen."""
    if task is Task.consistency:
        called = int((scored["p_value"] <= 0.05).sum())
        return (
            f"{scored['similarity'].notna().sum()} perturbations, {called} with p <= 0.05 against "
            "labels permuted within batches; median similarity "
            f"{scored['similarity'].median():.4f}"
        )
    if task is Task.separability:
        return (
            f"{scored['top1'].notna().sum()} perturbations; a ridge probe names "
            f"{scored['top1'].mean():.4f} of a perturbation's cells in batches that it has not "
            f"seen (chance {1 / len(scored):.4f}), mean over perturbations"
        )
    answered = scored[scored["answer"] == "yes"]
    lines = [
        f"{row.database} {row.recall:.3f} ({row.low:.3f} to {row.high:.3f}; genes with effects as "
        f"large {row.null_effect:.3f})"
        for row in answered.itertuples()
    ] + [f"{row.database}: {row.answer}" for row in scored[scored["answer"] != "yes"].itertuples()]
    return "recall, chance 0.1: " + "; ".join(lines)


@app.command()
def plan(
    cells: Annotated[int, typer.Option(min=4, help="Cells of each held-out perturbation.")],
    controls: Annotated[int, typer.Option(min=4, help="Control cells that judge.")],
    perturbations: Annotated[int, typer.Option(min=2, help="Held-out perturbations.")],
    effect: Annotated[
        float, typer.Option(min=0, max=2, help="SD of an effect on a gene program.")
    ] = 0.4,
    genes: Annotated[int, typer.Option(min=60, help="Genes of the simulated screens.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="Root of all seeds.")] = 0,
) -> None:
    """Which metrics can rank models in a screen that is planned, and with which power."""
    from helpers.presets import child_seeds
    from helpers.tasks import screen_design as design
    from helpers.tasks import screen_design_report as design_report

    asked = design.Plan(cells, controls, perturbations, effect)
    found = design.planned(asked, design_report.BETTER, seeds=child_seeds(seed, 2), n_genes=genes)
    shown = design_report.shown(found).drop(columns=["low", "high"])  # 80 characters
    table = plain_table()
    for column in shown:
        table.add_column(column, justify="left" if column in ("metric", "verdict") else "right")
    for row in shown.itertuples(index=False):
        table.add_row(*(f"{v:.2f}" if isinstance(v, float) else str(v) for v in row))
    console.print(table)
    console.print(design_report.in_short(asked, found))


def _screen(dataset: str):
    from helpers.data import registry
    from helpers.data.errors import DataError

    if registry.dataset(dataset).kind == "large-screen":
        raise DataError(
            f"{dataset} stays on disk: give the model the file itself, keep its cells' names, "
            "and score what comes back by `benchbook large --embedding`"
        )
    if registry.dataset(dataset).kind != "screen":
        raise DataError(f"{dataset} has no cells; choose from {', '.join(registry.screens())}")
    return registry.load(dataset).result()


def _kept(entry: dict) -> None:
    console.print(
        f"{entry['name']}: {entry['n_cells']} cells x {entry['n_dims']} dimensions of "
        f"{entry['dataset']}, sha256 {entry['sha256'][:12]}..."
    )
    if entry["constant_dims"]:
        console.print(f"{entry['constant_dims']} dimensions are the same in every cell")
    if entry["repeated_rows"]:
        console.print(f"{entry['repeated_rows']} cells share their vector with another cell")


@app.command("list")
def list_chapters() -> None:
    """Chapters and their parameters."""
    from helpers.book.chapters import Book

    table = plain_table()
    table.add_column("chapter")
    table.add_column("parameters")
    for name, chapter in Book().chapters.items():
        table.add_row(name, "  ".join(f"{k}={v!r}" for k, v in chapter.defaults.items()))
    console.print(table)


@app.command()
def clean(
    unused: Annotated[
        bool, typer.Option("--unused", help="Results that no current run needs.")
    ] = False,
    damaged: Annotated[
        bool, typer.Option("--damaged", help="Results that are not what was written.")
    ] = False,
) -> None:
    """Remove stored results; everything can be computed again."""
    if not (unused or damaged):
        raise typer.BadParameter("say what: --unused or --damaged")
    claim()
    from helpers.book.build import at_work, remove_damaged_runs, remove_stale_runs, used_steps
    from helpers.book.chapters import Book
    from helpers.store import disk

    with at_work(alone=True):
        if damaged:
            runs = remove_damaged_runs()
            number, freed = disk.prune_damaged()
            megabytes = f"({freed / 1e6:.1f} MB)"
            console.print(f"{runs} damaged runs and {number} damaged results removed {megabytes}")
        if unused:
            runs = remove_stale_runs(Book())
            number, freed = disk.prune(used_steps())
            console.print(f"{runs} runs and {number} results removed ({freed / 1e6:.1f} MB)")


def main() -> None:
    """Entry point: errors that a user can mend are one sentence and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a letter shows "?"
    try:
        app()
    except (ValueError, RuntimeError, FileExistsError) as error:
        # what the package raises is written for users; its classes are not imported to say so
        if not (
            isinstance(error, FileExistsError) or type(error).__module__.startswith("helpers.")
        ):
            raise
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except SystemExit as end:
        if end.code == 130:
            print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        raise


def _fail(message: str) -> None:
    from rich.text import Text

    line = Text.assemble(("benchbook:", "red"), f" {message}")
    Console(stderr=True).print(line, highlight=False, soft_wrap=True)
    sys.exit(2)


if __name__ == "__main__":
    main()
