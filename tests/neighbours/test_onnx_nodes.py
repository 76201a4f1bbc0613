"""RNN nodes of ONNX models: held against ONNX's own tests, ONNX Runtime and PyTorch."""

from __future__ import annotations

import itertools
import pickle
import warnings
from typing import Any

import helpers
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx_models import BOUND, H, I, one_node, run, weights

import cybptt
import cybptt.onnx

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its cases for other operators divide by zero
    from onnx.backend.test.case.node import collect_testcases

    CASES = {case.name: case for case in collect_testcases("RNN")}

T, B = 6, 4
DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}
# With the numbers that they take.
ACTIVATIONS: dict[str, tuple[float, ...]] = {
    "Relu": (),
    "Tanh": (),
    "Sigmoid": (),
    "Affine": (0.5, 0.1),
    "LeakyRelu": (0.3,),
    "ThresholdedRelu": (0.2,),
    "ScaledTanh": (1.7, 0.6),
    "HardSigmoid": (0.3, 0.4),
    "Elu": (0.7,),
    "Softsign": (),
    "Softplus": (),
}
LENGTHS = np.array([6, 0, 1, 4], np.int32)


def numbers_of(names: list[str]) -> dict[str, list[float]]:
    """activation_alpha and activation_beta: the numbers of those that take them, in order."""
    given = {
        f"activation_{letter}": [ACTIVATIONS[n][k] for n in names if len(ACTIVATIONS[n]) > k]
        for k, letter in enumerate(("alpha", "beta"))
    }
    return {name: numbers for name, numbers in given.items() if numbers}


def assert_close(actual: Any, expected: Any) -> None:
    assert actual.shape == expected.shape
    scale = np.finfo(np.float32).eps * max(1, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=BOUND * scale)


# ---------------------------------------------------------------------- ONNX's own tests


@pytest.mark.parametrize("name", CASES)
def test_the_node_tests_of_onnx(name: str) -> None:
    case = CASES[name]
    ((inputs, outputs),) = case.data_sets
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    given = dict(zip([value.name for value in model.graph.input], inputs, strict=True))
    X = given.pop("X")
    # The cases have the weights as inputs: here these have a value.
    model.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in given.items())
    (node,) = cybptt.onnx.rnn_nodes(model)
    actual = dict(zip(("Y", "Y_h"), node.run(X), strict=True))
    wanted = dict(zip(node.outputs, outputs, strict=True))
    for part, value in wanted.items():
        assert_close(actual[part], value)


def test_there_are_node_tests() -> None:
    assert {"test_simple_rnn_defaults", "test_rnn_seq_length"} <= set(CASES)
    assert "test_simple_rnn_batchwise" in CASES  # layout 1


# ---------------------------------------------------------------------- ONNX Runtime


@pytest.mark.parametrize("clip", [None, 0.4])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_all_that_the_operator_allows(direction: str, activation: str, clip: float | None) -> None:
    n = DIRECTIONS[direction]
    names = [activation, "Tanh"][:n]
    attributes: dict[str, Any] = {"direction": direction, "activations": names, **numbers_of(names)}
    attributes |= {} if clip is None else {"clip": clip}
    rng = np.random.default_rng(1)
    X = rng.standard_normal((T, B, I)).astype(np.float32)
    h0 = rng.standard_normal((n, B, H)).astype(np.float32)
    for bias, lengths, start in itertools.product((False, True), repeat=3):
        tensors = weights(n)
        if not bias:
            del tensors["B"]
        options: dict[str, Any] = {"sequence_lens": LENGTHS} if lengths else {}
        options |= {"initial_h": h0} if start else {}
        # Of a length of 0 ONNX does not say what the last h is, and some of its runtimes crash.
        some = LENGTHS > 0 if lengths else slice(None)
        feeds = {"X": X[:, some]}
        feeds |= {"sequence_lens": LENGTHS[some]} if lengths else {}
        feeds |= {"initial_h": h0[:, some]} if start else {}
        model = one_node(feeds, tensors, **attributes)
        wanted = run(model, feeds)
        (node,) = cybptt.onnx.rnn_nodes(model)
        assert set(node.inputs) == {"X", *options}
        Y, Y_h = node.run(X, **options)
        assert_close(Y[:, :, some], wanted["Y"])
        assert_close(Y_h[:, some], wanted["Y_h"])
        if lengths:  # here it is h(0)
            assert not Y[:, :, LENGTHS == 0].any()
            helpers.assert_same(Y_h[:, LENGTHS == 0], (h0 if start else 0 * h0)[:, [1]], "Y_h")


