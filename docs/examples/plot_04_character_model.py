r"""
A character model on real English
=================================

A network reads English character by character and learns to say which comes next. You will see its
loss fall, hear what it writes, and look at a passage that it had never seen, with each character
coloured by how surprising it was. ``cybptt train`` does the same from the command line, for longer.
"""

# %%
# The text
# --------
# Every Python carries English prose: the topics of its ``help()``. The last twentieth is held out.
# The rest is laid out as 32 streams side by side, cut into chunks of 64 characters.
import matplotlib.pyplot as plt
import numpy as np

import cybptt
from cybptt.data import Chunks
from cybptt.optim import Adam
from cybptt.text import Vocabulary, split, standard_text
from cybptt.train import cosine, fit

text = standard_text()
vocabulary = Vocabulary.of(text)
training, held_out = split(vocabulary.encode(text), 0.05)
chunks = Chunks(training, batch=32, steps=64)
validation = Chunks(held_out, batch=1, steps=1000)
n = len(vocabulary)
print(f"{len(text):,} characters, {n} different; {held_out.size:,} are held out")

# %%
# The training
# ------------
# The loss is the mean of :math:`-\log \hat y^{(t)}_{y^{(t)}}`, :eq:`10.14`, where y(t) is the
# character after x(t). In bits it is how many bits a character takes when the model is used to
# compress the text; 8 bits is what it takes in the file. The state goes from chunk to chunk
# (``carry``), the gradient stays within one: truncated back-propagation through time.
STEPS = 1500
rnn = cybptt.RNN(n, 128, n, inputs="tokens")
params = rnn.init(seed=0, scheme="orthogonal", dtype=np.float32)
print(f"{rnn.n_parameters:,} parameters")

drafts = {}


def draft(record):
    """What the model writes after 10, 100 and all steps."""
    if record.step in (10, 100, STEPS):
        start = vocabulary.encode("\n")[0]
        tokens = rnn.generate(params, 300, start=start, temperature=0.7, seed=0)
        drafts[record.step] = vocabulary.decode(tokens)


history = fit(
    rnn,
    params,
    chunks,
    optimizer=Adam(),
    schedule=cosine(5e-3, STEPS, floor=0.05),
    max_norm=1.0,
    steps=STEPS,
    validation=validation,
    validate_every=100,
    callbacks=[draft],
)
last = history.records[-1]
print(f"{last.targets:,} characters read in {last.elapsed:.1f} s")
print(f"{last.validation_bits:.3f} bits per character held out")

fig, ax = plt.subplots(figsize=(7, 3.2))
cybptt.plot.training_curve(history, "bits", ax=ax)
ax.set(title="", xlabel="step of training", ylabel="bits per character", ylim=(1, 7))
plt.show()

# %%
# What it writes, a character drawn after the other, each handed back as the next input:
for step, written in drafts.items():
    print(f"--- after {step} steps\n{written.strip()}\n")

# %%
# Where it is surprised
# ---------------------
# ``step_losses`` gives each term of :eq:`10.13`. Here they are on a passage of the held-out text:
# the darker, the more bits the character took. The topics of the help repeat one another in places,
# so we look for a passage that does not stand in the text that was trained on.
LINE, LINES = 64, 8
size = LINE * LINES
known, tail = text[: training.size], text[training.size :]
begin = 0
while any(tail[i : i + 40] in known for i in range(begin, begin + size, 20)):
    begin = tail.index("\n\n", begin) + 2  # the next paragraph
tokens = held_out[begin : begin + size + 1]
trace = rnn.forward(params, tokens[:-1])
surprise = rnn.step_losses(trace, tokens[1:]) / np.log(2)
letters = tail[begin + 1 : begin + size + 1]

fig, ax = plt.subplots(figsize=(7, 2.7))
image = ax.imshow(
    surprise.reshape(LINES, LINE), cmap="Oranges", vmin=0, vmax=12, aspect="auto"
)
for i, (letter, bits) in enumerate(zip(letters, surprise, strict=True)):
    style = {"family": "monospace", "fontsize": 9, "color": "w" if bits > 9 else "k"}
    x, y = i % LINE, i // LINE
    ax.text(x, y, "↵" if letter == "\n" else letter, ha="center", va="center", **style)
ax.set_axis_off()
fig.colorbar(image, label="bits", shrink=0.9)
plt.show()

after_space = [letter in " \n" for letter in tail[begin : begin + size]]
begins = np.array(after_space)
print(f"this passage: {surprise.mean():.2f} bits per character")
print(
    f"after a space {surprise[begins].mean():.2f}, elsewhere {surprise[~begins].mean():.2f}"
)

# %%
# What was seen: in this short run the loss falls from the 6.7 bits of a blind guess to about two.
# What is written has the shape of English words and of Python's manual, and no meaning. The
# surprise sits at the beginnings of words and at rare signs; the rest of a word costs little.
assert 1.5 < last.validation_bits < 2.3
assert surprise[begins].mean() > surprise[~begins].mean()

# sphinx_gallery_thumbnail_number = 2
