"""One step of a run, whole or not at all."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cybptt._signals import SignalGuard
from cybptt.optim import clip_by_norm
from cybptt.optim._checks import all_finite
from cybptt.train._checkpoint import Checkpoint, generator_from, generator_state
from cybptt.train._checks import chunk_parts
from cybptt.train._group import Part, Ranks, combined, fingerprint, refuse_drift
from cybptt.train._records import NonFiniteError
from cybptt.train._shard import columns_of, gathered_state, own_state
from cybptt.workspace import Workspace

if TYPE_CHECKING:
    from cybptt.optim import Optimizer
    from cybptt.parameters import Parameters
    from cybptt.rnn import RNN
    from cybptt.trace import State

__all__ = ["Run", "count_targets", "in_bits"]

# Steps between two looks whether the ranks' parameters are still the same.
_LOOK = 64


@dataclass
class Run:
    """What a run holds between two steps; `fit` says what the parts are.

    `good` is the last place from which a finite loss and gradient came. An update may spoil the
    parameters without being seen: only the next loss tells. So `good` stays one update behind.
    """

    rnn: RNN
    params: Parameters
    chunks: Sequence[Any]
    optimizer: Optimizer
    max_norm: float | None
    schedule: Callable[[int], float] | None
    carry: bool
    teacher_forcing: Any
    n_threads: int | None
    generator: np.random.Generator
    metadata: dict[str, Any]
    ranks: Ranks
    step: int = 0
    state: State | None = None
    started: float = field(init=False, default_factory=time.monotonic)
    after: State | None = field(init=False, default=None)
    grad: Parameters = field(init=False)
    good: Checkpoint = field(init=False)
    workspace: Workspace = field(init=False, default_factory=Workspace)

    def __post_init__(self) -> None:
        self.grad = self.params.copy()
        self.good = self.checkpoint()

    def checkpoint(self, drawn: dict[str, Any] | None = None) -> Checkpoint:
        """Where it stands, copied; `drawn` is the generator's state before it was drawn from."""
        return Checkpoint(
            rnn=self.rnn,
            params=self.params.copy(),
            step=self.step,
            optimizer=self.optimizer.state_dict(),
            generator=drawn or generator_state(self.generator),
            state=self.state,
            metadata=self.metadata,
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go to where a checkpoint of this model stands. One that is refused changes nothing."""
        generator = generator_from(checkpoint.generator)
        self.optimizer.load_state_dict(checkpoint.optimizer)
        self.params.vector[...] = checkpoint.params.vector
        self.generator = generator
        self.step, self.state = checkpoint.step, checkpoint.state
        self.good = checkpoint

    @property
    def draws(self) -> bool:
        """Whether teacher forcing may draw from the generator."""
        return self.teacher_forcing is not None

    @property
    def by_chance(self) -> bool:
        """Whether teacher forcing is a probability."""
        forcing = self.teacher_forcing
        return forcing is not None and np.ndim(forcing) == 0 and np.asarray(forcing).dtype != bool

    def whole(self, checkpoint: Checkpoint | None = None) -> Checkpoint | None:
        """A checkpoint with the state of all ranks' sequences; every rank has to ask for it.

        None where the ranks are not at one step, or one of them has left.
        """
        mine = self.checkpoint() if checkpoint is None else checkpoint
        if self.ranks.size == 1:
            return mine
        parts = self.ranks.all((mine.step, mine.state))
        if parts is None or any(step != mine.step for step, _ in parts):
            return None
        return replace(mine, state=gathered_state([state for _, state in parts]))

    def take_part(self, checkpoint: Checkpoint, columns: Sequence[int | None]) -> None:
        """Go to where a checkpoint of all ranks stands, with one's own rows of its state."""
        if self.ranks.size > 1:
            goes_on = self.carry and checkpoint.step % len(self.chunks)
            own = own_state(self.ranks, checkpoint.state, columns) if goes_on else None
            checkpoint = replace(checkpoint, state=own)
        self.restore(checkpoint)

    def compute(self, guard: SignalGuard) -> tuple[float, float, float]:
        """The loss and the gradient of the next step, those of all ranks; and how many steps count.

        The third is the time since the run began, the same on all ranks. Only this may be
        interrupted, and it changes nothing that is kept.
        """
        draws = self.draws
        drawn = generator_state(self.generator) if draws else self.good.generator
        try:
            forcing = self._forcing()
            with self.ranks.together() as told:
                with guard.open():
                    loss, counted, divided, self.after = self._own(forcing)
                told.value = self._part(loss, counted, divided)
            loss, counted, factor = combined(self.ranks, told.all)
        except BaseException:
            self.generator = generator_from(drawn)
            raise
        for rank, part in enumerate(told.all):
            if part.wrong is not None:
                name, what = part.wrong
                on = f" on rank {rank}" if self.ranks.size > 1 else ""
                self._refuse(name, f"{what}{on}", self.step + 1)
        if self.ranks.size > 1:
            assert self.ranks.group is not None
            vector = self.grad.vector
            vector *= factor
            self.ranks.group.allreduce(vector)
            first, what = _first_non_finite(self.grad)
            if first is not None:
                self._refuse(first, f"the gradient of {what}, added up over ranks", self.step + 1)
        self.good = self.checkpoint(drawn)
        return loss, counted, told.all[0].elapsed

    def update(self) -> float:
        """Take the step whose gradient is there: the norm of that."""
        try:
            norm = clip_by_norm(self.grad, math.inf if self.max_norm is None else self.max_norm)
            if self.schedule is not None:
                self.optimizer.lr = self.schedule(self.step)
            self.optimizer.step(self.params, self.grad)
        except FloatingPointError as error:
            # Finite, but so large that its square is not: the optimizer's to say where.
            name = _named_in(str(error), self.grad)
            step = self.step + 1
            raise NonFiniteError(self._message(step, str(error)), name, step) from error
        except BaseException:
            # An optimizer of anyone's, or a lack of memory, may have left half an update.
            self.restore(self.good)
            raise
        self.step += 1
        self.state = self.after
        first, what = _first_non_finite(self.params)
        if first is not None:
            self._refuse(first, f"the new {what}", self.step)
        return norm

    def compare(self) -> None:
        """Refuse ranks that have drifted apart, before what they have is kept."""
        if self.ranks.size > 1:
            with self.ranks.together() as told:
                told.value = fingerprint(self.params.vector)
            refuse_drift(self.ranks, told.all)

    def _own(self, forcing: Any) -> tuple[float, float, bool, State]:
        """The rank's own loss, its steps that count, whether it was divided; and its gradient."""
        place = self.step % len(self.chunks)
        x, y, options = chunk_parts(self.chunks[place], self.carry)
        divisor = options.pop("reduction", None)
        counted = count_targets(self.rnn, y, options) if self.ranks.size > 1 else math.nan
        reduction: Any = "mean" if divisor is None else divisor
        if counted == 0 and divisor is None:
            reduction = "sum"  # of none: others have steps that count
        loss, _, after = self.rnn.value_and_grad(
            self.params,
            x,
            y,
            state=self.state if self.carry and place else None,
            reduction=reduction,
            teacher_forcing=forcing,
            seed=self.generator if self.draws else None,
            return_state=True,
            n_threads=self.n_threads,
            out=self.grad,
            workspace=self.workspace,
            **options,
        )
        if self.ranks.size == 1:
            counted = count_targets(self.rnn, y, options)
        if divisor is not None:  # what is told is the mean in any case
            loss = loss * divisor / counted if counted else 0.0
        return loss, counted, divisor is not None, after

    def _part(self, loss: float, counted: float, divided: bool) -> Part:
        """What the others are told of it."""
        look = self.ranks.size > 1 and self.step % _LOOK == 0
        mark = fingerprint(self.params.vector) if look else 0
        elapsed = time.monotonic() - self.started
        wrong = self._non_finite(loss)
        lr = self.optimizer.lr
        if self.ranks.size > 1 and self.schedule is not None:
            lr = self.schedule(self.step)  # compared before anyone takes a step at it
        return Part(loss, counted, divided, wrong, lr, mark, elapsed)

    def _forcing(self) -> Any:
        """Teacher forcing; of a probability among several ranks, their part of one drawing."""
        p = self.teacher_forcing
        if self.ranks.size == 1 or not self.by_chance:
            return p
        with self.ranks.together() as told:
            x, _, _ = chunk_parts(self.chunks[self.step % len(self.chunks)])
            told.value = (len(x), columns_of(self.rnn, x))
        if not 0 <= p <= 1:
            return p  # to be refused
        steps = [length for length, _ in told.all]
        columns = [1 if n is None else n for _, n in told.all]
        start = sum(columns[: self.ranks.rank])
        forced = self.generator.random((max(steps), sum(columns))) < p
        mine = forced[: steps[self.ranks.rank], start : start + columns[self.ranks.rank]]
        return mine[:, 0] if told.all[self.ranks.rank][1] is None else mine

    def _non_finite(self, loss: float) -> tuple[str | None, str] | None:
        """The first parameter whose gradient is not finite, and what is not."""
        name, what = _first_non_finite(self.grad)
        if math.isfinite(loss) and name is None:
            return None
        parts = [] if math.isfinite(loss) else [f"the loss is {loss}"]
        if name is not None:
            parts.append(f"the gradient of {what}")
        return name, " and ".join(parts)

    def _refuse(self, name: str | None, what: str, step: int) -> None:
        raise self.ranks.everywhere(NonFiniteError(self._message(step, what), name, step))

    def _message(self, step: int, what: str) -> str:
        lr = self.optimizer.lr
        norm = "no max_norm" if self.max_norm is None else f"max_norm {self.max_norm:g}"
        return (
            f"step {step}: {what}; the parameters are those after step {self.good.step} "
            f"(learning rate {lr:g}, {norm}: smaller ones may help)"
        )


def _named_in(message: str, grad: Parameters) -> str:
    """The parameter that an optimizer's message says it is at, otherwise that of the largest."""
    for name in grad:
        if f" {name}[" in message:
            return name
    return max(grad, key=lambda name: float(np.abs(grad[name]).max(initial=0)))


def _first_non_finite(params: Parameters) -> tuple[str | None, str]:
    """The name of the first parameter with a value that is not finite, and a phrase with it."""
    if all_finite(params.vector):
        return None, ""
    for name, value in params.items():
        wrong = np.argwhere(~np.isfinite(value))
        if len(wrong):
            at = ", ".join(str(i) for i in wrong[0])
            return name, f"{name} is not finite ({value[tuple(wrong[0])]} at [{at}])"
    raise AssertionError("the named views cover the whole vector")


def count_targets(rnn: RNN, y: Any, options: Mapping[str, Any]) -> float:
    """The number of steps that count in a chunk: the sum of their weights."""
    shape = np.shape(y)
    if rnn.loss.targets != "classes":
        shape = shape[:-1]
    weights, lengths = options.get("weights"), options.get("lengths")
    if weights is None and lengths is None:
        return float(math.prod(shape))
    ones = np.ones(shape) if weights is None else np.asarray(weights, dtype=np.float64)
    if lengths is not None and rnn.outputs == "all":
        steps = np.arange(len(ones)).reshape((-1,) + (1,) * (ones.ndim - 1))
        ones = np.where(steps < np.asarray(lengths), ones, 0.0)
    return float(ones.sum())


def in_bits(rnn: RNN, loss: float) -> float | None:
    """A loss in bits, where it is one over classes."""
    return loss / math.log(2) if rnn.loss.targets == "classes" else None
