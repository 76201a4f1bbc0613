"""Several processes that train one model: what each must be able to do, and what they agree on.

Design.

A. Everything small is one call of ``allgather``, and each rank makes the same calls in the same
   order. `Ranks.together` is such a call at the end of a block: what a rank has worked out goes to
   all, and so does an error that it met.
B. A failure is told once and ends everything. A rank that fails takes part in one more call, with
   its error; whoever reads that leaves as well, and a block around it does not call again.
C. So nothing depends on where a rank fails: those without it are waiting in some call of A, and
   the next call of the one that failed is the answer. A call itself is never cut short by a
   signal: it would be half done.
"""

from __future__ import annotations

import hashlib
import traceback
import zlib
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cybptt import _validate as check

if TYPE_CHECKING:
    from cybptt._signals import SignalGuard

__all__ = [
    "Group",
    "Part",
    "RankError",
    "Ranks",
    "combined",
    "digest",
    "fingerprint",
    "refuse_drift",
]


_E = TypeVar("_E", bound=BaseException)


@runtime_checkable
class Group(Protocol):
    """Processes that train one model together; `cybptt.mpi.Group` is one.

    Anything will do that has these four. All ranks make the same calls in the same order. It has no
    equation: it is how numbers travel.

    Attributes
    ----------
    rank : int
        This process's number, 0 … size − 1.
    size : int
        How many there are.

    Examples
    --------
    >>> from cybptt.train import Group
    >>> class Alone:
    ...     rank, size = 0, 1
    ...     def allgather(self, value):
    ...         return [value]
    ...     def allreduce(self, vector):
    ...         pass
    >>> isinstance(Alone(), Group)
    True
    """

    @property
    def rank(self) -> int:
        """The number of this process. No equation: it is one of several."""

    @property
    def size(self) -> int:
        """How many processes there are. No equation: it is their number."""

    def allgather(self, value: Any) -> list[Any]:
        """Every rank's value, in the order of the ranks, on every rank.

        No equation: it is how values travel.

        Parameters
        ----------
        value : object
            A small one that pickle can hold.

        Returns
        -------
        list
            One value for each rank.

        Examples
        --------
        >>> class Alone:
        ...     def allgather(self, value):
        ...         return [value]
        >>> Alone().allgather("mine")
        ['mine']
        """

    def allreduce(self, vector: NDArray[Any]) -> None:
        """Write the sum of all ranks' vectors over each, the same bits on every rank.

        No equation: it is the sum over the shards of a batch.

        Parameters
        ----------
        vector : ndarray, shape (n,)
            float32 or float64, contiguous; the same on all ranks. Written to.

        Examples
        --------
        >>> class Alone:
        ...     def allreduce(self, vector):
        ...         vector *= 1
        >>> Alone().allreduce(vector := np.ones(3))
        >>> vector
        array([1., 1., 1.])
        """


class RankError(RuntimeError):
    """Another rank failed, or left; where it is raised, nothing was wrong.

    Attributes
    ----------
    rank : int
        The one that failed.
    traceback : str
        Its traceback, as text; "" where there is none.

    Examples
    --------
    >>> from cybptt.train import RankError
    >>> RankError("rank 2 raised ValueError: on purpose", 2).rank
    2
    """

    def __init__(self, message: str, rank: int, traceback: str = "") -> None:
        super().__init__(message)
        self.rank = rank
        self.traceback = traceback

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.rank, self.traceback)


class Part(NamedTuple):
    """What a rank has of a step, before the gradients are added up."""

    loss: float
    counted: float
    divided: bool  # by a number of the chunk's, not by how many steps count
    wrong: tuple[str | None, str] | None  # the parameter and what is not finite
    lr: float
    fingerprint: int
    elapsed: float


class _Failure(NamedTuple):
    interrupted: bool
    what: str
    traceback: str


