"""Checkpoints: the states between are computed again, and the result has the same bits."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from helpers import FED_PATTERNS, assert_same, make_rnn, random_problem

import cybptt


@pytest.mark.parametrize("B", [1, 3, 100, 300])
@pytest.mark.parametrize("checkpoint", [40, 41, 2**31, 2**62, 2**63 - 1, 10**30])
def test_more_steps_than_there_are_is_all_of_them(checkpoint: int, B: int) -> None:
    rng = np.random.default_rng(B)
    p = random_problem(make_rnn("hidden", 2, 3, 4), rng, 40, B)
    loss, grad = p.rnn.value_and_grad(p.params, p.x, p.y)
    again, same = p.rnn.value_and_grad(p.params, p.x, p.y, checkpoint=checkpoint)
    assert again == loss
    assert_same(same.vector, grad.vector, "gradient")


@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("activation", ["tanh", "softplus"])
@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
def test_any_checkpoint_gives_the_same_bits(
    pattern: str, feed: str, activation: str, ragged: bool
) -> None:
    # With so many sequences a block of the sums over time is three steps: there are seven segments.
    rnn = make_rnn(pattern, 3, 5, 4, activation=activation)
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 21, 70) if ragged else None
    p = random_problem(
        rnn, rng, 20, 70, feed=feed, lengths=lengths, weights=ragged, reduction="mean"
    )

    def run(**options: Any) -> tuple[float, Any, Any]:
        return rnn.value_and_grad(p.params, p.x, p.y, **p.options, **options, return_state=True)

    loss, grad, state = run()
    for checkpoint in (1, 3, 4, 7, 19, 20, 1000, "auto"):
        again = run(checkpoint=checkpoint)
        assert again[0] == loss, checkpoint
        assert_same(again[1].vector, grad.vector, f"gradient with checkpoint={checkpoint}")
        for name in ("h", "fed", "y"):
            got, want = getattr(again[2], name), getattr(state, name)
            assert_same(got, want, f"state.{name} with checkpoint={checkpoint}")


@pytest.mark.parametrize("checkpoint", [None, 1, "auto"])
def test_a_pass_over_no_steps(checkpoint: Any) -> None:
    for B in (0, 3):
        rnn = make_rnn("both, o", 2, 3, 4)
        p = random_problem(rnn, np.random.default_rng(0), 0, B, feed="forced")
        loss, grad, state = rnn.value_and_grad(
            p.params, p.x, p.y, **p.options, return_state=True, checkpoint=checkpoint
        )
        assert loss == 0
        assert not grad.vector.any()
        assert_same(state.h, p.forward["h0"], "state.h")


def test_checkpoints_save_memory() -> None:
    rnn = cybptt.RNN(1, 128, 2, outputs="last")
    params = rnn.init(seed=0)
    x, y = np.zeros((6000, 1, 1)), np.zeros(1, int)

    def peak(checkpoint: Any) -> int:
        tracemalloc.start()
        try:
            rnn.value_and_grad(params, x, y, checkpoint=checkpoint)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak("auto") < peak(None) / 3
