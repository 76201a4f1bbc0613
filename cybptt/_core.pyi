from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

_Array = NDArray[Any]

block_rows: int
kernels_in_use: str
kernels_available: tuple[str, ...]
most_threads: int

class BlockFunction:
    @property
    def n_in(self) -> int: ...
    @property
    def parameter(self) -> float: ...
    @property
    def name(self) -> str: ...
    @property
    def dtypes(self) -> tuple[str, ...]: ...
    def __call__(self, *arguments: Any) -> _Array: ...

class PythonFunction(BlockFunction):
    def __init__(
        self, python: Callable[..., _Array], n_in: int, c: BlockFunction | None = None
    ) -> None: ...

class Function(BlockFunction):
    def __init__(self, name: str, parameter: float = 0.0) -> None: ...

class UfuncFunction(BlockFunction):
    def __init__(self, f: Any) -> None: ...

class PointerFunction(BlockFunction):
    def __init__(self, name: str, pointers: tuple[Any, Any]) -> None: ...
    @property
    def pointers(self) -> tuple[Any, Any]: ...

class LossFunction:
    @property
    def of(self) -> tuple[Any, ...]: ...
    @property
    def name(self) -> str: ...
    @property
    def part(self) -> str: ...
    @property
    def dtypes(self) -> tuple[str, ...]: ...
    def __call__(self, o: Any, y: Any) -> _Array: ...
    def both(self, o: Any, y: Any) -> tuple[_Array, _Array]: ...

class BuiltInLoss(LossFunction):
    def __init__(self, name: str, part: str, parameter: float = 0.0) -> None: ...
    @property
    def parameter(self) -> float: ...

class UfuncLoss(LossFunction):
    def __init__(self, value: Any, gradient: Any, part: str) -> None: ...
    @property
    def of(self) -> tuple[Any, Any]: ...
    def terms(self) -> Any: ...

class PointerLoss(LossFunction):
    def __init__(self, value: Any, gradient: Any, classes: bool, part: str) -> None: ...

function = Function
loss_function = BuiltInLoss

def is_ufunc(f: Any) -> bool: ...
def called_in_python(f: Any, *arrays: _Array) -> _Array: ...
def capsule(obj: Any) -> tuple[str, int] | None: ...
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

class Memory:
    @property
    def nbytes(self) -> int: ...

class Plan:
    def __init__(
        self,
        I: int,
        H: int,
        O: int,
        *,
        single: bool,
        tokens: bool,
        last: bool,
        layered: bool,
        recurrence: str,
        f: BlockFunction,
        slope: BlockFunction,
        pullback: BlockFunction | None,
        of_input: bool,
        loss: LossFunction,
        any_target: bool,
        link: BlockFunction | None,
        predicts: bool,
    ) -> None: ...
    @property
    def predicts(self) -> bool: ...
    def quick(
        self,
        vector: _Array,
        x: Any,
        y: Any,
        out: _Array,
        h0: _Array | None,
        with_ends: bool,
        reduction: Any,
        threads: int,
        workspace: Memory | None,
    ) -> tuple[float, _Array | None] | None: ...
    def run(
        self,
        vector: _Array,
        out: _Array,
        T: int,
        B: int,
        starts: _Array | None,
        x: _Array,
        y: _Array,
        factor: _Array | float,
        u: _Array | None,
        h0: _Array,
        ends: _Array,
        kept_step: int,
        segment_blocks: int,
        threads: int,
        workspace: Memory | None,
    ) -> float | None: ...
    def predict(
        self,
        vector: _Array,
        T: int,
        B: int,
        starts: _Array | None,
        x: _Array,
        u: _Array | None,
        h0: _Array,
        y_hat: _Array,
        ends: _Array,
        threads: int,
    ) -> bool: ...
    def pull_back(
        self,
        vector: _Array,
        out: _Array,
        T: int,
        B: int,
        starts: _Array | None,
        x: _Array,
        h: _Array,
        grad_h: _Array,
        h0: _Array,
        grad_x: _Array | None,
        grad_h0: _Array,
        threads: int,
    ) -> bool: ...

def let_a_thread_be_worth(work: float) -> float: ...
