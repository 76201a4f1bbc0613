"""What bucketing does for cybptt, which computes no padding: the time of an epoch, and its memory.

    python benchmarks/bucketing.py [--rounds N]

The sequences are real and as ragged as they come: the paragraphs of the English that comes with
Python, some 2,600 of 3 to 6,000 characters, the next to be predicted. Batches with and without
bucketing take turns, on one thread; what making the arrays costs is counted.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time

import numpy as np
import plots
from common import measured

import cybptt
from cybptt.data import Batches
from cybptt.text import Vocabulary, standard_text

SIZES = ((64, 32), (128, 8), (128, 32), (128, 128))  # hidden units, sequences of a batch


def main() -> None:
    """Read the arguments, measure, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    text = standard_text()
    vocabulary = Vocabulary.of(text)
    paragraphs = [p for p in re.split(r"\n\s*\n", text) if len(p) > 1]
    tokens = [vocabulary.encode(paragraph) for paragraph in paragraphs]
    x, y = [t[:-1] for t in tokens], [t[1:] for t in tokens]
    found, table = {}, {}
    for H, B in SIZES:
        rnn = cybptt.RNN(len(vocabulary), H, len(vocabulary), inputs="tokens")
        params = rnn.init(seed=0, dtype=np.float32)
        grad = params.copy()
        ways = {bucket: Batches(x, y, batch=B, bucket=bucket, seed=0) for bucket in (False, True)}
        times: dict[bool, list[float]] = {bucket: [] for bucket in ways}
        memory = dict.fromkeys(ways, 0)
        for _ in range(options.rounds):
            for bucket, batches in ways.items():
                workspace, start = cybptt.Workspace(), time.perf_counter()
                for x_k, y_k, more in batches:
                    rnn.value_and_grad(
                        params, x_k, y_k, **more, out=grad, workspace=workspace, n_threads=1
                    )
                times[bucket].append(time.perf_counter() - start)
                memory[bucket] = workspace.nbytes
        ratio = statistics.median(a / b for a, b in zip(times[False], times[True], strict=True))
        name = f"H = {H}, B = {B}"
        table[name] = {
            "padding": " → ".join(f"{100 * way.padding:.0f} %" for way in ways.values()),
            "an epoch": " → ".join(f"{statistics.median(t):.2f} s" for t in times.values()),
            "time without / with": f"{ratio:.2f}",
            "workspace": " → ".join(f"{n / 1e6:.1f} MB" for n in memory.values()),
        }
        print(name, table[name], flush=True)
        found[name] = {"times": {str(bucket): t for bucket, t in times.items()}}
    plots.RESULTS.mkdir(parents=True, exist_ok=True)
    document = measured({"runs": found, "table": table}, options)
    (plots.RESULTS / "bucketing.json").write_text(document, encoding="utf-8")


if __name__ == "__main__":
    main()
