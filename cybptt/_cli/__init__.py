"""The commands ``train``, ``sample``, ``check``, ``bench``, ``info``: their arguments and errors.

A user's mistake ends in one line on stderr and exit status 2, Ctrl-C in a line that says where the
run is and status 130, a run or a check that failed in status 1.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from cybptt._cli.options import DEFAULT_MINUTES, DEFAULT_STEPS, DEFAULTS

if TYPE_CHECKING:
    _Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["main"]

_TRAIN = f"""\
Train a character model (figure 10.3: tanh, softmax, negative log-likelihood) on a text, by
truncated back-propagation through time. The end of the text is held out, and the model's bits per
character are measured there. Without a file the text is pydoc_data.topics of the standard library,
real English that every Python carries.

A run with neither --steps nor --epochs nor --minutes takes {DEFAULT_STEPS:,} steps, about two
minutes on two plain cores, and is ended after {DEFAULT_MINUTES:g} minutes where the machine is
slower. Ctrl-C stops at once and keeps the model; --resume goes on from there, to the same bits as
if it had never stopped. Limits, clocks and samples change no bits: step k is the same in every run
with the same text, options and seed on one kind of processor.

`mpiexec -n N cybptt train …` shares the streams out among N processes, on one machine or many
(the extra cybptt[mpi]); the result is that of one, but for rounding."""

_SAMPLE = "Write text with a model that `cybptt train` saved."

_CHECK = """\
Hold the gradients of every registered activation and loss, and of every pattern of section 10.2,
against finite differences, and print a table. The exit status is 1 if any fails."""

_BENCH = """\
Race cybptt on this machine: the loss and every gradient of five networks of different sizes,
against PyTorch and JAX, where these are installed, and against the loop in NumPy. Each library
runs in a process of its own, pinned to the same processors, and they take turns; their losses and
gradients are compared first. It takes a minute or so (JAX compiles), on a machine that is otherwise
idle."""

_INFO = """\
Say what computes here: the kernels and threads in use, NumPy and its BLAS, plugins, the platform.
Paste it into a report of a bug."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    No equation: it calls what has them.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.

    Returns
    -------
    int
        The exit status.

    Examples
    --------
    >>> from cybptt.__main__ import main
    >>> main(["sample", "no-such-model"])
    2
    """
    for stream in (sys.stdout, sys.stderr):
        # A terminal that can't show a character gets a question mark, not an error.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    options = _parser().parse_args(arguments)
    if not hasattr(options, "run"):
        _parser().print_help()
        return 2
    try:
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt as error:
        return _fail(error, "interrupted", 130)
    except BrokenPipeError:
        # Whoever read our output has left; what is still buffered must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except FloatingPointError as error:
        return _fail(error, str(error), 1)
    except MemoryError as error:
        return _fail(error, f"not enough memory: {error}", 2)
    except OSError as error:
        reason = error.strerror or str(error)
        text = f"{error.filename}: {reason}" if error.filename else reason
        return _fail(error, text, 2)
    except (ValueError, TypeError, ImportError) as error:
        # What is called path inside has no name on a command line.
        return _fail(error, str(error).removeprefix("path: "), 2)


def _fail(error: BaseException, message: str, status: int) -> int:
    from cybptt._cli import ranks

    ranks.end(error, status, lambda: print(f"cybptt: {message}", file=sys.stderr))
    return status


def _train(options: argparse.Namespace) -> int:
    from cybptt._cli.train import run

    return run(options)


def _sample(options: argparse.Namespace) -> int:
    from cybptt._cli.sample import run

    return run(options)


def _check(options: argparse.Namespace) -> int:
    from cybptt._cli.check import run

    return run(options)


def _bench(options: argparse.Namespace) -> int:
    from cybptt._cli.bench import run

    return run(options)


def _info(options: argparse.Namespace) -> int:
    from cybptt._cli.info import run

    return run(options)


def _version() -> str:
    from cybptt import __version__

    return f"cybptt {__version__}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cybptt",
        description="Recurrent networks and back-propagation through time.",
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_train(commands)
    _add_sample(commands)
    _add_check(commands)
    _add_bench(commands)
    _add_info(commands)
    return parser


def _add_train(commands: _Commands) -> None:
    parser = commands.add_parser(
        "train",
        help="train a character model on a text",
        description=_TRAIN,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=_train)
    parser.add_argument("text", nargs="?", metavar="TEXT", help="a text file, UTF-8")

    # What decides the bits. The defaults are filled in later: a resumed run has those of its file,
    # and must see what was asked for.
    group = parser.add_argument_group("the model and its training")

    def decides(name: str, kind: type, metavar: str, text: str) -> None:
        default = getattr(DEFAULTS, name)
        group.add_argument(
            f"--{name}", type=kind, metavar=metavar, help=f"{text} (default: {default})"
        )

    decides("hidden", int, "H", "hidden units")
    decides("activation", str, "NAME", "any registered activation")
    decides("init", str, "SCHEME", "uniform, orthogonal, identity or glorot")
    decides("dtype", str, "DTYPE", "float32 or float64")
    decides("batch", int, "B", "streams of the text that are read side by side")
    decides("chunk", int, "T", "steps of a chunk: how far gradients go back")
    decides("lr", float, "RATE", "learning rate of Adam")
    decides("decay", int, "STEPS", "steps over which the rate falls to a twentieth; 0: it stays")
    decides("clip", float, "NORM", "norm to which gradients are clipped")
    decides("validation", float, "PART", "part of the text that is held out, at its end")
    decides("seed", int, "N", "where the parameters and the samples come from")

    group = parser.add_argument_group("how long")
    group.add_argument("--steps", type=int, metavar="N", help="stop after N steps in all")
    group.add_argument("--epochs", type=int, metavar="N", help="stop after N passes over the text")
    group.add_argument("--minutes", type=float, metavar="M", help="stop M minutes from now")

    group = parser.add_argument_group("what is shown and saved")
    group.add_argument(
        "--validate-every",
        type=int,
        default=1000,
        metavar="N",
        help="steps between two looks at the held-out text; 0: only at the end "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--sample-every",
        type=int,
        default=2000,
        metavar="N",
        help="steps between two samples of generated text; 0: none (default: %(default)s)",
    )
    group.add_argument(
        "--out",
        metavar="MODEL",
        help="file for the model, written over if it is there (default: the one that is resumed, "
        "or cybptt-NAME.safetensors for a text NAME)",
    )
    group.add_argument(
        "--resume",
        metavar="MODEL",
        help="go on with the run that saved MODEL; text and options must be the same",
    )


def _add_sample(commands: _Commands) -> None:
    parser = commands.add_parser("sample", help="write text with a model", description=_SAMPLE)
    parser.set_defaults(run=_sample)
    parser.add_argument("model", metavar="MODEL", help="a file that `cybptt train` saved")
    parser.add_argument(
        "--length", type=int, default=1000, metavar="N", help="characters (default: %(default)s)"
    )
    parser.add_argument(
        "--temperature",
        type=float,
        default=0.7,
        metavar="X",
        help="below 1 the likely becomes likelier, above 1 less so (default: %(default)s)",
    )
    parser.add_argument(
        "--start", default="", metavar="TEXT", help="text that the model goes on from"
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", help="the same text every time (default: another one)"
    )


def _add_check(commands: _Commands) -> None:
    parser = commands.add_parser(
        "check",
        help="check every gradient",
        description=_CHECK,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=_check)
    parser.add_argument(
        "--dtype", default="float64", metavar="DTYPE", help="float64 or float32 (default: float64)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the random models (default: 0)"
    )


def _add_bench(commands: _Commands) -> None:
    parser = commands.add_parser(
        "bench",
        help="race cybptt against its peers on this machine",
        description=_BENCH,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=_bench)
    parser.add_argument(
        "cells",
        nargs="*",
        metavar="CELL",
        default=["tiny", "book", "pix", "mid", "wide512"],
        help="sizes to race (default: %(default)s)",
    )
    parser.add_argument(
        "--dtype", default="float32", metavar="DTYPE", help="float32 or float64 (default: float32)"
    )
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="for each library (default: 1)"
    )
    parser.add_argument(
        "--rounds", type=int, default=5, metavar="N", help="turns of each library (default: 5)"
    )
    parser.add_argument(
        "--seconds", type=float, default=0.1, metavar="S", help="of a turn (default: 0.1)"
    )
    parser.add_argument("--json", metavar="FILE", help="also write all times to a file")


def _add_info(commands: _Commands) -> None:
    parser = commands.add_parser("info", help="say what computes here", description=_INFO)
    parser.set_defaults(run=_info)
    parser.add_argument("--json", action="store_true", help="as JSON")
