"""The reference by hand: worked examples, the section's identities, and each small function."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers import (
    FED_PATTERNS,
    GRADIENT_NODES,
    NODES,
    Problem,
    assert_identities,
    assert_same,
    cut,
    make_rnn,
    n_read,
    ragged_problem,
    random_problem,
    reference_run,
)
from numpy_plugins import NLL, TANH, softmax, softmax_vjp, tanh_derivative

import cybptt
from cybptt import reference

# ---------------------------------------------------------------------- by hand


def test_two_hidden_units_over_two_steps_by_hand() -> None:
    # The weights are such that h(1) = (1/2, 0) and h(2) = (3/5, 4/5), and that the outputs are
    # o(1) = (ln 3, 0) and o(2) = (0, ln 3); U is the identity. All else is worked out on paper.
    ln2, ln3 = np.log(2), np.log(3)
    params = {
        "U": np.eye(2),
        "W": np.array([[2.0, 1.0], [4.0, 3.0]]),
        "V": ln3 * np.array([[2.0, -1.5], [0.0, 1.25]]),
        "b": np.zeros(2),
        "c": np.zeros(2),
    }
    rnn = cybptt.RNN(2, 2, 2, activation=TANH, loss=NLL)
    x = np.array([[ln3 / 2, 0.0], [ln2 - 1, ln3 - 2]])
    trace, loss, g = reference_run(Problem(rnn, params, x, np.array([0, 0])))

    expected = {
        "a": [[ln3 / 2, 0], [ln2, ln3]],
        "h": [[1 / 2, 0], [3 / 5, 4 / 5]],
        "o": [[ln3, 0], [0, ln3]],
        "y_hat": [[3 / 4, 1 / 4], [1 / 4, 3 / 4]],
    }
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(trace, name), value, atol=1e-15, err_msg=name)
    np.testing.assert_allclose(loss, np.log(4 / 3) + np.log(4), rtol=1e-15)

    grad_a = ln3 * np.array([[0.4125, 1.955], [-0.96, 0.7425]])
    gradients = {
        "o": [[-1 / 4, 1 / 4], [-3 / 4, 3 / 4]],
        "h": [[0.55 * ln3, 1.955 * ln3], [-1.5 * ln3, 2.0625 * ln3]],
        "a": grad_a,
        "x": grad_a,
        "h0": [8.645 * ln3, 6.2775 * ln3],
    }
    for name, value in gradients.items():
        np.testing.assert_allclose(getattr(g, name), value, atol=1e-14, err_msg=name)
    of_parameters = {
        "c": [-1, 1],
        "b": [-0.5475 * ln3, 2.6975 * ln3],
        "V": [[-0.575, -0.6], [0.575, 0.6]],
        "W": [[-0.48 * ln3, 0], [0.37125 * ln3, 0]],
        "U": [
            [ln3 * (0.4125 * ln3 / 2 - 0.96 * (ln2 - 1)), -0.96 * ln3 * (ln3 - 2)],
            [ln3 * (1.955 * ln3 / 2 + 0.7425 * (ln2 - 1)), 0.7425 * ln3 * (ln3 - 2)],
        ],
    }
    for name, value in of_parameters.items():
        np.testing.assert_allclose(g.parameters[name], value, atol=1e-14, err_msg=name)


def test_both_recurrences_by_hand() -> None:
    # f(a) = a², one unit of everything, no rounding anywhere. h(0) = 1, y0 = 2, x = (1, 1):
    # a(1) = -3 + 1·1 + 2·2 + 1·1 = 3, h(1) = 9, o(1) = 1·9 - 8 = 1,
    # a(2) = -3 + 1·9 + 2·u(2) + 1,  u(2) = o(1) = 1 free: a(2) = 9, h(2) = 81, o(2) = 73;
    #                                u(2) = y(1) = -2 forced: a(2) = 3, h(2) = 9, o(2) = 1.
    square = cybptt.Activation("square", lambda a: a * a, lambda a: 2 * a)
    half_square = cybptt.Loss(
        "half square", lambda o, y: 0.5 * ((o - y) ** 2).sum(axis=1), lambda o, y: o - y
    )
    rnn = cybptt.RNN(1, 1, 1, activation=square, loss=half_square, recurrence="both")
    one = np.ones((1, 1))
    params = {"U": one, "W": one, "V": one, "R": 2 * one, "b": -3 * one[0], "c": -8 * one[0]}
    x, h0, y0 = np.ones((2, 1)), np.ones(1), np.full(1, 2.0)

    y = np.array([[-2.0], [71.0]])
    free = {"h0": h0, "y0": y0}
    trace, loss, g = reference_run(Problem(rnn, params, x, y, free))
    assert trace.a.tolist() == [[3], [9]]
    assert trace.h.tolist() == [[9], [81]]
    assert trace.o.tolist() == [[1], [73]]
    assert loss == (3**2 + 2**2) / 2
    # ∇o(2) = 2, ∇h(2) = 2, ∇a(2) = 18·2 = 36; ∇o(1) = 3 + 2·36 = 75, ∇h(1) = 75 + 36 = 111,
    # ∇a(1) = 6·111 = 666.
    assert g.o.tolist() == [[75], [2]]
    assert g.h.tolist() == [[111], [2]]
    assert g.a.tolist() == [[666], [36]]
    assert (g.h0.tolist(), g.y0.tolist()) == ([666], [1332])
    parameters = {name: value.item() for name, value in g.parameters.items()}
    # W: 666·h(0) + 36·h(1), R: 666·y0 + 36·o(1), V: 75·9 + 2·81.
    assert parameters == {"U": 702, "W": 990, "R": 1368, "V": 837, "b": 702, "c": 77}

    y = np.array([[-2.0], [0.0]])
    trace, loss, g = reference_run(Problem(rnn, params, x, y, free | {"y": y}))
    assert trace.o.tolist() == [[1], [1]]
    # ∇o(2) = 1, ∇h(2) = 1, ∇a(2) = 6; ∇o(1) = 3 and nothing comes back, ∇h(1) = 3 + 6 = 9,
    # ∇a(1) = 6·9 = 54. R: 54·2 + 6·(-2).
    assert g.o.tolist() == [[3], [1]]
    assert g.a.tolist() == [[54], [6]]
    assert g.parameters["R"].item() == 96


def test_output_recurrence_by_hand() -> None:
    # As above without h(t-1): a(1) = -3 + 2·2 + 1 = 2, h(1) = 4, o(1) = 4 - 8 = -4,
    # ŷ = o²: u(2) = 16, a(2) = -3 + 2·16 + 1 = 30, h(2) = 900, o(2) = 892.
    square = cybptt.Activation("square", lambda a: a * a, lambda a: 2 * a)
    squared_link = cybptt.Loss(
        "half square, link o²",
        lambda o, y: 0.5 * ((o - y) ** 2).sum(axis=1),
        lambda o, y: o - y,
        link=lambda o: o * o,
        link_vjp=lambda o, y_hat, cotangent: 2 * o * cotangent,
    )
    rnn = cybptt.RNN(
        1, 1, 1, activation=square, loss=squared_link, recurrence="output", feedback="y_hat"
    )
    one = np.ones((1, 1))
    params = {"U": one, "W": 2 * one, "V": one, "b": -3 * one[0], "c": -8 * one[0]}
    problem = Problem(
        rnn, params, np.ones((2, 1)), np.array([[-5.0], [891.0]]), {"y0": np.full(1, 2.0)}
    )
    trace, _, g = reference_run(problem)
    assert trace.h.tolist() == [[4], [900]]
    assert trace.y_hat.tolist() == [[16], [892 * 892]]
    # ∇o(2) = 1, ∇a(2) = 60; ∇o(1) = 1 + 2·(-4)·2·60 = -959, ∇h(1) = -959, ∇a(1) = 4·(-959).
    assert g.o.tolist() == [[-959], [1]]
    assert g.h.tolist() == [[-959], [1]]
    assert g.a.tolist() == [[-3836], [60]]
    assert (g.h0.tolist(), g.y0.tolist()) == ([0], [-7672])
    assert g.parameters["W"].item() == -3836 * 2 + 60 * 16


# ---------------------------------------------------------------------- the section's identities


def test_the_identities_of_the_section_hold_node_by_node() -> None:
    rnn = cybptt.RNN(3, 4, 5, activation=TANH, loss=NLL)
    problem = random_problem(rnn, np.random.default_rng(0), 6, -1)
    trace, _, g = reference_run(problem)
    h0 = problem.forward["h0"]
    assert_identities(problem.params, problem.x, problem.y, h0, trace, g)


def test_a_likelihood_is_the_product_of_its_conditionals() -> None:
    # 10.15-10.16: under teacher forcing, minus the total loss is the log-likelihood of the whole
    # sequence, so over all sequences of labels the likelihoods add up to 1.
    rnn = cybptt.RNN(1, 3, 2, activation=TANH, loss=NLL, recurrence="output")
    problem = random_problem(rnn, np.random.default_rng(0), 3, -1, feed="forced")
    total = 0.0
    for labels in np.ndindex(2, 2, 2):
        y = np.array(labels)
        p = problem.but(y=y, forward=problem.forward | {"y": y})
        trace, loss, _ = reference_run(p)
        conditionals = reference.log_likelihood(trace.y_hat, y)
        assert np.isclose(reference.joint_log_likelihood(conditionals), -loss, rtol=1e-14)
        total += np.exp(-loss)
    assert np.isclose(total, 1.0, rtol=1e-14)


# ---------------------------------------------------------------------- the small functions


def test_the_equations_take_a_vector_or_a_batch() -> None:
    rng = np.random.default_rng(0)
    B, I, H, O = 4, 2, 3, 5
    p = {
        "U": rng.standard_normal((H, I)), "W": rng.standard_normal((H, H)),
        "V": rng.standard_normal((O, H)), "R": rng.standard_normal((H, O)),
        "b": rng.standard_normal(H), "c": rng.standard_normal(O),
    }  # fmt: skip
    x, h, g_h = (rng.standard_normal((B, n)) for n in (I, H, H))
    o, u, g_o = (rng.standard_normal((B, O)) for _ in range(3))
    forced, y = rng.random(B) < 0.5, rng.integers(0, O, B)
    slopes = rng.random((B, H))
    tanh = SimpleNamespace(function=np.tanh, derivative=tanh_derivative, derivative_of="output")
    r = reference
    statements = [
        lambda n: r.preactivation(p["b"], p["W"], h[n], p["U"], x[n]),
        lambda n: r.preactivation_of_both(p["b"], p["W"], h[n], p["R"], u[n], p["U"], x[n]),
        lambda n: r.hidden(tanh, h[n]),
        lambda n: r.output(p["c"], p["V"], h[n]),
        lambda n: r.softmax(o[n]),
        lambda n: r.one_hot(y[n], O),
        lambda n: r.log_likelihood(r.softmax(o[n]), y[n]),
        lambda n: r.fed_back(forced[n], o[n], u[n]),
        lambda n: r.grad_last_hidden(g_o[n], p["V"]),
        lambda n: r.grad_hidden(g_h[n], slopes[n], p["W"], g_o[n], p["V"]),
        lambda n: r.derivative(tanh, h[n], h[n]),
        lambda n: r.grad_preactivation(slopes[n], g_h[n]),
        lambda n: r.grad_input(g_h[n], p["U"]),
        lambda n: r.grad_initial_hidden(g_h[n], p["W"]),
        lambda n: r.grad_fed_back(g_h[n], p["R"]),
        lambda n: r.softmax_vjp(r.softmax(o[n]), g_o[n]),
    ]
    for statement in statements:
        rows = np.array([statement(n) for n in range(B)])
        np.testing.assert_allclose(statement(slice(None)), rows, rtol=1e-14)
    y_hat = softmax(o)
    np.testing.assert_allclose(r.softmax_vjp(y_hat, g_o), softmax_vjp(o, y_hat, g_o), rtol=1e-13)
    assert r.grad_step_loss() == 1
    # The gradients of parameters are sums over what stands before the last axis.
    for statement in (lambda n: r.grad_weight(g_h[n], x[n]), lambda n: r.grad_bias(g_h[n])):
        total = sum(statement(n) for n in range(B))
        np.testing.assert_allclose(statement(slice(None)), total, rtol=1e-14)
        np.testing.assert_allclose(statement((slice(None), None)), total, rtol=1e-14)


def test_softmax_neither_overflows_nor_underflows() -> None:
    o = np.array([[1e8, -1e8, 0.0], [-1e8, -1e8, -1e8]])
    np.testing.assert_array_equal(reference.softmax(o), [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]])


def test_mean_over_nothing_is_refused() -> None:
    problem = ragged_problem("hidden", "none", 0, activation=TANH, loss=NLL)
    trace = reference.forward(problem.rnn, problem.params, problem.x, **problem.forward)
    nothing = {"weights": np.zeros((4, 4)), "reduction": "mean"}
    with pytest.raises(ValueError, match=r"^weights: got nothing but zeros"):
        reference.total_loss(problem.rnn, trace, problem.y, **nothing)


def test_forcing_without_y_is_refused() -> None:
    rnn = cybptt.RNN(1, 2, 2, activation=TANH, loss=NLL, recurrence="output")
    problem = random_problem(rnn, np.random.default_rng(0), 3, 2, feed="free")
    with pytest.raises(ValueError, match=r"^y: got None"):
        reference.forward(rnn, problem.params, problem.x, teacher_forcing=True)


def test_without_an_output_layer_the_loss_looks_at_h() -> None:
    problem = ragged_problem("no output layer", "none", 0, activation=TANH, loss=NLL)
    trace, _, g = reference_run(problem)
    np.testing.assert_array_equal(trace.o, trace.h)
    assert set(g.parameters) == {"U", "W", "b"}
    # The gradient at o is the loss's alone (10.18); at h it is that and what comes from later.
    counted = np.arange(4)[:, None] < problem.forward["lengths"]
    w = np.where(counted, problem.loss["weights"], 0)
    w = w / w.sum()
    one_hot = np.eye(n_read(problem.rnn))[problem.y]
    expected = w[..., None] * (softmax(trace.h.reshape(16, -1)).reshape(trace.h.shape) - one_hot)
    np.testing.assert_allclose(g.o, expected, atol=1e-15)
    np.testing.assert_allclose(g.h[3, 0], g.o[3, 0], atol=1e-15)
    assert np.abs(g.h[0, 0] - g.o[0, 0]).max() > 1e-6


# ---------------------------------------------------------------------- whole sequences


@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
def test_one_sequence_is_a_batch_of_one(pattern: str, feed: str) -> None:
    rnn = make_rnn(pattern, 2, 3, 4, activation=TANH, loss=NLL)
    p = random_problem(rnn, np.random.default_rng(1), 5, 1, feed=feed, weights=True)
    p.forward["lengths"] = np.array([4])
    last = rnn.outputs == "last"

    def alone(name: str, value: Any) -> Any:
        first = name in ("h0", "y0", "lengths") or (last and name in ("o", "y_hat", "y", "weights"))
        return value if np.ndim(value) == 0 or value is None else value.squeeze(0 if first else 1)

    single = p.but(
        x=alone("x", p.x),
        y=alone("y", p.y),
        forward={name: alone(name, value) for name, value in p.forward.items()},
        loss={"weights": alone("weights", p.loss["weights"])},
    )
    (trace, loss, g), (trace_1, loss_1, g_1) = reference_run(single), reference_run(p)
    assert loss == loss_1
    for name in NODES:
        assert_same(getattr(trace, name), alone(name, getattr(trace_1, name)), name)
    for name in GRADIENT_NODES:
        assert_same(getattr(g, name), alone(name, getattr(g_1, name)), f"gradient at {name}")
    for name in ("h", "fed", "y"):
        value = getattr(trace_1.state, name)
        want = None if value is None else value[0]
        assert_same(getattr(trace.state, name), want, f"state.{name}")
    losses = reference.step_losses(rnn, trace, single.y)
    assert_same(losses, alone("y", reference.step_losses(rnn, trace_1, p.y)), "step_losses")


@pytest.mark.parametrize("k", [0, 1, 3, 4])
@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
def test_cutting_and_carrying_the_state_changes_no_node(pattern: str, feed: str, k: int) -> None:
    p = ragged_problem(pattern, feed, 5, activation=TANH, loss=NLL)
    whole = reference.forward(p.rnn, p.params, p.x, **p.forward)
    first, second = cut(p, k)
    trace_1 = reference.forward(p.rnn, p.params, first.x, **first.forward)
    trace_2 = reference.forward(p.rnn, p.params, second.x, **second.forward, state=trace_1.state)
    for name in NODES if p.rnn.outputs == "all" else ("a", "h"):
        parts = np.concatenate([getattr(trace_1, name), getattr(trace_2, name)])
        assert_same(parts, getattr(whole, name), name)
    if p.rnn.outputs == "last":
        assert_same(trace_2.o, whole.o, "o")
    for name in ("h", "fed", "y"):
        got, want = getattr(trace_2.state, name), getattr(whole.state, name)
        assert_same(got, want, f"state.{name}")


def test_a_free_first_step_takes_the_models_own_output_and_a_forced_one_the_last_y() -> None:
    rnn = make_rnn("output, o", 1, 2, 2, activation=TANH, loss=NLL)
    params = random_problem(rnn, np.random.default_rng(0), 1, 1, feed="free").params
    own, y = np.array([5.0, -1.0]), np.array([0.0, 1.0])
    b, W = params["b"], params["W"]
    x = np.zeros((1, 1))

    def first_a(forced: bool, **start: Any) -> Any:
        return reference.forward(rnn, params, x, teacher_forcing=[forced], **start).a[0]

    state = reference.State(np.zeros(2), own, y)
    assert_same(first_a(False, state=state), b + W @ own, "free")
    assert_same(first_a(True, state=state), b + W @ y, "forced")
    without_y = reference.State(np.zeros(2), own)
    assert_same(first_a(True, state=without_y), b + W @ own, "forced, without a last y")
    for forced in (True, False):
        assert_same(first_a(forced, y0=1), b + W @ y, "y0 as a label")
        assert_same(first_a(forced, y0=own), b + W @ own, "y0")
        assert_same(first_a(forced), b, "zeros")
    labels = np.array([1, 0, 1])
    batch = reference.forward(rnn, params, np.zeros((1, 3, 1)), y0=labels, teacher_forcing=False)
    np.testing.assert_allclose(batch.a[0], b + np.eye(2)[labels] @ W.T, rtol=1e-15)
