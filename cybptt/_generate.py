"""The closed loop: what the model says comes back to it (figure 10.6, in use)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cybptt import _inputs, _passes
from cybptt import _validate as check
from cybptt._batch import Layout
from cybptt._plugins import named
from cybptt.errors import PluginError
from cybptt.trace import State

if TYPE_CHECKING:
    from cybptt.description import Description
    from cybptt.parameters import Parameters

Array = NDArray[Any]

# From o (B, O) and the step: what comes out, labels (B,) or values (B, O).
Choose = Callable[[Array, int], Array]


@dataclass(frozen=True)
class Options:
    """The arguments of `RNN.generate`, as they came."""

    n_steps: Any
    start: Any
    x: Any
    state: Any
    feed: Any
    temperature: Any
    seed: Any


def generate(rnn: Description, params: Parameters, options: Options) -> Array:
    """Run the loop: see `RNN.generate`."""
    if rnn.outputs == "last":
        raise check.wrong_value("outputs", "'last'", "'all' to generate: an output at each step")
    n_steps = check.integer("n_steps", options.n_steps, 0)
    check.check_size("n_steps", n_steps, max(1, rnn.size_o))
    check.seed("seed", options.seed)
    choose = _choice(rnn, options)
    if rnn.recurrence == "hidden":
        return _through_x(rnn, params, n_steps, options, choose)
    return _through_u(rnn, params, n_steps, options, choose)


def _choice(rnn: Description, options: Options) -> Choose:
    """What `feed` means for this model's loss."""
    feed = check.choice("feed", options.feed, ("sample", "argmax", "y_hat", "o"))
    temperature = check.positive_number("temperature", options.temperature)
    loss, classes = rnn.loss, rnn.loss.targets == "classes"
    if temperature != 1 and not (classes and feed == "sample"):
        raise check.wrong_value(
            "temperature", f"{temperature:g}", "1, but where a class is sampled"
        )
    if feed == "o":
        return lambda o, t: o
    if feed == "y_hat":
        return lambda o, t: _passes.link(rnn, o, f"step {t}")
    part = "sample" if feed == "sample" else "mode"
    draw = getattr(loss, part)
    if draw is None:
        raise check.wrong_value(
            "feed", repr(feed), f"'y_hat' or 'o': the loss {loss.name!r} has no {part}"
        )
    rng = check.generator("seed", options.seed)

    def drawn(o: Array, t: int) -> Array:
        with named(loss, part, f"step {t}") as label:
            y = draw(_tempered(o, temperature), rng) if part == "sample" else draw(o.copy())
            y = np.asarray(y)
        shape = o.shape[:1] if classes else o.shape
        if y.shape != shape or y.dtype.kind not in ("iu" if classes else "biuf"):
            need = f"{'labels' if classes else 'values'} of shape {shape}"
            raise PluginError(f"{label}: got {check.describe(y)}, need {need}")
        if classes and y.size and not (y.min() >= 0 and y.max() < rnn.size_o):
            raise PluginError(f"{label}: got a label out of range, need 0 … {rnn.size_o - 1}")
        return y.astype(np.intp if classes else o.dtype)

    return drawn


def _tempered(o: Array, temperature: float) -> Array:
    """The logits o over the temperature; shifted first, so that any temperature has its limit."""
    if temperature == 1:
        return o.copy()
    with np.errstate(over="ignore", under="ignore"):
        shifted = o.astype(np.float64) - o.max(axis=1, keepdims=True, initial=-np.inf)
        return np.asarray(shifted / temperature, o.dtype)


