"""Sequences of different lengths as one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cybptt import _validate as check

Array = NDArray[Any]


def pad(sequences: Sequence[ArrayLike]) -> tuple[Array, Array]:
    """Put sequences of different lengths into one time-major array, zeros past their ends.

    Parameters
    ----------
    sequences : sequence of array_like, each of shape (T_i, I) or (T_i,)
        All (T_i, I) with one I, or all (T_i,): tokens, labels or scalars. T_i may be 0.

    Returns
    -------
    x : ndarray, shape (T, B, I) or (T, B)
        T the longest length, B how many; the widest dtype given.
    lengths : ndarray of int, shape (B,)

    Raises
    ------
    ValueError, TypeError
        For no sequences, and for sequences that disagree in I or are not numbers.

    Notes
    -----
    It has no equation: the book's sequences are not batched.

    Examples
    --------
    >>> import cybptt
    >>> x, lengths = cybptt.pad([[1, 2, 3], [4]])
    >>> x
    array([[1, 4],
           [2, 0],
           [3, 0]])
    >>> lengths
    array([3, 1])
    """
    arrays = arrays_of("sequences", sequences)
    lengths = np.array([len(array) for array in arrays], np.intp)
    shape = (int(lengths.max()), len(arrays), *arrays[0].shape[1:])
    check.check_size("sequences", *shape)
    x = np.zeros(shape, np.result_type(*arrays))
    for i, array in enumerate(arrays):
        x[: len(array), i] = array
    return x, lengths


def arrays_of(name: str, sequences: Any) -> list[Array]:
    """Each sequence as an array, looked at as `pad` says."""
    need = "a list of arrays of shape (T_i, I) or (T_i,)"
    try:
        items = list(sequences)
    except TypeError:
        raise check.wrong_type(name, check.describe(sequences), need) from None
    if isinstance(sequences, str | bytes) or not items:
        raise check.wrong_value(name, check.describe(sequences), f"{need}, one at least")
    arrays: list[Array] = []
    for i, item in enumerate(items):
        array = check.array(f"{name}[{i}]", item, "biuf", "numbers of shape (T_i, I) or (T_i,)")
        shape = (arrays[0] if arrays else array).shape
        if array.ndim not in (1, 2) or array.shape[1:] != shape[1:]:
            first = f"as {name}[0], of shape {shape}"
            raise check.wrong_value(
                f"{name}[{i}]", check.describe(array), f"(T_i, I) or (T_i,), {first}"
            )
        arrays.append(array)
    # An empty list is of no dtype in particular.
    typed = [
        array
        for array, item in zip(arrays, items, strict=True)
        if array.size or isinstance(item, np.ndarray)
    ]
    dtype = np.result_type(*typed) if typed else np.dtype(np.intp)
    return [array if array.size else array.astype(dtype) for array in arrays]
