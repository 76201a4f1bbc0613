"""Plugins that go wrong in a pass, at every step and in every part of them.

They were taken without a check. The error names the plugin, the part and the step, and keeps its
cause; nothing of the caller's changes; and the next pass is right.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy_plugins
import pytest
from helpers import NODES, Problem, assert_same, make_rnn, random_problem

import cybptt
from cybptt import _batch

LENGTHS = np.array([3, 7, 0, 5])
T, N = 7, 15


@pytest.fixture(autouse=True)
def nothing_is_swallowed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No "Exception ignored in …", which a kernel that cannot raise would leave."""
    ignored: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    yield
    assert not ignored


# ---------------------------------------------------------------------- the plugins


class Part:
    """A function of a plugin that does something else when called for the `at`th time."""

    def __init__(self, good: Callable[..., Any]) -> None:
        self.good = good
        self.reset()

    def reset(self, at: int = -1, instead: Callable[..., Any] | None = None) -> None:
        self.calls, self.at, self.instead = 0, at, instead

    def __call__(self, *arguments: Any) -> Any:
        self.calls += 1
        if self.calls - 1 == self.at:
            assert self.instead is not None
            return self.instead(self.good, *arguments)
        return self.good(*arguments)


def draw(o: Any, generator: Any) -> Any:
    return generator.integers(0, o.shape[1], len(o))


@dataclass
class Plugged:
    """A model whose every part is a `Part`, by name, with something to compute."""

    problem: Problem
    parts: dict[str, Part]

    def value_and_grad(self, **options: Any) -> Any:
        p = self.problem
        return p.rnn.value_and_grad(p.params, p.x, p.y, **p.options, **options)


def plugged(pattern: str, feed: str, derivative_of: str = "output") -> Plugged:
    tanh, nll = numpy_plugins.TANH, numpy_plugins.NLL
    of_input = lambda a: 1 - np.tanh(a) ** 2  # noqa: E731
    of = tanh.derivative if derivative_of == "output" else of_input
    parts = {"function": Part(tanh.function), "derivative": Part(of)}
    activation = cybptt.Activation("my own f", *parts.values(), derivative_of)
    of_loss = {name: Part(getattr(nll, name)) for name in ("value", "gradient", "link", "link_vjp")}
    of_loss |= {"sample": Part(draw), "mode": Part(lambda o: o.argmax(axis=1))}
    loss = cybptt.Loss("my own L", **of_loss, targets="classes")
    rnn = make_rnn(pattern, 4, 3, 4, activation=activation, loss=loss)
    problem = random_problem(
        rnn, np.random.default_rng(0), T, len(LENGTHS), feed=feed, lengths=LENGTHS, weights=True
    )
    return Plugged(problem, parts | of_loss)


# Each part with a pass that calls it, and the step of its call number n; None for all at once.
PASSES: dict[str, tuple[str, str, str, Callable[[int], int] | None]] = {
    "function": ("activation", "hidden", "none", lambda n: n),
    "function, fed back": ("activation", "both, o", "free", lambda n: n),
    "function, forced": ("activation", "output, o", "forced", None),
    "derivative": ("activation", "hidden", "none", None),
    "value": ("loss", "hidden", "none", None),
    "gradient": ("loss", "hidden", "none", None),
    "link": ("loss", "output, y_hat", "free", lambda n: n),
    "link, both": ("loss", "both, y_hat", "mask", lambda n: n),
    "link_vjp": ("loss", "output, y_hat", "free", lambda n: T - 2 - n),
    "link_vjp, both": ("loss", "both, y_hat", "free", lambda n: T - 2 - n),
}
CALLS = [
    (name, at)
    for name, (_, _, _, step) in PASSES.items()
    for at in (range(T - ("vjp" in name)) if step else [0])
]


def raises(good: Any, *arguments: Any) -> Any:
    raise ZeroDivisionError("on purpose")


