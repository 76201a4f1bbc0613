"""The module: layers and directions, batches and packed sequences, as `torch.nn.RNN` has them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

import cybptt
from cybptt import _validate as check
from cybptt.torch._function import Hidden
from cybptt.torch._rows import Packed, Whole


class RNN(nn.RNN):  # type: ignore[misc]  # mypy does not see PyTorch
    """A recurrent layer, or several, in the place of `torch.nn.RNN`: :eq:`10.8` and :eq:`10.9`.

    Its arguments, parameters, ``state_dict``, inputs and outputs are those of
    `torch.nn.RNN <https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html>`_, which it is
    a subclass of; so the output at each step is h(t), and an output layer is another module. The
    numbers are the same, but for rounding. It computes on the CPU, in float32 and float64, on as
    many threads as ``torch.get_num_threads()`` says.

    Parameters
    ----------
    input_size, hidden_size : int
        I and H, ≥ 1.
    num_layers : int
        Layers, one on top of the other: h of each is x of the next.
    nonlinearity : str or Activation
        f: a name that is registered, such as ``"tanh"`` or ``"relu"``, or an object.
    bias : bool
        Whether there is b, which is ``bias_ih_l0 + bias_hh_l0``.
    batch_first : bool
        Whether x and the output are (B, T, ·) instead of (T, B, ·).
    dropout : float
        The probability with which a value between two layers is dropped, in training.
    bidirectional : bool
        Whether there is a second network that reads each sequence from its end.
    device, dtype
        Of the parameters: the CPU; float32 or float64.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0 : torch.nn.Parameter, shapes (H, I) and (H, H)
        U and W; the next layers' end in ``_l1`` and so on, those of the other direction in
        ``_reverse``.
    bias_ih_l0, bias_hh_l0 : torch.nn.Parameter, shape (H,)
        Two parts of b.

    Raises
    ------
    ValueError, TypeError, RuntimeError
        As `torch.nn.RNN` does; and ValueError for an activation that is not registered, and for
        tensors that are not on the CPU or neither float32 nor float64.
    NotImplementedError
        Where a gradient of its gradient is asked for (double backward), and where it is traced, by
        ``torch.jit.trace``, ``torch.export`` or the exporter to ONNX.

    Examples
    --------
    >>> import cybptt.torch, torch
    >>> layer = cybptt.torch.RNN(3, 4, num_layers=2, nonlinearity="softsign")
    >>> output, h_n = layer(torch.ones(5, 2, 3))                # T, B, I
    >>> output.shape, h_n.shape
    (torch.Size([5, 2, 4]), torch.Size([2, 2, 4]))
    >>> output.sum().backward()
    >>> layer.weight_hh_l0.grad.shape
    torch.Size([4, 4])
    """

    nonlinearity: Any  # a name, or an Activation

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str | cybptt.Activation = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, "tanh", bias, batch_first, dropout, bidirectional,
            device=device, dtype=dtype,
        )  # fmt: skip
        self.nonlinearity = nonlinearity
        widths = [input_size] + [hidden_size * (1 + bidirectional)] * (num_layers - 1)
        self._models = [
            cybptt.RNN(width, hidden_size, None, activation=nonlinearity) for width in widths
        ]
        # By which others know the layer: what they do with PyTorch's own is for its activation.
        self.mode = f"RNN_{self._models[0].activation.name.upper()}"

    def extra_repr(self) -> str:
        """What stands between the brackets of its repr: no equation.

        Returns
        -------
        str

        Examples
        --------
        >>> import cybptt.torch
        >>> cybptt.torch.RNN(3, 4, nonlinearity="relu")
        RNN(3, 4, nonlinearity='relu')
        """
        name = getattr(self.nonlinearity, "name", self.nonlinearity)
        return str(super().extra_repr()) + ("" if name == "tanh" else f", nonlinearity={name!r}")

    def forward(
        self, input: Tensor | PackedSequence, hx: Tensor | None = None
    ) -> tuple[Tensor | PackedSequence, Tensor]:
        """Compute h(t) of the last layer, and h of every layer's end: :eq:`10.8` and :eq:`10.9`.

        Parameters
        ----------
        input : Tensor or PackedSequence
            x, (T, B, I), or (B, T, I) with ``batch_first``, or (T, I) for one sequence.
        hx : Tensor, optional, shape (layers × directions, B, H), or without B
            h(0); zeros when not given.

        Returns
        -------
        output : Tensor or PackedSequence
            h(t) of the last layer; of both directions, one after the other along the last axis.
        h_n : Tensor, the shape of hx
            h where each sequence ends, of every layer and direction.

        Raises
        ------
        ValueError, TypeError, RuntimeError
            For tensors that are not as above.

        Examples
        --------
        >>> import cybptt.torch, torch
        >>> layer = cybptt.torch.RNN(3, 4, batch_first=True)
        >>> output, h_n = layer(torch.ones(2, 5, 3))
        >>> torch.equal(output[:, -1], h_n[0])
        True
        """
        if torch.jit.is_tracing() or _is_exporting():
            raise NotImplementedError(
                "cybptt.torch.RNN: got a call to trace, in which a tracer sees no operation; give"
                " it the torch.nn.RNN of the same state_dict"
            )
        if torch.compiler.is_compiling():
            return _not_compiled()(self, input, hx)  # type: ignore[no-any-return]
        return self._call(input, hx)

    def _call(
        self, input: Tensor | PackedSequence, hx: Tensor | None
    ) -> tuple[Tensor | PackedSequence, Tensor]:
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        _check_tensor("input", input)
        if input.dim() not in (2, 3):
            raise check.wrong_value("input", f"{input.dim()} axes", "2 or 3: (T, I) or (T, B, I)")
        single = input.dim() == 2
        if single and hx is not None and hx.dim() != 2:
            raise check.wrong_value("hx", f"{hx.dim()} axes", "2, as x has: (layers, H)")
        batch_axis = 0 if self.batch_first else 1
        x = input.unsqueeze(batch_axis) if single else input
        hx = hx.unsqueeze(1) if single and hx is not None else hx
        hx = self._start(x, hx, None)
        x = x.transpose(0, 1) if self.batch_first else x
        if len(x) == 0:
            raise check.wrong_value("input", "no steps", "T ≥ 1")
        output, h_n = self._layers(x, hx, Whole())
        output = output.transpose(0, 1) if self.batch_first else output
        return (output.squeeze(batch_axis), h_n.squeeze(1)) if single else (output, h_n)

    def _packed(self, packed: PackedSequence, hx: Tensor | None) -> tuple[PackedSequence, Tensor]:
        _check_tensor("input.data", packed.data)
        hx = self._start(packed.data, hx, packed.batch_sizes)
        hx = self.permute_hidden(hx, packed.sorted_indices)
        output, h_n = self._layers(packed.data, hx, Packed(packed.batch_sizes))
        output = PackedSequence(
            output, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices
        )
        return output, self.permute_hidden(h_n, packed.unsorted_indices)

    def _start(self, x: Tensor, hx: Tensor | None, batch_sizes: Tensor | None) -> Tensor:
        """h(0) of all layers, checked together with x as `torch.nn.RNN` does."""
        if hx is None:
            self.check_input(x, batch_sizes)
            shape = self.get_expected_hidden_size(x, batch_sizes)
            return torch.zeros(shape, dtype=x.dtype)
        _check_tensor("hx", hx)
        self.check_forward_args(x, hx, batch_sizes)
        if hx.dtype != x.dtype:
            raise check.wrong_value("hx", str(hx.dtype), f"{x.dtype}, as x is")
        return hx

    def _layers(self, x: Tensor, hx: Tensor, rows: Whole | Packed) -> tuple[Tensor, Tensor]:
        """All of them: the output, as x (T, B, ·) or (N, ·), and h where sequences end."""
        ends = []
        directions = 2 if self.bidirectional else 1
        for layer, rnn in enumerate(self._models):
            if layer and self.dropout:
                x = nn.functional.dropout(x, self.dropout, self.training)
            outputs = []
            for direction in range(directions):
                read = x if direction == 0 else rows.reverse(x)
                h = Hidden.apply(
                    rnn, rows.counts, read.contiguous(), hx[layer * directions + direction],
                    *self._weights(layer, direction, x.dtype),
                )  # fmt: skip
                ends.append(rows.ends(h))
                outputs.append(h if direction == 0 else rows.reverse(h))
            x = outputs[0] if directions == 1 else torch.cat(outputs, dim=-1)
        return x, torch.stack(ends)

    def _weights(self, layer: int, direction: int, dtype: torch.dtype) -> list[Tensor | None]:
        """U, W and the two parts of b, or None, as they are now: they may be computed each time."""
        suffix = f"_l{layer}" + ("_reverse" if direction else "")
        found: list[Tensor | None] = [None] * 4
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[: 4 if self.bias else 2]
        for i, name in enumerate(names):
            weight = getattr(self, name + suffix)
            _check_tensor(name + suffix, weight)
            if weight.dtype != dtype:
                raise check.wrong_value(name + suffix, str(weight.dtype), f"{dtype}, as x is")
            found[i] = weight
        return found


def _check_tensor(name: str, tensor: Any) -> None:
    """On the CPU, of a dtype that cybptt has, and dense."""
    if not isinstance(tensor, Tensor):
        raise check.wrong_type(name, check.describe(tensor), "a tensor")
    if tensor.device.type != "cpu":
        need = "a tensor on the CPU, which is all that cybptt computes on"
        raise check.wrong_value(name, f"a tensor on {tensor.device}", need)
    if tensor.layout != torch.strided:
        raise check.wrong_value(name, f"layout {tensor.layout}", "a dense tensor")
    if tensor.dtype not in (torch.float32, torch.float64):
        raise check.wrong_value(name, str(tensor.dtype), "torch.float32 or torch.float64")


_is_exporting = getattr(torch.compiler, "is_exporting", bool)  # before PyTorch 2.6: never


def _not_compiled() -> Any:
    # Made where it is wanted: PyTorch's compiler takes a second to import.
    return torch.compiler.disable(RNN._call)
