r"""
Seven tasks of the field
========================

Recurrent networks are compared on a handful of small tasks, each posed in a paper that everyone
cites. :mod:`cybptt.data` draws them all. You will see a trial of each, what guessing costs, and a
network that has learned one of them: its memories are the corners of a cube.
"""

# %%
# Each function returns ``(x, y, options)``, as ``rnn.value_and_grad(params, x, y, **options)``
# takes them: x and y with time first, and ``lengths`` or ``weights`` where the task has some.
import matplotlib.pyplot as plt
import numpy as np

import cybptt
from cybptt import data
from cybptt.optim import Adam
from cybptt.train import cosine, fit

# %%
# Remember until the end
# ----------------------
# **Adding** (Hochreiter and Schmidhuber, 1997, as Le, Jaitly and Hinton, 2015, set it): two numbers
# are marked, one in each half, and the answer is their sum. Always to answer 1 has a mean squared
# error of 1/6. **Parity** (Bengio, Simard and Frasconi, 1994): is the number of ones so far even or
# odd? Guessing costs log 2.
x, y, _ = data.adding(40, 1, seed=4)
number, mark = x[:, 0].T
steps = np.arange(1, 41)
fig, axes = plt.subplots(2, 1, figsize=(7, 3.6), sharex=True, height_ratios=(3, 2))
axes[0].bar(steps, number, color=np.where(mark == 1, "C0", "0.8"))
terms = " + ".join(f"{value:.2f}" for value in number[mark == 1])
axes[0].set(ylabel="number", title=f"adding: {terms} = {y[0, 0]:.2f}")

x, y, _ = data.parity(40, 1, outputs="all", seed=0)
axes[1].bar(steps, x[:, 0, 0], color="0.8", label="x")
axes[1].step(steps, y[:, 0], where="mid", color="C0", label="y: odd")
axes[1].set(xlabel="step", yticks=(-1, 0, 1), title="parity")
axes[1].legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %%
# Remember symbols
# ----------------
# **Copy** (Arjovsky, Shah and Bengio, 2016): ten symbols of eight, blanks for a delay of T = 30, a
# sign, and then the ten again. Who forgets them pays 10 log 8 / (T + 20) a step. **Temporal order**
# (Hochreiter and Schmidhuber, 1997): in which order did the two come that are X or Y? Guessing
# costs log 4.
fig, axes = plt.subplots(2, 1, figsize=(7, 2.6), height_ratios=(2, 1))
x, y, _ = data.copy(30, 1, seed=0)
colours = plt.colormaps["tab10"].copy()
colours.colors = (*colours.colors[:8], (0.95, 0.95, 0.95), (0, 0, 0))  # blank, sign
axes[0].imshow(np.hstack([x, y]).T, cmap=colours, vmin=0, vmax=9, aspect="auto")
axes[0].set(yticks=(0, 1), yticklabels=("x", "y"), title="copy")

x, y, options = data.temporal_order(40, 1, seed=1)
letters = ["XYabcdEB"[token] for token in x[: options["lengths"][0], 0]]
for step, letter in enumerate(letters):
    matters = letter in "XY"
    axes[1].text(
        step,
        0,
        letter,
        ha="center",
        color="C0" if matters else "0.6",
        weight="bold" if matters else None,
    )
answer = ("XX", "XY", "YX", "YY")[y[0]]
axes[1].set(xlim=(-1, len(letters)), ylim=(-1, 1), title=f"temporal order: {answer}")
axes[1].set_axis_off()
for ax in axes:
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
plt.show()

# %%
# Answer at each step
# -------------------
# **Delayed recall** (Jaeger, 2001): say what was read ten steps ago. Always to answer 0 has a mean
# squared error of 1/12. **Flip-flop** (Sussillo and Barak, 2013): hold the sign of the last pulse
# on each of three lines.
fig, axes = plt.subplots(4, 1, figsize=(7, 4), sharex=True)
x, y, options = data.delayed_recall(60, 1, delay=10, seed=0)
steps = np.arange(1, 61)
counts = options["weights"][:, 0] == 1
axes[0].plot(steps, x[:, 0, 0], color="0.7", label="x")
axes[0].plot(steps[counts], y[counts, 0, 0], color="C0", label="y")
axes[0].set(title="delayed recall")
axes[0].legend(loc="upper left", bbox_to_anchor=(1, 1.1))
x, y, _ = data.flip_flop(60, 1, seed=0)
for line, ax in enumerate(axes[1:]):
    ax.bar(steps, x[:, 0, line], color="0.7")
    ax.step(steps, y[:, 0, line], where="mid", color="C0")
    ax.set(ylim=(-1.4, 1.4), yticks=(-1, 1))
