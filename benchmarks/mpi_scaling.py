"""How far training by several MPI ranks scales: measured on this machine, estimated for clusters.

    python benchmarks/mpi_scaling.py [--seconds S] [--rounds N]

It needs mpi4py and the mpich wheel (mpiexec stands beside this Python), and an otherwise idle
machine. Measured: one thread's time for the gradient of each batch size; what else a step takes,
which no rank is spared; steps of 1 and of 2 ranks here, and their messages. Each is the median of a
round's, and of the rounds the fastest, since what else a machine does only slows it. Estimated: a
step of P ranks on a network,

    t(P) = gradient(B / P) + rest + 2 a log2 P + 2 n (P - 1) / (P w) + 2 (a log2 P + 256 P / w),

n bytes of gradient, latency a and bandwidth w: a large Allreduce as MPI libraries do it
(Rabenseifner 2004: a reduce-scatter and an allgather, each of which moves n (P - 1) / P bytes in
log2 P messages), and the two small allgathers of `fit`. Latency and bandwidth of the networks are
usual figures, and were not measured; no time is counted for ranks that wait for a slower one.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["CYBPTT_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import plots
from common import measured

import cybptt
from cybptt.data import Chunks
from cybptt.optim import Adam
from cybptt.train import fit, shard

N, T, BATCH = 103, 64, 32
HIDDEN = (256, 1024)
LARGE = 16 * BATCH
# Seconds, and bytes a second.
NETWORKS = {"10 Gbit/s Ethernet": (30e-6, 1.25e9), "200 Gbit/s InfiniBand": (2e-6, 25e9)}
RANKS = (2, 4, 8, 16, 32, 64)


def model(hidden: int) -> tuple[cybptt.RNN, cybptt.Parameters]:
    """The character model of ``cybptt train``."""
    rnn = cybptt.RNN(N, hidden, N, inputs="tokens")
    return rnn, rnn.init(seed=0, dtype=np.float32, scheme="orthogonal")


def stream(batch: int, chunks: int) -> Chunks:
    """Any text: which one makes no difference to the time."""
    tokens = np.random.default_rng(0).integers(N, size=batch * chunks * T + 1)
    return Chunks(tokens, batch=batch, steps=T)


def median_time(work: Callable[[], object], seconds: float, least: int = 3) -> float:
    """Of one call."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def gradient(hidden: int, batch: int, seconds: float) -> float:
    """The loss and its gradient, on one thread."""
    rnn, params = model(hidden)
    out, workspace = params.copy(), cybptt.Workspace()
    x, y = stream(batch, 1)[0]

    def work() -> None:
        rnn.value_and_grad(
            params, x, y, reduction="mean", out=out, workspace=workspace, n_threads=1
        )

    work()
    return median_time(work, seconds)


def step(hidden: int, batch: int, seconds: float, group: Any = None) -> float:
    """A step of `fit`, between two looks of its callback: the median."""
    rnn, params = model(hidden)
    chunks: Any = stream(batch, 50)
    if group is not None:
        chunks = shard(rnn, chunks, group)
    times: list[float] = []
    fit(
        rnn,
        params,
        chunks,
        optimizer=Adam(lr=1e-4),
        max_norm=1.0,
        minutes=max(seconds, 1.0) / 60,  # of the largest model, some steps
        n_threads=1,
        group=group,
        callbacks=[lambda record: times.append(time.perf_counter())],
    )
    return statistics.median(np.diff(times[1:]).tolist())


def on_a_rank(seconds: float) -> None:
    """What a rank that this program starts does: rank 0 prints what it found."""
    from cybptt.mpi import Group

    group = Group()
    found: dict[str, Any] = {}
    for hidden in HIDDEN:
        rnn, _ = model(hidden)
        vector = np.zeros(rnn.n_parameters, np.float32)
        found[str(hidden)] = {
            # How often has to be the same on all ranks.
            "strong": step(hidden, BATCH, seconds, group),
            "weak": step(hidden, BATCH * group.size, seconds, group),
            "allreduce": median_time(lambda v=vector: group.allreduce(v), 0, least=200),
            "allgather": median_time(lambda: group.allgather((0.0, 1.0)), 0, least=1000),
        }
    if group.rank == 0:
        print(json.dumps(found))


