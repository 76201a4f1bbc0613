"""Nodes, edges and the SVG that is written of them: no style sheet, no fonts, no references.

All is said by attributes, for a style sheet within a picture would reach the page around it, and
the colours stand out from a light page and from a dark one alike: a picture cannot know its page.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from cybptt._files import file_name, write_whole
from cybptt._validate import wrong_value

if TYPE_CHECKING:
    from cybptt.plot._layout import Layout

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom

RADIUS = 29.0
HEAD = 9.0  # the length of an arrow's head
GAP = 1.0  # from an arrow's tip to the middle of the circle's line
LETTER, SUPERSCRIPT = 19.0, 12.5  # sizes of type
SQUARE = 12.0
MARGIN = 12.0

FONT = "Cambria, 'STIX Two Text', 'Times New Roman', Times, 'Liberation Serif', serif"
LINE, RECURRENT, MUTED = "#76808f", "#c8562b", "#76808f"
FILLS = {  # of a node: inside, line, letters
    "x": ("#dce8f7", "#4f83b9", "#173450"),
    "h": ("#cfeee3", "#2a9474", "#0b3d2e"),
    "o": ("#fdeac6", "#c98a1b", "#4a3204"),
    "ŷ": ("#fdeac6", "#c98a1b", "#4a3204"),
    "L": ("#f9d9df", "#c8546a", "#521522"),
    "y": ("#e7def7", "#8465c0", "#2f1d57"),
}
# How wide the letters are, in ems; a little more than in any of the fonts.
# fmt: off
WIDTHS = {
    "(": 0.39, ")": 0.39, "t": 0.4, "τ": 0.6, "1": 0.64, "+": 0.84, "−": 0.84, "h": 0.7, "o": 0.67,
    "x": 0.65, "y": 0.65, "ŷ": 0.65, "L": 0.7, "R": 0.82, "U": 0.85, "V": 0.78, "W": 1.1,
}
# fmt: on


def text_width(text: str, size: float) -> float:
    """How wide a text is at most."""
    return sum(WIDTHS.get(letter, 0.58) for letter in text) * size


def number(value: float) -> str:
    """Two decimals at most: the same text on every machine."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def at(*points: Point) -> str:
    """Points as a path has them."""
    return " ".join(f"{number(x)},{number(y)}" for x, y in points)


@dataclass(frozen=True)
class Node:
    """A circle with its name, such as h and t−1; or, where the name is …, three dots."""

    name: str
    time: str
    x: float
    y: float
    note: str

    @property
    def radius(self) -> float:
        """Where arrows begin and end."""
        return 17.0 if self.name == "…" else RADIUS

    @property
    def label(self) -> str:
        """The name as one writes it in a line of text."""
        return f"{self.name}({self.time})" if self.time else self.name

    @property
    def superscript(self) -> float:
        """The size of type of the time; smaller for a long one, which must fit into the circle."""
        room = 2 * RADIUS - 14 - text_width(self.name, LETTER)
        return min(SUPERSCRIPT, room / text_width(f"({self.time})", 1.0))

    def edge(self, angle: float, beyond: float = 0.0) -> Point:
        """The point of the circle at an angle in degrees, 0 to the right and 90 up."""
        r = self.radius + beyond
        turned = math.radians(angle)
        return (self.x + r * math.cos(turned), self.y - r * math.sin(turned))

    def box(self) -> Box:
        """What the node covers."""
        if self.name == "…":
            return self.label_box()
        r = RADIUS + 1
        return (self.x - r, self.y - r, self.x + r, self.y + r)

    def label_box(self) -> Box:
        """What is written in it, or its dots."""
        if self.name == "…":
            return (self.x - 12, self.y - 3, self.x + 12, self.y + 3)
        width = text_width(self.name, LETTER)
        if self.time:
            width += text_width(f"({self.time})", self.superscript)
        return (self.x - width / 2, self.y - 14, self.x + width / 2, self.y + 11)

    def svg(self) -> str:
        """The element."""
        note = f"<title>{escape(self.note)}</title>"
        if self.name == "…":
            dots = "".join(
                f'<circle cx="{number(self.x + dx)}" cy="{number(self.y)}" r="2.2"/>'
                for dx in (-9, 0, 9)
            )
            return f'<g fill="{MUTED}">{note}{dots}</g>'
        inside, line, letters = FILLS[self.name]
        x, y = number(self.x), number(self.y)
        weight = "" if self.name == "L" else ' font-weight="bold"'  # a number, not a vector
        time = ""
        if self.time:
            time = "".join(
                f'<tspan font-style="italic">{c}</tspan>' if c in "tτ" else c for c in self.time
            )
            size = number(self.superscript)
            time = (
                f'<tspan dy="-7" font-size="{size}" font-weight="normal" font-style="normal">'
                f"({time})</tspan>"
            )
        return (
            f'<g>{note}<circle cx="{x}" cy="{y}" r="{number(RADIUS)}" fill="{inside}" '
            f'stroke="{line}" stroke-width="1.8"/>'
            f'<text x="{x}" y="{number(self.y + 6.5)}" fill="{letters}"{weight}>'
            f"{self.name}{time}</text></g>"
        )


