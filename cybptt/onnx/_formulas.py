"""What plugins are in ONNX's operators, and a check that they are.

Every formula uses operators that ONNX Runtime has for float32 and for float64, but gelu: its Erf is
float32 alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

import cybptt
from cybptt import _validate as check
from cybptt.onnx._activations import Form, form_of
from cybptt.onnx._graph import Graph, value_info

Array = NDArray[Any]
# From a graph and the name of a value in it to the name of another: lambda op, a: op.Tanh(a).
Formula: TypeAlias = Callable[[Any, str], str]

# What a formula may be off: it tells another function, not rounding, and ONNX's own interpreter has
# its Erf in float32 alone.
TOLERANCE = 1e-5
EXAMPLE = "lambda op, a: op.Tanh(a)"


def _line(op: Any, a: str, alpha: float, beta: float) -> str:
    a = a if alpha == 1 else op.Mul(a, alpha)
    return a if beta == 0 else op.Add(a, beta)


# The forms of ONNX's RNN, with their numbers.
FORMS: dict[str, Callable[..., str]] = {
    "Relu": lambda op, a: op.Relu(a),
    "Tanh": lambda op, a: op.Tanh(a),
    "Sigmoid": lambda op, a: op.Sigmoid(a),
    "Affine": _line,
    "LeakyRelu": lambda op, a, slope: op.Add(op.Max(a, 0.0), op.Mul(op.Min(a, 0.0), slope)),
    "ThresholdedRelu": lambda op, a, alpha: op.Where(op.GreaterOrEqual(a, alpha), a, 0.0),
    "ScaledTanh": lambda op, a, alpha, beta: op.Mul(op.Tanh(op.Mul(a, beta)), alpha),
    "HardSigmoid": lambda op, a, alpha, beta: op.Clip(_line(op, a, alpha, beta), 0.0, 1.0),
    "Elu": lambda op, a, alpha: op.Add(
        op.Max(a, 0.0), op.Mul(op.Sub(op.Exp(op.Min(a, 0.0)), 1.0), alpha)
    ),
    "Softsign": lambda op, a: op.Div(a, op.Add(op.Abs(a), 1.0)),
    # Not Log(1 + Exp(a)), which overflows.
    "Softplus": lambda op, a: op.Add(
        op.Max(a, 0.0), op.Log(op.Add(op.Exp(op.Neg(op.Abs(a))), 1.0))
    ),
}
FURTHER: dict[str, Formula] = {
    "hard_tanh": lambda op, a: op.Clip(a, -1.0, 1.0),
    "gelu": lambda op, a: op.Mul(op.Mul(a, 0.5), op.Add(op.Erf(op.Mul(a, math.sqrt(0.5))), 1.0)),
    # Not Mul(a, Sigmoid(a)), which ONNX Runtime before 1.31 fuses to what it lacks in float64.
    "silu": lambda op, a: op.Div(a, op.Add(op.Exp(op.Neg(a)), 1.0)),
}
# By the losses that have them.
LINKS: dict[str, Formula] = {
    "softmax_nll": lambda op, o: op.Softmax(o, axis=-1),
    "bernoulli_nll": lambda op, o: op.Sigmoid(o),
    "poisson_nll": lambda op, o: op.Exp(o),
}


def of_activation(
    plugin: cybptt.Activation, given: Formula | None, dtype: np.dtype[Any], opset: int
) -> tuple[Formula, Form | None]:
    """Its formula, checked, and its form in ONNX's RNN where it has one."""
    form, formula = None, given
    if given is None:
        form = form_of(plugin)
        formula = FURTHER.get(plugin.name) if form is None else _of_form(form)
    points = _points(dtype)
    return _checked("activation", formula, plugin.name, plugin.function, points, opset), form


