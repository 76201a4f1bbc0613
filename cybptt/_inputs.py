"""The arguments of a pass, checked and packed: from what a user gave to what ``_passes`` takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from cybptt import _validate as check
from cybptt._batch import Layout
from cybptt.trace import State

if TYPE_CHECKING:
    from cybptt.description import Description

Array = NDArray[Any]


# ---------------------------------------------------------------------- x, lengths


def sequences(
    rnn: Description,
    dtype: np.dtype[Any],
    x: Any,
    lengths: Any,
    *,
    name: str = "x",
    own: bool = False,
) -> tuple[Layout, Array]:
    """The layout, and x in packed rows: (N, I), or tokens (N,); with `own` in memory of its own."""
    tokens = rnn.inputs == "tokens"
    if tokens:
        need = "integer tokens of shape (T, B), or (T,) for one sequence"
    else:
        need = f"real numbers of shape (T, B, I), or (T, I) for one sequence, I = {rnn.n_inputs}"
    raw = check.array(name, x, "iu" if tokens else "biuf", need)
    axes = 2 if tokens else 3
    if raw.ndim not in (axes - 1, axes) or (not tokens and raw.shape[-1] != rnn.n_inputs):
        raise check.wrong_value(name, check.describe(raw), need)
    single = raw.ndim == axes - 1
    T, B = (raw.shape[0], 1) if single else raw.shape[:2]
    check.check_size(name, T + 1, B, max(rnn.n_inputs, rnn.n_hidden, rnn.size_o))
    # Before the layout: a broadcast x too large for memory fails here, at once.
    values = check.intp(name, raw, need) if tokens else check.contiguous(name, raw, dtype)
    layout = Layout(T, B, _lengths(lengths, T, B, single), single)
    rows = layout.pack(values.reshape(T, B, *values.shape[1 if single else 2 :]))
    if tokens:
        check.in_range(name, rows, 0, rnn.n_inputs - 1, "tokens")
    return layout, rows.copy() if own and np.may_share_memory(rows, raw) else rows


def packed(
    rnn: Description, dtype: np.dtype[Any], x: Any, lengths: Any, counts: Any
) -> tuple[Layout, Array]:
    """The same of packed rows that a caller has, by how many each step has."""
    if lengths is not None:
        raise check.wrong_value("counts", "lengths and counts", "one of the two alone")
    tokens = rnn.inputs == "tokens"
    need = f"packed rows, {'(N,)' if tokens else f'(N, I), I = {rnn.n_inputs}'}, with counts"
    raw = check.array("x", x, "iu" if tokens else "biuf", need)
    if raw.ndim != (1 if tokens else 2):
        raise check.wrong_value("x", check.describe(raw), need)
    one, rows = sequences(rnn, dtype, raw, None)  # are checked as one sequence is
    need = f"integers ≥ 1 of shape (T,), T ≥ 1, never growing, whose sum is N = {one.N}"
    each = check.intp("counts", check.array("counts", counts, "iu", need), need)
    if each.ndim != 1 or each.size == 0:
        raise check.wrong_value("counts", check.describe(each), need)
    if each[-1] < 1 or (np.diff(each) > 0).any() or int(each.sum()) != one.N:
        some = ", ".join(map(str, each[:8])) + (", …" if each.size > 8 else "")
        raise check.wrong_value("counts", some, need)
    return Layout.of_counts(each), rows


def _lengths(lengths: Any, T: int, B: int, single: bool) -> Array | None:
    if lengths is None:
        return None
    need = f"integers in 0 … {T} (the number of steps T), " + (
        "a single one" if single else f"of shape (B,) = ({B},)"
    )
    raw = check.array("lengths", lengths, "iu", need)
    if raw.shape != (() if single else (B,)):
        raise check.wrong_value("lengths", check.describe(raw), need)
    out = check.intp("lengths", raw, need)
    check.in_range("lengths", out, 0, T, "integers (T is the number of steps)")
    return out.reshape(B)


# ---------------------------------------------------------------------- h0, y0, state


@dataclass(frozen=True)
class Start:
    """What stands before the first step, by place.

    h is (B, H); fed, (B, O), what a free first step takes; y, (B, O), what a forced one takes, or
    None where that is fed as well. With hidden recurrence, fed and y are None.
    """

    h: Array
    fed: Array | None
    y: Array | None


def start(
    rnn: Description,
    layout: Layout,
    dtype: np.dtype[Any],
    h0: Any,
    y0: Any,
    state: State | None,
    y0_name: str = "y0",
) -> Start:
    """h(0), and what is fed at the first step."""
    if state is not None:
        for name, value in (("h0", h0), (y0_name, y0)):
            if value is not None:
                raise check.wrong_value("state", f"a state and {name}", "one of the two alone")
        return _start_from_state(rnn, layout, dtype, state)
    B, H, O = layout.B, rnn.n_hidden, rnn.size_o
    h = (
        np.zeros((B, H), dtype)
        if h0 is None
        else layout.sort(_for_all("h0", h0, layout, dtype, H, "H"))
    )
    if rnn.recurrence == "hidden":
        if y0 is not None:
            raise check.wrong_value(
                "y0", check.describe(y0), "None: recurrence='hidden' feeds no output back"
            )
        return Start(h, None, None)
    fed = (
        np.zeros((B, O), dtype)
        if y0 is None
        else layout.sort(_first_fed(rnn, layout, dtype, y0_name, y0))
    )
    return Start(h, fed, fed)


def _start_from_state(
    rnn: Description, layout: Layout, dtype: np.dtype[Any], state: State
) -> Start:
    if not isinstance(state, State):
        raise check.wrong_type("state", check.describe(state), "a State, or None")

    def part(name: str, size: int, letter: str) -> Array:
        shape = (size,) if layout.single else (layout.B, size)
        letters = f"({letter},)" if layout.single else f"(B, {letter})"
        value = check.shaped(f"state.{name}", getattr(state, name), dtype, shape, letters)
        return np.array(layout.sort(value.reshape(layout.B, size)))

    h = part("h", rnn.n_hidden, "H")
    if rnn.recurrence == "hidden":
        return Start(h, None, None)
    y = None if state.y is None else part("y", rnn.size_o, "O")
    return Start(h, part("fed", rnn.size_o, "O"), y)


def _for_all(
    name: str, value: Any, layout: Layout, dtype: np.dtype[Any], size: int, letter: str
) -> Array:
    """(B, size), or (size,) for all sequences."""
    need = (
        f"real numbers of shape ({letter},) = ({size},)"
        if layout.single
        else f"real numbers of shape (B, {letter}) = ({layout.B}, {size}), or ({size},) for all"
    )
    raw = check.array(name, value, "biuf", need)
    if raw.shape != (size,) and (layout.single or raw.shape != (layout.B, size)):
        raise check.wrong_value(name, check.describe(raw), need)
    return np.array(np.broadcast_to(check.contiguous(name, raw, dtype), (layout.B, size)))


def _first_fed(rnn: Description, layout: Layout, dtype: np.dtype[Any], name: str, y0: Any) -> Array:
    """y0 as values (B, O) or (O,), or as labels (B,) or (): then one-hot."""
    if rnn.loss.targets == "classes":
        raw = check.array(name, y0, "biuf", "labels (B,), or values (B, O) or (O,)")
        labels = raw.dtype.kind in "iu" and raw.ndim == (0 if layout.single else 1)
        if labels and raw.shape == (() if layout.single else (layout.B,)):
            indices = check.intp(name, raw, "labels")
            check.in_range(name, indices, 0, rnn.size_o - 1, "labels")
            return one_hot(indices.reshape(layout.B), rnn.size_o, dtype)
    return _for_all(name, y0, layout, dtype, rnn.size_o, "O")


def one_hot(labels: Array, size: int, dtype: Any) -> Array:
    """Labels (n,) as rows (n, size); a label out of range as a row of NaN."""
    out = np.zeros((labels.size, size), dtype)
    valid = (labels >= 0) & (labels < size)
    rows = np.flatnonzero(valid)
    out[rows, labels[rows]] = 1
    out[~valid] = np.nan
    return out


# ---------------------------------------------------------------------- y, weights, reduction


def targets(rnn: Description, layout: Layout, dtype: np.dtype[Any], y: Any) -> Array:
    """y in packed rows, (N,) labels or (N, O) values; by place, (B, …), with outputs="last"."""
    last, classes = rnn.outputs == "last", rnn.loss.targets == "classes"
    axes = ([] if last else ["T"]) + ([] if layout.single else ["B"]) + ([] if classes else ["O"])
    sizes = {"T": layout.T, "B": layout.B, "O": rnn.size_o}
    shape = tuple(sizes[letter] for letter in axes)
    letters = f"({', '.join(axes)}{',' if len(axes) == 1 else ''}) = {shape}"
    need = f"{'integer labels' if classes else 'real numbers'} of shape {letters}"
    raw = check.array("y", y, "iu" if classes else "biuf", need)
    if raw.shape != shape:
        raise check.wrong_value("y", check.describe(raw), need)
    values = check.intp("y", raw, need) if classes else check.contiguous("y", raw, dtype)
    return to_rows(layout, values, last, shape[-1:] if not classes else ())


def to_rows(layout: Layout, array: Array, last: bool, tail: tuple[int, ...]) -> Array:
    if last:
        return layout.sort(array.reshape(layout.B, *tail))
    return layout.pack(array.reshape(layout.T, layout.B, *tail))


def factors(rnn: Description, layout: Layout, weights: Any, reduction: Any) -> Array | float:
    """∂L/∂L(t) of 10.17, by row: one number where it is the same for all."""
    last = rnn.outputs == "last"
    count = layout.B if last else layout.N
    if weights is None:
        w: Array | float = 1.0
        total = float(count)
    else:
        axes = ([] if last else [("T", layout.T)]) + ([] if layout.single else [("B", layout.B)])
        shape = tuple(n for _, n in axes)
        letters = "(" + ", ".join(letter for letter, _ in axes) + ")"
        given = check.shaped("weights", weights, np.float64, shape, letters)
        w = to_rows(layout, given, last, ())
        bad = ~((w >= 0) & np.isfinite(w))
        if bad.any():
            raise check.wrong_value("weights", f"{w[bad][0]}", "finite numbers ≥ 0")
        with np.errstate(over="ignore"):
            total = float(w.sum())
        if total == np.inf:
            raise check.wrong_value("weights", "a sum of inf", "finite numbers with a finite sum")
    need = "'sum', 'mean', or a finite number > 0 to divide by"
    if isinstance(reduction, str):
        if reduction not in ("sum", "mean"):
            raise check.wrong_value("reduction", repr(reduction), need)
        if reduction == "sum":
            return w
        if total == 0:
            raise check.wrong_value(
                "reduction", "'mean' over no step that counts", "a step of weight > 0"
            )
        return w / total
    divisor = check.real_number("reduction", reduction, need)
    if not 0 < divisor < np.inf:
        raise check.wrong_value("reduction", check.describe(reduction), need)
    return w / divisor


def check_targets(rnn: Description, y: Array) -> None:
    """Refuse labels out of range, and values that the loss is not defined for."""
    if rnn.loss.targets == "classes":
        check.in_range("y", y, 0, rnn.size_o - 1, "labels")
        return
    low, high = rnn.loss.target_range
    bad = (y < low) | (y > high)
    if bad.any():
        need = f"values ≥ {low:g}" if high == np.inf else f"values in [{low:g}, {high:g}]"
        raise check.wrong_value("y", f"{y[bad][0]:g}", f"{need} for the loss {rnn.loss.name!r}")


# ---------------------------------------------------------------------- teacher forcing


@dataclass(frozen=True)
class Feeding:
    """What an output recurrence is fed: u (N, O), and free (N,) where the model's own output is."""

    u: Array
    free: Array | None


