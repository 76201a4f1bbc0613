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
from cybptt.errors import PluginError
from cybptt.trace import State

if TYPE_CHECKING:
    from cybptt.parameters import Parameters
    from cybptt.rnn import RNN

Array = NDArray[Any]

# From o (B, O): what comes out, labels (B,) or values (B, O).
Choose = Callable[[Array], Array]


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


def generate(rnn: RNN, params: Parameters, options: Options) -> Array:
    """Run the loop: see `RNN.generate`."""
    if rnn.outputs == "last":
        raise check.wrong_value("outputs", "'last'", "'all' to generate: an output at each step")
    n_steps = check.integer("n_steps", options.n_steps, 0)
    choose = _choice(rnn, options)
    if rnn.recurrence == "hidden":
        return _through_x(rnn, params, n_steps, options, choose)
    return _through_u(rnn, params, n_steps, options, choose)


def _choice(rnn: RNN, options: Options) -> Choose:
    """What `feed` means for this model's loss."""
    feed = check.choice("feed", options.feed, ("sample", "argmax", "y_hat", "o"))
    temperature = check.positive_number("temperature", options.temperature)
    loss, classes = rnn.loss, rnn.loss.targets == "classes"
    if temperature != 1 and not (classes and feed == "sample"):
        raise check.wrong_value(
            "temperature", f"{temperature:g}", "1, but where a class is sampled"
        )
    if feed == "o":
        return lambda o: o
    if feed == "y_hat":
        return lambda o: _passes.link(rnn, o)
    draw = loss.sample if feed == "sample" else loss.mode
    if draw is None:
        what = "sample" if feed == "sample" else "mode"
        raise check.wrong_value(
            "feed", repr(feed), f"'y_hat' or 'o': the loss {loss.name!r} has no {what}"
        )
    rng = check.generator("seed", options.seed)

    def drawn(o: Array) -> Array:
        label = f"loss {loss.name!r}: {'sample' if feed == 'sample' else 'mode'}"
        try:
            y = draw(o / o.dtype.type(temperature), rng) if feed == "sample" else draw(o)
            y = np.asarray(y)
        except Exception as error:
            raise PluginError(f"{label}: raised {type(error).__name__}: {error}") from error
        shape = o.shape[:1] if classes else o.shape
        if y.shape != shape or (classes and y.dtype.kind not in "iu"):
            need = f"{'labels' if classes else 'values'} of shape {shape}"
            raise PluginError(f"{label}: got {check.describe(y)}, need {need}")
        if classes and y.size and not (y.min() >= 0 and y.max() < rnn.size_o):
            raise PluginError(f"{label}: got a label out of range, need 0 … {rnn.size_o - 1}")
        return y.astype(np.intp if classes else o.dtype)

    return drawn


def _through_x(
    rnn: RNN, params: Parameters, n_steps: int, options: Options, choose: Choose
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
    axes = 1 if rnn.inputs == "tokens" else 2
    letters = "(B,) or ()" if axes == 1 else f"(B, I) or (I,), I = {rnn.n_inputs}"
    first = check.array("start", options.start, "iu" if axes == 1 else "biuf", f"shape {letters}")
    wrong_width = axes == 2 and first.shape[-1:] != (rnn.n_inputs,)
    if first.ndim not in (axes - 1, axes) or wrong_width:
        raise check.wrong_value("start", check.describe(first), f"shape {letters}")
    if axes == 1:
        check.in_range("start", first, 0, rnn.n_inputs - 1, "tokens")
    layout, x = _inputs.sequences(rnn, params.dtype, first[None], None)
    start = _inputs.start(rnn, layout, params.dtype, None, None, options.state)
    out = []
    for _ in range(n_steps):
        run = _passes.forward(rnn, params, layout, x, start, None)
        y = choose(run.o)
        out.append(y)
        labels = y.ndim == 1
        x = _inputs.one_hot(y, rnn.size_o, params.dtype) if labels and axes == 2 else y
        start = _inputs.Start(run.h[layout.B :], None, None)
    return _stack(rnn, out, layout, options, params.dtype)


def _through_u(
    rnn: RNN, params: Parameters, n_steps: int, options: Options, choose: Choose
) -> Array:
    """Output recurrence: y(t) comes back as u(t+1)."""
    if options.state is not None and options.start is not None:
        raise check.wrong_value("state", "a state and start", "one of the two alone")
    layout, x = _inputs.sequences(rnn, params.dtype, _x_of_loop(rnn, n_steps, options), None)
    if layout.T != n_steps:
        raise check.wrong_value("x", f"{layout.T} steps", f"n_steps = {n_steps}")
    try:
        start = _inputs.start(rnn, layout, params.dtype, None, options.start, options.state)
    except (TypeError, ValueError) as error:  # in this call y0 is called start
        raise type(error)(str(error).replace("y0:", "start:", 1)) from None
    assert start.fed is not None
    forced = options.feed in ("sample", "argmax") and start.y is not None
    u = start.y if forced else start.fed
    h = start.h
    one = Layout(1, layout.B, None, layout.single)
    out = []
    for t in range(n_steps):
        x_t = x[t * layout.B : (t + 1) * layout.B]
        begin = _inputs.Start(h, u, u)
        assert u is not None
        feeding = _inputs.Feeding(np.ascontiguousarray(u, params.dtype), None)
        run = _passes.forward(rnn, params, one, x_t, begin, feeding)
        y = choose(run.o)
        out.append(y)
        u = _inputs.one_hot(y, rnn.size_o, params.dtype) if y.ndim == 1 else y
        h = run.h[layout.B :]
    return _stack(rnn, out, layout, options, params.dtype)


def _x_of_loop(rnn: RNN, n_steps: int, options: Options) -> Any:
    """The inputs of all steps; without any where I is 0, as many sequences as `start` has."""
    if options.x is not None:
        return options.x
    if rnn.n_inputs != 0:
        raise check.wrong_type("x", "None", f"inputs of shape (n_steps, B, I), I = {rnn.n_inputs}")
    state, start = options.state, options.start
    if isinstance(state, State):
        batch = state.h.shape[:-1]
    elif start is None:
        batch = ()
    else:
        first = check.array("start", start, "biuf", "labels (B,), or values (B, O) or (O,)")
        labels = rnn.loss.targets == "classes" and first.dtype.kind in "iu" and first.ndim < 2
        batch = first.shape if labels else first.shape[:-1]
    return np.zeros((n_steps, *batch, 0))


def _stack(
    rnn: RNN, out: list[Array], layout: Layout, options: Options, dtype: np.dtype[Any]
) -> Array:
    classes = rnn.loss.targets == "classes" and options.feed in ("sample", "argmax")
    shape = (len(out), layout.B) if classes else (len(out), layout.B, rnn.size_o)
    stacked = np.array(out, np.intp if classes else dtype).reshape(shape)
    return stacked.squeeze(1) if layout.single else stacked


__all__ = ["Options", "generate"]
