"""The kernels: what a row's result depends on, rounding, what is not finite, every instruction set.

That they compute what they should, for all sizes around their edges, is in test_products.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cybptt import _core

DTYPES = [np.float32, np.float64]
HERE = Path(__file__).parent

# Around strips, blocks of rows, panels and blocks of terms of any instruction set.
ROWS = [1, 2, 3, 6, 7, 12, 13, 24, 25, 96, 97, 193]
TERMS = [1, 3, 31, 256, 257]
COLUMNS = [1, 5, 16, 33, 64, 65, 128, 129]


def random(rng: np.random.Generator, dtype: Any, *shape: int) -> Any:
    return rng.standard_normal(shape).astype(dtype)


def affine(x: Any, weights: Any, bias: Any) -> Any:
    out = np.full((len(x), len(weights)), np.nan, x.dtype)
    _core.affine(x, weights, bias, out)
    return out


def add_pullback(gradient: Any, weights: Any, start: Any) -> Any:
    out = start.copy()
    _core.add_pullback(gradient, weights, out)
    return out


def assert_bits(actual: Any, expected: Any, what: object) -> None:
    assert actual.tobytes() == expected.tobytes(), what


# ---------------------------------------------------------------------- what a row depends on


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_row_has_the_same_bits_among_any_other_rows(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    most = ROWS[-1]
    for k, n in itertools.product(TERMS, COLUMNS):
        x, weights, bias = (
            random(rng, dtype, most, k),
            random(rng, dtype, n, k),
            random(rng, dtype, n),
        )
        gradient, start = random(rng, dtype, most, n), random(rng, dtype, most, k)
        whole, pulled = affine(x, weights, bias), add_pullback(gradient, weights, start)
        for m in ROWS:
            first = int(rng.integers(0, most - m + 1))
            rows = slice(first, first + m)
            assert_bits(affine(x[rows], weights, bias), whole[rows], (m, k, n))
            some = add_pullback(gradient[rows], weights, start[rows])
            assert_bits(some, pulled[rows], (m, k, n))
        order = rng.permutation(most)
        assert_bits(affine(x[order], weights, bias), whole[order], (k, n))


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_that_are_not_finite_do_no_harm_to_others(dtype: Any) -> None:
    rng = np.random.default_rng(1)
    for m, k, n in itertools.product([2, 7, 25, 97], [1, 31, 257], [1, 5, 33]):
        x, weights, bias = random(rng, dtype, m, k), random(rng, dtype, n, k), random(rng, dtype, n)
        expected = affine(x, weights, bias)
        bad = int(rng.integers(0, m))
        x[bad] = [np.nan, np.inf, -np.inf][bad % 3]
        others = np.arange(m) != bad
        actual = affine(x, weights, bias)
        assert_bits(actual[others], expected[others], (m, k, n))
        assert not np.isfinite(actual[bad]).any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_not_finite_goes_through_as_numpys(dtype: Any) -> None:
    values = np.array([0, -0.0, 1, -1, np.inf, -np.inf, np.nan], dtype)
    x, weights = values[:, None], values[:, None]
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(affine(x, weights, np.zeros(7, dtype)), x @ weights.T)
    # 0 times infinity is NaN, wherever it stands: zeros are not passed over.
    for k in (1, 8, 40, 300):
        x, weights = np.zeros((3, k), dtype), np.ones((5, k), dtype)
        weights[2, k // 2] = np.inf
        assert np.isnan(affine(x, weights, np.zeros(5, dtype))).sum(axis=1).tolist() == [1, 1, 1]


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_smallest_numbers_are_kept(dtype: Any) -> None:
    tiny = np.finfo(dtype).smallest_subnormal
    for m, n in itertools.product([1, 7], [1, 40]):
        x, weights = np.full((m, 3), 3 * tiny), np.ones((n, 3), dtype)
        assert (affine(x, weights, np.full(n, tiny, dtype)) == 10 * tiny).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("O", [1, 2, 3, 4, 5, 8, 15, 16, 17, 33, 128, 129])
def test_the_largest_of_a_row_wherever_it_stands(O: int, dtype: Any) -> None:
    # It is taken out before anything is raised to its power: else this were infinite.
    o = np.zeros((O, O), dtype)
    np.fill_diagonal(o, 1e5)
    expected = np.eye(O, dtype=dtype)
    assert_bits(_core.function("softmax")(o), expected, "softmax")
    labels = np.zeros(O, np.intp)
    value, gradient = _core.loss_function("softmax_nll", "value").both(o, labels)
    assert value.tolist() == [0] + [1e5] * (O - 1)
    expected[:, 0] -= 1
    assert_bits(gradient, expected, "gradient")


# ---------------------------------------------------------------------- sums over time


@pytest.mark.parametrize("dtype", DTYPES)
def test_blocks_one_after_another_are_the_sum_of_all(dtype: Any) -> None:
    # What a pass back through time, segment by segment, relies on: the last block is added first.
    rng = np.random.default_rng(2)
    for m, n in itertools.product([1, 5, 33], [1, 4, 31, 64]):
        N = 700
        blocks = np.array([0, 100, 100, 356, 600, N])
        left, right = random(rng, dtype, N, m), random(rng, dtype, N, n)
        whole, rows = np.zeros((m, n), dtype), np.zeros(n, dtype)
        _core.add_outer(blocks, left, right, whole)
        _core.add_rows(blocks, right, rows)
        for cut in (1, 3, 4):
            parts, sums = np.zeros((m, n), dtype), np.zeros(n, dtype)
            at = int(blocks[cut])
            for where, ends in (
                (slice(at, N), blocks[cut:] - at),
                (slice(0, at), blocks[: cut + 1]),
            ):
                _core.add_outer(ends, left[where], right[where], parts)
                _core.add_rows(ends, right[where], sums)
            assert_bits(parts, whole, (m, n, cut))
            assert_bits(sums, rows, (m, n, cut))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_long_sum_is_rounded_little(dtype: Any) -> None:
    # By blocks, the error grows with their number and with their length, not with the product.
    rng = np.random.default_rng(3)
    N, eps = 100_000, np.finfo(dtype).eps
    blocks = np.append(np.arange(0, N, 256), N)
    left, right = rng.random((N, 2)).astype(dtype), rng.random((N, 3)).astype(dtype)
    out, rows = np.zeros((2, 3), dtype), np.zeros(3, dtype)
    _core.add_outer(blocks, left, right, out)
    _core.add_rows(blocks, right, rows)
    exact = left.astype(np.longdouble).T @ right.astype(np.longdouble)
    assert np.abs(out / exact - 1).max() < 50 * eps
    assert np.abs(rows / right.sum(axis=0, dtype=np.longdouble) - 1).max() < 50 * eps


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [1, 10, 256, 257, 5000])
def test_a_product_is_rounded_little(k: int, dtype: Any) -> None:
    rng = np.random.default_rng(4)
    x, weights, bias = random(rng, dtype, 9, k), random(rng, dtype, 20, k), random(rng, dtype, 20)
    exact = x.astype(np.longdouble) @ weights.astype(np.longdouble).T + bias
    size = np.abs(x).astype(np.longdouble) @ np.abs(weights).T + np.abs(bias)
    assert (
        np.abs(affine(x, weights, bias) - exact) < 10 * np.sqrt(k) * np.finfo(dtype).eps * size
    ).all()


# ---------------------------------------------------------------------- sizes of 0, and refusals


@pytest.mark.parametrize("dtype", DTYPES)
def test_sizes_of_0(dtype: Any) -> None:
    for m, k, n in itertools.product([0, 1, 3], repeat=3):
        x, weights, bias = np.ones((m, k), dtype), np.ones((n, k), dtype), np.ones(n, dtype)
        assert (affine(x, weights, bias) == 1 + k).all()
        assert (add_pullback(np.ones((m, n), dtype), weights, x) == 1 + n).all()
        out, rows = np.ones((n, k), dtype), np.ones(k, dtype)
        for blocks in ([0, m], [0, 0, m, m], [0], []):
            added = m if len(blocks) > 1 else 0
            out[...], rows[...] = 1, 1
            ends = np.array(blocks, np.intp)
            _core.add_outer(ends, np.ones((m, n), dtype), x, out)
            _core.add_rows(ends, x, rows)
            assert (out == 1 + added).all()
            assert (rows == 1 + added).all()
        gathered = np.zeros((m, n), dtype)
        tokens = np.zeros(m, np.intp)
        _core.gather(tokens, np.ones((3, n), dtype), bias, gathered)
        assert (gathered == 2).all()
        scattered = np.zeros((3, n), dtype)
        _core.scatter(tokens, gathered, scattered)
        assert (scattered[0] == 2 * m).all()
        assert not scattered[1:].any()


def test_none_in_the_place_of_an_array_is_refused() -> None:
    array, labels = np.ones((1, 1)), np.zeros(1, np.intp)
    for function, arguments in (
        (_core.affine, [array, array, np.ones(1), array]),
        (_core.add_pullback, [array, array, array]),
        (_core.gather, [labels, array, np.ones(1), array]),
        (_core.scatter, [labels, array, array]),
        (_core.add_outer, [labels, array, array, array]),
        (_core.add_rows, [labels, array, np.ones(1)]),
        (_core.forward, [labels, array, array, _core.function("tanh")]),
        (_core.backward, [labels, array, array, array]),
    ):
        for i in range(len(arguments)):
            if function is _core.affine and i == 2:
                continue  # without a bias, what is there is added to
            with pytest.raises((TypeError, ValueError)):
                function(*arguments[:i], None, *arguments[i + 1 :])


# ---------------------------------------------------------------------- instruction sets


def in_a_process(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_best_instruction_set_is_taken() -> None:
    code = "from cybptt import _core; print(_core.kernels_in_use, *_core.kernels_available)"
    environment = {name: value for name, value in os.environ.items() if name != "CYBPTT_KERNELS"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    best, *available = done.stdout.split()
    assert best == available[0]
    assert tuple(available) == _core.kernels_available
    assert available[-1] == "baseline"  # which every machine has


SELF_CHECK = """
import numpy as np, cybptt
from cybptt import _core
assert _core.kernels_in_use == {kernels!r}
rng = np.random.default_rng(0)
for dtype in (np.float32, np.float64):
    for m, k, n in [(1, 3, 5), (7, 257, 33), (25, 31, 129), (97, 256, 64), (2, 0, 1)]:
        x, w = (rng.integers(-9, 10, shape).astype(dtype) for shape in ((m, k), (n, k)))
        out = np.ones((m, n), dtype)
        _core.affine(x, w, np.full(n, 2, dtype), out)
        assert (out == 2 + x @ w.T).all()
        _core.add_pullback(out, w, x)
    for name in cybptt.activations.names():
        rnn = cybptt.RNN(5, 37, 4, activation=name, recurrence="both")
        x, y = rng.standard_normal((9, 6, 5)), rng.integers(0, 4, (9, 6))
        h0 = rng.standard_normal((6, 37))
        options = dict(h0=h0, teacher_forcing=0.5, seed=0)
        loss, grad = rnn.value_and_grad(rnn.init(0, dtype), x, y, **options)
        print(name, float(loss), *np.asarray(grad.vector, float)[::97])
