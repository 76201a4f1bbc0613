"""Calling a plugin: what comes back is checked, what goes wrong names the plugin and the step.

A plugin in C (this build's, a ufunc's loops, C pointers) is called by the core. One written in
Python is given arrays of its own, and what it returns is copied: it can write to them, keep them or
return them again, and no node, nor anything of the caller's, changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cybptt import _core
from cybptt._plugin_parts import loops
from cybptt._validate import describe
from cybptt.activations import Activation
from cybptt.errors import PluginError
from cybptt.losses import Loss

Array = NDArray[Any]

# Where a plugin is called for all rows, not for one step's.
WHOLE = "on all steps at once"

# How many values of all steps a plugin written in Python is given in one call.
VALUES_AT_ONCE = 32_768


# ---------------------------------------------------------------------- what is C's


def c_function(
    plugin: Activation | Loss, part: str, dtype: DTypeLike
) -> _core.BlockFunction | None:
    """The plugin's function `part` for a dtype as C, to be called without the lock, or None.

    "pullback" is f′(x) g of an activation, x what its derivative is of: only this build's have it.
    """
    if part == "pullback":
        derivative = getattr(plugin, "derivative", None)
        if not isinstance(derivative, _core.Function):
            return None
        name = derivative.name.removesuffix("_derivative")
        return _core.Function(f"{name}_pullback", derivative.parameter)
    c = _in_c(getattr(plugin, part))
    return c if isinstance(c, _core.BlockFunction) and _has(c, dtype) else None


def c_loss(loss: Loss, dtype: DTypeLike | None = None) -> _core.LossFunction | None:
    """The one C function that gives the loss's values and gradients for a dtype, or None.

    Without a dtype, for both.
    """
    value, gradient = _in_c(loss.value), _in_c(loss.gradient)
    if not isinstance(value, _core.LossFunction) or not isinstance(gradient, _core.LossFunction):
        return None
    if type(value) is not type(gradient) or value.of != gradient.of:
        return None
    dtypes = (np.float32, np.float64) if dtype is None else (dtype,)
    return value if all(_has(value, each) for each in dtypes) else None


def _in_c(function: Any) -> _core.BlockFunction | _core.LossFunction | None:
    """A plugin's function as C, for the dtypes that it has; None if it is Python's."""
    if isinstance(function, _core.BlockFunction | _core.LossFunction):
        return function
    return _core.UfuncFunction(function) if _core.is_ufunc(function) else None


def takes_float32(function: Any) -> bool:
    """Whether it does not come as C pointers for float64 alone."""
    pointers = isinstance(function, _core.PointerFunction | _core.PointerLoss)
    return not pointers or _has(function, np.float32)


def _has(c: _core.BlockFunction | _core.LossFunction, dtype: DTypeLike) -> bool:
    return np.dtype(dtype).name in c.dtypes


# ---------------------------------------------------------------------- calls


def call(
    plugin: Activation | Loss,
    part: str,
    arrays: tuple[Array, ...],
    shape: tuple[int, ...],
    where: str = WHOLE,
) -> Array:
    """The plugin's function `part` on arrays, checked to be of `shape` and of the arrays' dtype."""
    function: Callable[..., Array] = getattr(plugin, part)
    if isinstance(function, _core.Function | _core.BuiltInLoss):
        return function(*arrays)
    c, dtype, size = _in_c(function), arrays[0].dtype, len(arrays[0])
    if c is not None and _has(c, dtype):
        with named(plugin, part, where):
            return c(*arrays)
    out = np.empty(shape, dtype)
    # A plugin promises to go row by row: it is given blocks of rows that stay in the cache.
    step = max(1, VALUES_AT_ONCE * size // max(1, arrays[0].size))
    for start in range(0, max(1, size), step):
        rows = slice(start, start + step)
        with named(plugin, part, where) as label:
            block = in_python(function, *(array[rows].copy() for array in arrays))
        out[rows] = _checked(function, block, out[rows].shape, dtype, label)
    return out


def run(function: Callable[..., Array], *arrays: Array) -> Array:
    """What a plugin's function gives, as C where it has that for the first array's dtype."""
    c = _in_c(function)
    if c is not None and _has(c, arrays[0].dtype):
        return c(*arrays)
    return in_python(function, *arrays)


def in_python(function: Callable[..., Array], *arrays: Array) -> Array:
    """What a plugin's function gives as a Python callable; a ufunc over objects, in numbers."""
    if isinstance(function, np.ufunc):
        return _core.called_in_python(function, *arrays)
    return function(*arrays)


def _checked(
    function: Any, out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], label: str
) -> Array:
    if isinstance(out, np.ndarray) and out.shape == shape and out.dtype == dtype:
        return out
    got = describe(out) if isinstance(out, np.ndarray) else type(out).__name__
    if _core.is_ufunc(function):
        got += f" of a ufunc with {loops(function)}"
    raise PluginError(f"{label}: got {got}, need an array of shape {shape} and dtype {dtype}")


@contextmanager
def named(plugin: Activation | Loss, part: str, where: str) -> Iterator[str]:
    """Let what goes wrong inside say which plugin's, which part of it, and where."""
    label = _label(plugin, part, where)
    try:
        yield label
    except BaseException as error:
        _raise(label, error)


def _label(plugin: Activation | Loss, part: str, where: str) -> str:
    kind = "activation" if isinstance(plugin, Activation) else "loss"
    return f"{kind} {plugin.name!r}: {part}, {where}"


def _raise(label: str, error: BaseException) -> NoReturn:
    if isinstance(error, Exception):
        raise PluginError(f"{label}: raised {type(error).__name__}: {error}") from error
    error.add_note(f"({label})")  # Ctrl-C goes on its way, with a word on where it came
    raise error


# ---------------------------------------------------------------------- calls in the loops


def in_loop(
    plugin: Activation | Loss, part: str, first_step: int | None, n_in: int = 1
) -> _core.BlockFunction:
    """The plugin's function `part` as the core's loops call it.

    The loop's step 0 is `first_step` of the whole; None where its one step is all of them.
    """
    c = _in_c(getattr(plugin, part))
    if isinstance(c, _core.Function):
        return c
    assert not isinstance(c, _core.LossFunction)
    return _core.PythonFunction(InLoop(plugin, part, first_step), n_in, c)


class InLoop:
    """A function that the core's loops call with a step, and arrays that are its own."""

    __slots__ = ("first_step", "function", "part", "plugin")

    def __init__(self, plugin: Activation | Loss, part: str, first_step: int | None) -> None:
        self.plugin, self.part, self.first_step = plugin, part, first_step
        self.function: Callable[..., Array] = getattr(plugin, part)

    def __call__(self, step: int, *blocks: Array) -> Array:
        """What it gives, in C order; the core copies it."""
        block = blocks[0]
        shape, dtype = block.shape, block.dtype
        try:
            out = in_python(self.function, *blocks)
        except BaseException as error:
            self.raised(step, error)
        if type(out) is np.ndarray and out.shape == shape and out.dtype == dtype:
            return out
        return _checked(self.function, out, shape, dtype, self.label(step))

    def label(self, step: int) -> str:
        """Which plugin's, which part of it, and which step."""
        where = WHOLE if self.first_step is None else f"step {self.first_step + step}"
        return _label(self.plugin, self.part, where)

    def raised(self, step: int, error: BaseException) -> NoReturn:
        """Raise what it raised, with a word on where."""
        _raise(self.label(step), error)
