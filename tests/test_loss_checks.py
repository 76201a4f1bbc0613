"""Which losses are refused when they are registered, saying what and where; which are not.

Each case is a good one with one thing wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cybptt
from cybptt import losses


def sum_of_squares(o: Any, y: Any) -> Any:
    return ((o - y) ** 2).sum(axis=1) / 2


def difference(o: Any, y: Any) -> Any:
    return o - y


def counted(function: Callable[..., Any]) -> Callable[..., Any]:
    calls = iter(range(10**9))
    return lambda *arguments: function(*arguments) + next(calls)


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
    "a running sum over the rows": (
        SQUARES | {"value": lambda o, y: np.cumsum(sum_of_squares(o, y))},
        cybptt.DerivativeError,
        "value: got rows that depend on other rows, need each row from its own arguments",
    ),
    "a link_vjp over the rows": (
        NLL | {"link_vjp": lambda o, y_hat, v: softmax_vjp(o, y_hat, v) * (len(o) / 24)},
        cybptt.DerivativeError,
        "link_vjp: got rows that depend on other rows, need each row from its own arguments",
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
    "a link_vjp in float64 for float32": (
        NLL | {"link_vjp": lambda o, y_hat, v: softmax_vjp(o, y_hat.astype(float), v)},
        cybptt.PluginError,
        r"link_vjp, while it was checked: got .* float64, need .* float32",
    ),
    "another value in float32": (
        SQUARES | {"value": lambda o, y: sum_of_squares(o, y) * (1 + (o.dtype == np.float32))},
        cybptt.DerivativeError,
        r"value: got \S+ in float32 at o = \[.*\], need \S+, as in float64",
    ),
    "another gradient in float32": (
        SQUARES | {"gradient": lambda o, y: (o - y) * (1 + (o.dtype == np.float32))},
        cybptt.DerivativeError,
        r"gradient: got \S+ in float32 at o = \[.*\], need \S+, as in float64",
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


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (-2, 3), (0, np.inf), (5, np.inf), (-np.inf, -1), (-np.inf, np.inf)]
)
def test_a_loss_is_tried_where_it_is_defined(low: float, high: float) -> None:
    seen: list[Any] = []

    def value(o: Any, y: Any) -> Any:
        seen.append(y)
        return sum_of_squares(o, y)

    cybptt.register_loss("mine", value, difference, target_range=(low, high))
    y = np.concatenate([y.ravel() for y in seen])
    assert low <= y.min() < y.max() <= high
    assert np.ptp(y) > 0.8 * min(high - low, 3)
