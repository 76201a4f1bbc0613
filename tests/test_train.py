"""The training loop: what a step is, where a run ends, and how it goes on to the same bits."""

import errno
import itertools
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cybptt
from cybptt.data import Chunks
from cybptt.optim import SGD, Adagrad, Adam, RMSprop, clip_by_norm
from cybptt.text import Vocabulary
from cybptt.train import (
    Checkpoint,
    History,
    Interrupted,
    NonFiniteError,
    Record,
    Stop,
    cosine,
    evaluate,
    fit,
)

TEXT = "the quick brown fox jumps over the lazy dog, and back again. " * 5
VOCABULARY = Vocabulary.of(TEXT)
TOKENS = VOCABULARY.encode(TEXT)
N = len(VOCABULARY)


def character_model(hidden=10, dtype=np.float64, **options):
    rnn = cybptt.RNN(N, hidden, N, inputs="tokens", **options)
    return rnn, rnn.init(seed=1, dtype=dtype)


def chunks(batch=3, steps=7):
    return Chunks(TOKENS, batch=batch, steps=steps)


def same_bits(one, other):
    return one.vector.tobytes() == other.vector.tobytes()


# ------------------------------------------------------------------ what a step is


@pytest.mark.parametrize("carry", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fit_is_the_loop_that_one_would_write(carry, dtype):
    rnn, params = character_model(dtype=dtype)
    history = fit(
        rnn, params, chunks(), optimizer=Adam(lr=0.01), max_norm=0.5, epochs=2, carry=carry
    )
    other, optimizer = rnn.init(seed=1, dtype=dtype), Adam(lr=0.01)
    losses, norms = [], []
    for _ in range(2):
        state = None
        for x, y in chunks():
            loss, grad, after = rnn.value_and_grad(
                other, x, y, state=state, reduction="mean", return_state=True
            )
            losses.append(loss)
            norms.append(clip_by_norm(grad, 0.5))
            optimizer.step(other, grad)
            state = after if carry else None
    assert same_bits(params, other)
    assert [r.loss for r in history.records] == losses
    assert [r.norm for r in history.records] == norms


def test_records_tell_each_step():
    rnn, params = character_model()
    seen = []
    part = chunks()
    schedule = cosine(0.02, 10, floor=0.1)
    history = fit(
        rnn, params, part, optimizer=Adam(), schedule=schedule, steps=20, callbacks=[seen.append]
    )
    assert history.records == seen
    assert history.stopped == "steps"
    assert [r.step for r in seen] == list(range(1, 21))
    assert [r.epoch for r in seen] == [1 + k // len(part) for k in range(20)]
    assert [r.lr for r in seen] == [schedule(k) for k in range(20)]
    assert all(r.bits == r.loss / math.log(2) and r.norm > 0 for r in seen)
    sizes = [part[k % len(part)][1].size for k in range(20)]
    assert [r.targets for r in seen] == np.cumsum(sizes).tolist()
    assert all(a.elapsed <= b.elapsed for a, b in itertools.pairwise(seen))
    assert seen[-1].speed == seen[-1].targets / seen[-1].elapsed
    assert seen[-1].bits < seen[0].bits
    assert Record(1, 1, 0.0, None, 0.0, 0.1, 0, 0.0).speed == 0


def test_values_have_no_bits():
    rnn = cybptt.RNN(2, 4, 2, loss="squared_error")
    rng = np.random.default_rng(0)
    part = [(rng.normal(size=(5, 3, 2)), rng.normal(size=(5, 3, 2))) for _ in range(3)]
    history = fit(rnn, rnn.init(0), part, optimizer=SGD(lr=0.1), validation=part)
    assert [r.bits for r in history.records] == [None] * 3
    assert history.records[-1].validation_bits is None
    assert history.records[-1].validation == history.validation[-1][1]
    assert [r.targets for r in history.records] == [15, 30, 45]


def test_ragged_chunks_bring_lengths_and_weights():
    rnn = cybptt.RNN(2, 4, 2, loss="squared_error", outputs="all")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 3, 2)), rng.normal(size=(5, 3, 2))
    lengths, weights = np.array([5, 0, 2]), rng.uniform(size=(5, 3))
    params = rnn.init(0)
    value, _ = rnn.value_and_grad(params, x, y, lengths=lengths, weights=weights, reduction="mean")
    options = {"lengths": lengths, "weights": weights}
    assert evaluate(rnn, params, [(x, y, options)], carry=False) == pytest.approx(value, rel=1e-14)
    unweighted = rnn.value_and_grad(params, x, y, lengths=lengths, reduction="mean")[0]
    ragged = [(x, y, {"lengths": lengths})]
    assert evaluate(rnn, params, ragged, carry=False) == pytest.approx(unweighted, rel=1e-14)
    # Sequences that have ended have nothing to carry on: it has to be said that they begin anew.
    for call in (
        lambda: evaluate(rnn, params, ragged),
        lambda: fit(rnn, params, ragged, optimizer=SGD(lr=0.1)),
    ):
        with pytest.raises(
            ValueError, match="carry: got True and a chunk with lengths, need carry=F"
        ):
            call()
    history = fit(rnn, params, [(x, y, options)], optimizer=SGD(lr=0.1), carry=False)
    assert history.records[0].loss == value


