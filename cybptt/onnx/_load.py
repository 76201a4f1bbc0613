"""The way back: a network from the file that `export` made of it."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

import cybptt
from cybptt import _validate as check
from cybptt._files import Path
from cybptt.onnx._activations import Form, activation
from cybptt.onnx._export import ARGUMENTS, FORMAT, KEY
from cybptt.onnx._files import Constants, read

Array = NDArray[Any]


def load(model: Path | onnx.ModelProto) -> tuple[cybptt.RNN, cybptt.Parameters]:
    """Read the network that `export` wrote, with its parameters to the bit.

    There is no equation for this. Of a model that something else wrote, `rnn_nodes` reads what it
    can.

    Parameters
    ----------
    model : str, os.PathLike or onnx.ModelProto
        A file, or what `export` returned.

    Returns
    -------
    rnn : RNN
        The model. Its plugins were stored by name.
    params : Parameters
        Its parameters; those that the file holds now, if something has written others.

    Raises
    ------
    OSError
        Where the file cannot be read.
    ValueError, TypeError
        For a model that is none of `export`'s, or no longer as it made it, and for one with a
        plugin that is not registered.

    Examples
    --------
    >>> import cybptt, cybptt.onnx, numpy as np
    >>> rnn = cybptt.RNN(3, 16, 4)
    >>> params = rnn.init(seed=0)
    >>> again, numbers = cybptt.onnx.load(cybptt.onnx.export(rnn, params))
    >>> again == rnn, np.array_equal(numbers.vector, params.vector)
    (True, True)
    """
    proto = read(model)
    rnn = _model_of(proto)
    constants = Constants(proto)
    arrays = {name: _parameter(constants, name, shape) for name, shape in rnn.shapes.items()}
    return rnn, rnn.parameters(**arrays)


def _model_of(proto: onnx.ModelProto) -> cybptt.RNN:
    texts = [each.value for each in proto.metadata_props if each.key == KEY]
    if not texts:
        need = "one that cybptt.onnx.export wrote; cybptt.onnx.rnn_nodes reads others"
        raise check.wrong_value(
            "model", f"one of {proto.producer_name or 'unknown origin'!r}", need
        )
    try:
        content = json.loads(texts[0])
        number, words = content["format"], content["model"]
        arguments = {name: words[name] for name in ARGUMENTS}
        plugins = {kind: words[kind] for kind in ("activation", "loss")}
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        need = "metadata as cybptt.onnx.export writes them"
        raise check.wrong_value("model", "one with other metadata", need) from error
    if number != FORMAT:
        raise check.wrong_value("model", f"one of format {number!r}", f"format {FORMAT}")
    for kind, name in plugins.items():
        if name is None:
            got = f"one whose {kind} had no name"
            raise check.wrong_value("model", got, f"one whose {kind} was registered")
    try:
        form = Form.of(plugins["activation"])
        if form is not None:
            numbers = dict(zip(("alpha", "beta"), form.numbers, strict=False))
            plugins["activation"] = activation(form.name, **numbers, clip=form.clip)
        return cybptt.RNN(**arguments, **plugins)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        got = f"one whose metadata are of no model here ({error})"
        raise check.wrong_value("model", got, "its plugins registered") from error


def _parameter(constants: Constants, name: str, shape: tuple[int, ...]) -> Array:
    """In the book's shape: some are transposed, or as the operator RNN has them."""
    array = constants.get(name)
    other = constants.get(f"{name}_T") if array is None else None
    if other is not None:
        array = other.T
    n = math.prod(shape)
    if array is not None and name == "b" and n and array.size == 2 * n:
        array = array[:, : len(array.T) // 2]  # beside it stands the other bias that ONNX's RNN has
    if array is None or array.dtype not in check.FLOATS or array.size != n:
        got = "nothing" if array is None else check.describe(array)
        need = f"one that has it, of shape {shape}, as cybptt.onnx.export wrote it"
        raise check.wrong_value("model", f"one with {got} for {name}", need)
    return np.reshape(array, shape)
