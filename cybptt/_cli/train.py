"""``cybptt train``: a character model of a text, from the arguments to the last line."""

from __future__ import annotations

import argparse
import math
import os
import shlex
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cybptt import _validate as check
from cybptt import text as texts
from cybptt._cli import ranks
from cybptt._cli.options import DEFAULT_MINUTES, DEFAULT_STEPS, FLOOR, Options
from cybptt._cli.progress import Progress, duration, wrapped
from cybptt._cli.sample import write_text
from cybptt.optim import Adam
from cybptt.parameters import Parameters
from cybptt.rnn import RNN
from cybptt.text import Chunks, Vocabulary
from cybptt.train import (
    Checkpoint,
    History,
    Interrupted,
    NonFiniteError,
    Record,
    cosine,
    fit,
    shard,
)
from cybptt.train._checks import file_for

if TYPE_CHECKING:
    from cybptt.mpi import Group

__all__ = ["run"]

_STANDARD = "pydoc_data.topics"
# The held-out text is read as one stream, in pieces of so many steps.
_PIECE = 1000
_SAMPLE_LENGTH = 240


@dataclass(frozen=True)
class _Text:
    """A text and where it is from; path is None for the standard one."""

    path: str | None
    characters: str

    @property
    def name(self) -> str:
        return _STANDARD if self.path is None else self.path

    @classmethod
    def read(cls, path: str | None) -> _Text:
        return cls(path, texts.standard_text() if path is None else texts.read_text(path))

    def as_dict(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "characters": len(self.characters),
            "sha256": texts.digest(self.characters),
        }


@dataclass(frozen=True)
class _Job:
    """What a run needs, made from the arguments or read from the file that it goes on from."""

    text: _Text
    options: Options
    vocabulary: Vocabulary
    rnn: RNN
    params: Parameters
    chunks: Chunks
    held_out: Chunks | None
    out: str
    came_from: str | None
    resume: Checkpoint | None
    steps: int | None
    minutes: float | None
    group: Group | None

    @property
    def speaks(self) -> bool:
        """Of several processes the first says what happens, and writes the file."""
        return self.group is None or self.group.rank == 0

    @property
    def done(self) -> int:
        return 0 if self.resume is None else self.resume.step

    @property
    def metadata(self) -> dict[str, Any]:
        return {
            "text": self.text.as_dict(),
            "vocabulary": self.vocabulary.characters,
            "options": self.options.as_dict(),
            "options_sha256": self.options.digest(),
        }


def run(arguments: argparse.Namespace) -> int:
    """Train, say what happens, and save."""
    group = ranks.group()
    _check_arguments(arguments)
    job = _prepare(arguments, group)
    progress = Progress(job.steps, job.done, job.options.batch * job.options.chunk)
    try:
        if job.speaks:
            progress.say(_introduction(job))
        with _Terminated() as terminated:
            history = _fit(job, arguments, progress)
    except Interrupted as interrupt:
        progress.close()
        if job.speaks:
            print(_interrupted(job, interrupt.history), flush=True)
        return 128 + (signal.SIGTERM if terminated.received else signal.SIGINT)
    except NonFiniteError as error:
        progress.close()
        if not job.speaks:
            raise
        raise FloatingPointError(f"{error}; saved there: {job.out}") from None
    finally:
        progress.close()
    if job.speaks:
        print(_conclusion(job, history, progress), flush=True)
    return 0


class _Terminated:
    """Within it, SIGTERM is answered as Ctrl-C is."""

    received = False

    def __enter__(self) -> _Terminated:
        self._before: Any = None
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._answer)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)

    def _answer(self, number: int, frame: object) -> None:
        self.received = True
        raise KeyboardInterrupt


# ------------------------------------------------------------------ before the run


def _check_arguments(arguments: argparse.Namespace) -> None:
    """What no other part of the package would look at before the work begins."""
    try:
        import safetensors  # noqa: F401
    except ImportError:
        raise ImportError(
            "the model is saved by safetensors, which is not installed: pip install 'cybptt[train]'"
        ) from None
    for name in ("hidden", "batch", "chunk"):
        value = getattr(arguments, name)
        if value is not None:
            check.integer(f"--{name}", value, 1)
    for name in ("steps", "epochs", "seed", "decay", "validate_every", "sample_every"):
        value = getattr(arguments, name)
        if value is not None:
            check.integer(f"--{name.replace('_', '-')}", value, 0)
    for name in ("lr", "clip"):
        value = getattr(arguments, name)
        if value is not None:
            check.positive_number(f"--{name}", value)
    if arguments.minutes is not None and not arguments.minutes >= 0:
        raise ValueError(f"--minutes: got {arguments.minutes}, need a number ≥ 0")
    if arguments.validation is not None and not 0 <= arguments.validation < 1:
        raise ValueError(f"--validation: got {arguments.validation}, need a number in 0 ≤ x < 1")


