"""Race plugins against the built-in activation, and against PyTorch running it in a loop over time.

    python benchmarks/plugins.py [--dtype float32 float64] [--activation tanh softsign]
                                 [--rounds 40] [--cpu 0]

The loss and every parameter's gradient, T = 100, B = 32, I = 64, H = 128, O = 64, with tanh and
with softsign: the built-in one; np.tanh as a ufunc; C functions of the built-in's own source,
compiled here with a C compiler; Numba's @vectorize and cfunc, where Numba is installed; Python; and
PyTorch, where it is installed, with nn.Linear in a Python loop over the steps. Numba's tanh is the
C library's, a number at a time: softsign is the one for which it has the built-in's formula. Run it
in a clone: the C functions are made of its kernels. All run in this process, pinned to one
processor, and take turns call by call, in another order at each round. A time is the median of the
calls; a ratio to the built-in is the median of the rounds' ratios. These go to
benchmarks/results/plugins.json.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import random
import shlex
import statistics
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import plots
from common import measured

import cybptt
from cybptt import _core

T, B, I, H, O = 100, 32, 64, 128, 64
KERNELS = Path(__file__).resolve().parents[1] / "cybptt" / "_kernels"
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-fPIC", "-shared"]
SOURCE = """
#include "kernels_{isa}.c"
#define EXPORT(name, real, suffix)                                                \\
    void plugin_##name##_##suffix(const real *in, real *out, intptr_t n)          \\
    {{                                                                            \\
        const double parameter = 0;                                               \\
        name##_##suffix##_{isa}(&in, out, 1, n, &parameter);                      \\
    }}
EXPORT({name}, float, f32)
EXPORT({name}, double, f64)
EXPORT({name}_derivative, float, f32)
EXPORT({name}_derivative, double, f64)
"""
# In NumPy, and as Numba takes them: the function, and its derivative by the output or the input.
FORMULAS = {
    "tanh": (lambda a: np.tanh(a), lambda h: 1 - h * h, "output"),
    "softsign": (lambda a: a / (1 + np.abs(a)), lambda a: 1 / (1 + np.abs(a)) ** 2, "input"),
}

Call = Callable[[], float]
Parts = tuple[Any, Any]


def python(name: str) -> Parts:
    """Two lambdas."""
    return FORMULAS[name][:2]


def c_functions(name: str) -> Parts:
    """C functions that a compiler makes of the built-in's source."""
    folder = tempfile.mkdtemp()
    source, library = Path(folder, "plugin.c"), Path(folder, "plugin.so")
    source.write_text(SOURCE.format(isa=_core.kernels_in_use, name=name), encoding="utf-8")
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC"))
    options = [*FLAGS, f"-I{KERNELS}", str(source), "-o", str(library), "-lm"]
    subprocess.run([*compiler, *options], check=True)
    c = ctypes.CDLL(str(library))

    def pointers(name: str) -> dict[Any, Any]:
        out = {}
        for dtype, kind, suffix in ((np.float32, "float", "f32"), (np.float64, "double", "f64")):
            function = getattr(c, f"plugin_{name}_{suffix}")
            values = ctypes.POINTER(getattr(ctypes, f"c_{kind}"))
            function.argtypes, function.restype = (values, values, ctypes.c_ssize_t), None
            out[dtype] = function
        return out

    return pointers(name), pointers(f"{name}_derivative")


def vectorized(name: str) -> Parts:
    """Numba's ufuncs."""
    import numba

    signatures = ["float32(float32)", "float64(float64)"]
    function, derivative = (numba.vectorize(signatures)(f) for f in FORMULAS[name][:2])
    return function, derivative


def cfuncs(name: str) -> Parts:
    """Numba's C functions."""
    import numba
    from numba import types

    def pointers(f: Any) -> dict[Any, Any]:
        element = numba.njit(f)

        def call(given: Any, out: Any, n: Any) -> None:
            for i in range(n):
                out[i] = element(given[i])

        kinds = {np.float32: types.float32, np.float64: types.float64}
        return {
            dtype: numba.cfunc(types.void(types.CPointer(t), types.CPointer(t), types.intp))(call)
            for dtype, t in kinds.items()
        }

    function, derivative = (pointers(f) for f in FORMULAS[name][:2])
    return function, derivative


def ufunc(name: str) -> Parts:
    """NumPy's tanh, and a derivative in C; NumPy has no softsign."""
    if name != "tanh":
        raise ImportError
    return np.tanh, c_functions(name)[1]


