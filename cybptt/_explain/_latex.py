"""Expressions as LaTeX, of the part that MathJax and KaTeX both know."""

from __future__ import annotations

import re
from itertools import pairwise

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
from cybptt._explain._numbers import latex_number, table, written
from cybptt._explain._text import Piece

NAME = re.compile(r"(∇?)([A-Za-zŷτ]|y0)(′?)([₀-₉]*)(?:\(([^()]*)\))?")
SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
FUNCTIONS = {"tanh": r"\tanh", "log": r"\log", "exp": r"\exp"}


def latex_name(name: str) -> str:
    """A name of the text, such as ∇h₂(t−1), in LaTeX: vectors and matrices in bold type."""
    match = NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"name: got {name!r}, need one such as 'h(1)' or '∇W'")
    gradient, letter, prime, sequence, time = match.groups()
    scalar = letter in "Lftτwn"
    if letter == "ŷ":
        out = r"\hat{\boldsymbol{y}}"
    else:
        letter = {"τ": r"\tau"}.get(letter, letter)
        out = letter if scalar else rf"\boldsymbol{{{letter}}}"
    if sequence:
        out += f"_{{{sequence.translate(SUBSCRIPTS)}}}"
    if prime:
        out += "'"
    if time:
        inner = time.replace("−", "-").replace("τ", r"\tau")
        # A number of a step is a superscript, as in the book; an argument stays one.
        out += f"({latex_name(time)})" if letter == "f" else f"^{{({inner})}}"
    return rf"\nabla_{{{out}}} L" if gradient else out


def latex(expression: Expression, decimals: int | None) -> str:
    """An expression in letters, decimals None, or in numbers."""
    match expression:
        case Leaf():
            return _leaf(expression, decimals)
        case Sum():
            terms = expression.terms
            return " ".join(latex_term(term, decimals, i == 0) for i, term in enumerate(terms))
        case Negative():
            return latex_term(expression, decimals, True)
        case Product():
            return _product(expression, decimals)
        case Elementwise():
            parts = (expression.left, expression.right)
            return r" \odot ".join(latex_factor(part, decimals) for part in parts)
        case Fraction():
            parts = (expression.above, expression.below)
            return rf"\frac{{{latex(parts[0], decimals)}}}{{{latex(parts[1], decimals)}}}"
        case Transposed():
            if decimals is None:
                return _to_the_top(_leaf(expression.of, None))
            return _matrix(expression, decimals)
        case Diagonal():
            inner = latex(expression.of, decimals)
            diag = r"\operatorname{diag}"
            return diag + (rf"\left({inner}\right)" if decimals is None else inner)
        case Applied():
            inner = r",\; ".join(latex(part, decimals) for part in expression.arguments)
            alone = len(expression.arguments) == 1 and isinstance(expression.arguments[0], Leaf)
            if alone and inner.startswith(r"\left["):
                return latex_function(expression.name) + inner
            return rf"{latex_function(expression.name)}\left({inner}\right)"
        case SquaredNorm():
            return rf"\left\lVert {latex(expression.of, decimals)} \right\rVert^2"
        case OverTime():
            return rf"\sum_t {latex_factor(expression.term, decimals)}"
    raise TypeError(type(expression).__name__)


def _product(product: Product, decimals: int | None) -> str:
    """Factors beside each other, with a dot between two numbers."""
    out = latex_factor(product.factors[0], decimals)
    for before, part in pairwise(product.factors):
        dot = r" \cdot " if is_scalar(before) and is_scalar(part) else r" \, "
        out += dot + latex_factor(part, decimals)
    return out


def _to_the_top(name: str) -> str:
    """A name transposed: ⊤ beside the number of the step, which is raised as well."""
    return rf"{{{name}}}^{{\top}}" if "^" not in name else rf"{name[:-1]}\top}}"


def latex_term(term: Expression, decimals: int | None, first: bool) -> str:
    """A term of a sum, with the sign before it."""
    if not isinstance(term, Negative):
        return ("" if first else "+ ") + latex(term, decimals)
    inner = latex(term.term, decimals)
    if isinstance(term.term, Sum) or inner.startswith("-"):
        inner = rf"\left({inner}\right)"
    return "- " + inner


def latex_factor(part: Expression, decimals: int | None) -> str:
    """A factor of a product, in parentheses where it is a sum, or a negative number."""
    out = latex(part, decimals)
    compound = decimals is None and isinstance(part, Leaf) and part.compound
    if isinstance(part, Sum | Negative) or compound or out.startswith("-"):
        return rf"\left({out}\right)"
    return out


def latex_function(name: str) -> str:
    """A function's name, upright."""
    escaped = re.sub(r"([_{}$&#%])", r"\\\1", re.sub(r"[\\^~]", " ", name))
    return FUNCTIONS.get(name, rf"\operatorname{{{escaped}}}")


def _leaf(leaf: Leaf, decimals: int | None) -> str:
    if decimals is None:
        return latex_name(leaf.name) if leaf.latex is None else leaf.latex
    if leaf.value.ndim == 0:
        return latex_number(written(leaf.value[()], decimals))
    return _matrix(leaf, decimals)


def _matrix(expression: Expression, decimals: int) -> str:
    rows = [[_padded(entry) for entry in row] for row in table(expression.value, decimals)]
    body = r" \\ ".join(" & ".join(row) for row in rows)
    columns = "r" * len(rows[0])
    return rf"\left[\begin{{array}}{{{columns}}}{body}\end{{array}}\right]"


def _padded(entry: str) -> str:
    """An entry as wide to the right of its decimal point as the others of its column."""
    missing = len(entry) - len(entry.rstrip())
    if not missing:
        return latex_number(entry)
    absent = "0" * missing if "." in entry else "." + "0" * (missing - 1)
    return rf"{latex_number(entry)}\phantom{{{absent}}}"


def latex_piece(piece: Piece, decimals: int | None) -> str:
    """A piece of a row, as `_text.broken` has it."""
    if piece.kind == "factor":
        return piece.lead.replace("·", r"\cdot") + latex_factor(piece.part, decimals)
    return latex_term(piece.part, decimals, piece.kind == "first term")


_INLINE = re.compile(r"`([^`]+)`")


def without_marks(words: str) -> str:
    """Words as text: names that are marked `h(t)` stand as they are."""
    return _INLINE.sub(r"\1", words)


def with_inline(words: str, left: str, right: str) -> str:
    """Words with the names that are marked in LaTeX, between `left` and `right`."""
    return _INLINE.sub(lambda m: f"{left}{latex_name(m[1])}{right}", words)
