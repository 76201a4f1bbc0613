"""The table of cybptt.data: the tasks, and sequences of chunks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bad_input import kinds
from bad_input.construction import not_a_dtype
from bad_input.kinds import ANYTHING, Bad
from bad_input.rows import Row, Setup, rows
from cybptt import data

SIZES = {"n_steps": 30, "n_sequences": 3}
# Of each task: what it takes, and the least of each integer.
TASKS: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "adding": (SIZES, {"n_steps": 2, "n_sequences": 1}),
    "copy": (
        {"delay": 4, "n_sequences": 3},
        {"delay": 1, "n_sequences": 1, "n_symbols": 1, "n_copied": 1},
    ),
    "temporal_order": (SIZES, {"n_steps": 20, "n_sequences": 1}),
    "parity": (SIZES, {"n_steps": 1, "n_sequences": 1}),
    "delayed_recall": (SIZES, {"n_steps": 11, "n_sequences": 1, "delay": 0}),
    "flip_flop": (SIZES, {"n_steps": 1, "n_sequences": 1, "n_bits": 1}),
    "mackey_glass": (SIZES, {"n_steps": 1, "n_sequences": 1, "ahead": 0, "washout": 0}),
}


def table(folder: Path) -> Iterator[Row]:
    for name, (good, least) in TASKS.items():
        task = getattr(data, name)
        setup = Setup(f"data.{name}", "", task, good)
        for argument, low in least.items():
            yield from rows(setup, argument, [*kinds.none(), *kinds.not_an_integer(low)])
        steps = next(iter(good))
        huge = [Bad("beyond any memory", 2**62, ValueError, str(2**62)[:8])]
        yield from rows(setup, steps, huge)
        yield from rows(setup, "seed", kinds.not_a_seed())
        if name not in ("copy", "temporal_order"):
            yield from rows(setup, "dtype", [*kinds.none(), *not_a_dtype()])
        yield from OF_ONE.get(name, lambda _: iter(()))(setup)
    yield from trials()
    yield from batches()
    yield from chunks()


# ---------------------------------------------------------------------- arguments of one task


def of_adding(setup: Setup) -> Iterator[Row]:
    yield from rows(setup, "original", [*kinds.none(), *kinds.not_a_flag()])
    short = [Bad("too few for 1997", 19, ValueError)]
    yield from rows(setup, "n_steps", short, original=True)


def of_order(setup: Setup) -> Iterator[Row]:
    yield from rows(setup, "n_relevant", [*kinds.none(), *kinds.not_an_integer(2, 3)])


def of_parity(setup: Setup) -> Iterator[Row]:
    yield from rows(setup, "outputs", [*kinds.none(), *kinds.not_a_word()])


def of_recall(setup: Setup) -> Iterator[Row]:
    # There would be nothing to recall: it is the steps that are too few.
    yield Row(setup, "delay", Bad("all of T", 30, ValueError, "30"), "n_steps")


def of_flip_flop(setup: Setup) -> Iterator[Row]:
    beyond = [Bad(f"{p}", p, ValueError) for p in (-0.1, 1.1, np.inf)]
    yield from rows(setup, "p", [*kinds.none(), *kinds.not_a_number(), *beyond])


def of_mackey_glass(setup: Setup) -> Iterator[Row]:
    for name in ("tau", "beta", "gamma", "power", "every", "dt"):
        yield from rows(setup, name, [*kinds.none(), *kinds.not_positive()])
    for name in ("tau", "every"):
        yield from rows(setup, name, [Bad(f"{v}", v, ValueError) for v in (0.05, 17.05, 1e-12)])
    start = np.ones(3)
    scalar = ("no axes", "one axis fewer")
    shapes = [bad for bad in kinds.wrong_shapes(start) if bad.kind not in scalar]
    yield from rows(setup, "start", [*kinds.not_numbers(start), *shapes])
    for value in (-0.1, np.nan, np.inf):
        inside = Bad(f"{value} inside", [1, 1, value], ValueError, f"{value}")
        yield from rows(setup, "start", [inside])
    yield from rows(setup, "washout", [Bad("beyond any memory", 2**62, ValueError, str(2**63)[:8])])


OF_ONE = {
    "adding": of_adding,
    "temporal_order": of_order,
    "parity": of_parity,
    "delayed_recall": of_recall,
    "flip_flop": of_flip_flop,
    "mackey_glass": of_mackey_glass,
}


# ---------------------------------------------------------------------- sequences of chunks


def trials() -> Iterator[Row]:
    def make(function: Any, n: Any, **options: Any) -> Any:
        return data.Trials(function, n, **options)

    setup = Setup("data.Trials", "", make, {"function": data.adding, "n": 3})
    yield from rows(setup, "function", [*kinds.none(), *kinds.not_callable()])
    yield from rows(setup, "n", [*kinds.none(), *kinds.not_an_integer(1)])
    yield from rows(setup, "seed", kinds.not_a_seed())
    # Options are the function's, which says so when a trial is drawn.
    good = {"function": data.adding, "n": 3} | SIZES
    drawn = Setup("data.Trials", "drawn", lambda **options: make(**options)[0], good)
    yield from rows(drawn, "n_steps", [Bad("0 for the task", 0, ValueError)])


def batches() -> Iterator[Row]:
    good: dict[str, Any] = {
        "sequences": [np.zeros((3, 2)), np.zeros((1, 2))],
        "targets": [[1, 0, 1], [1]],
        "batch": 2,
    }
    setup = Setup("data.Batches", "", data.Batches, good)
    bads = [Bad(f"{value!r}", value, TypeError) for value in (3, 1.5, len)]
    bads += [Bad("no sequences", [], ValueError)]
    yield from rows(setup, "sequences", [*kinds.none(), *bads])
    empty = [Bad("without a step", [[], []], ValueError, "no step")]
    yield from rows(setup, "sequences", empty, targets=[[], []])
    yield from rows(setup, "targets", [*kinds.none(), *bads])
    for kind, value, begins, shows in (
        ("one fewer", [[1, 0, 1]], "targets", "1 of them"),
        ("one of another length", [[1, 0, 1], [1, 1]], r"targets\[1\]", "2 steps"),
        ("one each", [1, 0], r"targets\[0\]", "()"),
    ):
        yield Row(setup, "targets", Bad(kind, value, ValueError, shows), begins)
    inside = Bad("words inside", [["1", "0", "1"], [1]], TypeError, ANYTHING)
    yield Row(setup, "targets", inside, r"targets\[0\]")
    one_each = good | {"targets": [1, 0], "outputs": "last"}
    last = Setup("data.Batches", "last", data.Batches, one_each)
    numbers = np.array([1, 0])
    shapes = [b for b in kinds.wrong_shapes(numbers) if b.kind != "one axis fewer"]
    yield from rows(last, "targets", [*kinds.none(), *kinds.not_numbers(numbers), *shapes])
    for name, low in (("batch", 1), ("epochs", 1)):
        yield from rows(setup, name, [*kinds.none(), *kinds.not_an_integer(low)])
    for name in ("bucket", "shuffle"):
        yield from rows(setup, name, [*kinds.none(), *kinds.not_a_flag()])
    yield from rows(setup, "outputs", [*kinds.none(), *kinds.not_a_word()])
    yield from rows(setup, "seed", kinds.not_a_seed())


def chunks() -> Iterator[Row]:
    good = {"x": np.arange(20), "batch": 2, "steps": 3}
    setup = Setup("data.Chunks", "", data.Chunks, good)
    yield from rows(setup, "x", [*kinds.none(), *kinds.not_integers(good["x"])])
    yield from rows(setup, "x", [Bad("too few", np.arange(6), ValueError, "6")])
    shapes = [b for b in kinds.wrong_shapes(good["x"]) if "on axis" not in b.kind]
    yield from rows(setup, "x", [b._replace(shows=_length_or_shape(b.value)) for b in shapes])
    y = np.arange(20)
    labelled = Setup("data.Chunks", "labels", data.Chunks, good | {"y": y})
    yield from rows(labelled, "y", kinds.not_integers(y))
    others = kinds.wrong_shapes(y)
    yield from rows(labelled, "y", [b._replace(shows=_length_or_shape(b.value)) for b in others])
    for name in ("batch", "steps"):
        yield from rows(setup, name, [*kinds.none(), *kinds.not_an_integer(1)])
        # It is the tokens that are too few: the message says for how many streams and steps.
        yield Row(setup, name, Bad("too large", 2**70, ValueError, "20"), "x")
    yield from rows(setup, "window", kinds.not_an_integer(3))


def _length_or_shape(value: Any) -> str:
    return str(len(value)) if np.ndim(value) in (1, 2) else str(np.shape(value))
