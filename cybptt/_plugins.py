"""Calling a plugin: what comes back is checked, what goes wrong names the plugin and the step.

A plugin written in Python is given arrays of its own, and what it returns is copied: it can write
to them, keep them or return them again, and no node, nor anything of the caller's, changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cybptt import _core
from cybptt._validate import describe
from cybptt.activations import Activation
from cybptt.errors import PluginError
from cybptt.losses import Loss

Array = NDArray[Any]

# Where a plugin is called for all rows, not for one step's.
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
    if isinstance(function, _core.Function | _core.LossFunction):
        return function(*arrays)
    with named(plugin, part, where) as label:
        out = function(*(array.copy() for array in arrays))
    dtype = arrays[0].dtype
    if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != dtype:
        got = describe(out) if isinstance(out, np.ndarray) else type(out).__name__
        raise PluginError(f"{label}: got {got}, need an array of shape {shape} and dtype {dtype}")
    return np.array(out, order="C")


@contextmanager
def named(plugin: Activation | Loss, part: str, where: str) -> Iterator[str]:
    """Let what goes wrong inside say which plugin's, which part of it, and where."""
    kind = "activation" if isinstance(plugin, Activation) else "loss"
    label = f"{kind} {plugin.name!r}: {part}, {where}"
    try:
        yield label
    except Exception as error:
        raise PluginError(f"{label}: raised {type(error).__name__}: {error}") from error
    except BaseException as interrupt:  # Ctrl-C goes on its way, with a word on where it came
        interrupt.add_note(f"({label})")
        raise


def in_loop(
    plugin: Activation | Loss, part: str, first_step: int | None, n_in: int = 1
) -> _core.BlockFunction:
    """The plugin's function `part` as the core's loops call it.

    The loop's step 0 is `first_step` of the whole; None where its one step is all of them.
    """
    function = getattr(plugin, part)
    if isinstance(function, _core.Function):
        return function

    def python(step: int, *blocks: Array) -> Array:
        where = WHOLE if first_step is None else f"step {first_step + step}"
        return call(plugin, part, blocks, blocks[0].shape, where)

    return _core.PythonFunction(python, n_in)