WRONG: dict[str, tuple[Callable[..., Any], str]] = {
    "raises": (raises, "raised ZeroDivisionError: on purpose"),
    "a shape of one row fewer": (lambda good, *a: good(*a)[1:], "got an array of shape"),
    "an axis more": (lambda good, *a: good(*a)[None], "got an array of shape (1, "),
    "one number": (lambda good, *a: np.array(1.0), "got an array of shape ()"),
    "another dtype": (lambda good, *a: good(*a).astype("f4"), "and dtype float32"),
    "integers": (lambda good, *a: good(*a).astype(int), "and dtype int64"),
    "complex": (lambda good, *a: good(*a) + 0j, "and dtype complex128"),
    "byte-swapped": (lambda good, *a: good(*a).astype(">f8"), "and dtype >f8"),
    "objects": (lambda good, *a: good(*a).astype(object), "and dtype object"),
    "a list": (lambda good, *a: good(*a).tolist(), "got list"),
    "None": (lambda good, *a: None, "got NoneType"),
    "a float": (lambda good, *a: 1.0, "got float"),
}


def outcome(model: Plugged) -> list[Any]:
    """The loss, the gradient and the state."""
    loss, grad, state = model.value_and_grad(return_state=True)
    return [np.array(loss), grad.vector, state.h]


@pytest.mark.parametrize("how", WRONG)
@pytest.mark.parametrize(("name", "at"), CALLS)
def test_the_error_names_plugin_part_and_step(name: str, at: int, how: str) -> None:
    kind, pattern, feed, step = PASSES[name]
    part = name.split(",")[0]
    model = plugged(pattern, feed)
    expected = outcome(model)
    p = model.problem
    given = [p.params.vector, p.x, p.y, *p.forward.values(), *p.loss.values()]
    before = [np.array(value).tobytes() for value in given]
    out = p.params.copy()
    instead, says = WRONG[how]
    model.parts[part].reset(at, instead)
    with pytest.raises(cybptt.PluginError) as caught:
        model.value_and_grad(out=out)
    where = "on all steps at once" if step is None else f"step {step(at)}"
    label = f"{kind} 'my own {'f' if kind == 'activation' else 'L'}': {part}, {where}: "
    assert str(caught.value).startswith(label), str(caught.value)
    assert says in str(caught.value)
    assert (how == "raises") == isinstance(caught.value.__cause__, ZeroDivisionError)
    assert [np.array(value).tobytes() for value in given] == before
    assert_same(out.vector, p.params.vector, "out")
    model.parts[part].reset()
    for got, wanted in zip(outcome(model), expected, strict=True):
        assert_same(got, wanted, "the next pass")


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize(("name", "at"), CALLS)
def test_an_interrupt_passes_with_a_note(name: str, at: int, interrupt: Any) -> None:
    _, pattern, feed, step = PASSES[name]
    part = name.split(",")[0]
    model = plugged(pattern, feed)
    expected = outcome(model)

    def interrupted(good: Any, *arguments: Any) -> Any:
        raise interrupt

    out = model.problem.params.copy()
    model.parts[part].reset(at, interrupted)
    with pytest.raises(interrupt) as caught:
        model.value_and_grad(out=out)
    where = "on all steps at once" if step is None else f"step {step(at)}"
    assert any(f"{part}, {where}" in note for note in caught.value.__notes__)
    assert any("'my own " in note for note in caught.value.__notes__)
    assert_same(out.vector, model.problem.params.vector, "out")
    model.parts[part].reset()
    for got, wanted in zip(outcome(model), expected, strict=True):
        assert_same(got, wanted, "the next pass")


@pytest.mark.parametrize("checkpoint", [1, 2, 3])
def test_with_checkpoints_the_step_is_that_of_the_whole(
    checkpoint: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_batch, "BLOCK_ROWS", 1)
    segments = [range(t, min(t + checkpoint, T)) for t in range(0, T, checkpoint)]
    # Forward through all, then again through all segments but the last, the last first.
    order = [t for s in segments for t in s] + [t for s in segments[-2::-1] for t in s]
    model = plugged("hidden", "none")
    for at, step in enumerate(order):
        model.parts["function"].reset(at, raises)
        with pytest.raises(cybptt.PluginError, match=f"function, step {step}: raised"):
            model.value_and_grad(checkpoint=checkpoint)
    model.parts["function"].reset(len(order), raises)
    model.value_and_grad(checkpoint=checkpoint)  # it is called no more often


