"""Models of every pattern, with arguments that fit them; no two sizes are equal."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

import cybptt

T, B, I, H, O = 5, 6, 2, 3, 4

PATTERNS: dict[str, dict[str, Any]] = {
    "hidden": {},
    "tokens": {"inputs": "tokens"},
    "values": {"loss": "squared_error"},
    "last": {"outputs": "last"},
    "last, values": {"outputs": "last", "loss": "bernoulli_nll"},
    "no output layer": {"n_outputs": None, "loss": "squared_error"},
    "output": {"recurrence": "output"},
    "both, values": {"recurrence": "both", "loss": "poisson_nll", "feedback": "y_hat"},
}
HIDDEN = ("hidden", "tokens", "values", "last", "last, values", "no output layer")
OUTPUT = ("output", "both, values")


@dataclass(frozen=True)
class Model:
    """A model, and what its passes take; of one sequence where `single` is true."""

    name: str
    single: bool
    rnn: Any
    params: Any
    x: Any
    y: Any
    h0: Any
    y0: Any
    lengths: Any
    weights: Any
    mask: Any

    @property
    def label(self) -> str:
        return f"{self.name}, {'one sequence' if self.single else 'a batch'}"

    @property
    def tokens(self) -> bool:
        return bool(self.rnn.inputs == "tokens")

    @property
    def last(self) -> bool:
        return bool(self.rnn.outputs == "last")

    @property
    def classes(self) -> bool:
        return bool(self.rnn.loss.targets == "classes")

    @property
    def feeds(self) -> bool:
        """Whether outputs are fed back."""
        return bool(self.rnn.recurrence != "hidden")

    @property
    def size_o(self) -> int:
        return H if self.rnn.n_outputs is None else O

    @property
    def start(self) -> dict[str, Any]:
        """Where a pass starts."""
        return {"h0": self.h0} | ({"y0": self.y0} if self.feeds else {})

    @property
    def fed(self) -> dict[str, Any]:
        """What `forward` is given beside."""
        fed = {"y": self.y, "teacher_forcing": self.mask} if self.feeds else {}
        return self.start | {"lengths": self.lengths, "seed": 0} | fed

    def trace(self) -> Any:
        return self.rnn.forward(self.params, self.x, **self.fed)

    def state(self) -> Any:
        return self.trace().state


@cache
def model(name: str, single: bool = False, dtype: str = "float64") -> Model:
    """The model of a pattern."""
    options = {"n_outputs": O} | PATTERNS[name]
    n_outputs = options.pop("n_outputs")
    tokens = options.get("inputs") == "tokens"
    rnn = cybptt.RNN(7 if tokens else I, H, n_outputs, **options)
    rng = np.random.default_rng(0)
    batch = () if single else (B,)
    steps = (T, *batch)
    read = batch if rnn.outputs == "last" else steps
    size_o = H if n_outputs is None else O
    classes = rnn.loss.targets == "classes"
    return Model(
        name,
        single,
        rnn,
        rnn.init(seed=0, dtype=dtype),
        rng.integers(0, 7, steps) if tokens else rng.standard_normal((*steps, I)),
        rng.integers(0, size_o, read) if classes else rng.random((*read, size_o)),
        rng.standard_normal((*batch, H)),
        rng.standard_normal((*batch, O)),
        np.array(T - 1) if single else np.array([5, 0, 4, 5, 1, 2]),
        rng.uniform(0.5, 1, read),
        rng.random(steps) < 0.5,
    )


def models(names: tuple[str, ...] = (*HIDDEN, *OUTPUT)) -> list[Model]:
    """Of a batch and of one sequence."""
    return [model(name, single) for name in names for single in (False, True)]
