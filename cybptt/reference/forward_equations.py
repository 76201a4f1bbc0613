"""The forward equations of section 10.2, 10.8-10.16, one NumPy statement each.

Every argument that stands for a node is a row or rows of them: a vector of shape (n,) or a batch
of shape (B, n). The book writes column vectors; in rows, W h becomes ``h @ W.T``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# mypy: disable-error-code="no-any-return"
# (NumPy types its operators on arrays of any dtype as Any.)
Array = NDArray[Any]


def preactivation(b: Array, W: Array, h_prev: Array, U: Array, x: Array) -> Array:
    r"""What goes into the hidden units: a(t) = b + W h(t-1) + U x(t), :eq:`10.8`.

    With an output recurrence alone (figure 10.4), W has shape (H, O) and what is fed back, u(t),
    stands in the place of h(t-1): the first half of :eq:`C.4`.

    Parameters
    ----------
    b : ndarray, shape (H,)
        Bias of the hidden units.
    W : ndarray, shape (H, H) or (H, O)
        Weights of the recurrence.
    h_prev : ndarray, shape (H,) or (B, H); (O,) or (B, O) where W is (H, O)
        h(t-1), or u(t) under an output recurrence.
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
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.reference import preactivation
    >>> b, W, U = np.array([0.5]), np.array([[2.0]]), np.array([[3.0, 4.0]])
    >>> preactivation(b, W, np.array([10.0]), U, np.array([1.0, 0.0]))
    array([23.5])
    """
    return b + h_prev @ W.T + x @ U.T


def hidden(activation: Any, a: Array) -> Array:
    r"""The hidden units: h(t) = f(a(t)), tanh in the book, :eq:`10.9`.

    Parameters
    ----------
    activation : Activation
        Its ``function`` is f.
    a : ndarray, shape (H,) or (B, H)
        a(t).

    Returns
    -------
    ndarray, shape of a
        h(t).

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from cybptt.reference import hidden
    >>> hidden(SimpleNamespace(function=np.tanh), np.array([0.0, 1.0])).round(4)
    array([0.    , 0.7616])
    """
    return activation.function(a)


def output(c: Array, V: Array, h: Array) -> Array:
    r"""The outputs: o(t) = c + V h(t), :eq:`10.10`.

    Parameters
    ----------
    c : ndarray, shape (O,)
        Bias of the outputs.
    V : ndarray, shape (O, H)
        Weights from the hidden units to the outputs.
    h : ndarray, shape (H,) or (B, H)
        h(t).

    Returns
    -------
    ndarray, shape (O,) or (B, O)
        o(t).

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.reference import output
    >>> output(np.array([1.0]), np.array([[2.0, 3.0]]), np.array([0.5, 0.1]))
    array([2.3])
    """
    return c + h @ V.T


def softmax(o: Array) -> Array:
    r"""The prediction for classes: ŷ(t) = softmax(o(t)), :eq:`10.11`.

    The largest output is subtracted first, which changes nothing in ŷ and keeps exp from
    overflowing.

    Parameters
    ----------
    o : ndarray, shape (O,) or (B, O)
        o(t).

    Returns
    -------
    ndarray, shape of o
        ŷ(t): positive, each row sums to 1.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.reference import softmax
    >>> softmax(np.log([1.0, 3.0]))
    array([0.25, 0.75])
    >>> softmax(np.array([1e8, 0.0, -1e8]))
    array([1., 0., 0.])
    """
    e = np.exp(o - o.real.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def prediction(loss: Any, o: Array) -> Array:
    r"""The prediction under any loss: ŷ(t) = link(o(t)), :eq:`10.11` with the loss's own link.

    Parameters
    ----------
    loss : Loss
        Its ``link`` is the softmax for softmax NLL; None means ŷ = o.
    o : ndarray, shape (B, O)
        o(t), rows.

    Returns
    -------
    ndarray, shape of o
        ŷ(t).

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from cybptt.reference import prediction
    >>> prediction(SimpleNamespace(link=None), np.array([[1.5, -2.0]]))
    array([[ 1.5, -2. ]])
    """
    return o.copy() if loss.link is None else loss.link(o)


def one_hot(y: Array, n: int) -> Array:
    r"""The indicator 1[i = y] of :eq:`10.18`, and what is fed back for a label in :eq:`C.5`.

    Parameters
    ----------
    y : ndarray of int, shape () or (B,)
        Labels, 0 ... n - 1.
    n : int
        Number of classes, or of tokens.

    Returns
    -------
    ndarray of bool, shape (n,) or (B, n)
        True at each row's label.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.reference import one_hot
    >>> one_hot(np.array([2, 0]), 3).astype(int)
    array([[0, 0, 1],
           [1, 0, 0]])
    """
    return np.asarray(y)[..., None] == np.arange(n)


def log_likelihood(y_hat: Array, y: Array) -> Array:
    r"""The log-probability the model gives to y(t): log p_model(y(t) | x(1), ..., x(t)).

    The term of :eq:`10.14`: the entry of ŷ(t) at y(t), and its logarithm; L(t) is minus this.

    Parameters
    ----------
    y_hat : ndarray, shape (O,) or (B, O)
        ŷ(t), probabilities.
    y : ndarray of int, shape () or (B,)
        The labels y(t), 0 ... O - 1.

    Returns
    -------
    ndarray, shape () or (B,)
        Natural logarithms, not above 0.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.reference import log_likelihood
    >>> np.exp(log_likelihood(np.array([[0.25, 0.75], [0.5, 0.5]]), np.array([1, 0])))
    array([0.75, 0.5 ])
    """
    return np.log((y_hat * one_hot(y, y_hat.shape[-1])).sum(axis=-1))


def step_loss(loss: Any, o: Array, y: Array) -> Array:
    r"""The loss of steps: L(t), minus the log-likelihood of :eq:`10.14` for softmax NLL.

    Parameters
    ----------
    loss : Loss
        Its ``value(o, y)`` is L(t), row by row.
    o : ndarray, shape (B, O)
        o(t), rows.
    y : ndarray, shape (B,) of int, or (B, O)
        y(t): labels, or values.

    Returns
    -------
    ndarray, shape (B,)
        L(t) of each row.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from cybptt.reference import log_likelihood, softmax, step_loss
    >>> nll = SimpleNamespace(value=lambda o, y: -log_likelihood(softmax(o), y))
    >>> np.exp(-step_loss(nll, np.log([[1.0, 3.0]]), np.array([1])))
    array([0.75])
    """
    return loss.value(o, y)


def weighted_total(step_losses: Array, grad_losses: Array | float = 1.0) -> Any:
    r"""The loss: the sum over time, and over the batch, of L(t), :eq:`10.12`-:eq:`10.14`.

    Parameters
    ----------
    step_losses : ndarray, shape (T,) or (T, B)
        L(t).
    grad_losses : ndarray, shape (T,) or (T, B), or float
        The ∂L/∂L(t) of :eq:`10.17`: 1, or the steps' weights over the reduction's divisor.

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
    >>> from cybptt.reference import weighted_total
    >>> float(weighted_total(np.array([1.0, 2.0, 4.0])))
    7.0
    """
    return (grad_losses * step_losses).sum()


def joint_log_likelihood(conditionals: Array) -> Array:
    r"""The log-likelihood of a whole sequence from its conditionals, :eq:`10.15`-:eq:`10.16`.

    log p(y(1), y(2) | x(1), x(2)) = log p(y(2) | y(1), x(1), x(2)) + log p(y(1) | x(1), x(2)), and
    so on for more steps. It is why teacher forcing is right: the likelihood itself asks that step t
    be given y(t-1), and not the model's own guess.

    Parameters
    ----------
    conditionals : ndarray, shape (T,) or (T, B)
        log p(y(t) | y(1), ..., y(t-1), x), natural logarithms.

    Returns
    -------
    ndarray, shape () or (B,)
        log p(y(1), ..., y(T) | x).

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.1.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.reference import joint_log_likelihood
    >>> round(float(np.exp(joint_log_likelihood(np.log([0.5, 0.25])))), 4)
    0.125
    """
    return conditionals.sum(axis=0)
