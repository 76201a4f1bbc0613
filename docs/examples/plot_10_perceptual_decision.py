r"""
A perceptual decision
=====================

A monkey sees moving, coloured dots and is told by a cue whether their motion or their colour
counts. You will see a network of rate units trained on this task, its psychometric curves in both
contexts, and its state while the evidence comes in. Networks trained on the tasks of animals are a
tool of neuroscience: their units can all be recorded.
"""

# %%
# The task
# --------
# It is that of Mante, Sussillo, Shenoy and Newsome (2013), "Context-dependent computation by
# recurrent dynamics in prefrontal cortex", *Nature* 503, 78–84. In each trial two streams of noisy
# evidence are shown for 750 ms; a second pair of inputs says which of the two counts. At the end
# the network says whether its mean is to the right or to the left (or red or green). Here the
# numbers are ours: a step is 50 ms, the strength of the evidence ("coherence") is one of six, and
# the noise of each step has a standard deviation of 1.
import matplotlib.pyplot as plt
import numpy as np

import cybptt
from cybptt.data import Trials
from cybptt.optim import Adam
from cybptt.train import cosine, fit

STEP = 50  # milliseconds
BEFORE, SHOWN, AFTER = 3, 15, 2  # steps of cue alone, of evidence, for the answer
T = BEFORE + SHOWN + AFTER
COHERENCES = np.array([-0.5, -0.15, -0.05, 0.05, 0.15, 0.5])
CONTEXTS = ("motion counts", "colour counts")


def trials(rng, n):
    """Inputs (T, n, 4), right answers (n,), coherences (2, n) and contexts (n,)."""
    coherence, context = rng.choice(COHERENCES, size=(2, n)), rng.integers(2, size=n)
    x = np.zeros((T, n, 4))
    x[BEFORE : BEFORE + SHOWN, :, :2] = coherence.T + rng.normal(size=(SHOWN, n, 2))
    x[:, np.arange(n), 2 + context] = 1  # the cue
    y = (coherence[context, np.arange(n)] > 0).astype(int)
    return x, y, coherence, context


# %%
# The network
# -----------
# A rate unit has a current a and a firing rate h that is never below 0. Euler's method, with a step
# Δt for a time constant of the same length, makes of
#
# .. math::
#    \tau\,\dot a = -a + b + W h + U x, \qquad h = [a]_+
#
# just the network of :eq:`10.8` and :eq:`10.9`, with the rectifier as f. (Song, Yang and Wang,
# 2016, "Training excitatory-inhibitory recurrent neural networks for cognitive tasks", *PLoS
# Computational Biology* 12, e1004792, train such units by back-propagation through time, with a
# step smaller than the time constant, and mask the loss where the animal need not answer.) The mask
# is the weight of a step, :eq:`10.17`: here only the last two steps count.
rnn = cybptt.RNN(4, 100, 2, activation="relu")
params = rnn.init(seed=0, scheme="orthogonal", dtype=np.float32)


def batch(n, seed):
    """A chunk for `fit`: the answer is asked for after the evidence."""
    x, y, _, _ = trials(seed, n)
    weights = np.zeros((T, n))
    weights[-AFTER:] = 1
    return x, np.tile(y, (T, 1)), {"weights": weights}


BATCHES = 1500
history = fit(
    rnn,
    params,
    Trials(batch, BATCHES, seed=0, n=64),  # drawn anew for each step
    optimizer=Adam(),
    schedule=cosine(2e-3, BATCHES),
    max_norm=1.0,
    carry=False,  # each trial begins from rest
)
print(f"{BATCHES * 64:,} trials in {history.records[-1].elapsed:.1f} s")

fig, ax = plt.subplots(figsize=(7, 2.6))
cybptt.plot.training_curve(history, ax=ax)
ax.set(title="", xlabel="batch of 64 trials")
plt.show()

# %%
# Psychometric curves
# -------------------
# How often the network answers "right", by the evidence that counts and by the one that does not.
# The grey line is an ideal observer, who adds up the evidence that counts and looks at its sign: it
# is right with probability :math:`\Phi(\sqrt{15}\,c / \sigma)` at coherence c.
x, y, coherence, context = trials(np.random.default_rng(1), 12_000)
trace = rnn.forward(params, x)
chosen = trace.o[-1].argmax(axis=1)
evidence = x[:, :, :2].sum(axis=0).T  # (2, n): what was really shown, noise included
ideal = evidence[context, np.arange(len(y))] > 0
accuracy = {"network": np.mean(chosen == y), "ideal": np.mean(ideal == y)}
print(", ".join(f"{who}: {100 * share:.1f} % right" for who, share in accuracy.items()))


