# cython: language_level=3, cdivision=True, embedsignature=True, binding=True
# cython: freethreading_compatible=True
"""The sequential loops of back-propagation through time, and the products around them.

Design
------
A. Python decides, the core computes. Every array that comes here has been checked, made contiguous
   and allocated by ``_passes.py``; the functions below take it as a typed memoryview, inputs const.
   What is written is an argument.

B. A batch is *packed*: the sequences are sorted by length, the longest first, and the rows of a
   step stand together, so step t is rows ``row … row + counts[t]`` of an (N, ·) array, N the number
   of steps of all sequences. ``counts`` never grows, so the rows of step t are a prefix of those of
   step t−1. Without lengths this is the plain (T, B, ·) array. Padding is never there to be seen.

C. h has B rows more at its front: h(0). Then h(t−1) is always the step before.

D. What can leave the time loop leaves it: U x(t) before it, the parameters' gradients after it. In
   it are only the products with what the step before computed. The matrix is packed once a sweep.

E. Inside the loops there is C alone, and no interpreter lock: the matrix products, and the
   activation and link where these are C functions (``Function``). Where they are Python's, the loop
   takes the lock for the call (``apply``), with arrays of their own: such a plugin never holds the
   core's memory, so it cannot spoil it. One in C is handed rows of the core's, its result perhaps
   where its input stood. Indices (tokens, labels) are copies that nobody else has.

F. There are two ways through a network. *Passes* (``_passes.py``) keep every node for whoever wants
   to see it, and take whatever an activation, a loss or a feedback is made of: the functions of
   this file, one sweep each. The *whole pass* (``_whole_pass.pxi``, entered by a ``Plan`` of
   ``_plan.pxi``) is for the loss and the parameters' gradients, or ŷ, alone: one call, on memory of
   its own, on several threads, wherever nothing in it needs the interpreter. Both give the gradient
   the same bits; the loss they sum in another order.

G. An element of a product is summed in an order that depends on nothing but the element (see
   _kernels/products.h): the same bits for any batch mates. Sums over time go by fixed blocks.
"""
cimport cython
from cybptt._tables cimport (
    PyThread_get_thread_ident,
    block_function_f32,
    block_function_f64,
    check_signals,
    cybptt_flag,
    cybptt_kernels_f32,
    cybptt_kernels_f64,
    cybptt_most_threads,
    cybptt_raise_flag,
    cybptt_set,
    cybptt_share_out,
    cybptt_task,
    kernels_f32,
    kernels_f64,
    loss_function_f32,
    loss_function_f64,
    real,
)
from libc.string cimport memcpy, memset

import os
import threading

import numpy as np

# ------------------------------------------------------------------ the kernels in use

cdef const kernels_f32 *K32 = NULL
cdef const kernels_f64 *K64 = NULL


cdef const char *name_of(int i) noexcept:
    return cybptt_kernels_f32(i).name if cybptt_kernels_f32(i) != NULL else NULL


def _choose_kernels(wanted):
    """Take the best instruction set that this processor has, or the one `wanted` by name."""
    global K32, K64
    cdef int i = 0
    available = []
    while name_of(i) != NULL:
        available.append(name_of(i).decode())
        i += 1
    if wanted and wanted not in available:
        raise ImportError(
            f"CYBPTT_KERNELS: got {wanted!r}, need one of {', '.join(available)} on this machine"
        )
    i = available.index(wanted) if wanted else 0
    K32, K64 = cybptt_kernels_f32(i), cybptt_kernels_f64(i)
    return available[i], tuple(available)


kernels_in_use, kernels_available = _choose_kernels(os.environ.get("CYBPTT_KERNELS", ""))
most_threads = cybptt_most_threads()


cdef inline void product(
    Py_ssize_t m, Py_ssize_t k, Py_ssize_t n, const real *X, Py_ssize_t ldx, const real *panels,
    const real *start, Py_ssize_t lds, real *out, Py_ssize_t ldo
) noexcept nogil:
    """out (m, n) = start (m, n) + X (m, k) B (k, n), B packed"""
    if real is float:
        K32.product(m, k, n, X, ldx, panels, start, lds, out, ldo)
    else:
        K64.product(m, k, n, X, ldx, panels, start, lds, out, ldo)


