"""What is raced: the grid of sizes, and the same data for every library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CELLS", "TOKENS", "Cell"]


@dataclass(frozen=True)
class Cell:
    """One size: B sequences of T steps through an RNN of I inputs, H hidden units, O outputs.

    inputs is "values", "tokens", or "one-hot": the same tokens, as the rows that they stand for.
    """

    name: str
    B: int
    T: int
    I: int
    H: int
    O: int
    inputs: str = "values"

    @property
    def flops(self) -> int:
        """Multiplications and additions of the matrix products, forward and backward.

        Each of W h and V h costs one product forward, and two backward (the node's gradient and the
        parameter's); U x lacks the node's, for nobody is asked for ∇x, and tokens need none.
        """
        of_x = 0 if self.inputs == "tokens" else 2 * self.H * self.I
        return 2 * self.B * self.T * (3 * self.H * self.H + 3 * self.H * self.O + of_x)

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
        if self.inputs == "values":
            arrays["x"] = rng.normal(size=(self.T, self.B, self.I)).astype(dtype)
        else:
            tokens = rng.integers(self.I, size=(self.T, self.B))
            one_hot = self.inputs == "one-hot"
            arrays["x"] = np.eye(self.I, dtype=dtype)[tokens] if one_hot else tokens
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

# Characters by the book's sizes, and words, where one-hot rows are long.
TOKENS = {
    cell.name: cell
    for cell in (Cell("characters", 1, 25, 65, 100, 65), Cell("words", 20, 35, 5000, 128, 64))
}
