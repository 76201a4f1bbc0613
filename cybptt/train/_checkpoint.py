"""A run's place: everything that it needs to go on to the same bits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cybptt import io

if TYPE_CHECKING:
    from cybptt.parameters import Parameters
    from cybptt.rnn import RNN
    from cybptt.trace import State

__all__ = ["RUN", "Checkpoint", "generator_from", "generator_state"]

# The name under which a run's numbers stand in a file's metadata.
RUN = "training"
# A file names its generator, and only these names are looked up.
_BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Where a run stands after a whole step.

    Parameters
    ----------
    rnn : RNN
        The model.
    params : Parameters
        Its parameters, a copy.
    step : int
        The steps done; with the chunks it is the place in the text.
    optimizer : dict
        What the optimizer's ``state_dict`` gave.
    generator : dict
        The state of the run's random generator, as JSON can hold it.
    state : State or None
        The state that is carried into the next chunk.
    metadata : dict
        Anything else that JSON can hold, such as a digest of the text. The key "training" is
        taken.

    Examples
    --------
    >>> import pathlib, tempfile, cybptt
    >>> from cybptt.optim import Adam
    >>> from cybptt.train import Checkpoint, fit
    >>> rnn = cybptt.RNN(2, 3, 2, inputs="tokens")
    >>> params = rnn.init(seed=0)
    >>> chunks = [([[0], [1]], [[1], [0]])]
    >>> path = pathlib.Path(tempfile.mkdtemp(), "run.safetensors")
    >>> _ = fit(rnn, params, chunks, optimizer=Adam(), steps=5, checkpoint=path, seed=0)
    >>> Checkpoint.load(path).step
    5
    """

    rnn: RNN
    params: Parameters
    step: int
    optimizer: dict[str, Any]
    generator: dict[str, Any]
    state: State | None
    metadata: dict[str, Any] = field(default_factory=dict)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, whole or not at all.

        The file is a model file: :func:`cybptt.load` reads the model from it. There is no equation
        for this: it is bookkeeping.

        Parameters
        ----------
        path : str or path
            The file, written over if it is there.

        Raises
        ------
        OSError
            If it cannot be written.
        ImportError
            If safetensors is not installed.
        ValueError, TypeError
            If the metadata hold a key "training", or what JSON cannot; if the path is none.

        Examples
        --------
        >>> import pathlib, tempfile, cybptt
        >>> from cybptt.optim import Adam
        >>> from cybptt.train import fit
        >>> rnn = cybptt.RNN(2, 3, 2, inputs="tokens")
        >>> chunks = [([[0], [1]], [[1], [0]])]
        >>> history = fit(rnn, rnn.init(seed=0), chunks, optimizer=Adam(), steps=5)
        >>> path = pathlib.Path(tempfile.mkdtemp(), "run.safetensors")
        >>> history.checkpoint.save(path)
        >>> _, params = cybptt.load(path)
        >>> bool((params.vector == history.checkpoint.params.vector).all())
        True
        """
        if RUN in self.metadata:
            raise ValueError(f"metadata: got a key {RUN!r}, need other keys: the run's own is so")
        tensors: dict[str, np.ndarray[Any, Any]] = {}
        optimizer = {}
        for name, value in self.optimizer.items():
            if isinstance(value, np.ndarray):
                tensors[f"optimizer.{name}"] = value
            else:
                optimizer[name] = value
        for name in ("h", "fed", "y"):
            value = getattr(self.state, name, None)
            if value is not None:
                tensors[f"state.{name}"] = np.asarray(value)
        training = {"step": self.step, "optimizer": optimizer, "generator": self.generator}
        metadata = {**self.metadata, RUN: training}
        io.save(path, self.rnn, self.params, metadata=metadata, tensors=tensors)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Checkpoint:
        """Read one from a file.

        There is no equation for this: it is bookkeeping.

        Parameters
        ----------
        path : str or path
            A file that `save` or `fit` wrote.

        Returns
        -------
        Checkpoint
            As it was.

        Raises
        ------
        OSError
            If the file is missing or cannot be read.
        ValueError, TypeError
            If it is no model file, was changed, or holds a model without a run; if the path is
            none.

        Examples
        --------
        >>> import pathlib, tempfile, cybptt
        >>> from cybptt.optim import Adam
        >>> from cybptt.train import Checkpoint, fit
        >>> rnn = cybptt.RNN(2, 3, 2, inputs="tokens")
        >>> params = rnn.init(seed=0)
        >>> chunks = [([[0], [1]], [[1], [0]])]
        >>> path = pathlib.Path(tempfile.mkdtemp(), "run.safetensors")
        >>> _ = fit(rnn, params, chunks, optimizer=Adam(), steps=5, checkpoint=path)
        >>> place = Checkpoint.load(path)
        >>> history = fit(rnn, params, chunks, optimizer=Adam(), steps=8, resume=place)
        >>> [record.step for record in history.records]
        [6, 7, 8]
        """
        from cybptt.trace import State

        rnn, params = io.load(path)
        metadata = dict(io.read_metadata(path))
        tensors = io.read_tensors(path)
        try:
            training = metadata.pop(RUN)
            step, generator = int(training["step"]), dict(training["generator"])
            optimizer = dict(training["optimizer"])
        except (KeyError, TypeError, ValueError):
            raise ValueError(
                f"path: got {os.fspath(path)!r}, a model alone, need one that a training run saved"
            ) from None
        optimizer |= _under("optimizer.", tensors)
        carried = _under("state.", tensors)
        state = None
        if carried:
            state = State(h=carried["h"], fed=carried.get("fed"), y=carried.get("y"))
        return cls(rnn, params, step, optimizer, generator, state, metadata)


def _under(prefix: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}


def generator_state(generator: np.random.Generator) -> dict[str, Any]:
    """A generator's state as JSON can hold it."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: plain(inner) for key, inner in value.items()}
        return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value

    state: dict[str, Any] = plain(generator.bit_generator.state)
    return state


def generator_from(state: Mapping[str, Any]) -> np.random.Generator:
    """A generator with a state that `generator_state` gave."""
    name = state.get("bit_generator")
    if name not in _BIT_GENERATORS:
        raise ValueError(f"generator: got {name!r}, need one of {', '.join(_BIT_GENERATORS)}")
    bits = getattr(np.random, name)()

    def arrays(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: arrays(inner) for key, inner in value.items()}
        return np.array(value, dtype=np.uint64) if isinstance(value, list) else value

    bits.state = arrays(state)
    return np.random.Generator(bits)
