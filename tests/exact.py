"""The built-in functions in arbitrary precision, by mpmath, and how far off a float is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import mpmath
import numpy as np
from mpmath import mp, mpf

mp.prec = 200  # bits: four times float64's, so that cancellation costs nothing that counts

Exact = Callable[[Any], Any]


def sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def leaky_relu(slope: float = 0.01) -> Exact:
    return lambda x: x if x > 0 else mpf(slope) * x


def elu(alpha: float = 1.0) -> Exact:
    return lambda x: x if x > 0 else mpf(alpha) * mp.expm1(x)


def clip(x: Any, low: int, high: int) -> Any:
    return min(max(x, mpf(low)), mpf(high))


def gelu(x: Any) -> Any:
    if abs(x) > 1000:  # too far out for mpmath; the tail is below 10^-200000
        return max(x, mpf(0))
    return x * mp.erfc(-x / mp.sqrt(2)) / 2


# log1p, erfc: as mpmath has them, they lose nothing far out, where 1 + eˣ is 1 in any precision.
ACTIVATIONS: dict[str, Exact] = {
    "tanh": mp.tanh,
    "identity": lambda x: x,
    "sigmoid": sigmoid,
    "relu": lambda x: max(x, mpf(0)),
    "leaky_relu": leaky_relu(),
    "elu": elu(),
    "softplus": lambda x: max(x, mpf(0)) + mpmath.log1p(mp.exp(-abs(x))),
    "softsign": lambda x: x / (1 + abs(x)),
    "hard_sigmoid": lambda x: clip(x / 6 + mpf(1) / 2, 0, 1),
    "hard_tanh": lambda x: clip(x, -1, 1),
    "gelu": gelu,
    "silu": lambda x: x * sigmoid(x),
}


def ulps(got: np.ndarray, exact: Iterable[Any]) -> np.ndarray:
    """How far each float is from the exact number, in units of the float's last place there.

    Infinity is right where the exact number would round to it, and then 0 off.
    """
    info = np.finfo(got.dtype)
    smallest = info.minexp - info.nmant  # the exponent of the least denormal
    overflow = mpf(2) ** info.maxexp * (1 - mpf(2) ** -(info.nmant + 2))
    errors = []
    for value, wanted in zip(got.ravel().tolist(), exact, strict=True):
        if np.isinf(value) and abs(wanted) >= overflow and (value > 0) == (wanted > 0):
            errors.append(0.0)
            continue
        exponent = mp.frexp(wanted)[1] - 1 - info.nmant if wanted else smallest
        place = mpf(2) ** max(exponent, smallest)
        errors.append(float(abs(mpf(value) - wanted) / place))
    return np.array(errors).reshape(got.shape)


def points(dtype: Any, n: int, seed: int = 0) -> np.ndarray:
    """Arguments where functions bend, of all magnitudes, and at the edges of ranges: 6 n or so."""
    rng = np.random.default_rng(seed)
    info = np.finfo(dtype)
    edges = [1, 3, 6, 9.01, 10, 15.2, 17.3, 18.02, 20, 22, 37.5, 40, 44, 87.34, 88.73, 89, 103.97]
    edges += [105, 125, 708.4, 709.79, 710, 745.13, 746, 766, float(info.tiny), float(info.max)]
    # Where eˣ takes another power of two: (k + 0.15 + ½) ln 2.
    edges += [*(np.arange(-150, 130, 7) + 0.65) * np.log(2)]
    near = np.array(edges, dtype)
    near = np.concatenate([near, np.nextafter(near, dtype(0)), np.nextafter(near, dtype(1e30))])
    lowest, highest = np.log2(float(info.smallest_subnormal)), np.log2(float(info.max))
    magnitudes = np.exp2(rng.uniform(lowest, highest, n))
    magnitudes = np.concatenate([magnitudes, np.exp2(rng.uniform(-30, 11, 2 * n))])
    drawn = [rng.uniform(-1, 1, n), rng.uniform(-10, 10, n), rng.uniform(-120, 120, n)]
    drawn += [magnitudes * rng.choice([-1.0, 1.0], magnitudes.size), near, -near]
    return np.concatenate(drawn).astype(dtype)
