"""The programs of the page on ONNX: they run, and print what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "neighbours"
PAGE = (PAGES / "onnx.rst").read_text(encoding="utf-8")


def said(name: str) -> list[str]:
    """What the page shows of a program's output."""
    blocks = re.findall(rf"   :class: {name}\n\n((?:   .*\n|\n)+)", PAGE)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def shape(lines: list[str]) -> list[str]:
    """Lines without their numbers, which are not the same on every processor."""
    return [re.sub(r"[\d.]+(e-\d+)?", "#", line) for line in lines]


@pytest.mark.parametrize("name", ["onnx_digits", "onnx_from_torch"])
def test_a_program_prints_what_the_page_shows(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, PAGES / "examples" / f"{name}.py"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    shown = said(name.replace("_", "-"))
    assert shown
    assert shape(done.stdout.splitlines()) == shape(shown)
