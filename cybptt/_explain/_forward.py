"""The forward half of a walk: what is given, each step's nodes, and the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cybptt import _plugins, losses
from cybptt._explain._expressions import (
    Applied,
    Expression,
    Leaf,
    Negative,
    SquaredNorm,
    Sum,
    Transposed,
    add,
    times,
)
from cybptt._explain._script import Script
from cybptt._explain._sequence import Walked

if TYPE_CHECKING:
    from cybptt.parameters import Parameters
    from cybptt.rnn import RNN

WORDS = {
    "given": "What the pass starts from. Vectors are columns. A number with all its decimals is "
    "rounded, a shorter one is exact. `∇h(t)` is the gradient of the loss `L` at `h(t)`.",
    "one-hot": "is shown one-hot: 1 at the number of the {}, counted from 0, and 0 elsewhere.",
    "C.5 first": "What is fed back to the first step: what is said to stand before it, zeros where "
    "nothing is.",
    "C.5 forced": "What is fed back to a step that is forced: the target of the step before.",
    "C.5 free": "What is fed back to a step that runs free: the model's own output of the step "
    "before.",
    "10.9": "The hidden units: the activation of each sum. This is the state that goes on to the "
    "next step.",
    "10.9 output": "The hidden units: the activation of each sum.",
    "10.10": "The outputs: their bias, and the hidden units through `V`.",
    "10.10 last": "The whole sequence has been read, and only now is there an output: the bias, "
    "and the last state through `V`.",
    "no output": "There is no output layer: the output is the state itself.",
    "10.11": "The prediction: what the loss makes of the outputs.",
    "10.11 softmax": "The prediction: a probability for each class, exp of each output over the "
    "sum of them all.",
    "10.14": "The step's loss: minus the logarithm of the probability that was given to the class "
    "that came, which `y(t)` picks out.",
    "squared_error": "The step's loss: half the squared distance of the outputs from the target.",
    "loss": "The step's loss, of the outputs and the target.",
    "weight 0": "The step has weight 0: its target is not looked at.",
    "10.13": "The loss of all: the sum of the steps' losses.",
    "10.13 weights": "The loss of all: the sum of the steps' losses, each times its weight over "
    "what the reduction divides by, 10.17.",
    "10.16": "With every step forced, minus the loss is the log-likelihood of the whole sequence "
    "of targets, 10.15: a sum of conditionals, in each of which the targets before are given. That "
    "is why feeding the targets is right.",
}


def given(script: Script, params: Parameters, sequences: list[Walked]) -> None:
    """The parameters, and the data of each sequence."""
    rnn = params.rnn
    script.heading("What is given", 2)
    words = [WORDS["given"]]
    if rnn.inputs == "tokens":
        words.append("`x(t)` " + WORDS["one-hot"].format("token"))
    if rnn.loss.targets == "classes":
        words.append("`y(t)` " + WORDS["one-hot"].format("class"))
    script.say(" ".join(words))
    script.values([Leaf(name, value) for name, value in params.items() if value.size])
    for s in sequences:
        if len(sequences) > 1:
            script.heading(f"Sequence {s.number}, {steps_in_words(s.length)}", 3)
        start = [] if rnn.recurrence == "output" else [s.leaf("h", 0)]
        if rnn.recurrence != "hidden" and s.length:
            start.append(Leaf(s.name("y", 0), s.fed(1).number))
        if rnn.n_inputs:
            start += [s.leaf("x", t) for t in range(1, s.length + 1)]
        script.values(start)
        script.values([s.leaf("y", t) for t in s.output_steps() if s.factor[s.row(t)]])


def steps_in_words(n: int) -> str:
    """A number of steps."""
    return "one step" if n == 1 else f"{n} steps"


def forward(script: Script, params: Parameters, s: Walked) -> None:
    """The nodes of one sequence, a step after another."""
    for t in range(1, s.length + 1):
        script.heading(f"Forward, step {t} of {s.length}{of_sequence(s)}", 3)
        _hidden(script, params, s, t)
        if s.rnn.outputs == "all" or t == s.length:
            _output(script, params, s, t)
    if s.length == 0 and s.rnn.outputs == "last":
        script.heading(f"Forward, no steps{of_sequence(s)}", 3)
        _output(script, params, s, 0)


def of_sequence(s: Walked) -> str:
    """Which sequence, where there are several."""
    return f", sequence {s.number}" if s.number else ""


def _hidden(script: Script, params: Parameters, s: Walked, t: int) -> None:
    rnn, recurrence = s.rnn, s.rnn.recurrence
    U, W, b = (Leaf(name, params[name]) for name in "UWb")
    through_u = times(U, s.leaf("x", t)) if rnn.n_inputs else None
    if recurrence == "hidden":
        number, right = "10.8", add(b, times(W, s.leaf("h", t - 1)), through_u)
    else:
        kind = "first" if t == 1 else "free" if s.free[t - 1] else "forced"
        script.say(WORDS[f"C.5 {kind}"], once=True)
        script.equation("C.5", s.leaf("u", t), s.fed(t))
        if recurrence == "output":
            right = add(b, times(W, s.leaf("u", t)), through_u)
        else:
            R = Leaf("R", params.R)
            fed = times(R, s.leaf("u", t))
            right = add(b, times(W, s.leaf("h", t - 1)), fed, through_u)
        number = "C.4"
    script.say(_what_enters(rnn), once=True)
    script.equation(number, s.leaf("a", t), right)

    def f(a: Any) -> Any:
        return _plugins.call(rnn.activation, "function", (a.reshape(1, -1),), (1, a.size)).T

    script.say(WORDS["10.9 output" if recurrence == "output" else "10.9"], once=True)
    script.equation("10.9", s.leaf("h", t), Applied(rnn.activation.name, f, (s.leaf("a", t),)))


def _what_enters(rnn: RNN) -> str:
    """The terms of 10.8 or C.4 in words."""
    terms = ["their bias"]
    if rnn.recurrence != "output":
        terms.append("the state of the step before through `W`")
    if rnn.recurrence != "hidden":
        terms.append(f"what is fed back through `{'R' if rnn.recurrence == 'both' else 'W'}`")
    if rnn.n_inputs:
        terms.append("the input through `U`")
    words = f"What enters the hidden units: {', '.join(terms[:-1])}, and {terms[-1]}."
    if rnn.recurrence == "output":
        words += " Nothing comes from the hidden units of the step before."
    return words


def _output(script: Script, params: Parameters, s: Walked, t: int) -> None:
    rnn = s.rnn
    last = rnn.outputs == "last"
    if rnn.n_outputs is None:
        script.say(WORDS["no output"], once=True)
        script.equation("C.9" if last else "10.10", s.leaf("o", t), s.leaf("h", t))
    else:
        script.say(WORDS["10.10 last" if last else "10.10"], once=True)
        through_v = times(Leaf("V", params.V), s.leaf("h", t))
        number = "10.10, C.9" if last else "10.10"
        script.equation(number, s.leaf("o", t), add(Leaf("c", params.c), through_v))
    if rnn.loss.link is not None:
        softmax = is_loss(rnn, "softmax_nll")

        def link(o: Any) -> Any:
            return _plugins.call(rnn.loss, "link", (o.reshape(1, -1),), (1, o.size)).T

        script.say(WORDS["10.11 softmax" if softmax else "10.11"], once=True)
        name = {"softmax_nll": "softmax", "bernoulli_nll": "sigmoid", "poisson_nll": "exp"}
        known = name.get(rnn.loss.name, "link") if losses.registered(rnn.loss) else "link"
        script.equation("10.11", s.leaf("ŷ", t), Applied(known, link, (s.leaf("o", t),)))
    _step_loss(script, s, t)


def _step_loss(script: Script, s: Walked, t: int) -> None:
    rnn, j = s.rnn, s.row(t)
    if not s.factor[j]:
        script.say(WORDS["weight 0"])
        return
    y = s.at_output["y"][j]
    if is_loss(rnn, "softmax_nll") and s.at_output["ŷ"][j][y] > 0:
        script.say(WORDS["10.14"], once=True)
        probability = times(Transposed(s.leaf("y", t)), s.leaf("ŷ", t))

        def log(p: Any) -> Any:
            return np.log(p[0, 0])

        script.equation("10.14", s.leaf("L", t), Negative(Applied("log", log, (probability,))))
        return
    if is_loss(rnn, "squared_error"):
        script.say(WORDS["squared_error"], once=True)
        half = Leaf("½", np.asarray(0.5, s.h.dtype), latex=r"\tfrac{1}{2}")
        error = Sum((s.leaf("o", t), Negative(s.leaf("y", t))))
        script.equation("10.14", s.leaf("L", t), times(half, SquaredNorm(error)))
        return

    def value(o: Any, _: Any) -> Any:
        target = s.at_output["y"][j : j + 1]
        return _plugins.call(rnn.loss, "value", (o.reshape(1, -1), target), (1,))[0]

    script.say(WORDS["loss"], once=True)
    right = Applied(rnn.loss.name, value, (s.leaf("o", t), s.leaf("y", t)))
    script.equation("10.14", s.leaf("L", t), right)


def is_loss(rnn: RNN, name: str) -> bool:
    """Whether the model's loss is the one that the library registers under a name."""
    return bool(rnn.loss == losses.get(name))


