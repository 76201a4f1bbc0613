"""Programs that mpiexec starts: the one of the wheel mpich, beside this environment's Python."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

MPIEXEC = Path(sys.executable).with_name("mpiexec")
PATIENCE = 90  # seconds, on a machine that does other things too


@dataclass
class Done:
    """How a job ended."""

    status: int
    out: str
    err: str
    ended: float


def job(n: int, *arguments: str | Path, folder: Path, **environment: str) -> Done:
    """Run a Python program, or `-m module …`, on so many ranks."""
    # Ranks of a test share few processors: with several threads each they would only wait.
    settings = {"CYBPTT_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **environment}
    done = subprocess.run(
        [MPIEXEC, "-n", str(n), sys.executable, *map(str, arguments)],
        cwd=folder,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr, time.time())
