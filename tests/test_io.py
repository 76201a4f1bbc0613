"""Files: bit by bit, whole or not at all, and every damage noticed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import cybptt
from cybptt import _files, io

MODELS = {
    "hidden": cybptt.RNN(2, 3, 2),
    "last": cybptt.RNN(2, 3, 2, outputs="last", activation="relu", loss="squared_error"),
    "output": cybptt.RNN(2, 3, 2, recurrence="output", feedback="y_hat"),
    "both": cybptt.RNN(1, 1, 1, recurrence="both", activation="sigmoid"),
    "tokens": cybptt.RNN(5, 3, 5, inputs="tokens"),
    "no output layer": cybptt.RNN(2, 3, None, loss="squared_error"),
    "factories": cybptt.RNN(
        2, 3, 2, activation=cybptt.activations.leaky_relu(0.2), loss=cybptt.losses.huber(2.0)
    ),
    "sizes of 0": cybptt.RNN(0, 2, 0, loss="squared_error"),
}
RNN = MODELS["hidden"]
PARAMS = RNN.init(seed=0)
TENSORS = {"seen": np.arange(4), "optimizer.m": np.linspace(0, 1, 5, dtype=np.float32)}
METADATA = {"trained on": ["one", 2, 3.5, None, True], "ŷ": {"": "τ\n\"'"}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


@pytest.fixture
def saved(path: Path) -> Path:
    cybptt.save(path, RNN, PARAMS, METADATA, tensors=TENSORS)
    return path


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert sorted(one) == sorted(other)
    for name in one:
        assert one[name].dtype == other[name].dtype
        assert one[name].shape == other[name].shape
        assert one[name].tobytes() == other[name].tobytes()


# ------------------------------------------------------------------------------- there and back


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("model", MODELS)
def test_there_and_back(model: str, dtype: type, path: Path) -> None:
    rnn = MODELS[model]
    params = rnn.init(seed=1, dtype=dtype)
    assert cybptt.save(path, rnn, params) is None
    again, loaded = cybptt.load(path)
    assert again == rnn
    assert loaded.rnn == rnn
    assert loaded.dtype == dtype
    assert loaded.vector.tobytes() == params.vector.tobytes()
    loaded.vector[...] = 0  # they can be trained on
    assert cybptt.read_metadata(path) == {}
    assert io.read_tensors(path) == {}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_bit_comes_back(dtype: type, path: Path) -> None:
    """Infinities, the payload of a NaN, −0 and denormals."""
    params = RNN.init(seed=0, dtype=dtype)
    integers = params.vector.view(f"u{params.vector.itemsize}")
    integers[...] = np.frombuffer(np.random.default_rng(0).bytes(integers.nbytes), integers.dtype)
    params.vector[:4] = [np.inf, -np.inf, -0.0, np.finfo(dtype).smallest_subnormal]
    integers[4] = np.array(np.nan, dtype).view(integers.dtype) + 5
    cybptt.save(path, RNN, params)
    assert cybptt.load(path)[1].vector.tobytes() == params.vector.tobytes()


def test_any_reader_of_the_format_can_read_it(saved: Path) -> None:
    assert_same(load_file(saved), dict(PARAMS) | TENSORS)


def test_metadata_and_tensors_come_back(saved: Path) -> None:
    assert cybptt.read_metadata(saved) == METADATA
    tensors = io.read_tensors(saved)
    assert_same(tensors, TENSORS)
    assert all(array.flags.writeable for array in tensors.values())


def test_tuples_come_back_as_lists(path: Path) -> None:
    cybptt.save(path, RNN, PARAMS, {"a": (1, (2,))})
    assert cybptt.read_metadata(path) == {"a": [1, [2]]}


@pytest.mark.parametrize("dtype", list("?bBhHiIlLefd"))
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 1)])
def test_tensors_of_every_kind(dtype: str, shape: tuple[int, ...], path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    cybptt.save(path, RNN, PARAMS, tensors={"ä b": array})
    assert_same(io.read_tensors(path), {"ä b": array})


def test_tensors_of_any_layout(path: Path) -> None:
    plain = np.arange(12.0).reshape(3, 4)
    read_only = plain.copy()
    read_only.flags.writeable = False
    misaligned = np.frombuffer(b"\0" + plain.tobytes(), np.uint8)[1:].view(np.float64).reshape(3, 4)
    layouts = {
        "fortran": np.asfortranarray(plain),
        "strided": np.repeat(plain, 2, axis=1)[:, ::2],
        "reversed": plain[::-1, ::-1].copy()[::-1, ::-1],
        "swapped": plain.astype(">f8"),
        "read-only": read_only,
        "misaligned": misaligned,
        "transposed": plain.T.copy().T,
    }
    cybptt.save(path, RNN, PARAMS, tensors=layouts)
    assert_same(io.read_tensors(path), dict.fromkeys(layouts, plain))
    assert_same(load_file(path), dict(PARAMS) | dict.fromkeys(layouts, plain))


def test_one_file_for_one_model(tmp_path: Path) -> None:
    for name in "ab":
        cybptt.save(tmp_path / name, RNN, PARAMS, METADATA, tensors=TENSORS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_digest_as_it_is_documented(saved: Path) -> None:
    data = saved.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert list(header["__metadata__"]) == ["cybptt"]
    stated, text = header["__metadata__"]["cybptt"].split(" ", 1)
    content = json.loads(text)
    assert content["format"] == 1
    assert content["version"] == cybptt.__version__
    assert content["metadata"] == METADATA
    assert content["model"] == {
        "n_inputs": 2,
        "n_hidden": 3,
        "n_outputs": 2,
        "activation": "tanh",
        "loss": "softmax_nll",
        "recurrence": "hidden",
        "outputs": "all",
        "feedback": "o",
        "inputs": "values",
    }
    digest = hashlib.sha256(text.encode())
    for name, array in sorted(load_file(saved).items()):
        digest.update(json.dumps([name, array.dtype.str, list(array.shape)]).encode() + b"\n")
        digest.update(array.tobytes())
    assert stated == digest.hexdigest()


class AsPath:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


@pytest.mark.parametrize("kind", [str, AsPath, lambda p: p, lambda p: os.fsencode(p)])
def test_any_kind_of_path(kind: Callable[[Path], Any], path: Path) -> None:
    cybptt.save(kind(path), RNN, PARAMS, {"a": 1}, tensors=TENSORS)
    assert cybptt.load(kind(path))[0] == RNN
    assert cybptt.read_metadata(kind(path)) == {"a": 1}
    assert sorted(io.read_tensors(kind(path))) == sorted(TENSORS)


def test_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cybptt.save("m", RNN, PARAMS)
    assert cybptt.load("m")[0] == RNN


def test_an_optimizer_resumes_from_a_file(path: Path) -> None:
    opt, params = cybptt.optim.Adam(lr=0.01), PARAMS.copy()
    rng = np.random.default_rng(0)
    g = rng.normal(size=(6, params.vector.size))
    for row in g[:3]:
        opt.step(params, RNN.parameters(row))
    state = opt.state_dict()
    arrays = {k: v for k, v in state.items() if isinstance(v, np.ndarray)}
    rest = {k: v for k, v in state.items() if k not in arrays}
    cybptt.save(path, RNN, params, rest, tensors=arrays)
    again = cybptt.optim.Adam()
    again.load_state_dict(cybptt.read_metadata(path) | io.read_tensors(path))
    loaded = cybptt.load(path)[1]
    for row in g[3:]:
        opt.step(params, RNN.parameters(row))
        again.step(loaded, RNN.parameters(row))
    assert loaded.vector.tobytes() == params.vector.tobytes()


# -------------------------------------------------------------------------------------- plugins


def test_a_registered_plugin_goes_by_its_name(path: Path) -> None:
    cybptt.register_activation("io sine", np.sin, np.cos, check=False, replace=True)
    rnn = cybptt.RNN(2, 3, 2, activation="io sine")
    cybptt.save(path, rnn, rnn.init(seed=0), {"a": 1})
    assert cybptt.load(path)[0] == rnn
    code = f"""
