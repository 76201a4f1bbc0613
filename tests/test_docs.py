"""The pages of docs/: the equation map is whole, and the examples run. No Sphinx is needed here."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import cited
import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(
    path
    for path in DOCS.rglob("*.rst")
    if not {"_templates", "generated", "gallery", "examples"} & {*path.relative_to(DOCS).parts}
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
TABLE = cited.by_equation()
MATHEMATICS = [
    f for f in cited.functions() if f.part in ("reference", "core") and not f.is_property
]


def name_of(thing: Path | cited.Function) -> str:
    return thing.name if isinstance(thing, cited.Function) else str(thing.relative_to(DOCS))


def equations_of(text: str) -> list[str]:
    return re.findall(r"^\.\. equation:: (\S+)$", text, flags=re.MULTILINE)


# ------------------------------------------------------------------------------ the equation map


def test_the_list_of_equations() -> None:
    assert cited.NUMBERS[0] == "10.8"
    assert cited.NUMBERS[20:22] == ("10.28", "C.1")
    assert len(cited.NUMBERS) == 30


def test_every_equation_stands_exactly_once() -> None:
    standing = [n for page in PAGES for n in equations_of(page.read_text(encoding="utf-8"))]
    assert sorted(standing) == sorted(cited.NUMBERS)


@pytest.mark.parametrize("number", cited.NUMBERS)
def test_every_equation_has_its_functions(number: str) -> None:
    """One in NumPy and one of the core."""
    parts = {function.part for function in TABLE[number]}
    assert {"reference", "core"} <= parts


@pytest.mark.parametrize("number", cited.NUMBERS)
def test_every_equation_has_a_check_beside_it(number: str) -> None:
    """An example in its section, which definitions share with their result."""
    (page,) = (p for p in PAGES if number in equations_of(p.read_text(encoding="utf-8")))
    sections = re.split(r"^.+\n-{4,}\n", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (section,) = (s for s in sections if number in equations_of(s))
    assert "\n>>> " in section.partition(f".. equation:: {number}\n")[2]


def test_the_erratum_of_10_21() -> None:
    text = (DOCS / "equations" / "backward.rst").read_text(encoding="utf-8")
    after = text.partition(".. equation:: 10.21\n")[2]
    right, wrong = r"\m{W}^\T \diag\Bigl(", r"\m{W}^\T \bigl(\grad{\v{h}{t+1}}\bigr) \diag"
    assert after.index(right) < after.index("Erratum") < after.index(wrong)


@pytest.mark.parametrize("function", MATHEMATICS, ids=name_of)
def test_the_mathematics_has_its_equation(function: cited.Function) -> None:
    """Or a word why it has none."""
    cites = cited.numbers(function.doc)
    assert cites or function.says_why_none


@pytest.mark.parametrize(
    "function", [f for f in MATHEMATICS if f.home.endswith("_equations")], ids=name_of
)
def test_a_statement_computes_an_equation(function: cited.Function) -> None:
    assert function.computes


def test_citations() -> None:
    assert all(cited.numbers(function.doc) is not None for function in cited.functions())
    assert cited.numbers("of :eq:`10.12`-:eq:`10.14`") == ["10.12", "10.13", "10.14"]
    assert cited.numbers(":eq:`C.4` and :eq:`C.6`, then :eq:`C.4`") == ["C.4", "C.6"]
    for text in (":eq:`10.7`", ":eq:`10.29`", ":eq:`c.1`", ":eq:`10.20` to :eq:`10.18`"):
        with pytest.raises(ValueError, match=r"no equation|no range"):
            cited.numbers(text)


def test_what_computes_and_what_mentions() -> None:
    head, rest = "The sum of :eq:`10.8`.", "\n\nNotes\n-----\nSee :eq:`10.9`."
    assert cited.Function("cybptt.f", head + rest, "").computes == ["10.8"]
    none = cited.Function("cybptt.f", "It has\nno equation: see :eq:`10.8`.", "")
    assert none.says_why_none
    assert none.computes == []


# ---------------------------------------------------------------------------------- the examples


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_examples_run(
    page: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import numpy as np

    monkeypatch.chdir(tmp_path)  # for the files that a page writes
    with np.printoptions():  # what a page sets shall not outlive it
        done = doctest.testfile(str(page), module_relative=False, optionflags=FLAGS)
    assert done.failed == 0, capsys.readouterr().out
