r"""
Teacher forcing against back-propagation through time
=====================================================

A network whose only recurrence goes from its output (figure 10.4 of the book) can be trained by
teacher forcing (figure 10.6), without a loop over time. You will see what that saves in time, a
task on which it works at once, and one on which it cannot. It is the trade that section 10.2.1
describes, measured.
"""

# %%
# Forced, the steps do not depend on each other
# ---------------------------------------------
# What comes back to the hidden units is u(t), :eq:`C.5`: the true output of the step before when
# forced, the network's own when free:
#
# .. math::
#    a^{(t)} &= b + W u^{(t)} + U x^{(t)}, \\
#    u^{(t)} &= \begin{cases} y^{(t-1)} & \text{forced} \\ \hat y^{(t-1)} & \text{free} \end{cases}
#
# When forced, all u are known beforehand, no gradient passes from a step to another (:eq:`C.8`),
# and all steps are computed at once. The comparison that counts is that of one network with
# itself: forced, and trained as it will be used, free, with back-propagation through its outputs
# (:eq:`C.6`). Its W leads from two outputs to 128 hidden units. The third line is a network with
# hidden recurrence (figure 10.3), whose W is 128 × 128: it does far more work at each step. The
# time of a loss and its gradient, on one thread:
import time

import matplotlib.pyplot as plt
import numpy as np

import cybptt
from cybptt.optim import Adam
from cybptt.text import Vocabulary, standard_text
from cybptt.train import cosine, fit

text = standard_text()
vocabulary = Vocabulary.of(text)
tokens = vocabulary.encode(text)
n = len(vocabulary)

fed_back = {"recurrence": "output", "feedback": "y_hat"}
ways = {  # how the network is made, and how it is trained
    "output, forced": (fed_back, {"teacher_forcing": True}),
    "output, BPTT": (fed_back, {"teacher_forcing": False}),  # it runs free
    "hidden, BPTT": ({"recurrence": "hidden"}, {}),
}


def milliseconds(way, steps):
    """Processor time: the least of twenty, since other work only disturbs upwards."""
    pattern, options = ways[way]
    rnn = cybptt.RNN(n, 128, 2, inputs="tokens", **pattern)
    workspace = cybptt.Workspace()  # memory that is kept from call to call
    params, y = rnn.init(seed=0, dtype=np.float32), np.zeros(steps, dtype=int)
    times = []
    for _ in range(20):
        begun = time.process_time()
        rnn.value_and_grad(
            params, tokens[:steps], y, n_threads=1, workspace=workspace, **options
        )
        times.append(time.process_time() - begun)
    return 1000 * min(times)


lengths = [50, 100, 200, 400, 800, 1600]
times = {way: [milliseconds(way, steps) for steps in lengths] for way in ways}
for way, values in times.items():
    shape = cybptt.RNN(n, 128, 2, **ways[way][0]).shapes["W"]
    print(f"{way:15} W {shape!s:11}", np.round(values, 3), "ms")

fig, ax = plt.subplots(figsize=(7, 3.2))
for (way, values), mark in zip(times.items(), ("o-", "s--", "^:"), strict=True):
    ax.loglog(lengths, values, mark, label=way)
ax.set(xlabel="steps of the sequence", ylabel="loss and gradient (ms)")
ax.set_xticks(lengths, lengths)
ax.set_yticks([0.2, 0.5, 1, 2], [0.2, 0.5, 1, 2])
ax.minorticks_off()
ax.legend()
plt.show()

# %%
# Two tasks on English
# --------------------
# The input is a text, character by character. **Quotes**: is this character inside quotation marks?
# Whether a mark opens or closes is told by the output of the step before, so the true outputs hold
# all that must be remembered. **Next**: which character comes next? The output of the step before
# is the character that is being read, and tells nothing new.
paragraphs = np.array([text[max(i - 1, 0) : i + 1] == "\n\n" for i in range(len(text))])
inside, quoted = False, np.zeros(len(text), dtype=int)
for i, letter in enumerate(text):
    inside = False if paragraphs[i] else inside ^ (letter == '"')
    quoted[i] = inside
