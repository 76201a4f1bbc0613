"""Several ranks that train one model: the result of one process, and an end that all share."""

from __future__ import annotations

import pickle
import signal
from typing import Any

import numpy as np
import pytest
from groups import Member, on_ranks, same_bits

import cybptt
from cybptt._signals import SignalGuard
from cybptt.data import Batches, Chunks
from cybptt.optim import SGD, Adam
from cybptt.train import (
    Checkpoint,
    Group,
    Interrupted,
    NonFiniteError,
    RankError,
    Stop,
    cosine,
    evaluate,
    fit,
    shard,
)
from cybptt.train._group import Ranks

SIZES = (1, 2, 3, 4, 7)  # five sequences: uneven parts, and empty ones
TOKENS = np.random.default_rng(0).integers(6, size=500)


def model(dtype: Any = np.float64, **options: Any) -> tuple[cybptt.RNN, cybptt.Parameters]:
    rnn = cybptt.RNN(6, 8, 6, inputs="tokens", **options)
    return rnn, rnn.init(seed=1, dtype=dtype)


def stream(**options: Any) -> Chunks:
    return Chunks(TOKENS, batch=5, steps=9, **options)


def ragged(rnn: cybptt.RNN) -> Batches:
    rng = np.random.default_rng(3)
    sequences = [rng.normal(size=(n, 2)) for n in (4, 0, 7, 2, 9, 1, 5, 3)]
    labels: Any = [rng.integers(3, size=len(s)) for s in sequences]
    if rnn.outputs == "last":
        labels = rng.integers(3, size=len(sequences))
    return Batches(sequences, labels, batch=3, outputs=rnn.outputs, epochs=3, seed=0)


def trained(rnn: cybptt.RNN, chunks: Any, **options: Any) -> Any:
    """What a run on a rank, or alone, ends with."""
    options.setdefault("optimizer", SGD(lr=0.1, momentum=0.9))
    params = rnn.init(seed=1, dtype=options.pop("dtype", np.float64))
    history = fit(rnn, params, chunks, **options)
    return params, history


def on_all(size: int, rnn: cybptt.RNN, chunks: Any, **options: Any) -> list[Any]:
    """The same on each of so many ranks."""

    def run(group: Member) -> Any:
        mine = dict(options)
        if "validation" in mine:
            mine["validation"] = shard(rnn, mine["validation"], group)
        for name in ("optimizer", "callbacks"):
            if name in mine:
                mine[name] = mine[name](group)
        return trained(rnn, shard(rnn, chunks, group), group=group, **mine)

    return on_ranks(size, run)


# ------------------------------------------------------------------ the result of one process

CASES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "a stream": (model()[0], stream(), {"epochs": 2}),
    "in windows": (model()[0], stream(window=14), {"epochs": 2}),
    "clipped": (model()[0], stream(), {"epochs": 2, "max_norm": 0.05}),
    "a schedule": (model()[0], stream(), {"epochs": 1, "schedule": cosine(0.2, 12)}),
    "output fed back": (model(recurrence="output")[0], stream(), {"epochs": 1}),
    "forced by chance": (
        model(recurrence="both")[0],
        stream(),
        {"epochs": 1, "teacher_forcing": 0.4, "seed": 3},
    ),
    "ragged": (cybptt.RNN(2, 5, 3), ragged(cybptt.RNN(2, 5, 3)), {"carry": False}),
    "the last alone": (
        cybptt.RNN(2, 5, 3, outputs="last"),
        ragged(cybptt.RNN(2, 5, 3, outputs="last")),
        {"carry": False},
    ),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", CASES)
def test_the_result_is_that_of_one_process(case: str, size: int) -> None:
    rnn, chunks, options = CASES[case]
    params, history = trained(rnn, chunks, validation=chunks, validate_every=4, **options)
    found = on_all(size, rnn, chunks, validation=chunks, validate_every=4, **options)
    assert same_bits([each.vector for each, _ in found])
    for theirs, told in found:
        np.testing.assert_allclose(theirs.vector, params.vector, rtol=0, atol=1e-12)
        assert told.stopped == history.stopped
        assert len(told.records) == len(history.records) > 3
        for one, other in zip(told.records, history.records, strict=True):
            assert one.loss == pytest.approx(other.loss, rel=1e-12)
            assert one.norm == pytest.approx(other.norm, rel=1e-10)
            assert (one.step, one.epoch, one.lr) == (other.step, other.epoch, other.lr)
            assert one.targets == other.targets
        steps, losses = zip(*told.validation, strict=True)
        assert steps == tuple(step for step, _ in history.validation)
        assert losses == pytest.approx([loss for _, loss in history.validation], rel=1e-12)
    # Records are shown on all, so they are the same there, the clock's too.
    assert all(told.records == found[0][1].records for _, told in found)


