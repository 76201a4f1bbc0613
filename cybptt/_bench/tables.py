"""A race as lines of a table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from cybptt._bench.cells import Cell
from cybptt._bench.race import Result

__all__ = ["duration", "grid_head", "grid_line", "mean_ratio", "peers_of", "ratio"]


def peers_of(labels: Iterable[str]) -> list[str]:
    """Whom ours is held against: the frameworks, or NumPy where there are none."""
    others = [label for label in labels if not label.startswith("cybptt")]
    frameworks = [label for label in others if label not in ("numpy", "gemm")]
    return frameworks or [label for label in others if label == "numpy"]


def duration(seconds: float) -> str:
    """Seconds with three digits and their unit, 8 characters."""
    units = ((1.0, "s "), (1e-3, "ms"), (1e-6, "µs"))
    unit, name = next((pair for pair in units if seconds >= 0.9995 * pair[0]), units[-1])
    number = seconds / unit
    decimals = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:5.{decimals}f} {name}"


def ratio(values: Sequence[float]) -> str:
    """The median of the rounds' ratios, and their range."""
    middle, low, high = statistics.median(values), min(values), max(values)
    decimals = 2 if middle < 9.995 else 1
    return f"{middle:5.{decimals}f} × ({low:.{decimals}f} – {high:.{decimals}f})"


def grid_head(labels: Sequence[str]) -> str:
    """The line above `grid_line`'s."""
    peers = peers_of(labels)
    best = "the best peer's" if len(peers) > 1 else f"{peers[0]}'s"
    sizes = f"{'cell':8} {'B':>4} {'T':>6} {'I':>4} {'H':>4} {'O':>4}"
    names = "".join(f"{label:>12}" for label in labels)
    return f"{sizes} {names}  {'peak':>5}  {best} time over ours"


def grid_line(cell: Cell, result: Result) -> str:
    """A cell's times, our share of the peak, and the ratio."""
    sizes = f"{cell.name:8} {cell.B:4} {cell.T:6} {cell.I:4} {cell.H:4} {cell.O:4}"
    labels = [label for label in result.times if label != "gemm"]
    times = "".join(f"{duration(result.median(label)):>12}" for label in labels)
    share = statistics.median(result.shares(cell.flops))
    against = ratio(result.ratios(peers_of(result.times)))
    return f"{sizes} {times}  {share:5.0%}  {against}"


def mean_ratio(results: Iterable[Result]) -> float:
    """The geometric mean of the cells' median ratios."""
    return statistics.geometric_mean(
        statistics.median(result.ratios(peers_of(result.times))) for result in results
    )
