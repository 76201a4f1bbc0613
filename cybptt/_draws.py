"""What y the built-in losses draw from o: a sample of the loss's distribution, or its mode."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cybptt import _core

Array = NDArray[Any]


def mean(o: Array) -> Array:
    """The most probable y of a loss that is symmetric about o."""
    return o.copy()


def sample_class(o: Array, generator: np.random.Generator) -> Array:
    """A class by its probability: the first whose cumulated probability exceeds a uniform draw."""
    cumulated = np.cumsum(_core.function("softmax")(o), axis=1, dtype=np.float64)
    # Scaled by the total, which rounding keeps from being 1: the last class is never overshot.
    draw = generator.random((len(o), 1)) * cumulated[:, -1:]
    return np.asarray((cumulated <= draw).sum(axis=1))


def likeliest_class(o: Array) -> Array:
    """The class of the largest o."""
    return np.asarray(np.argmax(o, axis=1))


def sample_gaussian(o: Array, generator: np.random.Generator) -> Array:
    """½‖o − y‖² is the negative log-likelihood of variance 1, but for a constant."""
    return (o + generator.standard_normal(o.shape)).astype(o.dtype)


def sample_bernoulli(o: Array, generator: np.random.Generator) -> Array:
    """1 with the probability sigmoid(o), else 0."""
    return (generator.random(o.shape) < _core.function("sigmoid")(o)).astype(o.dtype)


def likeliest_bit(o: Array) -> Array:
    """1 where it is the likelier, 0 where not."""
    return (o > 0).astype(o.dtype)


def sample_poisson(o: Array, generator: np.random.Generator) -> Array:
    """A count, of mean eᵒ."""
    return generator.poisson(_core.function("exp")(o)).astype(o.dtype)


def likeliest_count(o: Array) -> Array:
    """⌊eᵒ⌋; where eᵒ is an integer, it and the one below are as likely."""
    return np.floor(_core.function("exp")(o))
