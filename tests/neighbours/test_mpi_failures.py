"""Where a rank fails: the job ends within ten seconds, with its traceback, the checkpoint whole."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mpi_jobs import MPIEXEC, PATIENCE, Done, job

from cybptt.train import Checkpoint

JOB = """
import os, signal, sys, time
import numpy as np
import cybptt
from cybptt.data import Chunks
from cybptt.mpi import Group
from cybptt.optim import Adam
from cybptt.train import Stop, fit, shard

how = sys.argv[1]
group = Group()
failing = group.rank == 1

def note():
    open("failed", "w").write(str(time.time()))

def ends():
    note()
    if how.startswith("raises"): raise ZeroDivisionError("on purpose")
    if how.startswith("killed"): os.kill(os.getpid(), signal.SIGKILL)
    if how.startswith("terminated"): os.kill(os.getpid(), signal.SIGTERM)
    if how.startswith("leaves"): sys.exit(0)
    if how.startswith("exits"): sys.exit(3)
    if how.startswith("interrupted"): os.kill(os.getpid(), signal.SIGINT); time.sleep(1)
    if how.startswith("aborts"): os.abort()

if failing and how.endswith("before"):
    ends()
rnn = cybptt.RNN(6, 16, 6, inputs="tokens")
params = rnn.init(seed=0)
chunks = list(shard(rnn, Chunks(np.arange(3000) % 6, batch=7, steps=10), group))
if failing and how == "bad data":
    note()
    chunks[12] = (chunks[12][0] + 7, chunks[12][1])
if failing and how == "not finite":
    rnn = cybptt.RNN(6, 16, 6, inputs="tokens")
    class Spoilt(list):
        def __getitem__(self, k):
            if k == 12:
                note()
                params.vector[...] = np.nan
            return super().__getitem__(k)
    chunks = Spoilt(chunks)

def at_step(record):
    if failing and how.endswith("within") and record.step == 12:
        ends()

history = fit(rnn, params, chunks, optimizer=Adam(lr=0.01), epochs=10**6, group=group,
              callbacks=[at_step], checkpoint="run.safetensors", checkpoint_seconds=0.0)
if failing and how.endswith("after"):
    ends()
group.allgather(None)
"""


def failing(how: str, folder: Path, n: int = 4) -> Done:
    """The job, which has to end within ten seconds of the failure."""
    script = JOB.replace("epochs=10**6", "epochs=1") if how.endswith("after") else JOB
    (folder / "job.py").write_text(script)
    done = job(n, "job.py", how, folder=folder)
    assert done.status != 0, done.out
    assert done.ended - float((folder / "failed").read_text()) < 10
    return done


def whole(folder: Path, *steps: int) -> None:
    """The file is there, and one of these steps'; nothing else was left."""
    saved = Checkpoint.load(folder / "run.safetensors")
    assert saved.step in steps
    assert saved.state is not None
    assert saved.state.h.shape == (7, 16)


@pytest.mark.parametrize("when", ["before", "within", "after"])
@pytest.mark.parametrize("n", [2, 4])
def test_an_error_that_nobody_catches(when: str, n: int, tmp_path: Path) -> None:
    done = failing(f"raises {when}", tmp_path, n)
    assert "cybptt: rank 1 of" in done.err
    assert re.search(r"Traceback .*\n(  .*\n)+ZeroDivisionError: on purpose\n", done.err)
    assert done.err.count("Traceback") == 1
    if when == "within":
        whole(tmp_path, 12)
        assert {path.name for path in tmp_path.iterdir()} == {"job.py", "failed", "run.safetensors"}


@pytest.mark.parametrize("how", ["killed", "terminated", "aborts"])
@pytest.mark.parametrize("when", ["before", "within", "after"])
def test_a_process_that_dies(how: str, when: str, tmp_path: Path) -> None:
    failing(f"{how} {when}", tmp_path)
    if when == "within":
        whole(tmp_path, *range(5, 13))


