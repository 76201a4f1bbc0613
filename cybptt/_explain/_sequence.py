"""One sequence of a batch: its nodes and gradients as the library has them, and their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cybptt import _inputs, _passes, activations
from cybptt._explain._expressions import Leaf
from cybptt._explain._latex import latex_name

if TYPE_CHECKING:
    from cybptt.rnn import RNN
    from cybptt.trace import Gradients, Trace

Array = NDArray[Any]

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True, eq=False)
class Walked:
    """The numbers of one sequence of L steps; nodes and gradients by their names."""

    rnn: RNN
    number: str  # among several sequences, from 1; "" of the only one
    length: int
    h: Array  # (L + 1, H), h(0) first
    before: dict[str, Array]  # ∇h(0) and ∇y(0), by "∇h" and "∇y"
    at_step: dict[str, Array]  # (L, n): x, a, u, f′, ∇h, ∇a, ∇x, and whether it is "free"
    at_output: dict[str, Array]  # (L, n), or (1, n): o, ŷ, ∇o, L, y, "factor" of 10.17, and its "w"
    divisor: float  # of the reduction

    @property
    def free(self) -> Array:
        """Which steps were given the model's own output."""
        return self.at_step["free"]

    @property
    def factor(self) -> Array:
        """∂L/∂L(t) of 10.17; 0 where the loss was not looked at."""
        return self.at_output["factor"]

    def row(self, t: int) -> int:
        """Where in ``at_output`` step t stands."""
        return 0 if self.rnn.outputs == "last" else t - 1

    def output_steps(self) -> list[int]:
        """The steps that have an output: all, or the last, which is 0 of none."""
        last = self.rnn.outputs == "last"
        return [self.length] if last else list(range(1, self.length + 1))

    def name(self, letter: str, t: int) -> str:
        """Such as h(1), or h₂(1) where there are several sequences."""
        return f"{letter}{self.number.translate(SUBSCRIPTS)}({t})"

    def leaf(self, letter: str, t: int) -> Leaf:
        """A node or its gradient at step t, 1 … L; at 0, what stands before them."""
        if letter == "h":
            number = self.h[t]
        elif letter == "y":
            number = self.target(t)
        elif t == 0 and letter in self.before:
            number = self.before[letter]
        elif letter in self.at_output:
            number = self.at_output[letter][self.row(t)]
        else:
            number = self.at_step[letter][t - 1]
        return Leaf(self.name(letter, t), number)

    def target(self, t: int) -> Array:
        """y(t) as a vector, one-hot for classes."""
        y = self.at_output["y"][self.row(t)]
        if self.rnn.loss.targets != "classes":
            return np.asarray(y)
        return np.asarray(_inputs.one_hot(np.atleast_1d(y), self.rnn.size_o, self.h.dtype)[0])

    def slope(self, t: int) -> Leaf:
        """f′(a(t)), written 1 − h(t)² for tanh."""
        number = self.at_step["f′"][t - 1]
        return slope(self.rnn, self.name("a", t), self.name("h", t), number)

    def fed(self, t: int) -> Leaf:
        """What step t was fed: the right side of C.5."""
        free = t > 1 and self.free[t - 1]
        letter = ("ŷ" if self.rnn.feedback == "y_hat" else "o") if free else "y"
        return Leaf(self.name(letter, t - 1), self.at_step["u"][t - 1])


def slope(rnn: RNN, a: str, h: str, number: Array | None = None) -> Leaf:
    """The slopes of the units, from the names of a(t) and h(t)."""
    if rnn.activation == activations.get("tanh"):
        latex = rf"1 - \left({latex_name(h)}\right)^2"
        return Leaf(f"1 − {h}²", number, compound=True, latex=latex)
    return Leaf(f"f′({a})", number, latex=rf"f'\left({latex_name(a)}\right)")


def walked(
    trace: Trace, gradients: Gradients, y: Any, weights: Any, reduction: Any
) -> list[Walked]:
    """The sequences of a pass, in the caller's order."""
    rnn, run = trace.rnn, trace._run
    layout, dtype = run.layout, run.params.dtype
    last, B, T = rnn.outputs == "last", layout.B, layout.T
    given = _inputs.targets(rnn, layout, dtype, y)
    factor = _inputs.factors(rnn, layout, weights, reduction)
    objective = _passes.Objective.of(rnn, given, factor)
    shape = (B if last else layout.N,)
    w = np.array(np.broadcast_to(_inputs.factors(rnn, layout, weights, "sum"), shape))
    losses = np.zeros(shape, dtype)
    losses[slice(None) if objective.rows is None else objective.rows] = objective.values(run.o)

    def steps(rows: Array) -> Array:
        """(N, …) as (T, B, …)."""
        return np.asarray(layout.unpack(rows)).reshape(T, B, *rows.shape[1:])

    def ends(rows: Array) -> Array:
        """(B, …) by place as (B, …) in the caller's order."""
        return np.asarray(layout.unsort(rows)).reshape(B, *rows.shape[1:])

    def outputs(rows: Array) -> Array:
        return ends(rows)[None] if last else steps(rows)

    def batch(node: Array, axis: int) -> Array:
        return np.expand_dims(node, axis) if layout.single else node

    x = run.x if rnn.inputs == "values" else _inputs.one_hot(run.x, rnn.n_inputs, dtype)
    assert run.a is not None
    at_step = {
        "x": steps(x),
        "a": steps(run.a),
        "f′": steps(_passes.slopes(run)),
        "∇h": batch(gradients.h, 1),
        "∇a": batch(gradients.a, 1),
        "free": np.zeros((T, B), bool),
    }
    if gradients.x is not None:
        at_step["∇x"] = batch(gradients.x, 1)
    if run.feeding is not None:
        u = np.array(steps(run.feeding.u))
        if run.feeding.free is not None:
            free = at_step["free"] = steps(run.feeding.free).astype(bool)
            own = outputs(_passes.feedback(rnn, run.o))
            u[1:][free[1:]] = own[:-1][free[1:]]
        at_step["u"] = u
    at_output = {
        "o": outputs(run.o),
        "ŷ": outputs(run.y_hat),
        "∇o": batch(gradients.o, 0)[None] if last else batch(gradients.o, 1),
        "L": outputs(losses),
        "y": outputs(given),
        "w": outputs(w),
        "factor": outputs(np.array(np.broadcast_to(factor, shape), dtype)),
    }
    h = np.concatenate([ends(run.h[:B])[None], steps(run.h[B:])])
    before = {"∇h": batch(gradients.h0, 0)}
    if gradients.y0 is not None:
        before["∇y"] = batch(gradients.y0, 0)
    named = {"sum": 1.0, "mean": float(w.sum())}
    divisor = named[reduction] if isinstance(reduction, str) else float(reduction)

    out = []
    for n in range(B):
        length = T if layout.lengths is None else int(layout.lengths[n])
        rows = 1 if last else length
        out.append(
            Walked(
                rnn=rnn,
                number="" if B == 1 else str(n + 1),
                length=length,
                h=h[: length + 1, n],
                before={name: values[n] for name, values in before.items()},
                at_step={name: values[:length, n] for name, values in at_step.items()},
                at_output={name: values[:rows, n] for name, values in at_output.items()},
                divisor=divisor,
            )
        )
    return out
