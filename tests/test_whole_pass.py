"""The loss and the gradient in one call into the core: the same as pass by pass, to the bit."""

from __future__ import annotations

import pickle
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from helpers import FED_PATTERNS, Problem, assert_same, make_rnn, random_problem

import cybptt
from cybptt import _core, _whole_pass

DTYPES = ("float32", "float64")


@pytest.fixture
def threads_at_once() -> Iterator[None]:
    """However small the work, it is shared out."""
    before = _core.let_a_thread_be_worth(1e-9)
    yield
    _core.let_a_thread_be_worth(before)


def run(p: Problem, **options: Any) -> tuple[float, Any, Any]:
    return p.rnn.value_and_grad(p.params, p.x, p.y, **p.options, **options, return_state=True)


def assert_same_run(got: tuple[Any, ...], want: tuple[Any, ...], what: str) -> None:
    assert got[0] == want[0], what
    assert_same(got[1].vector, want[1].vector, f"gradient, {what}")
    for name in ("h", "fed", "y"):
        assert_same(getattr(got[2], name), getattr(want[2], name), f"state.{name}, {what}")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("activation", ["tanh", "softplus"])
@pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)
@pytest.mark.usefixtures("threads_at_once")
def test_the_same_bits_by_every_way(
    pattern: str, feed: str, activation: str, ragged: bool, dtype: str
) -> None:
    """Any number of threads, any checkpoint, any memory, and `backward`."""
    rnn = make_rnn(pattern, 3, 37, 4, activation=activation)
    rng = np.random.default_rng(1)
    lengths = rng.integers(0, 24, 50) if ragged else None
    p = random_problem(rnn, rng, 23, 50, feed=feed, lengths=lengths, weights=ragged, dtype=dtype)
    first = run(p, n_threads=1)
    workspace = cybptt.Workspace()
    for n_threads in (2, 3, 7):
        for checkpoint in (None, 1, 6):
            again = run(p, n_threads=n_threads, checkpoint=checkpoint, workspace=workspace)
            assert_same_run(again, first, f"{n_threads} threads, checkpoint={checkpoint}")
    trace = rnn.forward(p.params, p.x, **p.forward)
    options = {k: p.options[k] for k in ("weights", "reduction") if k in p.options}
    gradient = rnn.backward(trace, p.y, **options).parameters
    assert_same(first[1].vector, gradient.vector, "backward")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("H", [1, 15, 16, 17, 33, 64, 100, 128])
def test_one_sequence_has_the_same_bits_by_every_way(H: int, dtype: str) -> None:
    rnn = make_rnn("hidden", 5, H, 3)
    p = random_problem(rnn, np.random.default_rng(2), 600, -1, dtype=dtype, scale=0.3)
    first = run(p)
    for checkpoint in (1, 300):
        assert_same_run(run(p, checkpoint=checkpoint), first, f"checkpoint={checkpoint}")
    trace = rnn.forward(p.params, p.x, **p.forward)
    assert_same(first[1].vector, rnn.backward(trace, p.y).parameters.vector, "backward")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("inputs", ["values", "tokens"])
@pytest.mark.parametrize("outputs", ["all", "last"])
@pytest.mark.parametrize("batch", [None, 1, 3])
@pytest.mark.parametrize("loss", ["softmax_nll", "squared_error"])
def test_both_doors_lead_to_the_same(
    loss: str, batch: int | None, outputs: str, inputs: str, dtype: str
) -> None:
    """Plain arrays go in by the quick door, the same in another layout by the other."""
    rnn = cybptt.RNN(4, 9, 5, outputs=outputs, inputs=inputs, loss=loss)
    rng = np.random.default_rng(3)
    p = random_problem(rnn, rng, 7, -1 if batch is None else batch, dtype=dtype, start=False)
    x, y = np.array(p.x), np.array(p.y)
    if x.dtype.kind == "f":
        x = x.astype(dtype)
    if y.dtype.kind == "f":
        y = y.astype(dtype)
    plan = _whole_pass.plan(rnn, p.params.dtype)
    assert plan is not None
    out = p.params.copy()
    for reduction in ("sum", "mean"):
        loss_value, grad = rnn.value_and_grad(p.params, x, y, reduction=reduction)
        quick = plan.quick(p.params.vector, x, y, out.vector, None, False, reduction, 1, None)
        assert quick == (loss_value, None)
        assert_same(out.vector, grad.vector, "quick")
        other, slow = rnn.value_and_grad(
            p.params, list(x), list(y) if y.ndim else y, reduction=reduction, seed=0
        )
        np.testing.assert_allclose(other, loss_value, rtol=1e-15)
        assert_same(slow.vector, grad.vector, "the other door")