# ------------------------------------------------------------------ evaluation


@pytest.mark.parametrize("recurrence", ["hidden", "output", "both"])
def test_cutting_changes_no_evaluation(recurrence):
    rnn, params = character_model(recurrence=recurrence)
    whole = evaluate(rnn, params, Chunks(TOKENS, batch=1, steps=len(TOKENS) - 1))
    for steps in (1, 7, 100):
        assert evaluate(rnn, params, Chunks(TOKENS, batch=1, steps=steps)) == pytest.approx(
            whole, rel=1e-13
        )
    assert evaluate(rnn, params, Chunks(TOKENS, batch=1, steps=7), carry=False) != whole
    # Forced, as the likelihood has it, which is what value_and_grad computes.
    loss, _ = rnn.value_and_grad(params, TOKENS[:-1], TOKENS[1:], reduction="mean")
    assert whole == pytest.approx(loss, rel=1e-13)


def test_validation_comes_at_intervals_and_at_the_end():
    rnn, params = character_model()
    held_out = Chunks(TOKENS[:50], batch=1, steps=10)
    history = fit(
        rnn, params, chunks(), optimizer=Adam(), steps=7, validation=held_out, validate_every=3
    )
    assert [step for step, _ in history.validation] == [3, 6, 7]
    assert [r.validation is not None for r in history.records] == [k in (3, 6, 7) for k in
                                                                   range(1, 8)]  # fmt: skip
    assert history.validation[-1][1] == evaluate(rnn, params, held_out)
    assert history.records[-1].validation_bits == history.validation[-1][1] / math.log(2)


def test_nothing_to_count_is_refused():
    rnn, params = character_model()
    with pytest.raises(ValueError, match="chunks: got no step to count"):
        evaluate(rnn, params, [])


# ------------------------------------------------------------------ where a run ends


@pytest.mark.parametrize(
    ("limits", "steps", "reason"),
    [
        ({}, len(chunks()), "epochs"),
        ({"epochs": 2}, 2 * len(chunks()), "epochs"),
        ({"steps": 3}, 3, "steps"),
        ({"steps": 0}, 0, "steps"),
        ({"steps": 3, "epochs": 1}, 3, "steps"),
        ({"minutes": 0}, 0, "minutes"),
        ({"minutes": 0.002, "steps": 10**9}, None, "minutes"),
        ({"minutes": math.inf, "steps": 2}, 2, "steps"),
    ],
)
def test_limits(limits, steps, reason):
    rnn, params = character_model()
    history = fit(rnn, params, chunks(), optimizer=Adam(), **limits)
    assert history.stopped == reason
    assert history.checkpoint.step == len(history.records)
    if steps is not None:
        assert len(history.records) == steps
    else:
        assert history.records[-1].elapsed >= 0.12


def test_a_limit_changes_no_bits():
    rnn, params = character_model()
    schedule = cosine(0.01, 50)
    history = fit(rnn, params, chunks(), optimizer=Adam(), schedule=schedule, minutes=0.003)
    other = rnn.init(seed=1)
    fit(rnn, other, chunks(), optimizer=Adam(), schedule=schedule, steps=len(history.records))
    assert same_bits(params, other)


def test_a_callback_stops_the_run():
    rnn, params = character_model()

    def enough(record):
        if record.step == 4:
            raise Stop("four are enough")

    held_out = Chunks(TOKENS[:50], batch=1, steps=10)
    history = fit(rnn, params, chunks(), optimizer=Adam(), callbacks=[enough], validation=held_out)
    assert history.stopped == "four are enough"
    assert len(history.records) == history.checkpoint.step == 4
    assert history.validation == [(4, evaluate(rnn, params, held_out))]


