"""`RNN`, the description: immutable, comparable, picklable, and its first numbers."""

from __future__ import annotations

import copy
import itertools
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from helpers import PATTERNS, make_rnn

import cybptt

SINE = cybptt.Activation("sine", np.sin, np.cos)
ARGUMENTS = {
    "n_inputs": 2,
    "n_hidden": 3,
    "n_outputs": 4,
    "activation": cybptt.activations.get("tanh"),
    "loss": cybptt.losses.get("softmax_nll"),
    "recurrence": "hidden",
    "outputs": "all",
    "feedback": "o",
    "inputs": "values",
}
# Every argument alone in another value.
CHANGES: dict[str, Any] = {
    "n_inputs": 5,
    "n_hidden": 5,
    "n_outputs": None,
    "activation": "relu",
    "loss": "squared_error",
    "recurrence": "both",
    "outputs": "last",
    "inputs": "tokens",
}


def every_pattern() -> list[Any]:
    rnns = [make_rnn(pattern, 2, 3, 4) for pattern in PATTERNS]
    rnns += [cybptt.RNN(2, 3, 4, **{n: v}) for n, v in CHANGES.items() if not n.startswith("n_")]
    rnns += [cybptt.RNN(0, 0, 0), cybptt.RNN(2, 3, 4, activation="leaky_relu(0.25)")]
    plugins = {"activation": cybptt.activations.elu(0.1), "loss": cybptt.losses.huber(2.5)}
    return [*rnns, cybptt.RNN(2, 3, 4, **plugins), cybptt.RNN(2, 3, None, inputs="tokens")]


# ---------------------------------------------------------------------- what it is


def test_its_arguments_are_its_attributes() -> None:
    rnn = cybptt.RNN(2, 3, 4)
    assert {name: getattr(rnn, name) for name in ARGUMENTS} == ARGUMENTS
    other = cybptt.RNN(
        2, 3, 4, activation=SINE, loss="poisson_nll", recurrence="both", feedback="y_hat",
        inputs="tokens",
    )  # fmt: skip
    assert other.activation is SINE
    assert other.loss is cybptt.losses.get("poisson_nll")
    assert (other.recurrence, other.outputs, other.feedback) == ("both", "all", "y_hat")
    assert other.inputs == "tokens"


def test_the_order_of_the_sizes() -> None:
    by_place, by_name = cybptt.RNN(2, 3, 4), cybptt.RNN(n_outputs=4, n_hidden=3, n_inputs=2)
    assert by_place == by_name
    with pytest.raises(TypeError):
        cybptt.RNN(2, 3, 4, "tanh")  # type: ignore[misc]


SHAPES: dict[str, dict[str, Any]] = {
    "hidden": {"U": (3, 2), "W": (3, 3), "V": (4, 3), "b": (3,), "c": (4,)},
    "last": {"U": (3, 2), "W": (3, 3), "V": (4, 3), "b": (3,), "c": (4,)},
    "no output layer": {"U": (3, 2), "W": (3, 3), "b": (3,)},
    "last, no output layer": {"U": (3, 2), "W": (3, 3), "b": (3,)},
    "output, o": {"U": (3, 2), "W": (3, 4), "V": (4, 3), "b": (3,), "c": (4,)},
    "output, y_hat": {"U": (3, 2), "W": (3, 4), "V": (4, 3), "b": (3,), "c": (4,)},
    "both, o": {"U": (3, 2), "W": (3, 3), "V": (4, 3), "b": (3,), "c": (4,), "R": (3, 4)},
    "both, y_hat": {"U": (3, 2), "W": (3, 3), "V": (4, 3), "b": (3,), "c": (4,), "R": (3, 4)},
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_shapes_of_the_parameters(pattern: str) -> None:
    rnn = make_rnn(pattern, 2, 3, 4)
    assert list(rnn.shapes.items()) == list(SHAPES[pattern].items())
    assert rnn.n_parameters == sum(int(np.prod(shape)) for shape in SHAPES[pattern].values())
    assert rnn.init().vector.size == rnn.n_parameters


@pytest.mark.parametrize("name", [*ARGUMENTS, "shapes", "n_parameters", "anything"])
def test_it_is_immutable(name: str) -> None:
    rnn = cybptt.RNN(2, 3, 4)
    before = repr(rnn), dict(rnn.shapes)
    with pytest.raises(AttributeError, match=name):
        setattr(rnn, name, 1)
    with pytest.raises(AttributeError, match=name):
        delattr(rnn, name)
    assert (repr(rnn), dict(rnn.shapes)) == before
    assert not hasattr(rnn, "__dict__")


def test_its_shapes_cannot_be_written_to() -> None:
    rnn = cybptt.RNN(2, 3, 4)
    with pytest.raises(TypeError):
        rnn.shapes["U"] = (1, 1)  # type: ignore[index]
    with pytest.raises((TypeError, AttributeError)):
        rnn.shapes.clear()  # type: ignore[attr-defined]
    assert rnn.shapes == SHAPES["hidden"]


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.int32, np.uint64, np.array])
def test_sizes_of_any_integer_type(kind: Any) -> None:
    rnn = cybptt.RNN(kind(100), kind(120), kind(90))
    assert rnn == cybptt.RNN(100, 120, 90)
    assert {type(size) for size in (rnn.n_inputs, rnn.n_hidden, rnn.n_outputs)} == {int}
    assert rnn.n_parameters == 120 * 100 + 120 * 120 + 90 * 120 + 120 + 90
    assert {type(n) for shape in rnn.shapes.values() for n in shape} == {int}
    assert repr(rnn) == "RNN(100, 120, 90)"


