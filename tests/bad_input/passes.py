"""The table of the passes: a function for each argument, whatever method it is of."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import cybptt
from bad_input import kinds
from bad_input.kinds import Bad
from bad_input.models import B, H, Model, T, model, models
from bad_input.rows import Row, Setup, rows


def setups(m: Model) -> Iterator[Setup]:
    """Every pass of a model with arguments that it takes."""

    def of(method: str, function: Any = None, **good: Any) -> Setup:
        return Setup(f"RNN.{method}", m.label, function or getattr(m.rnn, method), good)

    def objective(x: Any, y: Any, **options: Any) -> Any:
        return m.rnn.objective(x, y, **options)(m.params.vector)

    def fun(vector: Any) -> Any:
        return m.rnn.objective(m.x, m.y)(vector)

    loss = {"weights": m.weights, "reduction": "mean"}
    x_t, trace, state = m.x[0], m.trace(), m.state()
    forcing = {"teacher_forcing": m.mask} if m.feeds else {}
    options = m.start | {"lengths": m.lengths, "seed": 0} | loss | forcing | {"n_threads": 2}
    yield of("forward", params=m.params, x=m.x, **m.fed)
    yield of("predict", params=m.params, x=m.x, **m.start, lengths=m.lengths, link=False)
    yield of("step", params=m.params, x_t=x_t, state=state)
    yield of("step_losses", trace=trace, y=m.y)
    yield of("total_loss", trace=trace, y=m.y, **loss)
    yield of("backward", trace=trace, y=m.y, **loss)
    yield of("vjp", trace=trace, grad_o=np.ones(trace.o.shape), grad_h=np.ones(trace.h.shape))
    if m.rnn.n_outputs is None:
        read = {"params": m.params, "x": m.x, "h0": m.h0, "lengths": m.lengths, "n_threads": 2}
        read |= {"counts": None}
        yield of("hidden", **read)
        yield of("hidden_vjp", **read, h=trace.h, grad_h=np.ones(trace.h.shape), grad_x=True)
    out = m.params.copy()
    yield of("value_and_grad", params=m.params, x=m.x, y=m.y, **options, out=out, return_state=True)
    given = {name: value for name, value in options.items() if name != "n_threads"}
    yield of("explain", params=m.params, x=m.x, y=m.y, **given, decimals=3, limit=100)
    yield of("objective", objective, x=m.x, y=m.y, **options)
    check = partial(cybptt.gradcheck, m.rnn, max_coordinates=1)
    yield Setup("gradcheck", m.label, check, {"params": m.params, "x": m.x, "y": m.y, **options})
    yield of("objective.fun", fun, vector=m.params.vector)
    yield Setup("Trace.state_at", m.label, trace.state_at, {"step": 1})


def table(folder: Path) -> Iterator[Row]:
    for m in models():
        for setup in setups(m):
            for name, make in ARGUMENTS.items():
                takes = set(setup.good)
                if "x" in setup.good:
                    takes |= {"state", "checkpoint", "workspace"}
                whole = ("RNN.forward", "RNN.value_and_grad", "RNN.explain", "gradcheck")
                if setup.call in (*whole, "RNN.predict"):
                    takes |= {"y0"}
                if setup.call in whole:
                    takes |= {"teacher_forcing"}
                if setup.call == "RNN.value_and_grad":
                    takes |= {"state_at"}
                if setup.call in ("RNN.forward", "RNN.predict", "RNN.explain"):
                    takes -= {"checkpoint", "workspace"}
                if setup.call in ("RNN.hidden", "RNN.hidden_vjp"):
                    takes = set(setup.good)
                if name in takes:
                    yield from make(setup, m)
        yield from patterns(m)


# ---------------------------------------------------------------------- params, trace, out


def bad_params(setup: Setup, m: Model) -> Iterator[Row]:
    other = cybptt.RNN(m.rnn.n_inputs, H, m.rnn.n_outputs, activation="relu", inputs=m.rnn.inputs)
    wider = cybptt.RNN(m.rnn.n_inputs, H + 1, m.rnn.n_outputs)
    bads = [Bad(type(v).__name__, v, TypeError) for v in (dict(m.params), m.params.vector, "p", 1)]
    bads += [Bad(f"of {r!r}", r.init(seed=0), ValueError) for r in (other, wider)]
    return rows(setup, "params", [*kinds.none(), *bads])


def bad_trace(setup: Setup, m: Model) -> Iterator[Row]:
    foreign = model("values" if m.name == "hidden" else "hidden").trace()
    values = (m.trace().h, m.state(), m.params, "trace", (m.trace(),))
    bads = [Bad(type(v).__name__, v, TypeError) for v in values]
    of_another = Bad("of another model", foreign, ValueError)
    return rows(setup, "trace", [*kinds.none(), *bads, of_another])


def bad_out(setup: Setup, m: Model) -> Iterator[Row]:
    values = (dict(m.params), m.params.vector.copy(), "out", m.trace())
    bads = [Bad(type(v).__name__, v, TypeError) for v in values]
    other = cybptt.RNN(m.rnn.n_inputs, H, m.rnn.n_outputs, activation="relu", inputs=m.rnn.inputs)
    bads.append(Bad("of another model", other.init(seed=0), ValueError))
    bads.append(Bad("of another dtype", m.params.astype("float32"), ValueError))
    bads.append(Bad("params itself", m.params, ValueError, "params"))
    same = cybptt.Parameters(m.rnn, m.params.vector)
    bads.append(Bad("with the memory of params", same, ValueError, "params"))
    fixed = m.params.copy()
    fixed.vector.flags.writeable = False
    bads.append(Bad("read-only", fixed, ValueError, "read-only"))
    return rows(setup, "out", bads)


def bad_vector(setup: Setup, m: Model) -> Iterator[Row]:
    vector = m.params.vector
    bads = [*kinds.none(), *kinds.not_numbers(vector), *kinds.wrong_shapes(vector)]
    return rows(setup, "vector", bads)


# ---------------------------------------------------------------------- x, lengths, h0, y0, state


def bad_x(setup: Setup, m: Model) -> Iterator[Row]:
    yield from rows(setup, "x", kinds.none())
    if m.tokens:
        yield from rows(setup, "x", kinds.not_integers(m.x))
        first = (0,) if m.single else (0, 0)
        yield from rows(setup, "x", kinds.wrong_labels(m.x, 7, first))
        shapes = {"no axes", "two axes more"}
    else:
        yield from rows(setup, "x", kinds.not_numbers(m.x))
        last = m.x.ndim - 1
        shapes = {f"one {which} on axis {last}" for which in ("more", "fewer")}
        shapes |= {"no axes", "two axes more", "transposed", "flat", "an empty array"}
        shapes |= set() if m.single else {"one axis more"}
    bads = [bad for bad in kinds.wrong_shapes(m.x) if bad.kind in shapes]
    assert len(bads) >= len(shapes)
    yield from rows(setup, "x", bads)


def bad_x_t(setup: Setup, m: Model) -> Iterator[Row]:
    x_t = m.x[0]
    yield from rows(setup, "x_t", kinds.none())
    if m.tokens:
        yield from rows(setup, "x_t", kinds.not_integers(x_t))
        yield from rows(setup, "x_t", kinds.wrong_labels(x_t, 7, () if m.single else (0,)))
        shapes = {"two axes more"}
    else:
        yield from rows(setup, "x_t", kinds.not_numbers(x_t))
        last = x_t.ndim - 1
        shapes = {f"one {which} on axis {last}" for which in ("more", "fewer")}
        shapes |= {"no axes", "two axes more", "an empty array"}
        shapes |= set() if m.single else {"one axis more", "transposed", "flat"}
    yield from rows(setup, "x_t", [b for b in kinds.wrong_shapes(x_t) if b.kind in shapes])


def bad_lengths(setup: Setup, m: Model) -> Iterator[Row]:
    yield from rows(setup, "lengths", kinds.not_integers(m.lengths))
    yield from rows(setup, "lengths", kinds.wrong_shapes(m.lengths))
    place = () if m.single else (B - 1,)
    yield from rows(setup, "lengths", kinds.wrong_labels(m.lengths, T + 1, place))


def bad_h0(setup: Setup, m: Model) -> Iterator[Row]:
    yield from rows(setup, "h0", kinds.not_numbers(m.h0))
    for_all = () if m.single else ("one axis fewer",)
    yield from rows(setup, "h0", kinds.wrong_shapes(m.h0, without=for_all))


def bad_y0(setup: Setup, m: Model) -> Iterator[Row]:
    if not m.feeds:
        none_here = [Bad("with hidden recurrence", v, ValueError) for v in (m.y0, 0, np.zeros(B))]
        return (yield from rows(setup, "y0", none_here))
    yield from rows(setup, "y0", kinds.not_numbers(m.y0))
    for_all = () if m.single else ("one axis fewer",)
    yield from rows(setup, "y0", kinds.wrong_shapes(m.y0, without=for_all))
    labels = np.zeros(m.h0.shape[:-1], int)
    if m.classes:
        yield from rows(setup, "y0", kinds.wrong_labels(labels, m.size_o, () if m.single else (0,)))
        yield from rows(setup, "y0", kinds.not_numbers(labels))
        without = () if m.single else ("no axes",)
        shapes = [b for b in kinds.wrong_shapes(labels) if b.kind not in without]
        yield from rows(setup, "y0", shapes)
        yield from rows(setup, "y0", [Bad("boolean labels", labels.astype(bool), ValueError)])
    else:
        yield from rows(setup, "y0", [Bad("a label", labels, ValueError)])


def bad_state(setup: Setup, m: Model) -> Iterator[Row]:
    state = m.state()
    instead: dict[str, Any] = {name: None for name in ("h0", "y0") if name in setup.good}
    values = (state.h, (state.h, state.fed, state.y), {"h": state.h}, m.trace(), "state", 0)
    types = [Bad(type(v).__name__, v, TypeError) for v in values]
    yield from rows(setup, "state", types, **instead)
    if instead:
        with_a_start = [Bad("a state and a start", state, ValueError, "state")]
        yield from rows(setup, "state", with_a_start)
        for name in instead:
            rest: dict[str, Any] = dict.fromkeys(instead, None) | {name: setup.good[name]}
            yield from rows(setup, "state", with_a_start, **rest)

    parts = {"h": state.h} | ({"fed": state.fed, "y": m.y0} if m.feeds else {})
    good = {"h": state.h, "fed": state.fed, "y": None}
    for name, part in parts.items():
        bads = [*kinds.not_numbers(part), *kinds.wrong_shapes(part)]
        bads += kinds.none() if name != "y" else ()
        for bad in bads:
            shows = "None" if bad.value is None else bad.shows
            a_state = cybptt.State(**(good | {name: bad.value}))
            of_it = Bad(f"{name}: {bad.kind}", a_state, bad.error, shows, bad.value)
            yield from rows(setup, "state", [of_it], rf"state\.{name}", **instead)


# ---------------------------------------------------------------------- y, weights, reduction


def bad_y(setup: Setup, m: Model) -> Iterator[Row]:
    if setup.call == "RNN.forward":
        if not m.feeds:
            return (yield from rows(setup, "y", [Bad("with hidden recurrence", m.y, ValueError)]))
        forced: dict[str, Any] = {"teacher_forcing": True}
    else:
        yield from rows(setup, "y", kinds.none())
        forced = {}
    yield from rows(setup, "y", kinds.wrong_shapes(m.y))
    if m.classes:
        yield from rows(setup, "y", kinds.not_integers(m.y))
        first = (0,) * m.y.ndim
        yield from rows(setup, "y", kinds.wrong_labels(m.y, m.size_o, first), **forced)
        return
    yield from rows(setup, "y", kinds.not_numbers(m.y))
    low, high = m.rnn.loss.target_range
    if setup.call != "RNN.forward":
        for value in (low - 0.1, high + 0.1, -np.inf, np.inf):
            if not low <= value <= high:
                y = m.y.copy()
                y[(0,) * y.ndim] = value
                yield from rows(setup, "y", [Bad(f"{value}", y, ValueError, f"{value:g}")])


def bad_weights(setup: Setup, m: Model) -> Iterator[Row]:
    yield from rows(setup, "weights", kinds.not_numbers(m.weights))
    yield from rows(setup, "weights", kinds.wrong_shapes(m.weights))
    for value in (-1.0, -1e-300, np.nan, np.inf, -np.inf):
        weights = m.weights.copy()
        weights[(0,) * weights.ndim] = value
        yield from rows(setup, "weights", [Bad(str(value), weights, ValueError, f"{value}")])


def bad_reduction(setup: Setup, m: Model) -> Iterator[Row]:
    numbers = [bad for bad in kinds.not_positive() if bad.kind != "a word"]
    words = [Bad(f"{word!r}", word, ValueError) for word in ("", "none", "Mean", "1.0")]
    yield from rows(setup, "reduction", [*kinds.none(), *numbers, *words])
    over_nothing = [Bad("the mean of nothing", "mean", ValueError)]
    yield from rows(setup, "reduction", over_nothing, weights=np.zeros_like(m.weights))


# ---------------------------------------------------------------------- the rest


def bad_teacher_forcing(setup: Setup, m: Model) -> Iterator[Row]:
    if not m.feeds:
        values: tuple[Any, ...] = (True, False, 0.5, m.mask)
        bads = [Bad(f"{v} with hidden recurrence"[:40], v, ValueError) for v in values]
        return (yield from rows(setup, "teacher_forcing", bads))
    yield from rows(setup, "teacher_forcing", kinds.not_booleans(m.mask))
    # A boolean alone is for all steps.
    shapes = kinds.wrong_shapes(m.mask, without=("no axes", *(["one axis fewer"] * m.single)))
    yield from rows(setup, "teacher_forcing", shapes)
    numbers = [b for b in kinds.not_a_number() if b.kind not in ("a boolean", "a ragged list")]
    yield from rows(setup, "teacher_forcing", numbers)
    beyond = [Bad(str(v), v, ValueError, f"{v:g}") for v in (-0.1, 1.1, 2, -1, np.inf, -np.inf)]
    yield from rows(setup, "teacher_forcing", beyond)
    if setup.call == "RNN.forward":
        without_y = [Bad(f"{v} without y"[:40], v, ValueError) for v in (True, 1.0, m.mask)]
        yield from rows(setup, "teacher_forcing", without_y, y=None)


def bad_seed(setup: Setup, m: Model) -> Iterator[Row]:
    return rows(setup, "seed", kinds.not_a_seed())


def bad_return_state(setup: Setup, m: Model) -> Iterator[Row]:
    return rows(setup, "return_state", [*kinds.none(), *kinds.not_a_flag()])


def bad_counts(setup: Setup, m: Model) -> Iterator[Row]:
    both = [Bad("with lengths", np.ones(T, int), ValueError, "lengths and counts")]
    yield from rows(setup, "counts", both)
    if m.single:  # then x is (N, I): N rows
        alone: dict[str, Any] = {"lengths": None}
        good = np.array([2, 2, 1])
        yield from rows(setup, "counts", kinds.not_integers(good), **alone)
        shapes = kinds.wrong_shapes(good, without=("one more on axis 0",))
        yield from rows(setup, "counts", shapes, **alone)
        for wrong in ([2, 2, 2], [1, 2, 2], [5, 0], [6, -1], [3, 1]):
            shows = ", ".join(map(str, wrong))
            yield from rows(setup, "counts", [Bad(shows, wrong, ValueError, shows)], **alone)
    else:
        padded = [Bad("of what is padded", m.x, ValueError)]
        yield from rows(setup, "x", padded, lengths=None, counts=np.ones(T, int))


def bad_grad_x(setup: Setup, m: Model) -> Iterator[Row]:
    return rows(setup, "grad_x", [*kinds.none(), *kinds.not_a_flag()])


def bad_link(setup: Setup, m: Model) -> Iterator[Row]:
    return rows(setup, "link", [*kinds.none(), *kinds.not_a_flag()])


def bad_state_at(setup: Setup, m: Model) -> Iterator[Row]:
    return rows(setup, "state_at", kinds.not_an_integer(0, len(m.x)))


def bad_step(setup: Setup, m: Model) -> Iterator[Row]:
    return rows(setup, "step", [*kinds.none(), *kinds.not_an_integer(0, len(m.x))])


def bad_checkpoint(setup: Setup, m: Model) -> Iterator[Row]:
    numbers = [bad for bad in kinds.not_an_integer(1) if bad.kind != "a word"]
    words = [Bad(f"{word!r}", word, ValueError) for word in ("", "Auto", "2")]
    return rows(setup, "checkpoint", [*numbers, *words])


def bad_n_threads(setup: Setup, m: Model) -> Iterator[Row]:
    return rows(setup, "n_threads", kinds.not_an_integer(1))


def bad_workspace(setup: Setup, m: Model) -> Iterator[Row]:
    others = [Bad(f"{v!r}"[:40], v, TypeError) for v in (0, "mine", np.zeros(9), cybptt.Workspace)]
    return rows(setup, "workspace", others)


def bad_cotangent(name: str) -> Any:
    def make(setup: Setup, m: Model) -> Iterator[Row]:
        good = setup.good[name]
        return rows(setup, name, [*kinds.not_numbers(good), *kinds.wrong_shapes(good)])

    return make


def patterns(m: Model) -> Iterator[Row]:
    """Options that there are not, and what value_and_grad has and objective has not."""
    good = {"x": m.x, "y": m.y}
    objective = Setup("RNN.objective", m.label, m.rnn.objective, good)
    good = {"rnn": m.rnn, "params": m.params, **good}
    check = Setup("gradcheck", m.label, cybptt.gradcheck, good)
    for setup in (objective, check):
        for name in ("return_state", "state_at", "out", "learning_rate"):
            bad = Bad(f"the option {name}", None, TypeError, name)
            yield Row(setup, name, bad, "options")
    models = [Bad(f"{v!r}"[:40], v, TypeError) for v in ("rnn", 3, cybptt.RNN, m.params)]
    yield from rows(check, "rnn", [*kinds.none(), *models])
    yield from rows(check, "tolerance", [*kinds.none(), *kinds.not_positive()])
    yield from rows(check, "max_coordinates", [*kinds.none(), *kinds.not_an_integer(1)])


def bad_limit(setup: Setup, m: Model) -> Iterator[Row]:
    yield from rows(setup, "limit", [*kinds.none(), *kinds.not_an_integer(1)])
    too_small = [Bad("below a size", 2, ValueError, str(max(m.rnn.n_inputs, H)))]
    yield from rows(setup, "limit", too_small, "n_inputs|n_hidden")


def bad_decimals(setup: Setup, m: Model) -> Iterator[Row]:
    return rows(setup, "decimals", [*kinds.none(), *kinds.not_an_integer(1, 12)])


ARGUMENTS = {
    "limit": bad_limit,
    "decimals": bad_decimals,
    "params": bad_params,
    "trace": bad_trace,
    "out": bad_out,
    "vector": bad_vector,
    "x": bad_x,
    "x_t": bad_x_t,
    "lengths": bad_lengths,
    "h0": bad_h0,
    "y0": bad_y0,
    "state": bad_state,
    "y": bad_y,
    "weights": bad_weights,
    "reduction": bad_reduction,
    "teacher_forcing": bad_teacher_forcing,
    "seed": bad_seed,
    "return_state": bad_return_state,
    "link": bad_link,
    "state_at": bad_state_at,
    "step": bad_step,
    "checkpoint": bad_checkpoint,
    "n_threads": bad_n_threads,
    "workspace": bad_workspace,
    "grad_o": bad_cotangent("grad_o"),
    "grad_h": bad_cotangent("grad_h"),
    "h": bad_cotangent("h"),
    "grad_x": bad_grad_x,
    "counts": bad_counts,
}
