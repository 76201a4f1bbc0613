"""Large arrays go through the C functions in several parts: the same as row by row, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cybptt import _core

ROWS, COLS = 60_001, 13  # three parts, the last one short


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "n_in"), [("tanh", 1), ("softmax", 1), ("softmax_vjp", 3)])
def test_a_function_of_many_rows(name: str, n_in: int, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(ROWS, COLS)).astype(dtype) for _ in range(n_in)]
    function = _core.function(name)
    whole = function(*arrays)
    for rows in (slice(0, 7), slice(20_160, 20_170), slice(40_300, 40_400), slice(ROWS - 5, ROWS)):
        assert (whole[rows] == function(*(array[rows] for array in arrays))).all()


@pytest.mark.parametrize("part", ["value", "gradient"])
@pytest.mark.parametrize("name", ["softmax_nll", "squared_error"])
def test_a_loss_of_many_rows(name: str, part: str) -> None:
    rng = np.random.default_rng(0)
    o = rng.normal(size=(ROWS, COLS))
    y = rng.integers(COLS, size=ROWS) if name == "softmax_nll" else rng.normal(size=o.shape)
    function = _core.loss_function(name, part)
    whole = function(o, y)
    for rows in (slice(0, 7), slice(20_160, 20_170), slice(40_300, 40_400), slice(ROWS - 5, ROWS)):
        assert (whole[rows] == function(o[rows], y[rows])).all()


def test_products_of_many_rows() -> None:
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=(7000, 5)), rng.normal(size=(3, 5))
    out, bias = np.empty((7000, 3)), rng.normal(size=3)
    _core.affine(x, weights, bias, out)
    np.testing.assert_allclose(out, bias + x @ weights.T, rtol=1e-13, atol=1e-13)
    back = np.ones((7000, 5))
    _core.add_pullback(out, weights, back)
    np.testing.assert_allclose(back, 1 + out @ weights, rtol=1e-12, atol=1e-12)