# ---------------------------------------------------------------------- comparing


def test_equality_and_hash_are_by_content() -> None:
    for one, other in itertools.product(every_pattern(), every_pattern()):
        same = repr(one) == repr(other)
        assert (one == other) == same
        assert (one != other) != same
        assert not same or hash(one) == hash(other)
    assert len(set(every_pattern()) | set(every_pattern())) == len({*map(repr, every_pattern())})


@pytest.mark.parametrize("name", CHANGES)
def test_every_argument_makes_a_difference(name: str) -> None:
    rnn = cybptt.RNN(2, 3, 4)
    other = cybptt.RNN(**({"n_inputs": 2, "n_hidden": 3, "n_outputs": 4} | {name: CHANGES[name]}))
    assert rnn != other
    assert repr(rnn) != repr(other)


def test_it_is_equal_to_no_other_thing() -> None:
    rnn = cybptt.RNN(2, 3, 4)
    assert rnn != "RNN(2, 3, 4)"
    assert rnn != (2, 3, 4)
    assert rnn.__eq__(3) is NotImplemented
    assert cybptt.RNN(2, 3, 4, activation=SINE) == cybptt.RNN(2, 3, 4, activation=SINE)
    assert cybptt.RNN(2, 3, 4, activation=SINE) != cybptt.RNN(2, 3, 4)


# ---------------------------------------------------------------------- pickle, copy, repr


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_there_and_back(protocol: int) -> None:
    for rnn in every_pattern():
        again = pickle.loads(pickle.dumps(rnn, protocol))
        assert again == rnn
        assert again.shapes == rnn.shapes
        assert hash(again) == hash(rnn)


@pytest.mark.parametrize("kind", ["activation", "loss"])
def test_a_plugin_that_cannot_be_pickled_is_named(kind: str) -> None:
    def local(*arguments: Any) -> Any:
        return arguments[0]

    for function in (local, lambda *a: a[0]):
        plugin: Any
        if kind == "activation":
            plugin = cybptt.Activation("my own", function, function)
        else:
            plugin = cybptt.Loss("my own", function, function)
        rnn = cybptt.RNN(2, 3, 4, **{kind: plugin})
        for what in (rnn, rnn.init()):
            with pytest.raises(pickle.PicklingError, match=rf"{kind}.*'my own'"):
                pickle.dumps(what)
        assert copy.copy(rnn) == rnn
        assert copy.deepcopy(rnn) == rnn
        params = copy.deepcopy(rnn.init())
        assert params.rnn == rnn


def test_a_plugin_that_can_be_imported_goes_by_its_parts() -> None:
    rnn = cybptt.RNN(2, 3, 4, activation=SINE)  # NumPy's functions
    assert pickle.loads(pickle.dumps(rnn)) == rnn


def test_a_pickle_goes_to_another_process() -> None:
    # Of plugins by name, so that it means what the names mean there.
    rnn = cybptt.RNN(2, 3, 4, activation="leaky_relu(0.25)", recurrence="both", loss="huber")
    code = "import pickle, sys; print(repr(pickle.loads(bytes.fromhex(sys.argv[1]))))"
    command = [sys.executable, "-c", code, pickle.dumps(rnn).hex()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == repr(rnn)


def test_its_repr_rebuilds_it() -> None:
    names = {"RNN": cybptt.RNN, "cybptt": cybptt}
    for rnn in every_pattern():
        assert eval(repr(rnn), names) == rnn


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("2, 3, 4", "RNN(2, 3, 4)"),
        ("2, 3, None", "RNN(2, 3, None)"),
        ("2, 3, 4, activation='tanh', loss='softmax_nll'", "RNN(2, 3, 4)"),
        ("2, 3, 4, recurrence='both'", "RNN(2, 3, 4, recurrence='both')"),
        ("2, 3, 4, inputs='tokens', activation='relu'",
         "RNN(2, 3, 4, activation='relu', inputs='tokens')"),
        ("2, 3, 4, activation=cybptt.activations.get('relu')",
         "RNN(2, 3, 4, activation='relu')"),
    ],
)  # fmt: skip
def test_its_repr_shows_what_is_not_the_default(arguments: str, expected: str) -> None:
    assert repr(eval(f"cybptt.RNN({arguments})", {"cybptt": cybptt})) == expected


