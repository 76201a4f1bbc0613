"""``cybptt info``: what computes here, in a form to paste into a report of a bug."""

from __future__ import annotations

import argparse
import json
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import cybptt
from cybptt import _core, _threads, activations, losses

__all__ = ["collect", "run"]

# What decides how we and NumPy compute.
_VARIABLES = (
    "CYBPTT_KERNELS",
    "CYBPTT_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)
# Packages that we use where they are installed, and those that we race.
_PACKAGES = (
    "safetensors",
    "tqdm",
    "matplotlib",
    "scikit-learn",
    "mpi4py",
    "torch",
    "jax",
    "onnxruntime",
)


def run(arguments: argparse.Namespace) -> int:
    """Print it, as lines or as JSON."""
    info = collect()
    if arguments.json:
        print(json.dumps(info, indent=1, ensure_ascii=False))
        return 0
    width = max(map(len, info))
    for name, value in info.items():
        print(f"{name:{width}}  {_words(value)}")
    return 0


def collect() -> dict[str, Any]:
    """What there is to know: a word, a number, a list or a dictionary for each."""
    available = list(_core.kernels_available)
    return {
        "cybptt": cybptt.__version__,
        "folder": str(Path(cybptt.__file__).parent),
        "kernels in use": _core.kernels_in_use,
        "kernels that could be": [name for name in available if name != _core.kernels_in_use],
        "threads": _threads.default(),
        "processor": _processor(),
        "processors": {"usable": _usable(), "in all": os.cpu_count()},
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
        "plugins": _plugins(),
        "NumPy": np.__version__,
        "NumPy's BLAS": _blas(),
        "other packages": _versions(_PACKAGES),
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "platform": platform.platform(),
    }


def _words(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        value = [f"{name} {detail}" for name, detail in value.items()]
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return str(value)


def _usable() -> int | None:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _processor() -> str:
    """The processor's name, where the system says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _plugins() -> list[str]:
    """What installed packages offer by entry points; none of them is imported."""
    found = []
    for registry in (activations._registry, losses._registry):
        for entry in registry._entries():
            package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "?"
            found.append(f"{registry.kind} {entry.name} of {package}")
    return found


def _blas() -> str:
    """The library that NumPy's matrix products are of, as NumPy was built."""
    built: Any = np.show_config(mode="dicts")
    blas = built.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    """The versions of those that are installed."""
    versions = {}
    for name in packages:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
