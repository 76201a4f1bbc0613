"""The hidden states alone, and their gradient: how a layer of another library is made of an `RNN`.

Here arguments are checked, once, and handed to the passes; nothing is computed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cybptt import _inputs, _passes, _threads, _whole_pass
from cybptt import _validate as check
from cybptt._batch import Layout
from cybptt.forward import Forward
from cybptt.parameters import Parameters

Array = NDArray[Any]


class HiddenGradients(NamedTuple):
    """What `RNN.hidden_vjp` returns.

    Attributes
    ----------
    parameters : Parameters
        ∇_U, ∇_W and ∇_b: :eq:`10.28`, :eq:`10.26` and :eq:`10.23`.
    x : ndarray, the shape of x, or None for tokens and where it is not wanted
        :eq:`C.2`.
    h0 : ndarray, shape (B, H) or (H,)
        :eq:`C.3`.

    Examples
    --------
    >>> import cybptt, numpy as np
    >>> rnn = cybptt.RNN(1, 2, None)
    >>> params, x = rnn.init(0), np.ones((3, 1))
    >>> h = rnn.hidden(params, x)
    >>> gradients = rnn.hidden_vjp(params, x, h, np.ones_like(h))
    >>> gradients.x.shape, gradients.h0.shape
    ((3, 1), (2,))
    """

    parameters: Parameters
    x: Array | None
    h0: Array


class Hidden(Forward):
    """What an `RNN` without an output layer does as a part of a larger function: see there."""

    __slots__ = ()

    def hidden(
        self,
        params: Parameters,
        x: ArrayLike,
        *,
        h0: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
        counts: ArrayLike | None = None,
        n_threads: int | None = None,
    ) -> Array:
        """Compute h(t) of every step, and keep nothing else: :eq:`10.8` and :eq:`10.9`.

        What `forward` computes, for a larger function of h that has a gradient of its own: another
        library's, or yours. x is read where it is, several threads share the batch out, and no
        `Trace` is made: `hidden_vjp` needs x and h alone.

        Parameters
        ----------
        params, x, h0, lengths
            As in `forward`. The model has no output layer (``n_outputs=None``).
        counts : array_like of int, shape (T,), optional
            In the place of lengths, for sequences that stand without padding, the longest first:
            how many have step t, never growing, ≥ 1. The rows of a step stand together, after
            those of the step before; x is (N, I), or tokens (N,), N the sum, and B the first.
        n_threads : int or None
            As in `value_and_grad`.

        Returns
        -------
        ndarray, shape (T, B, H) or (T, H); (N, H) with counts
            An array of its own. Past a sequence's length its last h stands again.

        Raises
        ------
        ValueError, TypeError, PluginError
            As `forward`; and for a model with other parts.

        Examples
        --------
        >>> import cybptt, numpy as np
        >>> rnn = cybptt.RNN(1, 2, None)
        >>> params, x = rnn.init(0), np.ones((3, 5, 1))
        >>> np.array_equal(rnn.hidden(params, x), rnn.forward(params, x).h)
        True
        """
        threads = self._alone(params, n_threads)
        layout, rows, start = self._given(params, x, h0, lengths, counts)
        plan = _whole_pass.plan(self, params.dtype, False)
        # With room for h(0), which is what stands past the end of a sequence without steps.
        before = layout.B if lengths is not None else 0
        h = np.empty((before + layout.N, self.n_hidden), params.dtype)
        done = plan is not None and _whole_pass.predict_into(
            plan, params, layout, rows, start, h[before:], threads
        )
        if not done:
            all_h = _passes.forward(self, params, layout, rows, start, None, keep_a=False).h
            return np.array(all_h[layout.B :] if counts is not None else layout.repeat(all_h))
        if counts is not None:
            return h
        if not before:
            return layout.unpack(h)
        h[:before] = start.h
        return layout.repeat(h)

    def hidden_vjp(
        self,
        params: Parameters,
        x: ArrayLike,
        h: ArrayLike,
        grad_h: ArrayLike,
        *,
        h0: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
        counts: ArrayLike | None = None,
        grad_x: bool = True,
        n_threads: int | None = None,
    ) -> HiddenGradients:
        """Compute the gradients from a cotangent of h: :eq:`10.21` to :eq:`10.28`, C.1 to C.3.

        `vjp` without the gradients of the nodes between: for the same call of `hidden`, after which
        nothing was kept but its arguments and its result.

        Parameters
        ----------
        params, x
            As they were for `hidden`.
        h : array_like, shape (T, B, H) or (T, H); (N, H) with counts
            What `hidden` returned. Where the activation's derivative is a function of a, h is
            computed again.
        grad_h : array_like, the shape of h
            The gradient with respect to h, of what is made of it. Past a sequence's length it goes
            to the h that is repeated there.
        h0, lengths, counts
            As they were for `hidden`.
        grad_x : bool
            Whether ∇x is wanted.
        n_threads : int or None
            As in `value_and_grad`.

        Returns
        -------
        HiddenGradients
            With the names ``parameters``, ``x`` and ``h0``.

        Raises
        ------
        ValueError, TypeError, PluginError
            As `hidden`, and for arrays of another shape.

        Examples
        --------
        >>> import cybptt, numpy as np
        >>> rnn = cybptt.RNN(1, 2, None)
        >>> params, x = rnn.init(0), np.ones((3, 1))
        >>> h = rnn.hidden(params, x)
        >>> grad, grad_x, grad_h0 = rnn.hidden_vjp(params, x, h, 2 * h)     # of Σ h²
        >>> np.allclose(grad.W, rnn.vjp(rnn.forward(params, x), grad_h=2 * h).parameters.W)
        True
        """
        threads = self._alone(params, n_threads)
        wanted = check.boolean("grad_x", grad_x) and self.inputs == "values"
        layout, rows, start = self._given(params, x, h0, lengths, counts)
        packed = counts is not None
        given_h = self._like_h("h", h, layout, params, packed)
        cotangent = self._like_h("grad_h", grad_h, layout, params, packed)
        at_start = None
        if not packed:
            given_h = layout.pack(given_h)
            if layout.lengths is None:
                cotangent = layout.pack(cotangent)
            else:
                # What stands past a sequence's end is h of its end, or h(0).
                folded = layout.fold(cotangent)
                at_start, cotangent = folded[: layout.B], folded[layout.B :]
        plan = _whole_pass.plan(self, params.dtype, False)
        grad = Parameters(params.rnn, np.empty_like(params.vector))
        by_x = np.empty((layout.N, self.n_inputs), params.dtype) if wanted else None
        by_h0 = np.zeros((layout.B, self.n_hidden), params.dtype)
        done = plan is not None and _whole_pass.pull_back(
            plan, params, layout, rows, start, given_h, cotangent, grad, by_x, by_h0, threads
        )  # fmt: skip
        if not done:
            # Step by step, where a plugin's function is Python's, or has failed and is to be named.
            run = _passes.forward(self, params, layout, rows, start, None)
            at = np.zeros((layout.B + layout.N, self.n_hidden), params.dtype)
            at[layout.B :] = cotangent
            nodes = _passes.backward(run, np.zeros_like(run.o), at)
            grad.vector[...] = 0
            _passes.add_parameter_gradients(run, nodes, grad)
            by_x = _passes.pull_back_x(run, nodes) if wanted else None
            by_h0 = nodes.h[: layout.B]
        if at_start is not None:
            by_h0 += at_start
        if by_x is not None and not packed:
            by_x = layout.unpack(by_x)
        return HiddenGradients(grad, by_x, layout.unsort(by_h0))

    def _alone(self, params: Any, n_threads: Any) -> int:
        """The number of threads, of a model that these are for."""
        for name, got, need in (
            ("n_outputs", self.n_outputs, None),  # then the recurrence is hidden
            ("outputs", self.outputs, "all"),
        ):
            if got != need:
                raise check.wrong_value(name, repr(got), f"a model with {name}={need!r}")
        self._own(params)
        return _threads.count(n_threads)

    def _given(
        self, params: Parameters, x: Any, h0: Any, lengths: Any, counts: Any
    ) -> tuple[Layout, Array, _inputs.Start]:
        if counts is not None:
            layout, rows = _inputs.packed(self, params.dtype, x, lengths, counts)
        else:
            layout, rows = _inputs.sequences(self, params.dtype, x, lengths)
        return layout, rows, _inputs.start(self, layout, params.dtype, h0, None, None)

    def _like_h(
        self, name: str, value: Any, layout: Layout, params: Parameters, packed: bool
    ) -> Array:
        """(T, B, H) of what is (T, B, H), or (T, H) for one sequence; packed (N, H)."""
        B, H = layout.B, self.n_hidden
        if packed:
            return check.shaped(name, value, params.dtype, (layout.N, H), "(N, H)")
        shape = (layout.T, H) if layout.single else (layout.T, B, H)
        letters = "(T, H)" if layout.single else "(T, B, H)"
        return check.shaped(name, value, params.dtype, shape, letters).reshape(layout.T, B, H)


__all__ = ["Hidden", "HiddenGradients"]
