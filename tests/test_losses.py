"""The losses: exact to a stated number of roundings, and good plugins.

All that are registered go through the same tests; the built-in ones are held against mpmath too.
"""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf
from numpy_plugins import nll, softmax, softmax_vjp

import cybptt
from cybptt import _core, losses
from cybptt._plugin_checks import check_loss

DTYPES = (np.float32, np.float64)
NAMES = losses.names()
MADE = [*NAMES, "huber(0.25)", "huber(3.0)"]

# Rows of so many outputs: around the sixteen lanes of a sum, and the tiles of softmax.
OUTPUTS = (1, 2, 3, 15, 16, 17, 33, 65, 2047, 2048, 2049)


def draw(name: str, n: int, outputs: int, dtype: Any, seed: int = 0) -> tuple[Any, Any]:
    """o (n, outputs), and targets that suit the loss."""
    rng = np.random.default_rng(seed)
    loss = losses.get(name)
    o = rng.normal(0, 3, (n, outputs)).astype(dtype)
    if loss.targets == "classes":
        return o, rng.integers(outputs, size=n)
    low, high = loss.target_range
    return o, np.clip(rng.normal(0.5, 1, (n, outputs)), low, high).astype(dtype)


# ---------------------------------------------------------------------- exact values

# A term of each loss, and what its rounding errors are measured in: the sizes of its parts.
Exact = Callable[[Any, Any], Any]


def softplus(x: Any) -> Any:
    return max(x, mpf(0)) + mp.log1p(mp.exp(-abs(x)))


def exact_huber(delta: float) -> Exact:
    def term(o: Any, y: Any) -> Any:
        d = abs(o - y)
        return d * d / 2 if d <= delta else delta * (d - mpf(delta) / 2)

    return term


TERMS: dict[str, Exact] = {
    "squared_error": lambda o, y: (o - y) ** 2 / 2,
    "bernoulli_nll": lambda o, y: softplus(o) - y * o,
    "poisson_nll": lambda o, y: mp.exp(o) - y * o,
    "huber": exact_huber(1.0),
    "huber(0.25)": exact_huber(0.25),
    "huber(3.0)": exact_huber(3.0),
}
SIZES: dict[str, Exact] = {
    "bernoulli_nll": lambda o, y: softplus(o) + abs(y * o),
    "poisson_nll": lambda o, y: mp.exp(o) + abs(y * o),
}


def exact_nll(o: list[Any], y: int) -> Any:
    return mp.log(sum(mp.exp(v) for v in o)) - o[y]


def exact_softmax(o: list[Any]) -> list[Any]:
    e = [mp.exp(v) for v in o]
    total = sum(e)
    return [v / total for v in e]


def high(array: Any) -> list[Any]:
    """Floats as mpmath's numbers."""
    return [mpf(float(v)) for v in np.ravel(array)]


def test_the_tables_name_every_built_in_loss() -> None:
    built_in = [n for n in NAMES if isinstance(losses.get(n).value, _core.LossFunction)]
    assert built_in == ["softmax_nll", "squared_error", "bernoulli_nll", "poisson_nll", "huber"]
    assert {"softmax_nll", *TERMS} == set(MADE)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TERMS)
def test_values_and_gradients_of_values(name: str, dtype: Any) -> None:
    eps = np.finfo(dtype).eps
    o, y = draw(name, 60, 5, dtype)
    value, gradient = losses.get(name).value(o, y), losses.get(name).gradient(o, y)
    term, size = TERMS[name], SIZES.get(name, TERMS[name])
    for n in range(60):
        pairs = list(zip(high(o[n]), high(y[n]), strict=True))
        wanted = sum(term(a, b) for a, b in pairs)
        # At most three roundings to a term, and as many to add five of them; measured: 1.6.
        assert abs(mpf(float(value[n])) - wanted) <= 3 * eps * sum(size(a, b) for a, b in pairs)
        for j, (a, b) in enumerate(pairs):
            slope = mp.diff(lambda v, b=b: term(v, b), a)
            off = abs(mpf(float(gradient[n, j])) - slope)
            link = mp.exp(a) if name == "poisson_nll" else mpf(1)
            assert off <= 2 * eps * max(link, abs(b), abs(slope)), (n, j)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("outputs", [1, 2, 7, 40])
