"""Race cybptt against its peers: the loss and every parameter's gradient, over a grid of sizes.

    python benchmarks/race.py [--threads 1] [--dtype float32 float64] [--rounds 5] [--cells …]
                              [--libraries cybptt torch jax numpy] [--json FILE]

Each library runs in a process of its own, pinned to the same processors, and they take turns, cell
by cell and round by round: machines drift, ratios within a round do not. A cell's time is the
median of its rounds, each the median of many calls; the ratio is to the better of PyTorch and JAX,
round by round, shown as its median and its range. The share is of the peak of NumPy's matrix
product at 2048³, measured in the same rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from cells import CELLS

HERE = Path(__file__).parent
PEERS = ("torch", "jax")


class Worker:
    """A library's process, pinned."""

    def __init__(self, library: str, dtype: str, threads: int) -> None:
        many = str(threads)
        limits = {f"{n}_NUM_THREADS": many for n in ("OMP", "OPENBLAS", "MKL", "CYBPTT")}
        limits["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"
        self.library = library
        self.process = subprocess.Popen(
            ["taskset", "-c", ",".join(map(str, range(threads))), sys.executable,
             str(HERE / "worker.py"), library, dtype],
            env=os.environ | limits,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def time(self, cell: str, seconds: float) -> dict[str, Any]:
        """One turn."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{cell} {seconds}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the worker for {self.library} ended in cell {cell}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def race(dtype: str, options: argparse.Namespace) -> dict[str, Any]:
    """All rounds of one dtype: for each cell and library its times, and the peak's."""
    workers = [Worker(library, dtype, options.threads) for library in options.libraries]
    gemm = Worker("numpy", dtype, options.threads)
    peak = [2 * 2048**3 / gemm.time("gemm", 0.5)["median"] for _ in range(2)]
    times: dict[str, dict[str, list[float]]] = {}
    for name in options.cells:
        times[name] = {library: [] for library in options.libraries}
        losses = {}
        for worker in workers:  # the first turn warms up, and shows that the work is the same
            losses[worker.library] = worker.time(name, 0.0)["loss"]
        close = 1e-3 if dtype == "float32" else 1e-9
        for library, loss in losses.items():
            if abs(loss - losses["cybptt"]) > close * abs(loss):
                raise SystemExit(f"{name}: {library} has the loss {loss}, need {losses['cybptt']}")
        for _ in range(options.rounds):
            for worker in workers:
                times[name][worker.library].append(worker.time(name, options.seconds)["median"])
        peak.append(2 * 2048**3 / gemm.time("gemm", 0.3)["median"])
        show(name, dtype, times[name], statistics.median(peak))
    for worker in (*workers, gemm):
        worker.process.communicate()
    return {"times": times, "peak": statistics.median(peak)}


def ratios(times: dict[str, list[float]]) -> list[float]:
    """The better peer's time over ours, round by round."""
    peers = [times[peer] for peer in PEERS if peer in times]
    return [min(turn) / ours for ours, *turn in zip(times["cybptt"], *peers, strict=True) if turn]


def show(name: str, dtype: str, times: dict[str, list[float]], peak: float) -> None:
    """A line of the table."""
    cell = CELLS[name]
    columns = "".join(f"{1e3 * statistics.median(t):10.4g}" for t in times.values())
    share = cell.flops / statistics.median(times["cybptt"]) / peak
    line = f"{name:8} {dtype} {columns}   {share:5.0%}"
    if against := ratios(times):
        line += f"  {statistics.median(against):5.2f} ({min(against):.2f}–{max(against):.2f})"
    print(line, flush=True)


def main() -> None:
    """Read the arguments, race, print, write."""
    parser = argparse.ArgumentParser(description="Race cybptt against its peers.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", nargs="+", default=["float32", "float64"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each turn")
    parser.add_argument("--cells", nargs="+", default=list(CELLS), choices=list(CELLS))
    parser.add_argument("--libraries", nargs="+", default=["cybptt", "torch", "jax", "numpy"])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print("milliseconds; share of the peak of NumPy's product; times the better of PyTorch and JAX")
    print(f"{'':8} {'':7} " + "".join(f"{library:>10}" for library in options.libraries))
    results = {}
    for dtype in options.dtype:
        results[dtype] = race(dtype, options)
        print(
            f"peak {dtype}: {results[dtype]['peak'] / 1e9:.0f} Gflop/s, {options.threads} thread(s)"
        )
        all_ratios = [
            statistics.median(r) for t in results[dtype]["times"].values() if (r := ratios(t))
        ]
        if all_ratios:
            print(f"geometric mean {dtype}: {statistics.geometric_mean(all_ratios):.2f}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
