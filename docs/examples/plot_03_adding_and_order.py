r"""
The adding problem and temporal order
=====================================

Two tasks of the literature can only be solved by remembering for long: to add two numbers that were
marked far apart, and to tell in which order two symbols came. You will see a network of tanh units
fail at both, over sixty steps and over a hundred, and rectifiers with an identity start learn
both. They have been the measure of recurrent networks since Hochreiter and Schmidhuber posed them.
"""

# %%
# The tasks
# ---------
# Both are from Hochreiter and Schmidhuber (1997), "Long short-term memory", *Neural Computation* 9,
# 1735–1780, and :mod:`cybptt.data` has them. **Adding** is as Le, Jaitly and Hinton (2015) set it,
# `arXiv:1504.00941 <https://arxiv.org/abs/1504.00941>`__: each step has a number between 0 and 1
# and a mark; one number is marked in each half, and the answer is their sum. Always to answer 1 has
# a squared error of 1/6. **Temporal order** is task 6a of the first paper: among four letters that
# mean nothing stand two that are X or Y, one in the second tenth of the sequence, one in the sixth.
# The answer is which of XX, XY, YX, YY it was.
import matplotlib.pyplot as plt
import numpy as np

import cybptt
from cybptt.data import Trials, adding, temporal_order
from cybptt.optim import Adam
from cybptt.train import cosine, evaluate, fit

LENGTHS = {adding: 60, temporal_order: 100}


def trials(task, n, seed, batch=32):
    """Batches that are drawn anew: nothing is learned by heart."""
    return Trials(task, n, seed=seed, n_steps=LENGTHS[task], n_sequences=batch)


# %%
# The networks
# ------------
# One output at the end, :eq:`C.9`. The gradient reaches the first mark through as many factors
# :math:`W^\top \operatorname{diag}(f')` of :eq:`10.21` as there are steps after it. With the
# identity as W and a rectifier, each factor begins as the identity on the units that are on.
starts = {"tanh, uniform": ("tanh", "uniform"), "relu, identity": ("relu", "identity")}

x, y, _ = adding(60, 32, seed=0)
fig, axes = plt.subplots(1, 2, figsize=(7, 3), sharey=True)
for ax, (start, (activation, scheme)) in zip(axes, starts.items(), strict=True):
    rnn = cybptt.RNN(2, 64, 1, activation=activation, loss="squared_error", outputs="last")
    trace = rnn.forward(rnn.init(seed=0, scheme=scheme), x)
    flow = cybptt.plot.gradient_flow(trace, rnn.backward(trace, y), ax=ax)
    print(
        f"{start:16} {flow.mean[-1]:.1e} at the last step, {flow.mean[0]:.1e} at the first"
    )
    ax.set_title(start, pad=22)  # above the note
axes[1].set(ylabel="")
plt.show()

# %%
# That is before any training: what the last step has to say to the first is lost with one start,
# and arrives with the other.


def train(task, start, lr, steps, **sizes):
    """A network, its parameters, and the loss of each step of its training."""
    activation, scheme = starts[start]
    rnn = cybptt.RNN(n_hidden=64, activation=activation, outputs="last", **sizes)
    params = rnn.init(seed=0, scheme=scheme, dtype=np.float32)
    history = fit(
        rnn,
        params,
        trials(task, steps, seed=2),
        optimizer=Adam(),
        schedule=cosine(lr, steps, floor=0.1),
        max_norm=0.1,
        carry=False,
    )
    seconds = history.records[-1].elapsed
    print(f"{start:16} at {task.__name__:14}: {steps} steps in {seconds:4.1f} s")
    return rnn, params, np.array([record.loss for record in history.records])


sizes = {"n_inputs": 2, "n_outputs": 1, "loss": "squared_error"}
added = {start: train(adding, start, 4e-3, 4000, **sizes) for start in starts}
sizes = {"n_inputs": 8, "n_outputs": 4, "inputs": "tokens"}
ordered = {start: train(temporal_order, start, 1e-3, 1500, **sizes) for start in starts}

