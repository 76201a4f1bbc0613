"""What the tests of races run in processes of their own, which find this file by its name.

A test file has no name there: pytest imports it by its path.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from cybptt._bench.libraries import Call


def of_value(value: float) -> Call:
    """A call that returns a number, and an array of that norm."""
    return lambda: (value, np.array([0.6 * value, 0.8 * value]))


def that_fails() -> Call:
    raise ZeroDivisionError("on purpose")


def environment() -> Call:
    """How many threads a process may have, and on how many processors."""
    threads = float(os.environ["OMP_NUM_THREADS"])
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else threads
    return lambda: (threads, float(processors), float(os.environ["CYBPTT_NUM_THREADS"]))


def holding(held: int, made: int, written: int) -> Call:
    """A call that makes an array of bytes, and writes to a part of it."""
    kept = np.ones(held, np.uint8)

    def call() -> tuple[Any, ...]:
        array = np.empty(made, np.uint8)
        array[:written] = kept[0]
        return (array,)

    return call
