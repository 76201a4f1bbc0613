"""The forward and the backward pass over packed rows: what is computed, in which order.

The products and loops themselves are the core's. Here stand the patterns of the section: what the
output layer reads, what is fed back, what can be computed for all steps at once. Arrays are packed
(see ``_batch.Layout``), by place; N rows in all, B sequences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cybptt import _core
from cybptt._batch import Layout
from cybptt._inputs import Feeding, Start, check_targets, one_hot
from cybptt._plugins import WHOLE, call, in_loop
from cybptt.trace import State, read_only

if TYPE_CHECKING:
    from cybptt.description import Description
    from cybptt.parameters import Parameters

Array = NDArray[Any]


@dataclass(eq=False)
class Pass:
    """One forward pass: its inputs, and the nodes that it computed.

    h is (B + N, H), h(0) before it; a is (N, H), or None where it was not kept; o is (N, O), or
    (B, O) with outputs="last"; fed_back is ŷ where the loop fed it back. first_step is the pass's
    place in a longer one, for messages.
    """

    rnn: Description
    params: Parameters
    layout: Layout
    x: Array
    start: Start
    feeding: Feeding | None
    y: Array | None
    a: Array | None
    h: Array
    o: Array
    fed_back: Array | None = None
    first_step: int = 0

    @property
    def y_hat(self) -> Array:
        """10.11, or another loss's link."""
        return self.fed_back if self.fed_back is not None else link(self.rnn, self.o)

    @property
    def free(self) -> Array | None:
        """Where u(t) is the model's own output; None if it is nowhere."""
        return None if self.feeding is None else self.feeding.free

    def end(self, at: int | None = None) -> Start:
        """Where the sequences stand after `at` steps, or at their ends, by place.

        It can begin another pass.
        """

        def fed(rows: Array, places: Array) -> Array:
            if self.fed_back is not None:
                return self.fed_back[rows]
            return feedback(self.rnn, self.o[rows])

        h = self.h[self.layout.last_by(at)]
        return end(self.rnn, self.layout, self.start, h, self.y, fed, at)

    def state(self, at: int | None = None) -> State:
        """The same as a caller sees it."""
        return state(self.end(at), self.layout)


def end(
    rnn: Description,
    layout: Layout,
    start: Start,
    h: Array,
    y: Array | None,
    fed_of: Callable[[Array, Array], Array],
    at: int | None = None,
) -> Start:
    """Where sequences stand that have h (B, H) after `at` steps; at None is their ends.

    ``fed_of(rows, places)`` is what the model would feed back next: the places that have a step,
    and their last rows in the pass.
    """
    if start.fed is None:
        return Start(h, None, None)
    row = layout.last_by(at) - layout.B  # each place's last row; negative where it has none
    places = np.flatnonzero(row >= 0)
    rows = row[places]
    fed = start.fed.copy()
    fed[places] = fed_of(rows, places)
    if y is None:
        kept = start.y if layout.N == 0 or at == 0 else None
        return Start(h, fed, None if kept is None else kept.copy())
    last_y = (start.fed if start.y is None else start.y).copy()
    last = y[rows]
    last_y[places] = (
        one_hot(last, rnn.size_o, last_y.dtype) if rnn.loss.targets == "classes" else last
    )
    return Start(h, fed, last_y)


def state(end: Start, layout: Layout) -> State:
    """An end as a caller sees it: in the order of `layout`."""

    def outwards(part: Array) -> Array:
        return read_only(layout.unsort(part))

    return State(
        outwards(end.h),
        None if end.fed is None else outwards(end.fed),
        None if end.y is None else outwards(end.y),
    )


def feedback(rnn: Description, o: Array) -> Array:
    """What rows of o feed back: themselves, or ŷ."""
    return link(rnn, o) if rnn.feedback == "y_hat" else o


def link(rnn: Description, o: Array, where: str = WHOLE) -> Array:
    """ŷ of rows of o."""
    if rnn.loss.link is None or o.size == 0:
        return o
    return call(rnn.loss, "link", (o,), o.shape, where)


# ---------------------------------------------------------------------- forward


