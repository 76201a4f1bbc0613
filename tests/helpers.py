"""What several tests share: models of every pattern, data for them, and ways to compare."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import cybptt
from cybptt import reference

# Every pattern of the section, by what RNN is given; n_outputs is put in where it is missing.
PATTERNS: dict[str, dict[str, Any]] = {
    "hidden": {},
    "last": {"outputs": "last"},
    "no output layer": {"n_outputs": None},
    "last, no output layer": {"outputs": "last", "n_outputs": None},
    "output, o": {"recurrence": "output"},
    "output, y_hat": {"recurrence": "output", "feedback": "y_hat"},
    "both, o": {"recurrence": "both"},
    "both, y_hat": {"recurrence": "both", "feedback": "y_hat"},
}
FEEDS = ("forced", "free", "mask")

# Every pattern with everything that can be fed to it.
FED_PATTERNS = [
    (name, feed)
    for name, pattern in PATTERNS.items()
    for feed in (FEEDS if "recurrence" in pattern else ("none",))
]


def make_rnn(pattern: str, n_inputs: int, n_hidden: int, n_outputs: int, **options: Any) -> Any:
    """A model of a pattern."""
    sizes = {"n_outputs": n_outputs} | PATTERNS[pattern]
    return cybptt.RNN(n_inputs, n_hidden, sizes.pop("n_outputs"), **sizes, **options)


def n_read(rnn: Any) -> int:
    """How many units the loss looks at: O, or H without an output layer."""
    return rnn.n_hidden if rnn.n_outputs is None else rnn.n_outputs


@dataclass(frozen=True)
class Problem:
    """A model, its parameters, and what a pass over some data is given."""

    rnn: Any
    params: Any
    x: Any
    y: Any
    forward: dict[str, Any] = field(default_factory=dict)  # h0, y0, y, lengths, teacher_forcing
    loss: dict[str, Any] = field(default_factory=dict)  # weights, reduction

    def but(self, **changes: Any) -> Problem:
        """The same with some fields changed."""
        return replace(self, **changes)

    @property
    def options(self) -> dict[str, Any]:
        """What value_and_grad is given beside x and y."""
        return {k: v for k, v in self.forward.items() if k != "y"} | self.loss


def random_params(rnn: Any, rng: np.random.Generator, dtype: Any, scale: float = 0.7) -> Any:
    """Parameters whose sums stay small, whatever the number of their terms."""
    params = rnn.init(seed=0, dtype=dtype)
    for value in params.values():
        fan_in = value.shape[1] if value.ndim == 2 else 1
        value[...] = scale * rng.standard_normal(value.shape) / np.sqrt(max(1, fan_in))
    return params


def random_targets(rnn: Any, rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Any:
    """Targets that the model's loss takes."""
    n = n_read(rnn)
    if rnn.loss.targets == "classes":
        return rng.integers(0, n, shape)
    low, high = getattr(rnn.loss, "target_range", (-np.inf, np.inf))
    if np.isfinite(high):
        return rng.uniform(low, high, (*shape, n)).astype(dtype)
    if np.isfinite(low):
        return low + rng.poisson(1.0, (*shape, n)).astype(dtype)
    return rng.standard_normal((*shape, n)).astype(dtype)


def random_problem(
    rnn: Any,
    rng: np.random.Generator,
    n_steps: int,
    n_sequences: int,
    *,
    dtype: Any = np.float64,
    feed: str = "none",
    lengths: Any = None,
    start: bool = True,
    weights: bool = False,
    reduction: Any = "sum",
    scale: float = 0.7,
) -> Problem:
    """Random parameters and data; n_sequences = -1 is one sequence without the B axis."""
    batch = () if n_sequences < 0 else (n_sequences,)
    steps = (n_steps, *batch)
    if rnn.inputs == "tokens":
        x = rng.integers(0, rnn.n_inputs, steps)
    else:
        x = rng.standard_normal((*steps, rnn.n_inputs)).astype(dtype)
    read = batch if rnn.outputs == "last" else steps
    y = random_targets(rnn, rng, read, dtype)
    forward: dict[str, Any] = {}
    loss: dict[str, Any] = {"reduction": reduction}
    if lengths is not None:
        forward["lengths"] = lengths
    if start:
        forward["h0"] = rng.standard_normal((*batch, rnn.n_hidden)).astype(dtype)
    if rnn.recurrence != "hidden":
        if start:
            forward["y0"] = rng.standard_normal((*batch, rnn.n_outputs)).astype(dtype)
        if feed != "free":
            forward["y"] = y
        forward["teacher_forcing"] = {
            "forced": True,
            "free": False,
            "mask": rng.random(steps) < 0.5,
        }[feed]
    if weights:
        loss["weights"] = np.array(rng.uniform(0.1, 2.0, read) * (rng.random(read) < 0.7))
        loss["weights"].flat[:1] = 1.5  # so that something counts
    return Problem(rnn, random_params(rnn, rng, dtype, scale), x, y, forward, loss)


