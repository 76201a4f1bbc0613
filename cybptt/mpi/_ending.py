"""How a job ends where one of its ranks fails: soon, and with the traceback that matters.

An exception ends its own process, and no more: the others would wait for it for ever, some in the
MPI library, which the process itself enters too when it finalizes. So here it ends them. A process
that is killed is noticed by mpiexec, and one that just leaves by `cybptt.mpi.Group`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from mpi4py import MPI

from cybptt.train import RankError

__all__ = ["end", "watch"]

# Seconds for which a rank that has nothing new to tell lets another tell it, and end the job; those
# that wait do so one a little longer than the other, for one of them is enough.
_PATIENCE, _MORE = 2.0, 0.3
# For what is written to arrive where it is read, before all are ended.
_ARRIVES = 0.1


def watch() -> None:
    """From now on, an error that nobody catches ends all ranks."""
    if _several() and not isinstance(sys.excepthook, _Hook):
        sys.excepthook = _Hook(sys.excepthook)


class _Hook:
    def __init__(self, before: Callable[..., Any]) -> None:
        self._before = before

    def __call__(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        def tell() -> None:
            world = MPI.COMM_WORLD
            sys.stderr.write(f"cybptt: rank {world.rank} of {world.size} ends all by an error\n")
            if isinstance(error, RankError) and error.traceback:
                sys.stderr.write(error.traceback)
            self._before(kind, error, trace)

        end(error, 130 if isinstance(error, KeyboardInterrupt) else 1, tell)


def end(
    error: BaseException, status: int, tell: Callable[[], object], *, first: bool = False
) -> None:
    """Tell an error, and end all ranks; alone, just tell it. `first`: rank 0 may have it, too."""
    if not _several():
        tell()
        return
    everywhere = first or error.__dict__.get("on_every_rank", isinstance(error, KeyboardInterrupt))
    if isinstance(error, RankError) or (everywhere and MPI.COMM_WORLD.rank != 0):
        time.sleep(_PATIENCE + _MORE * min(MPI.COMM_WORLD.rank, 10))
    try:
        tell()
        sys.stdout.flush()
        sys.stderr.flush()
        time.sleep(_ARRIVES)
    finally:
        MPI.COMM_WORLD.Abort(status)


def _several() -> bool:
    if MPI.Is_finalized():
        return False
    size = MPI.COMM_WORLD.Get_size()
    return isinstance(size, int) and size > 1  # where the documentation is built, it is no number
