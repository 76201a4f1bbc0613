"""Checkpoints with segments of any length: the blocks of time are made small for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import FED_PATTERNS, assert_same, make_rnn, random_problem
from hypothesis import example, given
from hypothesis import strategies as st

from cybptt import _batch

CHECKPOINTS = (1, 2, 3, 5, 8, 1000, "auto")


def assert_same_with_any_checkpoint(
    pattern: str, feed: str, T: int, B: int, block_rows: int, lengths: Any, **options: Any
) -> None:
    how = {name: options.pop(name) for name in ("dtype", "weights", "scale") if name in options}
    rnn = make_rnn(pattern, 3, 5, 4, **options)
    rng = np.random.default_rng(T + 10 * max(B, 0))
    p = random_problem(rnn, rng, T, B, feed=feed, lengths=lengths, **how)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_batch, "BLOCK_ROWS", block_rows)

        def run(**more: Any) -> Any:
            return rnn.value_and_grad(p.params, p.x, p.y, **p.options, **more, return_state=True)

        loss, grad, state = run()
        for checkpoint in CHECKPOINTS:
            again = run(checkpoint=checkpoint)
            assert again[0] == loss, checkpoint
            assert_same(again[1].vector, grad.vector, f"gradient, checkpoint={checkpoint}")
            for name in ("h", "fed", "y"):
                got, want = getattr(again[2], name), getattr(state, name)
                assert_same(got, want, f"state.{name}, checkpoint={checkpoint}")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("lengths", [None, [7, 0, 1, 6, 4, 0, 7, 3]], ids=["full", "ragged"])
@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
def test_every_pattern(pattern: str, feed: str, lengths: Any, dtype: str) -> None:
    for block_rows in (1, 16):  # segments of one step, and of two
        assert_same_with_any_checkpoint(
            pattern, feed, 7, 8, block_rows, lengths, dtype=dtype, weights=True
        )


@pytest.mark.parametrize("inputs", ["values", "tokens"])
@pytest.mark.parametrize("activation", ["relu", "gelu", "leaky_relu"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson_nll", "softmax_nll"])
def test_other_models(loss: str, activation: str, inputs: str) -> None:
    for pattern, feed in (("both, y_hat", "mask"), ("last", "none"), ("output, y_hat", "free")):
        assert_same_with_any_checkpoint(
            pattern, feed, 9, 3, 3, [9, 2, 5],
            loss=loss, activation=activation, inputs=inputs, scale=0.2,
        )  # fmt: skip


@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
def test_one_sequence(pattern: str, feed: str) -> None:
    for length in (None, 0, 1, 5, 11):
        lengths = None if length is None else np.array(length)
        assert_same_with_any_checkpoint(pattern, feed, 11, -1, 1, lengths, weights=True)


@given(data=st.data())
@example(data=None)
def test_any_shape(data: Any) -> None:
    if data is None:  # every sequence ends before the last segments begin
        case: tuple[Any, ...] = ("both, o", "mask", 12, 3, 1, [2, 0, 1])
    else:
        pattern, feed = data.draw(st.sampled_from(FED_PATTERNS))
        T, B = data.draw(st.integers(0, 12)), data.draw(st.integers(0, 5))
        lengths = data.draw(st.none() | st.lists(st.integers(0, T), min_size=B, max_size=B))
        case = (pattern, feed, T, B, data.draw(st.integers(1, 20)), lengths)
    assert_same_with_any_checkpoint(*case, weights=bool(case[3] and case[2]))


def test_a_probability_is_drawn_once_for_all_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_batch, "BLOCK_ROWS", 1)
    rnn = make_rnn("both, o", 3, 5, 4)
    p = random_problem(rnn, np.random.default_rng(0), 9, 3, feed="free")
    options = p.options | {"teacher_forcing": 0.5, "seed": 3}
    loss, grad = rnn.value_and_grad(p.params, p.x, p.y, **options)
    for checkpoint in CHECKPOINTS:
        rng = np.random.default_rng(3)
        again = rnn.value_and_grad(
            p.params, p.x, p.y, **(options | {"seed": rng}), checkpoint=checkpoint
        )
        assert again[0] == loss
        assert_same(again[1].vector, grad.vector, f"checkpoint={checkpoint}")
        after = np.random.default_rng(3)
        after.random((9, 3))
        assert rng.random() == after.random(), "as many draws"


def test_from_a_state_and_into_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_batch, "BLOCK_ROWS", 1)
    for pattern, feed in FED_PATTERNS:
        rnn = make_rnn(pattern, 3, 5, 4)
        p = random_problem(rnn, np.random.default_rng(0), 9, 3, feed=feed, start=False)
        state = rnn.forward(p.params, p.x, **p.forward).state
        out = p.params.copy()
        loss, grad = rnn.value_and_grad(p.params, p.x, p.y, **p.options, state=state)
        for checkpoint in CHECKPOINTS:
            again = rnn.value_and_grad(
                p.params, p.x, p.y, **p.options, state=state, checkpoint=checkpoint, out=out
            )
            assert again[1] is out
            assert again[0] == loss
            assert_same(out.vector, grad.vector, f"{pattern}, checkpoint={checkpoint}")
            out.vector = np.nan
