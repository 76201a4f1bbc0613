r"""
L-BFGS by SciPy
===============

A recurrent network is a function of one flat vector, and SciPy's optimizers take it as it is. You
will see L-BFGS, a method for smooth functions without noise, beside Adam on the Reber grammar,
whose lowest possible loss is known exactly. Where all data fit into one batch, no rate need be
chosen.
"""

# %%
# The Reber grammar
# -----------------
# Strings are made by walking through a small automaton: at each state one of its letters is drawn,
# with equal odds. The task is to predict the next letter (Reber, 1967; for recurrent networks
# Cleeremans, Servan-Schreiber and McClelland, 1989, "Finite state automata and simple recurrent
# networks", *Neural Computation* 1, 372–381).
#
# Instead of a sample we take all walks of up to 13 letters, each weighted by its probability. The
# loss is then the expected one itself, and the entropy of the draws is a floor that no model gets
# below.
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize

import cybptt
from cybptt.optim import Adam

LETTERS = "BTSXPVE"
ARCS = {  # state: (letter, next state), …
    0: [("B", 1)],
    1: [("T", 2), ("P", 3)],
    2: [("S", 2), ("X", 4)],
    3: [("T", 3), ("V", 5)],
    4: [("X", 3), ("S", 6)],
    5: [("P", 4), ("V", 6)],
    6: [("E", 7)],
    7: [],
}


def walks(most, state=0, letters="", probability=1.0, bits=0.0):
    """Each walk that ends, or is cut after so many letters: (letters, probability, bits)."""
    arcs = ARCS[state]
    if not arcs or len(letters) == most:
        yield letters, probability, bits
        return
    for letter, after in arcs:
        ways = len(arcs)
        yield from walks(
            most, after, letters + letter, probability / ways, bits + np.log2(ways)
        )


strings, probability, bits = zip(*walks(13), strict=True)
tokens = [np.array([LETTERS.index(letter) for letter in string]) for string in strings]
x, lengths = cybptt.pad([string[:-1] for string in tokens])
y, _ = cybptt.pad([string[1:] for string in tokens])
weights = np.tile(probability, (len(x), 1))  # (T, B); past a length they count for nothing
floor = np.dot(probability, bits) / np.dot(probability, lengths)
print(len(strings), "walks, such as", strings[0], strings[1], strings[-1])
print(f"no model does better than {floor:.6f} bits a letter")

# %%
# A function of a vector
# ----------------------
# ``rnn.objective`` makes the function that SciPy wants: the weighted mean of the loss, :eq:`10.13`
# with the weights of :eq:`10.17`, and its gradient, :eq:`10.22` to :eq:`10.28`, over all strings at
# once:
#
# .. math::
#    L(\theta) &= \frac{\sum_{n, t} w_n L_n^{(t)}(\theta)}{\sum_{n, t} w_n} , \\
#    \nabla_\theta L &= (\nabla_U L, \nabla_W L, \nabla_V L, \nabla_b L, \nabla_c L) .
rnn = cybptt.RNN(len(LETTERS), 12, len(LETTERS), inputs="tokens")
options = {"lengths": lengths, "weights": weights, "reduction": "mean"}
fun = rnn.objective(x, y, **options)
paths = {"L-BFGS": []}


def noted(vector):
    """The function, with each of its values written down in bits above the floor."""
    loss, gradient = fun(vector)
    paths["L-BFGS"].append(loss / np.log(2) - floor)
    return loss, gradient


result = minimize(
    noted, rnn.init(seed=0).vector, jac=True, method="L-BFGS-B", options={"maxiter": 500}
)
params = rnn.parameters(result.x)  # back from the vector to U, W, V, b, c
print(f"L-BFGS: {result.nfev} evaluations, {paths['L-BFGS'][-1]:.6f} bits above the floor")

# %%
# Adam begins at the same place and evaluates the same function as often, at three rates.
for lr in (0.003, 0.01, 0.03):
    own, adam = rnn.init(seed=0), Adam(lr=lr)
    path = paths[f"Adam, rate {lr}"] = []
    for _ in range(result.nfev):
        loss, grad = rnn.value_and_grad(own, x, y, **options)
        path.append(loss / np.log(2) - floor)
        adam.step(own, grad)
    print(f"Adam at rate {lr}: {path[-1]:.6f} bits above the floor")

fig, ax = plt.subplots(figsize=(7, 3.6))
for (label, path), line in zip(paths.items(), ("-", ":", "--", "-."), strict=True):
    ax.loglog(np.arange(1, len(path) + 1), path, line, label=label)
ax.set(
    xlabel="evaluations of the loss and its gradient",
    ylabel="bits a letter above the floor",
)
ax.legend()
plt.show()

# %%
# What the network knows: at each letter of a string it names the two that may come, with odds near
# one half.
string = "BTSXXTVPSE"
y_hat = rnn.predict(params, [LETTERS.index(letter) for letter in string[:-1]])
fig, ax = plt.subplots(figsize=(7, 3.2))
image = ax.imshow(y_hat.T, cmap="Blues", vmin=0, vmax=1, aspect="auto")
for t, (_, p) in enumerate(zip(string, y_hat, strict=False)):
    for i in np.flatnonzero(p > 0.02):
        ax.text(
            t, i, f"{p[i]:.2f}", ha="center", va="center", color="w" if p[i] > 0.6 else "k"
        )
ax.set(xticks=range(len(y_hat)), xticklabels=string[:-1], xlabel="letter read")
ax.set(yticks=range(len(LETTERS)), yticklabels=LETTERS, ylabel="next letter")
fig.colorbar(image, label="probability")
plt.show()

# %%
# What was seen: without a rate to choose, L-BFGS came to a millionth of a bit above the floor. In
# as many evaluations Adam did not come near that at any of three rates, and between the worst of
# these and the best lies a factor of a hundred. Each evaluation here reads all the data; where they
# are too many for one batch, the function is noisy, and that is what Adam is made for.
assert -1e-9 < paths["L-BFGS"][-1] < 1e-4
assert all(
    path[-1] > 10 * paths["L-BFGS"][-1] for name, path in paths.items() if name != "L-BFGS"
)
assert ((y_hat > 0.02).sum(axis=1) <= 2).all()
