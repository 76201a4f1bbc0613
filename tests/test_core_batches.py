"""A sequence does not depend on its batch mates, nor on where it is cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import (
    FED_PATTERNS,
    GRADIENT_NODES,
    LENGTHS,
    NODES,
    as_float64,
    assert_close,
    assert_same,
    chosen,
    cut,
    make_rnn,
    many_ragged,
    nodes_of,
    random_problem,
    run_core,
)

DTYPES = ["float32", "float64"]

# ---------------------------------------------------------------------- batch mates


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
def test_permuting_a_batch_permutes_its_nodes_to_the_bit(
    pattern: str, feed: str, dtype: str
) -> None:
    problem = many_ragged(pattern, feed, dtype)
    order = np.random.default_rng(2).permutation(len(LENGTHS))
    expected = nodes_of(problem, order)
    for name, value in nodes_of(chosen(problem, order)).items():
        assert_same(value, expected[name], name)
    whole, permuted = run_core(problem)[1], run_core(chosen(problem, order))[1]
    for name, value in whole.parameters.items():  # sums over the batch: the same but for rounding
        assert_close(permuted.parameters[name], value, dtype, name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
def test_other_mates_leave_a_sequence_as_it_was_to_the_bit(
    pattern: str, feed: str, dtype: str
) -> None:
    problem = many_ragged(pattern, feed, dtype)
    expected = nodes_of(problem)
    for which in ([7, 3], [5, 2, 8], [0, 1, 4, 9, 10], [2, 2, 2]):
        for name, value in nodes_of(chosen(problem, which)).items():
            assert_same(value, expected[name][which], f"{name} of {which}")
    for n in range(len(LENGTHS)):  # alone, to rounding
        for name, value in nodes_of(chosen(problem, [n])).items():
            if name in expected:  # where nobody took a step there is a state.y of before it
                assert_close(value, expected[name][[n]], dtype, f"{name} of {n} alone")


def test_mates_that_are_not_finite_do_no_harm() -> None:
    problem = many_ragged("hidden", "none")
    expected = nodes_of(problem)
    x = problem.x.copy()
    x[:, 4], x[:, 9] = np.nan, np.inf
    problem.params.U[...] = np.abs(problem.params.U)  # so that inf stays inf
    expected = nodes_of(problem)
    with np.errstate(invalid="ignore"):
        poisoned = nodes_of(problem.but(x=x))
    others = [n for n in range(len(LENGTHS)) if n not in (4, 9)]
    for name, value in poisoned.items():
        assert_same(value[others], expected[name][others], name)
    assert np.isnan(poisoned["h"][4]).all()
    assert (poisoned["h"][9, : LENGTHS[9]] == 1).all()


@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_single_sequence_is_a_batch_of_one(pattern: str, feed: str, dtype: str) -> None:
    single = random_problem(
        make_rnn(pattern, 3, 9, 4), np.random.default_rng(3), 6, -1,
        dtype=dtype, feed=feed, lengths=np.int64(4), weights=True, reduction="mean",
    )  # fmt: skip
    last = single.rnn.outputs == "last"

    def batch(name: str, value: Any) -> Any:
        if name in ("reduction",) or value is True or value is False:
            return value
        time_major = name not in ("h0", "y0", "lengths") and not (last and name in ("y", "weights"))
        return np.expand_dims(value, 1 if time_major else 0)

    of_one = single.but(
        x=batch("x", single.x),
        y=batch("y", single.y),
        forward={name: batch(name, value) for name, value in single.forward.items()},
        loss={name: batch(name, value) for name, value in single.loss.items()},
    )
    (trace, g), (trace_1, g_1) = run_core(single), run_core(of_one)
    for name in NODES:
        axis = 0 if last and name in ("o", "y_hat") else 1
        assert_same(getattr(trace, name), getattr(trace_1, name).squeeze(axis), name)
    for name in GRADIENT_NODES:
        value = getattr(g_1, name)
        if value is not None:
            axis = 0 if name in ("h0", "y0") or (last and name == "o") else 1
            value = value.squeeze(axis)
        assert_same(getattr(g, name), value, f"gradient at {name}")
    assert_same(g.parameters.vector, g_1.parameters.vector, "parameters")
    losses = single.rnn.step_losses(trace, single.y)
    losses_1 = single.rnn.step_losses(trace_1, of_one.y)
    assert_same(losses, losses_1.squeeze(0 if last else 1), "step_losses")


# ---------------------------------------------------------------------- cutting a sequence


@pytest.mark.parametrize("k", range(8))
@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
def test_cutting_and_carrying_the_state_changes_no_loss(pattern: str, feed: str, k: int) -> None:
    p = many_ragged(pattern, feed)
    rnn = p.rnn
    whole = rnn.forward(p.params, p.x, **p.forward)
    first, second = cut(p, k)
    trace_1 = rnn.forward(p.params, first.x, **first.forward)
    trace_2 = rnn.forward(p.params, second.x, **second.forward, state=trace_1.state)
    for name in ("h", "fed", "y"):
        got, want = getattr(trace_2.state, name), getattr(whole.state, name)
        assert_close(got, want, "float64", f"state.{name}")
    if rnn.outputs == "last":
        losses = rnn.step_losses(trace_2, p.y)
    else:
        losses = np.concatenate(
            [rnn.step_losses(trace_1, first.y), rnn.step_losses(trace_2, second.y)]
        )
        assert_close(np.concatenate([trace_1.a, trace_2.a]), whole.a, "float64", "a")
    assert_close(losses, rnn.step_losses(whole, p.y), "float64", "step_losses")
    # The fast path carries the same state.
    *_, state = rnn.value_and_grad(p.params, first.x, first.y, **first.options, return_state=True)
    loss, _ = rnn.value_and_grad(p.params, second.x, second.y, **second.options, state=state)
    np.testing.assert_allclose(loss, rnn.total_loss(trace_2, second.y, **second.loss), rtol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 4, 6])
@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
def test_cutting_changes_no_gradient_where_the_second_part_reaches_the_first(
    pattern: str, feed: str, k: int
) -> None:
    p = many_ragged(pattern, feed)
    rnn = p.rnn
    whole = run_core(p)[1]
    first, second = cut(p, k)
    trace_1 = rnn.forward(p.params, first.x, **first.forward)
    trace_2 = rnn.forward(p.params, second.x, **second.forward, state=trace_1.state)
    g_2 = rnn.backward(trace_2, second.y, **second.loss)

    # The second part's gradient at h(0) enters at the first's last h; where the cut is free, the
    # gradient at what was fed enters at its last o, through the link if that was fed back.
    grad_h = np.zeros_like(trace_1.h)
    grad_h[-1] = g_2.h0
    grad_o = None
    if rnn.recurrence != "hidden":
        forced = np.broadcast_to(p.forward["teacher_forcing"], p.x.shape[:2])[k]
        back = g_2.y0
        if rnn.feedback == "y_hat":
            back = rnn.loss.link_vjp(trace_1.o[-1], trace_1.y_hat[-1], back)
        grad_o = np.zeros_like(trace_1.o)
        grad_o[-1] = np.where(forced[:, None], 0.0, back)
    parts = [rnn.vjp(trace_1, grad_o=grad_o, grad_h=grad_h), g_2]
    if rnn.outputs == "all":
        parts.append(rnn.backward(trace_1, first.y, **first.loss))
    for name, value in whole.parameters.items():
        total = sum(part.parameters[name] for part in parts)
        assert_close(total, value, "float64", name)
    into_first = [parts[0], *parts[2:]]
    assert_close(sum(part.h0 for part in into_first), whole.h0, "float64", "h0")
    a = np.concatenate([sum(part.a for part in into_first), g_2.a])
    assert_close(a, whole.a, "float64", "a")
    if rnn.recurrence != "hidden":
        assert_close(sum(part.y0 for part in into_first), whole.y0, "float64", "y0")


def test_a_forced_first_step_takes_the_last_y_and_a_free_one_the_models_own() -> None:
    rnn = make_rnn("both, o", 2, 3, 2)
    p = random_problem(rnn, np.random.default_rng(4), 5, 3, feed="forced")
    state = rnn.forward(p.params, p.x, **p.forward).state
    np.testing.assert_array_equal(state.y, np.eye(2)[p.y[-1]])
    x = np.zeros((1, 3, 2))
    forced = np.array([[True, False, True]])
    wide = as_float64(p)
    trace = rnn.forward(p.params, x, y=p.y[:1], state=state, teacher_forcing=forced)
    u = np.where(forced[0][:, None], state.y, state.fed)
    a = wide.params["b"] + state.h @ wide.params["W"].T + u @ wide.params["R"].T
    assert_close(trace.a[0], a, "float64", "a")
    # After a call without y there is none to take.
    free = rnn.forward(p.params, x, state=state)
    assert free.state.y is None
