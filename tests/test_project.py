"""The package as a whole: its version, what an import costs, and the documentation of its names."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from cited import public_modules

import cybptt


def run(code: str, *arguments: str) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


# ---------------------------------------------------------------- the version and the distribution


def test_version() -> None:
    assert re.fullmatch(
        r"\d+\.\d+(\.\d+)?((a|b|rc|\.dev|\.post)\d+)*(\+[\w.]+)?", cybptt.__version__
    )


def _installed_files() -> list[str]:
    """The files of the installed distribution; those of the source folder in an editable build."""
    package = Path(cybptt.__file__).parent
    try:
        files = metadata.files("cybptt") or []
    except metadata.PackageNotFoundError:
        files = []
    names = [str(file) for file in files if str(file).startswith("cybptt")]
    if any(Path(name).name.startswith("_core.") for name in names):
        return names
    built = [path.name for path in package.iterdir() if path.is_file()]
    return [f"cybptt/{name}" for name in built if not name.endswith((".pyx", ".pxd", ".c"))]


def test_types_are_shipped() -> None:
    names = _installed_files()
    assert "cybptt/py.typed" in names
    assert "cybptt/_core.pyi" in names


def test_sources_of_the_core_are_not_installed() -> None:
    assert [n for n in _installed_files() if n.endswith((".pyx", ".pxd", ".c", ".h"))] == []
    assert [n for n in _installed_files() if not n.startswith("cybptt")] == []


def test_numpy_is_the_only_hard_dependency() -> None:
    try:
        requires = metadata.requires("cybptt") or []
    except metadata.PackageNotFoundError:  # built in place, not installed
        return
    assert [r for r in requires if "extra ==" not in r] == ["numpy>=2"]


# ------------------------------------------------------------------------------- what import costs

TIME = """
import time, numpy
start = time.process_time()
import cybptt
{touch}
print(time.process_time() - start)
"""


@pytest.mark.parametrize("touch", ["", "cybptt.RNN", "cybptt.RNN(1, 1, 1)"])
def test_import_time(touch: str) -> None:
    """Within 0.1 s of NumPy's own; the least of a few, since other work disturbs only upwards."""
    times: list[float] = []
    while len(times) < 10 and not (times and min(times) < 0.1):
        times.append(float(run(TIME.format(touch=touch))))
    assert min(times) < 0.1


MODULES = """
import sys, numpy
before = set(sys.modules)
import cybptt
cybptt.RNN(2, 3, 2)
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(new - set(sys.stdlib_module_names) - {"cybptt", "numpy", "cython_runtime"}))
"""


def test_import_loads_numpy_alone() -> None:
    # Cython's own entry in sys.modules is no import.
    assert [name for name in run(MODULES).split() if not name.startswith("_cython_")] == []


def test_import_is_silent() -> None:
    assert run("import cybptt; cybptt.RNN(2, 3, 2)") == ""


DENORMALS = """
import numpy as np, cybptt
rnn = cybptt.RNN(2, 3, 2)
rnn.value_and_grad(rnn.init(seed=0), np.zeros((4, 2)), np.zeros(4, int))
tiny, one = np.finfo(np.float64).tiny, np.float32(1)
print(tiny / 2 > 0, np.finfo(np.float32).tiny * one / 2 > 0, 1.0 + 2.0**-52 > 1.0)
"""


def test_floating_point_state_is_left_alone() -> None:
    """Denormals stay: nothing is linked with -ffast-math."""
    assert run(DENORMALS).split() == ["True"] * 3


# ----------------------------------------------------------------------------------- documentation


def public_objects() -> Iterator[tuple[str, Any]]:
    """Every function and class that they offer, under the name of the module that defines it."""
    for module_name in public_modules():
        module = importlib.import_module(module_name)
        for name in module.__all__:
            thing = getattr(module, name)
            home = getattr(thing, "__module__", None) or ""
            if (inspect.isclass(thing) or inspect.isroutine(thing)) and home.startswith("cybptt"):
                yield f"{home}.{thing.__qualname__}", thing


def public_members() -> Iterator[tuple[str, Any]]:
    """The methods and properties of public classes, what they inherit in the package too."""
    for _, thing in public_objects():
        if not inspect.isclass(thing):
            continue
        for base in thing.__mro__:
            if not base.__module__.startswith("cybptt"):
                continue
            for attribute, member in vars(base).items():
                if attribute[0] != "_":
                    member = getattr(member, "__func__", member)  # of a class or static method
                    yield f"{base.__module__}.{base.__qualname__}.{attribute}", member


