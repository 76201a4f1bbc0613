"""The table of what makes models, parameters and batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import cybptt
from bad_input import kinds
from bad_input.kinds import Bad
from bad_input.models import H, I, O
from bad_input.rows import Row, Setup, rows


def table(folder: Path) -> Iterator[Row]:
    yield from descriptions()
    for options in ({}, {"n_outputs": None}, {"recurrence": "both"}, {"recurrence": "output"}):
        rnn = cybptt.RNN(I, H, options.pop("n_outputs", O), **options)
        yield from inits(rnn)
        yield from parameters(rnn)
        yield from assignments(rnn)
    yield from pads()


# ---------------------------------------------------------------------- RNN()


def descriptions() -> Iterator[Row]:
    for inputs in ("values", "tokens"):
        good: dict[str, Any] = {"n_inputs": I, "n_hidden": H, "n_outputs": O, "inputs": inputs}
        setup = Setup("RNN", f"inputs={inputs}", cybptt.RNN, good)
        lowest = 1 if inputs == "tokens" else 0
        yield from rows(setup, "n_inputs", [*kinds.none(), *kinds.not_an_integer(lowest)])
        yield from rows(setup, "n_hidden", [*kinds.none(), *kinds.not_an_integer(0)])
        yield from rows(setup, "n_outputs", kinds.not_an_integer(0))
        yield from words(setup)
        yield from plugins(setup)
        yield from sizes(setup)
    yield from patterns()


def words(setup: Setup) -> Iterator[Row]:
    for name in ("recurrence", "outputs", "feedback", "inputs"):
        yield from rows(setup, name, [*kinds.none(), *kinds.not_a_word()])


def plugins(setup: Setup) -> Iterator[Row]:
    loss, activation = cybptt.losses.get("squared_error"), cybptt.activations.get("tanh")
    for name, other, slip in (("activation", loss, "tahn"), ("loss", activation, "softmax")):
        values = (3, np.tanh, ("tanh",), b"tanh", object(), other, type(other))
        bads = [Bad(f"{value!r}"[:40], value, TypeError) for value in values]
        unknown = ("", slip, slip.upper(), "leaky_relu(", "leaky_relu(nan)", "huber(-1)", "huber()")
        bads += [Bad(f"{word!r}", word, ValueError) for word in unknown]
        yield from rows(setup, name, [*kinds.none(), *bads])


def sizes(setup: Setup) -> Iterator[Row]:
    # Each alone is a size that an array may have; their products are none.
    large = {"n_inputs": 2**40, "n_hidden": 2**40, "n_outputs": 2**40}
    for name in large:
        bads = [Bad("beyond any array", 2**70, ValueError, str(2**70))]
        yield from rows(setup, name, bads, "n_inputs, n_hidden, n_outputs|" + name)
        bads = [Bad("large as the others", 2**40, ValueError, str(2**40))]
        yield from rows(setup, name, bads, "n_inputs, n_hidden, n_outputs|" + name, **large)


def patterns() -> Iterator[Row]:
    """Each word is known, but they do not go together."""
    good: dict[str, Any] = {"n_inputs": I, "n_hidden": H, "n_outputs": O}
    setup = Setup("RNN", "patterns", cybptt.RNN, good)
    for recurrence in ("output", "both"):
        none = [Bad(f"None with {recurrence}", None, ValueError)]
        yield from rows(setup, "n_outputs", none, recurrence=recurrence)
        last = [Bad(f"last with {recurrence}", "last", ValueError)]
        yield from rows(setup, "outputs", last, recurrence=recurrence)
        unlinked = cybptt.Loss("no vjp", len, len, link=len)
        lacking = [Bad("a loss without link_vjp", unlinked, ValueError, "no vjp")]
        yield from rows(setup, "loss", lacking, recurrence=recurrence, feedback="y_hat")
    fed = [Bad("y_hat with hidden recurrence", "y_hat", ValueError)]
    yield from rows(setup, "feedback", fed)


# ---------------------------------------------------------------------- init, parameters


def inits(rnn: Any) -> Iterator[Row]:
    setup = Setup("RNN.init", repr(rnn), rnn.init, {"seed": 0, "dtype": "float32"})
    yield from rows(setup, "seed", kinds.not_a_seed())
    yield from rows(setup, "dtype", [*kinds.none(), *not_a_dtype()])
    yield from rows(setup, "scheme", [*kinds.none(), *kinds.not_a_word()])


def not_a_dtype() -> Iterator[Bad]:
    for value in ("float16", "int64", "complex128", "longdouble", "datetime64[s]", "U", "V", "O"):
        yield Bad(value, value, ValueError)
    for dtype in (int, bool, complex, str, object, np.float16, np.longdouble):
        yield Bad(dtype.__name__, dtype, ValueError)
    for bad in ("float65", "double precision", 3, len, np.zeros(2), [("a", 3)]):
        yield Bad(f"{bad!r}"[:40], bad, (TypeError, ValueError))
    yield Bad("a record", [("a", "f8")], ValueError)


def parameters(rnn: Any) -> Iterator[Row]:
    arrays = dict(rnn.init(seed=0))
    named = Setup("RNN.parameters", repr(rnn), rnn.parameters, arrays)

    def by_names(arrays: Any) -> Any:
        return rnn.parameters(**arrays)

    for name, array in arrays.items():
        yield from rows(named, name, kinds.none())
        yield from rows(named, name, kinds.not_numbers(array))
        yield from rows(named, name, kinds.wrong_shapes(array))
        rest = {other: value for other, value in arrays.items() if other != name}
        left_out = Setup("RNN.parameters", repr(rnn), by_names, {}, complete=False)
        yield Row(left_out, "arrays", Bad(f"{name} left out", rest, ValueError, "nothing"), name)
    for name in ("Q", "R2", "u", "w", "h0", "params"):
        bad = Bad(f"an array named {name}", arrays["W"], ValueError, "lacks")
        yield Row(named, name, bad)
    vector = np.zeros(rnn.n_parameters)

    def by_vector(vector: Any, **more: Any) -> Any:
        return rnn.parameters(vector, **more)

    flat = Setup("RNN.parameters", repr(rnn), by_vector, {"vector": vector})
    yield from rows(flat, "vector", kinds.not_numbers(vector))
    yield from rows(flat, "vector", kinds.wrong_shapes(vector))
    yield Row(flat, "vector", Bad("with an array", vector, ValueError, "arrays"), "", {"b": 0.0})

    made = Setup("Parameters", repr(rnn), cybptt.Parameters, {"rnn": rnn, "vector": vector})
    values: tuple[Any, ...] = ("rnn", 3, rnn.init(seed=0), cybptt.RNN, dict(rnn.shapes))
    models = [Bad(f"{value!r}"[:40], value, TypeError) for value in values]
    yield from rows(made, "rnn", [*kinds.none(), *models])
    yield from rows(made, "vector", [*kinds.none(), *not_a_flat_vector(vector)])
    params = rnn.init(seed=0)
    cast = Setup("Parameters.astype", repr(rnn), params.astype, {"dtype": "float32"})
    yield from rows(cast, "dtype", [*kinds.none(), *not_a_dtype()])


def not_a_flat_vector(good: Any) -> Iterator[Bad]:
    """For what is taken as it is, not copied."""
    yield Bad("a list", good.tolist(), TypeError, "list")
    for dtype in (int, bool, complex, object, np.float16, np.longdouble, ">f8", ">f4"):
        name = str(np.dtype(dtype))
        yield Bad(name, good.astype(dtype), (TypeError, ValueError), name)
    for bad in kinds.wrong_shapes(good):  # of no axes it is a number, and no array
        yield bad._replace(error=ValueError if np.ndim(bad.value) else TypeError)
    yield Bad("strided", np.zeros(2 * good.size)[::2], ValueError, "not contiguous")
    yield Bad("backwards", np.zeros(good.size)[::-1], ValueError, "not contiguous")
    fixed = good.copy()
    fixed.flags.writeable = False
    yield Bad("read-only", fixed, ValueError, "read-only")
    buffer = np.zeros(good.nbytes + 1, np.uint8)
    yield Bad("misaligned", buffer[1:].view(float), ValueError, "misaligned")


def assignments(rnn: Any) -> Iterator[Row]:
    params = rnn.init(seed=0)

    def assign(params: Any, name: str, value: Any) -> None:
        setattr(params, name, value)

    for name in ("vector", *params):
        array = getattr(params, name)
        good = {"params": params, "name": name, "value": np.zeros(array.shape)}
        setup = Setup("Parameters.__setattr__", f"{name} of {rnn!r}", assign, good)
        yield from rows(setup, "value", kinds.none(), name)
        yield from rows(setup, "value", kinds.not_numbers(array), name)
        one_number = [b for b in kinds.wrong_shapes(array) if b.kind != "no axes"]
        if array.ndim == 1:
            one_number = [b for b in one_number if b.kind != "one axis fewer"]
        yield from rows(setup, "value", one_number, name)


# ---------------------------------------------------------------------- pad


def pads() -> Iterator[Row]:
    good = {"sequences": [np.zeros((3, 2)), np.zeros((1, 2))]}
    setup = Setup("pad", "values", cybptt.pad, good)
    bads = [Bad(f"{value!r}", value, TypeError) for value in (3, 1.5, len)]
    bads += [Bad(f"{value!r}", value, (TypeError, ValueError)) for value in ("ab", b"ab", "", {})]
    bads += [Bad("no sequences", [], ValueError), Bad("nothing", (), ValueError)]
    yield from rows(setup, "sequences", [*kinds.none(), *bads])
    item = np.zeros((2, 2))
    for place in (0, 1):

        def with_one(value: Any, place: int = place) -> list[Any]:
            sequences: list[Any] = [np.zeros((3, 2)), np.zeros((1, 2))]
            sequences[place] = value
            return sequences

        begins = rf"sequences\[{place}\]"
        for bad in (*kinds.none(), *kinds.not_numbers(item)):
            shows = "None" if bad.value is None else bad.shows
            inside = Bad(f"{bad.kind} inside", with_one(bad.value), bad.error, shows, bad.value)
            yield Row(setup, "sequences", inside, begins)
        for shape in ((), (2, 2, 2), (0, 0, 0)):
            inside = Bad(f"{shape} inside", with_one(np.zeros(shape)), ValueError, str(shape))
            yield Row(setup, "sequences", inside, begins)
    for shape in ((2,), (2, 3), (2, 1), (0, 0), (0,)):
        differs = Bad(f"{shape} beside (3, 2)", with_one(np.zeros(shape)), ValueError, str(shape))
        yield Row(setup, "sequences", differs, r"sequences\[1\]")
