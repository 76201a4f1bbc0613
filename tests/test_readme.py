"""The README: its code runs, its commands come first, what it links to is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [code for name, code in BLOCKS if name == language]


def test_every_block_names_its_language() -> None:
    assert len(BLOCKS) == len(re.findall(r"^```", TEXT, flags=re.MULTILINE)) / 2


def test_python_blocks_run(tmp_path: Path) -> None:
    """One after the other in one fresh interpreter, as a reader would type them."""
    assert len(blocks("python")) >= 2
    code = "\n".join(blocks("python"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_examples_are_as_short_as_they_are_said_to_be() -> None:
    for code in blocks("python")[:2]:
        lines = [line for line in code.splitlines() if line.strip()]
        assert len(lines) <= 12


def test_the_two_commands_are_the_first_two() -> None:
    run, test = blocks("sh")[:2]
    assert run.strip().endswith(".venv/bin/cybptt train")
    assert "'.[train]'" in run
    assert test.strip().endswith(".venv/bin/pytest")
    assert "'.[test]'" in test


def test_what_it_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", TEXT) + re.findall(r'src="([^"]+)"', TEXT)
    local = [link for link in links if "://" not in link]
    assert local
    assert [link for link in local if not (README.parent / link).exists()] == []
