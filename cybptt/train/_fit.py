"""Training by truncated back-propagation through time: what comes before and after the loop."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cybptt import _validate as check
from cybptt._signals import SignalGuard
from cybptt.train._agreement import HINTS, columns, facts
from cybptt.train._checkpoint import Checkpoint
from cybptt.train._checks import (
    callbacks_of,
    check_chunks,
    check_model,
    check_optimizer,
    check_resume,
    check_schedule,
    metadata_of,
    not_negative,
)
from cybptt.train._evaluate import Chunk
from cybptt.train._file import RunFile
from cybptt.train._group import Group, Ranks
from cybptt.train._loop import Limits, Watch, loop
from cybptt.train._records import History, Interrupted, NonFiniteError, Record
from cybptt.train._run import Run

if TYPE_CHECKING:
    import numpy as np

    from cybptt.optim import Optimizer
    from cybptt.parameters import Parameters
    from cybptt.rnn import RNN

__all__ = ["fit"]


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
    group: Group | None = None,
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
    group : Group, optional
        The processes that train this model together, such as :class:`cybptt.mpi.Group`. Each calls
        `fit` with the same arguments but for its chunks, those of validation, and its callbacks;
        :func:`shard` makes a rank's chunks of all. A step's loss and gradient are those of all
        ranks' chunks in one, so that the result is that of one process but for rounding, and the
        same bits on every rank. A chunk may be empty on some, B = 0. What one rank meets, an error
        or Ctrl-C or a callback's :class:`Stop`, ends the run on all at the same step. Rank 0 writes
        the checkpoint, which has the state of all ranks' sequences.

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
    RankError
        If another rank of the group failed.
    ValueError, TypeError
        If an argument is wrong, or a chunk is; if ranks of the group do not agree.

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
    ranks = Ranks(group)
    with ranks.together() as told:
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
            check_resume(resume, rnn, params, optimizer, chunks, carry and ranks.size == 1)
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
            ranks=ranks,
        )
        limits = Limits(steps, epochs, minutes, len(chunks))
        watch = Watch(run, validation, validate_every, callbacks_of(callbacks))
        seconds = not_negative("checkpoint_seconds", checkpoint_seconds)
        file = RunFile(run, checkpoint, seconds)
        if ranks.size > 1:
            told.value = facts(run, resume, limits.facts | watch.facts)
    if ranks.size > 1:
        ranks.compare(told.all, HINTS)
    # The first to change anything, so the last that can refuse.
    if resume is not None:
        with ranks.together() as told:
            told.value = columns(run, resume.step) if ranks.size > 1 else None
        with ranks.together():
            run.take_part(resume, told.all)
        file.begin()
    history = History()
    with SignalGuard() as guard:
        ranks.guard = guard
        try:
            loop(run, limits, watch, file, history, guard)
        except KeyboardInterrupt:
            _end(run, file, history, "interrupted")
            raise Interrupted(history) from None
        except NonFiniteError as error:
            run.restore(run.good)
            error.history = history
            _end(run, file, history, "not finite", always=True)
            raise
        except BaseException:
            _end(run, file, history, history.stopped)
            raise
        _end(run, file, history, history.stopped)
        try:
            with ranks.together(), guard.open():
                pass  # a Ctrl-C that came after the last step
        except KeyboardInterrupt:
            history.stopped = "interrupted"
            raise Interrupted(history) from None
    return history


def _end(run: Run, file: RunFile, history: History, why: str, *, always: bool = False) -> None:
    """Say where the run stands, and write it; no rank goes on before that is done."""
    history.stopped = why
    history.checkpoint = run.whole()
    try:
        with run.ranks.together():
            file.save(history.checkpoint, always=always)
    finally:
        if run.ranks.over:  # the block was nobody else's
            run.ranks.all(None)
