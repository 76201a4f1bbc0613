"""What the functions of a plugin may be given as: checked when it is made, and kept as callables.

A Python callable and a ufunc are kept as they are. C pointers, and the ufuncs of a loss's terms,
become objects of the core that can be called on arrays like the others.
"""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np

from cybptt import _core
from cybptt._c_pointers import ELEMENTWISE, LOSS, is_pointer, pointers
from cybptt._validate import FLOATS, describe, wrong_type, wrong_value


def check_name(name: str) -> None:
    """Refuse what can't be a plugin's name."""
    if not isinstance(name, str):
        raise wrong_type("name", describe(name), "a str that is not empty")
    if not name.strip():
        raise wrong_value("name", repr(name), "a str that is not empty")


def check_callable(part: str, function: Any) -> None:
    """Refuse what can't be called. A C function alone can, but not on arrays."""
    if is_pointer(function):
        raise wrong_type(part, describe(function), "C functions by dtype, {np.float64: …}")
    if not callable(function):
        raise wrong_type(part, describe(function), "a callable that takes and gives arrays")


def elementwise(part: str, given: Any) -> Any:
    """An activation's function or derivative as the plugin keeps it."""
    if isinstance(given, Mapping):
        return _core.PointerFunction(part, pointers(part, given, ELEMENTWISE))
    check_function(part, given, 1)
    return given


def check_function(part: str, function: Any, n_in: int) -> None:
    """Refuse what can't be called on n_in arrays to give one of their shape and dtype."""
    check_callable(part, function)
    if _core.is_ufunc(function):
        _check_ufunc(part, function, n_in)


def loss_parts(value: Any, gradient: Any, targets: str) -> tuple[Any, Any]:
    """A loss's value and gradient as the plugin keeps them."""
    given = {"value": value, "gradient": gradient}
    classes = targets == "classes"
    found: dict[str, Any] = {}
    ufuncs: dict[str, Any] = {}
    for part, function in given.items():
        if isinstance(function, Mapping):
            found[part] = pointers(part, function, LOSS, "intptr_t" if classes else "")
            continue
        check_function(part, function, 2)
        if _core.is_ufunc(function):
            if classes:
                need = "a callable or C functions, for targets='classes'"
                raise wrong_value(part, f"the ufunc {function.__name__!r}", need)
            ufuncs[part] = function
    # Both halves know the loss's other half: the core can have it from either in one call.
    for part in found:
        given[part] = _core.PointerLoss(found.get("value"), found.get("gradient"), classes, part)
    for part in ufuncs:
        given[part] = _core.UfuncLoss(ufuncs.get("value"), ufuncs.get("gradient"), part)
    return given["value"], given["gradient"]


def _check_ufunc(part: str, f: Any, n_in: int) -> None:
    if (f.nin, f.nout) != (n_in, 1) or getattr(f, "signature", None) is not None:
        got = f"the ufunc {f.__name__!r} of {f.nin} inputs and {f.nout} outputs"
        raise wrong_value(part, got, f"an elementwise one of {n_in} and 1")
    if not isinstance(f, np.ufunc):
        _compile(f)
    elif not any(_gives(f, dtype) for dtype in FLOATS):
        need = f"one with a loop {'d' * n_in}->d or {'f' * n_in}->f"
        raise wrong_type(part, f"the ufunc {f.__name__!r} with {loops(f)}", need)


def _compile(f: Any) -> None:
    """Have Numba make the loops that its @vectorize would leave until they are called for.

    A call alone does not do: float32 arrays go to a float64 loop that is there already.
    """
    for dtype, letter in (("float32", "f"), ("float64", "d")):
        if f"{letter * f.nin}->{letter}" not in f.types:
            with contextlib.suppress(Exception):  # its signatures were given: it takes no others
                f.add(f"{dtype}({', '.join([dtype] * f.nin)})")


def _gives(f: np.ufunc, dtype: Any) -> bool:
    """Whether NumPy has a loop for arrays of the dtype that gives that dtype, or objects."""
    try:
        given = f.resolve_dtypes((*[dtype] * f.nin, None))[-1]
    except TypeError:
        return False
    return given in (dtype, np.dtype(object))


def loops(f: Any) -> str:
    """The loops of a ufunc, for a message."""
    text = ", ".join(f.types) or "none"
    return f"the loops {text if len(text) <= 60 else text[:60] + '…'}"


def value_range(value: Any) -> tuple[float, float]:
    """A loss's target_range as the plugin keeps it."""
    need = "two numbers, the smallest and the largest y"
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        low, high = (float(bound) for bound in value)
    except (TypeError, ValueError):
        raise wrong_type("target_range", describe(value), need) from None
    if not low < high:
        raise wrong_value("target_range", describe(value), need)
    return low, high


def check_picklable(kind: str, name: str, parts: dict[str, Any]) -> None:
    """Raise an error that names the plugin and the part that can't be pickled."""
    for part, function in parts.items():
        try:
            pickle.dumps(function)
        except Exception as error:
            raise pickle.PicklingError(
                f"{kind} {name!r}: {part}: got {describe(function)}, need one that pickle can"
                f" import, or a registered {kind} ({type(error).__name__}: {error})"
            ) from error


def with_parameter(name: str, default: float, value: float) -> str:
    """A factory's name for what it makes: plain for the default, otherwise name(value)."""
    return name if value == default else f"{name}({value!r})"
