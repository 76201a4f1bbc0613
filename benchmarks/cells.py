"""What is raced: the grid of sizes, and the same data for every library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Cell:
    """One size: B sequences of T steps through an RNN of I inputs, H hidden units, O outputs."""

    name: str
    B: int
    T: int
    I: int
    H: int
    O: int

    @property
    def flops(self) -> int:
        """Multiplications and additions of the matrix products, forward and backward.

        Each of W h and V h costs one product forward, and two backward (the node's gradient and the
        parameter's); U x lacks the node's, for nobody is asked for ∇x.
        """
        return (
            2 * self.B * self.T * (3 * self.H * self.H + 3 * self.H * self.O + 2 * self.H * self.I)
        )

    def data(self, dtype: str) -> dict[str, NDArray[Any]]:
        """Inputs, labels and parameters: the same for all libraries."""
        rng = np.random.default_rng(0)
        bound = 1 / np.sqrt(self.H)
        shapes = {
            "U": (self.H, self.I),
            "W": (self.H, self.H),
            "V": (self.O, self.H),
            "b": (self.H,),
            "c": (self.O,),
        }
        arrays = {n: rng.uniform(-bound, bound, s).astype(dtype) for n, s in shapes.items()}
        arrays["x"] = rng.normal(size=(self.T, self.B, self.I)).astype(dtype)
        arrays["y"] = rng.integers(self.O, size=(self.T, self.B))
        return arrays


# From a network to follow with a pencil to one that is all matrix product.
CELLS = {
    cell.name: cell
    for cell in (
        Cell("tiny", 1, 100, 8, 16, 8),
        Cell("book", 1, 25, 65, 100, 65),
        Cell("b1h256", 1, 500, 64, 256, 64),
        Cell("long", 1, 10_000, 16, 64, 16),
        Cell("pix", 16, 784, 1, 100, 10),
        Cell("neuro", 64, 200, 6, 100, 3),
        Cell("mid", 32, 100, 64, 128, 64),
        Cell("seq256", 64, 500, 128, 256, 128),
        Cell("wide512", 128, 50, 512, 512, 512),
    )
}
