"""A graph of ONNX's operators that is written down as its mathematics is: ``g.Add(a, b)``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Array = NDArray[Any]
# What an operator takes: the name of a value, a number or an array, or nothing at all.
Input: TypeAlias = "str | float | Array | None"
Dimension: TypeAlias = "int | str"


class Graph:
    """Nodes in the order in which they are added, and the constants that they share.

    An operator is a method that returns its output's name; numbers become constants of the graph's
    dtype. The body of a Scan is a graph with the same names and the same constants.
    """

    def __init__(self, dtype: np.dtype[Any], outer: Graph | None = None) -> None:
        self.dtype = dtype
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Array] = {} if outer is None else outer.constants
        self._numbers: Iterator[int] = count(1) if outer is None else outer._numbers

    def __getattr__(self, operator: str) -> Callable[..., str]:
        if not operator[:1].isupper():
            raise AttributeError(f"{operator}: an operator of ONNX's begins with a capital")
        return partial(self._one, operator)

    def _one(self, operator: str, *inputs: Input, **attributes: Any) -> str:
        return self.add(operator, inputs, [True], **attributes)[0]

    def add(
        self, operator: str, inputs: Sequence[Input], outputs: Sequence[bool], **attributes: Any
    ) -> list[str]:
        """A node of which the outputs that are True are wanted; "" stands for the others."""
        names = [self._fresh(operator) if wanted else "" for wanted in outputs]
        given = [self._input(value) for value in inputs]
        while given and not given[-1]:
            given.pop()
        while not names[-1]:
            names.pop()
        self.nodes.append(helper.make_node(operator, given, names, **attributes))
        return [*names, *[""] * (len(outputs) - len(names))]

    def constant(self, name: str, array: Array) -> str:
        """An array under a name of its own."""
        self.constants[name] = array
        return name

    def call(self, values: Mapping[str, str]) -> None:
        """Give values the names that users see; one that has two, or is no node's, is copied."""
        called: dict[str, str] = {}
        for name, value in values.items():
            if value in called or not any(value in node.output for node in self.nodes):
                value = self.Identity(called.get(value, value))
            for node in self.nodes:
                for names in (node.input, node.output):
                    names[:] = [name if each == value else each for each in names]
            called[value] = name

    def proto(
        self,
        name: str,
        inputs: Sequence[onnx.ValueInfoProto],
        outputs: Sequence[onnx.ValueInfoProto],
        constants: Mapping[str, Array],
    ) -> onnx.GraphProto:
        """The graph as ONNX has it, with those constants that are to be its own."""
        for node in self.nodes:
            node.name = next(filter(None, node.output))
        tensors = [numpy_helper.from_array(array, key) for key, array in constants.items()]
        return helper.make_graph(self.nodes, name, inputs, outputs, tensors)

    def _fresh(self, operator: str) -> str:
        return f"{operator}_{next(self._numbers)}"

    def _input(self, value: Input) -> str:
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        array = value if isinstance(value, np.ndarray) else np.asarray(value, self.dtype)
        for name, known in self.constants.items():
            if known.dtype == array.dtype and np.array_equal(known, array):
                return name
        return self.constant(self._fresh("constant"), array)


def value_info(
    name: str, dtype: np.dtype[Any], shape: Sequence[Dimension], what: str = ""
) -> onnx.ValueInfoProto:
    """A value's type and shape, whose unknown dimensions have letters, and a word on what it is."""
    element = helper.np_dtype_to_tensor_dtype(dtype)
    return helper.make_tensor_value_info(name, element, shape, doc_string=what)
