"""∇_{h(t)} and ∇_W, which a terminal shows as a docstring has them, get their subscripts here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from docutils import nodes
from sphinx.transforms import SphinxTransform

if TYPE_CHECKING:
    from typing import Any

    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata

SUBSCRIPT = re.compile(r"∇_(?:\{([^}]+)\}|(\w+))")
CODE = (nodes.literal, nodes.literal_block, nodes.doctest_block, nodes.math, nodes.math_block)


class Subscripts(SphinxTransform):
    """Text with ∇_{…} becomes text, a subscript, text; in code it stays."""

    default_priority: ClassVar[int] = 700

    def apply(self, **kwargs: Any) -> None:
        """Look through the page."""
        for text in list(self.document.findall(nodes.Text)):
            if SUBSCRIPT.search(text) and not isinstance(text.parent, CODE):
                text.parent.replace(text, split(text))


def split(text: str) -> list[nodes.Node]:
    """The parts of a text, subscripts as their own.

    >>> split("∇_{h(t)} L")
    [<#text: '∇'>, <subscript: <#text: 'h(t)'>>, <#text: ' L'>]
    """
    parts: list[nodes.Node] = []
    end = 0
    for match in SUBSCRIPT.finditer(text):
        parts.append(nodes.Text(text[end : match.start()] + "∇"))
        parts.append(nodes.subscript("", match[1] or match[2]))
        end = match.end()
    return [*parts, nodes.Text(text[end:])]


def setup(app: Sphinx) -> ExtensionMetadata:
    """Enter the transform."""
    app.add_transform(Subscripts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
