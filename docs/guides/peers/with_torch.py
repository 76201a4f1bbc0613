"""The same network in PyTorch and in cybptt: the loss and every gradient agree."""

import numpy as np
import torch

import cybptt

T, B, I, H, O = 20, 8, 3, 16, 4
rng = np.random.default_rng(0)
x = rng.normal(size=(T, B, I)).astype(np.float32)
y = rng.integers(O, size=(T, B))

# [torch]
layer = torch.nn.RNN(I, H)  # tanh; time first
head = torch.nn.Linear(H, O)

h, _ = layer(torch.from_numpy(x))
o = head(h)
loss = torch.nn.functional.cross_entropy(
    o.reshape(-1, O), torch.from_numpy(y).reshape(-1), reduction="sum"
)
loss.backward()
# [weights]
rnn = cybptt.RNN(I, H, O)
params = rnn.parameters(
    U=layer.weight_ih_l0.detach(),
    W=layer.weight_hh_l0.detach(),
    b=(layer.bias_ih_l0 + layer.bias_hh_l0).detach(),  # two biases there, one here
    V=head.weight.detach(),
    c=head.bias.detach(),
)

our_loss, grad = rnn.value_and_grad(params, x, y)
# [checks]
close = {"rtol": 1e-4, "atol": 1e-4}
np.testing.assert_allclose(our_loss, loss.item(), rtol=1e-5)
np.testing.assert_allclose(grad.U, layer.weight_ih_l0.grad, **close)
np.testing.assert_allclose(grad.W, layer.weight_hh_l0.grad, **close)
np.testing.assert_allclose(grad.b, layer.bias_ih_l0.grad, **close)  # each has the whole of it
np.testing.assert_allclose(grad.b, layer.bias_hh_l0.grad, **close)
np.testing.assert_allclose(grad.V, head.weight.grad, **close)
np.testing.assert_allclose(grad.c, head.bias.grad, **close)

# [back]
with torch.no_grad():
    layer.weight_ih_l0.copy_(torch.from_numpy(params.U))
    layer.weight_hh_l0.copy_(torch.from_numpy(params.W))
    layer.bias_ih_l0.copy_(torch.from_numpy(params.b))
    layer.bias_hh_l0.zero_()
    head.weight.copy_(torch.from_numpy(params.V))
    head.bias.copy_(torch.from_numpy(params.c))
# [ragged]
lengths = np.array([20, 5, 12, 1, 20, 7, 3, 18])
packed = torch.nn.utils.rnn.pack_padded_sequence(
    torch.from_numpy(x), torch.from_numpy(lengths), enforce_sorted=False
)
h, _ = torch.nn.utils.rnn.pad_packed_sequence(layer(packed)[0])
o = head(h)
counts = torch.arange(T)[:, None] < torch.from_numpy(lengths)
loss = torch.nn.functional.cross_entropy(
    o[counts],
    torch.from_numpy(y)[counts],
    reduction="sum",
)

our_loss, grad = rnn.value_and_grad(params, x, y, lengths=lengths)
# [end]
np.testing.assert_allclose(our_loss, loss.item(), rtol=1e-5)
print(f"PyTorch {torch.__version__}: equal")
