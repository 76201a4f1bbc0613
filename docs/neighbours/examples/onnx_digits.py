"""Handwritten digits, read row by row: trained in cybptt, run by ONNX Runtime."""

import numpy as np
import onnxruntime
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import cybptt
import cybptt.onnx
from cybptt.optim import Adam
from cybptt.train import cosine, fit

digits = load_digits()
rows = (digits.images / 16).astype(np.float32)  # (n, 8, 8): eight rows of eight pixels
train_x, test_x, train_y, test_y = train_test_split(rows, digits.target, random_state=0)
train_x, test_x = (x.transpose(1, 0, 2) for x in (train_x, test_x))  # time first

rnn = cybptt.RNN(8, 64, 10)  # which digit is it, after every row?
params = rnn.init(seed=0, dtype=np.float32, scheme="orthogonal")
rng = np.random.default_rng(0)
batches = [
    (train_x[:, some], np.tile(train_y[some], (8, 1)))
    for _ in range(40)
    for some in np.array_split(rng.permutation(train_y.size), 42)
]
schedule = cosine(3e-3, len(batches))
fit(
    rnn, params, batches, optimizer=Adam(), schedule=schedule, max_norm=1.0, carry=False
)

# [export]
cybptt.onnx.export(rnn, params, "digits.onnx")

session = onnxruntime.InferenceSession("digits.onnx")
(y_hat,) = session.run(["y_hat"], {"x": test_x})

ours = rnn.predict(params, test_x)
right = (y_hat[-1].argmax(axis=1) == test_y).mean()
print(f"{right:.0%} of {test_y.size} digits are right after the last row")
print(f"largest difference from cybptt: {np.abs(y_hat - ours).max():.1e}")

# [stream]
cybptt.onnx.export(rnn, params, "stream.onnx", state=True)
stream = onnxruntime.InferenceSession("stream.onnx")

h = np.zeros((1, 64), np.float32)  # h(0) of one sequence
digit = int(np.flatnonzero(test_y == 3)[0])
for t in range(8):
    x_t = test_x[t : t + 1, digit : digit + 1]  # one step of one sequence: (1, 1, 8)
    y_hat, h = stream.run(["y_hat", "h_last"], {"x": x_t, "h0": h})
    print(f"after row {t + 1}: a {y_hat.argmax()}, p = {y_hat.max():.2f}")

# [back]
again, numbers = cybptt.onnx.load("digits.onnx")
print(again, np.array_equal(numbers.vector, params.vector))
# [checks]
assert right > 0.85
assert np.abs(session.run(["y_hat"], {"x": test_x})[0] - ours).max() < 1e-5
assert np.abs(y_hat[0, 0] - ours[-1, digit]).max() < 1e-5
assert again == rnn