def total(script: Script, sequences: list[Walked], loss: float) -> None:
    """10.13 over all sequences; and 10.16, where it is a log-likelihood."""
    rnn = sequences[0].rnn
    terms: list[Expression] = []
    plain = all((s.factor == 1).all() for s in sequences)
    for s in sequences:
        for t in s.output_steps():
            if plain:
                terms.append(s.leaf("L", t))
            elif s.factor[s.row(t)]:
                terms.append(times(weight(s, t), s.leaf("L", t)))
    if not terms:
        return
    script.heading("The loss", 3)
    script.say(WORDS["10.13" if plain else "10.13 weights"])
    dtype = sequences[0].h.dtype
    script.equation("10.13", Leaf("L", np.asarray(loss, dtype)), add(*terms))
    steps = [(s, t) for s in sequences for t in s.output_steps()]
    forced = not any(s.free[1:].any() for s in sequences)
    if rnn.recurrence != "hidden" and forced and plain and is_loss(rnn, "softmax_nll"):
        script.say(WORDS["10.16"])
        given_before = add(*(Negative(s.leaf("L", t)) for s, t in steps))
        likelihood = r"\log p(\boldsymbol{y} \mid \boldsymbol{x})"
        left = Leaf("log p(y | x)", np.asarray(-loss, dtype), latex=likelihood)
        script.equation("10.16", left, given_before)


def weight(s: Walked, t: int) -> Leaf:
    """∂L/∂L(t) of 10.17."""
    name = s.name("L", t)
    superscript = f"{{({t})}}"
    below = f"_{{{s.number}}}" if s.number else ""
    latex = rf"\frac{{\partial L}}{{\partial L{below}^{superscript}}}"
    return Leaf(f"∂L/∂{name}", s.factor[s.row(t)], latex=latex)
