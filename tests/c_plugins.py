"""Activations and losses of every kind, each the same formula: for the tests of plugins in C."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import Any

import numpy as np

import cybptt

C_TYPES = {np.float64: ctypes.c_double, np.float32: ctypes.c_float}


def elementwise(function: Callable[..., Any], dtype: Any) -> Any:
    """A C function ``void (const T *in, T *out, intptr_t n)`` that calls Python."""
    values = ctypes.POINTER(C_TYPES[dtype])

    def call(given: Any, out: Any, n: int) -> None:
        array = np.ctypeslib.as_array
        array(out, (n,))[...] = function(array(given, (n,)))

    return ctypes.CFUNCTYPE(None, values, values, ctypes.c_ssize_t)(call)


def loss(value: Any, gradient: Any, classes: bool, dtype: Any) -> Any:
    """A C function of a loss; ``calls`` holds which of value and gradient each call wanted."""
    T, n = ctypes.POINTER(C_TYPES[dtype]), ctypes.c_ssize_t
    kind = ctypes.CFUNCTYPE(None, T, ctypes.POINTER(n) if classes else T, T, T, n, n)
    calls: list[tuple[bool, bool]] = []

    def call(o: Any, y: Any, to_value: Any, to_gradient: Any, N: int, O: int) -> None:
        array = np.ctypeslib.as_array
        rows = array(o, (N, O)), array(y, (N,) if classes else (N, O))
        calls.append((bool(to_value), bool(to_gradient)))
        if to_value:
            array(to_value, (N,))[...] = value(*rows)
        if to_gradient:
            array(to_gradient, (N, O))[...] = gradient(*rows)

    function = kind(call)
    function.calls = calls  # type: ignore[attr-defined]
    return function


def by_dtype(make: Callable[..., Any], *arguments: Any) -> dict[Any, Any]:
    """A C function for each dtype."""
    return {dtype: make(*arguments, dtype) for dtype in C_TYPES}


def cosine(a: Any) -> Any:
    return np.cos(a)


def sine(a: Any) -> Any:
    return np.sin(a)


def half_square(o: Any, y: Any) -> Any:
    return ((o - y) ** 2).sum(axis=1) / 2


# The sine, whose derivative is a ufunc too, in Python and in C.
SINE = cybptt.Activation("sine in Python", sine, cosine)
OBJECTS = {f: np.frompyfunc(getattr(math, f), 1, 1) for f in ("sin", "cos")}
SINES: dict[str, Any] = {
    "ufuncs": lambda: (np.sin, np.cos),
    "C pointers": lambda: (by_dtype(elementwise, np.sin), by_dtype(elementwise, np.cos)),
    "a ufunc, Python": lambda: (np.sin, cosine),
    "Python, C pointers": lambda: (sine, by_dtype(elementwise, np.cos)),
    "ufuncs over objects": lambda: (OBJECTS["sin"], OBJECTS["cos"]),
}


def make_sine(kind: str) -> cybptt.Activation:
    return cybptt.Activation(f"sine: {kind}", *SINES[kind]())
