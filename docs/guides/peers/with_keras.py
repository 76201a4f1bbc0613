"""The same network in Keras and in cybptt: the outputs and the loss agree."""

import keras
import numpy as np

import cybptt

T, B, I, H, O = 20, 8, 3, 16, 4
rng = np.random.default_rng(0)
x = rng.normal(size=(T, B, I)).astype(np.float32)
y = rng.integers(O, size=(T, B))

# [keras]
model = keras.Sequential(
    [
        keras.Input((None, I)),
        keras.layers.SimpleRNN(H, return_sequences=True),  # tanh; the batch first
        keras.layers.Dense(O, activation="softmax"),
    ]
)
y_hat = model.predict(x.swapaxes(0, 1), verbose=0)  # (B, T, O)
# [weights]
kernel, recurrent_kernel, bias = model.layers[0].get_weights()
output_kernel, output_bias = model.layers[1].get_weights()

rnn = cybptt.RNN(I, H, O)
params = rnn.parameters(
    U=kernel.T,  # (I, H) there: rows times matrix, h W
    W=recurrent_kernel.T,
    b=bias,
    V=output_kernel.T,
    c=output_bias,
)

our_y_hat = rnn.predict(params, x)  # (T, B, O)
# [checks]
np.testing.assert_allclose(our_y_hat, y_hat.swapaxes(0, 1), rtol=1e-4, atol=1e-6)
loss = keras.losses.sparse_categorical_crossentropy(y.T, y_hat)
our_loss = rnn.total_loss(rnn.forward(params, x), y, reduction="mean")
np.testing.assert_allclose(our_loss, np.asarray(loss).mean(), rtol=1e-4)

# [back]
model.layers[0].set_weights([params.U.T, params.W.T, params.b])
model.layers[1].set_weights([params.V.T, params.c])
# [end]
print(f"Keras {keras.__version__}: equal")
