"""Sequences of chunks: of a stream, of sequences with ends of their own, of trials."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cybptt
from cybptt import text
from cybptt.data import Batches, Chunks, Trials, adding, temporal_order
from cybptt.optim import Adam
from cybptt.train import evaluate, fit


def test_text_has_chunks_by_its_own_name() -> None:
    assert text.Chunks is Chunks


# ---------------------------------------------------------------------- chunks


@given(batch=st.integers(1, 6), steps=st.integers(1, 9), more=st.integers(0, 60))
def test_chunks_are_the_whole_sequence_side_by_side(batch: int, steps: int, more: int) -> None:
    tokens = np.arange(batch * steps + 1 + more)
    chunks = Chunks(tokens, batch=batch, steps=steps)
    xs, ys = zip(*chunks, strict=True)
    x, y = np.concatenate(xs), np.concatenate(ys)
    # Every stream goes on where it was cut, and the next begins where the one before it ends.
    length = (len(tokens) - 1) // batch
    assert x.shape == (length, batch)
    np.testing.assert_array_equal(x.T.ravel(), tokens[: batch * length])
    np.testing.assert_array_equal(y, x + 1)
    assert chunks.n_targets == x.size
    # All as long as asked for, or one step shorter at most where that evens them out.
    lengths = [len(part) for part in xs]
    assert max(lengths) <= steps
    assert max(lengths) - min(lengths) <= 1
    assert len(chunks) == -(-length // steps)


@given(
    batch=st.integers(1, 4),
    steps=st.integers(1, 6),
    further=st.integers(0, 9),
    more=st.integers(0, 40),
)
def test_windows_reach_back_and_count_each_step_once(
    batch: int, steps: int, further: int, more: int
) -> None:
    tokens, window = np.arange(batch * steps + 1 + more), steps + further
    plain = Chunks(tokens, batch=batch, steps=steps)
    windows = Chunks(tokens, batch=batch, steps=steps, window=window)
    assert len(windows) == len(plain)
    assert windows.n_targets == plain.n_targets
    start = 0  # the step of the streams at which a window begins
    for (x, y), (wide_x, wide_y, options) in zip(plain, windows, strict=True):
        own = len(x)
        np.testing.assert_array_equal(wide_x[-own:], x)
        np.testing.assert_array_equal(wide_y[-own:], y)
        np.testing.assert_array_equal(wide_y, wide_x + 1)
        assert wide_x[0, 0] == tokens[start]
        assert len(wide_x) == min(window, int(x[-1, 0]) + 1)
        weights = options["weights"]
        assert weights.shape == wide_x.shape
        np.testing.assert_array_equal(weights[-own:], 1)
        np.testing.assert_array_equal(weights[:-own], 0)
        start += options["state_at"]
    assert start == int(x[-1, 0]) + 1  # the last one ends where the streams do


def test_chunks_of_values_and_of_labels() -> None:
    rng = np.random.default_rng(0)
    values, labels = rng.normal(size=(23, 2)), rng.integers(3, size=23)
    for x, y, n in ((values, labels, 11), (values[:, :1], values, 11), (labels, values, 11)):
        chunks = Chunks(x, y, batch=2, steps=4)
        first, second = zip(*chunks, strict=True)
        # All of the steps have a target, the last one too: 22 of 23 are two streams.
        np.testing.assert_array_equal(np.concatenate(first)[:, 1], x[n : 2 * n])
        np.testing.assert_array_equal(np.concatenate(second)[:, 1], y[n : 2 * n])
    # Without y it is the next value.
    x, y = Chunks(values, batch=1, steps=22)[0]
    np.testing.assert_array_equal(x[:, 0], values[:-1])
    np.testing.assert_array_equal(y[:, 0], values[1:])
    assert len(Chunks(labels, labels, batch=1, steps=23)) == 1
    with pytest.raises(ValueError, match=r"x: got 23, need at least 24 \(1 streams of 24 steps\)"):
        Chunks(labels, labels, batch=1, steps=24)


def test_chunks_are_views() -> None:
    for x in (np.arange(101), np.arange(303)[::3], np.zeros((50, 3))[:, :2]):
        part = Chunks(x, batch=2, steps=10)[1]
        assert all(np.shares_memory(array, x) for array in part)


def test_chunks_are_a_sequence() -> None:
    chunks = Chunks(np.arange(101), batch=2, steps=10)
    np.testing.assert_array_equal(chunks[-1][0], chunks[len(chunks) - 1][0])
    assert [x[0, 0] for x, y in chunks[1:3]] == [10, 20]
    with pytest.raises(IndexError):
        chunks[len(chunks)]
    assert repr(chunks) == "<Chunks: 5 of 10 steps, 2 streams>"
    windows = Chunks(np.arange(101), batch=2, steps=10, window=30)
    assert repr(windows) == "<Chunks: 5 of 10 steps, 2 streams, in windows of 30>"


@pytest.mark.parametrize(
    ("x", "options", "error", "message"),
    [
        (np.arange(20), {"batch": 4, "steps": 5}, ValueError, "x: got 20, need at least 21 "),
        (np.zeros((3, 4, 1)), {"batch": 1, "steps": 1}, ValueError, "x: got shape (3, 4, 1)"),
        (np.zeros(9), {"batch": 1, "steps": 1}, TypeError, "x: got an array of shape (9,)"),
        (np.arange(9), {"batch": 0, "steps": 1}, ValueError, "batch: got 0, need an integer ≥ 1"),
        (np.arange(9), {"batch": 1, "steps": -2}, ValueError, "steps: got -2, need an integer"),
        (np.arange(9), {"batch": True, "steps": 1}, TypeError, "batch: got True, need an integer"),
        (np.arange(9), {"batch": 1, "steps": 1.5}, TypeError, "steps: got 1.5, need an integer"),
    ],
)
def test_chunks_refuse(x: Any, options: Any, error: Any, message: str) -> None:
    with pytest.raises(error) as caught:
        Chunks(x, **options)
    assert str(caught.value).startswith(message)


# ---------------------------------------------------------------------- batches

LENGTHS = (5, 1, 9, 3, 3, 12, 2, 0, 7, 4, 4)


def ragged(per_step: bool = True) -> tuple[list[Any], Any]:
    rng = np.random.default_rng(0)
    sequences = [rng.normal(size=(n, 2)) for n in LENGTHS]
    if per_step:
        return sequences, [rng.integers(3, size=n) for n in LENGTHS]
    return sequences, rng.integers(3, size=len(LENGTHS))


@given(
    batch=st.integers(1, 12),
    bucket=st.booleans(),
    shuffle=st.booleans(),
    epochs=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_every_sequence_comes_once_in_each_epoch(
    batch: int, bucket: bool, shuffle: bool, epochs: int, seed: int
) -> None:
    names = [[i] * (i + 1) for i in range(11)]  # a sequence is told by its tokens
    batches = Batches(
        names, names, batch=batch, bucket=bucket, shuffle=shuffle, epochs=epochs, seed=seed
    )
    per_epoch = -(-11 // batch)
    assert len(batches) == epochs * per_epoch
    orders = []
    for epoch in range(epochs):
        order: list[int] = []
        for x, y, options in batches[epoch * per_epoch : (epoch + 1) * per_epoch]:
            lengths = options["lengths"]
            assert x.shape[0] == lengths.max()
            np.testing.assert_array_equal(x, y)
            for column, n in zip(x.T, lengths, strict=True):
                assert (column[:n] == n - 1).all()
            sizes = x.shape[1], 11 // per_epoch
            assert sizes[0] - sizes[1] in (0, 1)
            order += (lengths - 1).tolist()
            if bucket:  # of similar length
                assert sorted(lengths) == list(range(lengths.min(), lengths.max() + 1))
        assert sorted(order) == list(range(11))
        orders.append(order)
    if not shuffle:
        assert orders == [list(range(11))] * epochs
    # Any batch can be asked for by itself.
    again = Batches(names, names, batch=batch, bucket=bucket, shuffle=shuffle, epochs=3, seed=seed)
    np.testing.assert_array_equal(again[len(batches) - 1][0], batches[-1][0])


def test_epochs_differ_in_their_order_and_the_seed_decides_it() -> None:
    names = [[i] for i in range(30)]

    def orders(**options: Any) -> list[Any]:
        return [x.tolist() for x, _, _ in Batches(names, names, batch=30, epochs=3, **options)]

    first = orders(seed=1)
    assert first[0] != first[1] != first[2] != first[0]
    assert orders(seed=1) == first
    assert orders(seed=2) != first
    assert orders() != orders()
    rng = np.random.default_rng(0)
    assert orders(seed=rng) != orders(seed=rng)
    assert orders(seed=np.random.default_rng(0)) == orders(seed=np.random.default_rng(0))


@pytest.mark.parametrize("bucket", [False, True])
@pytest.mark.parametrize("outputs", ["all", "last"])
@pytest.mark.parametrize("batch", [1, 3, 4, 11, 20])
def test_the_mean_gradient_of_the_batches_is_that_of_all(
    batch: int, outputs: str, bucket: bool
) -> None:
    sequences, targets = ragged(outputs == "all")
    rnn = cybptt.RNN(2, 5, 3, outputs=outputs)
    params = rnn.init(seed=0)
    x, lengths = cybptt.pad(sequences)
    y = cybptt.pad(targets)[0] if outputs == "all" else targets
    loss, grad = rnn.value_and_grad(params, x, y, lengths=lengths, reduction="mean")
    batches = Batches(sequences, targets, batch=batch, outputs=outputs, bucket=bucket, seed=0)
    parts = [rnn.value_and_grad(params, x, y, **options) for x, y, options in batches]
    np.testing.assert_allclose(np.mean([value for value, _ in parts]), loss, rtol=1e-12)
    mean = np.mean([part.vector for _, part in parts], axis=0)
    np.testing.assert_allclose(mean, grad.vector, rtol=1e-10, atol=1e-14)
    assert evaluate(rnn, params, batches, carry=False) == pytest.approx(loss, rel=1e-12)


def test_fit_takes_batches_and_tells_the_mean_of_each() -> None:
    sequences, targets = ragged()
    rnn = cybptt.RNN(2, 5, 3)
    params, other = rnn.init(seed=0), rnn.init(seed=0)
    batches = Batches(sequences, targets, batch=4, epochs=2, seed=0)
    history = fit(rnn, params, batches, optimizer=Adam(lr=0.01), carry=False)
    assert len(history.records) == len(batches) == 6
    optimizer, means = Adam(lr=0.01), []
    for x, y, options in batches:
        lengths = options["lengths"]
        means.append(rnn.value_and_grad(other, x, y, lengths=lengths, reduction="mean")[0])
        _, grad = rnn.value_and_grad(other, x, y, **options)
        optimizer.step(other, grad)
    np.testing.assert_array_equal(params.vector, other.vector)
    np.testing.assert_allclose([record.loss for record in history.records], means, rtol=1e-12)
    assert history.records[-1].targets == 2 * sum(LENGTHS)


def test_a_batch_without_a_step_counts_for_nothing() -> None:
    rnn = cybptt.RNN(2, 5, 3, inputs="tokens")
    params = rnn.init(seed=0)
    before = params.vector.copy()
    batches = Batches([[], [1, 0]], [[], [2, 1]], batch=1, shuffle=False)
    history = fit(rnn, params, batches, optimizer=cybptt.optim.SGD(lr=0.1), steps=1, carry=False)
    assert history.records[0].loss == 0
    np.testing.assert_array_equal(params.vector, before)


def test_buckets_leave_little_padding() -> None:
    rng = np.random.default_rng(0)
    tokens = [np.zeros(n, int) for n in rng.integers(1, 100, 300)]
    plain = Batches(tokens, tokens, batch=10, seed=0).padding
    bucketed = Batches(tokens, tokens, batch=10, bucket=True, seed=0).padding
    assert bucketed < 0.06 < 0.3 < plain
    x, _, options = Batches([[1, 1, 1], [1]], [[0, 0, 0], [0]], batch=2)[0]
    assert Batches([[1, 1, 1], [1]], [[0, 0, 0], [0]], batch=2).padding == pytest.approx(
        1 - options["lengths"].sum() / x.size
    )
    assert repr(Batches(tokens, tokens, batch=10)) == "<Batches: 30 of up to 10 sequences>"
    several = Batches(tokens, tokens, batch=10, epochs=2)
    assert repr(several) == "<Batches: 60 of up to 10 sequences, 2 epochs>"


def test_an_array_is_sequences_of_one_length() -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(7, 4, 3)), rng.integers(2, size=7)
    batches = Batches(images, labels, batch=3, outputs="last", shuffle=False)
    assert [x.shape for x, _, _ in batches] == [(4, 2, 3), (4, 2, 3), (4, 3, 3)]
    np.testing.assert_array_equal(batches[1][0], images[2:4].swapaxes(0, 1))
    np.testing.assert_array_equal(batches[1][1], labels[2:4])
    assert batches.padding == 0


# ---------------------------------------------------------------------- trials


def test_a_trial_is_drawn_from_the_seed_and_its_place() -> None:
    trials = Trials(adding, 50, seed=3, n_steps=8, n_sequences=2)
    assert len(trials) == 50
    everything = list(trials)
    np.testing.assert_array_equal(trials[17][0], everything[17][0])
    assert len({x.tobytes() for x, _, _ in everything}) == 50
    again = Trials(adding, 5, seed=3, n_steps=8, n_sequences=2)
    np.testing.assert_array_equal(again[-1][0], everything[4][0])
    other = Trials(adding, 5, seed=4, n_steps=8, n_sequences=2)
    assert not np.array_equal(other[0][0], everything[0][0])
    assert repr(trials) == "<Trials: 50 of adding>"
    with pytest.raises(IndexError):
        trials[50]
    # Without a seed one is drawn, once.
    free = Trials(adding, 5, n_steps=8, n_sequences=2)
    np.testing.assert_array_equal(free[1][0], free[1][0])
    assert free.seed != Trials(adding, 5, n_steps=8, n_sequences=2).seed


def test_a_run_of_trials_goes_on_to_the_same_bits() -> None:
    rnn = cybptt.RNN(8, 6, 4, inputs="tokens", outputs="last")
    trials = Trials(temporal_order, 20, seed=0, n_steps=20, n_sequences=3)
    params, other = rnn.init(seed=0), rnn.init(seed=0)
    fit(rnn, params, trials, optimizer=Adam(), carry=False)
    cut = fit(rnn, other, trials, optimizer=Adam(), steps=7, carry=False).checkpoint
    fit(rnn, other, trials, optimizer=Adam(), resume=cut, carry=False)
    np.testing.assert_array_equal(params.vector, other.vector)


def test_trials_of_ones_own() -> None:
    def noise(n: int, seed: Any) -> Any:
        rng = np.random.default_rng(seed)
        return rng.normal(size=(3, n, 1)), rng.normal(size=(3, n, 1))

    x, y = Trials(noise, 4, seed=0, n=5)[2]
    assert x.shape == y.shape == (3, 5, 1)