def test_softmax_nll(outputs: int, dtype: Any) -> None:
    eps = float(np.finfo(dtype).eps)
    least = float(np.finfo(dtype).smallest_subnormal)
    loss = losses.get("softmax_nll")
    o, y = draw("softmax_nll", 40, outputs, dtype)
    o[::5] *= 10
    value, gradient, y_hat = loss.value(o, y), loss.gradient(o, y), loss.link(o)
    for n in range(40):
        row = high(o[n])
        wanted = exact_nll(row, y[n])
        assert abs(mpf(float(value[n])) - wanted) <= 3 * eps * (1 + wanted)
        probabilities = exact_softmax(row)
        # o − max o is rounded before exp multiplies that.
        far = 3 + np.ptp(o[n])
        for j, p in enumerate(probabilities):
            assert abs(mpf(float(y_hat[n, j])) - p) <= far * eps * p + least
            off = abs(mpf(float(gradient[n, j])) - (p - (j == y[n])))
            assert off <= eps * (1 if j == y[n] else 0) + far * eps * p + least


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("outputs", OUTPUTS)
def test_the_gradient_of_softmax_nll_is_equation_10_18(outputs: int, dtype: Any) -> None:
    """To the bit: ŷ, less 1 at the label."""
    loss = losses.get("softmax_nll")
    o, y = draw("softmax_nll", 50, outputs, dtype)
    wanted = loss.link(o)
    wanted[np.arange(50), y] -= 1
    np.testing.assert_array_equal(loss.gradient(o, y), wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("outputs", OUTPUTS)
def test_softmax_of_rows_of_any_length(outputs: int, dtype: Any) -> None:
    o, y = draw("softmax_nll", 30, outputs, dtype)
    e = np.exp(o.astype(np.float64) - o.max(axis=1, keepdims=True))
    total = e.sum(axis=1)
    eps = np.finfo(dtype).eps
    loss = losses.get("softmax_nll")
    np.testing.assert_allclose(loss.link(o), e / total[:, None], rtol=40 * eps)
    np.testing.assert_allclose(loss.link(o).sum(axis=1), 1, rtol=40 * eps)
    wanted = np.log(total) - np.log(e[np.arange(30), y])
    np.testing.assert_allclose(loss.value(o, y), wanted, rtol=10 * eps, atol=10 * eps)


# ---------------------------------------------------------------------- extremes


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [88.8, 104.0, 710.0, 746.0, 1e8, 1e30])
def test_large_logits_neither_overflow_nor_lose_the_gradient(size: float, dtype: Any) -> None:
    loss = losses.get("softmax_nll")
    o = np.array([[size, -size, 0], [size, -size, 0], [-size] * 3, [size] * 3], dtype)
    y = np.array([0, 1, 2, 0])
    third, log_3 = dtype(1) / 3, np.log(dtype(3))
    twice = o[0, 0] - o[0, 1]
    np.testing.assert_allclose(loss.value(o, y), [0, twice, log_3, log_3], rtol=3e-7)
    assert loss.value(o, y)[:2].tolist() == [0, twice]
    wanted = [[0, 0, 0], [1, -1, 0], [third, third, third - 1], [third - 1, third, third]]
    np.testing.assert_allclose(loss.gradient(o, y), wanted, atol=2 * np.finfo(dtype).eps)
    np.testing.assert_allclose(loss.link(o)[:2], [[1, 0, 0]] * 2, atol=1e-30)