def ranks(n: int, seconds: float) -> dict[str, Any]:
    """The same on so many ranks of this machine."""
    mpiexec = Path(sys.executable).with_name("mpiexec")
    command = [mpiexec, "-n", str(n), sys.executable, __file__, "--rank", "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def message(n_bytes: int, p: int, latency: float, bandwidth: float) -> float:
    """The messages of a step."""
    if p == 1:
        return 0.0
    rounds = math.log2(p)
    reduced = 2 * latency * rounds + 2 * n_bytes * (p - 1) / (p * bandwidth)
    return reduced + 2 * (latency * rounds + 256 * p / bandwidth)


def gain(found: dict[str, Any], batch: int, p: int, network: str) -> str:
    """How many times as fast p ranks are as one, for a batch of all of so many sequences."""
    if batch < p:
        return "–"
    times = found["gradient"]

    def at(ranks: int) -> float:
        sent = message(found["bytes"], ranks, *NETWORKS[network])
        return times[str(batch // ranks)] + found["rest"] + sent

    return f"{at(1) / at(p):.1f}"


def main() -> None:
    """Read the arguments, measure, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5, help="of which the fastest counts")
    parser.add_argument("--rank", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rank:
        on_a_rank(options.seconds)
        return
    results = {str(hidden): measure(hidden, options.seconds, options.rounds) for hidden in HIDDEN}
    for _ in range(options.rounds):  # one and two ranks take turns
        for n in (1, 2):
            for hidden, row in ranks(n, options.seconds).items():
                for name, value in row.items():
                    results[hidden].setdefault(f"{name}, {n}", []).append(value)
    document = measured(
        {"models": results, "table": here(results), "estimate": estimate(results)},
        argparse.Namespace(seconds=options.seconds, rounds=options.rounds),
    )
    plots.RESULTS.mkdir(parents=True, exist_ok=True)
    (plots.RESULTS / "mpi_scaling.json").write_text(document, encoding="utf-8")
    for table in (here(results), estimate(results)):
        for name, row in table.items():
            print(f"{name:50}", *(f"{head}: {cell};" for head, cell in row.items()))


def measure(hidden: int, seconds: float, rounds: int) -> dict[str, Any]:
    """What one process needs."""
    rnn, _ = model(hidden)
    sizes = [2**k for k in range(int(math.log2(LARGE)) + 1)]
    times: dict[int, list[float]] = {batch: [] for batch in sizes}
    steps = []
    for _ in range(rounds):
        for batch in sizes:
            times[batch].append(gradient(hidden, batch, seconds / 4))
        steps.append(step(hidden, BATCH, seconds))
    fastest = {str(batch): min(found) for batch, found in times.items()}
    return {
        "bytes": 4 * rnn.n_parameters,
        "gradient": fastest,
        "rest": max(0.0, min(steps) - fastest[str(BATCH)]),
    }


def ms(seconds: float) -> str:
    """A time."""
    return f"{1e3 * seconds:.2f} ms"


def here(results: dict[str, Any]) -> dict[str, dict[str, str]]:
    """What was measured on this machine."""
    table: dict[str, dict[str, str]] = {}
    for hidden, found in results.items():
        row = {
            f"gradient of {B} sequences": ms(found["gradient"][str(B)]) for B in (1, BATCH, LARGE)
        }
        row["the rest of a step"] = ms(found["rest"])
        row["its size"] = f"{found['bytes'] / 1e6:.1f} MB"
        row["Allreduce, 2 ranks"] = ms(min(found["allreduce, 2"]))
        row["allgather, 2 ranks"] = f"{1e6 * min(found['allgather, 2']):.0f} µs"
        times, sent = found["gradient"], min(found["allreduce, 2"])
        sent += 2 * min(found["allgather, 2"])
        for name, words in (("strong", f"{BATCH} in all"), ("weak", f"{BATCH} on each")):
            one, two = (min(found[f"{name}, {n}"]) for n in (1, 2))
            more = 1 if name == "strong" else 2
            row[f"2 ranks here, {words}"] = f"{more * one / two:.2f} times as fast"
            each = times[str(BATCH * more // 2)] + found["rest"] + sent
            estimated = more * (times[str(BATCH)] + found["rest"]) / each
            row[f"estimated so, {words}"] = f"{estimated:.2f}"
        for name, cell in row.items():
            table.setdefault(name, {})[f"H = {int(hidden):,}"] = cell
    return table


def estimate(results: dict[str, Any]) -> dict[str, dict[str, str]]:
    """A column for each number of ranks: how many times as fast as one."""
    return {
        f"H = {int(hidden):,}, {batch} sequences, {network}": {
            f"{p} ranks": gain(found, batch, p, network) for p in RANKS
        }
        for hidden, found in results.items()
        for batch in (BATCH, LARGE)
        for network in NETWORKS
    }


if __name__ == "__main__":
    main()
