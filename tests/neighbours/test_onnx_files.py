"""What an exported graph holds, how it is read back, and what is refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import helpers
import numpy as np
import onnx
import pytest
from onnx_models import DTYPES, IN_RNN, operators

import cybptt
import cybptt.onnx

FORMULAS: dict[str, Any] = {"activation": lambda op, a: op.Atan(a)}
FOREIGN = cybptt.Activation("arctangent", np.arctan, lambda a: 1 / (1 + a * a))


# ---------------------------------------------------------------------- what the graph is


def test_the_smallest_graph() -> None:
    rnn = cybptt.RNN(3, 16, 4)
    model = cybptt.onnx.export(rnn, rnn.init(seed=0, dtype="float32"))
    assert operators(model) == ["RNN", "Squeeze", "MatMul", "Add", "Softmax"]
    assert [value.name for value in model.graph.input] == ["x"]
    assert [value.name for value in model.graph.output] == ["y_hat"]
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 13)]
    assert (model.producer_name, model.producer_version) == ("cybptt", cybptt.__version__)
    assert model.doc_string == "RNN(3, 16, 4)"
    (entry,) = model.metadata_props
    assert json.loads(entry.value)["version"] == cybptt.__version__


def through_time(rnn: Any, dtype: str = "float32", **options: Any) -> str:
    (name,) = {"RNN", "Scan"} & {*operators(cybptt.onnx.export(rnn, rnn.init(0, dtype), **options))}
    return name


@pytest.mark.parametrize("activation", cybptt.activations.names())
def test_the_operator_is_rnn_where_it_can_be(activation: str) -> None:
    rnn = cybptt.RNN(3, 4, 2, activation=activation)
    assert through_time(rnn) == ("RNN" if activation in IN_RNN else "Scan")
    assert through_time(rnn, operator="Scan") == "Scan"
    assert through_time(rnn, "float64") == "Scan"
    for pattern in ({"recurrence": "output"}, {"recurrence": "both"}, {"inputs": "tokens"}):
        assert through_time(cybptt.RNN(3, 4, 2, activation=activation, **pattern)) == "Scan"


@pytest.mark.parametrize(("activation", "operator"), [("gelu", "Scan"), ("tanh", "RNN")])
def test_what_onnx_runtime_lacks_in_float64(activation: str, operator: str) -> None:
    """Erf and RNN: the graph is that of float32, which it runs."""
    rnn = cybptt.RNN(3, 4, 2, activation=activation)
    narrow, wide = (
        cybptt.onnx.export(rnn, rnn.init(0, dtype), operator=operator) for dtype in DTYPES
    )
    assert operators(wide) == operators(narrow)
    assert wide.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.DOUBLE
    assert {each.data_type for each in wide.graph.initializer} <= {
        onnx.TensorProto.DOUBLE,
        onnx.TensorProto.INT64,
    }


def test_hard_sigmoid_says_its_slope() -> None:
    rnn = cybptt.RNN(3, 4, 2, activation="hard_sigmoid")
    node = cybptt.onnx.export(rnn, rnn.init(0, "float32")).graph.node[0]
    words = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    assert words["activations"] == [b"HardSigmoid"]
    assert np.array_equal(words["activation_alpha"], [np.float32(1 / 6)])  # and not ONNX's 1/5
    assert words["activation_beta"] == [0.5]


def test_the_latest_opset_is_accepted_by_the_checker() -> None:
    latest = onnx.defs.onnx_opset_version()
    rnn = cybptt.RNN(3, 4, 2)
    model = cybptt.onnx.export(rnn, rnn.init(0), opset=latest)
    assert model.opset_import[0].version == latest


# ---------------------------------------------------------------------- and back


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("inputs", ["values", "tokens"])
@pytest.mark.parametrize("pattern", helpers.PATTERNS)
def test_a_round_trip_changes_no_bit(pattern: str, inputs: str, dtype: str, tmp_path: Path) -> None:
    rnn = helpers.make_rnn(
        pattern, 4, 4, 4, inputs=inputs, activation="leaky_relu(0.2)", loss="huber(2.0)"
    )
    params = rnn.init(seed=0, dtype=dtype)
    tiny = np.finfo(dtype).smallest_subnormal
    for value in params.values():
        value.flat[:4] = [-0.0, np.nan, np.inf, tiny]
    for operator in ("RNN", "Scan") if "recurrence" not in helpers.PATTERNS[pattern] else ("Scan",):
        if operator == "RNN" and inputs == "tokens":
            continue
        model = cybptt.onnx.export(rnn, params, tmp_path / "a.onnx", operator=operator)
        for source in (model, tmp_path / "a.onnx", str(tmp_path / "a.onnx")):
            again, numbers = cybptt.onnx.load(source)
            assert again == rnn
            assert numbers.vector.tobytes() == params.vector.tobytes()
            assert numbers.dtype == params.dtype


@pytest.mark.parametrize("clip", [None, 0.25])
@pytest.mark.parametrize("name", ["Affine", "ThresholdedRelu", "HardSigmoid", "Tanh", "LeakyRelu"])
def test_the_activations_of_onnx_come_back(name: str, clip: float | None) -> None:
    numbers = {"Affine": (0.1, 1e-17), "LeakyRelu": (1 / 3,)}.get(name, ())
    activation = cybptt.onnx.activation(name, *numbers, clip=clip)
    rnn = cybptt.RNN(3, 4, 2, activation=activation)
    again, _ = cybptt.onnx.load(cybptt.onnx.export(rnn, rnn.init(seed=0)))
    assert again == rnn
    assert again.activation.name == activation.name
    assert pickle.loads(pickle.dumps(rnn)) == rnn
    assert eval(repr(activation), {"cybptt": cybptt}) == activation


def test_the_file_is_the_model(tmp_path: Path) -> None:
    rnn = cybptt.RNN(3, 4, 2)
    params = rnn.init(0, "float32")
    model = cybptt.onnx.export(rnn, params, tmp_path / "a.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == model.SerializeToString()
    assert onnx.load(tmp_path / "a.onnx") == model
    assert cybptt.onnx.export(rnn, params) == model  # the same each time
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]


def test_a_registered_plugin_comes_back_by_its_name() -> None:
    rnn = cybptt.RNN(3, 4, 2, activation=FOREIGN)
    model = cybptt.onnx.export(rnn, rnn.init(seed=0), **FORMULAS)
    with pytest.raises(ValueError, match="model: got one whose activation had no name"):
        cybptt.onnx.load(model)
    cybptt.register_activation(FOREIGN.name, FOREIGN.function, FOREIGN.derivative, replace=True)
    again, _ = cybptt.onnx.load(cybptt.onnx.export(rnn, rnn.init(seed=0), **FORMULAS))
    assert again == rnn


def changed(proto: onnx.ModelProto, **words: Any) -> onnx.ModelProto:
    """A copy with other metadata."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    content = json.loads(copy.metadata_props[0].value)
    content["model"] |= words.pop("model", {})
    copy.metadata_props[0].value = json.dumps(content | words)
    return copy


