"""`cybptt.jax.hidden` beside the same network in JAX, and in programs of JAX's of all kinds."""

from __future__ import annotations

import subprocess
import sys
import threading
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import cybptt
import cybptt.jax
from cybptt import activations
from cybptt.jax import _ffi

T, B, I, H = 7, 4, 3, 5
in_64_bits = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
TOLERANCES = {"float32": {"rtol": 2e-4, "atol": 2e-5}, "float64": {"rtol": 1e-11, "atol": 1e-13}}


@pytest.fixture(params=["float32", "float64"])
def dtype(request: Any) -> Any:
    with in_64_bits(request.param == "float64"):
        yield request.param


def problem(dtype: str = "float32", **options: Any) -> tuple[cybptt.RNN, Any, Any, Any]:
    rng = np.random.default_rng(0)
    rnn = cybptt.RNN(I, H, None, **options)
    params = jax.tree.map(jnp.asarray, dict(rnn.init(0, dtype)))
    x, h0 = rng.normal(size=(T, B, I)).astype(dtype), rng.normal(size=(B, H)).astype(dtype)
    return rnn, params, jnp.asarray(x), jnp.asarray(h0)


def in_jax(params: Any, x: Any, h0: Any, f: Any = jnp.tanh) -> Any:
    def step(h: Any, x_t: Any) -> Any:
        h = f(params["b"] + h @ params["W"].T + x_t @ params["U"].T)
        return h, h

    return jax.lax.scan(step, h0, x)[1]


def assert_close(found: Any, wanted: Any, dtype: str) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert a.dtype == b.dtype == dtype
        np.testing.assert_allclose(a, b, **TOLERANCES[dtype])


def waves(h: Any) -> Any:
    """Some function of all of h."""
    return (jnp.sin(3 * h) * jnp.arange(1, 1 + h.shape[-1])).sum()


@pytest.mark.parametrize("jit", [False, True], ids=["", "jit"])
@pytest.mark.parametrize("f", ["tanh", "relu", "gelu"])
def test_the_numbers_are_those_of_jax(f: str, jit: bool, dtype: str) -> None:
    rnn, params, x, h0 = problem(dtype, activation=f)
    theirs = {"tanh": jnp.tanh, "relu": jax.nn.relu}.get(f, partial(jax.nn.gelu, approximate=False))

    def value_and_grad(h: Any) -> Any:
        function = jax.value_and_grad(lambda *a: waves(h(*a)), argnums=(0, 1, 2))
        return (jax.jit(function) if jit else function)(params, x, h0)

    found = value_and_grad(partial(cybptt.jax.hidden, rnn))
    assert_close(found, value_and_grad(partial(in_jax, f=theirs)), dtype)


def test_check_grads() -> None:
    with in_64_bits(True):
        rnn, params, x, h0 = problem("float64")
        function = partial(cybptt.jax.hidden, rnn)
        check_grads(function, (params, x, h0), order=1, modes=("rev",))


@pytest.mark.parametrize("name", activations.names())
def test_every_activation(name: str) -> None:
    rnn, params, x, h0 = problem(activation=name)
    own = rnn.parameters(**{key: np.asarray(value) for key, value in params.items()})
    trace = rnn.forward(own, x, h0=h0)
    h, pull_back = jax.vjp(partial(cybptt.jax.hidden, rnn), params, x, h0)
    np.testing.assert_array_equal(h, trace.h)
    of_params, of_x, of_h0 = pull_back(2 * h)
    gradients = rnn.vjp(trace, grad_h=2 * trace.h)
    for key, value in of_params.items():
        np.testing.assert_array_equal(value, gradients.parameters[key])
    np.testing.assert_array_equal(of_x, gradients.x)
    np.testing.assert_array_equal(of_h0, gradients.h0)


@pytest.mark.parametrize("lengths", [[7, 2, 0, 4], np.array([7, 2, 0, 4], np.int16)])
def test_lengths(lengths: Any) -> None:
    rnn, params, x, h0 = problem()

    @jax.jit
    def function(params: Any, x: Any, h0: Any, lengths: Any) -> Any:
        return waves(cybptt.jax.hidden(rnn, params, x, h0, lengths))

    found = jax.grad(function, argnums=(0, 1, 2))(params, x, h0, jnp.asarray(lengths))
    own = rnn.parameters(**{key: np.asarray(value) for key, value in params.items()})
    trace = rnn.forward(own, x, h0=h0, lengths=lengths)
    wanted = rnn.vjp(trace, grad_h=np.asarray(jax.grad(waves)(jnp.asarray(trace.h))))
    assert_close(found, (dict(wanted.parameters), wanted.x, wanted.h0), "float32")
    assert not np.asarray(found[1])[2:, 1].any()


