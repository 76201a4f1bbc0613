"""A rank's part of a batch, and the state of all parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cybptt import _validate as check
from cybptt.data._shared import Lazy
from cybptt.train._checks import check_chunks, chunk_parts
from cybptt.train._group import Group, Ranks

if TYPE_CHECKING:
    from cybptt.rnn import RNN
    from cybptt.trace import State

__all__ = ["columns_of", "gathered_state", "own_state", "shard"]

Array = NDArray[Any]


def shard(rnn: RNN, chunks: Sequence[Any], group: Group) -> Sequence[Any]:
    """A rank's part of each chunk: some of its sequences, as evenly as that goes.

    Of B sequences rank r of P has those from ⌊r B / P⌋ to ⌊(r + 1) B / P⌋, which may be none. All
    ranks together have what one process has, and :func:`fit` and :func:`evaluate` with the same
    group give the same result. Nothing is read or made before it is asked for. No equation: the
    sums over a batch, such as :eq:`10.22`, are sums over its parts.

    Parameters
    ----------
    rnn : RNN
        The model.
    chunks : sequence of (x, y) or (x, y, options)
        As in :func:`fit`, the same on every rank; with an axis of sequences.
    group : Group
        The ranks among which they are shared out.

    Returns
    -------
    sequence
        As long as `chunks`; each item has the same options.

    Raises
    ------
    ValueError, TypeError
        If an argument is none of these; later, if a chunk is not.

    Examples
    --------
    >>> import numpy as np, cybptt
    >>> from cybptt.data import Chunks
    >>> from cybptt.train import shard
    >>> class Second:               # the second of three ranks, as it would be in cybptt.mpi
    ...     rank, size, allgather, allreduce = 1, 3, list, list
    >>> rnn = cybptt.RNN(20, 4, 20, inputs="tokens")
    >>> chunks = Chunks(np.arange(13) % 20, batch=4, steps=3)
    >>> (x, y), (x2, y2) = chunks[0], shard(rnn, chunks, Second())[0]
    >>> x.shape, x2.shape
    ((3, 4), (3, 1))
    >>> (x2 == x[:, 1:2]).all()
    np.True_
    """
    from cybptt.rnn import RNN

    if not isinstance(rnn, RNN):
        raise check.wrong_type("rnn", check.describe(rnn), "an RNN")
    check_chunks(chunks)
    if group is None:
        raise check.wrong_type("group", "None", "a cybptt.train.Group")
    ranks = Ranks(group)
    return _Shard(rnn, chunks, ranks.rank, ranks.size)


class _Shard(Lazy):
    """The columns of one rank, chunk by chunk."""

    def __init__(self, rnn: RNN, chunks: Sequence[Any], rank: int, size: int) -> None:
        self._rnn, self._chunks, self._rank, self._ranks = rnn, chunks, rank, size

    def __len__(self) -> int:
        return len(self._chunks)

    def _item(self, k: int) -> Any:
        rnn = self._rnn
        x, y, options = chunk_parts(self._chunks[k])
        x, y = np.asarray(x), np.asarray(y)
        axes = 2 if rnn.inputs == "tokens" else 3
        if x.ndim != axes:
            need = "(T, B)" if axes == 2 else "(T, B, I)"
            raise check.wrong_value("chunks", f"x of shape {x.shape} in chunk {k}", need)
        B = x.shape[1]
        some = slice(self._rank * B // self._ranks, (self._rank + 1) * B // self._ranks)
        y = y[:, some] if rnn.outputs == "all" else y[some]
        if options.get("lengths") is not None:
            options["lengths"] = np.asarray(options["lengths"])[some]
        if options.get("weights") is not None:
            weights = np.asarray(options["weights"])
            options["weights"] = weights[..., some]  # (T, B), or (B,) with outputs="last"
        return (x[:, some], y, options) if options else (x[:, some], y)

    def __repr__(self) -> str:
        return f"<rank {self._rank} of {self._ranks}'s part of {self._chunks!r}>"


# ---------------------------------------------------------------------- the carried state


def columns_of(rnn: RNN, x: Any) -> int | None:
    """The sequences of a chunk's x, None where it is one without an axis."""
    axes = 1 if rnn.inputs == "tokens" else 2
    shape = np.shape(x)
    return shape[1] if len(shape) > axes else None


def gathered_state(states: Sequence[State | None]) -> State | None:
    """The ranks' states as one, in their order: that of all sequences."""
    from cybptt.trace import State

    there = [state for state in states if state is not None]
    if len(states) == 1 or not there:
        return states[0]
    arrays = {}
    for name in ("h", "fed", "y"):
        parts = [np.asarray(value) for s in there if (value := getattr(s, name)) is not None]
        if parts:
            arrays[name] = np.concatenate(
                [part[None] if part.ndim == 1 else part for part in parts]
            )
    return State(**arrays)


def own_state(ranks: Ranks, state: State | None, columns: Sequence[int | None]) -> State | None:
    """The rank's own rows of a state of all, by how many sequences each rank has."""
    if state is None or ranks.size == 1:
        return state
    from cybptt.trace import State

    counts = [1 if n is None else n for n in columns]
    if len(np.atleast_2d(state.h)) != sum(counts):
        got, need = (
            f"h of shape {np.shape(state.h)}",
            f"{sum(counts)} rows, as the ranks' chunks have it",
        )
        raise check.wrong_value("resume.state", got, need)
    start = sum(counts[: ranks.rank])
    rows: Any = slice(start, start + counts[ranks.rank])
    if columns[ranks.rank] is None:
        rows = start
    h, fed, y = (
        None if value is None else np.atleast_2d(value)[rows]
        for value in (state.h, state.fed, state.y)
    )
    assert h is not None
    return State(h, fed, y)