cdef inline void outer(
    Py_ssize_t m, Py_ssize_t k, Py_ssize_t n, const real *X, Py_ssize_t ldx, const real *B,
    Py_ssize_t ldb, real *out, Py_ssize_t ldo
) noexcept nogil:
    """out (m, n) += Xᵀ (m, k) B (k, n), B's rows padded"""
    if real is float:
        K32.add_outer(m, k, n, X, ldx, B, ldb, out, ldo)
    else:
        K64.add_outer(m, k, n, X, ldx, B, ldb, out, ldo)


cdef inline void one_row(
    Py_ssize_t k, Py_ssize_t n, const real *x, const real *panels, real *out, bint back
) noexcept nogil:
    """out (n,) += x (k,) B (k, n), B packed, n a multiple of `lanes`: a batch of one"""
    if real is float:
        K32.row(k, n, x, panels, out, out, back)
    else:
        K64.row(k, n, x, panels, out, out, back)


cdef inline void one_row_of_any_size(
    Py_ssize_t k, Py_ssize_t n, const real *x, const real *panels, real *out, real *scratch,
    bint back
) noexcept nogil:
    """The same for every n, by way of a padded row where it must be."""
    if n % lanes(x) == 0:
        one_row(k, n, x, panels, out, back)
    else:
        memcpy(scratch, out, n * sizeof(real))
        one_row(k, padded_size(n, x), x, panels, scratch, back)
        memcpy(out, scratch, n * sizeof(real))


cdef inline void sum_columns(
    Py_ssize_t m, Py_ssize_t n, const real *A, Py_ssize_t lda, real *out
) noexcept nogil:
    """out (n,) += the sums of A's columns (m, n)"""
    if real is float:
        K32.add_rows(m, n, A, lda, out)
    else:
        K64.add_rows(m, n, A, lda, out)


cdef inline void pack(
    Py_ssize_t k, Py_ssize_t n, const real *B, Py_ssize_t row, Py_ssize_t col, real *panels
) noexcept nogil:
    if real is float:
        K32.pack(k, n, B, row, col, panels)
    else:
        K64.pack(k, n, B, row, col, panels)


cdef inline void transpose(
    Py_ssize_t k, Py_ssize_t n, const real *A, Py_ssize_t lda, real *out, Py_ssize_t ldo
) noexcept nogil:
    """out (k, n) = Aᵀ"""
    if real is float:
        K32.transpose(k, n, A, lda, out, ldo)
    else:
        K64.transpose(k, n, A, lda, out, ldo)


cdef inline void multiply(Py_ssize_t n, const real *x, const real *y, real *out) noexcept nogil:
    if real is float:
        K32.multiply(n, x, y, out)
    else:
        K64.multiply(n, x, y, out)


cdef inline Py_ssize_t lanes(const real *which) noexcept nogil:
    """Values of a vector register: what `which` points to only says of which type."""
    if real is float:
        return K32.lanes
    else:
        return K64.lanes


cdef inline Py_ssize_t padded_size(Py_ssize_t n, const real *which) noexcept nogil:
    """n, or the next multiple of a register's values."""
    return (n + lanes(which) - 1) // lanes(which) * lanes(which)


cdef inline const real *data(const real[:, ::1] array) noexcept nogil:
    """The first value, NULL of an empty array: rows are reached by pointer from here."""
    return &array[0, 0] if array.shape[0] > 0 and array.shape[1] > 0 else NULL


cdef inline real *writable(real[:, ::1] array) noexcept nogil:
    return &array[0, 0] if array.shape[0] > 0 and array.shape[1] > 0 else NULL


cdef object dtype_of(const real *which):
    return np.float32 if real is float else np.float64


cdef real[::1] packed(const real[:, ::1] B, bint transposed):
    """The panels of B, or of Bᵀ, for a product X B."""
    cdef Py_ssize_t rows = B.shape[0], cols = B.shape[1]
    cdef Py_ssize_t k = cols if transposed else rows, n = rows if transposed else cols
    # One value at least, for an array must have an address.
    cdef real[::1] panels = np.empty(
        max(1, k * padded_size(n, data(B))), dtype_of(data(B)))
    if transposed:
        pack(k, n, data(B), 1, cols, &panels[0])
    else:
        pack(k, n, data(B), cols, 1, &panels[0])
    return panels


