"""Measure everything, write it to benchmarks/results/ as JSON, and draw the pictures from there.

    python benchmarks/all.py [--quick] [--only SECTION …] [--threads N] [--dtype …] [--rounds N]

It needs PyTorch, JAX, ONNX Runtime with onnx, matplotlib, scikit-learn and aeon beside an installed
cybptt, and a machine that does nothing else meanwhile. How fairness is kept: every library does the
same work, on the same numbers, in the best way that we know of (see cybptt/_bench/libraries.py);
each in a process of its own, all pinned to the same processors; they take turns, and what they
computed is compared before anything is timed. What it took to compile is left out, and stands in
the JSON as "first".
"""

from __future__ import annotations

import argparse
import time

import forward
import grid
import memory
import plots
import scaling
import sklearn_fit
import training
from common import Options, measured

SECTIONS = {
    "grid": (grid.grid, "the loss and every gradient, over the grid"),
    "tokens": (grid.tokens, "tokens: gathered, one-hot, and by embedding"),
    "training": (training.training, "training a character model: H = 100, chunks of 25, batch 1"),
    "forward": (forward.forward, "forward alone: ŷ of all steps"),
    "overhead": (grid.overhead, "the cost of a call that computes next to nothing"),
    "forcing": (scaling.forcing, "output recurrence: teacher forcing against running free"),
    "length": (scaling.length, "the cost of a step, up to a million of them"),
    "threads": (scaling.threads, "a second thread"),
    "sweeps": (grid.sweeps, "against T and against H"),
    "memory": (memory.memory, "memory: the rise of the peak"),
    "sklearn": (sklearn_fit.fit, "fitting RNNClassifier on three data sets"),
}


def main() -> None:
    """Read the arguments, measure, write, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes alone, a minute or two")
    parser.add_argument("--only", nargs="+", default=list(SECTIONS), choices=list(SECTIONS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", nargs="+", default=["float32", "float64"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.2, help="of each turn")
    given = parser.parse_args()
    rounds, seconds = (2, 0.02) if given.quick else (given.rounds, given.seconds)
    options = Options(tuple(given.dtype), rounds, seconds, given.threads, given.quick)
    results = plots.RESULTS / "quick" if given.quick else plots.RESULTS
    images = results if given.quick else plots.IMAGES  # what is published was measured in full
    results.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    for name in given.only:
        measure, title = SECTIONS[name]
        print(f"\n== {name}: {title}\n", flush=True)
        start = time.perf_counter()
        found = measure(options)
        taken = time.perf_counter() - start
        file = name if given.threads == 1 else f"{name}-{given.threads}-threads"
        (results / f"{file}.json").write_text(
            measured(found, options, seconds=taken), encoding="utf-8"
        )
        print(f"({taken:.0f} s)", flush=True)
    print(f"\n{(time.perf_counter() - begin) / 60:.1f} minutes in all")
    if all((results / f"{name}.json").exists() for name in ("sweeps", "memory")):
        print("drawn:", *plots.draw(results, images))


if __name__ == "__main__":
    main()
