"""Inputs in any layout give the same bits as a plain copy of them, and are never written to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from helpers import GRADIENT_NODES, NODES, Problem, assert_same, make_rnn, random_problem

import cybptt


def plain(array: Any) -> Any:
    return np.array(array, order="C")


def strided(array: Any) -> Any:
    """Every second element of every axis of something larger, the last axis backwards."""
    large = np.full([2 * n + 1 for n in array.shape], 77, array.dtype)
    view = large[tuple(slice(1, None, 2) for _ in array.shape)]
    view[...] = array[..., ::-1]
    return view[..., ::-1]


def fortran(array: Any) -> Any:
    return np.array(array, order="F")


def byte_swapped(array: Any) -> Any:
    return array.astype(array.dtype.newbyteorder())


def misaligned(array: Any) -> Any:
    buffer = np.zeros(array.nbytes + 1, np.uint8)
    view = buffer[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def read_only(array: Any) -> Any:
    copy = np.array(array)
    copy.flags.writeable = False
    return copy


def broadcast(array: Any) -> Any:
    """A view with an axis of stride 0 in front, of which the last is taken."""
    return np.broadcast_to(array, (3, *array.shape))[-1]


def memory_mapped(array: Any, tmp_path: Any) -> Any:
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.bin"
    array.tofile(path)
    return np.memmap(path, array.dtype, "r", shape=array.shape)


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "strided": strided,
    "Fortran": fortran,
    "byte-swapped": byte_swapped,
    "misaligned": misaligned,
    "read-only": read_only,
    "broadcast": broadcast,
    "list": lambda array: array.tolist(),
}


def in_layout(problem: Problem, layout: Callable[[Any], Any]) -> Problem:
    """The same numbers with every array in another layout."""

    def change(value: Any) -> Any:
        return layout(value) if isinstance(value, np.ndarray) else value

    return problem.but(
        x=change(problem.x),
        y=change(problem.y),
        forward={name: change(value) for name, value in problem.forward.items()},
        loss={name: change(value) for name, value in problem.loss.items()},
    )


def everything(problem: Problem, layout: Callable[[Any], Any]) -> dict[str, Any]:
    """What every method makes of the problem in a layout; checks that its arrays are left alone."""
    p, rnn = in_layout(problem, layout), problem.rnn
    given = [p.x, p.y, *p.forward.values(), *p.loss.values()]
    trace = rnn.forward(p.params, p.x, **p.forward)
    rng = np.random.default_rng(0)
    cotangents = {
        f"grad_{name}": layout(
            rng.standard_normal(getattr(trace, name).shape).astype(p.params.dtype)
        )
        for name in ("o", "h")
    }
    given += cotangents.values()
    state = cybptt.State(
        *(None if part is None else layout(part)
          for part in (trace.state.h, trace.state.fed, trace.state.y))
    )  # fmt: skip
    given += [part for part in (state.h, state.fed, state.y) if part is not None]
    before = [plain(value).tobytes() for value in given]

    results = {name: getattr(trace, name) for name in NODES}
    for method, g in (
        ("backward", rnn.backward(trace, p.y, **p.loss)),
        ("vjp", rnn.vjp(trace, **cotangents)),
    ):
        results |= {f"{method}: {name}": getattr(g, name) for name in GRADIENT_NODES}
        results[f"{method}: parameters"] = g.parameters.vector
    results["step_losses"] = rnn.step_losses(trace, p.y)
    results["total_loss"] = rnn.total_loss(trace, p.y, **p.loss)
    loss, grad = rnn.value_and_grad(p.params, p.x, p.y, **p.options)
    results |= {"loss": loss, "grad": grad.vector}
    on = {k: v for k, v in p.forward.items() if k not in ("h0", "y0")}
    results["from a state"] = rnn.forward(p.params, p.x, **on, state=state).h
    some = {k: v for k, v in p.forward.items() if k in ("h0", "y0", "lengths")}
    results["predict"] = rnn.predict(p.params, p.x, **some)
    results["step"] = rnn.step(p.params, p.x[0], state)[1]
    assert [plain(value).tobytes() for value in given] == before, "an argument was written to"
    return results


CASES = [
    ("hidden", "none", "values", "float64"),
    ("hidden", "none", "values", "float32"),
    ("hidden", "none", "tokens", "float64"),
    ("last", "none", "values", "float64"),
    ("no output layer", "none", "values", "float64"),
    ("output, o", "forced", "values", "float64"),
    ("output, y_hat", "free", "values", "float32"),
    ("both, y_hat", "mask", "values", "float64"),
]


def a_problem(
    pattern: str, feed: str, inputs: str, dtype: str, loss: str, lengths: Any = None
) -> Problem:
    rnn = make_rnn(pattern, 3, 5, 4, loss=loss, inputs=inputs)
    return random_problem(
        rnn, np.random.default_rng(0), 6, 4, dtype=dtype, feed=feed, lengths=lengths, weights=True
    )


@pytest.mark.parametrize("lengths", [None, np.array([3, 6, 0, 5])], ids=["full", "ragged"])
@pytest.mark.parametrize("loss", ["softmax_nll", "squared_error"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("pattern", "feed", "inputs", "dtype"), CASES)
def test_every_layout_gives_the_bits_of_a_plain_copy(
    pattern: str, feed: str, inputs: str, dtype: str, layout: str, loss: str, lengths: Any
) -> None:
    problem = a_problem(pattern, feed, inputs, dtype, loss, lengths)
    expected = everything(problem, plain)
    for name, value in everything(problem, LAYOUTS[layout]).items():
        assert_same(value, expected[name], f"{name}, {layout}")


@pytest.mark.parametrize(("pattern", "feed", "inputs", "dtype"), CASES)
def test_memory_mapped_files_give_the_bits_of_a_plain_copy(
    pattern: str, feed: str, inputs: str, dtype: str, tmp_path: Any
) -> None:
    problem = a_problem(pattern, feed, inputs, dtype, "softmax_nll")
    expected = everything(problem, plain)
    mapped = everything(problem, lambda array: memory_mapped(array, tmp_path))
    for name, value in mapped.items():
        assert_same(value, expected[name], name)


@pytest.mark.parametrize("kind", ["float16", "float32", "int8", "bool"])
def test_other_types_of_numbers_are_converted_exactly(kind: str) -> None:
    problem = a_problem("hidden", "none", "values", "float64", "squared_error")
    x = problem.x.astype(kind)
    expected = run_x(problem, x.astype(np.float64))
    assert_same(run_x(problem, x), expected, kind)


def run_x(problem: Problem, x: Any) -> Any:
    return problem.rnn.forward(problem.params, x).o


def test_a_trace_outlives_what_happens_to_its_inputs() -> None:
    # It holds x and the parameters as they were: a later update in place spoils nothing.
    p = a_problem("both, o", "mask", "values", "float64", "squared_error", np.array([3, 6, 0, 5]))
    trace = p.rnn.forward(p.params, p.x, **p.forward)
    expected = p.rnn.backward(trace, p.y)
    y = p.y.copy()
    p.params.vector[...] = np.nan
    for array in (p.x, *p.forward.values()):
        if array is not p.forward["lengths"]:
            array[...] = 0
    p.forward["lengths"][...] = 1
    again = p.rnn.backward(trace, y)
    assert_same(again.parameters.vector, expected.parameters.vector, "parameters")
    for name in GRADIENT_NODES:
        assert_same(getattr(again, name), getattr(expected, name), name)


@pytest.mark.parametrize("node", NODES)
def test_the_nodes_of_a_trace_cannot_be_written_to(node: str) -> None:
    p = a_problem("hidden", "none", "values", "float64", "squared_error")
    trace = p.rnn.forward(p.params, p.x)
    with pytest.raises(ValueError, match="read-only"):
        getattr(trace, node)[...] = 0


# ---------------------------------------------------------------------- what is no ndarray


class Wrapped:
    """What other libraries' arrays look like from outside."""

    def __init__(self, array: Any) -> None:
        self.array = array

    @property
    def __array_interface__(self) -> Any:
        return self.array.__array_interface__