import cybptt
print(cybptt.read_metadata({str(path)!r}))
try:
    cybptt.load({str(path)!r})
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first == "{'a': 1}"
    assert second.startswith(f"path: got {str(path)!r}, a file whose model has the activation 'io ")


@pytest.mark.parametrize("name", ["mine", "tanh"])
def test_a_plugin_without_a_name_is_refused(name: str, path: Path) -> None:
    """Also one that has the name of another."""
    rnn = cybptt.RNN(2, 3, 2, activation=cybptt.Activation(name, np.sin, np.cos))
    with pytest.raises(ValueError, match=f"^rnn: got a model with the activation '{name}', which"):
        cybptt.save(path, rnn, rnn.init(seed=0))
    assert not path.exists()


# --------------------------------------------------------------------- whole or not at all


def everything_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def fail(error: BaseException) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        raise error

    return function


FAILURES = [
    KeyboardInterrupt(),
    OSError(errno.ENOSPC, "No space left"),
    MemoryError(),
    SystemExit(),
]


@pytest.mark.parametrize("error", FAILURES, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("before", [True, False])
def test_a_failure_leaves_what_was_there(
    error: BaseException, call: str, before: bool, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if before:
        path.write_bytes(b"what was there")
    elif call == "chmod":
        return  # only what is there has permissions to keep
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail(error))
        with pytest.raises(type(error)):
            cybptt.save(path, RNN, PARAMS)
    assert everything_in(path.parent) == (["model.safetensors"] if before else [])
    if before:
        assert path.read_bytes() == b"what was there"
    cybptt.save(path, RNN, PARAMS)
    assert cybptt.load(path)[0] == RNN


def test_what_is_written_is_on_the_disk_before_it_is_moved(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of the calls: the file's fsync, the move, the folder's fsync."""
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def see_fsync(handle: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        if not is_folder:
            assert os.fstat(handle).st_size > 500
        calls.append("fsync folder" if is_folder else "fsync file")
        fsync(handle)

    def see_replace(source: str, target: str) -> None:
        assert os.path.dirname(source) == os.path.dirname(target) == str(path.parent)
        calls.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", see_fsync)
    monkeypatch.setattr(os, "replace", see_replace)
    cybptt.save(path, RNN, PARAMS)
    assert calls == ["fsync file", "replace", "fsync folder"]


KILLED = """
import os, sys, cybptt
rnn = cybptt.RNN(20, 30, 20)
real, left = os.{call}, [3]
def dies(*args):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), 9)
    return real(*args)
