"""`gradcheck`: true where all is right, false where anything is wrong, and it says what."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest
from helpers import FED_PATTERNS, make_rnn, ragged_problem, random_problem

import cybptt
from cybptt import activations, losses
from cybptt._differences import compare

SEEDED = np.random.default_rng


def check(problem: Any, **options: Any) -> Any:
    return cybptt.gradcheck(
        problem.rnn, problem.params, problem.x, problem.y, **(problem.options | options)
    )


def rows(report: Any) -> dict[str, Any]:
    return {row.name: row for row in report.rows}


# ---------------------------------------------------------------------- right


@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
def test_every_pattern_is_right(pattern: str, feed: str) -> None:
    p = ragged_problem(pattern, feed, 1)
    report = check(p)
    assert report, str(report)
    assert report.error < 1e-8
    parameters = ["U", "W", "b"] if p.rnn.n_outputs is None else ["U", "W", "V", "b", "c"]
    fed = p.rnn.recurrence != "hidden"
    wanted = parameters + ["R"] * (p.rnn.recurrence == "both") + ["x", "h0"] + ["y0"] * fed
    assert [row.name for row in report.rows] == wanted
    sizes = {name: value.size for name, value in p.params.items()}
    sizes |= {"x": p.x.size, "h0": 12, "y0": 8}
    for row in report.rows:
        assert row.size == sizes[row.name]
        assert row.checked == min(row.size, 50)


@pytest.mark.parametrize("pattern", ["hidden", "output, y_hat", "both, o"])
@pytest.mark.parametrize("loss", losses.names())
def test_every_loss_is_right_for_one_sequence(loss: str, pattern: str) -> None:
    rnn = make_rnn(pattern, 2, 3, 2, loss=loss, activation="softsign")
    if rnn.feedback == "y_hat" and rnn.loss.link is None:
        assert rnn.loss.link_vjp is None  # ŷ is o: nothing is needed of the loss
    feed = "none" if pattern == "hidden" else "free"
    assert check(random_problem(rnn, SEEDED(3), 5, -1, feed=feed, weights=True))


@pytest.mark.parametrize("activation", [*activations.names(), "leaky_relu(-0.5)", "elu(0.3)"])
def test_every_activation_is_right(activation: str) -> None:
    rnn = make_rnn("both, o", 2, 4, 3, activation=activation)
    assert check(random_problem(rnn, SEEDED(4), 6, 3, feed="mask"))


def test_tokens_have_no_gradient() -> None:
    rnn = make_rnn("hidden", 5, 3, 4, inputs="tokens")
    report = check(random_problem(rnn, SEEDED(0), 6, 2))
    assert report
    assert "x" not in rows(report)


@pytest.mark.parametrize("options", [
    {"teacher_forcing": 0.5}, {"teacher_forcing": 0.5, "seed": 3}, {"checkpoint": 2},
    {"teacher_forcing": 0.5, "seed": np.random.default_rng(0)}, {"reduction": 7.0},
])  # fmt: skip
def test_options_of_value_and_grad(options: dict[str, Any]) -> None:
    p = ragged_problem("both, y_hat", "free", 5)
    report = check(p, **options)
    assert report, str(report)


@pytest.mark.parametrize("pattern", ["hidden", "both, o"])
def test_from_a_state(pattern: str) -> None:
    rnn = make_rnn(pattern, 2, 3, 2)
    p = random_problem(rnn, SEEDED(0), 4, 3, feed="none" if pattern == "hidden" else "forced")
    state = rnn.forward(p.params, p.x, **p.forward).state
    report = cybptt.gradcheck(rnn, p.params, p.x, p.y, state=state)
    assert report, str(report)
    assert {"x", "h0"} < set(rows(report))
    assert "y0" not in rows(report)


def test_parameters_of_float32_are_checked_in_float64() -> None:
    rnn = make_rnn("hidden", 2, 3, 2)
    p = random_problem(rnn, SEEDED(0), 4, 3, dtype=np.float32)
    report = check(p)
    assert report
    assert report.error < 1e-8


def test_at_a_kink_either_side_will_do() -> None:
    """All a(t) are 0, where relu bends."""
    rnn = cybptt.RNN(2, 3, 2, activation="relu")
    params = rnn.init(0)
    params.vector[:] = 0
    params.V[...] = 1
    report = cybptt.gradcheck(rnn, params, np.zeros((4, 2)), [0, 1, 1, 0])
    assert report, str(report)
    assert {"b", "U", "x"} < set(rows(report))


def test_nothing_is_changed() -> None:
    p = ragged_problem("both, y_hat", "mask", 6)
    given = {"x": p.x, "y": p.y, "params": p.params.vector, **p.options}
    before = {name: np.copy(value) for name, value in given.items()}
    check(p)
    for name, value in given.items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


# ---------------------------------------------------------------------- wrong


def wrong_derivative(a: Any) -> Any:
    return np.cos(a) * (1 + 1e-5)


def test_a_wrong_derivative_is_found_in_what_it_goes_through() -> None:
    activation = cybptt.Activation("nearly a sine", np.sin, wrong_derivative)
    p = random_problem(make_rnn("hidden", 2, 3, 2, activation=activation), SEEDED(0), 4, 3)
    report = check(p)
    assert not report
    assert {row.name for row in report.rows if not row.ok} == {"U", "W", "b", "x", "h0"}
    assert 1e-6 < report.error < 1e-4
    assert check(p, tolerance=1e-3)


def test_a_wrong_gradient_of_a_loss_is_found_everywhere() -> None:
    loss = cybptt.Loss(
        "nearly squares", lambda o, y: ((o - y) ** 2).sum(axis=1) / 2, lambda o, y: o - 0.999 * y
    )
    p = random_problem(make_rnn("both, o", 2, 3, 2, loss=loss), SEEDED(0), 4, 3, feed="free")
    report = check(p)
    assert not any(row.ok for row in report.rows)


def test_a_wrong_link_vjp_is_found_where_y_hat_is_fed_back() -> None:
    right = losses.get("softmax_nll")
    loss = replace(right, name="another Jacobian", link_vjp=lambda o, y_hat, v: y_hat * v)
    for feed, found in (("free", True), ("forced", False)):
        rnn = make_rnn("both, y_hat", 2, 3, 2, loss=loss)
        assert bool(check(random_problem(rnn, SEEDED(0), 4, 3, feed=feed))) != found


@pytest.mark.parametrize("name", ["U", "W", "V", "b", "c"])
@pytest.mark.parametrize("method", ["value_and_grad", "backward"])
def test_both_ways_to_a_gradient_are_checked(
    method: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One coordinate of one parameter is wrong, in one of the two alone."""
    p = random_problem(make_rnn("hidden", 2, 3, 2), SEEDED(0), 4, 3)
    right = getattr(cybptt.RNN, method)

    def wrong(*arguments: Any, **options: Any) -> Any:
        result = right(*arguments, **options)
        grad = result[1] if method == "value_and_grad" else result.parameters
        grad[name].flat[-1] *= 1.0001
        return result

    assert check(p)
    monkeypatch.setattr(cybptt.RNN, method, wrong)
    report = check(p)
    assert {row.name for row in report.rows if not row.ok} == {name}
    row = rows(report)[name]
    last = tuple(int(n) - 1 for n in p.params[name].shape)
    assert row.worst == last
    assert row.analytic == pytest.approx(1.0001 * row.numeric, rel=1e-7)
    assert 1e-6 < row.error < 1.01e-4


