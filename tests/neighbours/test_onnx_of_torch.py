"""PyTorch's own exports, read as networks."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import cybptt
import cybptt.onnx

T, B, I, H = 7, 3, 4, 5


def exported(module: Any, arguments: tuple[Any, ...], path: Path, **options: Any) -> Path:
    """By the exporter that writes RNN nodes, which PyTorch calls its older one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, arguments, path, dynamo=False, **options)
    return path


@pytest.mark.parametrize("folded", [True, False])
@pytest.mark.parametrize("options", [
    {},
    {"nonlinearity": "relu"},
    {"bias": False},
    {"batch_first": True},
    {"bidirectional": True},
    {"bidirectional": True, "num_layers": 3, "batch_first": True},
], ids=str)  # fmt: skip
def test_a_stack_of_layers(options: dict[str, Any], folded: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    layers = torch.nn.RNN(I, H, **options).eval()
    x = torch.randn(B, T, I) if layers.batch_first else torch.randn(T, B, I)
    path = exported(layers, (x,), tmp_path / "a.onnx", do_constant_folding=folded)
    nodes = cybptt.onnx.rnn_nodes(path)
    assert len(nodes) == layers.num_layers
    h, ends = x.numpy(), []
    h = h.swapaxes(0, 1) if layers.batch_first else h
    for node in nodes:
        Y, Y_h = node.run(h)
        h = Y.swapaxes(1, 2).reshape(T, B, -1)  # both directions side by side
        ends.append(Y_h)
    with torch.no_grad():
        wanted, last = layers(x)
    h = h.swapaxes(0, 1) if layers.batch_first else h
    np.testing.assert_allclose(h, wanted, atol=1e-6)
    np.testing.assert_allclose(np.concatenate(ends), last, atol=1e-6)


def test_a_start_that_is_an_input(tmp_path: Path) -> None:
    layer = torch.nn.RNN(I, H).eval()
    x, h0 = torch.randn(T, B, I), torch.randn(1, B, H)
    path = exported(layer, (x, h0), tmp_path / "a.onnx", input_names=["x", "h0"])
    (node,) = cybptt.onnx.rnn_nodes(path)
    assert node.inputs == {"X": "x", "initial_h": "h0"}
    with torch.no_grad():
        wanted, _ = layer(x, h0)
    np.testing.assert_allclose(node.run(x, initial_h=h0)[0][:, 0], wanted, atol=1e-6)
