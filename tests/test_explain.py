"""The walk through a pass: its equations, its numbers, and what they look like."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from helpers import FED_PATTERNS, Problem, make_rnn, random_problem, reference_run, tolerance

import cybptt
from cybptt._explain._document import Equation, Heading, as_html, as_text
from cybptt._explain._expressions import Applied, Fraction, Leaf, Negative, Sum, times
from cybptt._explain._latex import latex, latex_name
from cybptt._explain._numbers import latex_number, table, written
from cybptt._explain._script import Script, hold
from cybptt._explain._text import drawn

every_pattern = pytest.mark.parametrize(("pattern", "feed"), FED_PATTERNS)


def explained(p: Problem) -> Any:
    return p.rnn.explain(p.params, p.x, p.y, **p.options)


def small(pattern: str, feed: str, seed: int = 0, **options: Any) -> Problem:
    """Three steps of one sequence."""
    rnn = make_rnn(pattern, 2, 3, 2, **options)
    return random_problem(rnn, np.random.default_rng(seed), 3, -1, feed=feed)


# ---------------------------------------------------------------------- which equations

HIDDEN = {"10.8", "10.9", "10.10", "10.11", "10.14", "10.13", "10.17", "10.18"}
HIDDEN |= {"10.19", "10.21", "10.22", "10.23", "10.24", "10.26", "10.28"}
HIDDEN |= {"C.1", "C.2", "C.3"}
FED = HIDDEN - {"10.8"} | {"C.4", "C.5", "C.7"}
OUTPUT = FED - {"10.19", "10.21", "C.3", "10.26"} | {"C.8"}
LAST = HIDDEN - {"10.10", "10.19", "10.21"} | {"10.10, C.9", "10.19, C.9", "10.21, C.9"}
FREE = {"10.18, C.6"}

EQUATIONS = {
    ("hidden", "none"): HIDDEN,
    ("last", "none"): LAST,
    ("no output layer", "none"): HIDDEN - {"10.22", "10.24"},
    ("last, no output layer", "none"): LAST - {"10.22", "10.24", "10.10, C.9"} | {"C.9"},
    ("output, o", "forced"): OUTPUT | {"10.16"},
    ("output, o", "free"): OUTPUT | FREE,
    ("output, y_hat", "free"): OUTPUT | FREE | {"C.6"},
    ("both, o", "forced"): FED | {"10.16"},
    ("both, o", "free"): FED | FREE,
    ("both, y_hat", "free"): FED | FREE | {"C.6"},
}


@pytest.mark.parametrize(("pattern", "feed"), EQUATIONS)
def test_every_equation_of_the_pattern(pattern: str, feed: str) -> None:
    walk = explained(small(pattern, feed))
    assert {number for number, _ in walk.equations} == EQUATIONS[pattern, feed]


def test_each_step_has_its_equations_in_the_order_of_the_pass() -> None:
    walk = explained(small("hidden", "none"))
    names = [name for _, name in walk.equations]
    forward = [f"{node}({t})" for t in (1, 2, 3) for node in ("a", "h", "o", "ŷ", "L")]
    backward = [f"{node}({t})" for t in (3, 2, 1) for node in ("∂L/∂L", "∇o", "∇h", "∇a", "∇x")]
    assert names == [*forward, "L", *backward, "∇h(0)", "∇c", "∇b", "∇V", "∇W", "∇U"]


def test_tokens_have_no_gradient_at_x() -> None:
    walk = explained(small("hidden", "none", inputs="tokens"))
    assert "C.2" not in {number for number, _ in walk.equations}
    assert "token" in str(walk)


def test_no_inputs() -> None:
    rnn = cybptt.RNN(0, 2, 2)
    walk = rnn.explain(rnn.init(0), np.zeros((2, 0)), [0, 1])
    assert not re.search(r"\bU\b", str(walk))
    assert "a(2) = b + W h(1) " in str(walk)


# ---------------------------------------------------------------------- the numbers


def reference_nodes(p: Problem) -> dict[str, Any]:
    """What the reference gives to every name of the walk of one sequence."""
    trace, loss, g = reference_run(p)
    nodes: dict[str, Any] = {"L": loss, "log p(y | x)": -loss, "∇h(0)": g.h0}
    if g.y0 is not None:
        nodes["∇y(0)"] = g.y0
    nodes |= {f"∇{name}": value for name, value in g.parameters.items()}
    for t, h in enumerate(trace.h, 1):
        nodes |= {f"a({t})": trace.a[t - 1], f"h({t})": h}
        nodes |= {f"∇h({t})": g.h[t - 1], f"∇a({t})": g.a[t - 1]}
        if g.x is not None:
            nodes[f"∇x({t})"] = g.x[t - 1]
        if p.rnn.recurrence != "hidden":
            nodes[f"u({t})"] = trace.sequences[0].u[t - 1]
    last = p.rnn.outputs == "last"
    for t in [len(p.x)] if last else range(1, len(p.x) + 1):
        row = ... if last else t - 1
        nodes |= {f"o({t})": trace.o[row], f"ŷ({t})": trace.y_hat[row], f"∇o({t})": g.o[row]}
    return nodes


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@every_pattern
def test_numbers_against_the_reference(
    pattern: str, feed: str, activation: str, dtype: str
) -> None:
    rnn = make_rnn(pattern, 2, 3, 2, activation=activation)
    p = random_problem(
        rnn, np.random.default_rng(3), 3, -1, dtype=dtype, feed=feed, weights=True, reduction="mean"
    )
    nodes = reference_nodes(p)
    seen = set()
    for block in explained(p)._blocks:
        if not isinstance(block, Equation) or block.result.name not in nodes:
            continue
        seen.add(block.result.name)
        want = np.asarray(nodes[block.result.name])
        np.testing.assert_allclose(
            block.result.number, want, rtol=0, atol=tolerance(dtype), err_msg=block.result.name
        )
    weightless = {"log p(y | x)"}
    no_layer = {"ŷ(1)", "ŷ(2)", "ŷ(3)"} if rnn.loss.link is None else set()
    before = {"∇h(0)"} if rnn.recurrence == "output" else set()
    assert set(nodes) - seen <= weightless | no_layer | before


@pytest.mark.parametrize("loss", cybptt.losses.names())
@every_pattern
def test_every_loss_holds(pattern: str, feed: str, loss: str) -> None:
    """That nothing is raised: each equation was held against the core when the walk was made."""
    text = str(explained(small(pattern, feed, loss=loss)))
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("activation", cybptt.activations.names())
def test_every_activation_holds(activation: str) -> None:
    text = str(explained(small("both, o", "mask", activation=activation)))
    assert "1 − h(1)²" in text if activation == "tanh" else "f′(a(1))" in text


@pytest.mark.parametrize("lengths", [None, [2, 0, 1]])
@every_pattern
def test_batches(pattern: str, feed: str, lengths: list[int] | None) -> None:
    rnn = make_rnn(pattern, 1, 2, 2)
    p = random_problem(
        rnn, np.random.default_rng(0), 2, 3, feed=feed, weights=True,
        lengths=None if lengths is None else np.array(lengths),
    )  # fmt: skip
    walk = explained(p)
    gradients = reference_run(p)[2].parameters
    named = {b.result.name: b.result.number for b in walk._blocks if isinstance(b, Equation)}
    for name, value in gradients.items():
        np.testing.assert_allclose(named[f"∇{name}"], value, atol=1e-12)
    assert "h₁(2)" in named
    assert ("h₃(2)" in named) == (lengths is None)


def test_a_state_is_gone_on_from() -> None:
    p = small("both, o", "mask")
    state = p.rnn.forward(p.params, p.x, y=p.y).state
    walk = p.rnn.explain(p.params, p.x, p.y, state=state, teacher_forcing=False)
    given = {leaf.name: leaf.number for b in walk._blocks for leaf in getattr(b, "leaves", ())}
    np.testing.assert_array_equal(given["h(0)"], state.h)
    np.testing.assert_array_equal(given["y(0)"], state.fed)


def test_a_target_under_weight_0_is_not_looked_at() -> None:
    rnn = cybptt.RNN(1, 2, 2)
    walk = rnn.explain(rnn.init(0), np.ones((2, 1)), [0, 99], weights=[1, 0])
    assert "weight 0" in str(walk)
    assert "L(2)" not in {name for _, name in walk.equations}


def test_infinities_go_through() -> None:
    rnn = cybptt.RNN(1, 2, 2, activation="relu")
    walk = rnn.explain(rnn.init(0), [[np.inf], [np.nan]], [0, 1])
    assert "∞" in str(walk)
    assert "nan" in str(walk)


def test_a_probability_of_zero() -> None:
    """−log ŷ would be infinite where the loss is not."""
    rnn = cybptt.RNN(0, 1, 2)
    params = rnn.parameters(U=np.zeros((1, 0)), W=[[0]], V=[[0], [0]], b=[0], c=[0, 2000.0])
    assert "2000" in str(rnn.explain(params, np.zeros((1, 0)), [0]))


def test_a_wrong_number_is_noticed() -> None:
    right = Sum((Leaf("b", np.ones(2)), Leaf("c", np.ones(2))))
    hold("10.8", Leaf("a(1)", np.full(2, 2.0)), right)
    with pytest.raises(RuntimeError, match=r"10\.8: a\(1\) is .* please report it"):
        hold("10.8", Leaf("a(1)", np.array([2.0, 2.0 + 1e-9])), right)
    with pytest.raises(RuntimeError, match=r"10\.8"):
        hold("10.8", Leaf("a(1)", np.full(3, 2.0)), right)


# ---------------------------------------------------------------------- what it looks like


def test_text_of_one_equation() -> None:
    script = Script()
    W = Leaf("W", np.array([[0.5, -1.0], [10.0, 0.25]]))
    h = Leaf("h(0)", np.array([1.0, 1 / 3]))
    script.equation("10.8", Leaf("a(1)", W.number @ h.number), times(W, h))
    assert as_text(script.blocks, 4) == (
        "    a(1) = W h(0)                                                         (10.8)\n"
        "\n"
        "           ⎡  0.5  −1    ⎤ ⎡ 1      ⎤   ⎡  0.1667 ⎤\n"
        "         = ⎣ 10     0.25 ⎦ ⎣ 0.3333 ⎦ = ⎣ 10.0833 ⎦\n"
    )


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (0.5, "0.5"),
        (-1 / 3, "−0.3333"),
        (0.1 + 0.6, "0.7"),
        (0.49999999, "0.5000"),
        (1e-7 / 3, "3.33e−08"),
        (1234567.0, "1.23e06"),
        (np.inf, "∞"),
        (-np.inf, "−∞"),
        (np.nan, "nan"),
        (np.float32(0.1), "0.1"),
    ],
)
def test_numbers_written(number: Any, text: str) -> None:
    assert written(number, 4) == text


def test_numbers_in_latex() -> None:
    assert latex_number("−3.33e−08") == r"-3.33 \times 10^{-8}"
    assert latex_number("−∞") == r"-\infty"
    assert latex_number(" 0.5 ") == "0.5"


def test_columns_stand_by_their_points() -> None:
    assert table(np.array([[0.5, 10.0], [-12.25, 1 / 3]]), 4) == [
        ["  0.5 ", "10     "],
        ["−12.25", " 0.3333"],
    ]


@pytest.mark.parametrize(
    ("name", "out"),
    [
        ("W", r"\boldsymbol{W}"),
        ("L(2)", "L^{(2)}"),
        ("h(t−1)", r"\boldsymbol{h}^{(t-1)}"),
        ("∇h₂(1)", r"\nabla_{\boldsymbol{h}_{2}^{(1)}} L"),
        ("ŷ₃(1)", r"\hat{\boldsymbol{y}}_{3}^{(1)}"),
    ],
)
def test_names_in_latex(name: str, out: str) -> None:
    assert latex_name(name) == out


def test_a_name_that_is_none() -> None:
    with pytest.raises(ValueError, match="name: got 'h h'"):
        latex_name("h h")


def test_signs_and_parentheses() -> None:
    a, b = Leaf("a(1)", np.array([[-1.0]])), Leaf("L", np.array(-2.0))
    assert drawn(Sum((a, Negative(b))), 4).lines == ("[ −1 ] − (−2)",)
    assert drawn(times(b, a), 4).lines == ("(−2) [ −1 ]",)
    assert drawn(times(b, b), 4).lines == ("(−2) · (−2)",)
    assert drawn(Fraction(b, b), None).lines == ("L / L",)
    assert latex(times(b, Sum((a, b))), None) == r"L \, \left(\boldsymbol{a}^{(1)} + L\right)"
    both = Applied("my_loss", np.add, (a, b))
    assert drawn(both, None).lines == ("my_loss(a(1), L)",)
    assert latex(both, None) == r"\operatorname{my\_loss}\left(\boldsymbol{a}^{(1)},\; L\right)"


@every_pattern
def test_text_keeps_to_its_width(pattern: str, feed: str) -> None:
    walk = explained(small(pattern, feed))
    for width in (60, 80, 120):
        lines = walk.text(width).splitlines()
        assert max(map(len, lines)) <= width
        assert [line for line in lines if line != line.rstrip()] == []


def test_everything_that_is_said_is_said_once() -> None:
    words = [p for p in str(explained(small("hidden", "none"))).split("\n\n") if p[0].isupper()]
    assert len(words) == len(set(words))


def test_latex_is_broken_between_terms_and_then_factors() -> None:
    walk = explained(small("both, o", "forced"))
    rows = walk.html().partition("(C.4)")[0].rpartition(r"\[\begin")[2].split(r"\\[4pt]")
    assert [row.count(r"\begin{array}") for row in rows] == [0, 3, 2, 3]
    assert rows[2].strip().startswith(r"&amp;\qquad + \left[")
    wide = Leaf("W", np.full((2, 6), 1 / 3))
    script = Script()
    script.equation(
        "10.8", Leaf("a(1)", np.full(2, 2 / 3)), times(wide, Leaf("h(0)", np.full(6, 1 / 3)))
    )
    rows = as_html(script.blocks, 4).split(r"\\[4pt]")
    assert [row.count(r"\begin{array}") for row in rows] == [0, 1, 2]
    assert rows[2].strip().startswith(r"&amp;\qquad \cdot \left[")


class Tags(HTMLParser):
    """Sees that what is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@every_pattern