def _prepare(arguments: argparse.Namespace, group: Group | None) -> _Job:
    given = Options.given(arguments)
    resume, path = None, arguments.text
    if arguments.resume is None:
        options = Options(**given)
    else:
        resume = Checkpoint.load(arguments.resume)
        options, stored = _stored(arguments.resume, resume)
        options.refuse_others(arguments.resume, given)
        path = stored["path"] if path is None else path
    text = _Text.read(path)
    if resume is not None:
        _refuse_another_text(arguments.resume, text, stored)
    chunks, held_out, vocabulary = _laid_out(text, options)
    if resume is None:
        rnn, params = _model(options, len(vocabulary))
    else:
        rnn, params = resume.rnn, resume.params.copy()
    steps, minutes = _limits(arguments, len(chunks))
    out = arguments.out or arguments.resume or _default_out(path)
    if path is not None and os.path.exists(out) and os.path.samefile(path, out):
        raise ValueError(f"--out: got {out}, which is the text, need another file")
    if group is None or group.rank == 0:
        file_for("--out", out, rnn)
    return _Job(
        text, options, vocabulary, rnn, params, chunks, held_out, out, arguments.resume, resume,
        steps, minutes, group,
    )  # fmt: skip


def _stored(path: str, resume: Checkpoint) -> tuple[Options, dict[str, Any]]:
    """The options and the text's marks in a file."""
    metadata = resume.metadata
    try:
        text = dict(metadata["text"])
        marks = {name: text[name] for name in ("path", "characters", "sha256")}
        stored, digest = dict(metadata["options"]), metadata["options_sha256"]
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{path}: got another kind of run, need one of `cybptt train`") from None
    return Options.of_file(path, stored, digest), marks


def _refuse_another_text(path: str, text: _Text, stored: dict[str, Any]) -> None:
    mine = text.as_dict()
    if mine["sha256"] == stored["sha256"]:
        return
    name = _STANDARD if stored["path"] is None else stored["path"]
    hint = " (it differs between versions of Python)" if text.path is None else ""
    raise ValueError(
        f"{text.name}: got a text of {mine['characters']:,} characters, SHA-256 "
        f"{mine['sha256'][:12]}…{hint}, need the text of the run in {path}: {name} with "
        f"{stored['characters']:,} characters, SHA-256 {stored['sha256'][:12]}…"
    )


def _laid_out(text: _Text, options: Options) -> tuple[Chunks, Chunks | None, Vocabulary]:
    """The text in chunks, and its held-out tail as one stream."""
    n, least = len(text.characters), options.batch * options.chunk + 1
    left = n - math.floor(n * options.validation)
    if left < least:
        raise ValueError(
            f"{text.name}: got {left:,} characters to train on (and {n - left:,} held out), need "
            f"at least {least:,}: {options.batch} streams of {options.chunk} and one to predict; "
            "a smaller --batch or --chunk takes fewer"
        )
    vocabulary = Vocabulary.of(text.characters)
    training, tail = texts.split(vocabulary.encode(text.characters), options.validation)
    held_out = None
    if len(tail) > 1:
        held_out = Chunks(tail, batch=1, steps=min(_PIECE, len(tail) - 1))
    return Chunks(training, batch=options.batch, steps=options.chunk), held_out, vocabulary


def _model(options: Options, n: int) -> tuple[RNN, Parameters]:
    rnn = RNN(n, options.hidden, n, activation=options.activation, inputs="tokens")
    return rnn, rnn.init(seed=options.seed, dtype=options.dtype, scheme=options.init)


def _limits(arguments: argparse.Namespace, n_chunks: int) -> tuple[int | None, float | None]:
    """The step and the time at which the run ends."""
    if (arguments.steps, arguments.epochs, arguments.minutes) == (None, None, None):
        return DEFAULT_STEPS, DEFAULT_MINUTES
    ends = [] if arguments.steps is None else [arguments.steps]
    ends += [] if arguments.epochs is None else [arguments.epochs * n_chunks]
    return min(ends, default=None), arguments.minutes


def _default_out(path: str | None) -> str:
    return f"cybptt-{_STANDARD if path is None else Path(path).stem}.safetensors"


# ------------------------------------------------------------------ the run


