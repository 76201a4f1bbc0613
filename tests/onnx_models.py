"""What the tests of ONNX models share: models, their runs by ONNX Runtime, and a bound."""

from __future__ import annotations

import itertools
from typing import Any

import helpers
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import cybptt.onnx

# The largest difference between the two, in roundings of the largest number of the array. Measured
# over all the tests of exported models: 4.
BOUND = 8
IN_RNN = ("tanh", "identity", "sigmoid", "relu", "leaky_relu", "elu", "softsign", "hard_sigmoid")
LENGTHS = np.array([4, 0, 1, 3])
ALL = ("h", "o", "y_hat")
DTYPES = ("float32", "float64")
IN_RNN = ("tanh", "identity", "sigmoid", "relu", "leaky_relu", "elu", "softsign", "hard_sigmoid")


def session(model: onnx.ModelProto) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def run(model: onnx.ModelProto, feeds: dict[str, Any]) -> dict[str, Any]:
    """Every output by its name."""
    running = session(model)
    return dict(zip([o.name for o in running.get_outputs()], running.run(None, feeds), strict=True))


def problem(rnn: Any, dtype: str, state: bool, lengths: bool, n_steps: int = 4) -> Any:
    """What the graph is given, and what forward is."""
    rng = np.random.default_rng(0)
    params = helpers.random_params(rnn, rng, dtype)
    shape = (n_steps, len(LENGTHS))
    if rnn.inputs == "tokens":
        x: Any = rng.integers(0, rnn.n_inputs, shape)
    else:
        x = rng.standard_normal((*shape, rnn.n_inputs)).astype(dtype)
    options: dict[str, Any] = {"lengths": np.minimum(LENGTHS, n_steps)} if lengths else {}
    sizes = {"h0": rnn.n_hidden} if rnn.recurrence != "output" else {}
    sizes |= {"y0": rnn.size_o} if rnn.recurrence != "hidden" else {}
    for name, size in sizes.items() if state else ():
        options[name] = rng.standard_normal((shape[1], size)).astype(dtype)
    return params, x, options


def expected(rnn: Any, trace: Any, state: bool) -> dict[str, Any]:
    """What the graph should give, from a trace of cybptt's."""
    nodes = {name: getattr(trace, name) for name in ALL}
    if state and rnn.recurrence != "output":
        nodes["h_last"] = trace.state.h
    if state and rnn.recurrence != "hidden":
        nodes["fed"] = trace.state.fed
    return nodes


def assert_equal_but_for_rounding(actual: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert set(actual) == set(wanted)
    for name, value in wanted.items():
        got = actual[name]
        assert (got.shape, got.dtype) == (value.shape, value.dtype), name
        if value.size:
            scale = max(1, np.abs(value).max())
            error = np.abs(got - value).max() / scale / np.finfo(value.dtype).eps
            assert error <= BOUND, f"{name}: {error} roundings"


def check(rnn: Any, dtype: str, **options: Any) -> None:
    """All its nodes, with state and lengths and without."""
    for state, lengths in itertools.product((False, True), repeat=2):
        params, x, given = problem(rnn, dtype, state, lengths)
        wanted = expected(rnn, rnn.forward(params, x, **given), state)
        model = cybptt.onnx.export(rnn, params, nodes=ALL, state=state, lengths=lengths, **options)
        assert_equal_but_for_rounding(run(model, {"x": x, **given}), wanted)


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


# ---------------------------------------------------------------------- RNN nodes

I, H = 3, 5


def weights(directions: int, dtype: Any = np.float32) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    shapes = {"W": (H, I), "R": (H, H), "B": (2 * H,)}
    return {
        name: (0.5 * rng.standard_normal((directions, *shape))).astype(dtype)
        for name, shape in shapes.items()
    }


def graph_of(
    nodes: list[onnx.NodeProto],
    tensors: dict[str, Any],
    inputs: dict[str, Any],
    outputs: dict[str, int],
    opset: int = 14,
    **words: Any,
) -> onnx.ModelProto:
    """A model of nodes, with constants, whose outputs have so many axes."""
    element = {"f": TensorProto.FLOAT, "i": TensorProto.INT32}
    graph = helper.make_graph(
        nodes,
        "graph",
        [
            helper.make_tensor_value_info(name, element[np.asarray(v).dtype.kind], np.shape(v))
            for name, v in inputs.items()
        ],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [f"{name}{n}" for n in range(k)])
            for name, k in outputs.items()
        ],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, **words
    )


def one_node(inputs: dict[str, Any], tensors: dict[str, Any], **attributes: Any) -> Any:
    """A model of one RNN node, whose inputs have the operator's own names."""
    has = inputs.keys() | tensors.keys()
    order = ["X", "W", "R", "B", "sequence_lens", "initial_h"]
    names = [name if name in has else "" for name in order]
    node = helper.make_node("RNN", names, ["Y", "Y_h"], **({"hidden_size": H} | attributes))
    return graph_of([node], tensors, inputs, {"Y": 4, "Y_h": 3})
