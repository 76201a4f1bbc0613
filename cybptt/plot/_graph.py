"""The computational graph of a model, drawn and put in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cybptt._validate import boolean, describe, integer, wrong_type, wrong_value
from cybptt.plot._drawing import Diagram, document
from cybptt.plot._layout import Layout

if TYPE_CHECKING:
    from cybptt.rnn import RNN


def graph(
    rnn: RNN,
    steps: int = 3,
    unrolled: bool = True,
    *,
    folded: bool | None = None,
    training: bool = True,
    teacher_forcing: bool = False,
) -> Diagram:
    """Draw the computational graph of a model, as figures 10.3 to 10.6 of the book do.

    The arrows are the terms of :eq:`10.8`, :eq:`10.10` and :eq:`C.4`, under the names of their
    matrices; in colour, those that go from a step to the next. A square on an arrow of the folded
    graph is a delay of one step.

    Parameters
    ----------
    rnn : RNN
        The model: its recurrence, outputs and feedback decide what is drawn.
    steps : int, default 3
        How many steps of the unrolled graph, 1 … 100.
    unrolled : bool, default True
        Draw the graph with a column for each step.
    folded : bool, optional
        Draw the graph with each node once; by default, where it is not drawn unrolled. With both,
        the folded one stands to the left.
    training : bool, default True
        With the losses L and the targets y; without, the model as it is used.
    teacher_forcing : bool, default False
        Feed back the targets rather than the outputs, with an output recurrence in training.

    Returns
    -------
    Diagram
        With the picture as ``.svg``; a notebook shows it, ``.save(path)`` writes it.

    Raises
    ------
    TypeError, ValueError
        Where an argument is not as described, or does not go with the model or the others.

    References
    ----------
    Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2. The drawing is
    our own.

    Examples
    --------
    >>> import cybptt
    >>> rnn = cybptt.RNN(4, 8, 3, recurrence="output")
    >>> drawn = cybptt.plot.graph(rnn)
    >>> drawn
    <Diagram: An output at each step, recurrence from the output alone (figure 10.4)>
    >>> cybptt.plot.graph(rnn, unrolled=False, teacher_forcing=True)
    <Diagram: Teacher forcing: the targets are fed back while training (figure 10.6)>
    >>> cybptt.plot.graph(rnn, steps=5, training=False)
    <Diagram: The model in use: its own outputs are fed back (figure 10.6)>
    """
    from cybptt.rnn import RNN

    if not isinstance(rnn, RNN):
        raise wrong_type("rnn", describe(rnn), "an RNN")
    steps = integer("steps", steps, 1, 100)
    unrolled = boolean("unrolled", unrolled)
    folded = not unrolled if folded is None else boolean("folded", folded)
    if not (unrolled or folded):
        raise wrong_value("folded", "False with unrolled=False", "one of them")
    training = boolean("training", training)
    if boolean("teacher_forcing", teacher_forcing):
        if rnn.recurrence == "hidden":
            raise wrong_value(
                "teacher_forcing", "True with recurrence='hidden'", "an output recurrence"
            )
        if not training:
            raise wrong_value("teacher_forcing", "True with training=False", "training")
    layout = lay_out(rnn, steps, unrolled, folded, training, teacher_forcing)
    title, words = describe_pattern(rnn, training, teacher_forcing)
    return Diagram(document(title, words, layout), title)


def lay_out(
    rnn: RNN, steps: int, unrolled: bool, folded: bool, training: bool, teacher_forcing: bool
) -> Layout:
    """The parts of the picture, in their places."""
    layout = Layout(rnn, steps, training, teacher_forcing)
    if folded:
        layout.draw_folded()
    if folded and unrolled:
        layout.draw_unfolding()
    if unrolled:
        layout.draw_unrolled()
    return layout


def describe_pattern(rnn: RNN, training: bool, forced: bool) -> tuple[str, str]:
    """The title of a picture, and its words for those who do not see it."""
    both, hidden = rnn.recurrence == "both", rnn.recurrence == "hidden"
    if hidden and rnn.n_outputs is None:
        title = "Recurrence between the hidden units, and no output layer"
    elif hidden and rnn.outputs == "last":
        title = "The whole sequence is read, one output at the end (figure 10.5)"
    elif hidden:
        title = "An output at each step, recurrence between the hidden units (figure 10.3)"
    elif both:
        kind = "teacher forcing" if forced else "the outputs fed back"
        title = f"Recurrence from the hidden units and from the output, {kind}"
    elif forced:
        title = "Teacher forcing: the targets are fed back while training (figure 10.6)"
    elif training:
        title = "An output at each step, recurrence from the output alone (figure 10.4)"
    else:
        title = "The model in use: its own outputs are fed back (figure 10.6)"
    if not training and (hidden or both):
        title += ", in use"

    output = "h" if rnn.n_outputs is None else "o"
    fed = "y" if forced else "ŷ" if rnn.feedback == "y_hat" and not hidden else "o"
    path = "R" if both else "W"
    words = ["At each step t the input x(t) leads to the hidden units h(t) through U."]
    if hidden or both:
        words.append("h(t−1) leads to h(t) through W.")
    if not hidden:
        words.append(f"{fed}(t−1) leads to h(t) through {path}.")
    if output == "o":
        when = "At the last step τ alone, h(τ)" if rnn.outputs == "last" else "h(t)"
        words.append(
            f"{when} leads to the output o({'τ' if rnn.outputs == 'last' else 't'}) through V."
        )
    if training:
        words.append(f"The loss L compares {output} with the target y.")
    return title, " ".join(words)
