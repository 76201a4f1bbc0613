"""The table of the registries: plugins, their factories and their names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import cybptt
from bad_input import kinds
from bad_input.kinds import ANYTHING, Bad
from bad_input.rows import Row, Setup, rows

NAME = "bad input"  # nobody else registers it
# A derivative that is wrong, and a plugin that can't be checked.
REFUSED = (cybptt.DerivativeError, cybptt.PluginError)


def table(folder: Path) -> Iterator[Row]:
    yield from activations()
    yield from losses()
    yield from refused_by_the_check()
    yield from look_ups()


def sum_of_squares(o: Any, y: Any) -> Any:
    return ((o - y) ** 2).sum(axis=1) / 2


def activations() -> Iterator[Row]:
    good: dict[str, Any] = {"name": NAME, "function": np.sin, "derivative": np.cos}
    for call, function in (
        ("Activation", cybptt.Activation),
        ("register_activation", cybptt.register_activation),
    ):
        setup = Setup(call, "a sine", function, good)
        yield from rows(setup, "name", bad_names(call, "tanh"))
        for part in ("function", "derivative"):
            yield from rows(setup, part, [*kinds.none(), *kinds.not_callable()])
        words = [*kinds.none(), *kinds.not_a_word()]
        yield from rows(setup, "derivative_of", words)
    yield from flags(setup)


def losses() -> Iterator[Row]:
    good: dict[str, Any] = {"name": NAME, "value": sum_of_squares, "gradient": np.subtract}
    for call, function in (("Loss", cybptt.Loss), ("register_loss", cybptt.register_loss)):
        setup = Setup(call, "half the squared error", function, good)
        yield from rows(setup, "name", bad_names(call, "softmax_nll"))
        for part in ("value", "gradient"):
            yield from rows(setup, part, [*kinds.none(), *kinds.not_callable()])
        for part in ("link", "link_vjp", "sample", "mode"):
            yield from rows(setup, part, kinds.not_callable(), link=np.copy)
        yield from rows(setup, "targets", [*kinds.none(), *kinds.not_a_word()])
        alone = [Bad("without a link", np.add, ValueError)]
        yield from rows(setup, "link_vjp", alone)
        values = (3, "01", (0,), (0, 1, 2), (0, "one"), (0, 1j))
        types = [Bad(f"{v!r}", v, TypeError) for v in values]
        yield from rows(setup, "target_range", [*kinds.none(), *types])
        ranges = [(1, 0), (1, 1), (np.nan, 1), (0, np.nan), (np.inf, np.inf)]
        bads = [Bad(f"{v!r}", v, ValueError) for v in ranges]
        yield from rows(setup, "target_range", bads)
    yield from flags(setup)


def bad_names(call: str, taken: str) -> Iterator[Bad]:
    yield from kinds.none()
    for value in (3, b"name", ["name"], np.sin):
        yield Bad(f"{value!r}", value, TypeError)
    yield Bad("an empty name", "", ValueError)
    yield Bad("a blank name", " \t", ValueError, "' \\t'")
    if call.startswith("register"):
        yield Bad("a name that is taken", taken, ValueError)
        yield Bad("a factory's name", "leaky_relu(0.5)", ValueError)


def flags(setup: Setup) -> Iterator[Row]:
    for name in ("check", "replace"):
        yield from rows(setup, name, [*kinds.none(), *kinds.not_a_flag()])


# ---------------------------------------------------------------------- what the check refuses


def writes(a: Any) -> Any:
    a *= 2
    return np.sin(a)


def changes() -> Any:
    calls = iter(range(10**9))
    return lambda a: np.sin(a) + next(calls)


def refused_by_the_check() -> Iterator[Row]:
    wrong = {
        "raises": lambda a: 1 / 0,
        "gives another shape": lambda a: np.sin(a)[:1],
        "gives another dtype": lambda a: np.sin(a).astype(np.float16),
        "gives no array": lambda a: np.sin(a).tolist(),
        "gives None": lambda a: None,
        "takes no array": lambda: None,
        "writes on its input": writes,
        "gives another value at each call": changes(),
        "gives NaN": lambda a: a * np.nan,
    }
    good: dict[str, Any] = {"name": NAME, "function": np.sin, "derivative": np.cos}
    setup = Setup("register_activation", "a sine", cybptt.register_activation, good)
    for part in ("function", "derivative"):
        bads = [Bad(kind, f, REFUSED, ANYTHING) for kind, f in wrong.items()]
        bads.append(Bad("is another's", np.tanh, cybptt.DerivativeError, ANYTHING))
        bads.append(Bad("has another sign", lambda a: -np.sin(a), cybptt.DerivativeError, ANYTHING))
        yield from rows(setup, part, bads, f"activation '{NAME}'(?:: [^:]*)?")
    good = {"name": NAME, "value": sum_of_squares, "gradient": np.subtract}
    setup = Setup("register_loss", "half the squared error", cybptt.register_loss, good)
    for part in ("value", "gradient"):
        bads = [
            Bad(kind, lambda o, y, f=f: f(o - y), REFUSED, ANYTHING)
            for kind, f in wrong.items()
            if kind not in ("takes no array", "writes on its input")
        ]
        yield from rows(setup, part, bads, f"loss '{NAME}'(?:: [^:]*)?")
    anothers = Bad("is another's", np.add, cybptt.DerivativeError, ANYTHING)
    yield Row(setup, "gradient", anothers, f"loss '{NAME}'(?:: [^:]*)?")


# ---------------------------------------------------------------------- names and factories


def look_ups() -> Iterator[Row]:
    for kind, registry in (("activation", cybptt.activations), ("loss", cybptt.losses)):
        module = "activations" if kind == "activation" else "losses"
        get = Setup(f"{module}.get", "", registry.get, {"name": registry.names()[0]})
        unknown = ("", "tahn", "TANH", " tanh", "leaky_relu(", "leaky_relu()", "leaky_relu(x)")
        bads = [Bad(f"{word!r}", word, ValueError) for word in unknown]
        bads += [Bad(f"{v!r}", v, TypeError) for v in (3, b"tanh", ["tanh"], np.tanh)]
        yield from rows(get, "name", [*kinds.none(), *bads], kind)
        plugin = registry.get(registry.names()[0])
        known = Setup(f"{module}.registered", "", registry.registered, {kind: plugin})
        bads = [Bad(f"{v!r}"[:40], v, TypeError) for v in ("tanh", 3, np.tanh, type(plugin))]
        yield from rows(known, kind, [*kinds.none(), *bads])
    for module, factory, argument, extra in (
        (cybptt.activations, "leaky_relu", "slope", [Bad("infinity", np.inf, ValueError)]),
        (cybptt.activations, "elu", "alpha", [Bad("infinity", -np.inf, ValueError)]),
        (cybptt.losses, "huber", "delta", list(kinds.not_positive())),
    ):
        name = f"{module.__name__.removeprefix('cybptt.')}.{factory}"
        setup = Setup(name, "", getattr(module, factory), {argument: 0.5})
        numbers = {bad.kind: bad for bad in (*kinds.none(), *kinds.not_a_number(), *extra)}
        yield from rows(setup, argument, numbers.values())