def forward(
    rnn: Description,
    params: Parameters,
    layout: Layout,
    x: Array,
    start: Start,
    feeding: Feeding | None,
    y: Array | None = None,
    keep_a: bool = True,
    first_step: int = 0,
) -> Pass:
    """10.8 to 10.10 for all steps."""
    N, B, H, dtype = layout.N, layout.B, rnn.n_hidden, params.dtype
    h = np.empty((B + N, H), dtype)
    h[:B] = start.h
    # a may lie where h does: each step turns its rows of a into h in place.
    a = np.empty((N, H), dtype) if keep_a else h[B:]
    independent = rnn.recurrence == "output" and (feeding is None or feeding.free is None)
    activation = in_loop(
        rnn.activation, "function", None if independent and layout.T > 1 else first_step
    )

    # 10.8, for all t at once: b + U x(t)
    if rnn.inputs == "tokens":
        _core.gather(x, np.ascontiguousarray(params.U.T), params.b, a)
    else:
        _core.affine(x, params.U, params.b, a)

    W = None if rnn.recurrence == "output" else params.W
    o = fed_back = None
    if feeding is not None and feeding.free is None:
        # C.4, all of u known beforehand: it is one more input.
        _core.affine(feeding.u, feedback_weights(params), None, a)
    if feeding is not None and feeding.free is not None:
        o = np.empty((N, rnn.size_o), dtype)
        fed_back_link = None
        if rnn.feedback == "y_hat" and rnn.loss.link is not None:
            fed_back, fed_back_link = np.empty_like(o), in_loop(rnn.loss, "link", first_step)
        R = feedback_weights(params)
        _core.forward(
            layout.counts, h, a, activation, W, R, feeding.u, feeding.free,
            params.V, params.c, o, fed_back, fed_back_link,
        )  # fmt: skip
    elif W is not None:
        _core.forward(layout.counts, h, a, activation, W)
    else:
        # C.8, teacher forcing with output recurrence: no step waits for another. All rows are one
        # step of N rows.
        _core.forward(all_at_once(layout), h, a, activation)

    if o is None:
        o = output(rnn, params, h[layout.last] if rnn.outputs == "last" else h[B:])
    return Pass(rnn, params, layout, x, start, feeding, y, a if keep_a else None, h, o, fed_back)


def output(rnn: Description, params: Parameters, h: Array) -> Array:
    """10.10: o = c + V h of rows of h; h itself without an output layer."""
    if rnn.n_outputs is None:
        return h
    o = np.empty((len(h), rnn.n_outputs), h.dtype)
    _core.affine(h, params.V, params.c, o)
    return o


def feedback_weights(params: Parameters) -> Array:
    """What multiplies u(t): R with both recurrences, W with output recurrence alone."""
    return params.R if params.rnn.recurrence == "both" else params.W


def all_at_once(layout: Layout) -> Array:
    """The counts of a sweep that takes all rows as one step."""
    return np.array([layout.N], np.intp)


# ---------------------------------------------------------------------- the loss


@dataclass(eq=False)
class Objective:
    """L of 10.13 over a pass's rows of o: what counts, and how much.

    y is (n,) labels or (n, O) values of the rows that count; rows are their indices, None for all;
    factor is 10.17, (n,) or one number.
    """

    rnn: Description
    y: Array
    rows: Array | None
    factor: Array | float

    @classmethod
    def of(cls, rnn: Description, y: Array, factor: Array | float) -> Objective:
        """Leave out the rows of weight 0, whatever their y, and check the others."""
        rows = None
        if isinstance(factor, np.ndarray) and not factor.all():
            rows = np.flatnonzero(factor)
            y, factor = y[rows], factor[rows]
        check_targets(rnn, y)
        return cls(rnn, y, rows, factor)

    def values(self, o: Array) -> Array:
        """L(t) of the rows that count, unweighted: (n,)."""
        o = self._chosen(o)
        if len(o) == 0:
            return np.zeros(0, o.dtype)
        return call(self.rnn.loss, "value", (o, self.y), (len(o),))

    def total(self, o: Array) -> float:
        """10.13."""
        return float((self.values(o).astype(np.float64) * self.factor).sum())

    def gradient(self, o: Array) -> Array:
        """10.18: ∇o of the losses alone, (N, O); 0 in the rows that don't count."""
        chosen = self._chosen(o)
        if chosen.size == 0:
            return np.zeros_like(o)
        gradient = call(self.rnn.loss, "gradient", (chosen, self.y), chosen.shape)
        if isinstance(self.factor, float) and self.factor == 1 and self.rows is None:
            return gradient
        with np.errstate(over="ignore", under="ignore"):
            factor = np.asarray(self.factor).astype(o.dtype)
        gradient *= factor.reshape(-1, 1)
        if self.rows is None:
            return gradient
        out = np.zeros_like(o)
        out[self.rows] = gradient
        return out

    def _chosen(self, o: Array) -> Array:
        return o if self.rows is None else o[self.rows]


# ---------------------------------------------------------------------- backward


@dataclass(eq=False)
class Nodes:
    """The gradients of the nodes, packed: o (N, O) or (B, O), h (B + N, H), a (N, H)."""

    o: Array
    h: Array
    a: Array


