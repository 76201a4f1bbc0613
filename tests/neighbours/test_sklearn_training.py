"""How the estimators of `cybptt.sklearn` are trained: the loss, weights, batches, and the end."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import shims
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn_problems import ESTIMATORS, objects, problem, quick, same

from cybptt.sklearn import RNNClassifier, RNNRegressor, SequenceTagger

Array = NDArray[Any]


def go_on(cls: Any, epochs: int, **options: Any) -> Any:
    """An estimator that goes on for so many epochs, or iterations."""
    options = {"max_iter": epochs, "n_iter_no_change": np.inf, "tol": 0.0} | options
    return quick(cls, **options)


def fitted(model: Any, *args: Any, **options: Any) -> Any:
    """The estimator, fitted without a word that it has not converged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*args, **options)


def weights(n: int = 30) -> Array:
    return np.arange(n) % 4 * 0.5


# ---------------------------------------------------------------------- the loss


def objective(model: Any, X: Any, y: Any, w: Array) -> float:
    """(Σ w L + α/2 ‖U, W, V, R‖²) / Σ w, a sequence at a time."""
    rnn, params = model.rnn_, model.params_
    total = over = 0.0
    for x, its, weight in zip(X, y, w, strict=True):
        label: Any = its
        if isinstance(model, RNNRegressor):
            label = [its]
        else:
            label = np.searchsorted(model.classes_, its)
        feed = {} if rnn.recurrence == "hidden" else {"y": label}
        total += weight * rnn.total_loss(rnn.forward(params, x, **feed), label)
        over += weight * (len(x) if isinstance(model, SequenceTagger) else 1)
    penalty = sum((params[name] ** 2).sum() for name in params if name in "UWVR")
    return float((total + model.alpha / 2 * penalty) / over)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_what_is_made_small(cls: Any, weighted: bool) -> None:
    X, y = problem(cls)
    w = weights() if weighted else np.ones(30)
    given = {"sample_weight": w} if weighted else {}
    # L-BFGS notes the loss of the parameters that it ends at.
    model = fitted(go_on(cls, 3, solver="lbfgs", alpha=0.5), X, y, **given)
    assert model.loss_ == pytest.approx(objective(model, X, y, w))
    assert model.loss_curve_[0] > model.loss_
    # By batches it is the same, in the mean over them: here the parameters stay where they are.
    for batch_size in (1, 7, 30):
        options = {"batch_size": batch_size, "learning_rate_init": 1e-12, "alpha": 0.5}
        model = fitted(go_on(cls, 1, **options), X, y, **given)
        assert model.loss_ == pytest.approx(objective(model, X, y, w))


def test_what_is_made_small_with_outputs_fed_back() -> None:
    X, y = problem(SequenceTagger)
    for recurrence in ("output", "both"):
        options = {"recurrence": recurrence, "solver": "lbfgs", "alpha": 0.5}
        model = fitted(go_on(SequenceTagger, 3, **options), X, y)
        assert model.loss_ == pytest.approx(objective(model, X, y, np.ones(30)))


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_a_weight_is_a_repetition(cls: Any, solver: str) -> None:
    X, y = problem(cls)
    w = np.arange(30) % 4
    repeated = [i for i in range(30) for _ in range(w[i])]
    more_y = [y[i] for i in repeated]
    options = {"solver": solver, "batch_size": 1000, "max_norm": None}
    once = fitted(go_on(cls, 10, **options), X, y, sample_weight=w)
    often = fitted(go_on(cls, 10, **options), [X[i] for i in repeated], more_y)
    np.testing.assert_allclose(once.params_.vector, often.params_.vector, rtol=1e-5)


