"""What the reference returns: every node of a batch, every gradient, and where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cybptt.reference.sequences import Sequence

Array = NDArray[Any]


@dataclass(frozen=True)
class State:
    """Where a batch stands: what the next call goes on from.

    It has no equation of its own: h(0) of :eq:`10.8` and u(1) of :eq:`C.5` for what comes next.

    Attributes
    ----------
    h : ndarray, shape (B, H) or (H,)
        h where it stands.
    fed : ndarray, shape (B, O) or (O,), or None
        What the next step is given if it is free; None under a hidden recurrence alone.
    y : ndarray, shape (B, O) or (O,), or None
        What the next step is given if it is forced, one-hot for classes; None where no y was given.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.reference import State
    >>> State(np.zeros(2)).fed is None
    True
    """

    h: Array
    fed: Array | None = None
    y: Array | None = None


@dataclass(frozen=True)
class Trace:
    """Every node of a batch, as :func:`forward` found them.

    It has no equation of its own; it holds what :eq:`10.8`-:eq:`10.11` compute.

    Attributes
    ----------
    a, h : ndarray, shape (T, B, H) or (T, H)
        a(t), h(t); past a sequence's end a is 0 and h repeats.
    o, y_hat : ndarray, shape (T, B, O) or (T, O); (B, O) or (O,) with outputs="last"
        o(t), ŷ(t), 0 past a sequence's end; o repeats there where it is h.
    state : State
        Where the batch stands at the end.
    sequences : list of Sequence
        The nodes of each sequence, without padding.
    params : mapping of str to ndarray
        The parameters.
    n_steps : int
        T.
    single : bool
        Whether one sequence was given, without the B axis.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.

    Examples
    --------
    >>> from cybptt.reference import Trace
    >>> list(Trace.__dataclass_fields__)[:5]
    ['a', 'h', 'o', 'y_hat', 'state']
    """

    a: Array
    h: Array
    o: Array
    y_hat: Array
    state: State
    sequences: list[Sequence] = field(repr=False)
    params: Mapping[str, Array] = field(repr=False)
    n_steps: int
    single: bool


@dataclass(frozen=True)
class Gradients:
    """The gradient of every parameter and at every node, each with its node's shape.

    It has no equation of its own; it holds what :eq:`10.18`-:eq:`10.28` and :eq:`C.1`-:eq:`C.9`
    compute.

    Attributes
    ----------
    parameters : dict of str to ndarray
        By name, each with its parameter's shape.
    o, h, a : ndarray
        At o, h and a; 0 past a sequence's end.
    x : ndarray, shape (T, B, I) or (T, I), or None
        At x; None for tokens.
    h0 : ndarray, shape (B, H) or (H,)
        At h(0).
    y0 : ndarray, shape (B, O) or (O,), or None
        At what the first step was fed; None under a hidden recurrence alone.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.2.

    Examples
    --------
    >>> from cybptt.reference import Gradients
    >>> list(Gradients.__dataclass_fields__)
    ['parameters', 'o', 'h', 'a', 'x', 'h0', 'y0']
    """

    parameters: dict[str, Array]
    o: Array
    h: Array
    a: Array
    x: Array | None
    h0: Array
    y0: Array | None


def batch_axis(rnn: Any) -> int:
    """Where the B axis of o, of the targets and of the weights is: 1, or 0 with outputs="last"."""
    return 0 if rnn.outputs == "last" else 1


def add_batch_axis(values: ArrayLike, single: bool, axis: int = 1) -> Array:
    """Make one sequence a batch of one; a batch is left as it is."""
    return np.expand_dims(values, axis) if single else np.asarray(values)


def drop_batch_axis(values: Any, single: bool, axis: int = 1) -> Any:
    """Undo :func:`add_batch_axis`; None stays None."""
    return np.squeeze(values, axis) if single and values is not None else values


def in_batch(rows: list[Array], n_steps: int, like: Array) -> Array:
    """Put each sequence's rows (L, n) into a batch (T, B, n) that is 0 past a sequence's end."""
    batch = np.zeros((n_steps, len(rows), len(like)), np.result_type(like, *rows))
    for n, values in enumerate(rows):
        batch[: len(values), n] = values
    return batch


def by_sequence(rnn: Any, trace: Trace, *batches: Array) -> Iterator[tuple[Any, ...]]:
    """Each sequence, and its own rows of batches such as targets, weights, or a gradient at o.

    A batch is (T, B, ...), its rows (L, ...); with outputs="last" it is (B, ...), its row (1, ...).
    """
    for n, s in enumerate(trace.sequences):
        if rnn.outputs == "last":
            yield s, *(rows[n : n + 1] for rows in batches)
        else:
            yield s, *(rows[: len(s.x), n] for rows in batches)
