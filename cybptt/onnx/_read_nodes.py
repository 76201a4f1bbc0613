"""The RNN nodes of any model of ONNX's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

import cybptt
from cybptt import _validate as check
from cybptt._files import Path
from cybptt.onnx._activations import NUMBERS, activation
from cybptt.onnx._files import Constants, as_float, read
from cybptt.onnx._nodes import DIRECTIONS, RNNNode

Array = NDArray[Any]

INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h")
OUTPUTS = ("Y", "Y_h")
LETTERS = ("alpha", "beta")
PROPER = {name.lower(): name for name in NUMBERS}


def rnn_nodes(model: Path | onnx.ModelProto) -> list[RNNNode]:
    """Read every RNN node of an ONNX model: :eq:`10.8` and :eq:`10.9`, with their parameters.

    Parameters
    ----------
    model : str, os.PathLike or onnx.ModelProto
        A file, whose external data are read too, or a model. Its opset may be any.

    Returns
    -------
    list of RNNNode
        In the order of the graph. Nodes inside If, Loop and Scan are not looked for; nodes of the
        model's own functions are.

    Raises
    ------
    OSError
        Where the file cannot be read.
    ValueError, TypeError
        For a file that is none of ONNX's or lacks its external data; for a model without RNN nodes;
        for a node whose weights depend on the model's inputs, or whose attributes and shapes do not
        go together.

    Examples
    --------
    >>> import cybptt, cybptt.onnx
    >>> rnn = cybptt.RNN(3, 16, 4, activation="elu")
    >>> model = cybptt.onnx.export(rnn, rnn.init(seed=0, dtype="float32"))
    >>> (node,) = cybptt.onnx.rnn_nodes(model)
    >>> node.rnns[0].activation, node.params[0].U.shape
    (cybptt.activations.get('elu'), (16, 3))
    """
    proto = read(model)
    found = [n for n in proto.graph.node if n.op_type == "RNN" and n.domain in ("", "ai.onnx")]
    if not found:
        kinds = sorted({".".join(filter(None, (n.domain, n.op_type))) for n in proto.graph.node})
        got = f"a graph of {', '.join(kinds)}" if kinds else "a graph without nodes"
        raise check.wrong_value("model", got, "a node of ONNX's operator RNN")
    constants = Constants(proto)
    return [Reader(node, constants).read() for node in found]


class Reader:
    """One node, as it stands in the graph."""

    def __init__(self, node: onnx.NodeProto, constants: Constants) -> None:
        self.constants = constants
        self.name = node.name or next(filter(None, node.output), "")
        self.inputs = {k: v for k, v in zip(INPUTS, node.input, strict=False) if v}
        self.outputs = {k: v for k, v in zip(OUTPUTS, node.output, strict=False) if v}
        self.attributes: dict[str, Any] = {
            each.name: onnx.helper.get_attribute_value(each) for each in node.attribute
        }

    def read(self) -> RNNNode:
        """The node as a network for each direction."""
        direction = self.attributes.get("direction", b"forward").decode()
        if direction not in DIRECTIONS:
            raise self._wrong(f"direction {direction!r}", f"one of {', '.join(DIRECTIONS)}")
        layout = self.attributes.get("layout", 0)
        if layout not in (0, 1):
            raise self._wrong(f"layout {layout}", "0 or 1")
        n = len(DIRECTIONS[direction])
        U, W, b = self._weights(n)
        rnns = [
            cybptt.RNN(U.shape[2], U.shape[1], None, activation=f, loss="squared_error")
            for f in self._activations(n)
        ]
        given = [name for name in ("X", "sequence_lens", "initial_h") if self._is_given(name)]
        params = [rnn.parameters(U=U[i], W=W[i], b=b[i]) for i, rnn in enumerate(rnns)]
        return RNNNode(
            name=self.name,
            direction=direction,
            layout=layout,
            rnns=tuple(rnns),
            params=tuple(params),
            sequence_lens=self._value("sequence_lens"),
            initial_h=self._value("initial_h"),
            inputs={name: self.inputs[name] for name in given},
            outputs=self.outputs,
        )

    def _wrong(self, got: str, need: str) -> ValueError:
        return check.wrong_value("model", f"an RNN node {self.name!r} with {got}", need)

    def _value(self, name: str) -> Array | None:
        """What the model itself gives to an input, where it is constant."""
        return self.constants.get(self.inputs[name]) if name in self.inputs else None

    def _is_given(self, name: str) -> bool:
        """Whether the model's inputs decide it. Zeros they do not, but for their number."""
        if name not in self.inputs or self._value(name) is not None:
            return name == "X"
        return not (name == "initial_h" and self.constants.is_zero(self.inputs[name]))

    # -------------------------------------------------------------- the weights

    def _weights(self, n: int) -> tuple[Array, Array, Array]:
        """U, W and b of each direction."""
        H = self.attributes.get("hidden_size")
        W = self._weight("W", (n, H, None), "(directions, hidden_size, I)")
        H = W.shape[1]
        R = self._weight("R", (n, H, H), "(directions, hidden_size, hidden_size)")
        if "B" not in self.inputs:
            return W, R, np.zeros((n, H), W.dtype)
        B = self._weight("B", (n, 2 * H), "(directions, 2 hidden_size)")
        return W, R, B[:, :H] + B[:, H:]

    def _weight(self, name: str, shape: Sequence[int | None], letters: str) -> Array:
        """An array of a shape, in which None is any size."""
        need = f"{name} of shape {letters}"
        if name not in self.inputs:
            raise self._wrong(f"no {name}", need)
        value = self._value(name)
        if value is None:
            got = f"{name} = {self.inputs[name]!r}, which is no constant"
            raise self._wrong(got, f"{need} that is one, or is made of such")
        floats = as_float(value)
        if floats is None:
            raise self._wrong(f"{name} of dtype {value.dtype}", f"{need}, floating-point numbers")
        fits = [size in (None, has) for size, has in zip(shape, floats.shape, strict=False)]
        if floats.ndim != len(shape) or not all(fits):
            sizes = ", ".join("I" if size is None else str(size) for size in shape)
            raise self._wrong(f"{name} of shape {floats.shape}", f"{letters} = ({sizes})")
        return floats

    # -------------------------------------------------------------- the activations

    def _activations(self, n: int) -> list[cybptt.Activation]:
        """One for each direction; each takes the next of the numbers that are given."""
        given = [name.decode() for name in self.attributes.get("activations", [b"Tanh"] * n)]
        names = [PROPER.get(name.lower(), "") for name in given[:n]]
        if len(names) < n or not all(names):
            got = f"the activations {', '.join(given)}"
            raise self._wrong(got, f"one for each direction, of {', '.join(NUMBERS)}")
        values = {k: list(self.attributes.get(f"activation_{k}", [])) for k in LETTERS}
        clip = self.attributes.get("clip")
        made = []
        for name in names:
            own = {k: values[k].pop(0) for k in LETTERS[: len(NUMBERS[name])] if values[k]}
            own |= {} if clip is None else {"clip": clip}
            try:
                made.append(activation(name, **{k: _decimal(number) for k, number in own.items()}))
            except ValueError as error:
                raise self._wrong(f"the activation {name} ({error})", "its numbers") from error
        for place, letter in enumerate(LETTERS):
            takers = [name for name in names if len(NUMBERS[name]) > place]
            if takers and values[letter]:  # whose they are is not said
                got = f"{len(takers) + len(values[letter])} numbers activation_{letter}"
                raise self._wrong(got, f"{len(takers)}, for {', '.join(takers)}")
        return made


def _decimal(number: float) -> float:
    """The decimal that a float32 stands for: 0.01, of 0.009999999776."""
    return float(str(np.float32(number)))
