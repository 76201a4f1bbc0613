"""Training: the loss of a set of sequences, and the two ways to make it small."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from cybptt import RNN, Parameters, Workspace
from cybptt._validate import wrong_value
from cybptt.optim import SGD, Adam, Optimizer, clip_by_norm
from cybptt.sklearn._sequences import Sequences

Array = NDArray[Any]
# A prediction goes by batches of so many sequences, or of fewer that are very long.
_BATCH, _BATCH_STEPS = 256, 2**20
# A batch of training, where its size is "auto".
_AUTO = 32
# Below it the rate of an adaptive schedule is not divided any more.
_LEAST_RATE = 1e-6


@dataclass(frozen=True)
class Problem:
    """What training makes small: (Σ w L + α/2 ‖U, W, V, R‖²) / Σ w.

    The sums are over the sequences, or, with an output at each step, over their steps.

    Attributes
    ----------
    y : ndarray
        Labels (n,) or (N,), or values (n, O).
    weights : ndarray of the same length, or None
    alpha : float
    options : dict
        Further arguments of `RNN.value_and_grad`.
    """

    rnn: RNN
    sequences: Sequences
    y: Array
    weights: Array | None
    alpha: float
    options: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def total(self) -> float:
        """Σ w."""
        return float(len(self.y) if self.weights is None else self.weights.sum())

    @cached_property
    def decay(self) -> Array:
        """What the penalty's gradient is of the vector, by parameter: nothing for the biases."""
        rnn = self.rnn
        parts = (np.full(shape, len(shape) > 1, float) for shape in rnn.shapes.values())
        return np.concatenate([part.ravel() for part in parts]) * (self.alpha / self.total)

    def batch(self, chosen: Array) -> tuple[Array, Array, dict[str, Any]]:
        """x, y and options of some of the sequences.

        Their loss is to the whole as they are to all the sequences: an estimate without bias.
        """
        rows, lengths = self.sequences.rows(chosen)
        where = rows if self.rnn.outputs == "all" else chosen
        y = self.y[where]
        reduction = self.total * len(chosen) / len(self.sequences)
        weights = None if self.weights is None else self.weights[where]
        plain = weights is None and lengths is None and reduction == where.size
        options = {
            "lengths": lengths,
            "weights": weights,
            "reduction": "mean" if plain else reduction,  # the same, by the shortest way
        }
        return self.sequences.steps[rows], y, options | self.options

    def penalty(self, vector: Array) -> tuple[float, Array]:
        """α/2 ‖U, W, V, R‖² / Σ w, and its gradient."""
        gradient = self.decay * vector
        return 0.5 * float(gradient @ vector), gradient


@contextmanager
def progress(estimator: Any, total: int, unit: str) -> Iterator[Callable[..., None]]:
    """A bar of so many units, where the estimator is verbose; it is moved on with what is shown."""
    if not estimator.verbose:
        yield lambda **_: None
        return
    from tqdm import tqdm

    with tqdm(total=total, desc=type(estimator).__name__, unit=unit) as bar:

        def show(**values: float) -> None:
            bar.set_postfix({name: f"{value:.4g}" for name, value in values.items()}, refresh=False)
            bar.update()

        yield show


# ---------------------------------------------------------------------- by batches


def optimizer_of(estimator: Any) -> Optimizer:
    """The optimizer that a solver names, not yet used."""
    e = estimator
    if e.solver == "adam":
        return Adam(e.learning_rate_init, e.beta_1, e.beta_2, e.epsilon)
    return SGD(e.learning_rate_init, e.momentum, bool(e.nesterovs_momentum and e.momentum))


class Descent:
    """An optimizer's steps on the batches of a problem, with the memory that they need."""

    def __init__(self, estimator: Any, problem: Problem) -> None:
        self._estimator, self._problem = estimator, problem
        self._grad, self._workspace = estimator.params_.copy(), Workspace()

    def epoch(self, random: np.random.RandomState) -> None:
        """Go through all sequences once, and note the mean loss, of each batch before its step."""
        e, n = self._estimator, len(self._problem.sequences)
        size = min(n, _AUTO if e.batch_size == "auto" else e.batch_size)
        order = random.permutation(n) if e.shuffle else np.arange(n)
        loss = 0.0
        for first in range(0, n, size):
            chosen = order[first : first + size]
            loss += self._step(chosen) * (len(chosen) / n)
        e.loss_ = loss
        e.loss_curve_.append(loss)
        e.n_iter_ += 1
        e.t_ += n

    def _step(self, chosen: Array) -> float:
        e, problem, grad = self._estimator, self._problem, self._grad
        x, y, options = problem.batch(chosen)
        loss, _ = problem.rnn.value_and_grad(
            e.params_, x, y, **options, out=grad, workspace=self._workspace
        )
        if problem.alpha:
            penalty, slope = problem.penalty(e.params_.vector)
            gradient = grad.vector
            gradient += slope
            loss += penalty
        try:
            if e.max_norm is not None:
                clip_by_norm(grad, e.max_norm)
            e._optimizer.step(e.params_, grad)
        except FloatingPointError as error:
            need = "finite numbers: scale X and y, or lower learning_rate_init"
            raise wrong_value("training", f"a gradient that is not ({error})", need) from None
        return float(loss)