KINDS: dict[str, Callable[[str], Parts]] = {
    "NumPy's ufunc": ufunc,
    "C pointers": c_functions,
    "Numba @vectorize": vectorized,
    "Numba cfunc": cfuncs,
    "Python": python,
}


def data(dtype: str) -> tuple[Any, Any]:
    """Inputs (T, B, I) and classes (T, B)."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((T, B, I)).astype(dtype), rng.integers(O, size=(T, B))


def cybptt_call(activation: Any, dtype: str) -> Call:
    """value_and_grad into parameters that are there already."""
    rnn = cybptt.RNN(I, H, O, activation=activation)
    params = rnn.init(seed=0, dtype=dtype)
    out, (x, y) = params.copy(), data(dtype)
    return lambda: rnn.value_and_grad(params, x, y, out=out)[0]


def torch_call(name: str, dtype: str) -> Call:
    """The activation and nn.Linear, step by step, and autograd."""
    import torch

    torch.set_num_threads(1)
    function = torch.tanh if name == "tanh" else torch.nn.functional.softsign
    kind, (x, y) = getattr(torch, dtype), data(dtype)
    start = cybptt.RNN(I, H, O).init(seed=0, dtype=dtype)
    inwards, across, outwards = (
        torch.nn.Linear(n, m, bias=bias, dtype=kind)
        for n, m, bias in ((I, H, True), (H, H, False), (H, O, True))
    )
    with torch.no_grad():
        for layer, weights, bias in (
            (inwards, start.U, start.b), (across, start.W, None), (outwards, start.V, start.c)
        ):  # fmt: skip
            layer.weight.copy_(torch.from_numpy(weights.copy()))
            if bias is not None:
                layer.bias.copy_(torch.from_numpy(bias.copy()))
    inputs, classes = torch.from_numpy(x), torch.from_numpy(y).reshape(-1)
    parameters = [p for layer in (inwards, across, outwards) for p in layer.parameters()]

    def call() -> float:
        for parameter in parameters:
            parameter.grad = None
        h, states = torch.zeros(B, H, dtype=kind), []
        for t in range(T):
            h = function(inwards(inputs[t]) + across(h))
            states.append(h)
        o = outwards(torch.stack(states)).reshape(-1, O)
        loss = torch.nn.functional.cross_entropy(o, classes, reduction="sum")
        loss.backward()
        return float(loss.detach())

    return call


def race(name: str, dtype: str, rounds: int) -> dict[str, float]:
    """Take turns, and print a line for each: its median, over the built-in one's."""
    calls = {"built-in": cybptt_call(name, dtype)}
    for kind, make in KINDS.items():
        try:
            function, derivative = make(name)
        except ImportError:
            continue
        activation = cybptt.Activation(kind, function, derivative, derivative_of=FORMULAS[name][2])
        calls[kind] = cybptt_call(activation, dtype)
    try:
        calls["PyTorch, a loop"] = torch_call(name, dtype)
    except ImportError:
        print("without PyTorch, which is not installed")
    times: dict[str, list[float]] = {kind: [] for kind in calls}
    loss = calls["built-in"]()
    for kind, call in calls.items():  # the first turn warms up, and shows that the work is the same
        if abs(call() - loss) > (1e-4 if dtype == "float32" else 1e-10) * loss:
            raise SystemExit(f"{kind}: the loss is {call()}, need {loss}")
    for _ in range(rounds):
        for kind in random.sample(list(calls), len(calls)):
            start = time.perf_counter()
            calls[kind]()
            times[kind].append(time.perf_counter() - start)
    ratios = {}
    for kind, own in times.items():
        pairs = zip(own, times["built-in"], strict=True)
        ratios[kind] = statistics.median(a / b for a, b in pairs)
        print(
            f"{name:8}  {dtype}  {kind:18}{1e3 * statistics.median(own):8.2f} ms  "
            f"{ratios[kind]:6.2f}",
            flush=True,
        )
    return ratios


def main() -> None:
    """Read the command line and do as it says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dtype", nargs="+", default=["float32", "float64"])
    parser.add_argument("--activation", nargs="+", default=list(FORMULAS), choices=FORMULAS)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--cpu", type=int, default=0, help="the processor (0)")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.cpu})
    found: dict[str, dict[str, dict[str, float]]] = {dtype: {} for dtype in options.dtype}
    for name in options.activation:
        for dtype in options.dtype:
            found[dtype][name] = race(name, dtype, options.rounds)
    plots.RESULTS.mkdir(parents=True, exist_ok=True)
    (plots.RESULTS / "plugins.json").write_text(measured(found, options), encoding="utf-8")


if __name__ == "__main__":
    main()