tasks = {"quotes": (tokens[:-1], quoted[:-1], 2), "next": (tokens[:-1], tokens[1:], n)}
LEFT = 440_000  # the rest is held out


def chunks(x, y, batch=32, steps=50):
    """The first characters as 32 streams side by side, in chunks of 50 steps."""
    count = LEFT // (batch * steps)
    x, y = (array[: batch * steps * count].reshape(batch, -1).T for array in (x, y))
    return [(x[t : t + steps], y[t : t + steps]) for t in range(0, steps * count, steps)]


# %%
# In use no true output is at hand. ``predict`` feeds back ŷ, a probability. ``generate`` can feed
# back the likeliest class instead, which looks like what the network was given while it was forced.


def train(way, data, n_classes):
    """A network that has seen the text twice."""
    pattern, options = ways[way]
    rnn = cybptt.RNN(n, 64, n_classes, inputs="tokens", **pattern)
    params = rnn.init(seed=0, scheme="orthogonal", dtype=np.float32)
    rate = cosine(5e-3, 2 * len(data))
    fit(
        rnn,
        params,
        data,
        optimizer=Adam(),
        schedule=rate,
        max_norm=1.0,
        epochs=2,
        **options,
    )
    return rnn, params


wrong = {}
for task, (x, y, n_classes) in tasks.items():
    data = chunks(x, y)
    x, y = x[LEFT:], y[LEFT:]
    for way in ways:
        rnn, params = train(way, data, n_classes)
        print(f"{task:6} {way}: W {rnn.shapes['W']}, {rnn.n_parameters:,} parameters")
        answers = {way: rnn.predict(params, x).argmax(axis=1)}
        if way == "output, forced":
            answers = {
                "forced, and forced in use": rnn.forward(params, x, y=y).o.argmax(axis=1),
                "forced, class fed back": rnn.generate(params, len(x), x=x, feed="argmax"),
                "forced, ŷ fed back": answers[way],
            }
        for label, answer in answers.items():
            wrong[task, label] = 100 * np.mean(answer != y)
            print(f"{task:6} {label:26} {wrong[task, label]:6.2f} % wrong")

fig, axes = plt.subplots(1, 2, figsize=(7, 2.8), sharey=True)
for ax, task in zip(axes, tasks, strict=True):
    bars = {label: value for (name, label), value in wrong.items() if name == task}
    colours = ["0.7", "C0", "C0", "C1", "C2"]
    drawn = ax.barh(list(bars), list(bars.values()), color=colours)
    ax.bar_label(drawn, fmt="%.1f", padding=3)
    ax.set(
        title=task,
        xlabel="held-out characters wrong (%)",
        xlim=(0, 1.2 * max(bars.values())),
    )
axes[0].invert_yaxis()
plt.show()

# %%
# What was seen: over long sequences the forced network takes less than half the time of the same
# network run free, since it has no loop; the one with hidden recurrence takes about as long as
# the one that runs free, with a W of 64 times the size. On the quotes the forced network makes no
# error that shows, if what it is fed in use looks like what it was fed in training; fed its own
# probabilities, which it has never met, it is wrong more often than the two that were trained
# without forcing. On the next character, where the outputs hold nothing of the past, it is the
# worst of the three however it is used, and the hidden recurrence the best.
assert times["output, forced"][-1] < 0.6 * times["output, BPTT"][-1]
assert wrong["quotes", "forced, class fed back"] < 1 < wrong["quotes", "forced, ŷ fed back"]
following = {label: value for (name, label), value in wrong.items() if name == "next"}
assert following["hidden, BPTT"] < following["output, BPTT"]
assert following["output, BPTT"] < following["forced, class fed back"]