def ragged_problem(
    pattern: str, feed: str, seed: int, *, dtype: Any = np.float64, **options: Any
) -> Problem:
    """Four sequences of 4, 0, 1 and 3 steps, weighted, with h0 and y0."""
    rnn = make_rnn(pattern, 2, 3, 2, **options)
    return random_problem(
        rnn, np.random.default_rng(seed), 4, 4, dtype=dtype, feed=feed,
        lengths=np.array([4, 0, 1, 3]), weights=True, reduction="mean",
    )  # fmt: skip


def as_float64(problem: Problem) -> Problem:
    """The same numbers in double precision, for the reference to be exact on."""

    def wide(value: Any) -> Any:
        is_float = isinstance(value, np.ndarray) and value.dtype.kind == "f"
        return value.astype(np.float64) if is_float else value

    return problem.but(
        params={name: wide(value) for name, value in problem.params.items()},
        x=wide(problem.x),
        y=wide(problem.y),
        forward={name: wide(value) for name, value in problem.forward.items()},
    )


def reference_run(problem: Problem) -> tuple[Any, Any, Any]:
    """The reference's trace, loss and gradients."""
    p = problem
    trace = reference.forward(p.rnn, p.params, p.x, **p.forward)
    loss = reference.total_loss(p.rnn, trace, p.y, **p.loss)
    return trace, loss, reference.backward(p.rnn, trace, p.y, **p.loss)


def tolerance(dtype: Any) -> float:
    """Of the largest number in an array: some thousands of roundings."""
    return {"float32": 5e-5, "float64": 1e-11}[np.dtype(dtype).name]


def assert_close(actual: Any, expected: Any, dtype: Any, what: str) -> None:
    """Same shape, right dtype, and equal but for rounding at the scale of the array."""
    if expected is None:
        assert actual is None, what
        return
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, not {expected.shape}"
    assert actual.dtype == dtype, f"{what}: dtype {actual.dtype}"
    if actual.size:
        bound = tolerance(dtype) * max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(actual, expected, rtol=0, atol=bound, err_msg=what)


def assert_same(actual: Any, expected: Any, what: str) -> None:
    """Equal to the bit, -0.0 and 0.0 told apart only by nobody, NaN equal to NaN."""
    if expected is None:
        assert actual is None, what
        return
    np.testing.assert_array_equal(actual, expected, err_msg=what, strict=True)


NODES = ("a", "h", "o", "y_hat")
GRADIENT_NODES = ("o", "h", "a", "x", "h0", "y0")


def assert_traces_close(actual: Any, expected: Any, dtype: Any) -> None:
    """Every node, and the state."""
    for name in NODES:
        assert_close(getattr(actual, name), getattr(expected, name), dtype, f"trace.{name}")
    for name in ("h", "fed", "y"):
        got, want = getattr(actual.state, name), getattr(expected.state, name)
        assert_close(got, want, dtype, f"trace.state.{name}")


def assert_gradients_close(actual: Any, expected: Any, dtype: Any) -> None:
    """Every parameter's and every node's."""
    assert set(actual.parameters) == set(expected.parameters)
    for name, value in expected.parameters.items():
        assert_close(actual.parameters[name], value, dtype, f"gradient of {name}")
    for name in GRADIENT_NODES:
        got, want = getattr(actual, name), getattr(expected, name)
        assert_close(got, want, dtype, f"gradient at {name}")


# Of every length, in no order.
LENGTHS = np.array([5, 0, 7, 1, 7, 3, 2, 6, 0, 4, 7])


def run_core(problem: Problem) -> tuple[Any, Any]:
    """The trace, and the gradients."""
    p = problem
    trace = p.rnn.forward(p.params, p.x, **p.forward)
    return trace, p.rnn.backward(trace, p.y, **p.loss)


def many_ragged(pattern: str, feed: str, dtype: str = "float64", **options: Any) -> Problem:
    """Eleven sequences of 0 to 7 steps; more hidden units than a vector of the kernels has."""
    rnn = make_rnn(pattern, 5, 19, 7, **options)
    return random_problem(
        rnn, np.random.default_rng(1), 7, len(LENGTHS), dtype=dtype, feed=feed,
        lengths=LENGTHS, weights=True,
    )  # fmt: skip


