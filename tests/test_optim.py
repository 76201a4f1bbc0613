"""The optimizers and clipping: the formulas by hand, resumed runs, memory, and every refusal."""

from __future__ import annotations

import copy
import json
import math
import pickle
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cybptt
from cybptt.optim import SGD, Adagrad, Adam, Optimizer, RMSprop, clip_by_norm

MAKERS: dict[str, Callable[[], Optimizer]] = {
    "sgd": lambda: SGD(lr=0.1),
    "sgd decay": lambda: SGD(lr=0.1, weight_decay=0.3),
    "momentum": lambda: SGD(lr=0.1, momentum=0.8, weight_decay=0.3),
    "nesterov": lambda: SGD(lr=0.1, momentum=0.8, nesterov=True),
    "adagrad": lambda: Adagrad(lr=0.1, weight_decay=0.3),
    "rmsprop": lambda: RMSprop(lr=0.1, rho=0.7, eps=1e-3, weight_decay=0.3),
    "adam": lambda: Adam(lr=0.1),
    "adamw": lambda: Adam(lr=0.1, beta1=0.7, beta2=0.9, eps=1e-3, weight_decay=0.3),
}
DTYPES = [np.float32, np.float64]
every = pytest.mark.parametrize("name", MAKERS)
both_dtypes = pytest.mark.parametrize("dtype", DTYPES)


def by_hand(name: str, theta: float, gradients: list[float]) -> float:
    """The algorithms of chapter 8 for one number, written out."""
    lr, decay = 0.1, 0.3 if name in ("sgd decay", "momentum", "adagrad", "rmsprop", "adamw") else 0
    v = r = m = 0.0
    for t, g in enumerate(gradients, 1):
        theta *= 1 - lr * decay
        if name in ("sgd", "sgd decay"):
            theta -= lr * g
        elif name == "momentum":
            v = 0.8 * v - lr * g
            theta += v
        elif name == "nesterov":
            v = 0.8 * v - lr * g
            theta += 0.8 * v - lr * g
        elif name == "adagrad":
            r += g**2
            theta -= lr * g / (1e-7 + math.sqrt(r))
        elif name == "rmsprop":
            r = 0.7 * r + 0.3 * g**2
            theta -= lr * g / math.sqrt(1e-3 + r)
        else:
            b1, b2, eps = (0.9, 0.999, 1e-8) if name == "adam" else (0.7, 0.9, 1e-3)
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * g**2
            theta -= lr * (m / (1 - b1**t)) / (math.sqrt(v / (1 - b2**t)) + eps)
    return theta


@every
@both_dtypes
def test_steps_by_hand(name: str, dtype: type) -> None:
    rng = np.random.default_rng(0)
    theta = rng.normal(size=7).astype(dtype)
    gradients = rng.normal(size=(5, 7)).astype(dtype)
    expected = [
        by_hand(name, float(theta[i]), [float(g) for g in gradients[:, i]]) for i in range(7)
    ]
    opt = MAKERS[name]()
    kept = gradients.copy()
    for g in gradients:
        opt.step(theta, g)
    assert theta.dtype == dtype
    assert opt.steps == 5
    np.testing.assert_allclose(theta, expected, rtol=20 * np.finfo(dtype).eps, atol=0)
    np.testing.assert_array_equal(gradients, kept)


@every
def test_a_quadratic_is_descended(name: str) -> None:
    """½ Σ k (θ − 1)² with k = 1 … 5; the decay is turned off, for it moves the minimum."""
    opt = MAKERS[name]()
    opt.weight_decay = 0.0
    if name == "adagrad":
        opt.lr = 2.0  # its rate falls of itself
    k, theta = np.arange(1.0, 6.0), np.linspace(-2, 3, 5)
    for step in range(3000):
        opt.step(theta, k * (theta - 1))
        if step % 300 == 299 and name != "adagrad":
            opt.lr *= 0.5
    np.testing.assert_allclose(theta, 1, atol=1e-3)