# ------------------------------------------------------------------ Ctrl-C

# How many multiplications pass between two looks at the signals: some 20 ms of a slow processor.
cdef enum:
    WORK_BETWEEN_SIGNALS = 50_000_000


# What reading and writing a value counts for, in multiplications.
cdef enum:
    WORK_OF_VALUE = 8
# Rows of a large product between two such looks.
cdef enum:
    ROWS_AT_ONCE = 3072


# The one thread in which Python runs signals' handlers.
cdef unsigned long main_thread = threading.main_thread().ident


def _this_thread_is_the_main_one():
    global main_thread
    main_thread = PyThread_get_thread_ident()


if hasattr(os, "register_at_fork"):
    # Of the child's threads it is the one that called fork.
    os.register_at_fork(after_in_child=_this_thread_is_the_main_one)


cdef int interrupted() noexcept nogil:
    """Not 0 where a signal's handler has raised: the exception then stands in this thread.

    Other threads than the main one do not ask: in vain, and at the interpreter's end for a lock
    that is there no more.
    """
    if PyThread_get_thread_ident() != main_thread:
        return 0
    with gil:
        return check_signals()


cdef inline int look_for_signals(Py_ssize_t *work, Py_ssize_t more) except -1 nogil:
    """Ctrl-C in a long pass: every so much work, ask the interpreter whether it was pressed."""
    work[0] += more
    if work[0] < WORK_BETWEEN_SIGNALS:
        return 0
    work[0] = 0
    return -1 if interrupted() else 0


# ------------------------------------------------------------------ functions in the loops

include "_functions.pxi"
include "_plugin_functions.pxi"
include "_losses.pxi"


# ------------------------------------------------------------------ outside the time loop

def affine(const real[:, ::1] x not None, const real[:, ::1] weights not None,
           const real[::1] bias, real[:, ::1] out not None):
    """out = bias + x weightsᵀ: b + U x(t) of 10.8 and c + V h(t) of 10.10, for all rows at once.

    (N, n) = (n,) + (N, k)(k, n); a bias of None adds to what out holds.
    """
    cdef Py_ssize_t N = x.shape[0], k = x.shape[1], n = weights.shape[0]
    cdef real[::1] panels = packed(weights, True)
    if N == 0 or n == 0:
        return
    with nogil:
        if bias is None:
            product_of_rows(N, k, n, data(x), &panels[0], writable(out), n, writable(out))
        else:
            product_of_rows(N, k, n, data(x), &panels[0], &bias[0], 0, writable(out))


def add_pullback(const real[:, ::1] gradient not None, const real[:, ::1] weights not None,
                 real[:, ::1] out not None):
    """out += gradient weights: Vᵀ ∇o of 10.19 and 10.21, Uᵀ ∇a of C.2, for all rows at once.

    (N, k) += (N, n)(n, k)
    """
    cdef Py_ssize_t N = gradient.shape[0], n = gradient.shape[1], k = weights.shape[1]
    cdef real[::1] panels = packed(weights, False)
    if N == 0 or k == 0:
        return
    with nogil:
        product_of_rows(N, n, k, data(gradient), &panels[0], writable(out), k, writable(out))


cdef int product_of_rows(
    Py_ssize_t N, Py_ssize_t k, Py_ssize_t n, const real *X, const real *panels,
    const real *start, Py_ssize_t lds, real *out
) except -1 nogil:
    """out (N, n) = start (N, n) + X (N, k) B (k, n), B packed, with an ear for Ctrl-C"""
    cdef Py_ssize_t row = 0, rows, work = 0
    while row < N:
        rows = min(ROWS_AT_ONCE, N - row)
        product(rows, k, n, X + row * k, k, panels, start + row * lds, lds, out + row * n, n)
        row += rows
        look_for_signals(&work, rows * n * (k + WORK_OF_VALUE))
    return 0


