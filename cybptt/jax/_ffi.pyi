from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

functions: dict[int, Callable[..., list[NDArray[Any]]]]

def handler() -> object: ...
def end() -> None: ...
