"""How a batch lies in memory: `Layout`, held against lists of what stands where."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import assert_same
from hypothesis import assume, given
from hypothesis import strategies as st

import cybptt
from cybptt import _batch
from cybptt._batch import Layout


@st.composite
def layouts(draw: Any) -> tuple[Layout, list[int]]:
    """A layout, and the length of each sequence."""
    T, B = draw(st.integers(0, 9)), draw(st.integers(0, 7))
    ragged = draw(st.booleans())
    lengths = [draw(st.integers(0, T)) for _ in range(B)] if ragged else [T] * B
    given = np.array(lengths, np.intp) if ragged else None
    return Layout(T, B, given, single=False), lengths


def places(lengths: list[int]) -> list[int]:
    """The sequence at each place: the longest first, those of one length in their order."""
    return sorted(range(len(lengths)), key=lambda n: -lengths[n])


def rows_of(lengths: list[int]) -> list[tuple[int, int]]:
    """The step and the sequence of every packed row."""
    T = max(lengths, default=0)
    return [(t, n) for t in range(T) for n in places(lengths) if lengths[n] > t]


def numbered(T: int, B: int) -> Any:
    """(T, B, 2): the step and the sequence, so that every value says where it was."""
    return np.stack(np.meshgrid(np.arange(T), np.arange(B), indexing="ij"), axis=-1)


@given(layouts())
def test_packed_rows_are_step_after_step_the_longest_first(case: tuple[Layout, list[int]]) -> None:
    layout, lengths = case
    rows = rows_of(lengths)
    assert len(rows) == layout.N
    packed = layout.pack(numbered(layout.T, layout.B))
    assert packed.tolist() == [list(row) for row in rows]
    assert layout.counts.tolist() == [sum(n > t for n in lengths) for t in range(layout.T)]
    assert layout.counts.dtype == np.intp
    assert layout.starts.tolist() == [sum(layout.counts[:t]) for t in range(layout.T + 1)]
    assert layout.first == sum(n > 0 for n in lengths) * (layout.T > 0)


@given(layouts(), st.sampled_from(["f4", "f8", "i8"]))
def test_unpacking_is_the_way_back_and_leaves_0(case: tuple[Layout, list[int]], dtype: str) -> None:
    layout, lengths = case
    array = (numbered(layout.T, layout.B) + 1).astype(dtype)
    valid = np.arange(layout.T)[:, None] < np.array(lengths, int)
    expected = np.where(valid[..., None], array, 0).astype(dtype)
    assert_same(layout.unpack(layout.pack(array)), expected, "there and back")
    flat = np.ascontiguousarray(array[..., 0])
    assert_same(layout.unpack(layout.pack(flat)), expected[..., 0], "without a last axis")


@given(layouts())
def test_sorting_and_back(case: tuple[Layout, list[int]]) -> None:
    layout, lengths = case
    sequences = np.arange(2 * layout.B).reshape(layout.B, 2)
    by_place = layout.sort(sequences)
    assert by_place.tolist() == [[2 * n, 2 * n + 1] for n in places(lengths)]
    assert_same(layout.unsort(by_place), sequences, "there and back")


def states(layout: Layout, lengths: list[int]) -> tuple[Any, dict[tuple[int, int], int]]:
    """h (B + N, 1) of different values, and the row of each (t, n), t = −1 for h(0)."""
    row = {(-1, n): place for place, n in enumerate(places(lengths))}
    row |= {(t, n): layout.B + i for i, (t, n) in enumerate(rows_of(lengths))}
    return np.arange(100.0, 100.0 + layout.B + layout.N)[:, None], row


@given(layouts())
def test_repeating_past_the_end(case: tuple[Layout, list[int]]) -> None:
    layout, lengths = case
    h, row = states(layout, lengths)
    repeated = layout.repeat(h)
    assert repeated.shape == (layout.T, layout.B, 1)
    for t in range(layout.T):
        for n, length in enumerate(lengths):
            assert repeated[t, n] == h[row[min(t, length - 1), n]]


@given(layouts())
def test_folding_is_the_transpose_of_repeating(case: tuple[Layout, list[int]]) -> None:
    layout, lengths = case
    array = np.random.default_rng(0).integers(-9, 10, (layout.T, layout.B, 3)).astype(float)
    folded = layout.fold(array)
    assert folded.shape == (layout.B + layout.N, 3)
    expected = np.zeros_like(folded)
    _, row = states(layout, lengths)
    for t in range(layout.T):
        for n, length in enumerate(lengths):
            expected[row[min(t, length - 1), n]] += array[t, n]
    assert_same(folded, expected, "folded")
    other = np.random.default_rng(1).integers(-9, 10, folded.shape).astype(float)
    assert (folded * other).sum() == (array * layout.repeat(other)).sum()


@given(layouts())
def test_where_sequences_end_and_what_stands_before(case: tuple[Layout, list[int]]) -> None:
    layout, lengths = case
    h, row = states(layout, lengths)
    assert layout.last.tolist() == [row[lengths[n] - 1, n] for n in places(lengths)]
    before = [row[t - 1, n] for t, n in rows_of(lengths)]
    assert layout.row_before.tolist() == before
    assert_same(layout.previous(h), h[before], "h(t−1)")


@given(layouts(), st.integers(1, 12))
def test_segments_are_layouts_of_their_steps(case: tuple[Layout, list[int]], steps: int) -> None:
    layout, lengths = case
    at_place = [lengths[n] for n in places(lengths)]
    seen = 0
    segments = layout.segments(steps)
    assert len(segments) == max(1, -(-layout.T // steps))
    for i, (segment, rows) in enumerate(segments):
        t = i * steps
        assert segment.T == min(steps, layout.T - t)
        assert segment.B == layout.B
        assert not segment.single
        assert rows.start == seen
        assert segment.N == rows.stop - rows.start
        assert segment.counts.tolist() == layout.counts[t : t + segment.T].tolist()
        # The places stay: the longest are first in every segment.
        order = range(layout.B) if segment.order is None else segment.order
        assert list(order) == list(range(layout.B))
        inside = [min(max(n - t, 0), segment.T) for n in at_place]
        assert segment.counts.sum() == sum(inside)
        seen = rows.stop
    assert seen == layout.N


@given(layouts(), st.integers(1, 40))
def test_blocks_of_time_are_whole_steps(case: tuple[Layout, list[int]], block_rows: int) -> None:
    layout, _ = case
    assume(layout.T > 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_batch, "BLOCK_ROWS", block_rows)
        steps = layout.block_steps
        assert steps == max(1, block_rows // max(1, layout.B))
        blocks = layout.blocks
    assert blocks[0] == 0
    assert blocks[-1] == layout.N
    expected = [int(layout.starts[t]) for t in range(0, layout.T, steps)]
    assert blocks.tolist() == [*expected, layout.N]
    assert blocks.dtype == np.intp


@pytest.mark.parametrize("length", [None, 0, 3, 5])
def test_one_sequence_has_no_batch_axis(length: int | None) -> None:
    lengths = None if length is None else np.array([length])
    layout = Layout(5, 1, lengths, single=True)
    n = 5 if length is None else length
    array = np.arange(10.0).reshape(5, 1, 2) + 1
    rows = layout.pack(array)
    assert rows.shape == (n, 2)
    assert layout.unpack(rows).shape == (5, 2)
    assert_same(layout.unpack(rows)[:n], array[:n, 0], "its steps")
    assert layout.unsort(np.ones((1, 2))).shape == (2,)
    h = np.arange(2.0 * (1 + n)).reshape(1 + n, 2)
    assert layout.repeat(h).shape == (5, 2)
    assert_same(layout.repeat(h)[-1], h[-1], "its end")


def test_a_batch_of_one_keeps_its_axis() -> None:
    layout = Layout(5, 1, np.array([3]), single=False)
    assert layout.unpack(layout.pack(np.ones((5, 1, 2)))).shape == (5, 1, 2)


def test_equal_lengths_are_a_view_without_an_order() -> None:
    for lengths in (None, np.array([4, 4, 4])):
        layout = Layout(4, 3, lengths, single=False)
        array = np.zeros((4, 3, 2))
        assert np.shares_memory(layout.pack(array), array)
        assert layout.order is None
        assert layout.lengths is None


# ---------------------------------------------------------------------- as a user sees it


def test_lengths_may_be_of_any_integer_type_and_layout() -> None:
    rnn = cybptt.RNN(2, 3, 2)
    params, x = rnn.init(0), np.ones((6, 4, 2))
    expected = rnn.forward(params, x, lengths=[6, 0, 2, 5]).h
    large = np.arange(8, dtype=np.uint8)
    large[::2] = [5, 2, 0, 6]
    for lengths in (
        (6, 0, 2, 5),
        np.array([6, 0, 2, 5], np.int8),
        np.array([6, 0, 2, 5], np.uint64),
        np.array([6, 0, 2, 5], ">i2"),
        large[::2][::-1],
    ):
        assert_same(rnn.forward(params, x, lengths=lengths).h, expected, f"{lengths!r}")


def test_pad_and_back() -> None:
    rng = np.random.default_rng(0)
    for tail, dtype in (((2,), float), ((2,), np.float32), ((), int), ((0,), float)):
        items = [rng.integers(0, 9, (n, *tail)).astype(dtype) for n in (3, 0, 5, 1)]
        x, lengths = cybptt.pad(items)
        assert x.shape == (5, 4, *tail)
        assert x.dtype == dtype
        assert lengths.tolist() == [3, 0, 5, 1]
        assert lengths.dtype == np.intp
        for n, item in enumerate(items):
            assert_same(x[: len(item), n], item, "an item")
            assert not x[len(item) :, n].any()
            assert not np.shares_memory(x, item)


@pytest.mark.parametrize(
    ("items", "dtype"),
    [
        ([[1, 2], []], np.intp),
        ([[], [1, 2]], np.intp),
        ([[], []], np.intp),
        ([[1, 2], [0.5]], np.float64),
        ([np.ones(2, np.int8), np.ones(1, np.uint8)], np.int16),
        ([np.ones(2, np.float32), np.zeros(0, np.float32)], np.float32),
        ([[True], [False, True]], np.bool_),
        ([(1, 2), range(3)], np.intp),
        ((item for item in ([1], [2, 3])), np.intp),
    ],
)
def test_pad_takes_the_widest_dtype(items: Any, dtype: Any) -> None:
    x, lengths = cybptt.pad(items)
    assert x.dtype == dtype
    assert x.shape == (lengths.max(), len(lengths))


def test_what_pad_makes_is_what_a_model_takes() -> None:
    rnn = cybptt.RNN(5, 3, 5, inputs="tokens")
    params = rnn.init(0)
    x, lengths = cybptt.pad([[1, 2, 3, 4], [], [0]])
    trace = rnn.forward(params, x, lengths=lengths)
    alone = rnn.forward(params, np.array([1, 2, 3, 4]))
    np.testing.assert_allclose(trace.h[:, 0], alone.h, rtol=1e-12)
    assert not trace.h[:, 1].any()