"""


def test_every_instruction_set_passes_a_check_and_agrees_with_the_others() -> None:
    results: dict[str, list[Any]] = {}
    for kernels in _core.kernels_available:
        done = in_a_process(SELF_CHECK.format(kernels=kernels), CYBPTT_KERNELS=kernels)
        assert done.returncode == 0, f"{kernels}: {done.stderr}"
        lines = [line.split() for line in done.stdout.splitlines()]
        results[kernels] = [(name, np.array(list(map(float, values)))) for name, *values in lines]
    first = results.pop(_core.kernels_available[0])
    assert len(first) > 20
    for kernels, other in results.items():
        for i, ((name, a), (_, b)) in enumerate(zip(first, other, strict=True)):
            narrow = i < len(first) // 2
            np.testing.assert_allclose(
                a, b, rtol=2e-3 if narrow else 1e-11, atol=1e-4 if narrow else 1e-12,
                err_msg=f"{kernels}, {name}",
            )  # fmt: skip


@pytest.mark.parametrize("name", ["avx9000", "Baseline", " ", "baseline,avx2", "\u00e9"])
def test_an_unknown_instruction_set_is_refused(name: str) -> None:
    done = in_a_process("import cybptt; cybptt.RNN", CYBPTT_KERNELS=name)
    assert done.returncode == 1
    assert f"ImportError: CYBPTT_KERNELS: got {name!r}, need one of " in done.stderr
    assert "baseline" in done.stderr


def test_functions_are_equal_by_name_and_parameter() -> None:
    function = _core.function
    assert function("elu", 0.5) == function("elu", 0.5)
    assert hash(function("elu", 0.5)) == hash(function("elu", 0.5))
    assert function("elu", 0.5) != function("elu", 0.25)
    assert function("elu", 0.5) != function("elu_derivative", 0.5)
    loss = _core.loss_function
    assert loss("huber", "value", 2.0) == loss("huber", "value", 2.0)
    assert loss("huber", "value", 2.0) != loss("huber", "value", 1.0)
    assert loss("huber", "value", 2.0) != loss("huber", "gradient", 2.0)
