"""Plugins that write on, keep, or give back what they were handed: nothing else changes by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy_plugins
import pytest
from helpers import (
    GRADIENT_NODES,
    NODES,
    Problem,
    assert_same,
    make_rnn,
    random_problem,
    run_core,
)

import cybptt
from cybptt import _plugins

PATTERNS = [
    ("hidden", "none"),
    ("last", "none"),
    ("no output layer", "none"),
    ("output, o", "forced"),
    ("output, y_hat", "free"),
    ("both, y_hat", "mask"),
]
Function = Callable[..., Any]


def good_parts(targets: str) -> tuple[dict[str, Function], dict[str, Function]]:
    tanh = numpy_plugins.TANH
    loss = numpy_plugins.NLL if targets == "classes" else numpy_plugins.LOGCOSH
    activation = {"function": tanh.function, "derivative": tanh.derivative}
    return activation, {n: getattr(loss, n) for n in ("value", "gradient", "link", "link_vjp")}


def problem_with(
    wrap: Callable[[Function], Function], pattern: str, feed: str, targets: str, ragged: bool
) -> Problem:
    """A problem whose model has every part of its plugins wrapped; otherwise always the same."""
    activation, loss = (
        {name: wrap(part) for name, part in parts.items()} for parts in good_parts(targets)
    )
    rnn = make_rnn(
        pattern, 3, 4, 4,
        activation=cybptt.Activation("wrapped", **activation, derivative_of="output"),
        loss=cybptt.Loss("wrapped", **loss, targets=targets),
    )  # fmt: skip
    lengths = np.array([2, 0, 5]) if ragged else None
    return random_problem(
        rnn, np.random.default_rng(0), 5, 3, feed=feed, lengths=lengths, weights=True
    )


def everything(p: Problem) -> dict[str, Any]:
    """All that the methods make of a problem, each computed twice."""
    rnn = p.rnn
    made: dict[str, Any] = {}
    for time in ("first", "second"):
        trace = rnn.forward(p.params, p.x, **p.forward)
        made |= {f"{time} {node}": getattr(trace, node) for node in NODES}
        made[f"{time} step losses"] = rnn.step_losses(trace, p.y)
        made[f"{time} total loss"] = rnn.total_loss(trace, p.y, **p.loss)
        for method, g in (
            ("backward", rnn.backward(trace, p.y, **p.loss)),
            ("vjp", rnn.vjp(trace, grad_o=np.ones(trace.o.shape))),
        ):
            made |= {f"{time} {method} {node}": getattr(g, node) for node in GRADIENT_NODES}
            made[f"{time} {method} parameters"] = g.parameters.vector
        loss, grad = rnn.value_and_grad(p.params, p.x, p.y, **p.options)
        made |= {f"{time} loss": loss, f"{time} gradient": grad.vector}
        start = {k: v for k, v in p.forward.items() if k in ("h0", "y0", "lengths")}
        made[f"{time} prediction"] = rnn.predict(p.params, p.x, **start)
        made[f"{time} step"] = rnn.step(p.params, p.x[0])[1]
    return made


def writes(good: Function) -> Function:
    """Computes, and then writes on all that it was given."""

    def part(*arguments: Any) -> Any:
        result = np.array(good(*arguments))
        for array in arguments:
            array[...] = 3
        return result

    return part


def writes_first(good: Function) -> Function:
    """Writes its result on its argument, and gives that back."""

    def part(*arguments: Any) -> Any:
        result = good(*arguments)
        if result.shape != arguments[0].shape:
            return result
        arguments[0][...] = result
        return arguments[0]

    return part


def keeps(good: Function) -> Function:
    """Keeps all that it was given and gave, and spoils it at the next call."""
    kept: list[Any] = []

    def part(*arguments: Any) -> Any:
        for array in kept:
            array[...] = -99
        result = np.array(good(*arguments))
        kept[:] = [*arguments, result]
        return result

    return part


def one_buffer(good: Function) -> Function:
    """Gives back the same memory at each call."""
    buffer = np.zeros(10_000)

    def part(*arguments: Any) -> Any:
        result = good(*arguments)
        view = buffer[: result.size].reshape(result.shape)
        view[...] = result
        return view

    return part


def transposed(good: Function) -> Function:
    """Gives back an array in Fortran's order."""
    return lambda *arguments: np.array(good(*arguments), order="F")


def backwards(good: Function) -> Function:
    """Gives back a view with strides below 0, on every second value."""

    def part(*arguments: Any) -> Any:
        result = good(*arguments)
        large = np.full((2 * len(result), *result.shape[1:]), np.nan)
        large[::2] = result[::-1]
        return large[::2][::-1]

    return part


def read_only(good: Function) -> Function:
    def part(*arguments: Any) -> Any:
        result = np.array(good(*arguments))
        result.flags.writeable = False
        return result

    return part


def misaligned(good: Function) -> Function:
    def part(*arguments: Any) -> Any:
        result = good(*arguments)
        view = np.zeros(result.nbytes + 1, np.uint8)[1:].view(float).reshape(result.shape)
        view[...] = result
        return view

    return part


class Labelled(np.ndarray):
    """A subclass, as some libraries have them."""


def of_a_subclass(good: Function) -> Function:
    return lambda *arguments: good(*arguments).view(Labelled)


