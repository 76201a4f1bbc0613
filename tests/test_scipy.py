"""`RNN.objective` in the hands of SciPy's optimizers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize

import cybptt
from cybptt.data import delayed_recall, temporal_order


def problem(**options: Any) -> tuple[Any, Any, Any]:
    """A model, its objective over a ragged batch, and where it starts."""
    rnn = cybptt.RNN(8, 6, 4, inputs="tokens", outputs="last")
    x, y, lengths = temporal_order(20, 30, seed=0)
    fun = rnn.objective(x, y, **lengths, reduction="mean", **options)
    return rnn, fun, rnn.init(seed=0).vector


def test_the_gradient_is_what_scipy_finds_it_to_be() -> None:
    _, fun, start = problem()
    error = check_grad(lambda vector: fun(vector)[0], lambda vector: fun(vector)[1], start)
    assert error < 1e-6


@pytest.mark.parametrize("method", ["L-BFGS-B", "BFGS", "CG", "TNC", "SLSQP", "trust-constr"])
def test_every_method_that_wants_a_gradient_goes_down(method: str) -> None:
    _, fun, start = problem(workspace=cybptt.Workspace())
    before = start.copy()
    most = "maxfun" if method == "TNC" else "maxiter"
    found = minimize(fun, start, jac=True, method=method, options={most: 15})
    np.testing.assert_array_equal(start, before)
    assert fun(found.x)[0] == pytest.approx(found.fun, rel=1e-12)
    assert found.fun < 0.9 * fun(start)[0]


def test_lbfgs_comes_to_a_minimum() -> None:
    """Of a loss with a penalty; the loss itself is a thousandth of what guessing costs."""
    rnn = cybptt.RNN(1, 6, 1, loss="squared_error")
    x, y, options = delayed_recall(30, 10, delay=1, seed=0)
    fun = rnn.objective(x, y, **options, reduction="mean")

    def penalised(vector: Any) -> Any:
        loss, gradient = fun(vector)
        return loss + 5e-4 * vector @ vector, gradient + 1e-3 * vector

    start = rnn.init(seed=0).vector
    to_the_end = {"maxiter": 1000, "ftol": 1e-12}
    found = minimize(penalised, start, jac=True, method="L-BFGS-B", options=to_the_end)
    assert found.success, found.message
    assert np.abs(penalised(found.x)[1]).max() < 1e-4
    assert fun(found.x)[0] < 1e-3 / 24
    rng = np.random.default_rng(0)
    around = [penalised(found.x + 0.1 * rng.normal(size=found.x.size))[0] for _ in range(20)]
    assert found.fun < min(around)


def test_what_it_has_returned_is_the_callers() -> None:
    """An optimizer keeps the gradients of earlier steps."""
    _, fun, start = problem(workspace=cybptt.Workspace())
    _, first = fun(start)
    kept = first.copy()
    _, second = fun(start + 0.1)
    assert not np.shares_memory(first, second)
    assert not np.shares_memory(first, start)
    np.testing.assert_array_equal(first, kept)
