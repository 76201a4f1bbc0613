"""The activations: exact to a stated number of units in the last place, and good plugins.

All that are registered go through the same tests; the built-in ones are held against mpmath too.
"""

from __future__ import annotations

import copy
import math
import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import exact
import numpy as np
import pytest
from mpmath import mp, mpf

import cybptt
from cybptt import _core, activations
from cybptt._plugin_checks import check_activation

DTYPES = (np.float32, np.float64)
NAMES = activations.names()
BUILT_IN = list(exact.ACTIVATIONS)

# Units in the last place, with any instruction set; measured: tanh 1.60 with fma and 2.45 without,
# sigmoid 2.40, elu 2.50, softplus 1.59, softsign 1.49, silu 3.25, exp 1.05.
ULPS = {
    "tanh": 2.6, "identity": 0, "sigmoid": 2.5, "relu": 0, "leaky_relu": 0.5, "elu": 2.6,
    "softplus": 1.7, "softsign": 1.6, "hard_sigmoid": 1.5, "hard_tanh": 0, "gelu": 1.5,
    "silu": 3.5,
}  # fmt: skip
# Derivatives that keep their last places far out, where they are small; measured 1.62, 1.01, 3.34.
DERIVATIVE_ULPS = {"softplus": 2.5, "elu": 1.1, "softsign": 3.5}
# The others, in units of epsilon; measured: tanh 1.40, silu 1.71, gelu 1.04, sigmoid 0.74.
DERIVATIVE_EPSILONS = 2.0

# f and f′ at −∞, −0, 0, ∞.
AT_THE_ENDS = {
    "tanh": [(-1, 0), (0, 1), (0, 1), (1, 0)],
    "identity": [(-np.inf, 1), (0, 1), (0, 1), (np.inf, 1)],
    "sigmoid": [(0, 0), (0.5, 0.25), (0.5, 0.25), (1, 0)],
    "relu": [(0, 0), (0, 0), (0, 0), (np.inf, 1)],
    "leaky_relu": [(-np.inf, 0.01), (0, 0.01), (0, 0.01), (np.inf, 1)],
    "elu": [(-1, 0), (0, 1), (0, 1), (np.inf, 1)],
    "softplus": [(0, 0), (math.log(2), 0.5), (math.log(2), 0.5), (np.inf, 1)],
    "softsign": [(-1, 0), (0, 1), (0, 1), (1, 0)],
    "hard_sigmoid": [(0, 0), (0.5, 1 / 6), (0.5, 1 / 6), (1, 0)],
    "hard_tanh": [(-1, 0), (0, 1), (0, 1), (1, 0)],
    "gelu": [(0, 0), (0, 0.5), (0, 0.5), (np.inf, 1)],
    "silu": [(0, 0), (0, 0.5), (0, 0.5), (np.inf, 1)],
}


def slope(activation: Any, a: Any) -> Any:
    """f′(a), whatever the derivative is a function of."""
    return activation.derivative(
        activation.function(a) if activation.derivative_of == "output" else a
    )


# ---------------------------------------------------------------------- exact values


def test_the_tables_name_every_built_in_activation() -> None:
    built_in = [n for n in NAMES if isinstance(activations.get(n).function, _core.Function)]
    assert built_in == [
        "tanh", "identity", "sigmoid", "relu", "leaky_relu", "elu", "softplus", "softsign",
        "hard_sigmoid", "hard_tanh", "gelu", "silu",
    ]  # fmt: skip
    assert set(built_in) == set(exact.ACTIVATIONS) == set(ULPS) == set(AT_THE_ENDS)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BUILT_IN)
