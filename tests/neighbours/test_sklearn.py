"""`cybptt.sklearn` where scikit-learn's own estimators stand: its checks and its tools."""

from __future__ import annotations

import inspect
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shims
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_digits
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_predict,
    cross_validate,
    train_test_split,
)
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn_problems import ESTIMATORS, as_images, problem, quick, same

import cybptt
from cybptt.sklearn import RNNClassifier, RNNRegressor, SequenceTagger

# ---------------------------------------------------------------------- its own checks

CHECKS = """
import sys, warnings
from sklearn.utils.estimator_checks import check_estimator
from cybptt.sklearn import RNNClassifier, RNNRegressor, SequenceTagger

warnings.simplefilter("ignore")  # scikit-learn's own, most of them
results = check_estimator(eval(sys.argv[1]), on_fail=None, on_skip=None)
assert len(results) > 50
for result in results:
    if result["status"] != "passed":
        print(result["check_name"], result["status"], repr(result["exception"]))
"""
CHECKED = (
    "RNNClassifier()",
    "RNNRegressor()",
    "SequenceTagger()",
    "RNNClassifier(solver='sgd', learning_rate_init=0.1)",
    "RNNClassifier(activation='relu', scheme='identity')",
    "SequenceTagger(recurrence='both')",
)


@pytest.mark.parametrize("estimator", CHECKED)
def test_all_of_scikit_learns_checks_pass(estimator: str) -> None:
    """None fails, and none is skipped."""
    assert shims.program(CHECKS, estimator, SCIPY_ARRAY_API="1") == ""


# ---------------------------------------------------------------------- its tools


def test_digits_row_by_row_in_a_pipeline_and_a_search() -> None:
    X, y = load_digits(return_X_y=True)
    train, test, train_y, test_y = train_test_split(X, y, stratify=y, random_state=0)
    pipeline = make_pipeline(
        MinMaxScaler(),
        FunctionTransformer(as_images),
        RNNClassifier(32, learning_rate_init=3e-3, tol=1e-2, random_state=0),
    )
    grid = {"rnnclassifier__activation": ["tanh", "relu"]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(train, train_y)
    assert search.score(test, test_y) > 0.93
    model = search.best_estimator_[-1]
    assert model.rnn_.n_inputs == 8
    again = pickle.loads(pickle.dumps(search))
    same(again.predict_proba(test), search.predict_proba(test))


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("form", ["list", "objects", "array"])
def test_splits_searches_and_cross_validation(cls: Any, form: str) -> None:
    X, y = problem(cls, form)
    train, test, train_y, test_y = train_test_split(X, y, random_state=0)
    assert len(test) == len(test_y) == 8
    model = quick(cls).fit(train, train_y)
    assert model.score(test, test_y) == pytest.approx(model.score(list(test), list(test_y)))
    found = cross_validate(model, X, y, cv=3, params={"sample_weight": np.arange(1.0, 31)})
    assert found["test_score"].shape == (3,)
    search = GridSearchCV(model, {"n_hidden": [2, 3]}, cv=KFold(2)).fit(X, y)
    assert search.best_estimator_.rnn_.n_hidden in (2, 3)
    assert len(search.predict(X)) == len(X)


@pytest.mark.parametrize("form", ["objects", "array"])
def test_cross_val_predict_of_steps(form: str) -> None:
    """Arrays of objects go in, and so they come out: what NumPy can join."""
    X, y = problem(SequenceTagger, form)
    labels = cross_val_predict(quick(SequenceTagger), X, y, cv=KFold(3))
    assert [len(part) for part in labels] == [len(x) for x in X]
    assert {label for part in labels for label in part} <= {"a", "b", "c"}


def test_weights_are_routed() -> None:
    import sklearn

    X, y = problem(RNNClassifier)
    weights = np.arange(len(X)) % 3
    with sklearn.config_context(enable_metadata_routing=True):
        model = quick(RNNClassifier).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        found = cross_validate(
            model, X, y, cv=KFold(2), params={"sample_weight": weights}, return_estimator=True
        )
    half = np.arange(len(X)) >= len(X) // 2
    chosen = [x for x, there in zip(X, half, strict=True) if there]
    direct = quick(RNNClassifier).fit(chosen, y[half], sample_weight=weights[half])
    same(found["estimator"][0].params_.vector, direct.params_.vector)


def test_several_labels_and_scaled_targets() -> None:
    X, y = problem(RNNClassifier)
    both = np.column_stack([y, y == "a"])
    model = MultiOutputClassifier(quick(RNNClassifier)).fit(X, both)
    assert model.predict(X).shape == (len(X), 2)
    X, y = problem(RNNRegressor)
    scaled = TransformedTargetRegressor(quick(RNNRegressor), transformer=StandardScaler())
    assert scaled.fit(X, 1000 + 100 * y).predict(X).mean() == pytest.approx(1000, abs=100)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_clones_and_copies(cls: Any, tmp_path: Path) -> None:
    X, y = problem(cls)
    model = quick(cls).fit(X, y)
    assert clone(model).get_params() == model.get_params()
    assert not hasattr(clone(model), "params_")
    again = pickle.loads(pickle.dumps(model))
    same(again.predict(X), model.predict(X))
    # It goes on as the first one would have.
    model.partial_fit(X, y)
    same(again.partial_fit(X, y).params_.vector, model.params_.vector)
    # The network is cybptt's, and can be kept as one.
    file = tmp_path / "model.safetensors"
    cybptt.save(file, model.rnn_, model.params_)
    rnn, params = cybptt.load(file)
    assert rnn == model.rnn_
    same(params.vector, model.params_.vector)


def test_names_of_columns() -> None:
    import pandas as pd

    X, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    table = pd.DataFrame(X, columns=["one", "two", "three"])
    model = quick(RNNClassifier).fit(table, y)
    assert list(model.feature_names_in_) == ["one", "two", "three"]
    assert model.n_features_in_ == 3
    same(model.predict(table), quick(RNNClassifier).fit(X, y).predict(X))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(table[["two", "one", "three"]])
    model.fit([*X], y)
    assert not hasattr(model, "feature_names_in_")
    assert model.n_features_in_ == 1


def test_tables_of_pandas_are_sequences() -> None:
    import pandas as pd

    X, y = problem(RNNClassifier)
    expected = quick(RNNClassifier).fit(X, y).predict_proba(X)
    frames = [pd.DataFrame(x) for x in X]
    same(quick(RNNClassifier).fit(frames, pd.Series(y)).predict_proba(frames), expected)
    series = pd.Series([*X])
    same(quick(RNNClassifier).fit(series, list(y)).predict_proba(series), expected)


# ---------------------------------------------------------------------- the three alike


def test_the_same_defaults() -> None:
    """Each class has its own list of arguments, as scikit-learn wants it."""
    defaults = [cls().get_params() for cls in ESTIMATORS]
    common = set.intersection(*map(set, defaults))
    assert len(common) == 24
    assert all(given[name] == defaults[0][name] for given in defaults for name in common)
    assert defaults[0]["class_weight"] is defaults[2]["class_weight"] is None


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_the_documentation_of_partial_fit(cls: Any) -> None:
    """What test_project asks of every method that is one: this is there for some solvers alone."""
    from test_project import documented_parameters, sections, wanted_parameters

    parts = sections(cls.partial_fit.__doc__)
    method = inspect.unwrap(cls.partial_fit)
    assert documented_parameters(parts["Parameters"]) == wanted_parameters(method)
    assert {"Returns", "Raises", "Examples"} <= set(parts)
    assert ":eq:`10.22`" in cls.partial_fit.__doc__
