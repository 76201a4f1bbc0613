"""`cybptt.mpi` on one to four ranks of the mpich wheel: what they compute, together and one by one.

What does not depend on MPI is held by tests/test_train_groups.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shims
from mpi4py import MPI
from mpi_jobs import job

import cybptt
from cybptt.mpi import Group
from cybptt.optim import SGD
from cybptt.train import Checkpoint, evaluate, fit, shard
from cybptt.train import Group as Protocol

TRAINING = """
import hashlib, json, sys
from pathlib import Path
import numpy as np
import cybptt
from cybptt.data import Batches, Chunks
from cybptt.optim import SGD, Adam
from cybptt.train import evaluate, fit

def problems():
    tokens = np.random.default_rng(0).integers(6, size=500)
    stream = Chunks(tokens, batch=5, steps=9)       # uneven on 2, 3 and 4 ranks
    few = Chunks(tokens[:200], batch=2, steps=9)    # empty shards on 3 and 4
    rng = np.random.default_rng(3)
    sequences = [rng.normal(size=(n, 2)) for n in (4, 0, 7, 2, 9, 1, 5, 3)]
    labels = [rng.integers(3, size=len(s)) for s in sequences]
    ragged = Batches(sequences, labels, batch=3, epochs=8, seed=0)
    tokens_in = cybptt.RNN(6, 8, 6, inputs="tokens")
    both = cybptt.RNN(6, 8, 6, inputs="tokens", recurrence="both")
    momentum = lambda: SGD(lr=0.1, momentum=0.9)
    yield "stream", tokens_in, stream, momentum(), {"max_norm": 0.5, "epochs": 2}
    yield "Adam", tokens_in, stream, Adam(lr=0.01), {"epochs": 2}
    yield "empty shards", tokens_in, few, momentum(), {"epochs": 2}
    yield "chance", both, stream, momentum(), {"teacher_forcing": 0.5, "seed": 1}
    yield "ragged", cybptt.RNN(2, 5, 3), ragged, momentum(), {"carry": False}

def train(group=None, dtype=np.float64):
    for name, rnn, chunks, optimizer, options in problems():
        if group is not None:
            from cybptt.train import shard
            chunks = shard(rnn, chunks, group)
        params = rnn.init(seed=1, dtype=dtype)
        history = fit(rnn, params, chunks, optimizer=optimizer, validation=chunks,
                      group=group, n_threads=1, **options)
        carry = options.get("carry", True)
        value = evaluate(rnn, params, chunks, carry=carry, group=group)
        assert value == history.validation[-1][1]
        yield name, params.vector, [r.loss for r in history.records], value
"""

ON_RANKS = """
from cybptt.mpi import Group
group = Group()
for dtype in ("float64", "float32"):
    for name, vector, losses, value in train(group, dtype):
        mine = hashlib.sha256(vector.tobytes()).hexdigest()
        assert set(group.allgather(mine)) == {mine}, "not the same bits on all ranks"
        if group.rank == 0:
            np.savez(f"{name}-{dtype}.npz", vector=vector, losses=losses, value=value)
