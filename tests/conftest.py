"""What all tests share: which cybptt is tested, its registries, and Hypothesis's settings.

The tests are of the package that is installed, never of the source folder beside them, which has no
compiled core. Only where none is installed and the core was built in place is it the source folder.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]


def _built_in_place() -> bool:
    return any((ROOT / "cybptt" / f"_core{suffix}").exists() for suffix in EXTENSION_SUFFIXES)


def _choose_the_package() -> None:
    # `python -m pytest` puts the folder it runs in on the path, and the source folder with it.
    sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != ROOT]
    os.environ["PYTHONSAFEPATH"] = "1"  # nor shall `python -m cybptt` in a subprocess find it
    if importlib.util.find_spec("cybptt") is not None:
        return
    if not _built_in_place():
        pytest.exit("cybptt is not installed here: pip install '.[test]'", returncode=4)
    sys.path.insert(0, str(ROOT))
    paths = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *([paths] if paths else [])])


_choose_the_package()

# A shell that starts the tests in the background has them ignore Ctrl-C, and the programs that
# they start, too; the tests of Ctrl-C need it heard.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more of the machine than of the code. In CI the examples are the
# same at every run, so that a failure there is a failure of the change at hand.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_report_header() -> str:
    import cybptt

    return f"cybptt {cybptt.__version__} from {Path(cybptt.__file__).parent}"


@pytest.fixture(autouse=True)
def registries_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    from cybptt import activations, losses

    for registry in (activations._registry, losses._registry):
        monkeypatch.setattr(registry, "_plugins", dict(registry._plugins))
