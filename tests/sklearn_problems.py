"""Small problems for the estimators of `cybptt.sklearn`, in each form that data may have."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cybptt.sklearn import RNNClassifier, RNNRegressor, SequenceTagger

ESTIMATORS = (RNNClassifier, RNNRegressor, SequenceTagger)


def quick(cls: Any, n_hidden: int = 5, **options: Any) -> Any:
    """A small network, and a training that is over soon, by itself."""
    return cls(n_hidden, **({"random_state": 0, "tol": 10.0, "n_iter_no_change": 3} | options))


def problem(cls: Any, form: str = "list", n: int = 30, d: int = 2, seed: int = 0) -> Any:
    """X and y: sequences of 0 to 9 steps, of 6 in an array."""
    rng = np.random.default_rng(seed)
    lengths = np.full(n, 6) if form == "array" else rng.integers(0, 10, n)
    X: Any = [rng.normal(size=(length, d)) for length in lengths]
    y: Any
    if cls is RNNClassifier:
        y = np.array(["a", "b", "c"])[np.arange(n) % 3]
    elif cls is RNNRegressor:
        y = rng.normal(size=n)
    else:
        y = [np.array(["a", "b", "c"])[rng.integers(3, size=length)] for length in lengths]
    if form == "list":
        return X, y
    if form == "objects":
        return objects(X), objects(y) if cls is SequenceTagger else y
    return np.array(X), np.array(y)


def as_images(X: NDArray[Any]) -> NDArray[Any]:
    """Rows of 64 pixels as sequences of eight steps."""
    return X.reshape(-1, 8, 8)


def objects(parts: Any) -> NDArray[Any]:
    """A list as an array of objects."""
    out = np.empty(len(parts), object)
    for i, part in enumerate(parts):
        out[i] = part
    return out


def same(found: Any, expected: Any) -> None:
    """To the bit, in one form."""
    assert type(found) is type(expected)
    assert len(found) == len(expected)
    if isinstance(found, list) or found.dtype == object:
        for part, whole in zip(found, expected, strict=True):
            same(part, whole)
    else:
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
