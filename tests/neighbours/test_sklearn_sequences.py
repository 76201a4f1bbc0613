"""What goes into the estimators of `cybptt.sklearn`, and what comes out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.exceptions import DataConversionWarning
from sklearn_problems import ESTIMATORS, objects, problem, quick, same

import cybptt
from cybptt.sklearn import RNNClassifier, RNNRegressor, SequenceTagger

Array = NDArray[Any]

# ---------------------------------------------------------------------- forms


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_scalars_in_every_form(cls: Any) -> None:
    """Arrays (n, T) and (n, T, 1), lists of arrays (T,) and (T, 1), lists of lists."""
    X, y = problem(cls, "array", d=1)
    table = X[:, :, 0]
    forms = {
        "(n, T, 1)": X,
        "(n, T)": table,
        "(T, 1)": [*X],
        "(T,)": [*table],
        "lists": table.tolist(),
        "nested lists": X.tolist(),
        "objects": objects([*table]),
        "numbers as objects": table.astype(object),
    }
    vector = quick(cls).fit(X, y).params_.vector
    for name, form in forms.items():
        model = quick(cls).fit(form, y)
        same(model.params_.vector, vector)
        assert model.n_features_in_ == (
            6 if name in ("(n, T)", "lists", "numbers as objects") else 1
        )
        for other in forms.values():
            assert len(model.predict(other)) == 30
            assert model.score(other, y) == model.score(X, y)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_lengths_are_free(cls: Any) -> None:
    X, y = problem(cls, "array")
    model = quick(cls).fit(X, y)
    assert len(model.predict(np.zeros((4, 50, 2)))) == 4
    assert len(model.predict([np.zeros((T, 2)) for T in (0, 1, 100)])) == 3
    # But for a table, which has columns in scikit-learn's sense.
    scalars, y = problem(cls, "array", d=1)
    model = quick(cls).fit(scalars[:, :, 0], y)
    with pytest.raises(ValueError, match=r"X has 5 features, but .* is expecting 6 features"):
        model.predict(scalars[:, :5, 0])
    assert len(model.predict(scalars[:, :5])) == len(model.predict([*scalars[:, :5, 0]])) == 30
    ragged = quick(cls).fit(*problem(cls, d=1))
    assert len(ragged.predict(np.zeros((3, 17)))) == 3
    if cls is SequenceTagger:
        assert [labels.shape for labels in model.predict([[1.0], [1.0, 2.0]])] == [(1,), (2,)]


def test_sequences_without_a_step() -> None:
    X: Any = [np.zeros((0, 2))] * 4
    model = quick(RNNClassifier, solver="lbfgs", tol=1e-4).fit(X, [0, 1, 1, 1])
    assert model.predict_proba(X)[0, 1] == pytest.approx(0.75, abs=0.01)
    assert quick(RNNRegressor).fit(X, np.ones(4)).predict(X).shape == (4,)
    tagger = quick(SequenceTagger).fit([*X, np.zeros((1, 2))], [*[[]] * 4, [1]])
    assert [len(labels) for labels in tagger.predict(X)] == [0, 0, 0, 0]
    with pytest.raises(ValueError, match=r"^X: got sequences without a step, need one step"):
        quick(SequenceTagger).fit(X, [[]] * 4)


def test_one_sequence_and_one_class() -> None:
    for solver in ("adam", "lbfgs"):
        model = quick(RNNClassifier, solver=solver, alpha=0.0).fit([[1.0, 2.0]], ["only"])
        assert model.predict([[3.0]]) == ["only"]
        assert model.predict_proba([[3.0]]) == [[1.0]]
        assert model.loss_ == 0
        assert quick(RNNRegressor, solver=solver).fit([[1.0, 2.0]], [1.0]).predict(
            [[3.0]]
        ).shape == (1,)


@pytest.mark.parametrize("kind", [int, bool, str, object])
def test_labels_of_every_kind(kind: Any) -> None:
    X, _ = problem(RNNClassifier)
    names: Any = (
        np.array(["no", "yes"], object) if kind is object else np.array([0, 1]).astype(kind)
    )
    y = names[np.arange(30) % 2]
    model = quick(RNNClassifier).fit(X, y)
    assert model.classes_.tolist() == sorted(names.tolist())
    assert set(model.predict(X).tolist()) <= set(names.tolist())
    tagger = quick(SequenceTagger).fit(
        X[1:], [np.repeat(label, len(x)) for x, label in zip(X[1:], y[1:], strict=True)]
    )
    assert tagger.classes_.tolist() == sorted(names.tolist())


def test_a_column_of_targets() -> None:
    X, y = problem(RNNClassifier)
    with pytest.warns(DataConversionWarning):
        model = quick(RNNClassifier).fit(X, y[:, None])
    same(model.predict(X), quick(RNNClassifier).fit(X, y).predict(X))
    X, y = problem(RNNRegressor)
    with pytest.warns(DataConversionWarning):
        regressor = quick(RNNRegressor).fit(X, y[:, None])
    same(regressor.predict(X), quick(RNNRegressor).fit(X, y).predict(X))


# ---------------------------------------------------------------------- the tagger's forms


def test_labels_come_as_sequences_did() -> None:
    X, y = problem(SequenceTagger)
    model = quick(SequenceTagger).fit(X, y)
    labels, proba = model.predict(X), model.predict_proba(X)
    assert isinstance(labels, list)
    assert [part.shape for part in labels] == [(len(x),) for x in X]
    assert [part.shape for part in proba] == [(len(x), 3) for x in X]
    same(model.predict(objects(X)), objects(labels))
    same(model.predict_log_proba(objects(X))[3], model.predict_log_proba(X)[3])
    six = np.array([x[:1].repeat(6, axis=0) for x in X if len(x)])
    assert model.predict(six).shape == (len(six), 6)
    assert model.predict_proba(six).shape == (len(six), 6, 3)


def test_rows_with_a_label_each_are_steps() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), np.arange(40) % 2
    model = quick(SequenceTagger).fit(X, y)
    assert model.rnn_.n_inputs == model.n_features_in_ == 3
    assert model.predict(X).shape == (40,)
    assert model.predict_proba(X).shape == (40, 2)
    assert model.score(X, y) == (model.predict(X) == y).mean()
    # One step is what it is in a list, too, and several steps are several.
    same(model.predict(X), np.concatenate(model.predict([*X[:, None]])))
    assert [len(labels) for labels in model.predict([X[:5], X[5:]])] == [5, 35]
    with pytest.warns(DataConversionWarning):
        same(quick(SequenceTagger).fit(X, y[:, None]).params_.vector, model.params_.vector)


def test_every_step_counts_alike() -> None:
    X, y = problem(SequenceTagger)
    model = quick(SequenceTagger).fit(X, y)
    right = [a == b for a, b in zip(model.predict(X), y, strict=True)]
    assert model.score(X, y) == np.concatenate(right).mean()
    w = np.arange(30.0)
    of_steps = np.repeat(w, [len(x) for x in X])
    expected = np.average(np.concatenate(right), weights=of_steps)
    assert model.score(X, y, sample_weight=w) == pytest.approx(expected)
    assert model.score(objects(X), objects(y)) == model.score(X, y)


@pytest.mark.parametrize("recurrence", ["hidden", "output", "both"])
@pytest.mark.parametrize("teacher_forcing", [1.0, 0.5, 0.0])
def test_patterns_of_recurrence(recurrence: str, teacher_forcing: float) -> None:
    """A label that depends on the label before it, which a network without memory can't tell."""
    rng = np.random.default_rng(0)
    X = [rng.integers(2, size=rng.integers(1, 9)) for _ in range(60)]
    y = [x.cumsum() % 2 for x in X]
    options = {"recurrence": recurrence, "teacher_forcing": teacher_forcing}
    model = SequenceTagger(16, **options, learning_rate_init=0.03, random_state=0, tol=1e-3)
    assert model.fit(X, y).score(X, y) > 0.95
    assert model.rnn_.recurrence == recurrence
    assert model.rnn_.feedback == ("o" if recurrence == "hidden" else "y_hat")


