"""A classifier of PyTorch's, by its ONNX file in cybptt, where its training goes on."""

import numpy as np
import onnx
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import cybptt
import cybptt.onnx
from cybptt.optim import Adam
from cybptt.train import fit

digits = load_digits()
rows = (digits.images / 16).astype(np.float32)
train_x, test_x, train_y, test_y = train_test_split(rows, digits.target, random_state=0)
train_x, test_x = train_x.transpose(1, 0, 2), test_x.transpose(1, 0, 2)  # time first


# [torch]
class Classifier(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.RNN(8, 64, nonlinearity="relu")
        self.head = torch.nn.Linear(64, 10)

    def forward(self, x):
        _, h_last = self.layer(x)
        return self.head(h_last[0])


torch.manual_seed(0)
model = Classifier()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for _ in range(60):
    optimizer.zero_grad()
    o = model(torch.from_numpy(train_x))
    torch.nn.functional.cross_entropy(o, torch.from_numpy(train_y)).backward()
    optimizer.step()

axes = {"x": {0: "T", 1: "B"}}
example = torch.from_numpy(test_x)
torch.onnx.export(
    model,
    (example,),
    "torch.onnx",
    dynamo=False,  # the exporter that writes RNN nodes
    input_names=["x"],
    dynamic_axes=axes,
)

# [read]
(node,) = cybptt.onnx.rnn_nodes("torch.onnx")
print(node)
Y, Y_h = node.run(test_x)  # as the node gives them: (T, 1, B, H) and (1, B, H)

# [model]
file = onnx.load("torch.onnx")
head = {each.name: onnx.numpy_helper.to_array(each) for each in file.graph.initializer}
f = node.rnns[0].activation
rnn = cybptt.RNN(8, 64, 10, activation=f, outputs="last")
params = rnn.parameters(**node.params[0], V=head["head.weight"], c=head["head.bias"])

with torch.no_grad():
    theirs = torch.softmax(model(example), dim=1).numpy()
ours = rnn.predict(params, test_x)
print(f"largest difference from PyTorch: {np.abs(ours - theirs).max():.1e}")

# [on]
steps = [(train_x, train_y)] * 60
fit(rnn, params, steps, optimizer=Adam(lr=3e-3), max_norm=1.0, carry=False)

before, after = (
    (y_hat.argmax(axis=1) == test_y).mean()
    for y_hat in (ours, rnn.predict(params, test_x))
)
print(f"right: {before:.0%}, and after 60 steps more in cybptt {after:.0%}")
# [checks]
assert np.abs(ours - theirs).max() < 1e-5
assert np.array_equal(Y[-1], Y_h)
assert after > before
