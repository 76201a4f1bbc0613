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

from table import ROOT, Mutation

# What pytest -v says of a test: its name, and, when it has ended, how.
STARTED = re.compile(r"^tests/(.+?)(?: PASSED.*| Fatal Python error.*| *)$", re.MULTILINE)
ENDED = re.compile(r"^(tests/.+?) (FAILED|ERROR) +\[ *\d+%\]$", re.MULTILINE)


class Outcome(NamedTuple):
    """How a run of tests ended, and in which test if they did not all pass."""

    how: str  # passed, failed, crashed, hung
    test: str = ""
    output: str = ""


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
        shutil.copy(ROOT / "pyproject.toml", folder)
        self.library = self.path(f"cybptt/_core{sysconfig.get_config_var('EXT_SUFFIX')}")
        units = [
            self.path("cybptt/_core.pyx"),
            *sorted(self.path("cybptt/_kernels").glob("*.c")),
        ]
        self.objects = self._compile_all(units, "")
        self._link(self.objects)

    def path(self, file: str) -> Path:
        """Where a file of the package is in the copy."""
        return self.folder / "package" / file

    @contextmanager
    def mutated(self, mutation: Mutation) -> Iterator[None]:
        """The copy with one thing wrong; afterwards it is as it was."""
        path, kept = self.path(mutation.file), self.folder / "kept"
        right = path.read_text(encoding="utf-8")
        shutil.copy(self.library, kept)
        try:
            path.write_text(right.replace(mutation.old, mutation.new), encoding="utf-8")
            if path.suffix != ".py":
                self._link(self.objects | self._compile_all(self._units_of(path), "mutated-"))
            yield
        finally:
            path.write_text(right, encoding="utf-8")
            os.replace(kept, self.library)

    # ------------------------------------------------------------------ building

    def _units_of(self, path: Path) -> list[Path]:
        """What has to be compiled where a source has changed."""
        if path.suffix in (".pyx", ".pxi", ".pxd"):
            return [self.path("cybptt/_core.pyx")]
        return [path] if path.suffix == ".c" else sorted(path.parent.glob("kernels_*.c"))

    def _compile_all(self, units: list[Path], prefix: str) -> dict[Path, Path]:
        with ThreadPoolExecutor(2) as threads:
            names = [f"{prefix}{unit.stem}" for unit in units]
            return dict(zip(units, threads.map(self._compile, units, names), strict=True))

    def _compile(self, unit: Path, name: str) -> Path:
        source, out, flags = unit, self.folder / f"{name}.o", [*_flags(), "-O1"]
        if unit.suffix == ".pyx":
            source, flags[-1] = self.folder / f"{name}.c", "-O0"
            _do([sys.executable, "-m", "cython", "-3", str(unit), "-o", str(source)])
        flags += [f"-I{sysconfig.get_path('include')}", f"-I{self.path('cybptt/_kernels')}"]
        _do([*_compiler(), *flags, "-c", str(source), "-o", str(out)])
        return out

    def _link(self, objects: dict[Path, Path]) -> None:
        # To another name first: a library that is being used must not be written over.
        new = self.folder / "new"
        files = [str(file) for file in objects.values()]
        shared = ["-bundle", "-undefined", "dynamic_lookup"]
        shared = shared if sys.platform == "darwin" else ["-shared"]
        _do([*_compiler(), *shared, *files, "-lm", "-o", str(new)])
        os.replace(new, self.library)

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
    for statement in ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "FLAGS":
            flags = [flag for flag in ast.literal_eval(statement.value) if flag != "-O3"]
            return [*flags, "-fPIC", "-w"]
    raise RuntimeError("setup.py: no FLAGS")
