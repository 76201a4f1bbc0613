"""The guides of the site: their examples run, and the package that one of them shows works."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

GUIDES = Path(__file__).resolve().parents[1] / "docs" / "guides"
PAGES = sorted(path for path in GUIDES.glob("*.rst") if path.stem != "index")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_run(page: Path, tmp_path: Path) -> None:
    """In the order of the page, in a fresh interpreter: they register plugins and write files."""
    command = [sys.executable, "-W", "error", "-X", "utf8", "-m", "doctest"]
    command += ["-o", "ELLIPSIS", "-o", "NORMALIZE_WHITESPACE", str(page)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_begins_with_what_its_reader_will_be_able_to_do(page: Path) -> None:
    title, _, first = page.read_text(encoding="utf-8").split("\n", 2)
    assert title
    assert first.strip().startswith("After this page you ")


def test_every_page_is_in_the_index() -> None:
    index = (GUIDES / "index.rst").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^   ([a-z-]+)$", index, re.MULTILINE)) == [p.stem for p in PAGES]


def test_files_that_the_pages_name_are_there() -> None:
    root = GUIDES.parents[1]
    text = (GUIDES / "design.rst").read_text(encoding="utf-8")
    names = set(re.findall(r"``((?:test_|tests/|_kernels/)[\w/.]+)``", text))
    places = {name: root / ("tests" if name.startswith("test_") else "") / name for name in names}
    places |= {n: root / "cybptt" / n for n in names if n.startswith("_kernels/")}
    assert len(places) > 10
    # Outside the tree, where the installed package is tested, the core has no sources.
    there = (root / "cybptt").exists()
    missing = [n for n, p in places.items() if not p.exists() and (there or n[0] != "_")]
    assert missing == []


@pytest.mark.parametrize("program", sorted(GUIDES.glob("peers/*.py")), ids=lambda p: p.stem)
def test_the_other_libraries_programs_are_python(program: Path) -> None:
    """What they compare needs those libraries: run them by hand where you have these."""
    ast.parse(program.read_text(encoding="utf-8"))


def test_the_program_of_the_page_on_sequences(tmp_path: Path) -> None:
    """With few updates; it prints what the page shows, but for the numbers."""
    command = [sys.executable, "-W", "error", str(GUIDES / "sequences" / "long_file.py"), "20"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    shown = (GUIDES / "sequences" / "long_file.txt").read_text(encoding="utf-8")
    without = [re.sub(r"[\d.,]+", "#", text) for text in (done.stdout, shown)]
    assert without[0] == without[1]


USE = """
import sys
import cybptt
assert "arctan" in cybptt.activations.names() and "log_cosh" in cybptt.losses.names()
assert "smooth_units" not in sys.modules
rnn = cybptt.RNN(3, 8, 4, activation="arctan", loss="log_cosh")
import numpy as np
rng = np.random.default_rng(0)
x, y = rng.normal(size=(5, 2, 3)), rng.normal(size=(5, 2, 4))
report = cybptt.gradcheck(rnn, rnn.init(seed=0), x, y)
assert report, report
"""


def test_the_published_package(tmp_path: Path) -> None:
    """Installed by pip, found by name, checked; nothing is downloaded."""
    source = shutil.copytree(GUIDES / "package", tmp_path / "source")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-index", "--no-deps", "--no-build-isolation", "--root-user-action", "ignore"]
    site = tmp_path / "site"
    done = subprocess.run(
        [*command, "--target", str(site), str(source)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    places = [str(site), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", USE],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, places))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
