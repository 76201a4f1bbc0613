"""The field's tasks: what each paper says of them, and what guessing costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cybptt
from cybptt import data

# Of each task: what draws a large sample of it, and a model that takes it.
TASKS: dict[str, tuple[dict[str, Any], cybptt.RNN]] = {
    "adding": (
        {"n_steps": 30},
        cybptt.RNN(2, 4, 1, outputs="last", loss="squared_error"),
    ),
    "copy": ({"delay": 7}, cybptt.RNN(10, 4, 10, inputs="tokens")),
    "temporal_order": ({"n_steps": 30}, cybptt.RNN(8, 4, 4, inputs="tokens", outputs="last")),
    "parity": ({"n_steps": 9}, cybptt.RNN(1, 4, 2, outputs="last")),
    "delayed_recall": ({"n_steps": 30}, cybptt.RNN(1, 4, 1, loss="squared_error")),
    "flip_flop": ({"n_steps": 30}, cybptt.RNN(3, 4, 3, loss="squared_error")),
    "mackey_glass": ({"n_steps": 30}, cybptt.RNN(1, 4, 1, loss="squared_error")),
}


def draw(name: str, n_sequences: int, **more: Any) -> Any:
    return getattr(data, name)(**TASKS[name][0], n_sequences=n_sequences, **more)


def same(one: Any, other: Any) -> bool:
    (x, y, options), (x_2, y_2, options_2) = one, other
    return (
        np.array_equal(x, x_2)
        and np.array_equal(y, y_2)
        and options.keys() == options_2.keys()
        and all(np.array_equal(options[name], options_2[name]) for name in options)
    )


# ---------------------------------------------------------------------- what all have in common


@pytest.mark.parametrize("name", TASKS)
def test_its_model_takes_it_as_it_is(name: str) -> None:
    x, y, options = draw(name, 5, seed=0)
    rnn = TASKS[name][1]
    loss, grad = rnn.value_and_grad(rnn.init(seed=0), x, y, **options, reduction="mean")
    assert np.isfinite(loss)
    assert np.isfinite(grad.vector).all()


@pytest.mark.parametrize("name", TASKS)
def test_the_seed_decides_all(name: str) -> None:
    first = draw(name, 5, seed=3)
    assert same(draw(name, 5, seed=3), first)
    assert same(draw(name, 5, seed=np.random.default_rng(3)), first)
    assert not same(draw(name, 5, seed=4), first)
    assert not same(draw(name, 5), draw(name, 5))
    rng = np.random.default_rng(3)
    assert not same(draw(name, 5, seed=rng), draw(name, 5, seed=rng))


@pytest.mark.parametrize("name", ["adding", "parity", "delayed_recall", "flip_flop"])
def test_float32_is_the_same_rounded(name: str) -> None:
    wide, narrow = draw(name, 5, seed=0), draw(name, 5, seed=0, dtype="float32")
    for one, other in zip(wide[:2], narrow[:2], strict=True):
        assert other.dtype == (np.float32 if one.dtype.kind == "f" else one.dtype)
        np.testing.assert_allclose(other, one, rtol=1e-6)
    assert draw("mackey_glass", 1, dtype="float32")[0].dtype == np.float32


def mean_loss(rnn: cybptt.RNN, c: Any, chunk: Any) -> float:
    """Of a network that always answers c."""
    x, y, options = chunk
    params = rnn.parameters(np.zeros(rnn.n_parameters))
    params.c[...] = c
    loss: float = rnn.value_and_grad(params, x, y, **options, reduction="mean")[0]
    return loss


@pytest.mark.parametrize(
    ("name", "answer", "loss"),
    [
        ("adding", 1, 1 / 12),
        ("temporal_order", 0, np.log(4)),
        ("parity", 0, np.log(2)),
        ("delayed_recall", 0, 1 / 24),
        ("flip_flop", 0, 3 / 2),
        ("mackey_glass", 0.93, 0.051 / 2),
    ],
)
def test_what_guessing_costs(name: str, answer: float, loss: float) -> None:
    chunk = draw(name, 3000, seed=0)
    assert mean_loss(TASKS[name][1], answer, chunk) == pytest.approx(loss, rel=0.03)


# ---------------------------------------------------------------------- one by one


def test_adding() -> None:
    x, y, options = data.adding(11, 2000, seed=0)
    assert (x.shape, y.shape, options) == ((11, 2000, 2), (2000, 1), {})
    numbers, marks = x[..., 0], x[..., 1]
    assert 0 <= numbers.min() < 0.01
    assert 0.99 < numbers.max() < 1
    assert set(np.unique(marks)) == {0, 1}
    np.testing.assert_array_equal(marks[:5].sum(axis=0), 1)
    np.testing.assert_array_equal(marks[5:].sum(axis=0), 1)
    assert marks.any(axis=1).all()  # at every step of some sequence
    np.testing.assert_allclose(y[:, 0], (numbers * marks).sum(axis=0))
    # Two steps are the least: one for each mark.
    np.testing.assert_array_equal(data.adding(2, 3)[0][..., 1], 1)


def test_adding_as_it_was_posed() -> None:
    T, n = 40, np.arange(4000)
    x, y, options = data.adding(T, len(n), original=True, seed=0)
    lengths = options["lengths"]
    assert (x.shape, y.shape) == ((44, 4000, 2), (4000, 1))
    assert set(lengths) == set(range(40, 45))
    numbers, marks = x[..., 0], x[..., 1]
    assert -1 <= numbers.min() < -0.99 < 0.99 < numbers.max() < 1
    # −1 at the first and the last step; two marks, or one where the first step was chosen.
    np.testing.assert_array_equal(marks[0], -1)
    np.testing.assert_array_equal(marks[lengths - 1, n], -1)
    np.testing.assert_array_equal((marks == -1).sum(axis=0), 2)
    ones = (marks == 1).sum(axis=0)
    assert set(ones) == {1, 2}
    assert (ones == 1).mean() == pytest.approx(1 / 10 + 9 / 10 / 19, abs=0.02)
    # The first among ten, the second among the first T/2 − 1 that are left.
    first, last = (marks == 1).argmax(axis=0), len(marks) - 1 - (marks == 1)[::-1].argmax(axis=0)
    assert first.min() == 1
    assert last.max() == T // 2 - 1
    assert first[ones == 2].max() == 9
    np.testing.assert_allclose(y[:, 0], 0.5 + (numbers * (marks == 1)).sum(axis=0) / 4)
    past = np.arange(44)[:, None] >= lengths
    assert not x[past].any()
    assert np.mean((y - 0.5) ** 2) == pytest.approx((1.9 - 0.9 / 19) / 48, rel=0.05)


def test_copy() -> None:
    T = 30
    x, y, options = data.copy(T, 500, seed=0)
    assert (x.shape, y.shape, options) == ((T + 20, 500), (T + 20, 500), {})
    assert set(x[:10].ravel()) == set(range(8))
    # T − 1 blanks, the sign, ten blanks.
    np.testing.assert_array_equal(x[10 : T + 9], 8)
    np.testing.assert_array_equal(x[T + 9], 9)
    np.testing.assert_array_equal(x[T + 10 :], 8)
    np.testing.assert_array_equal(y[: T + 10], 8)
    np.testing.assert_array_equal(y[T + 10 :], x[:10])
    x, y, _ = data.copy(1, 3, n_symbols=2, n_copied=4, seed=0)
    assert x[4:].tolist() == [[3] * 3, *[[2] * 3] * 4]
    assert y[5:].tolist() == x[:4].tolist()


def test_copy_without_a_memory() -> None:
    """Blanks for sure, then one of eight: 10 log 8 / (T + 20)."""
    T = 30
    _, y, _ = data.copy(T, 200, seed=0)
    p = np.zeros((T + 20, 10))
    p[: T + 10, 8] = 1
    p[T + 10 :, :8] = 1 / 8
    loss = -np.log(p[np.arange(T + 20)[:, None], y]).mean()
    assert loss == pytest.approx(10 * np.log(8) / (T + 20), rel=1e-12)


@pytest.mark.parametrize(
    ("n_relevant", "places"), [(2, [(10, 20), (50, 60)]), (3, [(10, 20), (33, 43), (66, 76)])]
)
def test_temporal_order(n_relevant: int, places: list[tuple[int, int]]) -> None:
    x, y, options = data.temporal_order(100, 3000, n_relevant=n_relevant, seed=0)
    lengths, n = options["lengths"], np.arange(3000)
    assert x.shape == (110, 3000)
    assert set(lengths) == set(range(100, 111))
    np.testing.assert_array_equal(x[0], 6)
    np.testing.assert_array_equal(x[lengths - 1, n], 7)
    inside = (np.arange(110)[:, None] > 0) & (np.arange(110)[:, None] < lengths - 1)
    assert set(x[inside]) == set(range(6))
    means = inside & (x < 2)
    np.testing.assert_array_equal(means.sum(axis=0), n_relevant)
    when = np.argsort(~means, axis=0, kind="stable")[:n_relevant]  # the steps, in order
    found = 0
    for step, (low, high) in zip(when, places, strict=True):
        assert (step.min(), step.max()) == (low, high)
        found = 2 * found + x[step, n]
    np.testing.assert_array_equal(y, found)
    assert set(y) == set(range(2**n_relevant))


def test_parity() -> None:
    x, y, _ = data.parity(7, 400, outputs="all", seed=0)
    assert (x.shape, y.shape) == ((7, 400, 1), (7, 400))
    assert set(x.ravel()) == {-1, 1}
    # The product of −x is −1 where the number of ones is odd.
    np.testing.assert_array_equal(np.cumprod(-x[..., 0], axis=0), 1 - 2 * y)
    x_last, y_last, _ = data.parity(7, 400, seed=0)
    np.testing.assert_array_equal(x_last, x)
    np.testing.assert_array_equal(y_last, y[-1])


@pytest.mark.parametrize("delay", [0, 1, 4])
def test_delayed_recall(delay: int) -> None:
    x, y, options = data.delayed_recall(50, 40, delay=delay, seed=0)
    assert -0.5 <= x.min() < -0.49 < 0.49 < x.max() < 0.5
    counts = options["weights"] == 1
    np.testing.assert_array_equal(counts, np.arange(50)[:, None] >= np.full(40, delay))
    for t in range(delay, 50):
        np.testing.assert_array_equal(y[t], x[t - delay])


def test_flip_flop() -> None:
    x, y, options = data.flip_flop(60, 50, seed=0)
    assert (x.shape, y.shape, options) == ((60, 50, 3), (60, 50, 3), {})
    assert set(x[0].ravel()) == {-1, 1}
    assert set(x.ravel()) == {-1, 0, 1}
    assert (x[1:] != 0).mean() == pytest.approx(0.1, abs=0.01)
    held = np.zeros((50, 3))
    for t in range(60):
        held = np.where(x[t] == 0, held, x[t])
        np.testing.assert_array_equal(y[t], held)
    np.testing.assert_array_equal(*data.flip_flop(9, 2, p=1)[:2])
    assert (data.flip_flop(9, 2, p=0)[0][1:] == 0).all()


# ---------------------------------------------------------------------- Mackey–Glass


def by_scipy(n: int, tau: float, start: float) -> Any:
    """At 0, 1, … n − 1, by an adaptive method of order 8: interval after interval of length τ."""
    from scipy.integrate import solve_ivp

    pieces: list[Any] = []

    def x(t: float) -> Any:
        return start if t <= 0 else pieces[min(int(t / tau), len(pieces) - 1)](t)[0]

    def slope(t: float, value: Any) -> Any:
        late = x(t - tau)
        return 0.2 * late / (1 + late**10) - 0.1 * value

    value = [start]
    while len(pieces) * tau < n:
        span = len(pieces) * tau, (len(pieces) + 1) * tau
        found = solve_ivp(
            slope,
            span,
            value,
            method="DOP853",
            rtol=1e-12,
            atol=1e-12,
            max_step=1,
            dense_output=True,
        )
        pieces.append(found.sol)
        value = found.y[:, -1]
    return np.array([x(float(t)) for t in range(n)])


def test_mackey_glass_is_the_equations_solution() -> None:
    want = by_scipy(80, 17, 1.2)
    errors = {}
    for dt in (0.5, 0.25, 0.1):
        x, _, _ = data.mackey_glass(80, 1, start=1.2, washout=0, dt=dt)
        errors[dt] = np.abs(x[:, 0, 0] - want).max()
    assert errors[0.1] < 2e-9
    # Halving the step divides the error by sixteen: the method's order is four.
    assert errors[0.5] / errors[0.25] == pytest.approx(16, rel=0.1)


def test_mackey_glass_is_cut_as_it_is_said() -> None:
    whole, _, _ = data.mackey_glass(60, 2, start=[0.8, 1.2], washout=0, every=0.5)
    np.testing.assert_array_equal(whole[0, :, 0], [0.8, 1.2])
    x, y, _ = data.mackey_glass(10, 2, start=[0.8, 1.2], washout=5, ahead=6, every=2)
    np.testing.assert_array_equal(x, whole[20::4])
    later, _, _ = data.mackey_glass(10, 2, start=[0.8, 1.2], washout=11, every=2)
    np.testing.assert_array_equal(y, later)
    # Other numbers: without production there is decay alone, e^(−γ t).
    x, _, _ = data.mackey_glass(30, 1, beta=1e-300, gamma=0.3, start=1, washout=0, dt=0.01, tau=1)
    np.testing.assert_allclose(x[:, 0, 0], np.exp(-0.3 * np.arange(30)), rtol=1e-9)


def test_mackey_glass_settles_where_there_is_no_chaos() -> None:
    """β x / (1 + xⁿ) = γ x at x = 1 for β = 2 γ; a short delay lets it come to rest there."""
    x, _, _ = data.mackey_glass(10, 3, tau=2, seed=0)
    np.testing.assert_allclose(x, 1, atol=1e-9)
    chaotic, _, _ = data.mackey_glass(2000, 3, seed=0)
    assert 0.4 < chaotic.min() < 0.45 < 1.3 < chaotic.max() < 1.35
