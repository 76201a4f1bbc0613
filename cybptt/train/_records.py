"""What a run tells: a record of each step, the history of all, and why it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cybptt.train._checkpoint import Checkpoint

__all__ = ["History", "Interrupted", "NonFiniteError", "Record", "Stop"]


@dataclass(frozen=True, slots=True)
class Record:
    """One step of a run, as callbacks see it.

    Attributes
    ----------
    step : int
        Steps done since the run began, this one included, those before a resume too.
    epoch : int
        The pass over the chunks that the step belongs to, from 1.
    loss : float
        Mean loss of the chunk's steps, :eq:`10.13` over their number, in nats for classes.
    bits : float or None
        The same in bits (per character, for a text); None where the loss has no classes.
    norm : float
        The gradient's norm before clipping.
    lr : float
        The learning rate of the step.
    targets : int
        Steps of sequences trained on since `fit` was called: characters, for a text.
    elapsed : float
        Seconds since `fit` was called.
    validation : float or None
        Mean loss over the validation chunks after this step, where it was computed.
    validation_bits : float or None
        The same in bits; None where the loss has no classes.

    Examples
    --------
    >>> from cybptt.train import Record
    >>> Record(1, 1, 0.69, 1.0, 0.2, 0.001, 64, 2.0).speed
    32.0
    """

    step: int
    epoch: int
    loss: float
    bits: float | None
    norm: float
    lr: float
    targets: int
    elapsed: float
    validation: float | None = None
    validation_bits: float | None = None

    @property
    def speed(self) -> float:
        """Targets a second since `fit` was called."""
        return self.targets / self.elapsed if self.elapsed > 0 else 0.0


@dataclass
class History:
    """All records of a run, how it ended, and where it stands.

    Attributes
    ----------
    records : list of Record
        One a step, from the step at which this call of `fit` began.
    validation : list of (int, float)
        The step and the mean loss over the validation chunks, each time it was computed.
    stopped : str
        What ended the run: "steps", "epochs", "minutes", a callback's reason, "interrupted" or
        "not finite"; "" while it goes on.
    checkpoint : Checkpoint or None
        Where the run stands: `fit` goes on from it.

    Examples
    --------
    >>> from cybptt.train import History
    >>> History()
    History(validation=[], stopped='')
    """

    records: list[Record] = field(default_factory=list, repr=False)
    validation: list[tuple[int, float]] = field(default_factory=list)
    stopped: str = ""
    checkpoint: Checkpoint | None = field(default=None, repr=False)


class Stop(Exception):  # named like StopIteration: it is no error
    """What a callback raises to end the run after this step; its text is the reason.

    Examples
    --------
    >>> from cybptt.train import Stop
    >>> def good_enough(record):
    ...     if record.loss < 0.5:
    ...         raise Stop("below 0.5 nats")
    """


class NonFiniteError(FloatingPointError):
    """A loss, gradient or parameter of a run is not finite.

    Attributes
    ----------
    parameter : str or None
        The first parameter concerned, in the vector's order; None where only the loss is.
    step : int
        The step at which it was seen.
    history : History
        The run's, with the checkpoint of the last good step.

    Examples
    --------
    >>> from cybptt.train import NonFiniteError
    >>> error = NonFiniteError("step 3: the gradient of W is not finite", "W", 3)
    >>> error.parameter, error.step
    ('W', 3)
    """

    def __init__(self, message: str, parameter: str | None, step: int) -> None:
        super().__init__(message)
        self.parameter = parameter
        self.step = step
        self.history = History()

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.parameter, self.step)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in a run: the parameters are those of the last whole step.

    Attributes
    ----------
    history : History
        The run's, with the checkpoint of the last whole step.

    Examples
    --------
    >>> from cybptt.train import History, Interrupted
    >>> isinstance(Interrupted(History()), KeyboardInterrupt)
    True
    """

    def __init__(self, history: History) -> None:
        super().__init__(f"interrupted after step {len(history.records)} of this call")
        self.history = history
