"""What the three estimators share: their settings, and the way of a fit."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from cybptt import RNN, Parameters
from cybptt import _validate as check
from cybptt.activations import Activation
from cybptt.optim import Optimizer
from cybptt.sklearn import _training
from cybptt.sklearn._sequences import Sequences, read, weights_of

Array = NDArray[Any]

_NUMBERS: dict[str, tuple[str, Callable[[float], bool]]] = {
    "alpha": ("a finite number ≥ 0", lambda v: 0 <= v < math.inf),
    "learning_rate_init": ("a finite number > 0", lambda v: 0 < v < math.inf),
    "momentum": ("a number in [0, 1)", lambda v: 0 <= v < 1),
    "beta_1": ("a number in [0, 1)", lambda v: 0 <= v < 1),
    "beta_2": ("a number in [0, 1)", lambda v: 0 <= v < 1),
    "epsilon": ("a finite number > 0", lambda v: 0 < v < math.inf),
    "max_norm": ("a number > 0, or None", lambda v: v > 0),
    "tol": ("a number ≥ 0", lambda v: v >= 0),
    "validation_fraction": ("a number in (0, 1)", lambda v: 0 < v < 1),
}
_FLAGS = ("shuffle", "warm_start", "nesterovs_momentum", "early_stopping")
_COUNTS = ("max_iter", "n_iter_no_change", "max_fun")


def stochastic(estimator: Recurrent) -> bool:
    """Whether the solver goes by batches: only then is there a `partial_fit`."""
    return estimator.solver != "lbfgs"


class Recurrent(BaseEstimator, ABC):  # type: ignore[misc]  # scikit-learn has no types
    """The settings and the way of a fit of `RNNClassifier`, `RNNRegressor` and `SequenceTagger`."""

    n_hidden: int
    activation: str | Activation
    scheme: str
    solver: str
    alpha: float
    batch_size: int | str
    learning_rate: str
    learning_rate_init: float
    max_norm: float | None
    max_iter: int
    shuffle: bool
    random_state: Any
    tol: float
    verbose: bool
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    max_fun: int

    rnn_: RNN
    params_: Parameters
    n_features_in_: int
    n_iter_: int
    t_: int
    loss_: float
    best_loss_: float | None
    loss_curve_: list[float]
    validation_scores_: list[float] | None
    best_validation_score_: float | None
    _optimizer: Optimizer
    _random: np.random.RandomState
    _table: str | None  # as what a table is read, where the first X was one

    def _keep(self, given: dict[str, Any]) -> None:
        """Keep the arguments of ``__init__`` as they came."""
        for name, value in given.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    # -------------------------------------------------------------- what each is

    @abstractmethod
    def _read(self, X: Any, y: Any, classes: Any, *, first: bool) -> tuple[Sequences, Array]:
        """X, and y as the loss takes it; at the first, what is to be known of y is noted."""

    @abstractmethod
    def _network(self, n_inputs: int) -> RNN:
        """The network, of what was noted."""

    def _options(self) -> dict[str, Any]:
        """Further arguments of `RNN.value_and_grad`."""
        return {}

    def _weigh(self, sequences: Sequences, y: Array, weights: Array | None) -> Array | None:
        """The weight of each y, from those of the sequences."""
        return weights

    def _strata(self, y: Array) -> Array | None:
        """In whose proportions sequences are held out."""
        return None

    @abstractmethod
    def _score(self, sequences: Sequences, y: Array, weights: Array | None) -> float:
        """What `score` gives, for a y as the loss takes it."""

    # -------------------------------------------------------------- fit

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train the network: :eq:`10.12` is made small, by :eq:`10.22` to :eq:`10.28`.

        Parameters
        ----------
        X : array_like (n, T, d), list of n arrays (T_i, d) or (T_i,), or array_like (n, T)
            The sequences.
        y : array_like
            What is to be learnt of each, as the class says.
        sample_weight : array_like, shape (n,), optional
            How much each sequence counts, ≥ 0.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError, TypeError
            For a setting or data that are not as they must be, and where training overflows.

        Examples
        --------
        >>> from cybptt.sklearn import RNNRegressor
        >>> model = RNNRegressor(solver="lbfgs", random_state=0)
        >>> model.fit([[1.0], [2.0, 1.0], [0.5, 0.5, 1.0]], [1.0, 3.0, 2.0])    # their sums
        RNNRegressor(random_state=0, solver='lbfgs')
        """
        sequences, target, weights = self._begin(X, y, sample_weight, go_on=self.warm_start)
        self.n_iter_ = 0
        if self.solver == "lbfgs":
            _training.by_lbfgs(self, self._problem(sequences, target, weights))
        else:
            self._optimizer = _training.optimizer_of(self)
            training, score = (sequences, target, weights), None
            if self._holds_out():
                training, held_out = self._hold_out(*training)
                self.best_validation_score_ = -math.inf  # an earlier fit held out others
                score = partial(self._score, *held_out)
            _training.by_batches(self, self._problem(*training), self._random, score)
        self._end()
        return self

    def _pass_once(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Self:
        """What `partial_fit` does."""
        if self.early_stopping:
            need = "False: partial_fit is one pass over what it is given"
            raise check.wrong_value("early_stopping", "True", need)
        begun = hasattr(self, "params_")
        sequences, target, weights = self._begin(X, y, sample_weight, go_on=True, classes=classes)
        if not (begun and hasattr(self, "_optimizer")):
            self._optimizer = _training.optimizer_of(self)
        problem = self._problem(sequences, target, weights)
        _training.Descent(self, problem).epoch(self._random)
        self._end()
        return self

    def _begin(
        self, X: Any, y: Any, sample_weight: Any, *, go_on: bool, classes: Any = None
    ) -> tuple[Sequences, Array, Array | None]:
        """What is given, checked: the estimator is as it was where it is refused."""
        before = self.__dict__.copy()
        try:
            self._check_settings()
            return self._prepare(X, y, sample_weight, classes, go_on)
        except (ValueError, TypeError):
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _prepare(
        self, X: Any, y: Any, sample_weight: Any, classes: Any, go_on: bool
    ) -> tuple[Sequences, Array, Array | None]:
        """The same; and where nothing goes on, first numbers for the parameters."""
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is"
                " None"
            )
        first = not (go_on and hasattr(self, "params_"))
        sequences, target = self._read(X, y, classes, first=first)
        weights = weights_of(sample_weight, len(sequences))
        if first:
            self.__dict__.pop("_optimizer", None)  # of another network
            self._random = check_random_state(self.random_state)
            self.rnn_ = self._network(sequences.n_inputs)
            seed = int(self._random.randint(2**31 - 1))
            self.params_ = self.rnn_.init(seed, sequences.steps.dtype, self.scheme)
            self.t_, self.n_iter_, self.loss_, self.loss_curve_ = 0, 0, math.nan, []
            self.validation_scores_ = self.best_validation_score_ = None
        if self._holds_out() and self.validation_scores_ is None:
            self.validation_scores_, self.best_validation_score_ = [], -math.inf
        self._weights(sequences, target, weights)
        return sequences, target, weights

    def _holds_out(self) -> bool:
        return self.early_stopping and stochastic(self)

    def _weights(self, sequences: Sequences, target: Array, weights: Array | None) -> Array | None:
        """What each of target counts, which is something for one at least."""
        each = self._weigh(sequences, target, weights)
        if each is not None and not each.any():
            got = "zero, with class_weight, for all that is to be learnt"
            raise check.wrong_value("sample_weight", got, "one > 0 at least")
        return each

    def _problem(
        self, sequences: Sequences, target: Array, weights: Array | None
    ) -> _training.Problem:
        each = self._weights(sequences, target, weights)
        return _training.Problem(self.rnn_, sequences, target, each, self.alpha, self._options())

    def _hold_out(
        self, sequences: Sequences, target: Array, weights: Array | None
    ) -> list[tuple[Sequences, Array, Array | None]]:
        """What is left to train on, and what is held out."""
        kept, held = train_test_split(
            np.arange(len(sequences)),
            test_size=self.validation_fraction,
            random_state=self._random,
            stratify=self._strata(target),
        )
        if len(held) < 2:
            need = "a larger one, to hold out two at least"
            got = f"{self.validation_fraction} of {len(sequences)} sequences"
            raise check.wrong_value("validation_fraction", got, need)
        parts = []
        for chosen in (kept, held):
            part, rows = sequences.take(chosen)
            of_y = rows if self.rnn_.outputs == "all" else chosen
            of_weights = None if weights is None else weights[chosen]
            if self.rnn_.outputs == "all":  # of a label each step
                if not len(rows):
                    need = "steps there: another random_state, or validation_fraction"
                    raise check.wrong_value("X", "no step in all of a part", need)
                if of_weights is not None:
                    of_weights = np.where(part.lengths > 0, of_weights, 0.0)
            if of_weights is not None and not of_weights.any():
                need = "one > 0 there: another random_state, or validation_fraction"
                raise check.wrong_value("sample_weight", "zero for all of a part", need)
            parts.append((part, target[of_y], of_weights))
        return parts

    def _end(self) -> None:
        self.best_loss_ = None if self._holds_out() else min([*self.loss_curve_, self.loss_])
        need = "finite ones: scale X and y, or lower learning_rate_init"
        if not np.isfinite(self.params_.vector).all():
            raise check.wrong_value("training", "parameters that are not finite", need)
        if self.loss_curve_ and not math.isfinite(self.loss_):
            raise check.wrong_value("training", f"losses that end at {self.loss_}", need)

    # -------------------------------------------------------------- checks

    def _check_settings(self) -> None:
        for name in _COUNTS:
            value = getattr(self, name)
            if not (name == "n_iter_no_change" and value == math.inf):
                check.integer(name, value, 1)
        for name in _FLAGS:
            check.boolean(name, getattr(self, name))
        for name, (need, accepts) in _NUMBERS.items():
            value = getattr(self, name)
            if name == "max_norm" and value is None:
                continue
            if not accepts(check.real_number(name, value, need)):
                raise check.wrong_value(name, check.describe(value), need)
        check.integer("n_hidden", self.n_hidden, 1)
        check.choice("solver", self.solver, ("adam", "sgd", "lbfgs"))
        check.choice("learning_rate", self.learning_rate, ("constant", "adaptive"))
        if self.batch_size != "auto":
            check.integer("batch_size", self.batch_size, 1)

    # -------------------------------------------------------------- outputs

    def _outputs(self, X: Any, *, link: bool = True) -> tuple[Sequences, Array]:
        """The sequences of X, and what the network puts out."""
        check_is_fitted(self)
        sequences = read(self, X, first=False)
        return sequences, _training.outputs(self.params_, sequences, link=link)
