r"""Make the code wrong in one place at a time, and see which test notices.

    python tests/mutations/run.py                    all of them: two hours
    python tests/mutations/run.py --only '_core|C\.6'   those whose file or description matches
    python tests/mutations/run.py --list             what they are; fails if one no longer applies
    python tests/mutations/run.py --kernels avx2     with these kernels, where the machine has them
    python tests/mutations/run.py --jobs 2           two at once

A mutation is a sign, an index, a bound, an order or a branch, in the kernels, in the core, in the
Python around it, or in the reference: the table is in the text files beside this one. Each is a
piece of text and what it becomes. The project is copied to a temporary folder and built there with
Cython and the C compiler (Linux, macOS), first as it is: all tests must pass. Then for each
mutation what depends on it is built again, and the tests run up to the first that fails. A crash or
a hang counts, and is called so.

It ends with 1 if a mutation is not noticed (then a test is missing: write it), or if its text is
not where it was (then bring the table up to date).
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from table import ROOT, TABLE, Mutation
from tree import Outcome, Tree

# Of the project's files, its installation or its pictures; or the same tests once more.
NOT_HERE = (
    "bench",
    "cli",
    "cli_info",
    "entry_points",
    "instruction_sets",
    "plot",
    "project",
    "readme",
)

# The tests that know most of a file come first: the first part of a name here that a file's has.
NEAREST = {
    "reference": ("reference_by_hand", "reference"),
    "products": ("products", "core_against_reference"),
    "elementwise": ("activations", "losses", "kernels"),
    "losses": ("losses", "c_losses", "kernels", "core_against_reference"),
    "_plugin_functions": ("c_plugins", "plugins_of_others"),
    "_plugin_parts": ("c_plugins", "c_losses", "plugins_of_others"),
    "_c_pointers": ("c_plugins", "c_losses", "plugins_of_others"),
    "vectors": ("products", "losses", "kernels", "core_against_reference"),
    "hidden": ("hidden",),
    "_whole_pass": (
        "predict",
        "hidden",
        "whole_pass",
        "state_at",
        "core_against_reference",
        "plugins_of_others",
    ),
    "_plan": ("predict", "hidden", "whole_pass", "core_against_reference", "plugins_of_others"),
    "threads": ("threads", "predict", "whole_pass", "processes"),
    "workspace": ("whole_pass",),
    "rnn.py": ("whole_pass", "rnn", "core_against_reference"),
    "_core": ("products", "core_against_reference"),
    "_functions": ("activations", "c_plugins", "registry", "plugins_in_passes"),
    "_batch": ("batch", "hidden", "core_against_reference"),
    "_checkpoint": ("checkpoint", "checkpoint_segments"),
    "_inputs": ("core_against_reference", "bad_input", "core_batches"),
    "_generate": ("generate", "bad_input"),
    "_draws": ("losses", "generate"),
    "_differences": ("registry", "gradcheck"),
    "_plugins": ("plugins_in_passes", "plugins_own_memory", "c_plugins", "c_losses"),
    "optim": ("optim", "optim_updates"),
    "/data/": ("data", "data_tasks", "truncated"),
    "text": ("text",),
    "train": ("train",),
    "": ("core_against_reference", "core_batches", "core_properties", "rnn"),
}


@cache
def all_tests() -> list[str]:
    """The files of tests that are run here."""
    names = [path.name for path in (ROOT / "tests").glob("test_*.py")]
    return sorted(name for name in names if name[5:-3] not in NOT_HERE)


def nearest_tests(file: str) -> list[str]:
    """The files of tests that are run first."""
    words = next(words for part, words in NEAREST.items() if part in file)
    return [f"test_{word}.py" for word in words if f"test_{word}.py" in all_tests()]


def what_notices(tree: Tree, mutation: Mutation, seconds: float) -> Outcome:
    """The nearest tests first, then all; what Hypothesis draws last, for it looks for long."""
    with tree.mutated(mutation):
        outcome = Outcome("passed")
        if nearest := nearest_tests(mutation.file):
            outcome = tree.test(nearest, ["-m", "not hypothesis"], seconds)
        if outcome.how == "passed":
            outcome = tree.test(all_tests(), ["-m", "not hypothesis"], seconds)
        if outcome.how == "passed":
            outcome = tree.test(all_tests(), ["-m", "hypothesis"], 3 * seconds)
        return outcome


class Row(NamedTuple):
    """A row of the table that is printed."""

    mutation: Mutation
    place: str
    applies: bool

    @classmethod
    def of(cls, mutation: Mutation) -> Row:
        """With its file and line, without what all files have in common."""
        file = mutation.file.removeprefix("cybptt/")
        try:
            return cls(mutation, f"{file}:{mutation.line()}", True)
        except LookupError:
            return cls(mutation, f"{file}:?", False)

    def __str__(self) -> str:
        return f"{self.place:34} {self.mutation.what:64}"

    def attempt(self, trees: SimpleQueue[Tree], seconds: float) -> tuple[Outcome, float]:
        """What notices it, and how long that took."""
        if not self.applies:
            return Outcome("passed", "ITS TEXT IS NOT THERE"), 0.0
        tree, start = trees.get(), time.perf_counter()
        try:
            outcome = what_notices(tree, self.mutation, seconds)
        finally:
            trees.put(tree)
        if outcome.how == "passed":
            outcome = Outcome("passed", "NOTHING")
        return outcome, time.perf_counter() - start


def run(rows: list[Row], kernels: str, jobs: int, folder: Path) -> int:
    """Try each, print the table, and return for how many nothing was noticed."""
    start = time.perf_counter()
    trees: SimpleQueue[Tree] = SimpleQueue()
    for job in range(jobs):
        trees.put(tree := Tree(folder / str(job), kernels))
    built = time.perf_counter()
    outcome = tree.test(all_tests(), [], 3600)
    if outcome.how != "passed":
        print(outcome.output)
        print(f"The tests must pass before anything is made wrong: {outcome.test}")
        return len(rows)
    tested = time.perf_counter() - built
    print(f"As it is: built in {built - start:.0f} s, all tests pass in {tested:.0f} s.\n")
    noticed_by: Counter[str] = Counter()
    pool = ThreadPoolExecutor(jobs)
    try:
        attempts = pool.map(lambda row: row.attempt(trees, 60 + 5 * tested), rows)
        for i, (row, (outcome, seconds)) in enumerate(zip(rows, attempts, strict=True), 1):
            noticed_by[outcome.test.split("[")[0]] += 1
            how = "" if outcome.how in ("passed", "failed") else f" ({outcome.how})"
            print(f"{i:3}  {row} {seconds:5.1f} s  {outcome.test}{how}", flush=True)
    finally:
        pool.shutdown(cancel_futures=True)
    print("\nNoticed by:")
    for test, count in noticed_by.most_common():
        print(f"{count:5}  {test}")
    unnoticed = noticed_by["NOTHING"] + noticed_by["ITS TEXT IS NOT THERE"]
    print(f"\n{len(rows)} mutations, {len(rows) - unnoticed} noticed, ", end="")
    print(f"in {time.perf_counter() - start:.0f} s, with the kernels {kernels!r}.")
    return unnoticed


def main() -> int:
    """Read the command line and do as it says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--only", metavar="PATTERN", default="", help="those whose file or description matches")
    add("--list", action="store_true", help="say what they are, and change nothing")
    add("--kernels", metavar="NAME", default="baseline", help="which to run (baseline)")
    add("--jobs", metavar="N", type=int, default=1, help="how many at once (1)")
    options = parser.parse_args()
    chosen = [m for m in TABLE if re.search(options.only, f"{m.file}: {m.what}")]
    if not chosen:
        parser.error(f"--only: got {options.only!r}, need a pattern that matches some")
    rows = [Row.of(mutation) for mutation in chosen]
    if not options.list:
        with tempfile.TemporaryDirectory(prefix="cybptt-mutations-") as folder:
            return int(run(rows, options.kernels, options.jobs, Path(folder)) > 0)
    for row in rows:
        print(row)
    print(f"{len(rows)} mutations, {sum(row.applies for row in rows)} of them apply.")
    return int(not all(row.applies for row in rows))


if __name__ == "__main__":
    sys.exit(main())
