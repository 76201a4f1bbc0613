r"""
The gradient by hand
====================

A network of two hidden units reads two steps, small enough to follow with a pencil. You will see
every number of its forward pass and of its gradient worked out on paper, and then the same numbers
from the library. Whoever has once done this by hand knows what back-propagation through time is.
"""

# %%
# The network
# -----------
# The weights are multiples of ln 3. Then the sums that enter tanh are ±½ ln 3, where tanh is ±½,
# and the softmax gives fractions: the pencil needs no calculator.
import matplotlib.pyplot as plt
import numpy as np

import cybptt

np.set_printoptions(precision=4, suppress=True)
ln3 = np.log(3)
rnn = cybptt.RNN(n_inputs=1, n_hidden=2, n_outputs=2)
params = rnn.parameters(
    U=ln3 * np.array([[1], [1 / 2]]),
    W=ln3 * np.array([[1, 1], [-2, 1]]),
    V=ln3 * np.array([[0, -1], [1, 0]]),
    b=ln3 * np.array([-1 / 2, 0]),
    c=ln3 * np.array([0, 1]),
)
x = np.array([[1.0], [0.0]])  # two steps of one input
y = np.array([1, 0])  # the class that is right at each step
cybptt.plot.graph(rnn, steps=2)

# %%
# Forward, on paper
# -----------------
# Each step computes, by :eq:`10.8`, :eq:`10.9`, :eq:`10.10` and :eq:`10.11`,
#
# .. math::
#    a^{(t)} &= b + W h^{(t-1)} + U x^{(t)}, \\
#    h^{(t)} &= \tanh a^{(t)}, \\
#    o^{(t)} &= c + V h^{(t)}, \\
#    \hat y^{(t)} &= \operatorname{softmax} o^{(t)} .
#
# Step 1 begins from :math:`h^{(0)} = 0`:
#
# - :math:`a^{(1)} = \ln 3\,(-\tfrac12 + 1,\; 0 + \tfrac12)` :math:`= \ln 3\,(\tfrac12, \tfrac12)`,
#   so :math:`h^{(1)} = (\tfrac12, \tfrac12)`;
# - :math:`o^{(1)} = \ln 3\,(-\tfrac12, \tfrac32)`, so :math:`\hat y^{(1)} = (0.1, 0.9)`: the second
#   output is greater by 2 ln 3, hence its probability nine times the first's.
#
# Step 2 has :math:`W h^{(1)} = \ln 3\,(1, -\tfrac12)` and no input:
#
# - :math:`a^{(2)} = \ln 3\,(\tfrac12, -\tfrac12)`, so :math:`h^{(2)} = (\tfrac12, -\tfrac12)`;
# - :math:`o^{(2)} = \ln 3\,(\tfrac12, \tfrac32)`, so :math:`\hat y^{(2)} = (0.25, 0.75)`.
#
# The loss is :math:`L = -\ln 0.9 - \ln 0.25`, by :eq:`10.14`. Is that what the library computes?
trace = rnn.forward(params, x)
loss = rnn.total_loss(trace, y)
print("h\n", trace.h, "\nŷ\n", trace.y_hat, "\nL", round(loss, 4))

assert np.allclose(trace.h, [[1 / 2, 1 / 2], [1 / 2, -1 / 2]])
assert np.allclose(trace.y_hat, [[0.1, 0.9], [0.25, 0.75]])
assert np.isclose(loss, -np.log(0.9) - np.log(0.25))

# %%
# Backward, on paper
# ------------------
# From the loss to the outputs, by :eq:`10.18`:
#
# .. math::
#    \nabla_{o^{(1)}} L &= \hat y^{(1)} - (0, 1) = (0.1, -0.1), \\
#    \nabla_{o^{(2)}} L &= \hat y^{(2)} - (1, 0) = (-0.75, 0.75) .
#
# Then from the last step to the first, :eq:`10.19` and :eq:`10.21`:
#
# .. math::
#    \nabla_{h^{(2)}} L &= V^\top \nabla_{o^{(2)}} L
#      = \ln 3\,(\tfrac34, \tfrac34) , \\
#    \nabla_{h^{(1)}} L &= W^\top \operatorname{diag}\!\bigl(1 - (h^{(2)})^2\bigr)
#      \nabla_{h^{(2)}} L + V^\top \nabla_{o^{(1)}} L .
#
# All :math:`h` are ±½, so every :math:`1 - h^2` is ¾, and
#
# .. math::
#    \nabla_{h^{(1)}} L
#      &= \tfrac9{16} \ln 3 \begin{pmatrix} 1 & -2 \\ 1 & 1 \end{pmatrix}
#        \begin{pmatrix} \ln 3 \\ \ln 3 \end{pmatrix}
#        + \ln 3 \begin{pmatrix} -0.1 \\ -0.1 \end{pmatrix} \\
#      &= \ln 3 \begin{pmatrix} -\tfrac9{16} \ln 3 - 0.1 \\
#                              \tfrac98 \ln 3 - 0.1 \end{pmatrix} .
g = rnn.backward(trace, y)
print("∇h\n", g.h)

