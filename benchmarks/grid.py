"""The loss and every gradient against the peers: the grid, tokens, a tiny call, over T and H."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from common import Options, head, plain, race_all, times

from cybptt._bench.cells import CELLS, TOKENS, Cell
from cybptt._bench.libraries import LIBRARIES, by_cybptt, by_jax, by_torch
from cybptt._bench.race import grid_entries
from cybptt._bench.tables import grid_head, grid_line, mean_ratio

OVER_T = tuple(Cell(f"T = {T}", 8, T, 64, 128, 64) for T in (10, 30, 100, 300, 1000, 3000))
OVER_H = tuple(Cell(f"H = {H}", 16, 100, 64, H, 64) for H in (16, 32, 64, 128, 256, 512, 1024))


def grid(options: Options) -> dict[str, Any]:
    """All cells in each dtype."""
    names = ["tiny", "book", "mid"] if options.quick else list(CELLS)
    found = {}
    for dtype in options.dtypes:
        print(f"{dtype}; peak: our share of the rate of NumPy's matrix product")
        print(grid_head(list(LIBRARIES)))
        rows = {name: grid_entries(CELLS[name], dtype, list(LIBRARIES)) for name in names}
        results = race_all(rows, dtype, options, lambda name, r: grid_line(CELLS[name], r))
        mean = mean_ratio(results.values())
        print(f"geometric mean, {dtype}: {mean:.2f} ×\n")
        shares = {name: r.shares(CELLS[name].flops) for name, r in results.items()}
        found[dtype] = {"cells": plain(results), "shares": shares, "mean ratio": mean}
    return found


def tokens(options: Options) -> dict[str, Any]:
    """Tokens gathered and scattered, against the same tokens as one-hot rows, and the peers'."""
    found = {}
    for dtype in options.dtypes:
        rows = {}
        for cell in TOKENS.values():
            as_tokens, one_hot = (replace(cell, inputs=kind) for kind in ("tokens", "one-hot"))
            rows[cell.name] = {
                "cybptt": (by_cybptt, as_tokens, dtype),
                "cybptt one-hot": (by_cybptt, one_hot, dtype),
                "torch embedding": (by_torch, as_tokens, dtype),
                "torch one-hot": (by_torch, one_hot, dtype),
                "jax gather": (by_jax, as_tokens, dtype),
            }
        print(head(dtype, list(rows[cell.name])))
        found[dtype] = plain(race_all(rows, dtype, options, times))
    return found


def overhead(options: Options) -> dict[str, Any]:
    """What a call costs that computes next to nothing: one step of one sequence, H = 4."""
    cell = Cell("call", 1, 1, 4, 4, 4)
    found = {}
    for dtype in options.dtypes:
        print(head(dtype, list(LIBRARIES)))
        rows = {"T = B = 1, H = 4": {name: (by, cell, dtype) for name, by in LIBRARIES.items()}}
        found[dtype] = plain(race_all(rows, dtype, options, times))
    return found


def sweeps(options: Options) -> dict[str, Any]:
    """Time against T and against H: what the picture shows."""
    dtype = options.dtypes[0]
    found: dict[str, Any] = {"dtype": dtype}
    for axis, cells in (("T", OVER_T), ("H", OVER_H)):
        chosen = cells[:3] if options.quick else cells
        rows = {}
        for cell in chosen:
            rows[cell.name] = {name: (by, cell, dtype) for name, by in LIBRARIES.items()}
        print(head(dtype, list(LIBRARIES)))
        results = race_all(rows, dtype, options, times)
        found[axis] = {
            "values": [getattr(cell, axis) for cell in chosen],
            "cells": plain(results),
            "sizes": _sizes(chosen[0], axis),
        }
    return found


def _sizes(cell: Cell, axis: str) -> str:
    return ", ".join(f"{n} = {getattr(cell, n)}" for n in "BTIHO" if n != axis)
