"""Pictures over time: hidden states, a training run, and the loss when forced and when free."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cybptt._validate import boolean, choice, describe, integer, wrong_type, wrong_value
from cybptt.plot._axes import (
    COLOURS,
    MARKERS,
    STYLES,
    axes,
    by_sequence,
    checked_trace,
    chosen_sequence,
    label,
    lengths_of,
    marker,
    mean_of_running,
    past_the_end,
    steps_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cybptt.parameters import Parameters
    from cybptt.rnn import RNN
    from cybptt.trace import State, Trace
    from cybptt.train import History, Record

Array = NDArray[Any]

MOST_LINES = 6  # more hidden units than so many are an image


class HiddenStates(NamedTuple):
    """What `hidden_states` drew: h of :eq:`10.9`.

    Attributes
    ----------
    ax : matplotlib.axes.Axes
        Where.
    t : ndarray of int, shape (L + 1,)
        0 … L.
    h : ndarray, shape (L + 1, H)
        h(0) … h(L) of the sequence.

    Examples
    --------
    >>> from cybptt.plot import HiddenStates
    >>> HiddenStates._fields
    ('ax', 't', 'h')
    """

    ax: Axes
    t: Array
    h: Array


class TrainingCurve(NamedTuple):
    """What `training_curve` drew; it has no equation of its own.

    Attributes
    ----------
    ax : matplotlib.axes.Axes
        Where.
    steps : ndarray of int, shape (n,)
        The steps of the run.
    values : ndarray, shape (n,)
        The quantity at each.
    smooth : ndarray, shape (n,)
        Its mean over the steps before.
    validation_steps : ndarray of int, shape (m,)
        The steps after which the validation loss was computed.
    validation : ndarray, shape (m,)
        The validation loss; of no length for the norm.

    Examples
    --------
    >>> from cybptt.plot import TrainingCurve
    >>> TrainingCurve._fields
    ('ax', 'steps', 'values', 'smooth', 'validation_steps', 'validation')
    """

    ax: Axes
    steps: Array
    values: Array
    smooth: Array
    validation_steps: Array
    validation: Array


class ForcedAndFree(NamedTuple):
    """What `forced_and_free` drew: L(t) of :eq:`10.13`, twice.

    Attributes
    ----------
    ax : matplotlib.axes.Axes
        Where.
    t : ndarray of int, shape (T,)
        1 … T.
    forced, free : ndarray, shape (T, B), or (T,) for one sequence
        L(t) of each sequence; NaN past its length.
    mean_forced, mean_free : ndarray, shape (T,)
        Over the sequences that have a step t.

    Examples
    --------
    >>> from cybptt.plot import ForcedAndFree
    >>> ForcedAndFree._fields
    ('ax', 't', 'forced', 'free', 'mean_forced', 'mean_free')
    """

    ax: Axes
    t: Array
    forced: Array
    free: Array
    mean_forced: Array
    mean_free: Array


def hidden_states(
    trace: Trace, *, sequence: int = 0, image: bool | None = None, ax: Axes | None = None
) -> HiddenStates:
    """Draw h(t) over time, :eq:`10.9`: a line for each unit, or a row of an image.

    Parameters
    ----------
    trace : Trace
        Of the forward pass.
    sequence : int
        Which sequence of the batch.
    image : bool, optional
        An image instead of lines; by default where there are more than six units.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new ones when not given.

    Returns
    -------
    HiddenStates
        The axes and what is drawn on them.

    Raises
    ------
    ImportError
        Without matplotlib.
    TypeError, ValueError
        For an argument that is not as above, a sequence without steps, or a model without hidden
        units.

    Examples
    --------
    >>> import cybptt, numpy as np
    >>> from matplotlib.figure import Figure
    >>> rnn = cybptt.RNN(1, 4, 1, loss="squared_error")
    >>> trace = rnn.forward(rnn.init(0), np.sin(np.arange(25) / 3)[:, None])
    >>> drawn = cybptt.plot.hidden_states(trace, ax=Figure().subplots())
    >>> drawn.h.shape, bool((drawn.h[1:] == trace.h).all())
    ((26, 4), True)
    """
    trace = checked_trace(trace)
    n = chosen_sequence(trace, sequence)
    H = trace.rnn.n_hidden
    if H == 0:
        raise wrong_value("trace", "a model of no hidden units", "one at least")
    image = H > MOST_LINES if image is None else boolean("image", image)
    ax = axes(ax)
    layout, L = trace._run.layout, int(lengths_of(trace)[n])
    h0 = np.asarray(layout.unsort(trace._run.start.h)).reshape(layout.B, H)[n]
    h = np.concatenate([h0[None], by_sequence(trace, trace.h)[:L, n]])
    t = np.arange(L + 1)
    if image:
        extent = (-0.5, L + 0.5, H + 0.5, 0.5)
        shown = ax.imshow(h.T, aspect="auto", interpolation="nearest", cmap=COLOURS, extent=extent)
        if ax.figure is not None:
            ax.figure.colorbar(shown, ax=ax, label="h(t)")
        label(ax, "Hidden states", "step t", "hidden unit")
        steps_axis(ax, 0, 0)
    else:
        for i in range(H):
            style = STYLES[i % len(STYLES)]
            ax.plot(t, h[:, i], **style, marker=marker(L), ms=3, label=f"unit {i + 1}")
        label(ax, "Hidden states", "step t", "h(t)")
        steps_axis(ax, 0, L)
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1))  # beside the lines: they fill the axes
    return HiddenStates(ax, t, h)


def training_curve(
    history: History,
    quantity: str = "loss",
    *,
    window: int | None = None,
    name: str | None = None,
    ax: Axes | None = None,
) -> TrainingCurve:
    """Draw a training run: its loss with that of validation, or its gradient's norm.

    There is no equation for it: each point is a mean of :eq:`10.13`, or the norm of the gradient of
    :eq:`10.22` to :eq:`10.28` before it was clipped. Several runs can be drawn on the same axes, a
    call each.

    Parameters
    ----------
    history : History
        What `cybptt.train.fit` returned.
    quantity : {"loss", "bits", "norm"}
        The mean loss in nats, or in bits for classes, or the norm of the gradient.
    window : int, optional
        Steps of which the heavy line is the mean; a fiftieth of them all when not given.
    name : str, optional
        The run's name in the legend.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new ones when not given.

    Returns
    -------
    TrainingCurve
        The axes and what is drawn on them.

    Raises
    ------
    ImportError
        Without matplotlib.
    TypeError, ValueError
        For an argument that is not as above, a history of no steps, or bits of a loss that has no
        classes.

    Examples
    --------
    >>> import cybptt, numpy as np
    >>> from matplotlib.figure import Figure
    >>> rnn = cybptt.RNN(1, 8, 2)
    >>> x = np.random.default_rng(0).normal(size=(200, 10, 32, 1))
    >>> y = (x.cumsum(axis=1)[..., 0] > 0).astype(int)      # is the sum so far above 0?
    >>> history = cybptt.train.fit(
    ...     rnn, rnn.init(0), list(zip(x, y)), optimizer=cybptt.optim.Adam(lr=0.01), carry=False
    ... )
    >>> drawn = cybptt.plot.training_curve(history, ax=Figure().subplots())
    >>> drawn.values.shape, bool(drawn.smooth[-1] < drawn.smooth[0])
    ((200,), True)
    """
    records = _records(history)
    choice("quantity", quantity, ("loss", "bits", "norm"))
    if quantity == "bits" and any(record.bits is None for record in records):
        raise wrong_value("quantity", "'bits' of a loss without classes", "'loss' or 'norm'")
    _check_name(name)
    n = len(records)
    window = max(1, n // 50) if window is None else integer("window", window, 1)
    ax = axes(ax)
    steps = np.array([record.step for record in records])
    values = np.array([float(getattr(record, quantity)) for record in records])
    smooth = _running_mean(values, window)
    of_loss = [] if quantity == "norm" else history.validation
    validation_steps = np.array([step for step, _ in of_loss], int)
    validation = np.array([loss for _, loss in of_loss], float)
    if quantity == "bits":
        validation /= math.log(2)

    # The next style that these axes have not had yet.
    runs = sum(line.get_gid() == "cybptt run" for line in ax.lines)
    style = STYLES[runs % len(STYLES)]
    if window > 1:
        ax.plot(steps, values, color=style["color"], linewidth=0.6, alpha=0.4)
    shown = name or ("training" if len(validation) else None)
    ax.plot(steps, smooth, **style, linewidth=2, label=shown, gid="cybptt run")
    if len(validation):
        shown = f"{name}, validation" if name else "validation"
        ax.plot(
            validation_steps, validation, color=style["color"], marker=MARKERS[runs % len(MARKERS)],
            linestyle="none",
            markeredgecolor="black", label=shown, zorder=3,
        )  # fmt: skip
    names = {"loss": "mean loss (nats)", "bits": "mean loss (bits)", "norm": "gradient's norm"}
    if quantity == "loss" and records[0].bits is None:
        names["loss"] = "mean loss"
    if quantity == "norm" and (values > 0).all():
        ax.set_yscale("log")
    label(ax, "Training", "step", names[quantity])
    if ax.get_legend_handles_labels()[1]:
        ax.legend()
    return TrainingCurve(ax, steps, values, smooth, validation_steps, validation)


def _records(history: Any) -> list[Record]:
    """The records of a history that has some."""
    from cybptt.train import History

    if not isinstance(history, History):
        need = "a History, as cybptt.train.fit() returns"
        raise wrong_type("history", describe(history), need)
    if not history.records:
        raise wrong_value("history", "no steps", "a run of one step at least")
    return history.records


def _check_name(name: Any) -> None:
    if not (name is None or isinstance(name, str)):
        raise wrong_type("name", describe(name), "a str, or None")


def _running_mean(values: Array, window: int) -> Array:
    """The mean of each value and those before it, so many in all."""
    padded = np.concatenate([[0.0], values.cumsum()])
    end = np.arange(1, len(values) + 1)
    begin = np.maximum(0, end - window)
    return np.asarray((padded[end] - padded[begin]) / (end - begin))


def forced_and_free(
    rnn: RNN,
    params: Parameters,
    x: ArrayLike,
    y: ArrayLike,
    *,
    h0: ArrayLike | None = None,
    y0: ArrayLike | None = None,
    state: State | None = None,
    lengths: ArrayLike | None = None,
    ax: Axes | None = None,
) -> ForcedAndFree:
    """Draw L(t), :eq:`10.13`, when each step is given y(t−1) and when the model runs free, C.5.

    The distance between the two lines is what teacher forcing hides: a model that has only ever
    been given the truth may not stand its own mistakes.

    Parameters
    ----------
    rnn : RNN
        With an output recurrence.
    params, x
        As in `RNN.forward`.
    y : array_like
        As in `RNN.total_loss`.
    h0, y0, state, lengths
        As in `RNN.forward`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new ones when not given.

    Returns
    -------
    ForcedAndFree
        The axes and what is drawn on them.

    Raises
    ------
    ImportError
        Without matplotlib.
    TypeError, ValueError, PluginError
        As `RNN.forward` and `RNN.step_losses`, and for a model without an output recurrence.

    Examples
    --------
    >>> import cybptt, numpy as np
    >>> from matplotlib.figure import Figure
    >>> rnn = cybptt.RNN(2, 8, 2, recurrence="output", inputs="tokens")
    >>> params = rnn.init(0)
    >>> x = np.random.default_rng(0).integers(2, size=(100, 20, 32))
    >>> y = x.cumsum(axis=1) % 2                    # has the number of ones so far been odd?
    >>> _ = cybptt.train.fit(
    ...     rnn, params, list(zip(x, y)), optimizer=cybptt.optim.Adam(lr=0.02), carry=False
    ... )
    >>> drawn = cybptt.plot.forced_and_free(rnn, params, x[0], y[0], ax=Figure().subplots())
    >>> bool(drawn.mean_forced[-1] < drawn.mean_free[-1])       # o is unlike any y
    True
    """
    from cybptt.rnn import RNN

    if not isinstance(rnn, RNN):
        raise wrong_type("rnn", describe(rnn), "an RNN")
    if rnn.recurrence == "hidden":
        raise wrong_value("rnn", repr(rnn), "recurrence='output' or 'both'")
    if y is None:
        raise wrong_type("y", "None", "the targets")
    losses, means = [], []
    for forcing in (True, False):
        trace = rnn.forward(
            params, x, h0=h0, y=y, y0=y0, state=state, lengths=lengths, teacher_forcing=forcing
        )
        rows = by_sequence(trace, rnn.step_losses(trace, y)).astype(np.float64)
        rows[past_the_end(trace)] = np.nan
        means.append(mean_of_running(rows))
        losses.append(rows[:, 0] if trace._run.layout.single else rows)
    ax = axes(ax)
    T = len(means[0])
    t = np.arange(1, T + 1)
    many = losses[0].ndim == 2 and losses[0].shape[1] > 1
    for loss, mean, style, name in zip(
        losses, means, STYLES, ("forced: given y(t−1)", "running free"), strict=False
    ):
        if many and loss.shape[1] <= 100:
            ax.plot(t, loss, color=style["color"], linewidth=0.4, alpha=0.25)
        ax.plot(t, mean, **style, linewidth=2, marker=marker(T), ms=4, label=name)
    steps_axis(ax, 1, T)
    title = "Loss at each step, forced and free"
    label(ax, title, "step t", "L(t), mean of the sequences" if many else "L(t)")
    ax.legend()
    return ForcedAndFree(ax, t, losses[0], losses[1], means[0], means[1])
