"""Races: what is compared, who takes turns, what is said; and `cybptt bench`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench_calls import environment, holding, of_value, that_fails

import cybptt
from cybptt.__main__ import main
from cybptt._bench import libraries, race, tables, worker
from cybptt._bench.cells import CELLS, Cell
from cybptt._bench.race import RaceError, Result

QUICK = ["--rounds", "2", "--seconds", "0.001"]


# ------------------------------------------------------------------ the work


@pytest.mark.parametrize("inputs", ["values", "tokens", "one-hot"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_do_the_same_work(inputs: str, dtype: str) -> None:
    cell = Cell("small", 3, 7, 5, 6, 4, inputs)
    calls = [libraries.by_cybptt(cell, dtype), libraries.by_numpy(cell, dtype)]
    for _ in range(2):  # the second writes into what the first returned
        ours, numpys = (call() for call in calls)
        for one, other in zip(ours, numpys, strict=True):
            assert np.asarray(one).dtype == (np.float64 if np.ndim(one) == 0 else dtype)
            np.testing.assert_allclose(one, other, rtol=1e-4 if dtype == "float32" else 1e-12)


def test_one_hot_rows_are_the_tokens() -> None:
    tokens = Cell("small", 3, 7, 5, 6, 4, "tokens")
    x, rows = tokens.data("float64")["x"], replace(tokens, inputs="one-hot").data("float64")["x"]
    np.testing.assert_array_equal(rows.argmax(axis=-1), x)
    np.testing.assert_array_equal(rows.sum(axis=-1), 1)


def test_flops_by_hand() -> None:
    """W h and V h thrice, U x twice, two operations each; tokens are looked up."""
    cell = Cell("small", 3, 7, 5, 6, 4)
    assert cell.flops == 2 * 21 * (3 * 36 + 3 * 24 + 2 * 30)
    assert replace(cell, inputs="tokens").flops == 2 * 21 * (3 * 36 + 3 * 24)


def test_what_is_installed() -> None:
    assert [name for name in libraries.installed() if name in ("cybptt", "numpy")] == [
        "cybptt",
        "numpy",
    ]


# ------------------------------------------------------------------ the race


class Turn:
    """A worker that notes who is asked."""

    def __init__(self, label: str, log: list[str]) -> None:
        self.label, self.log = label, log

    def ask(self, question: str, *arguments: Any) -> Any:
        if question == "prepare":
            return 0.5, [1.0, 2.0] if self.label != "gemm" else []
        self.log.append(self.label)
        return float(len(self.log))


def test_nobody_always_comes_after_the_same() -> None:
    log: list[str] = []
    running: Any = {label: Turn(label, log) for label in ("cybptt", "torch", "gemm")}
    result = race.race(running, dict.fromkeys(running, ()), "float64", 4, 0.1)
    assert " ".join(log) == (
        "cybptt torch gemm torch gemm cybptt gemm cybptt torch cybptt torch gemm"
    )
    assert result.times["cybptt"] == [1, 6, 8, 10]
    assert result.first == {"cybptt": 0.5, "torch": 0.5, "gemm": 0.5}


@pytest.mark.parametrize(("dtype", "far"), [("float32", 2e-3), ("float64", 2e-9)])
def test_other_results_are_refused(dtype: str, far: float) -> None:
    with race.workers(["ours", "theirs"], 1) as running:

        def against(value: float) -> Result:
            entries = {"ours": (of_value, 3.0), "theirs": (of_value, value)}
            return race.race(running, entries, dtype, 2, 0.001)

        result = against(3 * (1 + far / 4))
        assert [len(times) for times in result.times.values()] == [2, 2]
        assert all(0 < time < 0.1 for times in result.times.values() for time in times)
        for value in (3 * (1 + far), float("nan")):
            with pytest.raises(RaceError, match=r"^theirs: got the results \[.*, need ours's \["):
                against(value)


def test_a_process_that_ends_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    with race.workers(["theirs"], 1) as running, pytest.raises(RaceError, match=r"^theirs: its p"):
        race.race(running, {"theirs": (that_fails,)}, "float32", 1, 0.1)
    assert "ZeroDivisionError: on purpose" in capfd.readouterr().err


def test_processes_are_limited_and_we_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "77")
    monkeypatch.delenv("CYBPTT_NUM_THREADS", raising=False)
    with race.workers(["theirs"], 1) as running:
        assert running["theirs"].ask("prepare", environment)[1] == [1, 1, 1]
    assert os.environ["OMP_NUM_THREADS"] == "77"
    assert "CYBPTT_NUM_THREADS" not in os.environ


def test_a_turn_is_the_median_of_its_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that the calls set: the first, slow one does not count."""
    now, costs = [0.0], iter([100.0, 3.0, 1.0, 2.0, 50.0])

    def call() -> tuple[Any, ...]:
        now[0] += next(costs)
        return ()

    monkeypatch.setattr(worker.time, "perf_counter", lambda: now[0])
    turns = worker.Turns()
    turns.call = call
    assert turns.turn(5.5) == 2.0


