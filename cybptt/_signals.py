"""Ctrl-C held back while something must not be cut in two, and let through everywhere else.

A step of an optimizer writes the parameters in place. An interrupt in the middle of it would leave
a model that never was. While a :class:`SignalGuard` stands, the handlers that were there before are
still the ones that answer a signal; the guard only decides when.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

__all__ = ["SignalGuard"]

_GUARDED = (signal.SIGINT, signal.SIGTERM)


class SignalGuard:
    """Keeps SIGINT and SIGTERM waiting, except inside :meth:`open`.

    Only signals that a Python function answers are kept waiting: a SIGTERM that would just end the
    process still does. Off the main thread, where no signal is ever handled, it does nothing.

    Examples
    --------
    >>> from cybptt._signals import SignalGuard
    >>> with SignalGuard() as guard:
    ...     with guard.open():
    ...         pass  # what may be interrupted
    """

    def __init__(self) -> None:
        self._handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._waiting: int | None = None
        self._is_open = False

    def __enter__(self) -> SignalGuard:
        if threading.current_thread() is threading.main_thread():
            for number in _GUARDED:
                handler = signal.getsignal(number)
                if callable(handler):
                    self._handlers[number] = handler
                    signal.signal(number, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if error is None:
            self._deliver()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if not self._is_open:
            self._waiting = number
            return
        # Closed first: the handler most likely raises, and what then cleans up is not to be cut
        # short by an impatient second Ctrl-C.
        self._is_open = False
        self._handlers[number](number, frame)
        self._is_open = True

    def _deliver(self) -> None:
        number, self._waiting = self._waiting, None
        if number is not None:
            self._handlers[number](number, None)

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Keep signals waiting for a while, within what is open too; they are answered later."""
        before, self._is_open = self._is_open, False
        try:
            yield
        finally:
            self._is_open = before

    @contextmanager
    def open(self) -> Iterator[None]:
        """Let signals through; one that has been waiting is answered first."""
        self._is_open = True
        try:
            self._deliver()
            yield
        finally:
            self._is_open = False