def by_batches(
    estimator: Any,
    problem: Problem,
    random: np.random.RandomState,
    score: Callable[[], float] | None,
) -> None:
    """Go through the batches epoch by epoch, until no epoch improves the loss.

    Or the score, where there is one, of sequences held out: the best parameters are kept then.
    """
    e, descent, stop = estimator, Descent(estimator, problem), _Stop(estimator)
    best, scores = e.params_.copy(), e.validation_scores_
    what = "loss" if score is None else "validation score"
    try:
        with progress(e, e.max_iter, " epochs") as show:
            for _ in range(e.max_iter):
                descent.epoch(random)
                if score is None:
                    show(loss=e.loss_)
                    over = stop.at(e.loss_)
                else:
                    scores.append(score())
                    if math.isnan(scores[-1]):
                        need = "numbers: scale X and y, or lower learning_rate_init"
                        raise wrong_value("training", "validation scores of nan", need)
                    show(loss=e.loss_, score=scores[-1])
                    over = stop.at(-scores[-1])
                    if scores[-1] > e.best_validation_score_:
                        e.best_validation_score_ = scores[-1]
                        best.vector[...] = e.params_.vector
                if over:
                    break
            else:
                warnings.warn(
                    f"Training has not converged: max_iter={e.max_iter} epochs are over, and the"
                    f" {what} has not stopped improving by tol={e.tol:g} for"
                    f" n_iter_no_change={e.n_iter_no_change} of them.",
                    ConvergenceWarning,
                    stacklevel=4,
                )
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=4)
    if score is not None:
        e.params_.vector[...] = best.vector


class _Stop:
    """When to stop: after n_iter_no_change epochs in a row that did not improve by tol."""

    def __init__(self, estimator: Any) -> None:
        self._estimator, self._best, self._count = estimator, math.inf, 0

    def at(self, value: float) -> bool:
        """Whether to stop at a value, of which less is better."""
        e = self._estimator
        self._count = self._count + 1 if value > self._best - e.tol else 0
        self._best = min(self._best, value)
        if self._count <= e.n_iter_no_change:
            return False
        if e.learning_rate == "adaptive" and e._optimizer.lr > _LEAST_RATE:
            e._optimizer.lr /= 5
            self._count = 0
            return False
        return True


# ---------------------------------------------------------------------- all at once


def by_lbfgs(estimator: Any, problem: Problem) -> None:
    """Make the loss of all sequences small by SciPy's L-BFGS-B, in double precision."""
    e = estimator
    x, y, options = problem.batch(np.arange(len(problem.sequences)))
    loss_of = problem.rnn.objective(x, y, **options, workspace=Workspace())

    def fun(vector: Array) -> tuple[float, Array]:
        loss, gradient = loss_of(vector)
        penalty, slope = problem.penalty(vector)
        return loss + penalty, gradient + slope

    result = None
    with progress(e, e.max_iter, " iterations") as show:

        def note(intermediate_result: Any) -> None:
            e.params_.vector[...] = intermediate_result.x
            e.loss_ = float(intermediate_result.fun)
            e.loss_curve_.append(e.loss_)
            e.n_iter_ += 1
            e.t_ += len(problem.sequences)
            show(loss=e.loss_)

        try:
            result = minimize(
                fun,
                e.params_.vector.astype(np.float64),
                jac=True,
                method="L-BFGS-B",
                callback=note,
                options={"maxiter": e.max_iter, "maxfun": e.max_fun, "gtol": e.tol},
            )
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=4)
    if result is not None:
        e.params_.vector[...] = result.x
        e.loss_ = float(result.fun)
        if result.status != 0:
            warnings.warn(
                f"lbfgs has not converged after {e.n_iter_} iterations (max_iter={e.max_iter}) and"
                f" {result.nfev} evaluations (max_fun={e.max_fun}): {result.message}",
                ConvergenceWarning,
                stacklevel=4,
            )


# ---------------------------------------------------------------------- outputs


def outputs(params: Parameters, sequences: Sequences, *, link: bool = True) -> Array:
    """ŷ, or o without a link: (n, O) or, where there is one at each step, (N, O).

    In batches of two sequences at least, of which none makes a difference to another, to the bit.
    """
    rnn = params.rnn
    of_steps = rnn.outputs == "all"
    out = np.empty((len(sequences.steps if of_steps else sequences), rnn.size_o), params.dtype)
    longest = int(sequences.lengths.max(initial=1))
    size = min(_BATCH, max(2, _BATCH_STEPS // max(1, longest)))
    order = np.argsort(sequences.lengths, kind="stable")
    for first in range(0, len(order), size):
        chosen = order[first : first + size]
        if len(chosen) == 1:
            chosen = np.repeat(chosen, 2)
        rows, lengths = sequences.rows(chosen)
        y_hat = rnn.predict(params, sequences.steps[rows], lengths=lengths, link=link)
        if not of_steps:
            out[chosen] = y_hat
        elif lengths is None:
            out[rows] = y_hat
        else:
            there = np.arange(len(rows))[:, None] < lengths
            out[rows[there]] = y_hat[there]
    return out
