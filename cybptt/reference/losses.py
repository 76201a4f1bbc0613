"""The loss of a batch: RNN.step_losses and RNN.total_loss."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cybptt.reference.backward_equations import grad_step_loss
from cybptt.reference.forward_equations import step_loss, weighted_total
from cybptt.reference.nodes import (
    Trace,
    add_batch_axis,
    batch_axis,
    by_sequence,
    drop_batch_axis,
)

# mypy: disable-error-code="no-any-return"
# (NumPy types its operators on arrays of any dtype as Any.)
Array = NDArray[Any]


def step_losses(rnn: Any, trace: Trace, y: ArrayLike) -> Array:
    r"""The loss of each step of each sequence: L(t) of :eq:`10.13` and :eq:`10.14`.

    Parameters
    ----------
    rnn : RNN
        The model.
    trace : Trace
        From :func:`forward`.
    y : array, shape (T, B) of int or (T, B, O); (B,) or (B, O) with outputs="last"
        The targets.

    Returns
    -------
    ndarray, shape (T, B), or (B,) with outputs="last"
        L(t), 0 past a sequence's end.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.

    Examples
    --------
    >>> import numpy as np
    >>> import cybptt
    >>> rnn = cybptt.RNN(2, 3, 2)
    >>> trace = cybptt.reference.forward(rnn, rnn.init(seed=0), np.ones((4, 5, 2)))
    >>> cybptt.reference.step_losses(rnn, trace, np.zeros((4, 5), int)).shape
    (4, 5)
    """
    losses = _losses(rnn, trace, y, grad_losses(rnn, trace, None, "sum"))
    return drop_batch_axis(losses, trace.single, batch_axis(rnn))


def total_loss(
    rnn: Any,
    trace: Trace,
    y: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    reduction: str | float = "sum",
) -> Any:
    r"""The loss of a batch: the sum over its steps and sequences, :eq:`10.12`-:eq:`10.14`.

    Parameters
    ----------
    rnn : RNN
        The model.
    trace : Trace
        From :func:`forward`.
    y : array, shape (T, B) of int or (T, B, O); (B,) or (B, O) with outputs="last"
        The targets.
    weights : array, shape (T, B), or (B,) with outputs="last", optional
        The steps' weights, not below 0; 1.
    reduction : "sum", "mean" or float
        Divide by nothing, by the sum of the weights of the steps that count, or by a number.

    Returns
    -------
    scalar
        L.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.

    Examples
    --------
    >>> import numpy as np
    >>> import cybptt
    >>> rnn = cybptt.RNN(2, 3, 2)
    >>> params = rnn.parameters(np.zeros(rnn.n_parameters))  # ŷ is 1/2 whatever the input
    >>> trace = cybptt.reference.forward(rnn, params, np.ones((4, 5, 2)))
    >>> y = np.zeros((4, 5), int)
    >>> round(float(cybptt.reference.total_loss(rnn, trace, y, reduction="mean")), 4)
    0.6931
    """
    w = grad_losses(rnn, trace, weights, reduction)
    return weighted_total(_losses(rnn, trace, y, w), w)


def grad_losses(rnn: Any, trace: Trace, weights: ArrayLike | None, reduction: str | float) -> Array:
    r"""Gradient of the loss in the loss of each step of each sequence, :eq:`10.17`.

    Parameters
    ----------
    rnn : RNN
        The model.
    trace : Trace
        From :func:`forward`.
    weights : array, shape (T, B), or (B,) with outputs="last", or None
        The steps' weights, not below 0; 1.
    reduction : "sum", "mean" or float
        As for :func:`total_loss`.

    Returns
    -------
    ndarray, shape (T, B), or (B,) with outputs="last"
        ∂L/∂L(t), 0 past a sequence's end; it has its B axis for one sequence too.

    Raises
    ------
    ValueError
        Under reduction="mean", where no step counts.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.2.

    Examples
    --------
    >>> import numpy as np
    >>> import cybptt
    >>> rnn = cybptt.RNN(2, 3, 2)
    >>> trace = cybptt.reference.forward(rnn, rnn.init(seed=0), np.ones((4, 2, 2)), lengths=[4, 1])
    >>> cybptt.reference.grad_losses(rnn, trace, None, "mean")[:, 1]
    array([0.2, 0. , 0. , 0. ])
    """
    counted = np.ones(len(trace.sequences))
    if rnn.outputs == "all":
        lengths = [len(s.x) for s in trace.sequences]
        counted = (np.arange(trace.n_steps)[:, None] < np.array(lengths, int)).astype(float)
    if weights is not None:
        weights = add_batch_axis(weights, trace.single, batch_axis(rnn))
        counted = np.where(counted > 0, weights, 0.0)
    named = {"sum": 1.0, "mean": counted.sum()}
    divisor = named[reduction] if isinstance(reduction, str) else reduction
    if divisor == 0:
        raise ValueError("weights: got nothing but zeros, need a step that counts")
    return grad_step_loss(counted, divisor).astype(trace.h.real.dtype)


def _losses(rnn: Any, trace: Trace, y: ArrayLike, w: Array) -> Array:
    """Each L(t) that counts, shape of w; a label of weight 0 is not looked at."""
    y = add_batch_axis(y, trace.single, batch_axis(rnn))
    losses = np.zeros(w.shape, trace.o.dtype)
    where = np.arange(w.size).reshape(w.shape)
    for s, y_n, w_n, where_n in by_sequence(rnn, trace, y, w, where):
        if w_n.any():
            losses.flat[where_n[w_n != 0]] = step_loss(rnn.loss, s.o[w_n != 0], y_n[w_n != 0])
    return losses
