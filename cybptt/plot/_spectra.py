"""Pictures of the state's Jacobian: its eigenvalues, its singular values, and its products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cybptt._validate import integer, wrong_value
from cybptt.plot._axes import (
    BOUND,
    COLOURS,
    STYLES,
    axes,
    checked_trace,
    chosen_sequence,
    label,
    log_scale,
    marker,
    positive,
    steps_axis,
)
from cybptt.plot._jacobians import log10_growth, state_jacobians

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cybptt.trace import Trace

Array = NDArray[Any]


class Eigenvalues(NamedTuple):
    """What `eigenvalues` drew: of the Jacobians in :eq:`10.21`.

    Attributes
    ----------
    ax : matplotlib.axes.Axes
        Where.
    t : ndarray of int, shape (L,)
        1 … L, the steps of the sequence.
    eigenvalues : ndarray of complex128, shape (L, H)
        Of ∂h(t)/∂h(t−1), the largest in absolute value first.
    radius : ndarray, shape (L,)
        The spectral radius: the largest absolute value.

    Examples
    --------
    >>> from cybptt.plot import Eigenvalues
    >>> Eigenvalues._fields
    ('ax', 't', 'eigenvalues', 'radius')
    """

    ax: Axes
    t: Array
    eigenvalues: Array
    radius: Array


class SingularValues(NamedTuple):
    """What `singular_values` drew: of the Jacobians in :eq:`10.21`.

    Attributes
    ----------
    ax : matplotlib.axes.Axes
        Where.
    t : ndarray of int, shape (L,)
        1 … L, the steps of the sequence.
    singular_values : ndarray, shape (L, H)
        Of ∂h(t)/∂h(t−1), the largest first.

    Examples
    --------
    >>> from cybptt.plot import SingularValues
    >>> SingularValues._fields
    ('ax', 't', 'singular_values')
    """

    ax: Axes
    t: Array
    singular_values: Array


class JacobianGrowth(NamedTuple):
    """What `jacobian_growth` drew: of the products of the Jacobians in :eq:`10.21`.

    Attributes
    ----------
    ax : matplotlib.axes.Axes
        Where.
    t : ndarray of int, shape (L − start,)
        start + 1 … L.
    log10_norm : ndarray, shape (L − start,)
        log₁₀ ‖∂h(t)/∂h(start)‖, of the largest singular value; −inf where all is 0.
    log10_bound : ndarray, shape (L − start,)
        The same of the product of the steps' own norms, which it cannot exceed.

    Examples
    --------
    >>> from cybptt.plot import JacobianGrowth
    >>> JacobianGrowth._fields
    ('ax', 't', 'log10_norm', 'log10_bound')
    """

    ax: Axes
    t: Array
    log10_norm: Array
    log10_bound: Array


def eigenvalues(trace: Trace, *, sequence: int = 0, ax: Axes | None = None) -> Eigenvalues:
    """Draw the eigenvalues of ∂h(t)/∂h(t−1) in the complex plane, beside the unit circle.

    The Jacobian is the factor by which :eq:`10.21` takes the gradient a step back, transposed:
    diag(f′(a(t))) W. Where all its eigenvalues lie well inside the circle, gradients vanish; where
    one lies outside for long, they may explode.

    The state is h, under every recurrence. With an output recurrence the Jacobian also has the path
    through what was fed back, diag(f′(a(t))) R J(t−1) V, where step t ran free (J of C.6); with
    ``recurrence="output"`` it has no other, and is 0 where step t was forced, or is the first.

    Parameters
    ----------
    trace : Trace
        Of the forward pass.
    sequence : int
        Which sequence of the batch.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new ones when not given.

    Returns
    -------
    Eigenvalues
        The axes and what is drawn on them.

    Raises
    ------
    ImportError
        Without matplotlib.
    TypeError, ValueError
        For an argument that is not as above, a sequence without steps, a model without hidden
        units, or Jacobians that are not finite.

    References
    ----------
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML
    2013.

    Examples
    --------
    >>> import cybptt, numpy as np
    >>> from matplotlib.figure import Figure
    >>> rnn = cybptt.RNN(1, 20, 1, loss="squared_error")
    >>> x = np.random.default_rng(0).normal(size=(30, 1))
    >>> trace = rnn.forward(rnn.init(0, scheme="orthogonal"), x)
    >>> drawn = cybptt.plot.eigenvalues(trace, ax=Figure().subplots())
    >>> bool((drawn.radius < 1).all())      # W is orthogonal, the slopes are below 1
    True
    """
    jacobians, t = _jacobians(trace, sequence)
    ax = axes(ax)
    values = np.linalg.eigvals(jacobians).astype(np.complex128)
    order = np.argsort(-np.abs(values), axis=1, kind="stable")
    values = np.take_along_axis(values, order, axis=1)
    angle = np.linspace(0, 2 * np.pi, 361)
    ax.plot(np.cos(angle), np.sin(angle), **BOUND, label="unit circle")
    # In one row: three or four columns would be taken for colours themselves.
    points = ax.scatter(
        values.real.ravel(), values.imag.ravel(), c=np.repeat(t, values.shape[1]), cmap=COLOURS,
        s=14, linewidths=0.3, edgecolors="black", zorder=2.5,
    )  # fmt: skip
    ax.set_aspect("equal", adjustable="datalim")
    title = r"Eigenvalues of $\partial h^{(t)}/\partial h^{(t-1)}$"
    label(ax, title, "real part", "imaginary part")
    ax.legend(loc="upper right")
    if len(t) > 1 and ax.figure is not None:
        ax.figure.colorbar(points, ax=ax, label="step t")
    return Eigenvalues(ax, t, values, np.abs(values[:, 0]))


def singular_values(trace: Trace, *, sequence: int = 0, ax: Axes | None = None) -> SingularValues:
    """Draw the singular values of ∂h(t)/∂h(t−1) against t: by how much a step can scale.

    The step that :eq:`10.21` takes back makes a gradient longer by the largest at most, and shorter
    by the smallest at most. The Jacobian is as in `eigenvalues`.

    Parameters
    ----------
    trace, sequence, ax
        As in `eigenvalues`.

    Returns
    -------
    SingularValues
        The axes and what is drawn on them.

    Raises
    ------
    ImportError, TypeError, ValueError
        As `eigenvalues`.

    Examples
    --------
    >>> import cybptt, numpy as np
    >>> from matplotlib.figure import Figure
    >>> rnn = cybptt.RNN(1, 20, 1, loss="squared_error")
    >>> x = np.random.default_rng(0).normal(size=(30, 1))
    >>> trace = rnn.forward(rnn.init(0), x)
    >>> drawn = cybptt.plot.singular_values(trace, ax=Figure().subplots())
    >>> drawn.singular_values.shape
    (30, 20)
    """
    jacobians, t = _jacobians(trace, sequence)
    ax = axes(ax)
    values = np.linalg.svd(jacobians, compute_uv=False)
    H = values.shape[1]
    which = {"largest": 0, "median": H // 2, "smallest": H - 1}
    for style, (name, i) in zip(STYLES, which.items(), strict=False):
        if H >= 3 or name != "median":
            ax.plot(t, positive(values[:, i]), **style, marker=marker(len(t)), ms=4, label=name)
    ax.axhline(1, **BOUND)
    log_scale(ax, values)
    steps_axis(ax, 1, len(t))
    title = r"Singular values of $\partial h^{(t)}/\partial h^{(t-1)}$"
    label(ax, title, "step t", "singular value")
    ax.legend()
    return SingularValues(ax, t, values)


def jacobian_growth(
    trace: Trace, *, start: int = 0, sequence: int = 0, ax: Axes | None = None
) -> JacobianGrowth:
    """Draw how the product of the Jacobians grows or falls: log₁₀ ‖∂h(t)/∂h(start)‖ against t.

    By :eq:`10.21` it is how much of a gradient at h(t) reaches h(start): a line that falls is a
    vanishing gradient, one that rises an exploding one, its slope the rate. The dotted line is the
    product of the steps' own norms, the bound that Pascanu and others use. The Jacobian is as in
    `eigenvalues`.

    Parameters
    ----------
    trace : Trace
        Of the forward pass.
    start : int
        The step at which the product begins, 0 … L − 1.
    sequence, ax
        As in `eigenvalues`.

    Returns
    -------
    JacobianGrowth
        The axes and what is drawn on them.

    Raises
    ------
    ImportError, TypeError, ValueError
        As `eigenvalues`, and for a start that is no step.

    References
    ----------
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML
    2013.

    Examples
    --------
    >>> import cybptt, numpy as np
    >>> from matplotlib.figure import Figure
    >>> rnn = cybptt.RNN(1, 20, 1, loss="squared_error")
    >>> x = np.random.default_rng(0).normal(size=(30, 1))
    >>> trace = rnn.forward(rnn.init(0), x)
    >>> drawn = cybptt.plot.jacobian_growth(trace, ax=Figure().subplots())
    >>> drawn.log10_norm[[9, 19, 29]].round(1)      # after 10, 20 and 30 steps: it vanishes
    array([-2.2, -5. , -7.6])
    """
    jacobians, t = _jacobians(trace, sequence)
    start = integer("start", start, 0, len(t) - 1)
    ax = axes(ax)
    t = t[start:]
    growth, bound = log10_growth(jacobians[start:])
    name = rf"\|\partial h^{{(t)}}/\partial h^{{({start})}}\|"
    bound_name = "product of the steps' norms"
    ax.plot(t, _finite(bound), **BOUND, label=bound_name)
    ax.plot(t, _finite(growth), **STYLES[0], lw=2, marker=marker(len(t)), ms=4, label=f"${name}$")
    ax.axhline(0, color="black", linewidth=0.6, zorder=1)
    steps_axis(ax, start + 1, start + len(t))
    note = "" if np.isfinite(growth).all() else "the gap: no path leads there, or every slope is 0"
    label(ax, "Growth of the Jacobian's product", "step t", f"$\\log_{{10}} {name}$", note)
    ax.legend()
    return JacobianGrowth(ax, t, growth, bound)


def _jacobians(trace: Any, sequence: Any) -> tuple[Array, Array]:
    """The Jacobians of a checked sequence, and its steps from 1."""
    trace = checked_trace(trace)
    if trace.rnn.n_hidden == 0:
        raise wrong_value("trace", "a model of no hidden units", "one at least")
    jacobians = state_jacobians(trace, chosen_sequence(trace, sequence))
    return jacobians, np.arange(1, len(jacobians) + 1)


def _finite(values: Array) -> Array:
    return np.where(np.isfinite(values), values, np.nan)
