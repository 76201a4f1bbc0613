"""Activations that are ufuncs or C pointers: the same as in Python, and what is refused."""

from __future__ import annotations

import ctypes
import datetime
import gc
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import c_plugins
import numpy as np
import pytest
import shims
from c_plugins import SINES, by_dtype, elementwise, make_sine
from helpers import assert_gradients_close, assert_traces_close, make_rnn, random_problem, run_core

import cybptt
from cybptt import _core, activations
from cybptt._plugins import c_function

DTYPES = [np.float32, np.float64]
PATTERNS = [("hidden", "none"), ("output, o", "forced"), ("both, o", "free")]
F64 = ctypes.POINTER(ctypes.c_double)


def problem_with(pattern: str, feed: str, dtype: Any, **plugins: Any) -> Any:
    rnn = make_rnn(pattern, 3, 6, 4, **plugins)
    return random_problem(rnn, np.random.default_rng(0), 5, 7, feed=feed, dtype=dtype)


def value_and_grad(activation: Any, dtype: Any = np.float64) -> Any:
    p = problem_with("hidden", "none", dtype, activation=activation)
    return p.rnn.value_and_grad(p.params, p.x, p.y, **p.options)


# ---------------------------------------------------------------------- what is right


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("pattern", "feed"), PATTERNS)
@pytest.mark.parametrize("kind", SINES)
def test_every_kind_gives_the_same(kind: str, pattern: str, feed: str, dtype: Any) -> None:
    trace, g = run_core(problem_with(pattern, feed, dtype, activation=make_sine(kind)))
    expected = run_core(problem_with(pattern, feed, dtype, activation=c_plugins.SINE))
    assert_traces_close(trace, expected[0], dtype)
    assert_gradients_close(g, expected[1], dtype)


@pytest.mark.parametrize("kind", SINES)
def test_every_kind_is_a_plugin(kind: str) -> None:
    made = make_sine(kind)
    plugin = cybptt.register_activation("my sine", made.function, made.derivative)
    a = np.array([[0.5, -1.0]], np.float64)
    np.testing.assert_allclose(plugin.function(a).astype(float), np.sin(a), rtol=1e-15)
    assert pickle.loads(pickle.dumps(plugin)) is plugin
    assert (
        plugin
        == activations.get("my sine")
        == cybptt.Activation("my sine", plugin.function, plugin.derivative)
    )
    assert plugin != cybptt.Activation("my sine", plugin.derivative, plugin.function)
    assert repr(plugin) == "cybptt.activations.get('my sine')"
    p = problem_with("hidden", "none", np.float64, activation=plugin)
    report = cybptt.gradcheck(p.rnn, p.params, p.x, p.y)
    assert report, report


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_c_s(dtype: Any) -> None:
    for kind, function in (("ufuncs", True), ("C pointers", True), ("ufuncs over objects", False)):
        assert (c_function(make_sine(kind), "function", dtype) is not None) is function, kind
    assert c_function(c_plugins.SINE, "function", dtype) is None
    assert c_function(make_sine("a ufunc, Python"), "derivative", dtype) is None
    assert c_function(activations.get("tanh"), "function", dtype) == _core.function("tanh")


def test_a_wrong_derivative_in_c_is_refused() -> None:
    with pytest.raises(cybptt.DerivativeError, match=r"derivative: got .* at a = "):
        cybptt.register_activation("mine", np.sin, np.sin)
    pointers = by_dtype(elementwise, np.sin)
    with pytest.raises(cybptt.DerivativeError, match=r"derivative: got .* at a = "):
        cybptt.register_activation("mine", pointers, pointers)


def test_what_owns_the_code_is_kept() -> None:
    made = make_sine("C pointers")
    gc.collect()
    loss = value_and_grad(made)[0]
    assert loss == pytest.approx(value_and_grad(c_plugins.SINE)[0], rel=1e-12)


@pytest.mark.parametrize("kind", ["ufuncs", "C pointers"])
def test_many_threads(kind: str) -> None:
    activation = make_sine(kind)
    expected = value_and_grad(activation)
    with ThreadPoolExecutor(4) as pool:
        for loss, g in pool.map(lambda _: value_and_grad(activation), range(32)):
            assert loss == expected[0]
            np.testing.assert_array_equal(g.vector, expected[1].vector)


