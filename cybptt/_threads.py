"""How many threads a pass may use."""

from __future__ import annotations

import functools
import os
import sys
from typing import Any

from cybptt import _core
from cybptt import _validate as check


def count(n_threads: Any) -> int:
    """The number asked for; None is what this process may run on."""
    return default() if n_threads is None else check.integer("n_threads", n_threads, 1, 2**16)


@functools.cache
def default() -> int:
    """The processors that this process may run on, at most CYBPTT_NUM_THREADS.

    OMP_NUM_THREADS limits it as well: so joblib tells its workers how many they are to use. Another
    process's worker, a data loader's for one, has a single thread; so has a core in plain C.
    """
    # A worker has imported it to become one; nobody else need.
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is not None and multiprocessing.parent_process() is not None:
        return 1
    try:
        processors = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        processors = os.cpu_count() or 1
    limits = [_limit(f"{who}_NUM_THREADS") for who in ("CYBPTT", "OMP")]
    return min(processors, _core.most_threads, *limits)


def _limit(variable: str) -> int:
    text = os.environ.get(variable, "").strip()
    return int(text) if text.isdecimal() and int(text) > 0 else 2**16


if hasattr(os, "register_at_fork"):
    # The child of a fork may be a worker.
    os.register_at_fork(after_in_child=default.cache_clear)
