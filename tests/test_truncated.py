"""Truncated back-propagation through time: BPTT(k1, k2) against the whole, and a long file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import random_params, random_targets

import cybptt
from cybptt.data import Chunks
from cybptt.optim import Adam, clip_by_norm
from cybptt.train import Checkpoint, evaluate, fit

T, B = 23, 3
RECURRENCES = {
    "hidden": {},
    "output": {"recurrence": "output"},
    "both": {"recurrence": "both", "feedback": "y_hat"},
}


def model(recurrence: str, **options: Any) -> tuple[Any, Any]:
    rnn = cybptt.RNN(4, 5, 4, **RECURRENCES[recurrence], **options)
    return rnn, random_params(rnn, np.random.default_rng(1), np.float64)


def stream(rnn: Any) -> tuple[Any, Any]:
    """x and y of B streams of T steps, one after the other."""
    rng = np.random.default_rng(2)
    tokens = rnn.inputs == "tokens"
    x = rng.integers(0, 4, T * B) if tokens else rng.normal(size=(T * B, 4))
    return x, random_targets(rnn, rng, (T * B,), np.float64)


def side_by_side(array: Any) -> Any:
    return array.reshape(B, T, *array.shape[1:]).swapaxes(0, 1)


def over_chunks(rnn: Any, params: Any, chunks: Any, **options: Any) -> tuple[float, Any, Any]:
    """The sums of the losses and of the gradients, and the last state; the parameters stay."""
    total, gradient, state = 0.0, np.zeros(rnn.n_parameters), None
    for x, y, *more in chunks:
        given = options | (more[0] if more else {})
        loss, grad, state = rnn.value_and_grad(
            params, x, y, state=state, return_state=True, **given
        )
        total, gradient = total + loss, gradient + grad.vector
    return total, gradient, state


# ---------------------------------------------------------------------- where nothing is cut off


@pytest.mark.parametrize("inputs", ["values", "tokens"])
@pytest.mark.parametrize(
    ("recurrence", "forcing"),
    [("hidden", None), *((name, f) for name in ("output", "both") for f in (True, False))],
)
@pytest.mark.parametrize(("steps", "window"), [(1, T), (4, T), (5, 2 * T), (T, None), (T, T)])
def test_windows_as_long_as_the_stream_give_the_whole_gradient(
    recurrence: str, forcing: bool | None, inputs: str, steps: int, window: int | None
) -> None:
    rnn, params = model(recurrence, inputs=inputs)
    x, y = stream(rnn)
    options = {} if forcing is None else {"teacher_forcing": forcing}
    whole = rnn.value_and_grad(
        params, side_by_side(x), side_by_side(y), return_state=True, **options
    )
    chunks = Chunks(x, y, batch=B, steps=steps, window=window)
    loss, gradient, state = over_chunks(rnn, params, chunks, **options)
    assert loss == pytest.approx(whole[0], rel=1e-12)
    np.testing.assert_allclose(gradient, whole[1].vector, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(state.h, whole[2].h, rtol=1e-12)


@pytest.mark.parametrize("loss", ["softmax_nll", "squared_error"])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_forced_output_recurrence_loses_nothing_by_any_cut(steps: int, loss: str) -> None:
    """C.8: no path leads from h(t+1) to h(t), and y at the cut is carried."""
    rnn, params = model("output", loss=loss)
    x, y = stream(rnn)
    whole, grad = rnn.value_and_grad(params, side_by_side(x), side_by_side(y))
    total, gradient, _ = over_chunks(rnn, params, Chunks(x, y, batch=B, steps=steps))
    assert total == pytest.approx(whole, rel=1e-12)
    np.testing.assert_allclose(gradient, grad.vector, rtol=1e-10, atol=1e-12)


# ---------------------------------------------------------------------- where something is


@pytest.mark.parametrize("recurrence", ["hidden", "both"])
@pytest.mark.parametrize(("steps", "window"), [(1, 1), (1, 6), (4, 4), (4, 7), (4, 9), (5, 12)])
def test_a_window_is_the_whole_graph_cut_where_it_begins(
    recurrence: str, steps: int, window: int
) -> None:
    """Of the whole graph's gradient at every node, what flows back from the newest losses alone,
    the parameters' gradients keep the steps within the window.
    """
    rnn, params = model(recurrence)
    x, y = stream(rnn)
    wide_x, wide_y = side_by_side(x), side_by_side(y)
    forced = {} if recurrence == "hidden" else {"y": wide_y}
    trace = rnn.forward(params, wide_x, **forced)
    h = np.concatenate([np.zeros_like(trace.h[:1]), trace.h])
    fed = np.concatenate([np.zeros((1, B, 4)), np.eye(4)[wide_y]])
    grad_o = rnn.backward(trace, wide_y).o

    state, end = None, 0
    chunks = Chunks(x, y, batch=B, steps=steps, window=window)
    for (part_x, part_y, options), (own, _) in zip(
        chunks, Chunks(x, y, batch=B, steps=steps), strict=True
    ):
        _, grad, state = rnn.value_and_grad(
            params, part_x, part_y, state=state, return_state=True, **options
        )
        first, end = end, end + len(own)
        newest = np.zeros_like(grad_o)
        newest[first:end] = grad_o[first:end]
        g = rnn.vjp(trace, grad_o=newest)
        begin = max(0, end - window)
        within = slice(begin, end)
        expected = {
            "U": np.einsum("tbi,tbj->ij", g.a[within], wide_x[within]),
            "W": np.einsum("tbi,tbj->ij", g.a[within], h[begin:end]),
            "V": np.einsum("tbi,tbj->ij", newest[within], trace.h[within]),
            "b": g.a[within].sum(axis=(0, 1)),
            "c": newest[within].sum(axis=(0, 1)),
        }
        if recurrence == "both":
            expected["R"] = np.einsum("tbi,tbj->ij", g.a[within], fed[begin:end])
        for name, value in expected.items():
            np.testing.assert_allclose(grad[name], value, rtol=1e-9, atol=1e-12, err_msg=name)
        at = begin + options["state_at"]
        np.testing.assert_allclose(state.h, h[at], rtol=1e-12)


@pytest.mark.parametrize("window", [None, 4, 9, 50])
@pytest.mark.parametrize("recurrence", RECURRENCES)
def test_windows_change_no_evaluation(recurrence: str, window: int | None) -> None:
    rnn, params = model(recurrence)
    x, y = stream(rnn)
    whole = evaluate(rnn, params, [(side_by_side(x), side_by_side(y))])
    chunks = Chunks(x, y, batch=B, steps=4, window=window)
    assert evaluate(rnn, params, chunks) == pytest.approx(whole, rel=1e-12)


# ---------------------------------------------------------------------- in a run


@pytest.mark.parametrize("recurrence", RECURRENCES)
def test_fit_carries_the_state_to_where_the_next_window_begins(recurrence: str) -> None:
    rnn, params = model(recurrence)
    chunks = Chunks(*stream(rnn), batch=B, steps=4, window=9)
    other = params.copy()
    history = fit(rnn, params, chunks, optimizer=Adam(lr=0.01), max_norm=1.0, epochs=2)
    optimizer, losses = Adam(lr=0.01), []
    for _ in range(2):
        state = None
        for x, y, options in chunks:
            loss, grad, state = rnn.value_and_grad(
                other, x, y, state=state, reduction="mean", return_state=True, **options
            )
            clip_by_norm(grad, 1.0)
            optimizer.step(other, grad)
            losses.append(loss)
    np.testing.assert_array_equal(params.vector, other.vector)
    assert [record.loss for record in history.records] == losses
    assert history.records[-1].targets == 2 * T * B


def test_a_run_of_windows_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    rnn, params = model("both")
    chunks = Chunks(*stream(rnn), batch=B, steps=4, window=9)
    other, options = params.copy(), {"max_norm": 1.0, "steps": 11}
    fit(rnn, params, chunks, optimizer=Adam(), **options)
    path = tmp_path / "run"
    fit(rnn, other, chunks, optimizer=Adam(), **options | {"steps": 4}, checkpoint=path)
    fit(rnn, other, chunks, optimizer=Adam(), **options, resume=Checkpoint.load(path))
    np.testing.assert_array_equal(params.vector, other.vector)


# ---------------------------------------------------------------------- a file larger than memory

# All of its own memory may grow by 100 MB: the file's pages are the system's.
READ = """
import resource, sys
import numpy as np
import cybptt
from cybptt.data import Chunks
from cybptt.optim import Adam
from cybptt.train import evaluate, fit

