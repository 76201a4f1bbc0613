"""The options that decide a run's bits, and the defaults; imports nothing heavy."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["DEFAULTS", "DEFAULT_MINUTES", "DEFAULT_STEPS", "FLOOR", "Options"]

# Where the rate ends, as a part of where it begins.
FLOOR = 0.05


@dataclass(frozen=True)
class Options:
    """Everything but the text that decides the bits of every step.

    How long a run goes on is not among them.
    """

    hidden: int = 256
    activation: str = "tanh"
    init: str = "orthogonal"
    dtype: str = "float32"
    batch: int = 32
    chunk: int = 64
    lr: float = 4e-3
    decay: int = 6000
    clip: float = 1.0
    validation: float = 0.05
    seed: int = 0

    @classmethod
    def given(cls, arguments: Any) -> dict[str, Any]:
        """Those of parsed arguments that the user wrote."""
        names = [field.name for field in dataclasses.fields(cls)]
        values = {name: getattr(arguments, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def of_file(cls, path: str, stored: Mapping[str, Any], digest: Any) -> Options:
        """Those that a file holds."""
        try:
            options = cls(**stored)
        except TypeError as error:
            raise ValueError(
                f"{path}: got options of another version of cybptt ({error}), need this one's"
            ) from None
        if options.digest() != digest:
            raise ValueError(f"{path}: got options without their digest, need them as saved")
        return options

    def refuse_others(self, path: str, given: Mapping[str, Any]) -> None:
        """Refuse what a user asks for where it is not what the run began with."""
        for name, value in given.items():
            mine = getattr(self, name)
            if value != mine:
                raise ValueError(
                    f"--{name}: got {value}, need {mine}, with which the run in {path} began"
                )

    def as_dict(self) -> dict[str, Any]:
        """For a file."""
        return dataclasses.asdict(self)

    def digest(self) -> str:
        """A fingerprint of all of them."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()


DEFAULTS = Options()
DEFAULT_STEPS = 6000
DEFAULT_MINUTES = 4.0
