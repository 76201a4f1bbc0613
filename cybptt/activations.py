"""The activations f of h(t) = f(a(t)): the built-in ones, and the door for others.

A plugin is one object that holds the function and its derivative. The built-in ones enter through
`register_activation`, as anyone's do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from cybptt import _core
from cybptt._plugin_parts import check_name, check_picklable, elementwise, with_parameter
from cybptt._validate import choice, describe, real_number, wrong_type, wrong_value
from cybptt.registry import Registry

__all__ = ["Activation", "elu", "get", "leaky_relu", "names", "register_activation", "registered"]

Function = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True, eq=True, repr=False)
class Activation:
    """An activation: a function and its derivative, :eq:`10.9`.

    Parameters
    ----------
    name : str
        What it is called in messages, and registered under.
    function : callable, ufunc or dict of C functions
        ``function(a)`` → h: elementwise, a new array of a's shape and dtype (float32 or float64).
        It must not write to a. The Notes say what it may be.
    derivative : callable, ufunc or dict of C functions
        f′, likewise: ``derivative(a)``, or ``derivative(h)`` with ``derivative_of="output"``.
    derivative_of : {"input", "output"}
        What the derivative is a function of. For tanh it is the output: f′ = 1 − h².

    Raises
    ------
    ValueError, TypeError
        For an empty name, functions that can't be called, ufuncs without a loop for floats, C
        functions of another signature or NULL. The derivative is checked against the function when
        the object is registered, not when it is made.

    Notes
    -----
    Each function may be of one of three kinds; the last two run without the interpreter lock, C
    functions from several threads at once, and no overflow in them warns.

    - A Python callable. It is given arrays of its own at each step.
    - A NumPy ufunc of one argument: NumPy's own, SciPy's, of Numba's ``@vectorize`` or of
      ``@cython.ufunc``. The core calls its loop for the dtype. Where that is a loop over objects,
      or of the newer kind that NumPy keeps to itself, the ufunc is called as from Python.
    - C functions ``void (const T *in, T *out, intptr_t n)``, one a dtype: ``{np.float64: …,
      np.float32: …}``, or one of the two. ``out`` may be ``in``. Each is a ctypes function with its
      argtypes, a Numba cfunc, a ``scipy.LowLevelCallable``, or the capsule that Cython keeps in
      ``__pyx_capi__``. A model with parameters of a dtype that has none is refused.

    Immutable; two are equal if their parts are. A registered one is pickled by its name, another by
    its parts, which pickle must be able to import: it never can C functions.

    Examples
    --------
    >>> import numpy as np, cybptt
    >>> sine = cybptt.Activation("sine", np.sin, np.cos)  # ufuncs
    >>> rnn = cybptt.RNN(2, 3, 2, activation=sine)
    >>> rnn.activation.function(np.array([0.0]))
    array([0.])

    A C function would come from a library; ctypes makes one of Python, too:

    >>> import ctypes
    >>> T = ctypes.POINTER(ctypes.c_double)
    >>> @ctypes.CFUNCTYPE(None, T, T, ctypes.c_ssize_t)
    ... def double(a, out, n):
    ...     for i in range(n):
    ...         out[i] = 2 * a[i]
    >>> line = cybptt.Activation("2a", {np.float64: double}, lambda a: np.full_like(a, 2))
    >>> line.function(np.array([3.0]))
    array([6.])
    """

    name: str
    function: Function
    derivative: Function
    derivative_of: str = "input"

    def __post_init__(self) -> None:
        check_name(self.name)
        for part in ("function", "derivative"):
            object.__setattr__(self, part, elementwise(part, getattr(self, part)))
        choice("derivative_of", self.derivative_of, ("input", "output"))

    def __hash__(self) -> int:
        return hash((Activation, self.name))

    def __repr__(self) -> str:
        if registered(self):
            return f"cybptt.activations.{_expression(self.name)}"
        parts = f"{self.name!r}, {self.function!r}, {self.derivative!r}"
        return f"cybptt.Activation({parts}, derivative_of={self.derivative_of!r})"

    def __copy__(self) -> Activation:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Activation:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        if registered(self):
            return get, (self.name,)
        parts = {"function": self.function, "derivative": self.derivative}
        check_picklable("activation", self.name, parts)
        return Activation, (self.name, *parts.values(), self.derivative_of)


def _check(activation: Activation) -> None:
    from cybptt._plugin_checks import check_activation  # only where it is wanted: a quicker import

    check_activation(activation)


_registry = Registry("activation", "cybptt.activations", Activation, _check)


def register_activation(
    name: str,
    function: Function,
    derivative: Function,
    *,
    derivative_of: str = "input",
    check: bool = True,
    replace: bool = False,
) -> Activation:
    """Make an activation known by a name, the f of :eq:`10.9`.

    Parameters
    ----------
    name : str
        The name, for ``RNN(activation=name)``.
    function : callable, ufunc or dict of C functions
        ``function(a)`` → h: elementwise, a new array of a's shape and dtype (float32 or float64).
        `Activation` says more of the three kinds.
    derivative : callable, ufunc or dict of C functions
        f′, likewise: ``derivative(a)``, or ``derivative(h)`` with ``derivative_of="output"``. In
        :eq:`C.1` it multiplies ∇h to give ∇a.
    derivative_of : {"input", "output"}
        What the derivative is a function of.
    check : bool
        Hold the derivative against finite differences of the function at many points, and see that
        shape and dtype are kept, that two calls give the same, and that nothing is written to. It
        needs float64; float32 too, but of C functions that are for float64 alone.
    replace : bool
        Take the place of an activation of that name. Models made before keep theirs.

    Returns
    -------
    Activation
        The object that was registered.

    Raises
    ------
    DerivativeError
        If the check finds something wrong: where, and by how much. At a kink either one-sided
        derivative will do.
    ValueError, TypeError
        For a name that is taken, empty or has parentheses, or functions that can't be called, as
        for `Activation`.

    Examples
    --------
    >>> import numpy as np, cybptt
    >>> cybptt.register_activation("arctan", np.arctan, lambda a: 1 / (1 + a * a))
    cybptt.activations.get('arctan')
    >>> rnn = cybptt.RNN(2, 3, 2, activation="arctan")
    """
    plugin = Activation(name, function, derivative, derivative_of)
    return _registry.register(plugin, check=check, replace=replace)


def get(name: str) -> Activation:
    """The activation of a name: registered here, or offered by an installed package.

    Parameters
    ----------
    name : str
        One of `names`, or a factory's call, "leaky_relu(0.2)".

    Returns
    -------
    Activation

    Raises
    ------
    ValueError
        For an unknown name; the message lists those that exist.
    PluginError
        If a package offers it, and it can't be loaded.

    Notes
    -----
    It has no equation; what it returns is the f of :eq:`10.9`.

    Examples
    --------
    >>> import cybptt
    >>> cybptt.activations.get("tanh").derivative_of
    'output'
    """
    return _registry.get(name)


def names() -> list[str]:
    """The names of all activations, with those that installed packages offer.

    Returns
    -------
    list of str

    Notes
    -----
    It has no equation.

    Examples
    --------
    >>> import cybptt
    >>> cybptt.activations.names()[:4]
    ['tanh', 'identity', 'sigmoid', 'relu']
    """
    return _registry.names()


def registered(activation: Activation) -> bool:
    """Whether `get` would give this activation for its name.

    Parameters
    ----------
    activation : Activation

    Returns
    -------
    bool
        False for a name that only a package not yet loaded offers.

    Raises
    ------
    TypeError
        For anything but an Activation.

    Notes
    -----
    It has no equation.

    Examples
    --------
    >>> import numpy as np, cybptt
    >>> cybptt.activations.registered(cybptt.activations.leaky_relu(0.2))
    True
    >>> cybptt.activations.registered(cybptt.Activation("tanh", np.sin, np.cos))
    False
    """
    if not isinstance(activation, Activation):
        raise wrong_type("activation", describe(activation), "a cybptt.Activation")
    return _registry.holds(activation)


def _expression(name: str) -> str:
    """What rebuilds a registered plugin, after the module's name."""
    return name if name.endswith(")") else f"get({name!r})"


