"""`Parameters`: one vector, and named views on it."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from helpers import PATTERNS, assert_same, make_rnn
from test_layouts import LAYOUTS, memory_mapped

import cybptt

RNN = cybptt.RNN(2, 3, 4)
DTYPES = ["float32", "float64"]


def numbered(rnn: Any, dtype: Any = np.float64) -> Any:
    """Parameters 0, 1, 2, …"""
    return rnn.parameters(np.arange(rnn.n_parameters, dtype=dtype))


# ---------------------------------------------------------------------- views


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_vectors_order_is_U_W_V_b_c_R(pattern: str, dtype: str) -> None:
    rnn = make_rnn(pattern, 2, 3, 4)
    params = numbered(rnn, dtype)
    names = [name for name in "UWVbcR" if name in rnn.shapes]
    assert list(params) == names
    joined = np.concatenate([params[name].ravel() for name in names])
    assert_same(joined, np.arange(rnn.n_parameters, dtype=dtype), "the views, one after another")
    for name in names:
        assert params[name].shape == rnn.shapes[name]
        assert getattr(params, name) is params[name]
        assert np.shares_memory(params[name], params.vector)
        assert params[name].flags.c_contiguous
        assert params[name].flags.writeable


def test_what_it_says_of_itself() -> None:
    params = RNN.init(dtype=np.float32)
    assert params.rnn is RNN
    assert params.dtype == np.float32
    assert params.vector.shape == (RNN.n_parameters,)
    assert params.vector.flags.c_contiguous
    assert repr(params).startswith("<Parameters, 37 of float32: U (3, 2), W (3, 3), ".replace(
        "37", str(RNN.n_parameters)))  # fmt: skip


def test_it_is_a_mapping() -> None:
    params = numbered(RNN)
    assert isinstance(params, Mapping)
    assert len(params) == 5
    assert list(params.keys()) == [*"UWVbc"] == list(params)
    assert [name for name, _ in params.items()] == list(params)
    for (_, item), value in zip(params.items(), params.values(), strict=True):
        assert item is value
    assert "U" in params
    assert "R" not in params
    assert "vector" not in params
    assert params.get("R") is None
    with pytest.raises(KeyError):
        params["R"]
    assert set(dict(**params)) == set("UWVbc")
    assert {"U", "W", "V", "b", "c", "vector", "copy", "dtype"} <= set(dir(params))


@pytest.mark.parametrize("name", ["R", "Q", "u", "views", "__array__"])
def test_a_name_that_it_lacks(name: str) -> None:
    params = RNN.init()
    with pytest.raises(AttributeError, match=name):
        getattr(params, name)
    with pytest.raises(AttributeError, match=name):
        setattr(params, name, 1.0)
    assert not hasattr(params, "__dict__")


@pytest.mark.parametrize("name", ["U", "vector", "rnn", "dtype", "R"])
def test_nothing_of_it_can_be_deleted(name: str) -> None:
    params = RNN.init()
    with pytest.raises(AttributeError, match=name):
        delattr(params, name)
    assert params.rnn is RNN
    assert params.U.shape == (3, 2)


@pytest.mark.parametrize("name", ["rnn", "dtype"])
def test_its_model_and_dtype_stay(name: str) -> None:
    params = RNN.init()
    with pytest.raises(AttributeError, match=name):
        setattr(params, name, getattr(params, name))


def test_each_is_equal_to_itself_alone() -> None:
    one, other = RNN.init(0), RNN.init(0)
    assert one == one
    assert one != other
    assert len({one, other}) == 2


# ---------------------------------------------------------------------- writing


def test_writing_through_a_view() -> None:
    params = numbered(RNN)
    params.W[...] = 0
    params["b"][1] = -1
    params.vector[0] = 7
    assert not params.vector[6:15].any()
    assert params.U[0, 0] == 7
    assert params.vector[6 + 9 + 12 + 1] == -1


def test_writing_by_assignment() -> None:
    params = numbered(RNN)
    vector, view = params.vector, params.W
    params.W = np.eye(3)
    params.b = [1, 2, 3]
    params.c = 5
    params.U = np.ones((3, 2), np.float32)
    assert params.vector is vector
    assert params.W is view
    assert_same(view, np.eye(3), "W")
    assert vector[-7:].tolist() == [1, 2, 3, 5, 5, 5, 5]
    params.vector = np.arange(RNN.n_parameters)
    assert params.W[0, 0] == 6
    assert params.vector is vector
    params.vector = 0
    assert not view.any()


@pytest.mark.parametrize("name", ["vector", "W", "b"])
@pytest.mark.parametrize("operator", ["-=", "+=", "*=", "/=", "**="])
def test_writing_in_place(name: str, operator: str) -> None:
    params = numbered(RNN)
    vector, view = params.vector, getattr(params, name)
    names = {"params": params}
    exec(f"params.{name} {operator} 3", names)
    assert params.vector is vector
    assert getattr(params, name) is view
    expected = getattr(numbered(RNN), name)
    exec(f"expected {operator} 3", names | {"expected": expected})
    assert_same(view, expected, f"{name} {operator} 3")


def test_a_step_of_gradient_descent() -> None:
    params = RNN.init(0)
    before = params.vector.copy()
    _, grad = RNN.value_and_grad(params, np.ones((4, 2)), [0, 1, 2, 3])
    params.vector -= 0.1 * grad.vector
    assert_same(params.vector, before - 0.1 * grad.vector, "the vector")
    assert_same(params.U, params.vector[:6].reshape(3, 2), "U")


def test_assigning_what_overlaps_with_itself() -> None:
    params = numbered(RNN)
    W, vector = params.W.copy(), params.vector.copy()
    params.W = params.W.T
    assert_same(params.W, W.T, "transposed")
    params.vector = vector[::-1]
    assert_same(params.vector, vector[::-1], "reversed")
    params.vector = params.vector[::-1]
    assert_same(params.vector, vector, "reversed again, in place")


@pytest.mark.parametrize("dtype", DTYPES)
def test_assignment_keeps_the_dtype(dtype: str) -> None:
    params = RNN.init(dtype=dtype)
    for value in (np.full((3, 3), 0.1, other) for other in ("f2", "f4", "f8", "longdouble")):
        params.W = value
        assert params.W.dtype == dtype
        assert_same(params.W, value.astype(dtype), "W")
    params.b = 1e300  # too large for float32: infinite, as NumPy has it, without a warning
    assert params.b[0] == np.array(1e300).astype(dtype) if dtype == "float64" else np.inf


# ---------------------------------------------------------------------- making


def test_they_are_copies_of_what_was_given() -> None:
    arrays = {name: np.array(value) for name, value in numbered(RNN).items()}
    vector = np.arange(RNN.n_parameters, dtype=float)
    for params in (RNN.parameters(**arrays), RNN.parameters(vector)):
        before = params.vector.copy()
        assert not np.shares_memory(params.vector, vector)
        for array in (vector, *arrays.values()):
            array += 1
        assert_same(params.vector, before, "the vector")
        for array in (vector, *arrays.values()):
            array -= 1
    again = RNN.parameters(**numbered(RNN))  # a mapping of their names
    assert_same(again.vector, vector, "by name")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["f4"] * 5, "f4"),
        (["f2"] * 5, "f4"),
        (["f2", "f4", "f4", "f4", "f2"], "f4"),
        (["f4", "f4", "f8", "f4", "f4"], "f8"),
        (["f4", "f4", "f4", "f4", "i4"], "f8"),
        (["i1"] * 5, "f8"),
        (["u8"] * 5, "f8"),
        (["?"] * 5, "f8"),
        (["longdouble"] * 5, "f8"),
        ([">f4"] * 5, "f4"),
        ([">f8"] * 5, "f8"),
    ],
)
def test_the_dtype_is_the_widest_floating_one(given: list[str], expected: str) -> None:
    shapes = RNN.shapes.items()
    arrays = {name: np.ones(s, kind) for (name, s), kind in zip(shapes, given, strict=True)}
    params = RNN.parameters(**arrays)
    assert params.dtype == expected
    assert params.dtype.isnative
    if len(set(given)) == 1:
        assert RNN.parameters(np.ones(RNN.n_parameters, given[0])).dtype == expected
    assert (params.vector == 1).all()


def test_lists_will_do() -> None:
    rnn = cybptt.RNN(1, 2, 1)
    params = rnn.parameters(U=[[1], [2]], W=[[3, 4], [5, 6]], V=((7, 8),), b=[9, 10], c=[11.0])
    assert params.vector.tolist() == list(range(1, 12))
    assert params.dtype == np.float64
    assert_same(rnn.parameters(list(range(1, 12))).vector, params.vector, "from a list")


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int16"])
@pytest.mark.parametrize("layout", [*LAYOUTS, "memory-mapped"])
def test_arrays_in_any_layout(layout: str, dtype: str, tmp_path: Any) -> None:
    def change(array: Any) -> Any:
        if layout == "memory-mapped":
            return memory_mapped(array, tmp_path)
        return LAYOUTS[layout](array)

    plain = {name: np.array(value).astype(dtype) for name, value in numbered(RNN).items()}
    given = {name: change(array) for name, array in plain.items()}
    before = [np.array(array).tobytes() for array in given.values()]
    params = RNN.parameters(**given)
    assert [np.array(array).tobytes() for array in given.values()] == before
    wide = np.arange(RNN.n_parameters, dtype=params.dtype)
    assert_same(params.vector, wide, "by name")
    vector = change(np.arange(RNN.n_parameters).astype(dtype))
    assert_same(RNN.parameters(vector).vector, wide, "by the vector")
    target = RNN.init(dtype=params.dtype)
    target.vector = vector
    assert_same(target.vector, wide, "assigned")
    for name, array in given.items():
        target.vector = 0
        setattr(target, name, array)
        assert_same(target[name], params[name], f"{name} assigned")


# ---------------------------------------------------------------------- copies, pickles


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "again",
    [
        lambda params: params.copy(),
        copy.deepcopy,
        lambda params: pickle.loads(pickle.dumps(params)),
        lambda params: params.rnn.parameters(params.vector),
        lambda params: params.rnn.parameters(**params),
        lambda params: params.astype(params.dtype),
    ],
    ids=["copy", "deepcopy", "pickle", "vector", "mapping", "astype"],
)
def test_copies_have_memory_of_their_own(again: Any, dtype: str) -> None:
    params = RNN.init(3, dtype)
    other = again(params)
    assert type(other) is cybptt.Parameters
    assert_same(other.vector, params.vector, "the vector")
    assert other.rnn == RNN
    other.vector += 1
    assert not np.shares_memory(other.vector, params.vector)
    assert_same(params.vector, RNN.init(3, dtype).vector, "what was copied")
    assert_same(other.W, params.W + 1, "the copy's view")
    other.W = 0
    assert not other.vector[6:15].any()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_keeps_every_bit(protocol: int) -> None:
    params = RNN.init(0)
    params.vector[:4] = np.nan, -0.0, np.inf, 5e-324
    again = pickle.loads(pickle.dumps(params, protocol))
    assert again.vector.tobytes() == params.vector.tobytes()
    RNN.value_and_grad(again, np.ones((4, 2)), [0, 1, 2, 3])


def test_a_pickle_over_read_only_memory_can_be_read_and_copied() -> None:
    # As joblib and multiprocessing hand them to workers.
    buffers: list[Any] = []
    data = pickle.dumps(RNN.init(0), protocol=5, buffer_callback=buffers.append)
    again = pickle.loads(data, buffers=[memoryview(bytes(b.raw())) for b in buffers])
    assert_same(again.vector, RNN.init(0).vector, "the vector")
    loss, _ = RNN.value_and_grad(again, np.ones((4, 2)), [0, 1, 2, 3])
    assert loss == RNN.value_and_grad(RNN.init(0), np.ones((4, 2)), [0, 1, 2, 3])[0]
    mine = again.copy()
    mine.vector += 1


def test_astype() -> None:
    params = RNN.init(0)
    narrow = params.astype("float32")
    assert narrow.dtype == np.float32
    assert_same(narrow.vector, params.vector.astype(np.float32), "float32")
    assert_same(narrow.astype(">f8").vector, narrow.vector.astype(np.float64), "float64")


def test_made_around_a_vector_they_share_it() -> None:
    vector = np.arange(RNN.n_parameters, dtype=np.float32)
    params = cybptt.Parameters(RNN, vector)
    assert params.vector is vector
    vector[0] = 5
    assert params.U[0, 0] == 5