def test_what_a_callback_returns_is_not_looked_at():
    rnn, params = character_model()
    history = fit(rnn, params, chunks(), optimizer=Adam(), steps=3, callbacks=[lambda _: True])
    assert len(history.records) == 3


def test_an_error_in_a_callback_leaves_a_whole_step_and_its_file(tmp_path):
    rnn, params = character_model()
    path = tmp_path / "run"

    def broken(record):
        if record.step == 3:
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fit(rnn, params, chunks(), optimizer=Adam(), callbacks=[broken], checkpoint=path)
    saved = Checkpoint.load(path)
    assert saved.step == 3
    assert same_bits(saved.params, params)


# ------------------------------------------------------------------ going on

OPTIMIZERS = [
    lambda: SGD(lr=0.1),
    lambda: SGD(lr=0.1, momentum=0.9, nesterov=True),
    lambda: Adagrad(lr=0.05),
    lambda: RMSprop(lr=0.01),
    lambda: Adam(lr=0.01, weight_decay=0.1),
]


@settings(max_examples=25)
@given(
    cut=st.integers(0, 40),
    optimizer=st.sampled_from(OPTIMIZERS),
    dtype=st.sampled_from([np.float32, np.float64]),
    recurrence=st.sampled_from(["hidden", "output", "both"]),
    through_a_file=st.booleans(),
)
def test_a_cut_run_goes_on_to_the_same_bits(
    tmp_path_factory, cut, optimizer, dtype, recurrence, through_a_file
):
    rnn, params = character_model(hidden=5, dtype=dtype, recurrence=recurrence)
    options = {"max_norm": 1.0, "schedule": cosine(0.02, 30, floor=0.1)}
    # A probability draws from the run's generator at every step.
    options["teacher_forcing"] = None if recurrence == "hidden" else 0.5
    fit(rnn, params, chunks(), optimizer=optimizer(), steps=40, seed=3, **options)

    other = rnn.init(seed=1, dtype=dtype)
    path = tmp_path_factory.mktemp("cut") / "run.safetensors"
    history = fit(
        rnn, other, chunks(), optimizer=optimizer(), steps=cut, seed=3, checkpoint=path, **options
    )
    if through_a_file and cut:
        rnn, resume = None, Checkpoint.load(path)
        rnn, other = resume.rnn, resume.rnn.init(seed=9, dtype=dtype)
    else:
        resume = history.checkpoint
    history = fit(rnn, other, chunks(), optimizer=optimizer(), steps=40, resume=resume, **options)
    assert same_bits(params, other)
    assert [r.step for r in history.records] == list(range(cut + 1, 41))


def test_the_same_run_writes_the_same_file(tmp_path):
    def write(path, steps, resume=None):
        rnn, params = character_model()
        fit(
            rnn,
            params,
            chunks(),
            optimizer=Adam(lr=0.01),
            steps=steps,
            seed=None if resume else 5,
            resume=resume,
            checkpoint=path,
            metadata=None if resume else {"note": "ŷ"},
        )
        return path.read_bytes()

    whole = write(tmp_path / "whole", 12)
    assert write(tmp_path / "again", 12) == whole
    assert write(tmp_path / "cut", 5) != whole
    assert write(tmp_path / "cut", 12, Checkpoint.load(tmp_path / "cut")) == whole
    assert Checkpoint.load(tmp_path / "cut").metadata == {"note": "ŷ"}
    # It is a model file like any other.
    rnn, _ = cybptt.load(tmp_path / "whole")
    assert rnn == character_model()[0]


def test_a_checkpoint_in_memory_is_a_copy():
    rnn, params = character_model()
    history = fit(rnn, params, chunks(), optimizer=Adam(), steps=3)
    assert same_bits(history.checkpoint.params, params)
    params.vector[...] = 0
    assert history.checkpoint.params.vector.any()