def backward(run: Pass, grad_o: Array, grad_h: Array | None = None) -> Nodes:
    """10.19 and 10.21: from ∇o of the losses, and cotangents of h (B + N, H), to the nodes'.

    grad_o is written to where outputs were fed back; grad_h is taken over.
    """
    rnn, params, layout = run.rnn, run.params, run.layout
    N, B, H = layout.N, layout.B, rnn.n_hidden
    if grad_h is None:
        grad_h = np.zeros((B + N, H), params.dtype)
    grad_a = slopes(run)

    # Vᵀ ∇o(t) of 10.19 and 10.21, for all t at once where nothing was fed back.
    if rnn.outputs == "last":
        at_end = np.zeros((B, H), params.dtype)
        pull_back_output(rnn, params, grad_o, at_end)
        grad_h[layout.last] += at_end  # C.9
    elif run.free is None:
        pull_back_output(rnn, params, grad_o, grad_h[B:])

    W = None if rnn.recurrence == "output" else params.W
    if run.free is not None:
        y_hat = run.fed_back
        vjp = None if y_hat is None else in_loop(rnn.loss, "link_vjp", run.first_step, 3)
        _core.backward(
            layout.counts, grad_h, grad_a, grad_a, W, feedback_weights(params), run.free,
            params.V, grad_o, run.o, y_hat, vjp,
        )  # fmt: skip
    elif W is not None:
        _core.backward(layout.counts, grad_h, grad_a, grad_a, W)
    else:
        _core.backward(all_at_once(layout), grad_h, grad_a, grad_a)  # C.8
    return Nodes(grad_o, grad_h, grad_a)


def slopes(run: Pass) -> Array:
    """f′(a(t)) of all rows, in an array of its own."""
    activation, h = run.rnn.activation, run.h[run.layout.B :]
    of = h if activation.derivative_of == "output" else run.a
    assert of is not None
    if of.size == 0:
        return np.empty_like(of)
    return call(activation, "derivative", (of,), of.shape)


def pull_back_output(rnn: Description, params: Parameters, grad_o: Array, out: Array) -> None:
    """Add Vᵀ ∇o to out, row by row."""
    if rnn.n_outputs is None:
        out += grad_o
    else:
        _core.add_pullback(grad_o, params.V, out)


def pull_back_x(run: Pass, nodes: Nodes) -> Array | None:
    """C.2: ∇x(t) = Uᵀ ∇a(t), (N, I); None for tokens."""
    if run.rnn.inputs == "tokens":
        return None
    out = np.zeros((run.layout.N, run.rnn.n_inputs), nodes.a.dtype)
    _core.add_pullback(nodes.a, run.params.U, out)
    return out


def pull_back_y0(run: Pass, nodes: Nodes) -> Array | None:
    """C.7: ∇y0 = Rᵀ ∇a(1), (B, O) by place; None with hidden recurrence."""
    if run.feeding is None:
        return None
    n = run.layout.first
    out = np.zeros((run.layout.B, run.rnn.size_o), nodes.a.dtype)
    _core.add_pullback(nodes.a[:n], feedback_weights(run.params), out[:n])
    return out


def add_parameter_gradients(run: Pass, nodes: Nodes, out: Parameters) -> None:
    """10.22 to 10.28, and C.7, added to out; after the time loop, by blocks of time."""
    rnn, layout, h = run.rnn, run.layout, run.h
    blocks = layout.blocks

    _core.add_rows(blocks, nodes.a, out.b)  # 10.23
    if rnn.inputs == "tokens":
        transposed = np.ascontiguousarray(out.U.T)
        _core.scatter(run.x, nodes.a, transposed)  # 10.28
        out.U[...] = transposed.T
    else:
        add_outer(blocks, nodes.a, run.x, out.U)  # 10.28
    if rnn.recurrence != "output":
        add_outer(blocks, nodes.a, layout.previous(h), out.W)  # 10.26
    if run.feeding is not None:
        fed = out.R if rnn.recurrence == "both" else out.W
        add_outer(blocks, nodes.a, run.feeding.u, fed)  # C.7
    if rnn.n_outputs is not None:
        rows = h[layout.B :]
        if rnn.outputs == "last":
            rows, blocks = h[layout.last], np.array([0, layout.B], np.intp)
        _core.add_rows(blocks, nodes.o, out.c)  # 10.22
        add_outer(blocks, nodes.o, rows, out.V)  # 10.24


def add_outer(blocks: Array, left: Array, right: Array, out: Array) -> None:
    """out (m, n) += Σ leftᵀ right. The wider of the two is the kernels' vector operand."""
    if right.shape[1] >= left.shape[1] or right.shape[1] >= 32:
        _core.add_outer(blocks, left, right, out)
    else:
        # What out holds goes first into the sum: the order of a sum that another pass has begun.
        transposed = np.ascontiguousarray(out.T)
        _core.add_outer(blocks, right, left, transposed)
        out[...] = transposed.T