def test_nesterov_looks_ahead() -> None:
    """The shifted form: with φ = θ + μ v, φ moves as algorithm 8.3 moves θ."""
    opt, mu, lr = SGD(lr=0.1, momentum=0.8, nesterov=True), 0.8, 0.1
    ahead = np.array([1.5, -0.5])
    theta, v = ahead.copy(), np.zeros(2)
    for _ in range(6):
        v = mu * v - lr * 3 * (theta + mu * v)
        theta = theta + v
        opt.step(ahead, 3 * ahead)
        np.testing.assert_allclose(ahead, theta + mu * v, rtol=1e-13)


@every
@both_dtypes
def test_blocks_do_not_show(name: str, dtype: type) -> None:
    """A vector of several blocks moves as its pieces would, to the bit."""
    rng = np.random.default_rng(1)
    n = 40_000
    whole, g = rng.normal(size=n).astype(dtype), rng.normal(size=(3, n)).astype(dtype)
    cuts = [slice(0, 1), slice(1, 17), slice(17, 39_000), slice(39_000, n)]
    pieces = [(MAKERS[name](), whole[cut].copy(), cut) for cut in cuts]
    opt = MAKERS[name]()
    for row in g:
        opt.step(whole, row)
        for other, part, cut in pieces:
            other.step(part, row[cut])
    assert np.concatenate([part for _, part, _ in pieces]).tobytes() == whole.tobytes()


@every
def test_strided_vectors_give_the_same_bits(name: str) -> None:
    rng = np.random.default_rng(2)
    plain, g = rng.normal(size=50), rng.normal(size=50)
    wide, wide_g = np.zeros(100), np.zeros(100)
    wide[::2], wide_g[::2] = plain, g
    MAKERS[name]().step(plain, g)
    MAKERS[name]().step(wide[::2], wide_g[::2])
    assert wide[::2].tobytes() == plain.tobytes()
    assert not wide[1::2].any()


@every
def test_an_empty_vector(name: str) -> None:
    opt = MAKERS[name]()
    opt.step(np.empty(0), np.empty(0))
    assert opt.steps == 1
    assert clip_by_norm(np.empty(0), 1.0) == 0.0


@both_dtypes
def test_parameters_and_arrays_are_alike(dtype: type) -> None:
    rnn = cybptt.RNN(2, 3, 2)
    params, grad = rnn.init(seed=0, dtype=dtype), rnn.init(seed=1, dtype=dtype)
    theta, g = params.vector.copy(), grad.vector.copy()
    view = params.W
    Adam(lr=0.1).step(params, grad)
    Adam(lr=0.1).step(theta, g)
    assert theta.tobytes() == params.vector.tobytes()
    assert np.shares_memory(view, params.vector)
    assert clip_by_norm(grad, 0.1) == clip_by_norm(g, 0.1)
    assert g.tobytes() == grad.vector.tobytes()


# -------------------------------------------------------------------------------------- resuming


def resume_by_state(opt: Optimizer) -> Optimizer:
    """Through JSON and bytes, as a file would keep them."""
    state = opt.state_dict()
    numbers = {k: v for k, v in state.items() if not isinstance(v, np.ndarray)}
    arrays = {k: np.frombuffer(v.tobytes(), v.dtype) for k, v in state.items() if k not in numbers}
    fresh = type(opt)(lr=123.0)
    fresh.load_state_dict(json.loads(json.dumps(numbers)) | arrays)
    return fresh


RESUME: dict[str, Callable[[Optimizer], Optimizer]] = {
    "state": resume_by_state,
    "pickle": lambda opt: pickle.loads(pickle.dumps(opt)),
    "copy": copy.deepcopy,
}


@every
@both_dtypes
@pytest.mark.parametrize("how", RESUME)
@pytest.mark.parametrize("after", [0, 1, 4])
def test_resumed_to_the_same_bits(name: str, dtype: type, how: str, after: int) -> None:
    rng = np.random.default_rng(3)
    theta, g = rng.normal(size=20).astype(dtype), rng.normal(size=(8, 20)).astype(dtype)
    unbroken = theta.copy()
    opt, first = MAKERS[name](), MAKERS[name]()
    for row in g:
        opt.step(unbroken, row)
    for row in g[:after]:
        first.step(theta, row)
    second = RESUME[how](first)
    assert repr(second) == repr(first)
    for row in g[after:]:
        second.step(theta, row)
        first.lr = 7.0  # what was left behind has no hold on it
    assert theta.tobytes() == unbroken.tobytes()
    assert second.steps == 8


