"""What the modules for other libraries share: a word on how to get a library that is missing."""

from __future__ import annotations


def missing(extra: str, library: str) -> ImportError:
    """Say that ``cybptt.<extra>`` needs a library, and how to install both.

    >>> raise missing("torch", "PyTorch")
    Traceback (most recent call last):
        ...
    ImportError: cybptt.torch needs PyTorch, which is not installed: pip install 'cybptt[torch]'
    """
    return ImportError(
        f"cybptt.{extra} needs {library}, which is not installed: pip install 'cybptt[{extra}]'"
    )
