"""`cybptt.torch.RNN` beside `torch.nn.RNN`: the same numbers, and the same gradients.

The cases are those of PyTorch's own tests of the module: layers, directions, bias, order of axes,
sequences alone and in batches, packed ones, with and without h(0).
"""

from __future__ import annotations

import copy
import io
import itertools
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence

import cybptt
import cybptt.torch
from cybptt import activations

T, B, I, H = 7, 4, 3, 5
TOLERANCES = {
    torch.float32: {"rtol": 2e-4, "atol": 1e-5},
    torch.float64: {"rtol": 1e-10, "atol": 1e-12},
}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def both(*arguments: Any, **options: Any) -> tuple[torch.nn.RNN, cybptt.torch.RNN]:
    """PyTorch's module and ours, with the same parameters."""
    theirs = torch.nn.RNN(*arguments, **options)
    ours = cybptt.torch.RNN(*arguments, **options)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def nodes(module: Any, x: torch.Tensor, h0: Any = None, pack: Any = None) -> dict[str, Any]:
    """Output, h_n, and the gradients of some function of both."""
    x = x.detach().clone().requires_grad_()
    h0 = None if h0 is None else h0.detach().clone().requires_grad_()
    module.zero_grad()
    output, h_n = module(x if pack is None else pack(x), h0)
    data = output.data if pack else output
    waves = torch.cos(torch.arange(data.numel(), dtype=data.dtype)).reshape(data.shape)
    ((data * waves).sum() + (h_n**2).sum()).backward()
    found = {"output": data, "h_n": h_n, "x": x.grad}
    if h0 is not None:
        found["h0"] = h0.grad
    if pack:
        assert isinstance(output, PackedSequence)
        found |= {"sizes": output.batch_sizes, "order": output.unsorted_indices}
    return found | {name: p.grad for name, p in module.named_parameters()}


def assert_equal(found: dict[str, Any], wanted: dict[str, Any], dtype: Any) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        if value is None:
            assert found[name] is None
        else:
            assert found[name].dtype == value.dtype
            torch.testing.assert_close(
                found[name], value, **TOLERANCES[dtype], msg=lambda m, n=name: f"{n}: {m}"
            )


MODULES = [
    {"nonlinearity": f, "num_layers": n, "bidirectional": two, "bias": bias, "batch_first": first}
    for f, n, two, bias, first in itertools.product(
        ["tanh", "relu"], [1, 2], [False, True], [True, False], [True, False]
    )
]


@pytest.mark.parametrize("start", [False, True], ids=["", "h0"])
@pytest.mark.parametrize("form", ["batch", "one sequence", "packed", "packed in any order"])
@pytest.mark.parametrize("dtype", list(TOLERANCES), ids=str)
@pytest.mark.parametrize(
    "options", MODULES, ids=lambda options: "-".join(map(str, options.values()))
)
def test_the_numbers_are_those_of_pytorch(
    options: dict[str, Any], dtype: Any, form: str, start: bool
) -> None:
    theirs, ours = both(I, H, **options, dtype=dtype)
    first, D = options["batch_first"], options["num_layers"] * (1 + options["bidirectional"])
    x, h0 = torch.randn(*((B, T) if first else (T, B)), I, dtype=dtype), torch.randn(D, B, H)
    h0, pack = h0.to(dtype), None
    if form == "one sequence":
        x, h0 = torch.randn(T, I, dtype=dtype), h0[:, 0]
    if "packed" in form:
        ordered = form == "packed"
        lengths = [7, 5, 5, 2] if ordered else [2, 7, 5, 5]

        def pack(x: Any) -> PackedSequence:
            return pack_padded_sequence(x, lengths, first, enforce_sorted=ordered)

    given = (x, h0 if start else None, pack)
    assert_equal(nodes(ours, *given), nodes(theirs, *given), dtype)


