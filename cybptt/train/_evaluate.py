"""The mean loss over chunks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from cybptt import _validate as check
from cybptt.train._checks import check_model, chunk_parts
from cybptt.train._group import Group, Ranks
from cybptt.train._run import count_targets

if TYPE_CHECKING:
    from cybptt.parameters import Parameters
    from cybptt.rnn import RNN

__all__ = ["Chunk", "evaluate", "mean_loss"]

Chunk: TypeAlias = "tuple[Any, Any] | tuple[Any, Any, Mapping[str, Any]]"


def evaluate(
    rnn: RNN,
    params: Parameters,
    chunks: Iterable[Chunk],
    *,
    carry: bool = True,
    group: Group | None = None,
) -> float:
    """The mean loss over chunks, with the state carried from one to the next.

    :eq:`10.13` over the number of steps that count. Cutting a sequence into chunks and carrying
    the state changes no loss. A model with an output recurrence is given the true outputs, as the
    likelihood of :eq:`10.15`–:eq:`10.16` has them.

    Parameters
    ----------
    rnn : RNN
        The model.
    params : Parameters
        Its parameters.
    chunks : iterable of (x, y) or (x, y, options)
        As in :func:`fit`; a ``reduction`` is not looked at.
    carry : bool
        Whether the state goes from chunk to chunk.
    group : Group, optional
        Other processes with chunks of their own: the mean is over those of all, on each.

    Returns
    -------
    float
        In nats for classes; divide by ln 2 for bits.

    Raises
    ------
    ValueError, TypeError
        If a chunk is wrong, or there is no step to count.
    RankError
        If another rank of the group failed.

    Examples
    --------
    >>> import cybptt, math
    >>> from cybptt.data import Chunks
    >>> from cybptt.text import Vocabulary
    >>> from cybptt.train import evaluate
    >>> text = "abcd" * 20
    >>> vocabulary = Vocabulary.of(text)
    >>> rnn = cybptt.RNN(4, 8, 4, inputs="tokens")
    >>> params = rnn.init(seed=0)
    >>> params.vector[...] = 0                  # all four letters alike: two bits
    >>> chunks = Chunks(vocabulary.encode(text), batch=1, steps=30)
    >>> round(evaluate(rnn, params, chunks) / math.log(2), 6)
    2.0
    """
    ranks = Ranks(group)
    with ranks.together():
        check_model(rnn, params)
        carry = check.boolean("carry", carry)
        if not hasattr(chunks, "__iter__"):
            raise check.wrong_type("chunks", check.describe(chunks), "an iterable of (x, y)")
    return mean_loss(ranks, rnn, params, chunks, carry)


def mean_loss(
    ranks: Ranks, rnn: RNN, params: Parameters, chunks: Iterable[Chunk], carry: bool
) -> float:
    """`evaluate` with what has been checked, over the chunks of all ranks."""
    with ranks.together() as told:
        total, count, state = 0.0, 0.0, None
        for chunk in chunks:
            x, y, options = chunk_parts(chunk, carry)
            forced = {} if rnn.recurrence == "hidden" else {"y": y}
            trace = rnn.forward(
                params, x, lengths=options.get("lengths"), state=state if carry else None, **forced
            )
            total += rnn.total_loss(trace, y, weights=options.get("weights"))
            count += count_targets(rnn, y, options)
            at = options.get("state_at")
            state = trace.state if at is None else trace.state_at(at)
        told.value = (total, count)
    counts = sum(count for _, count in told.all)
    if not counts > 0:
        raise ranks.everywhere(check.wrong_value("chunks", "no step to count", "at least 1"))
    return float(sum(total for total, _ in told.all) / counts)