def test_a_model_that_is_no_longer_as_it_was_written() -> None:
    rnn = cybptt.RNN(3, 4, 2)
    good = cybptt.onnx.export(rnn, rnn.init(seed=0))
    without, text = onnx.ModelProto(), onnx.ModelProto()
    without.CopyFrom(good)
    del without.metadata_props[:]
    text.CopyFrom(good)
    text.metadata_props[0].value = "[]"
    bad = [
        (without, "one of 'cybptt', need one that cybptt.onnx.export wrote"),
        (text, "one with other metadata"),
        (changed(good, format=2), "one of format 2, need format 1"),
        (changed(good, model={"activation": None}), "one whose activation had no name"),
        (changed(good, model={"activation": "nobody's"}), "nobody's"),
        (changed(good, model={"activation": "onnx"}), "metadata are of no model here"),
        (changed(good, model={"activation": "onnx Tanh clip x"}), "metadata are of no model here"),
        (changed(good, model={"activation": 3}), "metadata are of no model here"),
        (changed(good, model={"loss": "hinge"}), "hinge"),
        (changed(good, model={"n_hidden": -1}), "n_hidden"),
        (changed(good, model={"n_hidden": 5}), r"for U, need one that has it, of shape \(5, 3\)"),
        (changed(good, model={"recurrence": "both"}), "one with nothing for R"),
    ]
    for model, words in bad:
        with pytest.raises(ValueError, match=f"^model: got .*{words}"):
            cybptt.onnx.load(model)


# ---------------------------------------------------------------------- what is refused

