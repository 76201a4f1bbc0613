"""Arrays too large to compute on: refused or MemoryError at once, never a crash or a long wait.

The arrays have strides of 0, so that they need no memory. All cases run in one process of their
own, which may take two gigabytes: what would fill a large machine fails there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def cases() -> dict[str, Callable[[], Any]]:
    """Calls that must fail, by the argument whose name the message begins with."""
    import numpy as np

    import cybptt

    def large(shape: tuple[int, ...], dtype: Any = float) -> Any:
        return np.broadcast_to(np.ones((), dtype), shape)

    rnn = cybptt.RNN(2, 3, 4)
    params = rnn.init(seed=0)
    x, y = np.zeros((5, 6, 2)), np.zeros((5, 6), int)
    trace = rnn.forward(params, x)
    tokens = cybptt.RNN(7, 3, 4, inputs="tokens")
    output = cybptt.RNN(2, 3, 4, recurrence="output", loss="squared_error")
    fed, values = output.init(seed=0), np.zeros((5, 6, 4))
    loop = cybptt.RNN(0, 3, 4, recurrence="output")
    own = cybptt.RNN(4, 3, 4)

    def on(x: Any, **options: Any) -> Callable[[], Any]:
        return lambda: rnn.forward(params, x, **options)

    def fast(y: Any = y, **options: Any) -> Callable[[], Any]:
        return lambda: rnn.value_and_grad(params, x, y, **options)

    def one(n_steps: int, start: Any = None, rnn: Any = own) -> Callable[[], Any]:
        start = np.zeros(4) if start is None and rnn is own else start
        return lambda: rnn.generate(rnn.init(seed=0), n_steps, start=start)

    found: dict[str, Callable[[], Any]] = {}
    for T, B in ((2**58, 1), (1, 2**58), (2**38, 2**20), (2**30, 2**28), (2**31, 2), (2, 2**31)):
        for dtype in ("float64", "float32", "float16", "int8", ">f8"):
            found[f"x: {T} steps of {B}, {dtype}"] = on(large((T, B, 2), dtype))
        for dtype in ("int64", "int8", "uint64", ">i4"):
            tall = large((T, B), dtype)
            found[f"x: {T} steps of {B} tokens, {dtype}"] = lambda tall=tall: tokens.forward(
                tokens.init(seed=0), tall
            )
            found[f"y: {T} steps of {B}, {dtype}"] = fast(y=tall)
            found[f"weights: {T} steps of {B}, {dtype}"] = fast(weights=tall)
        mask = large((T, B), bool)
        found[f"teacher_forcing: {T} steps of {B}"] = lambda mask=mask: output.forward(
            fed, x, y=values, teacher_forcing=mask
        )
        for name, n in (("grad_o", 4), ("grad_h", 3)):
            found[f"{name}: {T} steps of {B}"] = lambda name=name, n=n, T=T, B=B: rnn.vjp(
                trace, **{name: large((T, B, n), "int8")}
            )
    for n in (2**31, 2**40, 2**57):
        found[f"x: {n} steps of one sequence"] = on(large((n, 2)))
        found[f"x: {n} steps of no sequences"] = on(large((n, 0, 2)))
        found[f"x: no steps of {n}"] = on(large((0, n, 2)))
        found[f"x_t: {n} sequences"] = lambda n=n: rnn.step(params, large((n, 2)))
        found[f"h0: {n} sequences"] = on(x, h0=large((n, 3), "float32"))
        found[f"state.h: {n} sequences"] = on(x, state=cybptt.State(large((n, 3))))
        found[f"y0: {n} sequences"] = lambda n=n: output.forward(fed, x, y0=large((n, 4)))
        found[f"lengths: {n} sequences"] = on(x, lengths=large((n,), "uint64"))
        found[f"vector: {n} parameters"] = lambda n=n: rnn.parameters(large((n,)))
        found[f"U: {n} columns"] = lambda n=n: rnn.parameters(
            **(dict(params) | {"U": large((3, n), "int8")})
        )
        found[f"b: assigned {n}"] = lambda n=n: setattr(params, "b", large((n,), "int8"))
        found[f"n_steps: {n}"] = one(n)
        found[f"n_steps: {n}, output recurrence"] = one(n, rnn=loop)
        found[f"start: {n} sequences"] = one(3, large((n, 4)))
        found[f"start: {n} sequences, output recurrence"] = one(3, large((n, 4), "int8"), loop)
        items = [large((n, 3), "int8"), large((1, 3), "int8")]
        found[f"sequences: {n} steps"] = lambda items=items: cybptt.pad(items)
        sizes = [(n, 1, 1), (1, n, 1), (1, 1, n)]
        for I, H, O in sizes:
            found[f"n_inputs, n_hidden, n_outputs: {I}, {H}, {O}"] = lambda I=I, H=H, O=O: (
                cybptt.RNN(I, H, O).init(seed=0)
            )
    found["n_steps: 2^70"] = one(2**70)
    found["n_steps: 2^70, output recurrence"] = one(2**70, rnn=loop)
    return found


def run(skip: list[str]) -> None:
    """Run the cases in this process and print, line by line, what came of each."""
    import resource
    import signal

    resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
    for name, call in cases().items():
        if name in skip:
            continue
        signal.alarm(5)  # ends the process: within a loop of C nothing else would
        print(json.dumps([name, "crashed, or took more than five seconds"]), flush=True)
        try:
            outcome = f"it was taken, and gave {str(call())[:60]}"
        except MemoryError:
            outcome = ""
        except ValueError as error:
            begins = name.split(": ")[0]
            outcome = "" if str(error).startswith(f"{begins}: got ") else f"ValueError: {error}"
        except Exception as error:
            outcome = f"{type(error).__name__}: {error}"
        signal.alarm(0)
        print(json.dumps([name, outcome]), flush=True)


def test_what_is_too_large_is_refused_at_once() -> None:
    outcomes: dict[str, str] = {}
    for _ in range(20):  # a crash is one case's; the others are still tried
        command = [sys.executable, __file__, json.dumps(list(outcomes))]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=200)
        outcomes |= dict(json.loads(line) for line in done.stdout.splitlines())
        if done.returncode == 0:
            break
    complaints = [f"{name}: {outcome}" for name, outcome in outcomes.items() if outcome]
    assert not complaints, "\n".join(complaints)
    assert len(outcomes) > 150, done.stderr


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