os.{call} = dies
while True:
    cybptt.save({path!r}, rnn, rnn.init(seed=0), {{"saves": left[0]}})
"""


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_killed_while_saving(call: str, path: Path) -> None:
    code = KILLED.format(call=call, path=str(path))
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    rnn, params = cybptt.load(path)
    assert (params.vector == rnn.init(seed=0).vector).all()


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_as_open_gives_them(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        cybptt.save(tmp_path / "m", RNN, PARAMS)
        (tmp_path / "other").write_bytes(b"")
    finally:
        os.umask(before)
    assert (tmp_path / "m").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_permissions_of_what_was_there_are_kept(path: Path) -> None:
    path.write_bytes(b"")
    path.chmod(0o640)
    cybptt.save(path, RNN, PARAMS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_what_may_not_be_written_is_not_replaced(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(b"kept")
    monkeypatch.setattr(os, "access", lambda name, mode: False)  # root may write anywhere
    with pytest.raises(PermissionError) as caught:
        cybptt.save(path, RNN, PARAMS)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"kept"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real" / "model")
    cybptt.save(link, RNN, PARAMS)
    assert link.is_symlink()
    assert everything_in(tmp_path / "real") == ["model"]
    assert cybptt.load(link)[0] == RNN


def test_places_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as directory:
        cybptt.save(tmp_path, RNN, PARAMS)
    assert directory.value.filename == str(tmp_path)
    missing = tmp_path / "missing" / "model"
    with pytest.raises(FileNotFoundError) as not_found:
        cybptt.save(missing, RNN, PARAMS)
    assert not_found.value.filename == str(missing)
    with pytest.raises(ValueError, match=r"^path: got '/dev/null', which is no regular file, need"):
        cybptt.save("/dev/null", RNN, PARAMS)
    with pytest.raises(FileNotFoundError):
        cybptt.load(missing)
    with pytest.raises(IsADirectoryError):
        cybptt.load(tmp_path)
    assert everything_in(tmp_path) == []


def test_arrays_may_change_while_they_are_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As another thread's would: what is stored is what was there when it was copied."""
    params, seen = PARAMS.copy(), np.zeros(3)
    real = io._digest

    def changing(*args: Any) -> str:
        digest = real(*args)
        params.vector[...] = 99
        seen[...] = 99
        return digest

    with monkeypatch.context() as patch:
        patch.setattr(io, "_digest", changing)
        cybptt.save(path, RNN, params, tensors={"seen": seen})
    assert (cybptt.load(path)[1].vector == PARAMS.vector).all()
    assert not io.read_tensors(path)["seen"].any()


