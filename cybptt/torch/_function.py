"""One layer in one direction, as a function that PyTorch's autograd knows the gradient of."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

import cybptt


class Hidden(torch.autograd.Function):  # type: ignore[misc]  # mypy does not see PyTorch
    """h, (T, B, H) or packed (N, H), of x, h(0) and PyTorch's parameters: 10.8 and 10.9.

    Tensors and arrays share their memory: nothing of size T is copied. b is PyTorch's two biases,
    added up; each of them has ∇b.
    """

    @staticmethod
    def forward(
        ctx: Any,
        rnn: cybptt.RNN,
        counts: Any,
        x: Tensor,
        h0: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor | None,
        bias_hh: Tensor | None,
    ) -> Tensor:
        params = _parameters(rnn, weight_ih, weight_hh, bias_ih, bias_hh)
        # autograd sees to it that these are as they were when they are needed; the parameters are
        # a copy, and may change meanwhile.
        h = torch.from_numpy(
            rnn.hidden(
                params, _array(x), h0=_array(h0), counts=counts, n_threads=torch.get_num_threads()
            )
        )
        ctx.save_for_backward(x, h0, h)
        ctx.params, ctx.counts = params, counts
        return h

    @staticmethod
    def backward(ctx: Any, grad_h: Tensor) -> Any:
        x, h0, h = ctx.saved_tensors
        needs = ctx.needs_input_grad
        grad, grad_x, grad_h0 = ctx.params.rnn.hidden_vjp(
            ctx.params,
            _array(x),
            _array(h),
            _array(grad_h),
            h0=_array(h0),
            counts=ctx.counts,
            grad_x=needs[2],
            n_threads=torch.get_num_threads(),
        )
        # Each tensor is the only owner of its numbers.
        arrays = (grad_x, grad_h0, grad.U, grad.W, grad.b, grad.b.copy())
        gradients = tuple(
            torch.from_numpy(array) if need else None
            for array, need in zip(arrays, needs[2:], strict=True)
        )
        if torch.is_grad_enabled():  # create_graph=True
            gradients = Once.apply(h, *gradients)
        return (None, None, *gradients)


class Once(torch.autograd.Function):  # type: ignore[misc]
    """The gradients as they are. None is known of them: h is what says that there would be one."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, *gradients: Tensor | None) -> Any:
        return gradients

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise NotImplementedError(
            "cybptt.torch.RNN: got a gradient of its gradient to compute (double backward), which"
            " it cannot; torch.nn.RNN can"
        )


def _parameters(
    rnn: cybptt.RNN, U: Tensor, W: Tensor, b_ih: Tensor | None, b_hh: Tensor | None
) -> cybptt.Parameters:
    H = rnn.n_hidden
    vector = np.empty(rnn.n_parameters, _array(U).dtype)
    vector[: U.numel()] = _array(U).reshape(-1)
    vector[U.numel() : -H] = _array(W).reshape(-1)
    if b_ih is None or b_hh is None:
        vector[-H:] = 0
    else:
        np.add(_array(b_ih), _array(b_hh), out=vector[-H:])
    return cybptt.Parameters(rnn, vector)


def _array(tensor: Tensor) -> Any:
    # (A view of a complex tensor may have signs that are still to be turned.)
    return tensor.detach().resolve_neg().numpy()
