"""`cybptt.jax.hidden` in a jitted program, against the same network in `jax.lax.scan`.

    python benchmarks/jax_hidden.py [--rounds N] [--seconds S]

Timed is the value and the gradient of the sum of h², in float32, by jax.jit(jax.value_and_grad):
with respect to the parameters, and not to x. U x for all steps stands before the scan, as JAX
likes it best. The compilation is left out, and told beside. The two take turns; the ratio is the
median of the rounds' own. On one thread (of the processor that the process is pinned to), and on
two.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import plots
from common import measured

from cybptt._bench.tables import duration

CELLS = {  # T, B, I, H
    "tiny": (10, 1, 3, 4),
    "book": (50, 16, 32, 64),
    "neuro": (100, 32, 20, 200),
    "mid": (50, 64, 128, 256),
    "wide": (32, 64, 256, 512),
    "long": (1000, 64, 64, 128),
}
ENTRIES = ("cybptt", "jax")


def programs(cell: str) -> dict[str, Callable[[], Any]]:
    """Both, on the same numbers."""
    import jax
    import jax.numpy as jnp

    import cybptt
    import cybptt.jax

    T, B, I, H = CELLS[cell]
    rnn = cybptt.RNN(I, H, None)
    params = jax.tree.map(jnp.asarray, dict(rnn.init(0, "float32")))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(T, B, I)), "float32")

    def by_scan(params: Any, x: Any) -> Any:
        def step(h: Any, a: Any) -> Any:
            h = jnp.tanh(a + h @ params["W"].T)
            return h, h

        a = params["b"] + x @ params["U"].T
        return jax.lax.scan(step, jnp.zeros((B, H), "float32"), a)[1]

    def by_cybptt(params: Any, x: Any) -> Any:
        return cybptt.jax.hidden(rnn, params, x)

    def program(h: Any) -> Callable[[], Any]:
        function = jax.jit(jax.value_and_grad(lambda params: (h(params, x) ** 2).sum()))
        return lambda: jax.block_until_ready(function(params))

    return {"cybptt": program(by_cybptt), "jax": program(by_scan)}


def seconds_of(call: Callable[[], Any], turns: int) -> float:
    """Of a call, in the mean of so many."""
    start = time.perf_counter()
    for _ in range(turns):
        call()
    return (time.perf_counter() - start) / turns


def race(cell: str, rounds: int, seconds: float) -> dict[str, Any]:
    """Both by turns: seconds of a call in each round, and of the first call."""
    calls = programs(cell)
    first = {label: seconds_of(call, 1) for label, call in calls.items()}
    values = {label: float(call()[0]) for label, call in calls.items()}
    assert np.isclose(values["cybptt"], values["jax"], rtol=1e-3), values
    turns = {
        label: max(1, round(seconds / max(1e-6, seconds_of(call, 3))))
        for label, call in calls.items()
    }
    taken: dict[str, list[float]] = {label: [] for label in ENTRIES}
    for _ in range(rounds):
        for label, call in calls.items():
            taken[label].append(seconds_of(call, turns[label]))
    return {"first": first, "times": taken}


def in_a_process(cell: str, threads: int, options: argparse.Namespace) -> dict[str, Any]:
    """A race in a process of its own, on so many processors."""
    processors = sorted(os.sched_getaffinity(0))[:threads]
    command = [sys.executable, __file__, "--cell", cell, "--rounds", str(options.rounds),
               "--seconds", str(options.seconds)]  # fmt: skip
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, processors),
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure all, print the table, and keep it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.2, help="of a turn")
    parser.add_argument("--cell", choices=CELLS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cell:
        print(json.dumps(race(options.cell, options.rounds, options.seconds)))
        return
    runs: dict[str, Any] = {}
    table: dict[str, dict[str, str]] = {}
    for cell, sizes in CELLS.items():
        line = dict(zip("TBIH", map(str, sizes), strict=True))
        for threads in (1, 2):
            run = runs[f"{cell}, {threads}"] = in_a_process(cell, threads, options)
            times = run["times"]
            ours, theirs = (statistics.median(times[label]) for label in ENTRIES)
            ratios = [b / a for a, b in zip(times["cybptt"], times["jax"], strict=True)]
            if threads == 1:
                line |= {"cybptt.jax": duration(ours).strip(), "lax.scan": duration(theirs).strip()}
            word = "one thread" if threads == 1 else "two"
            line[f"ratio, {word}"] = f"{statistics.median(ratios):.2f}"
            if threads == 1:
                first = run["first"]
                compiled = (first[label] for label in ENTRIES)
                line["first call"] = " / ".join(duration(s).strip() for s in compiled)
        table[cell] = line
        print(cell, line, flush=True)
    found = {"runs": runs, "table": table}
    given = {"rounds": options.rounds, "seconds": options.seconds}
    path = plots.RESULTS / "jax_hidden.json"
    path.write_text(measured(found, argparse.Namespace(**given)), encoding="utf-8")


if __name__ == "__main__":
    main()
