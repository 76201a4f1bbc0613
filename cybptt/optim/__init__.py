"""The optimizers: SGD with momentum, Adagrad, RMSprop, Adam, and clipping by norm, all in place.

An optimizer works on the one flat vector of the parameters and is tied to its size and dtype from
the first step on. Its buffers are allocated then, and nothing after it: a step is one pass in C.
Every operation is an elementwise one and rounded by itself, so a step has the bits of the same
lines in NumPy whatever the machine and the number of threads, and a run resumed from `state_dict`
has the bits of an unbroken one.

Weight decay λ is *decoupled* in all four (Loshchilov and Hutter, 2019): a step first shrinks θ by
lr λ θ, and the decay enters no buffer. For SGD without momentum this is the penalty λ/2 ‖θ‖²; where
that penalty is meant for the others, add λ θ to the gradient.

The section has no equation for what follows on the gradient: the updates are the algorithms of
chapter 8 of the same book and of the papers each class names.
"""

from cybptt.optim._algorithms import SGD, Adagrad, Adam, RMSprop
from cybptt.optim._base import Optimizer
from cybptt.optim._clipping import clip_by_norm

__all__ = ["SGD", "Adagrad", "Adam", "Optimizer", "RMSprop", "clip_by_norm"]
