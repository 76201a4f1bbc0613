"""The errors of plugins. All else raises Python's own: ValueError, TypeError, and the like."""

from __future__ import annotations


class DerivativeError(ValueError):
    """A derivative that does not agree with its function, or a function that can't be checked.

    Raised when a plugin is registered with ``check=True``; the message says where and by how much.
    It has no equation.

    Examples
    --------
    >>> import numpy as np, cybptt
    >>> cybptt.register_activation("wrong", np.sin, np.sin)
    Traceback (most recent call last):
        ...
    cybptt.errors.DerivativeError: activation 'wrong': derivative: got ..., need ...
    """


class PluginError(RuntimeError):
    """A plugin that raised, or gave back what can't be used; its cause is kept as ``__cause__``.

    Raised by a pass that called the plugin, and by whoever asks for a plugin that an installed
    package offers and that can't be loaded. It has no equation.

    Examples
    --------
    >>> import cybptt
    >>> def fails(a):
    ...     raise ZeroDivisionError("on purpose")
    >>> rnn = cybptt.RNN(1, 1, 1, activation=cybptt.Activation("fails", fails, fails))
    >>> rnn.forward(rnn.init(), [[1.0]])
    Traceback (most recent call last):
        ...
    cybptt.errors.PluginError: activation 'fails': function, step 0: raised ZeroDivisionError: ...
    """
