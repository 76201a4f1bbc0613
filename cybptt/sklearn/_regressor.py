"""`RNNRegressor`: values for a sequence."""

from __future__ import annotations

from typing import Any, Self

from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.metaestimators import available_if

from cybptt import RNN
from cybptt import _validate as check
from cybptt.activations import Activation
from cybptt.losses import Loss
from cybptt.sklearn import _training
from cybptt.sklearn._recurrent import Recurrent, stochastic
from cybptt.sklearn._sequences import Sequences, read

Array = NDArray[Any]


class RNNRegressor(RegressorMixin, Recurrent):  # type: ignore[misc]  # scikit-learn has no types
    """A regressor on sequences: it reads one, and gives a value, or several, at its end.

    The network of figure 10.5: :eq:`10.8` to :eq:`10.10`, with one output where a sequence ends. It
    is trained by :eq:`10.22` to :eq:`10.28`; names and meanings are those of scikit-learn's
    ``MLPRegressor`` wherever they apply.

    Parameters
    ----------
    n_hidden : int
        H ≥ 1, the hidden units.
    loss : str or Loss
        L of :eq:`10.12` for values: "squared_error", "huber", "poisson_nll" (of counts, whose
        expectation is predicted), "bernoulli_nll" (of values in 0 … 1), one of a plugin or an
        object. Summed over the outputs.
    activation, scheme, solver, alpha, batch_size, learning_rate, learning_rate_init, max_norm
        As of `RNNClassifier`.
    max_iter, shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum
        As of `RNNClassifier`.
    early_stopping, validation_fraction
        As of `RNNClassifier`; the score is R², and sequences are held out by chance alone.
    beta_1, beta_2, epsilon, n_iter_no_change, max_fun
        As of `RNNClassifier`.

    Attributes
    ----------
    n_outputs_ : int
        O, the values of each sequence.
    rnn_, params_, n_features_in_, feature_names_in_, n_iter_, t_, loss_, loss_curve_, best_loss_
        As of `RNNClassifier`; a loss is in what the loss is in.
    validation_scores_, best_validation_score_ : list of float and float, or None
        R² on sequences held out, one an epoch, and the best.

    Raises
    ------
    ValueError, TypeError
        By `fit`, not before: for settings that are not as above.

    See Also
    --------
    RNNClassifier : A label instead of values.

    Notes
    -----
    X is as of `RNNClassifier`; y is (n,), or (n, O) for several values of each sequence. Neither is
    scaled here: for y there is ``sklearn.compose.TransformedTargetRegressor``.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.sklearn import RNNRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.integers(2, size=rng.integers(1, 10)) for _ in range(200)]
    >>> y = [x.sum() for x in X]                    # how many ones
    >>> model = RNNRegressor(n_hidden=16, learning_rate_init=0.01, random_state=0)
    >>> bool(model.fit(X[:150], y[:150]).score(X[150:], y[150:]) > 0.95)
    True
    """

    loss: str | Loss
    n_outputs_: int

    def __init__(
        self,
        n_hidden: int = 64,
        *,
        loss: str | Loss = "squared_error",
        activation: str | Activation = "tanh",
        scheme: str = "orthogonal",
        solver: str = "adam",
        alpha: float = 1e-4,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 1e-3,
        max_norm: float | None = 1.0,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
    ) -> None:
        self._keep(locals())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _network(self, n_inputs: int) -> RNN:
        rnn = RNN(
            n_inputs,
            self.n_hidden,
            self.n_outputs_,
            activation=self.activation,
            loss=self.loss,
            outputs="last",
        )
        if rnn.loss.targets != "values":
            raise check.wrong_value("loss", repr(rnn.loss.name), "a loss of values, not of classes")
        return rnn

    def _read(self, X: Any, y: Any, classes: Any, *, first: bool) -> tuple[Sequences, Array]:
        sequences = read(self, X, first=first)
        dtype = sequences.steps.dtype
        values: Array = check_array(y, ensure_2d=False, dtype=dtype, input_name="y", estimator=self)
        if values.ndim == 2 and values.shape[1] == 1:
            values = column_or_1d(values, warn=True)
        if values.ndim not in (1, 2):
            raise check.wrong_value("y", check.describe(values), "shape (n,) or (n, O)")
        check_consistent_length(sequences.lengths, values)
        if first:
            self._flat = values.ndim == 1
            self.n_outputs_ = 1 if self._flat else values.shape[1]
        values = values.reshape(len(values), -1)
        if values.shape[1] != self.n_outputs_:
            need = f"{self.n_outputs_} for each sequence, as at the first fit"
            raise check.wrong_value("y", f"{values.shape[1]} values", need)
        return sequences, values

    def _score(self, sequences: Sequences, y: Array, weights: Array | None) -> float:
        y_hat = _training.outputs(self.params_, sequences)
        return float(r2_score(y, y_hat, sample_weight=weights))

    @available_if(stochastic)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Go through some sequences once, from where the parameters stand.

        A step for each batch of ``batch_size``, by :eq:`10.22` to :eq:`10.28`; the optimizer goes
        on where the call before it ended.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError, TypeError
            As `fit`; and with ``early_stopping``, which needs all of the data.

        Examples
        --------
        >>> from cybptt.sklearn import RNNRegressor
        >>> model = RNNRegressor(random_state=0)
        >>> for _ in range(3):
        ...     model = model.partial_fit([[0.0, 1.0], [2.0]], [1.0, 2.0])
        >>> model.n_iter_, len(model.loss_curve_)
        (3, 3)
        """
        return self._pass_once(X, y, sample_weight)

    def predict(self, X: Any) -> Array:
        """Give the values: ŷ of :eq:`10.11`, by the loss's own link.

        A prediction has the same bits whatever other sequences are predicted with it.

        Parameters
        ----------
        X : array_like (n, T, d), list of n arrays (T_i, d) or (T_i,), or array_like (n, T)
            The sequences.

        Returns
        -------
        ndarray, shape (n,), or (n, O) where y was

        Raises
        ------
        ValueError, TypeError
            For an X that is not as above, or whose steps are of another size than in `fit`.

        Examples
        --------
        >>> from cybptt.sklearn import RNNRegressor
        >>> model = RNNRegressor(solver="lbfgs", random_state=0)
        >>> model.fit([[0.0, 1.0], [2.0], [1.0, 1.0]], [1.0, 2.0, 2.0]).predict([[2.0]]).round(1)
        array([2.])
        """
        y_hat = self._outputs(X)[1]
        return y_hat.ravel() if self._flat else y_hat
