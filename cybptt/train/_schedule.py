"""Learning rates that change with the step, never with the clock."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

from cybptt import _validate as check

__all__ = ["cosine"]


def cosine(lr: float, steps: int, *, floor: float = 0.0, warmup: int = 0) -> Callable[[int], float]:
    """A rate that falls along half a cosine, then stays.

    There is no equation of section 10.2 for this: it is how the steps are scaled, a custom of the
    trade. The rate is a function of the step alone, so a run that is cut and resumed has the same.

    Parameters
    ----------
    lr : float > 0
        The highest rate.
    steps : int ≥ 1
        The step at which the floor is reached; from there on the rate stays.
    floor : float, 0 … 1
        The lowest rate, as a part of the highest.
    warmup : int ≥ 0
        Over so many first steps the rate rises from lr / warmup.

    Returns
    -------
    callable
        From the number of steps done, 0 …, to the rate of the next one. It can be pickled.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range, or no number.

    Examples
    --------
    >>> from cybptt.train import cosine
    >>> rate = cosine(0.1, 100, floor=0.2)
    >>> [round(rate(step), 3) for step in (0, 50, 100, 1000)]
    [0.1, 0.06, 0.02, 0.02]
    """
    lr = check.positive_number("lr", lr)
    steps = check.integer("steps", steps, 1)
    need = "a number in 0 … 1"
    part = check.real_number("floor", floor, need)
    if not 0 <= part <= 1:
        raise check.wrong_value("floor", check.describe(floor), need)
    warmup = check.integer("warmup", warmup, 0)
    return functools.partial(_cosine, lr, steps, part, warmup)


def _cosine(lr: float, steps: int, floor: float, warmup: int, step: int) -> float:
    done = min(step / steps, 1.0)
    rate = lr * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done)))
    return rate * min(1.0, (step + 1) / warmup) if warmup else rate