def test_html_and_markdown_have_the_same_equations(pattern: str, feed: str) -> None:
    walk = explained(small(pattern, feed))
    html, markdown = walk._repr_html_(), walk._repr_markdown_()
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    numbers = [number for number, _ in walk.equations]
    assert re.findall(r"<span>\((.*?)\)</span>", html) == numbers
    assert re.findall(r"\\tag\{(.*?)\}", markdown) == numbers
    for out in (html.replace("&amp;", "&"), markdown):
        assert out.count(r"\begin{aligned}") == out.count(r"\end{aligned}")
        assert out.count(r"\left") == out.count(r"\right")
        assert out.count("{") == out.count("}")
        assert "`" not in out
    opened = re.findall(r"(?<!\\)\\\[", html)  # no line break with its space, \\[4pt]
    assert len(opened) == html.count(r"\]") > len(walk.equations)
    # Sphinx's pages look for mathematics where it has its class, and nowhere else.
    assert html.count('<div class="math"') == len(opened)
    assert html.count('<span class="math">') == html.count(r"\(") == html.count(r"\)")
    assert markdown.count("$$") % 2 == 0
    headings = [b.words for b in walk._blocks if isinstance(b, Heading)]
    assert len([tag for tag in tags.seen if tag[0] == "h"]) == len(headings)
    assert [words for words in headings if words not in html] == []


