"""The right side of an equation with its numbers: what is shown is what is computed.

An expression is a tree whose leaves have a name and a value. Text and LaTeX are made of it, in
letters and in numbers; and it has a value itself, against which the library's number is held.
Vectors are columns, (n, 1), matrices (m, n), scalars ().
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Expression:
    """A part of an equation."""

    @property
    def value(self) -> Array:
        """What it comes to."""
        raise NotImplementedError

    @property
    def magnitude(self) -> Array:
        """The same with every term's absolute value: the scale of its rounding errors."""
        return np.abs(self.value)


@dataclass(frozen=True, eq=False)
class Leaf(Expression):
    """A node or parameter: its name as text, such as h(t−1) or ∇W, and its value.

    In general statements it has no value. ``compound`` is a name with an operator in it.
    """

    name: str
    number: Any = None
    compound: bool = False
    latex: str | None = None  # where it does not follow from the name

    @property
    def value(self) -> Array:
        number = np.asarray(self.number)
        return number[:, None] if number.ndim == 1 else number


@dataclass(frozen=True, eq=False)
class Sum(Expression):
    """Terms, one after the other."""

    terms: tuple[Expression, ...]

    @property
    def value(self) -> Array:
        return np.asarray(sum((term.value for term in self.terms[1:]), self.terms[0].value))

    @property
    def magnitude(self) -> Array:
        parts = [term.magnitude for term in self.terms]
        return np.asarray(sum(parts[1:], parts[0]))


@dataclass(frozen=True, eq=False)
class Negative(Expression):
    """Minus a term."""

    term: Expression

    @property
    def value(self) -> Array:
        return -self.term.value

    @property
    def magnitude(self) -> Array:
        return self.term.magnitude


@dataclass(frozen=True, eq=False)
class Product(Expression):
    """Factors, from the left: matrices and vectors, or scalars first."""

    factors: tuple[Expression, ...]

    @property
    def value(self) -> Array:
        return _product([factor.value for factor in self.factors])

    @property
    def magnitude(self) -> Array:
        return _product([factor.magnitude for factor in self.factors])


def _product(values: list[Array]) -> Array:
    out = values[0]
    for value in values[1:]:
        out = out @ value if out.ndim and value.ndim else out * value
    return out


@dataclass(frozen=True, eq=False)
class Elementwise(Expression):
    """left ⊙ right, entry by entry."""

    left: Expression
    right: Expression

    @property
    def value(self) -> Array:
        return np.asarray(self.left.value * self.right.value)

    @property
    def magnitude(self) -> Array:
        return np.asarray(self.left.magnitude * self.right.magnitude)


@dataclass(frozen=True, eq=False)
class Fraction(Expression):
    """One number over another."""

    above: Leaf
    below: Leaf

    @property
    def value(self) -> Array:
        return np.asarray(self.above.value / self.below.value)


@dataclass(frozen=True, eq=False)
class Transposed(Expression):
    """A matrix, or a column as a row."""

    of: Leaf

    @property
    def value(self) -> Array:
        return self.of.value.T


@dataclass(frozen=True, eq=False)
class Diagonal(Expression):
    """A vector as a diagonal matrix."""

    of: Expression

    @property
    def value(self) -> Array:
        return np.diagflat(self.of.value)


@dataclass(frozen=True, eq=False)
class Applied(Expression):
    """A function of one or several arguments."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Expression, ...]

    @property
    def value(self) -> Array:
        return np.asarray(self.function(*(argument.value for argument in self.arguments)))

    @property
    def magnitude(self) -> Array:
        out = np.abs(self.value)
        for argument in self.arguments:
            if argument.value.shape == out.shape:
                out = out + argument.magnitude
        return np.asarray(out)


@dataclass(frozen=True, eq=False)
class SquaredNorm(Expression):
    """‖v‖²."""

    of: Expression

    @property
    def value(self) -> Array:
        return np.asarray((self.of.value**2).sum())

    @property
    def magnitude(self) -> Array:
        return np.asarray((self.of.magnitude**2).sum())


@dataclass(frozen=True, eq=False)
class OverTime(Expression):
    """Σ over t of a term: only in general statements, it has no value."""

    term: Expression


def add(*terms: Expression | None) -> Expression:
    """The sum of the terms that there are."""
    there = tuple(term for term in terms if term is not None)
    return there[0] if len(there) == 1 else Sum(there)


def times(*factors: Expression | None) -> Product:
    """The product of the factors that there are."""
    return Product(tuple(factor for factor in factors if factor is not None))


def is_scalar(part: Expression) -> bool:
    """Whether a factor is a number, which wants a dot before another one."""
    return isinstance(part, Leaf) and part.number is not None and np.ndim(part.number) == 0
