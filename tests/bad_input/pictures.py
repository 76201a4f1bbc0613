"""The table of the walk's text and of the pictures that matplotlib draws."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import cybptt
from bad_input import kinds, passes
from bad_input.kinds import Bad
from bad_input.models import OUTPUT, B, Model, T, model, models
from bad_input.rows import Row, Setup, rows
from cybptt import plot


def table(folder: Path) -> Iterator[Row]:
    walk = cybptt.RNN(1, 1, 1).explain(cybptt.RNN(1, 1, 1).init(0), [[1.0]], [0])
    text = Setup("Explanation.text", "", walk.text, {"width": 80})
    yield from rows(text, "width", [*kinds.none(), *kinds.not_an_integer(40)])
    for single in (False, True):
        yield from of_traces(model("hidden", single))
    yield from training_curves()
    for m in models(OUTPUT):
        yield from forced_and_free(m)


def new_ax() -> Any:
    return Figure().subplots()


def axes(setup: Setup) -> Iterator[Row]:
    figure = Figure()
    values = (3, "ax", figure, figure.subplots(2), [figure.add_subplot()])
    yield from rows(setup, "ax", [Bad(type(v).__name__, v, TypeError) for v in values])


def of_traces(m: Model) -> Iterator[Row]:
    trace = m.trace()
    one = {"trace": trace, "sequence": 0, "ax": new_ax()}
    further: dict[str, dict[str, Any]] = {
        "eigenvalues": {},
        "singular_values": {},
        "jacobian_growth": {"start": 1},
        "hidden_states": {"image": True},
    }
    for name, options in further.items():
        setup = Setup(f"plot.{name}", m.label, getattr(plot, name), one | options)
        yield from passes_of_another(setup, m)
        numbers = kinds.not_an_integer(0, 0 if m.single else B - 1)
        yield from rows(setup, "sequence", [*kinds.none(), *numbers])
        if not m.single:
            yield from rows(setup, "sequence", [Bad("of no steps", 1, ValueError)])
        yield from axes(setup)
        if "start" in options:
            steps = T - 1 if m.single else T
            yield from rows(setup, "start", [*kinds.none(), *kinds.not_an_integer(0, steps - 1)])
        if "image" in options:
            yield from rows(setup, "image", kinds.not_a_flag())

    gradients = m.rnn.backward(trace, m.y)
    good = {"trace": trace, "gradients": gradients, "ax": new_ax()}
    setup = Setup("plot.gradient_flow", m.label, plot.gradient_flow, good)
    yield from passes_of_another(setup, m)
    yield from axes(setup)
    other = cybptt.RNN(1, 2, 2)
    shorter = m.rnn.forward(m.params, m.x[:2])
    bads = [Bad(type(v).__name__, v, TypeError) for v in (trace, gradients.h, gradients.parameters)]
    of_another = other.vjp(other.forward(other.init(0), np.ones((T, 1))))
    bads.append(Bad("of another model", of_another, ValueError, repr(other)))
    bads.append(Bad("of fewer steps", m.rnn.vjp(shorter), ValueError, "(2, "))
    yield from rows(setup, "gradients", [*kinds.none(), *bads])


def passes_of_another(setup: Setup, m: Model) -> Iterator[Row]:
    """A trace's rows, but for one of another model, which is as good."""
    for row in passes.bad_trace(setup, m):
        if row.bad.kind != "of another model":
            yield row


def training_curves() -> Iterator[Row]:
    record = cybptt.train.Record(1, 1, 0.7, 1.0, 2.0, 0.1, 8, 1.0)
    history = cybptt.train.History([record])
    good = {"history": history, "quantity": "loss", "window": 1, "name": "run", "ax": new_ax()}
    setup = Setup("plot.training_curve", "", plot.training_curve, good)
    bads = [Bad(type(v).__name__, v, TypeError) for v in ([record], record, "history", 3)]
    empty = Bad("of no steps", cybptt.train.History(), ValueError, "no steps")
    yield from rows(setup, "history", [*kinds.none(), *bads, empty])
    yield from rows(setup, "quantity", [*kinds.none(), *kinds.not_a_word()])
    without = cybptt.train.History([cybptt.train.Record(1, 1, 0.7, None, 2.0, 0.1, 8, 1.0)])
    bits = [Bad("bits without classes", "bits", ValueError)]
    yield from rows(setup, "quantity", bits, history=without)
    yield from rows(setup, "window", kinds.not_an_integer(1))
    yield from rows(setup, "name", [Bad(f"{v!r}", v, TypeError) for v in (3, b"run", ["run"])])
    yield from axes(setup)


def forced_and_free(m: Model) -> Iterator[Row]:
    good = {"rnn": m.rnn, "params": m.params, "x": m.x, "y": m.y, **m.start, "lengths": m.lengths}
    setup = Setup("plot.forced_and_free", m.label, plot.forced_and_free, good | {"ax": new_ax()})
    for name in (*good, "state"):
        if name != "rnn":
            yield from passes.ARGUMENTS[name](setup, m)
    hidden = cybptt.RNN(1, 2, 2)
    bads = [Bad(f"{v!r}"[:40], v, TypeError) for v in ("rnn", 3, cybptt.RNN, m.params)]
    bads.append(Bad("with hidden recurrence", hidden, ValueError))
    yield from rows(setup, "rnn", [*kinds.none(), *bads])
    yield from axes(setup)