def test_a_lists_sequences_packed() -> None:
    theirs, ours = both(I, H, 2, bidirectional=True)
    pack = pack_sequence([torch.randn(n, I) for n in (1, 6, 3)], enforce_sorted=False)
    for a, b in zip(ours(pack)[0], theirs(pack)[0], strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("sizes", [(300, 40, 40, 33), (1, 1, 1, 1), (3, 0, 2, 2)], ids=str)
def test_sizes(sizes: tuple[int, int, int, int]) -> None:
    T, B, I, H = sizes
    theirs, ours = both(I, H)
    x, h0 = torch.randn(T, B, I), torch.randn(1, B, H)
    found, wanted = nodes(ours, x, h0), nodes(theirs, x, h0)
    # Sums of 12,000 terms, in another order.
    for name in wanted:
        torch.testing.assert_close(found[name], wanted[name], rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("options", [
    {},
    {"num_layers": 2, "bidirectional": True},
    {"bias": False, "batch_first": True},
    {"nonlinearity": "gelu", "num_layers": 2},
], ids=str)  # fmt: skip
def test_gradcheck(options: dict[str, Any]) -> None:
    layer = cybptt.torch.RNN(I, H, **options, dtype=torch.float64)
    layers = layer.num_layers * (1 + layer.bidirectional)
    x = torch.randn(4, 4, I, dtype=torch.float64, requires_grad=True)
    h0 = torch.randn(layers, 4, H, dtype=torch.float64, requires_grad=True)
    parameters = dict(layer.named_parameters())

    def function(x: Any, h0: Any, *values: Any) -> Any:
        given = dict(zip(parameters, values, strict=True))
        return torch.func.functional_call(layer, given, (x, h0))

    assert torch.autograd.gradcheck(function, (x, h0, *parameters.values()))

    def packed(x: Any, h0: Any) -> Any:
        pack = pack_padded_sequence(x, [1, 4, 2, 4], layer.batch_first, enforce_sorted=False)
        output, h_n = layer(pack, h0)
        return output.data, h_n

    assert torch.autograd.gradcheck(packed, (x, h0))


@pytest.mark.parametrize("name", activations.names())
def test_every_activation(name: str) -> None:
    """Against the same loop in PyTorch's operations; its numbers are cybptt's own test."""
    layer = cybptt.torch.RNN(I, H, nonlinearity=name, dtype=torch.float64)
    rnn = cybptt.RNN(I, H, None, activation=name)
    U, W, b_ih, b_hh = (p.detach().numpy() for p in layer.parameters())
    params = rnn.parameters(U=U, W=W, b=b_ih + b_hh)
    x = torch.randn(T, B, I, dtype=torch.float64, requires_grad=True)
    output, _ = layer(x)
    output.sum().backward()
    trace = rnn.forward(params, x.detach().numpy())
    gradients = rnn.vjp(trace, grad_h=np.ones(trace.h.shape))
    np.testing.assert_array_equal(output.detach(), trace.h)
    np.testing.assert_allclose(x.grad, gradients.x, rtol=1e-13, atol=1e-15)
    for p, name_here in zip(layer.parameters(), "UWbb", strict=True):
        np.testing.assert_allclose(p.grad, gradients.parameters[name_here], rtol=1e-12)


def test_an_activation_of_ones_own() -> None:
    swish = cybptt.Activation(
        "swish2", lambda a: a / (1 + np.exp(-2 * a)),
        lambda a: (1 + np.exp(-2 * a) * (1 + 2 * a)) / (1 + np.exp(-2 * a)) ** 2,
        derivative_of="input",
    )  # fmt: skip
    layer = cybptt.torch.RNN(I, H, 2, swish, dtype=torch.float64)
    assert repr(layer) == "RNN(3, 5, num_layers=2, nonlinearity='swish2')"
    assert layer.mode == "RNN_SWISH2"  # nobody's, so that nobody takes it for tanh
    x = torch.randn(T, B, I, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: layer(x)[0], (x,))


# ---------------------------------------------------------------------- as a module


def test_its_parameters_are_pytorchs() -> None:
    torch.manual_seed(1)
    theirs = torch.nn.RNN(I, H, 2, bidirectional=True)
    torch.manual_seed(1)
    ours = cybptt.torch.RNN(I, H, 2, bidirectional=True)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value)  # drawn alike, too
    theirs.load_state_dict(ours.state_dict())
    assert isinstance(ours, torch.nn.RNN)


def test_it_can_be_copied_and_pickled() -> None:
    layer = cybptt.torch.RNN(I, H, 2, "softsign", dropout=0.5).eval()
    x = torch.randn(T, B, I)
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    copies = (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)),
              torch.load(file, weights_only=False))  # fmt: skip
    for other in copies:
        assert torch.equal(other(x)[0], layer(x)[0])
        with torch.no_grad():
            other.weight_ih_l0.zero_()
        assert not torch.equal(other(x)[0], layer(x)[0])


def test_dropout_is_between_layers_and_in_training() -> None:
    """With p = 1 the second layer reads zeros; so it is PyTorch's by the same draws."""
    theirs, ours = both(I, H, 2, dropout=0.4)
    x = torch.randn(T, B, I)
    assert_equal(nodes(ours.eval(), x), nodes(theirs.eval(), x), torch.float32)
    torch.manual_seed(2)
    wanted = nodes(theirs.train(), x)
    torch.manual_seed(2)
    assert_equal(nodes(ours.train(), x), wanted, torch.float32)
    all_dropped = cybptt.torch.RNN(I, H, 2, dropout=1.0)
    assert torch.equal(all_dropped(x)[0], all_dropped(2 * x)[0])
    assert not torch.equal(all_dropped.eval()(x)[0], all_dropped(2 * x)[0])


