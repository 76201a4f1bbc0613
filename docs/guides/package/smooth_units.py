"""An activation and a loss that every model finds by name once this package is installed."""

import math

import numpy as np

import cybptt


def slope(a):
    return 1 / (1 + a * a)


def value(o, y):
    d = np.abs(o - y)
    return (d + np.log1p(np.exp(-2 * d)) - math.log(2)).sum(axis=1)


def gradient(o, y):
    return np.tanh(o - y)


arctan = cybptt.Activation("arctan", np.arctan, slope)
log_cosh = cybptt.Loss("log_cosh", value, gradient)