def test_a_state_is_a_copy() -> None:
    opt, theta = Adam(), np.ones(3)
    opt.step(theta, np.ones(3))
    state = opt.state_dict()
    state["m"][:] = 99
    assert (opt.state_dict()["m"] != 99).all()
    state = opt.state_dict()
    other = Adam()
    other.load_state_dict(state)
    other.step(theta, np.ones(3))
    assert (state["m"] == opt.state_dict()["m"]).all()


@every
def test_repr_rebuilds(name: str) -> None:
    opt = MAKERS[name]()
    again = eval(repr(opt), {"SGD": SGD, "Adagrad": Adagrad, "RMSprop": RMSprop, "Adam": Adam})
    assert again.state_dict() == opt.state_dict()


def test_settings_may_change_between_steps() -> None:
    opt, theta, g = SGD(lr=1.0), np.zeros(1), np.ones(1)
    opt.step(theta, g)
    opt.lr = 0.5
    opt.step(theta, g)
    assert theta == -1.5
    opt.momentum = 0.5  # its buffer is made when it is first needed
    opt.step(theta, g)
    opt.step(theta, g)
    assert theta == -1.5 - 0.5 - 0.75


@every
def test_a_rate_of_0_stands_still(name: str) -> None:
    """Where a schedule ends; only what has gathered momentum moves on."""
    opt, theta = MAKERS[name](), np.ones(3)
    opt.lr = 0
    opt.step(theta, np.ones(3))
    assert (theta == 1).all()
    again = MAKERS[name]()
    again.load_state_dict(opt.state_dict())
    assert again.lr == 0


# ---------------------------------------------------------------------------------------- memory


@every
@both_dtypes
def test_nothing_is_allocated_after_the_first_step(name: str, dtype: type) -> None:
    n = 100_000
    theta, g, opt = np.ones(n, dtype), np.ones(n, dtype), MAKERS[name]()
    opt.step(theta, g)
    tracemalloc.start()
    try:
        opt.step(theta, g)
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(3):
            opt.step(theta, g)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # One array would be 400,000. The rest are a few Python objects, and what a thread of the
    # program that runs the tests has read meanwhile.
    assert peak - before < 100_000


def test_a_failed_allocation_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    opt, theta = Adam(), np.ones(3)

    def zeros(*args: Any, **kwargs: Any) -> Any:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(np, "zeros", zeros)
        with pytest.raises(MemoryError):
            opt.step(theta, np.ones(3))
    assert opt.state_dict() == Adam().state_dict()
    assert (theta == 1).all()
    opt.step(theta[:2], np.ones(2))  # nor was it tied to a size


# -------------------------------------------------------------------------------------- clipping


@both_dtypes
@pytest.mark.parametrize("n", [1, 2, 5, 65_536, 150_000])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_norm_and_clipping(dtype: type, n: int, scale: float) -> None:
    g = (np.random.default_rng(4).normal(size=n) * scale).astype(dtype)
    kept = g.copy()
    exact = math.sqrt(math.fsum(float(v) ** 2 for v in g))
    assert clip_by_norm(g, 2 * exact) == pytest.approx(exact, rel=1e-14, abs=0)
    assert g.tobytes() == kept.tobytes()
    assert clip_by_norm(g, exact / 4) == pytest.approx(exact, rel=1e-14, abs=0)
    np.testing.assert_allclose(g, kept.astype(np.float64) / 4, rtol=4 * np.finfo(dtype).eps)


def test_a_norm_at_the_limit_is_left() -> None:
    g = np.array([3.0, -4.0])
    assert clip_by_norm(g, 5.0) == 5.0
    assert clip_by_norm(g, math.inf) == 5.0
    assert (g == [3, -4]).all()


@pytest.mark.parametrize(
    ("dtype", "size"),
    [(np.float64, 1e300), (np.float64, 1e-300), (np.float64, 5e-324), (np.float32, 3e38)],
)
@pytest.mark.parametrize("max_norm", [1e-40, 1.0, 1e150])
def test_norms_neither_overflow_nor_underflow(dtype: type, size: float, max_norm: float) -> None:
    g = np.array([3, 0, -4], dtype) * dtype(size / 4)
    values = [float(v) for v in g]
    norm = clip_by_norm(g, max_norm)
    assert norm == pytest.approx(math.hypot(*values), rel=1e-14, abs=0)
    if norm > max_norm:
        wanted = [v / norm * max_norm for v in values]
        np.testing.assert_allclose(g, wanted, rtol=1e-6, atol=np.finfo(dtype).smallest_subnormal)


