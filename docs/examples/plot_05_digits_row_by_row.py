r"""
Digits, row by row
==================

A network reads handwritten digits as a sequence of eight rows and says which digit it is. You will
see two patterns side by side: one output after the last row (figure 10.5 of the book), and one
after every row (figure 10.3), and what the second knows before the picture is complete. It is the
smallest real problem of sequence classification that there is.
"""

# %%
# The data are scikit-learn's: 1,797 digits of 8 × 8 pixels, from the UCI repository. A row is the
# input of a step, x(t) of eight numbers; time runs down the picture. A quarter is held out.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import cybptt
from cybptt.data import Batches
from cybptt.optim import Adam
from cybptt.train import cosine, fit

digits = load_digits()
rows = digits.images / 16  # (n, 8, 8), in 0 … 1
parts = train_test_split(rows, digits.target, test_size=0.25, random_state=0)
train_images, test_images, train_y, test_y = parts
test_x = test_images.transpose(1, 0, 2)  # time comes first: (T, B, I)
print(train_images.shape, "to train on,", test_images.shape, "to test on")

# %%
# Two patterns
# ------------
# With ``outputs="last"`` the loss is that of the last step, :eq:`C.9`, with the right class
# :math:`y`; with ``outputs="all"`` it is the sum over all steps, :eq:`10.13`:
#
# .. math::
#    L_\text{last} = -\log \hat y^{(\tau)}_{y}, \qquad
#    L_\text{all} = -\sum_{t=1}^{\tau} \log \hat y^{(t)}_{y} .
#
# All else is the same: the sizes, the start, the batches and their order. In each epoch every
# picture comes once, in a new order.
labels = {"last": train_y, "all": np.tile(train_y[:, None], 8)}  # one for each output
models = {}
for outputs, y in labels.items():
    rnn = cybptt.RNN(8, 64, 10, outputs=outputs)
    params = rnn.init(seed=0, scheme="orthogonal")
    data = Batches(train_images, y, batch=32, outputs=outputs, epochs=40, seed=0)
    history = fit(
        rnn,
        params,
        data,
        optimizer=Adam(),
        schedule=cosine(3e-3, len(data)),
        max_norm=1.0,
        carry=False,  # no picture goes on where another ended
    )
    models[outputs] = rnn, params
    print(
        f"outputs={outputs!r}: {len(data)} batches in {history.records[-1].elapsed:.1f} s"
    )

# %%
# What they know after each row
# -----------------------------
# ``lengths`` ends every sequence early: a model with one output then answers after so many rows.
# A model with an output at each step has answered already.
rnn, params = models["last"]
n = test_y.size
after = [
    rnn.predict(params, test_x, lengths=np.full(n, t)).argmax(axis=1) for t in range(1, 9)
]
answers = {"last": np.array(after)}
rnn, params = models["all"]
y_hat = rnn.predict(params, test_x)  # (8, n, 10)
answers["all"] = y_hat.argmax(axis=2)
accuracy = {name: (answer == test_y).mean(axis=1) for name, answer in answers.items()}
for name, values in accuracy.items():
    print(f"outputs={name!r}, after 1 … 8 rows:", np.round(100 * values, 1), "%")

fig, ax = plt.subplots(figsize=(7, 3.2))
ax.plot(range(1, 9), 100 * accuracy["all"], "o-", label="an output at each row")
ax.plot(range(1, 9), 100 * accuracy["last"], "s--", label="one output, after the last row")
ax.axhline(10, color="0.6", linewidth=1)
ax.text(1.1, 2.5, "guessing", color="0.4")
ax.set(xlabel="rows read", ylabel="right, of the test digits (%)", ylim=(0, 102))
ax.legend(loc="upper left", bbox_to_anchor=(0, 1.1))
plt.show()

# %%
# Row by row for four digits that the second model gets right at the end, with what it believes
# after each row. The darker a field, the likelier the class.
right = np.flatnonzero(answers["all"][-1] == test_y)
late = (answers["all"] != test_y)[:, right].sum(axis=0)  # rows with a wrong answer
shown = right[np.argsort(-late, kind="stable")[:4]]
fig, axes = plt.subplots(2, 4, figsize=(7, 3.8), height_ratios=(1, 1), sharey=True)
for (above, below), i in zip(axes.T, shown, strict=True):
    above.imshow(test_x[:, i], cmap="Greys")
    below.imshow(y_hat[:, i], cmap="Blues", vmin=0, vmax=1, aspect="auto")
    above.set(xticks=[], title=f"a {test_y[i]}")
    below.set(xticks=range(10), yticks=range(8), yticklabels=range(1, 9))
    below.tick_params(axis="x", labelsize="small")
    for ax in (above, below):
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
axes[0, 0].set_ylabel("row")
axes[1, 0].set_ylabel("rows read")
fig.supxlabel("class", fontsize="medium")
plt.show()

# %%
# What was seen: the network that was asked once, at the end, is the better one there, and answers
# about as well as by guessing until the last rows, although it has read the same. The network that
# was asked at each row is right for most digits after three rows, and pays for it at the end: it
# shares its units, and its gradient, among eight questions. Ask for what you want to know.
assert accuracy["last"][-1] > 0.95
assert accuracy["all"][-1] > 0.85
assert accuracy["all"][2] > 0.5 > 0.3 > accuracy["last"][5]

# sphinx_gallery_thumbnail_number = 2
