"""The table of mutations: how its files are read, and whether each mutation still applies.

A file of the table is plain text. ``file`` names what is changed from there on; then, for each
mutation, ``#`` and what is wrong, ``-`` and the text that stands in the file, exactly once, and
``+`` and what it becomes; several lines of either where need be.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("kernels", "core", "passes", "interface", "training", "reference")


class Mutation(NamedTuple):
    """One thing that is made wrong: `old`, which stands in `file` exactly once, becomes `new`."""

    file: str
    what: str
    old: str
    new: str

    def line(self) -> int:
        """The line where it stands, from 1. LookupError where it does not apply any more."""
        text = (ROOT / self.file).read_text(encoding="utf-8")
        if (count := text.count(self.old)) != 1:
            raise LookupError(f"{self.old!r} is there {count} times, need once")
        # Where the two part: the text may begin lines before, to be the only one of its kind.
        pairs = enumerate(zip(self.old, self.new, strict=False))
        same = next((i for i, (old, new) in pairs if old != new), 0)
        return text.count("\n", 0, text.index(self.old) + same) + 1


ENTRY = re.compile(r"# (?P<what>.+)\n(?P<old>(-.*\n)+)(?P<new>(\+.*\n)+)")


def read(part: str) -> list[Mutation]:
    """The mutations of one file of the table. ValueError for a line that is none of theirs."""
    text = (Path(__file__).parent / f"{part}.txt").read_text(encoding="utf-8")
    mutations = []
    for section in re.split(r"^file ", text, flags=re.MULTILINE)[1:]:
        file, rest = section.split("\n", 1)
        for entry in ENTRY.finditer(rest):
            old, new = (
                re.sub(r"^.", "", entry[k].rstrip("\n"), flags=re.M) for k in ("old", "new")
            )
            mutations.append(Mutation(file, entry["what"], old, new))
        if rubbish := ENTRY.sub("", rest).strip():
            raise ValueError(f"{part}.txt: got {rubbish!r}, need lines '# …', '-…' and '+…'")
    return mutations


TABLE = [mutation for part in PARTS for mutation in read(part)]