# ---------------------------------------------------------------------------------- damaged files


READERS: list[Callable[[Any], Any]] = [cybptt.load, cybptt.read_metadata, io.read_tensors]


def assert_refused_or_the_same(path: Path) -> bool:
    """Either an error that names the path, or exactly what was saved."""
    refused = 0
    for reader in READERS:
        message = ""
        try:
            result = reader(path)
        except ValueError as error:
            message = str(error)
        if message:
            assert message.startswith(f"path: got {str(path)!r}, a file ")
            refused += 1
        elif reader is cybptt.load:
            assert result[0] == RNN
            assert_same(dict(result[1]), dict(PARAMS))
        elif reader is cybptt.read_metadata:
            assert result == METADATA
        else:
            assert_same(result, TENSORS)
    assert refused in (0, len(READERS))
    return refused > 0


def rewrite(path: Path, data: bytes) -> None:
    # A new file each time: some file systems bring one that was truncated to the disk at once.
    path.unlink()
    path.write_bytes(data)


def test_truncated_at_every_byte(saved: Path) -> None:
    data = saved.read_bytes()
    for length in range(len(data)):
        rewrite(saved, data[:length])
        assert assert_refused_or_the_same(saved)


def test_every_byte_changed(saved: Path) -> None:
    data = saved.read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    same = []
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << (place % 8)
        rewrite(saved, changed)
        if not assert_refused_or_the_same(saved):
            same.append(place)
    assert all(8 <= place < header for place in same)  # white space, or another way to write JSON


@pytest.mark.parametrize("seed", range(4))
def test_random_mutations(seed: int, saved: Path) -> None:
    """Bytes replaced, inserted, removed and swapped, many in the header's first bytes."""
    data = saved.read_bytes()
    rng = np.random.default_rng(seed)
    header = 8 + int.from_bytes(data[:8], "little")
    refused = 0
    for _ in range(1000):
        changed = bytearray(data)
        for _ in range(rng.integers(1, 4)):
            place = int(rng.integers(0, [8, header, len(changed)][rng.integers(0, 3)]))
            kind = rng.integers(0, 4)
            if kind == 0:
                changed[place] = rng.integers(0, 256)
            elif kind == 1:
                changed[place:place] = rng.bytes(rng.integers(1, 9))
            elif kind == 2:
                del changed[place : place + int(rng.integers(1, 9))]
            else:
                other = int(rng.integers(0, len(changed)))
                changed[place], changed[other] = changed[other], changed[place]
        rewrite(saved, changed)
        refused += assert_refused_or_the_same(saved)
    assert refused > 950


