"""`gradcheck`: a model's gradients held against finite differences of its loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cybptt import _inputs
from cybptt import _validate as check
from cybptt._differences import Comparison, compare
from cybptt.description import Description
from cybptt.rnn import Options

if TYPE_CHECKING:
    from cybptt.parameters import Parameters
    from cybptt.rnn import RNN
    from cybptt.trace import Gradients

Array = NDArray[Any]


@dataclass(frozen=True)
class GradcheckRow:
    """One parameter or node of a `GradcheckReport`: its worst coordinate.

    Attributes
    ----------
    name : str
        Such as "W" or "h0".
    size, checked : int
        How many coordinates there are, and how many were differenced.
    worst : tuple of int
        The index of the largest error.
    analytic, numeric : float
        The gradient there, and the finite difference.
    error : float
        Their distance, relative to the larger of the two; where both are small, relative to the
        largest gradient of the model, or to 1 if that is more.
    ok : bool
        Whether all coordinates agree.
    """

    name: str
    size: int
    checked: int
    worst: tuple[int, ...]
    analytic: float
    numeric: float
    error: float
    ok: bool


@dataclass(frozen=True)
class GradcheckReport:
    """What `gradcheck` found: true where every gradient is right, readable as text.

    Attributes
    ----------
    rows : tuple of GradcheckRow
        A row for each parameter and node.
    tolerance : float
        What was allowed.

    Examples
    --------
    >>> import cybptt, numpy as np
    >>> rnn = cybptt.RNN(1, 2, 2)
    >>> report = cybptt.gradcheck(rnn, rnn.init(0), np.ones((3, 1)), [0, 1, 0])
    >>> bool(report), report.error < 1e-8
    (True, True)
    """

    rows: tuple[GradcheckRow, ...]
    tolerance: float

    def __bool__(self) -> bool:
        return all(row.ok for row in self.rows)

    @property
    def error(self) -> float:
        """The largest relative error."""
        return max((row.error for row in self.rows), default=0.0)

    def __str__(self) -> str:
        lines = [
            f"{'':4} {'checked':>13} {'worst at':>12} {'analytic':>14} {'numeric':>14} {'error':>8}"
        ]
        for row in self.rows:
            at = ", ".join(map(str, row.worst)) if row.checked else "-"
            lines.append(
                f"{row.name:4} {f'{row.checked} of {row.size}':>13} {at:>12} {row.analytic:14.6g}"
                f" {row.numeric:14.6g} {row.error:8.1e}  {'ok' if row.ok else 'WRONG'}"
            )
        return "\n".join(lines)


def gradcheck(
    rnn: RNN,
    params: Parameters,
    x: ArrayLike,
    y: ArrayLike,
    *,
    tolerance: float = 1e-6,
    max_coordinates: int = 50,
    **options: Any,
) -> GradcheckReport:
    """Hold every gradient of a model against finite differences of its loss.

    The gradients of `RNN.backward` and of `RNN.value_and_grad`, :eq:`10.22` to :eq:`10.28`,
    :eq:`C.2`, :eq:`C.3` and :eq:`C.7`, against central differences of L, :eq:`10.13`, in float64.

    Parameters
    ----------
    rnn : RNN
    params : Parameters
        Where to look; taken to float64.
    x, y : array_like
        As in `RNN.value_and_grad`.
    tolerance : float
        How far a gradient may be off, relative as in `GradcheckRow`, beyond what the rounding of L
        explains.
    max_coordinates : int
        How many coordinates of each array are differenced, ≥ 1; of a larger array, so many drawn
        at random, always the same.
    **options
        h0, y0, state, lengths, weights, reduction, teacher_forcing, seed and checkpoint, as in
        `RNN.value_and_grad`.

    Returns
    -------
    GradcheckReport
        False where a gradient is wrong.

    Raises
    ------
    ValueError, TypeError, PluginError
        As `RNN.value_and_grad`.

    Examples
    --------
    >>> import cybptt, numpy as np
    >>> rnn = cybptt.RNN(1, 2, 2)
    >>> report = cybptt.gradcheck(rnn, rnn.init(0), np.ones((3, 1)), [0, 1, 0])
    >>> [row.name for row in report.rows]
    ['U', 'W', 'V', 'b', 'c', 'x', 'h0']
    """
    if not isinstance(rnn, Description):
        raise check.wrong_type("rnn", check.describe(rnn), "an RNN")
    tolerance = check.positive_number("tolerance", tolerance)
    max_coordinates = check.integer("max_coordinates", max_coordinates, 1)
    problem = _Problem(rnn, rnn._own(params).astype(np.float64), x, y, _fixed(options))
    grad, nodes = problem.gradients()
    gradients = {name: [grad[name], nodes.parameters[name]] for name in grad}
    for name in ("x", "h0", "y0"):
        if (gradient := getattr(nodes, name)) is not None:
            gradients[name] = [gradient]
    rng = np.random.default_rng(0)
    chosen = {name: _chosen(pair[0], max_coordinates, rng) for name, pair in gradients.items()}
    places = [(name, index) for name, indices in chosen.items() for index in indices]
    points = np.array([problem.array(name)[index] for name, index in places])
    # Of two answers that should be one, the one that is farther off decides.
    rows: dict[str, GradcheckRow] = {}
    for which in (0, -1):
        given = np.array([gradients[name][which][index] for name, index in places])
        held = compare(problem.at(places), points, given, tolerance)
        for name, pair in gradients.items():
            here = [i for i, place in enumerate(places) if place[0] == name]
            row = _row(name, pair[0].size, here, places, given, held)
            if which == 0 or (not row.ok, row.error) > (not rows[name].ok, rows[name].error):
                rows[name] = row
    return GradcheckReport(tuple(rows.values()), tolerance)


def _fixed(options: dict[str, Any]) -> dict[str, Any]:
    """The options, with a seed that draws the same at every call."""
    fixed = dict(options)
    if isinstance(fixed.get("seed"), np.random.Generator):
        fixed["seed"] = int(fixed["seed"].integers(2**63))
    elif fixed.get("seed") is None:
        fixed["seed"] = 0
    known = set(Options.__annotations__) - {"out"}
    if unknown := sorted(set(options) - known):
        raise check.wrong_type("options", unknown[0], f"some of {', '.join(sorted(known))}")
    return fixed


class _Problem:
    """A loss of parameters, x, h0 and y0, in float64."""

    def __init__(
        self, rnn: RNN, params: Parameters, x: Any, y: Any, options: dict[str, Any]
    ) -> None:
        self.rnn, self.params, self.y, self.options = rnn, params, y, options
        # Checked here, so that what is wrong is said of the arguments as they came.
        layout, _ = _inputs.sequences(rnn, params.dtype, x, options.get("lengths"))
        start = _inputs.start(
            rnn,
            layout,
            params.dtype,
            options.get("h0"),
            options.get("y0"),
            options.get("state"),
        )
        self._known: dict[tuple[str, tuple[int, ...], float], float] = {}
        self.state = options.get("state")
        tokens = rnn.inputs == "tokens"
        self.nodes: dict[str, Array] = {"x": np.array(x, None if tokens else np.float64)}
        self.nodes["h0"] = np.array(layout.unsort(start.h))
        if start.fed is not None:
            self.nodes["y0"] = np.array(layout.unsort(start.fed))

    def loss(self, params: Parameters, nodes: dict[str, Array]) -> float:
        """L, by the fast path."""
        loss, _ = self.rnn.value_and_grad(params, nodes["x"], self.y, **self._options(nodes))
        return float(loss)

    def _options(self, nodes: dict[str, Array]) -> dict[str, Any]:
        options = dict(self.options)
        if self.state is None:
            return options | {name: nodes[name] for name in ("h0", "y0") if name in nodes}
        return options | {"state": replace(self.state, h=nodes["h0"])}

    def gradients(self) -> tuple[Parameters, Gradients]:
        """Both paths' gradients."""
        options = self._options(self.nodes)
        _, grad = self.rnn.value_and_grad(self.params, self.nodes["x"], self.y, **options)
        loss = {k: options.pop(k) for k in ("weights", "reduction") if k in options}
        for name in ("checkpoint", "n_threads"):
            options.pop(name, None)
        y = {} if self.rnn.recurrence == "hidden" else {"y": self.y}
        trace = self.rnn.forward(self.params, self.nodes["x"], **y, **options)
        nodes = self.rnn.backward(trace, self.y, **loss)
        if self.state is not None:  # y0 is then one of two parts of the state
            nodes = replace(nodes, y0=None)
        return grad, nodes

    def array(self, name: str) -> Array:
        """A parameter or node."""
        return self.params[name] if name in self.params else self.nodes[name]

    def at(self, places: list[tuple[str, tuple[int, ...]]]) -> Callable[[Array], Array]:
        """L as a function of the coordinates at `places`, each alone."""

        def loss(values: Array) -> Array:
            pairs = zip(places, values, strict=True)
            return np.array([self.loss_at(*place, float(v)) for place, v in pairs])

        return loss

    def loss_at(self, name: str, index: tuple[int, ...], value: float) -> float:
        """L with another value in one coordinate of a parameter or node."""
        key = (name, index, value)
        if key not in self._known:
            params, nodes = self.params, dict(self.nodes)
            if name in params:
                params = params.copy()
                params[name][index] = value
            else:
                nodes[name] = nodes[name].copy()
                nodes[name][index] = value
            self._known[key] = self.loss(params, nodes)
        return self._known[key]


def _chosen(array: Array, most: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """The coordinates to look at: all, or so many at random."""
    flat = np.arange(array.size)
    if array.size > most:
        flat = np.sort(rng.choice(array.size, most, replace=False))
    return [tuple(int(i) for i in np.unravel_index(k, array.shape)) for k in flat]


def _row(
    name: str,
    size: int,
    here: list[int],
    places: list[tuple[str, tuple[int, ...]]],
    given: Array,
    held: Comparison,
) -> GradcheckRow:
    """The row of the coordinates numbered `here`."""
    if not here:
        return GradcheckRow(name, size, 0, (), 0.0, 0.0, 0.0, True)
    worst = max(here, key=lambda i: (held.wrong[i], held.error[i]))
    return GradcheckRow(
        name,
        size,
        len(here),
        places[worst][1],
        float(given[worst]),
        float(held.numeric[worst]),
        float(held.error[worst]),
        not held.wrong[here].any(),
    )
