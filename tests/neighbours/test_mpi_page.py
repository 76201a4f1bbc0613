"""The programs of the page on MPI and joblib: they run, and print what the page shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from mpi_jobs import job

from cybptt.train import Checkpoint

EXAMPLES = Path(__file__).parents[2] / "docs" / "neighbours" / "examples"
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def shown(name: str) -> str:
    return (EXAMPLES / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("n", [1, 3, 4])
def test_the_ranks_print_what_the_page_shows(n: int, tmp_path: Path) -> None:
    """The same with any number of ranks; but for a few digits, on another processor."""
    done = job(n, "-W", "error", EXAMPLES / "mpi_digits.py", folder=tmp_path)
    assert (done.status, done.err) == (0, "")
    expected = shown("mpi_digits.txt").replace("4 ranks", f"{n} ranks")
    assert NUMBER.sub("#", done.out) == NUMBER.sub("#", expected)
    found, wanted = ([float(x) for x in NUMBER.findall(text)] for text in (done.out, expected))
    assert found[0] == n
    assert found[2] == pytest.approx(wanted[2], abs=66)  # three epochs
    assert found[3] == pytest.approx(wanted[3], abs=3)
    assert Checkpoint.load(tmp_path / "digits.safetensors").step == found[2]


def test_joblib_prints_what_the_page_shows(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(EXAMPLES / "joblib_seeds.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    expected = shown("joblib_seeds.txt")
    assert NUMBER.sub("#", done.stdout) == NUMBER.sub("#", expected)
    found, wanted = ([float(x) for x in NUMBER.findall(text)] for text in (done.stdout, expected))
    assert found == pytest.approx(wanted, abs=4)