class Converted:
    """The same, by the method of that name."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.array if dtype is None else self.array.astype(dtype)


class Matrix(np.ndarray):
    """A subclass that multiplies otherwise."""

    def __mul__(self, other: Any) -> Any:
        raise NotImplementedError


OTHERS: dict[str, Callable[[Any], Any]] = {
    "memoryview": memoryview,
    "array interface": Wrapped,
    "__array__": Converted,
    "subclass": lambda array: array.view(Matrix),
    "nested tuples": lambda array: tuple(map(tuple, array.tolist())) if array.ndim > 1 else array,
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize(("pattern", "feed", "inputs", "dtype"), CASES)
def test_what_is_like_an_array_gives_the_same_and_is_copied(
    pattern: str, feed: str, inputs: str, dtype: str, kind: str
) -> None:
    p = a_problem(pattern, feed, inputs, dtype, "squared_error")
    trace = p.rnn.forward(p.params, p.x, **p.forward)
    expected = p.rnn.backward(trace, p.y, **p.loss)
    like = in_layout(p, lambda array: OTHERS[kind](array) if array.ndim else array)
    again = p.rnn.forward(p.params, like.x, **like.forward)
    for name in NODES:
        assert_same(np.asarray(getattr(again, name)), getattr(trace, name), name)
    assert type(again.h) is np.ndarray
    y = p.y.copy()
    loss, grad = p.rnn.value_and_grad(p.params, like.x, like.y, **like.options)
    assert loss == p.rnn.value_and_grad(p.params, p.x, p.y, **p.options)[0]
    assert type(grad.vector) is np.ndarray
    state = [
        np.array(part)
        for part in (trace.state.h, trace.state.fed, trace.state.y)
        if part is not None
    ]
    for array in (p.x, p.y, *p.forward.values()):
        if isinstance(array, np.ndarray):
            array[...] = 0
    for run in (trace, again):  # neither has kept hold of what was given
        got = p.rnn.backward(run, y, **p.loss)
        for name in GRADIENT_NODES:
            assert_same(getattr(got, name), getattr(expected, name), name)
        parts = (part for part in (run.state.h, run.state.fed, run.state.y) if part is not None)
        for part, wanted in zip(parts, state, strict=True):
            assert_same(part, wanted, "state")


@pytest.mark.parametrize("T", [0, 3])
def test_a_state_outlives_what_it_was_made_of(T: int) -> None:
    rnn = cybptt.RNN(2, 3, 4, recurrence="both", loss="squared_error")
    params, lengths = rnn.init(0), np.array([T, 0])

    def states(spoil: bool) -> list[Any]:
        x, y = np.ones((T, 2, 2)), np.ones((T, 2, 4))
        h0, y0 = np.ones((2, 3)), np.ones((2, 4))
        options = {"h0": h0, "y0": y0, "lengths": lengths}
        trace = rnn.forward(params, x, y=y, **options)
        last = rnn.value_and_grad(params, x, y, **options, return_state=True)[2]
        on = cybptt.State(h0.copy(), y0.copy(), y0.copy())
        went_on = rnn.forward(params, x, y=y, state=on, lengths=lengths)
        if spoil:
            for array in (x, y, h0, y0, on.h, on.fed, on.y):
                array[...] = -7
            params.vector += 1
        found = [trace.state, last, went_on.state]
        parts = [part for state in found for part in (state.h, state.fed, state.y)]
        assert all(not part.flags.writeable for part in parts)
        return parts

    before = params.vector.copy()
    expected = [part.copy() for part in states(spoil=False)]
    for got, wanted in zip(states(spoil=True), expected, strict=True):
        assert_same(got, wanted, "a part of a state")
    params.vector = before


# ---------------------------------------------------------------------- the other methods


@pytest.mark.parametrize("layout", LAYOUTS)
def test_generating_from_every_layout(layout: str) -> None:
    change = LAYOUTS[layout]
    rng = np.random.default_rng(0)
    start, labels = rng.random((3, 4)), np.array([3, 0, 2])
    x = rng.standard_normal((5, 3, 2))
    for options, arrays in (
        ({}, {"start": start}),
        ({"inputs": "tokens"}, {"start": labels}),
        ({"recurrence": "output"}, {"start": start, "x": x}),
        ({"recurrence": "both"}, {"start": labels, "x": x}),
    ):
        rnn = cybptt.RNN(2 if "x" in arrays else 4, 6, 4, **options)
        params = rnn.init(0)
        expected = rnn.generate(params, 5, **arrays, seed=0)
        given = {name: change(array) for name, array in arrays.items()}
        before = [plain(array).tobytes() for array in given.values()]
        assert_same(rnn.generate(params, 5, **given, seed=0), expected, layout)
        assert [plain(array).tobytes() for array in given.values()] == before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_padding_and_the_objective_take_every_layout(layout: str) -> None:
    change = LAYOUTS[layout]
    items = [np.arange(6.0).reshape(3, 2), np.arange(2.0).reshape(1, 2)]
    x, lengths = cybptt.pad([change(item) for item in items])
    expected, _ = cybptt.pad(items)
    assert_same(x, expected, layout)
    rnn = cybptt.RNN(2, 3, 4)
    vector, y = rnn.init(0).vector, np.zeros((3, 2), int)
    loss, gradient = rnn.objective(x, y, lengths=lengths)(vector)
    changed = change(vector)
    again = rnn.objective(change(x), change(y), lengths=change(lengths))(changed)
    assert again[0] == loss
    assert_same(again[1], gradient, layout)
    np.testing.assert_array_equal(changed, vector, "the vector is left alone")
