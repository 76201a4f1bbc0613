"""What must hold of the passes whatever they compute: padding, independent steps, extremes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import (
    FED_PATTERNS,
    LENGTHS,
    NODES,
    as_float64,
    assert_close,
    assert_gradients_close,
    assert_same,
    assert_traces_close,
    make_rnn,
    many_ragged,
    nodes_of,
    random_problem,
    reference_run,
    run_core,
)

import cybptt
from cybptt import reference

DTYPES = ["float32", "float64"]

# ---------------------------------------------------------------------- padding


@pytest.mark.parametrize("inputs", ["values", "tokens"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
def test_what_is_in_the_padding_changes_nothing(
    pattern: str, feed: str, dtype: str, inputs: str
) -> None:
    p = many_ragged(pattern, feed, dtype, inputs=inputs)
    rnn = p.rnn
    padding = np.arange(7)[:, None] >= LENGTHS

    def poisoned(values: Any, bad: Any) -> Any:
        values = np.array(values)
        values[padding] = bad
        return values

    x = poisoned(p.x, np.nan if inputs == "values" else -99)
    y, forward, loss = p.y, dict(p.forward), dict(p.loss)
    if rnn.outputs == "all":
        y = poisoned(p.y, 1000)
        loss["weights"] = poisoned(loss["weights"], np.nan)
    if "y" in forward:
        forward["y"] = y
    if feed == "mask":
        forward["teacher_forcing"] = poisoned(forward["teacher_forcing"], True)
    bad = p.but(x=x, y=y, forward=forward, loss=loss)
    expected = nodes_of(p)
    for name, value in nodes_of(bad).items():
        assert_same(value, expected[name], name)
    assert_same(
        rnn.value_and_grad(p.params, bad.x, bad.y, **bad.options)[1].vector,
        rnn.value_and_grad(p.params, p.x, p.y, **p.options)[1].vector,
        "value_and_grad",
    )
    trace = rnn.forward(p.params, p.x, **p.forward)
    assert_same(rnn.step_losses(trace, y), rnn.step_losses(trace, p.y), "step_losses")
    # Past the end h repeats; all else is 0, gradients too.
    for n, length in enumerate(LENGTHS):
        h_end = trace.h[length - 1, n] if length else p.forward["h0"][n]
        assert (trace.h[length:, n] == h_end).all()
    g = rnn.backward(trace, p.y, **p.loss)
    zero = [trace.a, g.a, g.h] + ([g.x] if inputs == "values" else [])
    if rnn.outputs == "all":
        zero += [g.o, trace.y_hat] + ([] if rnn.n_outputs is None else [trace.o])
    for values in zero:
        assert not values[padding].any()
    # A cotangent there: of o it is not looked at.
    if rnn.outputs == "all":
        grad_o = np.random.default_rng(5).standard_normal(trace.o.shape).astype(dtype)
        clean = rnn.vjp(trace, grad_o=poisoned(grad_o, 0)).parameters.vector
        assert_same(rnn.vjp(trace, grad_o=poisoned(grad_o, np.nan)).parameters.vector, clean, "vjp")


def test_a_label_of_weight_0_is_not_looked_at() -> None:
    rnn = make_rnn("hidden", 2, 3, 4)
    p = random_problem(rnn, np.random.default_rng(6), 5, 3)
    weights = np.ones((5, 3))
    weights[1, 2] = weights[4, 0] = 0
    y = p.y.copy()
    y[1, 2], y[4, 0] = -1, 10**6
    trace = rnn.forward(p.params, p.x)
    options = {"weights": weights, "reduction": "mean"}
    assert rnn.total_loss(trace, y, **options) == rnn.total_loss(trace, p.y, **options)
    g, expected = (rnn.backward(trace, labels, **options) for labels in (y, p.y))
    assert_same(g.parameters.vector, expected.parameters.vector, "parameters")
    assert not g.o[weights == 0].any()
    with pytest.raises(ValueError, match=r"^y: got "):
        rnn.total_loss(trace, y)


# ---------------------------------------------------------------------- output recurrence


@pytest.mark.parametrize("feedback", ["o", "y_hat"])
@pytest.mark.parametrize("k", [0, 3, 5])
def test_forced_steps_of_an_output_recurrence_do_not_depend_on_each_other(
    feedback: str, k: int
) -> None:
    rnn = cybptt.RNN(3, 9, 4, recurrence="output", feedback=feedback)
    p = random_problem(rnn, np.random.default_rng(7), 6, 3, feed="forced")
    x = p.x.copy()
    x[k] += 1.0
    others = [t for t in range(6) if t != k]
    (trace, g), (changed, g_changed) = run_core(p), run_core(p.but(x=x))
    for name in NODES:
        before, after = getattr(trace, name), getattr(changed, name)
        assert_same(after[others], before[others], name)
        assert (after[k] != before[k]).any()
    for name in ("o", "h", "a", "x"):
        before, after = getattr(g, name), getattr(g_changed, name)
        assert_same(after[others], before[others], f"gradient at {name}")
        assert (after[k] != before[k]).any()
    # A cotangent at one step stays there: no path back from later ones (C.8).
    for node in ("o", "h"):
        cotangent = np.zeros_like(getattr(trace, node))
        cotangent[k] = 1.0
        back = rnn.vjp(trace, **{f"grad_{node}": cotangent})
        for name in ("h", "a", "x"):
            assert not getattr(back, name)[others].any()
            assert getattr(back, name)[k].any()
        assert bool(back.y0.any()) == (k == 0)
        assert not back.h0.any()


def test_forced_steps_of_an_output_recurrence_are_computed_at_once() -> None:
    rows = []

    def counted(a: Any) -> Any:
        rows.append(len(a))
        return np.tanh(a)

    tanh = cybptt.Activation("counted tanh", counted, lambda h: 1 - h * h, derivative_of="output")
    rnn = cybptt.RNN(3, 9, 4, recurrence="output", activation=tanh)
    for feed, calls in (("forced", [18]), ("free", [3] * 6)):
        p = random_problem(rnn, np.random.default_rng(7), 6, 3, feed=feed)
        rows.clear()
        rnn.forward(p.params, p.x, **p.forward)
        assert rows == calls


def test_free_steps_of_an_output_recurrence_do_depend_on_each_other() -> None:
    rnn = cybptt.RNN(3, 9, 4, recurrence="output")
    p = random_problem(rnn, np.random.default_rng(7), 6, 3, feed="free")
    trace, _ = run_core(p)
    cotangent = np.zeros_like(trace.o)
    cotangent[-1] = 1.0
    back = rnn.vjp(trace, grad_o=cotangent)
    assert all(back.a[t].any() for t in range(6))
    assert back.y0.any()


# ---------------------------------------------------------------------- extremes


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_at_1e8_keeps_the_loss_and_the_gradient(dtype: str) -> None:
    rnn = cybptt.RNN(1, 1, 3)
    params = rnn.init(seed=0, dtype=dtype)
    params.vector[...] = 0
    params.c = np.array([1e8, -1e8, 0.0], dtype)
    trace = rnn.forward(params, np.ones((3, 1), dtype))
    np.testing.assert_array_equal(trace.y_hat, [[1, 0, 0]] * 3)
    y = np.array([0, 1, 2])
    np.testing.assert_array_equal(rnn.step_losses(trace, y), [0, 2e8, 1e8])
    g = rnn.backward(trace, y)
    np.testing.assert_array_equal(g.o, [[0, 0, 0], [1, -1, 0], [1, 0, -1]])
    loss, grad = rnn.value_and_grad(params, np.ones((3, 1), dtype), y)
    assert loss == 3e8
    np.testing.assert_array_equal(grad.c, [2, -1, -1])


def test_values_that_are_not_finite_go_through_as_numpys_would() -> None:
    rnn = cybptt.RNN(2, 4, 3, loss="squared_error")
    p = random_problem(rnn, np.random.default_rng(8), 5, 4, start=False)
    p.x[2, 0, 1], p.x[1, 1, 0], p.x[3, 2, 1] = np.nan, np.inf, -np.inf
    with np.errstate(invalid="ignore"):
        expected, loss, g = reference_run(as_float64(p))
        trace, actual = run_core(p)
        for name in NODES:
            got, want = getattr(trace, name), getattr(expected, name)
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12, err_msg=name)
        np.testing.assert_array_equal(np.isnan(actual.a), np.isnan(g.a))
        assert np.isnan(rnn.total_loss(trace, p.y))
    assert np.isnan(loss)


def test_fed_values_that_are_not_finite_go_through_as_numpys_would() -> None:
    rnn = cybptt.RNN(2, 4, 3, loss="squared_error", recurrence="output")
    p = random_problem(rnn, np.random.default_rng(8), 5, 4, feed="mask")
    p.forward["teacher_forcing"][...] = True
    p.forward["teacher_forcing"][2] = False
    p.forward["y0"][0] = np.nan
    # y(2) of the first sequence is fed to nobody: step 3 is free. y(4) of the second is fed.
    p.y[1, 0] = p.y[3, 1] = p.y[4, 2] = np.nan
    expected, _, _ = reference_run(as_float64(p))
    trace = rnn.forward(p.params, p.x, **p.forward)
    assert_traces_close(trace, expected, np.float64)
    np.testing.assert_array_equal(np.argwhere(np.isnan(trace.a).any(axis=2)), [[0, 0], [4, 1]])
    # A first step of the next call takes the last y, which is NaN of the third sequence; or the
    # last o, which is NaN of the second.
    for forced, which in ((True, 2), (False, 1)):
        mask = np.full((1, 4), forced)
        on = rnn.forward(p.params, p.x[:1], y=p.y[:1], state=trace.state, teacher_forcing=mask)
        assert np.isnan(on.a).any(axis=2).tolist() == [[n == which for n in range(4)]]


def test_a_label_that_is_fed_must_be_valid_and_no_other() -> None:
    rnn = make_rnn("both, o", 2, 3, 4)
    p = random_problem(rnn, np.random.default_rng(9), 4, 2, feed="forced")
    for bad in (-1, 4):
        y = p.y.copy()
        y[1, 0] = bad
        with pytest.raises(ValueError, match=rf"^y: got {bad} "):
            rnn.forward(p.params, p.x, y=y)
        mask = np.ones((4, 2), bool)
        mask[2, 0] = False  # the step that it would be fed to
        trace = rnn.forward(p.params, p.x, y=y, teacher_forcing=mask)
        expected = rnn.forward(p.params, p.x, y=p.y, teacher_forcing=mask)
        assert_same(trace.o, expected.o, "o")
        # The last y is fed by the next call, if it forces its first step.
        y = p.y.copy()
        y[3, 1] = bad
        state = rnn.forward(p.params, p.x, y=y).state
        with pytest.raises(ValueError, match=r"^state: got a last label out of range"):
            rnn.forward(p.params, p.x, y=p.y, state=state)
        mask = np.ones((4, 2), bool)
        mask[0, 1] = False
        assert np.isfinite(
            rnn.forward(p.params, p.x, y=p.y, state=state, teacher_forcing=mask).o
        ).all()


# ---------------------------------------------------------------------- tokens


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
def test_tokens_are_one_hot_inputs(pattern: str, feed: str, dtype: str) -> None:
    tokens = many_ragged(pattern, feed, dtype, inputs="tokens")
    values = tokens.but(
        rnn=make_rnn(pattern, 5, 19, 7),
        x=reference.one_hot(tokens.x, 5).astype(dtype),
    )
    values = values.but(params=values.rnn.parameters(tokens.params.vector))
    (trace, g), (expected, g_expected) = run_core(tokens), run_core(values)
    assert_traces_close(trace, expected, dtype)
    assert g.x is None
    for name, value in g_expected.parameters.items():
        assert_close(g.parameters[name], value, dtype, name)
    for name in ("o", "h", "a", "h0", "y0"):
        assert_close(getattr(g, name), getattr(g_expected, name), dtype, name)


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "uint64"])
def test_tokens_and_labels_of_any_integer_type(kind: str) -> None:
    rnn = make_rnn("both, o", 5, 3, 4, inputs="tokens")
    p = random_problem(rnn, np.random.default_rng(9), 6, 3, feed="forced")
    forward = p.forward | {"y": p.y.astype(kind)}
    other = p.but(x=p.x.astype(kind), y=p.y.astype(kind), forward=forward)
    assert_same(run_core(other)[1].parameters.vector, run_core(p)[1].parameters.vector, kind)
    assert_gradients_close(run_core(other)[1], run_core(p)[1], np.float64)
