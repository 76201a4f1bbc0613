"""A copy of the package and its tests in a folder of its own, and how it is built there."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from table import ROOT, Mutation

# What pytest -v says of a test: its name, and, when it has ended, how.
STARTED = re.compile(r"^tests/(.+?)(?: PASSED.*| Fatal Python error.*| *)$", re.MULTILINE)
ENDED = re.compile(r"^(tests/.+?) (FAILED|ERROR) +\[ *\d+%\]$", re.MULTILINE)


class Outcome(NamedTuple):
    """How a run of tests ended, and in which test if they did not all pass."""

    how: str  # passed, failed, crashed, hung
    test: str = ""
    output: str = ""


class Library(NamedTuple):
    """What is linked into one: a Cython file beside a folder of C, and flags of its own."""

    pyx: str
    kernels: str
    flags: tuple[str, ...] = ()

    @classmethod
    def of(cls, file: str) -> Library:
        """The one that a source belongs to."""
        return next(lib for lib in LIBRARIES if Path(file).parent in lib.folders())

    def folders(self) -> tuple[Path, Path]:
        """Where its sources are."""
        return Path(self.pyx).parent, Path(self.kernels)

    def units(self, file: str) -> list[str]:
        """What has to be compiled where a source has changed."""
        if file.endswith((".pyx", ".pxi", ".pxd")):
            return [self.pyx]
        every = sorted(str(path.relative_to(ROOT)) for path in (ROOT / self.kernels).glob("*.c"))
        return [file] if file.endswith(".c") else every


LIBRARIES = (
    Library("cybptt/_core.pyx", "cybptt/_kernels"),
    Library("cybptt/optim/_updates.pyx", "cybptt/optim/_kernels", ("-ffp-contract=off",)),
)


class Tree:
    """The copy.

    The package is built with the flags of setup.py, but optimized less, which takes a third of the
    time; what is computed is the same. The tests run with the kernels of one instruction set. All
    are built, for a test that compares them must not notice what is wrong in one alone.
    """

    def __init__(self, folder: Path, kernels: str) -> None:
        self.folder, self.kernels = folder, kernels
        skip = shutil.ignore_patterns("*.so", "__pycache__", ".*_cache")
        # Not beside its tests: conftest.py takes the folder above these off the path.
        shutil.copytree(ROOT / "cybptt", self.path("cybptt"), ignore=skip)
        shutil.copytree(ROOT / "tests", folder / "tests", ignore=skip)
        shutil.copytree(ROOT / "docs", folder / "docs", ignore=skip)  # the tests read its pages
        shutil.copy(ROOT / "pyproject.toml", folder)
        self.objects: dict[Library, dict[str, Path]] = {}
        for library in LIBRARIES:
            units = [library.pyx, *library.units(f"{library.kernels}/*.h")]
            self.objects[library] = self._compile_all(library, units, "")
            self._link(library, self.objects[library])

    def path(self, file: str) -> Path:
        """Where a file of the package is in the copy."""
        return self.folder / "package" / file

    def shared(self, library: Library) -> Path:
        """Where a library is."""
        return self.path(library.pyx).with_suffix(sysconfig.get_config_var("EXT_SUFFIX"))

    @contextmanager
    def mutated(self, mutation: Mutation) -> Iterator[None]:
        """The copy with one thing wrong; afterwards it is as it was."""
        path, kept = self.path(mutation.file), self.folder / "kept"
        right = path.read_text(encoding="utf-8")
        library = None if path.suffix == ".py" else Library.of(mutation.file)
        try:
            path.write_text(right.replace(mutation.old, mutation.new), encoding="utf-8")
            if library is not None:
                shutil.copy(self.shared(library), kept)
                changed = self._compile_all(library, library.units(mutation.file), "mutated-")
                self._link(library, self.objects[library] | changed)
            yield
        finally:
            path.write_text(right, encoding="utf-8")
            if library is not None:
                os.replace(kept, self.shared(library))

    # ------------------------------------------------------------------ building

    def _compile_all(self, library: Library, units: list[str], prefix: str) -> dict[str, Path]:
        with ThreadPoolExecutor(2) as threads:
            objects = threads.map(lambda unit: self._compile(library, unit, prefix), units)
            return dict(zip(units, objects, strict=True))

    def _compile(self, library: Library, unit: str, prefix: str) -> Path:
        source, flags = self.path(unit), [*_flags(), *library.flags, "-O1"]
        out = self.folder / f"{prefix}{source.stem}.o"
        if source.suffix == ".pyx":
            source, flags[-1] = out.with_suffix(".c"), "-O0"
            checks = ",".join(f"{name}=False" for name in [*_of_setup("CHECKS"), "wraparound"])
            path = str(self.path(unit))
            _do([sys.executable, "-m", "cython", "-X", checks, path, "-o", str(source)])
        flags += [f"-I{sysconfig.get_path('include')}", f"-I{np.get_include()}"]
        flags += [f"-I{self.path(library.kernels)}"]
        _do([*_compiler(), *flags, "-c", str(source), "-o", str(out)])
        return out

    def _link(self, library: Library, objects: dict[str, Path]) -> None:
        # To another name first: a library that is being used must not be written over.
        new = self.folder / "new"
        files = [str(file) for file in objects.values()]
        shared = ["-bundle", "-undefined", "dynamic_lookup"]
        shared = shared if sys.platform == "darwin" else ["-shared"]
        _do([*_compiler(), *shared, *files, "-lm", "-o", str(new)])
        os.replace(new, self.shared(library))

    # ------------------------------------------------------------------ testing

    def test(self, files: Sequence[str], options: Sequence[str], seconds: float) -> Outcome:
        """Run tests up to the first that does not pass."""
        command = [sys.executable, "-m", "pytest", "-xv", "--tb=short", "-p", "no:cacheprovider"]
        command += [*options, *[f"tests/{file}" for file in files]]
        # With CI set, Hypothesis draws the same examples at every run.
        settings = {"CI": "1", "CYBPTT_KERNELS": self.kernels, "PYTHONDONTWRITEBYTECODE": "1"}
        settings["PYTHONPATH"] = str(self.folder / "package")
        log = self.folder / "log"
        with log.open("w", encoding="utf-8") as file:
            process = subprocess.Popen(
                command, cwd=self.folder, env=os.environ | settings,
                stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                code = None
            finally:  # whatever the tests have started, too
                _kill_group(process)
        output = log.read_text(encoding="utf-8", errors="replace")
        if code in (0, 5):  # 5: of these files no test was chosen
            return Outcome("passed", output=output)
        if code in (1, 2) and (match := ENDED.search(output)):
            return Outcome("failed", match[1].removeprefix("tests/"), output)
        if code in (1, 2) and (match := re.search(r"^ERROR tests/(\S+)", output, re.MULTILINE)):
            return Outcome("failed", f"{match[1]} (cannot be imported)", output)
        if code is None or code < 0:
            running = STARTED.findall(output)
            how = "hung" if code is None else f"crashed, {signal.Signals(-code).name}"
            return Outcome(how, running[-1] if running else "at the start", output)
        raise RuntimeError(f"pytest ended with {code}:\n{output}")


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _do(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)}\n{done.stdout}{done.stderr}")


def _compiler() -> list[str]:
    return shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC"))


def _flags() -> list[str]:
    """Setup.py's flags, but for the optimization."""
    return [*[flag for flag in _of_setup("FLAGS") if flag != "-O3"], "-fPIC", "-w"]


def _of_setup(name: str) -> list[str]:
    """A list in setup.py."""
    for statement in ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name:
            return list(ast.literal_eval(statement.value))
    raise RuntimeError(f"setup.py: no {name}")
