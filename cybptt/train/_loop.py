"""Step by step to the first limit, with what looks on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from cybptt import _validate as check
from cybptt.train._checks import check_validation, not_negative
from cybptt.train._evaluate import Chunk, mean_loss
from cybptt.train._records import History, Record, Stop
from cybptt.train._run import Run, in_bits

if TYPE_CHECKING:
    from cybptt._signals import SignalGuard
    from cybptt.train._file import RunFile

__all__ = ["Limits", "Watch", "loop"]


def loop(
    run: Run, limits: Limits, watch: Watch, file: RunFile, history: History, guard: SignalGuard
) -> None:
    """Step by step to the first limit; only what is under ``guard.open`` may be interrupted.

    Of several ranks all go through the same: what one decides is told to the others.
    """
    run.started, targets = time.monotonic(), 0.0
    history.stopped = limits.reached(run.step, 0.0)
    while not history.stopped:
        loss, counted, elapsed = run.compute(guard)
        targets += counted
        with run.ranks.together() as told:
            norm = run.update()
            if run.ranks.size == 1:
                elapsed = time.monotonic() - run.started
            history.stopped = limits.reached(run.step, elapsed)
            record = Record(
                step=run.step,
                epoch=(run.step - 1) // len(run.chunks) + 1,
                loss=loss,
                bits=in_bits(run.rnn, loss),
                norm=norm,
                lr=run.optimizer.lr,
                targets=round(targets),
                elapsed=elapsed,
            )
            history.records.append(record)  # before an interrupt: the step is done
            reason = ""
            with guard.open():
                value = watch.validate(history, last=bool(history.stopped))
                if value is not None:
                    bits = in_bits(run.rnn, value)
                    record = replace(record, validation=value, validation_bits=bits)
                    history.records[-1] = record
                try:
                    watch.show(record)
                except Stop as stop:
                    reason = str(stop) or "callback"
            told.value = (reason, file.due)
        reason = next((why for why, _ in told.all if why), "")
        if reason:
            history.stopped = history.stopped or reason
            if value is None:
                with guard.open():
                    watch.validate(history, last=True)
        if not history.stopped and any(due for _, due in told.all):
            run.compare()
            checkpoint = run.whole()
            with run.ranks.together():
                file.save(checkpoint)
    run.compare()


class Limits:
    """When a run ends by itself."""

    def __init__(
        self, steps: int | None, epochs: int | None, minutes: float | None, n_chunks: int
    ) -> None:
        steps = None if steps is None else check.integer("steps", steps, 0)
        epochs = None if epochs is None else check.integer("epochs", epochs, 0)
        minutes = None if minutes is None else not_negative("minutes", minutes)
        if steps is None and epochs is None and minutes is None:
            epochs = 1
        self._steps = math.inf if steps is None else steps
        self._epochs = math.inf if epochs is None else epochs * n_chunks
        self._seconds = math.inf if minutes is None else minutes * 60

    @property
    def facts(self) -> dict[str, float]:
        """What has to be the same on all ranks."""
        return {"steps": self._steps, "epochs × chunks": self._epochs, "seconds": self._seconds}

    def reached(self, step: int, elapsed: float) -> str:
        """The limit that is reached, "" where none is."""
        if step >= self._steps:
            return "steps"
        if step >= self._epochs:
            return "epochs"
        return "minutes" if elapsed >= self._seconds else ""


class Watch:
    """The validation and the callbacks: they see the run and change nothing of it."""

    def __init__(
        self,
        run: Run,
        validation: Iterable[Chunk] | None,
        every: int | None,
        callbacks: tuple[Callable[[Record], object], ...],
    ) -> None:
        if every is not None:
            every = check.integer("validate_every", every, 1)
        if validation is not None:
            check_validation(validation)
        self._run, self._validation, self._every = run, validation, every
        self._callbacks = callbacks

    @property
    def facts(self) -> dict[str, object]:
        """What has to be the same on all ranks."""
        return {"validation": self._validation is not None, "validate_every": self._every}

    def validate(self, history: History, *, last: bool) -> float | None:
        run, every = self._run, self._every
        if self._validation is None or not (last or (every and run.step % every == 0)):
            return None
        value = mean_loss(run.ranks, run.rnn, run.params, self._validation, run.carry)
        history.validation.append((run.step, value))
        return value

    def show(self, record: Record) -> None:
        for callback in self._callbacks:
            callback(record)
