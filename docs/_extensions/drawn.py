"""A function of cybptt.plot is shown with a picture: what its own example calls ``drawn``.

So nothing is drawn that a reader cannot draw, and the example stays what pytest runs.
"""

from __future__ import annotations

import base64
import doctest
import io
from typing import TYPE_CHECKING, Any

import gallery

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata


def append_picture(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]
) -> None:
    """Add it below the examples, which numpydoc has put last by now."""
    if what == "function" and name.startswith("cybptt.plot."):
        data = base64.b64encode(svg_of(thing.__doc__)).decode()
        lines += ["", f".. image:: data:image/svg+xml;base64,{data}"]
        lines += ["   :alt: What the example has drawn.", "   :class: drawn", ""]


def svg_of(doc: str) -> bytes:
    """Run the examples of a docstring, and take their picture."""
    import matplotlib as mpl

    names: dict[str, Any] = {}
    with mpl.rc_context():
        gallery.set_style({}, "")
        mpl.rcParams.update({"figure.figsize": (5.0, 3.2), "svg.hashsalt": "cybptt"})
        for example in doctest.DocTestParser().get_examples(doc):
            exec(example.source, names)
        drawn = names["drawn"]
        if hasattr(drawn, "svg"):
            return str(drawn.svg).encode()
        out = io.BytesIO()
        drawn.ax.figure.savefig(out, format="svg", metadata={"Date": None})
        return out.getvalue()


def setup(app: Sphinx) -> ExtensionMetadata:
    """Listen for docstrings, after numpydoc."""
    app.connect("autodoc-process-docstring", append_picture, priority=600)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
