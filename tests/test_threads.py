"""One model in many threads and processes, and what a call leaves behind in this one: nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from helpers import assert_same, make_rnn, random_problem
from numpy_plugins import NLL, TANH

import cybptt
from cybptt import _threads

LENGTHS = np.array([9, 3, 0, 14, 20, 20, 7])


def problems() -> list[Any]:
    """Some patterns, with C's functions and with Python's."""
    made = []
    for pattern, feed, options in (
        ("hidden", "none", {}),
        ("last", "none", {"activation": "gelu"}),
        ("both, y_hat", "mask", {}),
        ("both, y_hat", "free", {"activation": TANH, "loss": NLL}),
        ("output, o", "forced", {"loss": "squared_error"}),
    ):
        rnn = make_rnn(pattern, 5, 24, 6, **options)
        rng = np.random.default_rng(0)
        made.append(random_problem(rnn, rng, 20, 7, feed=feed, lengths=LENGTHS, weights=True))
    return made


def results(p: Any) -> list[Any]:
    """Bits of everything that a pass gives."""
    trace = p.rnn.forward(p.params, p.x, **p.forward)
    g = p.rnn.backward(trace, p.y, **p.loss)
    loss, grad, state = p.rnn.value_and_grad(p.params, p.x, p.y, **p.options, return_state=True)
    whole = p.rnn.value_and_grad(p.params, p.x, p.y, **p.options, checkpoint=1)
    arrays = [trace.h, trace.y_hat, g.x, g.parameters.vector, grad.vector, whole[1].vector, state.h]
    return [array.tobytes() for array in arrays] + [loss, whole[0]]


# ---------------------------------------------------------------------- threads


@pytest.mark.parametrize("i", range(5))
def test_eight_threads_with_one_model_and_one_trace(i: int) -> None:
    p = problems()[i]
    expected = results(p)
    trace = p.rnn.forward(p.params, p.x, **p.forward)
    gradient = p.rnn.backward(trace, p.y, **p.loss).parameters.vector.tobytes()
    ready = threading.Barrier(8)

    def work(_: int) -> bool:
        ready.wait()
        right = True
        for _ in range(6):
            right &= results(p) == expected
            again = p.rnn.backward(trace, p.y, **p.loss)
            right &= again.parameters.vector.tobytes() == gradient
        return right

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [True] * 8


def test_a_traces_nodes_first_read_by_many_threads() -> None:
    p = problems()[2]
    expected = p.rnn.forward(p.params, p.x, **p.forward)
    for _ in range(20):
        trace = p.rnn.forward(p.params, p.x, **p.forward)
        ready = threading.Barrier(8)

        def read(_: int, trace: Any = trace, ready: Any = ready) -> list[bytes]:
            ready.wait()
            nodes = (trace.h, trace.a, trace.o, trace.y_hat, trace.state.h, trace.state.fed)
            return [node.tobytes() for node in nodes]

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(read, range(8))) == [read(0, expected, threading.Barrier(1))] * 8


def test_other_threads_run_while_the_core_computes() -> None:
    # The interpreter lock is let go of: a thread that only sleeps and counts gets on.
    rnn = cybptt.RNN(1, 700, 1)
    params, x = rnn.init(0), np.zeros((150, 60, 1))
    turns: list[float] = []
    done = threading.Event()

    def count() -> None:
        while not done.is_set():
            turns.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    start = time.perf_counter()
    rnn.forward(params, x)
    end = time.perf_counter()
    done.set()
    thread.join()
    during = sum(start < turn < end for turn in turns)
    assert during > 10, f"{during} turns in {end - start:.3f} s"


# ---------------------------------------------------------------------- how many


@pytest.fixture
def eight_processors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 9)
    yield
    _threads.default.cache_clear()


@pytest.mark.parametrize(
    ("cybptt_has", "omp_has", "expected"),
    [
        ("", "", 8), ("3", "", 3), ("", "2", 2), ("3", "2", 2), (" 4 ", "5", 4), ("100", "", 8),
        ("0", "", 8), ("-1", "", 8), ("many", "0x2", 8), ("1", "1", 1),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("eight_processors")
def test_the_number_of_threads(
    cybptt_has: str, omp_has: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYBPTT_NUM_THREADS", cybptt_has)
    monkeypatch.setenv("OMP_NUM_THREADS", omp_has)
    _threads.default.cache_clear()
    assert _threads.default() == _threads.count(None) == expected
    assert _threads.count(np.int64(11)) == 11  # whoever asks for more gets more
    for bad in (0, -1, 2**16 + 1):
        with pytest.raises(ValueError, match=f"^n_threads: got {bad}, need "):
            _threads.count(bad)
    with pytest.raises(TypeError, match=r"^n_threads: got "):
        _threads.count(1.5)


@pytest.mark.usefixtures("eight_processors")
def test_the_number_of_threads_where_a_process_cannot_be_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for who in ("CYBPTT", "OMP"):
        monkeypatch.delenv(f"{who}_NUM_THREADS", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity")
    for processors, expected in ((9, 9), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda n=processors: n)
        _threads.default.cache_clear()
        assert _threads.default() == expected


WORKERS = """
import multiprocessing, os, sys
from cybptt import _threads

