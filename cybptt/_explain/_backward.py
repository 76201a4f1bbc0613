"""The backward half of a walk: the gradient of each node, from the last step to the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cybptt import _plugins
from cybptt._explain._expressions import (
    Applied,
    Diagonal,
    Elementwise,
    Expression,
    Fraction,
    Leaf,
    Negative,
    OverTime,
    Sum,
    Transposed,
    add,
    times,
)
from cybptt._explain._forward import is_loss, of_sequence, weight
from cybptt._explain._script import Script
from cybptt._explain._sequence import Walked, slope

if TYPE_CHECKING:
    from cybptt.parameters import Parameters

WORDS = {
    "10.17": "What one step's loss counts in the whole.",
    "10.17 divided": "What one step's loss counts in the whole: its weight, over what the "
    "reduction divides by.",
    "10.18": "How the loss changes with the outputs: what was predicted, minus what came.",
    "10.18 loss": "How the loss changes with the outputs, through the step's own loss.",
    "C.6": "The output was also fed back: what it changes in the next step, which ran free, is "
    "added.",
    "J": "The Jacobian of the prediction: how it changes with the outputs.",
    "C.8": "The hidden units act through this step's output alone: there is no path to the hidden "
    "units of the next step.",
    "C.8 forced": "The hidden units act through this step's output alone; and as the next step was "
    "fed its target, the steps do not depend on each other.",
    "10.19": "The last state acts through its own output alone: that output's gradient, sent back "
    "through `V`.",
    "C.9": "The last state acts through the one output: its gradient, sent back through `V`.",
    "10.19 no layer": "The last state is the output: the gradient is the same.",
    "10.21": "A state acts twice, through the next state and through its own output: the chain "
    "rule, 10.20. The gradient at the next state comes back through the slopes of its units and "
    "through `W`; that at the output, through `V`. (Some printings of the book give the factors in "
    "another order, in which the shapes do not agree.)",
    "10.21 last": "The state acts through the next one alone, there being no output here: the "
    "gradient comes back through the slopes of the units and through `W`.",
    "10.21 no layer": "A state acts twice, through the next state and as an output. The gradient "
    "at the next state comes back through the slopes of its units and through `W`.",
    "C.1": "Through the activation: each gradient times the slope of its unit.",
    "C.2": "How the loss changes with the input of the step.",
    "C.3": "How the loss changes with the state before the first step.",
    "C.7 y0": "How the loss changes with what was fed to the first step.",
    "no steps": "The output was read at `h(0)`, and its gradient goes back there.",
    "parameters": "Each parameter is the same at every step, so that its gradient is a sum over "
    "the steps, by the chain rule of 10.25 and 10.27: the gradient at the node that it leads to, "
    "times the node that it comes from. `∇a(t)` is diag(f′) times `∇h(t)`, by C.1.",
}


def backward(script: Script, params: Parameters, s: Walked) -> None:
    """The gradients of one sequence's nodes, from the last step to the first."""
    rnn = s.rnn
    for t in range(s.length, 0, -1):
        script.heading(f"Backward, step {t} of {s.length}{of_sequence(s)}", 3)
        has_output = rnn.outputs == "all" or t == s.length
        if has_output:
            _output(script, params, s, t)
        _hidden(script, params, s, t, has_output)
        script.say(WORDS["C.1"], once=True)
        right = Elementwise(s.slope(t), s.leaf("∇h", t))
        script.equation("C.1", s.leaf("∇a", t), right)
        if "∇x" in s.at_step and rnn.n_inputs:
            script.say(WORDS["C.2"], once=True)
            U = Leaf("U", params.U)
            script.equation("C.2", s.leaf("∇x", t), times(Transposed(U), s.leaf("∇a", t)))
    if s.length == 0:
        if rnn.outputs == "last":
            script.heading(f"Backward, no steps{of_sequence(s)}", 3)
            _output(script, params, s, 0)
            script.say(WORDS["no steps"])
            script.equation("10.19, C.9", s.leaf("∇h", 0), _through_output(params, s, 0))
        return
    script.heading(f"Backward, before the first step{of_sequence(s)}", 3)
    first = s.leaf("∇a", 1)
    if rnn.recurrence != "output":
        script.say(WORDS["C.3"], once=True)
        W = Leaf("W", params.W)
        script.equation("C.3", s.leaf("∇h", 0), times(Transposed(W), first))
    if rnn.recurrence != "hidden":
        script.say(WORDS["C.7 y0"], once=True)
        R = _feedback(params)
        script.equation("C.7", s.leaf("∇y", 0), times(Transposed(R), first))