def test_zero_and_negative_zero() -> None:
    g = np.array([0.0, -0.0])
    assert clip_by_norm(g, 1.0) == 0.0
    assert np.signbit(g).tolist() == [False, True]


NOT_FINITE = [
    (math.nan, "got nan at W[1, 2], need finite numbers; it is so for 1 of 9 in W, 1 of 2 in c"),
    (math.inf, "got inf at W[1, 2], need finite numbers; it is so for 1 of 9 in W, 1 of 2 in c"),
    (-math.inf, "got -inf at W[1, 2], need finite numbers"),
]


@both_dtypes
@pytest.mark.parametrize(("value", "message"), NOT_FINITE)
def test_what_is_not_finite_is_named(dtype: type, value: float, message: str) -> None:
    rnn = cybptt.RNN(2, 3, 2)
    params, grad = rnn.init(seed=0, dtype=dtype), rnn.init(seed=1, dtype=dtype)
    opt = Adam()
    opt.step(params, grad)
    state, theta = opt.state_dict(), params.vector.copy()
    grad.vector[grad.U.size + 5] = value
    grad.c[1] = math.nan
    kept = grad.vector.copy()
    with pytest.raises(FloatingPointError) as caught:
        clip_by_norm(grad, 1.0)
    assert str(caught.value).startswith(f"grad: {message}")
    with pytest.raises(FloatingPointError, match=r"^grad: got .* at W\[1, 2\]"):
        opt.step(params, grad)
    assert kept.tobytes() == grad.vector.tobytes()
    assert theta.tobytes() == params.vector.tobytes()
    assert opt.steps == 1
    for key, buffer in opt.state_dict().items():
        np.testing.assert_array_equal(buffer, state[key])
    with pytest.raises(FloatingPointError, match=r"^grad: got .* at index 11, need finite"):
        clip_by_norm(grad.vector, 1.0)


def test_a_norm_that_no_float_holds() -> None:
    g = np.full(3, 1.7e308)
    with pytest.raises(FloatingPointError, match=r"got 1.7e\+308 at index 0, need a norm within"):
        clip_by_norm(g, 1.0)
    assert (g == 1.7e308).all()


@pytest.mark.parametrize("name", ["adagrad", "rmsprop", "adam"])
def test_a_square_that_would_overflow_is_refused(name: str) -> None:
    theta = np.zeros(2, np.float32)
    with pytest.raises(FloatingPointError, match=r"^grad: got -1e\+20 at index 1, need finite"):
        MAKERS[name]().step(theta, np.array([1, -1e20], np.float32))
    assert not theta.any()
    SGD(lr=1e-20).step(theta, np.array([1, -1e20], np.float32))
    assert theta[1] == 1


# -------------------------------------------------------------------------------------- refusals

BAD_NUMBERS = [None, "0.1", [0.1], True, np.array([0.1]), 1j]
BAD_VALUES: dict[str, list[Any]] = {
    "lr": [-0.1, math.nan, math.inf, 10**400],
    "eps": [0, -1, math.nan, math.inf],
    "weight_decay": [-0.1, math.nan, math.inf],
    **{name: [-0.1, 1, math.nan, math.inf] for name in ("momentum", "rho", "beta1", "beta2")},
}
SETTINGS = [
    (SGD, ["lr", "momentum", "weight_decay"]),
    (Adagrad, ["lr", "eps", "weight_decay"]),
    (RMSprop, ["lr", "rho", "eps", "weight_decay"]),
    (Adam, ["lr", "beta1", "beta2", "eps", "weight_decay"]),
]


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (kind, name, value)
        for kind, names in SETTINGS
        for name in names
        for value in BAD_VALUES[name] + BAD_NUMBERS
    ],
)
def test_settings_refused(kind: Any, name: str, value: Any) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    error = ValueError if is_number else TypeError
    with pytest.raises(error, match=f"^{name}: got .*, need a (finite )?number "):
        kind(**{"lr": 0.1, name: value})
    opt = kind(lr=0.1)
    before = repr(opt)
    with pytest.raises(error, match=f"^{name}: got .*, need a (finite )?number "):
        setattr(opt, name, value)
    assert repr(opt) == before