@dataclass(frozen=True)
class Edge:
    """An arrow: a line, or cubic curves one after another, then the head, then its tip."""

    source: Node
    target: Node
    name: str
    points: tuple[Point, ...]
    tip: Point
    note: str
    name_at: Point = (0.0, 0.0)
    delay_at: Point | None = None
    recurrent: bool = False

    def sample(self, per_curve: int = 60) -> list[Point]:
        """Points along it, from its beginning to its tip."""
        if len(self.points) == 2:
            (x0, y0), (x1, y1) = self.points
            shares = [i / per_curve for i in range(per_curve + 1)]
            return [*((x0 + (x1 - x0) * s, y0 + (y1 - y0) * s) for s in shares), self.tip]
        out = []
        for first in range(0, len(self.points) - 1, 3):
            curve = self.points[first : first + 4]
            for i in range(per_curve + 1):
                s = i / per_curve
                weights = ((1 - s) ** 3, 3 * s * (1 - s) ** 2, 3 * s**2 * (1 - s), s**3)
                pairs = list(zip(weights, curve, strict=True))
                out.append((sum(w * p[0] for w, p in pairs), sum(w * p[1] for w, p in pairs)))
        return [*out, self.tip]

    def label_box(self) -> Box:
        """What its name covers."""
        half = text_width(self.name, LETTER) / 2
        x, y = self.name_at
        return (x - half, y - 8, x + half, y + 8)

    def right(self) -> float:
        """How far to the right it reaches, its name included."""
        return max([x for x, _ in self.sample()] + ([self.label_box()[2]] if self.name else []))

    def svg(self) -> str:
        """The element."""
        colour = RECURRENT if self.recurrent else LINE
        kind = "L" if len(self.points) == 2 else "C"
        path = f"M{at(self.points[0])} {kind}{at(*self.points[1:])}"
        (bx, by), (tx, ty) = self.points[-1], self.tip
        dx, dy = (tx - bx) / HEAD, (ty - by) / HEAD
        wing, back = 4.4, 2.2
        head = at(
            self.tip,
            (bx - back * dx - wing * dy, by - back * dy + wing * dx),
            (bx - 0.4 * dx, by - 0.4 * dy),  # the line ends within the head
            (bx - back * dx + wing * dy, by - back * dy - wing * dx),
        )
        parts = [
            f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>',
            f'<path d="M{head} Z" fill="{colour}"/>',
        ]
        if self.delay_at is not None:
            x, y = (number(v - SQUARE / 2) for v in self.delay_at)
            side = number(SQUARE)
            parts.append(f'<rect x="{x}" y="{y}" width="{side}" height="{side}" fill="{colour}"/>')
        if self.name:
            x, y = number(self.name_at[0]), number(self.name_at[1] + 6.5)
            parts.append(
                f'<text x="{x}" y="{y}" fill="{colour}" font-weight="bold">{self.name}</text>'
            )
        return f"<g><title>{escape(self.note)}</title>{''.join(parts)}</g>"


@dataclass(frozen=True)
class Unfolding:
    """The arrow from the folded graph to the unrolled one."""

    x: float
    y: float
    length: float = 62.0

    def box(self) -> Box:
        """Left, top, right and bottom."""
        return (self.x, self.y - 22, self.x + self.length, self.y + 8)

    def svg(self) -> str:
        """The element."""
        x, y, end = number(self.x), number(self.y), self.x + self.length
        head = at((end, self.y), (end - 13, self.y + 7), (end - 13, self.y - 7))
        return (
            f'<g fill="{MUTED}"><title>the same graph, unfolded in time</title>'
            f'<path d="M{x},{y} H{number(end - 12)}" stroke="{MUTED}" stroke-width="4"/>'
            f'<path d="M{head} Z"/><text x="{number((self.x + end) / 2 - 4)}" '
            f'y="{number(self.y - 11)}" font-size="15">unfold</text></g>'
        )


def document(title: str, words: str, layout: Layout) -> str:
    """The whole picture: arrows first, so that the circles lie above them."""
    boxes = [node.box() for node in layout.nodes]
    for edge in layout.edges:
        boxes += [(x, y, x, y) for x, y in edge.sample()]
        if edge.name:
            boxes.append(edge.label_box())
    parts = [edge.svg() for edge in layout.edges] + [node.svg() for node in layout.nodes]
    if layout.unfolding is not None:
        boxes.append(layout.unfolding.box())
        parts.append(layout.unfolding.svg())
    left, top = min(b[0] for b in boxes) - MARGIN, min(b[1] for b in boxes) - MARGIN
    width = number(max(b[2] for b in boxes) + MARGIN - left)
    height = number(max(b[3] for b in boxes) + MARGIN - top)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}" '
        f'viewBox="{number(left)} {number(top)} {width} {height}" font-family="{FONT}" '
        f'font-size="{number(LETTER)}" font-style="italic" text-anchor="middle">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(words)}</desc>",
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Diagram:
    """A picture in SVG, as `cybptt.plot.graph` returns it; a notebook shows it as it is.

    Attributes
    ----------
    svg : str
        The picture: a whole SVG document, in one text.
    title : str
        What it shows, in a line.

    Examples
    --------
    >>> import cybptt
    >>> picture = cybptt.plot.graph(cybptt.RNN(2, 3, 2), steps=1)
    >>> picture.svg[:5]
    '<svg '
    >>> picture
    <Diagram: An output at each step, recurrence between the hidden units (figure 10.3)>
    """

    svg: str
    title: str

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:  # what sphinx-gallery asks for
        return self.svg

    def __repr__(self) -> str:
        return f"<Diagram: {self.title}>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture to a file, whole or not at all.

        There is no equation for this.

        Parameters
        ----------
        path : str or os.PathLike
            A name that ends in .svg.

        Examples
        --------
        >>> import cybptt, pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "unrolled.svg"
        >>> cybptt.plot.graph(cybptt.RNN(2, 3, 2)).save(path)
        >>> path.read_text(encoding="utf-8").count("<circle") > 15
        True
        """
        if not file_name(path).endswith(".svg"):
            raise wrong_value("path", repr(path), "a name that ends in .svg")
        write_whole(path, self.svg.encode())