def test_an_overflow_in_a_loop_warns_nobody() -> None:
    """Nor does it leave anything by which a later operation would."""
    activation = cybptt.Activation("exp", np.exp, np.exp)
    rnn = cybptt.RNN(1, 2, 1, activation=activation, loss="squared_error")
    params = rnn.parameters(**{name: np.full(shape, 1e3) for name, shape in rnn.shapes.items()})
    with np.errstate(all="raise"):
        trace = rnn.forward(params, np.ones((2, 1)))
        assert np.isinf(trace.h).all()
        assert (np.ones(3) + np.ones(3) == 2).all()
        assert np.float64(1.0) * 2 == 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_loop_of_the_dtype_is_taken(dtype: Any) -> None:
    """Not the first to which NumPy could cast."""
    f = _core.UfuncFunction(np.sqrt)
    assert f.dtypes == ("float32", "float64")
    x = np.array([[2.0, 3.0], [5.0, 7.0]], dtype)
    got = f(x)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, np.sqrt(x))


# ---------------------------------------------------------------------- pull-backs


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "name", [*activations.names(), "leaky_relu(-0.3)", "leaky_relu(0.2)", "elu(2.5)"]
)
def test_a_pull_back_has_the_bits_of_the_derivative_times_g(name: str, dtype: Any) -> None:
    activation = activations.get(name)
    pullback = c_function(activation, "pullback", dtype)
    if not isinstance(activation.derivative, _core.Function):
        assert pullback is None
        return
    assert pullback is not None
    assert pullback.n_in == 2
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 3, 300), [0.0, -0.0, 3, -3, 1, -1, 90, -90, np.inf, np.nan]])
    x = x.astype(dtype)
    g = rng.normal(size=x.shape).astype(dtype)
    with np.errstate(all="ignore"):
        expected = activation.derivative(x) * g
    np.testing.assert_array_equal(pullback(x, g), expected, strict=True)


def test_only_this_build_has_pull_backs() -> None:
    for activation in (c_plugins.SINE, make_sine("ufuncs"), make_sine("C pointers")):
        assert c_function(activation, "pullback", np.float64) is None
    assert c_function(cybptt.losses.get("squared_error"), "pullback", np.float64) is None


# ---------------------------------------------------------------------- one dtype alone


def test_pointers_for_one_dtype() -> None:
    pointers = {np.float64: elementwise(np.sin, np.float64)}
    slopes = {"float64": elementwise(np.cos, np.float64)}
    plugin = cybptt.register_activation("narrow", pointers, slopes)
    assert c_function(plugin, "function", np.float32) is None
    expected = value_and_grad(c_plugins.SINE)
    assert value_and_grad(plugin)[0] == pytest.approx(expected[0], rel=1e-12)
    need = r"activation 'narrow': function, step 0: .*got float32, need float64"
    with pytest.raises(cybptt.PluginError, match=need):
        value_and_grad(plugin, np.float32)


def test_pointers_for_float32_alone_can_not_be_checked() -> None:
    pointers = {np.float32: elementwise(np.sin, np.float32)}
    need = r"activation 'narrow': function, while it was checked: .*got float64, need float32"
    with pytest.raises(cybptt.PluginError, match=need):
        cybptt.register_activation("narrow", pointers, pointers)
    plugin = cybptt.register_activation("narrow", pointers, pointers, check=False)
    assert np.isfinite(value_and_grad(plugin, np.float32)[0])


# ---------------------------------------------------------------------- what is refused