def test_what_is_not_plain_does_not_go_in_by_the_quick_door() -> None:
    rnn = cybptt.RNN(2, 3, 4)
    plan = _whole_pass.plan(rnn, np.dtype("float64"))
    assert plan is not None
    params, out = rnn.init(0), rnn.init(0)
    x, y = np.ones((5, 6, 2)), np.zeros((5, 6), int)

    def quick(
        x: Any = x, y: Any = y, out: Any = out.vector, h0: Any = None, reduction: Any = "sum"
    ) -> Any:
        return plan.quick(params.vector, x, y, out, h0, False, reduction, 1, None)

    assert quick() is not None
    misaligned = np.frombuffer(b"0" + x.tobytes(), offset=1).reshape(x.shape)
    # NumPy says so in the format; not so another's buffer.
    buffer = memoryview(bytearray(1 + x.nbytes))[1:].cast("d", x.shape)
    others = (
        x[::-1], x.astype("f4"), x.astype(">f8"), x.astype(int), x.tolist(), x[0, 0], x[..., :1],
        x[..., :1].copy(), np.ones((5, 6, 3)), buffer,
        x[:4], x[:, :5].copy(), misaligned, np.asfortranarray(x), None, "x", x[None],
    )  # fmt: skip
    for bad in others:
        assert quick(x=bad) is None, repr(bad)[:60]
    for bad in (y[:4], y.astype(float), y.astype("i2"), y + 4, y - 1, y[..., None], y[:, 0], None):
        assert quick(y=bad) is None, repr(bad)[:60]
    read_only = out.vector.copy()
    read_only.flags.writeable = False
    for bad in (params.vector, read_only, out.vector[:-1], out.vector.astype("f4")):
        assert quick(out=bad) is None, repr(bad)[:60]
    for bad in ("max", 3, None, np.array("mean"), np.array(["mean", "sum"]), np.ones(2)):
        assert quick(reduction=bad) is None, bad
    assert quick(h0=np.zeros((6, 3))) is not None
    for bad in (np.zeros(3), np.zeros((6, 4)), np.zeros((5, 3)), np.zeros((6, 3), "f4"), 0.0):
        assert quick(h0=bad) is None, repr(bad)[:60]


@pytest.mark.parametrize("outputs", ["all", "last"])
def test_an_option_by_itself_is_not_lost_at_the_quick_door(outputs: str) -> None:
    rnn = cybptt.RNN(2, 5, 3, outputs=outputs)
    p = random_problem(rnn, np.random.default_rng(7), 6, 4, weights=True)
    lengths, h0, weights = np.array([6, 0, 3, 5]), p.forward["h0"], p.loss["weights"]
    for forward, loss in (
        ({"lengths": lengths}, {}), ({"h0": h0}, {}), ({"state": cybptt.State(h0)}, {}),
        ({}, {"weights": weights}), ({}, {"reduction": "mean"}), ({}, {"reduction": 3}),
    ):  # fmt: skip
        value, grad = rnn.value_and_grad(p.params, p.x, p.y, **forward, **loss)
        trace = rnn.forward(p.params, p.x, **forward)
        expected = rnn.backward(trace, p.y, **loss).parameters
        what = f"{forward}, {loss}"
        np.testing.assert_allclose(value, rnn.total_loss(trace, p.y, **loss), err_msg=what)
        np.testing.assert_allclose(grad.vector, expected.vector, rtol=1e-12, err_msg=what)


