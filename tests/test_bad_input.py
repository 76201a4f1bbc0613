"""Bad input is refused by an error that names the argument, and nothing is changed by it.

The table is in tests/bad_input; here every row of it is tried, and the table itself is held against
the public signatures: an argument that it lacks fails the test.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest
from bad_input import (
    construction,
    files,
    generation,
    passes,
    pictures,
    plugins,
    sequences,
    training,
    weights,
)
from bad_input.rows import Row, complaint, registered

import cybptt

# What takes no argument from outside, or checks it elsewhere.
EXEMPT = {
    "Trace": "made by forward",
    "Gradients": "made by backward and vjp",
    "HiddenGradients": "made by hidden_vjp",
    "Explanation": "made by explain",
    "State": "made by the passes, and checked where it is used",
    "DerivativeError": "an exception",
    "PluginError": "an exception",
    "GradcheckReport": "made by gradcheck",
    "Parameters.get": "a mapping's, of Python",
    "optim.Optimizer": "abstract",
    "optim.Optimizer.load_state_dict": "abstract",
    "optim.Optimizer.step": "abstract",
    "plot.Diagram": "made by graph",
    "plot.GradientFlow": "made by gradient_flow",
    "plot.Eigenvalues": "made by eigenvalues",
    "plot.SingularValues": "made by singular_values",
    "plot.JacobianGrowth": "made by jacobian_growth",
    "plot.HiddenStates": "made by hidden_states",
    "plot.TrainingCurve": "made by training_curve",
    "plot.ForcedAndFree": "made by forced_and_free",
    "reference": "the equations: they take what they are given",
    **{
        f"data.{name}.{method}": "a sequence's, of Python"
        for name in ("Trials", "Batches", "Chunks")
        for method in ("count", "index")
    },
    "train.Record": "made by fit",
    "train.History": "made by fit",
    "train.Stop": "an exception",
    "train.NonFiniteError": "an exception",
    "train.Interrupted": "an exception",
    "train.RankError": "an exception",
    "train.Group": "a protocol",
    "train.Group.allgather": "a protocol's",
    "train.Group.allreduce": "a protocol's",
    "train.Checkpoint": "made by fit, and checked where it is used",
}
# Beside what the walk finds: special methods and functions that are returned.
FURTHER = {"Parameters.__setattr__": ["value"], "RNN.objective.fun": ["vector"]}


def public() -> Iterator[tuple[str, list[str]]]:
    """Every public function and method, by its path in cybptt, with its arguments' names."""
    seen: set[int] = set()

    def walk(owner: Any, prefix: str) -> Iterator[tuple[str, list[str]]]:
        modules = [name for name in owner.__all__ if isinstance(getattr(owner, name), ModuleType)]
        # The modules come last: what they hold that cybptt itself offers has its name there.
        for name in [*(n for n in owner.__all__ if n not in modules), *modules]:
            value, path = getattr(owner, name), prefix + name
            if (path in EXEMPT and name in modules) or id(value) in seen:
                continue
            seen.add(id(value))
            if isinstance(value, ModuleType):
                yield from walk(value, f"{path}.")
            elif callable(value):
                yield path, [] if path in EXEMPT else arguments(value)
                yield from methods(value, path)

    yield from walk(cybptt, "")
    yield from FURTHER.items()


def methods(cls: Any, path: str) -> Iterator[tuple[str, list[str]]]:
    if isinstance(cls, type) and not issubclass(cls, BaseException):
        for name in dir(cls):
            held = inspect.getattr_static(cls, name)
            if not name.startswith("_") and isinstance(held, FunctionType | classmethod):
                yield f"{path}.{name}", arguments(getattr(cls, name))


def arguments(function: Any) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


CALLS = {call: names for call, names in public() if call not in EXEMPT and names}


class Table(defaultdict[str, list[Row]]):
    """The rows of each public function."""

    def __repr__(self) -> str:
        return "the table"  # and not all of it, where a test fails


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    folder: Path = tmp_path_factory.mktemp("bad input")
    by_call = Table(list)
    parts = (construction, passes, generation, plugins, files, sequences, training, pictures,
             weights)  # fmt: skip
    for module in parts:
        for row in module.table(folder):
            by_call[row.setup.call].append(row)
    return by_call


@pytest.mark.parametrize("call", CALLS)
def test_bad_input_is_refused_and_changes_nothing(call: str, table: Table) -> None:
    assert call in table, "no row for it"
    before = registered()
    complaints = [said for row in table[call] if (said := complaint(row))]
    count = f"{len(complaints)} of {len(table[call])}:\n"
    assert not complaints, count + "\n".join(complaints[:40])
    assert registered() == before


def test_the_arguments_without_what_is_bad_are_taken(table: Table) -> None:
    # Otherwise a row could be refused for something else than what is bad in it.
    for rows in table.values():
        for setup in {id(row.setup): row.setup for row in rows}.values():
            leaves_something = "path" in setup.good or setup.call.startswith("register")
            if setup.complete and not leaves_something:
                setup.function(**setup.good)


@pytest.mark.parametrize("call", CALLS)
def test_the_table_has_every_argument(call: str, table: Table) -> None:
    has = {row.argument for row in table[call]}
    if has - set(CALLS[call]) and "options" in CALLS[call]:
        has |= {"options"}
    missing = [name for name in CALLS[call] if name not in has]
    assert not missing, f"{call}: no row for {', '.join(missing)}"


def test_what_is_exempt_exists() -> None:
    paths = {call for call, _ in public()} | set(cybptt.__all__)
    assert set(EXEMPT) <= paths


def test_nothing_in_the_table_is_no_longer_there(table: Table) -> None:
    assert set(table) <= set(CALLS)


def test_the_table_is_as_large_as_it_looks(table: Table) -> None:
    assert sum(map(len, table.values())) > 20_000