axes[1].set(title="flip-flop")
axes[3].set(xlabel="step")
plt.show()

# %%
# Predict chaos
# -------------
# **Mackey and Glass** (1977) wrote, for the number of white blood cells,
#
# .. math::
#    \dot x = \frac{\beta\, x(t - \tau)}{1 + x(t - \tau)^n} - \gamma\, x(t) ,
#
# chaotic with a delay of τ = 17. Always to answer the mean has a mean squared error of 0.051; to
# repeat what was just read, one of 0.0011. Here it is over time, and against itself τ earlier.
x, _, _ = data.mackey_glass(1500, 1, seed=0)
series = x[:, 0, 0]
fig, axes = plt.subplots(1, 2, figsize=(7, 2.8), width_ratios=(2, 1))
axes[0].plot(series[:400])
axes[0].set(xlabel="t", ylabel="x(t)")
axes[1].plot(series[17:], series[:-17], linewidth=0.5)
axes[1].set(xlabel="x(t)", ylabel="x(t − 17)", aspect="equal")
plt.show()

# %%
# A network that has learned one
# ------------------------------
# :class:`cybptt.data.Trials` draws a new batch of a task for each step of training.
rnn = cybptt.RNN(3, 32, 3, loss="squared_error")
params = rnn.init(seed=0, scheme="orthogonal", dtype=np.float32)
trials = data.Trials(data.flip_flop, 2000, seed=0, n_steps=50, n_sequences=32)
history = fit(
    rnn,
    params,
    trials,
    optimizer=Adam(),
    schedule=cosine(5e-3, len(trials)),
    max_norm=1.0,
    carry=False,
)
last = history.records[-1]
print(f"a loss of {last.loss:.4f} after {last.elapsed:.1f} s; guessing has 1.5")

# %%
# Three bits are eight memories. Where no pulse has come for four steps, the states lie near eight
# points, which in the space of their first three principal components are the corners of a cube, as
# Sussillo and Barak found. The colour is the memory that is to be held, a line a bit that flips.
x, y, _ = data.flip_flop(100, 50, seed=1)
h = rnn.forward(params, x).h
quiet = np.stack([(x[t - 3 : t + 1] == 0).all(axis=(0, 2)) for t in range(3, 100)])
states, memory = h[3:][quiet], (y[3:][quiet] > 0) @ (1, 2, 4)
centred = states - states.mean(axis=0)
components = np.linalg.svd(centred, full_matrices=False)[2][:3]
at = centred @ components.T

fig = plt.figure(figsize=(7, 4.2))
ax = fig.add_subplot(projection="3d", elev=18, azim=-62)
ax.scatter(*at.T, c=memory, cmap="tab10", s=8)
corners = np.array([at[memory == k].mean(axis=0) for k in range(8)])
for one in range(8):
    for bit in (1, 2, 4):
        if not one & bit:  # an edge: one bit flips
            ax.plot(*corners[[one, one | bit]].T, color="0.7", linewidth=1, zorder=0)
ax.set(xlabel="first component", ylabel="second", zlabel="third")
ax.set(xticks=[], yticks=[], zticks=[])
ax.set_box_aspect((1, 1, 0.8))
plt.show()

# %%
# What was seen: each task is a few lines of NumPy, and one line to draw; the papers' numbers for
# guessing are what a loss has to be held against. The network of the last one was given no hint of
# a cube: it is how eight memories that differ by flips of three bits lie most easily.
spread = np.linalg.norm(at - corners[memory], axis=1).max()
apart = min(np.linalg.norm(a - b) for k, a in enumerate(corners) for b in corners[:k])
print(
    f"{spread:.2f} from its corner at most, where two corners are {apart:.2f} apart at least"
)
assert last.loss < 0.05
assert spread < 0.25 * apart

# sphinx_gallery_thumbnail_number = 5