def chosen(problem: Problem, which: Any) -> Problem:
    """The problem of some of its sequences."""
    at = 0 if problem.rnn.outputs == "last" else 1

    def take(name: str, value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        if name in ("h0", "y0", "lengths"):
            return value[which]
        return np.take(value, which, axis=at if name in ("y", "weights") else 1)

    return problem.but(
        x=take("x", problem.x),
        y=take("y", problem.y),
        forward={name: take(name, value) for name, value in problem.forward.items()},
        loss={name: take(name, value) for name, value in problem.loss.items()},
    )


def cut(problem: Problem, k: int) -> tuple[Problem, Problem]:
    """The first k steps, and the rest without its h0 and y0."""
    p = problem
    last = p.rnn.outputs == "last"

    def part(name: str, value: Any, steps: slice) -> Any:
        if name in ("h0", "y0", "reduction") or not isinstance(value, np.ndarray):
            return value
        if name == "lengths":
            return np.clip(value - (steps.start or 0), 0, len(p.x[steps]))
        return value if last and name in ("y", "weights") else value[steps]

    parts = []
    for steps in (slice(None, k), slice(k, None)):
        parts.append(
            p.but(
                x=part("x", p.x, steps),
                y=part("y", p.y, steps),
                forward={name: part(name, v, steps) for name, v in p.forward.items()},
                loss={name: part(name, v, steps) for name, v in p.loss.items()},
            )
        )
    rest = {name: v for name, v in parts[1].forward.items() if name not in ("h0", "y0")}
    return parts[0], parts[1].but(forward=rest)


def nodes_of(problem: Problem, which: Any = slice(None)) -> dict[str, Any]:
    """Every node and every node's gradient of some sequences of a batch, the B axis first."""
    trace, g = run_core(problem)
    named = {name: getattr(trace, name) for name in NODES}
    named |= {f"state.{name}": getattr(trace.state, name) for name in ("h", "fed", "y")}
    named |= {f"gradient at {name}": getattr(g, name) for name in GRADIENT_NODES}
    by_sequence = {}
    for name, value in named.items():
        if value is not None:
            first = value.ndim == 2 or name in ("gradient at h0", "gradient at y0")
            by_sequence[name] = (value if first else value.swapaxes(0, 1))[which]
    return by_sequence


def assert_identities(params: Any, x: Any, y: Any, h0: Any, trace: Any, g: Any) -> None:
    """10.8-10.28 on the nodes of one sequence of figure 10.3, tanh and softmax NLL, as printed.

    Column vectors, diagonal matrices and sums over time, from the nodes themselves: this does not
    use the reference, and holds for any trace with these names. Indices are the book's: h[t] is
    h(t), from h[0] = h(0) on.
    """
    U, W, V, b, c = (np.asarray(params[name]) for name in "UWVbc")
    last = len(x)
    steps = range(1, last + 1)

    def nodes(values: Any) -> dict[int, Any]:
        return {t: values[t - 1] for t in steps}

    def equal(left: Any, right: Any, equation: str) -> None:
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-12, err_msg=equation)

    a, o, y_hat, X, Y = (nodes(v) for v in (trace.a, trace.o, trace.y_hat, x, y))
    h = {0: h0} | nodes(trace.h)
    grad_o, grad_h, grad_a, grad_x = (nodes(v) for v in (g.o, g.h, g.a, g.x))
    diag = {t: np.diag(1 - h[t] ** 2) for t in steps}
    for t in steps:
        equal(a[t], b + W @ h[t - 1] + U @ X[t], "10.8")
        equal(h[t], np.tanh(a[t]), "10.9")
        equal(o[t], c + V @ h[t], "10.10")
        equal(y_hat[t], np.exp(o[t]) / np.exp(o[t]).sum(), "10.11")
        equal(grad_o[t], y_hat[t] - np.eye(len(c))[Y[t]], "10.18")
        equal(grad_a[t], diag[t] @ grad_h[t], "C.1")
        equal(grad_x[t], U.T @ grad_a[t], "C.2")
    equal(grad_h[last], V.T @ grad_o[last], "10.19")
    for t in steps[:-1]:
        equal(grad_h[t], W.T @ diag[t + 1] @ grad_h[t + 1] + V.T @ grad_o[t], "10.21")
    equal(g.h0, W.T @ grad_a[1], "C.3")
    p = g.parameters
    equal(p["c"], sum(grad_o[t] for t in steps), "10.22")
    equal(p["b"], sum(diag[t] @ grad_h[t] for t in steps), "10.23")
    equal(p["V"], sum(np.outer(grad_o[t], h[t]) for t in steps), "10.24")
    equal(p["W"], sum(diag[t] @ np.outer(grad_h[t], h[t - 1]) for t in steps), "10.26")
    equal(p["U"], sum(diag[t] @ np.outer(grad_h[t], X[t]) for t in steps), "10.28")
