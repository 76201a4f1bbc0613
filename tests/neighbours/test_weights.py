"""The weights of PyTorch and Keras in `Parameters`: the outputs are those of the other library."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import cybptt

os.environ.setdefault("KERAS_BACKEND", "torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import keras

T, B, I, H, O = 7, 3, 4, 5, 2


def numbers(*shape: int, dtype: str = "float32") -> Any:
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("f", ["tanh", "relu"])
def test_every_layer_and_direction_of_pytorch(f: str, bias: bool, dtype: str) -> None:
    torch.manual_seed(0)
    layers = torch.nn.RNN(I, H, 3, f, bias=bias, bidirectional=True, dtype=getattr(torch, dtype))
    x = numbers(T, B, I, dtype=dtype)
    h = x
    for layer in range(3):
        rnn = cybptt.RNN(h.shape[-1], H, None, activation=f)
        sides = []
        for reverse in (False, True):
            params = cybptt.io.from_torch(rnn, layers.state_dict(), layer=layer, reverse=reverse)
            assert params.dtype == dtype
            turn = slice(None, None, -1 if reverse else 1)
            sides.append(rnn.forward(params, h[turn]).h[turn])
        h = np.concatenate(sides, axis=2)
    with torch.no_grad():
        wanted, _ = layers(torch.from_numpy(x))
    np.testing.assert_allclose(h, wanted, atol=1e-6 if dtype == "float32" else 1e-14)


def test_dtypes_that_differ() -> None:
    layer = torch.nn.RNN(I, H)
    layer.weight_hh_l0.data = layer.weight_hh_l0.data.double() + 1e-12
    rnn = cybptt.RNN(I, H, None)
    params = cybptt.io.from_torch(rnn, layer.state_dict())
    np.testing.assert_array_equal(params.W, layer.weight_hh_l0.detach())  # no bit is lost

    for dtype in (torch.bfloat16, torch.float16):
        layer = torch.nn.RNN(I, H).to(dtype)
        params = cybptt.io.from_torch(rnn, layer.state_dict())
        assert params.dtype == np.float32
        np.testing.assert_array_equal(params.U, layer.weight_ih_l0.detach().float())


@pytest.mark.parametrize("bias", [True, False])
def test_an_output_layer_of_pytorch(bias: bool) -> None:
    torch.manual_seed(0)
    module = torch.nn.ModuleDict(
        {"inner": torch.nn.RNN(I, H), "head": torch.nn.Linear(H, O, bias=bias)}
    )
    rnn = cybptt.RNN(I, H, O)
    params = cybptt.io.from_torch(rnn, module.state_dict(), prefix="inner.", output="head")
    x = numbers(T, B, I)
    with torch.no_grad():
        wanted = module["head"](module["inner"](torch.from_numpy(x))[0]).softmax(2)
    np.testing.assert_allclose(rnn.predict(params, x), wanted, atol=1e-6)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own
@pytest.mark.parametrize("f", ["tanh", "relu", "sigmoid", "softplus"])
@pytest.mark.parametrize("bias", [True, False])
def test_keras(f: str, bias: bool) -> None:
    keras.utils.set_random_seed(0)
    layer = keras.layers.SimpleRNN(H, activation=f, use_bias=bias, return_sequences=True)
    dense = keras.layers.Dense(O, activation="softmax", use_bias=bias)
    x = numbers(T, B, I)
    batch_first = x.swapaxes(0, 1)
    layer.build(batch_first.shape)
    dense.build((B, T, H))
    for each in (layer, dense):  # biases that Keras begins with are 0, and would not be noticed
        each.set_weights([w + 0.1 * numbers(*w.shape) for w in each.get_weights()])
    wanted_h = layer(batch_first)
    wanted = keras.ops.convert_to_numpy(dense(wanted_h)).swapaxes(0, 1)
    rnn = cybptt.RNN(I, H, O, activation=f)
    params = cybptt.io.from_keras(rnn, layer.get_weights(), output=dense.get_weights())
    assert params.dtype == np.float32
    np.testing.assert_allclose(rnn.predict(params, x), wanted, atol=1e-6)

    alone = cybptt.RNN(I, H, None, activation=f)
    h = alone.forward(cybptt.io.from_keras(alone, layer.get_weights()), x).h
    wanted_h = keras.ops.convert_to_numpy(wanted_h).swapaxes(0, 1)
    np.testing.assert_allclose(h, wanted_h, atol=1e-6)


def test_parameters_that_have_gradients() -> None:
    """And are no state_dict."""
    layer = torch.nn.RNN(I, H)
    params = cybptt.io.from_torch(cybptt.RNN(I, H, None), dict(layer.named_parameters()))
    np.testing.assert_array_equal(params.W, layer.weight_hh_l0.detach())
    assert not np.shares_memory(params.vector, layer.weight_ih_l0.detach().numpy())
