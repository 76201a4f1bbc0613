"""What the pictures of matplotlib share: the axes, the styles, and what a trace holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cybptt._validate import describe, integer, wrong_type, wrong_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cybptt.trace import Trace

Array = NDArray[Any]

# Okabe and Ito's colours, told apart by all eyes; and by their lines where there are no colours.
BLUE, GREY = "#0072B2", "#7f7f7f"
STYLES: list[dict[str, Any]] = [
    {"color": "#0072B2", "linestyle": "-"},
    {"color": "#D55E00", "linestyle": "--"},
    {"color": "#009E73", "linestyle": "-."},
    {"color": "#CC79A7", "linestyle": ":"},
    {"color": "#000000", "linestyle": (0, (5, 1, 1, 1, 1, 1))},
    {"color": "#E69F00", "linestyle": (0, (8, 2))},
]
MARKERS = "os^Dvp"
COLOURS = "viridis"  # it grows lighter all the way, in grey as well
THIN: dict[str, Any] = {"color": GREY, "linewidth": 0.6, "zorder": 1.5}
BOUND: dict[str, Any] = {"color": "black", "linewidth": 0.9, "linestyle": (0, (1, 2))}
NOTE_SIZE = "small"


def axes(ax: Any) -> Axes:
    """The axes to draw on: those given, or new ones in a figure of their own."""
    try:
        from matplotlib.axes import Axes
    except ImportError:
        raise ImportError(
            "this picture is drawn by the matplotlib package, which is not installed: "
            "pip install 'cybptt[plot]'"
        ) from None
    if ax is None:
        from matplotlib import pyplot

        return pyplot.subplots(layout="constrained")[1]
    if not isinstance(ax, Axes):
        raise wrong_type("ax", describe(ax), "Axes of matplotlib, or None")
    return ax


def label(ax: Axes, title: str, x: str, y: str, note: str = "") -> None:
    """Title, with a note under it in small type, and the names of the axes."""
    import matplotlib as mpl

    ax.set_title(title, pad=22 if note else None)
    if note:
        side = mpl.rcParams["axes.titlelocation"]
        ax.annotate(
            note, ({"left": 0, "center": 0.5, "right": 1}[side], 1), (0, 5),
            xycoords="axes fraction", textcoords="offset points",
            ha=side, va="bottom", fontsize=NOTE_SIZE,
        )  # fmt: skip
    ax.set_xlabel(x)
    ax.set_ylabel(y)


def steps_axis(ax: Axes, first: int, last: int) -> None:
    """Whole numbers for the steps of time, and no room beside them."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if last > first:
        ax.set_xlim(first, last)


def log_scale(ax: Axes, values: Array) -> None:
    """A logarithmic axis, where there is something to show on it."""
    if (values > 0).any():
        ax.set_yscale("log")


def positive(values: Array) -> Array:
    """What a logarithmic axis can show: a gap in the place of 0."""
    return np.where(values > 0, values, np.nan)


def marker(n: int) -> str:
    """Few steps are points, many are a line."""
    return "o" if n <= 30 else ""


def checked_trace(trace: Any) -> Trace:
    """A trace, and nothing else."""
    from cybptt.trace import Trace

    if not isinstance(trace, Trace):
        raise wrong_type("trace", describe(trace), "a Trace, as rnn.forward() returns")
    return trace


def lengths_of(trace: Trace) -> Array:
    """The steps of each sequence, (B,)."""
    layout = trace._run.layout
    return np.full(layout.B, layout.T) if layout.lengths is None else layout.lengths


def by_sequence(trace: Trace, node: Array) -> Array:
    """A node's array with its B axis, also for one sequence."""
    return np.expand_dims(node, 1) if trace._run.layout.single else node


def chosen_sequence(trace: Trace, sequence: Any) -> int:
    """The index of a sequence that has a step."""
    layout = trace._run.layout
    if layout.B == 0:
        raise wrong_value("trace", "no sequences", "one at least")
    n = integer("sequence", sequence, 0, layout.B - 1)
    if lengths_of(trace)[n] == 0:
        raise wrong_value("sequence", f"{n}, which has no steps", "a sequence of one step at least")
    return n


def mean_of_running(values: Array) -> Array:
    """The mean over the sequences that are not at their end, (T,), of (T, B) with NaN past it."""
    there = ~np.isnan(values)
    count = there.sum(axis=1)
    total = np.where(there, values, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def past_the_end(trace: Trace) -> Array:
    """(T, B): whether a step is past a sequence's length."""
    layout = trace._run.layout
    return np.asarray(np.arange(layout.T)[:, None] >= lengths_of(trace))
