"""The loss and the gradient, or ŷ, in one call into the core, where nothing needs the interpreter.

That is: where activation and loss are C functions, and no step is fed what another has put out.
Everything else goes through ``_passes``, which gives the gradient the same bits. Two doors lead in:
`quick`, for arrays that are as the core reads them and no options, costs a few microseconds;
`value_and_grad` takes what ``_inputs`` has checked and packed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cybptt import _core, _passes, _threads
from cybptt._batch import Layout
from cybptt._inputs import Feeding, Start
from cybptt._plugins import c_function, c_loss
from cybptt.parameters import Parameters
from cybptt.trace import State, read_only

if TYPE_CHECKING:
    from cybptt.description import Description

Array = NDArray[Any]


def plan(rnn: Description, dtype: np.dtype[Any], linked: bool = True) -> _core.Plan | None:
    """The model as the core takes it, made once; None where a function is Python's.

    Of one that is not `linked`, ŷ is o.
    """
    plans = rnn._plans
    if (dtype, linked) not in plans:
        plans[dtype, linked] = _make(rnn, dtype, linked)
    return plans[dtype, linked]


def _make(rnn: Description, dtype: np.dtype[Any], linked: bool) -> _core.Plan | None:
    f = c_function(rnn.activation, "function", dtype)
    slope = c_function(rnn.activation, "derivative", dtype)
    loss = c_loss(rnn.loss, dtype)
    if f is None or slope is None or loss is None:
        return None
    linked = linked and rnn.loss.link is not None
    link = c_function(rnn.loss, "link", dtype) if linked else None
    return _core.Plan(
        rnn.n_inputs,
        rnn.n_hidden,
        rnn.size_o,
        single=dtype == np.float32,
        tokens=rnn.inputs == "tokens",
        last=rnn.outputs == "last",
        layered=rnn.n_outputs is not None,
        recurrence=rnn.recurrence,
        f=f,
        slope=slope,
        pullback=c_function(rnn.activation, "pullback", dtype),
        of_input=rnn.activation.derivative_of == "input",
        loss=loss,
        any_target=rnn.loss.target_range == (-np.inf, np.inf),
        link=link,
        predicts=rnn.recurrence == "hidden" and (link is not None or not linked),
    )


def quick(
    plan: _core.Plan,
    params: Parameters,
    x: Any,
    y: Any,
    h0: Any,
    state: Any,
    return_state: Any,
    reduction: Any,
    threads: int,
    grad: Parameters,
    workspace: _core.Memory | None,
) -> tuple[float, Parameters] | tuple[float, Parameters, State] | None:
    """What `RNN.value_and_grad` returns; None where something has to be looked at more closely."""
    if state is not None:
        if h0 is not None or type(state) is not State:
            return None
        h0 = state.h
    if not isinstance(return_state, bool):
        return None
    answer = plan.quick(
        params.vector, x, y, grad.vector, h0, return_state, reduction, threads, workspace
    )
    if answer is None:
        return None
    loss, ends = answer
    return (loss, grad) if ends is None else (loss, grad, State(read_only(ends)))


def value_and_grad(
    plan: _core.Plan,
    params: Parameters,
    layout: Layout,
    x: Array,
    start: Start,
    feeding: Feeding | None,
    y: Array,
    factor: Array | float,
    steps: int | None,
    at: int | None,
    threads: int,
    grad: Parameters,
    workspace: _core.Memory | None,
) -> tuple[float, Start] | None:
    """The loss, and where the sequences stand after `at` steps; the gradient is written to grad.

    y and factor are of all rows, in packed order; steps is what `checkpoint` asked for; at None is
    the ends. None where a plugin has failed, for ``_passes`` to say which and where.
    """
    rnn, targets = params.rnn, y
    if isinstance(factor, np.ndarray):
        factor = np.ascontiguousarray(factor, np.float64)
        if rnn.loss.targets == "classes":
            targets = np.where(factor == 0, 0, y)  # not looked at: whatever it is
    ends = np.empty((layout.B, rnn.n_hidden), params.dtype)
    loss = plan.run(
        params.vector,
        grad.vector,
        layout.T,
        layout.B,
        _starts(layout),
        x,
        targets,
        factor,
        None if feeding is None else feeding.u,
        start.h,
        ends,
        -1 if at is None else at,
        0 if steps is None else steps // layout.block_steps,
        threads,
        workspace,
    )
    if loss is None:  # the indices were in range
        return None

    def fed(rows: Array, places: Array) -> Array:
        return _passes.feedback(rnn, _passes.output(rnn, params, ends[places]))

    return loss, _passes.end(rnn, layout, start, ends, y, fed, at)


def predict(
    plan: _core.Plan, params: Parameters, layout: Layout, x: Array, start: Start
) -> Array | None:
    """ŷ by rows, (N, O), or (B, O) with outputs="last", where the plan says that it predicts.

    None where a plugin has failed, as in `value_and_grad`.
    """
    rnn = params.rnn
    rows = layout.B if rnn.outputs == "last" else layout.N
    y_hat = np.empty((rows, rnn.size_o), params.dtype)
    done = predict_into(plan, params, layout, x, start, y_hat, _threads.default())
    return y_hat if done else None


def predict_into(
    plan: _core.Plan,
    params: Parameters,
    layout: Layout,
    x: Array,
    start: Start,
    y_hat: Array,
    threads: int,
) -> bool:
    """The same, written to y_hat; False where a plugin has failed."""
    ends = np.empty((layout.B, params.rnn.n_hidden), params.dtype)
    return plan.predict(
        params.vector, layout.T, layout.B, _starts(layout), x, None, start.h, y_hat, ends, threads
    )


def pull_back(
    plan: _core.Plan,
    params: Parameters,
    layout: Layout,
    x: Array,
    start: Start,
    h: Array,
    grad_h: Array,
    grad: Parameters,
    grad_x: Array | None,
    grad_h0: Array,
    threads: int,
) -> bool:
    """From h and ∇h by rows, (N, H), the parameters' gradients, ∇x by rows, and ∇h(0) by place.

    Of a model without an output layer. False where a plugin has failed.
    """
    return plan.pull_back(
        params.vector, grad.vector, layout.T, layout.B, _starts(layout), x, h, grad_h, start.h,
        grad_x, grad_h0, threads,
    )  # fmt: skip


def _starts(layout: Layout) -> Array | None:
    """The first rows of the steps, where these do not all have B rows."""
    return None if layout.lengths is None else layout.starts