sys.stdout.write(f"rank {group.rank} of {group.size} {group.n_threads}\\n")
"""


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    """What one process without MPI has."""
    names: dict[str, Any] = {}
    exec(TRAINING, names)
    return {
        f"{name}-{dtype}": (vector.copy(), losses, value)
        for dtype in ("float64", "float32")
        for name, vector, losses, value in names["train"](dtype=dtype)
    }


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_the_result_is_that_of_one_process(n: int, alone: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(TRAINING + ON_RANKS)
    done = job(n, "-W", "error", "job.py", folder=tmp_path)
    assert (done.status, done.err) == (0, "")
    assert sorted(done.out.split("\n")[:-1]) == [f"rank {k} of {n} 1" for k in range(n)]
    assert len(alone) == 10
    for name, (vector, losses, value) in alone.items():
        found = np.load(tmp_path / f"{name}.npz")
        tolerance = 1e-12 if name.endswith("64") else 1e-5
        np.testing.assert_allclose(found["vector"], vector, rtol=0, atol=tolerance)
        np.testing.assert_allclose(found["losses"], losses, rtol=tolerance)
        np.testing.assert_allclose(found["value"], value, rtol=tolerance)


CARRY = """
import sys
import numpy as np
from cybptt.mpi import Group
group = Group()
# Shorter than a frame, as long as one, longer on one rank alone, and much longer.
for size in (0, 100, 225, 226, 230, 240, 250, 1000, 10**6):
    mine = bytes([group.rank]) * (size if group.rank == 1 else size // 2)
    for each in (mine, (mine, group.rank), None):
        found = group.allgather(each)
        assert len(found) == group.size and found[group.rank] == each
        if each is mine:
            sizes = [size if k == 1 else size // 2 for k in range(group.size)]
            assert found == [bytes([k]) * s for k, s in enumerate(sizes)]
for dtype in (np.float32, np.float64):
    for size in (0, 1, 1000, 10**6):
        vector = np.arange(size, dtype=dtype) + group.rank
        group.allreduce(vector)
        n = group.size
        assert (vector == n * np.arange(size, dtype=dtype) + n * (n - 1) // 2).all()
sys.stdout.write("fine\\n")
"""


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_values_of_any_size_travel(n: int, tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(CARRY)
    done = job(n, "job.py", folder=tmp_path)
    assert (done.status, done.err, done.out.count("fine")) == (0, "", n)


HALVES = """
import sys
import numpy as np
from mpi4py import MPI
import cybptt
from cybptt.data import Chunks
from cybptt.mpi import Group
from cybptt.optim import SGD
from cybptt.train import fit, shard
half = MPI.COMM_WORLD.Split(MPI.COMM_WORLD.rank // 2)
group = Group(half)
assert group.size == 2 and repr(group) == f"<Group: rank {half.rank} of 2>"
rnn = cybptt.RNN(6, 8, 6, inputs="tokens")
params = rnn.init(seed=MPI.COMM_WORLD.rank // 2)
chunks = Chunks(np.arange(400) % 6, batch=5, steps=9)
# The two trainings end at different steps, and go their ways.
fit(rnn, params, shard(rnn, chunks, group), optimizer=SGD(lr=0.1), group=group,
    steps=20 + 5 * params.vector.size % 7 + MPI.COMM_WORLD.rank // 2)
sys.stdout.write(f"{len(set(MPI.COMM_WORLD.allgather(params.vector.tobytes())))}\\n")
"""


def test_a_communicator_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(HALVES)
    done = job(4, "job.py", folder=tmp_path)
    assert (done.status, done.err, done.out.split()) == (0, "", ["2"] * 4)


THREADS = """
import sys
from cybptt.mpi import Group
sys.stdout.write(f"{Group().n_threads}\\n")
"""


@pytest.mark.parametrize("n", [1, 2])
def test_there_can_be_any_number_of_groups(n: int, tmp_path: Path) -> None:
    """Of all processes; MPI has room for some two thousand communicators."""
    program = "from cybptt.mpi import Group\nfor i in range(2500): group = Group()\n"
    program += "assert group.allgather(group.rank) == list(range(group.size))\n"
    (tmp_path / "job.py").write_text(program)
    done = job(n, "job.py", folder=tmp_path)
    assert (done.status, done.err) == (0, "")


def test_ranks_share_out_the_processors(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(THREADS)
    processors = len(os.sched_getaffinity(0))
    for n in (1, 2, 4):
        done = job(n, "job.py", folder=tmp_path, CYBPTT_NUM_THREADS="", OMP_NUM_THREADS="")
        assert done.out.split() == [str(max(1, processors // n))] * n


# ------------------------------------------------------------------ without mpiexec


def test_one_process_is_a_group_of_one() -> None:
    group = Group()
    assert isinstance(group, Protocol)
    assert (group.rank, group.size, repr(group)) == (0, 1, "<Group: rank 0 of 1>")
    rnn = cybptt.RNN(2, 3, 2)
    rng = np.random.default_rng(0)
    chunks = [(rng.normal(size=(5, 3, 2)), rng.integers(2, size=(5, 3)))] * 4
    one, other = rnn.init(seed=0), rnn.init(seed=0)
    fit(rnn, one, chunks, optimizer=SGD(lr=0.1))
    fit(rnn, other, shard(rnn, chunks, group), optimizer=SGD(lr=0.1), group=group)
    assert one.vector.tobytes() == other.vector.tobytes()
    assert evaluate(rnn, one, chunks, group=group) == evaluate(rnn, one, chunks)


def test_what_is_no_communicator() -> None:
    for bad in (3, "world", MPI.Group(), MPI.COMM_NULL):
        with pytest.raises(TypeError, match=r"^comm: got .*, need a communicator of mpi4py's"):
            Group(bad)


@pytest.mark.parametrize(
    "bad",
    [[1.0], 3, np.ones((2, 2)), np.ones(3, int), np.ones(6)[::2], np.ones(3, ">f8")],
    ids=lambda bad: f"{bad!r}"[:30],
)
def test_what_is_no_vector(bad: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^vector: got .*, need a contiguous vector"):
        Group().allreduce(bad)
    fixed = np.ones(3)
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match="vector: got"):
        Group().allreduce(fixed)


IMPORT = """
try:
    import cybptt.mpi
except ImportError as error:
    print(error)
"""


def test_an_mpi_library_that_is_missing_is_named() -> None:
    said = shims.program(IMPORT, MPI4PY_LIBMPI="/no/library.so")
    assert said == (
        "cybptt.mpi needs an MPI library that mpi4py can load, the system's or that of "
        "`pip install mpich`: cannot load MPI library\n"
    )


HOOK = """
import sys
before = sys.excepthook
import cybptt.mpi
print(sys.excepthook is before)
"""


def test_alone_errors_are_told_as_ever() -> None:
    assert shims.program(HOOK) == "True\n"


# ------------------------------------------------------------------ the command line


def small(*arguments: str) -> list[str]:
    options = {"--hidden": 8, "--batch": 5, "--chunk": 10, "--dtype": "float64", "--decay": 0}
    words = [str(word) for pair in options.items() for word in pair]
    return ["-m", "cybptt", "train", "text.txt", *words, *arguments]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = (f"{k} bottles of beer on the wall, {k} bottles of beer;\n" for k in range(60))
    (tmp_path / "text.txt").write_text("".join(lines))
    return tmp_path


def test_mpiexec_is_all_it_takes(folder: Path) -> None:
    """One introduction, one result, one file: that of a run in one process."""
    said = {}
    for n in (1, 2, 4):
        done = job(n, *small("--steps", "30", "--out", f"{n}.safetensors"), folder=folder)
        assert (done.status, done.err) == (0, ""), done.err
        said[n] = done.out
        assert done.out.count("text    text.txt:") == 1
        assert done.out.count("\nresult  ") == 1
        assert f"\nranks   {n} processes" in done.out or n == 1
    results = {next(s for s in out.split("\n") if "result" in s) for out in said.values()}
    assert len(results) == 1
    one, *others = (Checkpoint.load(folder / f"{n}.safetensors") for n in (1, 2, 4))
    for other in others:
        difference = np.abs(other.params.vector - one.params.vector)
        assert difference.max() < 1e-10  # Adam divides by what may be all rounding
        assert (other.step, other.metadata) == (30, one.metadata)
        assert other.state is not None
        assert one.state is not None
        assert other.state.h.shape == one.state.h.shape
    # And on with another number of processes.
    done = job(3, *small("--steps", "40", "--resume", "4.safetensors"), folder=folder)
    assert (done.status, done.err) == (0, "")
    assert Checkpoint.load(folder / "4.safetensors").step == 40


OTHER_TEXT = """
import os, sys
from pathlib import Path
how, *arguments = sys.argv[1:]
if os.environ["PMI_RANK"] == "1":
    text = Path("text.txt").read_text()
    Path("other.txt").write_text(text[::-1] if how == "changed" else "")
    arguments[1] = "other.txt" if how == "changed" else "none.txt"
from cybptt.__main__ import main
sys.exit(main(arguments))
"""


def test_a_mistake_is_told_once(folder: Path) -> None:
    done = job(3, *small("--steps", "30", "--hidden", "0"), folder=folder)
    assert done.status == 2
    assert done.err.count("cybptt: --hidden: got 0, need an integer ≥ 1") == 1


def test_a_text_that_one_rank_lacks(folder: Path) -> None:
    """Or has another of: the ranks compare what they read."""
    (folder / "job.py").write_text(OTHER_TEXT)
    done = job(2, "job.py", "lacks", *small("--steps", "30")[2:], folder=folder)
    assert done.status == 2
    assert done.err.count("cybptt: none.txt: No such file or directory") == 1
    done = job(2, "job.py", "changed", *small("--steps", "30")[2:], folder=folder)
    assert done.status == 2
    assert "cybptt: metadata: got " in done.err


def test_an_mpiexec_of_another_library_is_told(folder: Path) -> None:
    """All its processes would train a model each, and write one file."""
    done = subprocess.run(
        [sys.executable, *small("--steps", "3")],
        cwd=folder,
        env=os.environ | {"SLURM_STEP_NUM_TASKS": "4"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "cybptt: mpiexec: got 4 processes, each alone for the MPI library of mpi4py, need the "
        "mpiexec of that library\n"
    )


def test_the_record_of_a_run_is_json(folder: Path) -> None:
    done = job(2, *small("--steps", "3", "--out", "a.safetensors"), folder=folder)
    assert done.status == 0
    metadata = cybptt.read_metadata(folder / "a.safetensors")
    assert json.loads(json.dumps(metadata))["options"]["batch"] == 5
