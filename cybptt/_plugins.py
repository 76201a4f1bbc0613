"""Calling a plugin: what comes back is checked, what goes wrong names the plugin and the step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cybptt import _core
from cybptt.activations import Activation
from cybptt.errors import PluginError
from cybptt.losses import Loss

Array = NDArray[Any]
WHOLE = "on all steps at once"


def call(
    plugin: Activation | Loss,
    part: str,
    arrays: tuple[Array, ...],
    shape: tuple[int, ...],
    where: str = WHOLE,
) -> Array:
    """The plugin's function `part` on arrays, checked to be of `shape` and of the arrays' dtype."""
    function: Callable[..., Array] = getattr(plugin, part)
    kind = "activation" if isinstance(plugin, Activation) else "loss"
    dtype = arrays[0].dtype
    if isinstance(function, _core.Function | _core.LossFunction):
        return function(*arrays)
    label = f"{kind} {plugin.name!r}: {part}, {where}"
    try:
        out = function(*arrays)
    except Exception as error:
        raise PluginError(f"{label}: raised {type(error).__name__}: {error}") from error
    except BaseException as interrupt:  # Ctrl-C goes on its way, with a word on where it came
        interrupt.add_note(f"({label})")
        raise
    if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != dtype:
        got = (
            f"an array of shape {out.shape} and dtype {out.dtype}"
            if isinstance(out, np.ndarray)
            else f"{type(out).__name__}"
        )
        raise PluginError(f"{label}: got {got}, need an array of shape {shape} and dtype {dtype}")
    # A result that is one of the arguments, or a view, is copied where it is used.
    return np.ascontiguousarray(out)


def in_loop(plugin: Activation | Loss, part: str, n_in: int = 1) -> _core.BlockFunction:
    """The plugin's function `part` as the core's loops call it."""
    function = getattr(plugin, part)
    if isinstance(function, _core.Function):
        return function

    def python(step: int, *blocks: Array) -> Array:
        return call(plugin, part, blocks, blocks[0].shape, f"step {step}")

    return _core.PythonFunction(python, n_in)
