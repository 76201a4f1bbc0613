"""The pictures of the graph: what leads to what, and that nothing lies on anything else."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import cybptt
from cybptt.plot import Diagram, graph
from cybptt.plot._drawing import Box, Edge, Node
from cybptt.plot._graph import lay_out

ROOT = Path(__file__).resolve().parents[1]
SVG = "{http://www.w3.org/2000/svg}"

MODELS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "hidden": ({}, {}),
    "hidden, in use": ({}, {"training": False}),
    "last": ({"outputs": "last"}, {}),
    "last, in use": ({"outputs": "last"}, {"training": False}),
    "output": ({"recurrence": "output"}, {}),
    "forced": ({"recurrence": "output"}, {"teacher_forcing": True}),
    "output, in use": ({"recurrence": "output"}, {"training": False}),
    "output, y_hat": ({"recurrence": "output", "feedback": "y_hat"}, {}),
    "both": ({"recurrence": "both"}, {}),
    "both, forced": ({"recurrence": "both"}, {"teacher_forcing": True}),
    "both, in use": ({"recurrence": "both"}, {"training": False}),
    "both, y_hat": ({"recurrence": "both", "feedback": "y_hat"}, {}),
    "both, y_hat, forced": (
        {"recurrence": "both", "feedback": "y_hat"},
        {"teacher_forcing": True},
    ),
    "no output layer": ({"n_outputs": None, "loss": "squared_error"}, {}),
    "no output layer, in use": ({"n_outputs": None, "loss": "squared_error"}, {"training": False}),
}
KINDS = {
    "unrolled": {"unrolled": True},
    "folded": {"unrolled": False},
    "side by side": {"unrolled": True, "folded": True},
}
every_model = pytest.mark.parametrize("model", MODELS)
every_kind = pytest.mark.parametrize("kind", KINDS)
every_length = pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 6, 30])
# The pictures side by side have all that the others have.
every_picture = pytest.mark.parametrize(
    ("kind", "steps"),
    [
        ("folded", 3),
        ("unrolled", 3),
        *(("side by side", steps) for steps in (1, 2, 3, 4, 5, 6, 14)),
    ],
)


def rnn_of(model: str) -> cybptt.RNN:
    options = dict(MODELS[model][0])
    return cybptt.RNN(4, 8, options.pop("n_outputs", 3), **options)


def drawn(model: str, kind: str, steps: int) -> Diagram:
    return graph(rnn_of(model), steps, **KINDS[kind], **MODELS[model][1])


def parts(model: str, kind: str, steps: int) -> Any:
    options = {"folded": kind == "folded", "training": True, "teacher_forcing": False}
    options |= KINDS[kind] | MODELS[model][1]
    return lay_out(rnn_of(model), steps, **options)


# ------------------------------------------------------------------------------ what is connected


def arrows(model: str, kind: str, steps: int = 3) -> set[str]:
    edges: list[Edge] = parts(model, kind, steps).edges
    return {
        f"{e.source.label} {e.name or '-'} {e.target.label}{' delayed' if e.delay_at else ''}"
        for e in edges
    }


FOLDED: dict[str, set[str]] = {
    "hidden": {"x U h", "h W h delayed", "h V o", "o - L", "y - L"},
    "hidden, in use": {"x U h", "h W h delayed", "h V o"},
    "last": {"x U h", "h W h delayed", "h V o(τ)", "o(τ) - L(τ)", "y(τ) - L(τ)"},
    "last, in use": {"x U h", "h W h delayed", "h V o(τ)"},
    "output": {"x U h", "o W h delayed", "h V o", "o - L", "y - L"},
    "forced": {"x U h", "y W h delayed", "h V o", "o - L", "y - L"},
    "output, in use": {"x U h", "o W h delayed", "h V o"},
    "output, y_hat": {"x U h", "o - ŷ", "ŷ W h delayed", "h V o", "o - L", "y - L"},
    "both": {"x U h", "h W h delayed", "o R h delayed", "h V o", "o - L", "y - L"},
    "both, forced": {"x U h", "h W h delayed", "y R h delayed", "h V o", "o - L", "y - L"},
    "both, in use": {"x U h", "h W h delayed", "o R h delayed", "h V o"},
    "both, y_hat": {
        *("x U h", "h W h delayed", "o - ŷ", "ŷ R h delayed", "h V o", "o - L", "y - L"),
    },
    "both, y_hat, forced": {
        *("x U h", "h W h delayed", "y R h delayed", "h V o", "o - L", "y - L"),
    },
    "no output layer": {"x U h", "h W h delayed", "h - L", "y - L"},
    "no output layer, in use": {"x U h", "h W h delayed"},
}


def unfolded(model: str) -> set[str]:
    """The folded graph's arrows at t−1, t and t+1, or τ−2, τ−1 and τ, and to and from the dots."""
    last = "last" in model
    times = ["τ−2", "τ−1", "τ"] if last else ["t−1", "t", "t+1"]
    out = set()
    for arrow in FOLDED[model]:
        a, name, b, *delayed = arrow.split()
        if delayed:
            sources = ["…", *(f"{a}({time})" for time in times)]
            targets = [*(f"{b}({time})" for time in times), "…"]
            pairs = list(zip(sources, targets, strict=True))
            out |= {f"{s} {name} {t}" for s, t in (pairs[:-1] if last else pairs)}
        elif "(τ)" in arrow:
            out.add(arrow if "(τ)" in a else f"{a}(τ) {name} {b}")
        else:
            out |= {f"{a}({time}) {name} {b}({time})" for time in times}
    return out


