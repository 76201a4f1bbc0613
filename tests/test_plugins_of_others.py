"""Plugins as Numba and SciPy make them: ufuncs compiled when asked, C functions, their errors."""

from __future__ import annotations

import ctypes
from typing import Any

import numba
import numpy as np
import pytest
from c_plugins import half_square
from helpers import assert_close, make_rnn, random_problem
from numba import types
from scipy import LowLevelCallable, special

import cybptt
from cybptt import _core, _threads, _whole_pass, activations, losses
from cybptt._plugins import c_function, c_loss

DTYPES = [np.float32, np.float64]
NUMBA = {np.float32: types.float32, np.float64: types.float64}


def tanh(a: Any) -> Any:
    return np.tanh(a)


def slope(h: Any) -> Any:
    return 1 - h * h


def cfunc(expression: Any, dtype: Any) -> Any:
    """Numba's C function ``void (T *in, T *out, intptr_t n)`` of an elementwise expression."""
    element, values = numba.njit(expression), types.CPointer(NUMBA[dtype])

    def call(given: Any, out: Any, n: Any) -> None:
        for i in range(n):
            out[i] = element(given[i])

    return numba.cfunc(types.void(values, values, types.intp))(call)


def ufuncs(*signatures: Any) -> tuple[Any, Any]:
    return tuple(numba.vectorize(*signatures)(f) for f in (tanh, slope))  # type: ignore[return-value]


