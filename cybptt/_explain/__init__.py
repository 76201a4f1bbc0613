"""One forward and one backward pass in words and numbers: what `RNN.explain` returns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cybptt import _validate as check
from cybptt._explain import _backward, _forward
from cybptt._explain._document import WIDTH, Block, Equation, as_html, as_markdown, as_text
from cybptt._explain._script import Script
from cybptt._explain._sequence import walked

if TYPE_CHECKING:
    from cybptt.rnn import RNN
    from cybptt.trace import Gradients, Trace

__all__ = ["Explanation"]


class Explanation:
    """A walk through one forward and one backward pass: what `RNN.explain` returns.

    ``print`` shows it as text, and a notebook as HTML whose mathematics MathJax or KaTeX sets. It
    has the equations that the model's pattern needs, :eq:`10.8` to :eq:`10.28` and C.1 to C.9, each
    with its numbers. The numbers are those of `trace` and `gradients`; each was computed again from
    its equation when the walk was made.

    Attributes
    ----------
    title : str
        What is walked through.
    loss : float
        L of :eq:`10.13`.
    trace : Trace
        The nodes.
    gradients : Gradients
        The gradient of every node and parameter.
    equations : list of (str, str)
        The number of each equation and its left side, in the order of the walk.

    Examples
    --------
    >>> import cybptt, numpy as np
    >>> rnn = cybptt.RNN(1, 2, 2)
    >>> walk = rnn.explain(rnn.init(0), np.ones((2, 1)), [0, 1])
    >>> walk
    <Explanation of RNN(1, 2, 2), 2 steps: print it, or show it in a notebook>
    >>> walk.equations[:4]
    [('10.8', 'a(1)'), ('10.9', 'h(1)'), ('10.10', 'o(1)'), ('10.11', 'ŷ(1)')]
    """

    def __init__(
        self,
        title: str,
        blocks: list[Block],
        decimals: int,
        loss: float,
        trace: Trace,
        gradients: Gradients,
    ) -> None:
        self.title = title
        self.loss = loss
        self.trace = trace
        self.gradients = gradients
        self._blocks = blocks
        self._decimals = decimals

    @property
    def equations(self) -> list[tuple[str, str]]:
        """The number of each equation and its left side, in the order of the walk."""
        return [(b.number, b.result.name) for b in self._blocks if isinstance(b, Equation)]

    def text(self, width: int = WIDTH) -> str:
        """Write the walk as text; there is no equation for this.

        Parameters
        ----------
        width : int
            Characters in a line, 40 or more: sums are broken between their terms. A matrix that is
            wider stays whole.

        Returns
        -------
        str

        Raises
        ------
        ValueError, TypeError
            For another width.

        Examples
        --------
        >>> import cybptt, numpy as np
        >>> rnn = cybptt.RNN(1, 1, None, loss="squared_error")
        >>> params = rnn.parameters(U=[[1.0]], W=[[0.5]], b=[0.0])
        >>> walk = rnn.explain(params, [[1.0], [0.0]], [[1.0], [0.0]])
        >>> text = walk.text(60)
        >>> print(text[text.index("∇b") :])
        ∇b = Σ_t diag(1 − h(t)²) ∇h(t)                   (10.23)
           = ∇a(1) + ∇a(2)
           = [ −0.0339 ] + [ 0.3154 ] = [ 0.2815 ]
        ...
        """
        return as_text(self._blocks, self._decimals, check.integer("width", width, 40))

    def html(self) -> str:
        r"""Write the walk as HTML; there is no equation for this.

        Returns
        -------
        str
            A ``<div>``, with mathematics between ``\(`` and ``\)`` and between ``\[`` and ``\]``.

        Examples
        --------
        >>> import cybptt, numpy as np
        >>> rnn = cybptt.RNN(1, 1, None, loss="squared_error")
        >>> walk = rnn.explain(rnn.init(0), [[1.0]], [[1.0]])
        >>> walk.html().count("(10.9)")
        1
        """
        return as_html(self._blocks, self._decimals)

    def markdown(self) -> str:
        """Write the walk as Markdown; there is no equation for this.

        Returns
        -------
        str
            With mathematics between ``$`` and between ``$$``.

        Examples
        --------
        >>> import cybptt, numpy as np
        >>> rnn = cybptt.RNN(1, 1, None, loss="squared_error")
        >>> walk = rnn.explain(rnn.init(0), [[1.0]], [[1.0]])
        >>> print(walk.markdown().splitlines()[0])
        ### One pass, forward and back
        """
        return as_markdown(self._blocks, self._decimals)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        rnn = self.trace.rnn
        steps = _forward.steps_in_words(int(self.trace.h.shape[0]))
        return f"<Explanation of {rnn!r}, {steps}: print it, or show it in a notebook>"

    def _repr_html_(self) -> str:
        return self.html()

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What IPython shows in a terminal."""
        printer.text(self.text())


def explain(trace: Trace, y: Any, weights: Any, reduction: Any, decimals: int) -> Explanation:
    """Walk through a pass; see `RNN.explain`."""
    rnn, params = trace.rnn, trace._run.params
    loss = rnn.total_loss(trace, y, weights=weights, reduction=reduction)
    gradients = rnn.backward(trace, y, weights=weights, reduction=reduction)
    sequences = walked(trace, gradients, y, weights, reduction)
    from cybptt.plot._graph import describe_pattern

    script = Script()
    forced = rnn.recurrence != "hidden" and not any(s.free[1:].any() for s in sequences)
    pattern, _ = describe_pattern(rnn, True, forced)
    script.heading("One pass, forward and back", 1)
    script.say(f"{rnn!r}. {pattern}.")
    _forward.given(script, params, sequences)
    script.heading("Forward", 2)
    for s in sequences:
        _forward.forward(script, params, s)
    _forward.total(script, sequences, loss)
    script.heading("Backward", 2)
    for s in sequences:
        _backward.backward(script, params, s)
    _backward.parameter_gradients(script, sequences, gradients.parameters)
    return Explanation(pattern, script.blocks, decimals, loss, trace, gradients)


def check_sizes(rnn: RNN, x: Any, limit: Any) -> None:
    """Refuse what would be too much to read, and what there is nothing to say of."""
    limit = check.integer("limit", limit, 1)
    sizes = {"n_inputs": rnn.n_inputs, "n_hidden": rnn.n_hidden, "n_outputs": rnn.size_o}
    for name, size in sizes.items():
        if size > limit:
            need = f"at most {limit}, for a walk that one can read; limit={size} shows it all"
            raise check.wrong_value(name, str(size), need)
        if size == 0 and name != "n_inputs":
            raise check.wrong_value(name, "0", "a unit at least, for there to be something to say")
    steps = check.array("x", x, "biuf", "real numbers of shape (T, B, I), or (T, I)")
    axes = 1 if rnn.inputs == "tokens" else 2
    if steps.ndim not in (axes, axes + 1):
        return  # the pass refuses it
    total = math.prod(steps.shape[: 1 + steps.ndim - axes])
    if total > limit:
        need = f"at most {limit} steps in all, to be read; limit={total} shows them"
        raise check.wrong_value("x", check.describe(steps), need)
    if total == 0:
        raise check.wrong_value("x", check.describe(steps), "a step at least")
