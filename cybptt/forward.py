"""Using a model: its forward pass, step by step, and in a closed loop.

Here arguments are checked, once, and handed to the passes; nothing is computed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cybptt import _generate, _inputs, _passes, _whole_pass
from cybptt import _validate as check
from cybptt.description import Description
from cybptt.parameters import Parameters
from cybptt.trace import State, Trace

Array = NDArray[Any]
Seed = int | np.random.Generator | None


class Forward(Description):
    """What an `RNN` does without a loss: see there."""

    __slots__ = ()

    def forward(
        self,
        params: Parameters,
        x: ArrayLike,
        *,
        h0: ArrayLike | None = None,
        y: ArrayLike | None = None,
        y0: ArrayLike | None = None,
        state: State | None = None,
        lengths: ArrayLike | None = None,
        teacher_forcing: ArrayLike | None = None,
        seed: Seed = None,
    ) -> Trace:
        """Compute every node of every step: :eq:`10.8` to :eq:`10.11`, :eq:`C.4` and :eq:`C.5`.

        Teacher forcing gives step t the true y(t−1), as the likelihood of :eq:`10.15`–:eq:`10.16`
        has it.

        With output recurrence and teacher forcing at all steps there is no loop over time: u(t) =
        y(t−1) is known for all t before the pass, a(t) has no path from step t−1
        (:eq:`C.8`), and all steps are computed at once. That is the time-parallel training of
        figure 10.6.

        Parameters
        ----------
        params : Parameters
            Their dtype is the dtype of everything computed.
        x : array_like, shape (T, B, I) or (T, I); integers (T, B) or (T,) for tokens
            The inputs, time first. Without the B axis it is one sequence, and every other argument
            and result lacks the B axis too.
        h0 : array_like, shape (B, H) or (H,), optional
            h(0); zeros when not given.
        y : array_like, shape (T, B) of labels or (T, B, O) of values, optional
            What teacher forcing feeds: step t is given y(t−1), one-hot for labels.
        y0 : array_like, shape (B, O) or (O,), or labels (B,), optional
            What stands before y(1), and before the first output; zeros when not given.
        state : State, optional
            Where an earlier call ended; it excludes h0 and y0.
        lengths : array_like of int, shape (B,), optional
            Steps of each sequence, 0 … T; all T when not given. Past them h repeats (and o where it
            is h), and all else is 0.
        teacher_forcing : bool, float in 0 … 1, or array_like of bool, shape (T, B), optional
            Which steps are given y(t−1) instead of the model's own output: all, none, each with a
            probability, or a mask. None: all where y is given, otherwise none. With output
            recurrence only.
        seed : int, numpy.random.Generator or None
            Decides the draws of a probability.

        Returns
        -------
        Trace

        Raises
        ------
        ValueError, TypeError
            For an argument that is not as above; nothing has been computed then.
        PluginError
            Where a plugin raises or returns what it should not, naming the step.

        Examples
        --------
        >>> import cybptt, numpy as np
        >>> rnn = cybptt.RNN(1, 1, None)
        >>> params = rnn.parameters(U=[[1.0]], W=[[0.5]], b=[0.0])
        >>> trace = rnn.forward(params, np.array([[1.0], [0.0]]))
        >>> trace.a                     # 10.8: 1, then 0.5 tanh 1
        array([[1.        ],
               [0.38079708]])
        >>> trace.h                     # 10.9
        array([[0.76159416],
               [0.36339948]])
        """
        # The trace must outlive what the caller does to the parameters, x and y.
        own = self._own(params).copy()
        return Trace(
            self._forward(own, x, h0, y, y0, state, lengths, teacher_forcing, seed, own=True)
        )

    def _forward(
        self,
        params: Parameters,
        x: Any,
        h0: Any,
        y: Any,
        y0: Any,
        state: Any,
        lengths: Any,
        teacher_forcing: Any,
        seed: Any,
        *,
        name: str = "x",
        own: bool = False,
    ) -> _passes.Pass:
        dtype = params.dtype
        check.seed("seed", seed)
        layout, rows = _inputs.sequences(self, dtype, x, lengths, name=name, own=own)
        start = _inputs.start(self, layout, dtype, h0, y0, state)
        if y is not None and self.recurrence == "hidden":
            raise check.wrong_value(
                "y", check.describe(y), "None: recurrence='hidden' feeds no output back"
            )
        given = None if y is None else _inputs.targets(self, layout, dtype, y).copy()
        fed = _inputs.feeding(self, layout, start, given, teacher_forcing, seed, dtype)
        return _passes.forward(self, params, layout, rows, start, fed, given)

    def predict(
        self,
        params: Parameters,
        x: ArrayLike,
        *,
        h0: ArrayLike | None = None,
        y0: ArrayLike | None = None,
        state: State | None = None,
        lengths: ArrayLike | None = None,
        link: bool = True,
    ) -> Array:
        """Compute ŷ, running free: :eq:`10.11`, by :eq:`10.8` to :eq:`10.10`.

        Parameters
        ----------
        params, x, h0, y0, state, lengths
            As in `forward`.
        link : bool
            False: o itself, of which a logarithm of probabilities is made without loss.

        Returns
        -------
        ndarray, shape (T, B, O), or (B, O) with ``outputs="last"``
            The loss's link of o: probabilities for losses over classes.

        Raises
        ------
        ValueError, TypeError, PluginError
            As `forward`.

        Examples
        --------
        >>> import cybptt, numpy as np
        >>> rnn = cybptt.RNN(1, 4, 3, outputs="last")
        >>> rnn.predict(rnn.init(0), np.ones((6, 2, 1))).sum(axis=1)
        array([1., 1.])
        """
        dtype = self._own(params).dtype
        link = check.boolean("link", link)
        plan = _whole_pass.plan(self, dtype, link)
        if plan is not None and plan.predicts:
            layout, rows = _inputs.sequences(self, dtype, x, lengths)
            start = _inputs.start(self, layout, dtype, h0, y0, state)
            y_hat = _whole_pass.predict(plan, params, layout, rows, start)
            if y_hat is not None:
                return layout.unsort(y_hat) if self.outputs == "last" else layout.unpack(y_hat)
        run = self._forward(params, x, h0, None, y0, state, lengths, None, None)
        # Not a view on the pass's other nodes: those can go.
        return np.array(Trace(run).y_hat if link else Trace(run).o)

    def step(
        self, params: Parameters, x_t: ArrayLike, state: State | None = None
    ) -> tuple[State, Array]:
        """Compute one step of a stream, running free: :eq:`10.8` to :eq:`10.11`.

        Parameters
        ----------
        params : Parameters
        x_t : array_like, shape (B, I) or (I,); integers (B,) or () for tokens
            x(t).
        state : State, optional
            Where the step before ended; None at the start of a sequence.

        Returns
        -------
        state : State
            To hand to the next step. No trace is kept.
        y_hat : ndarray, shape (B, O) or (O,)

        Raises
        ------
        ValueError, TypeError, PluginError
            As `forward`.

        Examples
        --------
        >>> import cybptt, numpy as np
        >>> rnn = cybptt.RNN(1, 4, 3)
        >>> params, state = rnn.init(0), None
        >>> for x_t in np.ones((5, 1)):
        ...     state, y_hat = rnn.step(params, x_t, state)
        >>> np.array_equal(y_hat, rnn.predict(params, np.ones((5, 1)))[-1])
        True
        """
        tokens = self.inputs == "tokens"
        letters = "(B,) or ()" if tokens else f"(B, I) or (I,), I = {self.n_inputs}"
        need = f"{'integer tokens' if tokens else 'real numbers'} of shape {letters}"
        array = check.array("x_t", x_t, "iu" if tokens else "biuf", need)
        axes = 1 if tokens else 2
        if array.ndim not in (axes - 1, axes) or (not tokens and array.shape[-1] != self.n_inputs):
            raise check.wrong_value("x_t", check.describe(array), need)
        run = self._forward(
            self._own(params), array[None], None, None, None, state, None, None, None, name="x_t"
        )
        trace = Trace(run)
        y_hat = trace.y_hat if self.outputs == "last" else trace.y_hat[0]
        return trace.state, np.array(y_hat)

    def generate(
        self,
        params: Parameters,
        n_steps: int,
        *,
        start: ArrayLike | None = None,
        x: ArrayLike | None = None,
        state: State | None = None,
        feed: str = "sample",
        temperature: float = 1.0,
        seed: Seed = None,
    ) -> Array:
        """Let the model run on what it has said itself: figure 10.6, in use.

        With hidden recurrence y(t) comes back as x(t+1) of :eq:`10.8`, so I must be O. With output
        recurrence y(t) comes back as u(t+1) of :eq:`C.5`.

        Parameters
        ----------
        params : Parameters
        n_steps : int
            ≥ 0.
        start : array_like
            With hidden recurrence x(1), and needed: (B, I) or (I,), or tokens (B,) or (). With
            output recurrence y0: (B, O) or (O,), or labels (B,); zeros when not given.
        x : array_like, shape (n_steps, B, I) or (n_steps, I)
            The inputs, with output recurrence only; may be left out where I is 0.
        state : State, optional
            Where an earlier pass ended. With output recurrence it excludes start.
        feed : {"sample", "argmax", "y_hat", "o"}
            What comes back: a draw from the loss's distribution, its mode, ŷ, or o.
        temperature : float
            > 0; o is divided by it before a class is drawn.
        seed : int, numpy.random.Generator or None
            Decides all draws.

        Returns
        -------
        ndarray
            What came back: labels (n_steps, B) for a loss over classes, with "sample" and "argmax";
            otherwise values (n_steps, B, O). Without the B axis for one sequence.

        Raises
        ------
        ValueError, TypeError
            For an argument that is not as above, and where the loss has no distribution to sample.
        PluginError
            As `forward`.

        Examples
        --------
        >>> import cybptt
        >>> rnn = cybptt.RNN(5, 8, 5, inputs="tokens")
        >>> rnn.generate(rnn.init(0), 6, start=2, feed="argmax").shape
        (6,)
        """
        options = _generate.Options(n_steps, start, x, state, feed, temperature, seed)
        return _generate.generate(self, self._own(params), options)

    def _own(self, params: Any) -> Parameters:
        if not isinstance(params, Parameters):
            raise check.wrong_type(
                "params", check.describe(params), "Parameters, as rnn.init() makes"
            )
        if params.rnn is not self and params.rnn != self:
            raise check.wrong_value(
                "params", f"parameters of {params.rnn!r}", f"parameters of {self!r}"
            )
        return params