def _feedback(params: Parameters) -> Leaf:
    name = "R" if params.rnn.recurrence == "both" else "W"
    return Leaf(name, params[name])


def _output(script: Script, params: Parameters, s: Walked, t: int) -> None:
    """10.17 and 10.18, with C.6 where the output was fed back."""
    rnn, j = s.rnn, s.row(t)
    counts = bool(s.factor[j])
    if counts:
        script.say(WORDS["10.17" if s.divisor == 1 else "10.17 divided"], once=True)
        script.equation("10.17", weight(s, t), _counts(s, t, j))
    terms: list[Expression] = []
    if counts:
        own = _own_gradient(script, s, t)
        if s.factor[j] != 1:
            terms.append(times(weight(s, t), own))
        else:
            terms += own.terms if isinstance(own, Sum) else (own,)
    fed_on = rnn.recurrence != "hidden" and t < s.length and bool(s.free[t])
    if fed_on:
        script.say(WORDS["C.6"], once=True)
        back = times(Transposed(_feedback(params)), s.leaf("∇a", t + 1))
        if rnn.feedback == "y_hat" and rnn.loss.link is not None:
            script.say(WORDS["J"], once=True)
            J = _jacobian(s, t)
            if is_loss(rnn, "softmax_nll"):
                y_hat = s.leaf("ŷ", t)
                outer = times(y_hat, Transposed(y_hat))
                script.equation("C.6", J, Sum((Diagonal(y_hat), Negative(outer))))
            else:
                script.values([J])
            back = times(Transposed(J), *back.factors)
        terms.append(back)
    if not terms:
        zero = np.zeros_like(s.at_output["∇o"][j])
        terms.append(Leaf("0", zero, latex=r"\boldsymbol{0}"))
    number = ", ".join(["10.18"] * (counts or not fed_on) + ["C.6"] * fed_on)
    script.equation(number, s.leaf("∇o", t), add(*terms))


def _counts(s: Walked, t: int, j: int) -> Expression:
    """The right side of 10.17: 1 in the book, a weight over what the reduction divides by."""
    w, below = Leaf("1", s.at_output["w"][j], latex="1"), Leaf("n", s.divisor, latex="n")
    if s.at_output["w"][j] != 1:
        w = Leaf(s.name("w", t), s.at_output["w"][j])
    return w if s.divisor == 1 else Fraction(w, below)


def _own_gradient(script: Script, s: Walked, t: int) -> Expression:
    """Of L(t) alone: ŷ − y for the losses whose link is made for it."""
    rnn, j = s.rnn, s.row(t)
    canonical = ("softmax_nll", "squared_error", "bernoulli_nll", "poisson_nll")
    if any(is_loss(rnn, name) for name in canonical):
        script.say(WORDS["10.18"], once=True)
        letter = "o" if rnn.loss.link is None else "ŷ"
        return Sum((s.leaf(letter, t), Negative(s.leaf("y", t))))

    def gradient(o: Any, _: Any) -> Any:
        target = s.at_output["y"][j : j + 1]
        return _plugins.call(rnn.loss, "gradient", (o.reshape(1, -1), target), (1, o.size)).T

    script.say(WORDS["10.18 loss"], once=True)
    return Applied(f"∇{rnn.loss.name}", gradient, (s.leaf("o", t), s.leaf("y", t)))