def test_replacing_a_plugin_leaves_models_as_they_were() -> None:
    old = cybptt.RNN(1, 1, 1)
    cybptt.register_activation("tanh", np.sin, np.cos, replace=True)
    new = cybptt.RNN(1, 1, 1)
    assert old != new
    assert old.activation.function is not np.sin
    assert "Activation('tanh'" in repr(old)  # its name is another's now
    assert repr(new) == "RNN(1, 1, 1)"


# ---------------------------------------------------------------------- init


SCHEMES = ("uniform", "orthogonal", "identity", "glorot")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, "f4", "float64", ">f8", ">f4"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_init_gives_the_dtype_asked_for(scheme: str, dtype: Any) -> None:
    params = cybptt.RNN(2, 3, 4).init(0, dtype, scheme)
    native = np.dtype(dtype).newbyteorder("=")
    assert params.dtype == native
    assert {view.dtype for view in params.values()} == {native}


def test_init_is_float64_and_uniform_from_seed_0() -> None:
    rnn = cybptt.RNN(2, 3, 4)
    default = rnn.init()
    assert default.dtype == np.float64
    assert np.array_equal(default.vector, rnn.init(0, np.float64, "uniform").vector)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_one_seed_draws_one_thing(scheme: str, pattern: str) -> None:
    rnn = make_rnn(pattern, 2, 3, 4)
    draws = [rnn.init(seed, scheme=scheme).vector for seed in (7, 7, 8, np.random.default_rng(7))]
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
    assert np.array_equal(draws[0], draws[3])
    # Both dtypes have the same draws.
    assert np.array_equal(rnn.init(7, np.float32, scheme).vector, draws[0].astype(np.float32))


def test_a_generator_goes_on_and_none_is_new_each_time() -> None:
    rnn, rng = cybptt.RNN(2, 3, 4), np.random.default_rng(0)
    assert not np.array_equal(rnn.init(rng).vector, rnn.init(rng).vector)
    assert not np.array_equal(rnn.init(None).vector, rnn.init(None).vector)


def test_drawing_leaves_numpys_global_generator_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    cybptt.RNN(2, 3, 4).init(None)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def assert_uniform(values: Any, bound: float) -> None:
    assert np.abs(values).max() <= bound
    assert np.abs(values).max() > 0.99 * bound
    error = 4 * bound / np.sqrt(3 * values.size)
    assert abs(values.mean()) < error
    assert abs(values.std() - bound / np.sqrt(3)) < error


def test_uniform() -> None:
    for values in cybptt.RNN(60, 80, 70, recurrence="both").init(1).values():
        if values.ndim == 2:
            assert_uniform(values, 1 / np.sqrt(80))
        assert np.abs(values).max() <= 1 / np.sqrt(80)
        assert values.any()


@pytest.mark.parametrize("scheme", ["glorot", "orthogonal"])
def test_glorot(scheme: str) -> None:
    params = cybptt.RNN(60, 80, 70, recurrence="both").init(1, scheme=scheme)
    for name, values in params.items():
        if values.ndim == 1:
            assert not values.any()
        elif name != "W" or scheme == "glorot":
            assert_uniform(values, np.sqrt(6 / sum(values.shape)))


@pytest.mark.parametrize("sizes", [(5, 5), (7, 3), (3, 7)])
def test_orthogonal(sizes: tuple[int, int]) -> None:
    H, O = sizes
    W = cybptt.RNN(2, H, O, recurrence="output").init(3, scheme="orthogonal").W
    product = W @ W.T if H <= O else W.T @ W
    np.testing.assert_allclose(product, np.eye(min(H, O)), atol=1e-13)
    # Uniform over them: the mean of a first value's sign is 0, not that of LAPACK's choice.
    rnn = cybptt.RNN(0, H, O, recurrence="output")
    first = [np.sign(rnn.init(seed, scheme="orthogonal").W[0, 0]) for seed in range(400)]
    assert abs(np.mean(first)) < 0.2


def test_identity() -> None:
    params = cybptt.RNN(60, 80, 70, recurrence="both").init(1, scheme="identity")
    assert np.array_equal(params.W, np.eye(80))
    for name in ("U", "V", "R"):
        values = params[name]
        assert abs(values.std() / 0.001 - 1) < 0.05
        assert abs(values.mean()) < 0.0001
    assert not params.b.any()
    assert not params.c.any()
    wide = cybptt.RNN(2, 3, 5, recurrence="output").init(0, scheme="identity")
    assert np.array_equal(wide.W, np.eye(3, 5))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("sizes", list(itertools.product((0, 1), repeat=3)))
def test_sizes_of_0_and_1(sizes: tuple[int, int, int], scheme: str) -> None:
    for recurrence in ("hidden", "output", "both"):
        rnn = cybptt.RNN(*sizes, recurrence=recurrence)
        params = rnn.init(0, scheme=scheme)
        assert {name: value.shape for name, value in params.items()} == rnn.shapes
        assert np.isfinite(params.vector).all()
