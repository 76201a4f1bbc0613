"""A layer for PyTorch: `RNN`, to be put where `torch.nn.RNN` stands.

The same arguments, parameters and ``state_dict``, the same numbers but for rounding, and any
activation that is registered; on the CPU, and faster there. It needs PyTorch, which the extra
``cybptt[torch]`` installs.
"""

try:
    import torch  # noqa: F401
except ImportError:
    from cybptt._neighbours import missing

    raise missing("torch", "PyTorch") from None

from cybptt.torch._module import RNN

__all__ = ["RNN"]
