"""Losses that are ufuncs of (o, y) or C pointers: the same as in Python, and what is refused."""

from __future__ import annotations

import ctypes
import pickle
from collections.abc import Callable
from typing import Any

import c_plugins
import numpy as np
import numpy_plugins
import pytest
from c_plugins import by_dtype, half_square
from helpers import assert_close, make_rnn, random_problem

import cybptt
from cybptt import _core, losses
from cybptt._plugins import c_loss

DTYPES = [np.float32, np.float64]
DISTANCE = np.frompyfunc(lambda o, y: (o - y) ** 2 / 2, 2, 1)
NLL = numpy_plugins.NLL


def hypotenuse_slope(o: Any, y: Any) -> Any:
    return o / np.hypot(o, y)


def of_ufuncs(objects: bool = False) -> cybptt.Loss:
    """Half the squared error, or one whose value alone is a ufunc with a loop for each dtype."""
    if objects:
        return cybptt.Loss("mine", DISTANCE, np.subtract)
    return cybptt.Loss("mine", np.hypot, hypotenuse_slope)


def of_pointers(classes: bool = False) -> cybptt.Loss:
    """Half the squared error, or the NLL of softmax."""
    parts: tuple[Any, Any] = (NLL.value, NLL.gradient) if classes else (half_square, np.subtract)
    pointers = by_dtype(c_plugins.loss, *parts, classes)
    return cybptt.Loss("mine", pointers, pointers, targets="classes" if classes else "values")


def numbers(dtype: Any, n: int = 6, outputs: int = 5) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return tuple(rng.normal(1, 2, (n, outputs)).astype(dtype) for _ in range(2))  # type: ignore[return-value]


