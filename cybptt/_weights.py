"""Parameters from what other libraries call them; neither is needed for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cybptt import _validate as check

if TYPE_CHECKING:
    from cybptt.parameters import Parameters
    from cybptt.rnn import RNN

Array = NDArray[Any]


def from_torch(
    rnn: RNN,
    state_dict: Mapping[str, Any],
    *,
    prefix: str = "",
    layer: int = 0,
    reverse: bool = False,
    output: str | None = None,
) -> Parameters:
    """Take the parameters of one layer of `torch.nn.RNN` out of a ``state_dict``.

    U and W are ``weight_ih_l0`` and ``weight_hh_l0``, and b is the sum of ``bias_ih_l0`` and
    ``bias_hh_l0``: :eq:`10.8`. V and c are a Linear's ``weight`` and ``bias``: :eq:`10.10`.

    Parameters
    ----------
    rnn : RNN
        The model, with hidden recurrence: I and H those of the layer, O of the Linear, and the
        activation its ``nonlinearity``.
    state_dict : mapping of str to tensors, or to arrays
        A module's ``state_dict()``. PyTorch itself need not be there: arrays by those names will
        do.
    prefix : str
        What stands before the layer's names: ``"rnn."`` for a module's attribute ``rnn``.
    layer : int
        Which of its layers.
    reverse : bool
        The other direction of a bidirectional layer. It is to read each sequence from its end.
    output : str, optional
        The name of the Linear that is the output layer, such as ``"head"``; for a model that has
        one.

    Returns
    -------
    params : Parameters
        In the widest dtype that is there: float64, or float32 for that and for less.

    Raises
    ------
    ValueError, TypeError
        For names that are missing and arrays of other shapes than the model's.

    Examples
    --------
    >>> import cybptt, numpy as np
    >>> state_dict = {
    ...     "rnn.weight_ih_l0": np.ones((3, 2)), "rnn.weight_hh_l0": np.eye(3),
    ...     "rnn.bias_ih_l0": np.ones(3), "rnn.bias_hh_l0": np.ones(3),
    ...     "head.weight": np.ones((4, 3)), "head.bias": np.zeros(4),
    ... }
    >>> rnn = cybptt.RNN(2, 3, 4)
    >>> params = cybptt.io.from_torch(rnn, state_dict, prefix="rnn.", output="head")
    >>> params.b
    array([2., 2., 2.])
    """
    _check_model(rnn, output, "the name of its Linear")
    for name, value, kind, need in (
        ("state_dict", state_dict, Mapping, "a mapping of names to tensors"),
        ("prefix", prefix, str, "a part of a name, as a str"),
        ("output", output or "", str, "a part of a name, as a str"),
    ):
        if not isinstance(value, kind):
            raise check.wrong_type(name, check.describe(value), need)
    layer = check.integer("layer", layer, 0, 2**16)
    suffix = f"_l{layer}" + ("_reverse" if check.boolean("reverse", reverse) else "")

    def part(name: str, shape: tuple[int, ...], optional: bool = False) -> Any:
        if name in state_dict:
            return _numbers(f"state_dict[{name!r}]", state_dict[name], shape)
        if optional:
            return 0.0
        near = ", ".join(map(str, list(state_dict)[:12])) or "none"
        raise check.wrong_value("state_dict", f"the names {near}", f"{name} of shape {shape}")

    I, H = rnn.n_inputs, rnn.n_hidden
    arrays = {
        "U": part(f"{prefix}weight_ih{suffix}", (H, I)),
        "W": part(f"{prefix}weight_hh{suffix}", (H, H)),
        "b": np.zeros(H, np.float32)
        + part(f"{prefix}bias_ih{suffix}", (H,), optional=True)
        + part(f"{prefix}bias_hh{suffix}", (H,), optional=True),
    }
    if output is not None:
        O = rnn.size_o
        arrays["V"] = part(f"{output}.weight", (O, H))
        arrays["c"] = np.zeros(O, np.float32) + part(f"{output}.bias", (O,), optional=True)
    return rnn.parameters(**arrays)


def from_keras(
    rnn: RNN, weights: Sequence[ArrayLike], *, output: Sequence[ArrayLike] | None = None
) -> Parameters:
    """Take the parameters of Keras's SimpleRNN, and of a Dense layer after it.

    U, W and V are the transposes of Keras's kernels: :eq:`10.8` and :eq:`10.10`.

    Parameters
    ----------
    rnn : RNN
        The model, with hidden recurrence: I and H those of the layer, O of the Dense, and the
        activation its ``activation``; but Keras's "leaky_relu" is "leaky_relu(0.2)" here.
    weights : sequence of arrays
        What the SimpleRNN's ``get_weights()`` returns: kernel (I, H), recurrent kernel (H, H), and
        bias (H,) unless ``use_bias=False``.
    output : sequence of arrays, optional
        What the Dense's ``get_weights()`` returns: kernel (H, O) and bias (O,); for a model that
        has an output layer.

    Returns
    -------
    params : Parameters
        In the widest dtype that is there: float64, or float32 for that and for less.

    Raises
    ------
    ValueError, TypeError
        For another number of arrays, and other shapes than the model's.

    Examples
    --------
    >>> import cybptt, numpy as np
    >>> weights = [np.ones((2, 3)), np.eye(3), np.zeros(3)]
    >>> cybptt.io.from_keras(cybptt.RNN(2, 3, None), weights).U.shape
    (3, 2)
    """
    _check_model(rnn, output, "the arrays of its Dense layer")
    I, H, O = rnn.n_inputs, rnn.n_hidden, rnn.size_o
    kernels = _kernels("weights", weights, [(I, H), (H, H), (H,)])
    arrays = {"U": kernels[0].T, "W": kernels[1].T, "b": kernels[2]}
    if output is not None:
        V, arrays["c"] = _kernels("output", output, [(H, O), (O,)])
        arrays["V"] = V.T
    return rnn.parameters(**arrays)


def _check_model(rnn: Any, output: Any, what: str) -> None:
    from cybptt.rnn import RNN

    if not isinstance(rnn, RNN):
        raise check.wrong_type("rnn", check.describe(rnn), "an RNN")
    if rnn.recurrence != "hidden":
        need = "recurrence='hidden', which the other library has alone"
        raise check.wrong_value("rnn", f"a model with recurrence={rnn.recurrence!r}", need)
    if output is None and rnn.n_outputs is not None:
        need = f"{what}, for the model has an output layer"
        raise check.wrong_value("output", "None", need)
    if output is not None and rnn.n_outputs is None:
        got = check.describe(output)
        raise check.wrong_value("output", got, "None: the model has no output layer")


def _kernels(name: str, given: Any, shapes: list[tuple[int, ...]]) -> list[Array]:
    """Arrays of these shapes, of which the last, a bias, may be absent."""
    need = f"{len(shapes)} arrays, or {len(shapes) - 1} without the bias"
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise check.wrong_type(name, check.describe(given), need)
    if len(given) not in (len(shapes) - 1, len(shapes)):
        raise check.wrong_value(name, f"{len(given)} arrays", need)
    found = [
        _numbers(f"{name}[{i}]", array, shape)
        for i, (array, shape) in enumerate(zip(given, shapes, strict=False))
    ]
    return found if len(found) == len(shapes) else [*found, np.zeros(shapes[-1], found[0].dtype)]


def _numbers(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    if hasattr(value, "detach"):  # a tensor, which may have a gradient, or be on another device
        value = value.detach().cpu().resolve_neg()
        if value.is_floating_point() and value.dtype.itemsize < 4:  # NumPy has no bfloat16
            value = value.float()
    if getattr(getattr(value, "dtype", None), "name", "") == "bfloat16":  # Keras's arrays of it
        value = np.asarray(value, np.float32)
    raw = check.array(name, value, "f", f"numbers of shape {shape}")
    if raw.shape != shape:
        raise check.wrong_value(name, check.describe(raw), f"shape {shape}")
    return raw