def test_a_group_of_one_changes_no_bit() -> None:
    rnn, _ = model()
    params, _ = trained(rnn, stream(), epochs=2, optimizer=Adam())
    ((alone, _),) = on_all(1, rnn, stream(), epochs=2, optimizer=lambda _: Adam())
    assert same_bits([params.vector, alone.vector])


def test_float32() -> None:
    rnn, _ = model()
    params, _ = trained(rnn, stream(), epochs=1, dtype=np.float32)
    found = on_all(3, rnn, stream(), epochs=1, dtype=np.float32)
    assert same_bits([each.vector for each, _ in found])
    assert found[0][0].dtype == np.float32
    np.testing.assert_allclose(found[0][0].vector, params.vector, rtol=0, atol=1e-6)


def test_uneven_weights_count_as_in_one_process() -> None:
    """The mean is over all ranks' weights: it is no mean of the ranks' means."""
    rnn = cybptt.RNN(2, 4, 2, loss="squared_error")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 5, 2)), rng.normal(size=(6, 5, 2))
    weights = rng.uniform(size=(6, 5)) * [0, 1, 10, 0, 0.1]
    chunks = [(x, y, {"weights": weights})] * 4
    params, history = trained(rnn, chunks)
    for theirs, told in on_all(3, rnn, chunks):
        np.testing.assert_allclose(theirs.vector, params.vector, rtol=0, atol=1e-12)
        losses = [record.loss for record in told.records]
        assert losses == pytest.approx([r.loss for r in history.records], rel=1e-12)


def test_one_allreduce_a_step() -> None:
    rnn, params = model()
    members: list[Member] = []

    def run(group: Member) -> None:
        members.append(group)
        fit(rnn, params.copy(), shard(rnn, stream(), group), optimizer=SGD(0.1), group=group)

    on_ranks(3, run)
    assert {member.reduced for member in members} == {len(stream())}
    # Two small ones a step, and five around the run.
    assert {member.gathered for member in members} == {2 * len(stream()) + 5}


def test_shards_are_the_whole_and_even() -> None:
    rnn, _ = model()
    chunks = stream(window=14)
    for size in SIZES:
        parts = on_ranks(size, lambda group: shard(rnn, chunks, group))
        assert all(len(part) == len(chunks) for part in parts)
        for k in (0, 3):
            x, y, options = chunks[k]
            mine = [part[k] for part in parts]
            assert (np.concatenate([p[0] for p in mine], axis=1) == x).all()
            assert (np.concatenate([p[1] for p in mine], axis=1) == y).all()
            weights = [p[2]["weights"] for p in mine]
            assert (np.concatenate(weights, axis=1) == options["weights"]).all()
            assert {p[2]["state_at"] for p in mine} == {options["state_at"]}
            widths = [p[0].shape[1] for p in mine]
            assert max(widths) - min(widths) <= 1
    assert repr(parts[1]).startswith("<rank 1 of 7's part of <Chunks: ")


def test_single_sequences_are_nobodys_part() -> None:
    rnn, _ = model()
    for found in on_ranks(2, lambda group: shard(rnn, [([0, 1], [1, 2])], group)[0]):
        assert str(found) == "chunks: got x of shape (2,) in chunk 0, need (T, B)"


def test_evaluate() -> None:
    rnn, params = model()
    alone = evaluate(rnn, params, stream())
    for size in SIZES:
        found = on_ranks(size, lambda g: evaluate(rnn, params, shard(rnn, stream(), g), group=g))
        assert len(set(found)) == 1
        assert found[0] == pytest.approx(alone, rel=1e-13)
    empty = np.zeros((3, 0), int)
    for found in on_ranks(2, lambda g: evaluate(rnn, params, [(empty, empty)], group=g)):
        assert str(found) == "chunks: got no step to count, need at least 1"


