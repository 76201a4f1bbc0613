"""`cybptt.torch.RNN` against ``torch.nn.RNN``: a call and its gradients, and whole training loops.

    python benchmarks/torch_module.py [--seconds S] [--rounds N]

Both are given the same numbers and do the same, in float32: what they return is compared before
anything is timed. A call is forward and backward from a cotangent of every h, with the gradients
of x and of all parameters. A training loop is an epoch as a user writes it, with Adam, clipping,
an embedding or not, a Linear and cross_entropy, all of PyTorch: the layer alone is exchanged.
One and two threads are raced.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import plots
from common import Options, measured, race_all

from cybptt._bench.libraries import Call
from cybptt._bench.tables import duration

DTYPE = "float32"


@dataclass(frozen=True)
class Size:
    """What a layer is called with."""

    T: int
    B: int
    I: int
    H: int
    packed: bool = False
    bidirectional: bool = False
    num_layers: int = 1


CALLS = {
    "one sequence, T = 10, H = 4": Size(10, 1, 4, 4),
    "T = 50, B = 16, H = 64": Size(50, 16, 64, 64),
    "the same, both directions": Size(50, 16, 64, 64, bidirectional=True),
    "the same, two layers": Size(50, 16, 64, 64, num_layers=2),
    "T = 100, B = 32, H = 128, packed": Size(100, 32, 64, 128, packed=True),
    "T = 100, B = 32, H = 200": Size(100, 32, 64, 200),
    "T = 50, B = 32, H = 512": Size(50, 32, 512, 512),
}
LOOPS = {
    "an epoch of digits by rows, H = 64": ("digits", 64),
    "an epoch of paragraphs, packed, H = 128": ("paragraphs", 128),
    "an epoch of text, H = 256": ("text", 256),
}


def layer_of(library: str, *arguments: Any, **options: Any) -> Any:
    """Either's layer, on as many threads as the process may have."""
    import torch

    import cybptt.torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    torch.manual_seed(0)
    return {"cybptt": cybptt.torch.RNN, "torch": torch.nn.RNN}[library](*arguments, **options)