OBJECTS = dict(public_objects())
FUNCTIONS = {k: v for k, v in OBJECTS.items() if not inspect.isclass(v)}
CLASSES = {k: v for k, v in OBJECTS.items() if inspect.isclass(v)}
METHODS = {k: v for k, v in public_members() if inspect.isfunction(v)}
PROPERTIES = {k: v for k, v in public_members() if isinstance(v, property | cached_property)}
CALLABLES = FUNCTIONS | METHODS


def sections(doc: str) -> dict[str, str]:
    """A numpydoc docstring as {heading: text}; what stands before the first heading is under ''."""
    parts = re.split(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", inspect.cleandoc(doc), flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def documented_parameters(text: str) -> list[str]:
    """The names in a Parameters section: `x : …`, `U, W : …`, `*args : …`."""
    heads = re.findall(r"^(\*{0,2}\w+(?:, \*{0,2}\w+)*)(?: : .+)?$", text, flags=re.MULTILINE)
    return [name.strip().lstrip("*") for head in heads for name in head.split(",")]


def wanted_parameters(function: Any) -> list[str]:
    names = list(inspect.signature(function).parameters)
    return [name for name in names if name not in ("self", "cls")]


def test_public_names_resolve() -> None:
    assert set(cybptt.__all__) <= set(dir(cybptt))
    with pytest.raises(AttributeError, match="nonsense"):
        cybptt.nonsense  # noqa: B018


KINDS = """
import importlib, pkgutil, sys, cybptt
if "all" in sys.argv:
    for module in pkgutil.walk_packages(cybptt.__path__, "cybptt."):
        try:
            importlib.import_module(module.name)
        except ImportError:  # of a library that is not here
            if module.name.split(".")[1] not in cybptt._NEIGHBOURS:
                raise
print(*(n for n in cybptt.__all__ if type(getattr(cybptt, n)) is type(cybptt)))
"""


def test_no_module_hides_a_function() -> None:
    """Importing a module cybptt.x must not put it where the function cybptt.x was."""
    assert run(KINDS, "all") == run(KINDS)


@pytest.mark.parametrize("name", public_modules())
def test_modules_say_what_they_are(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    assert [n for n in module.__all__ if getattr(module, n) is None] == []


@pytest.mark.parametrize("name", OBJECTS | METHODS | PROPERTIES)
def test_summary_is_one_sentence_on_one_line(name: str) -> None:
    doc = inspect.cleandoc((OBJECTS | METHODS | PROPERTIES)[name].__doc__ or "")
    first, _, rest = doc.partition("\n")
    assert first.endswith((".", "…", "?"))
    assert rest == "" or rest.startswith("\n")


@pytest.mark.parametrize("name", CALLABLES)
def test_parameters_are_documented_in_order(name: str) -> None:
    text = sections(CALLABLES[name].__doc__ or "").get("Parameters", "")
    assert documented_parameters(text) == wanted_parameters(CALLABLES[name])


@pytest.mark.parametrize("name", CLASSES)
def test_classes_document_what_makes_them(name: str) -> None:
    documented = sections(CLASSES[name].__doc__ or "")
    if "Parameters" in documented:
        names = documented_parameters(documented["Parameters"])
        assert names == wanted_parameters(CLASSES[name])
    else:  # one that users are handed, not one that they make
        assert "Attributes" in documented or issubclass(CLASSES[name], BaseException)


@pytest.mark.parametrize("name", CALLABLES)
def test_returns_are_documented(name: str) -> None:
    annotation = inspect.signature(CALLABLES[name]).return_annotation
    assert annotation is not inspect.Signature.empty
    headings = sections(CALLABLES[name].__doc__ or "")
    if annotation not in (None, "None", "NoReturn"):
        assert {"Returns", "Yields"} & set(headings)


@pytest.mark.parametrize("name", CALLABLES | CLASSES)
def test_examples_run_as_doctests(name: str) -> None:
    """Here: that each has one. Running them is pytest's, with --doctest-modules."""
    thing = (CALLABLES | CLASSES)[name]
    if not (inspect.isclass(thing) and issubclass(thing, BaseException)):
        assert ">>> " in sections(thing.__doc__ or "").get("Examples", "")


@pytest.mark.parametrize("name", CALLABLES)
def test_equation_or_why_there_is_none(name: str) -> None:
    """The equation by its number, or the words "no equation" in a sentence that says why."""
    doc = " ".join((CALLABLES[name].__doc__ or "").split())
    assert re.search(r":eq:`[^`]+`|\bno equations?\b", doc, flags=re.IGNORECASE)


def test_annotations_are_complete() -> None:
    missing = [
        f"{name}({parameter})"
        for name, function in CALLABLES.items()
        for parameter, detail in inspect.signature(function).parameters.items()
        if parameter not in ("self", "cls") and detail.annotation is inspect.Parameter.empty
    ]
    assert missing == []
