"""The equations applied to whole sequences: forward and back through time, a step after another.

Each sequence of a batch is on its own here, and so is each step: nothing is packed, padded or
multiplied ahead. What there is to see is the order in which the equations are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cybptt.reference.backward_equations import (
    derivative,
    grad_bias,
    grad_hidden,
    grad_initial_hidden,
    grad_input,
    grad_last_hidden,
    grad_preactivation,
    grad_weight,
)
from cybptt.reference.feedback_equations import (
    fed_back,
    grad_fed_back,
    grad_free_output,
    preactivation_of_both,
)
from cybptt.reference.forward_equations import hidden, output, preactivation, prediction

Array = NDArray[Any]


@dataclass(frozen=True)
class Sequence:
    """The nodes of one sequence, L steps long, and what was given to it.

    It has no equation of its own; it holds what :eq:`10.8`-:eq:`10.11` and :eq:`C.4`-:eq:`C.5`
    compute.

    Attributes
    ----------
    x : ndarray, shape (L, I)
        The inputs, one-hot for tokens.
    h0 : ndarray, shape (1, H)
        h(0).
    u : ndarray, shape (L, O)
        What was fed back at each step; empty under a hidden recurrence alone.
    forced : ndarray of bool, shape (L,)
        Whether y(t-1) was given to step t.
    a, h : ndarray, shape (L, H)
        a(t), h(t).
    o, y_hat : ndarray, shape (L, O), or (1, O) with outputs="last"
        o(t), ŷ(t).
    own_next, y_next : ndarray, shape (1, O)
        What one more step would be given: the model's own, if it is free; y, if it is forced and
        there is one. Of no meaning under a hidden recurrence alone.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.

    Examples
    --------
    >>> from cybptt.reference import Sequence
    >>> sorted(Sequence.__dataclass_fields__)
    ['a', 'forced', 'h', 'h0', 'o', 'own_next', 'u', 'x', 'y_hat', 'y_next']
    """

    x: Array
    h0: Array
    u: Array
    forced: Array
    a: Array
    h: Array
    o: Array
    y_hat: Array
    own_next: Array
    y_next: Array

    @property
    def h_prev(self) -> Array:
        """What stands before each step, h(t-1), shape (L, H)."""
        return np.concatenate([self.h0, self.h])[:-1]

    @property
    def h_end(self) -> Array:
        """Where h stands at the end, shape (1, H): h(L), or h(0) of an empty sequence."""
        return np.concatenate([self.h0, self.h])[-1:]


def unroll(
    rnn: Any,
    params: Mapping[str, Array],
    x: Array,
    h0: Array,
    *,
    own_before: Array | None = None,
    y_before: Array | None = None,
    y: Array | None = None,
    forced: Array | None = None,
) -> Sequence:
    r"""One sequence forward through time, :eq:`10.8`-:eq:`10.11`, :eq:`C.4`-:eq:`C.5`, :eq:`C.9`.

    Parameters
    ----------
    rnn : RNN
        The model.
    params : mapping of str to ndarray
        U, W, V, b, c, R, as the model has them.
    x : ndarray, shape (L, I)
        The inputs.
    h0 : ndarray, shape (H,)
        h(0).
    own_before, y_before : ndarray, shape (O,), optional
        What stands before o(1) and before y(1), for output recurrence: y0, or what is carried.
    y : ndarray, shape (L, O) or longer, optional
        y(t), one-hot for classes, where forced steps are to be given it.
    forced : ndarray of bool, shape (L,) or longer, optional
        Whether step t is given y(t-1), for output recurrence.

    Returns
    -------
    Sequence
        The nodes.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.

    Examples
    --------
    A network of one unit that adds up what it is given:

    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from cybptt.reference import unroll
    >>> rnn = SimpleNamespace(recurrence="hidden", outputs="all", n_outputs=None,
    ...                       activation=SimpleNamespace(function=np.copy),
    ...                       loss=SimpleNamespace(link=None))
    >>> one = np.ones((1, 1))
    >>> s = unroll(rnn, {"U": one, "W": one, "b": np.zeros(1)}, np.array([[1.0], [2.0]]),
    ...            np.array([10.0]))
    >>> s.h.ravel()
    array([11., 13.])
    """
    p, dtype = params, params["b"].dtype
    n_hidden = len(p["b"])
    n_outputs = n_hidden if rnn.n_outputs is None else rnn.n_outputs
    nodes: dict[str, list[Array]] = {name: [] for name in ("u", "a", "h", "o", "y_hat")}

    def read_output(h: Array) -> Array:
        o = h if rnn.n_outputs is None else output(p["c"], p["V"], h)
        nodes["o"].append(o)
        nodes["y_hat"].append(prediction(rnn.loss, o))
        return o

    h = h0[None]
    own_prev = np.zeros((1, n_outputs), dtype) if own_before is None else own_before[None]
    y_prev = own_prev if y_before is None else y_before[None]
    forced = np.zeros(len(x), bool) if forced is None else forced[: len(x)]
    for t in range(len(x)):
        x_t = x[t : t + 1]
        if rnn.recurrence == "hidden":
            a = preactivation(p["b"], p["W"], h, p["U"], x_t)
        else:
            u = fed_back(forced[t : t + 1], y_prev, own_prev)
            nodes["u"].append(u)
            if rnn.recurrence == "output":
                a = preactivation(p["b"], p["W"], u, p["U"], x_t)
            else:
                a = preactivation_of_both(p["b"], p["W"], h, p["R"], u, p["U"], x_t)
        h = hidden(rnn.activation, a)
        nodes["a"].append(a)
        nodes["h"].append(h)
        if rnn.outputs == "all":
            own_prev = read_output(h)
            if rnn.recurrence != "hidden" and rnn.feedback == "y_hat":
                own_prev = nodes["y_hat"][-1]
        y_prev = own_prev if y is None else y[t : t + 1]
    if rnn.outputs == "last":
        read_output(h)

    sizes = {"u": n_outputs, "a": n_hidden, "h": n_hidden, "o": n_outputs, "y_hat": n_outputs}
    rows = {
        name: np.concatenate([np.zeros((0, size), dtype), *nodes[name]])
        for name, size in sizes.items()
    }
    return Sequence(x=x, h0=h0[None], forced=forced, own_next=own_prev, y_next=y_prev, **rows)


@dataclass(frozen=True)
class SequenceGradients:
    """The gradients at the nodes of one sequence, and what it adds to those of the parameters.

    It has no equation of its own; it holds what :eq:`10.18`-:eq:`10.28` and :eq:`C.1`-:eq:`C.9`
    compute.

    Attributes
    ----------
    parameters : dict of str to ndarray
        By name, each with its parameter's shape.
    a, h : ndarray, shape (L, H)
        At a(t), h(t).
    o : ndarray, shape (L, O), or (1, O) with outputs="last"
        At o(t).
    x : ndarray, shape (L, I)
        At x(t).
    h0 : ndarray, shape (H,)
        At h(0).
    y0 : ndarray, shape (O,)
        At what the first step was fed; zeros under a hidden recurrence alone.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.2.

    Examples
    --------
    >>> from cybptt.reference import SequenceGradients
    >>> sorted(SequenceGradients.__dataclass_fields__)
    ['a', 'h', 'h0', 'o', 'parameters', 'x', 'y0']
    """

    parameters: dict[str, Array]
    a: Array
    h: Array
    o: Array
    x: Array
    h0: Array
    y0: Array


def back_through_time(
    rnn: Any,
    params: Mapping[str, Array],
    nodes: Sequence,
    direct_o: Array,
    direct_h: Array,
    direct_h0: Array,
) -> SequenceGradients:
    r"""One sequence back through time, :eq:`10.19`-:eq:`10.28`, :eq:`C.1`-:eq:`C.9`.

    Parameters
    ----------
    rnn : RNN
        The model.
    params : mapping of str to ndarray
        U, W, V, b, c, R, as the model has them.
    nodes : Sequence
        From :func:`unroll`.
    direct_o : ndarray, shape (L, O), or (1, O) with outputs="last"
        What enters at o(t) from outside: :eq:`10.18`, or any cotangent.
    direct_h : ndarray, shape (L, H)
        What enters at h(t) from outside: zeros, or any cotangent.
    direct_h0 : ndarray, shape (H,)
        What enters at h(0) from outside.

    Returns
    -------
    SequenceGradients
        The gradient at every node, and of every parameter.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.2.

    Examples
    --------
    A network of one unit that adds up what it is given, and the gradient of 5 h(2):

    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from cybptt.reference import back_through_time, unroll
    >>> rnn = SimpleNamespace(recurrence="hidden", outputs="all", n_outputs=None,
    ...                       activation=SimpleNamespace(function=np.copy, derivative=np.ones_like,
    ...                                                  derivative_of="input"),
    ...                       loss=SimpleNamespace(link=None))
    >>> one = np.ones((1, 1))
    >>> params = {"U": one, "W": one, "b": np.zeros(1)}
    >>> s = unroll(rnn, params, np.array([[1.0], [2.0]]), np.array([10.0]))
    >>> direct_o, direct_h, direct_h0 = np.zeros((2, 1)), np.array([[0.0], [5.0]]), np.zeros(1)
    >>> g = back_through_time(rnn, params, s, direct_o, direct_h, direct_h0)
    >>> g.parameters["W"], g.parameters["U"], g.h0  # 5 (h(0) + h(1)), 5 (x(1) + x(2)), 5
    (array([[105.]]), array([[15.]]), array([5.]))
    """
    p, n = params, len(nodes.x)
    # With no output layer o is h: 10.10 with the identity for V, and no bias.
    V = np.eye(len(p["b"]), dtype=p["b"].dtype) if rnn.n_outputs is None else p["V"]
    R = p["R"] if rnn.recurrence == "both" else p["W"]

    dtype = np.result_type(nodes.h, direct_o, direct_h)
    grad_o = direct_o.astype(dtype)
    grad_h = direct_h.astype(dtype)
    grad_a = np.zeros_like(grad_h)
    f_prime = derivative(rnn.activation, nodes.a, nodes.h) if n else grad_a
    nothing = np.zeros((1, grad_o.shape[1]), dtype)
    for t in reversed(range(n)):
        # Slices of one row: the equations take rows.
        now, then, end = slice(t, t + 1), slice(t + 1, t + 2), t == n - 1
        if rnn.recurrence != "hidden" and not end and not nodes.forced[t + 1]:
            grad_o[now] += grad_free_output(
                rnn.loss, rnn.feedback, nodes.o[now], nodes.y_hat[now], grad_a[then], R
            )
        if rnn.outputs == "last":
            grad_o_t = grad_o if end else nothing  # C.9
        else:
            grad_o_t = grad_o[now]
        if end or rnn.recurrence == "output":  # C.8
            grad_h[now] += grad_last_hidden(grad_o_t, V)
        else:
            grad_h[now] += grad_hidden(grad_h[then], f_prime[then], p["W"], grad_o_t, V)
        grad_a[now] = grad_preactivation(f_prime[now], grad_h[now])

    grad_h0 = direct_h0.astype(dtype)
    grad_y0 = np.zeros(grad_o.shape[1], dtype)
    if n and rnn.recurrence != "output":
        grad_h0 = grad_h0 + grad_initial_hidden(grad_a[0], p["W"])
    if n and rnn.recurrence != "hidden":
        grad_y0 = grad_fed_back(grad_a[0], R)
    if not n and rnn.outputs == "last":  # the output was read at h(0)
        grad_h0 = grad_h0 + grad_last_hidden(grad_o[0], V)

    parameters = {
        "U": grad_weight(grad_a, nodes.x),
        "W": grad_weight(grad_a, nodes.u if rnn.recurrence == "output" else nodes.h_prev),
        "b": grad_bias(grad_a),
    }
    if rnn.n_outputs is not None:
        source = nodes.h_end if rnn.outputs == "last" else nodes.h
        parameters |= {"V": grad_weight(grad_o, source), "c": grad_bias(grad_o)}
    if rnn.recurrence == "both":
        parameters["R"] = grad_weight(grad_a, nodes.u)
    grad_x = grad_input(grad_a, p["U"])
    return SequenceGradients(parameters, grad_a, grad_h, grad_o, grad_x, grad_h0, grad_y0)