WORKS = elementwise(np.sin, np.float64)
LONG = ctypes.c_ssize_t
NOT_A_POINTER = r"\(const double \*in, double \*out, intptr_t n\), as a ctypes function"
REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "no dtype": ({}, ValueError, r"^function: got \{\}, need C functions by dtype"),
    "another dtype": ({np.int32: WORKS}, TypeError, r"^function: got .*int32.* as a dtype, need"),
    "no dtype's name": ({"T": WORKS}, TypeError, r"^function: got 'T' as a dtype, need"),
    "NULL": (
        {np.float64: type(WORKS)()},
        ValueError,
        r"^function\[float64\]: got NULL, need void \(const double \*in, double \*out, intptr_t n",
    ),
    "for another dtype": (
        {np.float64: WORKS, np.float32: WORKS},
        TypeError,
        r"^function\[float32\]: got 'void \(double \*, double \*, long.*\)', need 'void \(const f",
    ),
    "a result": (
        {np.float64: ctypes.CFUNCTYPE(ctypes.c_double, F64, F64, LONG)(lambda *a: 0.0)},
        TypeError,
        r"^function\[float64\]: got 'double \(double \*, double \*, ",
    ),
    "an argument more": (
        {np.float64: ctypes.CFUNCTYPE(None, F64, F64, LONG, LONG)(lambda *a: None)},
        TypeError,
        r"^function\[float64\]: got 'void \(double \*, double \*, long.*, long.*\)', need",
    ),
    "a pointer to pointers": (
        {np.float64: ctypes.CFUNCTYPE(None, ctypes.POINTER(F64), F64, LONG)(lambda *a: None)},
        TypeError,
        r"^function\[float64\]: got 'void \(double \*\*, double \*, ",
    ),
    "a short number of values": (
        {np.float64: ctypes.CFUNCTYPE(None, F64, F64, ctypes.c_int16)(lambda *a: None)},
        TypeError,
        r"^function\[float64\]: got 'void \(double \*, double \*, short\)', need",
    ),
    "without argtypes": ({np.float64: ctypes.pythonapi.Py_IsInitialized}, TypeError, NOT_A_POINTER),
    "a Python function": ({np.float64: c_plugins.sine}, TypeError, NOT_A_POINTER),
    "an address": ({np.float64: 1234}, TypeError, NOT_A_POINTER),
    "a capsule of something else": (
        {np.float64: datetime.datetime_CAPI},  # type: ignore[attr-defined]
        TypeError,
        r"^function\[float64\]: got 'datetime.datetime_CAPI', need 'void ",
    ),
    "not by its dtype": (WORKS, TypeError, r"^function: got .*, need C functions by dtype"),
    "a ufunc of two": (np.add, ValueError, "^function: got the ufunc 'add' of 2 inputs and 1 outp"),
    "a ufunc with two results": (np.modf, ValueError, "'modf' of 1 inputs and 2 outputs, need an"),
    "a ufunc with core dimensions": (np.matmul, ValueError, "^function: got the ufunc 'matmul'"),
    "a ufunc of another result": (
        np.isnan,
        TypeError,
        r"^function: got the ufunc 'isnan' with the loops .*…, need one with a loop d->d or f->f$",
    ),
    "a ufunc without floats": (np.invert, TypeError, r"^function: got the ufunc 'invert' with"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_what_is_refused(how: str) -> None:
    function, error, message = REFUSED[how]
    with pytest.raises(error, match=message):
        cybptt.Activation("mine", function, np.cos)
    with pytest.raises(error, match=message.replace("^function", "^derivative")):
        cybptt.Activation("mine", np.sin, function)


def test_a_pointer_is_only_pickled_by_its_plugins_name() -> None:
    plugin = make_sine("C pointers")
    with pytest.raises(pickle.PicklingError, match="function: got <C pointers for float32 and fl"):
        pickle.dumps(plugin)
    plugin = cybptt.register_activation("mine", plugin.function, plugin.derivative)
    rnn = cybptt.RNN(1, 2, 1, activation=plugin)
    assert pickle.loads(pickle.dumps(rnn)) == rnn


def test_a_c_function_that_sets_an_exception_is_heard(tmp_path: Path) -> None:
    """It must not, and is not asked after each call: yet what it set comes out at the end."""
    function = ctypes.CDLL(str(shims.library("raises", tmp_path))).raises
    function.argtypes, function.restype = [F64, F64, ctypes.c_ssize_t], None
    plugin = cybptt.Activation("raises", {np.float64: function}, {np.float64: function})
    with pytest.raises(ArithmeticError, match="on purpose"):
        value_and_grad(plugin)
    assert np.isfinite(value_and_grad("tanh")[0])
