"""A model of cybptt as a graph of ONNX's."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx

import cybptt
from cybptt import _validate as check
from cybptt._files import Path, file_name, write_whole
from cybptt.onnx._activations import Form, form_of
from cybptt.onnx._formulas import Formula, model_of, of_activation, of_link
from cybptt.onnx._network import Network, Options

NODES = ("h", "o", "y_hat")
OPSET = 13  # the first in which all that is used here means what it does today
LARGEST = 2**31 - 2**20  # bytes of parameters: a file of protobuf's may have 2 GiB
FORMAT = 1
KEY = "cybptt"  # of the model's metadata
ARGUMENTS = ("n_inputs", "n_hidden", "n_outputs", "recurrence", "outputs", "feedback", "inputs")


def export(
    rnn: cybptt.RNN,
    params: cybptt.Parameters,
    path: Path | None = None,
    *,
    nodes: str | tuple[str, ...] = "y_hat",
    state: bool = False,
    lengths: bool = False,
    operator: str | None = None,
    activation: Formula | None = None,
    link: Formula | None = None,
    opset: int = OPSET,
) -> onnx.ModelProto:
    """Make an ONNX model of a network: :eq:`10.8` to :eq:`10.11`, :eq:`C.4` and :eq:`C.5`.

    Its input is x, (T, B, I) or tokens (T, B) of int64, with any T and B; its output y_hat, what
    `RNN.predict` gives. An output recurrence runs free, as it does there.

    Parameters
    ----------
    rnn : RNN
    params : Parameters
        Their dtype is the graph's. ONNX Runtime has every operator of it in both dtypes, but Erf,
        of gelu, in float64.
    path : str or os.PathLike, optional
        A file to write the model to, whole or not at all.
    nodes : "h", "o", "y_hat", or a tuple of these
        What comes out, as in `Trace`. With "h" alone V and c may not be written, so `load` cannot
        take such a model back.
    state : bool
        Take and give where the sequences stand, so that a stream can go on: the input h0, (B, H),
        zeros at the start, and the output h_last, which is the next h0. With output recurrence
        these are y0, (B, O), and fed; with both recurrences all four. Otherwise every call starts
        from zeros.
    lengths : bool
        Take lengths as a further input, (B,) of int64, each 0 … T. Past them h repeats, and o where
        it is h; all else is 0.
    operator : {"RNN", "Scan"}, optional
        What goes through time: ONNX's RNN, or its general loop Scan, in which ONNX Runtime is
        faster but for the smallest models. By default RNN where it can: for recurrence="hidden"
        with values, float32, and an activation that the operator has, except for softplus, which
        overflows there in ONNX Runtime.
    activation, link : callable, optional
        The formula, in ONNX's operators, of an activation that is not one of cybptt's own, or of a
        loss's link: ``lambda op, a: op.Atan(a)``. An operator takes names of values and numbers,
        and attributes by keyword. o is (T, B, O) or (B, O): the axis of a link's is −1. The formula
        is held against the plugin's function.
    opset : int
        The version of ONNX's operators, 13 at least; a formula may need a later one.

    Returns
    -------
    onnx.ModelProto
        The parameters are in it under the book's letters, U_T and V_T for transposed ones.

    Raises
    ------
    ValueError, TypeError
        For an argument that is not as above; for a plugin without a formula, and a formula that
        does not give what the plugin does.
    OSError
        Where the file cannot be written.

    Examples
    --------
    >>> import cybptt, cybptt.onnx
    >>> rnn = cybptt.RNN(3, 16, 4)
    >>> model = cybptt.onnx.export(rnn, rnn.init(seed=0, dtype="float32"))
    >>> [node.op_type for node in model.graph.node]
    ['RNN', 'Squeeze', 'MatMul', 'Add', 'Softmax']
    """
    name = None if path is None else file_name(path)
    _check_model(rnn, params)
    wanted = _nodes(nodes)
    state, lengths = check.boolean("state", state), check.boolean("lengths", lengths)
    opset = check.integer("opset", opset, OPSET, onnx.defs.onnx_opset_version())
    f, form = of_activation(rnn.activation, activation, params.dtype, opset)
    g = of_link(rnn.loss, rnn.size_o, link, params.dtype, opset)
    in_rnn = _operator(operator, rnn, params.dtype, form)
    options = Options(wanted, state, lengths, form if in_rnn else None)
    model = model_of(
        Network(rnn, params, f, g, options).proto(),
        opset,
        producer_name="cybptt",
        producer_version=cybptt.__version__,
        doc_string=repr(rnn),
    )
    onnx.helper.set_model_props(model, {KEY: json.dumps(_description(rnn))})
    onnx.checker.check_model(model, full_check=True)
    if name is not None:
        write_whole(name, model.SerializeToString())
    return model


def _check_model(rnn: Any, params: Any) -> None:
    if not isinstance(rnn, cybptt.RNN):
        raise check.wrong_type("rnn", check.describe(rnn), "an RNN")
    if not isinstance(params, cybptt.Parameters):
        raise check.wrong_type("params", check.describe(params), "Parameters")
    if params.rnn != rnn:
        raise check.wrong_value("params", f"those of {params.rnn!r}", f"those of {rnn!r}")
    if params.vector.nbytes > LARGEST:
        got = f"{params.vector.nbytes} bytes of parameters"
        raise check.wrong_value("params", got, f"at most {LARGEST}, for a file of ONNX's")


def _nodes(nodes: Any) -> tuple[str, ...]:
    given = (nodes,) if isinstance(nodes, str) else nodes
    if not isinstance(given, tuple | list) or not given:
        need = "one of 'h', 'o', 'y_hat', or a tuple of these"
        raise check.wrong_type("nodes", check.describe(nodes), need)
    return tuple(dict.fromkeys(check.choice("nodes", node, NODES) for node in given))


def _operator(operator: Any, rnn: cybptt.RNN, dtype: np.dtype[Any], form: Form | None) -> bool:
    """Whether it is the operator RNN that goes through time."""
    if operator is not None:
        check.choice("operator", operator, ("RNN", "Scan"))
    lacks = None
    if rnn.recurrence != "hidden":
        lacks = f"recurrence={rnn.recurrence!r}"
    elif rnn.inputs == "tokens":
        lacks = "inputs='tokens'"
    elif form is None:
        lacks = f"the activation {rnn.activation.name!r}"
    if operator == "RNN" and lacks is not None:
        raise check.wrong_value("operator", "'RNN'", f"'Scan': ONNX's RNN has not {lacks}")
    # ONNX Runtime has the operator in float32 alone, and its softplus overflows there.
    good = dtype.name == "float32" and form is not None and form.name != "Softplus"
    return operator == "RNN" or (operator is None and lacks is None and good)


def _description(rnn: cybptt.RNN) -> dict[str, Any]:
    """What `load` makes the model of; a plugin that no registry knows has no name there."""
    names: dict[str, Any] = {name: getattr(rnn, name) for name in ARGUMENTS}
    known = cybptt.activations.registered(rnn.activation)
    form = form_of(rnn.activation)
    names["activation"] = rnn.activation.name if known else None if form is None else str(form)
    names["loss"] = rnn.loss.name if cybptt.losses.registered(rnn.loss) else None
    return {"format": FORMAT, "version": cybptt.__version__, "model": names}
