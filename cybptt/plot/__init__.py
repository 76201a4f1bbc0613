"""Pictures of a model, drawn from the model itself, in plain SVG.

`graph` draws the computational graph, folded or unrolled, with the names of the nodes and of the
parameters on it.
"""

from cybptt.plot._drawing import Diagram
from cybptt.plot._graph import graph

__all__ = ["Diagram", "graph"]