@pytest.mark.parametrize("dtype", DTYPES)
def test_large_logits_of_bernoulli_nll(dtype: Any) -> None:
    loss = losses.get("bernoulli_nll")
    o = np.array([[1e8], [1e8], [-1e8], [-1e8], [0]], dtype)
    y = np.array([[1], [0], [1], [0], [0.5]], dtype)
    np.testing.assert_allclose(loss.value(o, y), [0, 1e8, 1e8, 0, math.log(2)], rtol=1e-7)
    assert loss.gradient(o, y).ravel().tolist() == [0, 1, -1, 0, 0]
    # Where the loss is small it keeps its last places: it is e^-o.
    o = np.array([[20.0], [60.0], [80.0]], dtype)
    wanted = np.exp(-o[:, 0])
    np.testing.assert_allclose(loss.value(o, np.ones_like(o)), wanted, rtol=3e-7)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("delta", [0.25, 1.0, 3.0])
def test_huber_at_delta_and_beyond(delta: float, dtype: Any) -> None:
    loss = losses.huber(delta)
    d = np.array([0, delta / 2, delta, 2 * delta, 1e10 * delta], dtype)
    wanted = delta**2 * np.array([0, 1 / 8, 1 / 2, 3 / 2, 1e10])
    slopes = delta * np.array([0, 1 / 2, 1, 1, 1])
    for sign in (1, -1):
        o = (sign * d)[:, None]
        y = np.zeros_like(o)
        np.testing.assert_allclose(loss.value(o, y), wanted, rtol=3e-7)
        np.testing.assert_allclose(loss.gradient(o, y)[:, 0], sign * slopes, rtol=3e-7)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_nan_in_a_row_is_that_rows_alone(name: str, dtype: Any) -> None:
    loss = losses.get(name)
    o, y = draw(name, 9, 20, dtype)
    value, gradient = loss.value(o, y), loss.gradient(o, y)
    o[4, 17] = np.nan
    after, slope = loss.value(o, y), loss.gradient(o, y)
    assert np.isnan(after[4])
    assert np.isnan(slope[4, 17])
    others = np.arange(9) != 4
    np.testing.assert_array_equal(after[others], value[others])
    np.testing.assert_array_equal(slope[others], gradient[others])


# ---------------------------------------------------------------------- identities


@given(seed=st.integers(0, 10**6), outputs=st.integers(1, 40), shift=st.floats(-1e3, 1e3))
def test_softmax_nll_identities(seed: int, outputs: int, shift: float) -> None:
    loss = losses.get("softmax_nll")
    o, y = draw("softmax_nll", 6, outputs, np.float64, seed)
    value, gradient = loss.value(o, y), loss.gradient(o, y)
    assert (value >= 0).all()
    np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-14)  # ŷ and the one-hot sum to 1
    np.testing.assert_allclose(loss.value(o + shift, y), value, atol=1e-11)
    order = np.random.default_rng(seed).permutation(outputs)
    place = np.argsort(order)
    np.testing.assert_allclose(loss.value(o[:, order], place[y]), value, atol=1e-13)
    np.testing.assert_allclose(loss.gradient(o[:, order], place[y]), gradient[:, order], atol=1e-14)


@given(seed=st.integers(0, 10**6), outputs=st.integers(0, 40))
def test_bernoulli_nll_is_the_same_with_0_and_1_exchanged(seed: int, outputs: int) -> None:
    loss = losses.get("bernoulli_nll")
    o, y = draw("bernoulli_nll", 6, outputs, np.float64, seed)
    np.testing.assert_allclose(loss.value(-o, 1 - y), loss.value(o, y), atol=1e-12)
    np.testing.assert_allclose(loss.gradient(-o, 1 - y), -loss.gradient(o, y), atol=1e-15)


# ---------------------------------------------------------------------- on arrays