def gather(const Py_ssize_t[::1] tokens not None, const real[:, ::1] columns not None,
           const real[::1] bias not None, real[:, ::1] out not None):
    """out = b + U x, x one-hot: the row `token` of columns = Uᵀ (I, H). Tokens are in range."""
    cdef Py_ssize_t H = columns.shape[1], i, j, work = 0
    cdef const real *u
    cdef const real *b
    cdef real *o
    if tokens.shape[0] == 0 or H == 0:
        return
    b = &bias[0]
    with nogil:
        for i in range(tokens.shape[0]):
            u = data(columns) + tokens[i] * H
            o = writable(out) + i * H
            for j in range(H):
                o[j] = b[j] + u[j]
            look_for_signals(&work, H * WORK_OF_VALUE)


def scatter(const Py_ssize_t[::1] tokens not None, const real[:, ::1] grad_a not None,
            real[:, ::1] out not None):
    """out[token] += ∇a of its row, the last row first: (∇_U L)ᵀ of 10.28 for one-hot x."""
    cdef Py_ssize_t H = grad_a.shape[1], i, j, work = 0
    cdef const real *g
    cdef real *o
    with nogil:
        for i in range(tokens.shape[0] - 1, -1, -1):
            g = data(grad_a) + i * H
            o = writable(out) + tokens[i] * H
            for j in range(H):
                o[j] += g[j]
            look_for_signals(&work, H * WORK_OF_VALUE)


def add_outer(const Py_ssize_t[::1] blocks not None, const real[:, ::1] left not None,
              const real[:, ::1] right not None, real[:, ::1] out not None):
    """out += Σ over rows of left rightᵀ: 10.24, 10.26 and 10.28.

    (m, n) += (m, N)(N, n). Block i are the rows blocks[i] … blocks[i + 1]; the last block is added
    first, so that a pass that goes back through time block by block gives the same bits.
    """
    cdef Py_ssize_t m = left.shape[1], n = right.shape[1], i, j, row, rows, largest = 0, work = 0
    cdef Py_ssize_t ld = padded_size(n, data(right))
    cdef real[:, ::1] padded
    cdef const real *r
    for i in range(blocks.shape[0] - 1):
        largest = max(largest, blocks[i + 1] - blocks[i])
    if m == 0 or n == 0 or largest == 0:
        return
    # The kernel reads whole registers: rows of another length are copied.
    padded = np.zeros((largest if ld != n else 1, ld), dtype_of(data(right)))
    with nogil:
        for i in range(blocks.shape[0] - 2, -1, -1):
            row, rows = blocks[i], blocks[i + 1] - blocks[i]
            if rows > 0:
                r = data(right) + row * n
                if ld != n:
                    for j in range(rows):
                        memcpy(&padded[j, 0], r + j * n, n * sizeof(real))
                    r = &padded[0, 0]
                outer(m, rows, n, data(left) + row * m, m, r, ld, writable(out), n)
                look_for_signals(&work, rows * n * (m + WORK_OF_VALUE))


def add_rows(const Py_ssize_t[::1] blocks not None, const real[:, ::1] rows not None,
             real[::1] out not None):
    """out += Σ over rows: 10.22 and 10.23. (n,) += (N, n), by blocks as in `add_outer`."""
    cdef Py_ssize_t n = rows.shape[1], i, count, work = 0
    if n == 0:
        return
    with nogil:
        for i in range(blocks.shape[0] - 2, -1, -1):
            count = blocks[i + 1] - blocks[i]
            if count > 0:
                sum_columns(count, n, data(rows) + blocks[i] * n, n, &out[0])
                look_for_signals(&work, count * n * WORK_OF_VALUE)


# ------------------------------------------------------------------ the time loops