def test_no_number_of_size_t_is_copied() -> None:
    seen = []
    layer = cybptt.torch.RNN(I, H)
    x = torch.randn(T, B, I)
    rnn = layer._models[0]

    class Spy:
        """The model, and what it was given and gave."""

        def hidden(self, params: Any, x: Any, **options: Any) -> Any:
            seen.extend([x, rnn.hidden(params, x, **options)])
            return seen[-1]

        def __getattr__(self, name: str) -> Any:
            return getattr(rnn, name)

    layer._models[0] = Spy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cybptt, "Parameters", lambda _, vector: rnn.parameters(vector))
        output, _ = layer(x)
    assert np.shares_memory(seen[0], x.numpy())
    assert np.shares_memory(seen[1], output.detach().numpy())


def test_only_the_gradients_that_are_wanted() -> None:
    layer = cybptt.torch.RNN(I, H)
    layer.weight_hh_l0.requires_grad_(False)
    layer.bias_hh_l0.requires_grad_(False)
    x = torch.randn(T, B, I)
    layer(x)[0].sum().backward()
    assert (layer.weight_hh_l0.grad, layer.bias_hh_l0.grad, x.grad) == (None, None, None)
    assert layer.weight_ih_l0.grad is not None
    frozen = cybptt.torch.RNN(I, H).requires_grad_(False)
    assert not frozen(x)[0].requires_grad
    with torch.no_grad():
        assert not layer(x)[0].requires_grad
    with torch.inference_mode():
        layer(x)


def test_the_biases_gradients_do_not_share_memory() -> None:
    layer = cybptt.torch.RNN(I, H)
    layer(torch.randn(T, B, I))[0].sum().backward()
    layer.bias_ih_l0.grad.zero_()
    assert layer.bias_hh_l0.grad.any()


def test_weights_that_change_between_the_passes() -> None:
    """The gradient is that of the pass; PyTorch refuses."""
    theirs, ours = both(I, H)
    x = torch.randn(T, B, I)
    wanted = nodes(theirs, x)["weight_hh_l0"]
    output, h_n = ours(x)
    with torch.no_grad():
        ours.weight_hh_l0.zero_()
    waves = torch.cos(torch.arange(output.numel())).reshape(output.shape)
    ((output * waves).sum() + (h_n**2).sum()).backward()
    torch.testing.assert_close(ours.weight_hh_l0.grad, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("which", ["x", "output"])
def test_what_is_overwritten_between_the_passes_is_noticed(which: str) -> None:
    layer = cybptt.torch.RNN(I, H)
    x = torch.randn(T, B, I)
    output, _ = layer(x)
    (x if which == "x" else output).mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.sum().backward()


def test_the_graph_can_be_kept() -> None:
    layer = cybptt.torch.RNN(I, H)
    output, _ = layer(torch.randn(T, B, I))
    output.sum().backward(retain_graph=True)
    once = layer.weight_hh_l0.grad.clone()
    output.sum().backward()
    torch.testing.assert_close(layer.weight_hh_l0.grad, 2 * once)


def test_arrays_of_any_layout() -> None:
    theirs, ours = both(I, H)
    x = torch.randn(I, B, T).permute(2, 1, 0)
    h0 = torch.randn(1, B, 2 * H)[..., ::2]
    assert_equal(nodes(ours, x, h0), nodes(theirs, x, h0), torch.float32)


def test_a_negative_bit() -> None:
    theirs, ours = both(I, H)
    x = torch.randn(T, B, I, dtype=torch.complex64).conj().imag
    assert x.is_neg()
    assert_equal(nodes(ours, x, None), nodes(theirs, x, None), torch.float32)


def test_pruned_and_replaced_weights() -> None:
    from torch.nn.utils import parametrizations, prune

    x = torch.randn(T, B, I)
    theirs, ours = both(I, H)
    for module in (theirs, ours):
        prune.l1_unstructured(module, "weight_hh_l0", amount=0.5)
    torch.testing.assert_close(ours(x)[0], theirs(x)[0])
    layer = cybptt.torch.RNN(I, H)
    parametrizations.orthogonal(layer, "weight_hh_l0")
    output, _ = layer(x)
    rnn = cybptt.RNN(I, H, None)
    params = rnn.parameters(
        U=layer.weight_ih_l0.detach(), W=layer.weight_hh_l0.detach(),
        b=(layer.bias_ih_l0 + layer.bias_hh_l0).detach(),
    )  # fmt: skip
    np.testing.assert_allclose(output.detach(), rnn.hidden(params, x), atol=1e-6)
    output.sum().backward()
    assert layer.parametrizations.weight_hh_l0.original.grad is not None


def test_under_compile() -> None:
    layer = cybptt.torch.RNN(I, H)
    x = torch.randn(T, B, I)
    compiled = torch.compile(layer, backend="eager")
    assert torch.equal(compiled(x)[0], layer(x)[0])


def test_it_learns() -> None:
    """A whole loop, beside PyTorch's: the same losses."""
    x, y = torch.randn(20, 16, I), torch.randn(20, 16, 2)
    losses = []
    for layer in both(I, 16):
        torch.manual_seed(3)
        head = torch.nn.Linear(16, 2)
        optimizer = torch.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.01)
        losses.append([])
        for _ in range(30):
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(head(layer(x)[0]), y)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
            optimizer.step()
            losses[-1].append(loss.item())
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert losses[1][-1] < 0.97 * losses[1][0]