def of_link(
    loss: cybptt.Loss, n_outputs: int, given: Formula | None, dtype: np.dtype[Any], opset: int
) -> Formula:
    """The formula of a loss's link, checked; ŷ is o where it has none."""
    if loss.link is None:
        if given is not None:
            need = f"None: ŷ is o with the loss {loss.name!r}"
            raise check.wrong_value("link", check.describe(given), need)
        return lambda op, o: o
    known = (f for name, f in LINKS.items() if cybptt.losses.get(name).link == loss.link)
    formula = next(known, None) if given is None else given
    # Of one step, and of all steps: a sum over the wrong axis shows in one of them.
    n = max(1, n_outputs)
    rows = max(2, 1500 // n // 2 * 2)
    points = np.resize(_points(dtype), (rows, n))
    for shape in ((rows, n), (2, rows // 2, n)):
        checked = _checked("link", formula, loss.name, loss.link, points.reshape(shape), opset)
    return checked


def _of_form(form: Form) -> Formula:
    def formula(op: Any, a: str) -> str:
        if form.clip is not None:
            a = op.Clip(a, -form.clip, form.clip)
        return FORMS[form.name](op, a, *form.numbers)

    return formula


# ---------------------------------------------------------------------- do they agree


def _points(dtype: np.dtype[Any]) -> Array:
    """Close together around 0."""
    return np.concatenate([np.linspace(-4, 4, 1201), np.linspace(-30, 30, 299)]).astype(dtype)


def _checked(
    argument: str,
    formula: Any,
    name: str,
    function: Callable[[Array], Array],
    points: Array,
    opset: int,
) -> Formula:
    """Refuse a formula that does not give what the plugin's function gives."""
    need = f"the formula of {name!r} in ONNX's operators, such as {EXAMPLE}"
    if formula is None:
        raise check.wrong_value(argument, "None", f"{need}, for it is not one of cybptt's own")
    if not callable(formula):
        raise check.wrong_type(argument, check.describe(formula), need)
    graph = Graph(points.dtype)
    value = formula(graph, "points")
    if not isinstance(value, str):
        got = f"a formula that returns {check.describe(value)}"
        raise check.wrong_type(argument, got, need)
    values = _run(argument, graph, value, points, opset, need)
    with np.errstate(all="ignore"):
        rows = points.reshape(-1, points.shape[-1])  # of all steps, as a link is given them
        given = points if points.ndim == 1 else rows
        expected = np.reshape(function(given.copy()), points.shape)
        error = np.abs(values - expected) / np.maximum(1, np.abs(expected))
    same = (values == expected) | (np.isnan(values) & np.isnan(expected))
    wrong = ~(same | (error <= TOLERANCE))
    if wrong.any():
        at = np.unravel_index(np.argmax(wrong), points.shape)
        got = f"a formula that gives {values[at]:.6g} for {points[at]:.6g}"
        raise check.wrong_value(argument, got, f"{expected[at]:.6g}, as {name!r} gives")
    checked: Formula = formula
    return checked


def _run(argument: str, graph: Graph, value: str, points: Array, opset: int, need: str) -> Array:
    """What ONNX's own interpreter makes of the points."""
    graph.call({"values": value})
    infos = [value_info(each, points.dtype, "TBO"[-points.ndim :]) for each in ("points", "values")]
    model = model_of(graph.proto("formula", infos[:1], infos[1:], graph.constants), opset)
    try:
        onnx.checker.check_model(model, full_check=True)
        with np.errstate(all="ignore"):
            answers: Any = ReferenceEvaluator(model).run(["values"], {"points": points})
    except Exception as error:  # whatever the checker and the operators raise
        reason = str(error).partition("\n")[0]
        raise check.wrong_value(argument, f"a formula that fails ({reason})", need) from error
    values = np.asarray(answers[0])
    if values.shape != points.shape or values.dtype != points.dtype:
        got = f"a formula of {check.describe(values)}"
        raise check.wrong_value(argument, got, f"{need}, of shape {points.shape}")
    return values


def model_of(graph: onnx.GraphProto, opset: int, **words: Any) -> onnx.ModelProto:
    """A model of ONNX's own operators alone."""
    imports = [onnx.helper.make_opsetid("", opset)]
    version = onnx.helper.find_min_ir_version_for(imports)
    return onnx.helper.make_model(graph, opset_imports=imports, ir_version=version, **words)
