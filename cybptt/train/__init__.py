"""The training loop: truncated back-propagation over long sequences, with carried state.

:func:`fit` goes through chunks of a long sequence, carries the state from one to the next, clips
the gradient's norm and lets an optimizer of :mod:`cybptt.optim` write the parameters in place.
After each step its callbacks are shown a :class:`Record`. What a run needs to go on to the same
bits is a :class:`Checkpoint`, in memory or in a file. :func:`evaluate` is the mean loss over
chunks, :func:`cosine` a learning rate that falls. With a :class:`Group` several processes train one
model, each on its part of every chunk, a :func:`shard`; :mod:`cybptt.mpi` makes one of MPI's.

The section's equations are behind :meth:`cybptt.RNN.value_and_grad`; here is what goes around them.
"""

from cybptt.train._checkpoint import Checkpoint
from cybptt.train._evaluate import evaluate
from cybptt.train._fit import fit
from cybptt.train._group import Group, RankError
from cybptt.train._records import History, Interrupted, NonFiniteError, Record, Stop
from cybptt.train._schedule import cosine
from cybptt.train._shard import shard

__all__ = [
    "fit",
    "evaluate",
    "cosine",
    "Record",
    "History",
    "Stop",
    "Checkpoint",
    "NonFiniteError",
    "Interrupted",
    "Group",
    "RankError",
    "shard",
]