# ---------------------------------------------------------------------- what it cannot do


@pytest.mark.parametrize("function", [
    lambda output, h_n: output.sum(),
    lambda output, h_n: (output**2).sum(),
    lambda output, h_n: h_n.sum(),
])  # fmt: skip
def test_double_backward_says_so(function: Any) -> None:
    layer = cybptt.torch.RNN(I, H, 2)
    x = torch.randn(T, B, I, requires_grad=True)
    (gradient,) = torch.autograd.grad(function(*layer(x)), x, create_graph=True)
    with pytest.raises(NotImplementedError, match=r"cybptt\.torch\.RNN: .*double backward"):
        (gradient**2).sum().backward()


@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated:DeprecationWarning")
def test_tracers_are_refused() -> None:
    """They would keep the numbers of the one call as constants."""
    layer = cybptt.torch.RNN(I, H)
    knows = hasattr(torch.compiler, "is_exporting")  # before, torch.export refuses by itself
    for trace in (torch.jit.trace, *[torch.export.export] * knows):
        with pytest.raises(NotImplementedError, match=r"cybptt\.torch\.RNN: got a call to trace"):
            trace(layer, (X,))
    assert layer(X)[0].shape == (T, B, H)


X = torch.ones(T, B, I)
REFUSED: list[tuple[Any, Any, Any, str]] = [
    (X.half(), None, ValueError, "input: got torch.float16, need torch.float32 or torch.float64"),
    (X.long(), None, ValueError, "input: got torch.int64"),
    (X.double(), None, ValueError, r"does not match weight dtype|must have the type"),
    (X.to("meta"), None, ValueError, "input: got a tensor on meta, need a tensor on the CPU"),
    (X.to_sparse(), None, ValueError, "input: got layout torch.sparse_coo"),
    (X.numpy(), None, TypeError, "input: got .*need a tensor"),
    (X[:0], None, ValueError, "input: got no steps"),
    (X[0, 0], None, ValueError, "input: got 1 axes"),
    (X[None], None, ValueError, "input: got 4 axes"),
    (X[..., :2], None, RuntimeError, "input_size"),
    (X, torch.ones(1, B, H + 1), RuntimeError, "hidden size"),
    (X, torch.ones(B, H), RuntimeError, "hidden size"),
    (X, torch.ones(1, B, H).double(), ValueError, "hx: got torch.float64, need torch.float32"),
    (X, np.ones((1, B, H)), TypeError, "hx: got"),
    (X[:, 0], torch.ones(1, 1, H), ValueError, "hx: got 3 axes"),
    (pack_sequence([X[:, 0].half()]), None, ValueError, r"input\.data: got torch.float16"),
]


@pytest.mark.parametrize(("x", "hx", "error", "message"), REFUSED)
def test_what_is_refused(x: Any, hx: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        cybptt.torch.RNN(I, H)(x, hx)


@pytest.mark.parametrize(("options", "message"), [
    ({"nonlinearity": "sine"}, "activation: got 'sine'"),
    ({"num_layers": 0}, "num_layers"),
    ({"hidden_size": 0}, "hidden_size"),
    ({"dropout": 2.0, "num_layers": 2}, "dropout"),
])  # fmt: skip
def test_arguments_that_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cybptt.torch.RNN(**{"input_size": I, "hidden_size": H} | options)


def test_weights_on_another_device_or_of_another_dtype() -> None:
    with pytest.raises(ValueError, match=r"dtype|must have the type"):
        cybptt.torch.RNN(I, H).bfloat16()(X)
    with pytest.raises(ValueError, match="need a tensor on the CPU"):
        cybptt.torch.RNN(I, H, device="meta")(X)
    layer = cybptt.torch.RNN(I, H)
    layer.weight_hh_l0 = torch.nn.Parameter(layer.weight_hh_l0.double())
    with pytest.raises(ValueError, match=r"weight_hh_l0: got torch\.float64, need torch\.float32"):
        layer(X)