@pytest.mark.parametrize("derivative_of", ["input", "output"])
@pytest.mark.parametrize("part", ["function", "derivative", "value", "gradient", "link"])
def test_every_method_that_calls_the_part_names_it(part: str, derivative_of: str) -> None:
    model = plugged("hidden", "none", derivative_of)
    p = model.problem
    trace = p.rnn.forward(p.params, p.x, **p.forward)
    x_t = p.x[0]
    methods: dict[str, list[Callable[[], Any]]] = {
        "function": [
            lambda: p.rnn.forward(p.params, p.x),
            lambda: p.rnn.predict(p.params, p.x),
            lambda: p.rnn.step(p.params, x_t),
            lambda: p.rnn.generate(p.params, 3, start=x_t),
        ],
        "derivative": [lambda: p.rnn.backward(trace, p.y), lambda: p.rnn.vjp(trace)],
        "value": [lambda: p.rnn.step_losses(trace, p.y), lambda: p.rnn.total_loss(trace, p.y)],
        "gradient": [lambda: p.rnn.backward(trace, p.y)],
        "link": [lambda: trace.y_hat, lambda: p.rnn.predict(p.params, p.x)],
    }
    for method in methods[part]:
        model.parts[part].reset(0, raises)
        with pytest.raises(cybptt.PluginError, match=f"'my own .': {part}, .*on purpose"):
            method()
        model.parts[part].reset()
        method()


# ---------------------------------------------------------------------- in a closed loop


@pytest.mark.parametrize("part", ["function", "sample", "mode", "link"])
@pytest.mark.parametrize("pattern", ["hidden", "output, o", "both, y_hat"])
@pytest.mark.parametrize("at", [0, 2])
def test_generating_names_the_step_of_the_loop(pattern: str, part: str, at: int) -> None:
    model = plugged(pattern, "free")
    p = model.problem
    feed = {"function": "o", "sample": "sample", "mode": "argmax", "link": "y_hat"}[part]
    start = np.zeros(4)
    x = {} if pattern == "hidden" else {"x": np.zeros((5, 4))}

    def generate() -> Any:
        return p.rnn.generate(p.params, 5, start=start, feed=feed, seed=0, **x)

    expected = generate()
    for how, (instead, _) in WRONG.items():
        classes = part in ("sample", "mode")
        if classes and how in ("integers", "a list"):
            continue  # labels are integers, of any dtype, and may come as a list
        model.parts[part].reset(at, instead)
        with pytest.raises(cybptt.PluginError, match=f"'my own .': {part}, step {at}: ") as caught:
            generate()
        assert (how == "raises") == isinstance(caught.value.__cause__, ZeroDivisionError)
    for label in (-1, 4, 2**40):
        if part in ("sample", "mode"):
            model.parts[part].reset(at, lambda good, *a, label=label: np.full(1, label))
            with pytest.raises(cybptt.PluginError, match=rf"{part}, step {at}: got .*, need .*"):
                generate()
    model.parts[part].reset(at, interrupted)
    with pytest.raises(KeyboardInterrupt) as interrupt:
        generate()
    assert any(f"{part}, step {at}" in note for note in interrupt.value.__notes__)
    model.parts[part].reset()
    assert_same(generate(), expected, "the next text")


def interrupted(good: Any, *arguments: Any) -> Any:
    raise KeyboardInterrupt


# ---------------------------------------------------------------------- calling from within


@pytest.mark.parametrize("name", PASSES)
def test_a_plugin_may_call_the_same_model(name: str) -> None:
    _, pattern, feed, _ = PASSES[name]
    part = name.split(",")[0]
    model = plugged(pattern, feed)
    p = model.problem
    expected = outcome(model)
    inner: list[Any] = []

    def calls_the_model(good: Any, *arguments: Any) -> Any:
        # The part is good from its second call on, so that this ends.
        inner.extend(outcome(model))
        trace = p.rnn.forward(p.params, p.x, **p.forward)
        inner.append(p.rnn.backward(trace, p.y, **p.loss).parameters.vector)
        return good(*arguments)

    model.parts[part].reset(0, calls_the_model)
    for got, wanted in zip(outcome(model), expected, strict=True):
        assert_same(got, wanted, "the outer pass")
    for got, wanted in zip(inner[:3], expected, strict=True):
        assert_same(got, wanted, "the inner pass")
    np.testing.assert_allclose(inner[3], expected[1], rtol=1e-12, atol=1e-14)


