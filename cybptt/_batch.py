"""How a batch lies in memory: packed rows, step after step, without padding.

The core's Design B, from Python's side. Everything that knows about sequences of different lengths
is in this file: packing, unpacking, where a sequence ends, and the blocks of time by which the
parameters' gradients are summed.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cybptt import _core

Array = NDArray[Any]

BLOCK_ROWS = _core.block_rows


class Layout:
    """The rows of a batch of B sequences of at most T steps.

    Parameters
    ----------
    T, B : int
    lengths : ndarray of intp, shape (B,), or None
        None where all sequences have T steps.
    single : bool
        Whether the caller gave one sequence without a B axis (B is then 1).

    Attributes
    ----------
    N : int
        Rows in all.
    counts : ndarray of intp, shape (T,)
        Rows of each step, never growing.
    order : ndarray of intp, shape (B,), or None
        The sequence that stands at each place, the longest first; None for the order given.
    """

    def __init__(self, T: int, B: int, lengths: Array | None, single: bool) -> None:
        self.T, self.B, self.single = T, B, single
        if lengths is not None and bool((lengths == T).all()):
            lengths = None
        self.lengths = lengths
        self.order: Array | None = None
        if lengths is None:
            self.counts = np.full(T, B, np.intp)
            self.N = T * B
        else:
            self.order = np.argsort(-lengths, kind="stable")
            # Step t has the sequences that are longer than t.
            ended = np.bincount(lengths, minlength=T + 1)[:T].cumsum()
            self.counts = (B - ended).astype(np.intp)
            self.N = int(lengths.sum())

    @classmethod
    def of_counts(cls, counts: Array) -> Layout:
        """The layout of sequences that stand by place already: rows of each step, T ≥ 1."""
        T, B = len(counts), int(counts[0])
        # A place has the steps that more sequences than its number have.
        lengths = T - np.searchsorted(counts[::-1], np.arange(B), side="right")
        return cls(T, B, lengths, False)

    @cached_property
    def starts(self) -> Array:
        """The row at which each step starts, and the end: (T + 1,)."""
        return np.concatenate([[0], np.cumsum(self.counts)]).astype(np.intp)

    @property
    def first(self) -> int:
        """How many sequences have a first step."""
        return int(self.counts[0]) if self.T else 0

    @property
    def block_steps(self) -> int:
        """Steps of a block of time: it depends on B alone."""
        return max(1, BLOCK_ROWS // max(1, self.B))

    @cached_property
    def blocks(self) -> Array:
        """The rows at which blocks of time start, and the end, for sums over time."""
        if self.lengths is None:
            edges = np.arange(-(-self.T // self.block_steps) + 1) * (self.block_steps * self.B)
            return np.minimum(edges, self.N, dtype=np.intp)
        return np.append(self.starts[: self.T : self.block_steps], self.N).astype(np.intp)

    def segments(self, steps: int) -> list[tuple[Layout, slice]]:
        """The layouts of segments of so many steps, one at least, and their rows; by place."""
        lengths = np.full(self.B, self.T) if self.lengths is None else self.sort(self.lengths)
        out = []
        for t in range(0, max(1, self.T), steps):
            T = min(steps, self.T - t)
            layout = Layout(T, self.B, np.clip(lengths - t, 0, T), False)
            out.append((layout, slice(int(self.starts[t]), int(self.starts[t + T]))))
        return out

    @cached_property
    def _rows(self) -> tuple[Array, Array]:
        """The step and the sequence of every packed row."""
        t = np.repeat(np.arange(self.T), self.counts)
        place = np.arange(self.N) - self.starts[t]
        return t, place if self.order is None else self.order[place]

    @cached_property
    def last(self) -> Array:
        """Where each place's sequence ends in h (B + N, H): its last step, or h(0)."""
        return self.last_by(None)

    def last_by(self, at: int | None) -> Array:
        """The same where only the first `at` steps are looked at."""
        at = self.T if at is None else at
        if self.lengths is None:
            return np.arange(at * self.B, (at + 1) * self.B)
        n = np.minimum(self.lengths[self.order], at)
        return np.where(n == 0, 0, self.B + self.starts[np.maximum(n, 1) - 1]) + np.arange(self.B)

    @cached_property
    def row_before(self) -> Array:
        """Where h(t−1) of every row stands in h (B + N, H); its y(t−1) is B rows earlier."""
        if self.lengths is None:
            return np.arange(self.N)
        t = self._rows[0]
        place = np.arange(self.N) - self.starts[t]
        return np.where(t == 0, 0, self.B + self.starts[np.maximum(t, 1) - 1]) + place

    def previous(self, h: Array) -> Array:
        """h(t−1) of every row, (N, H), from h (B + N, H): a view where all lengths are equal."""
        return h[: self.N] if self.lengths is None else h[self.row_before]

    def pack(self, array: Array) -> Array:
        """(T, B, …) to (N, …): a view where all lengths are equal."""
        if self.lengths is None:
            return array.reshape(self.N, *array.shape[2:])
        return np.ascontiguousarray(array[self._rows])

    def unpack(self, rows: Array) -> Array:
        """(N, …) to (T, B, …), 0 past a sequence's end; for one sequence, to (T, …)."""
        if self.lengths is None:
            return self._squeeze(rows.reshape(self.T, self.B, *rows.shape[1:]), 1)
        out = np.zeros((self.T, self.B, *rows.shape[1:]), rows.dtype)
        out[self._rows] = rows
        return self._squeeze(out, 1)

    def sort(self, array: Array) -> Array:
        """(B, …) in the caller's order to (B, …) by place."""
        return array if self.order is None else array[self.order]

    def unsort(self, array: Array) -> Array:
        """(B, …) by place to the caller's order; for one sequence, to (…)."""
        if self.order is not None:
            out = np.empty_like(array)
            out[self.order] = array
            array = out
        return self._squeeze(array, 0)

    def repeat(self, h: Array) -> Array:
        """h (B + N, H) to (T, B, H), where past a sequence's end its last h stands again."""
        if self.lengths is None or self.order is None:
            return self.unpack(h[self.B :])
        place = np.argsort(self.order)
        n = self.lengths
        t = np.minimum(np.arange(self.T)[:, None], n - 1)
        row = np.where(t < 0, 0, self.B + self.starts[np.maximum(t, 0)]) + place
        return self._squeeze(h[row], 1)

    def fold(self, array: Array) -> Array:
        """The transpose of `repeat`: (T, B, H) to (B + N, H), what stands past the end added up."""
        out = np.zeros((self.B + self.N, *array.shape[2:]), array.dtype)
        out[self.B :] = self.pack(array)
        if self.lengths is not None:
            past = np.arange(self.T)[:, None] >= self.lengths
            sums = np.where(past[..., None], array, 0).sum(axis=0, dtype=array.dtype)
            out[self.last] += self.sort(sums)
        return out

    def _squeeze(self, array: Array, axis: int) -> Array:
        return array.squeeze(axis) if self.single else array
