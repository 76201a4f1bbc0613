"""Fitting RNNClassifier, against the same network in PyTorch: time, and accuracy over seeds.

Three data sets: scikit-learn's digits, read row by row; and two of the archive of time series that
the field compares on, which the package aeon carries (``pip install aeon``): JapaneseVowels, of
sequences of 7 to 29 steps of 12 values, and ItalyPowerDemand, of 24 steps of one.

Both have H = 64, start from the same numbers, see the same batches of 32 in the same order, clip
by the same norm, and take the same number of Adam's steps; no penalty. What is timed is a whole
fit of 20 epochs, from arrays to a model; accuracies are those after 60. For sequences of different
lengths PyTorch may pack a batch, or read what is padded and pick out the last state of each: both
are raced.
"""

from __future__ import annotations

import os
import statistics
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from common import Options, head, plain, race_all, times
from numpy.typing import NDArray

from cybptt._bench.libraries import Call

Array = NDArray[Any]

H, BATCH, LR, MAX_NORM, SCHEME = 64, 32, 1e-3, 1.0, "orthogonal"
TIMED, EPOCHS, SEEDS = 20, 60, 5
DATA = ("digits", "JapaneseVowels", "ItalyPowerDemand")


@cache
def data(name: str, dtype: str) -> tuple[list[Array], Array, list[Array], Array]:
    """Sequences (T_i, d) and labels 0 … K − 1, to train on and to test on."""
    if name == "digits":
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        digits = load_digits()
        train, test, train_y, test_y = train_test_split(
            digits.images / 16, digits.target, stratify=digits.target, random_state=0
        )
    else:
        import aeon.datasets

        load = {
            "JapaneseVowels": aeon.datasets.load_japanese_vowels,
            "ItalyPowerDemand": aeon.datasets.load_italy_power_demand,
        }[name]
        (train, train_y), (test, test_y) = load(split="train"), load(split="test")
        # There the axes of a sequence are (d, T).
        train, test = ([np.transpose(x) for x in part] for part in (train, test))
        steps = np.concatenate(train)
        mean, scale = steps.mean(axis=0), steps.std(axis=0)
        train, test = ([(x - mean) / scale for x in part] for part in (train, test))
    train_y, test_y = (np.unique(y, return_inverse=True)[1] for y in (train_y, test_y))
    train, test = ([np.array(x, dtype) for x in part] for part in (train, test))
    return train, train_y, test, test_y


# Each trains, and returns the first epoch's loss and a function that predicts labels.
Trained = tuple[float, Callable[[list[Array]], Array]]


def with_cybptt(name: str, dtype: str, seed: int, epochs: int = EPOCHS) -> Trained:
    """RNNClassifier, which is to go on to the last epoch."""
    from sklearn.exceptions import ConvergenceWarning

    from cybptt.sklearn import RNNClassifier

    x, y, _, _ = data(name, dtype)
    model = RNNClassifier(
        H,
        scheme=SCHEME,
        alpha=0.0,
        batch_size=BATCH,
        learning_rate_init=LR,
        max_norm=MAX_NORM,
        max_iter=epochs,
        n_iter_no_change=np.inf,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, y)
    return model.loss_curve_[0], model.predict


