"""One library in a process of its own: it answers each line with a time.

    python benchmarks/worker.py LIBRARY DTYPE

A line on standard input is the name of a cell and how many seconds to spend on it; the answer is
one line of JSON: the median time of a call in seconds, how many calls, the loss, and how long the
first call took (for JAX, its compilation). What a call does is the same for all: the loss, summed
over steps and sequences, and the gradients of U, W, V, b and c, from arrays that are ready.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from cells import CELLS, Cell

Call = Callable[[], float]


def cybptt_call(cell: Cell, dtype: str) -> Call:
    """value_and_grad into a vector that is there already."""
    import cybptt

    data = cell.data(dtype)
    rnn = cybptt.RNN(cell.I, cell.H, cell.O)
    params = rnn.parameters(**{name: data[name] for name in rnn.shapes})
    out = params.copy()
    x, y = data["x"], data["y"]
    return lambda: rnn.value_and_grad(params, x, y, out=out)[0]


def torch_call(cell: Cell, dtype: str) -> Call:
    """nn.RNN, Linear, cross_entropy and autograd."""
    import os

    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    data = cell.data(dtype)
    kind = getattr(torch, dtype)
    layer = torch.nn.RNN(cell.I, cell.H, dtype=kind)
    linear = torch.nn.Linear(cell.H, cell.O, dtype=kind)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.from_numpy(data["U"]))
        layer.weight_hh_l0.copy_(torch.from_numpy(data["W"]))
        layer.bias_ih_l0.copy_(torch.from_numpy(data["b"]))
        layer.bias_hh_l0.zero_()
        linear.weight.copy_(torch.from_numpy(data["V"]))
        linear.bias.copy_(torch.from_numpy(data["c"]))
    x, y = torch.from_numpy(data["x"]), torch.from_numpy(data["y"]).reshape(-1)
    parameters = [*layer.parameters(), *linear.parameters()]

    def call() -> float:
        for parameter in parameters:
            parameter.grad = None
        o = linear(layer(x)[0]).reshape(-1, cell.O)
        loss = torch.nn.functional.cross_entropy(o, y, reduction="sum")
        loss.backward()
        return float(loss.detach())

    return call


def jax_call(cell: Cell, dtype: str) -> Call:
    """A jitted value_and_grad of a scan, with U x and V h outside it."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", dtype == "float64")
    data = {name: jnp.asarray(array) for name, array in cell.data(dtype).items()}
    x, y = data.pop("x"), data.pop("y")

    def loss(p: dict[str, Any]) -> Any:
        a_x = x @ p["U"].T + p["b"]

        def step(h: Any, a: Any) -> Any:
            h = jnp.tanh(a + h @ p["W"].T)
            return h, h

        _, h = jax.lax.scan(step, jnp.zeros((cell.B, cell.H), x.dtype), a_x)
        log_p = jax.nn.log_softmax(h @ p["V"].T + p["c"])
        return -jnp.take_along_axis(log_p, y[..., None], -1).sum()

    both = jax.jit(jax.value_and_grad(loss))

    def call() -> float:
        value, gradient = both(data)
        jax.block_until_ready(gradient)
        return float(value)

    return call


def numpy_call(cell: Cell, dtype: str) -> Call:
    """The loops by hand, as a tutorial has them, over batches."""
    data = cell.data(dtype)
    U, W, V, b, c, x, y = (data[name] for name in ("U", "W", "V", "b", "c", "x", "y"))
    h = np.zeros((cell.T + 1, cell.B, cell.H), dtype)
    rows = np.arange(cell.B)

    def call() -> float:
        loss, probabilities = 0.0, []
        for t in range(cell.T):
            h[t + 1] = np.tanh(x[t] @ U.T + h[t] @ W.T + b)
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
            dU += da.T @ x[t]
            dW += da.T @ h[t]
            db += da.sum(axis=0)
        return loss

    return call


def gemm_call(dtype: str) -> Call:
    """NumPy's matrix product at 2048³: the peak that shares are of."""
    rng = np.random.default_rng(0)
    A, B = (rng.normal(size=(2048, 2048)).astype(dtype) for _ in range(2))
    out = np.empty_like(A)

    def call() -> float:
        np.matmul(A, B, out=out)
        return 0.0

    return call


CALLS = {"cybptt": cybptt_call, "torch": torch_call, "jax": jax_call, "numpy": numpy_call}


def main(library: str, dtype: str) -> None:
    """Answer until the input ends."""
    ready: dict[str, Call] = {}
    for line in sys.stdin:
        name, seconds = line.split()
        begin = time.perf_counter()
        if name not in ready:
            made = gemm_call(dtype) if name == "gemm" else CALLS[library](CELLS[name], dtype)
            ready[name] = made
            made()
        first = time.perf_counter() - begin
        call, times = ready[name], []
        loss = call()
        end = time.perf_counter() + float(seconds)
        while len(times) < 3 or (time.perf_counter() < end and len(times) < 10_000):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        answer = {"median": statistics.median(times), "calls": len(times), "loss": loss}
        print(json.dumps(answer | {"first": first}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