@pytest.mark.parametrize("node", ["x", "h0", "y0"])
def test_a_nodes_gradient_is_checked(node: str, monkeypatch: pytest.MonkeyPatch) -> None:
    p = ragged_problem("both, o", "mask", 0)
    right = cybptt.RNN.backward

    def wrong(*arguments: Any, **options: Any) -> Any:
        result = right(*arguments, **options)
        return replace(result, **{node: getattr(result, node) + 0.01})

    monkeypatch.setattr(cybptt.RNN, "backward", wrong)
    assert {row.name for row in check(p).rows if not row.ok} == {node}


@pytest.mark.parametrize("reduction", [1e-6, 1.0, 1e6])
def test_small_gradients_are_held_to_as_much(reduction: float) -> None:
    """Divided by a million, a gradient that is wrong by a thousandth is still found."""
    good = random_problem(make_rnn("hidden", 2, 3, 2), SEEDED(0), 4, 3)
    tanh = activations.get("tanh")
    other = replace(tanh, name="nearly tanh", derivative=lambda h: 1.001 * (1 - h * h))
    rnn = make_rnn("hidden", 2, 3, 2, activation=other)
    params = rnn.parameters(good.params.vector)
    assert check(good, reduction=reduction)
    assert not check(good.but(rnn=rnn, params=params), reduction=reduction)


