"""What an optimizer checks: its settings whenever they are set, its vectors at every step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from cybptt._validate import FLOATS, describe, real_number, wrong_type, wrong_value
from cybptt.optim._updates import within

if TYPE_CHECKING:
    from cybptt.parameters import Parameters

Vector: TypeAlias = "Parameters | NDArray[Any]"
T = TypeVar("T")

# A vector goes by blocks: what is made on the way stays small, and Ctrl-C is heard between two.
BLOCK = 65536

LARGEST = {dtype: float(np.finfo(dtype).max) for dtype in FLOATS}


class Setting(Generic[T]):
    """A hyperparameter that is checked whenever it is set."""

    def __init__(self, check: Callable[[str, Any], T]) -> None:
        self.check = check

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> T:
        if instance is None:
            return self  # type: ignore[return-value]  # what help() and the documentation look at
        value: T = instance.__dict__[self.name]
        return value

    def __set__(self, instance: Any, value: T) -> None:
        instance.__dict__[self.name] = self.check(self.name, value)


def number(need: str, accepts: Callable[[float], bool]) -> Callable[[str, Any], float]:
    """A check for a float that is accepted; `need` says which are."""

    def check(name: str, value: Any) -> float:
        if isinstance(value, np.ndarray):
            raise wrong_type(name, describe(value), need)
        converted = real_number(name, value, need)
        if not accepts(converted):
            raise wrong_value(name, describe(value), need)
        return converted

    return check


positive = number("a finite number > 0", lambda v: 0 < v < math.inf)
not_negative = number("a finite number ≥ 0", lambda v: 0 <= v < math.inf)
fraction = number("a number in [0, 1)", lambda v: 0 <= v < 1)


def flat_vector(name: str, value: Vector) -> NDArray[Any]:
    """The flat vector of Parameters, or the array itself."""
    vector = getattr(value, "vector", value)
    if not isinstance(vector, np.ndarray):
        raise wrong_type(name, describe(value), "Parameters or a 1-D array")
    if vector.dtype not in FLOATS:  # which are native
        raise wrong_type(name, describe(vector), "native float32 or float64")
    if vector.ndim != 1:
        raise wrong_value(name, describe(vector), "one axis")
    if not vector.flags.aligned or vector.strides[0] % vector.itemsize:
        raise wrong_value(name, "values that are not aligned", "aligned ones: a copy of them, say")
    return vector


def check_writeable(name: str, vector: NDArray[Any]) -> None:
    """Refuse an array that cannot be changed in place."""
    if not vector.flags.writeable:
        raise wrong_value(name, "a read-only array", "one that can be written to")


def all_finite(vector: NDArray[Any]) -> bool:
    """Whether every value of a flat vector is a finite number."""
    return within(vector, LARGEST[vector.dtype])


def refuse_gradient(
    grad: Vector, fits: Callable[[NDArray[Any]], NDArray[np.bool_]], need: str
) -> None:
    """Raise if a value does not fit: the first by its place, and how many in each parameter."""
    parts = {"": grad} if isinstance(grad, np.ndarray) else dict(grad.items())
    first, counts = "", []
    for name, part in parts.items():
        wrong = np.argwhere(~fits(part))
        if len(wrong):
            index = ", ".join(str(i) for i in wrong[0])
            place = f"{name}[{index}]" if name else f"index {index}"
            first = first or f"grad: got {part[tuple(wrong[0])]!s} at {place}, need {need}"
            counts.append(f"{len(wrong)} of {part.size}" + (f" in {name}" if name else ""))
    if first:
        raise FloatingPointError(f"{first}; it is so for {', '.join(counts)}")
