"""The eleven activations of ONNX's operator RNN, as activations of cybptt, and back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cybptt
from cybptt import _validate as check

Array = NDArray[Any]
Elementwise = Callable[[Array, float, float], Array]

# The numbers that each takes, alpha and then beta, with ONNX's defaults: those of its operators of
# the same name. There is none called Affine or ScaledTanh, so these have no defaults.
NUMBERS: dict[str, tuple[float | None, ...]] = {
    "Relu": (),
    "Tanh": (),
    "Sigmoid": (),
    "Affine": (None, None),
    "LeakyRelu": (0.01,),
    "ThresholdedRelu": (1.0,),
    "ScaledTanh": (None, None),
    "HardSigmoid": (0.2, 0.5),
    "Elu": (1.0,),
    "Softsign": (),
    "Softplus": (),
}


@dataclass(frozen=True)
class Form:
    """An activation as ONNX has it: its name, its numbers, and a bound on what enters it."""

    name: str
    numbers: tuple[float, ...] = ()
    clip: float | None = None

    def attributes(self) -> dict[str, Any]:
        """The attributes of an RNN node."""
        words: dict[str, Any] = {"activations": [self.name]}
        for letter, number in zip(("alpha", "beta"), self.numbers, strict=False):
            words[f"activation_{letter}"] = [number]
        return words if self.clip is None else words | {"clip": self.clip}

    def __str__(self) -> str:
        words = ["onnx", self.name, *map(repr, self.numbers)]
        return " ".join(words if self.clip is None else [*words, "clip", repr(self.clip)])

    @classmethod
    def of(cls, text: str) -> Form | None:
        """The form that a text is of, if of any."""
        words = text.split()
        if words[:1] != ["onnx"]:
            return None
        clip = float(words[-1]) if "clip" in words else None
        numbers = words[2:] if clip is None else words[2:-2]
        return cls(words[1], tuple(map(float, numbers)), clip)


# What cybptt has itself.
OURS = {
    "tanh": Form("Tanh"),
    "identity": Form("Affine", (1.0, 0.0)),
    "sigmoid": Form("Sigmoid"),
    "relu": Form("Relu"),
    "leaky_relu": Form("LeakyRelu", (0.01,)),
    "elu": Form("Elu", (1.0,)),
    "softplus": Form("Softplus"),
    "softsign": Form("Softsign"),
    "hard_sigmoid": Form("HardSigmoid", (1 / 6, 0.5)),
}
FACTORIES = {"LeakyRelu": "leaky_relu", "Elu": "elu"}


def form_of(activation: cybptt.Activation) -> Form | None:
    """The form that an activation of cybptt's has in ONNX, if it has one."""
    function: Any = activation.function
    if isinstance(function, Function):
        return function.form
    name, _, number = activation.name.removesuffix(")").partition("(")
    form = OURS.get(name)
    if form is not None and number and name in FACTORIES.values():
        form = Form(form.name, (float(number),))
    # Another's may be called the same.
    return form if form is not None and of_form(form) == activation else None


def of_form(form: Form) -> cybptt.Activation:
    """The activation of a form: cybptt's own, or one made for it."""
    ours = None if form.clip is not None else _ours(form)
    return ours or cybptt.Activation(str(form), Function(form), Function(form, True))


def _ours(form: Form) -> cybptt.Activation | None:
    """The activation of cybptt's that a form is, its clip left out."""
    if form.name in FACTORIES:
        factory: Any = getattr(cybptt.activations, FACTORIES[form.name])
        return factory(*form.numbers)  # type: ignore[no-any-return]
    # Equal in float32, as the attributes of a node are.
    numbers = np.array(form.numbers, np.float32)
    for name, other in OURS.items():
        same = np.array_equal(np.array(other.numbers, np.float32), numbers)
        if other.name == form.name and same:
            return cybptt.activations.get(name)
    return None