def test_the_quick_door_is_no_way_around_what_is_refused() -> None:
    rnn = cybptt.RNN(2, 3, 4)
    params, x, y = rnn.init(0), np.ones((5, 6, 2)), np.zeros((5, 6), int)
    h0 = np.zeros((6, 3))
    with pytest.raises(ValueError, match=r"^state: got a state and h0, need one"):
        rnn.value_and_grad(params, x, y, h0=h0, state=cybptt.State(h0))
    for at in ((0, 0), (2, 3), (4, 5)):
        for bad in (4, -1):
            labels = y.copy()
            labels[at] = bad
            with pytest.raises(ValueError, match=rf"^y: got {bad} at index "):
                rnn.value_and_grad(params, x, labels)
    with pytest.raises(ValueError, match=r"^reduction: got 'mean' over no step"):
        rnn.value_and_grad(params, x[:0], y[:0], reduction="mean")
    with pytest.raises(ValueError, match=r"^reduction: got 'max', need "):
        rnn.value_and_grad(params, x, y, reduction="max")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"^workspace: got 3, need a Workspace"):
        rnn.value_and_grad(params, x, y, workspace=3)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match=r"^checkpoint: got 0, need "):
        rnn.value_and_grad(params, x, y, checkpoint=0)
    rnn = cybptt.RNN(2, 3, 4, loss="bernoulli_nll")
    params = rnn.init(0)
    for wrong in (np.full((5, 6, 4), 1.5), np.full((5, 6, 4), -0.5), np.ones((5, 6, 3))):
        with pytest.raises(ValueError, match=r"^y: got "):
            rnn.value_and_grad(params, x, wrong)
    rnn = cybptt.RNN(2, 3, 4, loss="squared_error")
    for wrong in (np.ones((5, 6, 3)), np.ones((4, 6, 4)), np.ones((5, 5, 4)), np.ones((5, 4, 6))):
        with pytest.raises(ValueError, match=r"^y: got an array of shape "):
            rnn.value_and_grad(rnn.init(0), x, wrong)


@pytest.mark.usefixtures("threads_at_once")
def test_plugins_in_c_share_out_the_work_and_those_in_python_do_not() -> None:
    rng = np.random.default_rng(4)
    activations = [
        "relu",
        cybptt.Activation("arctan by ufunc", np.arctan, lambda a: 1 / (1 + a * a)),
        cybptt.Activation("sine by ufuncs", np.sin, np.cos),
    ]
    for activation in activations:
        p = random_problem(cybptt.RNN(2, 7, 3, activation=activation), rng, 9, 11)
        assert_same_run(run(p, n_threads=3), run(p, n_threads=1), str(activation))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [-1, 1, 3])
def test_a_state_goes_in_and_out_by_either_door(batch: int, dtype: str) -> None:
    rnn = cybptt.RNN(2, 9, 3)
    p = random_problem(rnn, np.random.default_rng(5), 8, batch, dtype=dtype)
    h0 = p.options["h0"]
    loss, grad, state = rnn.value_and_grad(p.params, p.x, p.y, h0=h0, return_state=True)
    assert not state.h.flags.writeable
    for options in ({"h0": h0.tolist()}, {"state": cybptt.State(h0)}, {"h0": h0, "seed": 0}):
        again = rnn.value_and_grad(p.params, p.x, p.y, **options, return_state=True)
        assert again[0] == loss
        assert_same(again[1].vector, grad.vector, "gradient")
        assert_same(again[2].h, state.h, "state.h")
    assert_same(state.h, np.array(rnn.forward(p.params, p.x, h0=h0).state.h), "state.h")


