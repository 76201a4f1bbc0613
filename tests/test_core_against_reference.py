"""The compiled core held against the reference: every pattern, plugin, dtype and edge.

The reference computes in double precision on the same numbers, whatever the core's dtype.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import (
    FED_PATTERNS,
    Problem,
    as_float64,
    assert_close,
    assert_gradients_close,
    assert_identities,
    assert_same,
    assert_traces_close,
    make_rnn,
    ragged_problem,
    random_problem,
    reference_run,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy_plugins import LOGCOSH, NLL, TANH

import cybptt
from cybptt import reference

DTYPES = ["float32", "float64"]
ACTIVATIONS = cybptt.activations.names()
LOSSES = cybptt.losses.names()


def nothing_counts(problem: Problem, trace: Any) -> bool:
    """Whether a mean would divide by 0."""
    weights = problem.loss.get("weights")
    return not reference.grad_losses(problem.rnn, trace, weights, "sum").any()


def assert_core_is_the_reference(problem: Problem, seed: int = 0) -> None:
    """Hold every method that computes a node, a loss or a gradient against the reference."""
    p, wide = problem, as_float64(problem)
    rnn, dtype = p.rnn, p.params.dtype
    expected = reference.forward(rnn, wide.params, wide.x, **wide.forward)
    trace = rnn.forward(p.params, p.x, **p.forward)
    assert_traces_close(trace, expected, dtype)

    losses = reference.step_losses(rnn, expected, wide.y)
    assert_close(rnn.step_losses(trace, p.y), losses, dtype, "step_losses")

    if p.loss["reduction"] == "mean" and nothing_counts(wide, expected):
        for method in (rnn.total_loss, rnn.backward):
            with pytest.raises(ValueError, match=r"^reduction: got 'mean'"):
                method(trace, p.y, **p.loss)
        p = p.but(loss=p.loss | {"reduction": 2.0})
        wide = wide.but(loss=p.loss)
    loss = reference.total_loss(rnn, expected, wide.y, **wide.loss)
    g = reference.backward(rnn, expected, wide.y, **wide.loss)
    actual_loss = rnn.total_loss(trace, p.y, **p.loss)
    assert type(actual_loss) is float
    scale = max(1.0, np.abs(losses).sum())
    bound = scale * (1e-11 if dtype == np.float64 else 2e-5)
    np.testing.assert_allclose(actual_loss, loss, rtol=0, atol=bound)
    actual = rnn.backward(trace, p.y, **p.loss)
    assert_gradients_close(actual, g, dtype)
    assert actual.parameters.vector.dtype == dtype

    rng = np.random.default_rng(seed)
    cotangents = {
        "grad_o": rng.standard_normal(trace.o.shape).astype(dtype),
        "grad_h": rng.standard_normal(trace.h.shape).astype(dtype),
    }
    for chosen in ({"grad_o"}, {"grad_h"}, {"grad_o", "grad_h"}):
        some = {name: cotangents[name] for name in chosen}
        of_some = reference.vjp(rnn, expected, **some)
        assert_gradients_close(rnn.vjp(trace, **some), of_some, dtype)

    assert_the_fast_path_agrees(p, trace, actual_loss, actual)
    assert_predictions_agree(wide, p)


def assert_the_fast_path_agrees(p: Problem, trace: Any, loss: float, g: Any) -> None:
    """value_and_grad and objective, which compute no more than they must."""
    rnn, dtype = p.rnn, p.params.dtype
    out = rnn.parameters(np.full(rnn.n_parameters, 7, dtype))
    fast_loss, grad, state = rnn.value_and_grad(
        p.params, p.x, p.y, **p.options, return_state=True, out=out
    )
    assert grad is out
    bound = max(1.0, abs(loss)) * (1e-12 if dtype == np.float64 else 1e-5)
    np.testing.assert_allclose(fast_loss, loss, rtol=0, atol=bound)
    for name, value in g.parameters.items():
        assert_close(grad[name], value, dtype, f"value_and_grad, {name}")
    # value_and_grad has been given y in any case, so that it has a last y where forward had none.
    for name in ("h", "fed"):
        assert_close(getattr(state, name), getattr(trace.state, name), dtype, f"state.{name}")
    for options in ({"n_threads": 1}, {"n_threads": 2}, {"checkpoint": 1}, {"checkpoint": "auto"}):
        again_loss, again, again_state = rnn.value_and_grad(
            p.params, p.x, p.y, **p.options, **options, return_state=True
        )
        assert again_loss == fast_loss, options
        assert_same(again.vector, grad.vector, f"gradient with {options}")
        assert_same(again_state.h, state.h, f"state with {options}")
        assert_same(again_state.y, state.y, f"state with {options}")
    fun_loss, gradient = rnn.objective(p.x, p.y, **p.options)(p.params.vector)
    assert fun_loss == fast_loss
    assert_same(gradient, grad.vector, "objective")


def assert_predictions_agree(wide: Problem, p: Problem) -> None:
    """Predict and step, both free-running."""
    rnn, dtype = p.rnn, p.params.dtype
    start = {k: v for k, v in p.forward.items() if k in ("h0", "y0")}
    some = {k: v for k, v in p.forward.items() if k in ("h0", "y0", "lengths")}
    wide_some = {k: wide.forward[k] for k in some}
    expected = reference.forward(rnn, wide.params, wide.x, **wide_some)
    assert_close(rnn.predict(p.params, p.x, **some), expected.y_hat, dtype, "predict")

    expected = reference.forward(rnn, wide.params, wide.x, **{k: wide.forward[k] for k in start})
    state = None
    if start:
        state = cybptt.State(p.forward["h0"], p.forward.get("y0"))
    for t, x_t in enumerate(p.x):
        state, y_hat = rnn.step(p.params, x_t, state)
        assert_close(state.h, expected.h[t], dtype, f"step {t}: h")
        if rnn.outputs == "all":
            assert_close(y_hat, expected.y_hat[t], dtype, f"step {t}: y_hat")
            assert state.y is None or len(state.y) == 0  # nothing was given but to nobody
    if len(p.x):
        assert_close(state.fed, expected.state.fed, dtype, "state.fed after the last step")
        if rnn.outputs == "last":
            assert_close(y_hat, expected.y_hat, dtype, "y_hat after the last step")


# ---------------------------------------------------------------------- everything registered


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_registered_activation(activation: str, pattern: str, feed: str, dtype: str) -> None:
    problem = ragged_problem(
        pattern, feed, 1, dtype=dtype, activation=activation, loss="squared_error"
    )
    assert_core_is_the_reference(problem)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_registered_loss(loss: str, pattern: str, feed: str, dtype: str) -> None:
    assert_core_is_the_reference(ragged_problem(pattern, feed, 2, dtype=dtype, loss=loss))


@pytest.mark.parametrize("loss", [NLL, LOGCOSH], ids=["nll", "logcosh"])
@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
def test_plugins_written_in_python(pattern: str, feed: str, loss: Any) -> None:
    problem = ragged_problem(pattern, feed, 3, activation=TANH, loss=loss)
    assert_core_is_the_reference(problem)


@pytest.mark.parametrize(
    "activation", [cybptt.activations.leaky_relu(0.3), cybptt.activations.elu(0.7)]
)
def test_activations_with_a_parameter(activation: Any) -> None:
    loss = cybptt.losses.huber(0.4)
    for dtype in DTYPES:
        problem = ragged_problem(
            "both, o", "mask", 4, dtype=dtype, activation=activation, loss=loss
        )
        assert_core_is_the_reference(problem)


# ---------------------------------------------------------------------- every shape

SIZES = st.one_of(st.integers(0, 4), st.sampled_from([7, 8, 9, 15, 16, 17, 31, 33, 64, 65]))


@st.composite
def problems(draw: Any) -> Problem:
    """Any model and any data that it takes, sizes of 0 and 1 and around the kernels' widths."""
    pattern, feed = draw(st.sampled_from(FED_PATTERNS))
    inputs = draw(st.sampled_from(["values", "tokens"]))
    loss = draw(st.sampled_from(LOSSES))
    n_inputs, n_hidden, n_outputs = draw(SIZES), draw(SIZES), draw(SIZES)
    if inputs == "tokens":
        n_inputs = max(1, n_inputs)  # there is no token among 0
    if cybptt.losses.get(loss).targets == "classes":
        n_hidden, n_outputs = max(1, n_hidden), max(1, n_outputs)  # and no class
    rnn = make_rnn(
        pattern, n_inputs, n_hidden, n_outputs,
        activation=draw(st.sampled_from(ACTIVATIONS)), loss=loss, inputs=inputs,
    )  # fmt: skip
    n_steps = draw(st.integers(0, 6))
    n_sequences = draw(st.one_of(st.integers(-1, 4), st.sampled_from([8, 9, 17])))
    lengths = None
    if draw(st.booleans()):
        batch = max(1, n_sequences) if n_sequences < 0 else n_sequences
        lengths = np.array(
            draw(st.lists(st.integers(0, n_steps), min_size=batch, max_size=batch)), int
        )
        lengths = lengths[0] if n_sequences < 0 else lengths
    return random_problem(
        rnn, np.random.default_rng(draw(st.integers(0, 2**32 - 1))), n_steps, n_sequences,
        dtype=draw(st.sampled_from(DTYPES)), feed=feed, lengths=lengths,
        start=draw(st.booleans()), weights=draw(st.booleans()),
        reduction=draw(st.sampled_from(["sum", "mean", 3.5])), scale=0.3,
    )  # fmt: skip


