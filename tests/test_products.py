"""The core's products and sums of rows, to the bit: on whole numbers no order of a sum matters.

Every array lies between guards. Those of the inputs are NaN, which would spread from whatever was
read there; those of the results must be left as they were. The sizes are those around which the
kernels change what they do: strips and blocks of rows, panels of columns, blocks of terms; and the
core, which stops now and then in a product of many rows.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from cybptt import _core

DTYPES = [np.float32, np.float64]
GUARD = 64

# For any instruction set: strips of at most 6 or 12 rows in blocks of 96; panels of 4 to 32
# columns, four at once for a single row; 256 terms at a time.
ROWS = [1, 2, 5, 6, 7, 12, 13, 95, 96, 97, 98, 193]
TERMS = [0, 1, 2, 255, 256, 257, 511, 513]
COLUMNS = [1, 3, 4, 5, 8, 9, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 96, 127, 128, 129]
SIZES = [
    *itertools.product(ROWS, [3], COLUMNS),
    *itertools.product([1, 7], TERMS, COLUMNS),
    *itertools.product(ROWS, TERMS, [17]),
    *itertools.product([3071, 3072, 3073, 6145], [3], [5]),
]


def guarded(values: Any, guard: float) -> tuple[Any, Any]:
    """A copy of an array between guards, and all of its memory."""
    memory = np.full(values.size + 2 * GUARD, guard, values.dtype)
    array = memory[GUARD : GUARD + values.size].reshape(values.shape)
    array[...] = values
    return array, memory


def whole_numbers(rng: np.random.Generator, dtype: Any, *shape: int) -> Any:
    """Whole numbers so small that float32 holds every sum of their products."""
    return guarded(rng.integers(-9, 10, shape).astype(dtype), np.nan)[0]


def assert_writes(function: Any, arguments: list[Any], start: Any, expected: Any) -> None:
    """The function makes `expected` of `start`, its last argument, and writes nowhere else."""
    out, memory = guarded(start, 12345)
    function(*arguments, out)
    np.testing.assert_array_equal(out, expected)
    assert (memory[:GUARD] == 12345).all()
    assert (memory[GUARD + out.size :] == 12345).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_affine(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    for m, k, n in SIZES:
        x, weights = whole_numbers(rng, dtype, m, k), whole_numbers(rng, dtype, n, k)
        bias, start = whole_numbers(rng, dtype, n), whole_numbers(rng, dtype, m, n)
        product = x @ weights.T
        assert_writes(_core.affine, [x, weights, bias], start, bias + product)
        assert_writes(_core.affine, [x, weights, None], start, start + product)


@pytest.mark.parametrize("dtype", DTYPES)
def test_add_pullback(dtype: Any) -> None:
    rng = np.random.default_rng(1)
    for m, n, k in SIZES:
        gradient, weights = whole_numbers(rng, dtype, m, n), whole_numbers(rng, dtype, n, k)
        start = whole_numbers(rng, dtype, m, k)
        assert_writes(_core.add_pullback, [gradient, weights], start, start + gradient @ weights)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("H", [*COLUMNS, 2, 12, 20, 24, 40, 56, 80, 257])
def test_one_row(H: int, dtype: Any) -> None:
    """A batch of one has a product of its own, which takes W forwards and backwards in turn."""
    rng = np.random.default_rng(5)
    identity = _core.function("identity")
    counts = np.ones(3, np.intp)
    W = guarded(rng.integers(-1, 2, (H, H)).astype(dtype), np.nan)[0]
    h0, *a = whole_numbers(rng, dtype, 4, H)
    nodes = [h0]
    for a_t in a:
        nodes.append(a_t + W @ nodes[-1])

    def forward(h: Any) -> None:
        _core.forward(counts, h, h[1:], identity, W)

    start = np.array([h0, *a])
    assert_writes(forward, [], start, np.array(nodes))

    cotangents = whole_numbers(rng, dtype, 4, H)
    ones, grad_a = np.ones((3, H), dtype), np.zeros((3, H), dtype)
    expected = cotangents.copy()
    for t in (2, 1, 0):
        expected[t] += W.T @ expected[t + 1]

    def backward(grad_h: Any) -> None:
        _core.backward(counts, grad_h, grad_a, ones, W)

    assert_writes(backward, [], cotangents, expected)
    np.testing.assert_array_equal(grad_a, expected[1:])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_blocks", [1, 3])
def test_add_outer(dtype: Any, n_blocks: int) -> None:
    rng = np.random.default_rng(2)
    for m, N, n in SIZES:
        blocks = np.sort(np.append(rng.integers(0, N + 1, n_blocks - 1), [0, N]))
        left, right = whole_numbers(rng, dtype, N, m), whole_numbers(rng, dtype, N, n)
        start = whole_numbers(rng, dtype, m, n)
        assert_writes(_core.add_outer, [blocks, left, right], start, start + left.T @ right)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_blocks", [1, 3])
def test_add_rows(dtype: Any, n_blocks: int) -> None:
    rng = np.random.default_rng(3)
    for N, n in itertools.product(TERMS, COLUMNS):
        blocks = np.sort(np.append(rng.integers(0, N + 1, n_blocks - 1), [0, N]))
        rows, start = whole_numbers(rng, dtype, N, n), whole_numbers(rng, dtype, n)
        assert_writes(_core.add_rows, [blocks, rows], start, start + rows.sum(axis=0))


@pytest.mark.parametrize("dtype", DTYPES)
def test_gather_and_scatter(dtype: Any) -> None:
    rng = np.random.default_rng(4)
    for N, n_tokens, H in itertools.product([0, 1, 40], [1, 7], [1, 5, 16, 33]):
        tokens = rng.integers(0, n_tokens, N)
        columns, bias = whole_numbers(rng, dtype, n_tokens, H), whole_numbers(rng, dtype, H)
        start = whole_numbers(rng, dtype, N, H)
        assert_writes(_core.gather, [tokens, columns, bias], start, bias + columns[tokens])
        rows = whole_numbers(rng, dtype, N, H)
        start = whole_numbers(rng, dtype, n_tokens, H)
        expected = start.copy()
        np.add.at(expected, tokens, rows)
        assert_writes(_core.scatter, [tokens, rows], start, expected)