def test_a_single_sequence_on_each_rank(tmp_path: Any) -> None:
    """Without an axis of sequences, and on from a checkpoint: together they are a batch."""
    rnn, _ = model(recurrence="both")
    chunks = Chunks(TOKENS, batch=3, steps=9)
    path = tmp_path / "run.safetensors"
    forced = {"teacher_forcing": np.float32(0.5)}
    whole, _ = trained(rnn, chunks, steps=9, seed=0, **forced)

    def own(group: Member) -> Any:
        return [(x[:, group.rank], y[:, group.rank]) for x, y in chunks]

    on_ranks(
        3,
        lambda g: trained(rnn, own(g), steps=4, seed=0, group=g, checkpoint=path, **forced),
    )
    saved = Checkpoint.load(path)
    assert saved.state is not None
    assert saved.state.h.shape == (3, 8)
    for theirs, _ in on_ranks(
        3, lambda g: trained(rnn, own(g), steps=9, group=g, resume=saved, **forced)
    ):
        np.testing.assert_allclose(theirs.vector, whole.vector, rtol=0, atol=1e-12)
    params, _ = trained(rnn, chunks, steps=9, resume=saved, **forced)
    np.testing.assert_allclose(params.vector, whole.vector, rtol=0, atol=1e-12)


def test_chance_needs_one_seed() -> None:
    rnn, _ = model(recurrence="both")
    for found in on_all(2, rnn, stream(), teacher_forcing=0.5):
        assert "and no None: teacher forcing is drawn from it on every rank" in str(found)
    for found in on_all(2, rnn, stream(), teacher_forcing=1.5, seed=0):
        assert "teacher_forcing: got 1.5, need True, False, a probability" in str(found)
    for found in on_all(2, rnn, stream(), teacher_forcing=True, steps=2):  # draws nothing
        assert found[1].stopped == "steps"


# ------------------------------------------------------------------ checkpoints


@pytest.mark.parametrize("recurrence", ["hidden", "both"])
@pytest.mark.parametrize(("first", "then"), [(3, 3), (1, 4), (4, 1), (7, 2)])
def test_a_run_goes_on_with_any_number_of_ranks(
    first: int, then: int, recurrence: str, tmp_path: Any
) -> None:
    """From the file that rank 0 wrote in the middle of the stream, with the state of all."""
    rnn, _ = model(recurrence=recurrence)
    whole, _ = trained(rnn, stream(), steps=17)
    path = tmp_path / "run.safetensors"
    written = on_ranks(
        first,
        lambda g: trained(
            rnn,
            shard(rnn, stream(), g),
            steps=7,
            group=g,
            # Another rank's folder may not be there.
            checkpoint=path if g.rank == 0 else tmp_path / "nowhere" / "run.safetensors",
        ),
    )
    assert sorted(tmp_path.iterdir()) == [path]
    saved = Checkpoint.load(path)
    assert saved.state is not None
    assert saved.state.h.shape == (5, 8)
    for _, history in written:
        np.testing.assert_array_equal(history.checkpoint.state.h, saved.state.h)
    for theirs, history in on_all(then, rnn, stream(), steps=17, resume=saved):
        np.testing.assert_allclose(theirs.vector, whole.vector, rtol=0, atol=1e-12)
        assert [record.step for record in history.records] == list(range(8, 18))


def test_a_state_of_other_sequences_is_refused() -> None:
    rnn, _ = model()
    _, history = trained(rnn, stream(), steps=3)
    other = Chunks(TOKENS, batch=4, steps=9)
    for found in on_all(2, rnn, other, steps=5, resume=history.checkpoint):
        assert str(found) == (
            "resume.state: got h of shape (5, 8), need 4 rows, as the ranks' chunks have it"
        )


def test_a_pass_begins_from_zeros_whatever_the_state_was_of() -> None:
    """As in one process: at its end a checkpoint's state is nobody's."""
    rnn, _ = model()
    _, history = trained(rnn, stream(), epochs=1)
    other = Chunks(TOKENS[:396], batch=4, steps=9)
    assert len(other) == len(stream())
    whole, _ = trained(rnn, other, steps=20, resume=history.checkpoint)
    for theirs, _ in on_all(3, rnn, other, steps=20, resume=history.checkpoint):
        np.testing.assert_allclose(theirs.vector, whole.vector, rtol=0, atol=1e-12)