@pytest.mark.parametrize("value", [None, 1, "yes"])
def test_nesterov_is_true_or_false(value: Any) -> None:
    with pytest.raises(TypeError, match=r"^nesterov: got .*, need True or False"):
        SGD(lr=0.1, momentum=0.9, nesterov=value)


def test_nesterov_needs_momentum() -> None:
    with pytest.raises(ValueError, match=r"^nesterov: got True with momentum=0.0, need"):
        SGD(lr=0.1, nesterov=True)


def test_numpy_numbers_are_numbers() -> None:
    opt = Adam(lr=np.float32(0.5), beta1=np.float64(0), weight_decay=np.int64(0))
    assert repr(opt) == "Adam(lr=0.5, beta1=0.0, beta2=0.999, eps=1e-08, weight_decay=0.0)"


@pytest.mark.parametrize("max_norm", [0, -1.0, math.nan, -math.inf])
def test_max_norm_refused(max_norm: float) -> None:
    with pytest.raises(ValueError, match=r"^max_norm: got .*, need a number > 0"):
        clip_by_norm(np.ones(2), max_norm)


@pytest.mark.parametrize("max_norm", BAD_NUMBERS)
def test_max_norm_of_a_wrong_type(max_norm: Any) -> None:
    with pytest.raises(TypeError, match=r"^max_norm: got .*, need a number > 0"):
        clip_by_norm(np.ones(2), max_norm)


def read_only() -> np.ndarray[Any, Any]:
    array = np.ones(3)
    array.flags.writeable = False
    return array


BAD_VECTORS: list[tuple[Any, type[Exception], str]] = [
    (None, TypeError, "got None, need Parameters or a 1-D array"),
    ([1.0, 2.0, 3.0], TypeError, "got [1.0, 2.0, 3.0], need Parameters or a 1-D array"),
    (1.0, TypeError, "got 1.0, need Parameters"),
    (np.ones(3, int), TypeError, "got an array of shape (3,) and dtype int64, need native float"),
    (np.ones(3, complex), TypeError, "got an array of shape (3,) and dtype complex128, need nat"),
    (np.ones(3, object), TypeError, "got an array of shape (3,) and dtype object, need nat"),
    (np.ones(3, np.float16), TypeError, "got an array of shape (3,) and dtype float16, need nat"),
    (np.ones(3, ">f8"), TypeError, "got an array of shape (3,) and dtype >f8, need native"),
    (np.ones((3, 1)), ValueError, "got an array of shape (3, 1) and dtype float64, need one axis"),
    (np.ones(3, [("a", "f8"), ("b", "i4")])["a"], ValueError, "got values that are not aligned"),
    (np.ones(3, [("a", "i4"), ("b", "f8")])["b"], ValueError, "got values that are not aligned"),
    (np.array(1.0), ValueError, "got an array of shape () and dtype float64, need one axis"),
]


@pytest.mark.parametrize(("bad", "error", "message"), BAD_VECTORS)
def test_vectors_refused(bad: Any, error: type[Exception], message: str) -> None:
    opt, theta = SGD(lr=0.1), np.ones(3)
    for call, name in [
        (lambda: opt.step(bad, np.ones(3)), "params"),
        (lambda: opt.step(theta, bad), "grad"),
        (lambda: clip_by_norm(bad, 0.1), "grad"),
    ]:
        with pytest.raises(error) as caught:
            call()
        assert str(caught.value).startswith(f"{name}: {message}")
    assert (theta == 1).all()
    assert opt.steps == 0


def test_read_only_and_shared_memory_refused() -> None:
    opt, theta = SGD(lr=0.1), np.ones(3)
    with pytest.raises(ValueError, match=r"^params: got a read-only array, need"):
        opt.step(read_only(), np.ones(3))
    with pytest.raises(ValueError, match=r"^grad: got a read-only array, need"):
        clip_by_norm(read_only(), 0.1)
    with pytest.raises(ValueError, match=r"^grad: got memory of params, need an array of its own"):
        opt.step(theta, theta)
    opt.step(theta, read_only())
    np.testing.assert_allclose(theta, 0.9)


