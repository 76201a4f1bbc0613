"""The closed loop: what the model says comes back to it, and one seed gives one text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import assert_same, random_params

import cybptt

DTYPES = ["float32", "float64"]
FEEDS = ("sample", "argmax", "y_hat", "o")
HIDDEN: dict[str, dict[str, Any]] = {
    "hidden": {},
    "tokens": {"inputs": "tokens"},
    "values": {"loss": "squared_error"},
    "bits": {"loss": "bernoulli_nll"},
    "counts": {"loss": "poisson_nll"},
}
OUTPUT: dict[str, dict[str, Any]] = {
    "output": {"recurrence": "output"},
    "both": {"recurrence": "both"},
    "both, y_hat": {"recurrence": "both", "feedback": "y_hat"},
    "output, values": {"recurrence": "output", "loss": "bernoulli_nll"},
}
MODELS = HIDDEN | OUTPUT


def model(name: str, dtype: str = "float64", n_inputs: int = 4) -> tuple[Any, Any]:
    rnn = cybptt.RNN(n_inputs, 6, 4, **MODELS[name])
    return rnn, random_params(rnn, np.random.default_rng(3), dtype, scale=0.9)


def run_of(
    rnn: Any, n_steps: int, batch: tuple[int, ...], dtype: str = "float64"
) -> dict[str, Any]:
    """What generate is given beside the parameters."""
    rng = np.random.default_rng(1)
    tokens = rnn.inputs == "tokens"
    start = rng.integers(0, 4, batch) if tokens else rng.random((*batch, 4)).astype(dtype)
    if rnn.recurrence == "hidden":
        return {"n_steps": n_steps, "start": start}
    x = rng.standard_normal((n_steps, *batch, rnn.n_inputs)).astype(dtype)
    return {"n_steps": n_steps, "start": start, "x": x}


def feeds_of(rnn: Any) -> tuple[str, ...]:
    return FEEDS[:2] if rnn.inputs == "tokens" else FEEDS


CASES = [(name, feed) for name in MODELS for feed in feeds_of(model(name)[0])]


def one_hot(labels: Any) -> Any:
    return np.eye(4)[labels]


# ---------------------------------------------------------------------- what comes out


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [(), (1,), (3,), (0,)])
@pytest.mark.parametrize(("name", "feed"), CASES)
def test_shape_and_dtype(name: str, feed: str, batch: tuple[int, ...], dtype: str) -> None:
    rnn, params = model(name, dtype)
    for n_steps in (0, 1, 5):
        y = rnn.generate(params, **run_of(rnn, n_steps, batch), feed=feed, seed=0)
        labels = rnn.loss.targets == "classes" and feed in ("sample", "argmax")
        assert y.shape == (n_steps, *batch, *(() if labels else (4,)))
        assert y.dtype == (np.intp if labels else dtype)
        if labels and y.size:
            assert 0 <= y.min() <= y.max() < 4


@pytest.mark.parametrize(("name", "feed"), CASES)
def test_the_same_seed_gives_the_same_text(name: str, feed: str) -> None:
    rnn, params = model(name)
    given = run_of(rnn, 30, (3,))

    def text(seed: Any) -> Any:
        return rnn.generate(params, **given, feed=feed, seed=seed)

    first = text(7)
    assert_same(text(7), first, "the same seed")
    assert_same(text(np.random.default_rng(7)), first, "a generator of that seed")
    drawn = feed == "sample"
    assert np.array_equal(text(8), first) != drawn
    assert np.array_equal(text(None), text(None)) != drawn
    rng = np.random.default_rng(7)
    text(rng)
    assert np.array_equal(text(rng), first) != drawn


@pytest.mark.parametrize(("name", "feed"), CASES)
def test_its_arguments_are_left_alone(name: str, feed: str) -> None:
    rnn, params = model(name)
    given = run_of(rnn, 5, (3,))
    before = {n: np.array(v).tobytes() for n, v in given.items()}, params.vector.tobytes()
    y = rnn.generate(params, **given, feed=feed, seed=0)
    assert ({n: np.array(v).tobytes() for n, v in given.items()}, params.vector.tobytes()) == before
    assert y.flags.writeable
    y[...] = 0


# ---------------------------------------------------------------------- the loop by hand


@pytest.mark.parametrize("batch", [(), (3,)])
@pytest.mark.parametrize(("name", "feed"), [case for case in CASES if case[0] in HIDDEN])
def test_with_hidden_recurrence_it_is_step_after_step(
    name: str, feed: str, batch: tuple[int, ...]
) -> None:
    rnn, params = model(name)
    given = run_of(rnn, 6, batch)
    x, state, rng, expected = given["start"], None, np.random.default_rng(5), []
    classes = rnn.loss.targets == "classes"
    for _ in range(6):
        trace = rnn.forward(params, x[None], state=state)
        state, o = trace.state, trace.o[0]
        rows = o if batch else o[None]
        if feed == "sample":
            y = rnn.loss.sample(rows, rng)
        elif feed == "argmax":
            y = rnn.loss.mode(rows)
        else:
            y = trace.y_hat[0] if feed == "y_hat" else o
        y = y if batch or feed in ("y_hat", "o") else y[0]
        expected.append(y)
        labels = classes and feed in ("sample", "argmax")
        x = one_hot(y) if labels and rnn.inputs == "values" else np.asarray(y)
    y = rnn.generate(params, **given, feed=feed, seed=5)
    assert_same(y, np.array(expected), feed)


@pytest.mark.parametrize("batch", [(), (3,)])
@pytest.mark.parametrize("name", OUTPUT)
def test_what_it_says_forced_upon_it_makes_it_say_it(name: str, batch: tuple[int, ...]) -> None:
    rnn, params = model(name)
    given = run_of(rnn, 6, batch)
    x, start = given["x"], given["start"]
    for feed in ("sample", "argmax"):
        y = rnn.generate(params, **given, feed=feed, seed=5)
        o = rnn.forward(params, x, y=y, y0=start).o
        rows = o if batch else o[:, None]
        rng = np.random.default_rng(5)
        choose = (lambda o, rng=rng: rnn.loss.sample(o, rng)) if feed == "sample" else rnn.loss.mode
        expected = np.array([choose(row) for row in rows])
        assert_same(y, expected if batch else expected[:, 0], feed)
    free = cybptt.RNN(4, 6, 4, **(MODELS[name] | {"feedback": "o"}))
    trace = free.forward(free.parameters(params.vector), x, y0=start)
    assert_same(rnn.generate(params, **given, feed="o"), trace.o, "o")
    free = cybptt.RNN(4, 6, 4, **(MODELS[name] | {"feedback": "y_hat"}))
    trace = free.forward(free.parameters(params.vector), x, y0=start)
    assert_same(rnn.generate(params, **given, feed="y_hat"), trace.y_hat, "ŷ")


@pytest.mark.parametrize("name", OUTPUT)
def test_with_output_recurrence_start_may_be_labels_or_left_out(name: str) -> None:
    rnn, params = model(name)
    given = run_of(rnn, 6, (3,))
    del given["start"]
    nothing = rnn.generate(params, **given, feed="o")
    assert_same(rnn.generate(params, **given, start=np.zeros(4), feed="o"), nothing, "zeros")
    if rnn.loss.targets == "classes":
        labels = np.array([3, 0, 1])
        expected = rnn.generate(params, **given, start=one_hot(labels), feed="o")
        assert_same(rnn.generate(params, **given, start=labels, feed="o"), expected, "labels")


def test_without_inputs_the_batch_is_that_of_start_or_state() -> None:
    rnn = cybptt.RNN(0, 5, 4, recurrence="output")
    params = rnn.init(0)
    assert rnn.generate(params, 6, feed="argmax").shape == (6,)
    assert rnn.generate(params, 6, start=np.zeros((3, 4)), feed="argmax").shape == (6, 3)
    assert rnn.generate(params, 6, start=[0, 1, 2], feed="argmax").shape == (6, 3)
    assert rnn.generate(params, 6, start=1, feed="argmax").shape == (6,)
    state = rnn.forward(params, np.zeros((2, 3, 0))).state
    assert rnn.generate(params, 6, state=state, feed="argmax").shape == (6, 3)
    with_x = rnn.generate(params, 6, start=[0, 1, 2], x=np.zeros((6, 3, 0)), feed="o")
    assert_same(rnn.generate(params, 6, start=[0, 1, 2], feed="o"), with_x, "with x of no size")


# ---------------------------------------------------------------------- going on


@pytest.mark.parametrize("batch", [(), (3,)])
@pytest.mark.parametrize(("name", "feed"), [case for case in CASES if case[0] in HIDDEN])
def test_going_on_from_a_state_is_one_run(name: str, feed: str, batch: tuple[int, ...]) -> None:
    rnn, params = model(name)
    given = run_of(rnn, 10, batch)
    whole = rnn.generate(params, **given, feed=feed, seed=2)
    rng = np.random.default_rng(2)
    first = rnn.generate(params, 4, start=given["start"], feed=feed, seed=rng)
    labels = rnn.loss.targets == "classes" and feed in ("sample", "argmax")
    said = one_hot(first) if labels and rnn.inputs == "values" else first
    read = np.concatenate([given["start"][None], said[:-1]])
    state = rnn.forward(params, read).state
    second = rnn.generate(params, 6, start=said[-1], state=state, feed=feed, seed=rng)
    assert_same(np.concatenate([first, second]), whole, feed)


@pytest.mark.parametrize("batch", [(), (3,)])
@pytest.mark.parametrize("name", OUTPUT)
@pytest.mark.parametrize("feed", ["sample", "argmax"])
def test_going_on_with_output_recurrence(name: str, feed: str, batch: tuple[int, ...]) -> None:
    rnn, params = model(name)
    given = run_of(rnn, 10, batch)
    x, start = given["x"], given["start"]
    whole = rnn.generate(params, **given, feed=feed, seed=2)
    rng = np.random.default_rng(2)
    first = rnn.generate(params, 4, start=start, x=x[:4], feed=feed, seed=rng)
    state = rnn.forward(params, x[:4], y=first, y0=start).state
    second = rnn.generate(params, 6, state=state, x=x[4:], feed=feed, seed=rng)
    assert_same(np.concatenate([first, second]), whole, feed)


@pytest.mark.parametrize("name", ["both", "both, y_hat"])
def test_going_on_from_where_the_model_ran_free(name: str) -> None:
    rnn, params = model(name)
    given = run_of(rnn, 10, (3,))
    x, start, feed = given["x"], given["start"], rnn.feedback
    whole = rnn.generate(params, **given, feed=feed)
    state = rnn.forward(params, x[:4], y0=start).state
    second = rnn.generate(params, 6, state=state, x=x[4:], feed=feed)
    assert_same(second, whole[4:], feed)


@pytest.mark.parametrize(("name", "feed"), CASES)
def test_a_sequence_does_not_depend_on_its_mates(name: str, feed: str) -> None:
    if feed == "sample":
        feed = "argmax"  # draws go from sequence to sequence
    rnn, params = model(name)
    given = run_of(rnn, 8, (5,))
    whole = rnn.generate(params, **given, feed=feed)
    some = [4, 1]
    picked = {"n_steps": 8, "start": given["start"][some]}
    if "x" in given:
        picked["x"] = given["x"][:, some]
    assert_same(rnn.generate(params, **picked, feed=feed), whole[:, some], feed)


# ---------------------------------------------------------------------- the draws


def constant(loss: str, c: Any, **options: Any) -> tuple[Any, Any]:
    """A model whose o is c, whatever comes in."""
    rnn = cybptt.RNN(4, 1, 4, loss=loss, **options)
    params = rnn.parameters(np.zeros(rnn.n_parameters))
    params.c = c
    return rnn, params


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_classes_are_drawn_as_the_softmax_has_them(temperature: float) -> None:
    logits = np.array([0.0, 1.0, -1.0, 0.5])
    rnn, params = constant("softmax_nll", logits)
    n = 200
    labels = rnn.generate(params, n, start=np.zeros((n, 4)), temperature=temperature, seed=0)
    expected = np.exp(logits / temperature)
    expected /= expected.sum()
    counts = np.bincount(labels.ravel(), minlength=4) / n**2
    np.testing.assert_allclose(counts, expected, atol=4 * 0.5 / n)
    # Neighbours in time and in the batch are drawn on their own.
    same = expected @ expected
    for pairs in (labels[1:] == labels[:-1], labels[:, 1:] == labels[:, :-1]):
        assert abs(pairs.mean() - same) < 4 * 0.5 / n


@pytest.mark.parametrize("dtype", DTYPES)
def test_at_the_ends_of_temperature(dtype: str) -> None:
    rnn, params = constant("softmax_nll", [0.0, 1.0, -1.0, 0.5])
    params = params.astype(dtype)
    cold = rnn.generate(params, 200, start=np.zeros(4), temperature=1e-3, seed=0)
    assert (cold == 1).all()
    for temperature in (1e6, 1e300):
        hot = rnn.generate(params, 4000, start=np.zeros(4), temperature=temperature, seed=0)
        np.testing.assert_allclose(np.bincount(hot, minlength=4) / 4000, 0.25, atol=0.04)
    tiny = rnn.generate(params, 50, start=np.zeros(4), temperature=1e-300, seed=0)
    assert (tiny == 1).all()


def test_a_class_of_no_probability_is_never_drawn() -> None:
    rnn, params = constant("softmax_nll", [0.0, -1e8, 0.0, -1e8])
    labels = rnn.generate(params, 100, start=np.zeros((50, 4)), seed=0)
    assert set(labels.ravel().tolist()) == {0, 2}


def test_values_are_drawn_as_their_distributions_have_them() -> None:
    o = np.array([-1.0, 0.0, 0.5, 2.0])
    start = np.zeros((100, 4))
    for loss, mean, deviation in (
        ("squared_error", o, np.ones(4)),
        ("bernoulli_nll", 1 / (1 + np.exp(-o)), np.sqrt(np.exp(o)) / (1 + np.exp(o))),
        ("poisson_nll", np.exp(o), np.exp(o / 2)),
    ):
        rnn, params = constant(loss, o)
        y = rnn.generate(params, 100, start=start, seed=0).reshape(-1, 4)
        np.testing.assert_allclose(y.mean(axis=0), mean, atol=5 * deviation.max() / 100)
        np.testing.assert_allclose(y.std(axis=0), deviation, rtol=0.05)
        if loss != "squared_error":
            assert_same(y, np.round(y), loss)


def test_the_mode_is_the_most_probable() -> None:
    for loss, expected in (
        ("softmax_nll", 3),
        ("squared_error", [-1.0, 0.2, 0.5, 2.0]),
        ("bernoulli_nll", [0, 1, 1, 1]),
        ("poisson_nll", np.floor(np.exp([-1.0, 0.2, 0.5, 2.0]))),
    ):
        rnn, params = constant(loss, [-1.0, 0.2, 0.5, 2.0])
        y = rnn.generate(params, 3, start=np.zeros(4), feed="argmax")
        assert (y == expected).all()