def forward(const Py_ssize_t[::1] counts not None, real[:, ::1] h not None,
            real[:, ::1] a not None, BlockFunction activation not None,
            const real[:, ::1] W=None, const real[:, ::1] R=None, real[:, ::1] u=None,
            const cython.uchar[::1] free=None, const real[:, ::1] V=None,
            const real[::1] c=None, real[:, ::1] o=None, real[:, ::1] y_hat=None,
            BlockFunction link=None):
    """10.8 and 10.9 through time; with u, also what an output recurrence feeds back (C.4, C.5).

    Parameters
    ----------
    counts : (T,) rows of each step, see Design B
    h : (B + N, H), h(0) before it; h(1) … written here
    a : (N, H), on entry b + U x(t), on return a(t). It may be h[B:], where a is not kept.
    activation : f
    W : (H, H), None where there is no path from h(t−1) to h(t)
    R : (H, O), what multiplies u(t); None where u is known beforehand and was added to a
    u : (N, O), y(t−1) in the forced rows and in the first step; the free rows are written here
    free : (N,), 1 where u(t) is the output of the step before
    V, c, o : (O, H), (O,), (N, O): needed with u
    y_hat, link : (N, O): given where ŷ is fed back instead of o
    """
    cdef Py_ssize_t T = counts.shape[0], H = h.shape[1], B = h.shape[0] - a.shape[0]
    cdef Py_ssize_t O = 0 if u is None else u.shape[1]
    cdef Py_ssize_t t, n, i, j, row = 0, previous = 0, work = 0, work_of_row
    cdef real *h_all = writable(h)
    cdef real *a_all = writable(a)
    cdef real *u_all = NULL
    cdef real *o_all = NULL
    cdef const real *fed = NULL
    cdef const real *block
    cdef const real *bias = NULL
    cdef real[::1] W_panels, R_panels, V_panels
    cdef real[::1] scratch = np.zeros(max(1, padded_size(H, data(h))), dtype_of(data(h)))
    if W is not None:
        W_panels = packed(W, True)
    if u is not None:
        R_panels = packed(R, True)
        V_panels = packed(V, True)
        u_all, o_all = writable(u), writable(o)
        fed = data(o) if y_hat is None else data(y_hat)
        bias = &c[0] if O > 0 else NULL
    if H == 0 and O == 0:
        return
    work_of_row = H * (H + 2 * O) + 8 * WORK_OF_VALUE * (H + O)

    with nogil:
        for t in range(T):
            n = counts[t]
            if n == 0:
                break
            if u is not None:
                # C.5  u(t) = o(t−1) or ŷ(t−1) where the step is free        (n, O)
                if t > 0:
                    for i in range(n):
                        if free[row + i]:
                            for j in range(O):
                                u_all[(row + i) * O + j] = fed[(previous + i) * O + j]
                # C.4  a(t) = b + U x(t) + R u(t) + …           (n, H) += (n, O)(O, H)
                product(n, O, H, u_all + row * O, O, &R_panels[0],
                        a_all + row * H, H, a_all + row * H, H)
            if W is not None:
                # 10.8  a(t) = b + U x(t) + W h(t−1)            (n, H) += (n, H)(H, H)
                block = h_all + (previous if t == 0 else B + previous) * H
                if B == 1:
                    one_row_of_any_size(
                        H, H, block, &W_panels[0], a_all + row * H, &scratch[0], t & 1)
                else:
                    product(n, H, H, block, H, &W_panels[0], a_all + row * H, H, a_all + row * H, H)
            # 10.9  h(t) = f(a(t))                              (n, H)
            block = a_all + row * H
            apply(activation, &block, h_all + (B + row) * H, n, H, t)
            if u is not None:
                # 10.10  o(t) = c + V h(t)                      (n, O) = (O,) + (n, H)(H, O)
                product(n, H, O, h_all + (B + row) * H, H, &V_panels[0],
                        bias, 0, o_all + row * O, O)
                if y_hat is not None:
                    # 10.11  ŷ(t), fed back                     (n, O)
                    block = o_all + row * O
                    apply(link, &block, writable(y_hat) + row * O, n, O, t)
            previous = row
            row += n
            look_for_signals(&work, n * work_of_row)