@every
def test_mismatches_refused(name: str) -> None:
    opt, theta = MAKERS[name](), np.ones(3)
    with pytest.raises(ValueError, match=r"^grad: got 4 of float64, need 3 of float64 as params"):
        opt.step(theta, np.ones(4))
    with pytest.raises(ValueError, match=r"^grad: got 3 of float32, need 3 of float64 as params"):
        opt.step(theta, np.ones(3, np.float32))
    opt.step(theta, np.ones(3))
    for other in (np.ones(4), np.ones(3, np.float32)):
        with pytest.raises(ValueError, match=r"^params: got .*, need 3 of float64 as at the first"):
            opt.step(other, other.copy())
    assert opt.steps == 1


def test_another_models_gradient_refused() -> None:
    one = cybptt.RNN(1, 3, 2)
    other = cybptt.RNN(1, 3, 2, loss="squared_error")
    with pytest.raises(ValueError, match=r"^grad: got one of RNN\(.*, need one of RNN\("):
        SGD(lr=0.1).step(one.init(seed=0), other.init(seed=0))


BAD_STATES: list[tuple[Callable[[dict[str, Any]], Any], type[Exception], str]] = [
    (lambda s: None, TypeError, "state: got None, need a dict"),
    (lambda s: list(s), TypeError, "state: got list ['optimizer', "),
    (lambda s: {}, ValueError, "state: got no 'optimizer', need what state_dict() returns"),
    (lambda s: {k: v for k, v in s.items() if k != "eps"}, ValueError, "state: got no 'eps'"),
    (lambda s: s | {"optimizer": "SGD"}, ValueError, "state: got one of 'SGD', need one of 'Adam'"),
    (lambda s: s | {"lr": -1.0}, ValueError, "lr: got -1.0, need a finite number ≥ 0"),
    (lambda s: s | {"lr": "1"}, TypeError, "lr: got '1', need a finite number ≥ 0"),
    (lambda s: s | {"steps": -1}, ValueError, "state['steps']: got -1, need an integer ≥ 0"),
    (lambda s: s | {"steps": 1.0}, TypeError, "state['steps']: got 1.0, need an integer ≥ 0"),
    (lambda s: s | {"r": np.ones(3)}, ValueError, "state: got 'r', need only what state_dict()"),
    (lambda s: s | {"m": [1.0] * 3}, TypeError, "state['m']: got [1.0, 1.0, 1.0], need"),
    (
        lambda s: s | {"m": np.ones((3, 1))},
        ValueError,
        "state['m']: got an array of shape (3, 1) and",
    ),
    (lambda s: s | {"v": np.ones(4)}, ValueError, "state['v']: got 4 of float64, need 3 of float"),
    (lambda s: {k: v for k, v in s.items() if k != "v"}, ValueError, "state: got 1 steps without"),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD_STATES)
def test_states_refused(
    change: Callable[[dict[str, Any]], Any], error: type[Exception], message: str
) -> None:
    opt, theta = Adam(lr=0.5), np.ones(3)
    opt.step(theta, np.ones(3))
    state = opt.state_dict()
    with pytest.raises(error) as caught:
        opt.load_state_dict(change(dict(state)))
    assert str(caught.value).startswith(message)
    for key, value in opt.state_dict().items():
        np.testing.assert_array_equal(value, state[key])


def test_an_optimizer_of_ones_own() -> None:
    """What a subclass writes: its settings, its buffers, one block's update."""

    class Sign(Optimizer):
        _settings = ("lr", "weight_decay")

        def __init__(self, lr: float, weight_decay: float = 0.0) -> None:
            super().__init__(lr, weight_decay)

        def _buffer_names(self) -> tuple[str, ...]:
            return ()

        def _update(self, theta: Any, g: Any, s: Any, *buffers: Any) -> None:
            np.sign(g, out=s)
            s *= self.lr
            theta -= s

    opt, theta = Sign(lr=0.5), np.zeros(3)
    opt.step(theta, np.array([-2.0, 0.0, 9.0]))
    assert theta.tolist() == [0.5, 0.0, -0.5]