def test_one_sequence() -> None:
    rnn, params, x, h0 = problem()
    h = cybptt.jax.hidden(rnn, params, x[:, 1], h0[1])
    np.testing.assert_allclose(h, cybptt.jax.hidden(rnn, params, x, h0)[:, 1], atol=1e-6)
    of_x = jax.grad(lambda x: waves(cybptt.jax.hidden(rnn, params, x)))(x[:, 1])
    assert of_x.shape == (T, I)


def test_tokens() -> None:
    rnn, params, _, h0 = problem(inputs="tokens")
    tokens = np.random.default_rng(0).integers(I, size=(T, B))

    def of_tokens(params: Any) -> Any:
        return waves(cybptt.jax.hidden(rnn, params, tokens, h0))

    def one_hot(params: Any) -> Any:
        return waves(in_jax(params, jax.nn.one_hot(tokens, I), h0))

    found, wanted = (jax.value_and_grad(f)(params) for f in (of_tokens, one_hot))
    assert_close(found, wanted, "float32")
    function = jax.jit(partial(cybptt.jax.hidden, rnn))
    with pytest.raises(jax.errors.JaxRuntimeError, match="x: got 9 at index 0, need tokens in 0 …"):
        jax.block_until_ready(function(params, jnp.full((T, B), 9)))
    with pytest.raises(ValueError, match=r"x: got int4 of shape \(7, 4\), need integers"):
        function(params, jnp.ones((T, B), "int4"))


# ---------------------------------------------------------------------- in programs of all kinds


def test_mapped() -> None:
    rnn, params, x, h0 = problem()
    function = partial(cybptt.jax.hidden, rnn)
    h = jax.vmap(function, in_axes=(None, 1, 0), out_axes=1)(params, x, h0)
    np.testing.assert_allclose(h, function(params, x, h0), atol=1e-6)
    # Several networks, each with an x.
    stacked = jax.tree.map(lambda p: jnp.stack([p, 2 * p]), params)
    found = jax.vmap(jax.grad(lambda p: waves(function(p, x))))(stacked)
    wanted = [jax.grad(lambda p: waves(in_jax(p, x, jnp.zeros((B, H)))))(
        jax.tree.map(lambda p, k=k: k * p, params)) for k in (1, 2)]  # fmt: skip
    for name in params:
        np.testing.assert_allclose(found[name], jnp.stack([w[name] for w in wanted]), rtol=1e-3,
                                   atol=1e-4)  # fmt: skip


def test_training_in_a_scan() -> None:
    """A whole training in one program: the losses are those of the network in JAX."""
    rnn, params, x, h0 = problem()
    wanted_h = jnp.sin(jnp.arange(T * B * H, dtype=jnp.float32)).reshape(T, B, H)

    def train(h: Any) -> Any:
        def loss(params: Any) -> Any:
            return ((h(params, x, h0) - wanted_h) ** 2).mean()

        def step(params: Any, _: Any) -> Any:
            value, grad = jax.value_and_grad(loss)(params)
            return jax.tree.map(lambda p, g: p - 0.1 * g, params, grad), value

        return jax.lax.scan(step, params, None, length=50)[1]

    ours, theirs = (jax.jit(partial(train, h))() for h in (partial(cybptt.jax.hidden, rnn), in_jax))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    assert ours[-1] < 0.95 * ours[0]


def test_several_models_in_one_program() -> None:
    rnn, params, x, h0 = problem()
    upper = cybptt.RNN(H, 2, None, activation="softsign")
    of_upper = jax.tree.map(jnp.asarray, dict(upper.init(1, "float32")))

    @jax.jit
    def function(params: Any, of_upper: Any) -> Any:
        return cybptt.jax.hidden(upper, of_upper, cybptt.jax.hidden(rnn, params, x, h0))

    wanted = in_jax(of_upper, in_jax(params, x, h0), jnp.zeros((B, 2)), jax.nn.soft_sign)
    np.testing.assert_allclose(function(params, of_upper), wanted, atol=1e-6)
    assert jax.grad(lambda p: function(p, of_upper).sum())(params)["W"].any()


