"""The same work in every library: the loss, summed over steps and sequences, and its gradients.

Each function makes a call for a cell and a dtype: without arguments, on arrays that are ready, it
returns the loss and the gradients of U, W, V, b and c, in this order and in these shapes. Each
library does it in the best way that we know of, and nobody is asked for x's gradient.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from cybptt._bench.cells import Cell

__all__ = ["LIBRARIES", "Call", "Maker", "by_cybptt", "by_jax", "by_numpy", "by_torch", "installed"]

Call: TypeAlias = Callable[[], tuple[Any, ...]]
Maker: TypeAlias = Callable[..., Call]


def by_cybptt(cell: Cell, dtype: str) -> Call:
    """value_and_grad into one vector and in one workspace, as a training loop calls it."""
    import cybptt

    data = cell.data(dtype)
    inputs: Any = "tokens" if cell.inputs == "tokens" else "values"
    rnn = cybptt.RNN(cell.I, cell.H, cell.O, inputs=inputs)
    params = rnn.parameters(**{name: data[name] for name in rnn.shapes})
    x, y, grad, workspace = data["x"], data["y"], params.copy(), cybptt.Workspace()
    threads = _threads()  # said here: of itself the worker of another process takes one

    def call() -> tuple[Any, ...]:
        loss, _ = rnn.value_and_grad(params, x, y, n_threads=threads, out=grad, workspace=workspace)
        return loss, *grad.values()

    return call


def by_torch(cell: Cell, dtype: str) -> Call:
    """nn.RNN, a product and cross_entropy, and autograd for the parameters alone.

    Tokens are looked up by embedding, and go into an nn.RNN whose own U is the identity: one
    product more, and far faster than a loop over time in Python.
    """
    import torch
    from torch.nn.functional import cross_entropy, embedding, linear

    torch.set_num_threads(_threads())
    data = {name: torch.from_numpy(array) for name, array in cell.data(dtype).items()}
    x, y = data.pop("x"), data.pop("y").reshape(-1)
    layer: Any = torch.nn.RNN(cell.H if cell.inputs == "tokens" else cell.I, cell.H)
    layer = layer.to(getattr(torch, dtype)).requires_grad_(False)
    layer.bias_hh_l0.zero_()  # the second bias of a(t) would be summed for nobody
    layer.weight_hh_l0.copy_(data["W"])
    layer.bias_ih_l0.copy_(data["b"])
    if cell.inputs == "tokens":
        U = data["U"].T.contiguous()
        torch.nn.init.eye_(layer.weight_ih_l0)
    else:
        U = layer.weight_ih_l0.copy_(data["U"])
    V, c = data["V"], data["c"]
    parameters = [U, layer.weight_hh_l0, V, layer.bias_ih_l0, c]
    for parameter in parameters:
        parameter.requires_grad_(True)

    def call() -> tuple[Any, ...]:
        for parameter in parameters:
            parameter.grad = None
        h = layer(embedding(x, U) if cell.inputs == "tokens" else x)[0]
        loss = cross_entropy(linear(h, V, c).reshape(-1, cell.O), y, reduction="sum")
        loss.backward()
        return float(loss.detach()), *(parameter.grad for parameter in parameters)

    return call


def by_jax(cell: Cell, dtype: str, unrolled: tuple[int, ...] = (1, 8)) -> Call:
    """A compiled value_and_grad of a scan, with U x and V h outside it.

    Unrolling pays in some sizes and costs in others: all are compiled, and the fastest is raced.
    """
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", dtype == "float64")
    data = {name: jnp.asarray(array) for name, array in cell.data(dtype).items()}
    x, y = data.pop("x"), data.pop("y")

    def loss(p: dict[str, Any], x: Any, y: Any, unroll: int) -> Any:
        a_x = (p["U"].T[x] if cell.inputs == "tokens" else x @ p["U"].T) + p["b"]

        def step(h: Any, a: Any) -> Any:
            h = jnp.tanh(a + h @ p["W"].T)
            return h, h

        _, h = jax.lax.scan(step, jnp.zeros((cell.B, cell.H), dtype), a_x, unroll=unroll)
        log_p = jax.nn.log_softmax(h @ p["V"].T + p["c"])
        return -jnp.take_along_axis(log_p, y[..., None], -1).sum()

    both = jax.jit(jax.value_and_grad(loss), static_argnums=3)
    compiled = [both.lower(data, x, y, unroll).compile() for unroll in unrolled]
    best = compiled[0]
    if len(compiled) > 1:
        best = min(compiled, key=lambda f: _seconds(lambda: jax.block_until_ready(f(data, x, y))))

    def call() -> tuple[Any, ...]:
        value, gradient = jax.block_until_ready(best(data, x, y))
        return float(value), *(gradient[name] for name in ("U", "W", "V", "b", "c"))

    return call


def by_numpy(cell: Cell, dtype: str) -> Call:
    """The loops by hand, as a tutorial has them, over batches."""
    data = cell.data(dtype)
    U, W, V, b, c, x, y = (data[name] for name in ("U", "W", "V", "b", "c", "x", "y"))
    h = np.zeros((cell.T + 1, cell.B, cell.H), dtype)
    rows = np.arange(cell.B)
    tokens = cell.inputs == "tokens"

    def call() -> tuple[Any, ...]:
        loss, probabilities = 0.0, []
        for t in range(cell.T):
            a = (U.T[x[t]] if tokens else x[t] @ U.T) + h[t] @ W.T + b
            h[t + 1] = np.tanh(a)
            o = h[t + 1] @ V.T + c
            o -= o.max(axis=1, keepdims=True)
            p = np.exp(o)
            p /= p.sum(axis=1, keepdims=True)
            loss -= float(np.log(p[rows, y[t]]).sum())
            probabilities.append(p)
        dU, dW, dV, db, dc = (np.zeros_like(w) for w in (U, W, V, b, c))
        da = np.zeros((cell.B, cell.H), dtype)
        for t in reversed(range(cell.T)):
            do = probabilities[t]
            do[rows, y[t]] -= 1
            dV += do.T @ h[t + 1]
            dc += do.sum(axis=0)
            da = (do @ V + da @ W) * (1 - h[t + 1] ** 2)
            if tokens:
                np.add.at(dU.T, x[t], da)
            else:
                dU += da.T @ x[t]
            dW += da.T @ h[t]
            db += da.sum(axis=0)
        return loss, dU, dW, dV, db, dc

    return call


def _threads() -> int:
    """How many threads the race lets a library use."""
    return int(os.environ.get("OMP_NUM_THREADS", "1"))


def _seconds(call: Callable[[], Any]) -> float:
    """The least of a few calls, after a first."""
    times = []
    for _ in range(4):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times[1:])


LIBRARIES: dict[str, Maker] = {
    "cybptt": by_cybptt,
    "torch": by_torch,
    "jax": by_jax,
    "numpy": by_numpy,
}


def installed() -> list[str]:
    """Those of LIBRARIES that can be imported here."""
    return [name for name in LIBRARIES if importlib.util.find_spec(name) is not None]