def near_a_kink(problem: Problem) -> bool:
    """Whether rounding to float32 may put some a on the other side of an activation's kink."""
    wide = as_float64(problem)
    a = reference.forward(wide.rnn, wide.params, wide.x, **wide.forward).a
    distance = np.abs(a[..., None] - np.array([-3.0, -1.0, 0.0, 1.0, 3.0]))
    return bool(((distance > 0) & (distance < 1e-5)).any())


@settings(max_examples=250)
@given(problems(), st.integers(0, 2**32 - 1))
def test_any_shape(problem: Problem, seed: int) -> None:
    assume(problem.params.dtype == np.float64 or not near_a_kink(problem))
    assert_core_is_the_reference(problem, seed)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
def test_long_and_wide_ragged_batches(pattern: str, feed: str, dtype: str) -> None:
    # More rows than one block of the sums over time, more columns than one tile of the products.
    rnn = make_rnn(pattern, 19, 70, 41, activation="tanh", loss="softmax_nll")
    rng = np.random.default_rng(5)
    lengths = rng.integers(0, 41, 11)
    problem = random_problem(
        rnn, rng, 40, 11, dtype=dtype, feed=feed, lengths=lengths, weights=True, scale=0.5
    )
    assert_core_is_the_reference(problem)


@pytest.mark.parametrize("inputs", ["values", "tokens"])
def test_a_sequence_of_many_steps(inputs: str) -> None:
    rnn = make_rnn("hidden", 5, 6, 4, inputs=inputs)
    rng = np.random.default_rng(6)
    assert_core_is_the_reference(random_problem(rnn, rng, 600, 2, reduction="mean"))
    assert_core_is_the_reference(random_problem(rnn, rng, 600, -1, dtype="float32"))


