"""Networks as ONNX models, and the RNN nodes of ONNX models as networks.

`export` makes a model that ONNX Runtime and other interpreters of the format run without cybptt;
`cybptt.onnx.load` takes one of these back, to the bit. `rnn_nodes` reads the nodes of ONNX's
operator RNN in any model, such as PyTorch writes, and `activation` makes the activations that the
operator has. It needs the onnx package, which the extra ``cybptt[onnx]`` installs.
"""

try:
    import onnx  # noqa: F401
except ImportError:
    from cybptt._neighbours import missing

    raise missing("onnx", "ONNX") from None

from cybptt.onnx._activations import activation
from cybptt.onnx._export import export
from cybptt.onnx._load import load
from cybptt.onnx._nodes import RNNNode
from cybptt.onnx._read_nodes import rnn_nodes

__all__ = ["export", "load", "rnn_nodes", "RNNNode", "activation"]