def _through_x(
    rnn: Description, params: Parameters, n_steps: int, options: Options, choose: Choose
) -> Array:
    """Hidden recurrence: y(t) comes back as x(t+1)."""
    if rnn.n_inputs != rnn.size_o:
        raise check.wrong_value(
            "n_inputs", str(rnn.n_inputs), f"n_outputs = {rnn.size_o}: y(t) comes back as x(t+1)"
        )
    if options.x is not None:
        raise check.wrong_value("x", check.describe(options.x), "None: x(1) is `start`")
    if rnn.inputs == "tokens" and options.feed in ("y_hat", "o"):
        raise check.wrong_value("feed", repr(options.feed), "'sample' or 'argmax' for tokens")
    tokens = rnn.inputs == "tokens"
    letters = "(B,) or ()" if tokens else f"(B, I) or (I,), I = {rnn.n_inputs}"
    need = f"x(1), {'integer tokens' if tokens else 'real numbers'} of shape {letters}"
    first = check.array("start", options.start, "iu" if tokens else "biuf", need)
    axes = 1 if tokens else 2
    if first.ndim not in (axes - 1, axes) or (not tokens and first.shape[-1] != rnn.n_inputs):
        raise check.wrong_value("start", check.describe(first), need)
    layout, x = _inputs.sequences(rnn, params.dtype, first[None], None, name="start")
    start = _inputs.start(rnn, layout, params.dtype, None, None, options.state)
    out = _room(rnn, n_steps, layout, options, params.dtype)
    for t in range(n_steps):
        run = _passes.forward(rnn, params, layout, x, start, None, first_step=t)
        out[t] = y = choose(run.o, t)
        x = _inputs.one_hot(y, rnn.size_o, params.dtype) if y.ndim == 1 and not tokens else y
        start = _inputs.Start(run.h[layout.B :], None, None)
    return out.squeeze(1) if layout.single else out


def _through_u(
    rnn: Description, params: Parameters, n_steps: int, options: Options, choose: Choose
) -> Array:
    """Output recurrence: y(t) comes back as u(t+1)."""
    if options.state is not None and options.start is not None:
        raise check.wrong_value("state", "a state and start", "one of the two alone")
    name = "start" if options.x is None else "x"
    x_all = _x_of_loop(rnn, n_steps, options)
    layout, x = _inputs.sequences(rnn, params.dtype, x_all, None, name=name)
    if layout.T != n_steps:
        raise check.wrong_value("x", f"{layout.T} steps", f"n_steps = {n_steps}")
    start = _inputs.start(
        rnn, layout, params.dtype, None, options.start, options.state, y0_name="start"
    )
    assert start.fed is not None
    forced = options.feed in ("sample", "argmax") and start.y is not None
    u = start.y if forced else start.fed
    h = start.h
    one = Layout(1, layout.B, None, layout.single)
    out = _room(rnn, n_steps, layout, options, params.dtype)
    for t in range(n_steps):
        x_t = x[t * layout.B : (t + 1) * layout.B]
        assert u is not None
        feeding = _inputs.Feeding(np.ascontiguousarray(u, params.dtype), None)
        begin = _inputs.Start(h, u, u)
        run = _passes.forward(rnn, params, one, x_t, begin, feeding, first_step=t)
        out[t] = y = choose(run.o, t)
        u = _inputs.one_hot(y, rnn.size_o, params.dtype) if y.ndim == 1 else y
        h = run.h[layout.B :]
    return out.squeeze(1) if layout.single else out


def _x_of_loop(rnn: Description, n_steps: int, options: Options) -> Any:
    """The inputs of all steps; without any where I is 0, as many sequences as `start` has."""
    if options.x is not None:
        return options.x
    if rnn.n_inputs != 0:
        raise check.wrong_type("x", "None", f"inputs of shape (n_steps, B, I), I = {rnn.n_inputs}")
    state, start = options.state, options.start
    if isinstance(state, State):
        batch = np.shape(state.h)[:-1]
    elif start is None:
        batch = ()
    else:
        first = check.array("start", start, "biuf", "labels (B,), or values (B, O) or (O,)")
        labels = rnn.loss.targets == "classes" and first.dtype.kind in "iu" and first.ndim < 2
        batch = first.shape if labels else first.shape[:-1]
    return np.zeros((n_steps, *batch, 0))


def _room(
    rnn: Description, n_steps: int, layout: Layout, options: Options, dtype: np.dtype[Any]
) -> Array:
    """For what comes out, all at once: too many steps fail before the first."""
    classes = rnn.loss.targets == "classes" and options.feed in ("sample", "argmax")
    shape = (n_steps, layout.B) if classes else (n_steps, layout.B, rnn.size_o)
    return np.empty(shape, np.intp if classes else dtype)
