"""``cybptt check``: every gradient of every plugin and pattern held against finite differences.

Finite differences need float64, so the gradients in float32 are held against those in float64.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cybptt import _validate as check
from cybptt import activations, losses
from cybptt._gradcheck import gradcheck
from cybptt.rnn import RNN

if TYPE_CHECKING:
    from cybptt.parameters import Parameters

__all__ = ["run"]

# Steps, sequences, and the sizes I, H and O: small, and no two alike.
_T, _B, _I, _H, _O = 5, 3, 2, 4, 3
# How far a gradient in float32 may be off, relative to the larger of it and 1.
_FLOAT32 = 1e-4

# The patterns of section 10.2: what the table calls them, the model, and how it is fed.
_PATTERNS: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("hidden, outputs at all steps (figure 10.3)", {}, {}),
    ("hidden, tokens (figure 10.3)", {"inputs": "tokens"}, {}),
    ("hidden, the last output alone (figure 10.5)", {"outputs": "last"}, {}),
    ("hidden, no output layer", {"n_outputs": None, "loss": "squared_error"}, {}),
    ("output, forced (figures 10.4 and 10.6)", {"recurrence": "output"}, {}),
    ("output, free, o fed back", {"recurrence": "output"}, {"teacher_forcing": False}),
    (
        "output, free, ŷ fed back",
        {"recurrence": "output", "feedback": "y_hat"},
        {"teacher_forcing": False},
    ),
    ("both, forced", {"recurrence": "both"}, {}),
    ("both, free, o fed back", {"recurrence": "both"}, {"teacher_forcing": False}),
    (
        "both, half forced, ŷ fed back",
        {"recurrence": "both", "feedback": "y_hat"},
        {"teacher_forcing": np.arange(_T * _B).reshape(_T, _B) % 2 == 0},
    ),
)


def run(arguments: argparse.Namespace) -> int:
    """Print the table; 1 if anything failed."""
    dtype = check.float_dtype("--dtype", arguments.dtype)
    seed = check.integer("--seed", arguments.seed, 0)
    print(f"{'':10} {'':48} {'error':>8}  {dtype}")
    failed = total = 0
    for kind, name, arguments_of_model, options in _cases():
        error, why = _verdict(arguments_of_model, options, dtype, seed)
        print(f"{kind:10} {name:48} {error:>8}  {'failed' if why else 'ok'}", flush=True)
        if why:
            print("\n".join(f"    {line}" for line in why.splitlines()), flush=True)
        failed += bool(why)
        total += 1
    print(f"\n{total} checked, " + (f"{failed} failed" if failed else "all ok"))
    return 1 if failed else 0


def _cases() -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Kind and name of what is checked, the model's arguments, and those of its passes."""
    for name in activations.names():
        yield "activation", name, {"activation": name}, {}
    for name in losses.names():
        yield "loss", name, {"loss": name}, {}
    for name, model, options in _PATTERNS:
        yield "pattern", name, model, options


def _verdict(
    model: dict[str, Any], options: dict[str, Any], dtype: np.dtype[Any], seed: int
) -> tuple[str, str]:
    """The largest relative error, and why it failed, "" where it did not."""
    try:
        rnn = RNN(_I, _H, **{"n_outputs": _O, **model})
        x, y = _data(rnn, np.random.default_rng(seed))
        params = rnn.init(seed=seed, dtype=dtype)
        report = gradcheck(rnn, params, x, y, **options)
        if report and dtype == np.float32:
            return _held_against_float64(rnn, params, x, y, options)
    except Exception as error:  # a plugin of anyone's may do anything, and the others are to go on
        return "", f"{type(error).__name__}: {error}"
    return f"{report.error:.1e}", "" if report else str(report)


def _held_against_float64(
    rnn: RNN, params: Parameters, x: Any, y: Any, options: dict[str, Any]
) -> tuple[str, str]:
    """The largest relative error of a gradient in float32, and why it failed."""
    _, grad = rnn.value_and_grad(params, x, y, **options)
    _, exact = rnn.value_and_grad(params.astype(np.float64), x, y, **options)
    errors = {
        name: float((np.abs(grad[name] - exact[name]) / np.fmax(1, np.abs(exact[name]))).max())
        for name in exact
    }
    # Not a number is no small error.
    wrong = [name for name, error in errors.items() if not error <= _FLOAT32]
    why = f"in float32, the gradient of {', '.join(wrong)} is off by more than {_FLOAT32:g}"
    return f"{max(errors.values()):.1e}", why if wrong else ""


def _data(rnn: RNN, rng: np.random.Generator) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Inputs and targets that suit a model."""
    x: np.ndarray[Any, Any] = rng.normal(size=(_T, _B, _I))
    if rnn.inputs == "tokens":
        x = rng.integers(_I, size=(_T, _B))
    size = rnn.n_hidden if rnn.n_outputs is None else rnn.n_outputs
    shape = (_B,) if rnn.outputs == "last" else (_T, _B)
    if rnn.loss.targets == "classes":
        return x, rng.integers(size, size=shape)
    low, high = rnn.loss.target_range
    return x, np.clip(rng.normal(0.5, 0.5, size=(*shape, size)), low, high)
