"""The table of training: the optimizers, clipping, and the loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import cybptt
from bad_input import kinds
from bad_input.kinds import ANYTHING, Bad
from bad_input.rows import Row, Setup, rows
from cybptt import optim, train

RNN = cybptt.RNN(3, 2, 3, inputs="tokens")
OTHER = cybptt.RNN(3, 3, 3, inputs="tokens")
FRACTIONS = {"momentum", "rho", "beta1", "beta2"}  # in [0, 1)


def table(folder: Path) -> Iterator[Row]:
    for cls in (optim.SGD, optim.Adagrad, optim.RMSprop, optim.Adam):
        yield from optimizers(cls)
        yield from steps(cls)
        yield from states(cls)
    yield from clipping()
    yield from fits(folder / "refused.safetensors")
    yield from checkpoints(folder / "refused.safetensors")
    yield from evaluations()
    yield from shards()
    yield from rates()


# ---------------------------------------------------------------------- optimizers


def optimizers(cls: Any) -> Iterator[Row]:
    setup = Setup(f"optim.{cls.__name__}", "", cls, {"lr": 0.1})
    for name in cls(lr=0.1)._settings:
        if name == "nesterov":
            yield from rows(setup, name, [*kinds.none(), *kinds.not_a_flag()])
            yield from rows(setup, name, [Bad("without momentum", True, ValueError)])
            continue
        bads = [*kinds.none(), *kinds.not_positive()]
        if name != "eps":
            bads = [bad for bad in bads if bad.kind not in ("0", "-0.0")]
        if name in FRACTIONS:
            bads += [Bad(str(value), value, ValueError) for value in (1, 1.5)]
        yield from rows(setup, name, bads)


def not_a_vector(good: Any) -> Iterator[Bad]:
    """For what must be Parameters or a flat array, as it stands."""
    for value in (3, [1.0], "vector", RNN, good.tolist()):
        yield Bad(f"{value!r}"[:40], value, TypeError)
    for dtype in (int, bool, complex, object, np.float16, np.longdouble, ">f8"):
        array = good.astype(dtype)
        yield Bad(str(array.dtype), array, TypeError, str(array.dtype))
    for value in (good[None], np.zeros((2, 2)), np.zeros(())):
        yield Bad(f"shape {value.shape}", value, ValueError)


def steps(cls: Any) -> Iterator[Row]:
    theta, g = np.ones(6), np.ones(6)
    good = {"params": theta, "grad": g}
    fresh = Setup(f"optim.{cls.__name__}.step", "before any step", cls(lr=0.1).step, good)
    taken = cls(lr=0.1)
    taken.step(np.ones(6), np.ones(6))
    for setup in (fresh, Setup(fresh.call, "after a step", taken.step, good)):
        for name in good:
            yield from rows(setup, name, [*kinds.none(), *not_a_vector(theta)])
        for bad in (np.ones(5), np.ones(7), np.ones(6, np.float32)):
            kind = f"{bad.size} of {bad.dtype}"
            yield from rows(setup, "grad", [Bad(kind, bad, ValueError)])
        fixed = np.ones(6)
        fixed.flags.writeable = False
        bads = [Bad("read-only", fixed, ValueError, "read-only")]
        yield from rows(setup, "params", bads)
        for kind, shared in (("params itself", theta), ("a view of it", theta[::-1])):
            yield from rows(setup, "grad", [Bad(kind, shared, ValueError, "params")])
        for value in (np.nan, np.inf, -np.inf):
            grad = np.ones(6)
            grad[4] = value
            bads = [Bad(str(value), grad, FloatingPointError, f"{value} at index 4")]
            yield from rows(setup, "grad", bads)
    bads = [Bad("of another size", np.ones(7), ValueError)]
    yield from rows(setup, "params", bads, grad=np.ones(7))
    bads = [Bad("of another dtype", np.ones(6, np.float32), ValueError)]
    yield from rows(setup, "params", bads, grad=np.ones(6, np.float32))
    params = RNN.init(seed=0)
    good = {"params": params, "grad": params.copy()}
    models = Setup(fresh.call, "Parameters", cls(lr=0.1).step, good)
    same_size = cybptt.RNN(3, 2, 3, inputs="tokens", activation="relu").init(seed=0)
    of_another = [Bad("of another model", same_size, ValueError)]
    yield from rows(models, "grad", of_another)


def states(cls: Any) -> Iterator[Row]:
    opt = cls(lr=0.1, **({"momentum": 0.9} if cls is optim.SGD else {}))
    opt.step(np.ones(6), np.ones(6))
    state = opt.state_dict()
    buffer = next(name for name, value in state.items() if isinstance(value, np.ndarray))

    def load(state: Any, opt: Any) -> None:
        opt.load_state_dict(state)

    good = {"state": state, "opt": opt}
    setup = Setup(f"optim.{cls.__name__}.load_state_dict", "", load, good)
    for value in (3, "state", list(state.items()), opt):
        yield from rows(setup, "state", [Bad(f"{value!r}"[:40], value, TypeError)])
    yield from rows(setup, "state", kinds.none())

    def changed(kind: str, error: Any, begins: str = "", shows: str = "", **changes: Any) -> Row:
        return Row(setup, "state", Bad(kind, state | changes, error, shows or kind), begins)

    for name in state:
        rest = {key: value for key, value in state.items() if key != name}
        yield Row(setup, "state", Bad(f"without {name}", rest, ValueError, repr(name)))
    yield changed("Adamant", ValueError, optimizer="Adamant")
    yield changed("nothing", ValueError, nothing=1)
    yield changed("-1", ValueError, steps=-1)
    yield changed("1.5", TypeError, steps=1.5)
    yield changed("nan", ValueError, "lr", lr=np.nan)
    yield changed("'a'", TypeError, "lr", lr="a")
    yield changed("complex128", TypeError, **{buffer: np.ones(6, complex)})
    yield changed("(2, 3)", ValueError, **{buffer: np.ones((2, 3))})
    yield changed("None", TypeError, **{buffer: None})


def clipping() -> Iterator[Row]:
    good = {"grad": np.ones(6), "max_norm": 1.0}
    setup = Setup("optim.clip_by_norm", "", optim.clip_by_norm, good)
    yield from rows(setup, "grad", [*kinds.none(), *not_a_vector(np.ones(6))])
    fixed = np.ones(6)
    fixed.flags.writeable = False
    yield from rows(setup, "grad", [Bad("read-only", fixed, ValueError, "read-only")])
    for value in (np.nan, np.inf, -np.inf):
        grad = np.ones(6)
        grad[4] = value
        bads = [Bad(str(value), grad, FloatingPointError, f"{value} at index 4")]
        yield from rows(setup, "grad", bads)
    finite = [bad for bad in kinds.not_positive() if bad.kind != "infinity"]
    yield from rows(setup, "max_norm", [*kinds.none(), *finite])


# ---------------------------------------------------------------------- the loop


def chunk() -> Any:
    return np.zeros((4, 2), int), np.ones((4, 2), int)


def fits(path: Path) -> Iterator[Row]:
    good: dict[str, Any] = {
        "rnn": RNN,
        "params": RNN.init(seed=0),
        "chunks": [chunk()],
        "optimizer": optim.Adam(),
        "steps": 2,
        "checkpoint": path,
    }
    setup = Setup("train.fit", "", train.fit, good)
    types = [Bad(f"{v!r}"[:40], v, TypeError) for v in ("rnn", 3, cybptt.RNN, good["params"])]
    yield from rows(setup, "rnn", [*kinds.none(), *types])
    types = [Bad(type(v).__name__, v, TypeError) for v in (good["params"].vector, {}, 3, RNN)]
    other = Bad("of another model", OTHER.init(seed=0), ValueError)
    yield from rows(setup, "params", [*kinds.none(), *types, other])
    yield from bad_chunks(setup)
    yield from rows(setup, "chunks", [Bad("an iterator", iter([chunk()]), TypeError)])
    types = [Bad(f"{value!r}", value, TypeError) for value in (3, len)]
    yield from rows(setup, "validation", types)
    types = [Bad(f"{v!r}"[:40], v, TypeError) for v in (3, "adam", optim.Adam, {})]
    yield from rows(setup, "optimizer", [*kinds.none(), *types])
    finite = [bad for bad in kinds.not_positive() if bad.kind != "infinity"]
    yield from rows(setup, "max_norm", finite)
    yield from rows(setup, "schedule", kinds.not_callable())
    yield from rows(setup, "steps", kinds.not_an_integer(0))
    yield from rows(setup, "epochs", kinds.not_an_integer(0))
    not_below_0 = [b for b in kinds.not_positive() if b.kind not in ("0", "-0.0", "infinity")]
    yield from rows(setup, "minutes", not_below_0)
    yield from rows(setup, "checkpoint_seconds", [*kinds.none(), *not_below_0])
    yield from rows(setup, "carry", [*kinds.none(), *kinds.not_a_flag()])
    forcing = [Bad(f"{v!r} with hidden recurrence", v, ValueError) for v in (True, 0.5, False)]
    yield from rows(setup, "teacher_forcing", forcing)
    yield from rows(setup, "seed", kinds.not_a_seed())
    yield from rows(setup, "validate_every", kinds.not_an_integer(1))
    yield from rows(setup, "callbacks", [*kinds.none(), Bad("a number", 3, TypeError)])
    for bad in kinds.not_callable():
        yield from rows(setup, "callbacks", [bad._replace(value=[bad.value], inner=bad.value)])
    yield from rows(setup, "checkpoint", [b for b in kinds.not_a_path() if b.value is not None])
    yield from rows(setup, "metadata", [Bad("a set inside", {"a": {1}}, TypeError, "JSON")])
    words = [Bad(f"{v!r}", v, TypeError) for v in (3, "text")]
    yield from rows(setup, "metadata", words)
    reserved = [Bad("the run's key", {"training": 1}, ValueError, "'training'")]
    yield from rows(setup, "metadata", reserved)
    yield from rows(setup, "n_threads", kinds.not_an_integer(1))
    yield from rows(setup, "group", not_a_group())
    yield from bad_resume(setup)


def bad_chunks(setup: Setup) -> Iterator[Row]:
    x, y = chunk()
    for value in (3, None, len):
        yield from rows(setup, "chunks", [Bad(f"{value!r}", value, TypeError)])
    for value, error in (
        ([], ValueError),
        ([(x,)], ValueError),
        ([(x, y, {}, 1)], ValueError),
        ([3], TypeError),
        ([(x, y, {"h0": 1})], ValueError),
        ([(x, y, 3)], TypeError),
    ):
        yield Row(setup, "chunks", Bad(f"{value!r}"[:40], value, error, ANYTHING))
    # What a chunk holds is named as value_and_grad names it.
    for kind, bad, begins, error in (
        ("a token out of range", (x + 3, y), "x", ValueError),
        ("a label out of range", (x, y + 3), "y", ValueError),
        ("float tokens", (x * 1.0, y), "x", TypeError),
        ("another T", (x, y[1:]), "y", ValueError),
        ("lengths in a carried stream", (x, y, {"lengths": [4, 1]}), "carry", ValueError),
        ("negative weights", (x, y, {"weights": -np.ones((4, 2))}), "weights", ValueError),
        ("no weights", (x, y, {"weights": np.zeros((4, 2))}), "reduction|chunks", ValueError),
    ):
        yield Row(setup, "chunks", Bad(kind, [bad], error, ANYTHING), begins)


def bad_resume(setup: Setup) -> Iterator[Row]:
    run = train.fit(RNN, RNN.init(seed=0), [chunk()], optimizer=optim.Adam(), steps=1, seed=0)
    good: Any = run.checkpoint
    types = [Bad(f"{v!r}"[:40], v, TypeError) for v in (3, "run.safetensors", run, {})]
    yield from rows(setup, "resume", types)
    both = [Bad("a seed and a checkpoint", 0, ValueError, ANYTHING)]
    yield from rows(setup, "seed", both, resume=good)
    parts = {name: getattr(good, name) for name in good.__dataclass_fields__}

    def changed(**changes: Any) -> Any:
        return train.Checkpoint(**(parts | changes))

    narrow = changed(params=good.params.astype("float32"))
    other = changed(rnn=OTHER, params=OTHER.init(seed=0))
    yield from rows(setup, "resume", [Bad("of another dtype", narrow, ValueError, "float32")])
    yield from rows(setup, "resume", [Bad("of another model", other, ValueError, repr(OTHER))])
    sgd = Bad("of another optimizer", good, ValueError, ANYTHING)
    yield Row(setup, "resume", sgd, "state|resume", {"optimizer": optim.SGD(lr=0.1)})
    generator = changed(generator={"bit_generator": "os.system"})
    unknown = Bad("an unknown generator", generator, ValueError, "os.system")
    yield Row(setup, "resume", unknown, "generator|resume")


def checkpoints(path: Path) -> Iterator[Row]:
    run = train.fit(RNN, RNN.init(seed=0), [chunk()], optimizer=optim.Adam(), steps=1)
    assert run.checkpoint is not None
    setup = Setup("train.Checkpoint.save", "", run.checkpoint.save, {"path": path})
    yield from rows(setup, "path", kinds.not_a_path())


def evaluations() -> Iterator[Row]:
    good = {"rnn": RNN, "params": RNN.init(seed=0), "chunks": [chunk()]}
    setup = Setup("train.evaluate", "", train.evaluate, good)
    types = [Bad(f"{v!r}"[:40], v, TypeError) for v in ("rnn", 3, cybptt.RNN, good["params"])]
    yield from rows(setup, "rnn", [*kinds.none(), *types])
    types = [Bad(type(v).__name__, v, TypeError) for v in (good["params"].vector, {}, 3, RNN)]
    other = Bad("of another model", OTHER.init(seed=0), ValueError)
    yield from rows(setup, "params", [*kinds.none(), *types, other])
    yield from bad_chunks(setup)
    yield from rows(setup, "carry", [*kinds.none(), *kinds.not_a_flag()])
    yield from rows(setup, "group", not_a_group())


def not_a_group() -> Iterator[Bad]:
    for value in (3, "mpi", len, Alone):
        yield Bad(f"{value!r}"[:40], value, TypeError)


class Alone:
    """A group of one."""

    rank, size = 0, 1

    def allgather(self, value: Any) -> list[Any]:
        return [value]

    def allreduce(self, vector: Any) -> None:
        pass


def shards() -> Iterator[Row]:
    good = {"rnn": RNN, "chunks": [chunk()], "group": Alone()}
    setup = Setup("train.shard", "", train.shard, good)
    types = [Bad(f"{v!r}"[:40], v, TypeError) for v in ("rnn", 3, cybptt.RNN)]
    yield from rows(setup, "rnn", [*kinds.none(), *types])
    types = [Bad(f"{v!r}"[:40], v, TypeError) for v in (3, len, iter([chunk()]))]
    yield from rows(setup, "chunks", [*kinds.none(), *types, Bad("[]", [], ValueError, ANYTHING)])
    yield from rows(setup, "group", [*kinds.none(), *not_a_group()])


def rates() -> Iterator[Row]:
    setup = Setup("train.cosine", "", train.cosine, {"lr": 0.1, "steps": 10})
    yield from rows(setup, "lr", [*kinds.none(), *kinds.not_positive()])
    yield from rows(setup, "steps", [*kinds.none(), *kinds.not_an_integer(1)])
    yield from rows(setup, "warmup", [*kinds.none(), *kinds.not_an_integer(0)])
    fraction = [bad for bad in kinds.not_positive() if bad.kind not in ("0", "-0.0")]
    beyond = [Bad("above 1", 1.1, ValueError)]
    yield from rows(setup, "floor", [*kinds.none(), *fraction, *beyond])