os.sched_getaffinity = lambda _: set(range(8))
assert _threads.default() == 8
if __name__ == "__main__":
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        print(pool.apply(_threads.default))
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_the_worker_of_another_process_has_one_thread(method: str) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WORKERS, method],
        capture_output=True, text=True, env=environment, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip() == "1", done.stderr


# ---------------------------------------------------------------------- signals


class Pressed(Exception):
    """What the handler raises in the place of KeyboardInterrupt, which would end the test run."""


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("pattern", ["hidden", "both, o"])
def test_a_signal_ends_a_long_pass_soon(pattern: str, n_threads: int) -> None:
    rnn = make_rnn(pattern, 1, 256, 2)
    p = random_problem(rnn, np.random.default_rng(0), 30_000, 4, feed="free", scale=0.1)
    out = p.params.copy()

    def handler(*_: Any) -> None:
        raise Pressed

    # The processor's time, on which other processes have no say.
    before = signal.signal(signal.SIGPROF, handler)
    try:
        signal.setitimer(signal.ITIMER_PROF, 0.1)
        start = time.process_time()
        with pytest.raises(Pressed):
            rnn.value_and_grad(p.params, p.x, p.y, **p.options, out=out, n_threads=n_threads)
        elapsed = time.process_time() - start
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    assert elapsed < 0.5  # of seconds that the whole pass would take
    assert_same(out.vector, p.params.vector, "out")
    assert results(problems()[0]) == results(problems()[0])


# ---------------------------------------------------------------------- processes


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_other_processes_give_the_same_bits(method: str) -> None:
    p = problems()[2]
    expected = p.rnn.value_and_grad(p.params, p.x, p.y, **p.options)
    with multiprocessing.get_context(method).Pool(1) as pool:
        job = pool.apply_async(p.rnn.value_and_grad, (p.params, p.x, p.y), p.options)
        loss, grad = job.get(60)
    assert loss == expected[0]
    assert_same(grad.vector, expected[1].vector, method)
    assert grad.rnn == p.rnn


def test_a_fork_in_the_middle_of_training_goes_on_in_both() -> None:
    p = problems()[0]
    expected = results(p)  # the core has been used before the fork
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover
        os.write(theirs, b"same" if results(p) == expected else b"else")
        os._exit(0)
    assert results(p) == expected
    os.close(theirs)
    assert os.read(ours, 4) == b"same"
    os.close(ours)
    assert os.waitpid(child, 0)[1] == 0


# ---------------------------------------------------------------------- the processor's state

FLOATING_POINT = """
import threading
import numpy as np

def state():
    # Denormals in and out, scalar and in vectors; and rounding to the nearest even.
    found = []
    for dtype in (np.float32, np.float64):
        tiny, eps = np.finfo(dtype).smallest_normal, np.finfo(dtype).eps
        many = np.full(64, tiny)
        found += [(many / 2).min() > 0, (many / 4 * 4 == tiny).all(), dtype(tiny) / 2 > 0]
        ones = np.ones(64, dtype)
        found += [(ones + eps / 4 == 1).all(), (ones + eps * 3 / 4 == 1 + eps).all()]
        found += [(-ones - eps / 4 == -1).all(), (-ones - eps * 3 / 4 == -1 - eps).all()]
    return all(found)

def everywhere():
    others = []
    thread = threading.Thread(target=lambda: others.append(state()))
    thread.start()
    thread.join()
    return state() and others[0]

assert everywhere()
import cybptt, cybptt._core
assert everywhere(), "import"
for dtype in (np.float32, np.float64):
    for name in cybptt.activations.names():
        rnn = cybptt.RNN(3, 20, 4, activation=name, recurrence="both")
        params = rnn.init(0, dtype)
        x, y = np.full((5, 2, 3), 1e-310), np.zeros((5, 2), int)
        x[1] = 1e308
        rnn.value_and_grad(params, x, y)
        rnn.backward(rnn.forward(params, x), y)
        rnn.generate(params, 3, x=x[:3])
        assert everywhere(), name
print("unchanged")
"""


def test_import_and_calls_leave_the_floating_point_state_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FLOATING_POINT], capture_output=True, text=True
    )
    assert done.stdout.strip() == "unchanged", done.stderr


def test_the_core_does_not_raise_numpys_flags() -> None:
    rnn = cybptt.RNN(3, 20, 4)
    params = rnn.init(0, np.float32)
    x, y = np.full((5, 2, 3), 1e30), np.zeros((5, 2), int)
    with np.errstate(all="raise"):
        rnn.value_and_grad(params, x, y)
        rnn.backward(rnn.forward(params, x), y)
        assert np.float64(1.0) + np.ones(3)[0] == 2


def test_numpys_settings_are_as_they_were() -> None:
    before = np.geterr(), np.get_printoptions()
    p = problems()[0]
    results(p)
    assert (np.geterr(), np.get_printoptions()) == before
