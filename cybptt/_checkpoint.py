"""Less memory for more time: keep some states, compute the steps between again on the way back.

Segments of time are whole blocks of the sums over time, and these are added from the last to the
first in any case; so the gradient has the same bits with checkpoints as without.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cybptt import _inputs, _passes, _plugins
from cybptt import _validate as check
from cybptt._batch import Layout
from cybptt.parameters import Parameters

if TYPE_CHECKING:
    from cybptt.description import Description

Array = NDArray[Any]


def segment_steps(layout: Layout, checkpoint: Any) -> int:
    """Steps of a segment: a multiple of a block's, `checkpoint` at least; √T or so for "auto"."""
    need = "an integer ≥ 1, 'auto', or None"
    if isinstance(checkpoint, str):
        if checkpoint != "auto":
            raise check.wrong_value("checkpoint", repr(checkpoint), need)
        checkpoint = math.isqrt(max(1, layout.T - 1)) + 1
    wanted = min(check.integer("checkpoint", checkpoint, 1), max(1, layout.T))
    return -(-wanted // layout.block_steps) * layout.block_steps


@dataclass(frozen=True)
class Whole:
    """A pass over all steps, not yet computed; all in packed rows."""

    rnn: Description
    params: Parameters
    layout: Layout
    x: Array
    start: _inputs.Start
    feeding: _inputs.Feeding | None
    y: Array
    objective: _passes.Objective

    def run(self, segment: Layout, rows: slice, start: _inputs.Start, first: int) -> _passes.Pass:
        """The forward pass of one segment, from step `first` on."""
        rnn, feeding = self.rnn, self.feeding
        part = None
        if feeding is not None:
            u, free = feeding.u[rows].copy(), None
            if feeding.free is not None:
                # The first step's u comes from the segment before, where the step is free.
                free = feeding.free[rows].copy()
                fed = np.flatnonzero(free[: segment.first])
                assert start.fed is not None
                u[fed] = start.fed[fed]
                free[: segment.first] = 0
            part = _inputs.Feeding(u, free)
        keep_a = rnn.activation.derivative_of == "input"
        y = None if rnn.outputs == "last" else self.y[rows]
        return _passes.forward(
            rnn, self.params, segment, self.x[rows], start, part, y, keep_a, first
        )

    def loss_of(self, rows: slice) -> _passes.Objective:
        """The losses of one segment's rows."""
        whole = self.objective
        if whole.rows is None:
            factor = whole.factor if isinstance(whole.factor, float) else whole.factor[rows]
            return _passes.Objective(self.rnn, whole.y[rows], None, factor)
        low, high = np.searchsorted(whole.rows, (rows.start, rows.stop))
        assert isinstance(whole.factor, np.ndarray)
        return _passes.Objective(
            self.rnn, whole.y[low:high], whole.rows[low:high] - rows.start, whole.factor[low:high]
        )


def value_and_grad(
    whole: Whole, steps: int | None, at: int | None, grad: Parameters
) -> tuple[float, _inputs.Start]:
    """The loss, and where the sequences stand after `at` steps, or at their ends.

    The gradient is written to grad, all at once.
    """
    own = Parameters(whole.params.rnn, np.zeros_like(grad.vector))
    compute = _in_one if steps is None else functools.partial(_in_segments, steps=steps)
    loss, end = compute(whole, at, own)
    grad.vector[...] = own.vector
    return loss, end


def _in_one(whole: Whole, at: int | None, grad: Parameters) -> tuple[float, _inputs.Start]:
    rnn, layout = whole.rnn, whole.layout
    # a is kept only where the activation's derivative is a function of it.
    keep_a = rnn.activation.derivative_of == "input"
    run = _passes.forward(
        rnn, whole.params, layout, whole.x, whole.start, whole.feeding, whole.y, keep_a
    )
    loss = whole.objective.total(run.o)
    nodes = _passes.backward(run, whole.objective.gradient(run.o))
    _passes.add_parameter_gradients(run, nodes, grad)
    return loss, run.end(at)


def _in_segments(
    whole: Whole, at: int | None, grad: Parameters, steps: int
) -> tuple[float, _inputs.Start]:
    segments = whole.layout.segments(steps)
    starts = [whole.start]
    kept = whole.start if at == 0 else None
    for i, (segment, rows) in enumerate(segments):
        run = whole.run(segment, rows, starts[-1], i * steps)
        starts.append(run.end())
        if at is not None and i * steps < at <= (i + 1) * steps:
            kept = run.end(at - i * steps)
    final = run
    losses: list[Array] = []
    later: Later | None = None
    for i in range(len(segments) - 1, -1, -1):
        segment, rows = segments[i]
        if i < len(segments) - 1:  # of the last segment the nodes are there already
            run = whole.run(segment, rows, starts[i], i * steps)
        grad_o = _from_losses(whole, run, rows, losses, final=run is final)
        grad_h = np.zeros_like(run.h)
        if later is not None:
            _from_later(whole, run, later, grad_o, grad_h)
        nodes = _passes.backward(run, grad_o, grad_h)
        _passes.add_parameter_gradients(run, nodes, grad)
        later = Later(run, nodes, rows.start)
    # Summed as one: the bits of a pass without checkpoints.
    loss = float(np.concatenate(losses[::-1]).sum(dtype=np.float64))
    return loss, starts[-1] if kept is None else kept


@dataclass(frozen=True)
class Later:
    """The segment after the one at hand, done; first is its first row in the whole."""

    run: _passes.Pass
    nodes: _passes.Nodes
    first: int


def _from_losses(
    whole: Whole, run: _passes.Pass, rows: slice, losses: list[Array], final: bool
) -> Array:
    """∇o of a segment's own losses, whose values are put on the list."""
    if whole.rnn.outputs == "last" and not final:
        return np.zeros_like(run.o)
    objective = whole.objective if whole.rnn.outputs == "last" else whole.loss_of(rows)
    losses.append(objective.values(run.o).astype(np.float64) * objective.factor)
    return objective.gradient(run.o)


def _from_later(
    whole: Whole, run: _passes.Pass, later: Later, grad_o: Array, grad_h: Array
) -> None:
    """What the later segment's first step sends back: to the last h, and to the o it was fed."""
    layout, rnn = run.layout, whole.rnn
    grad_h[layout.last] = later.nodes.h[: layout.B]
    if whole.feeding is None or whole.feeding.free is None:
        return
    n = later.run.layout.first
    free = np.flatnonzero(whole.feeding.free[later.first : later.first + n])
    if not free.size:
        return
    grad_u = _passes.pull_back_y0(later.run, later.nodes)
    assert grad_u is not None
    rows = (layout.last - layout.B)[free]
    cotangent = grad_u[free]
    if rnn.feedback == "y_hat" and rnn.loss.link is not None:
        o = run.o[rows]
        cotangent = _plugins.call(
            rnn.loss, "link_vjp", (o, _passes.link(rnn, o), cotangent), o.shape
        )
    grad_o[rows] += cotangent