def feeding(
    rnn: Description,
    layout: Layout,
    first: Start,
    y: Array | None,
    teacher_forcing: Any,
    seed: Any,
    dtype: np.dtype[Any],
) -> Feeding | None:
    """u(t) of C.5 where it is known beforehand; None with hidden recurrence."""
    if rnn.recurrence == "hidden":
        if teacher_forcing is not None:
            raise check.wrong_value(
                "teacher_forcing",
                check.describe(teacher_forcing),
                "None: recurrence='hidden' feeds no output back",
            )
        return None
    assert first.fed is not None
    forced = _forced(layout, y, teacher_forcing, seed)
    n, O = layout.first, rnn.size_o
    u = np.zeros((layout.N, O), dtype)
    # t = 1: there is nothing of this call to be fed.
    at_first = np.broadcast_to(forced, (layout.N,))[:n]
    u[:n] = first.fed[:n]
    if first.y is not None:
        rows = np.flatnonzero(at_first)
        u[rows] = first.y[rows]
        if rnn.loss.targets == "classes" and np.isnan(u[rows]).any() and first.y is not first.fed:
            raise check.wrong_value(
                "state", "a last label out of range", "valid labels where a step is forced"
            )
    # t > 1: y(t−1) where the step is forced, one-hot for classes.
    rows = n + np.flatnonzero(np.broadcast_to(forced, (layout.N,))[n:])
    if rows.size:
        assert y is not None
        before = y[layout.row_before[rows] - layout.B]
        if rnn.loss.targets == "classes":
            check.in_range(
                "y", before, 0, rnn.size_o - 1, "labels (a label that is fed must be valid)"
            )
            before = one_hot(before, O, dtype)
        u[rows] = before
    free = np.ones(layout.N, np.uint8)
    free[:n] = 0
    free[rows] = 0
    return Feeding(u, free if free.any() else None)


