"""An allocation that fails is a MemoryError, and nothing has changed: each in its turn."""

from __future__ import annotations

from pathlib import Path

import shims

# The allocations of a kind of call are counted, then each is made to fail: what the caller holds is
# as before, and the same call afterwards gives the same bits as ever.
PROGRAM = """
import ctypes, sys
import numpy as np
import cybptt

shim = ctypes.CDLL(sys.argv[1])
shim.fail_at.argtypes = [ctypes.c_size_t, ctypes.c_int]
LARGE = 20_000  # bytes: every array of the problem that grows with T; not the interpreter's own

def problem(dtype, recurrence):
    rnn = cybptt.RNN(8, 64, 8, recurrence=recurrence)
    params = rnn.init(0, dtype)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((100, 16, 8)).astype(dtype)
    return rnn, params, x, rng.integers(0, 8, (100, 16)), rnn.init(1, dtype)

def value_and_grad(p, options):
    rnn, params, x, y, out = p
    loss, grad = rnn.value_and_grad(params, x, y, out=out, **options)
    assert grad is out
    return [np.float64(loss), grad.vector]

def every_node(p, options):
    rnn, params, x, y, _ = p
    trace = rnn.forward(params, x, y=y, **options)
    return [trace.h, rnn.backward(trace, y).a]

def bits(arrays):
    return [array.tobytes() for array in arrays]

failed = 0
for dtype in (np.float32, np.float64):
    for call, recurrence, options in (
        (value_and_grad, "hidden", {}),
        (value_and_grad, "hidden", {"checkpoint": 10}),
        (value_and_grad, "both", {"teacher_forcing": 0.5, "seed": 0}),
        (every_node, "both", {"teacher_forcing": 0.5, "seed": 0}),
    ):
        p = problem(dtype, recurrence)
        held = [p[1].vector, p[2], p[3], p[4].vector]
        before, which = bits(held), 0
        while True:
            # Each with an object that has not yet been given any memory.
            fresh = (cybptt.RNN(8, 64, 8, recurrence=recurrence), *p[1:])
            shim.fail_at(LARGE, which)
            try:
                result = call(fresh, options)
            except MemoryError:
                assert shim.allocations() > which
                shim.fail_at(LARGE, -1)
                assert bits(held) == before, (call, options, which)
                which += 1
                continue
            assert shim.allocations() <= which  # it was not reached: nothing was left to fail
            shim.fail_at(LARGE, -1)
            break
        assert which > 0, (call, options)
        assert bits(result) == bits(call(problem(dtype, recurrence), options))
        failed += which
print(failed)
"""


def test_each_large_allocation_in_turn(tmp_path: Path) -> None:
    shim = str(shims.library("fail_malloc", tmp_path))
    failed = shims.program(PROGRAM, shim, LD_PRELOAD=shim)
    assert int(failed) > 8
