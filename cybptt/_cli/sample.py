"""``cybptt sample``: text from a model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np

from cybptt import _validate as check
from cybptt.text import Vocabulary

if TYPE_CHECKING:
    from cybptt.parameters import Parameters
    from cybptt.rnn import RNN

__all__ = ["run", "write_text"]


def run(options: argparse.Namespace) -> int:
    """Write the text to stdout."""
    from cybptt import io

    length = check.integer("--length", options.length, 0)
    temperature = check.positive_number("--temperature", options.temperature)
    if options.seed is not None:
        check.integer("--seed", options.seed, 0)
    rnn, params = io.load(options.model)
    vocabulary = vocabulary_of(options.model, io.read_metadata(options.model))
    if any(c not in vocabulary.characters for c in options.start):
        try:
            vocabulary.encode(options.start)
        except ValueError as error:
            raise ValueError(f"--start: {str(error).removeprefix('text: ')}") from None
    text = write_text(rnn, params, vocabulary, length, options.start, temperature, options.seed)
    print(options.start + text)
    return 0


def vocabulary_of(path: str, metadata: Any) -> Vocabulary:
    """The vocabulary that a file holds."""
    characters = metadata.get("vocabulary") if isinstance(metadata, dict) else None
    if not isinstance(characters, str):
        raise ValueError(f"{path}: got a model without a vocabulary, need one of `cybptt train`")
    return Vocabulary(characters)


def write_text(
    rnn: RNN,
    params: Parameters,
    vocabulary: Vocabulary,
    length: int,
    start: str = "",
    temperature: float = 1.0,
    seed: int | np.random.Generator | None = None,
) -> str:
    """Text that a character model goes on with, from a start that is not repeated."""
    if not length:
        return ""
    # Without a start it begins as after a line's end.
    first = "\n" if "\n" in vocabulary.characters else vocabulary.characters[0]
    tokens = vocabulary.encode(start or first)
    state = None
    if len(tokens) > 1:
        state = rnn.forward(params, tokens[:-1]).state
    written = rnn.generate(
        params, length, start=int(tokens[-1]), state=state, temperature=temperature, seed=seed
    )
    return vocabulary.decode(written)