def write_header(path: Path, header: bytes, rest: bytes = b"") -> None:
    path.write_bytes(len(header).to_bytes(8, "little") + header + rest)


LYING = {
    "empty": b"",
    "text": b"a text that is none of safetensors",
    "a header of 16 exabytes": b"\xff" * 8 + b"{}" * 50,
    "a header of 99 MB": (99_000_000).to_bytes(8, "little") + b"{}" * 50,
    "a pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.",
    "a zip": b"PK\x03\x04" + b"\0" * 60,
}


@pytest.mark.parametrize("name", LYING)
def test_foreign_files(name: str, path: Path) -> None:
    path.write_bytes(LYING[name])
    for reader in READERS:
        with pytest.raises(ValueError, match=r"^path: got '.*model.safetensors', a file that is "):
            reader(path)


NESTED = b"[" * 200_000


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"__metadata__": null}',
        b'{"__metadata__": []}',
        b'{"__metadata__": {"cybptt": 1}}',
        b'{"__metadata__": {"cybptt": "0"}}',
        b'{"__metadata__": {"cybptt": "0 1"}}',
        b'{"__metadata__": {"cybptt": "0 {"}}',
        b'{"__metadata__": {"cybptt": "0 {}"}}',
        b"\xff\xfe" * 9,
        NESTED,
        b'{"__metadata__": {"cybptt": "0 ' + NESTED + b'"}}',
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_headers_that_lie(header: bytes, path: Path) -> None:
    write_header(path, header)
    for reader in READERS:
        with pytest.raises(ValueError, match=r"^path: got '.*', a file that is damaged or not of"):
            reader(path)


def test_another_packages_safetensors(path: Path) -> None:
    save_file({"U": np.ones(3)}, path, {"format": "np"})
    for reader in READERS:
        with pytest.raises(ValueError, match=r"^path: got .*, a file that is damaged or not of cy"):
            reader(path)


def forge(path: Path, change: Callable[[dict[str, Any]], Any], **tensors: Any) -> None:
    """A file with a right digest, and something wrong in it."""
    content = {
        "format": 1,
        "version": "0",
        "model": io._describe_model(RNN),
        "metadata": {"a": 1},
    }
    arrays = dict(PARAMS) | tensors
    arrays = {name: array for name, array in arrays.items() if array is not None}
    path.write_bytes(io._pack(json.dumps(change(content) or content), arrays))


FORMATS = [(2, True), (10**30, True), (0, False), (-1, False), ("1", False), (None, False)]


@pytest.mark.parametrize(("number", "newer"), [*FORMATS, (True, False), (1.5, False)])
def test_other_formats(number: Any, newer: bool, path: Path) -> None:
    forge(path, lambda content: {"format": number, "version": "9.9"})
    for reader in READERS:
        with pytest.raises(
            ValueError, match=f"a file of format {number!r}, need format 1"
        ) as error:
            reader(path)
        assert ("update cybptt, it is of 9.9" in str(error.value)) == newer


@pytest.mark.parametrize("name", ["model", "metadata"])
def test_a_part_is_missing(name: str, path: Path) -> None:
    forge(path, lambda content: content.pop(name) and None)
    for reader in READERS:
        with pytest.raises(ValueError, match=r"^path: got .*, a file that lacks a model or its me"):
            reader(path)