@pytest.mark.parametrize("how", ["leaves", "exits"])
@pytest.mark.parametrize("when", ["before", "within", "after"])
def test_a_process_that_leaves(how: str, when: str, tmp_path: Path) -> None:
    done = failing(f"{how} {when}", tmp_path)
    if when == "within":
        assert "raised SystemExit: " + ("0" if how == "leaves" else "3") in done.err
        whole(tmp_path, 12)
    else:
        assert "RankError: rank 1 has left while rank 2 waits" in done.err


def test_bad_data_on_one_rank(tmp_path: Path) -> None:
    done = failing("bad data", tmp_path)
    assert "ValueError: x: got " in done.err
    assert done.err.count("Traceback") == 1
    whole(tmp_path, 12)


def test_what_is_not_finite_on_one_rank(tmp_path: Path) -> None:
    """All stop at the same step, which the first of them tells."""
    done = failing("not finite", tmp_path)
    assert done.err.count("NonFiniteError: step 13: the loss is nan and the gradient of U") == 1
    assert " on rank 1; the parameters are those after step 11" in done.err
    whole(tmp_path, 11)


def test_ctrl_c_on_one_rank(tmp_path: Path) -> None:
    done = failing("interrupted within", tmp_path)
    assert done.status == 130
    assert done.err.count("Interrupted: interrupted after step 12") == 1
    whole(tmp_path, 12)


DISAGREE = """
import sys
import numpy as np
import cybptt
from cybptt.mpi import Group
from cybptt.optim import SGD
from cybptt.train import fit

what = sys.argv[1]
group = Group()
other = group.rank == 2
if other and what == "version":
    cybptt.__version__ = "0.0.1"
rnn = cybptt.RNN(3, 5 if other and what == "model" else 4, 2)
width = 2 if other and what == "width" else 3
dtype = np.float32 if other and what == "dtype" else np.float64
chunk = (np.ones((6, 2, width)), np.zeros((6, 2), int))
params = rnn.init(seed=0, dtype=dtype)
def no_step(record):
    print("a step was taken")
fit(rnn, params, [chunk], optimizer=SGD(lr=0.1), group=group, callbacks=[no_step])
"""


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("model", "rnn: got RNN(3, 5, 2) on rank 2, need RNN(3, 4, 2), as on rank 0"),
        ("width", "width of x: got 2 on rank 2, need 3, as on rank 0"),
        ("dtype", "dtype of params: got float32 on rank 2, need float64, as on rank 0"),
        ("version", "version of cybptt: got 0.0.1 on rank 2, need "),
    ],
)
def test_ranks_that_disagree_are_told_before_the_first_step(
    what: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "job.py").write_text(DISAGREE)
    done = job(3, "job.py", what, folder=tmp_path)
    assert done.status != 0
    assert done.out == ""
    assert done.err.count(f"ValueError: {message}") == 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_mpiexec_keeps_the_model(number: int, status: int, tmp_path: Path) -> None:
    """As of one process: all stop after a step, and it can be gone on from."""
    lines = (f"{k} bottles of beer on the wall, {k} bottles of beer;\n" for k in range(60))
    (tmp_path / "text.txt").write_text("".join(lines))
    command = [MPIEXEC, "-n", "3", sys.executable, "-m", "cybptt", "train", "text.txt"]
    options = ["--hidden", "8", "--batch", "5", "--chunk", "10", "--steps", "10000000"]
    started = subprocess.Popen(
        [*command, *options, "--out", "run.safetensors", "--validate-every", "1"],
        cwd=tmp_path,
        env=os.environ | {"CYBPTT_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with started:
        assert started.stdout is not None
        for line in started.stdout:
            if line.startswith("step "):
                break
        started.send_signal(number)
        try:
            out, err = started.communicate(timeout=PATIENCE)
        finally:
            started.kill()
    assert started.returncode == status, err
    assert out.count("interrupted after step ") == 1
    assert "Traceback" not in err
    saved = Checkpoint.load(tmp_path / "run.safetensors")
    assert f"interrupted after step {saved.step:,} of" in out
