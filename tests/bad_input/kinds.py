"""What can be wrong with a value: its kind of type, its shape, its range."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

Error = type[Exception]
ANYTHING = "…"  # for `shows`: what comes is said in words that are not the value's


class Bad(NamedTuple):
    """A value that must be refused: what is wrong with it, and the error that says so."""

    kind: str
    value: Any
    error: Error | tuple[Error, ...]
    shows: str = ""  # what of it must stand in the message; found from the value where empty
    inner: Any = None  # the part of the value that is bad, where it is not all of it


def none() -> Iterator[Bad]:
    """For what can't be left out."""
    yield Bad("None", None, TypeError)


def not_numbers(good: Any) -> Iterator[Bad]:
    """Arrays and other things in whose place real numbers are needed; `good` is the right shape."""
    shape = np.shape(good)
    yield Bad("complex", np.zeros(shape, complex), TypeError)
    yield Bad("objects", np.full(shape, "1", object), TypeError)
    yield Bad("numbers as objects", np.zeros(shape).astype(object), TypeError)
    yield Bad("words", np.full(shape, "1"), TypeError)
    yield Bad("bytes", np.full(shape, b"1"), TypeError)
    yield Bad("dates", np.zeros(shape, "datetime64[s]"), TypeError)
    yield Bad("durations", np.zeros(shape, "timedelta64[s]"), TypeError)
    yield Bad("records", np.zeros(shape, [("a", float)]), TypeError)
    yield Bad("raw bytes", np.zeros(shape, "V8"), TypeError)
    yield Bad("a complex list", np.zeros(shape, complex).tolist(), TypeError)
    yield Bad("a word", "one", TypeError)
    yield Bad("a dict", {}, TypeError)
    yield Bad("a set", {1.0}, TypeError)
    yield Bad("a function", np.zeros, TypeError)
    yield Bad("a generator", (i for i in range(3)), TypeError)
    yield Bad("a ragged list", [[1.0], [1.0, 2.0]], ValueError)
    yield Bad("a list with None", [None, 1.0], TypeError)
    yield Bad("an integer beyond any dtype", [10**40], TypeError)


def not_integers(good: Any) -> Iterator[Bad]:
    """The same where integers are needed."""
    yield from not_numbers(good)
    shape = np.shape(good)
    yield Bad("floats", np.zeros(shape), TypeError)
    yield Bad("float16", np.zeros(shape, np.float16), TypeError)
    yield Bad("booleans", np.zeros(shape, bool), TypeError)


def not_booleans(good: Any) -> Iterator[Bad]:
    """The same where a mask is needed."""
    yield from not_numbers(good)
    yield Bad("floats", np.zeros(np.shape(good)), TypeError)
    yield Bad("integers", np.zeros(np.shape(good), int), TypeError)


def wrong_shapes(good: Any, without: tuple[str, ...] = ()) -> Iterator[Bad]:
    """The numbers of `good` in other shapes, but for the kinds `without`."""
    good = np.asarray(good)
    shapes: dict[str, Any] = {"one axis more": good[None], "two axes more": good[None, ..., None]}
    if good.ndim:
        shapes["one axis fewer"] = good[0] if len(good) else np.zeros(good.shape[1:], good.dtype)
        shapes["no axes"] = good.dtype.type(0)
        shapes["an empty array"] = np.zeros((0,) * good.ndim, good.dtype)
    if good.shape != good.T.shape:
        shapes["transposed"] = good.T
    if good.ndim > 1:
        shapes["flat"] = good.ravel()
    for axis in range(good.ndim):
        index = np.arange(good.shape[axis])
        shapes[f"one more on axis {axis}"] = good.take([*index, 0], axis)
        shapes[f"one fewer on axis {axis}"] = good.take(index[1:], axis)
    assert set(without) <= set(shapes), f"{without} of {set(shapes)}"
    for kind, value in shapes.items():
        if kind not in without and np.shape(value) != good.shape:
            yield Bad(kind, value, ValueError)


