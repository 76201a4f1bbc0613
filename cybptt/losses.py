"""The losses L(t) of o(t) and y(t): the built-in ones, and the door for others.

A plugin is one object that holds the value, the gradient and what the model needs of the loss's
distribution. The built-in ones enter through `register_loss`, as anyone's do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from cybptt import _core, _draws
from cybptt._plugin_parts import (
    check_callable,
    check_function,
    check_name,
    check_picklable,
    loss_parts,
    value_range,
    with_parameter,
)
from cybptt._validate import choice, describe, positive_number, wrong_type, wrong_value
from cybptt.registry import Registry

__all__ = ["Loss", "get", "huber", "names", "register_loss", "registered"]

Array = NDArray[Any]
Function = Callable[..., Array]


@dataclass(frozen=True, eq=True, repr=False)
class Loss:
    """A loss: the terms L(t) of :eq:`10.13`, their gradients, and what they make of o.

    Its functions take rows: each row is one step of one sequence, and what is returned for it
    depends on it alone. They must not write to their arguments.

    Parameters
    ----------
    name : str
        What it is called in messages, and registered under.
    value : callable, ufunc or dict of C functions
        ``value(o, y)`` → L(t), (N,), of o's dtype. o is (N, O); y is labels (N,), or values (N, O).
        Of a ufunc of (o, y), L(t) is the sum over the outputs.
    gradient : callable, ufunc or dict of C functions
        ``gradient(o, y)`` → ∇_o L(t), (N, O), :eq:`10.18`.
    link : callable, optional
        ``link(o)`` → ŷ, (N, O), :eq:`10.11`. None: ŷ is o.
    link_vjp : callable, optional
        ``link_vjp(o, y_hat, cotangent)`` → Jᵀ cotangent, (N, O), J the link's Jacobian; :eq:`C.6`
        needs it, for ``feedback="y_hat"``.
    sample : callable, optional
        ``sample(o, generator)`` → a draw of y from the loss's distribution, to generate.
    mode : callable, optional
        ``mode(o)`` → the most probable y, to generate.
    targets : {"values", "classes"}
        What y is.
    target_range : (float, float)
        Where the loss is defined: the smallest and the largest value of y.

    Raises
    ------
    ValueError, TypeError
        For an empty name, functions that can't be called, ufuncs of classes or without a loop for
        floats, C functions of another signature or NULL. The gradient is checked against the value
        when the object is registered, not when it is made.

    Notes
    -----
    The three kinds are those of `Activation`. A C function is ``void (const T *o, const T *y, T
    *value, T *grad_o, intptr_t N, intptr_t O)``, with ``const intptr_t *y`` for classes, which are
    in range. Where ``value`` or ``grad_o`` is NULL it is not wanted. Where one dict is given for
    both, both may be had in one call. A link or its vjp may be a ufunc, but no C function.

    Immutable; two are equal if their parts are. A registered one is pickled by its name, another by
    its parts, which pickle must be able to import.

    Examples
    --------
    >>> import numpy as np, cybptt
    >>> def value(o, y):
    ...     return np.sum(np.abs(o - y), axis=1)
    >>> def gradient(o, y):
    ...     return np.sign(o - y)
    >>> absolute = cybptt.Loss("absolute", value, gradient)
    >>> rnn = cybptt.RNN(2, 3, 2, loss=absolute)
    >>> rnn.loss.value(np.array([[1.0, 2.0]]), np.array([[0.0, 0.0]]))
    array([3.])

    Ufuncs of one output and its target, the first summed over the outputs:

    >>> def slope(o, y):
    ...     return 1 / (1 + np.exp(y - o))
    >>> log_sum = cybptt.Loss("logaddexp", np.logaddexp, slope)
    >>> log_sum.value(np.zeros((1, 2)), np.zeros((1, 2)))
    array([1.38629436])

    C functions, made of Python by ctypes for the sake of the example:

    >>> import ctypes
    >>> T, n = ctypes.POINTER(ctypes.c_double), ctypes.c_ssize_t
    >>> @ctypes.CFUNCTYPE(None, T, T, T, T, n, n)
    ... def of_first(o, y, value, gradient, N, O):
    ...     for i in range(N * O):
    ...         first = i % O == 0
    ...         if value and first:
    ...             value[i // O] = (o[i] - y[i]) ** 2 / 2
    ...         if gradient:
    ...             gradient[i] = (o[i] - y[i]) * first
    >>> first = cybptt.Loss("first", {np.float64: of_first}, {np.float64: of_first})
    >>> first.gradient(np.array([[5.0, 5.0]]), np.array([[2.0, 2.0]]))
    array([[3., 0.]])
    """

    name: str
    value: Function
    gradient: Function
    link: Function | None = None
    link_vjp: Function | None = None
    sample: Function | None = None
    mode: Function | None = None
    targets: str = "values"
    target_range: tuple[float, float] = (-math.inf, math.inf)

    def __post_init__(self) -> None:
        check_name(self.name)
        choice("targets", self.targets, ("values", "classes"))
        value, gradient = loss_parts(self.value, self.gradient, self.targets)
        object.__setattr__(self, "value", value)
        object.__setattr__(self, "gradient", gradient)
        for part, n_in in {"link": 1, "link_vjp": 3}.items():
            if getattr(self, part) is not None:
                check_function(part, getattr(self, part), n_in)
        for part in ("sample", "mode"):
            if getattr(self, part) is not None:
                check_callable(part, getattr(self, part))
        if self.link_vjp is not None and self.link is None:
            raise wrong_value("link_vjp", describe(self.link_vjp), "None without a link")
        object.__setattr__(self, "target_range", value_range(self.target_range))

    def __hash__(self) -> int:
        return hash((Loss, self.name))

    def __repr__(self) -> str:
        if registered(self):
            expression = self.name if self.name.endswith(")") else f"get({self.name!r})"
            return f"cybptt.losses.{expression}"
        parts = ", ".join(f"{part}={value!r}" for part, value in self._parts().items())
        return f"cybptt.Loss({self.name!r}, {parts})"

    def __copy__(self) -> Loss:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Loss:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        if registered(self):
            return get, (self.name,)
        parts = self._parts()
        check_picklable("loss", self.name, parts)
        return Loss, (self.name, *parts.values())

    def _parts(self) -> dict[str, Any]:
        return {
            field: getattr(self, field) for field in Loss.__dataclass_fields__ if field != "name"
        }


def _check(loss: Loss) -> None:
    from cybptt._plugin_checks import check_loss  # only where it is wanted: a quicker import

    check_loss(loss)


_registry = Registry("loss", "cybptt.losses", Loss, _check)


def register_loss(
    name: str,
    value: Function,
    gradient: Function,
    *,
    link: Function | None = None,
    link_vjp: Function | None = None,
    sample: Function | None = None,
    mode: Function | None = None,
    targets: str = "values",
    target_range: tuple[float, float] = (-math.inf, math.inf),
    check: bool = True,
    replace: bool = False,
) -> Loss:
    """Make a loss known by a name, the L(t) of :eq:`10.13`.

    Parameters
    ----------
    name : str
        The name, for ``RNN(loss=name)``.
    value, gradient, link, link_vjp, sample, mode, targets, target_range
        As for `Loss`.
    check : bool
        Hold the gradient, and link_vjp, against finite differences at many points, and see that
        shapes and dtypes are right, that two calls give the same, that no row depends on another,
        and that nothing is written to.
    replace : bool
        Take the place of a loss of that name. Models made before keep theirs.

    Returns
    -------
    Loss
        The object that was registered.

    Raises
    ------
    DerivativeError
        If the check finds something wrong: where, and by how much.
    ValueError, TypeError
        For a name that is taken, empty or has parentheses, or functions that can't be called, as
        for `Loss`.

    Examples
    --------
    >>> import numpy as np, cybptt
    >>> def value(o, y):
    ...     return np.log(np.cosh(o - y)).sum(axis=1)
    >>> def gradient(o, y):
    ...     return np.tanh(o - y)
    >>> cybptt.register_loss("log_cosh", value, gradient)
    cybptt.losses.get('log_cosh')
    >>> rnn = cybptt.RNN(2, 3, 2, loss="log_cosh")
    """
    plugin = Loss(name, value, gradient, link, link_vjp, sample, mode, targets, target_range)
    return _registry.register(plugin, check=check, replace=replace)


def get(name: str) -> Loss:
    """Find the loss of a name: registered here, or offered by an installed package.

    Parameters
    ----------
    name : str
        One of `names`, or a factory's call, "huber(2.0)".

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        For an unknown name; the message lists those that exist.
    PluginError
        If a package offers it, and it can't be loaded.

    Notes
    -----
    It has no equation; what it returns is the L(t) of :eq:`10.13`.

    Examples
    --------
    >>> import cybptt
    >>> cybptt.losses.get("softmax_nll").targets
    'classes'
    """
    return _registry.get(name)


def names() -> list[str]:
    """List the names of all losses, with those that installed packages offer.

    Returns
    -------
    list of str

    Notes
    -----
    It has no equation.

    Examples
    --------
    >>> import cybptt
    >>> cybptt.losses.names()[:5]
    ['softmax_nll', 'squared_error', 'bernoulli_nll', 'poisson_nll', 'huber']
    """
    return _registry.names()


def registered(loss: Loss) -> bool:
    """Say whether `get` would give this loss for its name.

    Parameters
    ----------
    loss : Loss

    Returns
    -------
    bool
        False for a name that only a package not yet loaded offers.

    Raises
    ------
    TypeError
        For anything but a Loss.

    Notes
    -----
    It has no equation.

    Examples
    --------
    >>> import cybptt
    >>> cybptt.losses.registered(cybptt.losses.huber(2.0))
    True
    """
    if not isinstance(loss, Loss):
        raise wrong_type("loss", describe(loss), "a cybptt.Loss")
    return _registry.holds(loss)


# ------------------------------------------------------------------ the built-in ones


def huber(delta: float = 1.0) -> Loss:
    """Make a Huber loss: ½ (o − y)² within δ of y, δ (abs(o − y) − ½ δ) beyond; an L(t) of 10.13.

    Parameters
    ----------
    delta : float
        δ > 0.

    Returns
    -------
    Loss
        Named "huber", or "huber(2.0)" for another δ than the default. It has a mode, and nothing to
        sample from.

    Raises
    ------
    ValueError, TypeError
        For a δ that is not a finite number > 0.

    Notes
    -----
    A term of :eq:`10.13`, summed over the outputs.

    References
    ----------
    Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35, 1964.

    Examples
    --------
    >>> import numpy as np, cybptt
    >>> cybptt.losses.huber(2.0).value(np.array([[1.0, 5.0]]), np.zeros((1, 2)))    # ½, and 8
    array([8.5])
    """
    delta = positive_number("delta", delta)
    return Loss(with_parameter("huber", 1.0, delta), *_c_loss("huber", delta), mode=_draws.mean)


def _c_loss(name: str, parameter: float = 0.0) -> tuple[Function, Function]:
    value = _core.loss_function(name, "value", parameter)
    return value, _core.loss_function(name, "gradient", parameter)


def _register_built_in() -> None:
    def link(name: str) -> tuple[Function, Function]:
        return _core.function(name), _core.function(f"{name}_vjp")

    built_in = [
        Loss(
            "softmax_nll",
            *_c_loss("softmax_nll"),
            *link("softmax"),
            sample=_draws.sample_class,
            mode=_draws.likeliest_class,
            targets="classes",
        ),
        Loss(
            "squared_error",
            *_c_loss("squared_error"),
            sample=_draws.sample_gaussian,
            mode=_draws.mean,
        ),
        Loss(
            "bernoulli_nll",
            *_c_loss("bernoulli_nll"),
            *link("sigmoid"),
            sample=_draws.sample_bernoulli,
            mode=_draws.likeliest_bit,
            target_range=(0, 1),
        ),
        Loss(
            "poisson_nll",
            *_c_loss("poisson_nll"),
            *link("exp"),
            sample=_draws.sample_poisson,
            mode=_draws.likeliest_count,
            target_range=(0, math.inf),
        ),
        huber(),
    ]
    for loss in built_in:
        # The tests check them, as they check every registered plugin: an import need not.
        register_loss(loss.name, **loss._parts(), check=False)
    _registry.add_factory("huber", huber)


_register_built_in()
