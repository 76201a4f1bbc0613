"""The registries: names and what they stand for.

What their check refuses is in test_plugin_checks and test_loss_checks, what other packages offer in
test_offered_plugins and test_entry_points.
"""

from __future__ import annotations

import pickle
import re
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import cybptt
from cybptt import activations, losses
from cybptt.registry import Registry


def sum_of_squares(o: Any, y: Any) -> Any:
    return ((o - y) ** 2).sum(axis=1) / 2


def difference(o: Any, y: Any) -> Any:
    return o - y


# What registers a plugin of each kind, given its name: the same tests for both.
KINDS: dict[str, tuple[ModuleType, Callable[..., Any]]] = {
    "activation": (
        activations,
        lambda name, **options: cybptt.register_activation(name, np.sin, np.cos, **options),
    ),
    "loss": (
        losses,
        lambda name, **options: cybptt.register_loss(name, sum_of_squares, difference, **options),
    ),
}
either = pytest.mark.parametrize("kind", KINDS)


# ---------------------------------------------------------------------- names


@either
def test_registering_makes_enters_and_returns_one_object(kind: str) -> None:
    module, register = KINDS[kind]
    before = module.names()
    plugin = register("mine")
    assert module.get("mine") is plugin
    assert module.names() == [*before, "mine"]
    assert module.registered(plugin)
    assert getattr(cybptt.RNN(1, 2, 1, **{kind: "mine"}), kind) is plugin
    assert repr(plugin) == f"cybptt.{module.__name__.split('.')[-1]}.get('mine')"
    assert pickle.loads(pickle.dumps(plugin)) is plugin


@either
def test_a_name_that_is_taken_is_refused_unless_it_is_to_be_replaced(kind: str) -> None:
    module, register = KINDS[kind]
    for name in ("mine", module.names()[0]):
        if name == "mine":
            register(name)
        before, names = module.get(name), module.names()
        message = f"^name: got '{name}', need a name that no {kind} has, or replace=True$"
        with pytest.raises(ValueError, match=message):
            register(name)
        assert module.get(name) is before
        model = cybptt.RNN(1, 2, 1, **{kind: name})
        after = register(name, replace=True)
        assert module.get(name) is after is not before
        assert module.names() == names
        assert getattr(model, kind) is before  # models made before keep theirs
        assert getattr(cybptt.RNN(1, 2, 1, **{kind: name}), kind) is after


def test_a_replaced_one_is_pickled_by_its_parts() -> None:
    tanh = activations.get("tanh")
    cybptt.register_activation("tanh", np.sin, np.cos, replace=True)
    assert not activations.registered(tanh)
    assert repr(tanh).startswith("cybptt.Activation('tanh', cybptt._core.Function('tanh'")
    again = pickle.loads(pickle.dumps(tanh))
    assert again == tanh != activations.get("tanh")


@either
def test_what_is_refused_is_not_entered(kind: str) -> None:
    module, _ = KINDS[kind]
    names = module.names()
    register: Any = cybptt.register_activation
    functions: tuple[Any, Any] = (np.sin, np.sin)
    if kind == "loss":
        register, functions = cybptt.register_loss, (sum_of_squares, np.add)
    with pytest.raises(cybptt.DerivativeError):
        register("mine", *functions)
    assert module.names() == names
    with pytest.raises(ValueError, match=f"^{kind}: got 'mine', need one of"):
        module.get("mine")


@either
def test_check_false_takes_what_is_wrong(kind: str) -> None:
    if kind == "activation":
        plugin = cybptt.register_activation("mine", np.sin, np.sin, check=False)
        assert plugin.derivative is np.sin
    else:
        plugin = cybptt.register_loss("mine", sum_of_squares, sum_of_squares, check=False)
        assert plugin.gradient is sum_of_squares
    assert KINDS[kind][0].get("mine") is plugin


@pytest.mark.parametrize(
    ("kind", "name", "nearest"),
    [
        ("activation", "tahn", "tanh"),
        ("activation", "TANH", "tanh"),
        ("activation", "rellu", "relu"),
        ("activation", "", "tanh"),
        ("activation", "leaky_relu(x)", "leaky_relu"),
        ("activation", "relu(0.5)", "relu"),
        ("activation", "softmax_nll", None),
        ("loss", "softmax", "softmax_nll"),
        ("loss", "huber()", "huber"),
        ("loss", "tanh", None),
    ],
)
def test_an_unknown_name(kind: str, name: str, nearest: str | None) -> None:
    module, _ = KINDS[kind]
    with pytest.raises(ValueError, match=f"^{kind}: got ") as refused:
        module.get(name)
    known = ", ".join(map(repr, module.names()))
    message = str(refused.value)
    assert message.startswith(f"{kind}: got {name!r}, need one of {known} (the nearest is '")
    if nearest is not None:
        assert message.endswith(f"(the nearest is {nearest!r})")
    with pytest.raises(ValueError, match=re.escape(f"got {name!r}")):
        cybptt.RNN(1, 2, 1, **{kind: name})


@either
@pytest.mark.parametrize("name", ["mine(2)", "leaky_relu(0.5)", "(", "a)"])
def test_names_with_parentheses_are_the_factories_own(kind: str, name: str) -> None:
    module, register = KINDS[kind]
    before = module.names()
    for options in ({}, {"check": False}, {"replace": True}):
        message = f"^name: got {re.escape(repr(name))}, need a name without parentheses$"
        with pytest.raises(ValueError, match=message):
            register(name, **options)
    assert module.names() == before


def test_a_taken_name_is_refused_before_anything_is_called() -> None:
    called: list[str] = []

    def function(a: Any) -> Any:
        called.append("function")
        return np.sin(a)

    with pytest.raises(ValueError, match=r"^name: got 'tanh'"):
        cybptt.register_activation("tanh", function, np.cos)
    assert called == []


@pytest.mark.parametrize("name", ["leaky_relu(nan)", "leaky_relu(x)", "elu(inf)", "elu()", "sine"])
def test_one_under_a_name_that_gives_nothing_is_not_registered(name: str) -> None:
    plugin = cybptt.Activation(name, np.sin, np.cos)
    assert not activations.registered(plugin)
    assert repr(plugin).startswith(f"cybptt.Activation({name!r}, ")
    assert pickle.loads(pickle.dumps(plugin)) == plugin


class Unhashable:
    """A callable that is equal to nothing and can't be hashed."""

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, a: Any) -> Any:
        return np.sin(a)


def test_a_plugins_functions_need_not_be_hashable() -> None:
    plugin = cybptt.register_activation("mine", Unhashable(), np.cos)
    assert {cybptt.RNN(1, 2, 1, activation=plugin): 1}[cybptt.RNN(1, 2, 1, activation="mine")] == 1


# ---------------------------------------------------------------------- threads


@either
def test_one_of_many_threads_gets_the_name(kind: str) -> None:
    module, register = KINDS[kind]
    barrier = threading.Barrier(8)
    entered: list[Any] = []
    refused: list[Exception] = []

    def work() -> None:
        barrier.wait()
        try:
            entered.append(register("mine"))
        except ValueError as error:
            refused.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(entered), len(refused)) == (1, 7)
    assert module.get("mine") is entered[0]


def test_a_name_taken_while_its_plugin_was_checked_is_refused() -> None:
    """The check runs before the lock is taken: it may take long, and is anyone's code."""

    def rival(plugin: Any) -> None:
        registry.register(cybptt.Activation("mine", np.cos, np.cos), check=False)

    registry = Registry("activation", "cybptt.none", cybptt.Activation, rival)
    with pytest.raises(ValueError, match=r"^name: got 'mine', need a name that no activation has"):
        registry.register(cybptt.Activation("mine", np.sin, np.cos))
    assert registry.get("mine").function is np.cos
