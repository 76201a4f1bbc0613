"""Sequences that have ends of their own, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cybptt import _validate as check
from cybptt.data._shared import Lazy, fixed_seed, generator
from cybptt.sequences import arrays_of, pad

Array = NDArray[Any]


class Batches(Lazy):
    """Sequences of different lengths in batches (x, y, options), every one once in each epoch.

    A batch is padded to its longest sequence (`cybptt.pad`), and ``lengths`` say where each ends.
    ``reduction`` is the same number for all batches: how many losses one has in the mean. So the
    mean of the batches' gradients is the gradient of the mean loss of all sequences, however
    the steps are spread over the batches: no step counts more because its batch has few.

    The epochs stand one after the other, each in an order of its own: ``len(batches)`` is the
    number of batches of all. They have nothing to do with each other:
    :func:`cybptt.train.fit` wants ``carry=False``.

    No equation: the book's sequences are not batched.

    Parameters
    ----------
    sequences : sequence of array_like, each of shape (T_i, I) or (T_i,)
        As `cybptt.pad` takes them. An array (n, T, I) is one of n sequences, too.
    targets : sequence of array_like, or array_like
        A target for each step: for each sequence labels (T_i,) or values (T_i, O). With
        ``outputs="last"`` one for each sequence: labels (n,) or values (n, O).
    batch : int ≥ 1
        The most sequences of a batch, B; the batches are as even as that goes.
    outputs : {"all", "last"}
        As the model's.
    bucket : bool
        Whether sequences of similar length come together, which leaves little padding; the
        shuffling is then among sequences of one length, and among batches.
    epochs : int ≥ 1
        How many times all sequences come.
    shuffle : bool
        Whether their order is drawn, for each epoch from the seed and the epoch alone.
    seed : int, numpy.random.Generator or None
        Decides all orders; None or a Generator: it is drawn once, now.

    Raises
    ------
    ValueError, TypeError
        If sequences and targets are not as above, or there is nothing to count.

    Examples
    --------
    >>> from cybptt.data import Batches
    >>> words = [[2, 0, 1], [1], [0, 1, 2], [2, 2]]
    >>> batches = Batches(words, words, batch=2, bucket=True, shuffle=False)
    >>> batches
    <Batches: 2 of up to 2 sequences>
    >>> x, y, options = batches[0]
    >>> x
    array([[1, 2],
           [0, 2]])
    >>> options
    {'lengths': array([1, 2]), 'reduction': 4.5}
    """

    def __init__(
        self,
        sequences: Sequence[ArrayLike],
        targets: Any,
        *,
        batch: int,
        outputs: str = "all",
        bucket: bool = False,
        epochs: int = 1,
        shuffle: bool = True,
        seed: Any = None,
    ) -> None:
        self._sequences = arrays_of("sequences", sequences)
        self._lengths = np.array([len(array) for array in self._sequences])
        n = len(self._sequences)
        self._per_step = check.choice("outputs", outputs, ("all", "last")) == "all"
        self._targets = self._aligned(targets) if self._per_step else _one_each(targets, n)
        self.batch = check.integer("batch", batch, 1)
        self._bucket = check.boolean("bucket", bucket)
        self._epochs = check.integer("epochs", epochs, 1)
        self._shuffle = check.boolean("shuffle", shuffle)
        self.seed = fixed_seed(seed)
        self._n = -(-n // self.batch)
        count = int(self._lengths.sum()) if self._per_step else n
        if count == 0:
            raise check.wrong_value("sequences", "no step", "at least 1")
        self._reduction = count / self._n
        self._epoch: tuple[int, list[Array]] = (-1, [])

    def _aligned(self, targets: Any) -> list[Array]:
        arrays = arrays_of("targets", targets)
        lengths = [len(array) for array in arrays]
        if lengths != self._lengths.tolist():
            if len(lengths) != len(self._lengths):
                got, need = f"{len(lengths)} of them", f"{len(self._lengths)}, as of sequences"
                raise check.wrong_value("targets", got, need)
            i = next(i for i, n in enumerate(lengths) if n != self._lengths[i])
            need = f"{self._lengths[i]}, as of sequences[{i}] (or outputs='last')"
            raise check.wrong_value(f"targets[{i}]", f"{lengths[i]} steps", need)
        return arrays

    @property
    def padding(self) -> float:
        """The share of the first epoch's arrays that is padding."""
        steps = sum(len(some) * int(self._lengths[some].max()) for some in self._batches(0))
        return 1 - int(self._lengths.sum()) / max(1, steps)

    def __len__(self) -> int:
        return self._epochs * self._n

    def _batches(self, epoch: int) -> list[Array]:
        """The indices of each batch of an epoch; the last that was asked for is kept."""
        if self._epoch[0] != epoch:
            n = len(self._sequences)
            rng = generator(self.seed, epoch)
            order = rng.permutation(n) if self._shuffle else np.arange(n)
            if self._bucket:
                order = order[np.argsort(self._lengths[order], kind="stable")]
            cuts = [k * n // self._n for k in range(1, self._n)]
            batches = np.split(order, cuts)
            if self._bucket and self._shuffle:
                batches = [batches[k] for k in rng.permutation(self._n)]
            self._epoch = epoch, batches
        return self._epoch[1]

    def _item(self, k: int) -> Any:
        epoch, place = divmod(k, self._n)
        some = self._batches(epoch)[place]
        x, lengths = pad([self._sequences[i] for i in some])
        y = pad([self._targets[i] for i in some])[0] if self._per_step else self._targets[some]
        return x, y, {"lengths": lengths, "reduction": self._reduction}

    def __repr__(self) -> str:
        epochs = "" if self._epochs == 1 else f", {self._epochs} epochs"
        return f"<Batches: {len(self)} of up to {self.batch} sequences{epochs}>"


def _one_each(targets: Any, n: int) -> Array:
    need = f"labels ({n},) or values ({n}, O): one for each sequence"
    array = check.array("targets", targets, "biuf", need)
    if array.ndim not in (1, 2) or len(array) != n:
        raise check.wrong_value("targets", check.describe(array), need)
    return array
