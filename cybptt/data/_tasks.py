"""Tasks with an answer to remember for: adding, copy, temporal order, parity."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from cybptt import _validate as check
from cybptt.data._shared import Chunk, Seed, sizes

_LEAST_ORIGINAL = 20  # the first ten pairs, and half of the sequence, less one


def adding(
    n_steps: int,
    n_sequences: int,
    *,
    original: bool = False,
    seed: Seed = None,
    dtype: DTypeLike = np.float64,
) -> Chunk:
    """The adding problem: the sum of two numbers that were marked far apart.

    Each step has a number, uniform in 0 … 1, and a mark. Two numbers are marked with 1, one in each
    half; y is their sum. For a model with ``outputs="last"`` and ``loss="squared_error"``.

    Always to answer 1 has a mean squared error of 1/6, the variance of such a sum (Le and others
    print 0.1767): a loss of 1/12.

    No equation of the section: it draws x(t) and y.

    Parameters
    ----------
    n_steps : int ≥ 2
        T; with ``original``, ≥ 20.
    n_sequences : int ≥ 1
        B.
    original : bool
        As it was first posed, in 1997. Numbers are uniform in −1 … 1; lengths are drawn from
        T … T + T/10; one of the first ten pairs is marked, then one of the first T/2 − 1 that are
        not; the first pair and the last have a mark of −1, and never count; y is 0.5 plus a
        quarter of the sum. Always to answer 0.5 has a mean squared error of (1.9 − 0.9/(T/2 −
        1))/48, about 1/25.
    seed : int, numpy.random.Generator or None
        Decides all draws.
    dtype : float32 or float64
        Of x and y.

    Returns
    -------
    x : ndarray, shape (T, B, 2)
        The number, and its mark.
    y : ndarray, shape (B, 1)
    options : dict
        Empty; with ``original`` the ``lengths``, (B,), and x has all of T + T/10 steps.

    Raises
    ------
    ValueError, TypeError
        For an argument that is not as above.

    References
    ----------
    Hochreiter and Schmidhuber (1997), "Long short-term memory", *Neural Computation* 9, 1735–1780,
    experiment 4. With a fixed length and numbers in 0 … 1: Le, Jaitly and Hinton (2015), "A simple
    way to initialize recurrent networks of rectified linear units", `arXiv:1504.00941
    <https://arxiv.org/abs/1504.00941>`__. With a mark in each half: Arjovsky, Shah and Bengio
    (2016), "Unitary evolution recurrent neural networks", *ICML*, `arXiv:1511.06464
    <https://arxiv.org/abs/1511.06464>`__.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.data import adding
    >>> x, y, options = adding(10, 1, seed=0)
    >>> number, mark = x[:, 0].T
    >>> np.flatnonzero(mark)
    array([1, 9])
    >>> np.isclose(y[0, 0], number[1] + number[9])
    np.True_
    """
    original = check.boolean("original", original)
    T, B = sizes(n_steps, n_sequences, _LEAST_ORIGINAL if original else 2, 3)
    rng, kind = check.generator("seed", seed), check.float_dtype("dtype", dtype)
    if original:
        return _original_adding(T, B, rng, kind)
    n = np.arange(B)
    x = np.zeros((T, B, 2), kind)
    x[..., 0] = rng.random((T, B))
    x[rng.integers(0, T // 2, B), n, 1] = 1
    x[rng.integers(T // 2, T, B), n, 1] = 1
    return x, (x[..., 0] * x[..., 1]).sum(axis=0)[:, None], {}


def _original_adding(T: int, B: int, rng: np.random.Generator, dtype: Any) -> Chunk:
    longest, n = T + T // 10, np.arange(B)
    lengths = rng.integers(T, longest + 1, B)
    numbers, marks = rng.uniform(-1, 1, (longest, B)), np.zeros((longest, B))
    first = rng.integers(0, 10, B)
    second = rng.integers(0, T // 2 - 1, B)
    second += second >= first  # among those that are not marked yet
    marks[first, n] = marks[second, n] = 1
    marks[0] = marks[lengths - 1, n] = -1
    y = 0.5 + (numbers * (marks == 1)).sum(axis=0) / 4
    past = np.arange(longest)[:, None] >= lengths
    numbers[past] = 0
    x = np.stack([numbers, marks], axis=2).astype(dtype)
    return x, y[:, None].astype(dtype), {"lengths": lengths}


def copy(
    delay: int, n_sequences: int, *, n_symbols: int = 8, n_copied: int = 10, seed: Seed = None
) -> Chunk:
    """The copying memory problem: say again, after a delay, what was read at the beginning.

    Ten symbols of eight are read; then come blanks, at last a sign to begin, and ten blanks more,
    during which the ten are to be said again, in their order. y is the blank at all steps before.
    For a model with ``inputs="tokens"``, of ten inputs and ten outputs.

    Who remembers nothing, says blanks and then guesses, has a mean loss of 10 log 8 / (T + 20)
    nats a step, T the delay.

    No equation of the section: it draws x(t) and y(t).

    Parameters
    ----------
    delay : int ≥ 1
        T of the paper: the steps from the last symbol to the sign, which is one of them.
    n_sequences : int ≥ 1
        B.
    n_symbols : int ≥ 1
        How many different ones, K. The blank is K, the sign K + 1.
    n_copied : int ≥ 1
        How many are read, S; the sequence has delay + 2 S steps.
    seed : int, numpy.random.Generator or None
        Decides all draws.

    Returns
    -------
    x, y : ndarray of int, shape (T, B), here with T = delay + 2 S
        Tokens and labels in 0 … K + 1.
    options : dict
        Empty.

    Raises
    ------
    ValueError, TypeError
        For an argument that is not as above.

    References
    ----------
    Arjovsky, Shah and Bengio (2016), "Unitary evolution recurrent neural networks", *ICML*,
    `arXiv:1511.06464 <https://arxiv.org/abs/1511.06464>`__, section 5.1, after Hochreiter and
    Schmidhuber (1997).

    Examples
    --------
    >>> from cybptt.data import copy
    >>> x, y, options = copy(5, 1, n_copied=3, seed=0)
    >>> x[:, 0]
    array([6, 5, 4, 8, 8, 8, 8, 9, 8, 8, 8])
    >>> y[:, 0]
    array([8, 8, 8, 8, 8, 8, 8, 8, 6, 5, 4])
    """
    T = check.integer("delay", delay, 1)
    B = check.integer("n_sequences", n_sequences, 1)
    K = check.integer("n_symbols", n_symbols, 1)
    S = check.integer("n_copied", n_copied, 1)
    check.check_size("delay", T + 2 * S, B)
    rng = check.generator("seed", seed)
    symbols = rng.integers(0, K, (S, B))
    x = np.full((T + 2 * S, B), K, np.intp)
    y = x.copy()
    x[:S] = y[-S:] = symbols
    x[-S - 1] = K + 1
    return x, y, {}


def temporal_order(
    n_steps: int, n_sequences: int, *, n_relevant: int = 2, seed: Seed = None
) -> Chunk:
    """The temporal order problem: say in which order the few symbols came that mean something.

    Among random letters a, b, c, d stand two that are X or Y, far from each other and from the end;
    the class is which of XX, XY, YX, YY it was. A sequence begins with E and ends with B. For a
    model with ``inputs="tokens"``, of eight inputs, and ``outputs="last"``, of four outputs; or
    eight, where three symbols mean something.

    Guessing has a loss of log 4, or log 8, nats.

    No equation of the section: it draws x(t) and y.

    Parameters
    ----------
    n_steps : int ≥ 20
        The least length, T; lengths are drawn from T … T + T/10. In the paper it is 100.
    n_sequences : int ≥ 1
        B.
    n_relevant : {2, 3}
        2 is the paper's task 6a: a symbol at T/10 … T/5 and one at T/2 … 3T/5. 3 is its task 6b:
        at T/10 … T/5, 33T/100 … 43T/100 and 66T/100 … 76T/100.
    seed : int, numpy.random.Generator or None
        Decides all draws.

    Returns
    -------
    x : ndarray of int, shape (T + T/10, B)
        Tokens: X, Y, a, b, c, d, E, B are 0 … 7.
    y : ndarray of int, shape (B,)
        X is 0 and Y is 1, the first symbol counts most: XX is 0, XY 1, YX 2, YY 3.
    options : dict
        The ``lengths``, (B,).

    Raises
    ------
    ValueError, TypeError
        For an argument that is not as above.

    References
    ----------
    Hochreiter and Schmidhuber (1997), "Long short-term memory", *Neural Computation* 9, 1735–1780,
    experiment 6.

    Examples
    --------
    >>> from cybptt.data import temporal_order
    >>> x, y, options = temporal_order(20, 1, seed=0)
    >>> "".join("XYabcdEB"[i] for i in x[: options["lengths"][0], 0]), y
    ('EcbXaaaadcdYcdccccdbdB', array([1]))
    """
    T, B = sizes(n_steps, n_sequences, 20, 2)
    relevant = check.integer("n_relevant", n_relevant, 2, 3)
    rng = check.generator("seed", seed)
    starts = (10, 50) if relevant == 2 else (10, 33, 66)  # hundredths of T
    n = np.arange(B)
    lengths = rng.integers(T, T + T // 10 + 1, B)
    x = rng.integers(2, 6, (T + T // 10, B))
    y = np.zeros(B, np.intp)
    for start in starts:
        symbol = rng.integers(0, 2, B)
        x[start * T // 100 + rng.integers(0, T // 10 + 1, B), n] = symbol
        y = 2 * y + symbol
    x[0] = 6
    x[lengths - 1, n] = 7
    x[np.arange(len(x))[:, None] >= lengths] = 0
    return x, y, {"lengths": lengths}


def parity(
    n_steps: int,
    n_sequences: int,
    *,
    outputs: str = "last",
    seed: Seed = None,
    dtype: DTypeLike = np.float64,
) -> Chunk:
    """The parity problem: say whether the number of ones that came is even or odd.

    x(t) is 1 or −1, with equal odds. For a model of one input and two outputs. A network without a
    state cannot do better than guessing, from the second step on.

    Guessing has a loss of log 2 nats.

    No equation of the section: it draws x(t) and y(t).

    Parameters
    ----------
    n_steps : int ≥ 1
        T.
    n_sequences : int ≥ 1
        B.
    outputs : {"last", "all"}
        As the model's: asked at the end, as in the paper, or at each step, of the ones so far.
    seed : int, numpy.random.Generator or None
        Decides all draws.
    dtype : float32 or float64
        Of x.

    Returns
    -------
    x : ndarray, shape (T, B, 1)
    y : ndarray of int, shape (B,), or (T, B) with ``outputs="all"``
        1 for odd.
    options : dict
        Empty.

    Raises
    ------
    ValueError, TypeError
        For an argument that is not as above.

    References
    ----------
    Bengio, Simard and Frasconi (1994), "Learning long-term dependencies with gradient descent is
    difficult", *IEEE Transactions on Neural Networks* 5, 157–166.

    Examples
    --------
    >>> from cybptt.data import parity
    >>> x, y, options = parity(6, 1, outputs="all", seed=0)
    >>> x[:, 0, 0], y[:, 0]
    (array([ 1.,  1.,  1., -1., -1., -1.]), array([1, 0, 1, 1, 1, 1]))
    """
    T, B = sizes(n_steps, n_sequences, 1)
    last = check.choice("outputs", outputs, ("last", "all")) == "last"
    rng, kind = check.generator("seed", seed), check.float_dtype("dtype", dtype)
    bits = rng.integers(0, 2, (T, B))
    x = (2 * bits - 1).astype(kind)[..., None]
    y = bits.cumsum(axis=0) % 2
    return x, y[-1] if last else y, {}
