"""The update of each optimizer, on one block of the vector."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from cybptt._validate import boolean, wrong_value
from cybptt.optim._base import Optimizer
from cybptt.optim._checks import Setting, fraction, positive
from cybptt.optim._updates import Update

# The equations as C has them: _kernels/updates.h.
_SGD, _MOMENTUM, _NESTEROV = Update("sgd"), Update("momentum"), Update("nesterov")
_ADAGRAD, _RMSPROP, _ADAM = Update("adagrad"), Update("rmsprop"), Update("adam")


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and Nesterov's look-ahead if wanted.

    Algorithms 8.1 to 8.3 of the book: v ← μ v − lr g, θ ← θ + v; under ``nesterov`` the step is
    μ v − lr g with the new v, so that the gradient is always that of the vector at hand. v holds
    lr, so a change of lr reaches it gradually.

    Parameters
    ----------
    lr : float
        Learning rate, ≥ 0.
    momentum : float, default 0.0
        μ, in [0, 1).
    nesterov : bool, default False
        Nesterov's momentum; needs momentum > 0.
    weight_decay : float, default 0.0
        λ ≥ 0, decoupled: θ shrinks by lr λ θ first.

    References
    ----------
    Polyak, *Some methods of speeding up the convergence of iteration methods*, 1964.
    Sutskever, Martens, Dahl, Hinton, *On the importance of initialization and momentum in deep
    learning*, ICML 2013. Loshchilov, Hutter, *Decoupled weight decay regularization*, ICLR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.optim import SGD
    >>> opt, theta = SGD(lr=0.1, momentum=0.9), np.array([1.0])
    >>> for _ in range(2):
    ...     opt.step(theta, np.array([1.0]))
    >>> theta                                   # 1 − 0.1 − (0.09 + 0.1)
    array([0.71])
    """

    momentum = Setting(fraction)
    nesterov = Setting(boolean)
    _settings = ("lr", "momentum", "nesterov", "weight_decay")
    _squares = False

    def __init__(
        self,
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(lr, weight_decay)
        self.momentum = momentum
        self.nesterov = nesterov
        if self.nesterov and not self.momentum:
            raise wrong_value("nesterov", "True with momentum=0.0", "momentum > 0")

    def _buffer_names(self) -> tuple[str, ...]:
        return ("v",) if self.momentum else ()

    def _all_buffers(self) -> tuple[str, ...]:
        return ("v",)  # kept where the momentum was set to 0 later

    def _update(
        self, theta: NDArray[Any], g: NDArray[Any], s: NDArray[Any], *buffers: NDArray[Any]
    ) -> None:
        if not self.momentum:
            _SGD(theta, g, (), self.lr)
        else:
            (_NESTEROV if self.nesterov else _MOMENTUM)(theta, g, buffers, self.lr, self.momentum)


class Adagrad(Optimizer):
    """Adagrad: each parameter's rate falls with the sum of its squared gradients.

    Algorithm 8.4 of the book: r ← r + g², θ ← θ − lr g / (ε + √r).

    Parameters
    ----------
    lr : float, default 0.01
        Learning rate, ≥ 0.
    eps : float, default 1e-7
        ε > 0.
    weight_decay : float, default 0.0
        λ ≥ 0, decoupled: θ shrinks by lr λ θ first.

    References
    ----------
    Duchi, Hazan, Singer, *Adaptive subgradient methods for online learning and stochastic
    optimization*, JMLR 12, 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.optim import Adagrad
    >>> opt, theta = Adagrad(lr=0.5), np.zeros(2)
    >>> opt.step(theta, np.array([4.0, -0.01]))
    >>> theta.round(4)
    array([-0.5,  0.5])
    """

    eps = Setting(positive)
    _settings = ("lr", "eps", "weight_decay")

    def __init__(self, lr: float = 0.01, eps: float = 1e-7, weight_decay: float = 0.0) -> None:
        super().__init__(lr, weight_decay)
        self.eps = eps

    def _buffer_names(self) -> tuple[str, ...]:
        return ("r",)

    def _update(
        self, theta: NDArray[Any], g: NDArray[Any], s: NDArray[Any], *buffers: NDArray[Any]
    ) -> None:
        _ADAGRAD(theta, g, buffers, self.lr, self.eps)


class RMSprop(Optimizer):
    """RMSprop: the gradient over the root of the running mean of its square.

    Algorithm 8.5 of the book: r ← ρ r + (1 − ρ) g², θ ← θ − lr g / √(ε + r). Some libraries have
    ε outside the root.

    Parameters
    ----------
    lr : float, default 0.001
        Learning rate, ≥ 0.
    rho : float, default 0.9
        ρ in [0, 1): what of the mean is kept.
    eps : float, default 1e-6
        ε > 0.
    weight_decay : float, default 0.0
        λ ≥ 0, decoupled: θ shrinks by lr λ θ first.

    References
    ----------
    Tieleman, Hinton, *Lecture 6.5: rmsprop*, Neural networks for machine learning, 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.optim import RMSprop
    >>> opt, theta = RMSprop(lr=0.1, rho=0.75), np.zeros(2)
    >>> opt.step(theta, np.array([3.0, -3.0]))
    >>> theta.round(4)                          # g over the root of g²/4
    array([-0.2,  0.2])
    """

    rho = Setting(fraction)
    eps = Setting(positive)
    _settings = ("lr", "rho", "eps", "weight_decay")

    def __init__(
        self, lr: float = 0.001, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0
    ) -> None:
        super().__init__(lr, weight_decay)
        self.rho = rho
        self.eps = eps

    def _buffer_names(self) -> tuple[str, ...]:
        return ("r",)

    def _update(
        self, theta: NDArray[Any], g: NDArray[Any], s: NDArray[Any], *buffers: NDArray[Any]
    ) -> None:
        _RMSPROP(theta, g, buffers, self.lr, self.eps, self.rho, 1 - self.rho)


class Adam(Optimizer):
    """Adam: running means of the gradient and of its square, both freed of their zero start.

    Algorithm 8.7 of the book: m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g²,
    θ ← θ − lr m̂ / (√v̂ + ε) with m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ) at step t. With
    ``weight_decay`` it is AdamW.

    Parameters
    ----------
    lr : float, default 0.001
        Learning rate, ≥ 0.
    beta1, beta2 : float, default 0.9 and 0.999
        β₁ and β₂ in [0, 1): what of the means is kept.
    eps : float, default 1e-8
        ε > 0.
    weight_decay : float, default 0.0
        λ ≥ 0, decoupled: θ shrinks by lr λ θ first.

    References
    ----------
    Kingma, Ba, *Adam: a method for stochastic optimization*, ICLR 2015. Loshchilov, Hutter,
    *Decoupled weight decay regularization*, ICLR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from cybptt.optim import Adam
    >>> opt, theta = Adam(lr=0.01), np.zeros(2)
    >>> opt.step(theta, np.array([5.0, -0.001]))
    >>> theta.round(4)                          # the first step is lr, whatever the gradient
    array([-0.01,  0.01])
    """

    beta1 = Setting(fraction)
    beta2 = Setting(fraction)
    eps = Setting(positive)
    _settings = ("lr", "beta1", "beta2", "eps", "weight_decay")

    def __init__(
        self,
        lr: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(lr, weight_decay)
        self.beta1 = beta1
        self.beta2 = beta2
        self.eps = eps

    def _buffer_names(self) -> tuple[str, ...]:
        return ("m", "v")

    def _update(
        self, theta: NDArray[Any], g: NDArray[Any], s: NDArray[Any], *buffers: NDArray[Any]
    ) -> None:
        beta1, beta2 = self.beta1, self.beta2
        rate = self.lr / (1 - beta1**self.steps)
        root = 1 / math.sqrt(1 - beta2**self.steps)
        _ADAM(theta, g, buffers, rate, self.eps, beta1, 1 - beta1, beta2, 1 - beta2, root)
