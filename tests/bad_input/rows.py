"""A row of the table: a call with one bad argument, and what must come of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import cybptt
from bad_input.kinds import ANYTHING, Bad


@dataclass(frozen=True)
class Setup:
    """A public function, by its path in cybptt, with arguments that it takes.

    They are not all it needs where `complete` is false: the bad one is then the missing one.
    """

    call: str
    label: str
    function: Callable[..., Any]
    good: dict[str, Any]
    complete: bool = True


@dataclass(frozen=True)
class Row:
    """An argument with a bad value; `also` is what else is given otherwise than in the setup."""

    setup: Setup
    argument: str
    bad: Bad
    begins: str = ""  # how the message begins, if not with the argument's name
    also: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return f"{self.setup.call}({self.argument}: {self.bad.kind}), {self.setup.label}"


def rows(
    setup: Setup, argument: str, bads: Iterable[Bad], begins: str = "", **also: Any
) -> Iterator[Row]:
    """A row for each."""
    for bad in bads:
        yield Row(setup, argument, bad, begins, also)


def frozen(value: Any) -> Any:
    """All that a value holds, so that any change of it shows."""
    if isinstance(value, np.ndarray):
        return value.shape, value.strides, value.dtype.str, value.tobytes(), value.flags.writeable
    if isinstance(value, cybptt.Parameters):
        return frozen(value.vector), repr(value.rnn)
    if isinstance(value, cybptt.State):
        return [frozen(part) for part in (value.h, value.fed, value.y)]
    if isinstance(value, cybptt.Trace):
        return [frozen(getattr(value, n)) for n in ("a", "h", "o", "y_hat", "state")]
    if isinstance(value, np.random.Generator):
        return repr(value.bit_generator.state)
    if isinstance(value, cybptt.optim.Optimizer):
        return frozen(value.state_dict())
    if isinstance(value, dict):
        return {key: frozen(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [frozen(inner) for inner in value]
    return repr(value)


def registered() -> Any:
    """Every plugin that a name leads to."""
    return [
        [(name, registry.get(name)) for name in registry.names()]
        for registry in (cybptt.activations, cybptt.losses)
    ]


def complaint(row: Row) -> str | None:
    """What is wrong with what comes of a row; None if nothing is."""
    given = row.setup.good | row.also | {row.argument: row.bad.value}
    watched = {name: value for name, value in given.items() if not _is_used_up(value)}
    before = frozen(watched)
    try:
        result = row.setup.function(**given)
    except Exception as error:
        said = _complaint_about(row, error)
    else:
        said = f"it was taken, and gave {str(result)[:80]!r}"
    if frozen(watched) != before:
        said = f"{said}; an argument was changed" if said else "an argument was changed"
    return f"{row.label}: {said}" if said else None


def _complaint_about(row: Row, error: Exception) -> str | None:
    name = type(error).__name__
    wanted = row.bad.error if isinstance(row.bad.error, tuple) else (row.bad.error,)
    if not isinstance(error, wanted):
        return f"{name}, not {' or '.join(e.__name__ for e in wanted)}: {error}"
    begins = row.begins or re.escape(row.argument) + r"(?:[.\[][^:]*)?"
    if isinstance(error, cybptt.PluginError) and re.match(f"{begins}: raised ", str(error)):
        return None  # in the plugin's own words
    parts = re.fullmatch(rf"(?:{begins}): got (.+), need (.+)", str(error), re.DOTALL)
    if parts is None:
        return f"{name} of another form than {begins!r}: got …, need …: {error}"
    bad = row.bad.value if row.bad.inner is None else row.bad.inner
    shows = [row.bad.shows] if row.bad.shows else list(_looks(bad))
    if ANYTHING not in shows and not any(look in parts[1] for look in shows):
        return f"{name} that shows none of {shows}: {error}"
    return None


def _looks(value: Any) -> Iterator[str]:
    """In what forms a message may show a value."""
    yield repr(value)[:40]
    yield str(value)[:40]
    for name in ("rnn", "dtype", "shape", "size"):
        if hasattr(value, name):
            yield repr(getattr(value, name))
            yield str(getattr(value, name))
    if isinstance(value, list):
        try:
            yield str(np.asarray(value).shape)
            yield str(np.asarray(value).dtype)
        except ValueError:
            yield "inhomogeneous"
    elif not isinstance(value, np.ndarray):
        yield type(value).__name__
        yield "dtype object"


def _is_used_up(value: Any) -> bool:
    return hasattr(value, "__next__")