def wrong_labels(good: Any, n: int, counts: tuple[int, ...]) -> Iterator[Bad]:
    """Labels outside 0 … n − 1 at the index `counts`."""
    for value, dtype in (
        (-1, np.int64),
        (-1, np.int8),
        (n, np.int64),
        (n, np.uint8),
        (np.iinfo(np.int64).min, np.int64),
        (np.iinfo(np.int64).max, np.int64),
        (np.iinfo(np.uint64).max, np.uint64),
        (2**63, np.uint64),
    ):
        labels = np.array(good).astype(dtype)
        labels[counts] = value
        yield Bad(f"{value} of {np.dtype(dtype)}", labels, ValueError, str(value))


def not_an_integer(low: int | None, high: int | None = None) -> Iterator[Bad]:
    """Where one integer in low … high is needed."""
    yield Bad("a float", 2.0, TypeError)
    yield Bad("NaN", np.nan, TypeError)
    yield Bad("a word", "2", TypeError)
    yield Bad("a boolean", True, TypeError)
    yield Bad("NumPy's boolean", np.True_, TypeError)
    yield Bad("a complex number", 2j, TypeError)
    yield Bad("a list", [2], TypeError)
    yield Bad("an array", np.array([2, 3]), TypeError)
    yield Bad("a float array", np.array(2.0), TypeError)
    if low is not None:
        yield Bad("too small", low - 1, ValueError)
        yield Bad("far too small", -(2**80), ValueError)
    if high is not None:
        yield Bad("too large", high + 1, ValueError)
        yield Bad("far too large", 2**80, ValueError)


def not_a_number() -> Iterator[Bad]:
    """Where one real number is needed."""
    yield Bad("a word", "1.0", TypeError)
    yield Bad("a word in an array", np.array("1.0"), TypeError)
    yield Bad("bytes", b"1", TypeError)
    yield Bad("an object in an array", np.array(1.0, object), TypeError)
    yield Bad("a complex number", 1j, TypeError)
    yield Bad("a complex number in an array", np.array(1 + 0j), TypeError)
    yield Bad("a boolean", True, TypeError)
    yield Bad("a list", [1.0], TypeError)
    yield Bad("a ragged list", [[1.0], [1.0, 2.0]], (TypeError, ValueError))
    yield Bad("an array", np.ones(2), TypeError)
    yield Bad("a date", np.datetime64("2000-01-01"), TypeError)
    yield Bad("a function", np.zeros, TypeError)
    yield Bad("NaN", np.nan, ValueError)


def not_positive() -> Iterator[Bad]:
    """Where a finite number > 0 is needed."""
    yield from not_a_number()
    yield Bad("0", 0, ValueError)
    yield Bad("-0.0", -0.0, ValueError)
    yield Bad("a negative number", -1.0, ValueError)
    yield Bad("infinity", np.inf, ValueError)
    yield Bad("an integer that no float holds", 10**400, ValueError)


def not_a_flag() -> Iterator[Bad]:
    """Where True or False is needed."""
    for value in (1, 0.0, "True", [], np.array([True, False]), np.zeros):
        yield Bad(f"{value!r}", value, TypeError)


def not_a_word() -> Iterator[Bad]:
    """Where one of a few words is needed."""
    for value in (3, 1.5, True, b"all", ["all"], np.array("all"), len):
        yield Bad(f"{value!r}", value, TypeError)
    for value in ("", "nothing", "ALL", "all "):
        yield Bad(f"{value!r}", value, ValueError)


def not_a_seed() -> Iterator[Bad]:
    """Where an int ≥ 0, a Generator or None is needed."""
    yield from (bad for bad in not_an_integer(0))
    yield Bad("NumPy's older generator", np.random.RandomState(0), TypeError)
    yield Bad("a bit generator", np.random.PCG64(0), TypeError)
    yield Bad("a generator of Python's", iter([1]), TypeError)


def not_callable() -> Iterator[Bad]:
    """Where a function is needed."""
    for value in (3, "tanh", [len], np.zeros(2)):
        yield Bad(f"{value!r}", value, TypeError)


def not_a_path() -> Iterator[Bad]:
    """Where a file's name is needed."""
    for value in (None, 10**6, 1.5, ["a"], np.zeros(2), len):
        yield Bad(f"{value!r}", value, TypeError)
    yield Bad("an empty name", "", ValueError)
    yield Bad("a name with a zero byte", "a\0b", ValueError)
