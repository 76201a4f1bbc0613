"""The modules for other libraries, where these are not installed.

What they do where they are is held in ``tests/neighbours``.
"""

from __future__ import annotations

import pytest
import shims

import cybptt

# The module, the library that it imports, and what that is called.
LIBRARIES: dict[str, tuple[str, str]] = {
    "jax": ("jax", "JAX"),
    "mpi": ("mpi4py", "mpi4py"),
    "onnx": ("onnx", "ONNX"),
    "sklearn": ("sklearn", "scikit-learn"),
    "torch": ("torch", "PyTorch"),
}

WITHOUT = """
import sys
sys.modules[sys.argv[2]] = None
import cybptt
try:
    getattr(cybptt, sys.argv[1])
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize("module", LIBRARIES)
def test_a_missing_library_is_named(module: str) -> None:
    package, name = LIBRARIES[module]
    assert shims.program(WITHOUT, module, package) == (
        f"cybptt.{module} needs {name}, which is not installed: pip install 'cybptt[{module}]'\n"
    )


def test_none_is_imported_unasked() -> None:
    assert not set(cybptt._NEIGHBOURS) & set(cybptt.__all__)
