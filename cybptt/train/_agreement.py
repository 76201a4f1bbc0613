"""What the ranks of a group must have in common, told before the first step."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from cybptt.train._checkpoint import generator_state
from cybptt.train._checks import chunk_parts
from cybptt.train._group import digest
from cybptt.train._shard import columns_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cybptt.train._checkpoint import Checkpoint
    from cybptt.train._run import Run

__all__ = ["HINTS", "columns", "facts"]

# What a word more explains.
HINTS = {
    "params": ", such as rnn.init(seed=0) on every rank",
    "kernels": ", or the parameters would drift apart: CYBPTT_KERNELS chooses those that all have",
    "metadata": " (of cybptt train: the text and the options)",
    "seed": ", and no None: teacher forcing is drawn from it on every rank",
}


def facts(run: Run, resume: Checkpoint | None, limits: Mapping[str, Any]) -> dict[str, Any]:
    """By argument or by name, what has to be the same; short, for it is sent and shown."""
    from cybptt import __version__, _core

    rnn = run.rnn
    x, _, _ = chunk_parts(run.chunks[0])
    width = "tokens" if rnn.inputs == "tokens" else int(np.shape(x)[-1])
    optimizer = run.optimizer.state_dict()
    kind = optimizer.get("optimizer", type(run.optimizer).__name__)
    drawn = "unused"
    if run.by_chance:
        start = generator_state(run.generator) if resume is None else resume.generator
        drawn = digest(start)
    return {
        "version of cybptt": __version__,
        "rnn": _described(rnn),
        "dtype of params": str(run.params.dtype),
        "width of x": width,
        "kernels": _core.kernels_in_use,
        "number of chunks": len(run.chunks),
        "params": digest((run if resume is None else resume).params.vector),
        "optimizer": f"{kind} {digest(optimizer if resume is None else resume.optimizer)}",
        "step of resume": None if resume is None else resume.step,
        "max_norm": run.max_norm,
        "carry": run.carry,
        "teacher_forcing": repr(run.teacher_forcing) if np.ndim(run.teacher_forcing) == 0 else "",
        "seed": drawn,
        "schedule": None if run.schedule is None else run.schedule(run.step),
        "metadata": digest(json.loads(json.dumps(run.metadata))),
        **limits,
    }


def _described(rnn: Any) -> str:
    """Its repr, without what another process has elsewhere."""
    return re.sub(r"\b0x[0-9a-f]+", "…", repr(rnn))


def columns(run: Run, step: int) -> int | None:
    """How many sequences this rank has in the chunk that is next; None where it is a single one."""
    x, _, _ = chunk_parts(run.chunks[step % len(run.chunks)])
    return columns_of(run.rnn, x)