def _fit(job: _Job, arguments: argparse.Namespace, progress: Progress) -> History:
    options, group = job.options, job.group

    def report(record: Record) -> None:
        if record.validation_bits is not None:
            progress.say(
                f"step {record.step:,}: {record.validation_bits:.3f} bits per character held out, "
                f"{progress.bits:.3f} in training"
            )
        if arguments.sample_every and record.step % arguments.sample_every == 0:
            progress.say(_sample(job, record.step))

    schedule = cosine(options.lr, options.decay, floor=FLOOR) if options.decay else None
    chunks: Any = job.chunks
    held_out: Any = job.held_out
    if group is not None:
        chunks = shard(job.rnn, chunks, group)
        held_out = held_out and shard(job.rnn, held_out, group)
    return fit(
        job.rnn,
        job.params,
        chunks,
        optimizer=Adam(lr=options.lr),
        max_norm=options.clip,
        schedule=schedule,
        steps=job.steps,
        minutes=math.inf if job.minutes is None else job.minutes,
        # None of the two is the same as every seed: the generator is not drawn from.
        seed=options.seed if job.resume is None else None,
        validation=held_out,
        validate_every=arguments.validate_every or None,
        callbacks=[progress, report] if job.speaks else [],
        checkpoint=job.out,
        metadata=job.metadata,
        resume=job.resume,
        n_threads=None if group is None else group.n_threads,
        group=group,
    )


def _sample(job: _Job, step: int) -> str:
    # A generator of its own for each: samples change no bits of the run.
    generator = np.random.default_rng([job.options.seed, step])
    written = write_text(
        job.rnn, job.params, job.vocabulary, _SAMPLE_LENGTH, temperature=0.7, seed=generator
    )
    return "\n".join(["", *(f"  | {line}" for line in wrapped(written.strip("\n"), 4)), ""])


# ------------------------------------------------------------------ what is said


def _introduction(job: _Job) -> str:
    options, rnn = job.options, job.rnn
    n, held = len(job.text.characters), 0 if job.held_out is None else job.held_out.n_targets + 1
    tail = f"the last {held:,} held out" if held else "none held out"
    rate = f"rate {options.lr:g}"
    if options.decay:
        rate += f" falling to {options.lr * FLOOR:g} over {options.decay:,} steps"
    if job.steps is None:
        end = "no last step"
    else:
        end = f"{job.steps:,} steps ({job.steps / len(job.chunks):.1f} passes over the text)"
    if job.minutes is not None:
        end += f", at most {job.minutes:g} minutes"
    lines = [
        f"text    {job.text.name}: {n:,} characters, {len(job.vocabulary)} different, {tail}",
        f"model   {rnn.n_inputs} → {rnn.n_hidden} {rnn.activation.name} → {rnn.n_outputs}: "
        f"{rnn.n_parameters:,} parameters, {options.dtype}",
        f"steps   {options.batch} streams × {options.chunk} characters; Adam, {rate}, "
        f"norm at most {options.clip:g}",
        f"until   {end}",
    ]
    if job.group is not None:
        lines.append(
            f"ranks   {job.group.size} processes, {job.group.n_threads} threads in the first"
        )
    if job.resume is not None:
        lines.append(f"resumed after step {job.done:,} from {job.came_from}")
    return "\n".join([*lines, ""])


def _commands(job: _Job) -> tuple[str, str]:
    """What to type to sample, and to go on."""
    out = shlex.quote(job.out)
    return f"cybptt sample {out}", f"cybptt train --resume {out}"


def _interrupted(job: _Job, history: History) -> str:
    checkpoint = history.checkpoint
    assert checkpoint is not None
    if checkpoint.step == job.done:
        return "interrupted before the first whole step: nothing was saved"
    place = f"step {checkpoint.step:,}" + ("" if job.steps is None else f" of {job.steps:,}")
    epoch, chunk = divmod(checkpoint.step, len(job.chunks))
    sample, resume = _commands(job)
    return (
        f"interrupted after {place}, at chunk {chunk:,} of {len(job.chunks):,} in pass {epoch + 1} "
        f"over the text\nsaved   {job.out}\nsample  {sample}\ngo on   {resume}"
    )


def _conclusion(job: _Job, history: History, progress: Progress) -> str:
    checkpoint = history.checkpoint
    assert checkpoint is not None
    sample, resume = _commands(job)
    if not history.records:
        line = f"nothing to do: the run is at step {checkpoint.step:,}"
        return f"{line}\nsample  {sample}" if os.path.exists(job.out) else line
    last = history.records[-1]
    lines = [
        "",
        f"done    {last.targets:,} characters in {duration(last.elapsed)} "
        f"({last.speed:,.0f} characters/s), to step {checkpoint.step:,}",
    ]
    if history.validation:
        bits = history.validation[-1][1] / math.log(2)
        lines.append(f"result  {bits:.3f} bits per character on the held-out text")
    else:
        lines.append(f"result  {progress.bits:.3f} bits per character in training")
    lines += [f"saved   {job.out}", f"sample  {sample}"]
    if job.steps is None or checkpoint.step < job.steps:
        lines.append(f"go on   {resume}")
    return "\n".join(lines)