def test_the_model_may_be_a_static_argument() -> None:
    rnn, params, x, h0 = problem()
    function = jax.jit(cybptt.jax.hidden, static_argnums=0)
    wanted = cybptt.jax.hidden(rnn, params, x, h0)
    np.testing.assert_array_equal(function(rnn, params, x, h0), wanted)
    np.testing.assert_array_equal(function(cybptt.RNN(I, H, None), params, x, h0), wanted)


def test_rematerialised() -> None:
    rnn, params, x, h0 = problem()

    def loss(params: Any) -> Any:
        return waves(cybptt.jax.hidden(rnn, params, x, h0))

    assert_close(jax.grad(jax.checkpoint(loss))(params), jax.grad(loss)(params), "float32")


def test_parameters_and_arrays_of_numpy() -> None:
    rnn, params, x, h0 = problem()
    own = rnn.init(0, "float32")
    found = cybptt.jax.hidden(rnn, own, np.asarray(x), np.asarray(h0))
    np.testing.assert_array_equal(found, cybptt.jax.hidden(rnn, params, x, h0))


@pytest.mark.parametrize("shape", [(0, 2, I), (5, 0, I)])
def test_nothing(shape: tuple[int, int, int]) -> None:
    rnn, params, _, _ = problem()
    function = jax.jit(jax.value_and_grad(lambda p, x: cybptt.jax.hidden(rnn, p, x).sum()))
    value, gradient = function(params, jnp.ones(shape))
    assert value == 0
    assert not any(g.any() for g in gradient.values())


