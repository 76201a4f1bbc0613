"""What the passes give back: the nodes of a forward pass, where it stands, and the gradients."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from cybptt import _validate as check

if TYPE_CHECKING:
    from cybptt._passes import Pass
    from cybptt.parameters import Parameters
    from cybptt.rnn import RNN

Array = NDArray[Any]


def read_only(array: Array) -> Array:
    """The same array, or a view of it, that can't be written through."""
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, eq=False)
class State:
    """Where a sequence stands between two calls; ``state=`` goes on from it.

    It has no equation: it is what the next step's :eq:`10.8` (and :eq:`C.5`) takes from the steps
    before.

    Attributes
    ----------
    h : ndarray, shape (B, H) or (H,)
        The last hidden state.
    fed : ndarray, shape (B, O) or (O,), or None
        What the model itself would feed back next, o or ŷ; None with ``recurrence="hidden"``.
    y : ndarray, shape (B, O) or (O,), or None
        The last y where one was given, a label as its one-hot vector (NaN for a label out of range,
        which can't be fed): what the next step takes if it is forced.

    Examples
    --------
    >>> import cybptt, numpy as np
    >>> rnn = cybptt.RNN(1, 2, 3)
    >>> trace = rnn.forward(rnn.init(0), np.ones((4, 1)))
    >>> trace.state.h.shape
    (2,)
    """

    h: Array
    fed: Array | None = None
    y: Array | None = None


class Trace:
    """The nodes of one forward pass: what `RNN.forward` returns.

    It holds what a backward pass needs, x and a snapshot of the parameters included. Its arrays
    are read-only.

    Attributes
    ----------
    a : ndarray, shape (T, B, H)
        The sums that enter the activation, :eq:`10.8`.
    h : ndarray, shape (T, B, H)
        The hidden state, :eq:`10.9`.
    o : ndarray, shape (T, B, O), or (B, O) with ``outputs="last"``
        The output, :eq:`10.10`.
    y_hat : ndarray, the shape of o
        The loss's link of o, softmax for ``"softmax_nll"``, :eq:`10.11`.
    state : State
        Where the sequences stand at their ends.
    rnn : RNN
        The model.

    For a single sequence all these lack the B axis. Past a sequence's length h repeats, and so does
    o where it is h; all else is 0.

    Examples
    --------
    >>> import cybptt, numpy as np
    >>> rnn = cybptt.RNN(1, 2, 3)
    >>> trace = rnn.forward(rnn.init(0), np.ones((4, 5, 1)))
    >>> trace.h.shape, trace.o.shape, trace.y_hat.shape
    ((4, 5, 2), (4, 5, 3), (4, 5, 3))
    """

    def __init__(self, run: Pass) -> None:
        self._run = run

    @property
    def rnn(self) -> RNN:
        """The model."""
        return self._run.params.rnn

    @cached_property
    def a(self) -> Array:
        """The sums that enter the activation, :eq:`10.8`."""
        assert self._run.a is not None
        return read_only(self._run.layout.unpack(self._run.a))

    @cached_property
    def h(self) -> Array:
        """The hidden state, :eq:`10.9`."""
        return read_only(self._run.layout.repeat(self._run.h))

    @cached_property
    def o(self) -> Array:
        """The output, :eq:`10.10`."""
        if self.rnn.n_outputs is None and self.rnn.outputs == "all":
            return self.h
        return read_only(self._outwards(self._run.o))

    @cached_property
    def y_hat(self) -> Array:
        """The link of the output, :eq:`10.11`."""
        return read_only(self._outwards(self._run.y_hat))

    @cached_property
    def state(self) -> State:
        """Where the sequences stand at their ends."""
        return self._run.state()

    def state_at(self, step: int) -> State:
        """Where the sequences stand after so many steps, for another pass to go on from.

        It has no equation: it is `state`, read earlier.

        Parameters
        ----------
        step : int
            0 … T. A sequence that has ended by then stands at its end.

        Returns
        -------
        State

        Raises
        ------
        ValueError, TypeError
            For another step.

        Examples
        --------
        >>> import cybptt, numpy as np
        >>> rnn = cybptt.RNN(1, 2, 3)
        >>> params, x = rnn.init(0), np.ones((4, 1))
        >>> trace = rnn.forward(params, x)
        >>> rest = rnn.forward(params, x[3:], state=trace.state_at(3))
        >>> np.array_equal(rest.h[-1], trace.h[-1])
        True
        """
        return self._run.state(check.integer("step", step, 0, self._run.layout.T))

    def _outwards(self, rows: Array) -> Array:
        layout = self._run.layout
        return layout.unsort(rows) if self.rnn.outputs == "last" else layout.unpack(rows)

    def __repr__(self) -> str:
        layout = self._run.layout
        batch = "one sequence" if layout.single else f"{layout.B} sequences"
        return f"<Trace of {layout.T} steps of {batch} through {self.rnn!r}>"


@dataclass(frozen=True, eq=False, repr=False)
class Gradients:
    """The gradient of every node and parameter: what `RNN.backward` and `RNN.vjp` return.

    Attributes
    ----------
    parameters : Parameters
        ∇_U, ∇_W, ∇_V, ∇_b, ∇_c and ∇_R, :eq:`10.22`–:eq:`10.28` and :eq:`C.7`.
    o : ndarray, the shape of `Trace.o`
        :eq:`10.18`, and :eq:`C.6` where o was fed back.
    h : ndarray, shape (T, B, H)
        :eq:`10.19` and :eq:`10.21`.
    a : ndarray, shape (T, B, H)
        :eq:`C.1`.
    x : ndarray, shape (T, B, I), or None for tokens
        :eq:`C.2`.
    h0 : ndarray, shape (B, H)
        :eq:`C.3`.
    y0 : ndarray, shape (B, O), or None with ``recurrence="hidden"``
        :eq:`C.7`; for a label, the gradient of its one-hot vector.

    For a single sequence all these lack the B axis. Past a sequence's length they are 0.

    Examples
    --------
    >>> import cybptt, numpy as np
    >>> rnn = cybptt.RNN(1, 2, 3)
    >>> g = rnn.backward(rnn.forward(rnn.init(0), np.ones((4, 5, 1))), np.zeros((4, 5), int))
    >>> g.h.shape, g.x.shape, g.parameters.W.shape
    ((4, 5, 2), (4, 5, 1), (2, 2))
    """

    parameters: Parameters
    o: Array
    h: Array
    a: Array
    x: Array | None
    h0: Array
    y0: Array | None

    def __repr__(self) -> str:
        names = ("o", "h", "a", "x", "h0", "y0")
        nodes = ((name, getattr(self, name)) for name in names)
        shapes = ", ".join(f"{name} {node.shape}" for name, node in nodes if node is not None)
        return f"<Gradients of {self.parameters!r}; of nodes: {shapes}>"
