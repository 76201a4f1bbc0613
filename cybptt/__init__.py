"""Recurrent networks and back-propagation through time: section 10.2 of *Deep Learning*, exactly.

Goodfellow, Bengio and Courville, *Deep Learning*, MIT Press 2016. The equations' numbers in the
documentation, such as 10.21, are the book's; C.1 to C.9 are this library's, for what the section
leaves to its reader. `cybptt.reference` has them all, a NumPy statement each.

>>> import cybptt, numpy as np
>>> rnn = cybptt.RNN(n_inputs=2, n_hidden=3, n_outputs=2)
>>> params = rnn.init(seed=0)
>>> loss, grad = rnn.value_and_grad(params, np.ones((4, 2)), [0, 1, 1, 0])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Where each public name lives. What a program does not use is not imported: `import cybptt` costs
# NumPy and the core alone.
_NAMES = {
    "RNN": "rnn",
    "Parameters": "parameters",
    "Trace": "trace",
    "State": "trace",
    "Gradients": "trace",
    "HiddenGradients": "hidden",
    "Explanation": "_explain",
    "Activation": "activations",
    "register_activation": "activations",
    "Loss": "losses",
    "register_loss": "losses",
    "DerivativeError": "errors",
    "PluginError": "errors",
    "Workspace": "workspace",
    "gradcheck": "_gradcheck",
    "GradcheckReport": "_gradcheck",
    "pad": "sequences",
    "save": "io",
    "load": "io",
    "read_metadata": "io",
    "read_tensors": "io",
}
_MODULES = ("activations", "data", "io", "losses", "optim", "plot", "reference", "text", "train")
# Each for another library, which it needs: they are there when asked for, and no star brings them.
_NEIGHBOURS = ("jax", "mpi", "onnx", "sklearn", "torch")

__all__ = [
    "RNN",
    "Parameters",
    "Trace",
    "State",
    "Gradients",
    "HiddenGradients",
    "Explanation",
    "Activation",
    "register_activation",
    "Loss",
    "register_loss",
    "DerivativeError",
    "PluginError",
    "Workspace",
    "gradcheck",
    "GradcheckReport",
    "pad",
    "save",
    "load",
    "read_metadata",
    "read_tensors",
    "activations",
    "data",
    "io",
    "losses",
    "optim",
    "plot",
    "reference",
    "text",
    "train",
]

if TYPE_CHECKING:
    from cybptt import activations, data, io, losses, optim, plot, reference, text, train
    from cybptt._explain import Explanation
    from cybptt._gradcheck import GradcheckReport, gradcheck
    from cybptt._version import __version__ as __version__
    from cybptt.activations import Activation, register_activation
    from cybptt.errors import DerivativeError, PluginError
    from cybptt.hidden import HiddenGradients
    from cybptt.io import load, read_metadata, read_tensors, save
    from cybptt.losses import Loss, register_loss
    from cybptt.parameters import Parameters
    from cybptt.rnn import RNN
    from cybptt.sequences import pad
    from cybptt.trace import Gradients, State, Trace
    from cybptt.workspace import Workspace


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        value = getattr(importlib.import_module(f"cybptt.{_NAMES[name]}"), name)
    elif name in _MODULES or name in _NEIGHBOURS:
        value = importlib.import_module(f"cybptt.{name}")
    elif name == "__version__":
        value = importlib.import_module("cybptt._version").__version__
    elif name == "_core":
        value = _import_core()
    else:
        raise AttributeError(f"module 'cybptt' has no attribute {name!r}")
    globals()[name] = value
    return value


def _import_core() -> Any:
    try:
        return importlib.import_module("cybptt._core")
    except ModuleNotFoundError as error:
        if error.name != "cybptt._core":
            raise
        raise ImportError(
            f"cybptt has no compiled core in {__path__[0]}: that is the source folder, found before"
            " an installed cybptt. Install it (pip install .), and run from another folder or use"
            " the commands cybptt and pytest."
        ) from None


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
