"""What the losses make of o: ŷ by the link, with its Jacobian, and the y that is drawn."""

from __future__ import annotations

from typing import Any

import exact
import numpy as np
import pytest
from mpmath import mp, mpf

from cybptt import losses

DTYPES = (np.float32, np.float64)
NAMES = losses.names()


def draw(name: str, n: int, outputs: int, dtype: Any, seed: int = 0) -> tuple[Any, Any]:
    """o (n, outputs), and targets that suit the loss."""
    rng = np.random.default_rng(seed)
    loss = losses.get(name)
    o = rng.normal(0, 3, (n, outputs)).astype(dtype)
    if loss.targets == "classes":
        return o, rng.integers(outputs, size=n)
    low, high = loss.target_range
    return o, np.clip(rng.normal(0.5, 1, (n, outputs)), low, high).astype(dtype)


# ---------------------------------------------------------------------- links


@pytest.mark.parametrize("name", [n for n in NAMES if losses.get(n).link is not None])
def test_link_vjp_is_the_links_jacobian_transposed(name: str) -> None:
    loss = losses.get(name)
    o, _ = draw(name, 12, 6, np.float64)
    v = np.random.default_rng(1).normal(size=o.shape)
    y_hat = loss.link(o)
    diagonal = {"softmax_nll": y_hat, "bernoulli_nll": y_hat * (1 - y_hat), "poisson_nll": y_hat}
    jacobian = diagonal[name][:, :, None] * np.eye(6)
    if name == "softmax_nll":
        jacobian -= y_hat[:, :, None] * y_hat[:, None, :]
    wanted = np.einsum("nij,ni->nj", jacobian, v)
    np.testing.assert_allclose(loss.link_vjp(o, y_hat, v), wanted, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["bernoulli_nll", "poisson_nll"])
def test_elementwise_links(name: str, dtype: Any) -> None:
    o = np.random.default_rng(0).uniform(-90, 80, (20, 10)).astype(dtype)
    link = {"bernoulli_nll": exact.sigmoid, "poisson_nll": mp.exp}[name]
    errors = exact.ulps(losses.get(name).link(o), (link(mpf(float(v))) for v in o.flat))
    assert errors.max() <= 2.5


def test_what_has_no_link_predicts_o() -> None:
    for name in ("squared_error", "huber", "huber(3.0)"):
        loss = losses.get(name)
        assert loss.link is loss.link_vjp is None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("outputs", [1, 2, 3, 15, 16, 17, 19, 31, 65, 128, 129, 2047, 2049])
def test_the_bits_of_a_row_are_its_own(outputs: int, dtype: Any) -> None:
    """Narrow rows are summed some at a time: that no row learns where it stands, or beside whom."""
    o, labels = draw("softmax_nll", 37, outputs, dtype)
    loss = losses.get("softmax_nll")
    y_hat, values, grad = loss.link(o), loss.value(o, labels), loss.gradient(o, labels)
    for order in (np.arange(37)[::-1], np.arange(5), *np.arange(37)[:, np.newaxis]):
        some = (o[order], labels[order])
        np.testing.assert_array_equal(loss.link(some[0]), y_hat[order])
        np.testing.assert_array_equal(loss.value(*some), values[order])
        np.testing.assert_array_equal(loss.gradient(*some), grad[order])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("outputs", [2, 3, 17, 128, 129, 2049])
def test_softmax_is_exact_to_a_few_ulp(outputs: int, dtype: Any) -> None:
    """And to what the rounding of o − max o makes of exp. A wide row is summed in another order."""
    o, _ = draw("softmax_nll", 3, outputs, dtype)
    for row, y_hat in zip(o, losses.get("softmax_nll").link(o), strict=True):
        z = [mp.exp(mpf(float(v))) for v in row]
        total = mp.fsum(z)
        errors = exact.ulps(y_hat, (v / total for v in z))
        assert (errors <= 4 + (row.max() - row)).all(), errors.max()


# ---------------------------------------------------------------------- draws


