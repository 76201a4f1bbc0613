"""The table of files: models, pictures and texts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import cybptt
from bad_input import kinds
from bad_input.kinds import Bad
from bad_input.rows import Row, Setup, rows
from cybptt import text


def table(folder: Path) -> Iterator[Row]:
    yield from saves(folder / "refused.safetensors")
    yield from reads(folder / "none.safetensors")
    yield from contents(folder / "model.safetensors")
    yield from pictures(folder / "refused.svg")
    yield from vocabularies()
    yield from splits()


# ---------------------------------------------------------------------- models


def saves(path: Path) -> Iterator[Row]:
    rnn = cybptt.RNN(2, 3, 2)
    good = {"path": path, "rnn": rnn, "params": rnn.init(seed=0)}
    setup = Setup("save", "", cybptt.save, good)
    yield from rows(setup, "path", kinds.not_a_path())
    values: tuple[Any, ...] = ("rnn", 3, good["params"], cybptt.RNN)
    bads = [Bad(f"{value!r}"[:40], value, TypeError) for value in values]
    unknown = cybptt.RNN(2, 3, 2, activation=cybptt.Activation("nobody's", np.sin, np.cos))
    nameless = [Bad("with a plugin of no name", unknown, ValueError, "nobody's")]
    yield from rows(setup, "rnn", [*kinds.none(), *bads])
    yield from rows(setup, "rnn", nameless, params=unknown.init(seed=0))
    bads = [
        Bad(type(value).__name__, value, TypeError)
        for value in (dict(good["params"]), good["params"].vector, rnn, "params")
    ]
    other = Bad("of another model", cybptt.RNN(2, 4, 2).init(seed=0), ValueError)
    yield from rows(setup, "params", [*kinds.none(), *bads, other])
    yield from rows(setup, "metadata", not_metadata())
    yield from rows(setup, "tensors", not_tensors())


def not_metadata() -> Iterator[Bad]:
    for value in (3, "text", [("a", 1)], {1: "a"}, {None: 1}, {("a",): 1}):
        yield Bad(f"{value!r}", value, TypeError)
    for name, held in (
        ("a set", {1}),
        ("an array", np.zeros(2)),
        ("bytes", b"1"),
        ("a complex number", 1j),
        ("a function", len),
    ):
        yield Bad(f"{name} inside", {"a": held}, TypeError, "JSON")
    for name, held in (("NaN", np.nan), ("infinity", -np.inf)):
        yield Bad(f"{name} inside", {"a": [held]}, ValueError, "JSON")


def not_tensors() -> Iterator[Bad]:
    for value in (3, "text", [("a", np.zeros(2))], np.zeros(2)):
        yield Bad(f"{value!r}", value, TypeError)
    array = np.zeros(2)
    for name in (1, None, b"a"):
        yield Bad(f"the name {name!r}", {name: array}, TypeError, repr(name))
    for name in ("", "U", "W", "V", "b", "c", "R", "__metadata__", "a\nb", "\0"):
        yield Bad(f"the name {name!r}", {name: array}, ValueError, repr(name))
    for value in ([1.0], 1.0, None, "text", cybptt.RNN(1, 1, 1).init(seed=0)):
        yield Bad(f"{value!r} inside", {"a": value}, TypeError, "" if value else "None", value)
    for dtype in ("complex128", "O", "U3", "S3", "V4", "datetime64[s]", "longdouble"):
        array = np.zeros(2, dtype)
        yield Bad(f"{dtype} inside", {"a": array}, TypeError, str(array.dtype))


FILE_READERS = {
    "load": cybptt.load,
    "read_metadata": cybptt.read_metadata,
    "read_tensors": cybptt.read_tensors,
    "train.Checkpoint.load": cybptt.train.Checkpoint.load,
}


def reads(path: Path) -> Iterator[Row]:
    for call, function in FILE_READERS.items():
        setup = Setup(call, "", function, {"path": path})
        yield from rows(setup, "path", kinds.not_a_path())


def contents(path: Path) -> Iterator[Row]:
    """Files that are not as save wrote them; test_io changes every byte."""
    rnn = cybptt.RNN(2, 3, 2)
    cybptt.save(path, rnn, rnn.init(seed=0), {"a": "words"}, tensors={"more": np.arange(3)})
    data = path.read_bytes()
    middle = len(data) // 2
    files = {
        "empty": b"",
        "of zeros": bytes(len(data)),
        "of text": b"To be, or not to be" * 9,
        "a pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00",
        "a header that lies": (2**62).to_bytes(8, "little") + data[8:],
        "with more at its end": data + b"\0",
        "twice": data + data,
    }
    files |= {f"cut at {n}": data[:n] for n in (1, 7, 8, 9, 100, middle, len(data) - 1)}
    for n in (0, 9, middle, len(data) - 1):
        files[f"changed at {n}"] = data[:n] + bytes([data[n] ^ 1]) + data[n + 1 :]
    for kind, content in files.items():
        other = path.with_name(kind.replace(" ", "-"))
        other.write_bytes(content)
        for call, function in FILE_READERS.items():
            setup = Setup(call, "files", function, {"path": path})
            yield Row(setup, "path", Bad(f"a file {kind}", other, ValueError, repr(str(other))))
    setup = Setup("train.Checkpoint.load", "files", cybptt.train.Checkpoint.load, {"path": path})
    yield Row(setup, "path", Bad("a model without a run", path, ValueError, repr(str(path))))


# ---------------------------------------------------------------------- pictures


def pictures(path: Path) -> Iterator[Row]:
    good: dict[str, Any] = {"rnn": cybptt.RNN(1, 2, 1, recurrence="output")}
    setup = Setup("plot.graph", "", cybptt.plot.graph, good)
    values = ("rnn", 3, cybptt.RNN, good["rnn"].init(seed=0))
    yield from rows(setup, "rnn", kinds.none())
    yield from rows(setup, "rnn", [Bad(f"{v!r}"[:40], v, TypeError) for v in values])
    yield from rows(setup, "steps", [*kinds.none(), *kinds.not_an_integer(1, 100)])
    for name in ("unrolled", "training", "teacher_forcing"):
        yield from rows(setup, name, [*kinds.none(), *kinds.not_a_flag()])
    yield from rows(setup, "folded", kinds.not_a_flag())
    neither = [Bad("neither drawn", False, ValueError)]
    yield from rows(setup, "folded", neither, unrolled=False)
    forced = [Bad("where nothing is fed back", True, ValueError)]
    yield from rows(setup, "teacher_forcing", forced, rnn=cybptt.RNN(1, 2, 1))
    yield from rows(setup, "teacher_forcing", forced, training=False)
    picture = cybptt.plot.graph(good["rnn"])
    save = Setup("plot.Diagram.save", "", picture.save, {"path": path})
    other = [Bad("of another kind", "picture.png", ValueError)]
    yield from rows(save, "path", [*kinds.not_a_path(), *other])


# ---------------------------------------------------------------------- texts


def not_text() -> Iterator[Bad]:
    for value in (None, 3, b"text", ["a"], np.array("a"), len):
        yield Bad(f"{value!r}", value, TypeError)


def vocabularies() -> Iterator[Row]:
    vocabulary = text.Vocabulary("abc")
    make = Setup("text.Vocabulary", "", text.Vocabulary, {"characters": "abc"})
    wrong = [Bad(f"{v!r}", v, ValueError) for v in ("", "ba", "aab", "abca")]
    yield from rows(make, "characters", [*not_text(), *wrong])
    of = Setup("text.Vocabulary.of", "", text.Vocabulary.of, {"text": "abc"})
    yield from rows(of, "text", [*not_text(), Bad("empty", "", ValueError, "no characters")])
    encode = Setup("text.Vocabulary.encode", "", vocabulary.encode, {"text": "abc"})
    foreign = [Bad(f"{v!r}", v, ValueError, repr(v[0])) for v in ("dab", "ä", "\0", "\ud800")]
    yield from rows(encode, "text", [*not_text(), *foreign])
    decode = Setup("text.Vocabulary.decode", "", vocabulary.decode, {"tokens": [0, 1]})
    tokens = np.array([0, 1])
    wrong_numbers = [*kinds.none(), *kinds.not_integers(tokens)]
    yield from rows(decode, "tokens", [*wrong_numbers, *kinds.wrong_labels(tokens, 3, (0,))])
    digest = Setup("text.digest", "", text.digest, {"text": "abc"})
    yield from rows(digest, "text", not_text())
    read = Setup("text.read_text", "", text.read_text, {"path": __file__})
    yield from rows(read, "path", kinds.not_a_path())


def splits() -> Iterator[Row]:
    split = Setup("text.split", "", text.split, {"tokens": np.arange(9), "fraction": 0.5})
    values = [Bad(f"{v}", v, ValueError) for v in (-0.1, 1.0, 2, np.inf)]
    yield from rows(split, "fraction", [*kinds.none(), *kinds.not_a_number(), *values])
    for value in (3, None, len):
        yield from rows(split, "tokens", [Bad(f"{value!r}", value, TypeError)])