@pytest.mark.parametrize("cls", [RNNClassifier, SequenceTagger])
def test_weights_of_classes(cls: Any) -> None:
    X, y = problem(cls)
    labels = np.concatenate(y) if cls is SequenceTagger else y
    counts = {label: (labels == label).sum() for label in "abc"}
    # What is there is counted: steps, or sequences.
    by_hand = {label: len(labels) / (3 * count) for label, count in counts.items()}
    balanced = fitted(go_on(cls, 5, class_weight="balanced"), X, y)
    same(balanced.params_.vector, fitted(go_on(cls, 5, class_weight=by_hand), X, y).params_.vector)
    # They multiply the weights of sequences, and balance what these leave.
    w = np.arange(1.0, 31)
    model = go_on(cls, 5, class_weight={"a": 3.0, "c": 0.5})
    if cls is RNNClassifier:
        of_label = np.select([y == "a", y == "c"], [3.0, 0.5], 1.0)
        direct = fitted(go_on(cls, 5), X, y, sample_weight=w * of_label)
        same(fitted(model, X, y, sample_weight=w).params_.vector, direct.params_.vector)
    alone = [i for i in range(30) if i % 4 != 2]
    balanced = go_on(cls, 5, class_weight="balanced", batch_size=30)
    without = fitted(clone(balanced), [X[i] for i in alone], [y[i] for i in alone])
    with_zeros = fitted(balanced, X, y, sample_weight=np.isin(np.arange(30), alone))
    np.testing.assert_allclose(with_zeros.params_.vector, without.params_.vector, rtol=1e-6)


def test_what_is_clipped() -> None:
    X, y = problem(RNNRegressor)
    far = [1000 * value for value in y]
    options = {"solver": "sgd", "momentum": 0.0, "batch_size": 30, "learning_rate_init": 1e-3}
    for max_norm, norm in ((0.25, 0.25e-3), (1e-3, 1e-6)):
        start = fitted(go_on(RNNRegressor, 1, **options | {"learning_rate_init": 1e-300}), X, far)
        model = fitted(go_on(RNNRegressor, 1, **options, max_norm=max_norm), X, far)
        moved = np.linalg.norm(model.params_.vector - start.params_.vector)
        assert moved == pytest.approx(norm, rel=1e-3)
    diverges = options | {"learning_rate_init": 1e3, "max_norm": None, "activation": "relu"}
    with pytest.raises(ValueError, match=r"^training: got .*need finite numbers: scale X and y"):
        fitted(go_on(RNNRegressor, 500, **diverges), X, far)


# ---------------------------------------------------------------------- the same bits


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_the_state_decides_all(cls: Any) -> None:
    X, y = problem(cls)
    one, two, other = (fitted(go_on(cls, 3, random_state=seed), X, y) for seed in (1, 1, 2))
    same(one.params_.vector, two.params_.vector)
    assert not np.array_equal(one.params_.vector, other.params_.vector)
    drawn = [fitted(go_on(cls, 3, random_state=np.random.RandomState(1)), X, y) for _ in range(2)]
    same(drawn[0].params_.vector, drawn[1].params_.vector)
    # The form of the data does not.
    as_array = problem(cls, "array")
    as_list = [*as_array[0]], [*as_array[1]]
    as_objects = objects(as_array[0]), as_list[1]
    models = [fitted(go_on(cls, 3), *data) for data in (as_array, as_list, as_objects)]
    same(models[0].params_.vector, models[1].params_.vector)
    same(models[0].params_.vector, models[2].params_.vector)


THREADS = """
import hashlib, warnings, numpy as np
from cybptt.sklearn import RNNClassifier, RNNRegressor, SequenceTagger
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X = rng.normal(size=(300, 40, 3))
for cls, y in (
    (RNNClassifier, np.arange(300) % 3),
    (RNNRegressor, X[:, 0, 0]),
    (SequenceTagger, X[:, :, 0] > 0),
):
    for solver in ("adam", "lbfgs"):
        model = cls(100, solver=solver, batch_size=150, max_iter=2, random_state=0).fit(X, y)
        bits = model.params_.vector.tobytes() + np.asarray(model.predict(X)).tobytes()
        print(hashlib.sha256(bits).hexdigest())
"""


def test_threads_decide_nothing() -> None:
    found = {shims.program(THREADS, CYBPTT_NUM_THREADS=str(n)) for n in (1, 2, 3)}
    assert len(found) == 1


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_the_dtype_of_x(cls: Any, solver: str) -> None:
    X, y = problem(cls)
    narrow = [x.astype(np.float32) for x in X]
    model = fitted(go_on(cls, 3, solver=solver), narrow, y)
    assert model.params_.dtype == np.float32
    assert fitted(go_on(cls, 3, solver=solver), X, y).params_.dtype == np.float64
    # What is predicted later is computed as it was trained.
    for part in (narrow, [x.astype(np.float64) for x in narrow]):
        values = model.predict(part) if cls is RNNRegressor else model.predict_proba(part)
        assert values[0].dtype == np.float32


