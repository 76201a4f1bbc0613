"""The numbers of a model: one vector, and named views on it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cybptt import _validate as check

if TYPE_CHECKING:
    from cybptt.rnn import RNN

Array = NDArray[Any]


class Parameters(Mapping[str, Array]):
    """U, W, V, b, c (and R) of one model, as views on one flat vector.

    Made by `RNN.init` and `RNN.parameters`; the vector is always a copy of what was given. It has
    no equation of its own: the letters are those of :eq:`10.8`, :eq:`10.10` and :eq:`C.4`.

    Parameters
    ----------
    rnn : RNN
        The model that they are of.
    vector : ndarray, shape (n,), float32 or float64
        Taken as it is, not copied: contiguous, aligned, native and writable.

    Attributes
    ----------
    vector : ndarray, shape (n,)
        All of them, in the order U W V b c R, each in C order.
    U : ndarray, shape (H, I)
        From x(t) to a(t).
    W : ndarray, shape (H, H), or (H, O) with ``recurrence="output"``
        From h(t−1), or from what is fed back, to a(t).
    V : ndarray, shape (O, H)
        From h(t) to o(t). V and c are absent where the model has no output layer.
    b, c : ndarray, shapes (H,) and (O,)
        The biases of a(t) and o(t).
    R : ndarray, shape (H, O)
        From what is fed back to a(t), with ``recurrence="both"`` alone.
    rnn : RNN
    dtype : numpy.dtype

    Raises
    ------
    ValueError, TypeError
        For another vector, or a value of another shape in an assignment.

    Examples
    --------
    >>> import cybptt
    >>> params = cybptt.RNN(1, 2, 3).init(seed=0)
    >>> params.W[...] = 0          # through a view,
    >>> params.b = [1.0, -1.0]     # by assignment,
    >>> params.vector *= 0.5       # or all at once
    >>> params["b"]
    array([ 0.5, -0.5])
    >>> list(params)
    ['U', 'W', 'V', 'b', 'c']
    """

    __slots__ = ("_vector", "_views", "rnn")

    rnn: RNN
    _vector: Array
    _views: dict[str, Array]

    def __init__(self, rnn: RNN, vector: Array) -> None:
        _check(rnn, vector)
        views: dict[str, Array] = {}
        offset = 0
        for name, shape in rnn.shapes.items():
            size = math.prod(shape)
            views[name] = vector[offset : offset + size].reshape(shape)
            offset += size
        object.__setattr__(self, "rnn", rnn)
        object.__setattr__(self, "_vector", vector)
        object.__setattr__(self, "_views", views)

    @property
    def vector(self) -> Array:
        """All parameters, in the order U W V b c R."""
        return self._vector

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self._vector.dtype

    def copy(self) -> Parameters:
        """Copy the numbers into a vector of their own.

        Returns
        -------
        params : Parameters

        Notes
        -----
        It has no equation.

        Examples
        --------
        >>> import cybptt
        >>> params = cybptt.RNN(1, 2, 3).init(seed=0)
        >>> best = params.copy()
        >>> params.vector *= 0
        >>> bool(best.vector.any())
        True
        """
        return Parameters(self.rnn, self._vector.copy())

    def astype(self, dtype: DTypeLike) -> Parameters:
        """Copy the numbers into a vector of another dtype.

        Parameters
        ----------
        dtype : float32 or float64

        Returns
        -------
        params : Parameters

        Raises
        ------
        ValueError, TypeError
            For a dtype that is neither.

        Notes
        -----
        It has no equation.

        Examples
        --------
        >>> import cybptt
        >>> cybptt.RNN(1, 2, 3).init(seed=0).astype("float32").dtype
        dtype('float32')
        """
        with np.errstate(over="ignore", under="ignore"):
            return Parameters(self.rnn, self._vector.astype(check.float_dtype("dtype", dtype)))

    # -------------------------------------------------------------- as attributes

    def __getattr__(self, name: str) -> Array:
        try:
            return self._views[name]
        except KeyError:
            raise AttributeError(
                f"{name}: this model's parameters are {', '.join(self._views)}"
            ) from None

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "vector":
            self._write(name, self._vector, value)
        elif name in self._views:
            self._write(name, self._views[name], value)
        else:
            raise AttributeError(
                f"{name}: this model's parameters are vector, {', '.join(self._views)}"
            )

    @staticmethod
    def _write(name: str, view: Array, value: Any) -> None:
        need = f"real numbers of shape {view.shape}, or one number"
        new = check.array(name, value, "biuf", need)
        if new.shape not in (view.shape, ()):
            raise check.wrong_value(name, check.describe(new), need)
        view[...] = check.contiguous(name, new, view.dtype)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._views})

    # -------------------------------------------------------------- as a mapping

    def __getitem__(self, name: str) -> Array:
        return self._views[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    # Arrays have no equality that gives one answer, so these are equal only to themselves.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name}: a parameter can be written, not deleted")

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy when it is read: what unpickles may stand in memory that can't be written.
        return self.rnn.parameters, (self._vector,)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {view.shape}" for name, view in self._views.items())
        return f"<Parameters, {self._vector.size} of {self.dtype}: {shapes}>"


def _check(rnn: Any, vector: Any) -> None:
    from cybptt.description import Description  # which itself makes Parameters

    if not isinstance(rnn, Description):
        raise check.wrong_type("rnn", check.describe(rnn), "an RNN")
    n = rnn.n_parameters
    need = (
        f"an ndarray of shape ({n},) and dtype float32 or float64, contiguous, aligned, native"
        " and writable"
    )
    if not isinstance(vector, np.ndarray):
        raise check.wrong_type("vector", check.describe(vector), need)
    if vector.dtype not in check.FLOATS or not vector.dtype.isnative or vector.shape != (n,):
        raise check.wrong_value("vector", check.describe(vector), need)
    flags = vector.flags
    for has, fault in (
        (flags.c_contiguous, "not contiguous"),
        (flags.aligned, "misaligned"),
        (flags.writeable, "read-only"),
    ):
        if not has:
            raise check.wrong_value("vector", f"an array that is {fault}", need)