@pytest.mark.parametrize("name", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_every_generator_of_numpy_goes_into_a_file_and_back(tmp_path, name):
    rnn, params = character_model(recurrence="output")
    kind = getattr(np.random, name)
    options = {"optimizer": Adam(), "teacher_forcing": 0.5}
    fit(rnn, params, chunks(), steps=6, seed=np.random.Generator(kind(1)), **options)
    other, path = rnn.init(seed=1), tmp_path / "run"
    options["optimizer"] = Adam()
    fit(
        rnn, other, chunks(), steps=2, seed=np.random.Generator(kind(1)), checkpoint=path, **options
    )
    options["optimizer"] = Adam()
    fit(rnn, other, chunks(), steps=6, resume=Checkpoint.load(path), **options)
    assert same_bits(params, other)


def refusals(tmp_path):
    rnn, params = character_model()
    at = fit(rnn, params, chunks(), optimizer=Adam(), steps=2).checkpoint
    other_rnn, other_params = character_model(hidden=11)
    cybptt.save(tmp_path / "model", rnn, params)
    model = os.fspath(tmp_path / "model")
    good = {"rnn": rnn, "params": params, "chunks": chunks(), "optimizer": Adam()}
    return [
        ({"chunks": []}, ValueError, "chunks: got none, need at least 1"),
        ({"chunks": [(1,)]}, ValueError, "chunks: got one of 1 parts, need (x, y)"),
        (
            {"chunks": [(TOKENS[:3], TOKENS[:3], {"length": 3})]},
            ValueError,
            "chunks: got an option 'length', need some of lengths, weights, reduction, state_at",
        ),
        ({"chunks": [(TOKENS[:3], TOKENS[:4])]}, ValueError, "y: got"),
        ({"steps": -1}, ValueError, "steps: got -1, need"),
        ({"epochs": -1}, ValueError, "epochs: got -1, need"),
        ({"minutes": math.nan}, ValueError, "minutes: got nan, need a number ≥ 0"),
        ({"validate_every": 0}, ValueError, "validate_every: got 0, need an integer ≥ 1"),
        ({"seed": -1}, ValueError, "seed: got -1, need"),
        ({"seed": "x"}, TypeError, "seed: got 'x', need"),
        ({"max_norm": -1.0}, ValueError, "max_norm: got -1.0, need"),
        ({"resume": at, "seed": 1}, ValueError, "seed: got 1 with resume, need None"),
        (
            {"resume": at, "rnn": other_rnn, "params": other_params},
            ValueError,
            "resume: got a checkpoint of",
        ),
        (
            {"resume": at, "chunks": chunks(batch=2)},
            ValueError,
            "resume.state: got h of shape (3, 10), need (2, 10), as chunks[2] has it",
        ),
        (
            {"resume": at, "params": params.astype(np.float32)},
            ValueError,
            "resume: got parameters of float64, need float32",
        ),
        (
            {"resume": at, "optimizer": RMSprop()},
            ValueError,
            "resume: got a run with Adam, need one with RMSprop",
        ),
        (
            {"metadata": {"training": 1}, "checkpoint": tmp_path / "new", "steps": 1},
            ValueError,
            "metadata: got a key 'training', need other keys",
        ),
        (
            {"resume": lambda: Checkpoint.load(model)},
            ValueError,
            f"path: got {model!r}, a model alone, need one that a training run saved",
        ),
        ({"resume": lambda: Checkpoint.load(model + "x")}, FileNotFoundError, ""),
    ], good


def attempt(resume=None, **arguments):
    fit(**arguments, resume=resume() if callable(resume) else resume)


def test_what_is_wrong_is_refused_before_anything_changes(tmp_path):
    table, good = refusals(tmp_path)
    for wrong, error, message in table:
        arguments = {"steps": 1} | good | wrong
        before = arguments["params"].copy()
        with pytest.raises(error) as caught:
            attempt(**arguments)
        assert message in str(caught.value), wrong
        assert same_bits(arguments["params"], before), wrong
        assert arguments["optimizer"].steps == 0, wrong
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lr": 0, "steps": 1}, "lr: got 0, need a finite number > 0"),
        ({"lr": math.inf, "steps": 1}, "lr: got inf, need"),
        ({"lr": 1, "steps": 0}, "steps: got 0, need an integer ≥ 1"),
        ({"lr": 1, "steps": 1, "floor": 2}, "floor: got 2, need a number in 0 … 1"),
        ({"lr": 1, "steps": 1, "warmup": -1}, "warmup: got -1, need an integer ≥ 0"),
    ],
)
def test_schedules_refuse(arguments, message):
    with pytest.raises(ValueError) as caught:
        cosine(**arguments)
    assert message in str(caught.value)


def test_a_schedule_falls_and_stays_and_can_be_pickled():
    rate = pickle.loads(pickle.dumps(cosine(0.1, 100, floor=0.05, warmup=10)))
    rates = [rate(step) for step in range(200)]
    assert rates[0] == pytest.approx(0.01, rel=1e-2)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))
    assert rates[100] == rates[-1] == pytest.approx(0.005)


