"""Memory that passes of one after another use."""

from __future__ import annotations

from typing import Any

from cybptt import _core

__all__ = ["Workspace"]


class Workspace(_core.Memory):
    """Memory that passes of one after another use, so that none has to ask the system for it.

    It grows to what the largest of them needed. It serves one pass at a time: a program with
    several threads has one for each.

    Attributes
    ----------
    nbytes : int
        How much it holds, in bytes.

    Notes
    -----
    It has no equation.

    Examples
    --------
    >>> import cybptt, numpy as np
    >>> rnn, workspace = cybptt.RNN(1, 2, 2), cybptt.Workspace()
    >>> params = rnn.init(0)
    >>> for _ in range(3):
    ...     loss, grad = rnn.value_and_grad(params, np.ones((2, 1)), [0, 1], workspace=workspace)
    >>> workspace.nbytes > 0
    True
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()

    def __reduce__(self) -> tuple[Any, ...]:
        return Workspace, ()  # what it holds is of no use elsewhere

    def __repr__(self) -> str:
        return f"<Workspace of {self.nbytes} bytes>"
