"""What other packages offer: here the entry points are files in a folder.

A package that pip installs is in test_entry_points.
"""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cybptt
from cybptt import activations


class Packages:
    """A folder on sys.path with packages that offer plugins."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: list[str] = []

    def add(self, module: str, code: str, entries: str) -> None:
        """A package of one module."""
        self.modules.append(module)
        (self.folder / f"{module}.py").write_text(code)
        info = self.folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entries)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(tmp_path)
    made = Packages(tmp_path)
    yield made
    for module in made.modules:
        sys.modules.pop(module, None)


SINE_CODE = "import numpy as np, cybptt\nsine = cybptt.Activation('sine', np.sin, np.cos)\n"
WHOLE_CODE = SINE_CODE.replace("'sine'", "'whole'")


def test_an_entry_point_is_loaded_when_it_is_asked_for(packages: Packages) -> None:
    packages.add("their_sine", SINE_CODE, "[cybptt.activations]\nsine = their_sine:sine\n")
    assert activations.names()[-1] == "sine"
    assert "their_sine" not in sys.modules
    plugin = activations.get("sine")
    assert plugin is sys.modules["their_sine"].sine is activations.get("sine")
    assert activations.registered(plugin)
    assert activations.names().count("sine") == 1


def test_what_is_registered_here_comes_before_a_package(packages: Packages) -> None:
    code = SINE_CODE.replace("'sine'", "'tanh'")
    packages.add("their_tanh", code, "[cybptt.activations]\ntanh = their_tanh:sine\n")
    names = activations.names()
    assert names.count("tanh") == 1
    assert activations.get("tanh").function == cybptt._core.function("tanh")
    assert "their_tanh" not in sys.modules
    mine = cybptt.register_activation("sine", np.sin, np.cos)
    packages.add("their_sine", SINE_CODE, "[cybptt.activations]\nsine = their_sine:sine\n")
    assert activations.get("sine") is mine
    assert "their_sine" not in sys.modules


def test_a_package_may_register_its_plugin_itself_when_it_is_imported(packages: Packages) -> None:
    """So it can leave out the check, for a derivative that is meant to be another."""
    code = "import numpy as np, cybptt\n"
    code += "step = cybptt.register_activation('step', np.sign, np.ones_like, check=False)\n"
    packages.add("their_step", code, "[cybptt.activations]\nstep = their_step:step\n")
    assert activations.get("step") is sys.modules["their_step"].step


BROKEN: dict[str, tuple[str, str, type[BaseException] | None, str]] = {
    "a module that is not there": (
        "",
        "no_such_module:sine",
        ModuleNotFoundError,
        "raised ModuleNotFoundError: No module named 'no_such_module'",
    ),
    "an object that is not there": ("", "theirs:sine", AttributeError, "raised AttributeError: "),
    "no object": (
        SINE_CODE,
        "theirs",
        None,
        "got module <module 'theirs' .*, need a cybptt.Activation of that name",
    ),
    "a module that does not compile": (
        "def",
        "theirs:sine",
        SyntaxError,
        "raised SyntaxError: ",
    ),
    "a module that exits": (
        "raise SystemExit(3)",
        "theirs:sine",
        SystemExit,
        "raised SystemExit: 3",
    ),
    "another kind of object": (
        "import numpy as np\nsine = np.sin",
        "theirs:sine",
        None,
        "got <ufunc 'sin'>, need a cybptt.Activation of that name",
    ),
    "a loss": (
        "import numpy as np, cybptt\nsine = cybptt.losses.get('huber')",
        "theirs:sine",
        None,
        r"got cybptt.losses.get\('huber'\), need a cybptt.Activation of that name",
    ),
    "another name": (
        SINE_CODE.replace("'sine'", "'cosine'"),
        "theirs:sine",
        None,
        r"got Activation cybptt.Activation\('cosine', .*, need a cybptt.Activation of that name",
    ),
    "another derivative": (
        SINE_CODE.replace("np.cos", "np.sin"),
        "theirs:sine",
        cybptt.DerivativeError,
        r"activation 'sine': derivative: got .* \(finite differences",
    ),
    "a function that raises": (
        SINE_CODE.replace("np.sin", "np.load"),
        "theirs:sine",
        cybptt.PluginError,
        "activation 'sine': function, while it was checked: raised ",
    ),
    "a name that is none": ("", "1 + 1", Exception, "raised "),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_entry_point(case: str, packages: Packages) -> None:
    code, value, cause, message = BROKEN[case]
    packages.add("theirs", code, f"[cybptt.activations]\nsine = {value}\n")
    packages.add("whole", WHOLE_CODE, "[cybptt.activations]\nwhole = whole:sine\n")
    assert activations.names()[-2:] == ["sine", "whole"]
    label = f"activation 'sine': entry point {value!r} of package 'theirs': "
    for _ in range(2):
        with pytest.raises(cybptt.PluginError, match=f"^{re.escape(label)}{message}") as refused:
            activations.get("sine")
        if cause is None:
            assert refused.value.__cause__ is None
        else:
            assert isinstance(refused.value.__cause__, cause)
    assert activations.get("whole").function is np.sin
    with pytest.raises(ValueError, match=r"^activation: got 'sina', need one of .*'sine'"):
        activations.get("sina")


def test_an_interrupt_while_a_package_is_imported_is_let_through(packages: Packages) -> None:
    packages.add("theirs", "raise KeyboardInterrupt", "[cybptt.activations]\nsine = theirs:sine\n")
    with pytest.raises(KeyboardInterrupt):
        activations.get("sine")
    assert activations.get("tanh").name == "tanh"


@pytest.mark.parametrize("damage", ["sine", "[cybptt.activations\nsine = a:b", "= a:b", "\0"])
def test_metadata_of_another_package_may_be_damaged(damage: str, packages: Packages) -> None:
    packages.add("damaged", "", damage)
    packages.add("whole", WHOLE_CODE, "[cybptt.activations]\nwhole = whole:sine\n")
    assert "whole" in activations.names()
    assert activations.get("whole").name == "whole"
    with pytest.raises(ValueError, match=r"^activation: got 'sine', need one of"):
        activations.get("sine")


def test_metadata_that_is_no_text(packages: Packages) -> None:
    packages.add("damaged", "", "")
    (packages.folder / "damaged-1.0.dist-info" / "entry_points.txt").write_bytes(b"[\xff\xfe]")
    packages.add("their_sine", SINE_CODE, "[cybptt.activations]\nsine = their_sine:sine\n")
    assert activations.get("sine").name == "sine"
    assert activations.names()[-1] == "sine"


def test_of_two_packages_the_first_on_the_path_is_asked(packages: Packages) -> None:
    second = SINE_CODE.replace("np.sin, np.cos", "np.cos, lambda a: -np.sin(a)")
    packages.add("their_sine", SINE_CODE, "[cybptt.activations]\nsine = their_sine:sine\n")
    elsewhere = packages.folder / "elsewhere"
    elsewhere.mkdir()
    sys.path.append(str(elsewhere))  # taken away with the rest of monkeypatch's
    Packages(elsewhere).add("second", second, "[cybptt.activations]\nsine = second:sine\n")
    assert activations.get("sine").function is np.sin
    assert "second" not in sys.modules


def test_threads_that_ask_at_once_get_one_object(packages: Packages) -> None:
    packages.add("their_sine", SINE_CODE, "[cybptt.activations]\nsine = their_sine:sine\n")
    barrier = threading.Barrier(8)
    got: list[Any] = []

    def work() -> None:
        barrier.wait()
        got.append(activations.get("sine"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len({id(plugin) for plugin in got}) == 1


def test_a_package_that_registers_while_another_thread_asks_does_not_hang(
    packages: Packages,
) -> None:
    """The registry's lock is not held while a module is imported, which has a lock of its own."""
    code = "import time; time.sleep(0.2)\nimport numpy as np, cybptt\n"
    code += "sine = cybptt.register_activation('sine', np.sin, np.cos)\n"
    packages.add("their_sine", code, "[cybptt.activations]\nsine = their_sine:sine\n")
    got: list[Any] = []
    threads = [threading.Thread(target=lambda: got.append(activations.get("sine")))]
    threads.append(threading.Thread(target=lambda: got.append(__import__("their_sine").sine)))
    threads.append(threading.Thread(target=lambda: got.append(activations.get("sine"))))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(got) == 3
    assert got[0] is got[1] is got[2]
