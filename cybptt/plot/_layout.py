"""Where the nodes of a model's graph stand, and which way its arrows go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cybptt.plot._drawing import HEAD, RADIUS, Edge, Node, Point, Unfolding

if TYPE_CHECKING:
    from cybptt.rnn import RNN

ROW = 90.0  # from a node to the one above
COLUMN = 122.0  # from a step to the next
ASIDE = 82.0  # from o to the ŷ beside it
LOOP = 68.0  # how far the loops of the folded graph reach


class Layout:
    """The parts of one picture, put in their places; y grows downwards, x stands at 0."""

    def __init__(self, rnn: RNN, steps: int, training: bool, forced: bool) -> None:
        self.rnn = rnn
        self.steps = steps
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self.unfolding: Unfolding | None = None

        self.last = rnn.outputs == "last"
        self.between_h = rnn.recurrence != "output"
        self.from_output = rnn.recurrence != "hidden"
        self.y_hat = self.from_output and not forced and rnn.feedback == "y_hat"
        # What comes back by the output's path, and the name of that path.
        self.fed = "y" if forced else "ŷ" if self.y_hat else "o"
        self.path = "R" if rnn.recurrence == "both" else "W"
        # From below: what stands in one column.
        self.rows = ["x", "h"]
        if rnn.n_outputs is not None:
            self.rows.append("o")
        if training:
            self.rows += ["L", "y"]
        self.column = COLUMN + (50.0 if self.y_hat else 0.0)
        self.first = 0.0  # where the first step of the unrolled graph stands

    # ---------------------------------------------------------------------------- the nodes

    def node(self, name: str, time: str, x: float, row: str = "") -> Node:
        row = row or ("o" if name == "ŷ" else name)
        node = Node(name, time, x, -ROW * self.rows.index(row), self.note(name))
        self.nodes.append(node)
        return node

    def note(self, name: str) -> str:
        """What a pointer that rests on a node is told."""
        rnn = self.rnn
        size = rnn.n_hidden if rnn.n_outputs is None else rnn.n_outputs
        return {
            "x": f"input, {'one of' if rnn.inputs == 'tokens' else 'size'} {rnn.n_inputs}",
            "h": f"hidden units, size {rnn.n_hidden}, {rnn.activation.name}",
            "o": f"output, size {size}",
            "ŷ": f"prediction, size {size}",
            "L": f"loss, {rnn.loss.name}",
            "y": "target",
            "…": "the other steps",
        }[name]

    def step(self, x: float, time: str, time_of_output: str | None) -> dict[str, Node]:
        """One column: its nodes from below, and the arrows between them."""
        names = ["x", "h"] if time_of_output is None else self.rows
        nodes = {}
        for name in names:
            nodes[name] = self.node(name, time if name in "xh" else time_of_output or "", x)
        self.straight(nodes["x"], nodes["h"], "U")
        if "o" in nodes:
            self.straight(nodes["h"], nodes["o"], "V")
        if "L" in nodes:
            self.straight(nodes.get("o", nodes["h"]), nodes["L"])
            self.straight(nodes["y"], nodes["L"])
        if self.y_hat:
            nodes["ŷ"] = self.node("ŷ", time, x + ASIDE)
            self.straight(nodes["o"], nodes["ŷ"])
        return nodes

    # --------------------------------------------------------------------------- the arrows

    def edge(
        self,
        a: Node,
        b: Node,
        name: str,
        points: tuple[Point, ...],
        angle: float,
        name_at: Point,
        *,
        reach: float = 0.0,
        recurrent: bool = False,
        delay_at: Point | None = None,
    ) -> None:
        """An arrow that comes to b at an angle; `reach` sets the last control point of a curve."""
        if reach:
            points = (*points, b.edge(angle, HEAD + reach))
        points = (*points, b.edge(angle, HEAD))
        note = f"from {a.label} to {b.label}"
        if name:
            rows, columns = self.rnn.shapes[name]
            note = f"{name}, {rows} × {columns}, {note}"
        if delay_at is not None:
            note += ", a step later"
        tip = b.edge(angle, 1.0)
        self.edges.append(Edge(a, b, name, points, tip, note, name_at, delay_at, recurrent))

    def straight(self, a: Node, b: Node, name: str = "", *, recurrent: bool = False) -> None:
        angle = 0.0 if a.y == b.y else 90.0 if a.y > b.y else -90.0
        x, y = (a.x + b.x) / 2, (a.y + b.y) / 2
        name_at = (x - 4, y - 14) if angle == 0 else (x - 15, y)
        if recurrent and self.from_output:
            name_at = (x - 4, y + 15)  # for the other path comes in from above
        self.edge(a, b, name, (a.edge(angle),), angle + 180, name_at, recurrent=recurrent)

    def feed_back(self, a: Node, b: Node) -> None:
        """From an output to the next step's hidden units, through the gap between the columns."""
        angle = 140.0 if self.between_h else 180.0
        end = b.edge(angle, HEAD)
        if self.y_hat:  # straight down, then into h
            points = (a.edge(-90), (a.x, end[1] - 12))
            name_at = (a.x - 15, a.y + 46)
            self.edge(a, b, self.path, points, angle, name_at, reach=16, recurrent=True)
        else:
            start = a.edge(0)
            middle = (start[0] + end[0]) / 2
            points = (start, (middle + 8, start[1]))
            name_at = (middle - 14, (start[1] + end[1]) / 2 + 6)
            reach = (end[0] - middle) * 1.1
            self.edge(a, b, self.path, points, angle, name_at, reach=reach, recurrent=True)

    # ------------------------------------------------------------------------- the pictures

    def draw_unrolled(self) -> None:
        """A column for each step, and dots for the steps before and after."""
        middle = self.steps - 1 if self.last else (self.steps - 1) // 2
        times = [_time("τ" if self.last else "t", i - middle) for i in range(self.steps)]
        columns = []
        for i, time in enumerate(times):
            silent = self.last and i < self.steps - 1
            columns.append(self.step(self.first + i * self.column, time, None if silent else time))
        before, after = self.first - self.column, self.first + self.steps * self.column
        hidden = [column["h"] for column in columns]
        if not self.last:
            hidden.append(self.node("…", "", after - 16, "h"))
        if self.between_h:
            sources = [self.node("…", "", before + 16, "h"), *hidden[:-1]]
            for a, b in zip(sources, hidden, strict=True):
                self.straight(a, b, "W", recurrent=True)
        if self.from_output:
            x = before + (ASIDE if self.y_hat else 16)
            dots = self.node("…", "", x, "o" if self.y_hat else self.fed)
            for a, b in zip([dots, *(column[self.fed] for column in columns)], hidden, strict=True):
                self.feed_back(a, b)

    def draw_folded(self) -> None:
        """Each node once, and for each recurrence an arrow with a delay on it."""
        nodes = self.step(0.0, "", "τ" if self.last else "")
        if self.between_h:
            self.loop(nodes["h"])
        if self.from_output:
            self.delayed(nodes[self.fed], nodes["h"])

    def loop(self, h: Node) -> None:
        """From h to h, around its left."""
        x, y, angle = h.x - LOOP, h.y, 148.0
        points = (h.edge(angle), h.edge(angle, 20), (x, y - 34), (x, y), (x, y + 34))
        name_at = (x - 20, y)
        self.edge(h, h, "W", points, -angle, name_at, reach=16, recurrent=True, delay_at=(x, y))

    def delayed(self, a: Node, h: Node) -> None:
        """From the output, or what stands for it, down its right to h."""
        points: tuple[Point, ...]
        if self.y_hat:
            x, top, points = a.x, a.y + RADIUS, (a.edge(-90),)
        else:
            x, top = a.x + LOOP, a.y + 32
            points = (a.edge(0), (x - 8, a.y), (x, a.y + 4), (x, top))
        bottom = h.y - 32
        points = (*points, (x, top), (x, bottom), (x, bottom), (x, h.y - 4))
        y = (top + bottom) / 2
        self.edge(
            a, h, self.path, points, 0, (x + 20, y), reach=18, recurrent=True, delay_at=(x, y)
        )

    def draw_unfolding(self) -> None:
        """An arrow from the folded graph to the unrolled one, which then stands to its right."""
        right = max([node.x + node.radius for node in self.nodes] + [e.right() for e in self.edges])
        self.unfolding = Unfolding(right + 26, -ROW)
        self.first = self.unfolding.x + self.unfolding.length + 22 + self.column


def _time(letter: str, offset: int) -> str:
    return f"{letter}{'−' if offset < 0 else '+'}{abs(offset)}" if offset else letter
