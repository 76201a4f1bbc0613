"""The command line, in this process and as one of its own."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import cybptt
from cybptt.__main__ import main
from cybptt._cli.options import DEFAULTS, Options
from cybptt._cli.progress import Progress, duration, printable, wrapped
from cybptt.text import Vocabulary
from cybptt.train import Checkpoint, Record

TEXT = "".join(
    f"{number} bottles of beer on the wall, {number} bottles of beer;\n" for number in range(60)
)
# A model so small that a step takes a fraction of a millisecond.
SMALL = ["--hidden", "8", "--batch", "2", "--chunk", "10", "--validate-every", "20"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bottles.txt").write_text(TEXT)
    before = signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, before)


def train(*arguments):
    return main(["train", "bottles.txt", *SMALL, *arguments])


def command(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "cybptt", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores Ctrl-C, and its children would, too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )


# ------------------------------------------------------------------ train


def test_train_tells_what_it_does_and_saves_a_model(capsys, folder):
    assert train("--steps", "60", "--sample-every", "25") == 0
    out, err = capsys.readouterr()
    assert err == ""
    n, characters = len(TEXT), len(set(TEXT))
    held_out = int(n * DEFAULTS.validation)
    assert f"bottles.txt: {n:,} characters, {characters} different, " in out
    assert f"the last {held_out} held out" in out
    rnn, params = cybptt.load("cybptt-bottles.safetensors")
    assert f"{rnn.n_parameters:,} parameters, float32" in out
    assert params.dtype == np.float32
    lines = out.splitlines()
    validations = [float(x) for x in re.findall(r"([\d.]+) bits per character held out", out)]
    assert len(validations) == 3
    assert f"result  {validations[-1]:.3f} bits per character on the held-out text" in lines
    assert validations[-1] < validations[0]
    assert sum(line.startswith("  | ") for line in lines) >= 2
    assert "saved   cybptt-bottles.safetensors" in lines
    assert "sample  cybptt sample cybptt-bottles.safetensors" in lines
    assert sorted(os.listdir(folder)) == ["bottles.txt", "cybptt-bottles.safetensors"]
    saved = Checkpoint.load("cybptt-bottles.safetensors")
    assert saved.step == 60
    assert saved.metadata["vocabulary"] == "".join(sorted(set(TEXT)))


def test_a_seed_makes_a_run_reproducible(folder):
    train("--steps", "30", "--out", "one", "--seed", "4")
    train("--steps", "30", "--out", "two", "--seed", "4", "--validate-every", "7")
    train("--steps", "30", "--out", "three", "--seed", "5")
    one, two, three = ((folder / name).read_bytes() for name in ("one", "two", "three"))
    assert one == two != three


@pytest.mark.parametrize(
    "more", [[], ["--dtype", "float64"], ["--activation", "softsign", "--init", "uniform"],
             ["--decay", "0"], ["--validation", "0"]]
)  # fmt: skip
def test_a_run_cut_at_a_step_goes_on_to_the_same_file(folder, more):
    assert train("--steps", "40", "--out", "whole", *more) == 0
    assert train("--steps", "13", "--out", "cut", *more) == 0
    assert main(["train", "--resume", "cut", "--steps", "29"]) == 0
    assert main(["train", "--resume", "cut", "--steps", "40", "--out", "end"]) == 0
    assert (folder / "end").read_bytes() == (folder / "whole").read_bytes()
    assert Checkpoint.load("cut").step == 29


def test_the_text_is_not_written_over(folder, capsys):
    (folder / "text").write_text("the quick brown fox " * 50)
    assert main(["train", "text", *SMALL, "--steps", "1", "--out", "./text"]) == 2
    assert "--out: got ./text, which is the text" in capsys.readouterr().err
    assert (folder / "text").read_text().startswith("the quick")


def test_a_run_that_goes_on_says_from_which_file(capsys):
    assert train("--steps", "2", "--out", "old") == 0
    assert main(["train", "--resume", "old", "--steps", "2", "--out", "new"]) == 0
    said = capsys.readouterr()
    assert "resumed after step 2 from old\n" in said.out + said.err
    assert "sample new" not in said.out


def test_the_limits(capsys):
    n_chunks = -(-((len(TEXT) - int(len(TEXT) * DEFAULTS.validation) - 1) // 2) // 10)
    assert train("--epochs", "1", "--out", "a") == 0
    assert Checkpoint.load("a").step == n_chunks
    assert train("--minutes", "0.003", "--out", "b") == 0
    out = capsys.readouterr().out
    assert "go on   cybptt train --resume b" in out
    assert train("--minutes", "0", "--out", "c") == 0
    out = capsys.readouterr().out
    assert "nothing to do: the run is at step 0" in out
    assert "sample" not in out  # there is no file
    assert main(["train", "--resume", "a", "--epochs", "1"]) == 0
    assert f"nothing to do: the run is at step {n_chunks}" in capsys.readouterr().out


def test_without_a_file_it_reads_the_standard_text(capsys):
    assert main(["train", *SMALL, "--steps", "2"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"text    pydoc_data.topics: [45]\d\d,\d\d\d characters, 10\d different", out)
    assert "saved   cybptt-pydoc_data.topics.safetensors" in out


def test_numbers_that_are_not_finite_end_the_run_with_status_1(capsys):
    assert train("--steps", "50", "--lr", "1e37", "--decay", "0", "--clip", "1e9") == 1
    err = capsys.readouterr().err
    # Which of them is first beyond its range depends on the rounding of the machine's kernels.
    first = r"cybptt: step \d+: (the loss is|.*(U|W|V|b|c)\b).* after step \d+ \(learning rate 1e\+"
    assert re.match(first, err)
    assert err.count("\n") == 1
    assert np.isfinite(cybptt.load("cybptt-bottles.safetensors")[1].vector).all()


# ------------------------------------------------------------------ what is refused


def one_line(capsys, status, *parts):
    assert status == 2
    out, err = capsys.readouterr()
    assert err.startswith("cybptt: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    for part in parts:
        assert part in err
    return out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["train", "missing.txt"], ["missing.txt: No such file or directory"]),
        (["train", "."], [".: Is a directory"]),
        (["train", "empty.txt"], ["empty.txt: got 0 characters to train on"]),
        (["train", "latin.txt"], ["'latin.txt', with 0xe9 at byte 3 (line 1), need a text"]),
        (
            ["train", "bottles.txt", "--batch", "99"],
            ["(and 155 held out), need at least 6,337: 99 str"],
        ),
        (["train", "bottles.txt", "--hidden", "0"], ["--hidden: got 0, need an integer ≥ 1"]),
        (["train", "bottles.txt", "--steps", "-1"], ["--steps: got -1, need an integer ≥ 0"]),
        (["train", "bottles.txt", "--minutes", "nan"], ["--minutes: got nan, need a number ≥ 0"]),
        (["train", "bottles.txt", "--lr", "0"], ["--lr: got 0.0, need a finite number > 0"]),
        (["train", "bottles.txt", "--clip", "-1"], ["--clip: got -1.0, need a finite number > 0"]),
        (["train", "bottles.txt", "--validation", "1"], ["--validation: got 1.0, need"]),
        (["train", "bottles.txt", "--seed", "-1"], ["--seed: got -1, need an integer ≥ 0"]),
        (["train", "bottles.txt", *SMALL, "--dtype", "float16"], ["dtype: got 'float16', need"]),
        (["train", "bottles.txt", *SMALL, "--init", "zeros"], ["scheme: got 'zeros', need"]),
        (["train", "bottles.txt", *SMALL, "--activation", "tan"], ["'tan'", "tanh"]),
        (["train", "bottles.txt", *SMALL, "--out", "."], [": Is a directory"]),
        (["train", "bottles.txt", *SMALL, "--out", "no/x"], ["/no: No such file or directory"]),
        (["train", "--resume", "missing"], ["missing: No such file or directory"]),
        (["train", "--resume", "bottles.txt"], ["bottles.txt"]),
        (["sample", "missing"], ["missing: No such file or directory"]),
        (["sample", "."], ["."]),
        (["sample", "bottles.txt"], ["bottles.txt"]),
        (["check", "--dtype", "int8"], ["dtype: got 'int8', need"]),
    ],
)
def test_a_mistake_is_one_line_and_status_2(capsys, folder, arguments, parts):
    (folder / "empty.txt").touch()
    (folder / "latin.txt").write_bytes(b"caf\xe9")
    before = sorted(os.listdir(folder))
    one_line(capsys, main(arguments), *parts)
    assert sorted(os.listdir(folder)) == before


def test_the_characters_that_are_needed_are_enough(capsys, folder):
    arguments = ["--batch", "7", "--chunk", "9", "--hidden", "4", "--steps", "1"]
    (folder / "short").write_text("ab")
    one_line(capsys, main(["train", "short", *arguments]), "got 2 characters to train on (and 0 h")
    (folder / "short").write_text(TEXT[:66])
    one_line(capsys, main(["train", "short", *arguments]), "got 63 characters", "at least 64: 7 st")
    (folder / "short").write_text(TEXT[:67])
    assert main(["train", "short", *arguments]) == 0


def test_another_text_or_option_is_refused_by_name(capsys, folder):
    assert train("--steps", "3", "--out", "model") == 0
    before = (folder / "model").read_bytes()
    capsys.readouterr()

    def refused(*arguments, parts):
        one_line(capsys, main(["train", *arguments, "--resume", "model"]), *parts)

    refused("--hidden", "9", parts=["--hidden: got 9, need 8, with which the run in model began"])
    refused("--lr", "1.5", parts=["--lr: got 1.5, need 0.00"])
    refused("--seed", "1", parts=["--seed: got 1, need 0"])
    refused("--dtype", "float64", parts=["--dtype: got float64, need float32"])
    (folder / "other.txt").write_text(TEXT + "x")
    refused("other.txt", parts=["other.txt: got a text of", "bottles.txt with"])
    (folder / "bottles.txt").write_text(TEXT.replace("beer", "milk"))
    refused(parts=["bottles.txt: got a text of", "SHA-256"])
    (folder / "bottles.txt").unlink()
    refused(parts=["bottles.txt: No such file or directory"])
    assert (folder / "model").read_bytes() == before
    # The same text under another name is the same text, and the same options may be repeated.
    (folder / "moved.txt").write_text(TEXT)
    assert main(["train", "moved.txt", "--resume", "model", "--hidden", "8", "--steps", "5"]) == 0


def test_models_of_other_kinds_are_refused(capsys):
    rnn = cybptt.RNN(2, 3, 2, inputs="tokens")
    cybptt.save("plain", rnn, rnn.init(0))
    one_line(capsys, main(["sample", "plain"]), "plain: got a model without a vocabulary")
    one_line(capsys, main(["train", "--resume", "plain"]), "'plain', a model alone")
    cybptt.train.fit(
        rnn, rnn.init(0), [([[0]], [[1]])], optimizer=cybptt.optim.Adam(), checkpoint="run"
    )
    one_line(capsys, main(["train", "--resume", "run"]), "run: got another kind of run")


def test_options_in_a_file_have_a_digest():
    stored = DEFAULTS.as_dict()
    assert Options.of_file("model", stored, DEFAULTS.digest()) == DEFAULTS
    with pytest.raises(ValueError, match="model: got options without their digest"):
        Options.of_file("model", stored | {"lr": 1.0}, DEFAULTS.digest())
    with pytest.raises(ValueError, match="model: got options of another version"):
        Options.of_file("model", stored | {"dropout": 1.0}, DEFAULTS.digest())


def test_without_safetensors_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    one_line(capsys, main(["train"]), "pip install 'cybptt[train]'")
    one_line(capsys, main(["sample", "model"]), "pip install 'cybptt[train]'")


# ------------------------------------------------------------------ sample


def test_a_seed_makes_the_same_text(capsys):
    train("--steps", "40", "--out", "model")
    capsys.readouterr()

    def sample(*arguments):
        assert main(["sample", "model", "--length", "60", *arguments]) == 0
        return capsys.readouterr().out

    one = sample("--seed", "1")
    assert one == sample("--seed", "1") != sample("--seed", "2")
    assert len(one) == 61
    assert set(one) <= set(TEXT)
    started = sample("--seed", "1", "--start", "7 bottles")
    assert started.startswith("7 bottles")
    assert len(started) == 9 + 60 + 1
    assert sample("--seed", "1", "--start", "7") != started
    assert sample("--seed", "1", "--temperature", "1e-6") == sample(
        "--seed", "2", "--temperature", "1e-6"
    )
    assert main(["sample", "model", "--length", "0", "--start", "beer"]) == 0
    assert capsys.readouterr().out == "beer\n"


def test_a_start_is_read_as_one_sequence():
    """The text after a start is what the model says after reading all of it."""
    from cybptt._cli.sample import write_text

    rnn = cybptt.RNN(3, 5, 3, inputs="tokens")
    params, vocabulary = rnn.init(0), Vocabulary("abc")
    tokens = vocabulary.encode("abcabcca")
    y_hat = rnn.predict(params, tokens)[-1]
    drawn = [write_text(rnn, params, vocabulary, 1, "abcabcca", 1.0, seed) for seed in range(1500)]
    counts = np.array([drawn.count(c) for c in "abc"])
    np.testing.assert_allclose(counts / 1500, y_hat, atol=0.05)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--length", "-1"], "--length: got -1, need an integer ≥ 0"),
        (["--temperature", "0"], "--temperature: got 0.0, need a finite number > 0"),
        (["--temperature", "nan"], "--temperature: got nan, need a finite number > 0"),
        (["--seed", "-3"], "--seed: got -3, need an integer ≥ 0"),
        (["--start", "Ω"], "--start: got 'Ω' at character 0, need one of the vocabulary's"),
    ],
)
def test_sample_refuses(capsys, arguments, part):
    train("--steps", "1", "--out", "model")
    capsys.readouterr()
    assert one_line(capsys, main(["sample", "model", *arguments]), part) == ""


def test_a_reader_that_leaves_is_no_error():
    train("--steps", "1", "--out", "model")
    process = command("sample", "model", "--length", "200000")
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait() == 0
    assert process.stderr.read() == ""
    process.stderr.close()


def test_a_terminal_without_the_characters_gets_question_marks(folder):
    (folder / "greek.txt").write_text("αβγ" * 200)
    main(["train", "greek.txt", *SMALL, "--steps", "1", "--out", "model"])
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii"}
    process = command("sample", "model", "--length", "9", env=ascii_only)
    assert process.communicate() == ("?" * 9 + "\n", "")
    process = command("train", "--resume", "model", "--steps", "2", env=ascii_only)
    out, err = process.communicate()
    assert err == ""
    assert "model   3 ? 8 tanh ? 3: " in out


# ------------------------------------------------------------------ Ctrl-C


def start_training(*arguments):
    """A run without an end in a process of its own, once it says that it has begun."""
    process = command(
        "train", "bottles.txt", *SMALL, "--steps", "1000000", "--validate-every", "1", *arguments
    )
    for line in process.stdout:
        if line.startswith("step "):
            return process
    raise AssertionError(process.communicate())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_goes_on_to_the_same_bits(folder, number):
    process = start_training("--out", "cut")
    time.sleep(np.random.default_rng().uniform(0.0, 0.4))
    process.send_signal(number)
    sent = time.monotonic()
    out, err = process.communicate(timeout=60)
    took = time.monotonic() - sent
    assert process.returncode == 128 + number
    assert err == ""
    # A quarter of a second, and time for the process to end on a machine that is busy with tests.
    assert took < 0.25 + 2
    step = Checkpoint.load("cut").step
    place = re.search(r"interrupted after step ([\d,]+) of 1,000,000, at chunk [\d,]+ of \d+", out)
    assert int(place[1].replace(",", "")) == step >= 1
    resume = re.search(r"^go on   cybptt (.*)$", out, re.MULTILINE)[1]
    end = str(step + 17)
    assert main([*shlex.split(resume), "--steps", end]) == 0
    assert train("--out", "whole", "--steps", end) == 0
    assert (folder / "cut").read_bytes() == (folder / "whole").read_bytes()


def test_ctrl_c_before_the_first_step_saves_nothing(capsys, monkeypatch, folder):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cybptt.RNN, "value_and_grad", interrupt)
    assert train("--steps", "5") == 130
    assert "interrupted before the first whole step: nothing was saved" in capsys.readouterr().out
    assert os.listdir(folder) == ["bottles.txt"]
    monkeypatch.setattr(cybptt.text, "read_text", interrupt)
    assert train("--steps", "5") == 130
    assert capsys.readouterr().err == "cybptt: interrupted\n"


# ------------------------------------------------------------------ how it looks


class _Terminal:
    encoding = "utf-8"

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass

    def isatty(self):
        return True

    def fileno(self):
        raise OSError("not a real one")


def record(step, bits=2.0):
    return Record(step, 1, bits, bits, 1.0, 0.1, step * 20, step * 0.01)


def test_a_terminal_has_a_bar_with_rate_and_bits(capsys):
    terminal = _Terminal()
    progress = Progress(100, 0, 20, terminal)
    for step in range(1, 100):
        progress(record(step))
    time.sleep(0.15)  # it is not drawn more often than that
    progress(record(100))
    progress.say("a line")
    progress.close()
    assert "2.00 bits per character" in terminal.text
    assert "characters/s" in terminal.text
    assert "100%" in terminal.text
    assert capsys.readouterr().out == "a line\n"


def test_without_a_last_step_or_tqdm_it_still_shows(monkeypatch):
    terminal = _Terminal()
    progress = Progress(None, 0, 20, terminal)
    progress(record(1))
    progress.close()
    assert "characters" in terminal.text
    monkeypatch.setitem(sys.modules, "tqdm", None)
    terminal = _Terminal()
    Progress(None, 0, 20, terminal)(record(1))
    assert terminal.text == ""


def test_a_log_has_a_line_now_and_then(monkeypatch, capsys):
    clock = [0.0]
    monkeypatch.setattr("cybptt._cli.progress.time.monotonic", lambda: clock[0])
    progress = Progress(1000, 0, 20)
    for step in range(1, 101):
        clock[0] += 1.0
        progress(record(step))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("step 15 of 1,000: 2.00 bits per character in training, ")
    assert lines[0].endswith(" characters/s")


def test_words():
    assert [duration(s) for s in (0.04, 59.2, 60, 125.4)] == ["0.0 s", "59.2 s", "1 min 0 s",
                                                              "2 min 5 s"]  # fmt: skip
    assert printable("a\x1b[31mb\tc\n") == "a\ufffd[31mb\tc\n"


def test_samples_are_as_wide_as_the_terminal_and_whole(monkeypatch):
    text = "one two  three four five\n\n  six\x07"
    assert wrapped(text, 4) == ["one two  three four five", "", "  six\ufffd"]
    monkeypatch.setattr(sys, "stdout", _Terminal())
    monkeypatch.setenv("COLUMNS", "24")
    assert wrapped(text, 4) == ["one two  three four ", "five", "", "  six\ufffd"]


@pytest.mark.parametrize("columns", [10, 48, 80, 200])
def test_a_bar_leaves_room_for_what_ctrl_c_shows(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    terminal = _Terminal()
    progress = Progress(100, 50, 20, terminal)
    progress(record(60))
    progress.close()
    shown = [line for line in terminal.text.split("\r") if "%" in line]
    assert " 50%" in shown[0]
    assert max(map(len, shown)) <= max(columns - 4, 10)


# ------------------------------------------------------------------ check, and the rest


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_check_lists_everything_and_all_is_well(capsys, dtype):
    assert main(["check", "--dtype", dtype]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for name in (*cybptt.activations.names(), *cybptt.losses.names()):
        assert re.search(rf"^\w+ +{name} .* ok$", out, re.MULTILINE), name
    for pattern in ("hidden", "output", "both", "last"):
        assert re.search(rf"^pattern +.*{pattern}.* ok$", out, re.MULTILINE), pattern
    assert "failed" not in out


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_check_finds_a_core_that_is_wrong_in_that_dtype_alone(capsys, monkeypatch, dtype):
    right = cybptt.RNN.value_and_grad

    def wrong(rnn, params, *arguments, **options):
        loss, grad = right(rnn, params, *arguments, **options)
        if params.dtype == dtype:
            grad.W[0, 0] += 0.01
        return loss, grad

    monkeypatch.setattr(cybptt.RNN, "value_and_grad", wrong)
    assert main(["check", "--dtype", dtype]) == 1
    out = capsys.readouterr().out
    assert re.search(r"^activation +tanh .* failed$", out, re.MULTILINE)
    said = r"^ +W .* WRONG$" if dtype == "float64" else r"in float32, the gradient of W is off"
    assert re.search(said, out, re.MULTILINE)
    assert re.search(r"^(\d+) checked, \1 failed$", out, re.MULTILINE)


def test_python_m_and_the_version():
    process = command("--version")
    assert process.communicate() == (f"cybptt {cybptt.__version__}\n", "")
    assert process.returncode == 0


def test_help_and_unknown_commands(capsys):
    assert main([]) == 2
    assert "train" in capsys.readouterr().out
    for arguments in (["train", "--help"], ["sample", "--help"], ["check", "--help"]):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 0
    assert "two plain cores" not in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        main(["fly"])
    assert end.value.code == 2
