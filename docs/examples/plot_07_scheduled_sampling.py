r"""
Scheduled sampling
==================

A network that was always given the true outputs has never met its own mistakes. Scheduled sampling
begins with forcing and takes it away little by little. You will see the drift of a forced network
in use, and a schedule that mends it, on the marks of quotation of an English text.
"""

# %%
# The idea
# --------
# Bengio, Vinyals, Jaitly and Shazeer (2015), "Scheduled sampling for sequence prediction with
# recurrent neural networks", `arXiv:1506.03099 <https://arxiv.org/abs/1506.03099>`__, draw for each
# step whether what is fed back, u(t) of :eq:`C.5`, is the true output or the model's own:
#
# .. math::
#    u^{(t)} = \begin{cases} y^{(t-1)} & \text{with probability } \varepsilon \\
#      \hat y^{(t-1)} & \text{with probability } 1 - \varepsilon \end{cases}
#
# and let ε fall from 1 to 0 during training. Theirs is the inverse sigmoid, with the step i and a
# constant k: :math:`\varepsilon_i = k / (k + e^{i/k})`. In the paper a class is drawn from ŷ and no
# gradient passes through the draw; here ŷ itself is fed, and the gradient passes, :eq:`C.6`.
import matplotlib.pyplot as plt
import numpy as np

import cybptt
from cybptt.optim import Adam, clip_by_norm
from cybptt.text import Vocabulary, standard_text
from cybptt.train import cosine

# %%
# The task is to say of each character whether it stands inside quotation marks. A network that has
# no recurrence but that from its output (figure 10.4) must keep the answer by feeding it back.
text = standard_text()
vocabulary = Vocabulary.of(text)
x = vocabulary.encode(text)
y, inside = np.zeros(len(text), dtype=int), False
for i, letter in enumerate(text):
    new_paragraph = text[max(i - 1, 0) : i + 1] == "\n\n"
    inside = False if new_paragraph else inside ^ (letter == '"')
    y[i] = inside

LEFT, BATCH, STEPS = 440_000, 32, 50  # the rest is held out
x_streams, y_streams = (array[:LEFT].reshape(BATCH, -1).T for array in (x, y))
starts = range(0, len(x_streams), STEPS)
chunks = [(x_streams[t : t + STEPS], y_streams[t : t + STEPS]) for t in starts]
total = 2 * len(chunks)
rnn = cybptt.RNN(
    len(vocabulary), 64, 2, inputs="tokens", recurrence="output", feedback="y_hat"
)

# %%
# The loop
# --------
# ``teacher_forcing`` takes a probability, and a loop of one's own may give another at each step.
schedules = {
    "always forced": lambda i: 1.0,
    "linear": lambda i: max(0.0, 1 - 1.25 * i / total),
    "inverse sigmoid": lambda i, k=65: k / (k + np.exp(i / k)),
    "never forced": lambda i: 0.0,
}


def train(schedule, seed):
    """Twice through the text."""
    params = rnn.init(seed=seed, scheme="orthogonal", dtype=np.float32)
    optimizer, rate, rng = Adam(), cosine(5e-3, total), np.random.default_rng(seed)
    for i in range(total):
        if i % len(chunks) == 0:
            state = None
        _, grad, state = rnn.value_and_grad(
            params,
            *chunks[i % len(chunks)],
            reduction="mean",
            state=state,
            return_state=True,
            teacher_forcing=schedule(i),
            seed=rng,
        )
        clip_by_norm(grad, 1.0)
        optimizer.lr = rate(i)
        optimizer.step(params, grad)
    return params


SEEDS = range(3)
models = {
    name: [train(schedule, seed) for seed in SEEDS] for name, schedule in schedules.items()
}
wrong = {}
for name, trained in models.items():
    in_use = [(rnn.predict(p, x[LEFT:]).argmax(axis=1) != y[LEFT:]).mean() for p in trained]
    forced = [
        rnn.forward(p, x[LEFT:], y=y[LEFT:]).o.argmax(axis=1) != y[LEFT:] for p in trained
    ]
    wrong[name] = 100 * np.array(in_use)
    with_truth = 100 * np.mean(forced)
    print(f"{name:16} in use {np.round(wrong[name], 2)} %, forced {with_truth:.2f} %")

fig, axes = plt.subplots(1, 2, figsize=(7, 3), width_ratios=(1, 1.2))
for i, (name, schedule) in enumerate(schedules.items()):
    axes[0].plot(
        range(total), [schedule(step) for step in range(total)], color=f"C{i}", label=name
    )
    axes[1].scatter(wrong[name], [i] * len(wrong[name]), color=f"C{i}", alpha=0.7)
axes[0].set(xlabel="step of training", ylabel="probability of forcing, ε")
axes[1].set(xlabel="characters wrong in use (%)", yticks=range(4), yticklabels=schedules)
axes[1].set(ylim=(3.5, -0.5), xlim=(-0.3, None), title="three starts each")
plt.show()

# %%
# The drift
# ---------
# What two of the networks believe, in use, from shortly before the first error of the forced one.
# The characters that stand inside quotation marks are grey.
held = x[LEFT:], y[LEFT:]
believed = {
    name: rnn.predict(trained[0], held[0])[:, 1] for name, trained in models.items()
}
error = np.flatnonzero((believed["always forced"] > 0.5) != held[1])[0]
piece = slice(max(error - 20, 0), max(error - 20, 0) + 72)

fig, ax = plt.subplots(figsize=(7, 3))
place = np.arange(72)
ax.bar(place, held[1][piece], width=1, color="0.88", label="truth")
for name, line in (("always forced", ".-C0"), ("inverse sigmoid", ".--C2")):
    ax.plot(place, believed[name][piece], line, label=name)
letters = vocabulary.decode(held[0][piece]).replace("\n", "↵")
ax.set_xticks(place, letters, family="monospace", fontsize=9)
ax.tick_params(axis="x", length=0)
ax.set(ylabel="probability of being inside", ylim=(-0.02, 1.02), xlim=(-0.5, 71.5))
ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3)
plt.show()

# %%
# The loss of two hundred pieces of a hundred characters, step by step, forced and free. Free, no
# network can know whether its piece begins inside; one of them finds out, the other does not.
pieces = [array[:20_000].reshape(200, 100).T for array in held]
fig, axes = plt.subplots(1, 2, figsize=(7, 3.2), sharey=True)
for ax, name in zip(axes, ("always forced", "inverse sigmoid"), strict=True):
    cybptt.plot.forced_and_free(rnn, models[name][0], *pieces, ax=ax)
    ax.set(title=name, ylim=(0, 0.75))
plt.show()

# %%
# What was seen: forced to the end, the network errs on none of the held-out characters as long as
# it is given the truth; left to itself it notices each mark, and forgets at once that it was there.
# A forcing that fades by the inverse sigmoid leaves fewer errors in use than any of the others, at
# each of three starts; a network that was never forced does better in use than the one that always
# was, and worse than either schedule.
ranking = sorted(wrong, key=lambda name: wrong[name].mean())
assert ranking == ["inverse sigmoid", "linear", "never forced", "always forced"]
others = [wrong[name].min() for name in wrong if name != "inverse sigmoid"]
assert np.median(wrong["inverse sigmoid"]) < min(others)

# sphinx_gallery_thumbnail_number = 2