# ------------------------------------------------------------------ the built-in ones


def leaky_relu(slope: float = 0.01) -> Activation:
    """A leaky rectifier: h = a for a > 0, slope · a otherwise; an f of :eq:`10.9`.

    Parameters
    ----------
    slope : float
        f′ for a ≤ 0; any finite number.

    Returns
    -------
    Activation
        Named "leaky_relu", or "leaky_relu(0.2)" for another slope than the default.

    Raises
    ------
    ValueError, TypeError
        For a slope that is not a finite number.

    References
    ----------
    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML
    Workshop on Deep Learning for Audio, Speech and Language Processing, 2013.

    Examples
    --------
    >>> import numpy as np, cybptt
    >>> cybptt.activations.leaky_relu(0.25).function(np.array([-2.0, 2.0]))
    array([-0.5,  2. ])
    """
    slope = _finite("slope", slope)
    return Activation(
        with_parameter("leaky_relu", 0.01, slope),
        _core.function("leaky_relu", slope),
        _core.function("leaky_relu_derivative", slope),
        # A negative slope makes h positive on both sides: only a tells them apart.
        derivative_of="output" if slope >= 0 else "input",
    )


def elu(alpha: float = 1.0) -> Activation:
    """An exponential linear unit: h = a for a > 0, α (eᵃ − 1) otherwise; an f of :eq:`10.9`.

    Parameters
    ----------
    alpha : float
        −h far below 0, and f′ at 0; any finite number.

    Returns
    -------
    Activation
        Named "elu", or "elu(0.5)" for another α than the default.

    Raises
    ------
    ValueError, TypeError
        For an α that is not a finite number.

    References
    ----------
    Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential
    linear units (ELUs)", ICLR 2016.

    Examples
    --------
    >>> import numpy as np, cybptt
    >>> cybptt.activations.elu(0.5).function(np.array([-50.0, 2.0]))
    array([-0.5,  2. ])
    """
    alpha = _finite("alpha", alpha)
    return Activation(
        with_parameter("elu", 1.0, alpha),
        _core.function("elu", alpha),
        _core.function("elu_derivative", alpha),
    )


