"""Sequences as users of scikit-learn have them, and as batches of `cybptt.RNN`.

An X is one of three things. A list, or an array of objects: sequences of shape (T_i, d), or (T_i,)
of scalars. An array of three axes: n sequences of T steps of d values. A table, with two axes: each
row is a sequence of scalars, or, for a tagger whose y has a label for each row, one of one step.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite, check_array
from sklearn.utils.validation import validate_data

from cybptt._validate import describe, wrong_type, wrong_value

Array = NDArray[Any]

_FLOATS = (np.float64, np.float32)
_NEED = (
    "an array (n, T, d), a list of arrays (T_i, d), or an array (n, T) whose rows are sequences of"
    " scalars"
)


@dataclass(frozen=True)
class Sequences:
    """n sequences, laid end to end: nothing is padded before a batch is made.

    Attributes
    ----------
    steps : ndarray, shape (N, d)
        The steps of all of them.
    lengths : ndarray of int, shape (n,)
    form : {"list", "objects", "array", "steps"}
        What they came as: so is given back what was computed for each step.
    """

    steps: Array
    lengths: Array
    form: str

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def n_inputs(self) -> int:
        """d."""
        return int(self.steps.shape[1])

    @cached_property
    def starts(self) -> Array:
        """Where each begins in `steps`, (n,)."""
        return np.cumsum(self.lengths) - self.lengths

    def rows(self, chosen: Array) -> tuple[Array, Array | None]:
        """Where the steps of some stand: (T, B); and their lengths, None where all have T.

        What stands past an end is the step of some other sequence.
        """
        lengths = self.lengths[chosen]
        T = int(lengths.max(initial=0))
        rows = self.starts[chosen] + np.arange(T)[:, None]
        if (lengths == T).all():
            return rows, None
        return np.minimum(rows, len(self.steps) - 1), lengths

    def take(self, chosen: Array) -> tuple[Sequences, Array]:
        """Some of them, in the order given; and where their steps stand here, (N',)."""
        lengths = self.lengths[chosen]
        ends = np.cumsum(lengths)
        rows = np.repeat(self.starts[chosen] - (ends - lengths), lengths) + np.arange(lengths.sum())
        return Sequences(self.steps[rows], lengths, self.form), rows

    def split(self, values: Array) -> Any:
        """What was computed for each step, (N, …), in the form in which the sequences came."""
        if self.form == "steps":
            return values
        if self.form == "array":
            T = len(values) // len(self)
            return values.reshape(len(self), T, *values.shape[1:])
        parts = [values[a : a + n] for a, n in zip(self.starts, self.lengths, strict=True)]
        return parts if self.form == "list" else as_objects(parts)


def as_objects(parts: list[Array]) -> Array:
    """A list as an array of objects, one axis, whatever their shapes."""
    out = np.empty(len(parts), object)
    for i, part in enumerate(parts):
        out[i] = part
    return out


# ---------------------------------------------------------------------- from what users have


def listed(value: Any, *, tables: bool = True) -> list[Any] | None:
    """What a list, a tuple or an array of objects has, where this is something for each sequence.

    None for all else: arrays of numbers; numbers in a list; and, if they shall count as `tables`,
    lists of one length in a list, such as ``[[1, 2], [3, 4]]``, as NumPy has it.
    """
    if not isinstance(value, list | tuple):
        if getattr(value, "ndim", None) != 1 or getattr(value, "dtype", None) != np.dtype("O"):
            return None
    elif tables and value and all(isinstance(item, list | tuple) for item in value):
        plain = not any(_has_parts(number) for item in value for number in item)
        if plain and len({len(item) for item in value}) == 1:
            return None
    items = list(value)
    return items if any(map(_has_parts, items)) else None


def _has_parts(item: Any) -> bool:
    return hasattr(item, "__len__") and not isinstance(item, str | bytes)


def read(estimator: Any, X: Any, *, first: bool, table: str = "rows") -> Sequences:
    """X as sequences, checked.

    Parameters
    ----------
    estimator : estimator
        At its `first` fit it is told ``n_features_in_`` and, in ``_table``, as what a table is read
        that X is; later it is held to both.
    X : array_like
    first : bool
    table : {"rows", "steps"}
        At the first fit: whether a table's rows are sequences of scalars, or of one step each.
    """
    # Lists fix no number of columns for what comes later.
    items = listed(X, tables=first or estimator._table == "steps")
    if items is not None:
        sequences = _of_list(items, "list" if isinstance(X, list | tuple) else "objects")
    elif getattr(X, "ndim", None) == 3:
        sequences = _of_array(X, estimator)
    else:
        return _of_table(estimator, X, first=first, table=table)
    if first:
        vars(estimator).pop("feature_names_in_", None)
        estimator.n_features_in_, estimator._table = sequences.n_inputs, None
    elif sequences.n_inputs != estimator.rnn_.n_inputs:
        got = f"sequences of {sequences.n_inputs} values a step"
        raise wrong_value("X", got, f"{estimator.rnn_.n_inputs} as at the first fit")
    return sequences


def _of_list(items: list[Any], form: str) -> Sequences:
    arrays = [_one(f"X[{i}]", item) for i, item in enumerate(items)]
    first = arrays[0]
    for i, array in enumerate(arrays):
        if array.shape[1:] != first.shape[1:]:
            need = f"(T_i, d) or (T_i,), as X[0], of shape {first.shape}"
            raise wrong_value(f"X[{i}]", describe(array), need)
    dtype = np.result_type(*(array.dtype for array in arrays))
    # Integers, booleans and the shortest floats: as scikit-learn has them.
    dtype = dtype if dtype in _FLOATS else np.dtype(np.float64)
    steps = np.concatenate(arrays, dtype=dtype)
    lengths = np.array([len(array) for array in arrays], np.intp)
    return Sequences(steps if steps.ndim == 2 else steps[:, None], lengths, form)


def _one(name: str, item: Any) -> Array:
    need = "real numbers of shape (T_i, d) or (T_i,)"
    try:
        array = np.asarray(item)
        if array.dtype == object:
            array = array.astype(np.float64)
    except (ValueError, TypeError) as error:
        raise wrong_value(name, f"{describe(item)} ({error})", need) from None
    if array.dtype.kind not in "biuf":
        raise wrong_type(name, describe(array), need)
    if array.ndim not in (1, 2):
        raise wrong_value(name, describe(array), need)
    _check_finite(name, array)
    return array


def _of_array(X: Any, estimator: Any) -> Sequences:
    array = check_array(
        X, allow_nd=True, dtype=_FLOATS, ensure_all_finite=False, estimator=estimator
    )
    _check_finite("X", array)
    n, T, d = array.shape
    return Sequences(array.reshape(n * T, d), np.full(n, T, np.intp), "array")


def _check_finite(name: str, array: Array) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = array[~np.isfinite(array)][0]
        need = "finite numbers; sequences of different lengths are a list, without padding"
        raise wrong_value(name, f"{'NaN' if np.isnan(bad) else bad}", need)


def _of_table(estimator: Any, X: Any, *, first: bool, table: str) -> Sequences:
    if first:
        estimator._table = table
    if estimator._table is not None:
        array = validate_data(estimator, X, dtype=_FLOATS, reset=first)
    else:
        array = check_array(X, dtype=_FLOATS, estimator=estimator, input_name="X")
        if estimator.rnn_.n_inputs != 1:
            need = f"sequences of {estimator.rnn_.n_inputs} values a step: {_NEED}"
            raise wrong_value("X", describe(array), f"{need}. One sequence alone is a list, [X]")
    n, T = array.shape
    if estimator._table == "steps":
        return Sequences(array, np.ones(n, np.intp), "steps")
    form = "list" if isinstance(X, list | tuple) else "array"
    return Sequences(array.reshape(n * T, 1), np.full(n, T, np.intp), form)


# ---------------------------------------------------------------------- labels and weights


def labels_of_steps(y: Any, sequences: Sequences) -> Array:
    """A label for each step, (N,), of a y that came as the sequences did."""
    items = listed(y)
    parts = [np.asarray(item) for item in (np.asarray(y) if items is None else items)]
    if len(parts) != len(sequences):
        raise wrong_value("y", f"labels of {len(parts)} sequences", f"{len(sequences)} as in X")
    for i, (part, length) in enumerate(zip(parts, sequences.lengths, strict=True)):
        if np.shape(part) != (length,):
            need = f"a label for each step of X[{i}], of shape ({length},)"
            raise wrong_value(f"y[{i}]", describe(part), need)
    parts = [part for part in parts if part.size] or parts[:1]  # [] has no dtype of its own
    if len({part.dtype.kind in "USO" for part in parts}) > 1:
        raise wrong_type("y", "labels of mixed kinds", "numbers, or text, in all of y")
    labels = np.concatenate(parts)
    assert_all_finite(labels, input_name="y")
    return labels


def weights_of(sample_weight: Any, n: int) -> Array | None:
    """A weight for each sequence, (n,), checked; None where none is given."""
    if sample_weight is None:
        return None
    weights: Array = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weights.shape != (n,):
        raise wrong_value("sample_weight", describe(weights), f"shape (n,) = ({n},)")
    if (weights < 0).any():
        raise wrong_value("sample_weight", f"{weights.min()}", "finite numbers ≥ 0")
    if not weights.any():
        raise wrong_value("sample_weight", "zero for every sequence", "one > 0 at least")
    return weights