def test_a_gradient_of_zeros_is_found() -> None:
    still = cybptt.Activation("still", np.sin, np.zeros_like)
    rnn = make_rnn("hidden", 2, 3, 2, activation=still)
    assert not check(random_problem(rnn, SEEDED(0), 4, 3), reduction=1e4)


def test_a_gradient_that_is_not_finite_is_wrong() -> None:
    sine = cybptt.Activation("a sine", np.sin, lambda a: np.cos(a) * np.nan)
    report = check(random_problem(make_rnn("hidden", 2, 3, 2, activation=sine), SEEDED(0), 4, 3))
    assert not report
    assert not rows(report)["U"].ok
    assert rows(report)["U"].error == np.inf
    assert rows(report)["V"].ok


# ---------------------------------------------------------------------- the report


def test_what_the_report_says() -> None:
    activation = cybptt.Activation("a sine", np.sin, lambda a: -np.cos(a))
    report = check(
        random_problem(make_rnn("hidden", 2, 3, 2, activation=activation), SEEDED(0), 4, 3)
    )
    head, *lines = str(report).splitlines()
    assert head.split() == ["checked", "worst", "at", "analytic", "numeric", "error"]
    assert len(lines) == len(report.rows) == 7
    for line, row in zip(lines, report.rows, strict=True):
        assert line.startswith(f"{row.name:4} ")
        assert f"{row.checked} of {row.size}" in line
        assert line.endswith("ok" if row.ok else "WRONG")
        assert f"{row.analytic:.6g} " in line
        assert f"{row.numeric:.6g} " in line
        assert ", ".join(map(str, row.worst)) in line
    assert report.error == max(row.error for row in report.rows)
    assert report.tolerance == 1e-6
    with pytest.raises(FrozenInstanceError):
        report.rows = ()


def test_large_arrays_are_checked_at_the_same_random_coordinates() -> None:
    p = random_problem(make_rnn("hidden", 10, 20, 3), SEEDED(0), 4, 3)
    first, again = check(p, max_coordinates=7), check(p, max_coordinates=7)
    assert first == again
    checked = {row.name: (row.checked, row.size) for row in first.rows}
    assert checked == {
        "U": (7, 200), "W": (7, 400), "V": (7, 60), "b": (7, 20), "c": (3, 3), "x": (7, 120),
        "h0": (7, 60),
    }  # fmt: skip
    one = check(p, max_coordinates=1)
    assert one
    assert all(any(row.worst) for row in one.rows if row.size > 50)  # not the first


@pytest.mark.parametrize(("T", "B"), [(0, 3), (4, 0), (1, 1)])
def test_where_there_is_little_to_check(T: int, B: int) -> None:
    rnn = make_rnn("both, o", 1, 2, 2)
    report = check(random_problem(rnn, SEEDED(0), T, B, feed="free"))
    assert report
    assert rows(report)["x"].checked == T * B
    if B == 0:
        assert rows(report)["h0"].worst == ()
        assert "0 of 0" in str(report)
        assert report.error == 0


# ---------------------------------------------------------------------- differences

