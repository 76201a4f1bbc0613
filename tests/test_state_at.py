"""The state in the middle of a pass: where a chunk that overlaps this one goes on from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import FED_PATTERNS, Problem, assert_same, cut, make_rnn, random_problem

import cybptt

T, B = 23, 50  # blocks of five steps
LENGTHS = np.random.default_rng(0).integers(0, T + 1, B)


def problem(pattern: str, feed: str, ragged: bool, **options: Any) -> Problem:
    rnn = make_rnn(pattern, 3, 19, 4, **options)
    lengths = LENGTHS if ragged else None
    rng = np.random.default_rng(1)
    p = random_problem(rnn, rng, T, B, feed=feed, lengths=lengths, weights=ragged)
    # Given to `forward` where none is fed, too, so that its state has the last y.
    return p if rnn.recurrence == "hidden" else p.but(forward=p.forward | {"y": p.y})


def run(p: Problem, **options: Any) -> Any:
    return p.rnn.value_and_grad(p.params, p.x, p.y, **p.options, **options, return_state=True)


def assert_same_state(got: Any, want: Any, what: str) -> None:
    for name in ("h", "fed", "y"):
        assert_same(getattr(got, name), getattr(want, name), f"state.{name}, {what}")


def python_tanh() -> cybptt.Activation:
    """One that the core cannot compute alone: the pass goes step by step."""
    return cybptt.Activation("python's", lambda a: np.tanh(a), lambda a: 1 - np.tanh(a) ** 2)


@pytest.mark.parametrize("activation", ["tanh", python_tanh()], ids=["C", "Python"])
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
def test_it_is_where_the_first_steps_alone_end(
    pattern: str, feed: str, ragged: bool, activation: Any
) -> None:
    p = problem(pattern, feed, ragged, activation=activation)
    loss, grad, end = run(p)
    trace = p.rnn.forward(p.params, p.x, **p.forward)
    for k in (0, 1, 4, 5, 6, 15, 22, 23):
        first, _ = cut(p, k)
        want = p.rnn.forward(p.params, first.x, **first.forward).state
        assert_same_state(trace.state_at(k), want, f"trace, {k}")
        for checkpoint in (None, 1, 8):
            again = run(p, state_at=k, checkpoint=checkpoint)
            assert again[0] == loss
            assert_same(again[1].vector, grad.vector, "gradient")
            assert_same_state(again[2], want, f"{k}, checkpoint={checkpoint}")
    assert_same_state(trace.state_at(T), end, "the end")


def test_one_sequence_has_no_axis_more() -> None:
    rnn = make_rnn("both, o", 2, 3, 2)
    p = random_problem(rnn, np.random.default_rng(2), 9, -1, feed="forced")
    state = run(p, state_at=4)[2]
    assert (state.h.shape, state.fed.shape, state.y.shape) == ((3,), (2,), (2,))
    assert_same_state(state, rnn.forward(p.params, p.x, **p.forward).state_at(4), "one sequence")


def test_no_steps() -> None:
    rnn = cybptt.RNN(2, 3, 2)
    params, h0 = rnn.init(seed=0), np.ones((4, 3))
    nothing = np.zeros((0, 4, 2)), np.zeros((0, 4), int)
    *_, state = rnn.value_and_grad(params, *nothing, h0=h0, return_state=True, state_at=0)
    assert_same(state.h, h0, "h")
    assert_same(rnn.forward(params, nothing[0], h0=h0).state_at(0).h, h0, "h")


def test_it_wants_the_state() -> None:
    rnn = cybptt.RNN(2, 3, 2)
    with pytest.raises(ValueError, match="state_at: got 1, need None without return_state"):
        rnn.value_and_grad(rnn.init(seed=0), np.ones((4, 2)), [0, 1, 1, 0], state_at=1)
