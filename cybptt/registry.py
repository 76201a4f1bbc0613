"""A name → a plugin: those registered here, those a factory makes, those other packages offer."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from cybptt._validate import boolean, describe, wrong_type, wrong_value
from cybptt.errors import PluginError


class Plugin(Protocol):
    """What a registry asks of its objects: a name, and equality by content."""

    @property
    def name(self) -> str:
        """What it is registered under."""


P = TypeVar("P", bound=Plugin)

_CALL = re.compile(r"(.+)\((.+)\)")  # leaky_relu(0.2)


class Registry(Generic[P]):
    """Plugins of one kind by their names.

    An installed package offers its own through the entry-point group ``group``. The group is looked
    into only when a name is not registered; an entry is loaded only when asked for by its name, and
    then checked and registered like any other.

    Parameters
    ----------
    kind : str
        What a plugin is called in messages, "activation".
    group : str
        The entry-point group.
    plugin_type : type
        The class of the plugins.
    check : callable
        Raises if the plugin given is wrong.

    Notes
    -----
    It has no equation. Threads may use it at once: the lock guards the dictionary alone, and is not
    held while a package is imported or a plugin's code runs.

    Examples
    --------
    >>> from cybptt.registry import Registry
    >>> from types import SimpleNamespace
    >>> planets = Registry("planet", "example.planets", SimpleNamespace, lambda planet: None)
    >>> planets.register(SimpleNamespace(name="Venus", moons=0)).moons
    0
    >>> planets.get("Venös")
    Traceback (most recent call last):
        ...
    ValueError: planet: got 'Venös', need one of 'Venus' (the nearest is 'Venus')
    """

    def __init__(
        self, kind: str, group: str, plugin_type: type[P], check: Callable[[P], None]
    ) -> None:
        self.kind = kind
        self.group = group
        self._type = plugin_type
        self._check = check
        self._plugins: dict[str, P] = {}
        self._factories: dict[str, Callable[[float], P]] = {}
        self._lock = threading.Lock()

    def register(self, plugin: P, *, check: bool = True, replace: bool = False) -> P:
        """Enter a plugin under its name, and return it."""
        check, replace = boolean("check", check), boolean("replace", replace)
        if "(" in plugin.name or ")" in plugin.name:
            raise wrong_value("name", repr(plugin.name), "a name without parentheses")
        if not replace:
            self._refuse_taken(plugin.name)
        if check:
            self._check(plugin)
        with self._lock:
            if not replace:
                self._refuse_taken(plugin.name)
            self._plugins[plugin.name] = plugin
        return plugin

    def _refuse_taken(self, name: str) -> None:
        if name in self._plugins:
            need = f"a name that no {self.kind} has, or replace=True"
            raise wrong_value("name", repr(name), need)

    def add_factory(self, name: str, factory: Callable[[float], P]) -> None:
        """Let `get` make ``name(number)`` by calling `factory` with the number."""
        self._factories[name] = factory

    def get(self, name: str) -> P:
        """The plugin of that name; it is loaded if another package offers it."""
        if not isinstance(name, str):
            raise wrong_type(self.kind, describe(name), f"the name of a registered {self.kind}")
        plugin = self._here(name)
        if plugin is None:
            plugin = self._from_packages(name)
        if plugin is None:
            from difflib import get_close_matches

            names = self.names()
            nearest = get_close_matches(name, names, n=1, cutoff=0)
            need = f"one of {', '.join(map(repr, names))}"
            if nearest:
                need += f" (the nearest is {nearest[0]!r})"
            raise wrong_value(self.kind, describe(name), need)
        return plugin

    def holds(self, plugin: P) -> bool:
        """Whether `get` gives this plugin for its name, no package being loaded for it."""
        try:
            return self._here(plugin.name) == plugin
        except ValueError:  # a name such as leaky_relu(nan)
            return False

    def names(self) -> list[str]:
        """All names: those registered, in that order, then those that packages offer."""
        here = list(self._plugins)
        return here + sorted({entry.name for entry in self._entries()} - set(here))

    def _here(self, name: str) -> P | None:
        plugin = self._plugins.get(name)
        if plugin is None and (call := _CALL.fullmatch(name)) and call[1] in self._factories:
            try:
                number = float(call[2])
            except ValueError:
                return None
            return self._factories[call[1]](number)
        return plugin

    # -------------------------------------------------------------- other packages

    def _entries(self) -> list[Any]:
        """The entry points of the group, those first that an import would find first."""
        from importlib.metadata import distributions  # not at the top: it is slow to import

        entries: list[Any] = []
        for distribution in distributions():
            try:
                entries.extend(distribution.entry_points.select(group=self.group))
            except Exception:
                continue  # unreadable metadata of some package: it offers nothing
        return entries

    def _from_packages(self, name: str) -> P | None:
        entry = next((entry for entry in self._entries() if entry.name == name), None)
        if entry is None:
            return None
        label = f"{self.kind} {name!r}: entry point {entry.value!r} of package {_package(entry)!r}"
        try:
            plugin = entry.load()
        except (Exception, SystemExit) as error:
            raise PluginError(f"{label}: raised {type(error).__name__}: {error}") from error
        if not isinstance(plugin, self._type) or plugin.name != name:
            need = f"a cybptt.{self._type.__name__} of that name"
            raise PluginError(f"{label}: got {describe(plugin)}, need {need}")
        if (registered := self._plugins.get(name)) is not None:
            return registered  # by the package, while it was imported, or by another thread
        try:
            self._check(plugin)
        except Exception as error:
            raise PluginError(f"{label}: {error}") from error
        with self._lock:
            return self._plugins.setdefault(name, plugin)


def _package(entry: Any) -> str:
    return entry.dist.name if entry.dist is not None else "?"
