"""A batch back through time: RNN.backward and RNN.vjp, a sequence after another."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cybptt.reference.backward_equations import grad_output
from cybptt.reference.losses import grad_losses
from cybptt.reference.nodes import (
    Gradients,
    Trace,
    add_batch_axis,
    batch_axis,
    by_sequence,
    drop_batch_axis,
    in_batch,
)
from cybptt.reference.sequences import back_through_time

Array = NDArray[Any]


def backward(
    rnn: Any,
    trace: Trace,
    y: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    reduction: str | float = "sum",
) -> Gradients:
    r"""Every gradient of the loss, back through time, :eq:`10.17`-:eq:`10.28`, :eq:`C.1`-:eq:`C.9`.

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
        As for :func:`total_loss`.

    Returns
    -------
    Gradients
        Of every parameter, and at every node.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.2.

    Examples
    --------
    >>> import numpy as np
    >>> import cybptt
    >>> rnn = cybptt.RNN(2, 3, 2)
    >>> trace = cybptt.reference.forward(rnn, rnn.init(seed=0), np.ones((4, 5, 2)))
    >>> g = cybptt.reference.backward(rnn, trace, np.zeros((4, 5), int))
    >>> g.parameters["W"].shape, g.h.shape
    ((3, 3), (4, 5, 3))
    """
    y = add_batch_axis(y, trace.single, batch_axis(rnn))
    w = grad_losses(rnn, trace, weights, reduction)
    direct_o = []
    for s, y_n, w_n in by_sequence(rnn, trace, y, w):
        rows = np.zeros_like(s.o)
        if w_n.any():
            seen = w_n != 0
            rows[seen] = grad_output(rnn.loss, s.o[seen], y_n[seen], w_n[seen])
        direct_o.append(rows)
    return _back(rnn, trace, direct_o, np.zeros_like(add_batch_axis(trace.h, trace.single)))


def vjp(
    rnn: Any, trace: Trace, *, grad_o: ArrayLike | None = None, grad_h: ArrayLike | None = None
) -> Gradients:
    r"""Every gradient from any cotangents: :eq:`10.19`-:eq:`10.28`, :eq:`10.18` being given.

    Parameters
    ----------
    rnn : RNN
        The model.
    trace : Trace
        From :func:`forward`.
    grad_o : array, shape of trace.o, optional
        The cotangent at o; not looked at past a sequence's end.
    grad_h : array, shape of trace.h, optional
        The cotangent at h; past a sequence's end it goes to the h that is repeated there.

    Returns
    -------
    Gradients
        Of every parameter, and at every node.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.2.

    Examples
    --------
    >>> import numpy as np
    >>> import cybptt
    >>> rnn = cybptt.RNN(2, 3, 2)
    >>> trace = cybptt.reference.forward(rnn, rnn.init(seed=0), np.ones((4, 5, 2)))
    >>> g = cybptt.reference.vjp(rnn, trace, grad_o=np.ones((4, 5, 2)))
    >>> g.parameters["c"]
    array([20., 20.])
    """
    at = batch_axis(rnn)
    grad_o = np.zeros_like(trace.o) if grad_o is None else grad_o
    grad_h = np.zeros_like(trace.h) if grad_h is None else grad_h
    grad_o = add_batch_axis(grad_o, trace.single, at)
    direct_o = [rows for _, rows in by_sequence(rnn, trace, grad_o)]
    return _back(rnn, trace, direct_o, add_batch_axis(grad_h, trace.single))


def _back(rnn: Any, trace: Trace, direct_o: list[Array], direct_h: Array) -> Gradients:
    """Each sequence back through time, and the batch put together."""
    gradients = []
    for n, (s, direct) in enumerate(zip(trace.sequences, direct_o, strict=True)):
        length = len(s.x)
        to_h = np.concatenate([np.zeros_like(s.h0), direct_h[:length, n]])  # h(0) ... h(L)
        to_h[-1] += direct_h[length:, n].sum(axis=0)
        gradients.append(back_through_time(rnn, trace.params, s, direct, to_h[1:], to_h[0]))

    params, single, at = trace.params, trace.single, batch_axis(rnn)
    hidden = np.zeros_like(params["b"])
    out = hidden if rnn.n_outputs is None else np.zeros_like(params["c"])
    x = np.zeros_like(params["U"], shape=rnn.n_inputs)
    n_rows = 1 if rnn.outputs == "last" else trace.n_steps
    grad_o = in_batch([g.o for g in gradients], n_rows, out)
    grad_o = grad_o[0] if rnn.outputs == "last" else grad_o
    nodes = {
        "o": drop_batch_axis(grad_o, single, at),
        "h": drop_batch_axis(in_batch([g.h for g in gradients], trace.n_steps, hidden), single),
        "a": drop_batch_axis(in_batch([g.a for g in gradients], trace.n_steps, hidden), single),
        "x": drop_batch_axis(in_batch([g.x for g in gradients], trace.n_steps, x), single),
        "h0": drop_batch_axis(in_batch([g.h0[None] for g in gradients], 1, hidden)[0], single, 0),
        "y0": drop_batch_axis(in_batch([g.y0[None] for g in gradients], 1, out)[0], single, 0),
    }
    nodes["x"] = None if rnn.inputs == "tokens" else nodes["x"]
    nodes["y0"] = None if rnn.recurrence == "hidden" else nodes["y0"]
    parameters = {
        name: sum((g.parameters[name] for g in gradients), np.zeros_like(value))
        for name, value in params.items()
    }
    return Gradients(parameters=parameters, **nodes)
