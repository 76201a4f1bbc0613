"""The ranks of a communicator, as `cybptt.train` wants them."""

from __future__ import annotations

import atexit
import os
import pickle
import time
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from cybptt import _threads
from cybptt import _validate as check
from cybptt.train import RankError

__all__ = ["Group"]

# What most values need: then they travel in one message. The first 8 bytes say how long each is.
_FRAME, _HEAD = 256, 8
# A wait is a loop, in which this process can do what a call of MPI's would not: first it turns
# without a rest, for what is awaited mostly comes at once; then it lets others have the processor.
_EAGER, _REST = 0.005, 0.0001
# Seconds that a message may be behind the word that its sender has left.
_GRACE = 2.0
_LEFT = 1  # the tag of that word
_world: list[MPI.Intracomm] = []  # the duplicate of MPI.COMM_WORLD, once there is one


class Group:
    """The processes of an MPI communicator, training one model together.

    All of them make it, and then call :func:`cybptt.train.fit` with it. A rank that fails in `fit`
    has the others told at the same step; one that fails elsewhere, or is killed, ends the job; one
    that leaves while others wait for it ends it too. It has no equation: it is how numbers travel.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm, optional
        A communicator; it is duplicated, so that other messages on it do not matter, and MPI has
        room for some two thousand: make one group of it. By default all processes that mpiexec
        started, as often as you like.

    Attributes
    ----------
    rank : int
        This process's number, 0 … size − 1.
    size : int
        How many there are; 1 without mpiexec.
    n_threads : int
        This process's part of the processors that it may run on, for ``n_threads=``: those that
        ranks on one machine share are shared out evenly.

    Raises
    ------
    TypeError
        If comm is none of mpi4py's intracommunicators.

    Examples
    --------
    >>> import cybptt, numpy as np
    >>> from cybptt.data import Chunks
    >>> from cybptt.mpi import Group
    >>> from cybptt.optim import Adam
    >>> from cybptt.train import fit, shard
    >>> group = Group()                         # one process here, N by mpiexec -n N
    >>> rnn = cybptt.RNN(5, 8, 5, inputs="tokens")
    >>> params = rnn.init(seed=0)               # the same on every rank
    >>> chunks = shard(rnn, Chunks(np.arange(200) % 5, batch=4, steps=10), group)
    >>> history = fit(rnn, params, chunks, optimizer=Adam(lr=0.02), epochs=20, group=group)
    >>> history.records[-1].loss < history.records[0].loss
    True
    """

    def __init__(self, comm: MPI.Comm | None = None) -> None:
        given = MPI.COMM_WORLD if comm is None else comm
        if not isinstance(given, MPI.Intracomm):
            raise check.wrong_type("comm", check.describe(comm), "a communicator of mpi4py's")
        if given == MPI.COMM_NULL:
            raise check.wrong_value("comm", "MPI.COMM_NULL", "one that this process belongs to")
        self._comm, new = _own(given)
        self.rank: int = self._comm.Get_rank()
        self.size: int = self._comm.Get_size()
        self.n_threads = self._share()
        if new:
            atexit.register(self._leave)

    def __repr__(self) -> str:
        return f"<Group: rank {self.rank} of {self.size}>"

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

        Raises
        ------
        RankError
            If a rank has left, and will not answer.

        Examples
        --------
        >>> from cybptt.mpi import Group
        >>> Group().allgather("mine")           # one process
        ['mine']
        """
        data = np.frombuffer(pickle.dumps(value), np.uint8)
        mine, every = np.zeros(_FRAME, np.uint8), np.empty((self.size, _FRAME), np.uint8)
        mine[:_HEAD].view(np.int64)[0] = data.size
        short = data[: _FRAME - _HEAD]
        mine[_HEAD : _HEAD + short.size] = short
        self._wait(self._comm.Iallgather(mine, every))
        lengths = every[:, :_HEAD].copy().view(np.int64)[:, 0]
        if lengths.max() <= _FRAME - _HEAD:
            return [pickle.loads(row[_HEAD:].tobytes()) for row in every]
        ends = np.cumsum(lengths)
        rest = np.empty(ends[-1], np.uint8)
        parts = [rest, (lengths.tolist(), (ends - lengths).tolist()), MPI.BYTE]
        self._wait(self._comm.Iallgatherv([data, MPI.BYTE], parts))
        return [pickle.loads(part.tobytes()) for part in np.split(rest, ends[:-1])]

    def allreduce(self, vector: NDArray[Any]) -> None:
        """Write the sum of all ranks' vectors over each, the same bits on every rank.

        One Allreduce of MPI's. Every rank has to be about to call it: it can't be interrupted. No
        equation: it is the sum over the shards of a batch.

        Parameters
        ----------
        vector : ndarray, shape (n,)
            float32 or float64, contiguous; the same on all ranks. Written to.

        Raises
        ------
        ValueError, TypeError
            If it is another array.

        Examples
        --------
        >>> import numpy as np
        >>> from cybptt.mpi import Group
        >>> v = np.ones(3)
        >>> Group().allreduce(v)                # one process
        >>> v
        array([1., 1., 1.])
        """
        need = "a contiguous vector of float32 or float64 that can be written to"
        if not isinstance(vector, np.ndarray):
            raise check.wrong_type("vector", check.describe(vector), need)
        fits = vector.ndim == 1 and vector.dtype in check.FLOATS and vector.dtype.isnative
        if not (fits and vector.flags.c_contiguous and vector.flags.writeable):
            raise check.wrong_value("vector", check.describe(vector), need)
        self._comm.Allreduce(MPI.IN_PLACE, vector)

    # ------------------------------------------------------------------ waiting and leaving

    def _wait(self, request: MPI.Request) -> None:
        """Until it is done; what is awaited from a rank that has left is an error."""
        start = time.monotonic()
        left = 0.0
        while not request.Test():
            now = time.monotonic()
            if now - start < _EAGER:
                os.sched_yield() if hasattr(os, "sched_yield") else time.sleep(0)
                continue
            time.sleep(_REST)
            if not left and self._comm.Iprobe(self._before, _LEFT):
                left = now
            if left and now - left > _GRACE:
                raise RankError(
                    f"rank {self._before} has left while rank {self.rank} waits", self._before
                )

    @property
    def _before(self) -> int:
        return (self.rank + self.size - 1) % self.size

    def _leave(self) -> None:
        """Say so to the next rank, and hear it from the one before.

        Where some have left and others wait, there is one among these whose neighbour has left: it
        notices, and ends the job. Otherwise all leave, as MPI's own end has it.
        """
        if MPI.Is_finalized():
            return
        word = np.zeros(1, np.uint8)
        sent = self._comm.Isend([word, MPI.BYTE], (self.rank + 1) % self.size, _LEFT)
        heard = self._comm.Irecv([np.zeros(1, np.uint8), MPI.BYTE], self._before, _LEFT)
        while not MPI.Request.Testall([sent, heard]):
            time.sleep(_REST)

    # ------------------------------------------------------------------ processors

    def _share(self) -> int:
        """The processors of this process, over how many ranks here have just the same ones."""
        if self.size == 1:
            return _threads.default()
        try:
            mine = frozenset(os.sched_getaffinity(0))
        except AttributeError:  # not on every system
            mine = frozenset(range(os.cpu_count() or 1))
        here = self._comm.Split_type(MPI.COMM_TYPE_SHARED)
        sharing = [theirs == mine for theirs in here.allgather(mine)].count(True)
        here.Free()
        return min(_threads.default(), max(1, len(mine) // sharing))


def _own(given: MPI.Intracomm) -> tuple[MPI.Intracomm, bool]:
    """A communicator for the messages of groups alone, and whether it is new.

    MPI has room for some two thousand, and none can be given back by one rank alone: so all groups
    of all processes share one, for which it is enough that all ranks make the same calls.
    """
    if given.Get_size() == 1:
        return given, False
    if given != MPI.COMM_WORLD:
        return given.Dup(), True
    if _world:
        return _world[0], False
    _world.append(given.Dup())
    return _world[0], True
