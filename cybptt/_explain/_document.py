"""The one document of a walk, and what is made of it: text, HTML and Markdown."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from html import escape

from cybptt._explain._expressions import Expression, Leaf
from cybptt._explain._latex import latex, latex_piece, with_inline, without_marks
from cybptt._explain._text import Box, beside, broken, drawn, spaced, text

INDENT = 4
GAP = 4  # between what is given
WIDTH = 80  # of the text
# Of LaTeX, in characters of the text too: some 740 pixels of a page. An equation's number takes its
# room on both sides, where it is a tag, for the equation stands in the middle.
PAGE = 72


@dataclass(frozen=True)
class Heading:
    """The title of a part; level 1 is the document's own."""

    words: str
    level: int


@dataclass(frozen=True)
class Words:
    """A paragraph; names in it are marked `h(t)`."""

    words: str


@dataclass(frozen=True, eq=False)
class Values:
    """Names and their numbers, for what is given."""

    leaves: tuple[Leaf, ...]


@dataclass(frozen=True, eq=False)
class Equation:
    """An equation at one place, in letters and in numbers.

    ``result`` is the left side, with the library's number; ``rule`` the right side as the book has
    it, where that is a sum over t; ``right`` the right side here.
    """

    number: str
    result: Leaf
    right: Expression
    rule: Expression | None = None

    def sides(self, decimals: int) -> list[tuple[Expression, int | None]]:
        """What stands after each of its signs =, and whether in letters or in numbers."""
        sides: list[tuple[Expression, int | None]] = []
        if self.rule is not None:
            sides.append((self.rule, None))
        sides += [(self.right, None), (self.right, decimals), (self.result, decimals)]
        unlike = [sides[0]]
        for side in sides[1:]:
            if drawn(*side).lines != drawn(*unlike[-1]).lines:
                unlike.append(side)
        return unlike


Block = Heading | Words | Values | Equation


# ---------------------------------------------------------------------- text


def as_text(blocks: list[Block], decimals: int, width: int = WIDTH) -> str:
    """The document in a terminal of so many columns."""
    parts = []
    for block in blocks:
        match block:
            case Heading(words, level):
                line = "═" if level == 1 else "─"
                parts.append(f"{words}\n{line * len(words)}" if level < 3 else f"── {words}")
            case Words(words):
                parts.append(textwrap.fill(without_marks(words), width))
            case Values(leaves):
                parts.append(_values_text(leaves, decimals, width))
            case Equation():
                parts.append(_equation_text(block, decimals, width))
    return "\n\n".join(parts) + "\n"


def _flowing(leaves: tuple[Leaf, ...], decimals: int, width: int) -> list[list[Leaf]]:
    """In rows that are not too wide."""
    rows: list[list[Leaf]] = []
    used = 0
    for leaf in leaves:
        wide = _given(leaf, decimals).width
        if not rows or used + GAP + wide > width - INDENT:
            rows.append([])
            used = -GAP
        rows[-1].append(leaf)
        used += GAP + wide
    return rows


def _given(leaf: Leaf, decimals: int) -> Box:
    return spaced(text(leaf.name), text("="), drawn(leaf, decimals))


def _values_text(leaves: tuple[Leaf, ...], decimals: int, width: int) -> str:
    out = []
    for row in _flowing(leaves, decimals, width):
        boxes = [_given(leaf, decimals) for leaf in row]
        spread = [part for box in boxes for part in (text(" " * GAP), box)][1:]
        out.append(_indented(beside(*spread)))
    return "\n\n".join(out)


def _indented(box: Box) -> str:
    return "\n".join((" " * INDENT + line).rstrip() for line in box.lines)


def _equation_lines(equation: Equation, decimals: int, width: int) -> list[Box]:
    """Its lines, from the first sign = on."""
    room = width - INDENT - len(equation.result.name) - 3
    lines: list[Box] = []
    in_letters: list[bool] = []
    for expression, form in equation.sides(decimals):
        # The number of the equation stands at the right of its first line.
        rows = broken(expression, form, room - (0 if lines else len(equation.number) + 3))
        for i, row in enumerate(rows):
            lines.append(spaced(text(" " if i else "="), *(piece.box for piece in row)))
            in_letters.append(form is None)
    # What it comes to stands in line with the numbers, where there is room.
    if len(lines) > 1 and not in_letters[-2]:
        joined = spaced(*lines[-2:])
        if joined.width <= room + 2:
            return [*lines[:-2], joined]
    return lines