def _finite(name: str, value: Any) -> float:
    number = real_number(name, value, "a finite number")
    if not math.isfinite(number):
        raise wrong_value(name, describe(value), "a finite number")
    return number + 0.0  # −0.0 is 0.0: one name for one function


def _register_built_in() -> None:
    # Which derivatives are of the output: where that is exact, and no dearer.
    plain = {
        "tanh": "output",  # 1 − h²
        "identity": "output",  # 1
        "sigmoid": "output",  # h (1 − h)
        "relu": "output",  # 1 where h > 0
        "softplus": "input",
        "softsign": "input",
        "hard_sigmoid": "input",
        "hard_tanh": "output",  # 1 where |h| < 1
        "gelu": "input",
        "silu": "input",
    }
    plugins = {
        name: Activation(name, _core.function(name), _core.function(f"{name}_derivative"), of)
        for name, of in plain.items()
    }
    plugins |= {"leaky_relu": leaky_relu(), "elu": elu()}
    order = [*list(plain)[:4], "leaky_relu", "elu", *list(plain)[4:]]
    for name in order:
        p = plugins[name]
        # The tests check them, as they check every registered plugin: an import need not.
        register_activation(
            name, p.function, p.derivative, derivative_of=p.derivative_of, check=False
        )
    _registry.add_factory("leaky_relu", leaky_relu)
    _registry.add_factory("elu", elu)


_register_built_in()
