"""Whether mpiexec started this process, and with how many others."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cybptt.mpi import Group

__all__ = ["end", "group"]

# Where the launchers say how many processes they started: MPICH's and those of its kin, Open MPI's,
# MVAPICH's, and Slurm's srun.
_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")


def group() -> Group | None:
    """All of them, where there are several."""
    words = [os.environ.get(name, "") for name in _SIZES]
    size = max((int(word) for word in words if word.isdecimal()), default=1)
    if size <= 1:
        return None
    from cybptt.mpi import Group

    found = Group()
    if found.size == 1:
        raise ValueError(
            f"mpiexec: got {size} processes, each alone for the MPI library of mpi4py, need the "
            "mpiexec of that library"
        )
    return found


def end(error: BaseException, status: int, tell: Callable[[], object]) -> None:
    """Tell of an error; it ends the other ranks, too, where there are any.

    Mostly all have the same, such as an argument that is wrong: the first tells it, where it can.
    """
    if "cybptt.mpi" in sys.modules:
        from cybptt.mpi import _ending

        _ending.end(error, status, tell, first=True)
    else:
        tell()