# ---------------------------------------------------------------------- outputs


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_no_prediction_depends_on_batch_mates(cls: Any, dtype: Any) -> None:
    """To the bit: alone, in another order, among few and among many."""
    recurrences = ("hidden", "both") if cls is SequenceTagger else (None,)
    for recurrence in recurrences:
        options = {} if recurrence is None else {"recurrence": recurrence}
        X, y = problem(cls, n=300)
        X = [x.astype(dtype) for x in X]
        model = quick(cls, 17, **options).fit(X, y)
        for method in (
            ("predict",) if cls is RNNRegressor else ("predict_proba", "predict_log_proba")
        ):
            predict = getattr(model, method)
            whole = predict(X)
            for chosen in ([7], [0, 299], [*range(299, -1, -3)], [5, 5, 5]):
                part = predict([X[i] for i in chosen])
                for found, i in zip(part, chosen, strict=True):
                    np.testing.assert_array_equal(found, whole[i])


def test_long_sequences_are_predicted_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from cybptt.sklearn import _training

    X, y = problem(RNNClassifier, n=50)
    model = quick(RNNClassifier).fit(X, y)
    expected, sizes = model.predict_proba(X), []
    predict = cybptt.RNN.predict

    def noted(rnn: Any, params: Any, x: Array, **options: Any) -> Array:
        sizes.append(x.shape[:2])
        return predict(rnn, params, x, **options)

    monkeypatch.setattr(cybptt.RNN, "predict", noted)
    monkeypatch.setattr(_training, "_BATCH_STEPS", 40)
    same(model.predict_proba(X), expected)
    assert {B for _, B in sizes} == {4, 2}