def activation(
    name: str, alpha: float | None = None, beta: float | None = None, clip: float | None = None
) -> cybptt.Activation:
    """Make the activation that ONNX's operator RNN calls by a name, an f of :eq:`10.9`.

    Parameters
    ----------
    name : str
        Affine, Elu, HardSigmoid, LeakyRelu, Relu, ScaledTanh, Sigmoid, Softplus, Softsign, Tanh or
        ThresholdedRelu.
    alpha, beta : float, optional
        Its numbers α and β. By default ONNX's: 0.01 for LeakyRelu, 1 for Elu and ThresholdedRelu,
        0.2 and 0.5 for HardSigmoid; Affine and ScaledTanh have none and need both.
    clip : float ≥ 0, optional
        a is clipped to ±clip before; the derivative beyond is 0.

    Returns
    -------
    Activation
        One of :mod:`cybptt.activations` where it has this one; otherwise one with a name such as
        "onnx ScaledTanh 1.7159 0.6667", under which `cybptt.register_activation` can enter it.

    Raises
    ------
    ValueError, TypeError
        For another name, numbers that it does not take or lacks, and numbers that are not finite.

    Notes
    -----
    Affine is α a + β, ScaledTanh α tanh(β a), HardSigmoid α a + β within 0 … 1 and ThresholdedRelu
    a for a ≥ α, 0 below. The default slope of HardSigmoid is 1/5; that of cybptt's
    ``hard_sigmoid``, as of PyTorch's, is 1/6.

    Examples
    --------
    >>> import numpy as np
    >>> import cybptt.onnx
    >>> cybptt.onnx.activation("LeakyRelu", 0.2)
    cybptt.activations.leaky_relu(0.2)
    >>> cybptt.onnx.activation("HardSigmoid").function(np.array([1.0]))     # slope 1/5
    array([0.7])
    """
    check.choice("name", name, tuple(NUMBERS))
    defaults = NUMBERS[name]
    numbers: list[float] = []
    for place, (letter, given) in enumerate({"alpha": alpha, "beta": beta}.items()):
        if place >= len(defaults):
            if given is not None:
                raise check.wrong_value(letter, check.describe(given), f"None: {name} takes none")
            continue
        value = defaults[place] if given is None else given
        if value is None:
            need = f"a finite number: ONNX has no default for {name}"
            raise check.wrong_value(letter, "None", need)
        numbers.append(_number(letter, value, -math.inf))
    bound = None if clip is None else _number("clip", clip, 0.0)
    return of_form(Form(name, tuple(numbers), bound))


def _number(name: str, value: Any, low: float) -> float:
    need = "a finite number" if low < 0 else f"a finite number ≥ {low:g}"
    number = check.real_number(name, value, need)
    if not math.isfinite(number) or number < low:
        raise check.wrong_value(name, check.describe(value), need)
    return number + 0.0


# ---------------------------------------------------------------------- what cybptt has not


def _inside(a: Array, alpha: float, beta: float) -> Array:
    line = alpha * a + beta
    return (line > 0) & (line < 1)


FUNCTIONS: dict[str, tuple[Elementwise, Elementwise]] = {
    "Affine": (
        lambda a, alpha, beta: alpha * a + beta,
        lambda a, alpha, beta: np.full_like(a, alpha),
    ),
    "ThresholdedRelu": (
        lambda a, alpha, beta: np.where(a >= alpha, a, a.dtype.type(0)),
        lambda a, alpha, beta: (a >= alpha).astype(a.dtype),
    ),
    "ScaledTanh": (
        lambda a, alpha, beta: alpha * np.tanh(beta * a),
        lambda a, alpha, beta: alpha * beta * (1 - np.tanh(beta * a) ** 2),
    ),
    "HardSigmoid": (
        lambda a, alpha, beta: np.clip(alpha * a + beta, 0, 1),
        lambda a, alpha, beta: alpha * _inside(a, alpha, beta).astype(a.dtype),
    ),
}


@dataclass(frozen=True, repr=False)
class Function:
    """A form as a function of arrays, or its derivative: picklable, and equal by content."""

    form: Form
    is_derivative: bool = False

    def __call__(self, a: Array) -> Array:
        clip = self.form.clip
        if clip is None:
            return self._of(a)
        values = self._of(np.clip(a, -clip, clip))
        return np.where(np.abs(a) < clip, values, a.dtype.type(0)) if self.is_derivative else values

    def _of(self, a: Array) -> Array:
        ours = _ours(self.form)
        if ours is None:
            alpha, beta = (*self.form.numbers, 0.0)[:2]
            return FUNCTIONS[self.form.name][self.is_derivative](a, alpha, beta)
        if not self.is_derivative:
            return ours.function(a)
        return ours.derivative(a if ours.derivative_of == "input" else ours.function(a))

    def __repr__(self) -> str:
        given = [repr(self.form.name), *map(repr, self.form.numbers)]
        given += [] if self.form.clip is None else [f"clip={self.form.clip!r}"]
        part = "derivative" if self.is_derivative else "function"
        return f"cybptt.onnx.activation({', '.join(given)}).{part}"