# ---------------------------------------------------------------------- forcing with a probability


def recovered_mask(problem: Problem, trace: Any) -> Any:
    """Which steps were forced, read off a(t): whichever of y(t-1) and o(t-1) explains it."""
    p, params = problem, problem.params
    W = np.zeros((p.rnn.n_hidden,) * 2) if p.rnn.recurrence == "output" else params["W"]
    R = params["R"] if p.rnn.recurrence == "both" else params["W"]
    own = trace.y_hat if p.rnn.feedback == "y_hat" else trace.o
    mask = np.ones(p.x.shape[:2], bool)
    for t in range(1, len(p.x)):
        rest = params["b"] + trace.h[t - 1] @ W.T + p.x[t] @ params["U"].T
        forced = rest + reference.one_hot(p.y[t - 1], p.rnn.n_outputs) @ R.T
        free = rest + own[t - 1] @ R.T
        off = [np.abs(trace.a[t] - a).max(axis=1) for a in (forced, free)]
        mask[t] = off[0] < off[1]
        assert (np.minimum(*off) < 1e-12).all()
    return mask


@pytest.mark.parametrize("pattern", ["output, o", "output, y_hat", "both, o", "both, y_hat"])
def test_forcing_with_a_probability(pattern: str) -> None:
    rnn = make_rnn(pattern, 2, 3, 4)
    problem = random_problem(rnn, np.random.default_rng(7), 40, 30, feed="forced")
    masks = []
    for p_forced in (0.0, 0.3, 1.0):
        forward = problem.forward | {"teacher_forcing": p_forced}
        p = problem.but(forward=forward)
        trace = rnn.forward(p.params, p.x, **forward, seed=11)
        masks.append(mask := recovered_mask(p, trace))
        # Each step of each sequence by itself: six standard deviations of 39·30 draws.
        assert abs(mask[1:].mean() - p_forced) <= 6 * np.sqrt(p_forced * (1 - p_forced) / (39 * 30))
        expected, loss, g = reference_run(p.but(forward=forward | {"teacher_forcing": mask}))
        assert_traces_close(trace, expected, np.float64)
        assert_gradients_close(rnn.backward(trace, p.y), g, np.float64)
        options = {k: v for k, v in forward.items() if k != "y"}
        fast_loss, grad = rnn.value_and_grad(p.params, p.x, p.y, **options, seed=11)
        np.testing.assert_allclose(fast_loss, loss, rtol=1e-12)
        assert_close(grad.V, g.parameters["V"], np.float64, "V")
        again = rnn.forward(p.params, p.x, **forward, seed=np.random.default_rng(11))
        assert_same(again.o, trace.o, "the same seed")
    assert 0 < masks[1][1:].sum(axis=0).min()  # some in every sequence,
    assert len({tuple(column) for column in masks[1].T}) > 1  # and not the same in all
    other = rnn.forward(problem.params, problem.x, **forward | {"teacher_forcing": 0.3}, seed=12)
    assert (recovered_mask(problem, other) != masks[1]).any()