def with_torch(
    name: str, dtype: str, seed: int, epochs: int = EPOCHS, packed: bool = True
) -> Trained:
    """nn.RNN, a Linear, cross_entropy, fused Adam."""
    import torch
    from torch.nn.functional import cross_entropy
    from torch.nn.utils import clip_grad_norm_
    from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

    import cybptt

    sequences, labels, _, _ = data(name, dtype)
    y = torch.from_numpy(labels)
    d, K = sequences[0].shape[1], int(labels.max()) + 1
    kind = getattr(torch, dtype)
    layer: Any = torch.nn.RNN(d, H, dtype=kind)
    readout: Any = torch.nn.Linear(H, K, dtype=kind)

    # As RNNClassifier draws them.
    random = np.random.RandomState(seed)
    first_values = cybptt.RNN(d, H, K, outputs="last").init(
        int(random.randint(2**31 - 1)), dtype, SCHEME
    )
    first = {p: torch.from_numpy(array) for p, array in first_values.items()}
    with torch.no_grad():
        layer.weight_ih_l0.copy_(first["U"])
        layer.weight_hh_l0.copy_(first["W"])
        layer.bias_ih_l0.copy_(first["b"])
        layer.bias_hh_l0.zero_().requires_grad_(False)  # a second bias would be learnt for nobody
        readout.weight.copy_(first["V"])
        readout.bias.copy_(first["c"])
    parameters = [p for p in (*layer.parameters(), *readout.parameters()) if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, LR, fused=True)

    def batches(x: list[Array]) -> Callable[[Any], tuple[Any, Any]]:
        """What makes a batch: time first, cut at the longest; and its lengths."""
        padded = pad_sequence([torch.from_numpy(sequence) for sequence in x])
        lengths = torch.tensor([len(sequence) for sequence in x])

        def batch(chosen: Any) -> tuple[Any, Any]:
            some = lengths[chosen]
            return padded[: int(some.max()), chosen], some

        return batch

    def output(x: Any, lengths: Any) -> Any:
        if bool((lengths == len(x)).all()):
            last = layer(x)[1][0]
        elif packed:
            last = layer(pack_padded_sequence(x, lengths, enforce_sorted=False))[1][0]
        else:
            last = layer(x)[0][lengths - 1, torch.arange(len(lengths))]
        return readout(last)

    batch, n = batches(sequences), len(sequences)
    losses = []
    for _ in range(epochs):
        total = 0.0
        for chosen in torch.from_numpy(random.permutation(n)).split(BATCH):
            optimizer.zero_grad()
            loss = cross_entropy(output(*batch(chosen)), y[chosen])
            loss.backward()
            clip_grad_norm_(parameters, MAX_NORM)
            optimizer.step()
            total += float(loss.detach()) * len(chosen) / n
        losses.append(total)

    def predict(x: list[Array]) -> Array:
        with torch.no_grad():
            answer: Array = output(*batches(x)(torch.arange(len(x)))).argmax(dim=1).numpy()
        return answer

    return losses[0], predict


def by_cybptt(name: str, dtype: str) -> Call:
    """A fit; the first epoch's loss is compared, to six decimals, for Adam lets rounding grow."""
    return lambda: (round(with_cybptt(name, dtype, 0, TIMED)[0], 6),)


def by_torch(name: str, dtype: str, packed: bool) -> Call:
    """The same."""
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    return lambda: (round(with_torch(name, dtype, 0, TIMED, packed)[0], 6),)


def accuracies(name: str, dtype: str) -> dict[str, list[float]]:
    """The part of the test sequences that is right, by seed."""
    _, _, x, y = data(name, dtype)
    found: dict[str, list[float]] = {"cybptt": [], "torch": []}
    for seed in range(SEEDS):
        for label, train in (("cybptt", with_cybptt), ("torch", with_torch)):
            predict = train(name, dtype, seed)[1]
            found[label].append(float((predict(x) == y).mean()))
    return found


def fit(options: Options) -> dict[str, Any]:
    """Seconds of a fit, and accuracies, in each dtype."""
    found: dict[str, Any] = {}
    for dtype in options.dtypes:
        rows = {
            name: {
                "cybptt": (by_cybptt, name, dtype),
                "torch packed": (by_torch, name, dtype, True),
                "torch padded": (by_torch, name, dtype, False),
            }
            for name in DATA
        }
        print(head(f"{TIMED} epochs, {dtype}", list(rows["digits"])))
        found[dtype] = plain(race_all(rows, dtype, options, times))
        for name in DATA:
            of_seeds = accuracies(name, dtype)
            found[dtype][name]["accuracies"] = of_seeds
            means = {label: statistics.mean(values) for label, values in of_seeds.items()}
            line = ", ".join(f"{label} {100 * mean:.1f} %" for label, mean in means.items())
            print(f"{name}: {line} right, in the mean of {SEEDS} seeds", flush=True)
    return found
