"""What an output recurrence adds to section 10.2, C.4-C.8, one NumPy statement each.

Figure 10.4 leads the output back into the hidden units, and figure 10.6 puts y(t-1) in its place
while training. Every argument that stands for a node, or for the gradient of one, is a row or rows
of them: a vector of shape (n,) or a batch of shape (B, n).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# mypy: disable-error-code="no-any-return"
# (NumPy types its operators on arrays of any dtype as Any.)
Array = NDArray[Any]


def preactivation_of_both(
    b: Array, W: Array, h_prev: Array, R: Array, u: Array, U: Array, x: Array
) -> Array:
    r"""What goes into the hidden units under both recurrences, :eq:`C.4`.

    a(t) = b + W h(t-1) + R u(t) + U x(t).

    Parameters
    ----------
    b : ndarray, shape (H,)
        Bias of the hidden units.
    W : ndarray, shape (H, H)
        Weights of the recurrence between hidden units.
    h_prev : ndarray, shape (H,) or (B, H)
        h(t-1).
    R : ndarray, shape (H, O)
        Weights of the recurrence from the output.
    u : ndarray, shape (O,) or (B, O)
        What is fed back at step t, see :func:`fed_back`.
    U : ndarray, shape (H, I)
        Weights of the input.
    x : ndarray, shape (I,) or (B, I)
        The input x(t).

    Returns
    -------
    ndarray, shape (H,) or (B, H)
        a(t).

    References
    ----------
    Section 10.2.1 of *Deep Learning*, last paragraphs; the statement is this library's.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.reference import preactivation_of_both
    >>> one = np.array([[1.0]])
    >>> preactivation_of_both(np.zeros(1), one, np.array([0.1]), 10 * one, np.array([0.2]),
    ...                       100 * one, np.array([0.3]))
    array([32.1])
    """
    return b + h_prev @ W.T + u @ R.T + x @ U.T


def fed_back(forced: Array | bool, y_prev: Array, own_prev: Array) -> Array:
    r"""What an output recurrence is given at step t: u(t), :eq:`C.5`.

    Teacher forcing (figure 10.6) gives y(t-1), one-hot for classes; a free step is given the
    model's own o(t-1) or ŷ(t-1).

    Parameters
    ----------
    forced : bool, or ndarray of bool of shape (B,)
        True where step t is forced.
    y_prev : ndarray, shape (O,) or (B, O)
        y(t-1).
    own_prev : ndarray, shape (O,) or (B, O)
        o(t-1), or ŷ(t-1) with ``feedback="y_hat"``.

    Returns
    -------
    ndarray, shape (O,) or (B, O)
        u(t).

    References
    ----------
    Section 10.2.1 of *Deep Learning*; the statement is this library's.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.reference import fed_back
    >>> fed_back(np.array([True, False]), np.ones((2, 1)), np.array([[0.2], [0.3]]))
    array([[1. ],
           [0.3]])
    """
    return np.where(np.asarray(forced)[..., None], y_prev, own_prev)


def grad_fed_back(grad_a: Array, R: Array) -> Array:
    r"""Gradient at what was fed back at step t: ∇_{u(t)} L = Rᵀ ∇_{a(t)} L, of :eq:`C.6`-:eq:`C.7`.

    At t = 1 it is ∇_{y0} L. Under an output recurrence alone W stands in the place of R.

    Parameters
    ----------
    grad_a : ndarray, shape (H,) or (B, H)
        ∇_{a(t)} L.
    R : ndarray, shape (H, O)
        Weights of the recurrence from the output.

    Returns
    -------
    ndarray, shape (O,) or (B, O)
        ∇_{u(t)} L.

    References
    ----------
    Left to the reader by section 10.2.1 of *Deep Learning*; the chain rule on C.4.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.reference import grad_fed_back
    >>> grad_fed_back(np.array([1.0, 10.0]), np.array([[2.0], [3.0]]))
    array([32.])
    """
    return grad_a @ R


def softmax_vjp(y_hat: Array, grad_y_hat: Array) -> Array:
    r"""The transposed Jacobian of the softmax times a gradient, the J(t)ᵀ of :eq:`C.6`.

    J = diag(ŷ) - ŷ ŷᵀ, which is symmetric.

    Parameters
    ----------
    y_hat : ndarray, shape (O,) or (B, O)
        ŷ(t).
    grad_y_hat : ndarray, shape (O,) or (B, O)
        A gradient at ŷ(t).

    Returns
    -------
    ndarray, shape (O,) or (B, O)
        The same gradient at o(t).

    References
    ----------
    The derivative of 10.11 of *Deep Learning*.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.reference import softmax_vjp
    >>> softmax_vjp(np.array([0.25, 0.75]), np.array([1.0, 0.0]))
    array([ 0.1875, -0.1875])
    """
    return y_hat * (grad_y_hat - (y_hat * grad_y_hat).sum(axis=-1, keepdims=True))


def grad_free_output(
    loss: Any, feedback: str, o: Array, y_hat: Array, grad_a_next: Array, R: Array
) -> Array:
    r"""What ∇_{o(t)} L gains where step t+1 is free: J(t)ᵀ Rᵀ ∇_{a(t+1)} L, :eq:`C.6`.

    J = I where o(t) itself is fed back, the Jacobian of the loss's link where ŷ(t) is.

    Parameters
    ----------
    loss : Loss
        Its ``link_vjp(o, y_hat, cotangent)`` is the link's transposed Jacobian; with ``link`` None
        ŷ is o.
    feedback : str
        "o" or "y_hat".
    o, y_hat : ndarray, shape (B, O)
        o(t) and ŷ(t), rows.
    grad_a_next : ndarray, shape (B, H)
        ∇_{a(t+1)} L.
    R : ndarray, shape (H, O)
        Weights of the recurrence from the output; W under an output recurrence alone.

    Returns
    -------
    ndarray, shape (B, O)
        What is added to ∇_{o(t)} L.

    References
    ----------
    Left to the reader by section 10.2.1 of *Deep Learning*; the chain rule on C.4 and C.5.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from cybptt.reference import grad_free_output, softmax, softmax_vjp
    >>> nll = SimpleNamespace(link=softmax, link_vjp=lambda o, y_hat, g: softmax_vjp(y_hat, g))
    >>> o = np.log([[1.0, 3.0]])
    >>> g, R = np.array([[1.0]]), np.array([[1.0, 0.0]])
    >>> grad_free_output(nll, "o", o, softmax(o), g, R)
    array([[1., 0.]])
    >>> grad_free_output(nll, "y_hat", o, softmax(o), g, R)
    array([[ 0.1875, -0.1875]])
    """
    if feedback == "o" or loss.link is None:
        return grad_fed_back(grad_a_next, R)
    return loss.link_vjp(o, y_hat, grad_fed_back(grad_a_next, R))
