"""The pool of threads in a process that has a life of its own: forks, its end, other threads.

Each in a process of its own, with warnings as errors, and work that is large enough for two
threads to share (`n_threads=2`). A child that waits for a thread that did not come along is ended
by its alarm.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import shims

WORK = """
import os, signal, sys, threading, warnings
import numpy as np
import cybptt

rnn = cybptt.RNN(32, 128, 32)
params = rnn.init(0, np.float32)
rng = np.random.default_rng(0)
x = rng.standard_normal((100, 64, 32)).astype(np.float32)
y = rng.integers(0, 32, (100, 64))

def work(n_threads=2):
    loss, grad = rnn.value_and_grad(params, x, y, n_threads=n_threads)
    return np.float64(loss).tobytes() + grad.vector.tobytes()

def in_a_child(function):
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        os._exit(0 if function() else 1)
    return os.waitpid(child, 0)[1] == 0

expected = work(1)
assert work() == expected
"""

FORKS = """
# Before and after the pool is used, there and here, and a child of a child.
assert in_a_child(lambda: work() == expected)
assert work() == expected
assert in_a_child(lambda: work() == expected and in_a_child(lambda: work() == expected))
assert work() == expected
"""

FORKS_BESIDE_OTHER_THREADS = """
# Python itself warns of a fork while its threads run; it is to be survived all the same.
warnings.simplefilter("ignore", DeprecationWarning)
done = threading.Event()
wrong = []

def others():
    while not done.is_set():
        if work() != expected:
            wrong.append(1)

threads = [threading.Thread(target=others) for _ in range(3)]
for thread in threads:
    thread.start()
for _ in range(8):
    assert in_a_child(lambda: work() == expected)
done.set()
for thread in threads:
    thread.join()
assert not wrong
"""

MANY_THREADS = """
from concurrent.futures import ThreadPoolExecutor
ready = threading.Barrier(8)

def several(i):
    ready.wait()
    return all(work(1 + (i + turn) % 3) == expected for turn in range(6))

with ThreadPoolExecutor(8) as pool:
    assert all(pool.map(several, range(8)))
"""

ENDS_WITH_WORK_UNDER_WAY = """
# A daemon's work is cut off; what is registered for the end still works.
import atexit
atexit.register(lambda: sys.stdout.write("end" if work() == expected else "wrong"))

def forever():
    while True:
        work()

for _ in range(2):
    threading.Thread(target=forever, daemon=True).start()
work()
"""

ENDS_WITH_THREADS_THAT_WAIT = """
import atexit
atexit.register(lambda: sys.stdout.write("end" if work() == expected else "wrong"))
"""

OPENMP = """
import ctypes
other = ctypes.CDLL(sys.argv[1])
other.sum.restype = ctypes.c_double
other.sum.argtypes = [ctypes.c_void_p, ctypes.c_long]
ones = np.ones(1_000_000)

def sums():
    return other.sum(ones.ctypes.data, ones.size) == ones.size

assert other.threads_at_work() == 2
for _ in range(5):
    assert sums()
    assert work() == expected
beside = threading.Thread(target=lambda: [sums() for _ in range(200)])
beside.start()
assert all(work() == expected for _ in range(5))
beside.join()
# The child uses our threads; GNU OpenMP's own do not outlive a fork.
assert in_a_child(lambda: work() == expected)
assert sums()
assert work() == expected
"""

FORK_OF_THREADS_THAT_WAIT = """
def threads():
    return len(os.listdir("/proc/self/task"))

before = threads()
for n_threads in (2, 5, 3):
    assert work(n_threads) == expected
    assert threads() == before + n_threads - 1
    assert in_a_child(lambda: threads() == 1 and work(3) == expected)
    assert threads() == before
"""

FORK_BY_A_HANDLER = """
# In the middle of a pass: the child has lost what the other thread had under way, and says so.
warnings.simplefilter("ignore", DeprecationWarning)
children = []

def fork(*_):
    children.append(os.fork())

signal.signal(signal.SIGALRM, fork)
x, y = np.tile(x, (20, 1, 1)), np.tile(y, (20, 1))
expected = work(1)
while not children:
    signal.setitimer(signal.ITIMER_REAL, 0.005)
    try:
        assert work() == expected
    except RuntimeError as error:
        assert children == [0], error
        assert "forked within a pass" in str(error)
if children[0] == 0:
    signal.alarm(60)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    os._exit(0 if work() == expected else 1)
assert os.waitpid(children[0], 0)[1] == 0
"""

CTRL_C_IN_A_CHILD = """
# Forked by another thread than the main one: that thread is the child's main one.
x, y = np.tile(x, (300, 1, 1)), np.tile(y, (300, 1))

def interrupted():
    out = rnn.parameters(np.full(params.vector.size, np.nan, np.float32))
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        rnn.value_and_grad(params, x, y, n_threads=1, out=out)
    except KeyboardInterrupt:
        return bool(np.isnan(out.vector).all())  # in the pass, not after it

warnings.simplefilter("ignore", DeprecationWarning)
signal.signal(signal.SIGALRM, signal.default_int_handler)
heard = []
other = threading.Thread(target=lambda: heard.append(in_a_child(interrupted)))
other.start()
other.join()
assert heard == [True]
assert interrupted()
"""

PROGRAMS = {
    "Ctrl-C in a child": (CTRL_C_IN_A_CHILD, ""),
    "a fork by a handler": (FORK_BY_A_HANDLER, ""),
    "forks": (FORKS, ""),
    "forks beside other threads": (FORKS_BESIDE_OTHER_THREADS, ""),
    "many threads": (MANY_THREADS, ""),
    "the end, with work under way": (ENDS_WITH_WORK_UNDER_WAY, "end"),
    "the end, with threads that wait": (ENDS_WITH_THREADS_THAT_WAIT, "end"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_two_threads(name: str) -> None:
    code, says = PROGRAMS[name]
    assert shims.program(WORK + code) == says


if sys.platform == "linux":  # what is asked of the system here has other names elsewhere

    def test_beside_openmp(tmp_path: Path) -> None:
        shims.program(WORK + OPENMP, str(shims.library("openmp", tmp_path, "-fopenmp")))

    @pytest.mark.parametrize(("limit", "n_threads", "started"), [("1", None, 0), ("2", 1, 0)])
    def test_no_thread_is_started(limit: str, n_threads: int | None, started: int) -> None:
        assert threads_started(n_threads, CYBPTT_NUM_THREADS=limit) == started

    def test_a_fork_ends_the_threads_that_wait() -> None:
        """Python warns of a fork beside other threads, and counts those of the process."""
        alone = WORK.replace("assert work() == expected", "")
        # NumPy's own threads end at a fork, too.
        shims.program(alone + FORK_OF_THREADS_THAT_WAIT, OPENBLAS_NUM_THREADS="1")

    def test_a_thread_is_started() -> None:
        """Or all above would say nothing."""
        assert threads_started(2) == 1
        assert threads_started(3) == 2


def threads_started(n_threads: int | None, **environment: str) -> int:
    code = """
before = len(os.listdir("/proc/self/task"))
work(*eval(sys.argv[1]))
print(len(os.listdir("/proc/self/task")) - before)
"""
    alone = WORK.replace("assert work() == expected", "")
    return int(shims.program(alone + code, repr((n_threads,)), **environment))