def test_logarithms_of_probabilities_are_exact() -> None:
    X, y = problem(RNNClassifier)
    model = quick(RNNClassifier).fit(X, y)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(model.predict_proba(X)))
    model.params_.V *= 0
    model.params_.c = [0.0, -2000.0, -1.0]
    assert model.predict_proba(X)[0, 1] == 0
    np.testing.assert_allclose(model.predict_log_proba(X)[0, 1], -2000 - np.log1p(np.exp(-1)))


def test_losses_of_a_regressor() -> None:
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(5, 1)) for _ in range(200)]
    counts = rng.poisson([np.exp(x[-1, 0]) for x in X])
    options = {"loss": "poisson_nll", "learning_rate_init": 0.01, "tol": 1e-3}
    model = RNNRegressor(8, **options, random_state=0).fit(X, counts)
    assert model.predict(X).min() > 0
    assert model.score(X, counts) > 0.5
    several = np.column_stack([counts, counts, -counts])
    huber = quick(RNNRegressor, loss=cybptt.losses.huber(0.5)).fit(X, several)
    assert huber.n_outputs_ == 3
    assert huber.predict(X).shape == (200, 3)
    with pytest.raises(
        ValueError, match=r"^y: got -\d+, need values ≥ 0 for the loss 'poisson_nll'"
    ):
        RNNRegressor(loss="poisson_nll").fit(X, -counts)


@pytest.mark.filterwarnings("ignore:Training has not converged")
def test_a_sequence_without_steps_has_no_say_in_the_labels_dtype() -> None:
    X = [[0.0, 1, 1], [], [1, 0]]
    of_all_kinds: list[Any] = [[0, 1, 1, 1, 0], [True, False, True, False, True], list("ababa")]
    for labels in of_all_kinds:
        model = SequenceTagger(max_iter=1).fit(X, [labels[:3], [], labels[3:]])
        assert model.classes_.dtype == np.asarray(labels).dtype
    with pytest.raises(TypeError, match="y: got labels of mixed kinds"):
        SequenceTagger(max_iter=1).fit(X, [[0, 1, 1], [], ["a", "b"]])
