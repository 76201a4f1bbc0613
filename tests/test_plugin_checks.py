"""What is refused when a plugin is registered, with words that say what and where; and what is not.

Each case is a good plugin with one thing wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cybptt
from cybptt import activations, losses


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


OWN = np.random.default_rng(0)
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
        r"value, while it was checked: got float64, need an array of shape \(24,\) and dtype",
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
        SQUARES | {"sample": lambda o, generator, own=OWN: own.random(o.shape)},
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


def sign_from_the_left(a: Any) -> Any:
    return np.where(a > 0, 1, -1).astype(a.dtype)


def sign_from_the_right(a: Any) -> Any:
    return np.where(a < 0, -1, 1).astype(a.dtype)


GOOD_ACTIVATIONS: dict[str, dict[str, Any]] = {
    "NumPy ufuncs": SINE,
    "itself": {"function": lambda a: a, "derivative": np.ones_like},
    "of the output": {
        "function": np.tanh, "derivative": lambda h: 1 - h * h, "derivative_of": "output",
    },
    "a kink, from the left": {"function": np.abs, "derivative": sign_from_the_left},
    "a kink, from the right": {"function": np.abs, "derivative": sign_from_the_right},
    "for positive a alone": {"function": np.log, "derivative": np.reciprocal},
    "growing fast": {"function": np.exp, "derivative": np.exp},
    "oscillating fast": {
        "function": lambda a: np.sin(30 * a), "derivative": lambda a: 30 * np.cos(30 * a),
    },
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
