"""Tasks with an answer at each step: delayed recall, the flip-flop, the Mackey–Glass series."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from cybptt import _validate as check
from cybptt.data._shared import Array, Chunk, Seed, sizes


def delayed_recall(
    n_steps: int,
    n_sequences: int,
    *,
    delay: int = 10,
    seed: Seed = None,
    dtype: DTypeLike = np.float64,
) -> Chunk:
    """Delayed recall: say at each step what was read some steps before.

    x(t) is noise, uniform in −0.5 … 0.5, and y(t) = x(t − delay). For a model of one input and one
    output, with ``loss="squared_error"``. How much of the variance of y a network recovers, summed
    over all delays, is its memory capacity, which is at most its number of units.

    Always to answer 0 has a mean squared error of 1/12: a loss of 1/24.

    No equation of the section: it draws x(t) and y(t).

    Parameters
    ----------
    n_steps : int ≥ 1
        T, > delay.
    n_sequences : int ≥ 1
        B.
    delay : int ≥ 0
        In steps.
    seed : int, numpy.random.Generator or None
        Decides all draws.
    dtype : float32 or float64
        Of x and y.

    Returns
    -------
    x, y : ndarray, shape (T, B, 1)
    options : dict
        ``weights``, (T, B): 0 for the first steps, where there is nothing yet to recall.

    Raises
    ------
    ValueError, TypeError
        For an argument that is not as above.

    References
    ----------
    Jaeger (2001), "Short term memory in echo state networks", GMD Report 152, German National
    Research Center for Information Technology.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.data import delayed_recall
    >>> x, y, options = delayed_recall(6, 1, delay=2, seed=0)
    >>> np.array_equal(y[2:], x[:-2]), options["weights"][:, 0]
    (True, array([0., 0., 1., 1., 1., 1.]))
    """
    k = check.integer("delay", delay, 0)
    T, B = sizes(n_steps, n_sequences, k + 1)
    rng, kind = check.generator("seed", seed), check.float_dtype("dtype", dtype)
    x = rng.uniform(-0.5, 0.5, (T, B, 1)).astype(kind)
    y = np.zeros_like(x)
    y[k:] = x[: T - k]
    weights = np.ones((T, B))
    weights[:k] = 0
    return x, y, {"weights": weights}


def flip_flop(
    n_steps: int,
    n_sequences: int,
    *,
    n_bits: int = 3,
    p: float = 0.1,
    seed: Seed = None,
    dtype: DTypeLike = np.float64,
) -> Chunk:
    """The flip-flop: hold the sign of the last pulse on each of three lines.

    A line's input is 0, but for brief pulses of 1 or −1 at random times; its output is the last of
    them, whatever comes on the other lines. For a model of as many inputs and outputs as lines,
    with ``loss="squared_error"``. Trained networks hold the eight memories in eight fixed points,
    the corners of a cube.

    Always to answer 0 has a loss of half the number of lines at each step.

    No equation of the section: it draws x(t) and y(t).

    Parameters
    ----------
    n_steps : int ≥ 1
        T.
    n_sequences : int ≥ 1
        B.
    n_bits : int ≥ 1
        The lines, n.
    p : float in 0 … 1
        The probability of a pulse, at each step of each line; all lines have one at the first step,
        so that there is always one to hold. (The paper gives no rate.)
    seed : int, numpy.random.Generator or None
        Decides all draws.
    dtype : float32 or float64
        Of x and y.

    Returns
    -------
    x, y : ndarray, shape (T, B, n)
    options : dict
        Empty.

    Raises
    ------
    ValueError, TypeError
        For an argument that is not as above.

    References
    ----------
    Sussillo and Barak (2013), "Opening the black box: low-dimensional dynamics in high-dimensional
    recurrent neural networks", *Neural Computation* 25, 626–649.

    Examples
    --------
    >>> from cybptt.data import flip_flop
    >>> x, y, options = flip_flop(8, 1, n_bits=1, p=0.3, seed=2)
    >>> x[:, 0, 0]
    array([ 1., -1.,  0.,  1.,  0.,  0., -1., -1.])
    >>> y[:, 0, 0]
    array([ 1., -1., -1.,  1.,  1.,  1., -1., -1.])
    """
    n = check.integer("n_bits", n_bits, 1)
    T, B = sizes(n_steps, n_sequences, 1, n)
    need = "a probability in 0 … 1"
    odds = check.real_number("p", p, need)
    if not 0 <= odds <= 1:
        raise check.wrong_value("p", check.describe(p), need)
    rng, kind = check.generator("seed", seed), check.float_dtype("dtype", dtype)
    pulses = rng.random((T, B, n)) < odds
    pulses[0] = True
    signs = rng.integers(0, 2, (T, B, n)) * 2 - 1
    x = (pulses * signs).astype(kind)
    # The step of the last pulse, and what stands there.
    last = np.maximum.accumulate(np.where(pulses, np.arange(T)[:, None, None], 0), axis=0)
    return x, np.take_along_axis(x, last, axis=0), {}


def mackey_glass(
    n_steps: int,
    n_sequences: int,
    *,
    tau: float = 17.0,
    beta: float = 0.2,
    gamma: float = 0.1,
    power: float = 10.0,
    ahead: int = 1,
    every: float = 1.0,
    dt: float = 0.1,
    start: ArrayLike | None = None,
    washout: int = 1000,
    seed: Seed = None,
    dtype: DTypeLike = np.float64,
) -> Chunk:
    """The Mackey–Glass series: predict a chaotic equation with a delay.

    dx/dt = β x(t − τ) / (1 + x(t − τ)ⁿ) − γ x(t), with n the power: a model of the number of white
    blood cells, which is chaotic from about τ = 17 on. x(t) is a sample of it, and y(t) the one
    that comes so many samples later. For a model of one input and one output, with
    ``loss="squared_error"``.

    No answer is right by chance; with the numbers given here, always to answer the mean of the
    series, 0.93, has a mean squared error of 0.051, and to repeat x(t) one of 0.0011.

    No equation of the section: it integrates x(t) and y(t), by the classical method of Runge and
    Kutta (RK4) with steps of dt, x(t − τ) between two steps by cubic Hermite interpolation. The
    error of a step falls with the fifth power of dt; but the series is chaotic, and after some
    hundred units of time two step sizes part.

    Parameters
    ----------
    n_steps : int ≥ 1
        T, in samples.
    n_sequences : int ≥ 1
        B; they differ in how they start.
    tau : float > 0
        τ: a multiple of dt.
    beta, gamma, power : float > 0
        β, γ and n.
    ahead : int ≥ 0
        How many samples y(t) is ahead of x(t).
    every : float > 0
        The time between two samples: a multiple of dt.
    dt : float > 0
        The time of an integration step.
    start : array_like, shape (B,) or (), optional
        x(t) for t ≤ 0, constant, ≥ 0; drawn from 0.5 … 1.5 when not given. 1.2 is customary.
    washout : int ≥ 0
        How many samples are left out first, so that the series has come to its attractor. Where
        the start is drawn, so is this, for each sequence up to twice as many: their phases would
        be alike for long.
    seed : int, numpy.random.Generator or None
        Decides these draws.
    dtype : float32 or float64
        Of x and y; it is integrated in float64.

    Returns
    -------
    x, y : ndarray, shape (T, B, 1)
        The first sample, with ``washout=0``, is the start.
    options : dict
        Empty.

    Raises
    ------
    ValueError, TypeError
        For an argument that is not as above.

    References
    ----------
    Mackey and Glass (1977), "Oscillation and chaos in physiological control systems", *Science*
    197, 287–289.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.data import mackey_glass
    >>> x, y, options = mackey_glass(500, 4, seed=0)
    >>> x.shape, np.array_equal(x[1:], y[:-1])
    ((500, 4, 1), True)
    """
    rates = check.positive_number("beta", beta), check.positive_number("gamma", gamma)
    n = check.positive_number("power", power)
    step = check.positive_number("dt", dt)
    lag = _multiple("tau", check.positive_number("tau", tau), step)
    stride = _multiple("every", check.positive_number("every", every), step)
    T, B = sizes(n_steps, n_sequences, 1, stride)
    shift, skipped = check.integer("ahead", ahead, 0), check.integer("washout", washout, 0)
    rng, kind = check.generator("seed", seed), check.float_dtype("dtype", dtype)
    check.check_size("washout", 2 * skipped + shift + T, stride, B)
    if start is None:
        first, skip = rng.uniform(0.5, 1.5, B), rng.integers(skipped, 2 * skipped + 1, B)
    else:
        first, skip = _starts(start, B), np.full(B, skipped)
    samples = skip + np.arange(T + shift)[:, None]
    series = _integrate(first, int(samples.max()) * stride, lag, step, rates, n)
    series = series[samples * stride, np.arange(B)].astype(kind)[..., None]
    return series[:T], series[shift:], {}


def _multiple(name: str, time: float, dt: float) -> int:
    """How many steps of dt a time is: a whole number."""
    steps = round(time / dt)
    if steps < 1 or abs(steps * dt - time) > 1e-6 * dt:
        raise check.wrong_value(name, f"{time:g}", f"a multiple of dt, {dt:g}")
    return steps


def _starts(start: ArrayLike, B: int) -> Array:
    need = f"numbers of shape (B,) = ({B},), or one for all"
    given = check.numbers("start", start, np.float64, need)
    if given.shape not in ((), (B,)):
        raise check.wrong_value("start", check.describe(given), need)
    bad = ~((given >= 0) & np.isfinite(given))
    if bad.any():
        raise check.wrong_value("start", f"{given[bad][0]}", "finite numbers ≥ 0")
    return np.broadcast_to(given, (B,))


def _integrate(
    start: Array, n_steps: int, lag: int, dt: float, rates: tuple[float, float], power: float
) -> Array:
    """x after 0 … n_steps steps: (n_steps + 1, B).

    For `lag` steps at a time, x(t − τ) is known before: what is left is linear, x′ = g(t) − γ x,
    and of the step from t to t + dt RK4 makes x ← A x + c₀ g(t) + c₁ g(t + dt/2) + c₂ g(t + dt).
    """
    beta, gamma = rates
    z = gamma * dt
    A = 1 - z + z**2 / 2 - z**3 / 6 + z**4 / 24
    c0 = dt / 6 * (1 - z + z**2 / 2 - z**3 / 4)
    c1 = dt / 6 * (4 - 2 * z + z**2 / 2)
    c2 = dt / 6
    x = np.empty((lag + n_steps + 1, len(start)))  # x(t) stands lag rows further down
    x[: lag + 1] = start
    slope = np.zeros_like(x)  # of the constant start, on its left

    def production(delayed: Array) -> Array:
        return beta * delayed / (1 + delayed**power)

    for low in range(lag, lag + n_steps, lag):
        high = min(low + lag, lag + n_steps)
        back = slice(low - lag, high - lag + 1)
        at, by = x[back], slope[back]
        half = (at[:-1] + at[1:]) / 2 + dt / 8 * (by[:-1] - by[1:])
        g = production(at)
        pushes = c0 * g[:-1] + c1 * production(half) + c2 * g[1:]
        for t in range(low, high):
            x[t + 1] = A * x[t] + pushes[t - low]
        slope[low : high + 1] = g - gamma * x[low : high + 1]
    return x[lag:]
