"""The forward pass alone, ŷ of every step, against PyTorch, JAX, ONNX Runtime and NumPy."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import numpy as np
from common import Options, head, plain, race_all, times

from cybptt._bench.cells import CELLS, Cell
from cybptt._bench.libraries import Call


def by_cybptt(cell: Cell, dtype: str) -> Call:
    """RNN.predict."""
    import cybptt

    data = cell.data(dtype)
    rnn = cybptt.RNN(cell.I, cell.H, cell.O)
    params = rnn.parameters(**{name: data[name] for name in rnn.shapes})
    x = data["x"]
    return lambda: (rnn.predict(params, x),)


def by_torch(cell: Cell, dtype: str) -> Call:
    """nn.RNN, a product and softmax, without gradients."""
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    data = {name: torch.from_numpy(array) for name, array in cell.data(dtype).items()}
    layer = torch.nn.RNN(cell.I, cell.H).to(getattr(torch, dtype)).requires_grad_(False)
    layer.weight_ih_l0.copy_(data["U"])
    layer.weight_hh_l0.copy_(data["W"])
    layer.bias_ih_l0.copy_(data["b"])
    layer.bias_hh_l0.zero_()
    V, c, x = data["V"], data["c"], data["x"]

    def call() -> tuple[Any, ...]:
        with torch.inference_mode():
            return (torch.softmax(torch.nn.functional.linear(layer(x)[0], V, c), -1),)

    return call


def by_jax(cell: Cell, dtype: str) -> Call:
    """A compiled scan, with U x and V h outside it."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", dtype == "float64")
    data = {name: jnp.asarray(array) for name, array in cell.data(dtype).items()}

    def y_hat(p: dict[str, Any]) -> Any:
        def step(h: Any, a: Any) -> Any:
            h = jnp.tanh(a + h @ p["W"].T)
            return h, h

        start = jnp.zeros((cell.B, cell.H), dtype)
        _, h = jax.lax.scan(step, start, p["x"] @ p["U"].T + p["b"])
        return jax.nn.softmax(h @ p["V"].T + p["c"])

    compiled = jax.jit(y_hat).lower(data).compile()
    return lambda: (jax.block_until_ready(compiled(data)),)


def by_onnxruntime(cell: Cell, dtype: str, operator: str) -> Call:
    """The network as cybptt.onnx exports it: by ONNX's RNN, or by its loop Scan."""
    import onnxruntime

    import cybptt.onnx

    data = cell.data(dtype)
    rnn = cybptt.RNN(cell.I, cell.H, cell.O)
    params = rnn.parameters(**{name: data[name] for name in rnn.shapes})
    model = cybptt.onnx.export(rnn, params, operator=operator)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    x = {"x": data["x"]}
    return lambda: tuple(session.run(["y_hat"], x))


def by_numpy(cell: Cell, dtype: str) -> Call:
    """The loop by hand, with U x and V h outside it."""
    data = cell.data(dtype)
    U, W, V, b, c, x = (data[name] for name in ("U", "W", "V", "b", "c", "x"))

    def call() -> tuple[Any, ...]:
        a = x @ U.T + b
        h = np.zeros((cell.B, cell.H), dtype)
        for t in range(cell.T):
            h = a[t] = np.tanh(a[t] + h @ W.T)
        o = a @ V.T + c
        p = np.exp(o - o.max(axis=-1, keepdims=True))
        p /= p.sum(axis=-1, keepdims=True)
        return (p,)

    return call


MAKERS = {
    "cybptt": by_cybptt,
    "torch": by_torch,
    "jax": by_jax,
    "onnxruntime RNN": partial(by_onnxruntime, operator="RNN"),
    "onnxruntime Scan": partial(by_onnxruntime, operator="Scan"),
    "numpy": by_numpy,
}


def forward(options: Options) -> dict[str, Any]:
    """The grid's cells, forward."""
    names = ["tiny", "book"] if options.quick else list(CELLS)
    found = {}
    for dtype in options.dtypes:
        # ONNX Runtime's RNN is float32 alone.
        makers = {k: v for k, v in MAKERS.items() if dtype == "float32" or not k.endswith("RNN")}
        rows = {
            name: {label: (maker, CELLS[name], dtype) for label, maker in makers.items()}
            for name in names
        }
        print(head(dtype, list(makers)))
        found[dtype] = plain(race_all(rows, dtype, options, times))
    return found
