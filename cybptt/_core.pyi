from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

_Array = NDArray[Any]

kernels_in_use: str
kernels_available: tuple[str, ...]

class BlockFunction:
    @property
    def n_in(self) -> int: ...
    @property
    def parameter(self) -> float: ...

class PythonFunction(BlockFunction):
    def __init__(self, python: Callable[..., _Array], n_in: int) -> None: ...

class Function(BlockFunction):
    def __init__(self, name: str, parameter: float = 0.0) -> None: ...
    @property
    def name(self) -> str: ...
    def __call__(self, *arguments: Any) -> _Array: ...

class LossFunction:
    def __init__(self, name: str, part: str, parameter: float = 0.0) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def part(self) -> str: ...
    @property
    def parameter(self) -> float: ...
    def __call__(self, o: Any, y: Any) -> _Array: ...

function = Function
loss_function = LossFunction

def affine(x: _Array, weights: _Array, bias: _Array | None, out: _Array) -> None: ...
def add_pullback(gradient: _Array, weights: _Array, out: _Array) -> None: ...
def gather(tokens: _Array, columns: _Array, bias: _Array, out: _Array) -> None: ...
def scatter(tokens: _Array, grad_a: _Array, out: _Array) -> None: ...
def add_outer(blocks: _Array, left: _Array, right: _Array, out: _Array) -> None: ...
def add_rows(blocks: _Array, rows: _Array, out: _Array) -> None: ...
def forward(
    counts: _Array,
    h: _Array,
    a: _Array,
    activation: BlockFunction,
    W: _Array | None = None,
    R: _Array | None = None,
    u: _Array | None = None,
    free: _Array | None = None,
    V: _Array | None = None,
    c: _Array | None = None,
    o: _Array | None = None,
    y_hat: _Array | None = None,
    link: BlockFunction | None = None,
) -> None: ...
def backward(
    counts: _Array,
    grad_h: _Array,
    grad_a: _Array,
    slope: _Array,
    W: _Array | None = None,
    R: _Array | None = None,
    free: _Array | None = None,
    V: _Array | None = None,
    grad_o: _Array | None = None,
    o: _Array | None = None,
    y_hat: _Array | None = None,
    link_vjp: BlockFunction | None = None,
) -> None: ...
