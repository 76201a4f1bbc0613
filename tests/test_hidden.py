"""The hidden states alone, and their gradient: `RNN.hidden` and `RNN.hidden_vjp`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from helpers import assert_same

import cybptt
from cybptt import PluginError, _core, activations

SIZES = [(7, 3, 2, 5), (300, 8, 40, 33), (9, 1, 3, 20), (1, 2, 3, 4), (0, 2, 3, 4), (5, 0, 3, 4),
         (30, 3, 700, 16), (4, 2, 0, 3), (4, 2, 3, 0)]  # fmt: skip


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Where a thread is worth starting for any work."""
    before = _core.let_a_thread_be_worth(1)
    yield
    _core.let_a_thread_be_worth(before)


def problem(
    size: tuple[int, int, int, int], dtype: str = "float64", ragged: bool = False, **options: Any
) -> tuple[cybptt.RNN, cybptt.Parameters, Any, dict[str, Any], Any]:
    T, B, I, H = size
    rng = np.random.default_rng(T)
    rnn = cybptt.RNN(I, H, None, **options)
    x = rng.normal(size=(T, B, I)).astype(dtype)
    if rnn.inputs == "tokens":
        x = rng.integers(max(1, I), size=(T, B))
    given = {"h0": rng.normal(size=(B, H)).astype(dtype)}
    if ragged:
        given["lengths"] = rng.integers(T + 1, size=B)
    return rnn, rnn.init(0, dtype), x, given, rng.normal(size=(T, B, H)).astype(dtype)


def assert_as_by_the_nodes(
    rnn: cybptt.RNN, params: cybptt.Parameters, x: Any, given: dict[str, Any], grad_h: Any,
    n_threads: int | None = None,
) -> None:  # fmt: skip
    trace = rnn.forward(params, x, **given)
    wanted = rnn.vjp(trace, grad_h=grad_h)
    h = rnn.hidden(params, x, **given, n_threads=n_threads)
    assert_same(h, trace.h, "h")
    found = rnn.hidden_vjp(params, x, h, grad_h, **given, n_threads=n_threads)
    assert_same(found.parameters.vector, wanted.parameters.vector, "parameters")
    assert_same(found.h0, wanted.h0, "h0")
    if wanted.x is None:
        assert found.x is None
    else:
        assert_same(found.x, wanted.x, "x")


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("activation", ["tanh", "gelu"])  # f′ of h, and of a
@pytest.mark.usefixtures("eager_threads")
def test_the_bits_are_those_of_forward_and_vjp(
    activation: str, size: tuple[int, int, int, int], dtype: str, ragged: bool
) -> None:
    a_problem = problem(size, dtype, ragged, activation=activation)
    for n_threads in (1, 2, 3):
        assert_as_by_the_nodes(*a_problem, n_threads=n_threads)


@pytest.mark.parametrize("name", activations.names())
def test_every_activation(name: str) -> None:
    assert_as_by_the_nodes(*problem((20, 4, 3, 9), activation=name))


@pytest.mark.parametrize("ragged", [False, True])
def test_tokens(ragged: bool) -> None:
    assert_as_by_the_nodes(*problem((20, 4, 6, 9), ragged=ragged, inputs="tokens"))


def test_one_sequence() -> None:
    rnn, params, x, given, grad_h = problem((20, 1, 6, 9))
    given["h0"] = given["h0"][0]
    assert_as_by_the_nodes(rnn, params, x[:, 0], given, grad_h[:, 0])
    assert_as_by_the_nodes(rnn, params, x[:, 0], {"lengths": 7}, grad_h[:, 0])


@pytest.mark.parametrize("ragged", [False, True])
def test_a_plugin_in_python(ragged: bool) -> None:
    cube = cybptt.Activation(
        "cube", lambda a: np.tanh(a) ** 3, lambda a: 3 * np.tanh(a) ** 2 / np.cosh(a) ** 2,
        derivative_of="input",
    )  # fmt: skip
    assert_as_by_the_nodes(*problem((20, 4, 3, 9), ragged=ragged, activation=cube))


