"""The equations of the book as a domain of Sphinx: each stands once and knows its functions.

``.. equation:: 10.21`` sets an equation under the book's number, and below it the functions that
compute it, as their docstrings say. :eq:`10.21`, in a docstring as on a page, is a link to it.
``.. equation-table::`` lists all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import cited
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes
from sphinx.domains import Domain, ObjType
from sphinx.roles import XRefRole
from sphinx.util.docutils import SphinxDirective
from sphinx.util.logging import getLogger
from sphinx.util.nodes import make_refnode

import cybptt

if TYPE_CHECKING:
    from collections.abc import Set

    from docutils.nodes import Element, Node, system_message
    from sphinx.application import Sphinx
    from sphinx.builders import Builder
    from sphinx.environment import BuildEnvironment
    from sphinx.util.typing import ExtensionMetadata, OptionSpec

PARTS = {"reference": "In NumPy", "core": "Compiled", "around": "Uses it"}

log = getLogger(__name__)


class EquationRole(XRefRole):
    """:eq:`10.21`: the number, as a link to the equation."""

    def result_nodes(
        self, document: nodes.document, env: BuildEnvironment, node: Element, is_ref: bool
    ) -> tuple[list[Node], list[system_message]]:
        """Hand the link to the domain; a role of no domain would not be looked up there."""
        node["refdomain"] = "equation"
        return [node], []


class Equation(SphinxDirective):
    """An equation under the book's number, and the functions that compute it."""

    required_arguments = 1
    final_argument_whitespace = False
    has_content = True
    option_spec: ClassVar[OptionSpec] = {"name": directives.unchanged_required}

    def run(self) -> list[Node]:
        """Make the nodes, and tell the domain."""
        number = self.arguments[0]
        name = self.options.get("name", "")
        if number not in cited.NUMBERS:
            raise self.error(f"there is no equation {number}")
        domain: Equations = self.env.domains["equation"]  # type: ignore[assignment]
        domain.note(number, name, self.env.docname, self.get_location())
        for source in Path(cybptt.__file__).parent.rglob("*.py"):  # a docstring may have changed
            self.env.note_dependency(source)
        text = "\n".join(self.content)
        # Sphinx's own counter of equations is passed by: the number is the book's.
        block = nodes.math_block(
            text, text, number=number, label=None, ids=[], docname=self.env.docname
        )
        self.set_source_info(block)
        box = nodes.container("", block, self._functions(number), classes=["book-equation"])
        box["ids"].append(identity_of(number))
        return [box]

    def _functions(self, number: str) -> Node:
        """A line for each part of the package that has a function for it."""
        lines = nodes.bullet_list(classes=["equation-functions"], bullet="*")
        for part, label in PARTS.items():
            functions = [f for f in cited.by_equation()[number] if f.part == part]
            if functions:
                line = nodes.paragraph("", "", nodes.emphasis("", f"{label}: "))
                for i, function in enumerate(functions):
                    line += nodes.Text(", " if i else "")
                    line += reference_to(function.name, self.env.docname)
                lines += nodes.list_item("", line)
        return lines


class EquationTable(SphinxDirective):
    """All equations: number, name, and the function that is its statement in NumPy."""

    def run(self) -> list[Node]:
        """Make a table whose numbers are links, resolved like any other role."""
        rows = []
        for number, functions in cited.by_equation().items():
            links = [self._link(number, kind) for kind in ("eq", "name")]
            cells: list[Node] = [nodes.paragraph("", "", link) for link in links]
            cell = nodes.paragraph()
            for i, function in enumerate(f for f in functions if f.is_statement):
                cell += nodes.Text(", " if i else "")
                cell += reference_to(function.name, self.env.docname)
            rows.append([*cells, cell])
        return [table(["", "what", "its statement in NumPy"], rows, "equation-table")]

    def _link(self, number: str, kind: str) -> addnodes.pending_xref:
        """A link that reads as the equation's number, or as its name."""
        return addnodes.pending_xref(
            "",
            nodes.inline("", number),
            refdomain="equation",
            reftype=kind,
            reftarget=number,
            refdoc=self.env.docname,
            refwarn=True,
        )


