"""Clipping a gradient by its norm."""

from __future__ import annotations

import math

import numpy as np

from cybptt.optim._checks import Vector, check_writeable, flat_vector, number, refuse_gradient
from cybptt.optim._updates import scale, sum_of_squares

_above_0 = number("a number > 0", lambda v: v > 0)


def clip_by_norm(grad: Vector, max_norm: float) -> float:
    """Scale a gradient down, in place, so that its norm is at most ``max_norm``.

    Section 10.11.1 of the book, equations 10.48 and 10.49: g ← g max_norm / ‖g‖ where ‖g‖ is
    greater. There is no equation of section 10.2 for this. The norm neither overflows nor
    underflows, whatever the values, and is summed in double precision in a fixed order.

    Parameters
    ----------
    grad : Parameters or ndarray, shape (n,)
        The gradient, float32 or float64; written to where the norm is greater.
    max_norm : float
        The greatest norm allowed, > 0; infinity only measures.

    Returns
    -------
    float
        ‖g‖, the Euclidean norm before clipping.

    Raises
    ------
    FloatingPointError
        Where a gradient, or the norm of float64 ones, is not finite; the parameter is named, and
        nothing is changed.

    References
    ----------
    Pascanu, Mikolov, Bengio, *On the difficulty of training recurrent neural networks*, ICML 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.optim import clip_by_norm
    >>> g = np.array([3.0, 4.0])
    >>> clip_by_norm(g, 1.0)
    5.0
    >>> g
    array([0.6, 0.8])
    """
    max_norm = _above_0("max_norm", max_norm)
    g = flat_vector("grad", grad)
    check_writeable("grad", g)
    norm = math.sqrt(sum_of_squares(g))
    # Below 1e-140, squares that underflowed may be missed; an infinite norm may be an overflow.
    if not 1e-140 <= norm < math.inf and g.size:
        refuse_gradient(grad, np.isfinite, "finite numbers")
        largest = float(max(g.max(), -g.min()))
        if largest:
            norm = largest * math.sqrt(sum_of_squares(g, largest))
        if norm == math.inf:
            refuse_gradient(grad, lambda part: np.abs(part) < largest, "a norm within float64")
    if norm > max_norm:
        scale(g, norm, max_norm)
    return norm
