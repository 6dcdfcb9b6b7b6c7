"""Same seed, same bytes: what every fit in torch of this book runs in."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """One thread and a seeded generator; both are as they were afterwards.

    Sums in float32 depend on how many threads share them, so that results of one thread and of two
    differ in their last digits.

    Parameters
    ----------
    seed : int
        Of torch's global generator inside.
    """
    import torch

    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