rnn = cybptt.RNN(256, 16, 256, inputs="tokens")
params = rnn.init(seed=0)
with open("/proc/self/status") as status:
    own = next(int(line.split()[1]) for line in status if line.startswith("VmData"))
limit = 1024 * (own + 100_000)
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
data = np.memmap(sys.argv[1], np.uint8, "r")
for window in (None, 150):
    chunks = Chunks(data, batch=16, steps=100, window=window)
    history = fit(rnn, params, chunks, optimizer=Adam(), steps=5)
    x, y, *_ = chunks[-1]
    print(len(data), len(chunks), chunks.n_targets, x[-1, -1], y[-1, -1], y[-1, -2])
    evaluate(rnn, params, chunks[len(chunks) // 2 : len(chunks) // 2 + 3])
try:
    np.ones(30_000_000)
except MemoryError:
    print("limited")
"""


def test_a_file_larger_than_memory(tmp_path: Path) -> None:
    size = 16 * 2**29 + 1  # 8 GiB, nearly all of it a hole that takes no disk
    path = tmp_path / "bytes"
    with open(path, "wb") as file:
        for place, byte in ((2**29 * 15, 5), (size - 2, 6), (size - 1, 7)):
            file.seek(place)
            file.write(bytes([byte]))
    assert os.stat(path).st_blocks < 1000
    command = [sys.executable, "-W", "error", "-c", READ, str(path)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"CYBPTT_NUM_THREADS": "1"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    n_chunks = -(-(2**29) // 100)
    line = f"{size} {n_chunks} {size - 1} 6 7 5\n"
    assert done.stdout == 2 * line + "limited\n"
