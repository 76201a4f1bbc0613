"""What the estimators of `cybptt.sklearn` refuse, and that this changes nothing."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.exceptions import NotFittedError
from sklearn_problems import ESTIMATORS, problem, quick, same

from cybptt.sklearn import RNNClassifier, RNNRegressor, SequenceTagger

NAN, ARRAY = np.nan, np.ones((4, 3, 2))
LABELS = [0, 1, 0, 1]
BAD_X: tuple[tuple[Any, type[Exception], str], ...] = (
    (
        np.where(ARRAY > 0, NAN, 0),
        ValueError,
        r"^X: got NaN, need finite numbers; sequences of dif",
    ),
    ([*ARRAY[:3], ARRAY[3] * np.inf], ValueError, r"^X\[3\]: got inf, need finite"),
    (np.where(ARRAY[..., 0] > 0, NAN, 0), ValueError, "Input X contains NaN"),
    (ARRAY.astype(complex), ValueError, "Complex data not supported"),
    ([*ARRAY[:3], ARRAY[3] * 1j], TypeError, r"^X\[3\]: got .*complex128, need real numbers"),
    (scipy.sparse.csr_array(ARRAY[:, 0]), TypeError, "Sparse data was passed"),
    ([scipy.sparse.csr_array(x) for x in ARRAY], (ValueError, TypeError), r"^X\[0\]: got "),
    (["one", "two", "three", "four"], ValueError, "could not convert string to float: 'one'"),
    ([["one"], ["two", "three"], [], []], TypeError, r"^X\[0\]: got .*<U3, need real numbers"),
    ([{}, {1: 2}, {}, {}], (ValueError, TypeError), r"^X\[0\]: got "),
    ([*ARRAY[:3], None], (ValueError, TypeError), r"^X\[3\]: got "),
    (
        [*ARRAY[:3], ARRAY[3, :, :1]],
        ValueError,
        r"^X\[3\]: got .*\(3, 1\).*, need \(T_i, d\) .*\(3, 2\)",
    ),
    ([*ARRAY[:3], ARRAY[3, :, 0]], ValueError, r"^X\[3\]: got .*\(3,\).*, need"),
    ([*ARRAY[:3], ARRAY], ValueError, r"^X\[3\]: got .*\(4, 3, 2\).*, need real numbers of shape"),
    ([*ARRAY[:3], [[1, 2], [3]]], ValueError, r"^X\[3\]: got .*inhomogeneous"),
    (ARRAY[None], ValueError, "Found array with dim 4"),
    ([1.0, 2.0, 3.0, 4.0], ValueError, "Expected 2D array, got 1D array instead"),
    (np.ones(4), ValueError, "Expected 2D array, got 1D array instead"),
    ([], ValueError, "Expected 2D array, got 1D array instead"),
    (np.ones((0, 3, 2)), ValueError, "Found array with 0 sample"),
    (None, ValueError, "Expected 2D array, got scalar array"),
    (3.0, ValueError, "Expected 2D array, got scalar array"),
)


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("number", range(len(BAD_X)))
def test_an_x_that_is_refused(number: int, cls: Any) -> None:
    X, error, message = BAD_X[number]
    y = np.tile(LABELS, (3, 1)).T if cls is SequenceTagger else LABELS
    with pytest.raises(error, match=message):
        quick(cls).fit(X, y)
    model = quick(cls).fit(ARRAY, y)
    with pytest.raises((ValueError, TypeError)):
        model.predict(X)


def test_steps_of_another_size() -> None:
    for cls in ESTIMATORS:
        model = quick(cls).fit(*problem(cls))
        for X in (np.ones((2, 5, 3)), [np.ones((5, 3))]):
            with pytest.raises(
                ValueError, match=r"^X: got sequences of 3 values a step, need 2 as"
            ):
                model.predict(X)
        one = np.ones((5, 2))
        with pytest.raises(
            ValueError, match=r"^X: got .*, need .*One sequence alone is a list, \[X\]"
        ):
            model.predict(one)
        assert len(model.predict([one])) == 1
        with pytest.raises(ValueError, match=r"^X: got sequences of 3 values"):
            model.partial_fit([np.ones((5, 3))], problem(cls)[1][:1])


BAD_Y: tuple[tuple[Any, Any, str], ...] = (
    (RNNClassifier, None, "requires y to be passed, but the target y is None"),
    (RNNClassifier, [0, 1, 0], "inconsistent numbers of samples"),
    (RNNClassifier, [0.5, 1.5, 0.1, 2.5], "Unknown label type: continuous"),
    (RNNClassifier, [0.0, 1.0, NAN, 0.0], "Input y contains NaN"),
    (
        RNNClassifier,
        np.eye(4, dtype=int),
        r"^y: got .*\(4, 4\).*, need one label for each .*multioutput",
    ),
    (RNNClassifier, [[0], [1, 1], [0], [1]], r"^y: got .*, need one label for each sequence"),
    (RNNRegressor, None, "requires y to be passed, but the target y is None"),
    (RNNRegressor, [0.0, 1.0], "inconsistent numbers of samples"),
    (RNNRegressor, [0.0, 1.0, NAN, 0.0], "Input y contains NaN"),
    (RNNRegressor, ["a", "b", "c", "d"], "could not convert string to float"),
    (RNNRegressor, np.ones((4, 2, 2)), r"Found array with dim 3|^y: got"),
    (SequenceTagger, None, "requires y to be passed, but the target y is None"),
    (
        SequenceTagger,
        LABELS,
        r"^y\[0\]: got .*, need a label for each step of X\[0\], of shape \(3,\)",
    ),
    (SequenceTagger, [[0, 1, 0]] * 3, "^y: got labels of 3 sequences, need 4 as in X"),
    (
        SequenceTagger,
        [[0, 1, 0]] * 3 + [[0, 1]],
        r"^y\[3\]: got .*, need a label for each step of X\[3\]",
    ),
    (SequenceTagger, [[0, 1, NAN]] * 4, "Input y contains NaN"),
    (SequenceTagger, [[0.1, 1, 0.5]] * 4, "Unknown label type: continuous"),
)


@pytest.mark.parametrize(("cls", "y", "message"), BAD_Y)
def test_a_y_that_is_refused(cls: Any, y: Any, message: str) -> None:
    for X in (ARRAY, [*ARRAY]):
        with pytest.raises(ValueError, match=message):
            quick(cls).fit(X, y)


BAD_WEIGHTS: tuple[tuple[Any, str], ...] = (
    ([1, 1, 1], r"^sample_weight: got .*\(3,\).*, need shape \(n,\) = \(4,\)"),
    (np.ones((4, 1)), r"^sample_weight: got .*\(4, 1\)"),
    ([1, 1, -1, 1], r"^sample_weight: got -1\.0, need finite numbers ≥ 0"),
    ([0, 0, 0, 0], "^sample_weight: got zero for every sequence, need one > 0"),
    ([1, NAN, 1, 1], "sample_weight contains NaN"),
)


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize(("weights", "message"), BAD_WEIGHTS)
def test_weights_that_are_refused(cls: Any, weights: Any, message: str) -> None:
    y = np.tile(LABELS, (3, 1)).T if cls is SequenceTagger else LABELS
    with pytest.raises(ValueError, match=message):
        quick(cls).fit(ARRAY, y, sample_weight=weights)


@pytest.mark.parametrize("cls", [RNNClassifier, SequenceTagger])
def test_weights_that_leave_nothing(cls: Any) -> None:
    X, y = problem(cls)
    empty = [float(len(x) == 0) for x in X]
    message = "^sample_weight: got zero, with class_weight, for all that is to be learnt, need "
    with pytest.raises(ValueError, match=message):
        quick(cls, class_weight=dict.fromkeys("abc", 0.0)).fit(X, y)
    if cls is RNNClassifier:  # which gives a label to a sequence without a step
        quick(cls).fit(X, y, sample_weight=empty)
    else:
        with pytest.raises(ValueError, match=message):
            quick(cls).fit(X, y, sample_weight=empty)


BAD_SETTINGS: dict[str, tuple[Any, ...]] = {
    "n_hidden": (0, -1, 2.5, "4", None, True),
    "activation": ("tahn", None, 3),
    "scheme": ("best", None),
    "solver": ("adagrad", None, 1),
    "alpha": (-1, NAN, np.inf, "1", None),
    "batch_size": (0, 2.5, "all", None),
    "learning_rate": ("invscaling", 0.1),
    "learning_rate_init": (0, -1, NAN, np.inf, None),
    "max_norm": (0, -1, NAN, "1"),
    "max_iter": (0, 2.5, np.inf, None),
    "shuffle": (1, None, "yes"),
    "random_state": ("seed", 1.5),
    "tol": (-1, NAN, None),
    "warm_start": (1, None),
    "momentum": (-0.1, 1.0, None),
    "nesterovs_momentum": (1, None),
    "early_stopping": (1, None),
    "validation_fraction": (0.0, 1.0, None),
    "beta_1": (1.0, -0.1),
    "beta_2": (1.0, -0.1),
    "epsilon": (0, NAN),
    "n_iter_no_change": (0, 2.5, None),
    "max_fun": (0, None),
    "class_weight": ("equal", {"d": 1.0}, {"a": -1.0}, {"a": np.inf}),
    "loss": ("softmax_nll", "absolute", None),
    "recurrence": ("none", None),
    "teacher_forcing": (-0.1, 1.5, "often", None),
}


def contents(model: Any) -> dict[str, bytes]:
    """All that it holds."""
    return {name: pickle.dumps(value) for name, value in vars(model).items()}


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_settings_that_are_refused(cls: Any) -> None:
    X, y = problem(cls)
    fitted = quick(cls).fit(X, y)
    names = set(cls().get_params()) & set(BAD_SETTINGS)
    assert set(cls().get_params()) - names == {"verbose"}
    for name in names:
        for value in BAD_SETTINGS[name]:
            model = copy.deepcopy(fitted).set_params(**{name: value})
            before = contents(model)
            # Two are looked at by scikit-learn, which has words of its own.
            theirs = {"random_state": "seed", "class_weight": "class"}
            with pytest.raises((ValueError, TypeError), match=theirs.get(name, f"^{name}: got ")):
                model.fit(X, y)
            assert contents(model) == before, name


def test_a_refused_fit_changes_nothing() -> None:
    X, y = problem(RNNClassifier)
    model = quick(RNNClassifier).fit(X, y)
    before, expected = contents(model), model.predict_proba(X)
    for bad_x, bad_y, weights in (
        (X, np.arange(29) % 2, None),
        ([x[:, :1] for x in X], ["a", "b"] * 15, np.zeros(30)),
        (np.full((30, 4), NAN), y, None),
    ):
        with pytest.raises(ValueError, match=r"X|sample"):
            model.fit(bad_x, bad_y, sample_weight=weights)
        assert contents(model) == before
    same(model.predict_proba(X), expected)


def test_what_partial_fit_refuses() -> None:
    X, y = problem(RNNClassifier)
    for options, given, message in (
        ({}, {}, "^classes: got None, need all labels that will ever come"),
        ({}, {"classes": ["a", "b"]}, "^y: got 'c', need labels among"),
        (
            {"class_weight": "balanced"},
            {"classes": [*"abc"]},
            "^class_weight: got 'balanced', need",
        ),
        ({"early_stopping": True}, {"classes": [*"abc"]}, "^early_stopping: got True, need False"),
    ):
        with pytest.raises(ValueError, match=message):
            quick(RNNClassifier, **options).partial_fit(X, y, **given)
    model = quick(RNNClassifier).partial_fit(X, y, classes=[*"abc"])
    model.partial_fit(X, y, classes=[*"cba"])
    with pytest.raises(
        ValueError, match=r"^classes: got \['a', 'b'\], need those of the first call"
    ):
        model.partial_fit(X, y, classes=["a", "b"])
    with pytest.raises(ValueError, match=r"^y: got 'd', need labels among"):
        model.partial_fit(X[:1], ["d"])
    regressor = quick(RNNRegressor).partial_fit(X, np.ones(30))
    with pytest.raises(ValueError, match=r"^y: got 2 values, need 1 for each sequence"):
        regressor.partial_fit(X, np.ones((30, 2)))


def test_what_early_stopping_refuses() -> None:
    X, y = problem(RNNClassifier)
    model = quick(RNNRegressor, early_stopping=True, validation_fraction=0.01)
    with pytest.raises(ValueError, match=r"^validation_fraction: got 0.01 of 30 sequences, need"):
        model.fit(X, np.arange(30.0))
    first = np.arange(30) < 1
    with pytest.raises(
        ValueError, match=r"^sample_weight: got zero for all of a part, need one > 0"
    ):
        quick(RNNClassifier, early_stopping=True).fit(X, y, sample_weight=first)


def test_before_a_fit() -> None:
    for cls in ESTIMATORS:
        X, y = problem(cls)
        for call in (lambda model: model.predict(X), lambda model: model.score(X, y)):  # noqa: B023
            with pytest.raises(NotFittedError):
                call(cls())
