"""L-BFGS of SciPy's beside Adam: the time to a training loss, on handwritten digits row by row.

    python benchmarks/scipy_lbfgs.py [--seeds N] [--seconds S]

It needs SciPy and scikit-learn, whose digits they are: 1,347 to train on, 8 steps of 8 pixels each.
The same model from the same start each time, all on one thread. Adam is tried at three rates, with
all digits at each step and with batches of 32; of these, the loss of all digits is computed after
each epoch with the clock stopped. The methods take turns, once for each seed.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import plots
from common import measured
from scipy.optimize import minimize
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import cybptt
from cybptt.data import Batches
from cybptt.optim import Adam

LOSSES = (0.1, 0.01, 0.001)
RATES = {"all": (0.003, 0.01, 0.03), "batches": (0.001, 0.003, 0.01)}
RNN = cybptt.RNN(8, 64, 10, outputs="last")
OPTIONS: dict[str, Any] = {"n_threads": 1, "workspace": cybptt.Workspace()}

digits = load_digits()
images, test_images, y, test_y = train_test_split(
    digits.images / 16, digits.target, test_size=0.25, random_state=0
)
x, test_x = (np.ascontiguousarray(a.transpose(1, 0, 2)) for a in (images, test_images))


class Enough(Exception):
    """The least of the losses is reached, or time is up."""


class Clock:
    """When which loss was reached, in seconds."""

    def __init__(self, seconds: float) -> None:
        self.path: list[tuple[float, float]] = []
        self._seconds, self._start = seconds, time.perf_counter()

    def note(self, loss: float) -> None:
        """A loss of all digits is known now."""
        now = time.perf_counter() - self._start
        self.path.append((now, loss))
        if loss <= LOSSES[-1] or now > self._seconds:
            raise Enough

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """What is done meanwhile is not counted."""
        start = time.perf_counter()
        yield
        self._start += time.perf_counter() - start

    def reached(self, loss: float) -> float | None:
        """When a loss was first reached."""
        return next((when for when, value in self.path if value <= loss), None)


def lbfgs(params: cybptt.Parameters, clock: Clock, seed: int) -> None:
    """Every evaluation counts, those of its line search too."""
    fun = RNN.objective(x, y, reduction="mean", **OPTIONS)

    def noted(vector: Any) -> Any:
        loss, gradient = fun(vector)
        params.vector[...] = vector
        clock.note(loss)
        return loss, gradient

    never = {"maxiter": 10**6, "maxfun": 10**6, "ftol": 0, "gtol": 0}
    minimize(noted, params.vector.copy(), jac=True, method="L-BFGS-B", options=never)


def adam_on_all(rate: float) -> Callable[[cybptt.Parameters, Clock, int], None]:
    """All digits at each step."""

    def run(params: cybptt.Parameters, clock: Clock, seed: int) -> None:
        optimizer, grad = Adam(lr=rate), params.copy()
        while True:
            loss, _ = RNN.value_and_grad(params, x, y, reduction="mean", out=grad, **OPTIONS)
            clock.note(loss)
            optimizer.step(params, grad)

    return run


def adam_on_batches(rate: float) -> Callable[[cybptt.Parameters, Clock, int], None]:
    """Batches of 32, in a new order in each epoch."""

    def run(params: cybptt.Parameters, clock: Clock, seed: int) -> None:
        optimizer, grad = Adam(lr=rate), params.copy()
        for epoch in itertools.count():
            with clock.stopped():
                rng = np.random.default_rng([seed, epoch])
                batches = list(Batches(images, y, batch=32, outputs="last", seed=rng))
            for batch_x, batch_y, options in batches:
                RNN.value_and_grad(params, batch_x, batch_y, out=grad, **options, **OPTIONS)
                optimizer.step(params, grad)
            with clock.stopped():
                loss, _ = RNN.value_and_grad(params, x, y, reduction="mean", **OPTIONS)
            clock.note(loss)

    return run


METHODS = {
    "L-BFGS": lbfgs,
    **{f"Adam, all digits, rate {rate}": adam_on_all(rate) for rate in RATES["all"]},
    **{f"Adam, batches of 32, rate {rate}": adam_on_batches(rate) for rate in RATES["batches"]},
}


def main() -> None:
    """Read the arguments, measure, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="the most that a run may take")
    options = parser.parse_args()
    found: dict[str, dict[str, list[Any]]] = {
        name: {**{f"{loss}": [] for loss in LOSSES}, "right": []} for name in METHODS
    }
    for seed in range(options.seeds):
        for name, method in METHODS.items():
            params, clock = RNN.init(seed, scheme="orthogonal"), Clock(options.seconds)
            with suppress(Enough):
                method(params, clock, seed)
            for loss in LOSSES:
                found[name][f"{loss}"].append(clock.reached(loss))
            right = RNN.predict(params, test_x).argmax(axis=1) == test_y
            found[name]["right"].append(float(right.mean()))
    table = {name: line(row) for name, row in found.items()}
    print(f"{'':36}", *(f"{head:>12}" for head in next(iter(table.values()))))
    for name, row in table.items():
        print(f"{name:36}", *(f"{cell:>12}" for cell in row.values()))
    plots.RESULTS.mkdir(parents=True, exist_ok=True)
    document = measured({"runs": found, "table": table}, options)
    (plots.RESULTS / "scipy_lbfgs.json").write_text(document, encoding="utf-8")


def line(row: dict[str, list[Any]]) -> dict[str, str]:
    """The median time to each loss, where more than half of the runs came to it."""
    cells = {}
    for loss in LOSSES:
        times = [np.inf if t is None else t for t in row[f"{loss}"]]
        middle = statistics.median(times)
        cells[f"loss {loss}"] = f"{middle:.2f} s" if np.isfinite(middle) else "–"
    return cells | {"test digits": f"{100 * statistics.median(row['right']):.1f} %"}


if __name__ == "__main__":
    main()
