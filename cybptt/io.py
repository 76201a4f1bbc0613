"""Models in files: written whole or not at all, checked when read, and never run as code.

A file is a safetensors file. Its tensors are the parameters under the book's letters (U, W, V, b, c
and R, as the model has them) and whatever else was stored beside them, so that any reader of the
format can open it. Its ``__metadata__`` has one entry, ``cybptt``: a SHA-256 in hexadecimal, for
the format itself has no checksum, a space, and a JSON object of

- ``format``, the number 1, and ``version``, that of the cybptt that wrote the file;
- ``model``, the arguments of `RNN`, with the activation and the loss by their names;
- ``metadata``, what the user gave.

The SHA-256 is that of the object's text in UTF-8 and then, for each tensor in the order of their
names, of a line of JSON ``[name, dtype, shape]`` with NumPy's little-endian dtype, a newline, and
the tensor's bytes. The same model makes the same file, to the byte.

A plugin goes into a file by name alone: an activation or loss that no registry and no factory knows
cannot be saved, and whoever loads the file needs it registered or installed.

These functions have no equation: they keep numbers and change none.

`from_torch` and `from_keras` make parameters of other libraries' weights.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

import cybptt
from cybptt._files import Path, file_name, write_whole
from cybptt._validate import describe, wrong_type, wrong_value
from cybptt._weights import from_keras, from_torch
from cybptt.errors import PluginError
from cybptt.parameters import Parameters

if TYPE_CHECKING:
    from cybptt.rnn import RNN

__all__ = ["from_keras", "from_torch", "load", "read_metadata", "read_tensors", "save"]

FORMAT = 1
# What the safetensors package itself allows a header to have.
LARGEST_HEADER = 100_000_000
LETTERS = ("U", "W", "V", "b", "c", "R")
ARGUMENTS = ("n_inputs", "n_hidden", "n_outputs", "recurrence", "outputs", "feedback", "inputs")
Tensors: TypeAlias = "dict[str, NDArray[Any]]"


def save(
    path: Path,
    rnn: RNN,
    params: Parameters,
    metadata: Mapping[str, Any] | None = None,
    *,
    tensors: Mapping[str, NDArray[Any]] | None = None,
) -> None:
    """Write a model to a safetensors file, whole or not at all.

    There is no equation for this. The file is written beside its place, brought to the disk and
    then moved there in one step: until then, what was at ``path`` stays, and nothing else remains
    of an attempt that failed or was interrupted.

    Parameters
    ----------
    path : str or os.PathLike
        Where to; a file that is there is replaced, and keeps its permissions.
    rnn : RNN
        The model. Its plugins are stored by name.
    params : Parameters
        Its parameters, stored bit by bit.
    metadata : mapping, optional
        Anything that JSON can hold, under names that are strings; NaN and infinity it cannot.
        Tuples come back as lists, and all keys as strings.
    tensors : mapping of str to ndarray, optional
        Further arrays of booleans, integers or floats under names of their own, such as an
        optimizer's buffers.

    Raises
    ------
    ImportError
        Without the safetensors package.
    OSError
        Where the file cannot be written.
    TypeError, ValueError
        Where an argument is not as described, or a plugin is known by no name.

    Examples
    --------
    >>> import cybptt, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> rnn = cybptt.RNN(2, 3, 2)
    >>> cybptt.save(path, rnn, rnn.init(seed=0), {"trained on": ["one", 2]})
    >>> again, params = cybptt.load(path)
    >>> again == rnn, (params.vector == rnn.init(seed=0).vector).all()
    (True, np.True_)
    >>> cybptt.read_metadata(path)
    {'trained on': ['one', 2]}
    """
    from cybptt.rnn import RNN

    _package()
    name = file_name(path)
    if not isinstance(rnn, RNN):
        raise wrong_type("rnn", describe(rnn), "an RNN")
    if not isinstance(params, Parameters):
        raise wrong_type("params", describe(params), "Parameters")
    if params.rnn != rnn:
        raise wrong_value("params", f"those of {params.rnn!r}", f"those of {rnn!r}")
    content = {
        "format": FORMAT,
        "version": cybptt.__version__,
        "model": _describe_model(rnn),
        "metadata": _checked_metadata(metadata),
    }
    arrays = {key: _copied(view) for key, view in params.items()}
    write_whole(name, _pack(json.dumps(content), arrays | _checked_tensors(tensors)))


def _pack(text: str, arrays: Tensors) -> bytes:
    data: bytes = _package().save(arrays, {"cybptt": f"{_digest(text, arrays)} {text}"})
    if int.from_bytes(data[:8], "little") > LARGEST_HEADER:
        raise wrong_value("metadata", f"{len(text)} characters of JSON", "less than 100 MB in all")
    return data


def _checked_metadata(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    need = "a mapping that JSON can hold"
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping) or not all(isinstance(key, str) for key in metadata):
        raise wrong_type("metadata", describe(metadata), f"{need}, of names that are strings")
    try:
        copied: dict[str, Any] = json.loads(json.dumps(dict(metadata), allow_nan=False))
    except TypeError as error:
        raise wrong_type("metadata", f"what JSON cannot hold ({error})", need) from None
    except (ValueError, RecursionError) as error:
        raise wrong_value("metadata", f"what JSON cannot hold ({error})", need) from None
    return copied


def _checked_tensors(tensors: Mapping[str, NDArray[Any]] | None) -> Tensors:
    if tensors is None:
        return {}
    if not isinstance(tensors, Mapping):
        raise wrong_type("tensors", describe(tensors), "a mapping of names to arrays")
    checked = {}
    for name, array in tensors.items():
        if not isinstance(name, str):
            raise wrong_type("tensors", f"the name {name!r}", "names that are strings")
        if not name or name in (*LETTERS, "__metadata__") or not name.isprintable():
            need = f"another name than those of the parameters, {' '.join(LETTERS)}"
            raise wrong_value("tensors", f"the name {name!r}", need)
        plain = isinstance(array, np.ndarray) and array.dtype.kind in "biuf"
        if not plain or array.dtype.itemsize > 8:
            need = "an array of booleans, integers or floats of at most 8 bytes"
            raise wrong_type(f"tensors[{name!r}]", describe(array), need)
        checked[name] = _copied(array)
    return checked


def _copied(array: NDArray[Any]) -> NDArray[Any]:
    # A copy in any case: another thread may go on with the array while it is written.
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")


def _digest(text: str, arrays: Tensors) -> str:
    total = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
    for name in sorted(arrays):
        array = arrays[name]
        array = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
        total.update(json.dumps([name, array.dtype.str, list(array.shape)]).encode() + b"\n")
        total.update(array.reshape(-1).view(np.uint8).data)
    return total.hexdigest()


def load(path: Path) -> tuple[RNN, Parameters]:
    """Read a model from a file that `save` wrote, checked to the last bit.

    There is no equation for this. Nothing in a file is ever run: plugins are looked up by name.

    Parameters
    ----------
    path : str or os.PathLike
        The file.

    Returns
    -------
    rnn : RNN
        The model.
    params : Parameters
        Its parameters, in the dtype in which they were saved.

    Raises
    ------
    ImportError
        Without the safetensors package.
    OSError
        Where the file cannot be read.
    ValueError
        Where it is damaged, of another format, or in need of a plugin that is not registered.

    Examples
    --------
    >>> import cybptt, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> rnn = cybptt.RNN(1, 2, 1, activation="relu", loss="squared_error")
    >>> cybptt.save(path, rnn, rnn.init(seed=0))
    >>> _ = path.write_bytes(path.read_bytes()[:-1])
    >>> cybptt.load(path)
    Traceback (most recent call last):
        ...
    ValueError: path: got '...model.safetensors', a file that is damaged (...
    """
    name = file_name(path)
    content, tensors = _read(name)
    rnn = _rebuild_model(name, content["model"])
    dtypes = set()
    for key, shape in rnn.shapes.items():
        if key not in tensors:
            raise _refused(name, f"without {key}", "a file with all parameters of its model")
        if tensors[key].shape != shape:
            got = f"with {key} of shape {tensors[key].shape}"
            raise _refused(name, got, f"{shape}, as its model has it")
        dtypes.add(tensors[key].dtype)
    if len(dtypes) != 1 or not dtypes <= {np.dtype(np.float32), np.dtype(np.float64)}:
        got = "with parameters of dtype " + ", ".join(sorted(map(str, dtypes)))
        raise _refused(name, got, "float32 or float64, one for all")
    return rnn, rnn.parameters(**{key: tensors[key] for key in rnn.shapes})


def read_metadata(path: Path) -> dict[str, Any]:
    """The metadata that `save` was given; the plugins of the model need not be there.

    There is no equation for this.

    Parameters
    ----------
    path : str or os.PathLike
        The file.

    Returns
    -------
    dict
        As JSON gave it back; empty where none was given.

    Raises
    ------
    ImportError, OSError, ValueError
        As `load`.

    Examples
    --------
    >>> import cybptt, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> rnn = cybptt.RNN(2, 3, 2)
    >>> cybptt.save(path, rnn, rnn.init(seed=0), {"characters": "ab", "bits": 2.5})
    >>> cybptt.read_metadata(path)["bits"]
    2.5
    """
    metadata: dict[str, Any] = _read(file_name(path))[0]["metadata"]
    return metadata


def read_tensors(path: Path) -> Tensors:
    """The further arrays that `save` was given, the parameters left out.

    There is no equation for this.

    Parameters
    ----------
    path : str or os.PathLike
        The file.

    Returns
    -------
    dict of str to ndarray
        By name, writable, and of native byte order.

    Raises
    ------
    ImportError, OSError, ValueError
        As `load`.

    Examples
    --------
    >>> import cybptt, tempfile, pathlib
    >>> import numpy as np
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> rnn = cybptt.RNN(2, 3, 2)
    >>> cybptt.save(path, rnn, rnn.init(seed=0), tensors={"seen": np.arange(3)})
    >>> cybptt.io.read_tensors(path)
    {'seen': array([0, 1, 2])}
    """
    _, tensors = _read(file_name(path))
    return {key: array for key, array in tensors.items() if key not in LETTERS}


def _refused(name: str, got: str, need: str) -> ValueError:
    return wrong_value("path", f"{name!r}, a file {got}", need)


def _read(name: str) -> tuple[dict[str, Any], Tensors]:
    """What a file holds, after every check that needs no model."""
    package = _package()
    with open(name, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(8)
        length = int.from_bytes(start, "little")
        # Before anything is read of the size that a foreign file's first bytes happen to say.
        if len(start) < 8 or length > min(size - 8, LARGEST_HEADER):
            raise _refused(name, "that is truncated or none of safetensors", "one that save wrote")
        header = file.read(length)
        text, digest = _own_metadata(name, header)
        data = start + header + file.read()
    try:
        # In copies: what the package gives can be read alone.
        tensors = {key: np.array(array) for key, array in package.load(data).items()}
    except Exception as error:  # whatever the package makes of it
        raise _refused(name, f"that is damaged ({error})", "it as save wrote it") from error
    if _digest(text, tensors) != digest:
        raise _refused(name, "that is damaged: its SHA-256 differs", "it as save wrote it")
    content: dict[str, Any] = json.loads(text)
    return content, tensors


def _own_metadata(name: str, header: bytes) -> tuple[str, str]:
    """Our text and digest, once the text is known to be of a format that is understood."""
    try:
        digest, _, text = json.loads(header)["__metadata__"]["cybptt"].partition(" ")
        content = json.loads(text)
        number = content["format"]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        got = "that is damaged or not of cybptt"
        raise _refused(name, got, "one that save wrote") from error
    if number != FORMAT or isinstance(number, bool):
        newer = isinstance(number, int) and number > FORMAT
        advice = f": update cybptt, it is of {content.get('version')}" if newer else ""
        raise _refused(name, f"of format {number!r}", f"format {FORMAT}{advice}")
    if not {"model", "metadata"} <= content.keys():
        raise _refused(name, "that lacks a model or its metadata", "one that save wrote")
    return text, digest


def _describe_model(rnn: RNN) -> dict[str, Any]:
    plugins = {}
    for kind, get in _registries().items():
        plugin = getattr(rnn, kind)
        try:
            known = get(plugin.name) == plugin
        except (ValueError, PluginError):
            known = False
        if not known:
            got = f"a model with the {kind} {plugin.name!r}, which no name leads to"
            raise wrong_value("rnn", got, f"a registered {kind}, or one made by a factory")
        plugins[kind] = plugin.name
    return {name: getattr(rnn, name) for name in ARGUMENTS} | plugins


def _rebuild_model(name: str, model: Any) -> RNN:
    from cybptt.rnn import RNN

    plugins = {}
    for kind, get in _registries().items():
        try:
            plugins[kind] = get(model[kind])
        except (ValueError, TypeError, KeyError) as error:
            plugin = model.get(kind) if isinstance(model, dict) else None
            got = f"whose model has the {kind} {plugin!r}"
            need = f"that registered, or its package installed ({error})"
            raise _refused(name, got, need) from error
    try:
        return RNN(**{argument: model[argument] for argument in ARGUMENTS}, **plugins)
    except (ValueError, TypeError, KeyError) as error:
        raise _refused(name, f"with no valid model ({error})", "one that save wrote") from error


def _registries() -> dict[str, Callable[[str], Any]]:
    from cybptt import activations, losses

    return {"activation": activations.get, "loss": losses.get}


def _package() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise ImportError(
            "models are saved and loaded through the safetensors package, which is not installed: "
            "pip install 'cybptt[train]'"
        ) from None
    return safetensors.numpy