def test_values(name: str, dtype: Any) -> None:
    x = exact.points(dtype, 300)
    got = activations.get(name).function(x)
    function = exact.ACTIVATIONS[name]
    if name == "leaky_relu":
        function = exact.leaky_relu(float(dtype(0.01)))
    errors = exact.ulps(got, (function(mpf(float(v))) for v in x))
    bound = np.full(x.shape, float(ULPS[name]))
    if name == "gelu" and dtype is np.float64:
        # erfc's argument is rounded twice, by half a unit at most, and the lower tail multiplies
        # that by x² + 1.
        bound += np.where((x < 0) & (x > -40), 2 * (np.clip(x, -40, 0) ** 2 + 1), 0)
    if name == "silu":
        # eˣ is a denormal here, and x multiplies what it lost.
        lost = x < np.log(np.finfo(dtype).tiny)
        bound[lost] += np.minimum(-x[lost], 770) / 2
    worst = np.argmax(errors - bound)
    assert errors[worst] <= bound[worst], f"{name}({x[worst]!r}) is {errors[worst]} ulp off"


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp(dtype: Any) -> None:
    """The link of poisson_nll, and what the others are made of."""
    x = exact.points(dtype, 300)
    got = _core.function("exp")(x)
    errors = exact.ulps(got, (mp.exp(mpf(float(v))) for v in x))
    assert errors.max() <= 1.1
    with np.errstate(all="ignore"):
        wanted = np.exp(x)
    np.testing.assert_array_equal(np.isinf(got), np.isinf(wanted))
    np.testing.assert_array_equal(got == 0, wanted == 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BUILT_IN)
def test_derivatives(name: str, dtype: Any) -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.uniform(-4, 4, 150), rng.uniform(-60, 60, 50)]).astype(dtype)
    got = slope(activations.get(name), x)
    function = exact.ACTIVATIONS[name]
    wanted = [mp.diff(function, mpf(float(v))) for v in x]
    if name in DERIVATIVE_ULPS:
        errors, bound = exact.ulps(got, wanted), DERIVATIVE_ULPS[name]
    else:
        errors = [abs(mpf(float(g)) - w) for g, w in zip(got, wanted, strict=True)]
        errors = np.array(errors, float) / np.finfo(dtype).eps
        bound = DERIVATIVE_EPSILONS
    worst = np.argmax(errors)
    assert errors[worst] <= bound, f"{name}'({x[worst]!r}) is {errors[worst]} off"


@pytest.mark.parametrize(
    ("name", "kink", "wanted"),
    [
        ("relu", 0.0, 0.0),
        ("leaky_relu", 0.0, 0.01),
        ("elu", 0.0, 1.0),
        ("hard_sigmoid", -3.0, 0.0),
        ("hard_sigmoid", 3.0, 0.0),
        ("hard_tanh", -1.0, 0.0),
        ("hard_tanh", 1.0, 0.0),
    ],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_at_a_kink(name: str, kink: float, wanted: float, dtype: Any) -> None:
    """One side's derivative, and the right one as soon as the argument is beside it."""
    activation = activations.get(name)
    at = np.array([kink], dtype)
    assert slope(activation, at) == dtype(wanted)
    step = dtype(1e-3)
    for side in (at - step, at + step):
        by_difference = (activation.function(side + step / 4) - activation.function(side)) * 4000
        np.testing.assert_allclose(slope(activation, side), by_difference, atol=2e-3)


# ---------------------------------------------------------------------- special values


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BUILT_IN)
def test_the_ends(name: str, dtype: Any) -> None:
    activation = activations.get(name)
    a = np.array([-np.inf, -0.0, 0.0, np.inf], dtype)
    values, slopes = np.array(AT_THE_ENDS[name], dtype).T
    np.testing.assert_allclose(activation.function(a), values, rtol=2 * np.finfo(dtype).eps)
    np.testing.assert_allclose(slope(activation, a), slopes, rtol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BUILT_IN)
def test_nan_stays_and_nothing_else_becomes_nan(name: str, dtype: Any) -> None:
    activation = activations.get(name)
    info = np.finfo(dtype)
    edges = [info.max, info.tiny, info.smallest_subnormal, 1e4, 709.8, 746.0, 88.8, 104.0]
    a = np.array([*edges, *(-v for v in edges), np.inf, -np.inf, 0.0, -0.0], dtype)
    assert not np.isnan(activation.function(a)).any()
    assert np.isfinite(slope(activation, a)).all()
    for position in range(20):
        a[:] = 0.5
        a[position] = np.nan
        only_there = np.arange(20) == position
        np.testing.assert_array_equal(np.isnan(activation.function(a)), only_there)
        np.testing.assert_array_equal(np.isnan(slope(activation, a)), only_there)


