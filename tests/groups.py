"""Groups without MPI: the ranks are threads of this process."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

# Seconds after which a rank that the others wait for is taken for lost: the test fails.
LOST = 20


class Meeting:
    """Where the ranks hand over what they have."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.barrier = threading.Barrier(size)
        self.there: list[Any] = [None] * size


class Member:
    """A rank; it counts its calls."""

    def __init__(self, meeting: Meeting, rank: int) -> None:
        self._meeting, self.rank, self.size = meeting, rank, meeting.size
        self.gathered = self.reduced = 0

    def allgather(self, value: Any) -> list[Any]:
        self.gathered += 1
        return self._all(value)

    def allreduce(self, vector: Any) -> None:
        self.reduced += 1
        parts = self._all(vector)
        assert {(part.shape, part.dtype) for part in parts} == {(vector.shape, vector.dtype)}
        vector[...] = sum(parts[1:], parts[0])

    def _all(self, value: Any) -> list[Any]:
        meeting = self._meeting
        meeting.there[self.rank] = pickle.dumps(value)
        meeting.barrier.wait(LOST)
        found = [pickle.loads(each) for each in meeting.there]
        meeting.barrier.wait(LOST)
        return found


def on_ranks(size: int, function: Callable[[Member], Any]) -> list[Any]:
    """What the function gives, or raises, on each rank."""
    meeting = Meeting(size)

    def run(rank: int) -> Any:
        try:
            return function(Member(meeting, rank))
        except BaseException as error:
            return error

    with ThreadPoolExecutor(size) as pool:
        found = list(pool.map(run, range(size)))
    for each in found:
        assert not isinstance(each, threading.BrokenBarrierError), "a rank was waited for in vain"
    return found


def same_bits(vectors: list[Any]) -> bool:
    """Whether all are the first, to the bit."""
    return len({np.asarray(vector).tobytes() for vector in vectors}) == 1
