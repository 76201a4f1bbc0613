"""Memory: by how much a call raises the peak of its process over what it held before.

Every number is of a process of its own, that has imported the library, made the inputs and the
parameters, compiled, and called once on a tiny network: what stays is the call's own. Linux alone.
"""

from __future__ import annotations

from typing import Any

from common import Options

from cybptt._bench.cells import CELLS, Cell
from cybptt._bench.libraries import Call, by_cybptt, by_jax, by_torch
from cybptt._bench.race import Worker

OVER_T = tuple(Cell(f"T = {T}", 8, T, 64, 128, 64) for T in (100, 300, 1000, 3000, 10_000))


def by_checkpoints(cell: Cell, dtype: str) -> Call:
    """cybptt, with the states of every √T steps kept, and the others computed again."""
    import cybptt

    data = cell.data(dtype)
    rnn = cybptt.RNN(cell.I, cell.H, cell.O)
    params = rnn.parameters(**{name: data[name] for name in rnn.shapes})
    x, y = data["x"], data["y"]
    return lambda: (rnn.value_and_grad(params, x, y, checkpoint="auto")[0],)


def by_one_scan(cell: Cell, dtype: str) -> Call:
    """JAX, not unrolled, so that nothing has been run to see which is faster."""
    return by_jax(cell, dtype, (1,))


MAKERS = {
    "cybptt": by_cybptt,
    "cybptt, checkpoint='auto'": by_checkpoints,
    "torch": by_torch,
    "jax": by_one_scan,
}


def memory(options: Options) -> dict[str, Any]:
    """The grid, and over T."""
    dtype = options.dtypes[0]
    print(f"{dtype}, MB{'':6}" + "".join(f"{label:>28}" for label in MAKERS))
    found = {}
    grid = list(CELLS.values())[:3] if options.quick else list(CELLS.values())
    over_t = OVER_T[:2] if options.quick else OVER_T
    for cell in (*grid, *over_t):
        found[cell.name] = {
            label: rise(label, maker, cell, dtype, options.threads)
            for label, maker in MAKERS.items()
        }
        megabytes = "".join(f"{n / 1e6:28.2f}" for n in found[cell.name].values())
        print(f"{cell.name:16}{megabytes}", flush=True)
    sizes = "B = {0.B}, I = {0.I}, H = {0.H}, O = {0.O}".format(OVER_T[0])
    lengths = [cell.T for cell in over_t]
    return {"dtype": dtype, "bytes": found, "over T": lengths, "sizes": sizes}


def rise(label: str, maker: Any, cell: Cell, dtype: str, threads: int) -> int:
    """Bytes, of a new process."""
    worker = Worker(label, threads)
    arguments = (maker, (CELLS["tiny"], dtype), (cell, dtype))
    try:
        bytes_: int = worker.ask("rise", *arguments)
    finally:
        worker.close()
    return bytes_