def test_what_ipython_shows_in_a_terminal() -> None:
    walk = explained(small("hidden", "none"))

    class Printer:
        def text(self, text: str) -> None:
            self.shown = text

    printer = Printer()
    walk._repr_pretty_(printer, False)
    assert printer.shown == str(walk) == walk.text()
    assert repr(walk).startswith("<Explanation of RNN(2, 3, 2), 3 steps")


def test_decimals() -> None:
    p = small("hidden", "none")
    coarse = str(p.rnn.explain(p.params, p.x, p.y, decimals=2))
    fine = str(p.rnn.explain(p.params, p.x, p.y, decimals=8))
    assert re.search(r"\d\.\d{8}\b", fine)
    assert not re.search(r"\d\.\d{3}", coarse)


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"limit": 2}, ValueError, "n_hidden: got 3, need at most 2.*limit=3"),
        ({"limit": 0}, ValueError, "limit: got 0"),
        ({"limit": True}, TypeError, "limit: got True"),
        ({"decimals": 0}, ValueError, "decimals: got 0, need an integer in 1 … 12"),
        ({"decimals": 2.5}, TypeError, "decimals: got 2.5"),
        ({"x": np.ones((7, 2))}, ValueError, r"x: got an array of shape \(7, 2\).*limit=7"),
        ({"x": np.ones((3, 3, 2))}, ValueError, r"x: got an array of shape \(3, 3, 2\).*limit=9"),
        ({"x": np.ones((0, 2))}, ValueError, r"x: got an array of shape \(0, 2\).*need a step"),
        ({"x": None}, TypeError, "x: got None"),
        ({"x": np.ones((3, 5))}, ValueError, "x: got an array of shape"),
        ({"y": [0, 1]}, ValueError, "y: got an array of shape"),
        ({"y": [0, 1, 2]}, ValueError, "y: got 2 at index 2"),
        ({"weights": [1, 1, -1]}, ValueError, "weights: got -1"),
        ({"reduction": "all"}, ValueError, "reduction: got 'all'"),
        ({"teacher_forcing": True}, ValueError, "teacher_forcing: got True"),
        ({"params": None}, TypeError, "params: got None"),
    ],
)
def test_bad_input(change: dict[str, Any], error: type[Exception], message: str) -> None:
    rnn = cybptt.RNN(2, 3, 2)
    given = {"params": rnn.init(0), "x": np.ones((3, 2)), "y": [0, 1, 0]} | change
    with pytest.raises(error, match=message):
        rnn.explain(**given)


@pytest.mark.parametrize(("sizes", "name"), [((1, 0, 2), "n_hidden"), ((1, 2, 0), "n_outputs")])
def test_nothing_to_say(sizes: tuple[int, int, int], name: str) -> None:
    rnn = cybptt.RNN(*sizes, loss="squared_error")
    with pytest.raises(ValueError, match=f"{name}: got 0"):
        rnn.explain(rnn.init(0), np.ones((1, 1)), np.ones((1, sizes[2])))


def test_a_limit_that_is_raised() -> None:
    rnn = cybptt.RNN(2, 8, 2)
    walk = rnn.explain(rnn.init(0), np.ones((2, 2)), [0, 1], limit=8)
    assert "∇W" in str(walk)