MADE: dict[str, tuple[Callable[[], cybptt.Loss], cybptt.Loss]] = {
    "a ufunc": (of_ufuncs, cybptt.Loss("x", lambda o, y: np.hypot(o, y).sum(1), hypotenuse_slope)),
    "over objects": (lambda: of_ufuncs(True), cybptt.Loss("x", half_square, lambda o, y: o - y)),
    "pointers": (of_pointers, losses.get("squared_error")),
    "pointers, classes": (lambda: of_pointers(True), losses.get("softmax_nll")),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", MADE)
def test_every_kind_gives_the_same(kind: str, dtype: Any) -> None:
    made, expected = MADE[kind]
    results = []
    for loss in (made(), expected):
        rnn = make_rnn("hidden", 3, 6, 4, loss=loss)
        p = random_problem(rnn, np.random.default_rng(0), 5, 7, dtype=dtype, weights=True)
        value, g = rnn.value_and_grad(p.params, p.x, p.y, **p.options)
        steps = rnn.step_losses(rnn.forward(p.params, p.x, **p.forward), p.y)
        results.append((np.asarray(value, dtype), g.vector, steps))
    for got, want in zip(*results, strict=True):
        assert_close(got, want, dtype, kind)


@pytest.mark.parametrize("kind", MADE)
def test_every_kind_is_a_plugin(kind: str) -> None:
    made = MADE[kind][0]()
    plugin = cybptt.register_loss("mine", made.value, made.gradient, targets=made.targets)
    assert pickle.loads(pickle.dumps(plugin)) is plugin
    assert plugin == losses.get("mine") == made
    assert hash(plugin) == hash(made)
    assert plugin != cybptt.Loss("mine", made.gradient, made.value, targets=made.targets)
    assert plugin.value != plugin.gradient
    rnn = make_rnn("hidden", 3, 6, 4, loss=plugin)
    p = random_problem(rnn, np.random.default_rng(0), 4, 2)
    report = cybptt.gradcheck(rnn, p.params, p.x, p.y)
    assert report, report


@pytest.mark.parametrize("dtype", DTYPES)
def test_ufuncs_are_summed_row_by_row(dtype: Any) -> None:
    loss = cybptt.Loss("mine", np.hypot, np.subtract)
    for n, outputs in (
        (0, 3),
        (3, 0),
        (1, 1),
        (300, 7),
        (5, 2047),
        (5, 2048),
        (4, 2049),
        (2, 5000),
    ):
        o, y = numbers(dtype, n, outputs)
        value, gradient = loss.value(o, y), loss.gradient(o, y)
        assert value.dtype == gradient.dtype == dtype
        exact = np.hypot(o, y).astype(np.float64).sum(axis=1)
        np.testing.assert_allclose(value, exact, rtol=20 * np.finfo(dtype).eps)
        np.testing.assert_array_equal(gradient, o - y)
        for i in range(min(n, 3)):  # whatever rows are beside it
            assert loss.value(o[i : i + 1], y[i : i + 1])[0] == value[i]


@pytest.mark.parametrize("dtype", DTYPES)
def test_both_from_one_call(dtype: Any) -> None:
    o, y = numbers(dtype)
    for loss, classes in (
        (cybptt.Loss("mine", np.hypot, np.subtract), False),
        (of_pointers(), False),
        (of_pointers(True), True),
        *((losses.get(name), losses.get(name).targets == "classes") for name in losses.names()),
    ):
        c = c_loss(loss, dtype)
        if c is None:
            assert not isinstance(loss.value, _core.LossFunction)
            continue
        targets = np.array([0, 1, 4, 3, 3, 2]) if classes else np.abs(y)
        value, gradient = c.both(o, targets)
        assert_close(value, loss.value(o, targets), dtype, loss.name)
        np.testing.assert_array_equal(gradient, loss.gradient(o, targets))


def test_one_c_function_is_called_once_for_both_two_once_each() -> None:
    o, y = numbers(np.float64)
    one, other = (c_plugins.loss(half_square, np.subtract, False, np.float64) for _ in range(2))
    loss = cybptt.Loss("mine", {np.float64: one}, {np.float64: one})
    c = c_loss(loss, np.float64)
    assert c is not None
    c.both(o, y)
    assert one.calls == [(True, True)]
    loss.value(o, y)
    loss.gradient(o, y)
    assert one.calls[1:] == [(True, False), (False, True)]
    one.calls.clear()
    c = c_loss(cybptt.Loss("mine", {np.float64: one}, {np.float64: other}), np.float64)
    assert c is not None
    value, gradient = c.both(o, y)
    assert (one.calls, other.calls) == ([(True, False)], [(False, True)])
    np.testing.assert_array_equal(value, half_square(o, y))
    np.testing.assert_array_equal(gradient, o - y)


def test_what_is_c_s() -> None:
    for name in losses.names()[:5]:
        assert c_loss(losses.get(name)) == losses.get(name).value
    assert c_loss(of_pointers()) is not None
    assert c_loss(cybptt.Loss("mine", np.hypot, np.subtract)) is not None
    for python in (of_ufuncs(), of_ufuncs(True), NLL):
        assert c_loss(python) is None
    huber = losses.huber
    mixed = cybptt.Loss("mine", huber(1.0).value, huber(2.0).gradient)
    assert c_loss(mixed) is None
    pointers = {np.float64: c_plugins.loss(half_square, np.subtract, False, np.float64)}
    narrow = cybptt.Loss("mine", pointers, pointers)
    assert c_loss(narrow) is None
    assert c_loss(narrow, np.float32) is None
    assert c_loss(narrow, np.float64) is not None


def test_pointers_for_one_dtype() -> None:
    pointers = {np.float64: c_plugins.loss(half_square, np.subtract, False, np.float64)}
    plugin = cybptt.register_loss("narrow", pointers, pointers)
    rnn = cybptt.RNN(1, 2, 1, loss=plugin)
    params = rnn.init(seed=0)
    before = params.vector.copy()
    assert np.isfinite(rnn.value_and_grad(params, np.ones((2, 1)), np.ones((2, 1)))[0])
    need = "loss 'narrow': value, .*got float32, need float64"
    narrow = rnn.init(seed=0, dtype=np.float32)
    with pytest.raises(cybptt.PluginError, match=need):
        rnn.value_and_grad(narrow, np.ones((2, 1), "f4"), np.ones((2, 1), "f4"))
    np.testing.assert_array_equal(params.vector, before)


# ---------------------------------------------------------------------- what is refused

T, N = ctypes.POINTER(ctypes.c_double), ctypes.c_ssize_t
OF_VALUES = c_plugins.loss(half_square, np.subtract, False, np.float64)
OF_CLASSES = c_plugins.loss(NLL.value, NLL.gradient, True, np.float64)
REFUSED: dict[str, tuple[Any, str, type[Exception], str]] = {
    "for classes, of values": (
        {np.float64: OF_CLASSES},
        "values",
        TypeError,
        r"\[float64\]: got 'void \(double \*, long.* \*, double \*, double \*, long.*, long.*\)', "
        r"need 'void \(const double \*o, const double \*y, double \*value, double \*grad_o, "
        r"intptr_t N, intptr_t O\)'$",
    ),
    "for values, of classes": (
        {np.float64: OF_VALUES},
        "classes",
        TypeError,
        r"\[float64\]: got 'void \(.*', need 'void \(const double \*o, const intptr_t \*y, ",
    ),
    "an activation's": (
        {np.float64: c_plugins.elementwise(np.sin, np.float64)},
        "values",
        TypeError,
        r"\[float64\]: got 'void \(double \*, double \*, long.*\)', need 'void \(const double \*o",
    ),
    "NULL": ({np.float64: type(OF_VALUES)()}, "values", ValueError, r"\[float64\]: got NULL, need"),
    "a ufunc of one": (np.sin, "values", ValueError, "got the ufunc 'sin' of 1 inputs and 1 outp"),
    "a ufunc without floats": (
        np.bitwise_and,
        "values",
        TypeError,
        ".*need one with a loop dd->d or",
    ),
    "a ufunc of classes": (
        np.hypot,
        "classes",
        ValueError,
        "got the ufunc 'hypot', need a callable or C functions, for targets='classes'",
    ),
}


@pytest.mark.parametrize("part", ["value", "gradient"])
@pytest.mark.parametrize("how", REFUSED)
def test_what_is_refused(how: str, part: str) -> None:
    function, targets, error, message = REFUSED[how]
    parts: dict[str, Any] = {"value": half_square, "gradient": half_square} | {part: function}
    with pytest.raises(error, match=f"^{part}(: )?{message}"):
        cybptt.Loss("mine", **parts, targets=targets)


@pytest.mark.parametrize("part", ["link", "link_vjp"])
def test_a_link_is_no_pointer(part: str) -> None:
    pointers = {np.float64: c_plugins.elementwise(np.sin, np.float64)}
    parts: dict[str, Any] = {"link": np.exp} | {part: pointers}
    with pytest.raises(TypeError, match=f"^{part}: got .*, need a callable that takes and gives"):
        cybptt.Loss("mine", half_square, half_square, **parts)


def test_a_link_may_be_a_ufunc() -> None:
    with pytest.raises(ValueError, match=r"^link: got the ufunc 'add' of 2 inputs"):
        cybptt.Loss("mine", half_square, half_square, link=np.add)
    with pytest.raises(ValueError, match=r"^link_vjp: got the ufunc 'exp' of 1 inputs"):
        cybptt.Loss("mine", half_square, half_square, link=np.exp, link_vjp=np.exp)
    results = []
    for link in (np.exp, lambda o: np.exp(o)):
        loss = cybptt.Loss(
            "mine",
            half_square,
            lambda o, y: o - y,
            link=link,
            link_vjp=lambda o, y_hat, v: y_hat * v,
        )
        rnn = make_rnn("output, y_hat", 3, 6, 4, loss=loss)
        p = random_problem(rnn, np.random.default_rng(0), 5, 7, feed="free")
        results.append(rnn.value_and_grad(p.params, p.x, p.y, **p.options))
    assert results[0][0] == results[1][0]
    np.testing.assert_array_equal(results[0][1].vector, results[1][1].vector)


def test_pointers_are_only_pickled_by_their_plugins_name() -> None:
    with pytest.raises(
        pickle.PicklingError, match="value: got <the value by C pointers for float32"
    ):
        pickle.dumps(of_pointers())
    loss = cybptt.Loss("mine", np.hypot, np.subtract)
    assert pickle.loads(pickle.dumps(loss)) == loss
    assert repr(loss.value) == (
        "cybptt._core.UfuncLoss(<ufunc 'hypot'>, <ufunc 'subtract'>, 'value')"
    )
