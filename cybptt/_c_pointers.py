"""C functions given as pointers, one a dtype: their signatures are checked, once.

A pointer comes as a ctypes function with its argtypes, as Numba's cfunc, as SciPy's
``LowLevelCallable``, or as the capsule in which Cython's ``__pyx_capi__`` holds a function: each
says what its arguments are. Neither SciPy nor Numba is imported for it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cybptt import _core
from cybptt._validate import describe, wrong_type, wrong_value

# What a C function must be: T is float or double, Y what a loss's y holds.
ELEMENTWISE = "void (const {T} *in, {T} *out, intptr_t n)"
LOSS = "void (const {T} *o, const {Y} *y, {T} *value, {T} *grad_o, intptr_t N, intptr_t O)"
TYPES = {"float32": "float", "float64": "double"}

CTYPES_FUNCTION = ctypes.CFUNCTYPE(None).__bases__[0]  # what all of ctypes' functions are

# The integers that are as wide as a pointer, as C and ctypes write them.
_WORD = ctypes.sizeof(ctypes.c_ssize_t)
_INTEGERS = {
    "long": ctypes.c_long,
    "long long": ctypes.c_longlong,
    "longlong": ctypes.c_longlong,
    "int": ctypes.c_int,
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
}
INTPTR = {"intptr_t", "Py_ssize_t", "ssize_t", "npy_intp", "ptrdiff_t"} | {
    name for name, kind in _INTEGERS.items() if ctypes.sizeof(kind) == _WORD
}


@dataclass(frozen=True, order=True)
class Pointer:
    """The address of a C function; what it was given as is kept, for that owns the code."""

    address: int
    owner: Any = field(compare=False, repr=False)


def is_pointer(value: Any) -> bool:
    """Whether a value is a C function of a kind that is known here."""
    try:
        return _signature_and_address(value) is not None
    except (AttributeError, TypeError):
        return False


Pointers = tuple[Pointer | None, Pointer | None]  # float32's, float64's


def pointers(part: str, given: Mapping[Any, Any], signature: str, y: str = "") -> Pointers:
    """The pointers of a plugin's part, or an error that says why not.

    `signature` is one of those above; `y` is the type of a loss's y, where it is not T.
    """
    found: dict[str, Pointer] = {}
    need = "C functions by dtype, {np.float64: …, np.float32: …}, or one of the two"
    for key, value in given.items():
        try:
            name = np.dtype(key).name
        except TypeError:
            name = ""
        if name not in TYPES:
            raise wrong_type(part, f"{describe(key)} as a dtype", need)
        accepted = signature.format(T=TYPES[name], Y=y or TYPES[name])
        found[name] = _pointer(f"{part}[{name}]", value, accepted)
    if not found:
        raise wrong_value(part, describe(given), need)
    return found.get("float32"), found.get("float64")


def _pointer(label: str, value: Any, accepted: str) -> Pointer:
    try:
        found = _signature_and_address(value)
    except AttributeError:
        found = None
    if found is None:
        kinds = "a ctypes function with argtypes, a Numba cfunc or a scipy.LowLevelCallable"
        kinds += " without user_data"
        raise wrong_type(label, describe(value), f"{accepted}, as {kinds}")
    signature, address = found
    if address == 0:
        raise wrong_value(label, "NULL", accepted)
    if _plain(signature) != _plain(accepted):
        raise wrong_type(label, repr(signature), repr(accepted))
    return Pointer(address, value)


def _signature_and_address(value: Any) -> tuple[str, int] | None:
    """What a C function says it is, and where; None for what is no C function, or does not say."""
    if isinstance(value, tuple) and hasattr(value, "user_data"):  # a scipy.LowLevelCallable
        if value.user_data is not None:
            return None
        return _core.capsule(tuple.__getitem__(value, 0))
    if isinstance(value, CTYPES_FUNCTION):
        return _of_ctypes(value)
    if isinstance(function := getattr(value, "ctypes", None), CTYPES_FUNCTION):
        return _of_ctypes(function)  # a Numba cfunc
    return _core.capsule(value)


def _of_ctypes(function: Any) -> tuple[str, int] | None:
    address = ctypes.cast(function, ctypes.c_void_p).value or 0
    if function.argtypes is None:
        return None
    arguments = ", ".join(_c_name(kind) for kind in function.argtypes)
    return f"{_c_name(function.restype)} ({arguments})", address


def _c_name(kind: Any) -> str:
    """A ctypes type as C writes it."""
    if kind is None:
        return "void"
    name = kind.__name__
    stars = "*" * name.count("LP_")
    return f"{name.replace('LP_', '').removeprefix('c_')} {stars}".strip()


def _plain(signature: str) -> list[str]:
    """The types alone: without const, the names of the arguments and spaces."""
    result, _, arguments = signature.partition("(")
    types = []
    for argument in [result, *arguments.rstrip(") ").split(",")]:
        words = argument.replace("const", " ").partition("*")[0].split()
        stars = "*" * argument.count("*")
        # "intptr_t n": the last word is a name, unless it belongs to the type.
        known = next((w for w in (" ".join(words), " ".join(words[:-1])) if w in INTPTR), None)
        types.append(("intptr_t" if known else " ".join(words)) + stars)
    return types
