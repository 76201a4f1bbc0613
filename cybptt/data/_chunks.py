"""A long stream in chunks, for truncated back-propagation through time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cybptt import _validate as check
from cybptt.data._shared import Lazy

Array = NDArray[Any]


class Chunks(Lazy):
    """A long sequence as chunks (x, y), for truncated back-propagation with carried state.

    The sequence is laid out as B streams of equal length side by side, each the continuation of
    the one before it, and the streams are cut into chunks of T steps at most, as evenly as that
    goes: each is as long as the others, or one step shorter. Chunk k + 1 goes on where chunk k
    ends, stream by stream: carry the state from one to the next (:func:`cybptt.train.fit` does),
    and only the gradient is truncated.

    With ``window=k2`` a chunk also has the steps before its own: k2 in all, fewer where the streams
    begin. So the gradient of the loss of each of its own steps flows back over k2 − k1 + 1 steps at
    least, k1 = steps, and not over as few as one. A chunk is then (x, y, options): ``weights`` are
    0 for the steps before its own, and ``state_at`` says after which step the next chunk begins.
    The steps that two chunks share are computed in both, in each with the parameters of its time,
    from a state that was computed in the chunk before: the gradient is exact for that start.

    Nothing is copied, and no more is read than the chunk that is asked for. So x may be a
    `numpy.memmap` of a file that is larger than memory.

    No equation: the section back-propagates through a whole sequence; cutting a long one is what
    makes that affordable.

    Parameters
    ----------
    x : array-like, integers (N,) or numbers (N, I)
        Tokens, or values.
    y : array-like, integers (N,) or numbers (N, O), optional
        The labels or values of the steps of x. None: the step after is to be predicted, y(t) =
        x(t+1).
    batch : int ≥ 1
        The number of streams, B.
    steps : int ≥ 1
        The most steps of a chunk, T; with a window, those whose loss counts, k1.
    window : int ≥ steps, optional
        k2.

    Raises
    ------
    ValueError, TypeError
        If x or y is no such sequence, they disagree, or they are too short for one whole chunk.

    References
    ----------
    BPTT(k1, k2): Sutskever (2013), "Training recurrent neural networks", PhD thesis, University of
    Toronto. As BPTT(h; h′), h = k2 and h′ = k1: Williams and Peng (1990), "An efficient
    gradient-based algorithm for on-line training of recurrent network trajectories", *Neural
    Computation* 2, 490–501.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.data import Chunks
    >>> chunks = Chunks(np.arange(13), batch=2, steps=4)
    >>> len(chunks), [x.shape for x, y in chunks]
    (2, [(3, 2), (3, 2)])
    >>> x, y = chunks[0]
    >>> x.T
    array([[0, 1, 2],
           [6, 7, 8]])
    >>> y.T
    array([[1, 2, 3],
           [7, 8, 9]])

    Every two steps, a gradient over the last four:

    >>> for x, y, options in Chunks(np.arange(7), batch=1, steps=2, window=4):
    ...     print(x[:, 0], options["weights"][:, 0], options["state_at"])
    [0 1] [1. 1.] 0
    [0 1 2 3] [0. 0. 1. 1.] 2
    [2 3 4 5] [0. 0. 1. 1.] 4
    """

    def __init__(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        *,
        batch: int,
        steps: int,
        window: int | None = None,
    ) -> None:
        inputs = _stream("x", x)
        B, T = check.integer("batch", batch, 1), check.integer("steps", steps, 1)
        ahead = y is None  # one step more is read than there are targets
        if len(inputs) < B * T + ahead:
            streams = f"{B} streams of {T} steps"
            need = f"at least {B * T + ahead} ({streams}{', and one to predict' if ahead else ''})"
            raise check.wrong_value("x", f"{len(inputs)}", need)
        if y is None:
            inputs, targets = inputs[:-1], inputs[1:]
        else:
            targets = _stream("y", y)
            if len(targets) != len(inputs):
                raise check.wrong_value("y", f"{len(targets)}", f"{len(inputs)}, as of x")
        self.batch = B
        self.steps = T
        self.window = None if window is None else check.integer("window", window, T)
        length = len(inputs) // B
        self._n = -(-length // T)
        self._x, self._y = _side_by_side(inputs, B, length), _side_by_side(targets, B, length)

    @property
    def n_targets(self) -> int:
        """How many steps are predicted in one pass over all chunks."""
        return self.batch * len(self._y)

    def __len__(self) -> int:
        return self._n

    def _cut(self, k: int) -> int:
        """The step of the streams at which chunk k begins."""
        return k * len(self._x) // self._n

    def _item(self, k: int) -> Any:
        first, end = self._cut(k), self._cut(k + 1)
        if self.window is None:
            return self._x[first:end], self._y[first:end]
        start = max(0, end - self.window)
        weights = np.ones((end - start, self.batch))
        weights[: first - start] = 0
        after = end if k + 1 == self._n else max(0, self._cut(k + 2) - self.window)
        options = {"weights": weights, "state_at": after - start}
        return self._x[start:end], self._y[start:end], options

    def __repr__(self) -> str:
        window = "" if self.window is None else f", in windows of {self.window}"
        return f"<Chunks: {len(self)} of {self.steps} steps, {self.batch} streams{window}>"


def _stream(name: str, value: Any) -> Array:
    """One long sequence, not copied where it is an array."""
    need = "one long sequence: integers (N,), or numbers (N, …)"
    array = check.array(name, value, "biuf", need)
    if array.ndim not in (1, 2):
        raise check.wrong_value(name, f"shape {array.shape}", need)
    if array.ndim == 1 and array.dtype.kind not in "iu":
        raise check.wrong_type(name, check.describe(value), need)
    return array


def _side_by_side(array: Array, B: int, length: int) -> Array:
    """(length, B, …): a view, as an axis that is split always is."""
    return array[: B * length].reshape(B, length, *array.shape[1:]).swapaxes(0, 1)