def set_model(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda content: content["model"].update(values)


WRONG: list[tuple[Callable[[dict[str, Any]], Any], dict[str, Any], str]] = [
    (lambda c: None, {"U": None}, "without U, need a file with all parameters of its model"),
    (lambda c: None, {"U": np.ones((2, 3))}, r"with U of shape \(2, 3\), need \(3, 2\), as its"),
    (lambda c: None, {"b": np.ones(3, int)}, "with parameters of dtype float64, int64, need float"),
    (lambda c: None, {"b": np.ones(3, "f4")}, "with parameters of dtype float32, float64, need"),
    (
        lambda c: None,
        {n: v.astype("f2") for n, v in PARAMS.items()},
        "with parameters of dtype float16, ",
    ),
    (set_model(n_hidden=4), {}, r"with U of shape \(3, 2\), need \(4, 2\), as its model has it"),
    (set_model(n_hidden=10**18), {}, "with no valid model"),
    (set_model(n_hidden=-1), {}, r"with no valid model \(n_hidden: got -1, need"),
    (set_model(n_hidden="3"), {}, r"with no valid model \(n_hidden: got '3', need"),
    (set_model(recurrence="never"), {}, r"with no valid model \(recurrence: got 'never', need"),
    (set_model(outputs="last", recurrence="both"), {}, "with no valid model"),
    (set_model(recurrence="both"), {}, "without R, need a file with all parameters"),
    (set_model(activation="os.system"), {}, "whose model has the activation 'os.system', need tha"),
    (set_model(activation=["tanh"]), {}, r"whose model has the activation \['tanh'\], need that"),
    (set_model(loss=None), {}, "whose model has the loss None, need that registered"),
    (lambda c: c["model"].pop("loss") and None, {}, "whose model has the loss None, need that"),
    (
        lambda c: c["model"].pop("inputs") and None,
        {},
        r"with no valid model \('inputs'\), need one",
    ),
    (lambda c: c.update(model=[1]), {}, "whose model has the activation None, need that"),
]


@pytest.mark.parametrize(("change", "tensors", "message"), WRONG)
def test_what_does_not_fit_the_model(
    change: Callable[[dict[str, Any]], Any], tensors: dict[str, Any], message: str, path: Path
) -> None:
    forge(path, change, **tensors)
    with pytest.raises(ValueError, match=f"^path: got '.*model.safetensors', a file {message}"):
        cybptt.load(path)


def test_tensors_that_the_package_knows_and_we_do_not(path: Path) -> None:
    """bfloat16, say: a ValueError, not the package's own error."""
    text = json.dumps({"format": 1, "version": "0", "model": {}, "metadata": {}})
    entry = {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}
    header = {"__metadata__": {"cybptt": f"0 {text}"}, "U": entry}
    write_header(path, json.dumps(header).encode(), b"\0" * 4)
    with pytest.raises(ValueError, match=r"^path: got '.*', a file that is damaged"):
        cybptt.load(path)


# -------------------------------------------------------------------------------------- refusals

LOOP: list[Any] = []
LOOP.append(LOOP)
BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"path": None}, TypeError, "path: got None, need a str or an os.PathLike"),
    ({"path": 3}, TypeError, "path: got 3, need a str or an os.PathLike"),
    ({"path": ""}, ValueError, "path: got '', need a str or an os.PathLike that names a file"),
    ({"path": "a\0b"}, ValueError, r"path: got 'a\x00b', need a str or an os.PathLike that names"),
    ({"rnn": None}, TypeError, "rnn: got None, need an RNN"),
    ({"rnn": PARAMS}, TypeError, "rnn: got "),
    ({"params": None}, TypeError, "params: got None, need Parameters"),
    ({"params": PARAMS.vector}, TypeError, "params: got an array of shape (26,)"),
    ({"params": dict(PARAMS)}, TypeError, "params: got dict {"),
    ({"params": MODELS["both"].init(seed=0)}, ValueError, "params: got those of RNN(1, 1, 1, "),
    ({"metadata": [1]}, TypeError, "metadata: got [1], need a mapping that JSON can hold"),
    ({"metadata": "text"}, TypeError, "metadata: got 'text', need a mapping that JSON can hold"),
    ({"metadata": {1: 2}}, TypeError, "metadata: got {1: 2}, need a mapping that JSON can hold"),
    ({"metadata": {"a": {1, 2}}}, TypeError, "metadata: got what JSON cannot hold (Object of ty"),
    ({"metadata": {"a": np.ones(2)}}, TypeError, "metadata: got what JSON cannot hold (Object of"),
    ({"metadata": {"a": 1j}}, TypeError, "metadata: got what JSON cannot hold (Object of type co"),
    ({"metadata": {"a": np.nan}}, ValueError, "metadata: got what JSON cannot hold (Out of range"),
    ({"metadata": {"a": [np.inf]}}, ValueError, "metadata: got what JSON cannot hold (Out of ran"),
    ({"metadata": {"a": LOOP}}, ValueError, "metadata: got what JSON cannot hold (Circular ref"),
    ({"tensors": [1]}, TypeError, "tensors: got [1], need a mapping of names to arrays"),
    ({"tensors": {1: np.ones(2)}}, TypeError, "tensors: got the name 1, need names that are str"),
    ({"tensors": {"U": np.ones(2)}}, ValueError, "tensors: got the name 'U', need another name"),
    ({"tensors": {"R": np.ones(2)}}, ValueError, "tensors: got the name 'R', need another name"),
    ({"tensors": {"": np.ones(2)}}, ValueError, "tensors: got the name '', need another name"),
    ({"tensors": {"\ud800": np.ones(2)}}, ValueError, r"tensors: got the name '\ud800', need ano"),
    ({"tensors": {"__metadata__": np.ones(2)}}, ValueError, "tensors: got the name '__metadata__'"),
    ({"tensors": {"a": [1.0]}}, TypeError, "tensors['a']: got [1.0], need an array of booleans"),
    ({"tensors": {"a": np.ones(2, complex)}}, TypeError, "tensors['a']: got an array of shape (2"),
    ({"tensors": {"a": np.ones(2, object)}}, TypeError, "tensors['a']: got an array of shape (2"),
    ({"tensors": {"a": np.ones(2, "g")}}, TypeError, "tensors['a']: got an array of shape (2"),
    ({"tensors": {"a": np.array(["b"])}}, TypeError, "tensors['a']: got an array of shape (1"),
]


