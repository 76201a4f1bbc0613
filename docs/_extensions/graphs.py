"""``.. graph:: RNN(4, 8, 3)``: the picture of a model, drawn when the site is built.

The arguments of `cybptt.plot.graph` are the options; a flag is True where it stands. The SVG goes
into the page itself, where its letters can be searched and a pointer is told what it rests on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

import cybptt

if TYPE_CHECKING:
    from docutils.nodes import Node
    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata, OptionSpec


class Graph(SphinxDirective):
    """A model's graph, and the directive's content as its caption."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec: ClassVar[OptionSpec] = {
        "steps": directives.nonnegative_int,
        "folded": directives.flag,
        "only-folded": directives.flag,
        "in-use": directives.flag,
        "teacher-forcing": directives.flag,
    }

    def run(self) -> list[Node]:
        """Draw it."""
        # The pages are ours, as this code is: evaluating one expression of theirs adds no risk.
        rnn: Any = eval(self.arguments[0], {"RNN": cybptt.RNN})
        picture = cybptt.plot.graph(
            rnn,
            self.options.get("steps", 3),
            "only-folded" not in self.options,
            folded="folded" in self.options or "only-folded" in self.options,
            training="in-use" not in self.options,
            teacher_forcing="teacher-forcing" in self.options,
        )
        wide = [] if "only-folded" in self.options else ["unrolled"]
        figure = nodes.figure("", classes=["graph", *wide])
        figure += nodes.raw("", picture.svg, format="html")
        if self.content:
            words, _ = self.parse_inline(" ".join(self.content))
            figure += nodes.caption("", "", *words)
        return [figure]


def setup(app: Sphinx) -> ExtensionMetadata:
    """Enter the directive."""
    app.add_directive("graph", Graph)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
