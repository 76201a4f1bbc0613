"""The table of what takes other libraries' weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import cybptt
from bad_input import kinds
from bad_input.kinds import Bad
from bad_input.rows import Row, Setup, rows

I, H, O = 2, 3, 4
STATE = {
    "rnn.weight_ih_l0": np.ones((H, I)),
    "rnn.weight_hh_l0": np.ones((H, H)),
    "rnn.bias_ih_l0": np.ones(H),
    "rnn.bias_hh_l0": np.ones(H),
    "head.weight": np.ones((O, H)),
    "head.bias": np.ones(O),
}
KERNELS = [np.ones((I, H)), np.ones((H, H)), np.ones(H)]
DENSE = [np.ones((H, O)), np.ones(O)]


def table(folder: Path) -> Iterator[Row]:
    rnn = cybptt.RNN(I, H, O)
    good = {"rnn": rnn, "state_dict": STATE, "prefix": "rnn.", "layer": 0, "reverse": False,
            "output": "head"}  # fmt: skip
    torch = Setup("io.from_torch", "", cybptt.io.from_torch, good)
    keras_good = {"rnn": rnn, "weights": KERNELS, "output": DENSE}
    keras = Setup("io.from_keras", "", cybptt.io.from_keras, keras_good)
    for setup in (torch, keras):
        yield from rows(setup, "rnn", [*kinds.none(), *models(rnn)])
        yield from rows(setup, "output", [Bad("None", None, ValueError)])
        without = cybptt.RNN(I, H, None)
        unwanted = [Bad("without an output layer", setup.good["output"], ValueError)]
        yield from rows(setup, "output", unwanted, rnn=without)
    yield from rows(torch, "state_dict", [*kinds.none(), *mappings()])
    words = [Bad(f"{value!r}", value, TypeError) for value in (3, b"rnn.", ["rnn."])]
    for name in ("prefix", "output"):
        yield from rows(torch, name, words)
    nowhere = [Bad("of nothing", "layer.", ValueError, "the names rnn.weight_ih_l0")]
    yield from rows(torch, "prefix", nowhere, "state_dict")
    nowhere = [Bad("of nothing", "tail", ValueError, "the names rnn.weight_ih_l0")]
    yield from rows(torch, "output", nowhere, "state_dict")
    yield from rows(torch, "layer", [*kinds.none(), *kinds.not_an_integer(0)])
    none_such = [Bad("of no layer", 1, ValueError, "the names rnn.weight_ih_l0")]
    yield from rows(torch, "layer", none_such, "state_dict")
    yield from rows(torch, "reverse", [*kinds.none(), *kinds.not_a_flag()])
    none_such = [Bad("of no direction", True, ValueError, "the names rnn.weight_ih_l0")]
    yield from rows(torch, "reverse", none_such, "state_dict")
    yield from rows(keras, "weights", [*kinds.none(), *lists(KERNELS)])
    yield from rows(keras, "output", lists(DENSE))


def models(rnn: cybptt.RNN) -> Iterator[Bad]:
    for value in ("rnn", 3, cybptt.RNN, rnn.init(0)):
        yield Bad(f"{value!r}"[:40], value, TypeError)
    for recurrence in ("output", "both"):
        other = cybptt.RNN(I, H, O, recurrence=recurrence)
        yield Bad(recurrence, other, ValueError, recurrence)


def mappings() -> Iterator[Bad]:
    for value in (3, "state", list(STATE.items()), np.ones(3)):
        yield Bad(f"{value!r}"[:40], value, TypeError)
    yield Bad("no names", {}, ValueError, "none")
    for name, good in STATE.items():
        if "bias" not in name:
            rest = {key: value for key, value in STATE.items() if key != name}
            yield Bad(f"{name} missing", rest, ValueError, "the names rnn.")
        wrong: list[Bad] = [*kinds.none(), *kinds.wrong_shapes(good)]
        for bad in wrong:
            shows = "None" if bad.value is None else bad.shows
            yield Bad(f"{name}: {bad.kind}", STATE | {name: bad.value}, bad.error, shows, bad.value)
        integers = good.astype(int)
        yield Bad(f"{name}: integers", STATE | {name: integers}, TypeError, "int64")


def lists(good: list[Any]) -> Iterator[Bad]:
    for value in (3, "weights", {"kernel": good[0]}, iter(good)):
        yield Bad(f"{value!r}"[:40], value, TypeError)
    yield Bad("none", [], ValueError, "0 arrays")
    yield Bad("too many", [*good, good[0]], ValueError, f"{len(good) + 1} arrays")
    for i, array in enumerate(good):
        for bad in [*kinds.none(), *kinds.wrong_shapes(array)]:
            held = [*good[:i], bad.value, *good[i + 1 :]]
            shows = "None" if bad.value is None else bad.shows
            yield Bad(f"{i}: {bad.kind}", held, bad.error, shows, bad.value)
