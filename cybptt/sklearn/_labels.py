"""What the classifier and the tagger share: classes, their weights, and their probabilities."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets

from cybptt import _validate as check
from cybptt.sklearn import _training
from cybptt.sklearn._recurrent import Recurrent, stochastic
from cybptt.sklearn._sequences import Sequences

Array = NDArray[Any]


class Labelling(ClassifierMixin, Recurrent):  # type: ignore[misc]  # scikit-learn has no types
    """What `RNNClassifier` and `SequenceTagger` share."""

    class_weight: dict[Any, float] | str | None

    classes_: Array

    @abstractmethod
    def _labels(self, X: Any, y: Any, *, first: bool) -> tuple[Sequences, Array]:
        """X, and a label for each output of the network."""

    @abstractmethod
    def _outwards(self, sequences: Sequences, values: Array) -> Any:
        """What was computed for each output, as it is given back."""

    def _read(self, X: Any, y: Any, classes: Any, *, first: bool) -> tuple[Sequences, Array]:
        sequences, labels = self._labels(X, y, first=first)
        check_classification_targets(labels)
        if first:
            self.classes_ = np.unique(labels if classes is None else classes)
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            need = f"those of the first call, {self.classes_}, or None"
            raise check.wrong_value("classes", check.describe(classes), need)
        found, places = np.unique(labels, return_inverse=True)
        new = found[~np.isin(found, self.classes_)]
        if len(new):
            need = f"labels among {self.classes_}"
            raise check.wrong_value("y", ", ".join(map(repr, new.tolist())), need)
        if not self._is_balanced():
            self._of_classes()  # refuses what names no class
        return sequences, np.searchsorted(self.classes_, found)[places.reshape(-1)]

    def _is_balanced(self) -> bool:
        return isinstance(self.class_weight, str) and self.class_weight == "balanced"

    def _of_classes(self) -> Array:
        """The weights that are given for classes."""
        of_classes: Array = compute_class_weight(
            self.class_weight, classes=self.classes_, y=self.classes_
        )
        bad = of_classes[~((of_classes >= 0) & (of_classes < np.inf))]
        if len(bad):
            raise check.wrong_value("class_weight", f"{bad[0]}", "finite numbers ≥ 0")
        return of_classes

    def _of_labels(self, sequences: Sequences, weights: Array | None) -> Array | None:
        """The weights of labels, which sequences of many steps have many of."""
        if weights is None or self.rnn_.outputs == "last":
            return weights
        return np.repeat(weights, sequences.lengths)

    def _weigh(self, sequences: Sequences, y: Array, weights: Array | None) -> Array | None:
        weights = self._of_labels(sequences, weights)
        if self.class_weight is None:
            return weights
        if self._is_balanced():
            counts = np.bincount(y, weights, minlength=len(self.classes_)).astype(float)
            there = counts > 0
            of_classes = np.zeros(len(counts))
            of_classes[there] = counts.sum() / (there.sum() * counts[there])
        else:
            of_classes = self._of_classes()
        return of_classes[y] if weights is None else of_classes[y] * weights

    def _score(self, sequences: Sequences, y: Array, weights: Array | None) -> float:
        right = _training.outputs(self.params_, sequences).argmax(axis=1) == y
        return float(np.average(right, weights=self._of_labels(sequences, weights)))

    @available_if(stochastic)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Go through some sequences once, from where the parameters stand.

        A step for each batch of ``batch_size``, by :eq:`10.22` to :eq:`10.28`; the optimizer goes
        on where the call before it ended.

        Parameters
        ----------
        X, y
            As in `fit`.
        classes : array_like, optional
            All labels that will ever come: needed at the first call, the same or left out later.
        sample_weight
            As in `fit`.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError, TypeError
            As `fit`; without classes at the first call, for a label that is not among them, and
            with ``early_stopping`` or ``class_weight="balanced"``, which need all of the data.

        Examples
        --------
        >>> from cybptt.sklearn import RNNClassifier
        >>> model = RNNClassifier(random_state=0)
        >>> model.partial_fit([[0.0], [1.0, 1.0]], ["a", "b"], classes=["a", "b", "c"]).classes_
        array(['a', 'b', 'c'], dtype='<U1')
        """
        if self._is_balanced():
            need = "None or a dict: a part of the data does not tell how often each class comes"
            raise check.wrong_value("class_weight", repr(self.class_weight), need)
        if classes is None and not hasattr(self, "params_"):
            need = "all labels that will ever come, at the first call of partial_fit"
            raise check.wrong_value("classes", "None", need)
        return self._pass_once(X, y, sample_weight, classes)

    # -------------------------------------------------------------- prediction

    def predict(self, X: Any) -> Any:
        """Give the likeliest label, by ŷ of :eq:`10.11`.

        A prediction has the same bits whatever other sequences are predicted with it.

        Parameters
        ----------
        X : array_like (n, T, d), list of n arrays (T_i, d) or (T_i,), or array_like (n, T)
            The sequences.

        Returns
        -------
        ndarray, shape (n,)
            Of a tagger a label for each step, in the form of X: an array (n, T), or a list, or
            array of objects, of n arrays (T_i,).

        Raises
        ------
        ValueError, TypeError
            For an X that is not as above, or whose steps are of another size than in `fit`.

        Examples
        --------
        >>> from cybptt.sklearn import SequenceTagger
        >>> model = SequenceTagger(solver="lbfgs", random_state=0)    # which of two came before?
        >>> X, y = [[1, 0, 0, 1, 1], [0, 0, 1, 0]], [[0, 1, 0, 0, 1], [0, 0, 0, 1]]
        >>> model.fit(X, y).predict([[0, 1, 1]])
        [array([0, 0, 1])]
        """
        sequences, y_hat = self._outputs(X)
        return self._outwards(sequences, self.classes_[y_hat.argmax(axis=1)])

    def predict_proba(self, X: Any) -> Any:
        """Give the probability of each label, ŷ of :eq:`10.11`.

        Parameters
        ----------
        X : array_like
            As in `predict`.

        Returns
        -------
        ndarray, shape (n, K)
            By the order of ``classes_``. Of a tagger in the form of X: (n, T, K), or n arrays
            (T_i, K).

        Raises
        ------
        ValueError, TypeError
            As `predict`.

        Examples
        --------
        >>> from cybptt.sklearn import RNNClassifier
        >>> model = RNNClassifier(solver="lbfgs", random_state=0)
        >>> model.fit([[1, 0, 0], [0, 1], [0, 0]], ["one", "one", "none"])
        RNNClassifier(random_state=0, solver='lbfgs')
        >>> model.predict_proba([[0, 0, 0, 1], [0]]).shape
        (2, 2)
        """
        return self._outwards(*self._outputs(X))

    def predict_log_proba(self, X: Any) -> Any:
        """Give the logarithm of each label's probability, :eq:`10.11`.

        It is made of o, and stays exact where a probability is too small for a number.

        Parameters
        ----------
        X : array_like
            As in `predict`.

        Returns
        -------
        ndarray, shape (n, K)
            As of `predict_proba`, in nats.

        Raises
        ------
        ValueError, TypeError
            As `predict`.

        Examples
        --------
        >>> import numpy as np
        >>> from cybptt.sklearn import RNNClassifier
        >>> model = RNNClassifier(solver="lbfgs", random_state=0)
        >>> model = model.fit([[1, 0, 0], [0, 1], [0, 0]], ["one", "one", "none"])
        >>> np.allclose(np.exp(model.predict_log_proba([[1]])), model.predict_proba([[1]]))
        True
        """
        sequences, o = self._outputs(X, link=False)
        return self._outwards(sequences, log_softmax(o, axis=1))
