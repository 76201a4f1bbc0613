"""Trials that are drawn when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cybptt import _validate as check
from cybptt.data._shared import Lazy, fixed_seed, generator


class Trials(Lazy):
    """Chunks that a function draws, each anew: no step of training sees a trial again.

    Chunk k is drawn from the seed and k alone, when it is asked for. So no chunk is kept, and a run
    that goes on from a checkpoint sees what it would have seen. Trials have nothing to do with each
    other: :func:`cybptt.train.fit` wants ``carry=False``.

    No equation: it makes the x(t) and y(t) of a training step.

    Parameters
    ----------
    function : callable
        Called as ``function(**options, seed=generator)``; returns (x, y) or (x, y, options), such
        as `adding` and the other tasks do, or a function of your own.
    n : int ≥ 1
        How many chunks: the steps of a pass over them.
    seed : int, numpy.random.Generator or None
        Decides all chunks; None or a Generator: it is drawn once, now.
    **options
        What the function is given besides.

    Raises
    ------
    ValueError, TypeError
        If n or the seed is wrong, or the function is none.

    Examples
    --------
    >>> import cybptt, numpy as np
    >>> from cybptt.data import Trials, adding
    >>> trials = Trials(adding, 1000, seed=0, n_steps=50, n_sequences=32)
    >>> trials
    <Trials: 1000 of adding>
    >>> x, y, options = trials[7]
    >>> x.shape, np.array_equal(x, trials[7][0])
    ((50, 32, 2), True)
    >>> rnn = cybptt.RNN(2, 16, 1, outputs="last", loss="squared_error")
    >>> history = cybptt.train.fit(
    ...     rnn, rnn.init(seed=0), trials, optimizer=cybptt.optim.Adam(), steps=10, carry=False
    ... )
    """

    def __init__(
        self, function: Callable[..., Any], n: int, /, *, seed: Any = None, **options: Any
    ) -> None:
        if not callable(function):
            raise check.wrong_type("function", check.describe(function), "a function with a seed")
        self.function = function
        self._n = check.integer("n", n, 1)
        self.seed = fixed_seed(seed)
        self.options = options

    def __len__(self) -> int:
        return self._n

    def _item(self, k: int) -> Any:
        return self.function(**self.options, seed=generator(self.seed, k))

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", repr(self.function))
        return f"<Trials: {self._n} of {name}>"