NUMPY = {"tanh": np.tanh, "exp": np.exp, "relu": lambda a: np.maximum(a, 0), "identity": np.copy}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NUMPY)
def test_special_values_are_as_numpys(name: str, dtype: Any) -> None:
    info = np.finfo(dtype)
    denormals = info.smallest_subnormal * np.array([1, 2, 3, 1000], dtype)
    a = np.concatenate([denormals, [0, info.tiny, info.max, np.inf]]).astype(dtype)
    a = np.concatenate([a, -a, [np.nan]])
    with np.errstate(all="ignore"):
        wanted = NUMPY[name](a)
    got = _core.function(name)(a)
    np.testing.assert_array_equal(got, wanted)
    if name != "relu":  # max(0, −0) is either
        np.testing.assert_array_equal(np.signbit(got[:-1]), np.signbit(wanted[:-1]))


# ---------------------------------------------------------------------- on arrays

FUNCTIONS = [*BUILT_IN, *(f"{name}_derivative" for name in BUILT_IN), "exp"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_element_does_not_depend_on_where_it_stands(name: str, dtype: Any) -> None:
    """Vector body or scalar tail, the bits are the same."""
    f = _core.function(name, 0.3)
    x = np.random.default_rng(0).normal(0, 3, 200).astype(dtype)
    x[::7] *= 20
    whole = f(x)
    one_by_one = np.array([f(x[i : i + 1])[0] for i in range(200)])
    np.testing.assert_array_equal(one_by_one, whole)
    for start in (0, 1, 2, 3, 5, 8, 13):
        for length in (*range(1, 36), 63, 64, 65, 127):
            part = slice(start, start + length)
            np.testing.assert_array_equal(f(x[part]), whole[part])
    misaligned = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(dtype)
    np.testing.assert_array_equal(f(misaligned), whole)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_shape_and_dtype_are_kept(name: str, dtype: Any) -> None:
    activation = activations.get(name)
    for shape in ((0,), (1,), (3, 0), (0, 3), (5, 7), (2, 3, 4)):
        a = np.ones(shape, dtype)
        for got in (activation.function(a), slope(activation, a)):
            assert (got.shape, got.dtype) == (shape, dtype)


@pytest.mark.parametrize("name", NAMES)
def test_the_layout_of_the_input_does_not_matter(name: str) -> None:
    activation = activations.get(name)
    a = np.random.default_rng(0).normal(size=(6, 8))
    read_only = a.copy()
    read_only.flags.writeable = False
    for f in (activation.function, activation.derivative):
        wanted = f(a)
        for other in (np.asfortranarray(a), read_only, np.repeat(a, 2, 1)[:, ::2], a.astype(">f8")):
            np.testing.assert_array_equal(f(other), wanted)


# ---------------------------------------------------------------------- as plugins

MADE = [
    *NAMES, "leaky_relu(0.2)", "leaky_relu(0.0)", "leaky_relu(-0.5)", "leaky_relu(3.0)",
    "elu(0.5)", "elu(0.0)", "elu(-1.0)",
]  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_what_is_registered_passes_the_check(name: str) -> None:
    check_activation(activations.get(name))


@pytest.mark.parametrize("name", MADE)
def test_a_plugin_is_one_value(name: str) -> None:
    plugin = activations.get(name)
    assert plugin.name == name
    assert activations.registered(plugin)
    assert pickle.loads(pickle.dumps(plugin)) == plugin
    assert name.encode() in pickle.dumps(plugin)
    assert b"function" not in pickle.dumps(plugin)  # by name alone
    assert eval(repr(plugin), {"cybptt": cybptt}) == plugin
    assert copy.copy(plugin) is copy.deepcopy(plugin) is plugin
    assert plugin == activations.get(name)
    assert hash(plugin) == hash(activations.get(name))
    assert plugin != cybptt.Activation(name, np.sin, np.cos)
    assert plugin != name
    assert cybptt.RNN(1, 2, 1, activation=name) == cybptt.RNN(1, 2, 1, activation=plugin)
    for part in ("name", "function", "derivative", "derivative_of", "other"):
        with pytest.raises((FrozenInstanceError, AttributeError)):
            setattr(plugin, part, None)


def test_one_that_is_not_registered_goes_by_its_parts() -> None:
    plugin = cybptt.Activation("tanh", np.sin, np.cos)  # not the tanh that is registered
    assert not activations.registered(plugin)
    assert pickle.loads(pickle.dumps(plugin)) == plugin
    assert repr(plugin) == (
        "cybptt.Activation('tanh', <ufunc 'sin'>, <ufunc 'cos'>, derivative_of='input')"
    )
    assert {plugin: 1}[cybptt.Activation("tanh", np.sin, np.cos)] == 1
    for other in (
        cybptt.Activation("sine", np.sin, np.cos),
        cybptt.Activation("tanh", np.cos, np.cos),
        cybptt.Activation("tanh", np.sin, np.sin),
        cybptt.Activation("tanh", np.sin, np.cos, "output"),
    ):
        assert plugin != other


@pytest.mark.parametrize("part", ["function", "derivative"])
def test_what_can_not_be_pickled_is_named(part: str) -> None:
    parts = {"function": np.sin, "derivative": np.cos} | {part: lambda a: a}
    plugin = cybptt.Activation("of lambdas", **parts)
    message = f"^activation 'of lambdas': {part}: got function <func"
    with pytest.raises(pickle.PicklingError, match=message):
        pickle.dumps(plugin)
    with pytest.raises(pickle.PicklingError, match="activation 'of lambdas'"):
        pickle.dumps(cybptt.RNN(1, 2, 1, activation=plugin))


# ---------------------------------------------------------------------- factories


@pytest.mark.parametrize("factory", [activations.leaky_relu, activations.elu])
def test_factories(factory: Any) -> None:
    name = factory.__name__
    default = {"leaky_relu": 0.01, "elu": 1.0}[name]
    assert factory() == factory(default) == activations.get(name)
    assert activations.get(f"{name}({default})") == factory()
    assert factory().name == factory(default).name == name
    assert factory(0.25).name == f"{name}(0.25)"
    assert factory(0.25) == factory(np.float32(0.25)) == activations.get(f"{name}(0.25)")
    assert factory(0.25) != factory(0.5)
    assert factory(2) == factory(2.0)
    assert factory(-0.0) == factory(0.0)
    assert repr(factory(-0.0)) == f"cybptt.activations.{name}(0.0)"
    assert repr(factory()) == f"cybptt.activations.get({name!r})"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("parameter", [0.2, -0.75, 2.5])
@pytest.mark.parametrize("name", ["leaky_relu", "elu"])
def test_values_with_a_parameter(name: str, parameter: float, dtype: Any) -> None:
    activation = getattr(activations, name)(parameter)
    x = np.random.default_rng(2).normal(0, 2, 200).astype(dtype)
    function = getattr(exact, name)(float(dtype(parameter)))
    errors = exact.ulps(activation.function(x), (function(mpf(float(v))) for v in x))
    assert errors.max() <= ULPS["elu"] + 1
    wanted = np.array([float(mp.diff(function, mpf(float(v)))) for v in x])
    np.testing.assert_allclose(slope(activation, x), wanted, rtol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("factory", [activations.leaky_relu, activations.elu])
@pytest.mark.parametrize(
    ("value", "error"),
    [(np.nan, ValueError), (np.inf, ValueError), ("0.2", TypeError), (None, TypeError),
     ([0.1, 0.2], TypeError), (1j, TypeError), (10**400, ValueError)],
)  # fmt: skip
def test_bad_parameters(factory: Any, value: Any, error: type[Exception]) -> None:
    argument = {"leaky_relu": "slope", "elu": "alpha"}[factory.__name__]
    with pytest.raises(error, match=f"^{argument}: got .*, need a finite number$"):
        factory(value)
