"""Models of ONNX's as they come: a file's or in memory, and the constants that are in them."""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import inliner, numpy_helper
from onnx.reference import ReferenceEvaluator

from cybptt import _validate as check
from cybptt._files import file_name

Array = NDArray[Any]

# Operators of which each run gives another value.
RANDOM = (
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
)
# Operators whose outputs are all from their first input.
REARRANGE = (
    "Expand",
    "Gather",
    "Identity",
    "Reshape",
    "Slice",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
)


def read(model: Any) -> onnx.ModelProto:
    """A model of ONNX's, with the data that stand in files beside it, and without functions."""
    if isinstance(model, onnx.ModelProto):
        proto = model
    elif isinstance(model, str | os.PathLike):
        proto = _of_file(file_name(model))
    else:
        need = "the path of a file, or an onnx.ModelProto"
        raise check.wrong_type("model", check.describe(model), need)
    for tensor in proto.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            got = f"one whose {tensor.name!r} stands in another file"
            raise check.wrong_value("model", got, "its path, or what onnx.load makes of that")
    if proto.functions:
        proto = inliner.inline_local_functions(proto)
    return proto


def _of_file(name: str) -> onnx.ModelProto:
    with open(name, "rb") as file:
        data = file.read()
    try:
        model = onnx.load_model_from_string(data)
        onnx.load_external_data_for_model(model, os.path.dirname(name))
    except Exception as error:  # of protobuf, of ONNX's checker, or of the system
        reason = str(error).partition("\n")[0] or type(error).__name__
        got = f"{name!r}, which cannot be read ({reason})"
        need = "a file of ONNX's, with those that belong to it beside it"
        raise check.wrong_value("model", got, need) from error
    return model


class Constants:
    """The values in a graph that do not depend on its inputs, by name."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._opsets = {each.domain: each.version for each in model.opset_import}
        self._graph = model.graph
        self._known: dict[str, Array | None] = {}

    @cached_property
    def _tensors(self) -> dict[str, onnx.TensorProto]:
        return {tensor.name: tensor for tensor in self._graph.initializer}

    @cached_property
    def _makers(self) -> dict[str, onnx.NodeProto]:
        return {name: node for node in self._graph.node for name in node.output if name}

    def get(self, name: str) -> Array | None:
        """The value, or None where an input decides it."""
        waiting, begun = [name], set[str]()  # and no recursion: a chain of nodes may be long
        while waiting:
            last = waiting[-1]
            if last in self._known:
                waiting.pop()
            elif last in self._tensors:
                self._known[last] = _array(self._tensors[last])
            else:
                node = self._makers.get(last)
                inputs = [] if node is None else [each for each in node.input if each]
                before = [each for each in inputs if each not in self._known]
                varies = any(self._known.get(each, self) is None for each in inputs)
                if before and not varies and last not in begun:
                    begun.add(last)
                    waiting += before
                else:
                    self._known |= dict.fromkeys([last]) | self._made(last)
        return self._known[name]

    def is_zero(self, name: str) -> bool:
        """Whether it is known to be zeros, whatever their number."""
        value = self.get(name)
        if value is not None:
            return not value.any()
        node = self._makers.get(name)
        if node is None:
            return False
        if node.op_type == "ConstantOfShape":
            filled = [onnx.helper.get_attribute_value(each) for each in node.attribute]
            return not any(_array(tensor).any() for tensor in filled)
        return node.op_type in REARRANGE and self.is_zero(node.input[0])

    def _made(self, name: str) -> dict[str, Array | None]:
        node = self._makers.get(name)
        if node is None or (not node.input and node.op_type != "Constant"):
            return {}
        if node.op_type in RANDOM:
            return {}
        inputs = {each: self._known.get(each) for each in node.input if each}
        if any(value is None for value in inputs.values()):
            return {}
        try:
            values = ReferenceEvaluator(node, opsets=self._opsets).run(None, inputs)
        except Exception:  # an operator that ONNX's own interpreter lacks: not known, then
            return {}
        return dict(zip(node.output, values, strict=False))


def _array(tensor: onnx.TensorProto) -> Array:
    try:
        return np.asarray(numpy_helper.to_array(tensor))
    except Exception as error:  # of a size that its data have not, of a type that NumPy has not
        got = f"one whose {tensor.name!r} cannot be read ({error})"
        raise check.wrong_value("model", got, "tensors with all their numbers") from error


def as_float(value: Array) -> Array | None:
    """The same numbers in float32 or float64, where they are floating-point ones."""
    if value.dtype.name in ("float16", "bfloat16"):
        return value.astype(np.float32)
    return value if value.dtype in check.FLOATS else None
