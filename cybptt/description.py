"""What a model is: its sizes, its plugins and its pattern of recurrence; and its first numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cybptt import _core, activations, losses
from cybptt import _validate as check
from cybptt.activations import Activation
from cybptt.losses import Loss
from cybptt.parameters import Parameters

if TYPE_CHECKING:
    from cybptt.rnn import RNN

Array = NDArray[Any]

# The arguments after the sizes, in the order of the signature, with the values they may have.
CHOICES: dict[str, tuple[str, ...]] = {
    "recurrence": ("hidden", "output", "both"),
    "outputs": ("all", "last"),
    "feedback": ("o", "y_hat"),
    "inputs": ("values", "tokens"),
}
SCHEMES = ("uniform", "orthogonal", "identity", "glorot")


class Description:
    """The immutable part of an `RNN`: see there."""

    __slots__ = (
        "_plans",
        "activation",
        "feedback",
        "inputs",
        "loss",
        "n_hidden",
        "n_inputs",
        "n_outputs",
        "n_parameters",
        "outputs",
        "recurrence",
        "shapes",
    )

    n_inputs: int
    n_hidden: int
    n_outputs: int | None
    activation: Activation
    loss: Loss
    recurrence: str
    outputs: str
    feedback: str
    inputs: str
    shapes: Mapping[str, tuple[int, ...]]
    n_parameters: int
    # What `_whole_pass` has made of it, by dtype and by whether ŷ is linked.
    _plans: dict[tuple[np.dtype[Any], bool], _core.Plan | None]

    def __init__(
        self,
        n_inputs: int,
        n_hidden: int,
        n_outputs: int | None,
        *,
        activation: str | Activation = "tanh",
        loss: str | Loss = "softmax_nll",
        recurrence: str = "hidden",
        outputs: str = "all",
        feedback: str = "o",
        inputs: str = "values",
    ) -> None:
        words = {"recurrence": recurrence, "outputs": outputs, "feedback": feedback}
        words["inputs"] = inputs
        fields: dict[str, Any] = {
            name: check.choice(name, word, CHOICES[name]) for name, word in words.items()
        }
        tokens = inputs == "tokens"
        fields["n_inputs"] = check.integer("n_inputs", n_inputs, 1 if tokens else 0)
        fields["n_hidden"] = check.integer("n_hidden", n_hidden, 0)
        if n_outputs is not None:
            n_outputs = check.integer("n_outputs", n_outputs, 0)
        fields["n_outputs"] = n_outputs
        if recurrence != "hidden":
            if n_outputs is None:
                raise check.wrong_value(
                    "n_outputs",
                    "None",
                    f"a number of outputs: recurrence={recurrence!r} feeds them back",
                )
            if outputs == "last":
                raise check.wrong_value(
                    "outputs", "'last'", f"'all': recurrence={recurrence!r} feeds every output back"
                )
        elif feedback != "o":
            raise check.wrong_value(
                "feedback", repr(feedback), "'o' with recurrence='hidden', which feeds nothing back"
            )
        fields["activation"] = _plugin("activation", activation, Activation, activations.get)
        fields["loss"] = _plugin("loss", loss, Loss, losses.get)
        if (
            feedback == "y_hat"
            and fields["loss"].link is not None
            and fields["loss"].link_vjp is None
        ):
            raise check.wrong_value(
                "loss", repr(fields["loss"].name), "a loss with link_vjp, for feedback='y_hat'"
            )
        fields["shapes"] = MappingProxyType(
            _shapes(fields["n_inputs"], fields["n_hidden"], n_outputs, recurrence)
        )
        total = sum(math.prod(shape) for shape in fields["shapes"].values())
        if total > np.iinfo(np.intp).max // 16:
            raise check.wrong_value(
                "n_inputs, n_hidden, n_outputs",
                f"{fields['n_inputs']}, {fields['n_hidden']}, {n_outputs}",
                "sizes whose parameters fit in memory",
            )
        fields["n_parameters"] = total
        fields["_plans"] = {}
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name}: an RNN is immutable; make another one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name}: an RNN is immutable; make another one")

    # -------------------------------------------------------------- identity

    def _arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        names = ("activation", "loss", *CHOICES)
        return (self.n_inputs, self.n_hidden, self.n_outputs), {n: getattr(self, n) for n in names}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Description):
            return NotImplemented
        return self._arguments() == other._arguments()

    def __hash__(self) -> int:
        sizes, options = self._arguments()
        return hash((sizes, tuple(options.items())))

    def __reduce__(self) -> tuple[Any, ...]:
        sizes, options = self._arguments()
        return _rebuild, (type(self), sizes, options)

    def __repr__(self) -> str:
        sizes, options = self._arguments()
        shown = [str(size) for size in sizes]
        defaults = {"activation": "tanh", "loss": "softmax_nll"}
        defaults |= {name: choices[0] for name, choices in CHOICES.items()}
        for name, value in options.items():
            if isinstance(value, Activation | Loss):
                registry = activations if name == "activation" else losses
                value = value.name if registry.registered(value) else value
            if value != defaults[name]:
                shown.append(f"{name}={value!r}")
        return f"RNN({', '.join(shown)})"

    # -------------------------------------------------------------- sizes

    @property
    def size_o(self) -> int:
        """How many values o has: n_outputs, or n_hidden where o is h."""
        return self.n_hidden if self.n_outputs is None else self.n_outputs

    # -------------------------------------------------------------- parameters

    def init(
        self,
        seed: int | np.random.Generator | None = 0,
        dtype: DTypeLike = np.float64,
        scheme: str = "uniform",
    ) -> Parameters:
        """Draw first values for the parameters.

        Parameters
        ----------
        seed : int, numpy.random.Generator or None
            None draws differently at each call.
        dtype : float32 or float64
            Everything computed with the parameters has it. The draws are made in float64.
        scheme : {"uniform", "orthogonal", "identity", "glorot"}
            "uniform": all parameters from ±1/√H. "glorot": matrices from ±√(6 / (rows + columns)),
            biases 0 [1]_. "orthogonal": W with orthonormal rows or columns [2]_, otherwise as
            "glorot". "identity": W the identity, the other matrices from N(0, 0.001²), biases 0,
            for relu [3]_.

        Returns
        -------
        params : Parameters

        Raises
        ------
        ValueError, TypeError
            For an unknown scheme, a dtype that is neither, a seed that is none.

        Notes
        -----
        It has no equation: section 10.2 starts from given parameters.

        References
        ----------
        .. [1] Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
           networks", AISTATS 2010.
        .. [2] Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning
           in deep linear neural networks", ICLR 2014.
        .. [3] Le, Jaitly and Hinton, "A simple way to initialize recurrent networks of rectified
           linear units", arXiv:1504.00941, 2015.

        Examples
        --------
        >>> import cybptt
        >>> params = cybptt.RNN(2, 3, 2).init(seed=0, scheme="identity")
        >>> params.W
        array([[1., 0., 0.],
               [0., 1., 0.],
               [0., 0., 1.]])
        """
        rng = check.generator("seed", seed)
        dtype = check.float_dtype("dtype", dtype)
        check.choice("scheme", scheme, SCHEMES)
        drawn = {
            name: _first_values(name, shape, scheme, self.n_hidden, rng)
            for name, shape in self.shapes.items()
        }
        return self.parameters(**{name: values.astype(dtype) for name, values in drawn.items()})

    def parameters(self, vector: Any = None, /, **arrays: Any) -> Parameters:
        """Make parameters of given numbers.

        Parameters
        ----------
        vector : array_like, shape (n,), optional
            All of them, in the order U W V b c R.
        **arrays : array_like
            Or every parameter by name: U (H, I), W (H, H) or (H, O), V (O, H), b (H,), c (O,),
            and with both recurrences R (H, O).

        Returns
        -------
        params : Parameters
            Copies. The dtype is the widest floating one given, float32 at least; integers count as
            float64.

        Raises
        ------
        ValueError, TypeError
            For a missing or unknown name, a wrong shape, numbers that are not real.

        Notes
        -----
        It has no equation: it names the parameters of :eq:`10.8`, :eq:`10.10` and :eq:`C.4`.

        Examples
        --------
        >>> import cybptt
        >>> rnn = cybptt.RNN(1, 1, None)
        >>> params = rnn.parameters(U=[[0.5]], W=[[0.25]], b=[0.0])
        >>> params.vector
        array([0.5 , 0.25, 0.  ])
        >>> rnn.parameters(params.vector).W
        array([[0.25]])
        """
        rnn: RNN = self  # type: ignore[assignment]
        if vector is not None:
            if arrays:
                raise check.wrong_value("vector", "a vector and arrays", "one of the two alone")
            n = self.n_parameters
            raw = check.array("vector", vector, "biuf", f"real numbers of shape (n,) = ({n},)")
            values = check.shaped("vector", raw, _float_of(raw), (n,), "(n,)")
            return Parameters(rnn, values.copy())
        need = f"the parameters {', '.join(self.shapes)}"
        if missing := [name for name in self.shapes if name not in arrays]:
            raise check.wrong_value(missing[0], "nothing", need)
        if unknown := [name for name in arrays if name not in self.shapes]:
            raise check.wrong_value(unknown[0], "a parameter that this model lacks", need)
        given = {
            name: check.array(name, arrays[name], "biuf", f"real numbers of shape {shape}")
            for name, shape in self.shapes.items()
        }
        dtype = np.result_type(np.float32, *(_float_of(array) for array in given.values()))
        flat = [
            check.shaped(name, array, dtype, self.shapes[name], self._letters(name)).reshape(-1)
            for name, array in given.items()
        ]
        return Parameters(rnn, np.concatenate(flat))

    def _letters(self, name: str) -> str:
        fed = {"U": "I", "W": "O" if self.recurrence == "output" else "H", "R": "O"}
        if name == "V":
            return "(O, H)"
        return f"(H, {fed[name]})" if name in fed else {"b": "(H,)", "c": "(O,)"}[name]


def _rebuild(cls: type, sizes: tuple[Any, ...], options: dict[str, Any]) -> Any:
    return cls(*sizes, **options)


def _plugin(kind: str, value: Any, cls: type, get: Any) -> Any:
    if isinstance(value, cls):
        return value
    if not isinstance(value, str):
        need = f"a registered name, or a cybptt.{cls.__name__}"
        raise check.wrong_type(kind, check.describe(value), need)
    try:
        return get(value)
    except ValueError as error:
        if str(error).startswith(f"{kind}:"):
            raise
        # Of a factory's argument, as in "leaky_relu(nan)".
        raise check.wrong_value(kind, repr(value), f"a right argument; {error}") from None


def _shapes(
    n_inputs: int, n_hidden: int, n_outputs: int | None, recurrence: str
) -> dict[str, tuple[int, ...]]:
    fed = n_outputs if recurrence == "output" else n_hidden
    assert fed is not None
    shapes: dict[str, tuple[int, ...]] = {"U": (n_hidden, n_inputs), "W": (n_hidden, fed)}
    if n_outputs is not None:
        shapes["V"] = (n_outputs, n_hidden)
    shapes["b"] = (n_hidden,)
    if n_outputs is not None:
        shapes["c"] = (n_outputs,)
    if recurrence == "both":
        assert n_outputs is not None
        shapes["R"] = (n_hidden, n_outputs)
    return shapes


def _float_of(values: Array) -> np.dtype[Any]:
    """float32 for floats of up to 32 bits, float64 for all else."""
    dtype = values.dtype
    narrow = dtype.kind == "f" and dtype.itemsize <= 4
    return np.dtype(np.float32 if narrow else np.float64)


def _first_values(
    name: str, shape: tuple[int, ...], scheme: str, n_hidden: int, rng: np.random.Generator
) -> Array:
    if scheme == "uniform":
        bound = 1 / math.sqrt(max(1, n_hidden))
        return rng.uniform(-bound, bound, shape)
    if len(shape) == 1:
        return np.zeros(shape)
    if scheme == "identity":
        return np.eye(shape[0], shape[1]) if name == "W" else rng.normal(0, 0.001, shape)
    if scheme == "orthogonal" and name == "W":
        return _orthogonal(shape, rng)
    bound = math.sqrt(6 / max(1, sum(shape)))
    return rng.uniform(-bound, bound, shape)


def _orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Uniform over the matrices of orthonormal rows or columns, whichever are fewer."""
    rows, cols = shape
    tall = rng.normal(size=(max(shape), min(shape)))
    if tall.size == 0:
        return np.zeros(shape)
    q, r = np.linalg.qr(tall)
    q *= np.where(np.diag(r) < 0, -1.0, 1.0)  # without it the draw favours some matrices
    return q if rows >= cols else q.T
