r"""
Vanishing and exploding gradients
=================================

The gradient of a loss travels back through time as a product of Jacobians, one a step. You will see
this product shrink and grow by many powers of ten over a hundred characters of English, how
clipping keeps a run alive, and how an identity start keeps the product near one. It is why long
memories are hard to learn.
"""

# %%
# The product of the Jacobians
# ----------------------------
# Equation :eq:`10.21` takes the gradient from step :math:`t+1` to step :math:`t`. Where the loss is
# at the last step alone (:eq:`C.9`), nothing is added on the way, and it is a product:
#
# .. math::
#    \nabla_{h^{(t)}} L
#    &= W^\top \operatorname{diag}\!\bigl(f'(a^{(t+1)})\bigr) \nabla_{h^{(t+1)}} L \\
#    &= \Bigl[ \prod_{s=t+1}^{\tau} W^\top \operatorname{diag}\!\bigl(f'(a^{(s)})\bigr) \Bigr]
#      \nabla_{h^{(\tau)}} L .
#
# The text is the English that every Python carries. Thirty-two passages of a hundred characters are
# read, and the next character is the target.
import matplotlib.pyplot as plt
import numpy as np

import cybptt
from cybptt.data import Chunks
from cybptt.optim import SGD
from cybptt.text import Vocabulary, standard_text
from cybptt.train import fit

text = standard_text()
vocabulary = Vocabulary.of(text)
n = len(vocabulary)
chunks = Chunks(vocabulary.encode(text), batch=32, steps=100)
x, y = chunks[10]


def passes(activation, scheme, scale=1):
    """Forward, and back from the last step: the trace and the norm at each h(t)."""
    rnn = cybptt.RNN(n, 64, n, activation=activation, inputs="tokens", outputs="last")
    params = rnn.init(seed=0, scheme=scheme)
    params.W *= scale
    trace = rnn.forward(params, x)
    return trace, np.linalg.norm(rnn.backward(trace, y[-1]).h, axis=2)


# %%
# First tanh, with an orthogonal W times a number: before the factors 1 − h², the product would be
# that number to the power of the steps. Then the rectifier, with three starts: Glorot's, an
# orthogonal one, and the identity of Le, Jaitly and Hinton (2015), "A simple way to initialize
# recurrent networks of rectified linear units", `arXiv:1504.00941
# <https://arxiv.org/abs/1504.00941>`__.
tanh = {
    f"{scale} × orthogonal": passes("tanh", "orthogonal", scale)
    for scale in (2, 1.5, 1, 0.5)
}
relu = {scheme: passes("relu", scheme) for scheme in ("identity", "orthogonal", "glorot")}

fig, axes = plt.subplots(1, 2, figsize=(7, 3.8), sharey=True)
t = np.arange(1, 101)
for ax, f, cases in zip(axes, ("tanh", "relu"), (tanh, relu), strict=True):
    for i, (label, (_, norms)) in enumerate(cases.items()):
        ax.semilogy(t, norms, color=f"C{i}", alpha=0.08, linewidth=0.8)
        ax.semilogy(t, np.exp(np.log(norms).mean(axis=1)), color=f"C{i}", label=label)
        ends = np.median(norms[[0, -1]], axis=1)
        print(f"{f}, {label:16} {ends[0]:8.1e} at t = 1, {ends[1]:8.1e} at t = 100")
    ax.set(title=f, xlabel="step t", ylim=(1e-20, 1e18))
    ax.legend(loc="upper right")
axes[0].set_ylabel(r"$\Vert\nabla_{h^{(t)}} L\Vert$")
plt.show()

# %%
# Why does twice the orthogonal W not make it :math:`2^{100}` times larger? One factor of the
# product is the Jacobian of a step. Its eigenvalues, at each step of the first passage, begin near
# a circle, of radius 1 and 2; then the units leave 0, and their slopes 1 − h² pull them inside.
fig, axes = plt.subplots(1, 2, figsize=(7, 3.2))
for ax, label in zip(axes, ("1 × orthogonal", "2 × orthogonal"), strict=True):
    cybptt.plot.eigenvalues(tanh[label][0], ax=ax)
    ax.set(title=f"tanh, {label}")
plt.show()

# %%
# The largest singular value of a step says by how much it can lengthen a gradient, the smallest by
# how much it can shorten one. Of twice the orthogonal W all are 2 at first; then some units are all
# but closed. The product grows far more slowly than that of the steps' largest values, the dotted
# line: no direction is lengthened most at every step.
fig, axes = plt.subplots(1, 2, figsize=(7, 3.4))
cybptt.plot.singular_values(tanh["2 × orthogonal"][0], ax=axes[0])
axes[0].set(title="tanh, 2 × orthogonal", ylim=(1e-6, 5))
growth = cybptt.plot.jacobian_growth(tanh["2 × orthogonal"][0], ax=axes[1])
axes[1].set(title="the product of the steps")
plt.show()
print(
    f"10 to the {growth.log10_norm[-1]:.1f}, where the bound is {growth.log10_bound[-1]:.1f}"
)

# %%
# Clipping
# --------
# A gradient that explodes throws the parameters far away in one step. Clipping scales it back to a
# norm that is given, here 1, and leaves its direction: :func:`cybptt.optim.clip_by_norm`, or
# ``max_norm`` of :func:`cybptt.train.fit`. Both runs begin at 1.5 × orthogonal, at the same rate.
runs = {}
for label, max_norm in (("not clipped", None), ("clipped at 1", 1.0)):
    rnn = cybptt.RNN(n, 64, n, inputs="tokens")
    params = rnn.init(seed=0, scheme="orthogonal", dtype=np.float32)
    params.W *= 1.5
    runs[label] = fit(
        rnn, params, chunks, optimizer=SGD(lr=1.0), max_norm=max_norm, steps=400
    )

fig, axes = plt.subplots(1, 2, figsize=(7, 3.2))
for label, history in runs.items():
    bits = cybptt.plot.training_curve(history, "bits", name=label, ax=axes[0])
    norm = cybptt.plot.training_curve(history, "norm", window=1, name=label, ax=axes[1])
    print(
        f"{label:12} largest norm {norm.values.max():.1e}, bits at the end {bits.smooth[-1]:.2f}"
    )
axes[0].set(title="", ylabel="bits per character", ylim=(3, 9))
axes[1].set(title="", ylabel="gradient's norm, before clipping")
plt.show()

# %%
# What was seen: with tanh, half the orthogonal W leaves nothing of the gradient after a hundred
# steps and twice the orthogonal W makes it millions of times larger. The rectifier sets about
# half of its units to 0, and loses the gradient with both usual starts; with the identity about
# half of it arrives at step 1. In training, one gradient exploded; the run that was not clipped
# did not recover in the steps that it had, the other one learned.
first = {label: np.median(norms[0]) for label, (_, norms) in (tanh | relu).items()}
assert first["0.5 × orthogonal"] < 1e-15 < 1e4 < first["2 × orthogonal"]
at_the_end = np.median(relu["identity"][1][-1])
assert 0.3 < first["identity"] / at_the_end < 0.7
assert first["identity"] > 1e-3 > 1e-10 > first["orthogonal"]
last = {label: np.mean([r.bits for r in run.records[-20:]]) for label, run in runs.items()}
assert last["clipped at 1"] < last["not clipped"] - 1
