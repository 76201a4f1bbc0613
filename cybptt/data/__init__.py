"""Sequences to train on: the field's tasks, ragged lists, and streams longer than memory.

The tasks are functions, each after the paper that it names: `adding`, `copy`, `temporal_order`,
`parity`, `delayed_recall`, `flip_flop`, `mackey_glass`. All return ``(x, y, options)``, as
``rnn.value_and_grad(params, x, y, **options)`` takes them.

Three sequences of such chunks are what :func:`cybptt.train.fit` takes: `Trials`, each drawn anew by
a task; `Batches` of sequences that have ends of their own; and `Chunks` of a long stream, for
truncated back-propagation. A chunk is made when it is asked for.

There are no equations here: what the section calls x(t) and y(t) is prepared.
"""

from cybptt.data._batches import Batches
from cybptt.data._chunks import Chunks
from cybptt.data._series import delayed_recall, flip_flop, mackey_glass
from cybptt.data._tasks import adding, copy, parity, temporal_order
from cybptt.data._trials import Trials

__all__ = [
    "Trials",
    "Batches",
    "Chunks",
    "adding",
    "copy",
    "temporal_order",
    "parity",
    "delayed_recall",
    "flip_flop",
    "mackey_glass",
]
