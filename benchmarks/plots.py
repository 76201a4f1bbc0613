"""The pictures of the README and of the site, drawn from the JSON that all.py wrote.

    python benchmarks/plots.py

Nothing is measured again. Time against T and against H, and memory against T, for each library:
each to a file in docs/images, half as wide as a page of the site, and the three to race.svg there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
IMAGES = Path(__file__).parents[1] / "docs" / "images"

# Colours that most colour-blind readers tell apart; ours alone is thick.
STYLES: dict[str, dict[str, Any]] = {
    "cybptt": {"color": "#0072B2", "linewidth": 2.5, "marker": "o", "zorder": 3},
    "cybptt, checkpoint='auto'": {"color": "#0072B2", "linewidth": 1.5, "linestyle": "--"},
    "torch": {"color": "#D55E00", "linewidth": 1.5, "marker": "s"},
    "jax": {"color": "#009E73", "linewidth": 1.5, "marker": "^"},
    "numpy": {"color": "#777777", "linewidth": 1.5, "marker": "d"},
}
NAMES = {
    "cybptt, checkpoint='auto'": 'cybptt, checkpoint="auto"',
    "torch": "PyTorch",
    "jax": "JAX",
    "numpy": "NumPy",
}


def draw(results: Path, images: Path) -> list[Path]:
    """Draw in one folder from `sweeps.json` and `memory.json` in the other."""
    import matplotlib

    matplotlib.use("svg")
    # Text stays text, and the same numbers give the same file.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "cybptt", "font.size": 10})
    # A grey that reads on a light page and on a dark one.
    colours = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    matplotlib.rcParams.update(dict.fromkeys(colours, "#808080"))
    sweeps, memory = (_read(results / f"{name}.json") for name in ("sweeps", "memory"))
    panels: dict[str, tuple[Any, ...]] = {}
    for axis in "TH":
        found = sweeps[axis]
        medians = [cell["median"] for cell in found["cells"].values()]
        lines = {k: [1e3 * median[k] for median in medians] for k in medians[0]}
        title = f"time against {axis}"
        panels[f"time-{axis}"] = (found["values"], lines, title, axis, "ms", found["sizes"])
    cells = [memory["bytes"][f"T = {T}"] for T in memory["over T"]]
    lines = {label: [cell[label] / 1e6 for cell in cells] for label in cells[0]}
    words = ("memory against T", "T", "MB above the inputs", memory["sizes"])
    panels["memory-T"] = (memory["over T"], lines, *words)
    title = f"The loss and every parameter's gradient, {sweeps['dtype']}"
    drawn = [_save(images / "race.svg", [*panels.values()], (12, 4), title)]
    for name, panel in panels.items():
        drawn.append(_save(images / f"{name}.svg", [panel], (4.4, 3.9), ""))
    return drawn


def _save(
    path: Path, contents: list[tuple[Any, ...]], size: tuple[float, float], title: str
) -> Path:
    """One picture: its panels beside each other, over one legend."""
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(
        1, len(contents), figsize=size, layout="constrained", squeeze=False
    )
    for panel, content in zip(panels[0], contents, strict=True):
        _panel(panel, *content)
    handles = {line.get_label(): line for panel in panels[0] for line in panel.get_lines()}
    ncols = 5 if len(contents) > 1 else 2
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=ncols, frameon=False)
    figure.suptitle(title)
    figure.savefig(path, metadata={"Date": None}, transparent=True)
    pyplot.close(figure)
    return path


def _panel(
    panel: Any,
    x: list[int],
    lines: dict[str, list[float]],
    title: str,
    axis: str,
    unit: str,
    sizes: str,
) -> None:
    """A line for each library, both axes logarithmic."""
    for label, values in lines.items():
        panel.plot(x, values, label=NAMES.get(label, label), markersize=5, **STYLES[label])
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xticks(x, [f"{value:,}" for value in x])
    panel.minorticks_off()
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    panel.set_title(title)
    panel.annotate(sizes, (0.03, 0.95), xycoords="axes fraction", va="top")
    panel.set_xlabel(axis)
    panel.set_ylabel(unit)
    panel.grid(axis="y", color="#80808040", linewidth=0.8)
    panel.spines[["top", "right"]].set_visible(False)


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))["results"]


if __name__ == "__main__":
    print(*draw(RESULTS, IMAGES), sep="\n")
