"""Where the weights of an RNN node may stand, where it starts, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import H, I, graph_of, one_node, run, weights

import cybptt.onnx

T, B = 6, 4

X0 = np.zeros((T, B, I), np.float32)


def assert_reads_its_weights(model: onnx.ModelProto | str | Path, exact: bool = True) -> None:
    (node,) = cybptt.onnx.rnn_nodes(model)
    wanted = weights(1)
    wanted = {"U": wanted["W"][0], "W": wanted["R"][0], "b": wanted["B"][0].reshape(2, H).sum(0)}
    for name, value in wanted.items():
        np.testing.assert_allclose(node.params[0][name], value, rtol=0 if exact else 1e-2)
    assert node.params[0].dtype == np.float32


def rnn_node(*names: str) -> onnx.NodeProto:
    return helper.make_node("RNN", ["X", *names], ["Y"], hidden_size=H)


def test_constant_nodes() -> None:
    constants = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array))
        for name, array in weights(1).items()
    ]
    assert_reads_its_weights(graph_of([*constants, rnn_node(*"WRB")], {}, {"X": X0}, {"Y": 4}))


def test_weights_that_are_made_of_constants() -> None:
    """As exporters write them that fold nothing."""
    made = weights(1)
    tensors = {"w": made["W"][0].T, "r": made["R"][0], "b": made["B"][0, :H], "d": made["B"][0, H:]}
    tensors["axis"] = np.array([0])
    nodes = [
        helper.make_node("Transpose", ["w"], ["wt"], perm=[1, 0]),
        helper.make_node("Unsqueeze", ["wt", "axis"], ["W"]),
        helper.make_node("Unsqueeze", ["r", "axis"], ["R"]),
        helper.make_node("Concat", ["b", "d"], ["bd"], axis=0),
        helper.make_node("Unsqueeze", ["bd", "axis"], ["B"]),
        rnn_node(*"WRB"),
    ]
    assert_reads_its_weights(graph_of(nodes, tensors, {"X": X0}, {"Y": 4}))


def test_a_long_way_to_x() -> None:
    before = [helper.make_node("Relu", [f"x{i}" if i else "X"], [f"x{i + 1}"]) for i in range(1500)]
    last = helper.make_node("RNN", ["x1500", "W", "R"], ["Y"], hidden_size=H)
    x = helper.make_tensor_value_info("X", TensorProto.FLOAT, ["T", "B", I])
    y = helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)
    tensors = [
        numpy_helper.from_array(np.ones((1, H, n), "float32"), name)
        for name, n in (("W", I), ("R", H))
    ]
    graph = helper.make_graph([*before, last], "long", [x], [y], tensors)
    (node,) = cybptt.onnx.rnn_nodes(helper.make_model(graph))
    assert node.inputs["X"] == "x1500"


def test_weights_by_chance_are_no_constants() -> None:
    graph = helper.make_graph(
        [
            helper.make_node("RandomNormalLike", ["W0"], ["W"]),
            helper.make_node("RNN", ["X", "W", "R"], ["Y"], hidden_size=H),
        ],
        "by chance",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["T", "B", I])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(np.ones((1, H, n), "float32"), name)
            for name, n in (("W0", I), ("R", H))
        ],
    )
    with pytest.raises(ValueError, match="no constant"):
        cybptt.onnx.rnn_nodes(helper.make_model(graph))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_weights_become_float32(dtype: str) -> None:
    element = {"float16": TensorProto.FLOAT16, "bfloat16": TensorProto.BFLOAT16}[dtype]
    model = one_node({"X": X0}, {})
    for name, array in weights(1).items():
        tensor = helper.make_tensor(name, element, array.shape, array.ravel().tolist())
        model.graph.initializer.append(tensor)
    model.graph.node[0].input[:] = ["X", "W", "R", "B"]
    assert_reads_its_weights(model, exact=False)


def test_weights_in_another_file(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    model = one_node({"X": X0}, weights(1))
    onnx.save(
        model, path, save_as_external_data=True, location="a.data", size_threshold=0,
        convert_attribute=True,
    )  # fmt: skip
    assert_reads_its_weights(path)
    assert_reads_its_weights(str(path))
    assert_reads_its_weights(onnx.load(path))
    alone = onnx.load(path, load_external_data=False)
    with pytest.raises(ValueError, match=r"^model: got one whose 'W' stands in another file"):
        cybptt.onnx.rnn_nodes(alone)
    (tmp_path / "a.data").unlink()
    with pytest.raises(ValueError, match=r"^model: got '.*a.onnx', which cannot be read \("):
        cybptt.onnx.rnn_nodes(path)


def test_a_path_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    onnx.save(one_node({"X": X0}, weights(1)), "a.onnx", save_as_external_data=True, location="b")
    assert_reads_its_weights("a.onnx")


def test_a_node_in_a_function_of_the_model() -> None:
    function = helper.make_function(
        "own", "Layer", ["X", "W", "R", "B"], ["Y"], [rnn_node(*"WRB")],
        [helper.make_opsetid("", 14)],
    )  # fmt: skip
    call = helper.make_node("Layer", ["X", "W", "R", "B"], ["Y"], domain="own")
    model = graph_of([call], weights(1), {"X": X0}, {"Y": 4}, functions=[function])
    model.opset_import.append(helper.make_opsetid("own", 1))
    onnx.checker.check_model(model, full_check=True)
    assert_reads_its_weights(model)


# ---------------------------------------------------------------------- where it starts


def with_start(*makers: onnx.NodeProto, opset: int = 14, **tensors: Any) -> onnx.ModelProto:
    node = helper.make_node("RNN", ["X", "W", "R", "", "", "start"], ["Y", "Y_h"], hidden_size=H)
    has = {"W": weights(1)["W"], "R": weights(1)["R"], **tensors}
    return graph_of([*makers, node], has, {"X": X0}, {"Y": 4, "Y_h": 3}, opset)


def test_a_constant_start_is_the_default() -> None:
    start = np.random.default_rng(3).standard_normal((1, B, H)).astype(np.float32)
    model = with_start(start=start)
    (node,) = cybptt.onnx.rnn_nodes(model)
    wanted = run(model, {"X": X0})["Y"]
    np.testing.assert_allclose(node.run(X0)[0], wanted, atol=1e-6)
    Y, _ = node.run(X0, initial_h=0 * start)
    assert not np.allclose(Y, wanted)


def test_zeros_of_a_size_that_is_not_known() -> None:
    """As PyTorch writes them, of the batch's size."""
    tensors = {"one": np.array([1]), "H": np.array([H]), "two": np.array([2])}
    nodes = [
        helper.make_node("Shape", ["X"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["n"]),
        helper.make_node("Concat", ["two", "n", "H"], ["size"], axis=0),
        helper.make_node("ConstantOfShape", ["size"], ["zeros"]),
        helper.make_node("Slice", ["zeros", "one", "two"], ["start"]),
    ]
    (node,) = cybptt.onnx.rnn_nodes(with_start(*nodes, **tensors))
    assert node.inputs == {"X": "X"}
    np.testing.assert_allclose(node.run(X0)[1], np.zeros((1, B, H)))


def test_a_start_that_the_model_computes_must_be_given() -> None:
    fill = numpy_helper.from_array(np.ones(1, np.float32))
    tensors = {"one": np.array([1]), "H": np.array([H])}
    nodes = [
        helper.make_node("Shape", ["X"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["n"]),
        helper.make_node("Concat", ["one", "n", "H"], ["size"], axis=0),
        helper.make_node("ConstantOfShape", ["size"], ["start"], value=fill),
    ]
    (node,) = cybptt.onnx.rnn_nodes(with_start(*nodes, **tensors))
    assert node.inputs == {"X": "X", "initial_h": "start"}
    with pytest.raises(
        ValueError, match=r"^initial_h: got None, need what the model computes as 's"
    ):
        node.run(X0)
    assert node.run(X0, initial_h=np.ones((1, B, H)))[1].shape == (1, B, H)


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(("arguments", "error", "words"), [
    ([None], TypeError, "X: got None"),
    ([X0[0]], ValueError, r"X: got .* need shape \(T, B, I\), I = 3"),
    ([X0[:, :, :2]], ValueError, "X: got an array of shape"),
    ([X0, [1, 2]], ValueError, r"sequence_lens: got .* need integers of shape \(B,\) = \(4,\)"),
    ([X0, [1.0] * 4], TypeError, "sequence_lens: got dtype float64"),
    ([X0, [0, 1, 2, 7]], ValueError, "sequence_lens: got 7 at index 3, need lengths in 0 … 6"),
    ([X0, [0, -1, 2, 3]], ValueError, "sequence_lens: got -1 at index 1"),
    ([X0, None, np.zeros((B, H))], ValueError, r"initial_h: got .* \(directions, B, H\) = \(1, 4,"),
    ([X0, None, "h"], TypeError, "initial_h: got 'h'"),
])  # fmt: skip
def test_a_call_that_is_refused(arguments: list[Any], error: type[Exception], words: str) -> None:
    (node,) = cybptt.onnx.rnn_nodes(one_node({"X": X0}, weights(1)))
    with pytest.raises(error, match=f"^{words}"):
        node.run(*arguments)


def but(name: str, array: Any) -> dict[str, Any]:
    return weights(1) | {name: array}


def refused_models() -> dict[str, tuple[Any, str]]:
    """Each with what the message says of it."""
    x, one = {"X": X0}, weights(1)
    foreign = helper.make_node("RNN", ["X", "W", "R"], ["Y"], domain="com.example", hidden_size=H)
    lstm = helper.make_node("LSTM", ["X", "W", "R"], ["Y"], hidden_size=H)
    inside = one_node(x, one)
    del inside.graph.initializer[0]
    inside.graph.input.append(helper.make_tensor_value_info("W", TensorProto.FLOAT, [1, H, I]))
    short = one_node(x, one)
    short.graph.initializer[0].raw_data = b"123"
    return {
        "nothing": (onnx.ModelProto(), "a graph without nodes, need a node of ONNX's operator RNN"),
        "LSTM": (graph_of([lstm], one, x, {"Y": 4}), "a graph of LSTM, need a node of"),
        "foreign": (graph_of([foreign], one, x, {"Y": 4}), r"a graph of com\.example\.RNN, need"),
        "an input": (inside, "W = 'W', which is no constant, need W of shape"),
        "too short": (short, "one whose 'W' cannot be read"),
        "integers": (one_node(x, but("R", one["R"].astype(int))), "R of dtype int64, need R of"),
        "no R": (one_node(x, {"W": one["W"]}), "no R, need R of shape"),
        "two axes": (one_node(x, but("W", one["W"][0])), r"W of shape \(5, 3\), need .* \(1, 5,"),
        "directions": (one_node(x, weights(2)), r"W of shape \(2, 5, 3\), need .* \(1, 5, I\)"),
        "hidden_size": (one_node(x, one, hidden_size=6), r"W of shape .* \(1, 6, I\)"),
        "R": (one_node(x, but("R", one["R"][:, :4])), r"R of shape .* = \(1, 5, 5\)"),
        "B": (one_node(x, but("B", one["B"][:, :5])), r"B of shape .* = \(1, 10\)"),
        "sideways": (one_node(x, one, direction="sideways"), "direction 'sideways', need one of f"),
        "layout": (one_node(x, one, layout=2), "layout 2, need 0 or 1"),
        "clip": (one_node(x, one, clip=-1.0), r"the activation Tanh \(clip: got -1"),
        "Gelu": (one_node(x, one, activations=["Gelu"]), "the activations Gelu, need one for each"),
        "none": (one_node(x, one, activations=["Affine"]), r"activation Affine \(alpha: got None"),
        "one of two": (
            one_node(x, weights(2), direction="bidirectional", activations=["Tanh"]),
            "the activations Tanh, need one for each direction",
        ),
        "numbers": (
            one_node(
                x, weights(2), direction="bidirectional", activations=["Tanh", "LeakyRelu"],
                activation_alpha=[0.0, 0.5],
            ),
            "2 numbers activation_alpha, need 1, for LeakyRelu",
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", refused_models())
def test_a_model_that_is_refused(name: str) -> None:
    model, words = refused_models()[name]
    with pytest.raises(ValueError, match=f"^model: got .*{words}"):
        cybptt.onnx.rnn_nodes(model)


def test_what_is_no_model(tmp_path: Path) -> None:
    for value in (3, None, b"a.onnx", [onnx.ModelProto()]):
        for function in (cybptt.onnx.rnn_nodes, cybptt.onnx.load):
            with pytest.raises(TypeError, match=r"^model: got .*, need the path of a file, or an"):
                function(value)
    with pytest.raises(FileNotFoundError):
        cybptt.onnx.rnn_nodes(tmp_path / "none.onnx")
    for content in (b"To be, or not to be", b"\x80\x04\x95", bytes(100)):
        (tmp_path / "a.onnx").write_bytes(content)
        for function in (cybptt.onnx.rnn_nodes, cybptt.onnx.load):
            with pytest.raises(ValueError, match=r"^model: got '.*a.onnx', which cannot be read"):
                function(tmp_path / "a.onnx")