def test_many_python_threads() -> None:
    rnn, params, x, h0 = problem()
    function = jax.jit(jax.grad(lambda p, x: waves(cybptt.jax.hidden(rnn, p, x, h0))))
    wanted, found = [function(params, k * x) for k in range(4)], {}

    def work(k: int) -> None:
        for _ in range(50):
            found[k] = function(params, k * x)

    threads = [threading.Thread(target=work, args=[k]) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        jax.tree.map(np.testing.assert_array_equal, found[k], wanted[k])


ONE_PROCESSOR = """
import os
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
import jax, jax.numpy as jnp
import cybptt, cybptt.jax

rnn = cybptt.RNN(64, 128, None)
params = jax.tree.map(jnp.asarray, dict(rnn.init(0, "float32")))
x = jnp.ones((300, 64, 64))

def loss(params, x):
    return (cybptt.jax.hidden(rnn, params, x) ** 2).mean()

def train(params):
    def step(params, _):
        grad = jax.grad(loss)(params, x * params["b"].sum())
        return jax.tree.map(lambda p, g: p - 1e-3 * g, params, grad), 0
    return jax.lax.scan(step, params, None, length=5)[0]

for function in (train, jax.jit(train)):
    for _ in range(3):
        trained = function(params)
print(bool(jnp.isfinite(trained["W"]).all()))
"""


def test_large_arrays_on_one_processor() -> None:
    """Where jax.pure_callback stops for good."""
    done = subprocess.run(
        [sys.executable, "-c", ONE_PROCESSOR], capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr


AT_THE_END = """
import os
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
from concurrent.futures import ThreadPoolExecutor
import jax, jax.numpy as jnp
import cybptt, cybptt.jax

rnn = cybptt.RNN(16, 64, None)
params = jax.tree.map(jnp.asarray, dict(rnn.init(0, "float32")))
x = jnp.ones((200, 16, 16))

def steps(params, x):  # takes seconds
    def step(mean, _):
        return cybptt.jax.hidden(rnn, params, mean * x).mean(), None
    return jax.lax.scan(step, x.mean(), None, length=3000)[0]

def by_the_main_thread():
    return jax.jit(steps)(params, x)

def by_another_thread():
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(jax.jit(steps), params, x).result()

def on_two_devices():
    return jax.pmap(steps, in_axes=(None, 0))(params, jnp.stack([x, x]))

"""


@pytest.mark.parametrize("way", ["by_the_main_thread()", "by_another_thread()", "on_two_devices()"])
def test_a_process_ends_with_a_program_under_way(way: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{AT_THE_END}pending = {way}"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stderr, done.returncode) == ("", 0)


def test_tracing_in_several_threads_keeps_models_apart() -> None:
    def trace(first: int) -> None:
        for H in range(first, first + 30):
            rnn = cybptt.RNN(1, H, None)
            of_params = partial(cybptt.jax.hidden, rnn, rnn.init(0, "float32"))
            jax.make_jaxpr(of_params)(jnp.ones((1, 1)))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=trace, args=[100 + 30 * k]) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    for rnn, place in cybptt.jax.RUN._places.items():
        assert _ffi.functions[place].args == (rnn,)


INTERRUPTED = """
import collections, gc, random, signal
import jax, jax.numpy as jnp
import cybptt, cybptt.jax

rnn = cybptt.RNN(3, 4, None)
params = jax.tree.map(jnp.asarray, dict(rnn.init(0, "float32")))
x = jnp.ones((10, 1, 3))
function = jax.jit(jax.value_and_grad(lambda p: (cybptt.jax.hidden(rnn, p, x) ** 2).sum()))
wanted = jax.block_until_ready(function(params))[0]
for _ in range(3):
    function(params)[0] == wanted

class Pressed({base}):
    pass

def raise_it(*_):
    raise Pressed

signal.signal(signal.SIGALRM, raise_it)
random.seed(0)
gc.disable()  # JAX loses an exception in its callback for it; and when it traces, which is done
ends = collections.Counter()
for _ in range(1000):
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 3e-4))
        while True:
            value = function(params)[0]
            assert value == wanted, value
    except BaseException as error:
        ends[repr(error) + str(error.__context__)] += 1
print(ends["Pressed()None"], len(ends))
"""


@pytest.mark.parametrize("base", ["BaseException", "Exception"])
def test_a_signal_that_raises_comes_out_of_a_program_as_itself(base: str) -> None:
    """Wherever it arrives: ctypes, or an error of XLA's, would lose it, or the process."""
    program = INTERRUPTED.replace("{base}", base)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    wanted = "1000 1\n"
    assert (done.stdout, done.stderr, done.returncode) == (wanted, "", 0)


UNTIL_IT_IS_SMALL = """
import os, signal, threading, time
import jax, jax.numpy as jnp
import cybptt, cybptt.jax

rnn = cybptt.RNN(2, 3, None)
params = jax.tree.map(jnp.asarray, dict(rnn.init(0, "float32")))

@jax.jit
def settled(params, x):
    def body(state):
        i, largest = state
        return i + 1, jnp.abs(cybptt.jax.hidden(rnn, params, x + 0 * largest)).max() + (i < 20000)
    return jax.lax.while_loop(lambda state: ~(state[1] < 1), body, (0, jnp.float32(9)))

x = jnp.ones((5, 2))
wanted = jax.block_until_ready(settled(params, x))
threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    jax.block_until_ready(settled(params, x))
    time.sleep(10)
except KeyboardInterrupt:
    print(settled(params, x) == wanted)
"""


def test_a_loop_ends_whatever_signal_came() -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNTIL_IT_IS_SMALL], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr


def test_what_a_plugin_raises_is_an_error_of_the_programs() -> None:
    """Of the thread that has called it, and of no other."""

    class Cancelled(BaseException):
        pass

    def f(a: Any) -> Any:
        if cancelled:
            raise Cancelled
        return np.tanh(a)

    cancelled: list[bool] = []
    activation = cybptt.Activation("f", f, lambda h: 1 - h * h, derivative_of="output")
    rnn, params, x, _ = problem(activation=activation)
    function = jax.jit(lambda x: cybptt.jax.hidden(rnn, params, x).sum())
    function(x).block_until_ready()
    cancelled.append(True)
    seen: list[str] = []

    def work() -> None:
        with pytest.raises((ValueError, jax.errors.JaxRuntimeError)) as raised:
            function(x).block_until_ready()
        seen.append(str(raised.value))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    work()
    assert len(seen) == 2
    assert all("Cancelled" in message for message in seen)


ON_TWO_DEVICES = """
import os
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import AxisType, PartitionSpec as P
import cybptt, cybptt.jax

mesh = jax.make_mesh((2,), ("i",), axis_types=(AxisType.Auto,))
rng = np.random.default_rng(0)
x = jnp.asarray(rng.normal(size=(7, 4, 3)), "float32")
h0, lengths = jnp.ones((4, 5)), jnp.array([7, 3, 0, 2])
tokens = jnp.asarray(rng.integers(3, size=(7, 4)))
for inputs, arrays in (("values", (x,)), ("values", (x, h0, lengths)), ("tokens", (tokens, h0))):
    rnn = cybptt.RNN(3, 5, None, inputs=inputs)
    params = jax.tree.map(jnp.asarray, dict(rnn.init(0, "float32")))

    def loss(params, *arrays):
        return (cybptt.jax.hidden(rnn, params, *arrays) ** 2).sum()

    def shared_out(params, *arrays):
        specs = P(), P(None, "i"), *[P("i")] * (len(arrays) - 1)
        own = lambda *given: jax.lax.psum(loss(*given), "i")
        return jax.shard_map(own, mesh=mesh, in_specs=specs, out_specs=P())(params, *arrays)

    wanted = jax.value_and_grad(loss)(params, *arrays)
    found = jax.value_and_grad(shared_out)(params, *arrays)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-4, 1e-5), found, wanted)
    print("equal")
"""


@pytest.mark.skipif(not hasattr(jax, "shard_map"), reason="needs jax 0.6")
def test_shared_out_over_devices() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ON_TWO_DEVICES], capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.returncode) == ("equal\n" * 3, 0), done.stderr


