"""Writing a walk's document; each equation is held against the library's number as it is added."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cybptt._explain._document import Block, Equation, Heading, Values, Words
from cybptt._explain._expressions import Expression, Leaf


class Script:
    """A document that grows."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._said: set[str] = set()

    def heading(self, words: str, level: int) -> None:
        """Begin a part."""
        self.blocks.append(Heading(words, level))

    def say(self, words: str, *, once: bool = False) -> None:
        """Add a paragraph; with ``once``, if it has not been there."""
        if not (once and words in self._said):
            self._said.add(words)
            self.blocks.append(Words(words))

    def values(self, leaves: Sequence[Leaf]) -> None:
        """Show what is given."""
        if leaves:
            self.blocks.append(Values(tuple(leaves)))

    def equation(
        self, number: str, result: Leaf, right: Expression, rule: Expression | None = None
    ) -> None:
        """Add an equation whose left side is the library's number."""
        hold(number, result, right)
        self.blocks.append(Equation(number, result, right, rule))


def hold(number: str, result: Leaf, right: Expression) -> None:
    """See that the library's number is what the equation comes to, but for rounding."""
    got = result.value
    with np.errstate(all="ignore"):
        want, scale = right.value, right.magnitude
        allowed = 1000 * np.finfo(got.dtype).eps * (1 + np.abs(want) + scale)
        # Where a term is not finite, what comes of it depends on the order of the sum.
        same = got.shape == want.shape and bool(
            ((np.abs(got - want) <= allowed) | ~np.isfinite(scale)).all()
        )
    if not same:
        raise RuntimeError(
            f"{number}: {result.name} is {got.tolist()} in the library and {want.tolist()} by its "
            "equation; one of them is wrong: please report it"
        )