def backward(const Py_ssize_t[::1] counts not None, real[:, ::1] grad_h not None,
             real[:, ::1] grad_a not None, const real[:, ::1] slope not None,
             const real[:, ::1] W=None, const real[:, ::1] R=None,
             const cython.uchar[::1] free=None, const real[:, ::1] V=None,
             real[:, ::1] grad_o=None, const real[:, ::1] o=None,
             const real[:, ::1] y_hat=None, BlockFunction link_vjp=None):
    """10.19, 10.21 and C.1 back through time; with `free`, also what was fed back (C.6).

    Parameters
    ----------
    counts : (T,) rows of each step, see Design B
    grad_h : (B + N, H), on entry what reaches h(0), h(1), … from outside the recurrence (but for
        V's part with `free`, that is added here); on return ∇h
    grad_a : (N, H), written
    slope : (N, H), f′(a(t)). It may be grad_a.
    W : (H, H), None where there is no path from h(t−1) to h(t)
    R, free, V, grad_o : (H, O), (N,), (O, H), (N, O): given where some u(t) was the model's own
        output; grad_o is on entry the losses' part
    o, y_hat, link_vjp : (N, O), (N, O): given where that output was ŷ
    """
    cdef Py_ssize_t T = counts.shape[0], H = grad_h.shape[1], B = grad_h.shape[0] - grad_a.shape[0]
    cdef Py_ssize_t O = 0 if free is None else grad_o.shape[1]
    cdef Py_ssize_t t, n, m = 0, i, j, row = grad_a.shape[0], following = row, work = 0, work_of_row
    cdef real *h_all = writable(grad_h)
    cdef real *a_all = writable(grad_a)
    cdef const real *slope_all = data(slope)
    cdef real *o_all = NULL
    cdef real *h_t
    cdef const real *blocks[3]
    cdef real[::1] W_panels, R_panels, V_panels
    cdef real[::1] scratch = np.zeros(max(1, padded_size(H, data(slope))), dtype_of(data(slope)))
    cdef real[:, ::1] grad_u, zeros, through_link
    if W is not None:
        W_panels = packed(W, False)
    if free is not None:
        R_panels = packed(R, False)
        V_panels = packed(V, False)
        o_all = writable(grad_o)
        largest = counts[0] if T > 0 else 0
        grad_u = np.empty((max(1, largest), max(1, O)), dtype_of(data(slope)))
        zeros = np.zeros((1, max(1, O)), dtype_of(data(slope)))
        through_link = np.empty((max(1, largest), max(1, O)), dtype_of(data(slope)))
    if H == 0 and O == 0:
        return
    work_of_row = H * (H + 2 * O) + 8 * WORK_OF_VALUE * (H + O)

    with nogil:
        for t in range(T - 1, -1, -1):
            n = counts[t]
            if n == 0:
                continue
            row -= n
            h_t = h_all + (B + row) * H
            if free is not None:
                if m > 0:
                    # C.6  ∇u(t+1) = Rᵀ ∇a(t+1)                  (m, O) = (m, H)(H, O)
                    product(m, H, O, a_all + following * H, H, &R_panels[0],
                            &zeros[0, 0], 0, &grad_u[0, 0], O)
                    if link_vjp is not None:
                        # C.6  J(t)ᵀ of it, J the link's       (m, O)
                        for i in range(m):
                            if not free[following + i]:
                                for j in range(O):
                                    grad_u[i, j] = 0
                        blocks[0] = data(o) + row * O
                        blocks[1] = data(y_hat) + row * O
                        blocks[2] = &grad_u[0, 0]
                        apply(link_vjp, blocks, &through_link[0, 0], m, O, t)
                    for i in range(m):
                        if free[following + i]:
                            for j in range(O):
                                o_all[(row + i) * O + j] += (
                                    grad_u[i, j] if link_vjp is None else through_link[i, j])
                # 10.21  ∇h(t) = Vᵀ ∇o(t) + …                    (n, H) += (n, O)(O, H)
                product(n, O, H, o_all + row * O, O, &V_panels[0], h_t, H, h_t, H)
            if W is not None and m > 0:
                # 10.21  … + Wᵀ ∇a(t+1)                          (m, H) += (m, H)(H, H)
                if B == 1:
                    one_row_of_any_size(
                        H, H, a_all + following * H, &W_panels[0], h_t, &scratch[0], t & 1)
                else:
                    product(m, H, H, a_all + following * H, H, &W_panels[0], h_t, H, h_t, H)
            # C.1  ∇a(t) = f′(a(t)) ⊙ ∇h(t)                      (n, H)
            multiply(n * H, slope_all + row * H, h_t, a_all + row * H)
            following, m = row, n
            look_for_signals(&work, n * work_of_row)
        if W is not None and m > 0:
            # C.3  ∇h(0) = Wᵀ ∇a(1)                              (m, H) += (m, H)(H, H)
            if B == 1:
                one_row_of_any_size(H, H, a_all, &W_panels[0], h_all, &scratch[0], 0)
            else:
                product(m, H, H, a_all, H, &W_panels[0], h_all, H, h_all, H)


# ------------------------------------------------------------------ all of it in one call

include "_whole_pass.pxi"
include "_plan.pxi"
