"""The extensions of the site, each held on a page or two of its own."""

from __future__ import annotations

import io
import re
from pathlib import Path

import cited
import drawn
import pytest
from docutils import nodes
from equations import identity_of
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

import cybptt

CONF = """
extensions = ["equations", "graphs", "measured", "subscripts"]
"""
WHOLE = "\n".join(
    f".. equation:: {number}\n   :name: name of {number}\n\n   a = b\n" for number in cited.NUMBERS
)


def build(folder: Path, **pages: str) -> tuple[dict[str, str], str]:
    """The pages as HTML, and the warnings, with the places they are of."""
    (folder / "conf.py").write_text(CONF, encoding="utf-8")
    for name, text in pages.items():
        title = "" if name == "index" else ":orphan:\n\n"
        (folder / f"{name}.rst").write_text(f"{title}Title\n=====\n\n{text}\n", encoding="utf-8")
    warnings = io.StringIO()
    out = folder / "out"
    with docutils_namespace():  # what one site enters is not the next one's
        doctrees = folder / "doctrees"
        app = Sphinx(folder, folder, out, doctrees, "html", status=None, warning=warnings)
        app.build()
    # The functions' own pages are not here: what leads there is left unresolved.
    lines = [w for w in warnings.getvalue().splitlines() if "py:obj reference target" not in w]
    return {n: (out / f"{n}.html").read_text(encoding="utf-8") for n in pages}, "\n".join(lines)


def test_the_role_leads_to_the_equation(tmp_path: Path) -> None:
    html, warnings = build(tmp_path, index=WHOLE, other="By :eq:`10.21` and :eq:`C.4`.")
    assert warnings == ""
    links = re.findall(r'<a [^>]*href="([^"]+)" title="([^"]+)"><[^>]+>([^<]+)<', html["other"])
    assert links == [
        ("index.html#equation-10-21", "Equation 10.21: name of 10.21", "10.21"),
        ("index.html#equation-c-4", "Equation C.4: name of C.4", "C.4"),
    ]


def test_an_equation_has_the_book_s_number_and_its_functions(tmp_path: Path) -> None:
    html, _ = build(tmp_path, index=WHOLE)
    for number, functions in cited.by_equation().items():
        assert html["index"].count(f'id="{identity_of(number)}"') == 1
        assert html["index"].count(f'<span class="eqno">({number})') == 1
        block = html["index"].partition(f'id="{identity_of(number)}"')[2].partition("</ul>")[0]
        for function in functions:
            assert f">{function.name.removeprefix('cybptt.').removeprefix('reference.')}<" in block


def test_the_table_has_them_all(tmp_path: Path) -> None:
    html, warnings = build(tmp_path, index=WHOLE, other=".. equation-table::")
    assert warnings == ""
    table = html["other"].partition("<tbody>")[2].partition("</tbody>")[0]
    assert re.findall(r"<td><p><a [^>]+><[^>]+>([\dC.]+)<", table) == list(cited.NUMBERS)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (":eq:`10.22`", "no page has equation 10.22"),
        (":eq:`10.7`", "no page has equation 10.7"),
        (".. equation:: 10.29\n\n   a", "there is no equation 10.29"),
        (".. equation:: 10.21\n\n   a", "equation 10.21 stands twice, on index too"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, warning: str) -> None:
    _, warnings = build(tmp_path, index=".. equation:: 10.21\n\n   a", other=text)
    assert warning in warnings


def test_twice_on_one_page_is_told(tmp_path: Path) -> None:
    _, warnings = build(tmp_path, index=2 * ".. equation:: 10.21\n\n   a\n\n")
    assert "equation 10.21 stands twice" in warnings


def test_a_graph_is_in_the_page(tmp_path: Path) -> None:
    text = ".. graph:: RNN(4, 8, 3, recurrence='output')\n   :steps: 2\n   :teacher-forcing:\n\n"
    html, warnings = build(tmp_path, index=f"{text}   The *caption*.")
    assert warnings == ""
    assert "Teacher forcing" in html["index"].partition("<svg")[2].partition("</svg>")[0]
    assert "The <em>caption</em>." in html["index"]


def test_a_table_of_measurements_has_its_sizes(tmp_path: Path) -> None:
    text = ".. measured:: grid\n   :sizes:\n\n.. measured:: memory\n\n.. ulps::"
    html, warnings = build(tmp_path, index=text)
    assert warnings == ""
    line = html["index"].partition("<p>wide512</p>")[2].partition("</tr>")[0]
    cells = re.findall(r"<td><p>([^<]+)</p></td>", line)
    assert cells[:5] == ["50", "128", "512", "512", "512"]
    assert re.fullmatch(r"\d+ ms", cells[5].strip())


@pytest.mark.parametrize(
    ("section", "command"),
    [
        ("nonsense", "python benchmarks/all.py --only nonsense writes it"),
        ("plugins", "python benchmarks/plugins.py writes it"),
    ],
)
def test_a_measurement_that_is_missing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str, command: str
) -> None:
    monkeypatch.setattr("measured.RESULTS", tmp_path)
    _, warnings = build(tmp_path, index=f".. measured:: {section}")
    assert f"index.rst:4: WARNING: no {section}.json: {command}" in warnings


@pytest.mark.parametrize("name", [n for n in cybptt.plot.__all__ if n[0].islower()])
def test_a_function_that_draws_has_its_picture(name: str) -> None:
    lines: list[str] = []
    full = f"cybptt.plot.{name}"
    drawn.append_picture(None, "function", full, getattr(cybptt.plot, name), None, lines)  # type: ignore[arg-type]
    assert lines[1].startswith(".. image:: data:image/svg+xml;base64,")


def test_subscripts(tmp_path: Path) -> None:
    html, warnings = build(tmp_path, index="∇_{h(t)} L and ∇_W L, but ``∇_W``.")
    assert warnings == ""
    assert "∇<sub>h(t)</sub> L and ∇<sub>W</sub> L, but <code" in html["index"]
    assert ">∇_W<" in html["index"]


def test_identities() -> None:
    assert [identity_of(n) for n in ("10.8", "C.9")] == ["equation-10-8", "equation-c-9"]
    assert identity_of("10.21") == nodes.make_id("equation 10.21")
