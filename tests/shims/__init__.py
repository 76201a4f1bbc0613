"""Small C libraries that the tests make, and programs that are run beside them."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).parent


def library(name: str, folder: Path, *flags: str) -> Path:
    """The shared library of a C file in this folder. The package's own build needs a compiler."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC"))
    out = folder / f"{name}.so"
    source = str(HERE / f"{name}.c")
    subprocess.run(
        [*compiler, "-shared", "-fPIC", "-O1", *flags, source, "-o", str(out)], check=True
    )
    return out


def program(code: str, *arguments: str, **environment: str) -> str:
    """What a fresh interpreter prints; nothing else may come of it, and it ends by itself."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout
