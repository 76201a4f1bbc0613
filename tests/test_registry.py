"""The registries: names and what they stand for, and what is refused at their door.

A package that pip installs is in test_entry_points; here the entry points are files in a folder.
"""

from __future__ import annotations

import pickle
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import cybptt
from cybptt import activations, losses
from cybptt.registry import Registry


@pytest.fixture(autouse=True)
def registries_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    for module in (activations, losses):
        registry = module._registry
        monkeypatch.setattr(registry, "_plugins", dict(registry._plugins))


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
    with pytest.raises(cybptt.DerivativeError):
        if kind == "activation":
            cybptt.register_activation("mine", np.sin, np.sin)
        else:
            cybptt.register_loss("mine", sum_of_squares, lambda o, y: y - o)
    assert module.names() == names
    with pytest.raises(ValueError, match=f"^{kind}: got 'mine', need one of"):
        module.get("mine")


@either
def test_check_false_takes_what_is_wrong(kind: str) -> None:
    if kind == "activation":
        plugin = cybptt.register_activation("mine", np.sin, np.sin, check=False)
        assert plugin.derivative is np.sin
    else:
        plugin = cybptt.register_loss("mine", sum_of_squares, np.add, check=False)
        assert plugin.gradient is np.add
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


# ---------------------------------------------------------------------- what is refused


class Unhashable:
    """A callable that is equal to nothing and can't be hashed."""

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, a: Any) -> Any:
        return np.sin(a)


def test_a_plugins_functions_need_not_be_hashable() -> None:
    plugin = cybptt.register_activation("mine", Unhashable(), np.cos)
    assert {cybptt.RNN(1, 2, 1, activation=plugin): 1}[cybptt.RNN(1, 2, 1, activation="mine")] == 1


def counted(function: Callable[..., Any]) -> Callable[..., Any]:
    calls = iter(range(10**9))
    return lambda *arguments: function(*arguments) + next(calls)


def writes(a: Any) -> Any:
    h = np.sin(a)
    a *= 2
    return h


def shares_an_average(a: Any) -> Any:
    return np.sin(a) + a.mean()


def at_half(a: Any) -> Any:
    return np.where(a > 0.5, np.cos(a) + 1e-3, np.cos(a))


SINE: dict[str, Any] = {"function": np.sin, "derivative": np.cos}
BAD_ACTIVATIONS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "another derivative": (
        {"derivative": np.sin},
        cybptt.DerivativeError,
        r"derivative: got \S+ at a = \S+, need \S+ \(finite differences; off by \d",
    ),
    "another sign": (
        {"derivative": lambda a: -np.cos(a)},
        cybptt.DerivativeError,
        r"derivative: got \S+ at a = \S+, need \S+ \(finite differences; off by 2\)",
    ),
    "off by a thousandth on one side": (
        {"derivative": at_half},
        cybptt.DerivativeError,
        r"derivative: got \S+ at a = \S+, need \S+ \(finite differences; off by 0.001\)",
    ),
    "of the output, said to be of the input": (
        {"function": np.tanh, "derivative": lambda h: 1 - h * h},
        cybptt.DerivativeError,
        r"derivative: got \S+ at a = \S+, need \S+ \(finite differences",
    ),
    "of the input, said to be of the output": (
        {"derivative_of": "output"},
        cybptt.DerivativeError,
        r"derivative: got \S+ at a = \S+, need \S+ \(finite differences",
    ),
    "a derivative that is not finite": (
        {"derivative": lambda a: np.cos(a) / 0.0 * 0.0},
        cybptt.DerivativeError,
        r"derivative: got nan at a = \S+, need \S+ \(finite differences",
    ),
    "nowhere finite": (
        {"function": lambda a: a * np.nan},
        cybptt.DerivativeError,
        "function: got no finite value at any point, need finite values",
    ),
    "writes on its input": (
        {"function": writes},
        cybptt.DerivativeError,
        "function: got another input after the call than before, need not to be written to",
    ),
    "two results": (
        {"function": counted(np.sin)},
        cybptt.DerivativeError,
        "function: got two results from two calls, need the same from the same input",
    ),
    "two derivatives": (
        {"derivative": counted(np.cos)},
        cybptt.DerivativeError,
        "derivative: got two results from two calls, need the same from the same input",
    ),
    "not elementwise": (
        {"function": shares_an_average},
        cybptt.DerivativeError,
        "function: got values that depend on other elements, need an elementwise function",
    ),
    "a derivative that is not elementwise": (
        {"function": np.negative, "derivative": lambda a: a * 0 - (len(a) == 16)},
        cybptt.DerivativeError,
        "derivative: got values that depend on other elements, need an elementwise function",
    ),
    "another shape": (
        {"function": lambda a: np.sin(a).ravel()},
        cybptt.PluginError,
        r"function, while it was checked: got an array of shape \(512,\) and dtype float64, "
        r"need an array of shape \(16, 32\) and dtype float64",
    ),
    "float64 for float32": (
        {"function": lambda a: np.sin(a.astype(np.float64))},
        cybptt.PluginError,
        r"function, while it was checked: got an array of shape \(16, 32\) and dtype float64, "
        r"need an array of shape \(16, 32\) and dtype float32",
    ),
    "a derivative in float64 for float32": (
        {"derivative": lambda a: np.cos(a.astype(np.float64))},
        cybptt.PluginError,
        r"derivative, while it was checked: got .* float64, need .* float32",
    ),
    "other values in float32": (
        {"function": lambda a: np.sin(a) + (a.dtype == np.float32)},
        cybptt.DerivativeError,
        r"function: got \S+ in float32 at a = \S+, need \S+, as in float64",
    ),
    "a list": (
        {"derivative": lambda a: np.cos(a).tolist()},
        cybptt.PluginError,
        r"derivative, while it was checked: got list, need an array",
    ),
    "raises": (
        {"derivative": lambda a: a.no_such_thing},
        cybptt.PluginError,
        "derivative, while it was checked: raised AttributeError: ",
    ),
}


@pytest.mark.parametrize("case", BAD_ACTIVATIONS)
def test_activations_that_are_refused(case: str) -> None:
    changes, error, message = BAD_ACTIVATIONS[case]
    with pytest.raises(error, match=f"^activation 'mine': {message}") as refused:
        cybptt.register_activation("mine", **(SINE | changes))
    assert "mine" not in activations.names()
    if "raised" in message:
        assert isinstance(refused.value.__cause__, AttributeError)
    if error is cybptt.DerivativeError:
        assert isinstance(refused.value, ValueError)


def softmax(o: Any) -> Any:
    e = np.exp(o - o.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_vjp(o: Any, y_hat: Any, cotangent: Any) -> Any:
    return y_hat * (cotangent - (y_hat * cotangent).sum(axis=1, keepdims=True))


def nll(o: Any, y: Any) -> Any:
    return -np.log(softmax(o)[np.arange(len(y)), y])


def nll_gradient(o: Any, y: Any) -> Any:
    return softmax(o) - np.eye(o.shape[1], dtype=o.dtype)[y]


SQUARES: dict[str, Any] = {"value": sum_of_squares, "gradient": difference}
NLL: dict[str, Any] = {
    "value": nll, "gradient": nll_gradient, "link": softmax, "link_vjp": softmax_vjp,
    "targets": "classes",
}  # fmt: skip


def draws_thrice(o: Any, generator: Any) -> Any:
    return generator.integers(0, 9, len(o)) % o.shape[1] + (o.shape[1] - 1)


def writes_on_y(o: Any, y: Any) -> Any:
    loss = sum_of_squares(o, y)
    y[:] = 0
    return loss


BAD_LOSSES: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "another gradient": (
        SQUARES | {"gradient": lambda o, y: np.sign(o - y)},
        cybptt.DerivativeError,
        r"gradient: got \S+ at o = \[.*\], y = \[.*\], output \d, need \S+ \(finite differences; ",
    ),
    "another sign": (
        NLL | {"gradient": lambda o, y: -nll_gradient(o, y)},
        cybptt.DerivativeError,
        r"gradient: got \S+ at o = \[.*\], y = \d, output \d, need \S+ \(finite differences; ",
    ),
    "wrong in one output": (
        SQUARES | {"gradient": lambda o, y: (o - y) * np.array([1, 1, 1.001, 1], o.dtype)},
        cybptt.DerivativeError,
        r"gradient: got \S+ at o = \[.*\], y = \[.*\], output 2, need \S+ \(finite differences; ",
    ),
    "a gradient without the label": (
        NLL | {"gradient": lambda o, y: softmax(o)},
        cybptt.DerivativeError,
        r"gradient: got \S+ at o = \[.*\], y = (\d), output \1, need \S+ \(finite differences; ",
    ),
    "the Jacobian is another's": (
        NLL | {"link_vjp": lambda o, y_hat, cotangent: y_hat * cotangent},
        cybptt.DerivativeError,
        r"link_vjp: got \S+ at o = \[.*\], cotangent = \[.*\], output \d, need \S+ \(finite diff",
    ),
    "a mean over the rows": (
        SQUARES | {"value": lambda o, y: sum_of_squares(o, y) / len(o)},
        cybptt.DerivativeError,
        "value: got rows that depend on other rows, need each row from its own arguments",
    ),
    "a gradient of the mean over the rows": (
        SQUARES | {"gradient": lambda o, y: (o - y) / len(o) * 24},
        cybptt.DerivativeError,
        "gradient: got rows that depend on other rows, need each row from its own arguments",
    ),
    "a link over the rows": (
        NLL | {"link": lambda o: softmax(o.T).T, "link_vjp": None},
        cybptt.DerivativeError,
        "link: got rows that depend on other rows, need each row from its own arguments",
    ),
    "one loss for all": (
        SQUARES | {"value": lambda o, y: sum_of_squares(o, y).sum()},
        cybptt.PluginError,
        r"value, while it was checked: got float64, need an array of shape \(24,\) and dtype float64",
    ),
    "a loss for each output": (
        SQUARES | {"value": lambda o, y: (o - y) ** 2 / 2},
        cybptt.PluginError,
        r"value, while it was checked: got an array of shape \(24, 4\) and dtype float64, "
        r"need an array of shape \(24,\) and dtype float64",
    ),
    "float64 for float32": (
        NLL | {"gradient": lambda o, y: softmax(o) - np.eye(o.shape[1])[y]},
        cybptt.PluginError,
        r"gradient, while it was checked: got .* float64, need .* float32",
    ),
    "a link of another shape": (
        NLL | {"link": lambda o: softmax(o)[:, 1:]},
        cybptt.PluginError,
        r"link, while it was checked: got an array of shape \(24, 3\)",
    ),
    "nowhere finite": (
        SQUARES | {"value": lambda o, y: sum_of_squares(o, y) * np.nan},
        cybptt.DerivativeError,
        "value: got no finite value at any point, need finite values",
    ),
    "two results": (
        SQUARES | {"value": counted(sum_of_squares)},
        cybptt.DerivativeError,
        "value: got two results from two calls, need the same from the same input",
    ),
    "writes on y": (
        SQUARES | {"value": writes_on_y},
        cybptt.DerivativeError,
        "value: got another input after the call than before, need not to be written to",
    ),
    "raises": (
        NLL | {"link_vjp": lambda o, y_hat: y_hat},
        cybptt.PluginError,
        "link_vjp, while it was checked: raised TypeError: ",
    ),
    "samples of another shape": (
        NLL | {"sample": lambda o, generator: generator.integers(0, 2, o.shape)},
        cybptt.DerivativeError,
        r"sample: got an array of shape \(24, 4\) and dtype int64, need integer labels of shape",
    ),
    "samples that are no labels": (
        NLL | {"sample": lambda o, generator: generator.random(len(o))},
        cybptt.DerivativeError,
        r"sample: got an array of shape \(24,\) and dtype float64, need integer labels of shape",
    ),
    "samples out of range": (
        NLL | {"sample": draws_thrice},
        cybptt.DerivativeError,
        r"sample: got labels \d … \d, need labels in 0 … 3",
    ),
    "samples of its own generator": (
        SQUARES | {"sample": lambda o, generator, own=np.random.default_rng(0): own.random(o.shape)},
        cybptt.DerivativeError,
        "sample: got two results from two calls, need the same from the same generator",
    ),
    "a mode of another shape": (
        NLL | {"mode": lambda o: o.max(axis=1, keepdims=True)},
        cybptt.DerivativeError,
        r"mode: got an array of shape \(24, 1\) and dtype float64, need integer labels of shape",
    ),
    "a mode out of the range of y": (
        SQUARES | {"mode": lambda o: o, "target_range": (0, np.inf)},
        cybptt.DerivativeError,
        r"mode: got -\S+, need values in 0 … inf",
    ),
    "a sample that raises": (
        SQUARES | {"sample": lambda o: o},
        cybptt.PluginError,
        "sample, while it was checked: raised TypeError: ",
    ),
}


@pytest.mark.parametrize("case", BAD_LOSSES)
def test_losses_that_are_refused(case: str) -> None:
    parts, error, message = BAD_LOSSES[case]
    with pytest.raises(error, match=f"^loss 'mine': {message}") as refused:
        cybptt.register_loss("mine", **parts)
    assert "mine" not in losses.names()
    if "raised" in message:
        assert isinstance(refused.value.__cause__, TypeError)


GOOD_ACTIVATIONS: dict[str, dict[str, Any]] = {
    "NumPy ufuncs": SINE,
    "itself": {"function": lambda a: a, "derivative": np.ones_like},
    "of the output": {
        "function": np.tanh, "derivative": lambda h: 1 - h * h, "derivative_of": "output",
    },
    "a kink, from the left": {"function": np.abs, "derivative": lambda a: np.where(a > 0, a * 0 + 1, -1)},
    "a kink, from the right": {"function": np.abs, "derivative": lambda a: np.where(a < 0, -1, a * 0 + 1)},
    "for positive a alone": {"function": np.log, "derivative": np.reciprocal},
    "growing fast": {"function": np.exp, "derivative": np.exp},
    "oscillating fast": {"function": lambda a: np.sin(30 * a), "derivative": lambda a: 30 * np.cos(30 * a)},
    "small": {"function": lambda a: 1e-9 * np.sin(a), "derivative": lambda a: 1e-9 * np.cos(a)},
    "constant": {"function": np.ones_like, "derivative": np.zeros_like},
}  # fmt: skip


@pytest.mark.parametrize("case", GOOD_ACTIVATIONS)
def test_activations_that_are_taken(case: str) -> None:
    plugin = cybptt.register_activation("mine", **GOOD_ACTIVATIONS[case])
    assert activations.get("mine") is plugin


GOOD_LOSSES: dict[str, dict[str, Any]] = {
    "squares": SQUARES,
    "of classes": NLL,
    "without link_vjp": NLL | {"link_vjp": None},
    "a kink": {
        "value": lambda o, y: np.abs(o - y).sum(axis=1),
        "gradient": lambda o, y: np.sign(o - y),
    },
    "where y is positive": {
        "value": lambda o, y: (np.exp(o) - y * o + y * np.log(y)).sum(axis=1),
        "gradient": lambda o, y: np.exp(o) - y,
        "target_range": (0, np.inf),
    },
    "with draws": NLL | {
        "sample": lambda o, generator: generator.integers(0, o.shape[1], len(o)),
        "mode": lambda o: o.argmax(axis=1),
    },
}  # fmt: skip


@pytest.mark.parametrize("case", GOOD_LOSSES)
def test_losses_that_are_taken(case: str) -> None:
    plugin = cybptt.register_loss("mine", **GOOD_LOSSES[case])
    assert losses.get("mine") is plugin
    assert plugin.target_range == GOOD_LOSSES[case].get("target_range", (-np.inf, np.inf))


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
    with pytest.raises(ValueError, match="^name: got 'mine', need a name that no activation has"):
        registry.register(cybptt.Activation("mine", np.sin, np.cos))
    assert registry.get("mine").function is np.cos


# ---------------------------------------------------------------------- entry points


class Packages:
    """A folder on sys.path with packages that offer plugins."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: list[str] = []

    def add(self, module: str, code: str, entries: str) -> None:
        """A package of one module."""
        self.modules.append(module)
        (self.folder / f"{module}.py").write_text(code)
        info = self.folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entries)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(tmp_path)
    made = Packages(tmp_path)
    yield made
    for module in made.modules:
        sys.modules.pop(module, None)


SINE_CODE = "import numpy as np, cybptt\nsine = cybptt.Activation('sine', np.sin, np.cos)\n"


def test_an_entry_point_is_loaded_when_it_is_asked_for(packages: Packages) -> None:
    packages.add("their_sine", SINE_CODE, "[cybptt.activations]\nsine = their_sine:sine\n")
    assert activations.names()[-1] == "sine"
    assert "their_sine" not in sys.modules
    plugin = activations.get("sine")
    assert plugin is sys.modules["their_sine"].sine is activations.get("sine")
    assert activations.registered(plugin)
    assert activations.names().count("sine") == 1


def test_what_is_registered_here_comes_before_a_package(packages: Packages) -> None:
    code = SINE_CODE.replace("'sine'", "'tanh'")
    packages.add("their_tanh", code, "[cybptt.activations]\ntanh = their_tanh:sine\n")
    names = activations.names()
    assert names.count("tanh") == 1
    assert activations.get("tanh").function == cybptt._core.function("tanh")
    assert "their_tanh" not in sys.modules
    mine = cybptt.register_activation("sine", np.sin, np.cos)
    packages.add("their_sine", SINE_CODE, "[cybptt.activations]\nsine = their_sine:sine\n")
    assert activations.get("sine") is mine
    assert "their_sine" not in sys.modules


def test_a_package_may_register_its_plugin_itself_when_it_is_imported(packages: Packages) -> None:
    """So it can leave out the check, for a derivative that is meant to be another."""
    code = "import numpy as np, cybptt\n"
    code += "step = cybptt.register_activation('step', np.sign, np.ones_like, check=False)\n"
    packages.add("their_step", code, "[cybptt.activations]\nstep = their_step:step\n")
    assert activations.get("step") is sys.modules["their_step"].step


BROKEN: dict[str, tuple[str, str, type[BaseException] | None, str]] = {
    "a module that is not there": (
        "",
        "no_such_module:sine",
        ModuleNotFoundError,
        "raised ModuleNotFoundError: No module named 'no_such_module'",
    ),
    "an object that is not there": ("", "theirs:sine", AttributeError, "raised AttributeError: "),
    "no object": (SINE_CODE, "theirs", None, "got module <module 'theirs' .*, need a cybptt.Activation of that name"),
    "a module that does not compile": (
        "def",
        "theirs:sine",
        SyntaxError,
        "raised SyntaxError: ",
    ),
    "a module that exits": (
        "raise SystemExit(3)",
        "theirs:sine",
        SystemExit,
        "raised SystemExit: 3",
    ),
    "another kind of object": (
        "import numpy as np\nsine = np.sin",
        "theirs:sine",
        None,
        "got <ufunc 'sin'>, need a cybptt.Activation of that name",
    ),
    "a loss": (
        "import numpy as np, cybptt\nsine = cybptt.losses.get('huber')",
        "theirs:sine",
        None,
        r"got cybptt.losses.get\('huber'\), need a cybptt.Activation of that name",
    ),
    "another name": (
        SINE_CODE.replace("'sine'", "'cosine'"),
        "theirs:sine",
        None,
        r"got Activation cybptt.Activation\('cosine', .*, need a cybptt.Activation of that name",
    ),
    "another derivative": (
        SINE_CODE.replace("np.cos", "np.sin"),
        "theirs:sine",
        cybptt.DerivativeError,
        r"activation 'sine': derivative: got .* \(finite differences",
    ),
    "a function that raises": (
        SINE_CODE.replace("np.sin", "np.load"),
        "theirs:sine",
        cybptt.PluginError,
        "activation 'sine': function, while it was checked: raised ",
    ),
    "a name that is none": ("", "1 + 1", Exception, "raised "),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_entry_point(case: str, packages: Packages) -> None:
    code, value, cause, message = BROKEN[case]
    packages.add("theirs", code, f"[cybptt.activations]\nsine = {value}\n")
    packages.add("whole", SINE_CODE.replace("'sine'", "'whole'"), "[cybptt.activations]\nwhole = whole:sine")
    assert activations.names()[-2:] == ["sine", "whole"]
    label = f"activation 'sine': entry point {value!r} of package 'theirs': "
    for _ in range(2):
        with pytest.raises(cybptt.PluginError, match=f"^{re.escape(label)}{message}") as refused:
            activations.get("sine")
        if cause is None:
            assert refused.value.__cause__ is None
        else:
            assert isinstance(refused.value.__cause__, cause)
    assert activations.get("whole").function is np.sin
    with pytest.raises(ValueError, match="^activation: got 'sina', need one of .*'sine'"):
        activations.get("sina")


def test_an_interrupt_while_a_package_is_imported_is_let_through(packages: Packages) -> None:
    packages.add("theirs", "raise KeyboardInterrupt", "[cybptt.activations]\nsine = theirs:sine\n")
    with pytest.raises(KeyboardInterrupt):
        activations.get("sine")
    assert activations.get("tanh").name == "tanh"


@pytest.mark.parametrize("damage", ["sine", "[cybptt.activations\nsine = a:b", "= a:b", "\0"])
def test_metadata_of_another_package_may_be_damaged(damage: str, packages: Packages) -> None:
    packages.add("damaged", "", damage)
    packages.add("whole", SINE_CODE.replace("'sine'", "'whole'"), "[cybptt.activations]\nwhole = whole:sine")
    assert "whole" in activations.names()
    assert activations.get("whole").name == "whole"
    with pytest.raises(ValueError, match="^activation: got 'sine', need one of"):
        activations.get("sine")


def test_of_two_packages_the_first_on_the_path_is_asked(packages: Packages) -> None:
    second = SINE_CODE.replace("np.sin, np.cos", "np.cos, lambda a: -np.sin(a)")
    packages.add("their_sine", SINE_CODE, "[cybptt.activations]\nsine = their_sine:sine\n")
    elsewhere = packages.folder / "elsewhere"
    elsewhere.mkdir()
    sys.path.append(str(elsewhere))  # taken away with the rest of monkeypatch's
    Packages(elsewhere).add("second", second, "[cybptt.activations]\nsine = second:sine\n")
    assert activations.get("sine").function is np.sin
    assert "second" not in sys.modules


def test_threads_that_ask_at_once_get_one_object(packages: Packages) -> None:
    packages.add("their_sine", SINE_CODE, "[cybptt.activations]\nsine = their_sine:sine\n")
    barrier = threading.Barrier(8)
    got: list[Any] = []

    def work() -> None:
        barrier.wait()
        got.append(activations.get("sine"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len({id(plugin) for plugin in got}) == 1


def test_a_package_that_registers_while_another_thread_asks_does_not_hang(
    packages: Packages,
) -> None:
    """The registry's lock is not held while a module is imported, which has a lock of its own."""
    code = "import time; time.sleep(0.2)\nimport numpy as np, cybptt\n"
    code += "sine = cybptt.register_activation('sine', np.sin, np.cos)\n"
    packages.add("their_sine", code, "[cybptt.activations]\nsine = their_sine:sine\n")
    got: list[Any] = []
    threads = [threading.Thread(target=lambda: got.append(activations.get("sine")))]
    threads.append(threading.Thread(target=lambda: got.append(__import__("their_sine").sine)))
    threads.append(threading.Thread(target=lambda: got.append(activations.get("sine"))))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(got) == 3
    assert got[0] is got[1] is got[2]
