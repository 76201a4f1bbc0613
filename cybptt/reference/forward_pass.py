"""A batch forward: RNN.forward, a sequence after another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cybptt.reference.forward_equations import one_hot
from cybptt.reference.nodes import (
    State,
    Trace,
    add_batch_axis,
    batch_axis,
    drop_batch_axis,
    in_batch,
)
from cybptt.reference.sequences import Sequence, unroll

Array = NDArray[Any]


def forward(
    rnn: Any,
    params: Mapping[str, Array],
    x: ArrayLike,
    *,
    h0: ArrayLike | None = None,
    y: ArrayLike | None = None,
    y0: ArrayLike | None = None,
    state: Any = None,
    lengths: ArrayLike | None = None,
    teacher_forcing: ArrayLike | None = None,
) -> Trace:
    r"""Every node of a batch, forward through time, :eq:`10.8`-:eq:`10.11`, :eq:`C.4`-:eq:`C.5`.

    Parameters
    ----------
    rnn : RNN
        The model; only its public attributes are looked at.
    params : mapping of str to ndarray
        U, W, V, b, c, R, as the model has them.
    x : array, shape (T, B, I), or (T, B) of int for tokens; without B for one sequence
        The inputs.
    h0 : array, shape (B, H) or (H,), optional
        h(0); zeros.
    y : array, shape (T, B) of int or (T, B, O), optional
        What forced steps are given, a step later.
    y0 : array, shape (B, O), (O,), or (B,) of int, optional
        What stands before y(1) and o(1); zeros.
    state : State, optional
        Where to go on from, in the place of h0 and y0.
    lengths : array of int, shape (B,), optional
        Steps of each sequence, 0 ... T; T.
    teacher_forcing : bool, or array of bool of shape (T, B), optional
        Which steps are forced; all where y is given, else none.

    Returns
    -------
    Trace
        The nodes.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.

    Examples
    --------
    >>> import numpy as np
    >>> import cybptt
    >>> rnn = cybptt.RNN(2, 3, 2)
    >>> trace = cybptt.reference.forward(rnn, rnn.init(seed=0), np.ones((4, 5, 2)))
    >>> trace.h.shape, trace.o.shape
    ((4, 5, 3), (4, 5, 2))
    """
    single = np.ndim(x) == (1 if rnn.inputs == "tokens" else 2)
    x = add_batch_axis(x, single)
    if rnn.inputs == "tokens":
        x = one_hot(x, rnn.n_inputs)
    n_steps, n_sequences = x.shape[:2]
    zeros = np.zeros(rnn.n_hidden, params["b"].dtype)
    lengths = np.broadcast_to(n_steps if lengths is None else lengths, n_sequences)
    h0 = h0 if state is None else state.h
    h0 = np.broadcast_to(zeros if h0 is None else h0, (n_sequences, rnn.n_hidden))
    given = _given(rnn, y, y0, state, teacher_forcing, x.shape[:2], single, zeros.dtype)

    sequences = []
    for n in range(n_sequences):
        own = {name: rows[n] for name, rows in given.items()}
        sequences.append(unroll(rnn, params, x[: lengths[n], n], h0[n], **own))

    a = in_batch([s.a for s in sequences], n_steps, zeros)
    h = in_batch([_repeat(s, n_steps) for s in sequences], n_steps, zeros)
    h_end = in_batch([s.h_end for s in sequences], 1, zeros)[0]

    out = zeros if rnn.n_outputs is None else np.zeros(rnn.n_outputs, zeros.dtype)
    n_rows = 1 if rnn.outputs == "last" else n_steps
    o = in_batch([s.o for s in sequences], n_rows, out)
    y_hat = in_batch([s.y_hat for s in sequences], n_rows, out)
    if rnn.outputs == "last":
        o, y_hat = o[0], y_hat[0]
    elif rnn.n_outputs is None:
        o = h.copy()

    fed = last_y = None
    if rnn.recurrence != "hidden":
        fed = in_batch([s.own_next for s in sequences], 1, out)[0]
        unmoved = not any(len(s.x) for s in sequences)
        if y is not None or (unmoved and (state is None or state.y is not None)):
            last_y = in_batch([s.y_next for s in sequences], 1, out)[0]

    state = State(*(drop_batch_axis(rows, single, 0) for rows in (h_end, fed, last_y)))
    return Trace(
        a=drop_batch_axis(a, single),
        h=drop_batch_axis(h, single),
        o=drop_batch_axis(o, single, batch_axis(rnn)),
        y_hat=drop_batch_axis(y_hat, single, batch_axis(rnn)),
        state=state,
        sequences=sequences,
        params=params,
        n_steps=n_steps,
        single=single,
    )


def _repeat(s: Sequence, n_steps: int) -> Array:
    """Repeat h past the end of a sequence: (T, H)."""
    return np.concatenate([s.h, np.repeat(s.h_end, n_steps - len(s.h), axis=0)])


def _given(
    rnn: Any,
    y: ArrayLike | None,
    y0: ArrayLike | None,
    state: Any,
    teacher_forcing: ArrayLike | None,
    shape: tuple[int, int],
    single: bool,
    dtype: Any,
) -> dict[str, Array]:
    """What unroll is given for an output recurrence, by its names, the B axis first."""
    if rnn.recurrence == "hidden":
        return {}
    forced = (y is not None) if teacher_forcing is None else np.asarray(teacher_forcing)
    forced = np.broadcast_to(add_batch_axis(forced, single and np.ndim(forced) == 1), shape)
    if y is None and forced[1:].any():
        raise ValueError("y: got None, need what the forced steps are given")

    fed_y = np.zeros((*shape, rnn.n_outputs), dtype)
    if y is not None:
        fed_y = add_batch_axis(y, single)
        fed_y = one_hot(fed_y, rnn.n_outputs) if rnn.loss.targets == "classes" else fed_y

    def before_first(rows: ArrayLike | None) -> Array:
        rows = np.zeros(rnn.n_outputs, dtype) if rows is None else np.asarray(rows)
        # Labels are told from values by their type, and by being one a sequence.
        labels = rnn.loss.targets == "classes" and rows.dtype.kind in "iu"
        if labels and rows.shape == (() if single else shape[1:]):
            rows = one_hot(rows, rnn.n_outputs)
        return np.broadcast_to(rows, (shape[1], rnn.n_outputs))

    own_before, y_before = (y0, y0) if state is None else (state.fed, state.y)
    return {
        "forced": forced.swapaxes(0, 1),
        "y": fed_y.swapaxes(0, 1),
        "own_before": before_first(own_before),
        "y_before": before_first(own_before if y_before is None else y_before),
    }