if sys.platform == "linux":  # nowhere else can a process set the record of its peak back

    def test_memory() -> None:
        """An array of 40 MB, of which 24 MB are written to, above what a call's maker holds."""
        sizes = (10**7, 4 * 10**7, 24 * 10**6)
        with race.workers(["theirs"], 1) as running:
            rise = running["theirs"].ask("rise", holding, (1, 1, 1), sizes)
        assert 23e6 < rise < 27e6


# ------------------------------------------------------------------ the table


def test_ratios_are_taken_within_a_round() -> None:
    times = {"cybptt": [1.0, 2.0, 1.0], "torch": [2.0, 8.0, 3.0], "jax": [3.0, 6.0, 9.0]}
    result = Result(times | {"gemm": [1e-3] * 3, "numpy": [0.1] * 3}, {})
    peers = tables.peers_of(result.times)
    assert peers == ["torch", "jax"]
    assert result.ratios(peers) == [2.0, 3.0, 3.0]
    assert tables.ratio(result.ratios(peers)) == " 3.00 × (2.00 – 3.00)"
    assert result.shares(2 * 1024**3) == pytest.approx([1e-3, 5e-4, 1e-3])
    assert tables.mean_ratio([result, Result({"cybptt": [1.0], "numpy": [12.0]}, {})]) == (
        pytest.approx(6.0)
    )
    line = " ".join(tables.grid_line(CELLS["book"], result).split())
    assert line == "book 1 25 65 100 65 1.00 s 3.00 s 6.00 s 100 ms 0% 3.00 × (2.00 – 3.00)"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1.2e-7, "0.12 µs"),
        (9.99e-6, "9.99 µs"),
        (9.996e-6, "10.0 µs"),
        (99.96e-6, "100 µs"),
        (999.4e-6, "999 µs"),
        (999.6e-6, "1.00 ms"),
        (0.01234, "12.3 ms"),
        (0.9996, "1.00 s"),
        (1234.0, "1234 s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert tables.duration(seconds).split() == text.split()
    assert len(tables.duration(seconds)) == 8


# ------------------------------------------------------------------ the command


def test_bench(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "times.json"
    assert main(["bench", "tiny", "--dtype", "float64", *QUICK, "--json", str(file)]) == 0
    out = capsys.readouterr().out
    assert "gradient in float64, on 1 thread:" in out
    assert re.search(r"^tiny +1 +100 +8 +16 +8( +[\d.]+ [mµ]?s){2,} +\d+%  +[\d.]+ ×", out, re.M)
    assert "geometric mean" in out
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["info"]["cybptt"] == cybptt.__version__
    assert found["options"] == {"dtype": "float64", "threads": 1, "rounds": 2, "seconds": 0.001}
    times = found["cells"]["tiny"]["times"]
    assert {"cybptt", "numpy", "gemm"} <= set(times)
    assert all(len(seconds) == 2 for seconds in times.values())


def test_bench_alone_has_only_numpy_to_race(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cybptt._cli.bench.installed", lambda: ["cybptt", "numpy"])
    assert main(["bench", "tiny", *QUICK]) == 0
    out = capsys.readouterr().out
    assert "Not installed here: torch, jax." in out
    assert "numpy's time over ours" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["huge"], "CELL: got 'huge', need 'tiny', "),
        (["--dtype", "int8"], "--dtype: got 'int8', need float32 or float64"),
        (["--threads", "0"], "--threads: got 0, need an integer in 1 … "),
        (["--threads", "9999"], "--threads: got 9999, need an integer in 1 … "),
        (["--rounds", "0"], "--rounds: got 0, need an integer ≥ 1"),
        (["--seconds", "0"], "--seconds: got 0.0, need a finite number > 0"),
        (["--json", "no/such/folder"], "no/such/folder: No such file or directory"),
    ],
)
def test_bench_refuses(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["bench", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"cybptt: {message}")
    assert err.count("\n") == 1


def test_what_cannot_be_raced_is_status_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def failing(*arguments: Any) -> Any:
        raise RaceError("torch: got the results [1.0]")

    monkeypatch.setattr("cybptt._cli.bench.race", failing)
    file = tmp_path / "earlier.json"
    file.write_text("kept", encoding="utf-8")
    assert main(["bench", "tiny", *QUICK, "--json", str(file)]) == 1
    assert capsys.readouterr().err == "cybptt: torch: got the results [1.0]\n"
    assert file.read_text(encoding="utf-8") == "kept"


@pytest.mark.parametrize("seconds", [0, 0.02, 0.05, 0.1, 0.2])  # while they start, and later
def test_ctrl_c_ends_the_race_and_its_processes(seconds: float) -> None:
    command = [sys.executable, "-m", "cybptt", "bench", "tiny", "--seconds", "60"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert "The loss" in process.stdout.readline()
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    _, err = process.communicate(timeout=30)  # ends when all who could write have
    assert process.returncode == 130
    assert err == "cybptt: interrupted\n"
