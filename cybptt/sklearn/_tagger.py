"""`SequenceTagger`: a label for each step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted

from cybptt import RNN
from cybptt import _validate as check
from cybptt.activations import Activation
from cybptt.sklearn import _training
from cybptt.sklearn._labels import Labelling
from cybptt.sklearn._sequences import Sequences, labels_of_steps, listed, read, weights_of

Array = NDArray[Any]


class SequenceTagger(Labelling):
    """A tagger: it reads a sequence, and gives a label at each step.

    The network of figure 10.3 or 10.4: :eq:`10.8` to :eq:`10.11`, with :eq:`C.5` where outputs are
    fed back, softmax over the classes at each step. A label depends on what was read so far, not on
    what comes. It is trained by :eq:`10.22` to :eq:`10.28`; names and meanings are those of
    scikit-learn's ``MLPClassifier`` wherever they apply.

    Parameters
    ----------
    n_hidden : int
        H ≥ 1, the hidden units.
    recurrence : {"hidden", "output", "both"}
        What reaches the next step: h (figure 10.3), the output (figure 10.4), or both. An output is
        the label itself where it is taught, and ŷ in a prediction.
    teacher_forcing : float in 0 … 1
        With an output recurrence: how often, in training, a step is given the label before it, and
        not the network's own ŷ. 1 is the fastest; less makes a network that lives with its errors.
    activation, scheme, solver, alpha, batch_size, learning_rate, learning_rate_init, max_norm
        As of `RNNClassifier`; the penalty is also on R.
    max_iter, shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum
        As of `RNNClassifier`.
    early_stopping, validation_fraction
        As of `RNNClassifier`; sequences are held out by chance alone.
    beta_1, beta_2, epsilon, n_iter_no_change, max_fun
        As of `RNNClassifier`.
    class_weight : dict, "balanced" or None
        As of `RNNClassifier`; "balanced" counts steps.

    Attributes
    ----------
    classes_, rnn_, params_, n_features_in_, feature_names_in_, n_iter_, t_, loss_, loss_curve_
        As of `RNNClassifier`; a loss is the mean over steps.
    best_loss_, validation_scores_, best_validation_score_
        As of `RNNClassifier`.

    Raises
    ------
    ValueError, TypeError
        By `fit`, not before: for settings that are not as above.

    See Also
    --------
    RNNClassifier : One label, at the end.

    Notes
    -----
    X is as of `RNNClassifier`, and y has a label for each step: n arrays (T_i,) in a list or in an
    array of objects, or (n, T). Predictions come in the form of X. A ``sample_weight`` is that of
    each step of its sequence.

    With a label for each row of a table, y of shape (n,), the rows are sequences of one step.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.sklearn import SequenceTagger
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.integers(2, size=rng.integers(1, 12)) for _ in range(200)]
    >>> y = [x.cumsum() % 2 for x in X]             # whether the ones so far are odd in number
    >>> model = SequenceTagger(n_hidden=16, learning_rate_init=0.01, random_state=0)
    >>> model.fit(X, y).score(X, y)
    1.0
    >>> model.predict([np.array([1, 0, 1, 1])])
    [array([1, 1, 0, 1])]
    """

    recurrence: str
    teacher_forcing: float

    def __init__(
        self,
        n_hidden: int = 64,
        *,
        recurrence: str = "hidden",
        teacher_forcing: float = 1.0,
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
        class_weight: dict[Any, float] | str | None = None,
    ) -> None:
        self._keep(locals())

    def _network(self, n_inputs: int) -> RNN:
        return RNN(
            n_inputs,
            self.n_hidden,
            len(self.classes_),
            activation=self.activation,
            recurrence=self.recurrence,
            # What it was taught to expect: a label as a vector of ones and zeros, or near them.
            feedback="o" if self.recurrence == "hidden" else "y_hat",
        )

    def _check_settings(self) -> None:
        super()._check_settings()
        check.choice("recurrence", self.recurrence, ("hidden", "output", "both"))
        need = "a number in 0 … 1"
        if not 0 <= check.real_number("teacher_forcing", self.teacher_forcing, need) <= 1:
            raise check.wrong_value("teacher_forcing", check.describe(self.teacher_forcing), need)

    def _options(self) -> dict[str, Any]:
        if self.recurrence == "hidden" or self.teacher_forcing == 1:
            return {}
        seed = int(self._random.randint(2**31 - 1))
        drawn = seed if self.solver == "lbfgs" else np.random.default_rng(seed)
        return {"teacher_forcing": float(self.teacher_forcing), "seed": drawn}

    def _labels(self, X: Any, y: Any, *, first: bool) -> tuple[Sequences, Array]:
        sequences = read(self, X, first=first, table=_table(X, y))
        if sequences.form == "steps":
            labels = column_or_1d(y, warn=True)
            assert_all_finite(labels, input_name="y")
            check_consistent_length(sequences.lengths, labels)
        else:
            labels = labels_of_steps(y, sequences)
        if not len(labels):
            raise check.wrong_value("X", "sequences without a step", "one step at least, in all")
        return sequences, labels

    def _outwards(self, sequences: Sequences, values: Array) -> Any:
        return sequences.split(values)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Give the part of all steps whose label is right; it has no equation of the section.

        Parameters
        ----------
        X, y
            As in `fit`.
        sample_weight : array_like, shape (n,), optional
            How much each sequence counts, by each of its steps.

        Returns
        -------
        float

        Raises
        ------
        ValueError, TypeError
            As `fit`.

        Examples
        --------
        >>> from cybptt.sklearn import SequenceTagger
        >>> model = SequenceTagger(solver="lbfgs", random_state=0)
        >>> model.fit([[0, 1, 1], [1, 0]], [["a", "b", "b"], ["b", "a"]]).score([[1]], [["b"]])
        1.0
        """
        check_is_fitted(self)
        sequences, labels = self._labels(X, y, first=False)
        weights = self._of_labels(sequences, weights_of(sample_weight, len(sequences)))
        y_hat = _training.outputs(self.params_, sequences)
        right = self.classes_[y_hat.argmax(axis=1)] == labels
        return float(np.average(right, weights=weights))


def _table(X: Any, y: Any) -> str:
    """What the rows of a table are, by y: with one label each they are steps."""
    if listed(X) is not None or listed(y) is not None:
        return "rows"
    shape, columns = np.asarray(y).shape, np.asarray(X).shape[1:]
    return "steps" if len(shape) == 1 or (shape[1:] == (1,) and columns != (1,)) else "rows"