# ---------------------------------------------------------------------- what it cannot do


def test_a_second_derivative_says_so() -> None:
    rnn, params, x, _ = problem()

    def gradient(scale: Any) -> Any:
        return jax.grad(lambda x: cybptt.jax.hidden(rnn, params, x).sum())(scale * x).sum()

    for function in (jax.grad(gradient), jax.jit(jax.grad(gradient))):
        with pytest.raises(NotImplementedError, match=r"cybptt\.jax\.hidden: .*second derivative"):
            function(1.0)


def test_forward_mode_is_refused() -> None:
    rnn, params, x, _ = problem()
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(lambda x: cybptt.jax.hidden(rnn, params, x), (x,), (x,))


def test_an_error_of_a_plugin_is_told() -> None:
    def fails(a: Any) -> Any:
        raise ArithmeticError("no")

    rnn = cybptt.RNN(I, H, None, activation=cybptt.Activation("bad", fails, np.ones_like))
    _, params, x, _ = problem()
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"PluginError: .*bad"):
        jax.block_until_ready(jax.jit(partial(cybptt.jax.hidden, rnn))(params, x))


RNN_, PARAMS, X, H0 = problem()
REFUSED: list[tuple[dict[str, Any], Any, str]] = [
    ({"rnn": "rnn"}, TypeError, "rnn: got 'rnn', need an RNN"),
    ({"rnn": cybptt.RNN(I, H, 2)}, ValueError, "rnn: got RNN.3, 5, 2., need a model without an ou"),
    ({"rnn": cybptt.RNN(I, H, None, outputs="last")}, ValueError, "rnn: got RNN"),
    ({"params": X}, TypeError, "params: got a .*need a mapping with U, W and b"),
    ({"params": {"U": PARAMS["U"]}}, ValueError, "params: got the names U, need U, W and b"),
    ({"params": PARAMS | {"W": PARAMS["U"]}}, ValueError, r"params\['W'\]: got float32 of shape"),
    ({"params": PARAMS | {"W": jnp.eye(H, dtype="float16")}}, ValueError, r"params\['W'\]: got fl"),
    ({"x": X[0, 0]}, ValueError, r"x: got float32 of shape \(3,\), need float32 of shape"),
    ({"x": X[..., 1:]}, ValueError, r"x: got float32 of shape \(7, 4, 2\)"),
    ({"x": X.astype(int)}, ValueError, "x: got int32"),
    ({"x": X.astype("float16")}, ValueError, "x: got float16"),
    ({"h0": H0[0]}, ValueError, r"h0: got float32 of shape \(5,\), need float32 of shape \(4, 5"),
    ({"h0": H0.astype("float16")}, ValueError, "h0: got float16"),
    ({"lengths": jnp.ones(B)}, ValueError, r"lengths: got float32 of shape \(4,\), need integers"),
    ({"lengths": jnp.ones(3, int)}, ValueError, r"lengths: got int32 of shape \(3,\), need integ"),
]


@pytest.mark.parametrize("jit", [False, True], ids=["", "jit"])
@pytest.mark.parametrize(("bad", "error", "message"), REFUSED, ids=[r[2] for r in REFUSED])
def test_what_is_refused_while_tracing(bad: Any, error: Any, message: str, jit: bool) -> None:
    given = {"rnn": RNN_, "params": PARAMS, "x": X, "h0": H0, "lengths": jnp.ones(B, int)} | bad
    rnn, params = given.pop("rnn"), given.pop("params")

    def function(arrays: Any) -> Any:
        return cybptt.jax.hidden(rnn, params, **arrays)

    with pytest.raises(error, match=message):
        (jax.jit(function) if jit else function)(given)


def test_dtypes_that_differ_are_refused() -> None:
    with in_64_bits(True), pytest.raises(ValueError, match=r"params\['b'\]: got float64, need"):
        cybptt.jax.hidden(RNN_, PARAMS | {"b": jnp.zeros(H, "float64")}, X)
