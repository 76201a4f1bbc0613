"""How a run looks: a bar on a terminal, a line now and then everywhere else."""

from __future__ import annotations

import math
import os
import shutil
import sys
import textwrap
import time
from typing import Any, TextIO

from cybptt.train import Record

__all__ = ["Progress", "duration", "printable", "wrapped"]

# On a pipe or in a log: seconds between two lines.
_SECONDS = 15.0
# Steps over which the shown bits per character are averaged, about.
_SMOOTH = 50


class Progress:
    """A callback of `fit` that shows how far the run is, its rate and its bits per character.

    Parameters
    ----------
    total : int or None
        Steps at which the run will end, if that is known.
    done : int
        Steps done before.
    characters : int
        Characters of a step.
    stream : text file
        Where it is shown.
    """

    def __init__(
        self, total: int | None, done: int, characters: int, stream: TextIO | None = None
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._total, self._done, self._characters = total, done, characters
        self._bits, self._weight = 0.0, 0.0
        self._shown = time.monotonic()
        self._targets = 0
        self._bar: Any = None

    def _make_bar(self) -> Any:
        if not self._stream.isatty():
            return None
        try:
            from tqdm import tqdm
        except ImportError:
            return None
        width = self._width()
        total = None if self._total is None else self._total * self._characters
        form = _FORMATS[total is not None, width >= _WIDE]
        bar = tqdm(
            initial=self._done * self._characters, total=total, unit=" characters",
            unit_scale=True, file=self._stream, ncols=width, leave=False, bar_format=form,
        )  # fmt: skip
        # Asked at every look, as a terminal's width may change.
        bar.dynamic_ncols = lambda _: (self._width(), None)
        return bar

    def _width(self) -> int:
        """Of the bar: the terminal's, less what a ^C takes, which would break the line."""
        try:
            columns = os.get_terminal_size(self._stream.fileno()).columns
        except (OSError, ValueError):
            columns = shutil.get_terminal_size().columns
        return max(columns - 4, 10)

    @property
    def bits(self) -> float:
        """Bits per character in training, averaged over the last steps."""
        return self._bits / self._weight if self._weight else math.nan

    def __call__(self, record: Record) -> None:
        keep = 1 - 1 / _SMOOTH
        self._bits = keep * self._bits + (1 - keep) * (record.bits or 0.0)
        self._weight = keep * self._weight + (1 - keep)
        if not self._targets:
            self._bar = self._make_bar()
        if self._bar is not None:
            self._bar.set_postfix_str(f"{self.bits:.2f} bits per character", refresh=False)
            self._bar.update(record.targets - self._targets)
        elif time.monotonic() - self._shown >= _SECONDS:
            of = "" if self._total is None else f" of {self._total:,}"
            self._stream.write(
                f"step {record.step:,}{of}: {self.bits:.2f} bits per character in training, "
                f"{record.speed:,.0f} characters/s\n"
            )
            self._stream.flush()
            self._shown = time.monotonic()
        self._targets = record.targets

    def say(self, text: str) -> None:
        """Print lines to stdout, where the bar was; the next step shows it again."""
        if self._bar is not None:
            self._bar.clear()
        print(text, flush=True)
        self._shown = time.monotonic()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


_WIDE = 76
# By whether there is a last step, and whether the terminal is wide.
_FORMATS = {
    (True, True): "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}, {remaining} left, {rate_fmt}"
    "{postfix}",
    (True, False): "{percentage:3.0f}%|{bar}| {remaining} left{postfix}",
    (False, True): "{n_fmt} characters, {elapsed}, {rate_fmt}{postfix}",
    (False, False): "{elapsed}{postfix}",
}


def duration(seconds: float) -> str:
    """A time as one says it."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def printable(text: str) -> str:
    """A text that does nothing to a terminal: other characters become the replacement character."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)


def wrapped(text: str, margin: int) -> list[str]:
    """A text's lines, printable; on a terminal none is longer than what the margin leaves."""
    lines = printable(text).split("\n")
    if not sys.stdout.isatty():
        return lines
    width = max(20, shutil.get_terminal_size().columns - margin)
    # An empty line stays one, and so do the spaces at a line's beginning.
    return [
        part
        for line in lines
        for part in textwrap.wrap(line.expandtabs(), width, drop_whitespace=False) or [""]
    ]
