"""`benchbook data`: data sets of the registry and of one's own."""

from pathlib import Path
from typing import Annotated

import typer

from helpers.home import claim
from helpers.terminal import Workers, console, plain_table

app = typer.Typer(no_args_is_help=True, help="Data sets: list, get, check, add, remove, try.")


@app.command("list")
def data_list() -> None:
    """Data sets, their size and licence, and whether they are here."""
    from helpers.data import registry

    table = plain_table()
    for column in ("data set", "kind", "MB", "licence", "state"):
        table.add_column(column)
    own = {name: registry.dataset(name) for name in registry.known() if registry.is_own(name)}
    for name, dataset in (registry.datasets() | own).items():
        size = "?" if dataset.size is None else f"{dataset.size / 1e6:.1f}"
        state = registry.status(name)["state"]
        table.add_row(name, dataset.kind, size, dataset.licence, state)
    console.print(table)


@app.command("get")
def data_get(names: Annotated[list[str], typer.Argument(help="Data sets, or all.")]) -> None:
    """Download data sets into the cache; an interrupted download goes on where it stopped.

    All are the verified ones. An unverified one, whose content nobody has stated, is named, and
    asks before it is downloaded.
    """
    from helpers.data import registry

    asked = _known(registry.verified() if names == ["all"] else names)
    from helpers.data.fetch import fetch

    for name in asked:
        if registry.is_own(name):
            console.print(f"{name}: {registry.status(name)['paths'].popitem()[1]}")
            continue
        for path in fetch(registry.dataset(name), confirm=typer.confirm).values():
            console.print(f"{name}: {path}")


@app.command("check")
def data_check(
    names: Annotated[
        list[str] | None, typer.Argument(help="Data sets; verified ones by default.")
    ] = None,
) -> None:
    """Hash every file, read the data and check it against the contract."""
    from helpers.data import registry

    for name in _known(names or registry.verified()):
        facts = ", ".join(f"{k} {v}" for k, v in registry.verify(name).items() if k != "name")
        console.print(f"{name}: {facts}")


def _known(names: list[str]) -> list[str]:
    """The names; one that no data set has is refused before anything heavy is imported."""
    from helpers.data import registry

    for name in names:
        registry.module_name(name)
    return names


@app.command("add")
def data_add(
    name: Annotated[str, typer.Argument(help="What chapters shall call it: a-z, 0-9 and -.")],
    file: Annotated[Path, typer.Argument(help="h5ad, or a zarr store; it stays where it is.")],
    perturbation: Annotated[str, typer.Option(help="Column of obs.")],
    control: Annotated[
        list[str], typer.Option(help="What controls are called; repeat for several names.")
    ],
    batch: Annotated[str, typer.Option(help="Column of obs.")],
    context: Annotated[
        str | None, typer.Option(help="Column of obs: cell lines.", show_default="one context")
    ] = None,
    guide: Annotated[str | None, typer.Option(help="Column of obs.")] = None,
    replicate: Annotated[
        str | None, typer.Option(help="Column of obs: biological replicates.")
    ] = None,
    donor: Annotated[str | None, typer.Option(help="Column of obs.")] = None,
    total_counts: Annotated[
        str | None,
        typer.Option(
            help="Column of obs: library size before genes were dropped.", show_default="unknown"
        ),
    ] = None,
    combination_separator: Annotated[
        str | None, typer.Option(help="Between the names of a combination, as _ in KLF1_GATA1.")
    ] = None,
    layer: Annotated[
        str | None, typer.Option(help="That holds the counts.", show_default="X")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Counts are in raw.")] = False,
) -> None:
    """Take in a screen of one's own: check it, and keep what its columns mean under a name."""
    from helpers.data import own, own_reader, registry

    mapping = own.Mapping(
        perturbation=perturbation,
        control=control,
        batch=batch,
        context=context,
        guide=guide,
        replicate=replicate,
        donor=donor,
        total_counts=total_counts,
        combination_separator=combination_separator,
        layer=layer,
        raw=raw,
    )
    _, screen = own_reader.add(name, file, mapping, registry.names())
    _tell_added(name, screen)


@app.command("add-gears")
def data_add_gears(
    name: Annotated[str, typer.Argument(help="What chapters shall call it: a-z, 0-9 and -.")],
    file: Annotated[Path, typer.Argument(help="perturb_processed.h5ad; it stays where it is.")],
) -> None:
    """Take in a screen in the layout of GEARS: log1p CP10k, conditions ctrl, A+ctrl, A+B."""
    from helpers.data import own, own_reader, registry

    _, screen = own_reader.add(name, file, own.gears_layout(), registry.names())
    _tell_added(name, screen)


def _tell_added(name: str, screen) -> None:
    from helpers.data import registry

    facts = registry.screen_facts(screen).items()
    counts = [f"{n} {_one(key) if n == 1 else key}" for key, n in facts]
    console.print(f"{name}: {', '.join(counts)}")
    console.print(f"chapters of screens know it now: -p dataset={name}")
    console.print(f"what each of them can answer with it: benchbook data try {name}")


def _one(counted: str) -> str:
    return "batch" if counted == "batches" else counted.removesuffix("s")


@app.command("remove")
def data_remove(name: Annotated[str, typer.Argument(help="A data set that was added.")]) -> None:
    """Forget a data set of one's own; its file stays."""
    from helpers.data import own

    own.remove(name)
    console.print(f"{name}: forgotten; the file stays")


@app.command("try")
def data_try(
    name: Annotated[str, typer.Argument(help="A data set; `benchbook data list` shows all.")],
    context: Annotated[
        str, typer.Option(help="Of several.", show_default="that with most cells")
    ] = "",
    chapter: Annotated[
        list[str] | None, typer.Option(help="This one only, or these.", show_default="all")
    ] = None,
    workers: Workers = None,
) -> None:
    """Run each chapter of its kind on a data set at preset tiny: what is answered, and why not."""
    from helpers.book.chapters import Book

    (name,), book, status = _known([name]), Book(), 0
    chapters = [book.chapter(one) for one in chapter or book.chapters]
    claim()
    from helpers.book import tried

    for one in tried.tried(
        book, name, chapters=chapters, context=context, console=console, workers=workers
    ):
        console.print(f"{one.chapter}: {one.verdict}" + (f": {one.reason}" if one.reason else ""))
        status |= one.verdict == "failed"
    raise typer.Exit(int(status))
