"""Which activations are refused when they are registered, saying what and where; which are not.

Each case is a good one with one thing wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cybptt
from cybptt import activations


def counted(function: Callable[..., Any]) -> Callable[..., Any]:
    calls = iter(range(10**9))
    return lambda *arguments: function(*arguments) + next(calls)


def writes(a: Any) -> Any:
    h = np.sin(a)
    a *= 2
    return h


def shares_an_average(a: Any) -> Any:
    return np.sin(a) + a.mean()


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
    "off by a ten-thousandth": (
        {"derivative": lambda a: np.cos(a) * 1.0001},
        cybptt.DerivativeError,
        r"derivative: got 1.0001 at a = 0, need 1 \(finite differences; off by 0.0001\)",
    ),
    "wrong at one place": (
        {"derivative": lambda a: np.cos(a) * (np.abs(a - 3.3) > 0.02)},
        cybptt.DerivativeError,
        r"derivative: got -?0 at a = 3.3\d*, need -0.98\d* \(finite differences; off by 0.99\)",
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
    "another derivative in float32": (
        {"derivative": lambda a: np.cos(a) * (1 + (a.dtype == np.float32))},
        cybptt.DerivativeError,
        r"derivative: got \S+ in float32 at a = \S+, need \S+, as in float64",
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
