"""`cybptt info`: what it says is so."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import cybptt
from cybptt import _core, activations
from cybptt.__main__ import main
from cybptt._cli.info import collect


def test_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    lines = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    said = {name.strip(): value.strip() for name, value in lines.items()}
    assert said["cybptt"] == cybptt.__version__
    assert said["folder"] == str(Path(cybptt.__file__).parent)
    assert said["kernels in use"] == _core.kernels_in_use
    others = [name for name in _core.kernels_available if name != _core.kernels_in_use]
    assert said["kernels that could be"] == (", ".join(others) or "none")
    assert said["NumPy"] == np.__version__
    assert platform.python_version() in said["Python"]
    assert all(said.values())


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == collect()


def test_kernels_that_could_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_core, "kernels_available", ("avx2", "baseline"))
    monkeypatch.setattr(_core, "kernels_in_use", "baseline")
    assert collect()["kernels that could be"] == ["avx2"]


def test_variables_that_decide_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYBPTT_NUM_THREADS", "3")
    monkeypatch.delenv("CYBPTT_KERNELS", raising=False)
    variables = collect()["variables"]
    assert variables["CYBPTT_NUM_THREADS"] == "3"
    assert "CYBPTT_KERNELS" not in variables


def test_processors() -> None:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert collect()["processors"] == {"usable": usable, "in all": os.cpu_count()}


def test_plugins_are_named_and_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = SimpleNamespace(name="swish", dist=SimpleNamespace(name="extras", version="1.2"))
    monkeypatch.setattr(activations._registry, "_entries", lambda: [entry])
    assert "activation swish of extras 1.2" in collect()["plugins"]


def test_packages_that_are_installed() -> None:
    assert collect()["other packages"]["safetensors"].count(".") >= 1
