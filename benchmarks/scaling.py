"""How time grows: with T up to a million, with a second thread, and without a loop over time."""

from __future__ import annotations

import dataclasses
import statistics
from typing import Any

import numpy as np
from common import Options, plain, race_all

from cybptt._bench.cells import CELLS
from cybptt._bench.libraries import Call, by_cybptt, by_jax, by_torch
from cybptt._bench.race import Result, gemm, race, usable, workers
from cybptt._bench.tables import duration, ratio


def of_length(T: int, dtype: str, checkpoint: str | None) -> Call:
    """value_and_grad of one sequence of T steps, I = 16, H = 64, O = 16."""
    import cybptt

    rnn = cybptt.RNN(16, 64, 16)
    params = rnn.init(seed=0, dtype=dtype)
    rng = np.random.default_rng(0)
    x, y = rng.random((T, 16), np.dtype(dtype).type), rng.integers(16, size=T)
    kept = {"out": params.copy(), "workspace": cybptt.Workspace()}

    def call() -> tuple[Any, ...]:
        loss, grad = rnn.value_and_grad(params, x, y, checkpoint=checkpoint, **kept)
        return loss, *grad.values()

    return call


def length(options: Options) -> dict[str, Any]:
    """The cost of a step, from T = 1,000 on."""
    dtype = options.dtypes[0]
    lengths = [10**k for k in ((3, 4) if options.quick else (3, 4, 5, 6))]
    labels = {"cybptt": None, "cybptt checkpoint": "auto"}
    rows = {
        f"{T:,}": {label: (of_length, T, dtype, kind) for label, kind in labels.items()}
        for T in lengths
    }

    def line(name: str, result: Result) -> str:
        T = int(name.replace(",", ""))
        return f"{name:>12}" + "".join(f"{duration(result.median(k) / T):>24}" for k in labels)

    print(f"{dtype}, time of a step\n{'T':>12}" + "".join(f"{label:>24}" for label in labels))
    results = race_all(rows, dtype, options, line)
    per_step = [r.median("cybptt") / T for T, r in zip(lengths, results.values(), strict=True)]
    print(f"the dearest step over the cheapest: {max(per_step) / min(per_step):.2f}")
    return {"dtype": dtype, "lengths": lengths, "cells": plain(results)}


def of_recurrence(B: int, dtype: str, recurrence: Any, forced: bool | None) -> Call:
    """value_and_grad with T = 200, I = 64, H = O = 256, on vectors as targets."""
    import cybptt

    rnn = cybptt.RNN(64, 256, 256, loss="squared_error", recurrence=recurrence)
    params = rnn.init(seed=0, dtype=dtype)
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(200, B, n)).astype(dtype) for n in (64, 256))
    kept = {"out": params.copy(), "workspace": cybptt.Workspace()}

    def call() -> tuple[Any, ...]:
        rnn.value_and_grad(params, x, y, teacher_forcing=forced, **kept)
        return ()

    return call


def forcing(options: Options) -> dict[str, Any]:
    """Output recurrence, forced: no loop over time; against running free, and figure 10.3."""
    found = {}
    for dtype in options.dtypes:
        rows = {
            f"B = {B}": {
                "cybptt": (of_recurrence, B, dtype, "output", True),
                "cybptt free": (of_recurrence, B, dtype, "output", False),
                "cybptt hidden": (of_recurrence, B, dtype, "hidden", None),
                "gemm": (gemm, dtype),
            }
            for B in ((1,) if options.quick else (1, 16, 64))
        }

        def line(name: str, result: Result) -> str:
            # W u(t), like U x(t), is one product forward and one backward: u needs no gradient.
            flops = 2 * 200 * int(name[4:]) * (2 * 256 * 64 + 2 * 256 * 256 + 3 * 256 * 256)
            share = statistics.median(result.shares(flops))
            labels = ("cybptt", "cybptt free", "cybptt hidden")
            cells = "".join(f"{duration(result.median(label)):>12}" for label in labels)
            return f"{name:8}{cells}  {share:5.0%}  {ratio(result.ratios(['cybptt free']))}"

        print(f"{dtype:8}{'forced':>12}{'free':>12}{'hidden':>12}  {'peak':>5}  free over forced")
        found[dtype] = plain(race_all(rows, dtype, options, line))
    return found


def threads(options: Options) -> dict[str, Any]:
    """What a second thread gains: ours, the peers', and the matrix product's."""
    if len(usable()) < 2:
        print("one processor here: nothing to measure")
        return {}
    dtype = options.dtypes[0]
    makers = {"cybptt": by_cybptt, "torch": by_torch, "jax": by_jax}
    names = ["mid"] if options.quick else [n for n, cell in CELLS.items() if cell.B >= 16]
    found = {}
    print(f"{dtype}, time on one thread over that on two\n{'':10}", end="")
    print("".join(f"{label:>28}" for label in [*makers, "gemm"]))
    with workers([*makers, "gemm"], 1) as one, workers([*makers, "gemm"], 2) as two:
        running = {f"{label} 1": worker for label, worker in one.items()}
        running |= {f"{label} 2": worker for label, worker in two.items()}
        for name in names:
            calls: dict[str, tuple[Any, ...]] = {
                label: (maker, CELLS[name], dtype) for label, maker in makers.items()
            }
            calls["gemm"] = (gemm, dtype)
            entries = {label: calls[label[:-2]] for label in running}
            result = race(running, entries, dtype, options.rounds, options.seconds)
            gains = [ratio(result.ratios([f"{label} 1"], f"{label} 2")) for label in calls]
            print(f"{name:10}" + "".join(f"{gain:>28}" for gain in gains), flush=True)
            found[name] = dataclasses.asdict(result)
    return {"dtype": dtype, "cells": found}
