"""``cybptt bench``: a short race against the libraries that are installed here."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time

from cybptt import _validate as check
from cybptt._bench.cells import CELLS
from cybptt._bench.libraries import installed
from cybptt._bench.race import RaceError, Result, grid_entries, race, usable, workers
from cybptt._bench.tables import grid_head, grid_line, mean_ratio
from cybptt._cli.info import collect

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Race, print as it goes, and write the JSON that was asked for."""
    dtype = str(check.float_dtype("--dtype", arguments.dtype))
    threads = check.integer("--threads", arguments.threads, 1, len(usable()))
    rounds = check.integer("--rounds", arguments.rounds, 1)
    seconds = check.positive_number("--seconds", arguments.seconds)
    for name in arguments.cells:
        check.choice("CELL", name, tuple(CELLS))
    if arguments.json is not None:
        _write(arguments.json, "", "a")  # refused now rather than after the race
    try:
        results = _race(arguments.cells, dtype, threads, rounds, seconds)
    except RaceError as error:
        print(f"cybptt: {error}", file=sys.stderr)
        return 1
    if arguments.json is not None:
        cells = {name: dataclasses.asdict(result) for name, result in results.items()}
        options = {"dtype": dtype, "threads": threads, "rounds": rounds, "seconds": seconds}
        document = {"info": collect(), "options": options, "cells": cells}
        _write(arguments.json, json.dumps(document, indent=1, ensure_ascii=False) + "\n", "w")
    return 0


def _race(
    cells: list[str], dtype: str, threads: int, rounds: int, seconds: float
) -> dict[str, Result]:
    """The table, as it comes."""
    here, start = installed(), time.perf_counter()
    missing = [name for name in ("torch", "jax") if name not in here]
    many = f"{threads} thread{'s' if threads > 1 else ''}"
    print(f"The loss and every parameter's gradient in {dtype}, on {many}: the time of a call,")
    print("our part of the rate of NumPy's matrix product (peak), and how many times faster we are")
    print(f"than the fastest other, with the range over {rounds} rounds.")
    if missing:
        print(f"Not installed here: {', '.join(missing)}.")
    print()
    print(grid_head(here), flush=True)
    results: dict[str, Result] = {}
    with workers([*here, "gemm"], threads) as running:
        for name in cells:
            entries = grid_entries(CELLS[name], dtype, here)
            results[name] = race(running, entries, dtype, rounds, seconds)
            print(grid_line(CELLS[name], results[name]), flush=True)
    mean = mean_ratio(results.values())
    print(f"\ngeometric mean {mean:.2f} ×; {time.perf_counter() - start:.0f} s in all")
    return results


def _write(path: str | os.PathLike[str], text: str, mode: str) -> None:
    with open(path, mode, encoding="utf-8") as file:
        file.write(text)
