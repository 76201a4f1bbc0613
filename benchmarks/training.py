"""Training a character model, a whole step at a time: H = 100, chunks of 25 tokens, batch 1.

A step is the loss and gradients of a chunk that goes on from the state of the one before, clipping
by norm, and Adagrad's update: what the loop in plain NumPy does that many learn from. All start
from the same parameters, and what they have after three steps is compared: later, for Adagrad's
first steps are long, rounding alone tells them apart.
"""

from __future__ import annotations

import os
import statistics
from typing import Any

import numpy as np
from common import Options, head, plain, race_all
from numpy.typing import NDArray

from cybptt._bench.cells import Cell
from cybptt._bench.libraries import Call
from cybptt._bench.race import Result
from cybptt._bench.tables import ratio

CELL = Cell("characters", 1, 25, 65, 100, 65, "tokens")
LR, CLIP, EPS = 0.1, 5.0, 1e-7
CHUNKS = 400


def chunks() -> tuple[NDArray[Any], NDArray[Any]]:
    """Tokens and the next ones, in chunks: a text that repeats itself, with some noise."""
    rng = np.random.default_rng(0)
    text = rng.permutation(np.resize(np.arange(CELL.I), 500))
    text = np.resize(text, CHUNKS * CELL.T + 1)
    noise = rng.random(text.size) < 0.1
    text[noise] = rng.integers(CELL.I, size=noise.sum())
    return tuple(part.reshape(CHUNKS, CELL.T, 1) for part in (text[:-1], text[1:]))


def after(steps: int, call: Call) -> Call:
    """The call, after so many."""
    for _ in range(steps):
        call()
    return call


def by_cybptt(dtype: str) -> Call:
    """value_and_grad, clip_by_norm, Adagrad."""
    import cybptt

    data = CELL.data(dtype)
    rnn = cybptt.RNN(CELL.I, CELL.H, CELL.O, inputs="tokens")
    params = rnn.parameters(**{name: data[name] for name in rnn.shapes})
    optimizer = cybptt.optim.Adagrad(LR, EPS)
    x, y = chunks()
    grad, workspace = params.copy(), cybptt.Workspace()
    state, i = None, 0

    def call() -> tuple[Any, ...]:
        nonlocal state, i
        loss, _, state = rnn.value_and_grad(
            params,
            x[i],
            y[i],
            state=state,
            return_state=True,
            out=grad,
            workspace=workspace,
        )
        cybptt.optim.clip_by_norm(grad, CLIP)
        optimizer.step(params, grad)
        i = (i + 1) % CHUNKS
        return loss, *params.values()

    return after(2, call)


def by_numpy(dtype: str) -> Call:
    """The loop by hand, on columns, one-hot, one step of time after another."""
    data = CELL.data(dtype)
    U, W, V = data["U"], data["W"], data["V"]
    b, c = data["b"][:, None], data["c"][:, None]
    parameters = [U, W, V, b, c]
    memory = [np.zeros_like(p) for p in parameters]
    tokens, targets = chunks()
    last, i = np.zeros((CELL.H, 1), dtype), 0

    def call() -> tuple[Any, ...]:
        nonlocal last, i
        xs, hs, ps = {}, {-1: last}, {}
        loss = 0.0
        for t in range(CELL.T):
            xs[t] = np.zeros((CELL.I, 1), dtype)
            xs[t][tokens[i, t, 0]] = 1
            hs[t] = np.tanh(U @ xs[t] + W @ hs[t - 1] + b)
            o = V @ hs[t] + c
            e = np.exp(o - o.max())
            ps[t] = e / e.sum()
            loss -= float(np.log(ps[t][targets[i, t, 0], 0]))
        dU, dW, dV, db, dc = gradients = [np.zeros_like(p) for p in parameters]
        dh_next = np.zeros_like(last)
        for t in reversed(range(CELL.T)):
            do = ps[t]
            do[targets[i, t, 0]] -= 1
            dV += do @ hs[t].T
            dc += do
            da = (1 - hs[t] * hs[t]) * (V.T @ do + dh_next)
            db += da
            dU += da @ xs[t].T
            dW += da @ hs[t - 1].T
            dh_next = W.T @ da
        norm = np.sqrt(sum(float((g * g).sum()) for g in gradients))
        for p, g, r in zip(parameters, gradients, memory, strict=True):
            if norm > CLIP:
                g *= CLIP / norm
            r += g * g
            p -= LR * g / (np.sqrt(r) + EPS)
        last, i = hs[CELL.T - 1], (i + 1) % CHUNKS
        return loss, *parameters

    return after(2, call)