RNN = cybptt.RNN(3, 4, 2)
PARAMS = RNN.init(seed=0)
REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"rnn": 3}, TypeError, "rnn: got 3, need an RNN"),
    ({"params": PARAMS.vector}, TypeError, "params: got an array"),
    ({"params": cybptt.RNN(3, 5, 2).init(seed=0)}, ValueError, r"params: got those of RNN\(3, 5"),
    ({"path": 3}, TypeError, "path: got 3"),
    ({"path": ""}, ValueError, "path: got ''"),
    ({"nodes": 3}, TypeError, "nodes: got 3, need one of 'h', 'o', 'y_hat'"),
    ({"nodes": ()}, TypeError, r"nodes: got \(\)"),
    ({"nodes": "a"}, ValueError, "nodes: got 'a', need 'h', 'o' or 'y_hat'"),
    ({"nodes": ("h", 1)}, TypeError, "nodes: got 1"),
    ({"state": 1}, TypeError, "state: got 1, need True or False"),
    ({"lengths": [4]}, TypeError, r"lengths: got \[4\], need True or False"),
    ({"operator": "LSTM"}, ValueError, "operator: got 'LSTM', need 'RNN' or 'Scan'"),
    ({"opset": 12}, ValueError, "opset: got 12, need an integer in 13 … "),
    ({"opset": 13.5}, TypeError, "opset: got 13.5"),
    ({"activation": 0}, TypeError, "activation: got 0, need the formula of 'tanh'"),
    ({"activation": "Tanh"}, TypeError, "activation: got 'Tanh'"),
    ({"activation": lambda op, a: None}, TypeError, "activation: got a formula that returns None"),
    ({"activation": lambda op, a: op.Sin(a)}, ValueError, "gives 0.7568.* need -0.9993"),
    ({"activation": lambda op, a: op.Nothing(a)}, ValueError, "a formula that fails .*Nothing"),
    ({"activation": lambda op, a: "nothing"}, ValueError, "a formula that fails .*nothing"),
    ({"activation": lambda op, a: op.Shape(a)}, ValueError, "activation: got a formula"),
    ({"activation": lambda op, a: op.Mish(a)}, ValueError, "domain_version of 13"),
    ({"link": lambda op, o: op.Sigmoid(o)}, ValueError, "link: got a formula that gives 0.01"),
    ({"link": lambda op, o: op.ReduceMax(o)}, ValueError, "link: got a formula of"),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "error", "words"), REFUSED)
def test_bad_input_is_refused(bad: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=f"^{words}" if ": got" in words else words):
        cybptt.onnx.export(**({"rnn": RNN, "params": PARAMS} | bad))


def test_what_no_file_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cybptt.onnx._export.LARGEST", PARAMS.vector.nbytes - 1)
    with pytest.raises(ValueError, match=r"^params: got 336 bytes of parameters, need at most 335"):
        cybptt.onnx.export(RNN, PARAMS)


def test_nothing_is_written_where_something_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="opset"):
        cybptt.onnx.export(RNN, PARAMS, tmp_path / "a.onnx", opset=1)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(("rnn", "words"), [
    (cybptt.RNN(3, 4, 2, recurrence="output"), "recurrence='output'"),
    (cybptt.RNN(3, 4, 2, recurrence="both"), "recurrence='both'"),
    (cybptt.RNN(3, 4, 2, inputs="tokens"), "inputs='tokens'"),
    (cybptt.RNN(3, 4, 2, activation="gelu"), "the activation 'gelu'"),
])  # fmt: skip
def test_what_the_operator_rnn_has_not(rnn: Any, words: str) -> None:
    need = f"^operator: got 'RNN', need 'Scan': ONNX's RNN has not {words}$"
    with pytest.raises(ValueError, match=need):
        cybptt.onnx.export(rnn, rnn.init(seed=0), operator="RNN")


def test_a_plugin_without_a_formula() -> None:
    rnn = cybptt.RNN(3, 4, 2, activation=FOREIGN)
    with pytest.raises(
        ValueError, match=r"^activation: got None, need the formula of 'arctangent'"
    ):
        cybptt.onnx.export(rnn, rnn.init(seed=0))
    plain = cybptt.losses.get("squared_error")
    loss = cybptt.Loss("cosine", plain.value, plain.gradient, link=np.cos)
    rnn = cybptt.RNN(3, 4, 2, loss=loss)
    with pytest.raises(ValueError, match=r"^link: got None, need the formula of 'cosine'"):
        cybptt.onnx.export(rnn, rnn.init(seed=0))


def test_a_link_where_there_is_none() -> None:
    rnn = cybptt.RNN(3, 4, 2, loss="squared_error")
    with pytest.raises(ValueError, match=r"^link: got .* need None: ŷ is o with the loss"):
        cybptt.onnx.export(rnn, rnn.init(seed=0), link=lambda op, o: op.Exp(o))


def test_what_a_formula_raises_is_raised() -> None:
    def raises(op: Any, a: str) -> str:
        raise ZeroDivisionError(a)

    with pytest.raises(ZeroDivisionError):
        cybptt.onnx.export(RNN, PARAMS, activation=raises)
    with pytest.raises(AttributeError, match="relu: an operator of ONNX's begins with a capital"):
        cybptt.onnx.export(RNN, PARAMS, activation=lambda op, a: op.relu(a))
