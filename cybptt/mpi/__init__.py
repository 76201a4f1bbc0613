"""One model trained by several processes, on one machine or many: the ranks of MPI.

`Group` is what :func:`cybptt.train.fit` and :func:`cybptt.train.evaluate` take as ``group=``. Each
rank computes the gradient of its part of a batch, :func:`cybptt.train.shard`; one Allreduce of the
flat vector a step adds them up, and all ranks take the same step. This module needs mpi4py, which
the extra ``cybptt[mpi]`` brings, and an MPI library: the system's, or ``pip install mpich``.

From its import on, an error that nobody catches on one of several ranks ends them all, after its
traceback is told.
"""

from cybptt import _neighbours

try:
    import mpi4py
except ModuleNotFoundError as error:
    if error.name != "mpi4py":
        raise
    raise _neighbours.missing("mpi", "mpi4py") from None
try:
    import mpi4py.MPI  # noqa: F401
except (ImportError, RuntimeError) as error:
    raise ImportError(
        "cybptt.mpi needs an MPI library that mpi4py can load, the system's or that of "
        f"`pip install mpich`: {str(error).splitlines()[0]}"
    ) from error

from cybptt.mpi import _ending
from cybptt.mpi._group import Group

__all__ = ["Group"]

_ending.watch()