# %%
# The loss of each training step, on sequences never seen before; the mean of fifty steps.


def smooth(values):
    """The mean of each fifty values."""
    return values.reshape(-1, 50).mean(axis=1)


fig, axes = plt.subplots(1, 2, figsize=(7, 3.4))
for i, start in enumerate(starts):
    for ax, runs, factor in zip(axes, (added, ordered), (2, 1), strict=True):
        losses = factor * smooth(runs[start][2])  # the loss is half the squared error
        ax.semilogy(
            50 * np.arange(1, len(losses) + 1), losses, color=f"C{1 - i}", label=start
        )
axes[0].axhline(1 / 6, color="0.5", linewidth=1, linestyle=":")
axes[0].text(4000, 0.08, "always 1", color="0.4", ha="right")
axes[0].set(
    title="adding", xlabel="step of training", ylabel="squared error", ylim=(1e-4, 10)
)
axes[1].axhline(np.log(4), color="0.5", linewidth=1, linestyle=":")
axes[1].text(1500, 1.9, "guessing", color="0.4", ha="right")
axes[1].set(
    title="temporal order", xlabel="step of training", ylabel="loss (nats)", ylim=(1e-5, 5)
)
axes[0].legend()
plt.show()

# %%
# The answers to a thousand new sequences:
tests = {task: trials(task, 1, seed=0, batch=1000)[0] for task in LENGTHS}
errors, rights = {}, {}
for start in starts:
    rnn, params, _ = added[start]
    errors[start] = 2 * evaluate(rnn, params, [tests[adding]], carry=False)
    rnn, params, _ = ordered[start]
    x, y, options = tests[temporal_order]
    rights[start] = np.mean(rnn.predict(params, x, **options).argmax(axis=1) == y)
    print(f"{start:16} adding {errors[start]:.4f}, order {100 * rights[start]:.1f} % right")

# %%
# What the network has learned to look at
# ---------------------------------------
# ∇x, :eq:`C.2`, says how the answer changes with each input. For a network that adds the two marked
# numbers it should be 1 at these and 0 at all others. :meth:`cybptt.RNN.vjp` takes it of the output
# itself, not of a loss.
rnn, params, _ = added["relu, identity"]
x, y, _ = adding(60, 1, seed=3)
trace = rnn.forward(params, x)
g = rnn.vjp(trace, grad_o=np.ones_like(trace.o))

fig, axes = plt.subplots(2, 1, figsize=(7, 3.8), sharex=True)
steps = np.arange(1, len(x) + 1)
numbers, marked = x[:, 0, 0], np.flatnonzero(x[:, 0, 1])
axes[0].bar(steps, numbers, color="0.75", width=0.8)
axes[0].bar(marked + 1, numbers[marked], color="C0", width=0.8)
axes[0].set(ylabel="number", title=f"sum {y[0, 0]:.2f}, answer {trace.o[0, 0]:.2f}")
axes[1].bar(steps, g.x[:, 0, 0], color="C0", width=0.8)
axes[1].set(xlabel="step t", ylabel="∂ answer / ∂ number")
plt.show()

# %%
# What was seen: the tanh network stays where a constant answer would be, in both tasks, for as long
# as it was trained. The rectifiers with an identity start learn both, after a time in which nothing
# seems to happen; and the gradient of their sum is near 1 at the two marked numbers and small
# elsewhere.
slopes = g.x[:, 0, 0]
print("∂ answer / ∂ number, at the marks", slopes[marked])
print("and in size at most elsewhere", np.abs(np.delete(slopes, marked)).max())
assert errors["relu, identity"] < 0.02 < 0.1 < errors["tanh, uniform"]
assert rights["relu, identity"] > 0.98 > 0.5 > rights["tanh, uniform"]

# sphinx_gallery_thumbnail_number = 3
