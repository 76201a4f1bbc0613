"""Models that are exported: run by ONNX Runtime, and held against cybptt."""

from __future__ import annotations

import itertools
from typing import Any

import helpers
import numpy as np
import pytest
from onnx_models import (
    ALL,
    DTYPES,
    IN_RNN,
    LENGTHS,
    assert_equal_but_for_rounding,
    check,
    expected,
    problem,
    run,
    session,
)

import cybptt
import cybptt.onnx

# With numbers of their own, too. In float64 ONNX Runtime has no Erf, for gelu.
ACTIVATIONS = [*cybptt.activations.names(), "leaky_relu(0.2)", "leaky_relu(-0.5)", "elu(0.5)"]


# ---------------------------------------------------------------------- against ONNX Runtime


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("pattern", helpers.PATTERNS)
def test_every_pattern_and_activation(pattern: str, activation: str, dtype: str) -> None:
    if (activation, dtype) != ("gelu", "float64"):
        check(helpers.make_rnn(pattern, 4, 5, 3, activation=activation), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", cybptt.losses.names())
@pytest.mark.parametrize("pattern", helpers.PATTERNS)
def test_every_loss_has_its_link(pattern: str, loss: str, dtype: str) -> None:
    check(helpers.make_rnn(pattern, 4, 5, 3, loss=loss), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pattern", helpers.PATTERNS)
def test_tokens(pattern: str, dtype: str) -> None:
    check(helpers.make_rnn(pattern, 4, 5, 3, inputs="tokens"), dtype)


@pytest.mark.parametrize("activation", IN_RNN)
@pytest.mark.parametrize(
    "pattern", [p for p, o in helpers.PATTERNS.items() if "recurrence" not in o]
)
def test_scan_where_rnn_would_do(pattern: str, activation: str) -> None:
    rnn = helpers.make_rnn(pattern, 4, 5, 3, activation=activation)
    check(rnn, "float32", operator="Scan")


@pytest.mark.parametrize(("name", "alpha", "beta"), [
    ("Affine", 0.5, 0.1),
    ("ThresholdedRelu", 0.3, None),
    ("ScaledTanh", 1.7159, 0.6667),
    ("HardSigmoid", None, None),
    ("Tanh", None, None),
    ("Elu", 0.7, None),
])  # fmt: skip
@pytest.mark.parametrize("clip", [None, 0.4])
@pytest.mark.parametrize("operator", ["RNN", "Scan"])
def test_the_activations_of_onnx(
    name: str, alpha: float | None, beta: float | None, clip: float | None, operator: str
) -> None:
    activation = cybptt.onnx.activation(name, alpha, beta, clip)
    check(cybptt.RNN(4, 5, 3, activation=activation), "float32", operator=operator)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_size_that_fills_registers_and_blocks(dtype: str) -> None:
    rnn = cybptt.RNN(37, 131, 29, recurrence="both", loss="bernoulli_nll")
    params, x, given = problem(rnn, dtype, True, True, n_steps=23)
    wanted = expected(rnn, rnn.forward(params, x, **given), True)
    model = cybptt.onnx.export(rnn, params, nodes=ALL, state=True, lengths=True)
    assert_equal_but_for_rounding(run(model, {"x": x, **given}), wanted)


@pytest.mark.parametrize("operator", ["RNN", "Scan"])
def test_any_number_of_steps_and_sequences(operator: str) -> None:
    rnn = cybptt.RNN(4, 5, 3)
    params = rnn.init(seed=0, dtype="float32")
    running = session(cybptt.onnx.export(rnn, params, operator=operator))
    least = 0 if operator == "RNN" else 1  # ONNX Runtime's Scan takes no step less
    for shape in itertools.product((least, 1, 7), (0, 1, 5)):
        x = np.ones((*shape, 4), np.float32)
        (y_hat,) = running.run(None, {"x": x})
        assert_equal_but_for_rounding({"y_hat": y_hat}, {"y_hat": rnn.predict(params, x)})


@pytest.mark.parametrize("sizes", [(0, 5, 3), (4, 0, 3), (4, 5, 0), (0, 0, 0), (1, 1, 1)])
@pytest.mark.parametrize("recurrence", ["hidden", "output", "both"])
def test_sizes_of_zero_and_one(sizes: tuple[int, int, int], recurrence: str) -> None:
    check(cybptt.RNN(*sizes, recurrence=recurrence), "float32")


@pytest.mark.parametrize("activation", ["softplus", "silu", "elu", "gelu"])
def test_large_sums_do_not_overflow(activation: str) -> None:
    rnn = cybptt.RNN(1, 2, None, activation=activation)
    params = rnn.parameters(U=np.full((2, 1), 200, np.float32), W=np.zeros((2, 2)), b=np.zeros(2))
    params = params.astype("float32")
    x = np.array([[[1.0]], [[-1.0]]], np.float32)
    model = cybptt.onnx.export(rnn, params, nodes="h")
    wanted = {"h": rnn.forward(params, x).h}
    assert_equal_but_for_rounding(run(model, {"x": x}), wanted)


# ---------------------------------------------------------------------- options


@pytest.mark.parametrize("nodes", [*ALL, ("y_hat", "h"), ["o"], ("o", "o", "y_hat")])
@pytest.mark.parametrize("pattern", helpers.PATTERNS)
def test_only_what_is_wanted_comes_out(pattern: str, nodes: Any) -> None:
    rnn = helpers.make_rnn(pattern, 4, 5, 3, loss="poisson_nll")
    names = list(dict.fromkeys([nodes] if isinstance(nodes, str) else nodes))
    for state, lengths in itertools.product((False, True), repeat=2):
        params, x, given = problem(rnn, "float32", state, lengths)
        wanted = expected(rnn, rnn.forward(params, x, **given), state)
        wanted = {k: v for k, v in wanted.items() if k in names or k not in ALL}
        model = cybptt.onnx.export(rnn, params, nodes=nodes, state=state, lengths=lengths)
        actual = run(model, {"x": x, **given})
        assert list(actual)[: len(names)] == names
        assert_equal_but_for_rounding(actual, wanted)


@pytest.mark.parametrize("opset", range(13, 22))
@pytest.mark.parametrize("pattern", ["hidden", "last", "both, y_hat"])
def test_later_opsets(pattern: str, opset: int) -> None:
    check(helpers.make_rnn(pattern, 4, 5, 3), "float32", opset=opset)


# ---------------------------------------------------------------------- streams, and padding


@pytest.mark.parametrize("pattern", [p for p in helpers.PATTERNS if not p.startswith("last")])
def test_a_stream_goes_on_where_it_stood(pattern: str) -> None:
    rnn = helpers.make_rnn(pattern, 4, 5, 3)
    params, x, state = problem(rnn, "float32", True, False, n_steps=6)
    whole = rnn.predict(params, x, **state)
    running = session(cybptt.onnx.export(rnn, params, state=True))
    names = [o.name for o in running.get_outputs()]
    pieces = []
    for start, end in ((0, 1), (1, 4), (4, 6)):
        out = dict(zip(names, running.run(None, {"x": x[start:end], **state}), strict=True))
        pieces.append(out["y_hat"])
        state = {
            before: out[after]
            for before, after in (("h0", "h_last"), ("y0", "fed"))
            if after in out
        }
    assert_equal_but_for_rounding({"": np.concatenate(pieces)}, {"": whole})


@pytest.mark.parametrize("inputs", ["values", "tokens"])
@pytest.mark.parametrize("pattern", helpers.PATTERNS)
def test_what_stands_in_the_padding_changes_no_bit(pattern: str, inputs: str) -> None:
    rnn = helpers.make_rnn(pattern, 4, 5, 3, inputs=inputs)
    params, x, given = problem(rnn, "float32", True, True)
    model = cybptt.onnx.export(rnn, params, nodes=ALL, state=True, lengths=True)
    clean, dirty = x.copy(), x.copy()
    for n, length in enumerate(LENGTHS):
        clean[length:, n] = 0
        dirty[length:, n] = 10**6 if inputs == "tokens" else np.nan
    first, second = (run(model, {"x": each, **given}) for each in (clean, dirty))
    for name, value in first.items():
        helpers.assert_same(second[name], value, name)


# ---------------------------------------------------------------------- plugins of the user's


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pattern", helpers.PATTERNS)
def test_a_formula_for_a_plugin(pattern: str, dtype: str) -> None:
    def softplus_of_double(op: Any, a: str) -> str:
        return op.Log(op.Add(op.Exp(op.Mul(a, 2)), 1.0))

    def function(a: Any) -> Any:
        return np.logaddexp(2 * a, a.dtype.type(0))

    plugin = cybptt.Activation("softplus of 2 a", function, lambda a: 2 / (1 + np.exp(-2 * a)))
    rnn = helpers.make_rnn(pattern, 4, 5, 3, activation=plugin)
    check(rnn, dtype, activation=softplus_of_double)


def test_a_formula_may_need_a_later_opset() -> None:
    rnn = cybptt.RNN(4, 5, 3, activation="gelu")
    check(rnn, "float32", activation=lambda op, a: op.Gelu(a, approximate="none"), opset=20)


@pytest.mark.parametrize("pattern", ["hidden", "last", "both, y_hat"])
def test_a_formula_for_a_link(pattern: str) -> None:
    plain = cybptt.losses.get("squared_error")
    loss = cybptt.Loss(
        "cosine", plain.value, plain.gradient, link=np.cos, link_vjp=lambda o, y, v: -np.sin(o) * v
    )
    rnn = helpers.make_rnn(pattern, 4, 5, 3, loss=loss)
    check(rnn, "float32", link=lambda op, o: op.Cos(o))


def test_a_loss_of_ones_own_with_a_link_of_cybptts() -> None:
    base = cybptt.losses.get("softmax_nll")
    smooth = cybptt.Loss("smooth", base.value, base.gradient, base.link, targets="classes")
    check(cybptt.RNN(4, 5, 3, loss=smooth), "float32")


@pytest.mark.parametrize("name", ["tanh", "gelu"])
def test_another_activation_under_a_built_in_name_is_noticed(name: str) -> None:
    built_in = cybptt.activations.get(name)
    parts = built_in.function, built_in.derivative
    try:
        cybptt.register_activation(name, np.sin, np.cos, replace=True)
        rnn = cybptt.RNN(3, 4, 2, activation=name)
        with pytest.raises(ValueError, match="activation: got a formula that gives"):
            cybptt.onnx.export(rnn, rnn.init(seed=0))
    finally:
        derivative_of = built_in.derivative_of
        cybptt.register_activation(name, *parts, derivative_of=derivative_of, replace=True)
    assert cybptt.activations.get(name) == built_in


def test_a_links_formula_is_held_against_all_steps_and_one() -> None:
    """Over its last axis, as many outputs as the model has."""
    plain, scales = cybptt.losses.get("squared_error"), np.arange(1, 4, dtype="float32")

    def share(o: Any) -> Any:
        e = np.exp(o - o.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    softmax = cybptt.losses.get("softmax_nll")
    loss = cybptt.Loss("mine", softmax.value, softmax.gradient, share, targets="classes")
    rnn = cybptt.RNN(3, 4, 5, loss=loss)
    check(rnn, "float32", link=lambda op, o: op.Softmax(o, axis=-1))
    for wrong in (0, 1):
        with pytest.raises(ValueError, match="link: got a formula that"):
            cybptt.onnx.export(
                rnn, rnn.init(0, "float32"), link=lambda op, o, axis=wrong: op.Softmax(o, axis=axis)
            )

    loss = cybptt.Loss("scaled", plain.value, plain.gradient, lambda o: o * scales)
    check(cybptt.RNN(3, 4, 3, loss=loss), "float32", link=lambda op, o: op.Mul(o, scales))

    loss = cybptt.Loss("steep", plain.value, plain.gradient, lambda o: np.exp(3 * o))  # ∞ at 30
    rnn = cybptt.RNN(3, 4, 3, loss=loss)
    check(rnn, "float32", link=lambda op, o: op.Exp(op.Mul(o, 3.0)))


@pytest.mark.parametrize("name", ["softplus", "relu(6)", "hard_sigmoid(0.2)", "softplus(beta=2)"])
def test_an_activation_that_is_called_like_another(name: str) -> None:
    activation = cybptt.Activation(
        name, lambda a: np.clip(a, 0, 6), lambda a: ((a > 0) & (a < 6)).astype(a.dtype)
    )
    rnn = cybptt.RNN(3, 4, 5, activation=activation)
    params = rnn.init(0, "float32")
    with pytest.raises(ValueError, match="activation: got "):
        cybptt.onnx.export(rnn, params)
    model = cybptt.onnx.export(rnn, params, activation=lambda op, a: op.Clip(a, 0.0, 6.0))
    with pytest.raises(ValueError, match="activation"):
        cybptt.onnx.load(model)
