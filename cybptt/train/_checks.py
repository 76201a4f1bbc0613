"""What `fit` and `evaluate` are given, looked at before anything is computed or changed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from cybptt import _files, io
from cybptt import _validate as check
from cybptt.parameters import Parameters
from cybptt.train._checkpoint import RUN, Checkpoint

if TYPE_CHECKING:
    from cybptt.rnn import RNN

__all__ = [
    "callbacks_of",
    "check_chunks",
    "check_model",
    "check_optimizer",
    "check_resume",
    "check_schedule",
    "check_validation",
    "chunk_parts",
    "file_for",
    "metadata_of",
    "not_negative",
]

_CHUNK = "(x, y) or (x, y, options)"
_OPTIONS = ("lengths", "weights", "reduction", "state_at")
_Callback: TypeAlias = Callable[[Any], object]
_OPTIMIZER = ("step", "state_dict", "load_state_dict")


def check_model(rnn: RNN, params: Parameters) -> None:
    """A model, and parameters of it."""
    from cybptt.rnn import RNN

    if not isinstance(rnn, RNN):
        raise check.wrong_type("rnn", check.describe(rnn), "an RNN")
    if not isinstance(params, Parameters):
        raise check.wrong_type("params", check.describe(params), "Parameters")
    if params.rnn != rnn:
        raise check.wrong_value("params", f"those of {params.rnn!r}", f"those of {rnn!r}")


# ---------------------------------------------------------------------- chunks


def chunk_parts(chunk: Any, carry: bool = False) -> tuple[Any, Any, dict[str, Any]]:
    """x, y and the options of a chunk; sequences with ends of their own can't be carried on."""
    if not isinstance(chunk, tuple | list):
        raise check.wrong_type("chunks", f"one that is {check.describe(chunk)}", _CHUNK)
    if len(chunk) not in (2, 3):
        raise check.wrong_value("chunks", f"one of {len(chunk)} parts", _CHUNK)
    x, y, *rest = chunk
    if rest and not isinstance(rest[0], Mapping):
        raise check.wrong_type("chunks", f"the options {check.describe(rest[0])}", "a mapping")
    options = dict(rest[0]) if rest else {}
    for name in options:
        if name not in _OPTIONS:
            need = f"some of {', '.join(_OPTIONS)}"
            raise check.wrong_value("chunks", f"an option {name!r}", need)
    if "reduction" in options:
        check.positive_number("reduction", options["reduction"])
    if carry and options.get("lengths") is not None:
        need = "carry=False, by which each chunk begins from zeros (or weights of 0 for padding)"
        raise check.wrong_value("carry", "True and a chunk with lengths", need)
    return x, y, options


def check_chunks(chunks: Any) -> None:
    """A sequence with something in it; each chunk is looked at when its turn comes."""
    if not (hasattr(chunks, "__len__") and hasattr(chunks, "__getitem__")):
        raise check.wrong_type("chunks", check.describe(chunks), f"a sequence of {_CHUNK}")
    if len(chunks) < 1:
        raise check.wrong_value("chunks", "none", "at least 1")


def check_validation(validation: Any) -> None:
    """What can be gone through again and again, and is not empty."""
    need = f"a sequence of {_CHUNK}"
    if not hasattr(validation, "__iter__") or hasattr(validation, "__next__"):
        raise check.wrong_type("validation", check.describe(validation), need)
    for chunk in validation:
        chunk_parts(chunk)
        return
    raise check.wrong_value("validation", "none", "at least 1")


# ---------------------------------------------------------------------- the rest


def check_optimizer(optimizer: Any) -> None:
    """Anything that has what an optimizer has."""
    has_all = all(callable(getattr(optimizer, name, None)) for name in _OPTIMIZER)
    if isinstance(optimizer, type) or not (has_all and hasattr(optimizer, "lr")):
        need = "an optimizer, such as cybptt.optim.Adam()"
        raise check.wrong_type("optimizer", check.describe(optimizer), need)


def check_schedule(schedule: Any) -> None:
    """A function."""
    if not callable(schedule):
        need = "a function of the number of steps done"
        raise check.wrong_type("schedule", check.describe(schedule), need)


def callbacks_of(callbacks: Iterable[_Callback]) -> tuple[_Callback, ...]:
    """The functions, in a tuple."""
    need = "functions of a Record"
    if not hasattr(callbacks, "__iter__"):
        raise check.wrong_type("callbacks", check.describe(callbacks), f"an iterable of {need}")
    held = tuple(callbacks)
    for callback in held:
        if not callable(callback):
            raise check.wrong_type("callbacks", check.describe(callback), need)
    return held


def not_negative(name: str, value: Any) -> float:
    """A float ≥ 0, infinity included."""
    need = "a number ≥ 0"
    number = check.real_number(name, value, need)
    if not number >= 0:
        raise check.wrong_value(name, check.describe(value), need)
    return number


def metadata_of(metadata: Any) -> dict[str, Any]:
    """What a file will give back: a copy, which nobody changes before it is written."""
    held = io._checked_metadata(metadata)
    if RUN in held:
        raise check.wrong_value("metadata", f"a key {RUN!r}", "other keys: the run's own is so")
    return held


def file_for(argument: str, path: Any, rnn: RNN) -> str:
    """The name of a file that this model can be written to, as far as can be told before."""
    io._package()
    io._describe_model(rnn)
    try:
        name = _files.file_name(path)
        _files._mode_of(os.path.realpath(name))
    except (TypeError, ValueError) as error:
        raise type(error)(f"{argument}: {str(error).removeprefix('path: ')}") from None
    folder = os.path.dirname(os.path.realpath(name))
    try:
        # Not by its permissions: a file system may be read-only, and a quota used up.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        error.filename = folder
        raise
    return name


def check_resume(
    resume: Any, rnn: RNN, params: Parameters, optimizer: Any, chunks: Any, carry: bool
) -> None:
    """A checkpoint of this model and optimizer, whose state goes with the chunk that is next."""
    if not isinstance(resume, Checkpoint):
        raise check.wrong_type("resume", check.describe(resume), "a Checkpoint")
    if resume.rnn != rnn:
        raise check.wrong_value("resume", f"a checkpoint of {resume.rnn!r}", f"one of {rnn!r}")
    if resume.params.dtype != params.dtype:
        got = f"parameters of {resume.params.dtype}"
        raise check.wrong_value("resume", got, f"{params.dtype}")
    its, mine = resume.optimizer.get("optimizer"), optimizer.state_dict().get("optimizer")
    if its != mine:
        raise check.wrong_value("resume", f"a run with {its}", f"one with {mine}")
    place = resume.step % len(chunks)
    if carry and place and resume.state is not None:
        x, _, _ = chunk_parts(chunks[place])
        sizes = np.shape(x)[1:] if rnn.inputs == "tokens" else np.shape(x)[1:-1]
        if np.shape(resume.state.h) != (*sizes, rnn.n_hidden):
            got = f"h of shape {np.shape(resume.state.h)}"
            need = f"{(*sizes, rnn.n_hidden)}, as chunks[{place}] has it"
            raise check.wrong_value("resume.state", got, need)
