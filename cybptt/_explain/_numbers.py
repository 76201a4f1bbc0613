"""Numbers as they are written: rounded to so many decimals, shorter where they are exact."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LARGE = 1e6  # from here on, a power of ten


def written(value: Any, decimals: int) -> str:
    """One number: 0.4621, 0.5 where it is exactly that, 1.2e−07, ∞, nan."""
    number = float(value)
    if not math.isfinite(number):
        return "nan" if math.isnan(number) else ("−∞" if number < 0 else "∞")
    if number == 0:
        return "0"
    text = f"{number:.{decimals}f}"
    # 0.1 + 0.6 is meant to be 0.7, though it is that only to the last bit or two.
    exact = abs(number - float(text)) <= 4 * np.finfo(np.asarray(value).dtype).eps * abs(number)
    if (not exact and abs(number) < 10.0 ** (1 - decimals)) or abs(number) >= LARGE:
        # A few digits that count, for none would be left, or too many.
        mantissa, exponent = f"{number:.{max(1, decimals - 2)}e}".split("e")
        text = f"{mantissa}e{'-' if exponent[0] == '-' else ''}{exponent[1:].zfill(2)}"
    elif exact:
        text = text.rstrip("0").rstrip(".")
    return text.replace("-", "−")


def table(values: Array, decimals: int) -> list[list[str]]:
    """A matrix's numbers, those of a column under each other by their decimal points."""
    rows = [[written(value, decimals) for value in row] for row in values]
    columns = [_aligned(list(column)) for column in zip(*rows, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def _aligned(column: list[str]) -> list[str]:
    parts = [text.partition(".") for text in column]
    left = max(len(whole) for whole, _, _ in parts)
    right = max(len(point + rest) for _, point, rest in parts)
    return [whole.rjust(left) + (point + rest).ljust(right) for whole, point, rest in parts]


def latex_number(text: str) -> str:
    """A written number in LaTeX."""
    text = text.strip().replace("−", "-").replace("∞", r"\infty").replace("nan", r"\mathrm{nan}")
    mantissa, e, exponent = text.partition("e")
    return rf"{mantissa} \times 10^{{{int(exponent)}}}" if e and exponent else text
