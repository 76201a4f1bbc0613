"""The pictures of gradients and of training: the numbers that they draw, and what they refuse."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from helpers import (
    FED_PATTERNS,
    Problem,
    make_rnn,
    ragged_problem,
    random_problem,
    reference_run,
    run_core,
)
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import cybptt
from cybptt import plot, reference
from cybptt.plot._jacobians import log10_growth, state_jacobians
from cybptt.train import History, Record

mpl.use("Agg")

every_pattern = pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)


@pytest.fixture(autouse=True)
def no_figure_stays() -> Iterator[None]:
    yield
    pyplot.close("all")


def new_ax() -> Axes:
    return Figure(layout="constrained").subplots()


def problem(pattern: str, feed: str, n_sequences: int = 3, T: int = 6, **options: Any) -> Problem:
    rnn = make_rnn(pattern, 2, 4, 3, **options)
    return random_problem(rnn, np.random.default_rng(1), T, n_sequences, feed=feed)


def a_trace(**options: Any) -> Any:
    rnn = cybptt.RNN(1, 4, 2, **options)
    return rnn.forward(rnn.init(0), np.linspace(-1, 1, 9)[:, None])


def history(n: int = 100, bits: float | None = 1.0) -> History:
    records = [
        Record(k, 1, 1 / k, bits and bits / k, 2.0 / k, 0.1, 10 * k, 0.1 * k)
        for k in range(1, n + 1)
    ]
    return History(records, [(50, 0.25), (100, 0.125)])


def the_pictures() -> dict[str, Any]:
    """Each function of matplotlib's, on something that it can draw."""
    trace = a_trace()
    gradients = trace.rnn.backward(trace, np.zeros(9, int))
    fed = cybptt.RNN(1, 4, 2, recurrence="both")
    x, y = np.ones((9, 1)), np.zeros(9, int)
    return {
        "gradient_flow": lambda **o: plot.gradient_flow(trace, gradients, **o),
        "eigenvalues": lambda **o: plot.eigenvalues(trace, **o),
        "singular_values": lambda **o: plot.singular_values(trace, **o),
        "jacobian_growth": lambda **o: plot.jacobian_growth(trace, **o),
        "hidden_states": lambda **o: plot.hidden_states(trace, **o),
        "training_curve": lambda **o: plot.training_curve(history(), **o),
        "forced_and_free": lambda **o: plot.forced_and_free(fed, fed.init(0), x, y, **o),
    }


every_picture = pytest.mark.parametrize("picture", the_pictures())


def drawn_to_the_end(ax: Axes) -> bytes:
    """The picture itself: some warnings come only when it is drawn."""
    out = io.BytesIO()
    assert isinstance(ax.figure, Figure)
    ax.figure.savefig(out, format="png")
    return out.getvalue()


# ---------------------------------------------------------------------- what all of them do


def test_all_are_tried_here() -> None:
    functions = {name for name in plot.__all__ if name[0].islower()}
    assert functions == {"graph", *the_pictures()}


@every_picture
def test_axes_are_taken_and_given_back(picture: str) -> None:
    ax = new_ax()
    assert the_pictures()[picture](ax=ax).ax is ax
    assert drawn_to_the_end(ax)[1:4] == b"PNG"


@every_picture
def test_new_axes(picture: str) -> None:
    drawn = the_pictures()[picture]()
    assert pyplot.gcf() is drawn.ax.figure
    assert drawn.ax.get_title()
    assert drawn.ax.get_xlabel()
    assert drawn.ax.get_ylabel()
    assert drawn_to_the_end(drawn.ax)


@every_picture
def test_axes_that_are_none(picture: str) -> None:
    with pytest.raises(TypeError, match=r"^ax: got 3, need Axes of matplotlib, or None"):
        the_pictures()[picture](ax=3)


