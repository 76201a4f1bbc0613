"""The optimizers' kernels: the bits of the same lines in NumPy, on every instruction set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cybptt.optim import _updates

Array = np.ndarray[Any, Any]
VARIANTS = range(_updates.n_variants())
each_variant = pytest.mark.parametrize("variant", VARIANTS)
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def sgd(t: Array, g: Array, lr: float) -> None:
    t -= g * lr


def momentum(t: Array, g: Array, v: Array, lr: float, mu: float) -> None:
    v *= mu
    v -= g * lr
    t += v


def nesterov(t: Array, g: Array, v: Array, lr: float, mu: float) -> None:
    v *= mu
    v -= g * lr
    t -= g * lr
    t += v * mu


def adagrad(t: Array, g: Array, r: Array, lr: float, eps: float) -> None:
    r += g * g
    t -= g / (np.sqrt(r) + eps) * lr


def rmsprop(t: Array, g: Array, r: Array, lr: float, eps: float, rho: float, rest: float) -> None:
    r *= rho
    r += g * g * rest
    t -= g / np.sqrt(r + eps) * lr


def adam(t: Array, g: Array, m: Array, v: Array, *k: float) -> None:
    rate, eps, beta1, rest1, beta2, rest2, root = k
    m *= beta1
    m += g * rest1
    v *= beta2
    v += g * g * rest2
    t -= m / (np.sqrt(v) * root + eps) * rate


UPDATES: dict[str, tuple[Callable[..., None], int, tuple[float, ...]]] = {
    "sgd": (sgd, 0, (0.1,)),
    "momentum": (momentum, 1, (0.1, 0.7)),
    "nesterov": (nesterov, 1, (0.1, 0.7)),
    "adagrad": (adagrad, 1, (0.1, 1e-3)),
    "rmsprop": (rmsprop, 1, (0.1, 1e-3, 0.7, 0.3)),
    "adam": (adam, 2, (0.1, 1e-3, 0.7, 0.3, 0.9, 0.1, 1.7)),
}


@pytest.mark.parametrize("name", UPDATES)
@pytest.mark.parametrize("steps", [(1, 1), (2, 1), (1, 3), (-2, -1)])
@both_dtypes
@each_variant
def test_the_bits_are_numpys(name: str, steps: tuple[int, int], dtype: type, variant: int) -> None:
    """On whole registers and what is left of one, whatever the strides."""
    by_hand, n_kept, numbers = UPDATES[name]
    update = _updates.Update(name, variant)
    rng = np.random.default_rng(0)
    for n in (1, 15, 16, 67, 1000):
        wide = [rng.normal(size=3 * n).astype(dtype) for _ in range(2)]
        theta, g = (array[::step][:n] for array, step in zip(wide, steps, strict=True))
        kept = [rng.random(n).astype(dtype) for _ in range(n_kept)]
        expected, kept_too, before = wide[0].copy(), [k.copy() for k in kept], wide[1].copy()
        for _ in range(3):
            by_hand(expected[:: steps[0]][:n], g, *kept_too, *numbers)
            update(theta, g, tuple(kept), *numbers)
        assert wide[0].tobytes() == expected.tobytes()
        assert wide[1].tobytes() == before.tobytes()
        assert [k.tobytes() for k in kept] == [k.tobytes() for k in kept_too]


@pytest.mark.parametrize("step", [1, 3, -2])
@both_dtypes
@each_variant
def test_scaling_is_in_double_precision(step: int, dtype: type, variant: int) -> None:
    g = np.random.default_rng(1).normal(size=300).astype(dtype)
    expected = g.copy()
    part = expected[::step]
    part[...] = part.astype(np.float64) * (3e29 / 1e30)
    _updates.scale(g[::step], 1e30, 3e29, variant)
    assert g.tobytes() == expected.tobytes()


@pytest.mark.parametrize("step", [1, 2])
@each_variant
def test_scaling_by_a_factor_that_is_no_normal_number(step: int, variant: int) -> None:
    g = np.array([3e300, 0, -4e300, 0])
    _updates.scale(g[::step], 5e300, 1e-20, variant)
    np.testing.assert_array_max_ulp(g[::2], np.array([6e-21, -8e-21]), 2)


@pytest.mark.parametrize("step", [1, 3, -2])
@both_dtypes
@each_variant
def test_squares_are_summed_in_one_order(step: int, dtype: type, variant: int) -> None:
    """In blocks of 4,096, each in 32 sums that meet in a tree: the tail goes to the first."""
    for n in (0, 1, 31, 33, 4096, 4096 + 40, 3 * 4096):
        g = np.random.default_rng(n).normal(size=3 * n).astype(dtype)[::step][:n]
        for divisor in (1.0, 3.0):
            total = 0.0
            for start in range(0, n, 4096):
                block = (g[start : start + 4096].astype(np.float64) / divisor) ** 2
                block = np.append(block, np.zeros(-block.size % 32)).reshape(-1, 32)
                sums = np.add.accumulate(block, axis=0)[-1]
                while sums.size > 1:
                    sums = sums[: sums.size // 2] + sums[sums.size // 2 :]
                total += float(sums[0])
            assert _updates.sum_of_squares(g, divisor, variant) == total


@both_dtypes
@each_variant
def test_within(dtype: type, variant: int) -> None:
    limit = 7.0
    for n in (1, 16, 67):
        g = np.resize(np.array([limit, -limit, 0, -0.0], dtype), n)
        assert _updates.within(g, limit, variant)
        beyond = [np.nextafter(dtype(7), dtype(8)), np.nan, np.inf]
        for value in [*beyond, *(-v for v in beyond)]:
            for place in {0, n // 2, n - 1}:
                wrong = g.copy()
                wrong[place] = value
                assert not _updates.within(wrong, limit, variant)
                assert _updates.within(wrong[n:], limit, variant)
                spread = np.full(2 * n, np.nan, dtype)
                spread[::2] = wrong
                assert not _updates.within(spread[::2], limit, variant)
                spread[::2] = g
                assert _updates.within(spread[::2], limit, variant)


def test_the_updates_that_there_are() -> None:
    assert len(VARIANTS) >= 1
    with pytest.raises(KeyError, match="newton"):
        _updates.Update("newton")