POINTS = np.linspace(-3, 3, 25)  # 0 and whole numbers among them


@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        (np.sin, np.cos),
        (np.exp, np.exp),
        (lambda a: np.sin(100 * a), lambda a: 100 * np.cos(100 * a)),
        (lambda a: 1e-8 * np.sin(a), lambda a: 1e-8 * np.cos(a)),
        (lambda a: np.log(a + 3.001), lambda a: 1 / (a + 3.001)),
        (lambda a: a**3, lambda a: 3 * a**2),
    ],
)
def test_right_and_wrong_derivatives(function: Any, derivative: Any) -> None:
    slope = derivative(POINTS)
    held = compare(function, POINTS, slope, 1e-6)
    assert not held.wrong.any()
    np.testing.assert_allclose(held.numeric, slope, rtol=1e-4, atol=1e-4 * abs(slope).max())
    largest = np.argmax(np.abs(slope))
    for factor in (1.001, 0.999, 0.0, -1.0, np.nan, np.inf):
        wrong = slope.copy()
        wrong[largest] *= factor
        found = compare(function, POINTS, wrong, 1e-6)
        assert np.flatnonzero(found.wrong).tolist() == [largest], factor
        assert not found.error[largest] < 5e-4


@pytest.mark.parametrize("side", [-1, 1])
def test_at_a_kink_a_derivative_may_be_either_sides(side: int) -> None:
    def function(a: Any) -> Any:
        return np.where(a > 1, 2 * a - 1, a)

    slope = np.where(side * (POINTS - 1) > 0, (1.5 + side / 2), (1.5 - side / 2))
    slope[POINTS == 1] = 1.5 + side / 2
    assert not compare(function, POINTS, slope, 1e-6).wrong.any()
    at = int(np.flatnonzero(POINTS == 1)[0])
    for value in (0.5, 1.01, 1.9, 3.0):
        slope[at] = value
        assert np.flatnonzero(compare(function, POINTS, slope, 1e-6).wrong).tolist() == [at]


def test_beside_a_kink_only_the_right_sides_will_do() -> None:
    points = np.array([-1e-4, -1e-7, -1e-13, 1e-13, 1e-7, 1e-4])
    right = np.where(points > 0, 1.0, 0.0)
    relu = lambda a: np.maximum(a, 0)  # noqa: E731
    assert not compare(relu, points, right, 1e-6).wrong.any()
    # Nearer than a millionth of the step the two sides can't be told apart.
    assert compare(relu, points, 1 - right, 1e-6).wrong.tolist() == [
        True,
        True,
        False,
        False,
        True,
        True,
    ]


def test_where_a_function_is_not_finite_nothing_is_wrong() -> None:
    slope = np.where(POINTS > 0, 1 / np.where(POINTS > 0, POINTS, 1), -7.0)
    held = compare(np.log, POINTS, slope, 1e-6)
    assert not held.wrong.any()
    assert (held.error[POINTS <= 0] == 0).all()
    slope[-1] = 0
    assert compare(np.log, POINTS, slope, 1e-6).wrong.tolist() == [False] * 24 + [True]


def test_what_rounding_explains_is_no_error() -> None:
    """The last places of 1e8 + sin a are 1e-8: its differences are off by more than 1e-6."""

    def function(a: Any) -> Any:
        return 1e8 + np.sin(a)

    held = compare(function, POINTS, np.cos(POINTS), 1e-6)
    assert held.error.max() > 1e-6
    assert not held.wrong.any()
    assert compare(function, POINTS, -np.cos(POINTS), 1e-6).wrong.sum() > 20


def test_the_tolerance_is_kept_to() -> None:
    for off in (1e-7, 1e-5, 1e-3):
        for tolerance in (1e-6, 1e-4, 1e-2):
            held = compare(np.exp, np.array([0.0, 2.0]), np.exp([0.0, 2.0]) * (1 + off), tolerance)
            assert held.wrong.tolist() == [off > tolerance] * 2
            np.testing.assert_allclose(held.error, off, rtol=0.01)