@pytest.mark.parametrize(("bad", "error", "message"), BAD)
def test_arguments_refused(
    bad: dict[str, Any],
    error: type[Exception],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = {"path": "model", "rnn": RNN, "params": PARAMS} | bad
    with pytest.raises(error) as caught:
        cybptt.save(**arguments)
    assert str(caught.value).startswith(message)
    assert everything_in(tmp_path) == []
    if "path" in bad:
        for reader in READERS:
            with pytest.raises(error) as caught:
                reader(bad["path"])
            assert str(caught.value).startswith(message)


def test_metadata_that_no_header_holds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(io, "LARGEST_HEADER", 1000)
    with pytest.raises(ValueError, match=r"^metadata: got .* characters of JSON, need less than"):
        cybptt.save(path, RNN, PARAMS, {"text": "a" * 1000})
    assert not path.exists()


def test_nested_too_deeply(path: Path) -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(ValueError, match=r"^metadata: got what JSON cannot hold"):
        cybptt.save(path, RNN, PARAMS, {"a": nested})


def test_without_safetensors(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    for call in (lambda: cybptt.save(path, RNN, PARAMS), lambda: cybptt.load(path)):
        with pytest.raises(ImportError, match=r"pip install 'cybptt\[train\]'"):
            call()


def test_files_of_other_kinds_are_written_the_same_way(tmp_path: Path) -> None:
    _files.write_whole(tmp_path / "a.txt", b"text")
    assert (tmp_path / "a.txt").read_bytes() == b"text"