def _equation_text(equation: Equation, decimals: int, width: int) -> str:
    name, number = equation.result.name, f"({equation.number})"
    lines = _equation_lines(equation, decimals, width)
    out = []
    for i, line in enumerate(lines):
        box = spaced(text(" " * len(name) if i else name), line)
        if i == 0:
            gap = width - INDENT - box.width - len(number)
            box = beside(box, text(" " * max(1, gap) + number))
        apart = i and (len(line.lines) > 1 or len(lines[i - 1].lines) > 1)
        out.append(("\n" if apart else "") + _indented(box))
    return "\n".join(out)


# ---------------------------------------------------------------------- LaTeX


def _equation_latex(equation: Equation, decimals: int) -> str:
    room = PAGE - 2 * len(equation.number) - len(equation.result.name) - 3
    rows: list[str] = []
    width = room  # of the last row; in letters it has no room for more
    for expression, form in equation.sides(decimals):
        pieces = broken(expression, form, room)
        parts = [" ".join(latex_piece(piece, form) for piece in row) for row in pieces]
        whole = spaced(*(piece.box for piece in pieces[0])).width
        if expression is equation.result and width + 3 + whole <= room:
            rows[-1] += f" = {parts.pop(0)}"  # what it comes to, in line with the numbers
        rows += [f"&{'= ' if i == 0 else chr(92) + 'qquad '}{part}" for i, part in enumerate(parts)]
        last = spaced(*(piece.box for piece in pieces[-1])).width
        width = room if form is None else last
    body = " \\\\[4pt]\n".join(rows)
    left = latex(equation.result, None)
    return f"\\begin{{aligned}}\n{left} {body}\n\\end{{aligned}}"


def _values_latex(leaves: tuple[Leaf, ...], decimals: int) -> str:
    rows = [
        r" \qquad ".join(f"{latex(leaf, None)} = {latex(leaf, decimals)}" for leaf in row)
        for row in _flowing(leaves, decimals, PAGE)
    ]
    body = " \\\\[8pt]\n".join(rows)
    return body if len(rows) == 1 else f"\\begin{{gathered}}\n{body}\n\\end{{gathered}}"


# The class by which Sphinx's pages tell MathJax where to look; a notebook looks everywhere.
MATHEMATICS = 'class="math"'
SCROLLING = "overflow-x: auto; overflow-y: hidden"
# The number stands beside its equation, and below where there is no room.
NUMBERED = 'style="display: flex; flex-wrap: wrap; align-items: center; justify-content: flex-end"'


def as_html(blocks: list[Block], decimals: int) -> str:
    """The document in a notebook or a page that MathJax or KaTeX reads."""

    def words_html(words: str) -> str:
        escaped = escape(words, quote=False)
        return with_inline(escaped, rf"<span {MATHEMATICS}>\(", r"\)</span>")

    def display(mathematics: str, style: str = SCROLLING) -> str:
        escaped = escape(mathematics, quote=False)
        return f'<div {MATHEMATICS} style="{style}">\\[{escaped}\\]</div>'

    parts = ['<div class="cybptt-explanation">']
    for block in blocks:
        match block:
            case Heading(words, level):
                parts.append(f"<h{level + 2}>{escape(words)}</h{level + 2}>")
            case Words(words):
                parts.append(f"<p>{words_html(words)}</p>")
            case Values(leaves):
                parts.append(display(_values_latex(leaves, decimals)))
            case Equation():
                mathematics = display(
                    _equation_latex(block, decimals), f"flex: 1 1 22em; min-width: 0; {SCROLLING}"
                )
                parts.append(f"<div {NUMBERED}>{mathematics}<span>({block.number})</span></div>")
    return "\n".join([*parts, "</div>"]) + "\n"


def as_markdown(blocks: list[Block], decimals: int) -> str:
    """The document for a front end that shows Markdown with $ mathematics."""
    parts = []
    for block in blocks:
        match block:
            case Heading(words, level):
                parts.append(f"{'#' * (level + 2)} {words}")
            case Words(words):
                parts.append(with_inline(words, "$", "$"))
            case Values(leaves):
                parts.append(f"$$\n{_values_latex(leaves, decimals)}\n$$")
            case Equation():
                tag = rf"\tag{{{block.number}}}"
                parts.append(f"$$\n{_equation_latex(block, decimals)} {tag}\n$$")
    return "\n\n".join(parts) + "\n"
