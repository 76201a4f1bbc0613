"""The same network in JAX and in cybptt: the loss and every gradient agree."""

import jax
import jax.numpy as jnp
import numpy as np

import cybptt

T, B, I, H, O = 20, 8, 3, 16, 4
rng = np.random.default_rng(0)
x = rng.normal(size=(T, B, I)).astype(np.float32)
y = rng.integers(O, size=(T, B))
rnn = cybptt.RNN(I, H, O)
params = rnn.init(seed=0, dtype=np.float32)


# [jax]
def loss_of(p, x, y):
    def step(h, a_x):
        h = jnp.tanh(a_x + h @ p["W"].T)
        return h, h

    h0 = jnp.zeros((x.shape[1], p["W"].shape[0]), x.dtype)
    _, h = jax.lax.scan(step, h0, x @ p["U"].T + p["b"])
    log_p = jax.nn.log_softmax(h @ p["V"].T + p["c"])
    return -jnp.take_along_axis(log_p, y[..., None], axis=-1).sum()


value_and_grad = jax.jit(jax.value_and_grad(loss_of))
loss, gradient = value_and_grad({k: jnp.asarray(v) for k, v in params.items()}, x, y)
# [cybptt]
our_loss, grad = rnn.value_and_grad(params, x, y)
# [checks]
np.testing.assert_allclose(our_loss, loss, rtol=1e-5)
for name in rnn.shapes:
    np.testing.assert_allclose(grad[name], gradient[name], rtol=1e-4, atol=1e-4)
print(f"JAX {jax.__version__}: equal")