def test_only_rank_0_writes_and_all_wait_for_it(tmp_path: Any) -> None:
    rnn, _ = model()
    path = tmp_path / "run.safetensors"

    def look(record: Any) -> None:
        if record.step > 1:  # what was due after the step before is there
            assert Checkpoint.load(path).step == record.step - 1

    options = {"checkpoint": path, "checkpoint_seconds": 0.0, "steps": 6}
    for _, history in on_all(3, rnn, stream(), callbacks=lambda _: [look], **options):
        assert history.stopped == "steps"
    assert Checkpoint.load(path).step == 6


def test_a_file_that_cannot_be_written_ends_all(tmp_path: Any) -> None:
    rnn, _ = model()
    path = tmp_path / "folder" / "run.safetensors"
    path.parent.mkdir()

    def away(record: Any) -> None:
        if record.step == 3:
            path.unlink(missing_ok=True)
            path.parent.rmdir()

    first, *others = on_all(
        3, rnn, stream(), checkpoint=path, callbacks=lambda g: [away] if g.rank == 0 else []
    )
    assert isinstance(first, FileNotFoundError)
    assert {type(other) for other in others} == {RankError}
    assert all(other.rank == 0 and "FileNotFoundError" in str(other) for other in others)


# ------------------------------------------------------------------ an end that all share


def at_step_4(group: Member, error: BaseException) -> Any:
    """A callback of rank 1 that raises."""

    def raises(record: Any) -> None:
        if record.step == 4 and group.rank == 1:
            raise error

    return [raises]


def test_a_callbacks_stop_ends_all_at_the_same_step() -> None:
    rnn, _ = model()
    found = on_all(
        3,
        rnn,
        stream(),
        epochs=9,
        validation=stream(),
        callbacks=lambda g: at_step_4(g, Stop("enough")),
    )
    for params, history in found:
        assert (history.stopped, len(history.records)) == ("enough", 4)
        assert history.validation == found[0][1].validation
        assert history.validation[-1][0] == 4
        assert same_bits([params.vector, history.checkpoint.params.vector])
    assert same_bits([params.vector for params, _ in found])


def test_what_one_rank_raises_ends_all(tmp_path: Any) -> None:
    rnn, _ = model()
    path = tmp_path / "run.safetensors"
    callbacks = lambda g: at_step_4(g, ZeroDivisionError("on purpose"))  # noqa: E731
    found = on_all(3, rnn, stream(), checkpoint=path, callbacks=callbacks)
    assert isinstance(found[1], ZeroDivisionError)
    for other in (found[0], found[2]):
        assert isinstance(other, RankError)
        assert str(other) == "rank 1 raised ZeroDivisionError: on purpose"
        assert other.rank == 1
        assert "in raises" in other.traceback
        again = pickle.loads(pickle.dumps(other))
        assert (str(again), again.rank, again.traceback) == (str(other), 1, other.traceback)
    saved = Checkpoint.load(path)
    assert saved.step == 4
    assert saved.state is not None
    assert saved.state.h.shape == (5, 8)


def test_ctrl_c_on_one_rank_is_one_on_all() -> None:
    rnn, _ = model()
    for found in on_all(3, rnn, stream(), callbacks=lambda g: at_step_4(g, KeyboardInterrupt())):
        assert isinstance(found, Interrupted)
        assert (found.history.stopped, found.history.checkpoint.step) == ("interrupted", 4)


def test_a_bad_chunk_on_one_rank_ends_all() -> None:
    rnn, params = model()

    def run(group: Member) -> Any:
        mine = list(shard(rnn, stream(), group))
        if group.rank == 2:
            mine[3] = (mine[3][0] + 9, mine[3][1])
        mine_too = params.copy()
        try:
            fit(rnn, mine_too, mine, optimizer=SGD(lr=0.1), group=group)
        except (ValueError, RankError) as error:
            return mine_too, error

    found = on_ranks(3, run)
    assert [type(error) for _, error in found] == [RankError, RankError, ValueError]
    assert str(found[0][1]) == f"rank 2 raised ValueError: {found[2][1]}"
    after_three, _ = trained(rnn, stream(), steps=3, optimizer=SGD(lr=0.1))
    for mine, _ in found:
        np.testing.assert_allclose(mine.vector, after_three.vector, rtol=0, atol=1e-12)


