"""A node of ONNX's operator RNN, as networks of cybptt that can be called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import cybptt
from cybptt import _validate as check

Array = NDArray[Any]

DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}


@dataclass(frozen=True, eq=False)
class RNNNode:
    """An RNN node of an ONNX model: a network and its parameters for each direction.

    Each is :eq:`10.8` and :eq:`10.9`, without an output layer.

    Attributes
    ----------
    name : str
        The node's name, or that of its first output.
    direction : {"forward", "reverse", "bidirectional"}
    layout : {0, 1}
        Which axis comes first: 0 time, 1 the batch.
    rnns : tuple of RNN
        One, or two where it is bidirectional, of which the second goes backwards.
    params : tuple of Parameters
        Theirs. ONNX's W is the book's U, its R the book's W, and b the sum of its two biases.
    sequence_lens, initial_h : ndarray, or None
        What the model itself gives to the node, where that is constant.
    inputs, outputs : dict
        What `run` must be given, since the model's inputs decide it, by its name in the graph: X,
        and sequence_lens and initial_h where it is so; and what Y and Y_h are called there.

    Examples
    --------
    >>> import cybptt, cybptt.onnx, numpy as np
    >>> rnn = cybptt.RNN(3, 16, 4)
    >>> model = cybptt.onnx.export(rnn, rnn.init(seed=0, dtype="float32"))
    >>> (node,) = cybptt.onnx.rnn_nodes(model)
    >>> node
    <RNNNode 'RNN_1': forward, RNN(3, 16, None, loss='squared_error')>
    >>> Y, Y_h = node.run(np.ones((5, 2, 3)))
    >>> Y.shape, Y_h.shape          # (T, directions, B, H) and (directions, B, H)
    ((5, 1, 2, 16), (1, 2, 16))
    """

    name: str
    direction: str
    layout: int
    rnns: tuple[cybptt.RNN, ...]
    params: tuple[cybptt.Parameters, ...]
    sequence_lens: Array | None
    initial_h: Array | None
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]

    def __repr__(self) -> str:
        return f"<RNNNode {self.name!r}: {self.direction}, {', '.join(map(repr, self.rnns))}>"

    def run(
        self,
        X: ArrayLike,
        sequence_lens: ArrayLike | None = None,
        initial_h: ArrayLike | None = None,
    ) -> tuple[Array, Array]:
        """Compute what the node does: :eq:`10.8` and :eq:`10.9`, from one end or from both.

        Parameters
        ----------
        X : array_like, shape (T, B, I), or (B, T, I) with layout 1
            The inputs.
        sequence_lens : array_like of int, shape (B,), optional
            Steps of each sequence, 0 … T; by default the model's own, and all T where it has none.
        initial_h : array_like, shape (directions, B, H), or (B, directions, H), optional
            h(0); by default the model's own, and zeros where it has none.

        Returns
        -------
        Y : ndarray, shape (T, directions, B, H), or (B, T, directions, H)
            h of every step; 0 past a sequence's length.
        Y_h : ndarray, shape (directions, B, H), or (B, directions, H)
            The last h of each sequence: for length 0, h(0).

        Raises
        ------
        ValueError, TypeError
            For an argument that is not as above, or that is left out and stands in ``inputs``.

        Examples
        --------
        >>> import cybptt, cybptt.onnx, numpy as np
        >>> rnn = cybptt.RNN(3, 16, 4)
        >>> params = rnn.init(seed=0, dtype="float32")
        >>> (node,) = cybptt.onnx.rnn_nodes(cybptt.onnx.export(rnn, params))
        >>> x = np.ones((5, 2, 3))
        >>> Y, Y_h = node.run(x)
        >>> np.array_equal(Y[:, 0], rnn.forward(params, x).h), np.array_equal(Y[-1], Y_h)
        (True, True)
        """
        directions, rnn, dtype = len(self.rnns), self.rnns[0], self.params[0].dtype
        x = check.numbers("X", X, dtype)
        if x.ndim != 3 or x.shape[2] != rnn.n_inputs:
            letters = "(B, T, I)" if self.layout else "(T, B, I)"
            need = f"shape {letters}, I = {rnn.n_inputs}"
            raise check.wrong_value("X", check.describe(x), need)
        x = x.swapaxes(0, 1) if self.layout else x
        T, B, _ = x.shape
        lengths = self._lengths(sequence_lens, T, B)
        h0 = self._start(initial_h, (directions, B, rnn.n_hidden), dtype)
        passes = []
        for i, backwards in enumerate(DIRECTIONS[self.direction]):
            # Each sequence is turned within its length.
            steps = np.arange(T)[:, None]
            turned = np.where(steps < lengths, lengths - 1 - steps, steps)
            order = turned if backwards else np.broadcast_to(steps, (T, B))
            rows = order, np.arange(B)
            trace = self.rnns[i].forward(self.params[i], x[rows], h0=h0[i], lengths=lengths)
            passes.append((trace.y_hat[rows], trace.state.h))
        Y = np.stack([h for h, _ in passes], axis=1)
        Y_h = np.stack([last for _, last in passes])
        if self.layout:
            return Y.transpose(2, 0, 1, 3), Y_h.swapaxes(0, 1)
        return Y, Y_h

    def _own(self, name: str) -> Array | None:
        if name in self.inputs:
            need = f"what the model computes as {self.inputs[name]!r}"
            raise check.wrong_value(name, "None", need)
        own: Array | None = getattr(self, name)
        return own

    def _lengths(self, given: Any, T: int, B: int) -> Array:
        name, need = "sequence_lens", f"integers of shape (B,) = ({B},)"
        given = self._own(name) if given is None else given
        if given is None:
            return np.full(B, T)
        lengths = check.intp(name, check.array(name, given, "iu", need), need)
        if lengths.shape != (B,):
            raise check.wrong_value(name, check.describe(lengths), need)
        check.in_range(name, lengths, 0, T, "lengths")
        return lengths

    def _start(self, given: Any, shape: tuple[int, int, int], dtype: Any) -> Array:
        """h(0) of each direction."""
        given = self._own("initial_h") if given is None else given
        if given is None:
            return np.zeros(shape, dtype)
        directions, B, H = shape
        letters = "(directions, B, H)"
        if self.layout:
            shape, letters = (B, directions, H), "(B, directions, H)"
        h0 = check.shaped("initial_h", given, dtype, shape, letters)
        return h0.swapaxes(0, 1) if self.layout else h0