@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.usefixtures("threads_at_once")
def test_several_stretches_of_several_threads(ragged: bool) -> None:
    """With threads a stretch has eight million values: this is a little more than two."""
    rnn = cybptt.RNN(1, 15, 2, outputs="last")
    rng = np.random.default_rng(6)
    T, B = 4200, 256
    p = random_problem(rnn, rng, T, B, scale=0.3, dtype="float32")
    if ragged:
        p = p.but(forward=p.forward | {"lengths": np.linspace(T // 2, T, B).astype(int)})
    first = run(p, n_threads=1)
    assert_same_run(run(p, n_threads=2), first, "2 threads")
    assert_same_run(run(p, n_threads=2, checkpoint=1000), first, "2 threads, checkpoint")


def test_what_weight_0_leaves_out_may_be_infinite() -> None:
    """Its loss is no number: that times 0 is none either."""
    rnn = cybptt.RNN(1, 1, None, activation="identity", loss="poisson_nll")
    params = rnn.parameters(np.array([1.0, 0, 0]))
    x, y = np.array([[1.0], [1e4], [2.0]]), np.ones((3, 1))
    loss, grad = rnn.value_and_grad(params, x, y, weights=[1, 0, 1])
    without = rnn.value_and_grad(params, x[::2], y[::2])
    np.testing.assert_allclose(loss, without[0], rtol=1e-15)
    np.testing.assert_allclose(grad.U, without[1].U, rtol=1e-15)


# ---------------------------------------------------------------------- memory


def test_the_arrays_of_a_call_are_let_go() -> None:
    rnn = cybptt.RNN(2, 3, 4)
    params, out = rnn.init(0), rnn.init(1)
    x, y, h0, weights = np.ones((5, 6, 2)), np.zeros((5, 6), int), np.zeros((6, 3)), np.ones((5, 6))
    arrays = (x, y, h0, weights, params.vector, out.vector)

    def calls() -> list[int]:
        rnn.value_and_grad(params, x, y, h0=h0, out=out)  # by the quick door, and by the other
        rnn.value_and_grad(params, x, y, h0=h0, out=out, weights=weights)
        rnn.predict(params, x, h0=h0)
        with pytest.raises(ValueError, match="y"):
            rnn.value_and_grad(params, x, y + 4, h0=h0, out=out)
        return [sys.getrefcount(array) for array in arrays]

    assert calls() == calls()


@pytest.mark.parametrize("steps", [1, 10])
def test_checkpoints_take_less_memory(steps: int) -> None:
    rnn = cybptt.RNN(1, 64, 2)
    params, x, y = rnn.init(0), np.zeros((2000, 64, 1)), np.zeros((2000, 64), int)
    sizes = []
    for checkpoint in (None, steps):
        workspace = cybptt.Workspace()
        rnn.value_and_grad(
            params, x, y, checkpoint=checkpoint, workspace=workspace, n_threads=1
        )  # fmt: skip
        sizes.append(workspace.nbytes)
    h = 2000 * 64 * 64 * 8
    assert sizes[0] > h
    assert sizes[1] < h / 2


def test_a_workspace_grows_once_and_is_used_again() -> None:
    rnn = cybptt.RNN(2, 30, 3)
    params, workspace = rnn.init(0), cybptt.Workspace()
    assert workspace.nbytes == 0
    expected = rnn.value_and_grad(params, np.ones((50, 4, 2)), np.zeros((50, 4), int))
    sizes = []
    for T in (50, 10, 50, 50):
        x, y = np.ones((T, 4, 2)), np.zeros((T, 4), int)
        loss, grad = rnn.value_and_grad(params, x, y, workspace=workspace)
        sizes.append(workspace.nbytes)
    assert len(set(sizes)) == 1
    assert sizes[0] > 50 * 4 * 30 * 8
    assert loss == expected[0]
    assert_same(grad.vector, expected[1].vector, "gradient")
    assert repr(workspace) == f"<Workspace of {sizes[0]} bytes>"
    again = pickle.loads(pickle.dumps(workspace))
    assert type(again) is cybptt.Workspace
    assert again.nbytes == 0


def test_a_workspace_serves_one_pass_at_a_time() -> None:
    rnn = cybptt.RNN(8, 128, 8)
    params, workspace = rnn.init(0), cybptt.Workspace()
    x, y = np.zeros((3000, 8, 8)), np.zeros((3000, 8), int)
    refused: list[str] = []
    stop = threading.Event()

    def other() -> None:
        while not refused and not stop.is_set():
            try:
                rnn.value_and_grad(params, x[:1], y[:1], workspace=workspace)
            except ValueError as error:
                refused.append(str(error))

    thread = threading.Thread(target=other)
    thread.start()
    for _ in range(50):
        try:
            rnn.value_and_grad(params, x, y, workspace=workspace)
        except ValueError as error:
            refused.append(str(error))
        if refused:
            break
    stop.set()
    thread.join()
    assert refused == ["workspace: got one that a pass is using, need one for each thread"]
    rnn.value_and_grad(params, x[:1], y[:1], workspace=workspace)  # it is free again


def test_a_workspace_grows_with_what_it_serves() -> None:
    rnn, workspace = cybptt.RNN(2, 30, 3), cybptt.Workspace()
    params = rnn.init(0)
    sizes = []
    for T in (10, 100, 1000):
        x, y = np.ones((T, 4, 2)), np.zeros((T, 4), int)
        loss, grad = rnn.value_and_grad(params, x, y, workspace=workspace)
        expected = rnn.value_and_grad(params, x, y)
        assert loss == expected[0]
        assert_same(grad.vector, expected[1].vector, "gradient")
        sizes.append(workspace.nbytes)
        assert sizes[-1] > T * 4 * 30 * 8
    assert sizes == sorted(set(sizes))


def test_a_workspace_is_free_after_ctrl_c() -> None:
    rnn, workspace = cybptt.RNN(1, 256, 2), cybptt.Workspace()
    params, x, y = rnn.init(0), np.zeros((30_000, 4, 1)), np.zeros((30_000, 4), int)

    class Pressed(Exception):
        """In the place of KeyboardInterrupt, which would end the test run."""

    def handler(*_: Any) -> None:
        raise Pressed

    before = signal.signal(signal.SIGPROF, handler)
    try:
        signal.setitimer(signal.ITIMER_PROF, 0.1)
        with pytest.raises(Pressed):
            rnn.value_and_grad(params, x, y, workspace=workspace)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    rnn.value_and_grad(params, x[:3], y[:3], workspace=workspace)


def test_more_memory_than_there_is() -> None:
    """A MemoryError, and nothing is changed."""
    rnn = cybptt.RNN(0, 1, 1)
    params, out, workspace = rnn.init(0), rnn.init(1), cybptt.Workspace()
    before = out.vector.copy()
    x = np.zeros((2**45, 1, 0))
    y = np.broadcast_to(0, (2**45, 1))
    with pytest.raises((MemoryError, ValueError)):  # the labels' copy may fail before
        rnn.value_and_grad(params, x, y, out=out, workspace=workspace)
    rnn = cybptt.RNN(0, 1, 1, outputs="last")
    params, out = rnn.init(0), rnn.init(1)
    # Of the larger the size in bytes is more than a size_t holds.
    for large in (x, np.zeros((2**58, 1, 0))):
        with pytest.raises(MemoryError, match="a pass needs"):
            rnn.value_and_grad(params, large, np.zeros(1, int), out=out, workspace=workspace)
    assert_same(out.vector, before, "out")
    assert workspace.nbytes == 0


def test_what_fails_leaves_out_as_it_was() -> None:
    def fails(a: Any) -> Any:
        raise RuntimeError("no")

    bad = cybptt.Activation("fails", fails, np.cos)
    rnn = cybptt.RNN(1, 2, 2, activation=bad)
    params = rnn.init(0)
    out = params.copy()
    with pytest.raises(cybptt.PluginError):
        rnn.value_and_grad(params, np.ones((3, 1)), [0, 1, 0], out=out)
    with pytest.raises(ValueError, match="y"):
        rnn.value_and_grad(params, np.ones((3, 1)), [0, 1, 2], out=out)
    assert_same(out.vector, params.vector, "out")