# ---------------------------------------------------------------------- without the reference


@pytest.mark.parametrize("outputs", [3, 5])
def test_the_identities_of_the_section_hold_node_by_node(outputs: int) -> None:
    rnn = cybptt.RNN(3, 4, outputs)
    p = random_problem(rnn, np.random.default_rng(0), 6, -1)
    trace = rnn.forward(p.params, p.x, **p.forward)
    g = rnn.backward(trace, p.y)
    assert_identities(p.params, p.x, p.y, p.forward["h0"], trace, g)


@pytest.mark.parametrize("inputs", ["values", "tokens"])
@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
def test_gradients_are_those_of_central_differences(pattern: str, feed: str, inputs: str) -> None:
    p = ragged_problem(pattern, feed, 8, inputs=inputs)
    fun = p.rnn.objective(p.x, p.y, **p.options)
    vector, step = p.params.vector, 1e-5
    gradient = fun(vector)[1]
    for i, unit in enumerate(np.eye(len(vector))):
        difference = (fun(vector + step * unit)[0] - fun(vector - step * unit)[0]) / (2 * step)
        np.testing.assert_allclose(gradient[i], difference, rtol=0, atol=1e-8)


# ---------------------------------------------------------------------- other ways to start


@pytest.mark.parametrize("feed", ["forced", "free", "mask"])
@pytest.mark.parametrize("pattern", ["output, o", "both, y_hat"])
def test_h0_and_y0_for_all_and_y0_as_labels(pattern: str, feed: str) -> None:
    p = ragged_problem(pattern, feed, 9)
    rnn, n = p.rnn, p.x.shape[1]
    labels = np.array([1, 0, 0, 1])
    for y0, rows in (
        (labels, np.eye(2)[labels]),
        (np.array([0.3, -2.0]), np.tile([0.3, -2.0], (n, 1))),
        (np.array([1, 2]), np.tile([1.0, 2.0], (n, 1))),  # of length O, not B: values
    ):
        forward = p.forward | {"y0": y0, "h0": p.forward["h0"][0]}
        assert_core_is_the_reference_from(p.but(forward=forward))
        full = p.forward | {"y0": rows, "h0": np.tile(p.forward["h0"][0], (n, 1))}
        got = rnn.backward(rnn.forward(p.params, p.x, **forward), p.y)
        want = rnn.backward(rnn.forward(p.params, p.x, **full), p.y)
        assert_same(got.parameters.vector, want.parameters.vector, "parameters")
        assert_same(got.y0, want.y0, "y0")
        assert_same(got.h0, want.h0, "h0")


def assert_core_is_the_reference_from(p: Problem) -> None:
    """Trace and gradients, where h0 and y0 are not of the shapes that a State has."""
    expected, _, g = reference_run(p)
    trace = p.rnn.forward(p.params, p.x, **p.forward)
    assert_traces_close(trace, expected, np.float64)
    assert_gradients_close(p.rnn.backward(trace, p.y, **p.loss), g, np.float64)


@pytest.mark.parametrize("feed", ["forced", "free", "mask"])
def test_y0_as_the_label_of_one_sequence(feed: str) -> None:
    rnn = make_rnn("both, o", 2, 3, 4)
    p = random_problem(rnn, np.random.default_rng(10), 5, -1, feed=feed)
    assert_core_is_the_reference_from(p.but(forward=p.forward | {"y0": 2}))
    one_hot = np.eye(4)[2]
    got, want = (rnn.forward(p.params, p.x, **p.forward | {"y0": y0}) for y0 in (2, one_hot))
    assert_same(got.o, want.o, "o")


def test_y0_of_as_many_numbers_as_sequences_and_outputs() -> None:
    rnn = make_rnn("both, o", 2, 3, 4)
    p = random_problem(rnn, np.random.default_rng(10), 3, 4, feed="free")
    integers = np.array([3, 0, 1, 1])
    for y0, rows in ((integers, np.eye(4)[integers]), (integers / 1, np.tile(integers, (4, 1)))):
        assert_core_is_the_reference_from(p.but(forward=p.forward | {"y0": y0}))
        got, want = (rnn.forward(p.params, p.x, **p.forward | {"y0": v}) for v in (y0, rows))
        assert_same(got.o, want.o, "o")


@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
def test_going_on_from_a_state(pattern: str, feed: str) -> None:
    p = ragged_problem(pattern, feed, 11)
    start = {name: p.forward[name] for name in p.forward if name not in ("h0", "y0")}
    state = p.rnn.forward(p.params, p.x, **p.forward).state
    for begin in (state, cybptt.State(state.h, state.fed)):  # with a last y, and without
        assert_core_is_the_reference_from(p.but(forward=start | {"state": begin}))
