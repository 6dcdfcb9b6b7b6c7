"""What all benchmarks measure with."""

import importlib.util
import time


def fastest(function, repeats: int = 1):
    """Least processor seconds of several calls, and what the last one returned.

    Processor time, because others on the machine do not count; `make bench` keeps all libraries at
    one thread.
    """
    times = []
    for _ in range(repeats):
        start = time.process_time()
        result = function()
        times.append(time.process_time() - start)
    return min(times), result


def row(name: str, seconds: float, reference_seconds: float, asked: float, limit: str = "") -> dict:
    """Row of the table: what is ours and what it is compared with, and the ratio asked for.

    `limit` says what keeps a row short, where that is known.
    """
    return {
        "name": name,
        "seconds": seconds,
        "reference_seconds": reference_seconds,
        "ratio": reference_seconds / seconds,
        "asked": float(asked),
        "limit": limit,
    }


def missing(name: str, peer: str) -> str | None:
    """What to say in place of a row whose peer is not installed; None where it is."""
    if importlib.util.find_spec(peer):
        return None
    return f"{name}: not installed (pip install -c constraints.txt -e '.[dev,peers]')"
