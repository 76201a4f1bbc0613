"""The Jacobian of the state, ∂h(t)/∂h(t−1), and the product of all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cybptt import _passes, _plugins
from cybptt._validate import wrong_value

if TYPE_CHECKING:
    from cybptt.trace import Trace

Array = NDArray[Any]


def state_jacobians(trace: Trace, n: int) -> Array:
    """∂h(t)/∂h(t−1) of sequence n, t = 1 … L, (L, H, H), in float64.

    It is diag(f′(a(t))) W with hidden recurrence. With an output recurrence h(t−1) also leads to
    h(t) through the output, o(t−1) = c + V h(t−1), where that is what step t was given:
    diag(f′(a(t))) (W + R J(t−1) V), J of C.6; W alone where step t was forced. With output
    recurrence alone the first of these W is not there, and R is W.
    """
    rnn, run = trace.rnn, trace._run
    layout, params = run.layout, run.params

    def rows(packed: Array) -> Array:
        values = np.asarray(layout.unpack(packed))
        return values if layout.single else values[:, n]

    L = layout.T if layout.lengths is None else int(layout.lengths[n])
    H = rnn.n_hidden
    f_prime = rows(_passes.slopes(run))[:L].astype(np.float64)
    inner = np.zeros((L, H, H))
    if rnn.recurrence != "output":
        inner += params.W
    if run.free is not None:
        free = rows(run.free)[:L].astype(bool)
        free[:1] = False  # what stands before the first output is given
        before = free[1:]  # that the step after t−1 was given its output
        links = _link_jacobians(trace, rows(run.o)[: L - 1][before])
        R = _passes.feedback_weights(params).astype(np.float64)
        inner[free] += R @ links @ params.V
    jacobians = f_prime[:, :, None] * inner
    if not np.isfinite(jacobians).all():
        raise wrong_value("trace", "Jacobians that are not finite", "a trace of finite numbers")
    return np.asarray(jacobians)


def _link_jacobians(trace: Trace, o: Array) -> Array:
    """J of C.6 for rows of o, (n, O, O): the identity where o itself is fed back."""
    rnn = trace.rnn
    n, O = o.shape
    unit = np.broadcast_to(np.eye(O, dtype=o.dtype), (n, O, O))
    if rnn.feedback == "o" or rnn.loss.link is None or o.size == 0:
        return unit.astype(np.float64)
    # Jᵀ times the i-th unit vector is the i-th row of J.
    each = np.repeat(o, O, axis=0)
    y_hat = _passes.link(rnn, each)
    vectors = np.ascontiguousarray(unit.reshape(n * O, O))
    pulled = _plugins.call(rnn.loss, "link_vjp", (each, y_hat, vectors), each.shape)
    return np.asarray(pulled.reshape(n, O, O).astype(np.float64))


def log10_growth(jacobians: Array) -> tuple[Array, Array]:
    """log₁₀ ‖J(t) … J(1)‖ for each t, and the same of the product of the norms, which bounds it.

    The product is scaled at each step: neither overflows nor falls to 0 while its logarithm can be
    written.
    """
    L, H, _ = jacobians.shape
    norms = np.linalg.norm(jacobians, ord=2, axis=(1, 2))
    product, growth, total = np.eye(H), np.empty(L), 0.0
    with np.errstate(divide="ignore"):
        bound = np.log10(norms).cumsum()
        for t, jacobian in enumerate(jacobians):
            product = jacobian @ product
            size = float(np.linalg.norm(product, ord=2))
            total += float(np.log10(size))
            growth[t] = total
            if size == 0:
                growth[t:] = -np.inf
                break
            product /= size
    return growth, bound
