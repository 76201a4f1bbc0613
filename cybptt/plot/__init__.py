"""Pictures of a model, of its gradients and of its training.

`graph` draws the computational graph, folded or unrolled, as plain SVG, with the names of the nodes
and of the parameters on it. The others are drawn by matplotlib, which the extra ``cybptt[plot]``
installs: each takes Axes to draw on, or makes new ones, and returns them with the numbers that it
drew.
"""

from cybptt.plot._curves import (
    ForcedAndFree,
    HiddenStates,
    TrainingCurve,
    forced_and_free,
    hidden_states,
    training_curve,
)
from cybptt.plot._drawing import Diagram
from cybptt.plot._gradient_flow import GradientFlow, gradient_flow
from cybptt.plot._graph import graph
from cybptt.plot._spectra import (
    Eigenvalues,
    JacobianGrowth,
    SingularValues,
    eigenvalues,
    jacobian_growth,
    singular_values,
)

__all__ = [
    "Diagram",
    "graph",
    "GradientFlow",
    "gradient_flow",
    "Eigenvalues",
    "eigenvalues",
    "SingularValues",
    "singular_values",
    "JacobianGrowth",
    "jacobian_growth",
    "HiddenStates",
    "hidden_states",
    "TrainingCurve",
    "training_curve",
    "ForcedAndFree",
    "forced_and_free",
]
