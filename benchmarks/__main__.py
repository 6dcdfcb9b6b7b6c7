"""`make bench`: each kernel against its plain form or a peer, as ratios in one run.

`python -m benchmarks no-effect`: how often each test calls what is not there.
"""

import importlib
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table


def main() -> int:
    """Run every `bench_*.py`; exit code 1 where a ratio falls short of what is asked."""
    table = Table(box=None)
    for column in ("what", "seconds", "reference", "ratio", "asked", ""):
        table.add_column(column, justify="left" if column in ("what", "") else "right")
    short = False
    for file in sorted(Path(__file__).parent.glob("bench_*.py")):
        for row in importlib.import_module(f"benchmarks.{file.stem}").run():
            if isinstance(row, str):
                table.add_row(row)
                continue
            met = row["ratio"] >= row["asked"]
            short |= not met
            table.add_row(
                row["name"],
                f"{row['seconds']:.4g}",
                f"{row['reference_seconds']:.4g}",
                f"{row['ratio']:.1f}x",
                f"{row['asked']:g}x",
                "" if met else f"short {row['limit']}".strip(),
            )
    Console().print(table)
    return int(short)


if __name__ == "__main__":
    if sys.argv[1:2] == ["no-effect"]:
        from benchmarks.no_effect import main as no_effect

        sys.exit(no_effect(sys.argv[2:]))
    sys.exit(main())