def with_other_settings(good: Function) -> Function:
    """Changes NumPy's error handling within, and tidies up."""

    def part(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            return good(*arguments)

    return part


WAYS = {
    way.__name__: way
    for way in (
        writes, writes_first, keeps, one_buffer, transposed, backwards, read_only, misaligned,
        of_a_subclass, with_other_settings,
    )
}  # fmt: skip


@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("targets", ["classes", "values"])
@pytest.mark.parametrize(("pattern", "feed"), PATTERNS)
@pytest.mark.parametrize("way", WAYS)
def test_what_a_plugin_does_with_its_arrays_changes_nothing(
    way: str, pattern: str, feed: str, targets: str, ragged: bool
) -> None:
    expected = everything(problem_with(lambda good: good, pattern, feed, targets, ragged))
    p = problem_with(WAYS[way], pattern, feed, targets, ragged)
    given = [p.params.vector, p.x, p.y, *p.forward.values(), *p.loss.values()]
    before = [np.array(value).tobytes() for value in given]
    for name, value in everything(p).items():
        assert type(value) in (float, np.ndarray, type(None)), name
        assert_same(value, expected[name], f"{name}: {way}")
    assert [np.array(value).tobytes() for value in given] == before


def test_what_is_handed_to_a_plugin_is_writable_contiguous_and_its_own() -> None:
    seen: list[Any] = []

    def watched(good: Function) -> Function:
        return lambda *arguments: (seen.extend(arguments), good(*arguments))[1]

    p = problem_with(watched, "both, y_hat", "free", "classes", ragged=True)
    everything(p)
    assert len(seen) > 50
    ours = [p.params.vector, p.x, p.y, *(v for v in p.forward.values() if np.ndim(v))]
    for array in seen:
        assert type(array) is np.ndarray
        assert array.flags.writeable
        assert array.flags.c_contiguous
        assert array.dtype in (np.float64, np.intp)
        assert not any(np.may_share_memory(array, other) for other in ours)


@pytest.mark.parametrize("feed", ["sample", "argmax", "y_hat", "o"])
def test_generating_is_not_changed_by_what_the_loss_does_with_its_arrays(feed: str) -> None:
    def draw(o: Any, generator: Any) -> Any:
        return generator.integers(0, o.shape[1], len(o))

    def mode(o: Any) -> Any:
        return o.argmax(axis=1)

    for way in (writes, keeps):
        texts = []
        for wrap in (lambda good: good, way):
            wrapped = {name: wrap(part) for name, part in good_parts("classes")[1].items()}

            def wrapped_draw(o: Any, generator: Any, wrap: Any = wrap) -> Any:
                return wrap(lambda o: draw(o, generator))(o)

            loss = cybptt.Loss(
                "wrapped", **wrapped, sample=wrapped_draw, mode=wrap(mode), targets="classes"
            )
            rnn = cybptt.RNN(4, 5, 4, loss=loss)
            start = np.eye(4)[:3]
            texts.append(rnn.generate(rnn.init(0), 9, start=start, feed=feed, seed=1))
            assert_same(start, np.eye(4)[:3], "start")
        assert_same(texts[1], texts[0], f"{way.__name__}, {feed}")


# ---------------------------------------------------------------------- indices are copied


@pytest.mark.parametrize("which", ["tokens", "labels"])
def test_indices_are_read_as_they_were_checked(which: str) -> None:
    """A plugin (or another thread) that writes to the caller's array can't lead the core astray."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(5, size=(50, 4)), rng.integers(3, size=(50, 4))
    expected_x, expected_y = x.copy(), y.copy()
    spoilt = x if which == "tokens" else y

    def spoil(a: np.ndarray) -> np.ndarray:
        spoilt[...] = 10**12
        return np.tanh(a)

    def slope(a: np.ndarray) -> np.ndarray:
        return 1 - np.tanh(a) ** 2

    plain = cybptt.Activation("plain", np.tanh, slope)
    spoiling = cybptt.Activation("spoiling", spoil, slope)
    expected, got = (
        cybptt.RNN(5, 4, 3, inputs="tokens", activation=activation)
        for activation in (plain, spoiling)
    )
    vector = expected.init(0).vector
    loss, grad = expected.value_and_grad(expected.parameters(vector), expected_x, expected_y)
    loss_2, grad_2 = got.value_and_grad(got.parameters(vector), x, y)
    assert (spoilt == 10**12).all()
    assert loss == loss_2
    assert (grad.vector == grad_2.vector).all()


def test_a_trace_keeps_its_own_lengths() -> None:
    rnn = cybptt.RNN(2, 3, 2)
    lengths = np.array([4, 2, 0])
    x = np.random.default_rng(0).normal(size=(4, 3, 2))
    expected = rnn.forward(rnn.init(0), x, lengths=lengths.copy()).h
    trace = rnn.forward(rnn.init(0), x, lengths=lengths)
    lengths[:] = 4
    assert (trace.h == expected).all()


def test_all_steps_at_once_go_by_blocks_that_stay_in_the_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[tuple[int, ...]] = []

    def derivative(h: Any) -> Any:
        given.append(h.shape)
        return 1 - h * h

    tanh = cybptt.Activation("seen", numpy_plugins.TANH.function, derivative, "output")
    rnn = make_rnn("hidden", 3, 4, 4, activation=tanh)
    problem = random_problem(rnn, np.random.default_rng(0), 5, 3)
    g = run_core(problem)[1]
    assert given == [(15, 4)]
    given.clear()
    monkeypatch.setattr(_plugins, "VALUES_AT_ONCE", 16)
    again = run_core(problem)[1]
    assert given == [(4, 4), (4, 4), (4, 4), (3, 4)]
    assert_same(again.parameters.vector, g.parameters.vector, "the gradient")
