"""Plugins of a package of its own, tests/plugin_package: installed by pip, used, never imported."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).with_name("plugin_package")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pip installed the package into; nothing is downloaded."""
    folder = tmp_path_factory.mktemp("plugins")
    source = shutil.copytree(PACKAGE, folder / "source")  # for the build leaves files beside it
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-index", "--no-deps", "--no-build-isolation", "--root-user-action", "ignore"]
    command += ["--target", str(folder / "site"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def run(code: str, *paths: Path) -> str:
    """What a fresh interpreter prints, with warnings as errors."""
    places = [*map(str, paths), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, places))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


USE = """
import pickle, sys
import numpy as np
import cybptt

def imported():
    return [name for name in sys.modules if name.startswith("cybptt_example")]

names = cybptt.activations.names()
assert names[-3:] == ["example_arctan", "example_missing", "example_wrong"], names
assert names.count("tanh") == 1, names
assert cybptt.losses.names()[-2:] == ["example_log_cosh", "example_raises"]
cybptt.RNN(2, 3, 2, activation="tanh", loss="squared_error")
assert imported() == []  # its names were looked up, none of its code was run

rnn = cybptt.RNN(2, 3, 2, activation="example_arctan", loss="example_log_cosh")
assert imported() == ["cybptt_example_plugins"]
assert rnn.activation is cybptt.activations.get("example_arctan")
assert cybptt.activations.registered(rnn.activation) and cybptt.losses.registered(rnn.loss)
assert repr(rnn) == "RNN(2, 3, 2, activation='example_arctan', loss='example_log_cosh')", rnn
assert pickle.loads(pickle.dumps(rnn)) == rnn

rng = np.random.default_rng(0)
report = cybptt.gradcheck(rnn, rnn.init(0), rng.normal(size=(5, 2)), rng.normal(size=(5, 2)))
assert report, str(report)
sys.stdout.buffer.write(pickle.dumps(rnn).hex().encode())
"""


def test_installed_is_enough(installed: Path) -> None:
    pickled = run(USE, installed)
    # Another process finds the plugins by their names.
    code = f"import pickle; print(pickle.loads(bytes.fromhex({pickled!r})))"
    expected = "RNN(2, 3, 2, activation='example_arctan', loss='example_log_cosh')\n"
    assert run(code, installed) == expected


BROKEN = """
import cybptt
module, name = {module!r}, {name!r}
for _ in range(2):  # asked again, it is as broken
    try:
        getattr(cybptt, module).get(name)
    except cybptt.PluginError as error:
        print(error)
        print(type(error.__cause__).__name__)
    else:
        raise SystemExit("it was taken")
cybptt.RNN(2, 3, 2, activation="example_arctan", loss="example_log_cosh")  # the others are whole
"""


@pytest.mark.parametrize(
    ("module", "name", "message", "cause"),
    [
        (
            "activations",
            "example_missing",
            "activation 'example_missing': entry point 'cybptt_example_plugins:missing' of package "
            "'cybptt-example-plugins': raised AttributeError: ",
            "AttributeError",
        ),
        (
            "activations",
            "example_wrong",
            "activation 'example_wrong': entry point 'cybptt_example_plugins:wrong' of package "
            "'cybptt-example-plugins': activation 'example_wrong': derivative: got ",
            "DerivativeError",
        ),
        (
            "losses",
            "example_raises",
            "loss 'example_raises': entry point 'cybptt_example_raises:anything' of package "
            "'cybptt-example-plugins': raised RuntimeError: this module is broken, on purpose",
            "RuntimeError",
        ),
    ],
)
def test_a_broken_one_harms_only_who_asks_for_it(
    installed: Path, module: str, name: str, message: str, cause: str
) -> None:
    lines = run(BROKEN.format(module=module, name=name), installed).splitlines()
    assert len(lines) == 4
    assert lines[0].startswith(message)
    assert lines == [lines[0], cause, lines[0], cause]


def test_without_the_package_the_names_are_unknown(installed: Path) -> None:
    code = """
import cybptt
try:
    cybptt.RNN(2, 3, 2, activation="example_arctan")
except ValueError as error:
    print(error)
"""
    assert run(code).startswith("activation: got 'example_arctan', need one of 'tanh', ")
    assert run(code, installed) == ""
