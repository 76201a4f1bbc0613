"""The backward equations of section 10.2, 10.17-10.28, and C.1-C.3, one NumPy statement each.

Every argument that stands for a node, or for the gradient of one, is a row or rows: a vector of
shape (n,) or a batch of shape (B, n). In rows, Wᵀ g becomes ``g @ W``. The gradients of parameters
are sums over time, and take all steps at once: (T, n), or (T, B, n), or one step's rows.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

# mypy: disable-error-code="no-any-return"
# (NumPy types its operators on arrays of any dtype as Any.)
Array = NDArray[Any]


def grad_step_loss(weights: Array | float = 1.0, divisor: Any = 1) -> Any:
    r"""Gradient of the loss in each step's loss: ∂L/∂L(t), :eq:`10.17`.

    It is 1 in the book; w(t) where the steps are weighted, w(t) over the sum of the weights under
    ``reduction="mean"``.

    Parameters
    ----------
    weights : ndarray, shape (T,) or (T, B), or float
        w(t), not below 0.
    divisor : float
        What the reduction divides by, above 0.

    Returns
    -------
    ndarray, shape of weights, or float
        ∂L/∂L(t).

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.2.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.reference import grad_step_loss
    >>> grad_step_loss()
    1.0
    >>> grad_step_loss(np.array([1.0, 0.0, 3.0]), 4.0)
    array([0.25, 0.  , 0.75])
    """
    return weights / divisor


def grad_output(loss: Any, o: Array, y: Array, grad_losses: Array) -> Array:
    r"""Gradient at the outputs, from the steps' own losses, :eq:`10.18`.

    For softmax NLL (∇_{o(t)} L)_i = ŷ_i(t) - 1[i = y(t)], times :eq:`10.17`.

    Parameters
    ----------
    loss : Loss
        Its ``gradient(o, y)`` is the gradient of L(t) in o(t), row by row.
    o : ndarray, shape (B, O)
        o(t), rows.
    y : ndarray, shape (B,) of int, or (B, O)
        y(t): labels, or values.
    grad_losses : ndarray, shape (B,)
        ∂L/∂L(t), see :func:`grad_step_loss`.

    Returns
    -------
    ndarray, shape (B, O)
        ∇_{o(t)} L, without what comes back through a feedback, :eq:`C.6`.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.2.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from cybptt.reference import grad_output, one_hot, softmax
    >>> nll = SimpleNamespace(gradient=lambda o, y: softmax(o) - one_hot(y, 2))
    >>> grad_output(nll, np.log([[1.0, 3.0]]), np.array([1]), np.array([1.0]))
    array([[ 0.25, -0.25]])
    """
    return grad_losses[..., None] * loss.gradient(o, y)


def grad_last_hidden(grad_o: Array, V: Array) -> Array:
    r"""Gradient at the last step's hidden units: ∇_{h(τ)} L = Vᵀ ∇_{o(τ)} L, :eq:`10.19`.

    Under an output recurrence alone it holds at every step, :eq:`C.8`: there is no path from h(t)
    to h(t+1) but through o(t). With one output at the end it is the only Vᵀ term, :eq:`C.9`.

    Parameters
    ----------
    grad_o : ndarray, shape (O,) or (B, O)
        ∇_{o(τ)} L.
    V : ndarray, shape (O, H)
        Weights from the hidden units to the outputs.

    Returns
    -------
    ndarray, shape (H,) or (B, H)
        ∇_{h(τ)} L.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.2.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.reference import grad_last_hidden
    >>> grad_last_hidden(np.array([0.5, -0.5]), np.array([[1.0, 2.0], [3.0, 8.0]]))
    array([-1., -3.])
    """
    return grad_o @ V


def grad_hidden(
    grad_h_next: Array, derivative_next: Array, W: Array, grad_o: Array, V: Array
) -> Array:
    r"""Gradient at the hidden units before the last, :eq:`10.20`-:eq:`10.21`.

    ∇_{h(t)} L = Wᵀ diag(1 - h(t+1)²) ∇_{h(t+1)} L + Vᵀ ∇_{o(t)} L.

    Parameters
    ----------
    grad_h_next : ndarray, shape (H,) or (B, H)
        ∇_{h(t+1)} L.
    derivative_next : ndarray, shape (H,) or (B, H)
        f′(a(t+1)), which is 1 - h(t+1)² for tanh: the diagonal, see :func:`derivative`.
    W : ndarray, shape (H, H)
        Weights of the recurrence.
    grad_o : ndarray, shape (O,) or (B, O)
        ∇_{o(t)} L.
    V : ndarray, shape (O, H)
        Weights from the hidden units to the outputs.

    Returns
    -------
    ndarray, shape (H,) or (B, H)
        ∇_{h(t)} L.

    Notes
    -----
    Some printings of the book write the factors of 10.21 in the order
    Wᵀ (∇_{h(t+1)} L) diag(1 - h(t+1)²). A column vector cannot stand to the left of a square
    matrix: the shapes do not agree. The order above is the right one, the Jacobian
    ∂h(t+1)/∂h(t) = diag(1 - h(t+1)²) W, transposed, times the gradient.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.2.

    Examples
    --------
    Two hidden units, one output; the first unit of the next step is saturated:

    >>> import numpy as np
    >>> from cybptt.reference import grad_hidden
    >>> W, V = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[100.0, 200.0]])
    >>> grad_hidden(np.array([1.0, 1.0]), np.array([0.0, 0.5]), W, np.array([1.0]), V)
    array([101.5, 202. ])
    """
    return (derivative_next * grad_h_next) @ W + grad_o @ V


def derivative(activation: Any, a: Array, h: Array) -> Array:
    r"""The derivative of the activation: f′(a(t)), which is 1 - h(t)² for tanh.

    The diagonal in :eq:`10.21`, :eq:`10.23`, :eq:`10.26` and :eq:`10.28`; for any f, :eq:`C.1`.

    Parameters
    ----------
    activation : Activation
        Its ``derivative`` takes a where ``derivative_of`` is "input", h where it is "output".
    a : ndarray, shape (H,) or (B, H)
        a(t).
    h : ndarray, shape of a
        h(t).

    Returns
    -------
    ndarray, shape of a
        f′(a(t)).

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.2.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from cybptt.reference import derivative
    >>> tanh = SimpleNamespace(derivative=lambda h: 1 - h**2, derivative_of="output")
    >>> derivative(tanh, np.arctanh([0.5]), np.array([0.5]))
    array([0.75])
    """
    return activation.derivative(a if activation.derivative_of == "input" else h)


def grad_preactivation(derivative: Array, grad_h: Array) -> Array:
    r"""Gradient at what goes into the hidden units: ∇_{a(t)} L = f′(a(t)) ⊙ ∇_{h(t)} L, :eq:`C.1`.

    Parameters
    ----------
    derivative : ndarray, shape (H,) or (B, H)
        f′(a(t)).
    grad_h : ndarray, shape (H,) or (B, H)
        ∇_{h(t)} L.

    Returns
    -------
    ndarray, shape (H,) or (B, H)
        ∇_{a(t)} L.

    References
    ----------
    Section 10.2.2 of *Deep Learning*, inside 10.21-10.28; the name is this library's.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.reference import grad_preactivation
    >>> grad_preactivation(np.array([0.75, 1.0]), np.array([4.0, -1.0]))
    array([ 3., -1.])
    """
    return derivative * grad_h


def grad_bias(grad: Array) -> Array:
    r"""Gradient of a bias: of c from ∇_{o(t)} L, :eq:`10.22`; of b from ∇_{a(t)} L, :eq:`10.23`.

    ∇_c L = Σ_t ∇_{o(t)} L, and ∇_b L = Σ_t diag(1 - h(t)²) ∇_{h(t)} L = Σ_t ∇_{a(t)} L.

    Parameters
    ----------
    grad : ndarray, shape (n,), (T, n) or (T, B, n)
        ∇_{o(t)} L, or ∇_{a(t)} L, of all steps.

    Returns
    -------
    ndarray, shape (n,)
        ∇_c L, or ∇_b L.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.2.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.reference import grad_bias
    >>> grad_bias(np.array([[1.0, 2.0], [10.0, 20.0]]))
    array([11., 22.])
    """
    return grad.sum(axis=tuple(range(grad.ndim - 1)))


def grad_weight(grad: Array, source: Array) -> Array:
    r"""Gradient of a weight matrix, :eq:`10.24`-:eq:`10.28` and :eq:`C.7`.

    The sum over time of the gradient at the node a matrix leads to, times the node it comes from,
    transposed:

    - ∇_V L = Σ_t (∇_{o(t)} L) h(t)ᵀ, :eq:`10.24`;
    - ∇_W L = Σ_t diag(1 - h(t)²) (∇_{h(t)} L) h(t-1)ᵀ, :eq:`10.25`-:eq:`10.26`;
    - ∇_U L = Σ_t diag(1 - h(t)²) (∇_{h(t)} L) x(t)ᵀ, :eq:`10.27`-:eq:`10.28`;
    - ∇_R L = Σ_t (∇_{a(t)} L) u(t)ᵀ, :eq:`C.7`.

    Parameters
    ----------
    grad : ndarray, shape (n,), (T, n) or (T, B, n)
        ∇_{o(t)} L for V; ∇_{a(t)} L = diag(1 - h(t)²) ∇_{h(t)} L, :eq:`C.1`, for W, U and R.
    source : ndarray, shape (m,), (T, m) or (T, B, m)
        h(t) for V, h(t-1) for W, x(t) for U, u(t) for R.

    Returns
    -------
    ndarray, shape (n, m)
        ∇_V L, ∇_W L, ∇_U L or ∇_R L.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.2.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.reference import grad_weight
    >>> grad_weight(np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([[3.0], [5.0]]))
    array([[ 3.],
           [11.]])
    """
    return (grad[..., :, None] * source[..., None, :]).sum(axis=tuple(range(grad.ndim - 1)))


def grad_input(grad_a: Array, U: Array) -> Array:
    r"""Gradient at the input: ∇_{x(t)} L = Uᵀ ∇_{a(t)} L, :eq:`C.2`.

    Parameters
    ----------
    grad_a : ndarray, shape (H,) or (B, H)
        ∇_{a(t)} L.
    U : ndarray, shape (H, I)
        Weights of the input.

    Returns
    -------
    ndarray, shape (I,) or (B, I)
        ∇_{x(t)} L.

    References
    ----------
    Left to the reader by section 10.2.2 of *Deep Learning*; the chain rule on 10.8.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.reference import grad_input
    >>> grad_input(np.array([1.0, 10.0]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([31., 42.])
    """
    return grad_a @ U


def grad_initial_hidden(grad_a_first: Array, W: Array) -> Array:
    r"""Gradient at the initial state: ∇_{h(0)} L = Wᵀ ∇_{a(1)} L, :eq:`C.3`.

    Parameters
    ----------
    grad_a_first : ndarray, shape (H,) or (B, H)
        ∇_{a(1)} L.
    W : ndarray, shape (H, H)
        Weights of the recurrence.

    Returns
    -------
    ndarray, shape (H,) or (B, H)
        ∇_{h(0)} L.

    References
    ----------
    Left to the reader by section 10.2.2 of *Deep Learning*; the chain rule on 10.8.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.reference import grad_initial_hidden
    >>> grad_initial_hidden(np.array([1.0, 10.0]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([31., 42.])
    """
    return grad_a_first @ W