class _Broken(Adam):
    """An Adam that fails when it has written its third step."""

    def _update(self, *arguments):
        super()._update(*arguments)
        if self.steps == 3:
            raise RuntimeError("half way")


def test_an_optimizer_that_fails_leaves_a_whole_step_and_its_file(tmp_path):
    rnn, params = character_model()
    path = tmp_path / "run"
    with pytest.raises(RuntimeError, match="half way"):
        fit(rnn, params, chunks(), optimizer=_Broken(lr=0.01), checkpoint=path)
    other = rnn.init(seed=1)
    fit(rnn, other, chunks(), optimizer=Adam(lr=0.01), steps=2)
    assert same_bits(params, other)
    assert Checkpoint.load(path).step == 2
    assert same_bits(Checkpoint.load(path).params, other)


# ------------------------------------------------------------------ numbers that are not finite


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_absurd_rate_ends_with_the_last_good_model(tmp_path, dtype):
    rnn, params = character_model(dtype=dtype)
    huge = 1e38 if dtype == np.float32 else 1e308
    rates = [0.01, 0.01, 0.01, huge, huge, huge]
    path = tmp_path / "run"
    with pytest.raises(NonFiniteError) as caught:
        fit(
            rnn,
            params,
            chunks(),
            optimizer=Adam(),
            schedule=lambda step: rates[step],
            steps=6,
            checkpoint=path,
            checkpoint_seconds=0,
        )
    error = caught.value
    assert error.parameter in params
    assert error.step in (4, 5, 6)
    assert str(error).startswith(f"step {error.step}: ")
    assert error.parameter in str(error)
    # Three steps were good; the fourth broke it, at once or by what it led to.
    kept = error.history.checkpoint
    assert error.history.stopped == "not finite"
    assert kept.step >= 3
    assert np.isfinite(params.vector).all()
    assert same_bits(kept.params, params)
    assert same_bits(Checkpoint.load(path).params, params)
    other = rnn.init(seed=1, dtype=dtype)
    fit(
        rnn,
        other,
        chunks(),
        optimizer=Adam(),
        schedule=lambda step: rates[step],
        steps=kept.step,
    )
    assert same_bits(other, params)
    assert math.isfinite(evaluate(rnn, params, chunks()))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_input_that_is_not_finite_names_the_step_and_the_parameter(bad):
    rnn = cybptt.RNN(2, 4, 2, loss="squared_error", activation="identity")
    rng = np.random.default_rng(0)
    part = [(rng.normal(size=(5, 3, 2)), rng.normal(size=(5, 3, 2))) for _ in range(4)]
    part[2][0][1, 1, 0] = bad
    params = rnn.init(0)
    with pytest.raises(NonFiniteError, match=r"step 3: the loss is (nan|inf) and"):
        fit(rnn, params, part, optimizer=SGD(lr=0.01))
    other = rnn.init(0)
    fit(rnn, other, part, optimizer=SGD(lr=0.01), steps=1)
    assert same_bits(params, other)


def test_a_gradient_too_large_to_square_is_named_too():
    rnn = cybptt.RNN(1, 2, 1, loss="squared_error", activation="identity")
    part = [(np.full((1, 1, 1), 1e10, np.float32), np.full((1, 1, 1), 1e10, np.float32))] * 2
    params = rnn.init(0, dtype=np.float32)
    before = params.copy()
    with pytest.raises(NonFiniteError, match=r"step 1: grad: got .* at U") as caught:
        fit(rnn, params, part, optimizer=Adam())
    assert caught.value.parameter == "U"
    assert same_bits(params, before)


# ------------------------------------------------------------------ Ctrl-C


class _Struck(Adam):
    """An Adam that is struck by a signal in the middle of its third step."""

    number = signal.SIGINT

    def _update(self, *arguments):
        super()._update(*arguments)
        if self.steps == 3:
            signal.raise_signal(self.number)


