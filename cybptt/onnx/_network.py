"""The graph of a network: its loop through time, what is made of it, what goes in and out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

import cybptt
from cybptt.onnx._activations import Form
from cybptt.onnx._formulas import Formula
from cybptt.onnx._graph import Dimension, Graph, value_info

Array = NDArray[Any]

INT64 = np.dtype(np.int64)
ZERO, ONE = (np.array(n, INT64) for n in (0, 1))
AXIS_0, AXIS_1, AXIS_2 = (np.array([axis], INT64) for axis in (0, 1, 2))


@dataclass(frozen=True)
class Options:
    """What is wanted of the graph."""

    nodes: tuple[str, ...]
    state: bool
    lengths: bool
    in_rnn: Form | None  # by the operator RNN, with this activation; None: by Scan


class Network:
    """The values of a network by their names in the graph; each is made when first asked for.

    Those of all steps are (T, B, n) and go on past a sequence's length; what goes out is padded.
    """

    def __init__(
        self,
        rnn: cybptt.RNN,
        params: cybptt.Parameters,
        f: Formula,
        link: Formula,
        options: Options,
    ) -> None:
        self.rnn, self.params, self.f, self.link, self.options = rnn, params, f, link, options
        self.g = Graph(params.dtype)
        self.has_h, self.has_u = rnn.recurrence != "output", rnn.recurrence != "hidden"

    def proto(self) -> onnx.GraphProto:
        """The whole graph."""
        out = {name: self.padded(name) for name in self.options.nodes}
        if self.options.state:
            out |= {"h_last": self.h_last} if self.has_h else {}
            out |= {"fed": self.fed} if self.has_u else {}
        self.g.call(out)
        outputs = [self._output(name) for name in out]
        return self.g.proto("RNN", self._inputs(), outputs, self.g.constants)

    # -------------------------------------------------------------- what goes in and out

    def _inputs(self) -> list[onnx.ValueInfoProto]:
        rnn, dtype = self.rnn, self.params.dtype
        tokens = rnn.inputs == "tokens"
        x: list[Dimension] = ["T", "B"] if tokens else ["T", "B", rnn.n_inputs]
        inputs = [value_info("x", INT64 if tokens else dtype, x, "x(t)")]
        if self.options.state and self.has_h:
            inputs.append(value_info("h0", dtype, ["B", rnn.n_hidden], "h(0)"))
        if self.options.state and self.has_u:
            what = f"what stands before the first {rnn.feedback}"
            inputs.append(value_info("y0", dtype, ["B", rnn.size_o], what))
        if self.options.lengths:
            inputs.append(value_info("lengths", INT64, ["B"], "the steps of each sequence, 0 … T"))
        return inputs

    def _output(self, name: str) -> onnx.ValueInfoProto:
        rnn = self.rnn
        one = name in ("h_last", "fed") or (rnn.outputs == "last" and name != "h")
        size = rnn.n_hidden if name in ("h", "h_last") else rnn.size_o
        what = {
            "h": "h(t)",
            "o": "o(t)",
            "y_hat": f"ŷ(t), the link of {rnn.loss.name}",
            "h_last": "the last h(t), the next call's h0",
            "fed": f"the last {rnn.feedback}, the next call's y0",
        }
        dims: list[Dimension] = ["B", size] if one else ["T", "B", size]
        return value_info(name, self.params.dtype, dims, what[name])

    # -------------------------------------------------------------- the loop through time

    @cached_property
    def _loop(self) -> Mapping[str, str]:
        """What the loop gives: nodes of all steps, as wanted, and h_end and u_end."""
        form = self.options.in_rnn
        return self._by_scan() if form is None else self._by_rnn(form)

    @property
    def _wanted(self) -> set[str]:
        """Of which nodes the loop must give all steps."""
        nodes, lengths = set(self.options.nodes), self.options.lengths
        if not self.has_u:  # o and y_hat are made of h
            return {"h"} if self.rnn.outputs == "all" or "h" in nodes or lengths else set()
        wanted = nodes & {"h", "o"}
        if "y_hat" in nodes:
            wanted.add(self.rnn.feedback)  # y_hat can be made of o after the loop
        if lengths and self.options.state:
            wanted |= {"h", self.rnn.feedback} if self.has_h else {self.rnn.feedback}
        return wanted

    def _by_rnn(self, form: Form) -> Mapping[str, str]:
        g, b = self.g, self.params["b"]
        weights = [g.constant(name, self.params[name][None]) for name in "UW"]
        weights.append(g.constant("b", np.concatenate([b, np.zeros_like(b)])[None]))
        h0 = g.Unsqueeze("h0", AXIS_0) if self.options.state else None
        all_steps = "h" in self._wanted
        last = not self.options.lengths and (self.options.state or self.rnn.outputs == "last")
        h, h_end = g.add(
            "RNN",
            ["x", *weights, None, h0],
            [all_steps, last],
            hidden_size=self.rnn.n_hidden,
            **form.attributes(),
        )
        values = {"h": g.Squeeze(h, AXIS_1)} if all_steps else {}
        return values | ({"h_end": g.Squeeze(h_end, AXIS_0)} if last else {})

    def _by_scan(self) -> Mapping[str, str]:
        rnn, g = self.rnn, self.g
        body = Graph(g.dtype, outer=g)
        fed = {"h": self.h0} if self.has_h else {}
        fed |= {"u": self.y0} if self.has_u else {}
        value = "a_t"
        for name, weights in zip(fed, "WR", strict=False):
            value = body.Gemm(f"{name}_before", self._constant(weights), value, transB=1)
        steps = {"h": self.f(body, value)}
        if self.has_u:
            steps["o"] = body.Gemm(steps["h"], self._constant("V"), self._constant("c"), transB=1)
            if rnn.feedback == "y_hat":
                steps["y_hat"] = self.link(body, steps["o"])
            steps["u"] = steps[rnn.feedback]
        wanted = [name for name in steps if name in self._wanted]
        out = {f"{name}_after": steps[name] for name in fed}
        out |= {f"{name}_t": steps[name] for name in wanted}
        body.call(out)
        sizes = {"h": rnn.n_hidden, "a": rnn.n_hidden}

        def info(name: str) -> onnx.ValueInfoProto:
            return value_info(name, g.dtype, ["B", sizes.get(name[0], rnn.size_o)])

        graph = body.proto(
            "step",
            [info(f"{name}_before") for name in fed] + [info("a_t")],
            list(map(info, out)),
            {},
        )
        values = g.add(
            "Scan", [*fed.values(), self._inputs_sum()], [True] * len(out),
            body=graph, num_scan_inputs=1,
        )  # fmt: skip
        return dict(zip([*(f"{name}_end" for name in fed), *wanted], values, strict=True))

    def _inputs_sum(self) -> str:
        """b + U x(t) of all steps, which needs no loop."""
        g = self.g
        U = self._constant("U", transposed=True)
        if self.rnn.inputs == "values":
            return g.Add(g.MatMul("x", U), self._constant("b"))
        tokens = "x"
        if self.options.lengths:  # in the padding there may stand what is no token
            tokens = g.Where(g.Squeeze(self._counts, AXIS_2), "x", ZERO)
        return g.Add(g.Gather(U, tokens), self._constant("b"))

    def _constant(self, name: str, transposed: bool = False) -> str:
        array = self.params[name]
        return self.g.constant(f"{name}_T", array.T) if transposed else self.g.constant(name, array)

    # -------------------------------------------------------------- where it starts and ends

    @cached_property
    def _shape(self) -> str:
        return self.g.Shape("x")

    @cached_property
    def _n_sequences(self) -> str:
        return self.g.Gather(self._shape, AXIS_1)

    def _zeros(self, n: int) -> str:
        shape = self.g.Concat(self._n_sequences, np.array([n], INT64), axis=0)
        zero = numpy_helper.from_array(np.zeros(1, self.g.dtype))
        return self.g.ConstantOfShape(shape, value=zero)

    @cached_property
    def h0(self) -> str:
        """h(0), (B, H)."""
        given = self.options.state and self.has_h
        return "h0" if given else self._zeros(self.rnn.n_hidden)

    @cached_property
    def y0(self) -> str:
        """What is fed back first, (B, O)."""
        return "y0" if self.options.state else self._zeros(self.rnn.size_o)

    @cached_property
    def h_last(self) -> str:
        """The last h of each sequence, (B, H)."""
        return self._last(self.h0, "h") if self.options.lengths else self._loop["h_end"]

    @cached_property
    def fed(self) -> str:
        """What each sequence would feed back next, (B, O)."""
        lengths, feedback = self.options.lengths, self.rnn.feedback
        return self._last(self.y0, feedback) if lengths else self._loop["u_end"]

    def _last(self, start: str, name: str) -> str:
        """The value at a sequence's length: of its last step, or the start where it has none."""
        values = self.g.Concat(self.g.Unsqueeze(start, AXIS_0), self._loop[name], axis=0)
        return self.g.GatherND(values, self._ends)

    @cached_property
    def _ends(self) -> str:
        """The pair (length, n) of each sequence: (B, 2)."""
        g = self.g
        n = g.Range(ZERO, g.Squeeze(self._n_sequences, AXIS_0), ONE)
        return g.Concat(g.Unsqueeze("lengths", AXIS_1), g.Unsqueeze(n, AXIS_1), axis=1)

    # -------------------------------------------------------------- what is made of the loop

    @cached_property
    def o(self) -> str:
        """o(t) of all steps, (T, B, O); with one output at the end (B, O)."""
        g, rnn = self.g, self.rnn
        if "o" in self._loop:
            return self._loop["o"]
        if rnn.outputs == "last":
            h = self.h_last
            if rnn.n_outputs is None:
                return h
            return g.Gemm(h, self._constant("V"), self._constant("c"), transB=1)
        h = self._loop["h"]
        if rnn.n_outputs is None:
            return h
        return g.Add(g.MatMul(h, self._constant("V", transposed=True)), self._constant("c"))

    @cached_property
    def y_hat(self) -> str:
        """ŷ(t), the shape of o."""
        return self._loop.get("y_hat") or self.link(self.g, self.o)

    @cached_property
    def _counts(self) -> str:
        """Whether a step is one of its sequence's: (T, B, 1)."""
        g = self.g
        steps = g.Range(ZERO, g.Gather(self._shape, ZERO), ONE)
        lengths = g.Unsqueeze("lengths", np.array([0, 2], INT64))  # (1, B, 1)
        return g.Less(g.Unsqueeze(steps, np.array([1, 2], INT64)), lengths)

    def padded(self, name: str) -> str:
        """The node of all steps, as a Trace has it past a sequence's length."""
        value = self._loop["h"] if name == "h" else self.o if name == "o" else self.y_hat
        one = self.rnn.outputs == "last" and name != "h"
        if one or not self.options.lengths:
            return value
        g = self.g
        repeats = name == "h" or (name == "o" and self.rnn.n_outputs is None)
        past = g.Unsqueeze(self.h_last, AXIS_0) if repeats else 0.0
        return g.Where(self._counts, value, past)
