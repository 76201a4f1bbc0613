"""Tables of what has been measured, made from what the measurements left in the repository.

``.. measured:: grid`` is a table of benchmarks/results/grid.json, and so on; with ``:sizes:`` each
line has T, B, I, H and O, and ``:table:`` names another of those that a program itself made.
``.. ulps::`` is a table of tests/kernels_c/all_float32.txt and dense_float64.txt. Where a file is
not there, the build warns, and says which command writes it.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective
from sphinx.util.logging import getLogger

from cybptt._bench.cells import CELLS, TOKENS
from cybptt._bench.tables import duration

if TYPE_CHECKING:
    from docutils.nodes import Node
    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata, OptionSpec

log = getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
NAMES = {
    "torch": "PyTorch",
    "jax": "JAX",
    "numpy": "NumPy",
    "onnxruntime RNN": "ONNX Runtime, RNN",
    "onnxruntime Scan": "ONNX Runtime, Scan",
    "torch embedding": "PyTorch, embedding",
    "torch one-hot": "PyTorch, one-hot",
    "torch packed": "PyTorch, packed",
    "torch padded": "PyTorch, padded",
    "jax gather": "JAX",
    "cybptt one-hot": "cybptt, one-hot",
    "cybptt checkpoint": 'cybptt, checkpoint="auto"',
    "cybptt, checkpoint='auto'": 'cybptt, checkpoint="auto"',
    "cybptt free": "free",
    "cybptt hidden": "hidden recurrence",
}
OWN = (
    "plugins",
    "scipy_lbfgs",
    "bucketing",
    "mpi_scaling",
    "jax_hidden",
    "torch_module",
)  # a program each
ULPS = {"float32": "all_float32.txt", "float64": "dense_float64.txt"}

Rows = dict[str, dict[str, str]]  # a line's name → a column's name → what stands there


class Found(SphinxDirective):
    """What reads a file that a measurement left."""

    def found(self, file: Path, command: str) -> str:
        """The file's text; "", and a warning, where it is not there."""
        self.env.note_dependency(file)
        if file.exists():
            return file.read_text(encoding="utf-8")
        log.warning("no %s: %s writes it", file.name, command, location=self.get_location())
        return ""


class Measured(Found):
    """A table of one section of benchmarks/all.py, or of a program of its own there."""

    required_arguments = 1
    option_spec: ClassVar[OptionSpec] = {
        "dtype": directives.unchanged_required,
        "sizes": directives.flag,
        "table": directives.unchanged_required,
    }

    def run(self) -> list[Node]:
        """Read the file, and make the nodes."""
        section = self.arguments[0]
        command = f"python benchmarks/all.py --only {section}"
        if section in OWN:
            command = f"python benchmarks/{section}.py"
        text = self.found(RESULTS / f"{section}.json", command)
        if not text:
            return []
        document = json.loads(text)
        dtype = self.options.get("dtype", "float32")
        info = document["info"]
        made = document["results"].get(self.options.get("table", "table"))  # by the program itself
        caption = (
            f"``{command}``, {'' if made else f'{dtype}, '}"
            f"on {info.get('processor', 'a processor')}, {info.get('kernels in use', '')}."
        )
        rows = made or rows_of(section, document["results"], dtype)
        if "sizes" in self.options:
            rows = {name: sizes_of(name) | line for name, line in rows.items()}
        words = self.parse_text_to_nodes(f".. rst-class:: measured\n\n{caption}")
        return [table(rows), *words]


class Ulps(Found):
    """The largest error of each function, in units in the last place."""

    def run(self) -> list[Node]:
        """With fused multiply-add and without, for both dtypes."""
        rows: Rows = {}
        for dtype, name in ULPS.items():
            command = f"bash tests/kernels_c/run {name.partition('.')[0].replace('_', '-')}"
            text = self.found(ROOT / "tests" / "kernels_c" / name, command)
            if not text:
                return []
            for line in text.splitlines()[3:]:
                function, kernels, error, *_ = line.split()
                column = f"{dtype}, baseline" if kernels == "baseline" else dtype
                row = rows.setdefault(function.replace("_derivative", "\N{NO-BREAK SPACE}′"), {})
                row[column] = f"{max(float(error), float(row.get(column, 0))):.2f}"
        order = ["float32", "float32, baseline", "float64", "float64, baseline"]
        return [table({f: {c: row[c] for c in order} for f, row in rows.items()})]


def rows_of(section: str, results: dict[str, Any], dtype: str) -> Rows:
    """The lines of a section's table: times, or bytes, and the better peer's time over ours."""
    if section == "memory":  # over T it is a picture
        return {
            name: {label_of(label): f"{n / 1e6:.2f} MB" for label, n in row.items()}
            for name, row in results["bytes"].items()
            if name in CELLS
        }
    if section == "threads":
        labels = ("cybptt", "torch", "jax", "gemm")
        return {
            name: {label_of(label): gain(row["times"], label) for label in labels}
            for name, row in results["cells"].items()
        }
    if section == "plugins":
        kinds = results[dtype]["tanh"]
        return {
            name: {kind: f"{ratios[kind]:.2f}" if kind in ratios else "–" for kind in kinds}
            for name, ratios in results[dtype].items()
        }
    cells = results.get(dtype, results)
    cells = {
        name: row
        for name, row in cells.get("cells", cells).items()
        if isinstance(row, dict) and "median" in row
    }
    lines = {name: line_of(section, name, row["median"]) for name, row in cells.items()}
    for name, row in cells.items():
        for label, values in row.get("accuracies", {}).items():
            accuracy = f"{100 * statistics.mean(values):.1f} %"
            lines[name][f"right, by {label_of(label)}"] = accuracy
    return lines


def line_of(section: str, name: str, medians: dict[str, float]) -> dict[str, str]:
    """One line: everybody's time, of a step where the section is of lengths."""
    steps = int(name.replace(",", "")) if section == "length" else 1
    line = {label_of(k): duration(t / steps) for k, t in medians.items() if k != "gemm"}
    peers = [t for k, t in medians.items() if not k.startswith(("cybptt", "gemm"))]
    if peers:
        line["best peer / cybptt"] = f"{min(peers) / medians['cybptt']:.2f}"
    return line


def sizes_of(name: str) -> dict[str, str]:
    """T, B, I, H and O of a cell."""
    cell = (CELLS | TOKENS)[name]
    return {letter: f"{getattr(cell, letter):,}" for letter in "TBIHO"}


def gain(times: dict[str, list[float]], label: str) -> str:
    """The time on one thread over that on two: the median of the rounds' ratios."""
    one, two = times[f"{label} 1"], times[f"{label} 2"]
    return f"{statistics.median(a / b for a, b in zip(one, two, strict=True)):.2f}"


def label_of(label: str) -> str:
    """What a reader calls it."""
    return NAMES.get(label, label)


def table(rows: Rows) -> Node:
    """A table whose first column names the lines."""
    columns = list(next(iter(rows.values())))
    group = nodes.tgroup("", cols=1 + len(columns))
    group += [nodes.colspec("", colwidth=1) for _ in range(1 + len(columns))]
    head = nodes.row("", *(cell(text) for text in ["", *columns]))
    group += nodes.thead("", head)
    body = nodes.tbody()
    for name, line in rows.items():
        body += nodes.row("", cell(name), *(cell(line[c]) for c in columns))
    group += body
    return nodes.table("", group, classes=["numbers"])


def cell(text: str) -> Node:
    """A place of a table."""
    return nodes.entry("", nodes.paragraph("", text))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Enter the directives."""
    app.add_directive("measured", Measured)
    app.add_directive("ulps", Ulps)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
