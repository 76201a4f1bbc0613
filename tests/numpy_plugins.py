"""Activations and losses in plain NumPy that take complex numbers too: for the reference."""

from __future__ import annotations

from typing import Any

import numpy as np

import cybptt


def tanh_derivative(h: Any) -> Any:
    return 1 - h * h


TANH = cybptt.Activation(
    "tanh in NumPy", lambda a: np.tanh(a), tanh_derivative, derivative_of="output"
)
SOFTPLUS = cybptt.Activation(
    "softplus in NumPy", lambda a: np.log1p(np.exp(a)), lambda a: 1 / (1 + np.exp(-a))
)
LEAKY = cybptt.Activation(
    "leaky ReLU in NumPy",
    lambda a: np.where(a > 0, a, 0.2 * a),
    lambda a: np.where(a > 0, 1.0, 0.2),
)


def nll(o: Any, y: Any) -> Any:
    shifted = o - o.real.max(axis=1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(y)), y]


def softmax(o: Any) -> Any:
    e = np.exp(o - o.real.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_vjp(o: Any, y_hat: Any, cotangent: Any) -> Any:
    jacobian = y_hat[:, :, None] * np.eye(y_hat.shape[1]) - y_hat[:, :, None] * y_hat[:, None, :]
    return np.einsum("nij,nj->ni", jacobian, cotangent)


NLL = cybptt.Loss(
    "softmax NLL in NumPy",
    nll,
    lambda o, y: softmax(o) - np.eye(o.shape[1])[y],
    link=softmax,
    link_vjp=softmax_vjp,
    targets="classes",
)
LOGCOSH = cybptt.Loss(  # smooth, of values, with a link whose Jacobian is not its value's alone
    "log cosh in NumPy",
    lambda o, y: np.log(np.cosh(o - y)).sum(axis=1),
    lambda o, y: np.tanh(o - y),
    link=lambda o: o + 0.5 * o * o,
    link_vjp=lambda o, y_hat, cotangent: (1 + o) * cotangent,
)
ABSOLUTE = cybptt.Loss(
    "absolute error in NumPy",
    lambda o, y: np.abs(o - y).sum(axis=1),
    lambda o, y: np.sign(o - y),
)