def curve(answers, by, which):
    """The share of answers "right" at each coherence."""
    return [100 * answers[which & (by == c)].mean() for c in COHERENCES]


fig, axes = plt.subplots(1, 2, figsize=(7, 3.2), sharey=True)
for k, ax in enumerate(axes):
    which = context == k
    ax.plot(
        COHERENCES,
        curve(ideal, coherence[k], which),
        color="0.7",
        linewidth=5,
        label="ideal",
    )
    ax.plot(
        COHERENCES, curve(chosen, coherence[0], which), "o-", color="C0", label="by motion"
    )
    ax.plot(
        COHERENCES, curve(chosen, coherence[1], which), "s--", color="C1", label="by colour"
    )
    ax.set(title=CONTEXTS[k], xlabel="coherence", ylim=(-3, 103))
axes[0].set_ylabel('answers "right" (%)')
axes[0].legend()
plt.show()

# %%
# The decision while it is made
# -----------------------------
# The difference of the two outputs, :eq:`10.10`, is a line through the space of rates:
# :math:`o_2 - o_1 = c_2 - c_1 + (V_2 - V_1)\,h`. Along it, the state is read at every step of the
# trials in which motion counts: on the left in the mean for each coherence of motion, on the right
# for each coherence of colour in the same trials.
decision = trace.o[:, :, 1] - trace.o[:, :, 0]
ms = STEP * np.arange(1, T + 1)
fig, axes = plt.subplots(1, 2, figsize=(7, 3.2), sharey=True)
colours = plt.cm.viridis(np.linspace(0, 0.95, COHERENCES.size))
spread = {}
for k, (ax, title) in enumerate(zip(axes, ("by motion", "by colour"), strict=True)):
    means = [
        decision[:, (context == 0) & (coherence[k] == c)].mean(axis=1) for c in COHERENCES
    ]
    for mean, c, colour in zip(means, COHERENCES, colours, strict=True):
        ax.plot(ms, mean, color=colour, label=f"{c:+.2f}")
    spread[title] = float(means[-1][-1] - means[0][-1])
    ax.axvspan(STEP * BEFORE, STEP * (BEFORE + SHOWN), color="0.94", zorder=0)
    ax.set(title=f"motion counts, {title}", xlabel="time (ms)")
axes[0].set_ylabel("$o_2 - o_1$")
axes[1].legend(title="coherence", loc="upper left", ncols=2)
axes[0].text(STEP * BEFORE + 15, 2, "evidence is shown", color="0.4")
plt.show()
for title, distance in spread.items():
    print(f"{title}: {distance:.2f} from the strongest left to the strongest right")

# %%
# Behind it stand a hundred rates, each of which can be recorded: here in two trials with the
# strongest motion, to the left and to the right. Most units are silent, and of those that fire some
# do so for one answer and some for the other.
fig, axes = plt.subplots(1, 2, figsize=(7, 3.6), sharey=True)
for ax, c, side in zip(
    axes, (COHERENCES[0], COHERENCES[-1]), ("left", "right"), strict=True
):
    trial = np.flatnonzero((context == 0) & (coherence[0] == c))[0]
    rates = cybptt.plot.hidden_states(trace, sequence=trial, ax=ax).h
    ax.set(title=f"strong motion to the {side}")
    print(f"{side}: {np.mean(rates[-1] > 0):.0%} of the units fire at the end")
axes[1].set(ylabel="")
plt.show()

# %%
# What was seen: the network decides nearly as well as one can with this noise. In each context its
# answers follow the evidence that counts and are level in the other. While the evidence is on, the
# state moves along the axis of the answer, faster the stronger the evidence that counts is, and
# hardly at all by the other, which reaches the same units.
assert accuracy["network"] > accuracy["ideal"] - 0.02
assert abs(spread["by colour"]) < 0.15 * spread["by motion"]

# sphinx_gallery_thumbnail_number = 2
