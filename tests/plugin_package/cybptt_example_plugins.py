"""Two plugins that a package offers through its entry points, and one whose derivative is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

import cybptt


def slope(a: Any) -> Any:
    return 1 / (1 + a * a)


def value(o: Any, y: Any) -> Any:
    return np.log(np.cosh(o - y)).sum(axis=1)


def gradient(o: Any, y: Any) -> Any:
    return np.tanh(o - y)


arctan = cybptt.Activation("example_arctan", np.arctan, slope)
wrong = cybptt.Activation("example_wrong", np.arctan, np.cos)
log_cosh = cybptt.Loss("example_log_cosh", value, gradient)
