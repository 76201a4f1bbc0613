"""The reference itself: against derivatives that know none of its equations, and by hand.

The complex step takes the derivative of the NumPy statements of the forward equations to the last
digit, so the backward equations have nowhere to hide. Where the activation or the loss has a kink,
central differences stand in for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import (
    FED_PATTERNS,
    GRADIENT_NODES,
    Problem,
    ragged_problem,
    reference_run,
)
from numpy_plugins import ABSOLUTE, LEAKY, LOGCOSH, NLL, SOFTPLUS, TANH

import cybptt
from cybptt import reference
from cybptt.reference import sequences

# ---------------------------------------------------------------------- derivatives from outside


def with_node(problem: Problem, node: str, delta: Any, monkeypatch: Any) -> Any:
    """The loss where delta is added to every node of a kind as it is computed."""
    rows = iter(delta)

    def hidden(activation: Any, a: Any) -> Any:
        if node == "a":
            return activation.function(a + next(rows))
        return activation.function(a) + (next(rows) if node == "h" else 0.0)

    def output(c: Any, V: Any, h: Any) -> Any:
        return c + h @ V.T + (next(rows) if node == "o" else 0.0)

    with monkeypatch.context() as patch:
        patch.setattr(sequences, "hidden", hidden)
        patch.setattr(sequences, "output", output)
        return loss_of(problem)


def loss_of(problem: Problem) -> Any:
    trace = reference.forward(problem.rnn, problem.params, problem.x, **problem.forward)
    return reference.total_loss(problem.rnn, trace, problem.y, **problem.loss)


def complex_step(loss: Any, shape: tuple[int, ...]) -> Any:
    """The gradient at zero of loss(delta), exact where it is analytic."""
    gradient = np.zeros(shape)
    for index in np.ndindex(shape):
        delta = np.zeros(shape, complex)
        delta[index] = 1e-30j
        gradient[index] = loss(delta).imag / 1e-30
    return gradient


def central_difference(loss: Any, shape: tuple[int, ...], step: float = 1e-6) -> Any:
    """The gradient at zero of loss(delta), to eight digits or so."""
    gradient = np.zeros(shape)
    for index in np.ndindex(shape):
        delta = np.zeros(shape)
        delta[index] = step
        gradient[index] = (loss(delta) - loss(-delta)) / (2 * step)
    return gradient


def per_sequence(problem: Problem, node: Any) -> list[Any]:
    """A node's rows in the order in which the reference computes them, without padding."""
    at_end = problem.rnn.outputs == "last" and node.ndim == 2
    lengths = problem.forward.get("lengths", [len(problem.x)] * problem.x.shape[1])
    return [
        row
        for n in range(node.shape[-2])
        for row in (node[n : n + 1] if at_end else node[: lengths[n], n])
    ]


def assert_derivatives(problem: Problem, derivative: Any, tolerance: float, patch: Any) -> None:
    """Every parameter's gradient and every node's, held against a derivative from outside."""
    p, (_, _, g) = problem, reference_run(problem)

    def close(actual: Any, expected: Any, what: str) -> None:
        scale = max(1.0, np.abs(expected).max(initial=0.0))
        np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * scale, err_msg=what)

    assert set(g.parameters) == set(p.params)
    for name, value in p.params.items():

        def loss(delta: Any, name: str = name) -> Any:
            return loss_of(p.but(params=dict(p.params) | {name: p.params[name] + delta}))

        close(g.parameters[name], derivative(loss, value.shape), name)

    for name in ("h0", "y0"):
        if name in p.forward:

            def loss(delta: Any, name: str = name) -> Any:
                return loss_of(p.but(forward=p.forward | {name: p.forward[name] + delta}))

            close(getattr(g, name), derivative(loss, p.forward[name].shape), name)
    if p.rnn.inputs == "values":
        close(g.x, derivative(lambda delta: loss_of(p.but(x=p.x + delta)), p.x.shape), "x")
    else:
        assert g.x is None

    for name in ("a", "h") if p.rnn.n_outputs is None else ("a", "h", "o"):
        rows = per_sequence(p, getattr(g, name))
        shape = (len(rows), getattr(g, name).shape[-1])
        close(
            np.reshape(rows, shape),
            derivative(lambda delta, name=name: with_node(p, name, delta, patch), shape),
            name,
        )