@every_model
def test_folded_arrows(model: str) -> None:
    assert arrows(model, "folded") == FOLDED[model]


@every_model
def test_unrolled_arrows(model: str) -> None:
    assert arrows(model, "unrolled") == unfolded(model)
    assert arrows(model, "side by side") == unfolded(model) | FOLDED[model]


@every_length
def test_as_many_columns_as_steps(steps: int) -> None:
    nodes: list[Node] = parts("hidden", "unrolled", steps).nodes
    columns = {node.x for node in nodes if node.name == "x"}
    assert len(columns) == steps
    for name in "xhoLy":
        assert sum(node.name == name for node in nodes) == steps
    times = [node.time for node in nodes if node.name == "h"]
    assert times[(steps - 1) // 2] == "t"
    assert len(set(times)) == steps


@every_model
def test_all_parameters_that_multiply_are_named(model: str) -> None:
    edges: list[Edge] = parts(model, "unrolled", 3).edges
    assert {edge.name for edge in edges} - {""} == set(rnn_of(model).shapes) - {"b", "c"}
    texts = re.findall(r"<text [^>]*>([A-Z])</text>", drawn(model, "unrolled", 3).svg)
    assert set(texts) == {edge.name for edge in edges} - {""}


# -------------------------------------------------------------------------------------- geometry


def distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    return math.hypot(a[0] - b[0], a[1] - b[1])


@every_model
@every_picture
def test_arrows_begin_and_end_on_their_nodes(model: str, kind: str, steps: int) -> None:
    layout = parts(model, kind, steps)
    for edge in layout.edges:
        a, b = edge.source, edge.target
        assert a in layout.nodes
        assert b in layout.nodes
        assert distance(edge.points[0], (a.x, a.y)) == pytest.approx(a.radius)
        assert distance(edge.tip, (b.x, b.y)) == pytest.approx(b.radius + 1)  # on the line's edge
        # The head points at the middle of its node.
        assert distance(edge.points[-1], (b.x, b.y)) == pytest.approx(b.radius + 9)
        assert distance(edge.points[-1], edge.tip) == pytest.approx(8)
        if edge.delay_at is not None:
            assert min(distance(edge.delay_at, point) for point in edge.sample()) < 1


@every_model
@every_picture
def test_arrows_pass_no_node(model: str, kind: str, steps: int) -> None:
    layout = parts(model, kind, steps)
    for edge in layout.edges:
        near = [n for n in layout.nodes if n not in (edge.source, edge.target)]
        for point in edge.sample():
            assert all(distance(point, (n.x, n.y)) > n.radius + 6 for n in near)
            for n in (edge.source, edge.target):
                assert distance(point, (n.x, n.y)) > n.radius - 0.01


def overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def far_from_circle(box: Box, node: Node) -> bool:
    x = min(max(node.x, box[0]), box[2])
    y = min(max(node.y, box[1]), box[3])
    return distance((x, y), (node.x, node.y)) > (node.radius if node.name != "…" else 10)


def labels(layout: Any) -> Iterator[Box]:
    yield from (edge.label_box() for edge in layout.edges if edge.name)
    yield from (node.label_box() for node in layout.nodes)
    if layout.unfolding is not None:
        yield layout.unfolding.box()


@every_model
@every_picture
def test_labels_overlap_nothing(model: str, kind: str, steps: int) -> None:
    layout = parts(model, kind, steps)
    boxes = list(labels(layout))
    for i, box in enumerate(boxes):
        assert not any(overlap(box, other) for other in boxes[:i])
    outside = [edge.label_box() for edge in layout.edges if edge.name]
    if layout.unfolding is not None:
        outside.append(layout.unfolding.box())
    for box in outside:
        assert all(far_from_circle(box, node) for node in layout.nodes)
    for edge in layout.edges:
        for x, y in edge.sample():
            assert not any(overlap(box, (x - 1, y - 1, x + 1, y + 1)) for box in boxes)
        if edge.delay_at is not None:
            x, y = edge.delay_at
            assert not any(overlap(box, (x - 6, y - 6, x + 6, y + 6)) for box in boxes)
    for node in layout.nodes:
        left, top, right, bottom = node.label_box()
        assert node.name == "…" or right - left <= 2 * node.radius - 13
        assert node.y - node.radius < top < bottom < node.y + node.radius


@every_model
@every_picture
def test_nodes_stand_apart(model: str, kind: str, steps: int) -> None:
    nodes: list[Node] = parts(model, kind, steps).nodes
    for i, a in enumerate(nodes):
        for b in nodes[:i]:
            assert distance((a.x, a.y), (b.x, b.y)) >= a.radius + b.radius + 20


# ------------------------------------------------------------------------------------ the picture


@every_model
@every_picture
def test_the_picture_is_whole(model: str, kind: str, steps: int) -> None:
    """Well-formed, everything within its frame, nothing from elsewhere, the same each time."""
    diagram = drawn(model, kind, steps)
    assert diagram.svg == drawn(model, kind, steps).svg
    root = ElementTree.fromstring(diagram.svg)
    assert root.tag == f"{SVG}svg"
    used = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert used <= {"svg", "title", "desc", "g", "circle", "path", "rect", "text", "tspan"}
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not attributes & {"style", "class", "id", "href", "onload"}
    assert "url(" not in diagram.svg

    left, top, width, height = map(float, root.attrib["viewBox"].split())
    assert (root.attrib["width"], root.attrib["height"]) == tuple(
        root.attrib["viewBox"].split()[2:]
    )
    layout = parts(model, kind, steps)
    boxes = [*labels(layout), *(node.box() for node in layout.nodes)]
    boxes += [(x, y, x, y) for edge in layout.edges for x, y in edge.sample()]
    assert min(box[0] for box in boxes) - left == pytest.approx(12, abs=0.01)
    assert min(box[1] for box in boxes) - top == pytest.approx(12, abs=0.01)
    assert left + width - max(box[2] for box in boxes) == pytest.approx(12, abs=0.02)
    assert top + height - max(box[3] for box in boxes) == pytest.approx(12, abs=0.02)

    circles = root.findall(f".//{SVG}circle")
    n_dots = sum(node.name == "…" for node in layout.nodes)
    assert len(circles) == len(layout.nodes) + 2 * n_dots
    assert len(root.findall(f".//{SVG}rect")) == sum(e.delay_at is not None for e in layout.edges)


@every_model
def test_every_node_is_named(model: str) -> None:
    root = ElementTree.fromstring(drawn(model, "side by side", 3).svg)
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    nodes: list[Node] = parts(model, "side by side", 3).nodes
    assert sorted(t for t in texts if t == "L" or t not in ("unfold", *"UWVR")) == sorted(
        node.label for node in nodes if node.name != "…"
    )


@every_model
@every_kind
def test_words_for_those_who_do_not_see(model: str, kind: str) -> None:
    diagram = drawn(model, kind, 3)
    root = ElementTree.fromstring(diagram.svg)
    assert root.attrib["role"] == "img"
    assert root[0].tag == f"{SVG}title"
    assert root[0].text == diagram.title
    words = root[1].text or ""
    assert root[1].tag == f"{SVG}desc"
    for edge in parts(model, kind, 3).edges:
        assert not edge.name or re.search(rf"\b{edge.name}\b", words)
    assert ("loss" in words) == ("in use" not in model)
    for group in root.iter(f"{SVG}g"):
        assert group[0].tag == f"{SVG}title"
        assert group[0].text


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("page", ["#ffffff", "#0d1117"])
def test_legible_on_a_light_and_on_a_dark_page(page: str) -> None:
    """WCAG's 3 to 1 for lines and large bold letters; 7 to 1 for what stands in a circle."""
    root = ElementTree.fromstring(drawn("both, y_hat", "side by side", 3).svg)
    for group in root.iter(f"{SVG}g"):
        circle, text = group.find(f"{SVG}circle"), group.find(f"{SVG}text")
        if circle is not None and text is not None:
            assert contrast(text.attrib["fill"], circle.attrib["fill"]) > 7
        else:
            colours = re.findall(r"#[0-9a-f]{6}", ElementTree.tostring(group, encoding="unicode"))
            assert colours
            assert all(contrast(colour, page) > 3.9 for colour in colours)


TITLES = {
    "hidden": "(figure 10.3)",
    "last": "(figure 10.5)",
    "output": "(figure 10.4)",
    "forced": "(figure 10.6)",
    "output, in use": "(figure 10.6)",
    "both": "from the hidden units and from the output",
    "no output layer": "no output layer",
}


@pytest.mark.parametrize("model", TITLES)
def test_titles(model: str) -> None:
    diagram = drawn(model, "unrolled", 3)
    assert TITLES[model] in diagram.title
    assert repr(diagram) == f"<Diagram: {diagram.title}>"


def test_titles_differ() -> None:
    alike = {drawn(model, "unrolled", 3).title for model in MODELS if "y_hat" not in model}
    assert len(alike) == len([model for model in MODELS if "y_hat" not in model])


def test_sizes_and_plugins_are_told() -> None:
    rnn = cybptt.RNN(4, 8, 3, activation="relu", inputs="tokens")
    svg = graph(rnn).svg
    assert "<title>U, 8 × 4, from x(t) to h(t)</title>" in svg
    assert "<title>hidden units, size 8, relu</title>" in svg
    assert "<title>input, one of 4</title>" in svg
    assert "<title>loss, softmax_nll</title>" in svg


# ------------------------------------------------------------------------------------------ files


def test_saved_and_shown(tmp_path: Path) -> None:
    diagram = graph(cybptt.RNN(4, 8, 3))
    assert diagram._repr_svg_() == diagram._repr_html_() == diagram.svg
    for path in (tmp_path / "one.svg", str(tmp_path / "two.svg")):
        diagram.save(path)
        assert Path(path).read_text(encoding="utf-8") == diagram.svg
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.svg", "two.svg"]


def test_the_picture_in_the_readme_is_up_to_date() -> None:
    """Written by this line, from the repository's root:

    python -c "import cybptt; cybptt.plot.graph(cybptt.RNN(4, 8, 3), folded=True).save(
    'docs/images/unrolled.svg')"
    """
    kept = (ROOT / "docs" / "images" / "unrolled.svg").read_text(encoding="utf-8")
    assert kept == graph(cybptt.RNN(4, 8, 3), folded=True).svg


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("picture.png", ValueError, "path: got 'picture.png', need a name that ends in .svg"),
        (None, TypeError, "path: got None, need a str or an os.PathLike"),
        (3, TypeError, "path: got 3, need a str or an os.PathLike"),
    ],
)
def test_paths_refused(path: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        graph(cybptt.RNN(4, 8, 3)).save(path)
    assert str(caught.value) == message


HIDDEN, OUTPUT = {}, {"recurrence": "output"}
REFUSED: list[tuple[dict[str, Any], dict[str, Any], type[Exception], str]] = [
    (HIDDEN, {"steps": 0}, ValueError, "steps: got 0, need an integer in 1 … 100"),
    (HIDDEN, {"steps": 101}, ValueError, "steps: got 101, need an integer in 1 … 100"),
    (HIDDEN, {"steps": 2.0}, TypeError, "steps: got 2.0, need an integer in 1 … 100"),
    (HIDDEN, {"steps": True}, TypeError, "steps: got True, need an integer in 1 … 100"),
    (HIDDEN, {"steps": None}, TypeError, "steps: got None, need an integer in 1 … 100"),
    (HIDDEN, {"unrolled": 1}, TypeError, "unrolled: got 1, need True or False"),
    (HIDDEN, {"unrolled": None}, TypeError, "unrolled: got None, need True or False"),
    (HIDDEN, {"folded": "yes"}, TypeError, "folded: got 'yes', need True or False"),
    (HIDDEN, {"training": 0}, TypeError, "training: got 0, need True or False"),
    (OUTPUT, {"teacher_forcing": 0.5}, TypeError, "teacher_forcing: got 0.5, need True or False"),
    (
        HIDDEN,
        {"unrolled": False, "folded": False},
        ValueError,
        "folded: got False with unrolled=False, need one of them",
    ),
    (
        HIDDEN,
        {"teacher_forcing": True},
        ValueError,
        "teacher_forcing: got True with recurrence='hidden', need an output recurrence",
    ),
    (
        OUTPUT,
        {"teacher_forcing": True, "training": False},
        ValueError,
        "teacher_forcing: got True with training=False, need training",
    ),
]


@pytest.mark.parametrize(("model", "options", "error", "message"), REFUSED)
def test_arguments_refused(
    model: dict[str, Any], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        graph(cybptt.RNN(4, 8, 3, **model), **options)
    assert str(caught.value) == message


@pytest.mark.parametrize("rnn", [None, "RNN", 3, cybptt.RNN])
def test_only_a_model_is_drawn(rnn: Any) -> None:
    with pytest.raises(TypeError, match=r"^rnn: got .*, need an RNN"):
        graph(rnn)
