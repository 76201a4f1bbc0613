"""`RNNClassifier`: a label for a sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d

from cybptt import RNN
from cybptt import _validate as check
from cybptt.activations import Activation
from cybptt.sklearn._labels import Labelling
from cybptt.sklearn._sequences import Sequences, listed, read

Array = NDArray[Any]


class RNNClassifier(Labelling):
    """A classifier of sequences: it reads one, and gives a label at its end.

    The network of figure 10.5: :eq:`10.8` to :eq:`10.11`, with one output, softmax over the
    classes, where a sequence ends. It is trained by :eq:`10.22` to :eq:`10.28`; names and meanings
    are those of scikit-learn's ``MLPClassifier`` wherever they apply.

    Parameters
    ----------
    n_hidden : int
        H ≥ 1, the hidden units.
    activation : str or Activation
        f of :eq:`10.9`: a registered name, such as "tanh" or "relu", or an object.
    scheme : {"orthogonal", "uniform", "identity", "glorot"}
        How first values are drawn, as in `RNN.init`.
    solver : {"adam", "sgd", "lbfgs"}
        Adam or gradient descent by batches, or SciPy's L-BFGS-B on all sequences at once.
    alpha : float
        α ≥ 0 of the penalty α/2 ‖U, W, V‖² on the matrices, not the biases. It is added to the sum
        of the losses, before that is divided by the sum of the weights.
    batch_size : int or "auto"
        Sequences of a batch, all of them at most; "auto" is 32.
    learning_rate : {"constant", "adaptive"}
        "adaptive" divides the rate by 5 where "constant" stops, down to 10⁻⁶.
    learning_rate_init : float
        The rate of Adam or gradient descent, > 0.
    max_norm : float or None
        The norm to which a batch's gradient is clipped, > 0; None: it is not.
    max_iter : int
        The most epochs, or iterations of L-BFGS-B.
    shuffle : bool
        Whether each epoch takes the sequences in a new order.
    random_state : int, numpy.random.RandomState or None
        Decides the first values, the order, and what is held out. The same int, the same bits, on
        any number of threads.
    tol : float
        What a loss, or score, must improve by; for L-BFGS-B, how small its gradient must become.
    verbose : bool
        Whether a bar shows how training goes on.
    warm_start : bool
        Whether `fit` goes on from where the fit before it ended.
    momentum, nesterovs_momentum : float in [0, 1), bool
        Of solver "sgd".
    early_stopping : bool
        Whether to hold sequences out, in the proportions of the classes, to stop by the score on
        them, and to keep the parameters that were best by it. Not with L-BFGS-B.
    validation_fraction : float in (0, 1)
        How much of them.
    beta_1, beta_2, epsilon : float
        Of solver "adam".
    n_iter_no_change : int or inf
        After so many epochs in a row that did not improve by tol, training stops.
    max_fun : int
        The most evaluations of L-BFGS-B.
    class_weight : dict, "balanced" or None
        A weight for each label, 1 where none is named; "balanced" gives all classes the same sum
        of weights. They multiply ``sample_weight``.

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
        The labels.
    rnn_ : RNN
        The network.
    params_ : Parameters
        Its numbers; `cybptt.save` keeps both.
    n_features_in_ : int
        d, the values of a step; for an X of two axes its columns.
    feature_names_in_ : ndarray, shape (T,)
        The names of these columns, where X had them.
    n_iter_ : int
        Epochs, or iterations, of the last fit.
    t_ : int
        Sequences that training has seen, each as often as it has.
    loss_ : float
        The last of ``loss_curve_``.
    loss_curve_ : list of float
        The mean loss in nats, penalty included: each batch's before its step, or an iteration's.
        `partial_fit` and a warm start go on with it.
    best_loss_ : float or None
        The least of them; None where sequences are held out.
    validation_scores_, best_validation_score_ : list of float and float, or None
        The scores on sequences held out, one an epoch, and the best.

    Raises
    ------
    ValueError, TypeError
        By `fit`, not before: for settings that are not as above.

    See Also
    --------
    SequenceTagger : A label at each step.
    RNNRegressor : Values instead of a label.

    Notes
    -----
    X is an array (n, T, d); or a list of arrays (T_i, d), or (T_i,) of scalars, of any lengths, 0
    included; or a table (n, T), each row of which is a sequence of scalars. After a table,
    predictions want as many columns, as everywhere in scikit-learn; otherwise lengths are free.
    Values must be finite. An X of float32 is computed in float32, all else in float64.

    Several labels of a sequence are for ``sklearn.multioutput.MultiOutputClassifier``.

    Examples
    --------
    >>> from cybptt.sklearn import RNNClassifier
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import cross_val_score
    >>> X, y = load_digits(return_X_y=True)
    >>> rows = X.reshape(-1, 8, 8) / 16             # eight steps of eight pixels
    >>> model = RNNClassifier(solver="sgd", learning_rate_init=0.1, random_state=0)
    >>> bool(cross_val_score(model, rows[:600], y[:600], cv=3).mean() > 0.8)
    True
    """

    def __init__(
        self,
        n_hidden: int = 64,
        *,
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
            outputs="last",
        )

    def _labels(self, X: Any, y: Any, *, first: bool) -> tuple[Sequences, Array]:
        sequences = read(self, X, first=first)
        if listed(y) is not None or np.asarray(y).shape[1:] not in ((), (1,)):
            need = "one label for each sequence (for several there is sklearn.multioutput)"
            raise check.wrong_value("y", check.describe(y), need)
        labels = column_or_1d(y, warn=True)
        assert_all_finite(labels, input_name="y")
        check_consistent_length(sequences.lengths, labels)
        return sequences, labels

    def _strata(self, y: Array) -> Array | None:
        return y

    def _outwards(self, sequences: Sequences, values: Array) -> Any:
        return values