@pytest.mark.parametrize("validation", [False, True])
def test_an_update_that_fails_on_one_rank(validation: bool, tmp_path: Any) -> None:
    """The others have taken the step: the ranks are no whole, and what was written stays."""
    rnn, _ = model()
    path = tmp_path / "run.safetensors"

    class Fails(SGD):
        calls = 0

        def step(self, params: Any, grad: Any) -> None:
            super().step(params, grad)
            self.calls += 1
            if self.calls == 3:
                raise MemoryError("on purpose")

        def state_dict(self) -> dict[str, Any]:  # as the others', for the ranks compare
            return super().state_dict() | {"optimizer": "SGD"}

        def load_state_dict(self, state: Any) -> None:
            super().load_state_dict({**state, "optimizer": "Fails"})

    options: dict[str, Any] = {"checkpoint": path, "checkpoint_seconds": 0.0}
    if validation:  # the others are at the validation when they learn of it
        options |= {"validation": stream(), "validate_every": 1}
    found = on_all(
        3,
        rnn,
        stream(),
        optimizer=lambda g: Fails(lr=0.1) if g.rank == 1 else SGD(lr=0.1),
        **options,
    )
    assert [type(error) for error in found] == [RankError, MemoryError, RankError]
    assert Checkpoint.load(path).step == 2


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_what_is_not_finite_on_one_rank_stops_all(where: str, tmp_path: Any) -> None:
    rnn = cybptt.RNN(2, 3, 2, loss="squared_error", activation="relu")
    rng = np.random.default_rng(0)
    chunks = [(rng.normal(size=(4, 3, 2)), rng.normal(size=(4, 3, 2))) for _ in range(6)]
    large = 1e200 if where == "loss" else 1e154
    chunks[4][1][1, 1, 0] = large  # squared it overflows; or the gradient's sum does
    chunks[4][0][1, 1, 1] = 1.0 if where == "loss" else 1e160
    path = tmp_path / "run.safetensors"
    found = on_all(3, rnn, chunks, carry=False, checkpoint=path, optimizer=lambda _: SGD(lr=0.01))
    assert {type(error) for error in found} == {NonFiniteError}
    assert len({str(error) for error in found}) == 1
    assert "step 5: " in str(found[0])
    assert " on rank 1; the parameters are those after step 3" in str(found[0])
    for error in found:
        assert (error.step, error.history.stopped) == (5, "not finite")
        assert error.history.checkpoint.step == 3
    assert Checkpoint.load(path).step == 3


def test_a_sum_over_ranks_that_overflows_stops_all() -> None:
    rnn = cybptt.RNN(1, 1, 1, loss="squared_error", activation="identity")
    large = 1.5e308
    chunks = [(np.ones((1, 2, 1)), np.zeros((1, 2, 1)), {"reduction": 1.0})] * 2

    def run(group: Member) -> Any:
        before = group.allreduce

        def inflate(vector: Any) -> None:
            vector[0] = large
            with np.errstate(over="ignore"):
                before(vector)

        group.allreduce = inflate  # type: ignore[method-assign]
        return trained(rnn, shard(rnn, chunks, group), group=group, carry=False)

    found = on_ranks(2, run)
    assert {type(error) for error in found} == {NonFiniteError}
    assert "U is not finite (inf at [0, 0]), added up over ranks" in str(found[0])


# ------------------------------------------------------------------ ranks that do not agree


