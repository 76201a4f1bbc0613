"""Each name has one page, under its shortest name: `save` in cybptt.io is cybptt.save.

Sphinx is told so where a docstring names it within its own module or another, in its words or among
the types of its arguments, and where viewcode, which knows one name for all of a module, leads back
from the source.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import cited
from sphinx.ext.autosummary import AutoLink

import cybptt

if TYPE_CHECKING:
    from docutils.nodes import Element, Node, reference, system_message
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment
    from sphinx.util.typing import ExtensionMetadata

# By its last part, each name under which something has a page.
PAGES = {function.name.rpartition(".")[2]: function.name for function in cited.functions()}
PAGES |= {name: f"cybptt.{name}" for name in cybptt.__all__}  # before another module's

# Words among the types that are links. Those of Python itself numpydoc knows.
TYPES = {name: f":obj:`{name}`" for name in PAGES if name[0].isupper()}  # of the page's own module
TYPES |= {
    "ndarray": "numpy.ndarray",
    "array": "numpy.ndarray",
    "array_like": "numpy.typing.ArrayLike",
    "array-like": "numpy.typing.ArrayLike",
    "numpy.dtype": ":obj:`numpy.dtype`",
    "ufunc": "numpy.ufunc",
    "Generator": "numpy.random.Generator",
    "numpy.random.Generator": ":obj:`numpy.random.Generator`",
    "matplotlib.axes.Axes": ":obj:`matplotlib.axes.Axes`",
    "os.PathLike": ":obj:`os.PathLike`",
    "mapping": ":term:`python:mapping`",
    "bool": ":class:`python:bool`",
    # No links: values, and what may also be a 0-dimensional array.
    **{word: word for word in ("None", "True", "False", "scalar")},
}
TYPES |= {
    error.__name__: f":exc:`{error.__name__}`"
    for error in (FloatingPointError, ImportError, OSError, RuntimeError, TypeError, ValueError)
}


class Name(AutoLink):
    """What stands between single backticks: a link, where it is the name of something."""

    def run(self) -> tuple[list[Node], list[system_message]]:
        """Look among the names of the package too, whatever module names them."""
        if self.text.partition(".")[0] not in cybptt.__all__:
            return super().run()
        role = self.env.domains.python_domain.role("obj")
        assert role is not None
        text = f"{self.text} <cybptt.{self.text}>"
        return role("obj", self.rawtext, text, self.lineno, self.inliner, self.options, [])


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: Element
) -> reference | None:
    """Look for the name in the package, where its own module has no page for it."""
    name = node["reftarget"].rpartition(".")[2]
    known = PAGES if name == node["reftarget"] else cybptt.__all__
    if node["refdomain"] != "py" or name not in known:
        return None
    return env.domains.python_domain.resolve_xref(
        env, node["refdoc"], app.builder, "obj", PAGES[name], node, contnode
    )


def leave_out(
    app: Sphinx, what: str, name: str, member: Any, skip: bool, options: Any
) -> bool | None:
    """Leave out what a class has of scikit-learn's: the methods that all its estimators have."""
    of_another = (getattr(member, "__module__", None) or "").startswith("sklearn.")
    return True if of_another else None


def lead_back(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """From a function's source to its page, whose file has its name."""
    if pagename.startswith("_modules/cybptt"):
        link = re.compile(r'/(cybptt\.(?:\w+\.)*(\w+))\.html#cybptt\.(?:\w+\.)*?\2((?:\.\w+)*)"')
        context["body"] = link.sub(r'/\1.html#\1\3"', context["body"])


def setup(app: Sphinx) -> ExtensionMetadata:
    """Enter the role, and listen for names that lead nowhere and for pages of source."""
    app.add_role("name", Name())
    app.connect("missing-reference", resolve)
    app.connect("autodoc-skip-member", leave_out)
    app.connect("html-page-context", lead_back)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