@pytest.mark.parametrize("inputs", ["values", "tokens"])
@pytest.mark.parametrize(
    ("activation", "loss"), [(TANH, NLL), (SOFTPLUS, LOGCOSH)], ids=["tanh-nll", "softplus-logcosh"]
)
@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
def test_gradients_are_those_of_the_complex_step(
    pattern: str, feed: str, activation: Any, loss: Any, inputs: str, monkeypatch: Any
) -> None:
    problem = ragged_problem(pattern, feed, 1, activation=activation, loss=loss, inputs=inputs)
    assert_derivatives(problem, complex_step, 1e-13, monkeypatch)


@pytest.mark.parametrize("loss", [NLL, ABSOLUTE], ids=["nll", "absolute"])
@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
def test_gradients_are_those_of_finite_differences_where_there_are_kinks(
    pattern: str, feed: str, loss: Any, monkeypatch: Any
) -> None:
    problem = ragged_problem(pattern, feed, 2, activation=LEAKY, loss=loss)
    assert_derivatives(problem, central_difference, 1e-8, monkeypatch)


def test_a_wrong_gradient_is_noticed(monkeypatch: Any) -> None:
    # The method of the tests above is itself tested: on an activation with a wrong derivative.
    wrong = cybptt.Activation("wrong", lambda a: np.tanh(a), lambda a: 1 - 0.999 * np.tanh(a) ** 2)
    problem = ragged_problem("hidden", "none", 1, activation=wrong, loss=NLL)
    with pytest.raises(AssertionError):
        assert_derivatives(problem, complex_step, 1e-13, monkeypatch)


@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
def test_vjp_is_linear_in_the_cotangents_and_agrees_with_the_complex_step(
    pattern: str, feed: str
) -> None:
    problem = ragged_problem(pattern, feed, 3, activation=TANH, loss=NLL)
    p, rng = problem, np.random.default_rng(4)
    trace = reference.forward(p.rnn, p.params, p.x, **p.forward)
    grad_o, grad_h = rng.standard_normal(trace.o.shape), rng.standard_normal(trace.h.shape)
    if p.rnn.outputs == "all":  # what is in the padding of grad_o is not looked at
        padding = np.arange(4)[:, None] >= p.forward["lengths"]
        in_product = np.where(padding[..., None], 0.0, grad_o)
        grad_o[padding] = np.nan
    else:
        in_product = grad_o
    g = reference.vjp(p.rnn, trace, grad_o=grad_o, grad_h=grad_h)

    def product(**changes: Any) -> Any:
        changed = p.but(**changes)
        t = reference.forward(changed.rnn, changed.params, changed.x, **changed.forward)
        return (in_product * t.o).sum() + (grad_h * t.h).sum()

    for name, value in p.params.items():

        def of_parameter(delta: Any, name: str = name) -> Any:
            return product(params=dict(p.params) | {name: p.params[name] + delta})

        expected = complex_step(of_parameter, value.shape)
        np.testing.assert_allclose(g.parameters[name], expected, atol=1e-13, err_msg=name)
    for name in set(p.forward) & {"h0", "y0"}:

        def of_start(delta: Any, name: str = name) -> Any:
            return product(forward=p.forward | {name: p.forward[name] + delta})

        expected = complex_step(of_start, p.forward[name].shape)
        np.testing.assert_allclose(getattr(g, name), expected, atol=1e-13, err_msg=name)
    expected = complex_step(lambda delta: product(x=p.x + delta), p.x.shape)
    np.testing.assert_allclose(g.x, expected, atol=1e-13, err_msg="x")

    halves = [
        reference.vjp(p.rnn, trace, grad_o=grad_o),
        reference.vjp(p.rnn, trace, grad_h=grad_h),
    ]
    for name in GRADIENT_NODES:
        if getattr(g, name) is not None:
            total = sum(getattr(half, name) for half in halves)
            np.testing.assert_allclose(total, getattr(g, name), atol=1e-13, err_msg=name)