def _jacobian(s: Walked, t: int) -> Leaf:
    """J(t) of C.6: its transpose's rows are the pull-backs of unit vectors."""
    n = s.rnn.size_o
    rows = [np.repeat(s.at_output[name][t - 1][None], n, axis=0) for name in ("o", "ŷ")]
    unit = np.eye(n, dtype=s.h.dtype)
    pulled = _plugins.call(s.rnn.loss, "link_vjp", (*rows, unit), (n, n))
    return Leaf(s.name("J", t), pulled)


def _through_output(params: Parameters, s: Walked, t: int) -> Expression:
    """Vᵀ ∇o(t)."""
    if s.rnn.n_outputs is None:
        return s.leaf("∇o", t)
    return times(Transposed(Leaf("V", params.V)), s.leaf("∇o", t))


def _hidden(script: Script, params: Parameters, s: Walked, t: int, has_output: bool) -> None:
    """10.19 at the end, 10.21 before it; C.8 and C.9."""
    rnn, end = s.rnn, t == s.length
    from_output = _through_output(params, s, t) if has_output else None
    no_layer = rnn.n_outputs is None
    if rnn.recurrence == "output":
        forced = not s.free[1:].any()
        script.say(WORDS["C.8 forced" if forced else "C.8"], once=True)
        assert from_output is not None
        script.equation("C.8", s.leaf("∇h", t), from_output)
    elif end:
        last = rnn.outputs == "last"
        key = "10.19 no layer" if no_layer else "C.9" if last else "10.19"
        script.say(WORDS[key], once=True)
        assert from_output is not None
        script.equation("10.19, C.9" if last else "10.19", s.leaf("∇h", t), from_output)
    else:
        key = "10.21 last" if not has_output else "10.21 no layer" if no_layer else "10.21"
        script.say(WORDS[key], once=True)
        W = Leaf("W", params.W)
        back = times(Transposed(W), Diagonal(s.slope(t + 1)), s.leaf("∇h", t + 1))
        number = "10.21" if has_output else "10.21, C.9"
        script.equation(number, s.leaf("∇h", t), add(back, from_output))


def parameter_gradients(script: Script, sequences: list[Walked], gradient: Parameters) -> None:
    """10.22 to 10.28 and C.7: sums over all steps of all sequences."""
    rnn = gradient.rnn
    script.heading("The gradients of the parameters", 2)
    script.say(WORDS["parameters"])
    steps = [(s, t) for s in sequences for t in range(1, s.length + 1)]
    outputs = [(s, t) for s in sequences for t in s.output_steps()]
    at_h = (Diagonal(slope(rnn, "a(t)", "h(t)")), Leaf("∇h(t)"))

    def show(number: str, name: str, rule: Expression, terms: list[Expression]) -> None:
        if gradient[name].size and terms:
            script.equation(number, Leaf(f"∇{name}", gradient[name]), add(*terms), rule)

    def over_steps(source: str, before: int) -> list[Expression]:
        return [times(s.leaf("∇a", t), Transposed(s.leaf(source, t - before))) for s, t in steps]

    def over_time(source: str) -> Expression:
        return OverTime(times(*at_h, Transposed(Leaf(source))))

    if rnn.n_outputs is not None:
        rule = OverTime(Leaf("∇o(t)"))
        show("10.22", "c", rule, [s.leaf("∇o", t) for s, t in outputs])
    show("10.23", "b", OverTime(times(*at_h)), [s.leaf("∇a", t) for s, t in steps])
    if rnn.n_outputs is not None:
        rule = OverTime(times(Leaf("∇o(t)"), Transposed(Leaf("h(t)"))))
        terms = [times(s.leaf("∇o", t), Transposed(s.leaf("h", t))) for s, t in outputs]
        show("10.24", "V", rule, list(terms))
    if rnn.recurrence == "output":
        show("C.7", "W", over_time("u(t)"), over_steps("u", 0))
    else:
        show("10.26", "W", over_time("h(t−1)"), over_steps("h", 1))
    if rnn.recurrence == "both":
        show("C.7", "R", over_time("u(t)"), over_steps("u", 0))
    if rnn.n_inputs:
        show("10.28", "U", over_time("x(t)"), over_steps("x", 0))
