"""Handwritten digits, row by row: the network is cybptt's, all else is JAX's.

pip install 'cybptt[jax]' scikit-learn && python jax_digits.py
"""

import jax
import jax.numpy as jnp
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import cybptt
import cybptt.jax

digits = load_digits()
images, test_images, y, test_y = train_test_split(
    digits.images / 16, digits.target, test_size=0.25, random_state=0
)
x, test_x = (
    jnp.asarray(a, "float32").transpose(1, 0, 2) for a in (images, test_images)
)  # (T, B, I)

# [model]
rnn = cybptt.RNN(8, 64, None)
params = jax.tree.map(jnp.asarray, dict(rnn.init(0, "float32", "orthogonal")))
params["V"] = jax.random.normal(jax.random.key(0), (10, 64)) / 8
params["c"] = jnp.zeros(10)


def logits(params, x):
    h = cybptt.jax.hidden(rnn, {k: params[k] for k in "UWb"}, x)
    return h[-1] @ params["V"].T + params["c"]


def loss(params, x, y):
    log_y_hat = jax.nn.log_softmax(logits(params, x))
    return -jnp.take_along_axis(log_y_hat, y[:, None], axis=1).mean()


# [train]
@jax.jit
def train(params, seed):
    """Adam, on 1,200 random batches of 32: one program, with a loop in it."""

    def step(state, now):
        params, m, v = state
        t, key = now
        chosen = jax.random.choice(key, y.size, (32,), replace=False)
        gradient = jax.grad(loss)(params, x[:, chosen], jnp.asarray(y)[chosen])
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradient)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g**2, v, gradient)
        rate = 0.003 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        params = jax.tree.map(
            lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), params, m, v
        )
        return (params, m, v), None

    zeros = jax.tree.map(jnp.zeros_like, params)
    now = (jnp.arange(1, 1201), jax.random.split(jax.random.key(seed), 1200))
    return jax.lax.scan(step, (params, zeros, zeros), now)[0][0]


params = train(params, 0)
right = 100 * (logits(params, test_x).argmax(axis=1) == test_y).mean()
print(f"{right:.1f} % of {test_y.size} digits are told rightly")

# [back]
whole = cybptt.RNN(8, 64, 10, outputs="last")
y_hat = whole.predict(whole.parameters(**params), test_x)
same = (y_hat.argmax(axis=1) == logits(params, test_x).argmax(axis=1)).mean()
print(f"{same:.0%} the same by RNN.predict, from the same parameters")