def parts(name: str, o: Any, y: Any) -> dict[str, Callable[[Any], Any]]:
    """Each function of a loss as one of the rows that are chosen."""
    loss = losses.get(name)
    made = {
        "value": lambda rows: loss.value(o[rows], y[rows]),
        "gradient": lambda rows: loss.gradient(o[rows], y[rows]),
    }
    if loss.link is not None:
        y_hat, v = loss.link(o), np.flip(o).copy()
        made["link"] = lambda rows: loss.link(o[rows])
        made["link_vjp"] = lambda rows: loss.link_vjp(o[rows], y_hat[rows], v[rows])
    if loss.mode is not None:
        made["mode"] = lambda rows: loss.mode(o[rows])
    return made


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("name", MADE)
def test_a_row_does_not_depend_on_the_others(name: str, outputs: int, dtype: Any) -> None:
    n = 2100 // outputs + 3  # more than a tile
    o, y = draw(name, n, outputs, dtype)
    for part, of_rows in parts(name, o, y).items():
        whole = of_rows(np.arange(n))
        some = range(n) if n < 50 else [*range(20), *range(n // 2, n // 2 + 9), *range(n - 9, n)]
        for row in some:
            np.testing.assert_array_equal(of_rows([row])[0], whole[row], err_msg=part)
        np.testing.assert_array_equal(of_rows(np.arange(n)[::-1]), whole[::-1], err_msg=part)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_shape_and_dtype_are_kept(name: str, dtype: Any) -> None:
    loss = losses.get(name)
    for n, outputs in ((0, 3), (1, 1), (5, 1), (1, 5), (3, 4)):
        o, y = draw(name, n, outputs, dtype)
        value, gradient = loss.value(o, y), loss.gradient(o, y)
        assert (value.shape, value.dtype) == ((n,), dtype)
        assert (gradient.shape, gradient.dtype) == ((n, outputs), dtype)
        if loss.link is not None:
            y_hat = loss.link(o)
            assert (y_hat.shape, y_hat.dtype) == ((n, outputs), dtype)
    if loss.targets == "values":
        nothing = np.empty((4, 0), dtype)
        assert loss.value(nothing, nothing).tolist() == [0] * 4
        assert loss.gradient(nothing, nothing).shape == (4, 0)


@pytest.mark.parametrize("name", NAMES)
def test_the_layout_of_the_input_does_not_matter(name: str) -> None:
    loss = losses.get(name)
    o, y = draw(name, 6, 8, np.float64)
    given_o, given_y = o.copy(), y.copy()
    wanted = loss.value(o, y), loss.gradient(o, y)
    narrow = y.astype(np.int8) if loss.targets == "classes" else np.asfortranarray(y)
    for other in (np.asfortranarray(o), np.repeat(o, 2, 1)[:, ::2], o.astype(">f8")):
        other.flags.writeable = False
        for targets in (y, narrow, np.repeat(y, 2, 0)[::2]):
            np.testing.assert_array_equal(loss.value(other, targets), wanted[0])
            np.testing.assert_array_equal(loss.gradient(other, targets), wanted[1])
    np.testing.assert_array_equal(o, given_o)
    np.testing.assert_array_equal(y, given_y)


@pytest.mark.parametrize("part", ["value", "gradient"])
@pytest.mark.parametrize("label", [-1, 3, 2**40, -(2**40)])
def test_a_label_out_of_range_never_reaches_the_kernel(part: str, label: int) -> None:
    function = getattr(losses.get("softmax_nll"), part)
    with pytest.raises(ValueError, match=f"^y: got .*{label}"):
        function(np.zeros((4, 3)), np.array([0, label, 1, 2]))


# ---------------------------------------------------------------------- as plugins


@pytest.mark.parametrize("name", MADE)
def test_what_is_registered_passes_the_check(name: str) -> None:
    check_loss(losses.get(name))


@pytest.mark.parametrize("name", MADE)
def test_a_plugin_is_one_value(name: str) -> None:
    plugin = losses.get(name)
    assert plugin.name == name
    assert losses.registered(plugin)
    assert pickle.loads(pickle.dumps(plugin)) == plugin
    assert b"value" not in pickle.dumps(plugin)  # by name alone
    assert eval(repr(plugin), {"cybptt": cybptt}) == plugin
    assert copy.copy(plugin) is copy.deepcopy(plugin) is plugin
    assert plugin == losses.get(name)
    assert hash(plugin) == hash(losses.get(name))
    assert plugin != cybptt.Loss(name, np.add, np.add)
    assert plugin != name
    assert cybptt.RNN(1, 2, 1, loss=name) == cybptt.RNN(1, 2, 1, loss=plugin)
    for part in (*cybptt.Loss.__dataclass_fields__, "other"):
        with pytest.raises((FrozenInstanceError, AttributeError)):
            setattr(plugin, part, None)


OWN: dict[str, Any] = {
    "name": "own", "value": nll, "gradient": softmax_vjp, "link": np.exp,
    "link_vjp": nll, "sample": np.sin, "mode": np.cos, "targets": "classes",
    "target_range": (0.0, 5.0),
}  # fmt: skip


def test_one_that_is_not_registered_goes_by_its_parts() -> None:
    plugin = cybptt.Loss(**OWN)
    assert not losses.registered(plugin)
    again = pickle.loads(pickle.dumps(plugin))
    assert again == plugin
    assert {part: getattr(again, part) for part in OWN} == OWN
    assert repr(plugin) == (
        f"cybptt.Loss('own', value={nll!r}, gradient={softmax_vjp!r}, link=<ufunc 'exp'>, "
        f"link_vjp={nll!r}, sample=<ufunc 'sin'>, mode=<ufunc 'cos'>, targets='classes', "
        "target_range=(0.0, 5.0))"
    )
    changes = dict.fromkeys(OWN, np.tanh) | {
        "name": "other", "value": softmax, "gradient": softmax, "link_vjp": softmax,
        "targets": "values", "target_range": (0.0, 6.0),
    }  # fmt: skip
    for part, change in changes.items():
        assert plugin != cybptt.Loss(**(OWN | {part: change})), part
    assert {plugin: 1}[cybptt.Loss(**OWN)] == 1


@pytest.mark.parametrize("part", ["value", "gradient", "link", "link_vjp", "sample", "mode"])
def test_what_can_not_be_pickled_is_named(part: str) -> None:
    plugin = cybptt.Loss(**(OWN | {part: lambda *arguments: None}))
    with pytest.raises(pickle.PicklingError, match=f"^loss 'own': {part}: got function <func"):
        pickle.dumps(plugin)
    with pytest.raises(pickle.PicklingError, match="loss 'own'"):
        pickle.dumps(cybptt.RNN(1, 2, 1, loss=plugin))


def test_huber_is_a_factory() -> None:
    assert losses.huber() == losses.huber(1) == losses.get("huber") == losses.get("huber(1.0)")
    assert losses.huber(2.0).name == "huber(2.0)"
    assert losses.huber(2.0) == losses.huber(np.float32(2)) == losses.get("huber(2.0)")
    assert losses.huber(2.0) != losses.huber(3.0)
    assert repr(losses.huber(2.0)) == "cybptt.losses.huber(2.0)"
    for bad, error in ((0, ValueError), (-1.0, ValueError), (np.inf, ValueError), ("1", TypeError)):
        with pytest.raises(error, match=r"^delta: got .*, need a finite number > 0$"):
            losses.huber(bad)


@pytest.mark.parametrize("y", [[0.0, 1.9], [True, False]])
def test_labels_are_integers(y: Any) -> None:
    """A loss that is called by itself does not round them."""
    loss = losses.get("softmax_nll")
    for part in (loss.value, loss.gradient):
        with pytest.raises(TypeError, match=r"y: got an array of dtype \w+, need integers"):
            part(np.zeros((2, 3)), y)
