"""The optimizers' common part: the checks, the blocks, the buffers and the state."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cybptt._validate import describe, integer, wrong_type, wrong_value
from cybptt.optim._checks import (
    BLOCK,
    LARGEST,
    Setting,
    Vector,
    check_writeable,
    flat_vector,
    not_negative,
    refuse_gradient,
)
from cybptt.optim._updates import within

_ROOTS = {dtype: math.sqrt(largest) for dtype, largest in LARGEST.items()}


class Optimizer(ABC):
    """What the optimizers share: the checks, the blocks, the buffers and the state.

    A subclass says which buffers it keeps and how one block of θ changes.

    Attributes
    ----------
    lr : float
        Learning rate, ≥ 0; may be set between steps, which is how a schedule works: down to 0,
        even. So may the other hyperparameters.
    weight_decay : float
        λ ≥ 0: each step first shrinks θ by lr λ θ.
    steps : int
        How many steps were made.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.optim import SGD
    >>> opt, theta = SGD(lr=0.5), np.array([1.0, -2.0])
    >>> opt.step(theta, 2 * theta)              # the gradient of ‖θ‖²
    >>> theta
    array([0., 0.])
    >>> opt.lr = opt.lr / 2
    >>> opt
    SGD(lr=0.25, momentum=0.0, nesterov=False, weight_decay=0.0)
    """

    lr = Setting(not_negative)
    weight_decay = Setting(not_negative)
    # The arguments of __init__, in its order: what repr and state_dict show.
    _settings: ClassVar[tuple[str, ...]]
    # The largest |g| that a step takes: beyond its root, g² overflows and would freeze θ for ever.
    _squares: ClassVar[bool] = True

    def __init__(self, lr: float, weight_decay: float) -> None:
        self.lr = lr
        self.weight_decay = weight_decay
        self.steps = 0
        self._made_for: tuple[int, np.dtype[Any]] | None = None
        self._buffers: dict[str, NDArray[Any]] = {}
        self._scratch: NDArray[Any] = np.empty(0)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._settings)
        return f"{type(self).__name__}({settings})"

    @abstractmethod
    def _buffer_names(self) -> tuple[str, ...]:
        """The buffers that a step with these settings needs."""

    @abstractmethod
    def _update(
        self, theta: NDArray[Any], g: NDArray[Any], s: NDArray[Any], *buffers: NDArray[Any]
    ) -> None:
        """One block of θ and of the buffers, with scratch s of the same size for those in NumPy."""

    def step(self, params: Vector, grad: Vector) -> None:
        """Change the parameters by one step, in place.

        There is no equation of section 10.2 for this: the class states the update. Everything is
        checked before anything is changed. An interrupt within a step can leave a part of the
        vector updated and the rest not.

        Parameters
        ----------
        params : Parameters or ndarray, shape (n,)
            θ, float32 or float64; written to.
        grad : Parameters or ndarray, shape (n,)
            The gradient with respect to θ, of the same size and dtype; not changed.

        Raises
        ------
        FloatingPointError
            Where a gradient is not finite, or so large that its square is not; it is named.
        TypeError
            Where an argument is neither Parameters nor an array of floats.
        ValueError
            Where size or dtype differ between the two, or from those of the first step.

        Examples
        --------
        >>> import numpy as np
        >>> from cybptt.optim import Adam
        >>> opt, theta = Adam(lr=0.1), np.zeros(3, np.float32)
        >>> opt.step(theta, np.array([1, -1, 100], np.float32))
        >>> theta
        array([-0.1,  0.1, -0.1], dtype=float32)
        """
        theta, g = flat_vector("params", params), flat_vector("grad", grad)
        check_writeable("params", theta)
        if g.size != theta.size or g.dtype != theta.dtype:
            got, need = f"{g.size} of {g.dtype}", f"{theta.size} of {theta.dtype} as params"
            raise wrong_value("grad", got, need)
        mine, its = getattr(params, "rnn", None), getattr(grad, "rnn", None)
        if not (mine is its or mine is None or its is None or mine == its):
            raise wrong_value("grad", f"one of {its!r}", f"one of {mine!r} as params")
        if np.may_share_memory(theta, g):
            raise wrong_value("grad", "memory of params", "an array of its own")
        if self._made_for not in (None, (theta.size, theta.dtype)):
            got, need = f"{theta.size} of {theta.dtype}", "{} of {}".format(*self._made_for)
            raise wrong_value("params", got, f"{need} as at the first step")
        self._check_gradient(grad, g)
        names = self._buffer_names()
        self._allocate(theta, names)

        self.steps += 1
        decay = self.lr * self.weight_decay
        for start in range(0, theta.size, BLOCK):
            block = slice(start, start + BLOCK)
            part = theta[block]
            s = self._scratch[: part.size]
            if decay:
                np.multiply(part, decay, out=s)
                part -= s
            self._update(part, g[block], s, *[self._buffers[name][block] for name in names])

    def _check_gradient(self, grad: Vector, g: NDArray[Any]) -> None:
        limit = _ROOTS[g.dtype] if self._squares else LARGEST[g.dtype]
        if not within(g, limit):
            need = f"finite numbers within ±{limit:.3g}"
            refuse_gradient(grad, lambda part: np.abs(part) <= limit, need)

    def _allocate(self, theta: NDArray[Any], names: tuple[str, ...]) -> None:
        # All made before any is kept: a MemoryError leaves the optimizer as it was.
        missing = {n: np.zeros(theta.size, theta.dtype) for n in names if n not in self._buffers}
        if self._scratch.dtype != theta.dtype or self._scratch.size != min(theta.size, BLOCK):
            self._scratch = np.empty(min(theta.size, BLOCK), theta.dtype)
        self._buffers.update(missing)
        self._made_for = (theta.size, theta.dtype)

    def state_dict(self) -> dict[str, Any]:
        """The whole state as plain numbers and arrays, enough to resume to the same bits.

        There is no equation for this: it is bookkeeping.

        Returns
        -------
        dict
            "optimizer", the class's name; each hyperparameter; "steps"; and, once a step was
            made, a copy of each buffer, an array of shape (n,). All but the arrays is JSON.

        Examples
        --------
        >>> from cybptt.optim import Adagrad
        >>> Adagrad(lr=0.5).state_dict()
        {'optimizer': 'Adagrad', 'lr': 0.5, 'eps': 1e-07, 'weight_decay': 0.0, 'steps': 0}
        """
        settings = {name: getattr(self, name) for name in self._settings}
        buffers = {name: buffer.copy() for name, buffer in self._buffers.items()}
        return {"optimizer": type(self).__name__, **settings, "steps": self.steps, **buffers}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state that `state_dict` gave, hyperparameters included.

        There is no equation for this: it is bookkeeping. A state that is refused changes nothing.

        Parameters
        ----------
        state : dict
            What `state_dict` of an optimizer of the same class returned; arrays are copied.

        Raises
        ------
        TypeError
            Where the state or a value in it is of a wrong type.
        ValueError
            Where it is of another optimizer, something is missing or unknown, or does not fit.

        Examples
        --------
        >>> import numpy as np
        >>> from cybptt.optim import RMSprop
        >>> opt, theta = RMSprop(lr=0.01), np.ones(4)
        >>> opt.step(theta, theta.copy())
        >>> again = RMSprop(lr=1.0)
        >>> again.load_state_dict(opt.state_dict())
        >>> again
        RMSprop(lr=0.01, rho=0.9, eps=1e-06, weight_decay=0.0)
        """
        if not isinstance(state, dict):
            raise wrong_type("state", describe(state), "a dict from state_dict()")
        needed = ("optimizer", *self._settings, "steps")
        missing = [name for name in needed if name not in state]
        if missing:
            raise wrong_value("state", f"no {missing[0]!r}", "what state_dict() returns")
        if state["optimizer"] != type(self).__name__:
            got = state["optimizer"]
            raise wrong_value("state", f"one of {got!r}", f"one of {type(self).__name__!r}")
        # A second optimizer does the checking, and hands over only when all went well.
        fresh = type(self)(**{name: state[name] for name in self._settings})
        fresh.steps = integer("state['steps']", state["steps"], 0)
        for name in (key for key in state if key not in needed):
            if name not in self._all_buffers():
                raise wrong_value("state", repr(name), "only what state_dict() returns")
            value = flat_vector(f"state[{name!r}]", state[name])
            if fresh._made_for not in (None, (value.size, value.dtype)):
                got, need = f"{value.size} of {value.dtype}", "{} of {}".format(*fresh._made_for)
                raise wrong_value(f"state[{name!r}]", got, f"{need} as the others")
            fresh._made_for = (value.size, value.dtype)
            fresh._buffers[name] = value.copy()
        absent = [n for n in fresh._buffer_names() if fresh.steps and n not in fresh._buffers]
        if absent:
            raise wrong_value("state", f"{fresh.steps} steps without {absent[0]!r}", "both")
        self.__dict__.update(fresh.__dict__)

    def _all_buffers(self) -> tuple[str, ...]:
        """The buffers that a state may hold."""
        return self._buffer_names()