def call(library: str, size: Size) -> Call:
    """Forward and backward."""
    import torch
    from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

    layer = layer_of(library, size.I, size.H, size.num_layers, bidirectional=size.bidirectional)
    x = torch.randn(size.T, size.B, size.I, requires_grad=True)
    lengths = torch.linspace(size.T, size.T // 10, size.B).long()
    cotangent: Any = None

    def once() -> tuple[Any, ...]:
        nonlocal cotangent
        layer.zero_grad()
        x.grad = None
        output, _ = layer(pack_padded_sequence(x, lengths) if size.packed else x)
        h = output.data if isinstance(output, PackedSequence) else output
        if cotangent is None:
            cotangent = torch.randn(h.shape, generator=torch.Generator().manual_seed(1))
        h.backward(cotangent)
        return (h.detach(), x.grad, *(p.grad for p in layer.parameters()))

    return once


def batches_of(name: str) -> tuple[list[tuple[Any, Any]], int, int]:
    """Batches of x and y; I, or the number of tokens; and the number of classes."""
    import torch
    from torch.nn.utils.rnn import pack_sequence

    if name == "digits":
        from sklearn.datasets import load_digits

        digits = load_digits()
        rows = torch.from_numpy((digits.images / 16).astype(np.float32)).transpose(0, 1)
        labels = torch.from_numpy(digits.target)
        chosen = torch.arange(len(labels)).split(32)
        return [(rows[:, some].contiguous(), labels[some]) for some in chosen], 8, 10
    from cybptt.text import Vocabulary, standard_text

    text = standard_text()
    vocabulary = Vocabulary.of(text)
    if name == "text":
        T, B, steps = 64, 32, 40
        tokens = torch.from_numpy(vocabulary.encode(text)[: B * steps * T + B].astype(np.int64))
        streams = tokens.reshape(B, -1).T
        cut = [slice(k * T, k * T + T) for k in range(steps)]
        later = [slice(k.start + 1, k.stop + 1) for k in cut]
        made = [(streams[k], streams[l].flatten()) for k, l in zip(cut, later, strict=True)]
        return made, len(vocabulary), len(vocabulary)
    paragraphs = [p[:400] for p in text.split("\n\n") if len(p) > 1][:640]
    encoded = [torch.from_numpy(vocabulary.encode(p).astype(np.int64)) for p in paragraphs]
    packed = []
    for k in range(0, len(encoded), 32):
        some = encoded[k : k + 32]
        x = pack_sequence([each[:-1] for each in some], enforce_sorted=False)
        packed.append((x, pack_sequence([each[1:] for each in some], enforce_sorted=False).data))
    return packed, len(vocabulary), len(vocabulary)


def loop(library: str, name: str, H: int) -> Call:
    """An epoch; its first losses are compared, for Adam lets rounding grow."""
    import torch
    from torch.nn.utils.rnn import PackedSequence

    batches, n_inputs, n_classes = batches_of(name)
    digits = name == "digits"
    torch.manual_seed(0)
    embedding = torch.nn.Embedding(n_inputs, 32)
    readout = torch.nn.Linear(H, n_classes)
    layer = layer_of(library, n_inputs if digits else 32, H)
    parameters = [*layer.parameters(), *readout.parameters()]
    if not digits:
        parameters += embedding.parameters()

    def outputs(x: Any) -> Any:
        if digits:
            return readout(layer(x)[1][0])
        if isinstance(x, PackedSequence):
            return readout(layer(x._replace(data=embedding(x.data)))[0].data)
        return readout(layer(embedding(x))[0].flatten(0, 1))

    first = [parameter.detach().clone() for parameter in parameters]

    def epoch() -> tuple[Any, ...]:
        with torch.no_grad():
            for parameter, value in zip(parameters, first, strict=True):
                parameter.copy_(value)
        optimizer = torch.optim.Adam(parameters, 1e-3)
        losses = []
        for x, y in batches:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(outputs(x), y)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            losses.append(float(loss.detach()))
        return (losses[0], losses[1])

    return epoch


def race(threads: int, rounds: int, seconds: float) -> dict[str, Any]:
    """By row and library, the seconds of each round."""
    options = Options((DTYPE,), rounds, seconds, threads, False)
    rows: dict[str, dict[str, tuple[Any, ...]]] = {}
    makers: list[tuple[Callable[..., Call], dict[str, tuple[Any, ...]]]] = [
        (call, {name: (size,) for name, size in CALLS.items()}),
        (loop, dict(LOOPS)),
    ]
    for maker, some in makers:
        for name, arguments in some.items():
            rows[name] = {who: (maker, who, *arguments) for who in ("cybptt", "torch")}

    def line(name: str, result: Any) -> str:
        ratio = statistics.median(result.ratios(["torch"]))
        return f"{threads} threads, {name:45} {ratio:.2f}"

    found = race_all(rows, DTYPE, options, line)
    return {name: result.times for name, result in found.items()}


def row(times: dict[str, dict[str, list[float]]]) -> dict[str, str]:
    """A line of the table: seconds on one thread, and the ratios on one and on two."""
    one = times["1"]
    cells = {
        "cybptt": duration(statistics.median(one["cybptt"])).strip(),
        "PyTorch": duration(statistics.median(one["torch"])).strip(),
    }
    words = {"1": "PyTorch / cybptt", "2": "two threads"}
    for threads, each in times.items():
        pairs = zip(each["torch"], each["cybptt"], strict=True)
        cells[words[threads]] = f"{statistics.median(a / b for a, b in pairs):.2f}"
    return cells


def main() -> None:
    """Read the arguments, measure, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.4, help="of a turn")
    options = parser.parse_args()
    by_threads = {str(n): race(n, options.rounds, options.seconds) for n in (1, 2)}
    runs = {
        name: {threads: found[name] for threads, found in by_threads.items()}
        for name in (*CALLS, *LOOPS)
    }
    table = {name: row(times) for name, times in runs.items()}
    import torch

    plots.RESULTS.mkdir(parents=True, exist_ok=True)
    document = measured({"runs": runs, "table": table, "torch": torch.__version__}, options)
    (plots.RESULTS / "torch_module.json").write_text(document, encoding="utf-8")
    for name, cells in table.items():
        print(f"{name:45}", *(f"{head}: {cell};" for head, cell in cells.items()))


if __name__ == "__main__":
    main()
