"""The one validator in front of the core.

Every function here takes a value as a user gave it and returns what the core can read without a
further look: C-contiguous, aligned, native, of the right dtype and shape. What is not right raises
``ValueError`` or ``TypeError`` with a message of one form,

    <argument>: got <what came>, need <what is needed>

before anything is computed or changed. Nothing here writes to what it was given.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def describe(value: Any) -> str:
    """What came, in a few words."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    text = repr(value)
    return text if len(text) <= 60 else f"{type(value).__name__} {text[:50]}…"


def wrong_value(name: str, got: str, need: str) -> ValueError:
    """A ValueError of the project's form."""
    return ValueError(f"{name}: got {got}, need {need}")


def wrong_type(name: str, got: str, need: str) -> TypeError:
    """A TypeError of the project's form."""
    return TypeError(f"{name}: got {got}, need {need}")


# ---------------------------------------------------------------------- scalars


def integer(name: str, value: Any, low: int, high: int | None = None) -> int:
    """An int in low … high."""
    need = f"an integer ≥ {low}" if high is None else f"an integer in {low} … {high}"
    if isinstance(value, bool | np.bool_):
        raise wrong_type(name, describe(value), need)
    try:
        number = operator.index(value)
    except TypeError:
        raise wrong_type(name, describe(value), need) from None
    if number < low or (high is not None and number > high):
        raise wrong_value(name, describe(value), need)
    return number


def positive_number(name: str, value: Any) -> float:
    """A finite float > 0."""
    need = "a finite number > 0"
    number = real_number(name, value, need)
    if not (number > 0 and math.isfinite(number)):
        raise wrong_value(name, describe(value), need)
    return number


def real_number(name: str, value: Any, need: str) -> float:
    """A float, from a number or an array of no axes."""
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise wrong_value(name, describe(value), need) from None
    raw = array(name, value, "iuf", need)
    if raw.ndim:
        raise wrong_type(name, describe(value), need)
    return float(raw)


def choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """One of a few words."""
    need = " or ".join([", ".join(map(repr, choices[:-1])), repr(choices[-1])])
    if not isinstance(value, str):
        raise wrong_type(name, describe(value), need)
    if value not in choices:
        raise wrong_value(name, describe(value), need)
    return str(value)


def boolean(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise wrong_type(name, describe(value), "True or False")
    return bool(value)


def float_dtype(name: str, value: Any) -> np.dtype[Any]:
    """float32 or float64, native."""
    need = "float32 or float64"
    if value is None:
        raise wrong_type(name, "None", need)
    try:
        dtype = np.dtype(value)
    except TypeError:
        raise wrong_type(name, describe(value), need) from None
    if dtype.newbyteorder("=") not in FLOATS:
        raise wrong_value(name, describe(value), need)
    return FLOATS[dtype.itemsize == 8]


def seed(name: str, value: Any) -> None:
    """An int ≥ 0, a NumPy Generator, or None; what an unused one costs is this look alone."""
    if value is None or isinstance(value, np.random.Generator):
        return
    integer(name, value, 0)


def generator(name: str, value: Any) -> np.random.Generator:
    """A NumPy Generator from an int, a Generator, or None."""
    seed(name, value)
    return value if isinstance(value, np.random.Generator) else np.random.default_rng(value)


# ---------------------------------------------------------------------- arrays


def array(name: str, value: Any, kinds: str, need: str) -> Array:
    """An array of one of NumPy's kinds of dtype ("biuf"), as it came."""
    if value is None:
        raise wrong_type(name, "None", need)
    try:
        out = np.asarray(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise wrong_value(name, f"{describe(value)} ({error})", need) from None
    if out.dtype.kind not in kinds:
        if out.size == 0 and not isinstance(value, np.ndarray):
            return out.astype(np.intp)  # an empty list is of no dtype in particular
        listed = isinstance(value, list | tuple)  # of what, says more than what
        raise wrong_type(name, f"dtype {out.dtype}" if listed else describe(value), need)
    return out


def contiguous(name: str, values: Array, dtype: Any) -> Array:
    """The same values, C-contiguous, aligned, native: a copy only where they are not."""
    flags = values.flags
    if values.dtype == dtype and flags.c_contiguous and flags.aligned and values.dtype.isnative:
        return values  # nearly always
    try:
        # Too large for float32 is inf, as NumPy's.
        with np.errstate(over="ignore", under="ignore"):
            out: Array = np.require(values, np.dtype(dtype), ["C", "A"])
    except ValueError:  # a broadcast array whose size in bytes no address can hold
        raise wrong_value(name, describe(values), "an array that fits in memory") from None
    return out


def numbers(name: str, value: Any, dtype: Any, need: str = "an array of real numbers") -> Array:
    """Real numbers as an array of `dtype`."""
    return contiguous(name, array(name, value, "biuf", need), dtype)


def shaped(name: str, value: Any, dtype: Any, shape: tuple[int, ...], letters: str) -> Array:
    """Real numbers of exactly this shape; `letters` is the shape in the book's letters."""
    raw = array(name, value, "biuf", f"real numbers of shape {letters}")
    if raw.shape != shape:
        raise wrong_value(name, describe(raw), f"shape {letters} = {shape}")
    return contiguous(name, raw, dtype)


def intp(name: str, values: Array, need: str) -> Array:
    """Integers as an array of intp, always of its own.

    They are indices: what is checked must be what is read, whatever another thread, or a plugin,
    writes into the caller's array meanwhile.
    """
    values = contiguous(name, values, values.dtype.newbyteorder("="))
    if values.dtype == np.uint64 and values.size and values.max() > np.iinfo(np.intp).max:
        raise wrong_value(name, f"{values.max()}", need)
    return np.array(values, np.intp, order="C")


def in_range(name: str, values: Array, low: int, high: int, what: str) -> None:
    """Refuse the first of `values` that isn't in low … high."""
    bad = (values < low) | (values > high)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        place = where[0] if len(where) == 1 else where
        at = f" at index {place}" if values.ndim else ""
        raise wrong_value(name, f"{values[where]}{at}", f"{what} in {low} … {high}")


def check_size(name: str, *sizes: int) -> None:
    """Refuse sizes whose product, in bytes, no array could have."""
    if math.prod(max(1, s) for s in sizes) > np.iinfo(np.intp).max // 16:
        raise wrong_value(name, " × ".join(map(str, sizes)), "sizes whose product fits in memory")
