r"""
A plugin in Python, in Numba, in Cython
=======================================

An activation of your own is two short functions. You will see the same one written in three ways,
checked when it is registered, used in a network, and timed: start in Python, and change to a
compiled one only if the clock says so.
"""

# %%
# The activation
# --------------
# LeCun's scaled tanh (LeCun, Bottou, Orr and Müller, 1998, "Efficient BackProp") is not built in:
#
# .. math::
#    f(a) &= 1.7159 \tanh(\tfrac23 a), \\
#    f'(a) &= \tfrac23 \Bigl(1.7159 - \frac{f(a)^2}{1.7159}\Bigr) .
#
# It stands in :eq:`10.9`; its derivative, as a function of h, in :eq:`C.1`. First in Python, with
# arrays:
import importlib.util
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numba
import numpy as np
from sklearn.datasets import load_digits

import cybptt


def lecun(a):
    return 1.7159 * np.tanh(2 / 3 * a)


def slope(h):
    return 2 / 3 * (1.7159 - h**2 / 1.7159)


cybptt.register_activation("lecun", lecun, slope, derivative_of="output")

# %%
# Registering it held the derivative against the function at many points. One that is wrong does not
# get in:
try:
    cybptt.register_activation("wrong", lecun, lambda h: 1 - h**2, derivative_of="output")
except cybptt.DerivativeError as error:
    print(textwrap.fill(str(error), 80))

# %%
# The same in Numba: ``vectorize`` makes a ufunc of a function of one number, for each dtype that is
# given. The core calls its loop without the interpreter.
types = ["float32(float32)", "float64(float64)"]


@numba.vectorize(types)
def numba_lecun(a):
    return 1.7159 * np.tanh(2 / 3 * a)


@numba.vectorize(types)
def numba_slope(h):
    return 2 / 3 * (1.7159 - h * h / 1.7159)


cybptt.register_activation("lecun_numba", numba_lecun, numba_slope, derivative_of="output")

# %%
# And in Cython, where ``@cython.ufunc`` does that. In a package this file would be compiled with
# it; here it is compiled in a temporary folder.
source = """
cimport cython
from cython cimport floating
from libc.math cimport tanh, tanhf

@cython.ufunc
cdef floating lecun(floating a) noexcept nogil:
    if floating is float:
        return <float>1.7159 * tanhf(a * <float>(2 / 3.))
    else:
        return 1.7159 * tanh(2 / 3. * a)

@cython.ufunc
@cython.cdivision(True)
cdef floating slope(floating h) noexcept nogil:
    return <floating>(2 / 3.) * (<floating>1.7159 - h * h / <floating>1.7159)
"""
build = """
import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

lecun = Extension("lecun", ["lecun.pyx"], include_dirs=[numpy.get_include()])
setup(ext_modules=cythonize(lecun))
"""
with tempfile.TemporaryDirectory() as folder:
    Path(folder, "lecun.pyx").write_text(source)
    Path(folder, "setup.py").write_text(build)
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    sys.path.insert(0, folder)
    module = importlib.import_module("lecun")
    sys.path.remove(folder)

cybptt.register_activation(
    "lecun_cython", module.lecun, module.slope, derivative_of="output"
)

# %%
# All three are one function
# --------------------------
# The data are scikit-learn's digits, a row a step. The three give the same loss and gradient, to
# rounding, and the gradient is that of the loss: :func:`cybptt.gradcheck`.
digits = load_digits()
x = (digits.images / 16).transpose(1, 0, 2)[:, :512]  # (T, B, I)
y = digits.target[:512]


def model(activation):
    return cybptt.RNN(8, 64, 10, activation=activation, outputs="last")


names = ["lecun", "lecun_numba", "lecun_cython"]
results = []
for name in names:
    rnn = model(name)
    params = rnn.init(seed=0)
    loss, grad = rnn.value_and_grad(params, x, y, reduction="mean")
    results.append(grad.vector)
    print(f"{name:13} {loss:.12f}, norm of the gradient {np.linalg.norm(grad.vector):.12f}")
    assert cybptt.gradcheck(rnn, params, x[:, :4], y[:4])
assert np.allclose(results[0], results[1], rtol=1e-9, atol=1e-12)
assert np.allclose(results[0], results[2], rtol=1e-9, atol=1e-12)

# %%
# What each costs
# ---------------
# The time of a loss with its whole gradient: once for a large batch, once for a small one, where
# what a call costs by itself is felt. The built-in tanh stands beside them.


def milliseconds(activation, batch):
    """The least of many: other work on the machine only disturbs upwards."""
    rnn, workspace = model(activation), cybptt.Workspace()
    params = rnn.init(seed=0)
    times = []
    for _ in range(40):
        begun = time.perf_counter()
        rnn.value_and_grad(
            params, x[:, :batch], y[:batch], workspace=workspace, n_threads=1
        )
        times.append(time.perf_counter() - begun)
    return 1000 * min(times)


labels = ["tanh, built in", "LeCun's, Cython", "LeCun's, Numba", "LeCun's, Python"]
fig, axes = plt.subplots(1, 2, figsize=(7, 2.6), sharey=True)
for ax, batch in zip(axes, (4, 512), strict=True):
    times = [milliseconds(name, batch) for name in ("tanh", *reversed(names))]
    bars = ax.barh(labels, times, color=["0.6", "C0", "C0", "C1"])
    ax.bar_label(bars, fmt="%.2f", padding=3)
    ax.set(xlabel="milliseconds", title=f"{batch} pictures", xlim=(0, 1.2 * max(times)))
    ax.invert_yaxis()
    print(batch, "pictures:", dict(zip(labels, np.round(times, 3).tolist(), strict=True)))
plt.show()

# %%
# What was seen: the three are one function, to twelve digits. For a small batch, Python costs a
# call a step, and the compiled ones come close to the built-in function. For a large one most of
# the time goes into computing tanh itself. The compiled ones do it number by number, and have no
# lead over NumPy, which may compute several at once; the built-in one, which does so, is ahead.
assert np.ptp([np.linalg.norm(result) for result in results]) < 1e-9
