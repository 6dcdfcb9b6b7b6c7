"""The learning rate of the released benchmark, step by step."""

import math


def warm_up_cosine(step: int, *, warm_up: int, n_steps: int, start: float) -> float:
    """Share of the learning rate at a step: up a line from `start` to 1, down a cosine to 0.

    Parameters
    ----------
    step : int
        From 0.
    warm_up : int
        Steps of the line. The last of them has 1 already, and so has the first of the cosine.
    n_steps : int
    start : float in [0, 1]

    References
    ----------
    Tx-Evaluation commit 1f24de0, utils/lr_scheduler.py (LinearWarmupCosineAnnealingLR of Lightning
    Bolts), stepped once a batch.
    """
    if step < warm_up:
        return start + (1 - start) * step / max(warm_up - 1, 1)
    return (1 + math.cos(math.pi * (step - warm_up) / (n_steps - warm_up))) / 2
