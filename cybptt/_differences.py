"""Finite differences, and when a derivative agrees with them: at a kink, with one side's.

What `cybptt.gradcheck` and the check at registration share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# The step, relative to the argument: it balances the two errors of a difference of second order,
# h² f‴ and ε f/h.
STEP = float(np.cbrt(np.finfo(np.float64).eps))

# Steps that are tried, relative to that: where a function bends within 1e-3, as log does near 0,
# the longer ones are too long.
SCALES = (1.0, 2.0**-5, 2.0**-10)


@dataclass(frozen=True)
class Comparison:
    """A derivative held against differences, at points.

    Attributes
    ----------
    error : ndarray
        How far it is off, relative to the larger of it and the difference; where both are small,
        relative to the largest of all points, or to 1 if that is more.
    wrong : ndarray of bool
        Whether that is too far.
    numeric : ndarray
        The central difference.
    unsure : ndarray of bool
        Whether the differences disagree among themselves: the step is too long, or there is a kink.
    """

    error: Array
    wrong: Array
    numeric: Array
    unsure: Array


def compare(
    function: Callable[[Array], Array], points: Array, derivative: Array, tolerance: float
) -> Comparison:
    """Hold a derivative against differences of a function, elementwise in `points`.

    Where the function is smooth its three differences are one; at a kink of it, or of its
    derivative, either side's will do. Where the function is not finite nothing is wrong.
    """
    best = _compare(function, points, derivative, tolerance, SCALES[0])
    for scale in SCALES[1:]:
        # A shorter step has more noise, and would excuse more: it is asked only where the longer
        # one could not tell.
        open_ = best.wrong & best.unsure
        if not open_.any():
            break
        now = _compare(function, points, derivative, tolerance, scale)
        better = open_ & (now.error < best.error)
        best = Comparison(
            np.where(better, now.error, best.error),
            best.wrong & (now.wrong | ~open_),
            np.where(better, now.numeric, best.numeric),
            np.where(open_, now.unsure, best.unsure),
        )
    return best


def _compare(
    function: Callable[[Array], Array],
    points: Array,
    derivative: Array,
    tolerance: float,
    scale: float,
) -> Comparison:
    # Powers of two, so that the points to either side are apart by exactly so much.
    step = np.exp2(np.round(np.log2(scale * STEP * np.maximum(1, np.abs(points)))))
    with np.errstate(all="ignore"):
        f = {k: np.array(function(points + k * step)) for k in (-2, -1, 0, 1, 2)}
        # Of second order, each: central, and from either side.
        central = (f[1] - f[-1]) / (2 * step)
        right = (-3 * f[0] + 4 * f[1] - f[2]) / (2 * step)
        left = (3 * f[0] - 4 * f[-1] + f[-2]) / (2 * step)
        noise = 16 * np.finfo(np.float64).eps * np.max(np.abs(list(f.values())), axis=0) / step
        known = np.isfinite(np.sum(list(f.values()), axis=0))
        floor = _floor(np.abs([central, derivative])[:, known])
        errors, too_far = [], []
        for numeric in (central, left, right):
            size = np.maximum(floor, np.maximum(np.abs(derivative), np.abs(numeric)))
            error = np.abs(derivative - numeric) / size
            errors.append(np.where(np.isnan(error), np.inf, error))
            too_far.append(~(error <= tolerance + noise / size))
        # The central one is off by a third of how far the others are from it.
        apart = np.max(np.abs([left - central, right - central, left - right]), axis=0)
        unsure = ~(apart <= 2 * (tolerance * size + noise))
    wrong = np.all(too_far, axis=0) & known
    return Comparison(np.where(known, np.min(errors, axis=0), 0), wrong, central, unsure)


def _floor(sizes: Array) -> float:
    """What counts as small: the largest of `sizes`, but not more than 1, and not 0."""
    largest = float(np.max(sizes[np.isfinite(sizes)], initial=0.0))
    return min(largest, 1.0) or 1.0
