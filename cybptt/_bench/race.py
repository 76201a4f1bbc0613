"""Races: processes that take turns on one cell, round by round.

Machines drift; ratios within a round do not. So a time is the median of its rounds, each the median
of many calls, and a ratio is taken within each round, and shown as its median and its range.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import Any

import numpy as np

from cybptt import _core
from cybptt._bench.cells import Cell
from cybptt._bench.libraries import LIBRARIES, Call
from cybptt._bench.worker import serve
from cybptt._signals import SignalGuard

__all__ = ["RaceError", "Result", "Worker", "gemm", "grid_entries", "race", "usable", "workers"]

# The size of NumPy's matrix product whose rate is the peak, raced with the others as "gemm". Its
# OpenBLAS does not know every processor with AVX-512, and is told, lest the peak be half of it.
GEMM = 1024
_CORE_TYPE = {"OPENBLAS_CORETYPE": "SkylakeX"} if "avx512" in _core.kernels_available else {}

# By how much the results of two libraries may differ, relative to the larger.
_CLOSE = {"float32": 1e-3, "float64": 1e-9}


class RaceError(RuntimeError):
    """A process that ended, or libraries that computed different things."""


@dataclass
class Result:
    """What a race came to: by label, seconds of each round, and of making it ready."""

    times: dict[str, list[float]]
    first: dict[str, float]

    def median(self, label: str) -> float:
        """Seconds of a call."""
        return statistics.median(self.times[label])

    def shares(self, flops: int) -> list[float]:
        """How near ours came to the rate of NumPy's product, in each round."""
        rounds = zip(self.times["cybptt"], self.times["gemm"], strict=True)
        return [flops / ours / (2 * GEMM**3 / gemm) for ours, gemm in rounds]

    def ratios(self, peers: Sequence[str], ours: str = "cybptt") -> list[float]:
        """The time of the fastest of `peers` over ours, in each round."""
        rounds = zip(self.times[ours], *(self.times[peer] for peer in peers), strict=True)
        return [min(theirs) / own for own, *theirs in rounds]


class Worker:
    """A process, pinned to as many processors as it may have threads."""

    def __init__(self, label: str, threads: int) -> None:
        self.label = label
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        arguments = (other, usable()[:threads])
        self._process = context.Process(target=serve, args=arguments, daemon=True)
        variables = _limits(threads) | (_CORE_TYPE if label == "gemm" else {})
        with _environment(variables), SignalGuard(), _unseen_interrupts():
            self._process.start()
        other.close()

    def ask(self, question: str, *arguments: Any) -> Any:
        """Call a method of the process's `Turns`, and wait for what it returns."""
        try:
            self._connection.send((question, arguments))
            return self._connection.recv()
        except (EOFError, OSError):
            raise RaceError(f"{self.label}: its process ended, with the error above") from None

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._connection.close()
        self._process.terminate()
        self._process.join()


def usable() -> list[int]:
    """The processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _limits(threads: int) -> dict[str, str]:
    """What tells a process how many threads it may have."""
    many = "true" if threads > 1 else "false"
    limits = {f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "OPENBLAS", "MKL", "CYBPTT")}
    return limits | {"XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={many}"}


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Give these variables to the processes that are started in here."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _unseen_interrupts() -> Iterator[None]:
    """Processes that are started in here never see a Ctrl-C, not even before they can ignore it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    # multiprocessing's own helper, which is started before the first, would lift this again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def workers(labels: Sequence[str], threads: int) -> Iterator[dict[str, Worker]]:
    """A process for each label."""
    with ExitStack() as stack:
        running = {}
        for label in labels:
            running[label] = Worker(label, threads)
            stack.callback(running[label].close)
        yield running


def race(
    running: Mapping[str, Worker],
    entries: Mapping[str, tuple[Any, ...]],
    dtype: str,
    rounds: int,
    seconds: float,
) -> Result:
    """Let the entries' processes take turns; an entry is what makes the call, and its arguments.

    The first results of all are compared before anything is timed, but those of a matrix product.
    """
    result = Result({label: [] for label in entries}, {})
    digests = {}
    for label, entry in entries.items():
        result.first[label], digests[label] = running[label].ask("prepare", *entry)
    ours, *others = digests.items()
    for label, digest in others:
        if digest and not np.allclose(digest, ours[1], rtol=_CLOSE[dtype], atol=0):
            raise RaceError(f"{label}: got the results {digest}, need {ours[0]}'s {ours[1]}")
    labels = list(entries)
    for i in range(rounds):
        first = i % len(labels)
        for label in labels[first:] + labels[:first]:  # nobody always comes after the same
            result.times[label].append(running[label].ask("turn", seconds))
    return result


def grid_entries(cell: Cell, dtype: str, labels: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """A cell's entries: the loss and gradients by each of these libraries, and the peak."""
    entries: dict[str, tuple[Any, ...]] = {
        label: (LIBRARIES[label], cell, dtype) for label in labels
    }
    return entries | {"gemm": (gemm, dtype)}


def gemm(dtype: str) -> Call:
    """NumPy's product of two square matrices: its rate is the peak that shares are of."""
    rng = np.random.default_rng(0)
    kind: Any = np.dtype(dtype).type
    A, B = (rng.random((GEMM, GEMM), kind) for _ in range(2))
    out = np.empty_like(A)

    def call() -> tuple[Any, ...]:
        np.matmul(A, B, out=out)
        return ()

    return call