assert np.allclose(g.o, [[0.1, -0.1], [-0.75, 0.75]])
assert np.allclose(g.h[1], ln3 * np.array([3 / 4, 3 / 4]))
assert np.allclose(g.h[0], ln3 * np.array([-9 / 16 * ln3 - 0.1, 9 / 8 * ln3 - 0.1]))

# %%
# The parameters' gradients are sums over the steps: :eq:`10.22` to :eq:`10.28`. For :math:`W` only
# step 2 counts, since :math:`h^{(0)} = 0`:
#
# .. math::
#    \nabla_W L &= \sum_t \operatorname{diag}\!\bigl(1 - (h^{(t)})^2\bigr)
#      (\nabla_{h^{(t)}} L)\, h^{(t-1)\top} \\
#    &= \tfrac34 \ln 3 \begin{pmatrix} \tfrac34 \\ \tfrac34 \end{pmatrix}
#      \begin{pmatrix} \tfrac12 & \tfrac12 \end{pmatrix}
#    = \tfrac9{32} \ln 3 \begin{pmatrix} 1 & 1 \\ 1 & 1 \end{pmatrix} .
for name, value in g.parameters.items():
    print(f"∇{name} =", str(value).replace("\n", "\n     "))

assert np.allclose(g.parameters.W, 9 / 32 * ln3)
assert np.allclose(g.parameters.c, [-0.65, 0.65])

# %%
# The same numbers where they belong: on the left what each node is, on the right how the loss would
# grow with it. Read the right one from the last step to the first, against the arrows.
place = {"x": [(0, 0)], "h": [(-0.17, 1.0), (0.17, 1.7)], "o": [(-0.24, 2.7), (0.24, 2.7)]}
fig, axes = plt.subplots(1, 2, figsize=(7, 4.2), sharey=True)
for ax, of, title in zip(axes, (trace, g), ("nodes", "gradient at the nodes"), strict=True):

    def connect(below, above, later=0, colour="0.75", ax=ax):
        for t in range(2 - later):
            for x0, y0 in place[below]:
                for x1, y1 in place[above]:
                    ends = {"xy": (t + later + x1, y1), "xytext": (t + x0, y0)}
                    style = {
                        "arrowstyle": "->",
                        "color": colour,
                        "shrinkA": 16,
                        "shrinkB": 17,
                    }
                    ax.annotate("", **ends, arrowprops=style, zorder=1)

    connect("x", "h")
    connect("h", "o")
    connect("h", "h", later=1, colour="C1")  # W: what goes from a step to the next
    for name, places in place.items():
        values = x if of is trace and name == "x" else getattr(of, name)
        for t in range(2):
            for (dx, dy), value in zip(places, values[t], strict=True):
                ax.scatter(t + dx, dy, s=950, color="white", edgecolor="C0", zorder=2)
                middle = {"ha": "center", "va": "center", "fontsize": 9, "zorder": 3}
                ax.text(t + dx, dy, f"{value:.2f}", **middle)
    ax.set(title=title, xlim=(-0.55, 1.55), ylim=(-0.4, 3.1))
    ax.set(xticks=[0, 1], xticklabels=["t = 1", "t = 2"])
    ax.set(yticks=[0, 1, 1.7, 2.7], yticklabels=["x", "h₁", "h₂", "o"])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
plt.show()

# %%
# Any network, without a pencil
# -----------------------------
# For a network of another size :func:`cybptt.gradcheck` does what the pencil did: it holds every
# part of the gradient against the loss itself, at parameters moved a little to both sides.
report = cybptt.gradcheck(rnn, params, x, y)
print(report)
assert report

# %%
# What was seen: the numbers on paper are the library's, node by node. The gradient at h(1) has two
# parts, one from its own output and one that came back through W from step 2. In this network the
# second is the greater one: what h(1) does to the next step matters more than what it does now.
own = params.V.T @ g.o[0]
later = g.h[0] - own
print("∇h(1) from its own output", own, "and through step 2", later)
assert np.linalg.norm(later) > np.linalg.norm(own)

# %%
# The whole pass, written out
# ---------------------------
# :meth:`cybptt.RNN.explain` does this for a small network of any pattern: every equation under its
# number, in letters and in numbers. A notebook shows it as this page does; ``print`` writes text.
rnn.explain(params, x, y)