def test_samples_follow_the_distribution() -> None:
    """Means over 40,000 draws, each within five of its standard errors."""
    n = 40_000
    row = np.array([[0.7, -1.2, 0.1]])
    o = np.repeat(row, n, axis=0)

    def mean_is(sample: Any, mean: Any, variance: Any) -> None:
        off = np.abs(sample.mean(axis=0) - mean)
        assert (off <= 5 * np.sqrt(variance / n)).all(), (off, mean)

    def sample(name: str) -> Any:
        return losses.get(name).sample(o, np.random.default_rng(0))

    p = np.exp(row[0]) / np.exp(row[0]).sum()
    mean_is(np.eye(3)[sample("softmax_nll")], p, p * (1 - p))
    s = 1 / (1 + np.exp(-row[0]))
    bits = sample("bernoulli_nll")
    assert set(np.unique(bits)) == {0.0, 1.0}
    mean_is(bits, s, s * (1 - s))
    rate = np.exp(row[0])
    counts = sample("poisson_nll")
    assert (counts == np.floor(counts)).all()
    mean_is(counts, rate, rate)
    mean_is((counts - rate) ** 2, rate, rate + 2 * rate**2)
    gaussian = sample("squared_error")
    mean_is(gaussian, row[0], np.ones(3))
    mean_is((gaussian - row[0]) ** 2, np.ones(3), 2 * np.ones(3))


class Fixed:
    """A generator whose every draw is the same."""

    def __init__(self, value: float) -> None:
        self.value = value

    def random(self, shape: Any) -> Any:
        return np.full(shape, self.value)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_class_is_drawn_by_the_inverse_of_its_distribution(dtype: Any) -> None:
    sample = losses.get("softmax_nll").sample
    o = np.log(np.array([[1, 2, 1, 4]])).astype(dtype)  # an eighth, a quarter, an eighth, a half
    for draw_, wanted in ((0, 0), (0.12, 0), (0.13, 1), (0.37, 1), (0.38, 2), (0.49, 2), (0.51, 3)):
        assert sample(o, Fixed(draw_)).tolist() == [wanted], draw_
    # The ends of the interval draw no class that can't be, nor one past the last.
    impossible = np.array([[-1e8, 0, -1e8, 1, 2, -1e8]], dtype)
    assert sample(impossible, Fixed(0.0)).tolist() == [1]
    assert sample(impossible, Fixed(np.nextafter(1, 0))).tolist() == [4]
    rng = np.random.default_rng(0)
    for outputs in (1, 2, 3, 10, 100):
        many = rng.normal(size=(200, outputs)).astype(dtype)
        assert (sample(many, Fixed(np.nextafter(1, 0))) < outputs).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [n for n in NAMES if losses.get(n).sample is not None])
def test_the_generator_decides_the_sample(name: str, dtype: Any) -> None:
    loss = losses.get(name)
    o, y = draw(name, 30, 5, dtype)
    first, again = (loss.sample(o, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (first != loss.sample(o, np.random.default_rng(4))).any()
    assert first.shape == y.shape
    assert first.dtype == (np.intp if loss.targets == "classes" else dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_modes(dtype: Any) -> None:
    o = np.array([[0.0, 2.0, -1.0], [3.0, 3.0, -0.5]], dtype)
    wanted = {
        "softmax_nll": [1, 0],  # of two that are as likely, the first
        "squared_error": o,
        "huber": o,
        "bernoulli_nll": [[0, 1, 0], [1, 1, 0]],
        "poisson_nll": [[1, 7, 0], [20, 20, 0]],
    }
    for name, mode in wanted.items():
        loss = losses.get(name)
        got = loss.mode(o)
        np.testing.assert_array_equal(got, mode)
        assert got.dtype == (np.intp if loss.targets == "classes" else dtype)
        assert not np.shares_memory(got, o)
    assert losses.get("huber").sample is None


@pytest.mark.parametrize("name", ["softmax_nll", "squared_error", "bernoulli_nll", "huber"])
def test_the_mode_is_the_likeliest(name: str) -> None:
    """No other y has a smaller loss."""
    loss = losses.get(name)
    o, _ = draw(name, 50, 4, np.float64)
    least = loss.value(o, loss.mode(o))
    for seed in range(20):
        _, y = draw(name, 50, 4, np.float64, seed)
        assert (loss.value(o, y) >= least).all()


def test_which_targets_each_takes() -> None:
    classes = {name for name in NAMES if losses.get(name).targets == "classes"}
    assert classes == {"softmax_nll"}
    ranges = {"bernoulli_nll": (0, 1), "poisson_nll": (0, np.inf)}
    for name in ("softmax_nll", "squared_error", "bernoulli_nll", "poisson_nll", "huber"):
        assert losses.get(name).target_range == ranges.get(name, (-np.inf, np.inf)), name
