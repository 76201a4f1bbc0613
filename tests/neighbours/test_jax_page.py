"""The program of the page on JAX: it runs, and prints what the page shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "neighbours" / "examples"
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def test_it_prints_what_the_page_shows(tmp_path: Path) -> None:
    """But for a few digits, of which another processor's rounding may decide."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / "jax_digits.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    expected = (EXAMPLES / "jax_digits.txt").read_text(encoding="utf-8")
    assert NUMBER.sub("#", done.stdout) == NUMBER.sub("#", expected)
    found, wanted = ([float(x) for x in NUMBER.findall(text)] for text in (done.stdout, expected))
    assert found == pytest.approx(wanted, abs=3)
