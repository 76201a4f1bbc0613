"""One step of a run, whole or not at all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cybptt.optim import clip_by_norm
from cybptt.optim._checks import all_finite
from cybptt.train._checkpoint import Checkpoint, generator_from, generator_state
from cybptt.train._checks import chunk_parts
from cybptt.train._records import NonFiniteError
from cybptt.train._signals import SignalGuard
from cybptt.workspace import Workspace

if TYPE_CHECKING:
    from cybptt.optim import Optimizer
    from cybptt.parameters import Parameters
    from cybptt.rnn import RNN
    from cybptt.trace import State

__all__ = ["Run", "count_targets", "in_bits"]


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
    step: int = 0
    state: State | None = None
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

    def advance(self, guard: SignalGuard) -> tuple[float, float, float]:
        """One step: its loss, its gradient's norm, and the number of steps that counted.

        Only the computation may be interrupted, and it changes nothing that is kept.
        """
        place = self.step % len(self.chunks)
        state = self.state if self.carry and place else None
        draws = self.teacher_forcing is not None
        drawn = generator_state(self.generator) if draws else self.good.generator
        try:
            with guard.open():
                x, y, options = chunk_parts(self.chunks[place], self.carry)
                divisor = options.pop("reduction", None)
                loss, _, after = self.rnn.value_and_grad(
                    self.params,
                    x,
                    y,
                    state=state,
                    reduction="mean" if divisor is None else divisor,
                    teacher_forcing=self.teacher_forcing,
                    seed=self.generator if draws else None,
                    return_state=True,
                    n_threads=self.n_threads,
                    out=self.grad,
                    workspace=self.workspace,
                    **options,
                )
                counted = count_targets(self.rnn, y, options)
                if divisor is not None:  # what is told is the mean in any case
                    loss = loss * divisor / counted if counted else 0.0
        except BaseException:
            self.generator = generator_from(drawn)
            raise
        self._refuse_non_finite(loss)
        self.good = self.checkpoint(drawn)
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
        self.state = after
        self._refuse_non_finite_update()
        return loss, norm, counted

    def _refuse_non_finite(self, loss: float) -> None:
        name, what = _first_non_finite(self.grad)
        if math.isfinite(loss) and name is None:
            return
        parts = [] if math.isfinite(loss) else [f"the loss is {loss}"]
        if name is not None:
            parts.append(f"the gradient of {what}")
        raise NonFiniteError(self._message(self.step + 1, " and ".join(parts)), name, self.step + 1)

    def _refuse_non_finite_update(self) -> None:
        name, what = _first_non_finite(self.params)
        if name is not None:
            raise NonFiniteError(self._message(self.step, f"the new {what}"), name, self.step)

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
