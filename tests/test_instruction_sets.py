"""Every instruction set that the core was built for and this machine has, not just the best."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cybptt import _core

COMPARISONS = "long_and_wide or many_steps or permuting or other_mates or registered_loss"


@pytest.mark.parametrize("kernels", _core.kernels_available)
def test_the_core_is_the_reference_with_every_instruction_set(kernels: str) -> None:
    here = Path(__file__).parent
    files = [str(here / f"test_core_{name}.py") for name in ("against_reference", "batches")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", COMPARISONS, *files],
        env=os.environ | {"CYBPTT_KERNELS": kernels},
        cwd=here.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    in_use = subprocess.run(
        [sys.executable, "-c", "import cybptt._core as core; print(core.kernels_in_use)"],
        env=os.environ | {"CYBPTT_KERNELS": kernels},
        cwd=here,
        capture_output=True,
        text=True,
        check=True,
    )
    assert in_use.stdout.strip() == kernels


def test_an_instruction_set_that_there_is_not_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import cybptt._core"],
        env=os.environ | {"CYBPTT_KERNELS": "abacus"},
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "ImportError: CYBPTT_KERNELS: got 'abacus', need one of" in done.stderr
