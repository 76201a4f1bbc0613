"""What a plugin is held to when it is registered: its derivatives, and its manners."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cybptt._differences import compare
from cybptt._plugins import call, named, run, takes_float32
from cybptt.activations import Activation
from cybptt.errors import DerivativeError
from cybptt.losses import Loss

Array = NDArray[Any]

TOLERANCE = 1e-6
WHERE = "while it was checked"
# Rows and outputs that a loss is tried with.
ROWS, OUTPUTS = 24, 4


def check_activation(activation: Activation) -> None:
    """Hold f′ against f, :eq:`10.9` and :eq:`C.1`, and see that both are elementwise and behave.

    Parameters
    ----------
    activation : Activation

    Raises
    ------
    DerivativeError
        Saying where, what was got and what is needed.
    PluginError
        If the plugin raises, or returns an array of another shape or dtype.
    """
    points = _points()
    with np.errstate(all="ignore"):
        h = _try(activation, "function", (points,))
        if not np.isfinite(h).any():
            _refuse(activation, "function", "no finite value at any point", "finite values")
        _elementwise(activation, "function", points, h)
        of = h if activation.derivative_of == "output" else points
        slope = _try(activation, "derivative", (of,))
        _elementwise(activation, "derivative", of, slope)

        def function(a: Array) -> Array:
            return call(activation, "function", (a,), a.shape, WHERE)

        held = compare(function, points, slope, TOLERANCE)
        if held.wrong.any():
            i = np.unravel_index(np.argmax(np.where(held.wrong, held.error, -1)), h.shape)
            at = f"a = {points[i]:g}"
            _refuse_derivative(activation, "derivative", at, slope[i], held.numeric[i])
        if not (takes_float32(activation.function) and takes_float32(activation.derivative)):
            return
        narrow = points.astype(np.float32)
        h_32 = _float32(activation, "function", (narrow,), points, h)
        of = h_32 if activation.derivative_of == "output" else narrow
        _float32(activation, "derivative", (of,), points, slope)


def check_loss(loss: Loss) -> None:
    """Hold the gradient against the value, :eq:`10.18`, and link_vjp against the link, :eq:`C.6`.

    Parameters
    ----------
    loss : Loss

    Raises
    ------
    DerivativeError
        Saying where, what was got and what is needed.
    PluginError
        If the plugin raises, or returns an array of another shape or dtype.
    """
    rng = np.random.default_rng(0)
    o = np.concatenate([rng.normal(size=(ROWS - 4, OUTPUTS)), rng.normal(0, 8, (4, OUTPUTS))])
    y = _targets(loss, rng)
    with np.errstate(all="ignore"):
        value = _try(loss, "value", (o, y), (ROWS,))
        if not np.isfinite(value).any():
            _refuse(loss, "value", "no finite value at any point", "finite values")
        gradient = _try(loss, "gradient", (o, y), o.shape)
        _rowwise(loss, "value", (o, y), value)
        _rowwise(loss, "gradient", (o, y), gradient)
        for j in range(OUTPUTS):

            def of_column(column: Array, j: int = j) -> Array:
                return call(loss, "value", (_with(o, j, column), y), (ROWS,), WHERE)

            held = compare(of_column, o[:, j], gradient[:, j], TOLERANCE)
            if held.wrong.any():
                n = int(np.argmax(np.where(held.wrong, held.error, -1)))
                at = f"o = {_text(o[n])}, y = {_text(y[n])}, output {j}"
                _refuse_derivative(loss, "gradient", at, gradient[n, j], held.numeric[n])
        if takes_float32(loss.value) and takes_float32(loss.gradient):
            y_32 = y if loss.targets == "classes" else y.astype(np.float32)
            narrow = (o.astype(np.float32), y_32)
            _float32(loss, "value", narrow, o, value)
            _float32(loss, "gradient", narrow, o, gradient)
        if loss.link is not None:
            _check_link(loss, o, rng)
        _check_draws(loss, o)


def _check_link(loss: Loss, o: Array, rng: np.random.Generator) -> None:
    y_hat = _try(loss, "link", (o,))
    _rowwise(loss, "link", (o,), y_hat)
    o_32 = o.astype(np.float32)
    y_hat_32 = _float32(loss, "link", (o_32,), o, y_hat)
    if loss.link_vjp is None:
        return
    cotangent = rng.normal(size=o.shape)
    pulled = _try(loss, "link_vjp", (o, y_hat, cotangent))
    _rowwise(loss, "link_vjp", (o, y_hat, cotangent), pulled)
    _float32(loss, "link_vjp", (o_32, y_hat_32, cotangent.astype(np.float32)), o, pulled)
    for j in range(OUTPUTS):

        def of_column(column: Array, j: int = j) -> Array:
            moved = call(loss, "link", (_with(o, j, column),), o.shape, WHERE)
            return np.asarray((moved * cotangent).sum(axis=1))

        held = compare(of_column, o[:, j], pulled[:, j], TOLERANCE)
        if held.wrong.any():
            n = int(np.argmax(np.where(held.wrong, held.error, -1)))
            at = f"o = {_text(o[n])}, cotangent = {_text(cotangent[n])}, output {j}"
            _refuse_derivative(loss, "link_vjp", at, pulled[n, j], held.numeric[n])


def _check_draws(loss: Loss, o: Array) -> None:
    classes = loss.targets == "classes"
    shape = (ROWS,) if classes else o.shape
    for part in ("sample", "mode"):
        function = getattr(loss, part)
        if function is None:
            continue
        drawn = []
        for _ in range(2):
            arguments = (o.copy(), np.random.default_rng(0)) if part == "sample" else (o.copy(),)
            with named(loss, part, WHERE):
                drawn.append(np.asarray(function(*arguments)))
        y = drawn[0]
        if y.shape != shape or y.dtype.kind not in ("iu" if classes else "biuf"):
            need = f"{'integer labels' if classes else 'values'} of shape {shape}"
            _refuse(loss, part, f"an array of shape {y.shape} and dtype {y.dtype}", need)
        if not np.array_equal(y, drawn[1], equal_nan=not classes):
            _refuse(loss, part, "two results from two calls", "the same from the same generator")
        if classes and not (0 <= y.min() and y.max() < OUTPUTS):
            _refuse(loss, part, f"labels {y.min()} … {y.max()}", f"labels in 0 … {OUTPUTS - 1}")
        low, high = loss.target_range
        outside = (y < low) | (y > high)
        if not classes and outside.any():
            _refuse(loss, part, f"{y[outside][0]:g}", f"values in {low:g} … {high:g}")


# ---------------------------------------------------------------------- points and targets


def _points() -> Array:
    """Arguments a: where functions bend, kinks at whole numbers, and far out; (16, 32)."""
    rng = np.random.default_rng(0)
    whole = np.arange(-8.0, 9.0)
    far = np.array([-60.0, -30.0, -17.5, 17.5, 30.0, 60.0])
    small = np.array([-1e-3, -1e-7, 1e-7, 1e-3])
    drawn = rng.uniform(-6, 6, 512 - whole.size - far.size - small.size)
    return np.concatenate([whole, far, small, drawn]).reshape(16, 32)


def _targets(loss: Loss, rng: np.random.Generator) -> Array:
    if loss.targets == "classes":
        return rng.integers(OUTPUTS, size=ROWS)
    low, high = loss.target_range
    if np.isfinite(low) and np.isfinite(high):
        return rng.uniform(low, high, (ROWS, OUTPUTS))
    if np.isfinite(low):
        return low + rng.exponential(1.0, (ROWS, OUTPUTS))
    if np.isfinite(high):
        return high - rng.exponential(1.0, (ROWS, OUTPUTS))
    return rng.normal(size=(ROWS, OUTPUTS))


def _with(o: Array, j: int, column: Array) -> Array:
    out = o.copy()
    out[:, j] = column
    return out


# ---------------------------------------------------------------------- manners


def _try(
    plugin: Activation | Loss,
    part: str,
    arrays: tuple[Array, ...],
    shape: tuple[int, ...] | None = None,
) -> Array:
    """Call a function twice: shape and dtype, the same result, and nothing written to."""
    given = tuple(array.copy() for array in arrays)
    function = getattr(plugin, part)
    shape = arrays[0].shape if shape is None else shape
    first = call(plugin, part, arrays, shape, WHERE)
    with named(plugin, part, WHERE):
        second = np.array(run(function, *given))
    if any(a.tobytes() != g.tobytes() for a, g in zip(arrays, given, strict=True)):
        _refuse(plugin, part, "another input after the call than before", "not to be written to")
    if not np.array_equal(first, second, equal_nan=True):
        _refuse(plugin, part, "two results from two calls", "the same from the same input")
    return first


def _elementwise(activation: Activation, part: str, of: Array, whole: Array) -> None:
    """A value must depend on its own argument alone."""
    turned = call(activation, part, (np.ascontiguousarray(of[::-1, ::-1][1:]),), (15, 32), WHERE)
    if not np.allclose(turned, whole[::-1, ::-1][1:], rtol=1e-12, atol=1e-12, equal_nan=True):
        _refuse(activation, part, "values that depend on other elements", "an elementwise function")


def _rowwise(loss: Loss, part: str, arrays: tuple[Array, ...], whole: Array) -> None:
    """A row must depend on its own arguments alone."""
    for rows in (np.array([0]), np.arange(ROWS - 1)[::-1]):
        some = call(loss, part, tuple(a[rows] for a in arrays), whole[rows].shape, WHERE)
        if not np.allclose(some, whole[rows], rtol=1e-12, atol=1e-12, equal_nan=True):
            need = "each row from its own arguments"
            _refuse(loss, part, "rows that depend on other rows", need)


def _float32(
    plugin: Activation | Loss, part: str, narrow: tuple[Array, ...], points: Array, wide: Array
) -> Array:
    """What a function gives in float32: of that dtype, and what it gave in float64 at `points`."""
    got = _try(plugin, part, narrow, wide.shape)
    near = np.isclose(got, wide, rtol=1e-3, atol=1e-3) | ~np.isfinite(wide) | ~np.isfinite(got)
    # At a jump the two dtypes may stand on different sides.
    if np.mean(near) < 0.9:
        i = np.unravel_index(np.argmin(near), near.shape)
        letter = "a" if isinstance(plugin, Activation) else "o"
        at = f"{points[i]:g}" if isinstance(plugin, Activation) else _text(points[i[0]])
        need = f"{wide[i]:g}, as in float64"
        _refuse(plugin, part, f"{got[i]:g} in float32 at {letter} = {at}", need)
    return got


def _refuse(plugin: Activation | Loss, part: str, got: str, need: str) -> None:
    kind = "activation" if isinstance(plugin, Activation) else "loss"
    raise DerivativeError(f"{kind} {plugin.name!r}: {part}: got {got}, need {need}")


def _refuse_derivative(
    plugin: Activation | Loss, part: str, at: str, got: float, numeric: float
) -> None:
    need = f"{numeric:.9g} (finite differences; off by {abs(got - numeric):.2g})"
    _refuse(plugin, part, f"{got:.9g} at {at}", need)


def _text(row: Array) -> str:
    return np.array2string(np.asarray(row), precision=4, separator=", ")