def differing(name: str, group: Member) -> Any:
    """A run in which the last rank is given something else."""
    other = group.rank == group.size - 1
    rnn, params = model(np.float32 if other and name == "dtype" else np.float64)
    if other and name == "rnn":
        rnn = cybptt.RNN(6, 8, 6, inputs="tokens", activation="relu")
        params = rnn.init(seed=1)
    if other and name == "params":
        params = rnn.init(seed=2)
    chunks = list(shard(rnn, stream(), group))
    options: dict[str, Any] = {
        "max_norm": 1.0,
        "steps": 5,
        "validation": chunks,
        "schedule": cosine(0.1, 5),
        "metadata": {"text": 1},
        "carry": False,
        "validate_every": 2,
    }
    changes = {
        "max_norm": {"max_norm": None},
        "steps": {"steps": 6},
        "validation": {"validation": None},
        "schedule": {"schedule": cosine(0.2, 5)},
        "metadata": {"metadata": {"text": 2}},
        "carry": {"carry": True},
        "validate_every": {"validate_every": 3},
    }
    if other:
        options |= changes.get(name, {})
        if name == "number of chunks":
            chunks = chunks[:-1]
    optimizer = Adam() if other and name == "optimizer" else SGD(lr=0.1)
    start = params.vector.copy()
    try:
        return fit(rnn, params, chunks, optimizer=optimizer, group=group, **options)
    finally:
        assert same_bits([start, params.vector])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rnn", "rnn: got RNN(6, 8, 6, activation='relu', inputs='tokens') on rank 2, need RNN(6"),
        ("dtype", "dtype of params: got float32 on rank 2, need float64, as on rank 0"),
        ("params", "params: got "),
        ("number of chunks", "number of chunks: got 10 on rank 2, need 11, as on rank 0"),
        ("optimizer", "optimizer: got Adam "),
        ("max_norm", "max_norm: got None on rank 2, need 1.0, as on rank 0"),
        ("steps", "steps: got 6 on rank 2, need 5, as on rank 0"),
        ("validation", "validation: got False on rank 2, need True, as on rank 0"),
        ("schedule", "schedule: got 0.2 on rank 2, need 0.1, as on rank 0"),
        ("metadata", "metadata: got "),
        ("carry", "carry: got True on rank 2, need False, as on rank 0"),
        ("validate_every", "validate_every: got 3 on rank 2, need 2, as on rank 0"),
    ],
)
def test_ranks_that_disagree_are_told_before_the_first_step(name: str, message: str) -> None:
    found = on_ranks(3, lambda group: differing(name, group))
    assert {type(error) for error in found} == {ValueError}
    assert len({str(error) for error in found}) == 1
    assert str(found[0]).startswith(message)


def test_another_width_and_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    rnn = cybptt.RNN(2, 3, 2)
    x, y = np.zeros((4, 1, 2)), np.zeros((4, 1), int)

    def run(group: Member) -> Any:
        chunk = (x if group.rank else np.zeros((4, 1, 3)), y)
        return fit(rnn, rnn.init(seed=0), [chunk], optimizer=SGD(lr=0.1), group=group)

    for found in on_ranks(2, run):
        assert str(found) == "width of x: got 2 on rank 1, need 3, as on rank 0"

    class Older(Member):
        def allgather(self, value: Any) -> list[Any]:
            failed, told = value
            if self.rank == 1 and told:
                value = failed, told | {"version of cybptt": "0.0.1"}
            return super().allgather(value)

    def older(group: Member) -> Any:
        old = Older(group._meeting, group.rank)
        return fit(rnn, rnn.init(seed=0), [(x, y)], optimizer=SGD(lr=0.1), group=old)

    for found in on_ranks(2, older):
        need = f"need {cybptt.__version__}, as on rank 0"
        assert str(found) == f"version of cybptt: got 0.0.1 on rank 1, {need}"


def test_an_argument_that_is_wrong_on_one_rank() -> None:
    rnn, params = model()

    def run(group: Member) -> Any:
        steps = -1 if group.rank == 1 else 5
        chunks = shard(rnn, stream(), group)
        return fit(rnn, params.copy(), chunks, optimizer=SGD(lr=0.1), steps=steps, group=group)

    first, second = on_ranks(2, run)
    assert isinstance(first, RankError)
    assert isinstance(second, ValueError)
    assert str(first) == f"rank 1 raised ValueError: {second}"


def test_ranks_that_drift_apart_are_told() -> None:
    rnn, _ = model()

    def callbacks(group: Member) -> Any:
        def changes(record: Any) -> None:
            if record.step == 10 and group.rank == 1:
                optimizers[1].lr = 0.5

        return [changes]

    optimizers: dict[int, Any] = {}

    def optimizer(group: Member) -> Any:
        return optimizers.setdefault(group.rank, SGD(lr=0.1))

    found = on_all(2, rnn, stream(), epochs=9, callbacks=callbacks, optimizer=optimizer)
    need = "need the same on every rank (a callback that changes it has to be given to all)"
    for error in found:
        assert str(error) == f"optimizer.lr: got 0.5 on rank 1 and 0.1 on rank 0, {need}"

    def spoil(group: Member) -> Any:
        params = rnn.init(seed=1)

        def changes(record: Any) -> None:
            if record.step == 10 and group.rank == 1:
                params.vector[0] += 1e-9

        chunks = shard(rnn, stream(), group)
        return fit(
            rnn,
            params,
            chunks,
            optimizer=SGD(lr=0.1),
            epochs=9,
            group=group,
            callbacks=[changes],
        )

    for error in on_ranks(2, spoil):
        assert str(error) == f"params: got others on rank 1 than on rank 0, {need}"


