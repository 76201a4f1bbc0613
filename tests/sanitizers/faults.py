"""The core called wrongly, to see that a build that watches it would notice: `faults.py KIND`.

    python tests/sanitizers/faults.py index       CYBPTT_BUILD=checked: fewer flags than rows
    python tests/sanitizers/faults.py negative    … a row before the first
    python tests/sanitizers/faults.py overflow    … more rows in a block than an index counts
    python tests/sanitizers/faults.py address     CYBPTT_BUILD=address: fewer rows than are written
    python tests/sanitizers/faults.py undefined   … a place that no index reaches
    python tests/sanitizers/faults.py thread      CYBPTT_BUILD=thread: two threads, one result

`cybptt` itself lets none of these come to the core. On a build of the named kind each ends in an
error or a report; .ci/sanitizers asks for it.
"""

from __future__ import annotations

import sys
import threading

import numpy as np

from cybptt import _core


def free_running(counts: list[int], n_flags: int) -> None:
    """Two outputs that are fed back, by so many flags that say where."""
    counts_of_steps = np.array(counts, np.intp)
    h, a, o = np.zeros((9, 2)), np.zeros((8, 2)), np.zeros((8, 2))
    W = np.zeros((2, 2))
    _core.forward(
        counts_of_steps, h, a, _core.function("tanh"), R=W, u=np.zeros((8, 2)),
        free=np.zeros(n_flags, np.uint8), V=W, c=np.zeros(2), o=o,
    )  # fmt: skip


def overflow() -> None:
    """A block of 2⁶⁴ − 2 rows."""
    blocks = np.array([-(2**63 - 1), 2**63 - 1])
    _core.add_outer(blocks, np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 1)))


def undefined() -> None:
    """A token whose row stands 2⁶⁴ − 4 values on."""
    _core.gather(np.array([2**62 - 1]), np.zeros((3, 4)), np.zeros(4), np.zeros((1, 4)))


def address() -> None:
    """A result of 100 rows for a product of 400."""
    _core.affine(np.ones((400, 30)), np.ones((50, 30)), np.ones(50), np.empty((100, 50)))


def thread() -> None:
    """Products at the same time, and one array for the results of both threads."""
    x, weights, bias, out = np.ones((400, 30)), np.ones((50, 30)), np.ones(50), np.empty((400, 50))
    both = threading.Barrier(2)

    def work() -> None:
        both.wait()
        for _ in range(100):
            _core.affine(x, weights, bias, out)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


FAULTS = {
    "index": lambda: free_running([1, 1, 1, 1], 2),
    "negative": lambda: free_running([1, -3, 1], 8),
    "overflow": overflow,
    "address": address,
    "undefined": undefined,
    "thread": thread,
}

if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