KINDS: dict[str, Any] = {
    "@vectorize": lambda: ufuncs(["float32(float32)", "float64(float64)"]),
    "@vectorize, float64 first": lambda: ufuncs(["float64(float64)", "float32(float32)"]),
    "@vectorize without types": ufuncs,
    "@cfunc": lambda: tuple({d: cfunc(f, d) for d in DTYPES} for f in (tanh, slope)),
    "LowLevelCallable": lambda: tuple(
        {d: LowLevelCallable(cfunc(f, d).ctypes) for d in DTYPES} for f in (tanh, slope)
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_tanh_of_any_maker(kind: str) -> None:
    function, derivative = KINDS[kind]()
    plugin = cybptt.register_activation("mine", function, derivative, derivative_of="output")
    for dtype in DTYPES:
        for part in ("function", "derivative"):
            assert c_function(plugin, part, dtype) is not None
        results = []
        for activation in (plugin, "tanh"):
            rnn = make_rnn("hidden", 3, 6, 4, activation=activation)
            p = random_problem(rnn, np.random.default_rng(0), 5, 7, dtype=dtype)
            results.append(rnn.value_and_grad(p.params, p.x, p.y, **p.options))
        assert_close(np.asarray(results[0][0], dtype), results[1][0], dtype, kind)
        assert_close(results[0][1].vector, results[1][1].vector, dtype, kind)


def test_scipys_ufuncs() -> None:
    sigmoid = cybptt.register_activation(
        "mine", special.expit, lambda h: h * (1 - h), derivative_of="output"
    )
    assert c_function(sigmoid, "function", np.float32) is not None
    a = np.linspace(-3, 3, 7)
    built_in = activations.get("sigmoid").function
    np.testing.assert_allclose(sigmoid.function(a), built_in(a), rtol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_ufunc_of_one_dtype_is_refused_the_other(dtype: Any) -> None:
    name = np.dtype(dtype).name
    f = numba.vectorize([f"{name}({name})"])(tanh)
    activation = cybptt.Activation("mine", f, slope, "output")
    other = np.float64 if dtype is np.float32 else np.float32
    assert c_function(activation, "function", dtype) is not None
    assert c_function(activation, "function", other) is None
    rnn = cybptt.RNN(1, 2, 1, activation=activation, loss="squared_error")
    rnn.forward(rnn.init(seed=0, dtype=dtype), np.ones((2, 1), dtype))
    with pytest.raises(cybptt.PluginError, match="activation 'mine': function, step 0: "):
        rnn.forward(rnn.init(seed=0, dtype=other), np.ones((2, 1), other))
    if dtype is np.float64:
        need = "got an array .* float64 of a ufunc with the loops d->d, need .* float32"
        with pytest.raises(cybptt.PluginError, match=need):
            cybptt.register_activation("mine", f, slope, derivative_of="output")


def test_user_data_is_no_ones() -> None:
    c = LowLevelCallable(cfunc(tanh, np.float64).ctypes, ctypes.c_void_p(1))
    with pytest.raises(
        TypeError, match=r"^function\[float64\]: got LowLevelC.* without user_data$"
    ):
        cybptt.Activation("mine", {np.float64: c}, slope)


def test_a_cfunc_by_itself_is_refused() -> None:
    for pointer in (cfunc(tanh, np.float64), LowLevelCallable(cfunc(tanh, np.float64).ctypes)):
        with pytest.raises(TypeError, match=r"^function: got .*, need C functions by dtype"):
            cybptt.Activation("mine", pointer, slope)


# ---------------------------------------------------------------------- without the lock

HAS_LOCK = ctypes.CFUNCTYPE(ctypes.c_int)(
    ctypes.cast(ctypes.pythonapi.PyGILState_Check, ctypes.c_void_p).value or 0
)


def has_lock(a: Any) -> Any:
    return a * 0 + HAS_LOCK()


def test_loops_and_pointers_run_without_the_lock() -> None:
    vectorized = numba.vectorize(["float64(float64)"])(has_lock)
    for function in (vectorized, {np.float64: cfunc(has_lock, np.float64)}):
        activation = cybptt.Activation("mine", function, slope)
        rnn = cybptt.RNN(1, 2, 1, activation=activation, loss="squared_error")
        trace = rnn.forward(rnn.init(seed=0), np.ones((3, 1)))
        assert (trace.h == 0).all()
    assert numba.njit(has_lock)(1.0) == 1  # what it says with the lock


# ---------------------------------------------------------------------- what a loop raises


@numba.vectorize(["float32(float32)", "float64(float64)"])
def fails_above_one(a: Any) -> Any:
    if a > 1:
        raise ValueError("on purpose")
    return a


def ones(a: Any) -> Any:
    return np.ones_like(a)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("step", [0, 3])
def test_what_a_loop_raises_says_where(step: int, dtype: Any) -> None:
    activation = cybptt.Activation("mine", fails_above_one, ones)
    rnn = cybptt.RNN(1, 2, 1, activation=activation, loss="squared_error")
    params = rnn.parameters(**{name: np.zeros(s, dtype) for name, s in rnn.shapes.items()})
    params.U[...] = 1
    x = np.zeros((5, 1), dtype)
    rnn.forward(params, x)
    x[step] = 2
    need = f"^activation 'mine': function, step {step}: raised ValueError: on purpose$"
    with pytest.raises(cybptt.PluginError, match=need) as caught:
        rnn.forward(params, x)
    assert isinstance(caught.value.__cause__, ValueError)
    x[step] = 0
    assert (rnn.forward(params, x).h == 0).all()


def test_what_a_loop_raises_on_all_steps_at_once() -> None:
    activation = cybptt.Activation("mine", ones, fails_above_one)
    rnn = cybptt.RNN(1, 2, 1, activation=activation, loss="squared_error")
    need = "^activation 'mine': derivative, on all steps at once: raised ValueError: on purpose$"
    with pytest.raises(cybptt.PluginError, match=need):
        rnn.value_and_grad(rnn.init(seed=0), np.full((2, 1), 50.0) * [[1], [-1]], np.ones((2, 1)))
    raised = cybptt.Loss("mine", numba.vectorize(["float64(float64, float64)"])(fails), np.hypot)
    c = c_loss(raised, np.float64)
    assert c is not None
    with pytest.raises(ValueError, match=r"^on purpose$"):
        c.both(np.ones((2, 3)), np.ones((2, 3)))


@numba.vectorize(["float32(float32, float32)", "float64(float64, float64)"])
def fails_at_two(o: Any, y: Any) -> Any:
    if o > 1:
        raise ValueError("on purpose")
    return o - y


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("outputs", ["all", "last"])
@pytest.mark.parametrize("part", ["function", "link", "value"])
def test_what_a_loop_raises_in_one_call_into_the_core(
    part: str, outputs: str, dtype: Any, n_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says where, too: at a step, in no step at all, and with threads to share the work."""
    monkeypatch.setattr(_threads, "default", lambda: n_threads)
    activation = cybptt.activations.get("identity")
    if part == "function":
        activation = cybptt.Activation("mine", fails_above_one, np.cos)
    link, value = (fails_above_one, np.subtract) if part == "link" else (None, fails_at_two)
    options: Any = {} if link is None else {"link": link, "link_vjp": lambda o, y_hat, v: v}
    loss = cybptt.Loss("mine", value, np.subtract, **options)
    rnn = cybptt.RNN(1, 1, None, activation=activation, loss=loss, outputs=outputs)
    params = rnn.parameters(np.array([1, 0, 0], dtype))
    assert _whole_pass.plan(rnn, np.dtype(dtype)) is not None
    whole = "step 2" if part == "function" else "on all steps at once"
    need = f"'mine': {part}, {whole}: raised ValueError: on purpose$"
    out = params.copy()
    before = _core.let_a_thread_be_worth(1e-9)
    try:
        for B in (1, 8):
            x = np.zeros((3, B, 1), dtype)
            x[2, -1] = 2
            y = np.zeros_like(x)[0 if outputs == "last" else slice(None)]
            # By either door, and where there is no step but what h(0) gives.
            ways: Any = ((3, {}), (3, {"seed": 0}), (0, {"h0": x[2]}))
            for steps, start in ways:
                if steps == 0 and (outputs == "all" or part == "function"):
                    continue
                if part != "link":
                    with pytest.raises(cybptt.PluginError, match=need):
                        rnn.value_and_grad(params, x[:steps], y, out=out, **start)
                if part != "value" and "seed" not in start:
                    with pytest.raises(cybptt.PluginError, match=need):
                        rnn.predict(params, x[:steps], **start)
        assert (out.vector == params.vector).all()
    finally:
        _core.let_a_thread_be_worth(before)


def fails(o: Any, y: Any) -> Any:
    if o > 0:
        raise ValueError("on purpose")
    return o


# ---------------------------------------------------------------------- losses


def squares(o: Any, y: Any) -> Any:
    return (o - y) ** 2 / 2


def difference(o: Any, y: Any) -> Any:
    return o - y


def loss_cfunc(of_value: bool, dtype: Any) -> Any:
    """Numba cannot ask for NULL: one function gives the value, another the gradient."""
    T = types.CPointer(NUMBA[dtype])

    def value(o: Any, y: Any, to_value: Any, to_gradient: Any, N: Any, O: Any) -> None:
        for n in range(N):
            to_value[n] = 0
            for j in range(O):
                to_value[n] += (o[n * O + j] - y[n * O + j]) ** 2 / 2

    def gradient(o: Any, y: Any, to_value: Any, to_gradient: Any, N: Any, O: Any) -> None:
        for i in range(N * O):
            to_gradient[i] = o[i] - y[i]

    signature = types.void(T, T, T, T, types.intp, types.intp)
    return numba.cfunc(signature)(value if of_value else gradient)


LOSSES: dict[str, Any] = {
    "@vectorize": lambda: tuple(numba.vectorize(f) for f in (squares, difference)),
    "@cfunc": lambda: tuple({d: loss_cfunc(of, d) for d in DTYPES} for of in (True, False)),
}


@pytest.mark.parametrize("kind", LOSSES)
def test_a_squared_error_of_any_maker(kind: str) -> None:
    plugin = cybptt.register_loss("mine", *LOSSES[kind]())
    assert losses.get("mine") == plugin
    for dtype in DTYPES:
        rng = np.random.default_rng(0)
        o, y = rng.normal(size=(2, 5, 7)).astype(dtype)
        c = c_loss(plugin, dtype)
        assert c is not None
        value, gradient = c.both(o, y)
        assert_close(value, half_square(o, y), dtype, kind)
        np.testing.assert_array_equal(gradient, o - y)
        np.testing.assert_array_equal(plugin.value(o, y), value)
