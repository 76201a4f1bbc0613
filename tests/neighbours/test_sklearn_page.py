"""The program of the page on scikit-learn: it runs, and prints what the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "neighbours"
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def said() -> list[str]:
    """What the page shows of the program's output."""
    page = (PAGES / "sklearn.rst").read_text(encoding="utf-8")
    blocks = re.findall(r"   :class: sklearn-digits\n\n((?:   .*\n|\n)+)", page)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def test_the_program_prints_what_the_page_shows(tmp_path: Path) -> None:
    """But for a few digits, of which another processor's rounding may decide."""
    command = [sys.executable, "-W", "error", PAGES / "examples" / "sklearn_digits.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stderr) == (0, "")
    printed, shown = done.stdout.splitlines(), said()
    assert len(shown) == 10
    assert [NUMBER.sub("#", line) for line in printed] == [NUMBER.sub("#", line) for line in shown]
    for a, b in zip(printed, shown, strict=True):
        found, expected = ([float(n) for n in NUMBER.findall(line)] for line in (a, b))
        assert found == pytest.approx(expected, abs=3)
