"""The table of the closed loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import cybptt
from bad_input import kinds
from bad_input.kinds import Bad
from bad_input.models import B, H, O
from bad_input.passes import bad_params, bad_seed
from bad_input.rows import Row, Setup, rows

STEPS = 5


def setups() -> Iterator[tuple[Any, bool, Setup]]:
    """Models that can run on what they say, a batch and one sequence of each."""
    hidden: tuple[dict[str, Any], ...] = ({}, {"loss": "squared_error"}, {"inputs": "tokens"})
    output: tuple[dict[str, Any], ...] = (
        {"recurrence": "output"},
        {"recurrence": "both", "loss": "squared_error"},
    )
    for options in (*hidden, *output):
        feeds = "recurrence" in options
        rnn = cybptt.RNN(2 if feeds else O, H, O, **options)
        for batch in ((B,), ()):
            tokens = rnn.inputs == "tokens"
            start = np.zeros(batch, int) if tokens else np.zeros((*batch, O))
            good = {"params": rnn.init(seed=0), "n_steps": STEPS, "start": start, "seed": 0}
            if feeds:
                good["x"] = np.zeros((STEPS, *batch, 2))
            label = f"{rnn!r}, {'a batch' if batch else 'one sequence'}"
            yield rnn, not batch, Setup("RNN.generate", label, rnn.generate, good)


def table(folder: Path) -> Iterator[Row]:
    for rnn, single, setup in setups():
        yield from bad_params(setup, _Like(rnn, setup.good["params"]))  # type: ignore[arg-type]
        yield from bad_seed(setup, None)  # type: ignore[arg-type]
        yield from rows(setup, "n_steps", [*kinds.none(), *kinds.not_an_integer(0)])
        yield from bad_start(rnn, single, setup)
        yield from bad_x(rnn, single, setup)
        yield from bad_state(rnn, single, setup)
        yield from bad_feed(rnn, setup)
        yield from rows(setup, "temperature", [*kinds.none(), *kinds.not_positive()])
        uses = [Bad("2 where no class is sampled", 2, ValueError)]
        yield from rows(setup, "temperature", uses, feed="argmax")
        if rnn.loss.targets != "classes":
            yield from rows(setup, "temperature", uses)
    yield from models()


class _Like:
    """What bad_params asks of a model."""

    def __init__(self, rnn: Any, params: Any) -> None:
        self.rnn, self.params = rnn, params


def bad_start(rnn: Any, single: bool, setup: Setup) -> Iterator[Row]:
    good = setup.good["start"]
    if rnn.inputs == "tokens":
        yield from rows(setup, "start", kinds.none())
        yield from rows(setup, "start", kinds.not_integers(good))
        yield from rows(setup, "start", kinds.wrong_labels(good, O, () if single else (0,)))
        shapes = {"two axes more"} | ({"one axis more"} if not single else set())
    else:
        if rnn.recurrence == "hidden":
            yield from rows(setup, "start", kinds.none())
        yield from rows(setup, "start", kinds.not_numbers(good))
        last = good.ndim - 1
        shapes = {f"one {which} on axis {last}" for which in ("more", "fewer")}
        shapes |= {"no axes", "two axes more"} | ({"one axis more"} if not single else set())
        if rnn.recurrence != "hidden":
            shapes |= {"one more on axis 0", "one fewer on axis 0"}
            if rnn.loss.targets == "classes":
                labels = np.zeros(good.shape[:-1], int)
                place = () if single else (0,)
                yield from rows(setup, "start", kinds.wrong_labels(labels, O, place))
    yield from rows(setup, "start", [b for b in kinds.wrong_shapes(good) if b.kind in shapes])


def bad_x(rnn: Any, single: bool, setup: Setup) -> Iterator[Row]:
    if rnn.recurrence == "hidden":
        bads = [Bad("x with hidden recurrence", np.zeros((STEPS, O)), ValueError)]
        return (yield from rows(setup, "x", bads))
    good = setup.good["x"]
    yield from rows(setup, "x", kinds.none())
    yield from rows(setup, "x", kinds.not_numbers(good))
    last = good.ndim - 1
    shapes = {f"one {which} on axis {axis}" for which in ("more", "fewer") for axis in (0, last)}
    shapes |= {"no axes", "two axes more"} | ({"one axis more"} if not single else set())
    for bad in kinds.wrong_shapes(good):
        if bad.kind in shapes:
            shows = f"{len(bad.value)} steps" if bad.kind.endswith("axis 0") else ""
            yield Row(setup, "x", bad._replace(shows=shows))


def bad_state(rnn: Any, single: bool, setup: Setup) -> Iterator[Row]:
    params = setup.good["params"]
    x = setup.good.get("x")
    x = setup.good["start"][None] if x is None else x
    state = rnn.forward(params, x).state
    alone = {} if rnn.recurrence == "hidden" else {"start": None}
    types = [Bad(type(v).__name__, v, TypeError) for v in (state.h, {"h": state.h}, "state", 0)]
    yield from rows(setup, "state", types, **alone)
    if alone:
        yield from rows(setup, "state", [Bad("a state and a start", state, ValueError, "state")])
    for bad in (*kinds.none(), *kinds.not_numbers(state.h), *kinds.wrong_shapes(state.h)):
        changed = cybptt.State(bad.value, state.fed, state.y)
        shows = "None" if bad.value is None else bad.shows
        inside = Bad(f"h: {bad.kind}", changed, bad.error, shows, bad.value)
        yield from rows(setup, "state", [inside], r"state\.h", **alone)


def bad_feed(rnn: Any, setup: Setup) -> Iterator[Row]:
    yield from rows(setup, "feed", [*kinds.none(), *kinds.not_a_word()])
    if rnn.inputs == "tokens":
        values = [Bad(f"{word} for tokens", word, ValueError) for word in ("o", "y_hat")]
        yield from rows(setup, "feed", values)


def models() -> Iterator[Row]:
    """Models that can't run on what they say, or whose loss can't be drawn from."""
    for rnn, argument in (
        (cybptt.RNN(O, H, O, outputs="last"), "outputs"),
        (cybptt.RNN(O, H, O + 1), "n_inputs"),
        (cybptt.RNN(O, H, None), "n_inputs"),
    ):
        good = {"params": rnn.init(seed=0), "start": np.zeros(O)}
        setup = Setup("RNN.generate", repr(rnn), rnn.generate, good, complete=False)
        shows = "last" if argument == "outputs" else str(O)
        yield Row(setup, "n_steps", Bad("any, for this model", 3, ValueError, shows), argument)
    plain = cybptt.Loss("no distribution", np.add, np.add)
    rnn = cybptt.RNN(O, H, O, loss=plain)
    good = {"params": rnn.init(seed=0), "n_steps": 3, "start": np.zeros(O)}
    setup = Setup("RNN.generate", repr(rnn), rnn.generate, good, complete=False)
    for word in ("sample", "argmax"):
        yield Row(setup, "feed", Bad(f"{word} from a loss without", word, ValueError))
