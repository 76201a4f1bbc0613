"""The file of a run's place."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from cybptt.train._checks import file_for

if TYPE_CHECKING:
    from cybptt.train._checkpoint import Checkpoint
    from cybptt.train._run import Run

__all__ = ["RunFile"]


class RunFile:
    """The checkpoint file, written at the end and now and then; of several ranks by the first."""

    def __init__(self, run: Run, path: str | os.PathLike[str] | None, seconds: float) -> None:
        if run.ranks.rank != 0:
            path = None  # its folder may be another machine's
        self._path = None if path is None else file_for("checkpoint", path, run.rnn)
        self._run, self._seconds = run, seconds
        self.begin()

    def begin(self) -> None:
        """What is now is as good as written: only what comes after it goes into the file."""
        self._step, self._at = self._run.step, time.monotonic()

    def save(self, checkpoint: Checkpoint | None, *, always: bool = False) -> None:
        """Write a checkpoint of all ranks, where there is one that is not there yet."""
        if self._path is not None and checkpoint and (always or self._run.step != self._step):
            try:
                checkpoint.save(self._path)
            except OSError as error:
                # A disk that is full, found while writing, is told without a name.
                error.filename = error.filename or self._path
                raise
            self.begin()

    @property
    def due(self) -> bool:
        """Whether it is time to write again."""
        return self._path is not None and time.monotonic() - self._at >= self._seconds
