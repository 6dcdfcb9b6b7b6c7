"""The commands `benchbook keep` and `benchbook verify`: results of runs that take too long."""

import os
import tempfile
import time
from typing import Annotated

import typer

from helpers.terminal import console

Name = Annotated[str, typer.Argument(metavar="RUN", help="A long run, e.g. scvi-defaults.")]


def long_runs() -> dict:
    """Long runs of all tiers, by name."""
    from helpers.tasks.catalogue import TIERS

    return {run.name: run for tier in TIERS for run in tier.long_runs}


def _run(name: str):
    runs = long_runs()
    if name not in runs:
        raise typer.BadParameter(f"there is no long run {name!r}; there are {', '.join(runs)}")
    return runs[name]


def keep(run: Name) -> None:
    """Compute a long run and write its table and record to results/RUN."""
    from helpers.store import kept

    asked = _run(run)
    folder = kept.keep(asked, f"benchbook keep {run}")
    found = kept.load(asked)
    console.print(
        f"{folder}: {len(found.table)} rows of {len(asked.seeds)} seeds, "
        f"{found.record['seconds']:.0f} s of computing"
    )


def verify(
    run: Name,
    sample: Annotated[bool, typer.Option("--sample", help="The first seed alone.")] = False,
) -> None:
    """Compute a kept result again, from nothing; exits with 1 where it is not the same."""
    from helpers.store import kept

    asked = _run(run)
    if (found := kept.load(asked)) is None:
        raise typer.BadParameter(f"nothing is kept of {run}: `benchbook keep {run}`")
    if found.changed:
        console.print(f"outdated, changed since: {', '.join(found.changed)}")
    seeds, started = asked.seeds[: 1 if sample else None], time.perf_counter()
    home = os.environ.get("BENCHBOOK_HOME")
    with tempfile.TemporaryDirectory(prefix="verify-") as empty:  # nothing that is stored helps
        os.environ["BENCHBOOK_HOME"] = f"{empty}/home"
        try:
            again = kept.compute(asked, seeds)
        finally:
            os.environ.pop("BENCHBOOK_HOME")
            if home is not None:
                os.environ["BENCHBOOK_HOME"] = home
    wrong = kept.differences(found.table, again)
    took = f"{len(seeds)} of {len(asked.seeds)} seeds, {time.perf_counter() - started:.0f} s"
    for line in wrong[:10]:
        console.print(line)
    console.print(f"{run}: {f'{len(wrong)} values differ' if wrong else 'the same'} ({took})")
    raise typer.Exit(int(bool(wrong)))
