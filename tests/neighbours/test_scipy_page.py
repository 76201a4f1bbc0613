"""The program of the page on SciPy: it runs, and prints what the page shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "docs" / "neighbours" / "examples"


def shape(text: str) -> str:
    """Without its numbers, which are not the same on every machine."""
    return re.sub(r" +", " ", re.sub(r"[\d.]+", "#", text))


def test_it_prints_what_the_page_shows(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(EXAMPLES / "scipy_digits.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    shown = (EXAMPLES / "scipy_digits.txt").read_text(encoding="utf-8")
    assert shape(done.stdout) == shape(shown)
    losses = re.findall(r"loss ([\d.]+)", done.stdout)
    assert len(losses) == 2
    assert all(float(loss) <= 0.01 for loss in losses)
    assert all(float(share) > 90 for share in re.findall(r"([\d.]+) % of", done.stdout))
