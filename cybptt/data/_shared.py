"""What the parts of cybptt.data share: sizes, seeds, and items made when they are asked for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cybptt import _validate as check

Array = NDArray[Any]
Seed = int | np.random.Generator | None
Chunk = tuple[Array, Array, dict[str, Any]]


def sizes(n_steps: Any, n_sequences: Any, least: int, width: int = 1) -> tuple[int, int]:
    """T, `least` or more, and B, of an array with so many values a step."""
    T = check.integer("n_steps", n_steps, least)
    B = check.integer("n_sequences", n_sequences, 1)
    check.check_size("n_steps", T, B, width)
    return T, B


class Lazy(Sequence[Any]):
    """A sequence that makes its items, the same each time."""

    @abstractmethod
    def _item(self, k: int) -> Any:
        """Item k, 0 ≤ k < len(self)."""

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._item(k) for k in range(*index.indices(len(self)))]
        return self._item(range(len(self))[index])


def fixed_seed(seed: Any) -> int:
    """An int, from which each item's own generator is made: drawn, where none was given."""
    if isinstance(seed, int | np.integer) and not isinstance(seed, bool):
        return check.integer("seed", seed, 0)
    return int(check.generator("seed", seed).integers(2**63))


def generator(seed: int, k: int) -> np.random.Generator:
    """Item k's own."""
    return np.random.default_rng([seed, k])