def test_an_update_is_never_cut_in_two(tmp_path):
    rnn, params = character_model()
    path = tmp_path / "run"
    with pytest.raises(Interrupted) as caught:
        fit(rnn, params, chunks(), optimizer=_Struck(lr=0.01), checkpoint=path)
    assert isinstance(caught.value, KeyboardInterrupt)
    history = caught.value.history
    assert history.stopped == "interrupted"
    assert history.checkpoint.step == 3
    assert same_bits(history.checkpoint.params, params)
    assert same_bits(Checkpoint.load(path).params, params)
    other = rnn.init(seed=1)
    fit(rnn, other, chunks(), optimizer=Adam(lr=0.01), steps=3)
    assert same_bits(params, other)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_in_the_last_update_is_told_with_the_history(tmp_path):
    rnn, params = character_model()
    path = tmp_path / "run"
    with pytest.raises(Interrupted) as caught:
        fit(rnn, params, chunks(), optimizer=_Struck(lr=0.01), steps=3, checkpoint=path)
    history = caught.value.history
    assert history.stopped == "interrupted"
    assert history.checkpoint.step == Checkpoint.load(path).step == len(history.records) == 3


def test_the_handlers_of_others_are_asked_and_put_back():
    rnn, params = character_model()
    heard = []

    def mine(number, frame):
        heard.append(number)

    before = signal.signal(signal.SIGTERM, mine)
    optimizer = _Struck(lr=0.01)
    optimizer.number = signal.SIGTERM
    try:
        history = fit(rnn, params, chunks(), optimizer=optimizer, steps=5)
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]
    assert history.stopped == "steps"


def test_a_long_step_is_left_within_a_quarter_of_a_second():
    rnn = cybptt.RNN(8, 256, 8, inputs="tokens")
    params = rnn.init(seed=0)
    before = params.copy()
    x = np.zeros((20_000, 64), dtype=np.int64)
    sent = []

    def strike():
        sent.append(time.process_time())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.3, strike)
    timer.start()
    with pytest.raises(Interrupted) as caught:
        fit(rnn, params, [(x, x)], optimizer=Adam(), steps=1)
    took = time.process_time() - sent[0]
    timer.join()
    assert not caught.value.history.records
    assert same_bits(params, before)
    assert took < 0.25


def test_a_thread_can_train():
    rnn, params = character_model()
    result = []
    thread = threading.Thread(
        target=lambda: result.append(fit(rnn, params, chunks(), optimizer=Adam(), steps=3))
    )
    thread.start()
    thread.join()
    assert isinstance(result[0], History)
    other = rnn.init(seed=1)
    fit(rnn, other, chunks(), optimizer=Adam(), steps=3)
    assert same_bits(params, other)


# ------------------------------------------------------------------ files


def test_a_place_that_cannot_be_written_to_is_found_out_before_the_first_step(tmp_path):
    rnn, params = character_model()
    before = params.copy()
    (tmp_path / "folder").mkdir()
    places = {"folder": IsADirectoryError, "none/x": FileNotFoundError}
    for name, error in places.items():
        with pytest.raises(error):
            fit(rnn, params, chunks(), optimizer=Adam(), checkpoint=tmp_path / name)
        assert same_bits(params, before)


def test_a_model_that_no_file_holds_is_found_out_before_the_first_step(tmp_path):
    nobodys = cybptt.Activation("nobody's", np.sin, np.cos)
    rnn, params = character_model(activation=nobodys)
    before = params.copy()
    with pytest.raises(ValueError, match='rnn: got a model with the activation "nobody\'s"'):
        fit(rnn, params, chunks(), optimizer=Adam(), checkpoint=tmp_path / "run")
    assert same_bits(params, before)
    fit(rnn, params, chunks(), optimizer=Adam(), steps=1)


def test_a_full_disk_is_told_with_the_files_name(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    rnn, params = character_model()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        fit(rnn, params, chunks(), optimizer=Adam(), steps=3, checkpoint=tmp_path / "run")
    assert caught.value.filename == os.fspath(tmp_path / "run")
    assert os.listdir(tmp_path) == []


# ------------------------------------------------------------------ kill -9

_WRITER = """
import sys, cybptt, numpy as np
from cybptt.optim import Adam
from cybptt.train import fit
rnn = cybptt.RNN(4, 32, 4, inputs="tokens")
x = np.arange(20).reshape(10, 2) % 4
print("ready", flush=True)
fit(rnn, rnn.init(0), [(x, x)], optimizer=Adam(), steps=10**9, seed=0,
    checkpoint=sys.argv[1], checkpoint_seconds=0)
"""


def test_kill_9_leaves_a_whole_file(tmp_path):
    path = tmp_path / "run"
    rng = np.random.default_rng()
    steps = []
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, path], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "ready\n"
        while not path.exists():
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(rng.uniform(0.02, 0.3))
        process.kill()
        process.communicate()
        steps.append(Checkpoint.load(path).step)
    assert min(steps) >= 1