@pytest.mark.parametrize("names", [["LeakyRelu", "Elu"], ["Affine", "LeakyRelu"], ["Tanh", "Elu"]])
def test_numbers_are_consumed_in_the_order_of_the_activations(names: list[str]) -> None:
    X = np.random.default_rng(1).standard_normal((T, B, I)).astype(np.float32)
    attributes = {"direction": "bidirectional", "activations": names, **numbers_of(names)}
    model = one_node({"X": X}, weights(2), **attributes)
    (node,) = cybptt.onnx.rnn_nodes(model)
    assert_close(node.run(X)[0], run(model, {"X": X})["Y"])


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_layout_1_is_layout_0_with_the_batch_first(direction: str) -> None:
    n = DIRECTIONS[direction]
    rng = np.random.default_rng(1)
    X, h0 = rng.standard_normal((T, B, I)), rng.standard_normal((n, B, H))
    first, second = (
        cybptt.onnx.rnn_nodes(
            one_node({"X": np.float32(X)}, weights(n), direction=direction, layout=layout)
        )[0]
        for layout in (0, 1)
    )
    Y, Y_h = first.run(X, LENGTHS, h0)
    Z, Z_h = second.run(X.swapaxes(0, 1), LENGTHS, h0.swapaxes(0, 1))
    helpers.assert_same(Z, Y.transpose(2, 0, 1, 3), "Y")
    helpers.assert_same(Z_h, Y_h.swapaxes(0, 1), "Y_h")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_what_is_exported_is_read_as_it_was(activation: str) -> None:
    rnn = cybptt.RNN(
        3, 4, 2, activation=cybptt.onnx.activation(activation, *ACTIVATIONS[activation])
    )
    params = rnn.init(seed=0, dtype="float32")
    (node,) = cybptt.onnx.rnn_nodes(cybptt.onnx.export(rnn, params, operator="RNN"))
    assert node.rnns[0].activation == rnn.activation
    for name in "UWb":
        helpers.assert_same(node.params[0][name], params[name], name)


# ---------------------------------------------------------------------- activations


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("clip", [None, 0.7, 0.0])
def test_the_derivatives(name: str, clip: float | None) -> None:
    activation = cybptt.onnx.activation(name, *ACTIVATIONS[name], clip=clip)
    parts = activation.function, activation.derivative
    # Registering holds them against finite differences.
    words = f"{name} {clip}"
    checked = cybptt.register_activation(words, *parts, derivative_of=activation.derivative_of)
    assert cybptt.activations.get(words) is checked


def test_defaults_and_cybptts_own() -> None:
    get = cybptt.activations.get
    make = cybptt.onnx.activation
    same = {"Relu": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid", "Elu": "elu"}
    same |= {"LeakyRelu": "leaky_relu", "Softsign": "softsign", "Softplus": "softplus"}
    assert {make(theirs) == get(ours) for theirs, ours in same.items()} == {True}
    assert make("Affine", 1, 0) == get("identity")
    assert make("LeakyRelu", 0.2) == cybptt.activations.leaky_relu(0.2)
    assert make("HardSigmoid", 1 / 6, 0.5) == make("HardSigmoid", 0.16666667) == get("hard_sigmoid")
    a = np.array([-9.0, 1.0, 9.0])
    np.testing.assert_array_equal(make("HardSigmoid").function(a), [0, 0.7, 1])  # slope 1/5
    np.testing.assert_array_equal(get("hard_sigmoid").function(a), [0, 1 / 6 + 0.5, 1])
    np.testing.assert_array_equal(make("ThresholdedRelu").function(a), [0, 1, 9])
    assert make("Tanh", clip=3).name == "onnx Tanh clip 3.0"
    assert make("ScaledTanh", 1.7159, 0.6667).name == "onnx ScaledTanh 1.7159 0.6667"


@pytest.mark.parametrize(("arguments", "error", "words"), [
    (["tanh"], ValueError, "name: got 'tanh', need 'Relu', 'Tanh'"),
    ([3], TypeError, "name: got 3"),
    (["Affine"], ValueError, "alpha: got None, need a finite number: ONNX has no default"),
    (["ScaledTanh", 1.0], ValueError, "beta: got None, need a finite number: ONNX has no"),
    (["Tanh", 1.0], ValueError, "alpha: got 1.0, need None: Tanh takes none"),
    (["Elu", 1.0, 1.0], ValueError, "beta: got 1.0, need None: Elu takes none"),
    (["Elu", np.nan], ValueError, "alpha: got nan, need a finite number"),
    (["Elu", "1"], TypeError, "alpha: got '1'"),
    (["Tanh", None, None, -1], ValueError, "clip: got -1, need a finite number ≥ 0"),
    (["Tanh", None, None, np.inf], ValueError, "clip: got inf"),
])  # fmt: skip
def test_what_is_no_activation(arguments: list[Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=f"^{words}"):
        cybptt.onnx.activation(*arguments)


# ---------------------------------------------------------------------- training goes on


@pytest.mark.parametrize("clip", [None, 1.0])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_training_goes_on(activation: str, clip: float | None) -> None:
    words = {} if clip is None else {"clip": clip}
    tensors = weights(1)
    model = one_node(
        {"X": np.zeros((T, B, I), np.float32)}, tensors,
        activations=[activation], **numbers_of([activation]), **words,
    )  # fmt: skip
    (node,) = cybptt.onnx.rnn_nodes(model)
    rnn = cybptt.RNN(I, H, 2, activation=node.rnns[0].activation)
    rng = np.random.default_rng(2)
    params = rnn.parameters(**node.params[0].astype("float64"), V=rng.normal(size=(2, H)), c=[0, 0])
    report = cybptt.gradcheck(rnn, params, rng.normal(size=(T, B, I)), rng.integers(2, size=(T, B)))
    assert report, report
    assert pickle.loads(pickle.dumps(params)).rnn == rnn