# ---------------------------------------------------------------------- passes, one by one


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_partial_fit_is_an_epoch(cls: Any) -> None:
    X, y = problem(cls)
    whole = fitted(go_on(cls, 4, batch_size=8), X, y)
    model = quick(cls, batch_size=8)
    first = {} if cls is RNNRegressor else {"classes": list("cab")}
    for n in range(1, 5):
        assert model.partial_fit(X, y, **first) is model
        assert (model.n_iter_, model.t_, len(model.loss_curve_)) == (n, 30 * n, n)
        first = {}
    same(model.params_.vector, whole.params_.vector)
    assert model.loss_curve_ == whole.loss_curve_
    # After a fit it goes on, too; and another fit begins anew.
    whole.partial_fit(X, y)
    same(whole.params_.vector, model.partial_fit(X, y).params_.vector)
    assert whole.n_iter_ == 5
    assert fitted(whole, X, y).loss_curve_ == model.loss_curve_[:4]
    assert not hasattr(quick(cls, solver="lbfgs"), "partial_fit")


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_a_warm_start_goes_on(cls: Any, solver: str) -> None:
    X, y = problem(cls)
    model = fitted(go_on(cls, 3, solver=solver, warm_start=True), X, y)
    before, curve = model.params_.copy(), list(model.loss_curve_)
    fitted(model, X, y)
    assert model.n_iter_ == 3
    assert model.t_ == 180
    assert model.loss_curve_[:3] == curve
    assert len(model.loss_curve_) == 6
    assert model.loss_curve_[3] < curve[0]
    assert model.best_loss_ == min(model.loss_curve_)
    assert not np.array_equal(before.vector, model.params_.vector)
    model.set_params(warm_start=False)
    assert fitted(model, X, y).loss_curve_ == curve


# ---------------------------------------------------------------------- the end


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_early_stopping_keeps_the_best(cls: Any) -> None:
    X, y = problem(cls, n=60)
    options = {"early_stopping": True, "validation_fraction": 0.25, "learning_rate_init": 0.05}
    model = quick(cls, **options, tol=1e-4, max_iter=500)
    model.fit(X, y, sample_weight=np.arange(1.0, 61))
    scores = model.validation_scores_
    assert len(scores) == len(model.loss_curve_) == model.n_iter_ < 500
    assert model.best_validation_score_ == max(scores) > scores[-1]
    assert model.best_loss_ is None
    # They are the scores of the parameters that were kept, on what was held out: a quarter.
    from sklearn.model_selection import train_test_split

    random = np.random.RandomState(0)
    random.randint(2**31 - 1)  # the parameters' first values
    strata = y if cls is RNNClassifier else None
    kept, held = train_test_split(
        np.arange(60), test_size=0.25, random_state=random, stratify=strata
    )
    assert model.t_ == len(kept) * model.n_iter_
    of_held = [X[i] for i in held], [y[i] for i in held]
    score = model.score(*of_held, sample_weight=1.0 + held)
    assert score == pytest.approx(model.best_validation_score_)


def test_l_bfgs_needs_none_held_out() -> None:
    X, y = problem(RNNClassifier)
    model = fitted(go_on(RNNClassifier, 3, solver="lbfgs", early_stopping=True), X, y)
    assert model.validation_scores_ is model.best_validation_score_ is None
    assert model.best_loss_ == min(model.loss_curve_)
    assert model.t_ == 90


