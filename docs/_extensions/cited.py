"""Which function of cybptt cites which equation: read from the docstrings, without Sphinx.

A function computes the equations that it cites before the first heading of its docstring, unless it
says there that it has no equation. What it cites further on, it only mentions.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import cybptt

# All there are: those of section 10.2, then the library's own for what the section leaves out.
NUMBERS = (*(f"10.{n}" for n in range(8, 29)), *(f"C.{n}" for n in range(1, 10)))

_NUMBER = r":eq:`([^`]+)`"
_CITATION = re.compile(rf"{_NUMBER}(?:\s*(?:-|–|to)\s*{_NUMBER})?")
_HEADING = re.compile(r"^[A-Z][A-Za-z ]+\n-{3,}$", flags=re.MULTILINE)


@dataclass(frozen=True)
class Function:
    """A public function, method, property or class, under the name that users call it by."""

    name: str
    doc: str
    home: str  # the module that defines it
    is_property: bool = False

    @property
    def part(self) -> str:
        """Where it belongs: "reference", "core", or "around" for all that uses the two."""
        if self.name.startswith("cybptt.reference."):
            return "reference"
        core = ("cybptt.RNN", "cybptt.Trace", "cybptt.Gradients")
        by_core = self.name.startswith(core) and self.name != "cybptt.RNN.explain"
        return "core" if by_core else "around"

    @property
    def is_statement(self) -> bool:
        """Whether it is one equation in NumPy, and not a pass that uses many."""
        return self.part == "reference" and self.home.endswith("_equations")

    @property
    def computes(self) -> list[str]:
        """The numbers of the equations that it computes."""
        head = _HEADING.split(self.doc)[0]
        return [] if _says_none(head) else numbers(head)

    @property
    def says_why_none(self) -> bool:
        """Whether it has no equation, and says so."""
        return _says_none(self.doc)


def _says_none(text: str) -> bool:
    return bool(re.search(r"\bno equations?\b", " ".join(text.split()), flags=re.IGNORECASE))


def numbers(text: str) -> list[str]:
    """The numbers of all roles in a text, each once; a range stands for all between its ends.

    >>> numbers("the gradients :eq:`10.26` to :eq:`10.28`, and :eq:`C.7`")
    ['10.26', '10.27', '10.28', 'C.7']
    """
    found: list[str] = []
    for first, last in _CITATION.findall(text):
        for number in (first, last or first):
            if number not in NUMBERS:
                raise ValueError(f"there is no equation {number}")
        start, end = NUMBERS.index(first), NUMBERS.index(last or first)
        if end < start:
            raise ValueError(f"from {first} to {last} is no range")
        found += NUMBERS[start : end + 1]
    return list(dict.fromkeys(found))


def public_modules(name: str = "cybptt") -> list[str]:
    """The package, and the modules that a public module offers by name."""
    module = importlib.import_module(name)
    offered = [getattr(module, n) for n in getattr(module, "__all__", [])]
    inner = [m.__name__ for m in offered if inspect.ismodule(m) and m.__name__.startswith(name)]
    found = [name, *(found for n in inner for found in public_modules(n))]
    return found + neighbours() if name == "cybptt" else found


def neighbours() -> list[str]:
    """The modules for other libraries, those alone that can be imported here."""
    here = []
    for name in cybptt._NEIGHBOURS:
        try:
            here.append(importlib.import_module(f"cybptt.{name}").__name__)
        except ImportError:
            continue
    return here


def functions() -> Iterator[Function]:
    """All that the package offers, each once, under its shortest public name."""
    seen: set[int] = set()
    for module_name in public_modules():
        module = importlib.import_module(module_name)
        for name in module.__all__:
            thing = getattr(module, name)
            home = getattr(thing, "__module__", None) or ""
            if id(thing) in seen or not home.startswith("cybptt"):
                continue
            seen.add(id(thing))
            yield Function(f"{module_name}.{name}", inspect.cleandoc(thing.__doc__ or ""), home)
            if inspect.isclass(thing):
                yield from _members(f"{module_name}.{name}", thing)


def _members(name: str, thing: type) -> Iterator[Function]:
    for attribute in dir(thing):
        member: Any = inspect.getattr_static(thing, attribute)
        member = getattr(member, "__func__", member)  # of a class or static method
        ours = inspect.isfunction(member) or isinstance(member, property | cached_property)
        if attribute[0] != "_" and ours and member.__doc__:
            doc = inspect.cleandoc(member.__doc__)
            is_property = not inspect.isfunction(member)
            yield Function(f"{name}.{attribute}", doc, thing.__module__, is_property)


@cache
def by_equation() -> dict[str, list[Function]]:
    """For each number, the functions that compute the equation, statements before passes."""
    table: dict[str, list[Function]] = {number: [] for number in NUMBERS}
    for function in sorted(functions(), key=lambda function: not function.is_statement):
        for number in function.computes:
            table[number].append(function)
    return table
