"""How the steps of a batch stand in a tensor: where sequences end, and which way they are read."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Whole:
    """Sequences that are all as long: (T, B, ·)."""

    counts = None

    def reverse(self, x: Tensor) -> Tensor:
        """Each sequence from its end."""
        return x.flip(0)

    def ends(self, h: Tensor) -> Tensor:
        """(B, ·)."""
        return h[-1]


class Packed:
    """Those of a PackedSequence, the longest first, a step's rows together: (N, ·)."""

    def __init__(self, batch_sizes: Tensor) -> None:
        self.counts: Any = batch_sizes.numpy()
        self._sizes = batch_sizes
        T, B = len(batch_sizes), int(batch_sizes[0])
        self._starts = batch_sizes.cumsum(0) - batch_sizes
        # A place has the steps that more sequences than its number have.
        self._lengths = T - torch.searchsorted(batch_sizes.flip(0), torch.arange(B), right=True)
        self._last = self._starts[self._lengths - 1] + torch.arange(B)
        self._index: Tensor | None = None

    def reverse(self, x: Tensor) -> Tensor:
        """Each sequence from its end; done twice, all is as it was."""
        if self._index is None:
            t = torch.repeat_interleave(torch.arange(len(self._sizes)), self._sizes)
            place = torch.arange(len(t)) - self._starts[t]
            self._index = self._starts[self._lengths[place] - 1 - t] + place
        return x.index_select(0, self._index)

    def ends(self, h: Tensor) -> Tensor:
        """(B, ·)."""
        return h.index_select(0, self._last)
