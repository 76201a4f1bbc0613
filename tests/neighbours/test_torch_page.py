"""The program of the page on PyTorch: it runs, and prints what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "neighbours"
PER_CENT = re.compile(r"(\d+)%")


def said() -> list[str]:
    """What the page shows of the program's output."""
    page = (PAGES / "torch.rst").read_text(encoding="utf-8")
    blocks = re.findall(r"   :class: torch-digits\n\n((?:   .*\n|\n)+)", page)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def shape(lines: list[str]) -> list[str]:
    """Lines without their numbers, which are not the same on every processor."""
    return [re.sub(r"[\d.]+(e-\d+)?", "#", line) for line in lines]


def test_the_program_prints_what_the_page_shows(tmp_path: Path) -> None:
    """But for rounding, and a few digits of which it may decide."""
    done = subprocess.run(
        [sys.executable, "-W", "error", PAGES / "examples" / "torch_digits.py"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    printed, shown = done.stdout.splitlines(), said()
    assert len(shown) == 5
    assert shape(printed) == shape(shown)
    rates = [[int(n) for n in PER_CENT.findall("\n".join(lines))] for lines in (printed, shown)]
    assert rates[0] == pytest.approx(rates[1], abs=3)