@pytest.mark.parametrize("last", [3, 64])
def test_no_run_ends_with_ranks_that_have_drifted_apart(last: int) -> None:
    """Nor is a step taken at two rates."""
    rnn, _ = model()
    need = "need the same on every rank (a callback that changes it has to be given to all)"

    def spoil(group: Member) -> Any:
        params = rnn.init(seed=1)

        def changes(record: Any) -> None:
            if record.step == last and group.rank == 1:
                params.vector[0] += 1e-9

        chunks, optimizer = shard(rnn, stream(), group), SGD(lr=0.1)
        fit(rnn, params, chunks, optimizer=optimizer, steps=last, group=group, callbacks=[changes])

    for error in on_ranks(2, spoil):
        assert str(error) == f"params: got others on rank 1 than on rank 0, {need}"

    def at_two_rates(group: Member) -> Any:
        def rate(step: int) -> float:
            return 0.1 * (2 if step == last - 1 and group.rank else 1)

        params = rnn.init(seed=1)
        chunks, optimizer = shard(rnn, stream(), group), SGD(lr=0.1)
        try:
            fit(rnn, params, chunks, optimizer=optimizer, steps=last, group=group, schedule=rate)
        except ValueError as error:
            return str(error), params.vector
        return None

    (one, mine), (other, theirs) = on_ranks(2, at_two_rates)
    assert one == other == f"optimizer.lr: got 0.2 on rank 1 and 0.1 on rank 0, {need}"
    assert same_bits([mine, theirs])


def test_an_error_that_cannot_be_told_is_told_by_its_name() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise AttributeError("no such")

    rnn, _ = model()

    def callbacks(group: Member) -> Any:
        def fails(record: Any) -> None:
            if record.step == 3 and group.rank == 1:
                raise Mute

        return [fails]

    first, second = on_all(2, rnn, stream(), epochs=1, callbacks=callbacks)
    assert type(second) is Mute
    assert str(first) == "rank 1 raised Mute"


def test_a_reduction_is_every_ranks_or_none() -> None:
    rnn, _ = model()

    def run(group: Member) -> Any:
        x, y = shard(rnn, stream(), group)[0]
        chunk = (x, y, {"reduction": 9.0}) if group.rank else (x, y)
        return trained(rnn, [chunk], group=group)

    for error in on_ranks(2, run):
        assert str(error) == (
            "reduction: got a chunk with one on rank 1, need it on every rank or on none"
        )


def test_no_step_that_counts_on_any_rank() -> None:
    rnn, _ = model()
    x, y = stream()[0]
    chunks = [(x, y, {"weights": np.zeros(x.shape)})]
    for error in on_all(2, rnn, chunks):
        assert str(error) == "chunks: got no step that counts on any rank, need at least 1"


def test_what_is_no_group() -> None:
    rnn, params = model()
    for bad in (3, object(), Member):
        for call in (
            lambda bad=bad: fit(rnn, params, stream(), optimizer=SGD(lr=0.1), group=bad),
            lambda bad=bad: evaluate(rnn, params, stream(), group=bad),
            lambda bad=bad: shard(rnn, stream(), bad),
        ):
            with pytest.raises(TypeError, match=r"^group: got .*, need a cybptt\.train\.Group"):
                call()
    assert all(isinstance(each, Group) for each in on_ranks(2, lambda group: group))


def test_an_exchange_is_not_cut_short_by_ctrl_c() -> None:
    """Not even where Ctrl-C is let through, as in a validation: it is answered after it."""

    class Pressed:
        rank, size, exchanged = 0, 2, 0

        def allgather(self, value: Any) -> list[Any]:
            signal.raise_signal(signal.SIGINT)
            self.exchanged += 1
            return [value, value]

        def allreduce(self, vector: Any) -> None: ...

    group = Pressed()
    ranks = Ranks(group)

    def exchange() -> None:
        with SignalGuard() as guard:
            ranks.guard = guard
            with guard.open(), ranks.together() as told:
                told.value = "mine"
            assert told.all == ["mine", "mine"]

    with pytest.raises(KeyboardInterrupt):
        exchange()
    assert group.exchanged == 1
