"""ŷ in one call into the core: the bits that `forward` gives it, in the memory of one stretch."""

from __future__ import annotations

import os
import signal
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from helpers import assert_same, make_rnn, random_problem
from numpy_plugins import NLL, TANH

import cybptt
from cybptt import _core, _threads, _whole_pass

DTYPES = ("float32", "float64")
HIDDEN = ("hidden", "last", "no output layer", "last, no output layer")
# The sequences go on through several blocks of time; some of them have no step.
LENGTHS = np.array([*range(0, 24, 2), 23, 23, *range(23)])


@pytest.fixture
def use_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Say how many threads there are to use; however small the work, it is shared out."""

    def use(n: int) -> None:
        monkeypatch.setenv("CYBPTT_NUM_THREADS", str(n))
        _threads.default.cache_clear()
        assert _threads.default() == n

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = _core.let_a_thread_be_worth(1e-9)
    yield use
    _core.let_a_thread_be_worth(before)
    _threads.default.cache_clear()


def assert_predicts(p: Any, what: str) -> None:
    """`predict` went through the core, and gives what `forward` does."""
    assert _whole_pass.plan(p.rnn, p.params.dtype) is not None
    expected = p.rnn.forward(p.params, p.x, **p.forward).y_hat
    assert_same(p.rnn.predict(p.params, p.x, **p.forward), np.array(expected), what)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("inputs", ["values", "tokens"])
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("pattern", HIDDEN)
def test_the_bits_of_forward(
    pattern: str, ragged: bool, inputs: str, dtype: str, use_threads: Callable[[int], None]
) -> None:
    # Of 64 units the rows are further apart than they are long.
    for H, activation in ((13, "tanh"), (64, "softplus")):
        rnn = make_rnn(pattern, 3, H, 5, inputs=inputs, activation=activation)
        rng = np.random.default_rng(0)
        lengths = LENGTHS if ragged else None
        p = random_problem(rnn, rng, 23, len(LENGTHS), lengths=lengths, dtype=dtype)
        for n in (1, 2, 7):
            use_threads(n)
            assert_predicts(p, f"{n} threads, {H} units")


@pytest.mark.parametrize("pattern", HIDDEN)
@pytest.mark.parametrize("loss", cybptt.losses.names())
def test_every_loss_and_its_link_or_none(loss: str, pattern: str) -> None:
    rnn = make_rnn(pattern, 2, 9, 4, loss=loss)
    p = random_problem(rnn, np.random.default_rng(1), 300, 2)
    assert_predicts(p, loss)
    o = np.array(rnn.forward(p.params, p.x, **p.forward).o)
    assert_same(rnn.predict(p.params, p.x, **p.forward, link=False), o, f"o of {loss}")
    if rnn.loss.link is None:
        assert_same(rnn.predict(p.params, p.x, **p.forward), o, loss)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("outputs", ["all", "last"])
@pytest.mark.parametrize("batch", [-1, 1, 2])
def test_a_start_goes_in(batch: int, outputs: str, dtype: str) -> None:
    rnn = cybptt.RNN(2, 17, 3, outputs=outputs)
    p = random_problem(rnn, np.random.default_rng(2), 600, batch, dtype=dtype)
    assert_predicts(p, "h0")
    assert_predicts(p.but(forward={}), "zeros")
    # One call after another is one call.
    whole = rnn.predict(p.params, p.x, **p.forward)
    state = rnn.forward(p.params, p.x[:301], **p.forward).state
    rest = rnn.predict(p.params, p.x[301:], state=state)
    assert_same(rest, whole if outputs == "last" else whole[301:], "state")
    assert whole.flags.writeable
    assert whole.flags.c_contiguous


@pytest.mark.parametrize("pattern", HIDDEN)
@pytest.mark.parametrize("inputs", ["values", "tokens"])
def test_no_steps_no_sequences_nothing(
    inputs: str, pattern: str, use_threads: Callable[[int], None]
) -> None:
    rng = np.random.default_rng(3)
    use_threads(2)
    for T, B in ((0, 3), (3, 0), (0, 0), (0, -1)):
        assert_predicts(random_problem(make_rnn(pattern, 2, 5, 3, inputs=inputs), rng, T, B), "T")
    for I, H, O in ((0, 3, 2), (2, 0, 2), (2, 3, 0), (0, 0, 0)):
        if I > 0 or inputs == "values":
            rnn = make_rnn(pattern, I, H, O, loss="squared_error", inputs=inputs)
            assert_predicts(random_problem(rnn, rng, 4, 3), f"{I}, {H}, {O}")
    rnn = make_rnn(pattern, 2, 5, 3, inputs=inputs)
    p = random_problem(rnn, rng, 4, 3, lengths=np.zeros(3, int))
    assert_predicts(p, "lengths of 0")


@pytest.mark.parametrize("dtype", DTYPES)
def test_plugins_in_python_and_in_c(dtype: str) -> None:
    rng = np.random.default_rng(4)
    ufunc = cybptt.Activation("sine", np.sin, np.cos)
    twice = cybptt.Loss(
        "all but the link in C", np.subtract, np.copysign,
        link=lambda o: 2 * o, link_vjp=lambda o, y_hat, v: 2 * v,
    )  # fmt: skip
    for options, in_core in (
        ({"activation": TANH}, False),
        ({"loss": NLL}, False),
        ({"loss": twice}, False),
        ({"activation": ufunc}, True),
    ):
        rnn = cybptt.RNN(2, 5, 3, **options)  # type: ignore[arg-type]
        p = random_problem(rnn, rng, 9, 4, lengths=np.array([9, 0, 4, 7]), dtype=dtype)
        plan = _whole_pass.plan(rnn, np.dtype(dtype))
        assert (plan is not None and plan.predicts) is in_core
        expected = rnn.forward(p.params, p.x, **p.forward).y_hat
        assert_same(rnn.predict(p.params, p.x, **p.forward), np.array(expected), str(options))


def test_what_it_refuses() -> None:
    rnn = cybptt.RNN(3, 4, 2)
    params, x = rnn.init(0), np.zeros((5, 2, 3))
    state = rnn.forward(params, x).state
    for message, options in (
        (r"^x: got .*\(5, 2\).*, need real numbers of shape \(T, B, I\)", {"x": x[..., 0]}),
        (r"^h0: got .*\(3, 4\).*, need ", {"h0": np.zeros((3, 4))}),
        (r"^y0: got .*, need None: recurrence='hidden'", {"y0": np.zeros((2, 2))}),
        (r"^state: got a state and h0, need one", {"h0": np.zeros((2, 4)), "state": state}),
        (r"^lengths: got 6 at index 1, need integers", {"lengths": [5, 6]}),
    ):
        with pytest.raises(ValueError, match=message):
            rnn.predict(params, **({"x": x} | options))
    with pytest.raises(ValueError, match=r"^params: got parameters of RNN\(3, 4, 3\)"):
        rnn.predict(cybptt.RNN(3, 4, 3).init(0), x)
    with pytest.raises(TypeError, match=r"^state: got "):
        rnn.predict(params, x, state=3)  # type: ignore[arg-type]
    tokens = cybptt.RNN(3, 4, 2, inputs="tokens")
    for bad in (3, -1):
        with pytest.raises(ValueError, match=f"^x: got {bad} at index 1, need tokens in 0 … 2$"):
            tokens.predict(tokens.init(0), [0, bad])


# ---------------------------------------------------------------------- memory, Ctrl-C


@pytest.mark.parametrize("activation", ["tanh", "softplus"])
@pytest.mark.parametrize("outputs", ["all", "last"])
def test_h_is_kept_for_one_stretch_only(
    outputs: str, activation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside ŷ, and 8 bytes for each step, memory does not grow with T."""
    monkeypatch.setattr(_threads, "default", lambda: 1)
    B, H, O = 64, 128, 1
    rnn = cybptt.RNN(1, H, O, outputs=outputs, activation=activation)
    params = rnn.init(0)

    def peak(T: int) -> int:
        x = np.zeros((T, B, 1))
        tracemalloc.start()
        try:
            rnn.predict(params, x)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)  # the plan is made
    of_y_hat = 8 * B * O if outputs == "all" else 0
    assert peak(400) - peak(100) < 300 * (of_y_hat + 8) + 2000
    assert 8 * H * B * 4 < peak(100)  # it is the core's memory that is counted


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_signal_ends_a_long_prediction_soon(
    n_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_threads, "default", lambda: n_threads)
    rnn = cybptt.RNN(1, 256, 2)
    params, x = rnn.init(0), np.zeros((60_000, 4, 1))

    class Pressed(Exception):
        """In the place of KeyboardInterrupt, which would end the test run."""

    def handler(*_: Any) -> None:
        raise Pressed

    before = signal.signal(signal.SIGPROF, handler)
    try:
        signal.setitimer(signal.ITIMER_PROF, 0.1)
        start = time.process_time()
        with pytest.raises(Pressed):
            rnn.predict(params, x)
        elapsed = time.process_time() - start
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    assert elapsed < 0.5  # of seconds that the whole would take
    rnn.predict(params, x[:2000])  # the threads that were stopped work again
