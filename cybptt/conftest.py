"""The doctests of the modules for other libraries are run where these are installed."""

from __future__ import annotations

import importlib

import cybptt


def _missing(name: str) -> bool:
    try:
        importlib.import_module(f"cybptt.{name}")
    except ImportError:
        return True
    return False


collect_ignore_glob = [f"{name}*" for name in cybptt._NEIGHBOURS if _missing(name)]
