"""How large the gradient is at each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cybptt._validate import describe, wrong_type, wrong_value
from cybptt.plot._axes import (
    BLUE,
    THIN,
    axes,
    by_sequence,
    checked_trace,
    label,
    log_scale,
    marker,
    mean_of_running,
    past_the_end,
    positive,
    steps_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cybptt.trace import Gradients, Trace

Array = NDArray[Any]


class GradientFlow(NamedTuple):
    """What `gradient_flow` drew: the norms of :eq:`10.19` and :eq:`10.21`.

    Attributes
    ----------
    ax : matplotlib.axes.Axes
        Where.
    t : ndarray of int, shape (T,)
        1 … T.
    norms : ndarray, shape (T, B), or (T,) for one sequence
        ‖∇_{h(t)} L‖; NaN past a sequence's length.
    mean : ndarray, shape (T,)
        Over the sequences that have a step t.

    Examples
    --------
    >>> from cybptt.plot import GradientFlow
    >>> GradientFlow._fields
    ('ax', 't', 'norms', 'mean')
    """

    ax: Axes
    t: Array
    norms: Array
    mean: Array


def gradient_flow(trace: Trace, gradients: Gradients, *, ax: Axes | None = None) -> GradientFlow:
    """Draw ‖∇_{h(t)} L‖ against t, per sequence and in the mean: :eq:`10.19` and :eq:`10.21`.

    Where it falls towards small t, the early steps learn nothing from the late ones; where it
    grows, they drown them. The gradient is that of the whole loss, so it comes from all outputs at
    t and after; from the last alone with ``outputs="last"``. With an output recurrence it goes from
    h(t+1) to h(t) through what was fed back (C.6), and with ``recurrence="output"`` through nothing
    else: where the step t+1 was forced it stops (C.8).

    Parameters
    ----------
    trace : Trace
        Of the forward pass.
    gradients : Gradients
        Of its backward pass: what `RNN.backward` or `RNN.vjp` made of the trace.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new ones when not given.

    Returns
    -------
    GradientFlow
        The axes and what is drawn on them.

    Raises
    ------
    ImportError
        Without matplotlib.
    TypeError, ValueError
        For an argument that is not as above, or gradients of another model or of other shapes.

    References
    ----------
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML
    2013.

    Examples
    --------
    >>> import cybptt, numpy as np
    >>> from matplotlib.figure import Figure
    >>> rnn = cybptt.RNN(1, 8, 1, loss="squared_error", outputs="last")
    >>> x = np.random.default_rng(0).normal(size=(20, 4, 1))
    >>> trace = rnn.forward(rnn.init(0), x)
    >>> gradients = rnn.backward(trace, np.zeros((4, 1)))
    >>> drawn = cybptt.plot.gradient_flow(trace, gradients, ax=Figure().subplots())
    >>> drawn.norms.shape, bool(drawn.mean[0] < drawn.mean[-1])     # it vanishes
    ((20, 4), True)
    """
    trace = checked_trace(trace)
    _check_gradients(trace, gradients)
    ax = axes(ax)
    # In float64, where squares of small and large float32 are neither 0 nor inf.
    grad_h = by_sequence(trace, gradients.h).astype(np.float64)
    norms = np.linalg.norm(grad_h, axis=2)
    norms[past_the_end(trace)] = np.nan
    T, B = norms.shape
    t = np.arange(1, T + 1)
    mean = mean_of_running(norms)
    if B > 1:
        lines = ax.plot(t, positive(norms), **THIN)
        lines[0].set_label(f"each of {B} sequences")
    name = "mean" if B > 1 else None
    ax.plot(t, positive(mean), color=BLUE, linewidth=2, marker=marker(T), markersize=4, label=name)
    log_scale(ax, norms)
    steps_axis(ax, 1, T)
    label(ax, "Gradient flow", "step t", r"$\|\nabla_{h^{(t)}} L\|$", _note(trace))
    if B > 1:
        ax.legend()
    single = trace._run.layout.single
    return GradientFlow(ax, t, norms[:, 0] if single else norms, mean)


def _check_gradients(trace: Trace, gradients: Any) -> None:
    from cybptt.trace import Gradients

    if not isinstance(gradients, Gradients):
        got = describe(gradients)
        raise wrong_type("gradients", got, "Gradients, as rnn.backward() returns")
    if gradients.parameters.rnn != trace.rnn:
        got, need = f"gradients of {gradients.parameters.rnn!r}", f"gradients of {trace.rnn!r}"
        raise wrong_value("gradients", got, need)
    if gradients.h.shape != trace.h.shape:
        got, need = f"h of shape {gradients.h.shape}", f"{trace.h.shape}, as the trace's"
        raise wrong_value("gradients", got, need)


def _note(trace: Trace) -> str:
    rnn = trace.rnn
    if rnn.recurrence == "hidden":
        return "the only loss is at the end" if rnn.outputs == "last" else ""
    if rnn.recurrence == "both":
        return "h(t) leads to h(t+1) through W, and through R where the step ran free"
    if trace._run.free is None:
        return "every step was forced: no path leads from one to the next (C.8)"
    return "h(t) leads to h(t+1) through the output alone, where the step ran free (C.6)"
