"""The equations of section 10.2 in NumPy, one statement each: the core is held against them.

The first three modules are the equations, in small pure functions that cite them and take rows: a
vector (n,) or a batch (B, n). :func:`unroll` and :func:`back_through_time` use them on one
sequence, a step after another. :func:`forward`, :func:`step_losses`, :func:`total_loss`,
:func:`backward` and :func:`vjp` do that for each sequence of a batch, over every pattern a model
can have, and return what the methods of RNN return. Nothing here is fast, and nothing is compiled.

No dtype is forced: with an activation and a loss that take complex numbers, so does all of it, and
the complex step gives its derivatives to the last digit.

=====================  ============================================================
module                 what is in it
=====================  ============================================================
forward_equations      10.8-10.16
backward_equations     10.17-10.28, C.1-C.3
feedback_equations     C.4-C.8
sequences              one sequence through time and back; C.9, the loss at its end alone
forward_pass           a batch forward
losses                 its losses, and their weights
backward_pass          a batch back through time
nodes                  what is returned
=====================  ============================================================

References
----------
Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press, 2016, section 10.2.
"""

from cybptt.reference.backward_equations import (
    derivative,
    grad_bias,
    grad_hidden,
    grad_initial_hidden,
    grad_input,
    grad_last_hidden,
    grad_output,
    grad_preactivation,
    grad_step_loss,
    grad_weight,
)
from cybptt.reference.backward_pass import backward, vjp
from cybptt.reference.feedback_equations import (
    fed_back,
    grad_fed_back,
    grad_free_output,
    preactivation_of_both,
    softmax_vjp,
)
from cybptt.reference.forward_equations import (
    hidden,
    joint_log_likelihood,
    log_likelihood,
    one_hot,
    output,
    preactivation,
    prediction,
    softmax,
    step_loss,
    weighted_total,
)
from cybptt.reference.forward_pass import forward
from cybptt.reference.losses import grad_losses, step_losses, total_loss
from cybptt.reference.nodes import Gradients, State, Trace
from cybptt.reference.sequences import Sequence, SequenceGradients, back_through_time, unroll

__all__ = [
    "Gradients",
    "Sequence",
    "SequenceGradients",
    "State",
    "Trace",
    "back_through_time",
    "backward",
    "derivative",
    "fed_back",
    "forward",
    "grad_bias",
    "grad_fed_back",
    "grad_free_output",
    "grad_hidden",
    "grad_initial_hidden",
    "grad_input",
    "grad_last_hidden",
    "grad_losses",
    "grad_output",
    "grad_preactivation",
    "grad_step_loss",
    "grad_weight",
    "hidden",
    "joint_log_likelihood",
    "log_likelihood",
    "one_hot",
    "output",
    "preactivation",
    "preactivation_of_both",
    "prediction",
    "softmax",
    "softmax_vjp",
    "step_loss",
    "step_losses",
    "total_loss",
    "unroll",
    "vjp",
    "weighted_total",
]