@dataclass
class Ranks:
    """One process among those of its group; alone, where there is none."""

    group: Group | None
    rank: int = field(init=False, default=0)
    size: int = field(init=False, default=1)
    over: bool = field(init=False, default=False)  # a failure was told: all leave
    guard: SignalGuard | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.group is not None:
            if isinstance(self.group, type) or not isinstance(self.group, Group):
                got, need = check.describe(self.group), "a cybptt.train.Group, or None"
                raise check.wrong_type("group", got, need)
            self.rank, self.size = self.group.rank, self.group.size

    def together(self) -> Together:
        """A block at whose end the ranks agree; see A to C above."""
        return Together(self)

    def agree(self, value: Any, error: BaseException | None = None) -> list[Any]:
        """Every rank's value; a failure of another is raised, one's own is the caller's to raise.

        A failure wins over a Ctrl-C, that of the lowest rank over others.
        """
        if self.group is None or self.size == 1 or self.over:
            return [value]
        # A Ctrl-C must not leave an exchange half done: the next would be taken for it.
        with nullcontext() if self.guard is None else self.guard.closed():
            told = self.group.allgather((None if error is None else _failure(error), value))
        failures = {rank: failed for rank, (failed, _) in enumerate(told) if failed is not None}
        if not failures:
            return [each for _, each in told]
        self.over = True
        if error is None:
            self._raise(failures)
        elif len(failures) == self.size and len({each.what for each in failures.values()}) == 1:
            self.everywhere(error)
        return []

    def _raise(self, failures: Mapping[int, _Failure]) -> NoReturn:
        for rank, failed in failures.items():
            if not failed.interrupted:
                raise RankError(f"rank {rank} raised {failed.what}", rank, failed.traceback)
        raise KeyboardInterrupt

    def compare(self, told: list[Mapping[str, Any]], hints: Mapping[str, str]) -> None:
        """Refuse what is not the same on all ranks: the same error on each."""
        for rank, theirs in enumerate(told):
            for name, value in told[0].items():
                if theirs[name] != value:
                    got, need = f"{theirs[name]} on rank {rank}", f"{value}, as on rank 0"
                    raise self.everywhere(check.wrong_value(name, got, need + hints.get(name, "")))

    def everywhere(self, error: _E) -> _E:
        """Mark an error that every rank raises: one of them is enough to tell it."""
        if self.size > 1:
            error.__dict__["on_every_rank"] = True
        return error

    def all(self, value: Any) -> list[Any] | None:
        """Every rank's value also after a failure, None where they can't be had."""
        if self.group is None or self.size == 1:
            return [value]
        try:
            return self.group.allgather(value)
        except RankError:
            return None


class Together:
    """A block whose end all ranks reach; `value` goes to `all`."""

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self.value: Any = None
        self.all: list[Any] = []

    def __enter__(self) -> Together:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.all = self._ranks.agree(self.value, error)


def _failure(error: BaseException) -> _Failure:
    what = type(error).__name__
    with suppress(Exception):  # its own __str__: the others wait to be told all the same
        what += f": {error}" if str(error) else ""
    lines = traceback.format_exception(error)
    return _Failure(isinstance(error, KeyboardInterrupt), what, "".join(lines))


# ---------------------------------------------------------------------- what they agree on


def combined(ranks: Ranks, parts: list[Part]) -> tuple[float, float, float]:
    """The mean loss and the count of all, and the factor of this rank's gradient in theirs."""
    if len(parts) == 1:
        return parts[0].loss, parts[0].counted, 1.0
    counted, mine = sum(part.counted for part in parts), parts[ranks.rank]
    for name in ("divided", "lr"):
        for rank, part in enumerate(parts):
            if getattr(part, name) != getattr(parts[0], name):
                raise ranks.everywhere(_drifted(name, rank, part, parts[0]))
    refuse_drift(ranks, [part.fingerprint for part in parts])
    if not counted > 0 and not mine.divided:
        raise ranks.everywhere(
            check.wrong_value("chunks", "no step that counts on any rank", "at least 1")
        )
    loss = sum(part.loss * part.counted for part in parts) / counted if counted else 0.0
    return loss, counted, 1.0 if mine.divided else mine.counted / counted


def refuse_drift(ranks: Ranks, marks: list[int]) -> None:
    """Parameters of which each rank has a mark must be the same."""
    for rank, mark in enumerate(marks):
        if mark != marks[0]:
            got = f"others on rank {rank} than on rank 0"
            raise ranks.everywhere(check.wrong_value("params", got, _SAME))


_SAME = "the same on every rank (a callback that changes it has to be given to all)"


def _drifted(name: str, rank: int, part: Part, first: Part) -> ValueError:
    if name == "divided":
        got = f"a chunk {'with' if part.divided else 'without'} one on rank {rank}"
        return check.wrong_value("reduction", got, "it on every rank or on none")
    got = f"{part.lr} on rank {rank} and {first.lr} on rank 0"
    return check.wrong_value("optimizer.lr", got, _SAME)


def fingerprint(vector: NDArray[Any]) -> int:
    """A number that is hardly ever the same for two vectors."""
    return zlib.crc32(np.ascontiguousarray(vector).data)


def digest(values: Any) -> str:
    """Of numbers, texts, arrays, and mappings and sequences of these."""
    found = hashlib.sha256()

    def take(value: Any) -> None:
        if isinstance(value, Mapping):
            for key in sorted(value, key=str):
                found.update(f"{key}:".encode())
                take(value[key])
        elif isinstance(value, np.ndarray):
            found.update(f"{value.dtype}{value.shape}".encode())
            found.update(np.ascontiguousarray(value).tobytes())
        elif isinstance(value, list | tuple):
            for each in value:
                take(each)
        else:
            found.update(f"{value!r};".encode())

    take(values)
    return found.hexdigest()[:12]