@pytest.mark.parametrize("options", [{}, {"activation": "gelu"}, {"inputs": "tokens"}], ids=str)
@pytest.mark.parametrize("python", [False, True])
@pytest.mark.parametrize("lengths", [(7, 7, 7), (7, 5, 5, 2, 1), (3,)], ids=str)
def test_packed_rows(lengths: tuple[int, ...], python: bool, options: dict[str, Any]) -> None:
    """As with lengths, of what is padded."""
    T, B = max(lengths), len(lengths)
    rnn, params, x, given, grad_h = problem((T, B, 3, 9), **options)
    if python:
        cube = cybptt.Activation("cube", lambda a: a**3, lambda a: 3 * a**2, derivative_of="input")
        rnn = cybptt.RNN(3, 9, None, activation=cube, inputs=rnn.inputs)
        params = rnn.parameters(0.3 * params.vector)
    there = np.arange(T)[:, None] < lengths
    grad_h = grad_h * there[..., None]
    h = rnn.hidden(params, x, **given, lengths=lengths)
    wanted = rnn.hidden_vjp(params, x, h, grad_h, **given, lengths=lengths)
    counts = there.sum(axis=1)
    rows = rnn.hidden(params, x[there], **given, counts=counts)
    assert_same(rows, h[there], "h")
    found = rnn.hidden_vjp(params, x[there], rows, grad_h[there], **given, counts=counts)
    assert_same(found.parameters.vector, wanted.parameters.vector, "parameters")
    assert_same(found.h0, wanted.h0, "h0")
    if wanted.x is not None and found.x is not None:
        assert_same(found.x, wanted.x[there], "x")


def test_a_plugin_that_fails_is_named() -> None:
    def fails(a: Any) -> Any:
        raise ArithmeticError("no")

    _, params, x, given, grad_h = problem((4, 2, 3, 5))
    bad = cybptt.RNN(3, 5, None, activation=cybptt.Activation("bad", fails, np.ones_like))
    of_bad = bad.parameters(params.vector)
    with pytest.raises(PluginError, match=r"bad.*step 0"):
        bad.hidden(of_bad, x, **given)
    with pytest.raises(PluginError, match=r"bad.*step 0"):
        bad.hidden_vjp(of_bad, x, grad_h, grad_h, **given)


def test_what_is_not_wanted_is_not_computed() -> None:
    rnn, params, x, given, grad_h = problem((20, 4, 3, 9))
    h = rnn.hidden(params, x, **given)
    with_x = rnn.hidden_vjp(params, x, h, grad_h, **given)
    without = rnn.hidden_vjp(params, x, h, grad_h, **given, grad_x=False)
    assert without.x is None
    assert_same(without.parameters.vector, with_x.parameters.vector, "parameters")


def test_the_arguments_stay_and_the_results_are_the_callers() -> None:
    rnn, params, x, given, grad_h = problem((20, 4, 3, 9), ragged=True)
    before = [array.copy() for array in (params.vector, x, grad_h, *given.values())]
    h = rnn.hidden(params, x, **given)
    found = rnn.hidden_vjp(params, x, h, grad_h, **given)
    for array in (h, found.x, found.h0, found.parameters.vector):
        assert array is not None
        array[...] = np.nan  # writable, and nobody else's
    for array, old in zip((params.vector, x, grad_h, *given.values()), before, strict=True):
        assert_same(array, old, "an argument")


def test_arrays_of_any_layout() -> None:
    rnn, params, x, given, grad_h = problem((20, 4, 3, 9))
    wanted = rnn.hidden_vjp(params, x, rnn.hidden(params, x, **given), grad_h, **given)
    other = np.asfortranarray(x)
    h = np.asfortranarray(rnn.hidden(params, other, h0=given["h0"].tolist()))
    found = rnn.hidden_vjp(params, other, h, np.asfortranarray(grad_h), **given)
    assert_same(found.parameters.vector, wanted.parameters.vector, "parameters")


@pytest.mark.parametrize(("options", "message"), [
    ({"n_outputs": 2}, "n_outputs: got 2, need a model with n_outputs=None"),
    ({"outputs": "last"}, "outputs: got 'last', need a model with outputs='all'"),
])  # fmt: skip
def test_other_models_are_refused(options: dict[str, Any], message: str) -> None:
    rnn = cybptt.RNN(**{"n_inputs": 1, "n_hidden": 2, "n_outputs": None} | options)
    params, x, h = rnn.init(0), np.ones((3, 1)), np.ones((3, 2))
    with pytest.raises(ValueError, match=message):
        rnn.hidden(params, x)
    with pytest.raises(ValueError, match=message):
        rnn.hidden_vjp(params, x, h, h)
