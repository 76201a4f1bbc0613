"""Functions of Python that a traced program calls."""

from __future__ import annotations

import atexit
import itertools
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from cybptt.jax import _ffi

Array = NDArray[Any]

jax.ffi.register_ffi_target("cybptt", _ffi.handler(), platform="cpu")


@atexit.register
def _end() -> None:
    """Of the programs that are under way, those with effects are waited for, as JAX does."""
    try:
        jax.effects_barrier()
    finally:
        _ffi.end()


_free = itertools.count()  # places: programs are traced in several threads


class Function:
    """A function of arrays that a traced program may call; they vary over the same axes.

    Parameters
    ----------
    function : callable
        ``function(constant, *arrays) -> list of arrays``: of those it is given it may not keep any.
    """

    def __init__(self, function: Callable[..., list[Array]]) -> None:
        self._function = function
        self._places: dict[Hashable, int] = {}  # in _ffi.functions, of each constant

    def __call__(self, constant: Hashable, results: list[tuple[Any, Any]], *arrays: Any) -> Any:
        """Put a call into the program that is traced; results: a shape and a dtype of each."""
        place = self._places.setdefault(constant, next(_free))
        _ffi.functions[place] = partial(self._function, constant)
        like = [jax.ShapeDtypeStruct(*result) for result in results]
        call = jax.ffi.ffi_call("cybptt", like, vmap_method="sequential")
        found = call(*arrays, place=np.int64(place))
        return [varying(array, axes_of(arrays[0])) for array in found]


def axes_of(array: Any) -> frozenset[Any]:
    """The axes of a mesh over which it varies, for ``jax.shard_map``."""
    if not hasattr(jax, "typeof"):  # jax 0.5
        return frozenset()
    kind = jax.typeof(array)
    if hasattr(kind, "manual_axis_type"):
        return frozenset(kind.manual_axis_type.varying)
    return getattr(kind, "vma", frozenset())  # before jax 0.10


def varying(array: Any, over: frozenset[Any]) -> Any:
    """The same, said to vary over those axes; its gradient is summed over those that are new."""
    new = tuple(over - axes_of(array))
    if not new:
        return array
    if hasattr(jax.lax, "pcast"):
        return jax.lax.pcast(array, new, to="varying")
    return jax.lax.pvary(array, new)  # jax 0.6 to 0.8