@every_picture
def test_without_matplotlib(picture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call = the_pictures()[picture]
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    with pytest.raises(ImportError, match=r"pip install 'cybptt\[plot\]'"):
        call()


def test_the_graph_needs_no_matplotlib() -> None:
    code = (
        "import sys, cybptt.plot; cybptt.plot.graph(cybptt.RNN(1, 2, 1));"
        "print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# ---------------------------------------------------------------------- gradient flow


@every_pattern
def test_gradient_flow_against_the_reference(pattern: str, feed: str) -> None:
    p = problem(pattern, feed)
    flow = plot.gradient_flow(*run_core(p), ax=new_ax())
    want = np.linalg.norm(reference_run(p)[2].h, axis=2)
    np.testing.assert_allclose(flow.norms, want, atol=1e-12)
    np.testing.assert_allclose(flow.mean, want.mean(axis=1), atol=1e-12)
    assert flow.t.tolist() == [1, 2, 3, 4, 5, 6]


@every_pattern
def test_gradient_flow_of_ragged_sequences(pattern: str, feed: str) -> None:
    p = ragged_problem(pattern, feed, 0)  # of 4, 0, 1 and 3 steps
    flow = plot.gradient_flow(*run_core(p), ax=new_ax())
    ends = (~np.isnan(flow.norms)).sum(axis=0)
    assert ends.tolist() == [4, 0, 1, 3]
    want = np.linalg.norm(reference_run(p)[2].h, axis=2)
    np.testing.assert_allclose(flow.mean[0], want[0, [0, 2, 3]].mean(), atol=1e-12)
    np.testing.assert_allclose(flow.mean[3], want[3, 0], atol=1e-12)
    drawn_to_the_end(flow.ax)


def test_gradient_flow_of_one_sequence() -> None:
    p = problem("hidden", "none", -1)
    flow = plot.gradient_flow(*run_core(p), ax=new_ax())
    assert flow.norms.shape == (6,)
    np.testing.assert_array_equal(flow.norms, flow.mean)
    assert flow.ax.get_legend() is None


def test_gradient_flow_of_nothing() -> None:
    """No gradient at all, no steps, and no sequences: nothing to draw, nothing to warn of."""
    p = problem("hidden", "none")
    trace = p.rnn.forward(p.params, p.x)
    drawn_to_the_end(plot.gradient_flow(trace, p.rnn.vjp(trace), ax=new_ax()).ax)
    for shape in ((0, 3, 2), (4, 0, 2)):
        trace = p.rnn.forward(p.params, np.zeros(shape))
        flow = plot.gradient_flow(trace, p.rnn.vjp(trace), ax=new_ax())
        assert flow.norms.shape == shape[:2]
        drawn_to_the_end(flow.ax)


def test_gradient_flow_says_where_there_is_no_path() -> None:
    p = problem("output, o", "forced")
    texts = [text.get_text() for text in plot.gradient_flow(*run_core(p), ax=new_ax()).ax.texts]
    assert texts == ["every step was forced: no path leads from one to the next (C.8)"]


def test_gradient_flow_of_float32_neither_overflows_nor_vanishes() -> None:
    p = problem("hidden", "none")
    trace = p.rnn.forward(p.params.astype(np.float32), p.x)
    for scale in (1e-30, 1e30):
        g = p.rnn.vjp(trace, grad_h=np.full(trace.h.shape, scale, np.float32))
        flow = plot.gradient_flow(trace, g, ax=new_ax())
        np.testing.assert_allclose(np.log10(flow.norms), np.log10(scale), atol=3)


# ---------------------------------------------------------------------- Jacobians


def stepped(p: Problem, t: int, h: Any) -> Any:
    """h(t), by the core, from any h(t−1): what the model would feed back follows from it."""
    rnn, params = p.rnn, p.params
    if rnn.recurrence == "hidden":
        return rnn.forward(params, p.x[t - 1 : t], h0=h).h[0]
    o = params.c + params.V @ h
    y_hat = o if rnn.loss.link is None else rnn.loss.link(o[None])[0]
    before = reference.one_hot(p.y[t - 2], 3).astype(float)
    state = cybptt.State(h, y_hat if rnn.feedback == "y_hat" else o, before)
    mask = p.forward["teacher_forcing"]
    forced = mask if isinstance(mask, bool) else bool(mask[t - 1])
    return rnn.forward(
        params, p.x[t - 1 : t], y=p.y[t - 1 : t], state=state, teacher_forcing=forced
    ).h[0]


@every_pattern
def test_jacobians_against_differences(pattern: str, feed: str) -> None:
    p = problem(pattern, feed, -1)
    trace, _ = run_core(p)
    jacobians = state_jacobians(trace, 0)
    assert jacobians.shape == (6, 4, 4)
    step = 1e-6
    for t in range(2, 7):
        for j, unit in enumerate(np.eye(4)):
            h = trace.h[t - 2]
            change = stepped(p, t, h + step * unit) - stepped(p, t, h - step * unit)
            np.testing.assert_allclose(jacobians[t - 1, :, j], change / (2 * step), atol=1e-8)


@every_pattern
def test_products_of_jacobians_are_what_10_21_does(pattern: str, feed: str) -> None:
    """A gradient at the last h alone, sent back, is the product's transpose times it."""
    p = problem(pattern, feed)
    trace, _ = run_core(p)
    grad_h = np.zeros_like(trace.h)
    grad_h[-1] = np.random.default_rng(0).standard_normal(grad_h[-1].shape)
    g = p.rnn.vjp(trace, grad_h=grad_h)
    for n in range(3):
        back = grad_h[-1, n]
        for t in range(6, 0, -1):
            np.testing.assert_allclose(g.h[t - 1, n], back, atol=1e-12)
            back = state_jacobians(trace, n)[t - 1].T @ back
        np.testing.assert_allclose(g.h0[n], back, atol=1e-12)


def test_eigenvalues_and_singular_values() -> None:
    p = problem("hidden", "none")
    trace, _ = run_core(p)
    drawn = plot.eigenvalues(trace, sequence=2, ax=new_ax())
    values = plot.singular_values(trace, sequence=2, ax=new_ax()).singular_values
    for t in range(6):
        jacobian = np.diag(1 - trace.h[t, 2] ** 2) @ p.params.W
        np.testing.assert_allclose(
            np.sort_complex(drawn.eigenvalues[t]), np.sort_complex(np.linalg.eigvals(jacobian))
        )
        np.testing.assert_allclose(values[t], np.linalg.svd(jacobian)[1])
    np.testing.assert_array_equal(drawn.radius, np.abs(drawn.eigenvalues).max(axis=1))
    assert (drawn.radius <= values[:, 0]).all()


def test_forced_steps_of_an_output_recurrence_have_no_jacobian() -> None:
    trace, _ = run_core(problem("output, o", "forced"))
    drawn = plot.eigenvalues(trace, ax=new_ax())
    assert not drawn.eigenvalues.any()
    drawn_to_the_end(drawn.ax)
    drawn_to_the_end(plot.singular_values(trace, ax=new_ax()).ax)
    growth = plot.jacobian_growth(trace, ax=new_ax())
    assert (growth.log10_norm == -np.inf).all()
    drawn_to_the_end(growth.ax)


@pytest.mark.parametrize("start", [0, 2, 5])
def test_growth_against_the_product(start: int) -> None:
    trace, _ = run_core(problem("both, y_hat", "mask"))
    jacobians = state_jacobians(trace, 1)
    growth = plot.jacobian_growth(trace, start=start, sequence=1, ax=new_ax())
    product, bound = np.eye(4), 1.0
    for i, t in enumerate(range(start, 6)):
        product, bound = jacobians[t] @ product, bound * np.linalg.norm(jacobians[t], 2)
        np.testing.assert_allclose(10 ** growth.log10_norm[i], np.linalg.norm(product, 2))
        np.testing.assert_allclose(10 ** growth.log10_bound[i], bound)
    assert growth.t.tolist() == list(range(start + 1, 7))
    assert (growth.log10_norm <= growth.log10_bound + 1e-12).all()


@pytest.mark.parametrize("size", [1e-3, 1e3])
def test_growth_beyond_what_floats_hold(size: float) -> None:
    growth, bound = log10_growth(np.broadcast_to(size * np.eye(2), (500, 2, 2)))
    np.testing.assert_allclose(growth[-1], 500 * np.log10(size))
    np.testing.assert_allclose(bound, growth)


def test_jacobians_of_ragged_sequences() -> None:
    trace, _ = run_core(ragged_problem("both, y_hat", "free", 0))
    assert plot.eigenvalues(trace, sequence=3, ax=new_ax()).t.tolist() == [1, 2, 3]
    drawn_to_the_end(plot.eigenvalues(trace, sequence=2, ax=new_ax()).ax)  # of one step
    drawn_to_the_end(plot.jacobian_growth(trace, sequence=2, ax=new_ax()).ax)
    # Each is the same as on its own.
    p = ragged_problem("both, y_hat", "free", 0)
    alone = p.rnn.forward(
        p.params, p.x[:3, 3], h0=p.forward["h0"][3], y0=p.forward["y0"][3], teacher_forcing=False
    )
    np.testing.assert_allclose(state_jacobians(trace, 3), state_jacobians(alone, 0), atol=1e-12)


# ---------------------------------------------------------------------- hidden states


@every_pattern
def test_hidden_states(pattern: str, feed: str) -> None:
    p = ragged_problem(pattern, feed, 0)
    trace, _ = run_core(p)
    drawn = plot.hidden_states(trace, sequence=3, ax=new_ax())
    np.testing.assert_allclose(drawn.h[0], p.forward["h0"][3])
    np.testing.assert_array_equal(drawn.h[1:], trace.h[:3, 3])
    assert drawn.t.tolist() == [0, 1, 2, 3]
    assert len(drawn.ax.lines) == 3


def test_many_units_are_an_image() -> None:
    rnn = cybptt.RNN(1, 7, 1, loss="squared_error")
    trace = rnn.forward(rnn.init(0), np.ones((5, 1)))
    by_default = plot.hidden_states(trace, ax=new_ax()).ax
    assert (len(by_default.images), len(by_default.lines)) == (1, 0)
    np.testing.assert_array_equal(by_default.images[0].get_array()[:, 1:], trace.h.T)
    as_lines = plot.hidden_states(trace, image=False, ax=new_ax()).ax
    assert (len(as_lines.images), len(as_lines.lines)) == (0, 7)


# ---------------------------------------------------------------------- training


@pytest.mark.parametrize(
    ("quantity", "first", "of_validation"),
    [("loss", 1.0, [0.25, 0.125]), ("bits", 1.0, np.array([0.25, 0.125]) / np.log(2))],
)
def test_training_curve(quantity: str, first: float, of_validation: Any) -> None:
    drawn = plot.training_curve(history(), quantity, ax=new_ax())
    np.testing.assert_allclose(drawn.values, first / np.arange(1, 101))
    np.testing.assert_allclose(drawn.validation, of_validation)
    assert drawn.validation_steps.tolist() == [50, 100]
    np.testing.assert_allclose(drawn.smooth[1:], (drawn.values[1:] + drawn.values[:-1]) / 2)
    assert drawn.smooth[0] == drawn.values[0]


def test_the_norm_has_no_validation() -> None:
    drawn = plot.training_curve(history(), "norm", window=1, ax=new_ax())
    np.testing.assert_allclose(drawn.values, 2 / np.arange(1, 101))
    np.testing.assert_allclose(drawn.smooth, drawn.values)
    assert len(drawn.validation) == 0
    assert drawn.ax.get_yscale() == "log"
    assert drawn.ax.get_legend() is None


def test_several_runs_on_one_axes() -> None:
    ax = new_ax()
    for name in ("Adam", "SGD"):
        plot.training_curve(history(), name=name, ax=ax)
    legend = ax.get_legend()
    assert legend is not None
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["Adam", "Adam, validation", "SGD", "SGD, validation"]
    colours = {line.get_color() for line in ax.lines}
    assert len(colours) == 2
    drawn_to_the_end(ax)


def test_a_run_of_the_library() -> None:
    rnn = cybptt.RNN(1, 3, 2)
    chunks = [(np.ones((4, 1)), np.zeros(4, int))]
    done = cybptt.train.fit(
        rnn, rnn.init(0), chunks, optimizer=cybptt.optim.SGD(lr=0.1), steps=5, validation=chunks
    )
    drawn = plot.training_curve(done, ax=new_ax())
    assert drawn.values.tolist() == [record.loss for record in done.records]
    assert drawn.validation.tolist() == [loss for _, loss in done.validation]


# ---------------------------------------------------------------------- forced and free


@pytest.mark.parametrize("n_sequences", [-1, 3])
@pytest.mark.parametrize("pattern", ["output, o", "output, y_hat", "both, o", "both, y_hat"])
def test_forced_and_free_against_the_reference(pattern: str, n_sequences: int) -> None:
    p = problem(pattern, "forced", n_sequences)
    start = {name: p.forward[name] for name in ("h0", "y0")}
    drawn = plot.forced_and_free(p.rnn, p.params, p.x, p.y, **start, ax=new_ax())
    for forcing, losses, mean in (
        (True, drawn.forced, drawn.mean_forced),
        (False, drawn.free, drawn.mean_free),
    ):
        trace = reference.forward(p.rnn, p.params, p.x, y=p.y, teacher_forcing=forcing, **start)
        want = reference.step_losses(p.rnn, trace, p.y)
        np.testing.assert_allclose(losses, want, atol=1e-12)
        np.testing.assert_allclose(mean, want if want.ndim == 1 else want.mean(axis=1))


def test_forced_and_free_of_ragged_sequences() -> None:
    p = problem("both, o", "forced", 3)
    drawn = plot.forced_and_free(p.rnn, p.params, p.x, p.y, lengths=[2, 0, 5], ax=new_ax())
    for losses, mean in ((drawn.forced, drawn.mean_forced), (drawn.free, drawn.mean_free)):
        assert (~np.isnan(losses)).sum(axis=0).tolist() == [2, 0, 5]
        np.testing.assert_allclose(mean[0], losses[0, [0, 2]].mean())
        np.testing.assert_allclose(mean[2:5], losses[2:5, 2])
        assert np.isnan(mean[5])
    drawn_to_the_end(drawn.ax)


# ---------------------------------------------------------------------- what is refused

TRACE = a_trace()
GRADIENTS = TRACE.rnn.backward(TRACE, np.zeros(9, int))
OTHER = a_trace(activation="relu")
BATCH = TRACE.rnn.forward(TRACE.rnn.init(0), np.ones((4, 2, 1)), lengths=[0, 4])
EMPTY = TRACE.rnn.forward(TRACE.rnn.init(0), np.ones((4, 0, 1)))
NO_UNITS = cybptt.RNN(1, 0, 2).forward(cybptt.RNN(1, 0, 2).init(0), np.ones((3, 1)))
INFINITE = cybptt.RNN(1, 2, 1, activation="identity")
INFINITE = INFINITE.forward(INFINITE.parameters(np.full(INFINITE.n_parameters, np.inf)), [[1.0]])
FED = cybptt.RNN(1, 4, 2, recurrence="output")

REFUSED: list[tuple[Any, type[Exception], str]] = [
    (lambda: plot.gradient_flow(None, GRADIENTS), TypeError, "trace: got None, need a Trace"),
    (lambda: plot.gradient_flow(TRACE, TRACE), TypeError, "gradients: got <Trace"),
    (lambda: plot.gradient_flow(OTHER, GRADIENTS), ValueError, "gradients: got gradients of RNN"),
    (lambda: plot.gradient_flow(BATCH, GRADIENTS), ValueError, r"gradients: got h of shape \(9, 4"),
    (lambda: plot.training_curve(None), TypeError, "history: got None, need a History"),
    (lambda: plot.training_curve(History()), ValueError, "history: got no steps"),
    (lambda: plot.training_curve(history(), "speed"), ValueError, "quantity: got 'speed'"),
    (lambda: plot.training_curve(history(3, None), "bits"), ValueError, "quantity: got 'bits'"),
    (lambda: plot.training_curve(history(), window=0), ValueError, "window: got 0"),
    (lambda: plot.training_curve(history(), name=3), TypeError, "name: got 3"),
    (
        lambda: plot.forced_and_free(TRACE.rnn, TRACE.rnn.init(0), [[1.0]], [0]),
        ValueError,
        r"rnn: got RNN\(1, 4, 2\), need recurrence='output' or 'both'",
    ),
    (lambda: plot.forced_and_free(None, None, [[1.0]], [0]), TypeError, "rnn: got None"),
    (lambda: plot.forced_and_free(FED, FED.init(0), [[1.0]], [2]), ValueError, "y: got 2"),
    (lambda: plot.hidden_states(TRACE, image=3), TypeError, "image: got 3"),
    (lambda: plot.jacobian_growth(TRACE, start=9), ValueError, "start: got 9"),
]
for _function in (
    plot.eigenvalues, plot.singular_values, plot.jacobian_growth, plot.hidden_states,
):  # fmt: skip
    REFUSED += [
        (lambda f=_function: f(None), TypeError, "trace: got None"),
        (lambda f=_function: f(TRACE, sequence=1), ValueError, "sequence: got 1"),
        (lambda f=_function: f(BATCH), ValueError, "sequence: got 0, which has no steps"),
        (lambda f=_function: f(EMPTY), ValueError, "trace: got no sequences"),
        (lambda f=_function: f(NO_UNITS), ValueError, "trace: got a model of no hidden units"),
    ]
    if _function is not plot.hidden_states:
        REFUSED.append((lambda f=_function: f(INFINITE), ValueError, "trace: got Jacobians"))


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_bad_input(case: int) -> None:
    call, error, message = REFUSED[case]
    with pytest.raises(error, match=f"^{message}"):
        call()
    assert pyplot.get_fignums() == []  # nothing was begun
