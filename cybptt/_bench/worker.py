"""One library in a process of its own: it makes calls, and times them when it is its turn."""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Iterable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from cybptt._bench.libraries import Call, Maker

__all__ = ["Turns", "serve"]


def serve(connection: Connection, processors: Sequence[int]) -> None:
    """Answer (question, arguments) until the other end is closed."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, processors)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the race, which ends us all
    turns = Turns()
    while True:
        try:
            question, arguments = connection.recv()
        except EOFError:
            return
        connection.send(getattr(turns, question)(*arguments))


class Turns:
    """The call at hand, and what is asked about it."""

    def __init__(self) -> None:
        self.call: Call | None = None

    def prepare(self, maker: Maker, *arguments: Any) -> tuple[float, list[float]]:
        """Make a call: how long that took, with the first call, and what it returned, digested."""
        self.call = None  # the memory of the one before
        start = time.perf_counter()
        self.call = maker(*arguments)
        results = self.call()
        first = time.perf_counter() - start
        return first, digest(results)

    def turn(self, seconds: float) -> float:
        """The median time of a call, of as many as fit; a first one is not counted.

        Meanwhile the caches fill, and another process's threads, which spin for a while, sleep.
        """
        assert self.call is not None
        call = self.call
        call()
        times: list[float] = []
        end = time.perf_counter() + seconds
        while not times or time.perf_counter() < end:
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    def rise(self, maker: Maker, warm: tuple[Any, ...], arguments: tuple[Any, ...]) -> int:
        """Bytes by which one call raises the peak of the process over what it holds before it.

        A call for the small sizes of `warm` first loads what a library loads at its first use.
        """
        maker(*warm)()
        call = maker(*arguments)
        give_back_freed_memory()
        Path("/proc/self/clear_refs").write_text("5")  # the peak is what is held now
        before = _status("VmRSS")
        call()
        return _status("VmHWM") - before


def digest(results: Iterable[Any]) -> list[float]:
    """A number by which to compare each result: itself, or the norm of an array."""
    return [
        float(result) if np.ndim(result) == 0 else float(np.linalg.norm(np.asarray(result, float)))
        for result in results
    ]


def give_back_freed_memory() -> None:
    """What the C library keeps of freed memory would hide as much of the next rise."""
    import ctypes

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)


def _status(name: str) -> int:
    """An entry of Linux's /proc/self/status, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