def test_a_plugin_that_calls_the_model_for_ever_is_stopped() -> None:
    rnn_of: list[Any] = []

    def endless(a: Any) -> Any:
        return rnn_of[0].forward(rnn_of[1], np.ones((1, 1))).h

    rnn = cybptt.RNN(1, 1, 1, activation=cybptt.Activation("endless", endless, endless))
    rnn_of += [rnn, rnn.init(seed=0)]
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(300)
    try:
        with pytest.raises(cybptt.PluginError, match="'endless'"):
            rnn.forward(rnn_of[1], np.ones((1, 1)))
    finally:
        sys.setrecursionlimit(limit)


def test_a_registered_one_is_named_as_well() -> None:
    part = Part(np.tanh)
    cybptt.register_activation("unchecked", part, part, check=False)
    rnn = cybptt.RNN(1, 1, 1, activation="unchecked")
    part.reset(2, raises)
    with pytest.raises(cybptt.PluginError, match="activation 'unchecked': function, step 2: "):
        rnn.forward(rnn.init(), np.ones((5, 1)))


# ---------------------------------------------------------------------- rows that count


@pytest.mark.parametrize(("pattern", "feed"), [(p, f) for _, p, f, _ in PASSES.values()])
def test_plugins_see_only_rows_that_count(pattern: str, feed: str) -> None:
    model = plugged(pattern, feed)
    p = model.problem
    seen: dict[str, list[Any]] = {name: [] for name in model.parts}
    for name, part in model.parts.items():
        good = part.good
        part.good = lambda *a, good=good, name=name: (seen[name].append(a), good(*a))[1]
    padding = np.arange(T)[:, None] >= LENGTHS
    forced = np.broadcast_to(p.forward.get("teacher_forcing", False), (T, 4))
    is_fed = np.append(forced[1:], np.zeros((1, 4), bool), axis=0)
    x, y, weights = p.x.copy(), p.y.copy(), p.loss["weights"].copy()
    y[(weights == 0) & ~is_fed] = -7  # a label of weight 0 is not looked at, if it is not fed
    x[padding], weights[padding], y[padding] = np.nan, np.inf, 2**40
    options = p.forward | ({"y": y} if "y" in p.forward else {})
    trace = p.rnn.forward(p.params, x, **options)
    p.rnn.backward(trace, y, weights=weights)
    p.rnn.value_and_grad(p.params, x, y, **(p.options | {"weights": weights}))
    counted = int((weights[~padding] > 0).sum())
    for name, calls in seen.items():
        for arguments in calls:
            for array in arguments:
                assert np.isfinite(array).all(), name
        rows = {len(arguments[0]) for arguments in calls}
        if name in ("value", "gradient"):
            assert rows == {counted}, name
            labels = np.concatenate([arguments[1] for arguments in calls])
            assert ((labels >= 0) & (labels < 4)).all()
        elif name in ("function", "derivative"):
            assert max(rows) <= N, name
            assert 0 not in rows


def test_with_one_output_at_the_end_a_loss_sees_one_row_a_sequence() -> None:
    model = plugged("last", "none")
    p = model.problem
    rows: list[int] = []
    good = model.parts["value"].good
    model.parts["value"].good = lambda o, y: (rows.append(len(o)), good(o, y))[1]
    p.rnn.value_and_grad(p.params, p.x, p.y, lengths=LENGTHS)
    assert rows == [4]


def test_nothing_to_compute_calls_no_plugin() -> None:
    model = plugged("hidden", "none")
    p = model.problem
    for part in model.parts.values():
        part.reset(0, raises)
    p.rnn.value_and_grad(p.params, p.x[:0], p.y[:0])
    p.rnn.value_and_grad(p.params, p.x, p.y, lengths=np.zeros(4, int))
    trace = p.rnn.forward(p.params, p.x[:, :0])
    assert [getattr(trace, name).size for name in NODES] == [0, 0, 0, 0]
    p = replace(p, loss={"weights": np.zeros((T, 4))})
    for name in ("value", "gradient"):
        model.parts[name].reset(0, raises)
    model.parts["function"].reset()
    model.parts["derivative"].reset()
    assert p.rnn.value_and_grad(p.params, p.x, p.y, **p.loss)[0] == 0