def by_torch(dtype: str, inputs: str) -> Call:
    """nn.RNN, on one-hot rows or on embeddings (its own U is then the identity), fused Adagrad."""
    import torch
    from torch.nn.functional import cross_entropy, embedding, linear

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    kind = getattr(torch, dtype)
    data = {name: torch.from_numpy(array) for name, array in CELL.data(dtype).items()}
    tokens, y = (torch.from_numpy(part) for part in chunks())
    embedded = inputs == "embedding"
    layer: Any = torch.nn.RNN(CELL.H if embedded else CELL.I, CELL.H, dtype=kind)
    layer.requires_grad_(False)
    layer.bias_hh_l0.zero_()
    layer.weight_hh_l0.copy_(data["W"])
    layer.bias_ih_l0.copy_(data["b"])
    if embedded:
        U = data["U"].T.contiguous()
        torch.nn.init.eye_(layer.weight_ih_l0)
        x = tokens
    else:
        U = layer.weight_ih_l0.copy_(data["U"])
        x = torch.eye(CELL.I, dtype=kind)[tokens]
    V, c = data["V"], data["c"]
    parameters = [U, layer.weight_hh_l0, V, layer.bias_ih_l0, c]
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizer = torch.optim.Adagrad(parameters, LR, eps=EPS, fused=True)
    h, i = torch.zeros(1, 1, CELL.H, dtype=kind), 0

    def call() -> tuple[Any, ...]:
        nonlocal h, i
        optimizer.zero_grad()
        hs, h = layer(embedding(x[i], U) if embedded else x[i], h)
        h = h.detach()
        loss = cross_entropy(linear(hs, V, c).view(-1, CELL.O), y[i].view(-1), reduction="sum")
        loss.backward()
        gradients = [parameter.grad for parameter in parameters]
        norm = torch.nn.utils.get_total_norm(gradients)
        if norm > CLIP:
            torch._foreach_mul_(gradients, CLIP / norm)
        optimizer.step()
        i = (i + 1) % CHUNKS
        return float(loss.detach()), *(parameter.detach() for parameter in parameters)

    return after(2, call)


def by_jax(dtype: str) -> Call:
    """One compiled function for the whole step, its parameters updated in place."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", dtype == "float64")
    p = {name: jnp.asarray(array) for name, array in CELL.data(dtype).items() if name not in "xy"}
    xs, ys = (jnp.asarray(part) for part in chunks())

    def loss(p: dict[str, Any], start: Any, x: Any, y: Any) -> Any:
        def step(h: Any, a: Any) -> Any:
            h = jnp.tanh(a + h @ p["W"].T)
            return h, h

        last, h = jax.lax.scan(step, start, p["U"].T[x] + p["b"])
        log_p = jax.nn.log_softmax(h @ p["V"].T + p["c"])
        return -jnp.take_along_axis(log_p, y[..., None], -1).sum(), last

    def train(p: Any, r: Any, h: Any, i: Any) -> Any:
        (value, h), g = jax.value_and_grad(loss, has_aux=True)(p, h, xs[i], ys[i])
        norm = jnp.sqrt(sum((part * part).sum() for part in g.values()))
        g = {name: part * jnp.minimum(1, CLIP / norm) for name, part in g.items()}
        r = {name: r[name] + g[name] ** 2 for name in r}
        p = {name: p[name] - LR * g[name] / (jnp.sqrt(r[name]) + EPS) for name in p}
        return p, r, h, value

    compiled = jax.jit(train, donate_argnums=(0, 1, 2))
    r = {name: jnp.zeros_like(part) for name, part in p.items()}
    h, i = jnp.zeros((1, CELL.H), dtype), 0

    def call() -> tuple[Any, ...]:
        nonlocal p, r, h, i
        p, r, h, value = compiled(p, r, h, i)
        i = (i + 1) % CHUNKS
        return float(value), *(p[name] for name in ("U", "W", "V", "b", "c"))

    return after(2, call)


def rates(name: str, result: Result) -> str:
    """A line: everybody's steps per second, and how many times NumPy's ours are."""
    cells = "".join(f"{1 / result.median(label):18,.0f}" for label in result.times)
    return f"{name:20}{cells}  {ratio(result.ratios(['numpy']))}"


def training(options: Options) -> dict[str, Any]:
    """Steps per second in each dtype."""
    found = {}
    for dtype in options.dtypes:
        entries = {
            "cybptt": (by_cybptt, dtype),
            "numpy": (by_numpy, dtype),
            "torch embedding": (by_torch, dtype, "embedding"),
            "torch one-hot": (by_torch, dtype, "one-hot"),
            "jax": (by_jax, dtype),
        }
        print(head("steps per second", list(entries), "NumPy's time over ours"))
        results = race_all({dtype: entries}, dtype, options, rates)
        found[dtype] = plain(results)
        found[dtype]["times NumPy's"] = statistics.median(results[dtype].ratios(["numpy"]))
    return found