class Equations(Domain):
    """Where each equation stands, and the role that leads there."""

    name = "equation"
    label = "Equations"
    object_types: ClassVar[dict[str, ObjType]] = {"equation": ObjType("equation", "eq")}
    roles: ClassVar[dict[str, Any]] = {"eq": EquationRole()}
    initial_data: ClassVar[dict[str, Any]] = {"places": {}}  # number -> (page, name)
    dangling_warnings: ClassVar[dict[str, str]] = {
        "eq": "no page has equation %(target)s",
        "name": "no page has equation %(target)s",
    }

    @property
    def places(self) -> dict[str, tuple[str, str]]:
        """The page and the name of each equation."""
        places: dict[str, tuple[str, str]] = self.data["places"]
        return places

    def note(self, number: str, name: str, page: str, location: str) -> None:
        """Remember where an equation stands; twice is once too often."""
        if number in self.places:
            other = self.places[number][0]
            log.warning("equation %s stands twice, on %s too", number, other, location=location)
        self.places[number] = (page, name)

    def clear_doc(self, docname: str) -> None:
        """Forget what stood on a page that is read anew."""
        for number, (page, _) in list(self.places.items()):
            if page == docname:
                del self.places[number]

    def merge_domaindata(self, docnames: Set[str], otherdata: dict[str, Any]) -> None:
        """Take over what another process has read."""
        for number, (page, name) in otherdata["places"].items():
            if page in docnames:
                self.note(number, name, page, page)

    def resolve_xref(
        self,
        env: BuildEnvironment,
        fromdocname: str,
        builder: Builder,
        typ: str,
        target: str,
        node: addnodes.pending_xref,
        contnode: Element,
    ) -> nodes.reference | None:
        """The link of a role: the number, and the name for a pointer that rests on it."""
        if target not in self.places:
            return None
        page, name = self.places[target]
        words = nodes.inline("", name if typ == "name" else target, classes=["equation-number"])
        title = f"Equation {target}: {name}"
        return make_refnode(builder, fromdocname, page, identity_of(target), words, title)

    def resolve_any_xref(
        self,
        env: BuildEnvironment,
        fromdocname: str,
        builder: Builder,
        target: str,
        node: addnodes.pending_xref,
        contnode: Element,
    ) -> list[tuple[str, nodes.reference]]:
        """Nothing: an equation is cited by its own role alone."""
        return []

    def get_objects(self) -> Iterable[tuple[str, str, str, str, str, int]]:
        """What the search finds, and the inventory has."""
        for number, (page, name) in self.places.items():
            yield number, f"{number} {name}", "equation", page, identity_of(number), 1


def identity_of(number: str) -> str:
    """The anchor of an equation in its page.

    >>> identity_of("10.21"), identity_of("C.4")
    ('equation-10-21', 'equation-c-4')
    """
    return nodes.make_id(f"equation-{number}")


def reference_to(name: str, page: str) -> addnodes.pending_xref:
    """A link to a function of the package, by what one reads it as."""
    shown = name.removeprefix("cybptt.").removeprefix("reference.")
    return addnodes.pending_xref(
        "",
        nodes.literal("", shown, classes=["xref", "py", "py-obj"]),
        refdomain="py",
        reftype="obj",
        reftarget=name,
        refdoc=page,
        refexplicit=True,
        refwarn=True,
    )


def table(head: list[str], rows: list[list[Node]], name: str) -> nodes.table:
    """A table of ready cells."""
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in head), cols=len(head))
    heads = [nodes.entry("", nodes.paragraph("", word)) for word in head]
    group += nodes.thead("", nodes.row("", *heads))
    body = nodes.tbody()
    for cells in rows:
        body += nodes.row("", *(nodes.entry("", cell) for cell in cells))
    group += body
    return nodes.table("", group, classes=[name])


def setup(app: Sphinx) -> ExtensionMetadata:
    """Enter the domain, the directives, and the role in the place of Sphinx's own."""
    app.add_domain(Equations)
    app.add_role("eq", EquationRole(warn_dangling=True), override=True)
    app.add_directive("equation", Equation)
    app.add_directive("equation-table", EquationTable)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
