"""Recurrent networks as estimators of scikit-learn: for sequences of any lengths.

`RNNClassifier` and `RNNRegressor` read a sequence and give a label, or values, at its end: figure
10.5 of *Deep Learning*. `SequenceTagger` gives a label at each step: figures 10.3 and 10.4. They
go where scikit-learn's own estimators go: pipelines, searches, cross-validation, pickles.

This module needs scikit-learn, which the extra ``cybptt[sklearn]`` brings, and is imported by name:

>>> from cybptt.sklearn import RNNClassifier
>>> sequences = [[0, 1, 1], [1, 0], [0, 0, 1, 1], [1, 1, 0]]    # of scalars; of vectors, (T_i, d)
>>> RNNClassifier(solver="lbfgs", random_state=0).fit(sequences, [1, 0, 1, 0]).predict([[0, 1]])
array([1])
"""

from __future__ import annotations

from cybptt import _neighbours

try:
    import sklearn  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "sklearn":
        raise
    raise _neighbours.missing("sklearn", "scikit-learn") from None

from cybptt.sklearn._classifier import RNNClassifier
from cybptt.sklearn._regressor import RNNRegressor
from cybptt.sklearn._tagger import SequenceTagger

__all__ = ["RNNClassifier", "RNNRegressor", "SequenceTagger"]
