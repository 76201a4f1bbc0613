"""The hidden states as a function of JAX, with a gradient of its own: `hidden`.

It works under ``jax.jit`` and in everything that JAX builds of functions with a VJP, on the CPU:
JAX's program calls cybptt, forward and backward. What comes after h, such as an output layer and a
loss, is JAX's. It needs JAX, which the extra ``cybptt[jax]`` installs.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

import cybptt
from cybptt import _validate as check

try:
    import jax
    import jax.numpy as jnp
except ImportError:
    from cybptt._neighbours import missing

    raise missing("jax", "JAX") from None

from cybptt.jax._calls import Array, Function, axes_of, varying

__all__ = ["hidden"]

NAMES = ("U", "W", "b")


def hidden(
    rnn: cybptt.RNN, params: Mapping[str, Any], x: Any, h0: Any = None, lengths: Any = None
) -> jax.Array:
    """Compute h(t) of every step, in a program of JAX's: :eq:`10.8` and :eq:`10.9`.

    `RNN.hidden` for JAX, whose gradient is `RNN.hidden_vjp`: :eq:`10.21` to :eq:`10.28`, and C.1 to
    C.3. It can be jitted, differentiated once in reverse, mapped (one call after another; to give
    it a batch is faster) and scanned.

    Parameters
    ----------
    rnn : RNN
        The model, without an output layer (``n_outputs=None``). It is no array: close over it, or
        call it static.
    params : mapping
        ``"U"``, ``"W"`` and ``"b"``: arrays of JAX or NumPy, all float32 or all float64. A
        `Parameters` will do; for training it is ``jax.tree.map(jnp.asarray, dict(params))``.
    x : array, shape (T, B, I) or (T, I); integers (T, B) or (T,) for tokens
        The inputs, of the parameters' dtype. A token out of range is an error when the program
        runs.
    h0 : array, shape (B, H) or (H,), optional
        h(0); zeros when not given.
    lengths : array of int, shape (B,) or (), optional
        Steps of each sequence.

    Returns
    -------
    jax.Array, shape (T, B, H) or (T, H)
        Past a sequence's length its last h stands again, so that ``h[-1]`` is h at the ends.

    Raises
    ------
    ValueError, TypeError
        While the program is traced: for another model, and for arrays of another shape or dtype.
    NotImplementedError
        Where a second derivative is asked for.

    Notes
    -----
    JAX itself refuses forward-mode derivatives (``jax.jvp``, ``jax.jacfwd``), for there is none.

    Examples
    --------
    >>> import cybptt, cybptt.jax, jax, jax.numpy as jnp
    >>> rnn = cybptt.RNN(2, 3, None)
    >>> params = jax.tree.map(jnp.asarray, dict(rnn.init(seed=0, dtype="float32")))
    >>> @jax.jit
    ... def loss(params, x):
    ...     return (cybptt.jax.hidden(rnn, params, x) ** 2).sum()
    >>> jax.grad(loss)(params, jnp.ones((5, 4, 2)))["W"].shape
    (3, 3)
    """
    _check_model(rnn)
    given = {name: _parameter(params, name, rnn.shapes[name]) for name in NAMES}
    dtype = given["U"].dtype
    for name, array in given.items():
        if array.dtype != dtype:
            raise check.wrong_value(f"params[{name!r}]", str(array.dtype), f"{dtype}, as U is")
    tokens = rnn.inputs == "tokens"
    x = jnp.asarray(x)
    letters = "(T, B) or (T,)" if tokens else f"(T, B, I) or (T, I), I = {rnn.n_inputs}"
    axes = x.ndim + tokens
    right = _of_integers(x) if tokens else x.dtype == dtype
    if axes not in (2, 3) or not right or (not tokens and x.shape[-1] != rnn.n_inputs):
        need = f"{'integers' if tokens else dtype} of shape {letters}"
        raise check.wrong_value("x", _describe(x), need)
    batch = x.shape[1:2] if axes == 3 else ()
    if h0 is None:
        h0 = jnp.zeros((*batch, rnn.n_hidden), dtype)
    h0 = jnp.asarray(h0)
    if h0.shape != (*batch, rnn.n_hidden) or h0.dtype != dtype:
        need = f"{dtype} of shape {(*batch, rnn.n_hidden)}"
        raise check.wrong_value("h0", _describe(h0), need)
    if lengths is not None:
        lengths = jnp.asarray(lengths)
        if lengths.shape != batch or not _of_integers(lengths):
            raise check.wrong_value("lengths", _describe(lengths), f"integers of shape {batch}")
    vector = jnp.concatenate([given[name].reshape(-1) for name in NAMES])
    return _hidden(rnn, *_alike(vector, x, h0, lengths))


def _alike(*arrays: Any) -> list[Any]:
    """Under ``jax.shard_map``: each varies over the axes that any does, as the results will."""
    over = frozenset().union(*(axes_of(array) for array in arrays if array is not None))
    return [array if array is None else varying(array, over) for array in arrays]


# ---------------------------------------------------------------------- its gradient


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _hidden(rnn: cybptt.RNN, vector: Any, x: Any, h0: Any, lengths: Any) -> Any:
    return RUN(rnn, [((x.shape[0], *h0.shape), h0.dtype)], vector, x, h0, *_or_none(lengths))[0]


def _forward(rnn: cybptt.RNN, vector: Any, x: Any, h0: Any, lengths: Any) -> Any:
    h = _hidden(rnn, vector, x, h0, lengths)
    return h, (vector, x, h0, lengths, h)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _backward(rnn: cybptt.RNN, kept: Any, grad_h: Any) -> Any:
    vector, x, h0, lengths, h = kept
    like = [vector, h0] + [x] * (rnn.inputs == "values")
    results = [(array.shape, h.dtype) for array in like]
    found = PULL_BACK(rnn, results, h, grad_h, vector, x, h0, *_or_none(lengths))
    grad_x = found[2] if rnn.inputs == "values" else _none_of(x)
    return found[0], grad_x, found[1], _none_of(lengths)


def _no_more(*_: Any) -> Any:
    raise NotImplementedError(
        "cybptt.jax.hidden: got a second derivative to compute, need the first alone, which is all"
        " that it has"
    )


_backward.defvjp(lambda rnn, kept, grad_h: (_backward(rnn, kept, grad_h), None), _no_more)
_hidden.defvjp(_forward, _backward)


def _or_none(array: Any) -> list[Any]:
    return [] if array is None else [array]


def _none_of(integers: Any) -> Any:
    """The gradient that JAX has for integers."""
    return None if integers is None else np.zeros(integers.shape, jax.dtypes.float0)


# ---------------------------------------------------------------------- while the program runs


def _run(
    rnn: cybptt.RNN, vector: Array, x: Array, h0: Array, lengths: Array | None = None
) -> list[Array]:
    params = cybptt.Parameters(rnn, vector.copy())
    return [rnn.hidden(params, x, h0=h0, lengths=lengths)]


def _pull_back(
    rnn: cybptt.RNN, h: Array, grad_h: Array, vector: Array, x: Array, h0: Array,
    lengths: Array | None = None,
) -> list[Array]:  # fmt: skip
    params = cybptt.Parameters(rnn, vector.copy())
    found = rnn.hidden_vjp(params, x, h, grad_h, h0=h0, lengths=lengths)
    gradients = [found.parameters.vector, found.h0]
    return gradients if found.x is None else [*gradients, found.x]


RUN = Function(_run)
PULL_BACK = Function(_pull_back)


# ---------------------------------------------------------------------- checks


def _check_model(rnn: Any) -> None:
    if not isinstance(rnn, cybptt.RNN):
        raise check.wrong_type("rnn", check.describe(rnn), "an RNN")
    if rnn.n_outputs is not None or rnn.outputs != "all":
        need = "a model without an output layer, RNN(I, H, None): that layer can be JAX's"
        raise check.wrong_value("rnn", repr(rnn), need)


def _parameter(params: Any, name: str, shape: tuple[int, ...]) -> Any:
    if not isinstance(params, Mapping):
        raise check.wrong_type("params", f"a {type(params).__name__}", "a mapping with U, W and b")
    if name not in params:
        raise check.wrong_value("params", f"the names {', '.join(params)}", "U, W and b")
    array = jnp.asarray(params[name])
    if array.shape != shape or array.dtype not in (jnp.float32, jnp.float64):
        need = f"float32 or float64 of shape {shape}"
        raise check.wrong_value(f"params[{name!r}]", _describe(array), need)
    return array


def _of_integers(array: Any) -> bool:
    """Of NumPy's: JAX has narrower ones, too."""
    return np.dtype(array.dtype).kind in "iu"


def _describe(array: Any) -> str:
    return f"{array.dtype} of shape {array.shape}"
