"""Handwritten digits, row by row: L-BFGS of SciPy's, and Adam beside it.

pip install cybptt scipy scikit-learn && python scipy_digits.py
"""

import time

import numpy as np
from scipy.optimize import minimize
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import cybptt
from cybptt.data import Batches
from cybptt.optim import Adam

GOAL = 0.01  # nats a digit, on the digits that it is trained on

digits = load_digits()
images, test_images, y, test_y = train_test_split(
    digits.images / 16, digits.target, test_size=0.25, random_state=0
)
x, test_x = images.transpose(1, 0, 2), test_images.transpose(1, 0, 2)  # (T, B, I)
rnn = cybptt.RNN(n_inputs=8, n_hidden=64, n_outputs=10, outputs="last")


def right(params):
    """The share of the test digits that are told rightly, in percent."""
    return 100 * np.mean(rnn.predict(params, test_x).argmax(axis=1) == test_y)


# All digits at once, as a function of one flat vector.
fun = rnn.objective(x, y, reduction="mean")


def enough(intermediate_result):
    """SciPy calls it after each iteration."""
    if intermediate_result.fun <= GOAL:
        raise StopIteration


start = time.perf_counter()
vector = rnn.init(seed=0, scheme="orthogonal").vector
found = minimize(fun, vector, jac=True, method="L-BFGS-B", callback=enough)
params = rnn.parameters(found.x)  # back from the vector to U, W, V, b, c
seconds = time.perf_counter() - start
print(f"L-BFGS: loss {found.fun:.4f}, {found.nfev} evaluations, {seconds:.2f} s")
print(f"        {right(params):.1f} % of the test digits right")

# Batches of 32, in a new order in each epoch.
start = time.perf_counter()
params, optimizer = rnn.init(seed=0, scheme="orthogonal"), Adam(lr=0.003)
loss, epochs = np.inf, 0
while loss > GOAL:
    batches = Batches(images, y, batch=32, outputs="last", seed=epochs)
    for some_x, some_y, options in batches:
        _, grad = rnn.value_and_grad(params, some_x, some_y, **options)
        optimizer.step(params, grad)
    epochs += 1
    loss, _ = rnn.value_and_grad(params, x, y, reduction="mean")
seconds = time.perf_counter() - start
print(f"Adam:   loss {loss:.4f}, {epochs} epochs, {seconds:.2f} s")
print(f"        {right(params):.1f} % of the test digits right")
