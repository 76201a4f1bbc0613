"""Handwritten digits, row by row: a classifier of PyTorch's with cybptt's layer."""

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.nn.functional import cross_entropy

import cybptt
import cybptt.torch

digits = load_digits()
rows = (digits.images / 16).astype(np.float32)  # (n, 8, 8): eight rows of eight pixels
parts = train_test_split(rows, digits.target, random_state=0)
train_x, test_x, train_y, test_y = (torch.from_numpy(part) for part in parts)


class Classifier(torch.nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.head = torch.nn.Linear(64, 10)

    def forward(self, x):
        _, h_n = self.layer(x)
        return self.head(h_n[0])


def train(layer):
    model = Classifier(layer)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    draws = torch.Generator().manual_seed(0)
    for _ in range(15):
        for some in torch.randperm(len(train_y), generator=draws).split(32):
            optimizer.zero_grad()
            cross_entropy(model(train_x[some]), train_y[some]).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
    with torch.no_grad():
        right = (model(test_x).argmax(dim=1) == test_y).float().mean()
    print(f"{right:.0%} of {len(test_y)} digits are right")
    return model


torch.manual_seed(0)
model = train(cybptt.torch.RNN(8, 64, batch_first=True))

# [theirs]
theirs = Classifier(torch.nn.RNN(8, 64, batch_first=True))
theirs.load_state_dict(model.state_dict())
with torch.no_grad():
    difference = (theirs(test_x) - model(test_x)).abs().max()
print(f"largest difference from torch.nn.RNN: {difference:.0e}")

# [activation]
layer = cybptt.torch.RNN(8, 64, nonlinearity="gelu", batch_first=True)
print(layer)
gelu = train(layer)

# [weights]
rnn = cybptt.RNN(8, 64, 10, activation="gelu", outputs="last")
weights = gelu.state_dict()
params = cybptt.io.from_torch(rnn, weights, prefix="layer.", output="head")
ours = rnn.predict(params, test_x.numpy().transpose(1, 0, 2))  # time first
with torch.no_grad():
    probabilities = gelu(test_x).softmax(dim=1).numpy()
print(f"largest difference of a probability: {np.abs(ours - probabilities).max():.0e}")
# [checks]
assert difference < 1e-4
assert np.abs(ours - probabilities).max() < 1e-5
