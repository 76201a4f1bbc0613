"""Expressions as text in the plane: matrices in brackets, operators at their middle."""

from __future__ import annotations

from dataclasses import dataclass

from cybptt._explain._expressions import (
    Applied,
    Diagonal,
    Elementwise,
    Expression,
    Fraction,
    Leaf,
    Negative,
    OverTime,
    Product,
    SquaredNorm,
    Sum,
    Transposed,
    is_scalar,
)
from cybptt._explain._numbers import table, written


@dataclass(frozen=True)
class Box:
    """Lines of equal width, and which of them is in line with what stands beside."""

    lines: tuple[str, ...]
    middle: int = 0

    @property
    def width(self) -> int:
        """In characters."""
        return len(self.lines[0])


def text(words: str) -> Box:
    """One line."""
    return Box((words,))


def beside(*boxes: Box) -> Box:
    """Boxes in a row."""
    above = max(box.middle for box in boxes)
    below = max(len(box.lines) - box.middle for box in boxes)
    columns = []
    for box in boxes:
        empty = " " * box.width
        top, bottom = above - box.middle, below - (len(box.lines) - box.middle)
        columns.append([empty] * top + list(box.lines) + [empty] * bottom)
    return Box(tuple("".join(parts) for parts in zip(*columns, strict=True)), above)


def spaced(*boxes: Box) -> Box:
    """Boxes in a row, with a space between."""
    row = [boxes[0]]
    for box in boxes[1:]:
        row += [text(" "), box]
    return beside(*row)


BRACKETS = {  # of one line; at the top, in the middle, at the bottom
    "[": ("[", "⎡", "⎢", "⎣"),
    "]": ("]", "⎤", "⎥", "⎦"),
    "(": ("(", "⎛", "⎜", "⎝"),
    ")": (")", "⎞", "⎟", "⎠"),
    "‖": ("‖", "‖", "‖", "‖"),
}


def enclosed(box: Box, left: str = "[", right: str = "]") -> Box:
    """A box within brackets of its height."""
    n = len(box.lines)

    def tall(kind: str) -> Box:
        one, top, middle, bottom = BRACKETS[kind]
        lines = (one,) if n == 1 else (top, *(middle,) * (n - 2), bottom)
        return Box(lines, box.middle)

    return beside(tall(left), box, tall(right))


def drawn(expression: Expression, decimals: int | None) -> Box:
    """An expression in letters, decimals None, or in numbers."""
    match expression:
        case Leaf():
            return _leaf(expression, decimals)
        case Sum():
            parts = []
            for i, term in enumerate(expression.terms):
                sign, box = signed(term, decimals, first=i == 0)
                parts.append(beside(text(sign), box) if sign else box)
            return spaced(*parts)
        case Negative():
            sign, box = signed(expression, decimals, first=True)
            return beside(text(sign), box)
        case Product():
            return spaced(*_factors(expression, decimals))
        case Elementwise():
            left, right = factor(expression.left, decimals), factor(expression.right, decimals)
            return spaced(left, text("⊙"), right)
        case Fraction():
            above, below = drawn(expression.above, decimals), drawn(expression.below, decimals)
            return spaced(above, text("/"), below)
        case Transposed():
            if decimals is None:
                return text(f"{expression.of.name}ᵀ")
            return _matrix(expression, decimals)
        case Diagonal():
            inner = drawn(expression.of, decimals)
            if decimals is None:
                return beside(text("diag"), enclosed(inner, "(", ")"))
            return beside(text("diag"), inner)
        case Applied():
            return _applied(expression, decimals)
        case SquaredNorm():
            box = drawn(expression.of, decimals)
            return beside(enclosed(box, "‖", "‖"), _at_the_top("²", box))
        case OverTime():
            return spaced(text("Σ_t"), factor(expression.term, decimals))
    raise TypeError(type(expression).__name__)


def signed(term: Expression, decimals: int | None, *, first: bool) -> tuple[str, Box]:
    """A term of a sum, and the sign before it."""
    if not isinstance(term, Negative):
        return ("" if first else "+ "), drawn(term, decimals)
    sign = "−" if first else "− "
    inner = term.term
    box = drawn(inner, decimals)
    # A negative number of its own after the sign.
    alone = isinstance(inner, Sum) or (len(box.lines) == 1 and box.lines[0].startswith("−"))
    return sign, enclosed(box, "(", ")") if alone else box


def factor(part: Expression, decimals: int | None) -> Box:
    """A factor of a product, in parentheses where it is a sum, or a negative number."""
    box = drawn(part, decimals)
    if isinstance(part, Sum | Negative):
        return enclosed(box, "(", ")")
    if decimals is None and isinstance(part, Leaf) and part.compound:
        return enclosed(box, "(", ")")
    if decimals is not None and box.lines[0].startswith("−"):
        return enclosed(box, "(", ")")
    return box


def _factors(product: Product, decimals: int | None) -> list[Box]:
    """The factors, with a dot between two numbers."""
    out: list[Box] = []
    for i, part in enumerate(product.factors):
        if i and is_scalar(part) and is_scalar(product.factors[i - 1]):
            out.append(text("·"))
        out.append(factor(part, decimals))
    return out


def _at_the_top(mark: str, box: Box) -> Box:
    """A mark in line with the first line of a box."""
    return Box((mark, *(" " for _ in box.lines[1:])), box.middle)


def _leaf(leaf: Leaf, decimals: int | None) -> Box:
    if decimals is None:
        return text(leaf.name)
    if leaf.value.ndim == 0:
        return text(written(leaf.value[()], decimals))
    return _matrix(leaf, decimals)


def _matrix(expression: Expression, decimals: int) -> Box:
    rows = tuple(f" {'  '.join(row)} " for row in table(expression.value, decimals))
    return enclosed(Box(rows, len(rows) // 2))


def _applied(applied: Applied, decimals: int | None) -> Box:
    parts = [drawn(argument, decimals) for argument in applied.arguments]
    name = text(applied.name)
    in_brackets = len(parts) == 1 and parts[0].lines[0][0] in "[⎡"
    if in_brackets and isinstance(applied.arguments[0], Leaf):
        return spaced(name, parts[0])
    row = [parts[0]]
    for part in parts[1:]:
        row += [text(", "), part]
    return beside(name, enclosed(beside(*row), "(", ")"))


@dataclass(frozen=True)
class Piece:
    """What stays in one line: a term, with its sign, or a factor, with what leads to it."""

    box: Box
    part: Expression
    lead: str = ""  # "+ " or "· " before a factor; a term's sign is its own
    kind: str = "term"  # "first term", "term" or "factor"


def broken(expression: Expression, decimals: int | None, room: int) -> list[list[Piece]]:
    """An expression in rows of so many characters, broken between terms, or else factors."""
    pieces: list[Piece] = []
    terms = expression.terms if isinstance(expression, Sum) else (expression,)
    for i, term in enumerate(terms):
        sign, box = signed(term, decimals, first=i == 0)
        whole = beside(text(sign), box) if sign else box
        if whole.width > room and isinstance(term, Product):
            for j, part in enumerate(term.factors):
                lead = "· " if j else sign
                box = beside(text(lead), factor(part, decimals))
                pieces.append(Piece(box, part, lead, "factor"))
        else:
            pieces.append(Piece(whole, term, kind="term" if i else "first term"))
    rows: list[list[Piece]] = []
    used = room
    for piece in pieces:
        if not rows or used + 1 + piece.box.width > room:
            rows.append([])
            used = -1
        used += 1 + piece.box.width
        rows[-1].append(piece)
    return rows