def _forced(layout: Layout, y: Array | None, teacher_forcing: Any, seed: Any) -> Array | bool:
    """Where a step is given y(t−1): (N,), or one bool for all."""
    need = "True, False, a probability, or a boolean mask of shape " + (
        f"(T,) = ({layout.T},)" if layout.single else f"(T, B) = ({layout.T}, {layout.B})"
    )
    name = "teacher_forcing"
    if teacher_forcing is None:
        return y is not None
    if isinstance(teacher_forcing, bool | np.bool_):
        if teacher_forcing and y is None:
            _need_y(name, teacher_forcing)
        return bool(teacher_forcing)
    given = check.array(name, teacher_forcing, "biuf", need)
    if given.ndim == 0 and given.dtype.kind != "b":
        p = float(given)
        if not 0 <= p <= 1:
            raise check.wrong_value(name, f"{p:g}", f"{need}; a probability is in 0 … 1")
        draws = check.generator("seed", seed).random((layout.T, layout.B))
        forced: Array = layout.pack(draws < p)
    else:
        mask = check.array(name, given, "b", need)
        shape = (layout.T,) if layout.single else (layout.T, layout.B)
        if mask.shape != shape:
            raise check.wrong_value(name, check.describe(mask), need)
        forced = layout.pack(np.ascontiguousarray(mask.reshape(layout.T, layout.B)))
    if y is None and forced.any():
        _need_y(name, teacher_forcing)
    return forced


def _need_y(name: str, teacher_forcing: Any) -> NoReturn:
    raise check.wrong_value(name, check.describe(teacher_forcing), "y, where a step is forced")
