"""What all measurements share: how long, how precise, and a table of races."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cybptt._bench.race import Result, race, workers
from cybptt._bench.tables import duration, peers_of, ratio
from cybptt._cli.info import collect

Entries = Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Options:
    """How everything is measured."""

    dtypes: tuple[str, ...]
    rounds: int
    seconds: float  # of a turn
    threads: int
    quick: bool  # small sizes alone


def measured(found: Any, options: Any, **more: Any) -> str:
    """A file of results: what was found, with what options, and on what."""
    info = {name: value for name, value in collect().items() if name != "folder"}
    document = {"info": info, "options": vars(options), **more, "results": found}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def race_all(
    rows: Mapping[str, Entries],
    dtype: str,
    options: Options,
    line: Callable[[str, Result], str],
) -> dict[str, Result]:
    """Race the entries of each row, and print its line; all rows have the same labels."""
    labels = list(next(iter(rows.values())))
    results = {}
    with workers(labels, options.threads) as running:
        for name, entries in rows.items():
            results[name] = race(running, entries, dtype, options.rounds, options.seconds)
            print(line(name, results[name]), flush=True)
    return results


def head(title: str, labels: Sequence[str], last: str = "the best peer's time over ours") -> str:
    """The line above `times`'s."""
    return f"{title:20}" + "".join(f"{label:>18}" for label in labels) + f"  {last}"


def times(name: str, result: Result) -> str:
    """A line: everybody's time, and the ratio."""
    cells = "".join(f"{duration(result.median(label)):>18}" for label in result.times)
    return f"{name:20}{cells}  {ratio(result.ratios(peers_of(result.times)))}"


def plain(results: Mapping[str, Result]) -> dict[str, Any]:
    """Results as JSON takes them, with the numbers that the tables and pictures show."""
    return {
        name: asdict(result) | {"median": {label: result.median(label) for label in result.times}}
        for name, result in results.items()
    }
