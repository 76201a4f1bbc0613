"""The loop of truncated back-propagation through time, and the loss over chunks."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from cybptt import _validate as check
from cybptt.train._checkpoint import Checkpoint
from cybptt.train._checks import (
    callbacks_of,
    check_chunks,
    check_model,
    check_optimizer,
    check_resume,
    check_schedule,
    check_validation,
    chunk_parts,
    metadata_of,
    not_negative,
)
from cybptt.train._file import RunFile
from cybptt.train._records import History, Interrupted, NonFiniteError, Record, Stop
from cybptt.train._run import Run, count_targets, in_bits
from cybptt.train._signals import SignalGuard

if TYPE_CHECKING:
    import numpy as np

    from cybptt.optim import Optimizer
    from cybptt.parameters import Parameters
    from cybptt.rnn import RNN

__all__ = ["evaluate", "fit"]

Chunk: TypeAlias = "tuple[Any, Any] | tuple[Any, Any, Mapping[str, Any]]"


def fit(
    rnn: RNN,
    params: Parameters,
    chunks: Sequence[Chunk],
    *,
    optimizer: Optimizer,
    max_norm: float | None = None,
    schedule: Callable[[int], float] | None = None,
    steps: int | None = None,
    epochs: int | None = None,
    minutes: float | None = None,
    carry: bool = True,
    teacher_forcing: Any = None,
    seed: int | np.random.Generator | None = None,
    validation: Iterable[Chunk] | None = None,
    validate_every: int | None = None,
    callbacks: Iterable[Callable[[Record], object]] = (),
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 30.0,
    metadata: Mapping[str, Any] | None = None,
    resume: Checkpoint | None = None,
    n_threads: int | None = None,
) -> History:
    """Train a model by truncated back-propagation through time, in place.

    Each step takes one chunk: the mean loss over it and its gradient (:eq:`10.13` and
    :eq:`10.22`–:eq:`10.28`, divided by the number of steps that count), the gradient clipped by its
    norm, one step of the optimizer. The state at a chunk's end is h(0) of the next, no gradient
    flows back across the cut, and every pass over the chunks begins from zeros. The clock decides
    when a run ends, and nothing else: step k has the same bits whatever the limits.

    Ctrl-C never falls into the middle of a step's update. When `fit` ends, in whatever way, the
    parameters are those of a whole step.

    Parameters
    ----------
    rnn : RNN
        The model.
    params : Parameters
        Where it starts; written in place.
    chunks : sequence of (x, y) or (x, y, options)
        Time-major, as `RNN.value_and_grad` takes them; taken in order. options is a mapping with
        some of ``lengths``; ``weights``; ``reduction``, a number by which the loss is divided,
        instead of how many steps count; and ``state_at``, the step after which the next chunk
        begins, instead of the end. `cybptt.data` makes them: `Chunks` of a long stream, `Batches`
        of sequences with ends of their own, `Trials` that are drawn anew.
    optimizer : Optimizer
        One of :mod:`cybptt.optim`, or anything with its ``lr``, ``step``, ``state_dict`` and
        ``load_state_dict``.
    max_norm : float > 0, optional
        The norm to which gradients are clipped.
    schedule : callable, optional
        From the number of steps done to the learning rate of the next, such as :func:`cosine`. By
        default the optimizer's own rate.
    steps, epochs : int ≥ 0, optional
        Steps, or passes over the chunks, after which the run ends, those before a resume included.
    minutes : float ≥ 0, optional
        Time after which it ends, that of this call alone. With several limits the first that is
        reached ends it; with none, it is one epoch.
    carry : bool
        Whether the state goes from chunk to chunk, as in a stream. False for chunks that have
        nothing to do with each other, such as batches of trials: each begins from zeros then.
        Sequences that have ends of their own, ``lengths``, need False.
    teacher_forcing : bool, float or ndarray, optional
        As in `RNN.value_and_grad`.
    seed : int, Generator or None
        What a teacher forcing with a probability draws from. Only without `resume`.
    validation : sequence of chunks, optional
        What :func:`evaluate` is computed over, at the end and every `validate_every` steps.
    validate_every : int ≥ 1, optional
        In steps.
    callbacks : iterable of callables
        Each is called with the :class:`Record` of every step; it ends the run by raising
        :class:`Stop`, whose text is the reason.
    checkpoint : path, optional
        A file for the run's place, written when it ends, also by Ctrl-C or an error, and in
        between; always whole. :meth:`Checkpoint.load` reads it.
    checkpoint_seconds : float ≥ 0
        Time between two such writes.
    metadata : mapping, optional
        What else goes into a checkpoint; JSON.
    resume : Checkpoint, optional
        Where to go on from: the parameters, the optimizer, the generator, the carried state and
        the place in the chunks are taken from it.
    n_threads : int, optional
        As in `RNN.value_and_grad`.

    Returns
    -------
    History
        Every step's record, the validation losses, why it ended, and its checkpoint.

    Raises
    ------
    NonFiniteError
        If a loss, a gradient or an updated parameter is not finite. It names the step and the
        parameter; the parameters are put back to those of the last good step.
    Interrupted
        On Ctrl-C: a KeyboardInterrupt that carries the history.
    ValueError, TypeError
        If an argument is wrong, or a chunk is.

    Examples
    --------
    >>> import numpy as np, cybptt
    >>> from cybptt.data import Chunks
    >>> from cybptt.optim import Adam
    >>> from cybptt.text import Vocabulary
    >>> from cybptt.train import fit
    >>> text = "hello world, " * 40
    >>> vocabulary = Vocabulary.of(text)
    >>> n = len(vocabulary)
    >>> rnn = cybptt.RNN(n, 16, n, inputs="tokens")
    >>> params = rnn.init(seed=0)
    >>> chunks = Chunks(vocabulary.encode(text), batch=4, steps=10)
    >>> history = fit(rnn, params, chunks, optimizer=Adam(lr=0.02), max_norm=1.0, steps=100)
    >>> history.stopped, len(history.records)
    ('steps', 100)
    >>> history.records[0].bits > 3 and history.records[-1].bits < 0.5
    True
    """
    check_model(rnn, params)
    check_chunks(chunks)
    check_optimizer(optimizer)
    if max_norm is not None and not check.real_number("max_norm", max_norm, "a number > 0") > 0:
        raise check.wrong_value("max_norm", check.describe(max_norm), "a number > 0")
    if schedule is not None:
        check_schedule(schedule)
    carry = check.boolean("carry", carry)
    check.seed("seed", seed)
    if n_threads is not None:
        n_threads = check.integer("n_threads", n_threads, 1)
    if resume is not None:
        check_resume(resume, rnn, params, optimizer, chunks, carry)
        if seed is not None:
            got, need = f"{seed!r} with resume", "None: the generator is the checkpoint's"
            raise check.wrong_value("seed", got, need)
        metadata = resume.metadata if metadata is None else metadata
    run = Run(
        rnn=rnn,
        params=params,
        chunks=chunks,
        optimizer=optimizer,
        max_norm=max_norm,
        schedule=schedule,
        carry=carry,
        teacher_forcing=teacher_forcing,
        n_threads=n_threads,
        generator=check.generator("seed", seed),
        metadata=metadata_of(metadata),
    )
    limits = _Limits(steps, epochs, minutes, len(chunks))
    watch = _Watch(run, validation, validate_every, callbacks_of(callbacks))
    file = RunFile(run, checkpoint, not_negative("checkpoint_seconds", checkpoint_seconds))
    # The first to change anything, so the last that can refuse.
    if resume is not None:
        run.restore(resume)
        file.begin()
    history = History()
    with SignalGuard() as guard:
        try:
            _loop(run, limits, watch, file, history, guard)
        except KeyboardInterrupt:
            history.stopped = "interrupted"
            history.checkpoint = run.checkpoint()
            file.save()
            raise Interrupted(history) from None
        except NonFiniteError as error:
            run.restore(run.good)
            history.stopped = "not finite"
            history.checkpoint = run.good
            error.history = history
            file.save(always=True)
            raise
        except BaseException:
            file.save()
            raise
        history.checkpoint = run.checkpoint()
        file.save()
        try:
            with guard.open():
                pass  # a Ctrl-C that came after the last step
        except KeyboardInterrupt:
            history.stopped = "interrupted"
            raise Interrupted(history) from None
    return history


def _loop(
    run: Run, limits: _Limits, watch: _Watch, file: RunFile, history: History, guard: SignalGuard
) -> None:
    """Step by step to the first limit; only what is under ``guard.open`` may be interrupted."""
    started, targets = time.monotonic(), 0.0
    history.stopped = limits.reached(run.step, 0.0)
    while not history.stopped:
        loss, norm, counted = run.advance(guard)
        targets += counted
        elapsed = time.monotonic() - started
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
        with guard.open():
            value = watch.validate(history, last=bool(history.stopped))
            if value is not None:
                bits = in_bits(run.rnn, value)
                record = replace(record, validation=value, validation_bits=bits)
                history.records[-1] = record
            try:
                watch.show(record)
            except Stop as reason:
                history.stopped = history.stopped or str(reason) or "callback"
                if value is None:
                    watch.validate(history, last=True)
        if not history.stopped:
            file.save_now_and_then()


class _Limits:
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

    def reached(self, step: int, elapsed: float) -> str:
        """The limit that is reached, "" where none is."""
        if step >= self._steps:
            return "steps"
        if step >= self._epochs:
            return "epochs"
        return "minutes" if elapsed >= self._seconds else ""


class _Watch:
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

    def validate(self, history: History, *, last: bool) -> float | None:
        run, every = self._run, self._every
        if self._validation is None or not (last or (every and run.step % every == 0)):
            return None
        value = evaluate(
            run.rnn,
            run.params,
            self._validation,
            carry=run.carry,
        )
        history.validation.append((run.step, value))
        return value

    def show(self, record: Record) -> None:
        for callback in self._callbacks:
            callback(record)


def evaluate(rnn: RNN, params: Parameters, chunks: Iterable[Chunk], *, carry: bool = True) -> float:
    """The mean loss over chunks, with the state carried from one to the next.

    :eq:`10.13` over the number of steps that count. Cutting a sequence into chunks and carrying
    the state changes no loss. A model with an output recurrence is given the true outputs, as the
    likelihood of :eq:`10.15`–:eq:`10.16` has them.

    Parameters
    ----------
    rnn : RNN
        The model.
    params : Parameters
        Its parameters.
    chunks : iterable of (x, y) or (x, y, options)
        As in :func:`fit`; a ``reduction`` is not looked at.
    carry : bool
        Whether the state goes from chunk to chunk.

    Returns
    -------
    float
        In nats for classes; divide by ln 2 for bits.

    Raises
    ------
    ValueError, TypeError
        If a chunk is wrong, or there is no step to count.

    Examples
    --------
    >>> import cybptt, math
    >>> from cybptt.data import Chunks
    >>> from cybptt.text import Vocabulary
    >>> from cybptt.train import evaluate
    >>> text = "abcd" * 20
    >>> vocabulary = Vocabulary.of(text)
    >>> rnn = cybptt.RNN(4, 8, 4, inputs="tokens")
    >>> params = rnn.init(seed=0)
    >>> params.vector[...] = 0                  # all four letters alike: two bits
    >>> chunks = Chunks(vocabulary.encode(text), batch=1, steps=30)
    >>> round(evaluate(rnn, params, chunks) / math.log(2), 6)
    2.0
    """
    check_model(rnn, params)
    carry = check.boolean("carry", carry)
    if not hasattr(chunks, "__iter__"):
        raise check.wrong_type("chunks", check.describe(chunks), "an iterable of (x, y)")
    total, count, state = 0.0, 0.0, None
    for chunk in chunks:
        x, y, options = chunk_parts(chunk, carry)
        forced = {} if rnn.recurrence == "hidden" else {"y": y}
        trace = rnn.forward(
            params, x, lengths=options.get("lengths"), state=state if carry else None, **forced
        )
        total += rnn.total_loss(trace, y, weights=options.get("weights"))
        count += count_targets(rnn, y, options)
        at = options.get("state_at")
        state = trace.state if at is None else trace.state_at(at)
    if not count > 0:
        raise check.wrong_value("chunks", "no step to count", "at least 1")
    return total / count