def test_when_it_ends() -> None:
    X, y = problem(RNNClassifier)
    # None of the epochs improves by so much: the first, and n_iter_no_change + 1 after it.
    assert quick(RNNClassifier, tol=1e9, n_iter_no_change=4).fit(X, y).n_iter_ == 6
    with pytest.warns(ConvergenceWarning, match=r"not converged: max_iter=7 .* the loss has not"):
        model = quick(RNNClassifier, max_iter=7, n_iter_no_change=np.inf).fit(X, y)
    assert model.n_iter_ == 7
    with pytest.warns(ConvergenceWarning, match=r"lbfgs has not converged after 2 iterations"):
        model = quick(RNNClassifier, solver="lbfgs", max_iter=2, tol=1e-9).fit(X, y)
    assert model.n_iter_ == 2
    with pytest.warns(ConvergenceWarning, match="4 evaluations"):
        quick(RNNClassifier, solver="lbfgs", max_fun=3, tol=1e-9).fit(X, y)
    # An adaptive rate is divided by five until it is 10⁻⁶: four times from 10⁻³.
    options = {"tol": 1e9, "n_iter_no_change": 4, "learning_rate": "adaptive"}
    model = quick(RNNClassifier, **options).fit(X, y)
    assert model._optimizer.lr == pytest.approx(1e-3 / 5**5)
    assert model.n_iter_ == 6 + 5 * 5


@contextmanager
def pressed(seconds: float) -> Iterator[None]:
    """Ctrl-C, so soon."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_ctrl_c_leaves_a_model(cls: Any, solver: str) -> None:
    X, y = problem(cls, n=200)
    model = quick(cls, solver=solver, max_iter=10**9, max_fun=10**9, tol=0, n_iter_no_change=np.inf)
    if solver == "lbfgs":  # which would come to an end
        model.set_params(n_hidden=300, scheme="uniform", alpha=0.0)
    with pressed(1.0), pytest.warns(UserWarning, match="interrupted"):
        model.fit(X, y)
    assert model.n_iter_ == len(model.loss_curve_) > 0
    assert len(model.predict(X)) == 200


def test_a_bar_where_it_is_verbose(capfd: pytest.CaptureFixture[str]) -> None:
    X, y = problem(RNNClassifier)
    fitted(go_on(RNNClassifier, 3), X, y)
    fitted(go_on(RNNClassifier, 3, solver="lbfgs"), X, y)
    assert capfd.readouterr() == ("", "")
    fitted(go_on(RNNClassifier, 3, verbose=True, early_stopping=True), X, y)
    shown = capfd.readouterr().err
    assert "RNNClassifier: 100%" in shown
    assert "3/3" in shown
    assert "loss=" in shown
    assert "score=" in shown
    fitted(go_on(RNNClassifier, 3, verbose=True, solver="lbfgs"), X, y)
    assert "iterations/s" in capfd.readouterr().err


def test_held_out_sequences_without_steps_are_refused() -> None:
    rng = np.random.default_rng(0)
    X = [np.zeros((0, 2))] * 36 + [rng.normal(size=(3, 2)) for _ in range(4)]
    y = [np.zeros(0, int)] * 36 + [np.array([0, 1, 0])] * 4
    model = SequenceTagger(4, early_stopping=True, max_iter=2, random_state=0)
    with pytest.raises(ValueError, match="X: got no step in all of a part"):
        model.fit(X, y)


def test_a_warm_start_keeps_the_best_of_its_own_fit() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 5, 2))
    y = (X[..., 0].sum(1) > 0) * 1
    model = RNNClassifier(8, early_stopping=True, warm_start=True, random_state=0, max_iter=20,
                          learning_rate_init=0.02)  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        before = model.fit(X, y).params_.vector.copy()
        model.fit(X, 1 - y)
    assert (model.params_.vector != before).any()


@pytest.mark.filterwarnings("ignore:Training has not converged")
def test_a_loss_that_overflows_is_refused() -> None:
    X = np.random.default_rng(0).normal(size=(20, 5, 2))
    with pytest.raises(ValueError, match="training: got losses that end at"):
        RNNRegressor(4, max_iter=1).fit(X.astype("f"), X.sum((1, 2)) * 1e20)


def test_another_fit_has_another_optimizer() -> None:
    X = np.random.default_rng(0).normal(size=(20, 5, 2))
    y = (X.sum((1, 2)) > 0) * 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = RNNClassifier(4, max_iter=1).fit(X, y)
        model.set_params(solver="lbfgs").fit(X[..., :1], y)
        model.set_params(solver="adam").partial_fit(X[..., :1], y)
