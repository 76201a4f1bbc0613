# A part of _core.pyx: the loss and every parameter's gradient in one call, nodes unseen.
#
# (a) Time goes by *blocks* of some 256 rows, in which the parameters' gradients are summed, the
#     last block first. A *stretch* is what is done at once: one block, which the cache holds; with
#     several threads as many as there is room for, so that they seldom wait for each other. A
#     *segment* is the time whose h is kept: all of it, or with checkpoints a part, whose h is
#     computed again on the way back.
# (b) Forward, a stretch has two phases: rows, U x(t) + b; steps, W h(t−1) and f. (A third, ŷ, where
#     that is all that is wanted: then no h outlives its stretch.) Backward it has three: rows, o,
#     the losses and Vᵀ ∇o; steps, Wᵀ ∇a(t+1) and f′; then the products that are the parameters'
#     gradients. Only h is kept between the two (and a, where f′ is a function of it): ∇h turns into
#     ∇a where it stands, and is forgotten with its stretch.
# (c) The tasks of a phase (blocks, shares of the batch, rows of a gradient) need not wait for each
#     other, and no sum is split among them. Hence the same bits for any number of threads.
# (d) Where h is known and ∇h comes from outside, in a loss's place (`Plan.pull_back`), the rows of
#     both are copied in, and ∇x is a phase more. Where f′ is a function of a, it and h are computed
#     again.
# (e) Rows of h, a and ∇a are `ld` apart: padded to whole registers, and to a distance that spreads
#     the rows over the cache. All memory is one block, taken before anything is computed.

cdef extern from *:
    """
    #undef I /* complex.h, which NumPy's headers include, takes the letter */
    """

# Rows by which sums over time go: long enough for the products to run at their best, short enough
# to stay in the cache and to keep the rounding of a long sum small.
cdef enum:
    BLOCK_ROWS = 256

block_rows = BLOCK_ROWS


cdef enum Phase:
    FORWARD_ROWS
    FORWARD_STEPS
    OUTPUTS
    BACKWARD_ROWS
    BACKWARD_STEPS
    GRADIENTS
    INPUTS

# Values of ∇a in a stretch of several threads: what the caches that they share can hold, and enough
# that they seldom wait for each other.
cdef enum:
    STRETCH_VALUES = 1_048_576
# Multiplications that a thread more is worth.
cdef double work_of_thread = 1_000_000


def let_a_thread_be_worth(double work):
    """Set how many multiplications a thread more is worth, for tests; returns what it was."""
    global work_of_thread
    before, work_of_thread = work_of_thread, work
    return before


cdef struct Job:
    # ---- the model
    Py_ssize_t I, H, O
    bint recurrent  # h(t−1) reaches a(t); otherwise no step waits for another
    bint fed        # something known beforehand is fed back
    bint tokens, last, layered, classes
    bint keep_a     # f′ is a function of a
    bint may_raise  # the functions may set exceptions
    void *f         # block functions and a loss function of the dtype
    void *pullback
    void *slope
    void *loss
    void *link
    const void *f_context
    const void *pullback_context
    const void *slope_context
    const void *loss_context
    const void *link_context
    # ---- the batch
    Py_ssize_t T, B, N
    const Py_ssize_t *starts  # (T + 1,) first rows of the steps; NULL: B rows each
    const void *x             # (N, I) values, or
    const Py_ssize_t *chosen  # (N,) tokens
    const void *y             # (N, O) or (B, O) values, or
    const Py_ssize_t *labels  # (N,) or (B,)
    Py_ssize_t *own_tokens    # copies that nobody else has
    Py_ssize_t *own_labels
    const double *factors     # (N,) or (B,), or NULL:
    double factor             # the same for all
    const void *u             # (N, O) what is fed
    void *y_hat               # (N, O) or (B, O), where that is all that is wanted
    const void *known_h       # (N, H), or NULL
    const void *cotangent     # (N, H) ∇h from outside, in the place of a loss; or NULL
    void *grad_x              # (N, I), or NULL; both with a cotangent alone
    void *grad_h0             # (B, H)
    Py_ssize_t kept_step      # after which h is kept; -1: the ends are wanted
    # ---- memory: parameters, packed; n is H padded, ld the distance of rows
    Py_ssize_t n, ld
    const void *c
    void *U
    void *W
    void *W_back
    void *V
    void *V_back
    void *U_back
    void *R
    void *b
    void *zeros
    # ---- nodes of a segment, of a stretch, and at the ends
    void *h
    void *a
    void *before     # (stretch, ld) h(t−1), where its rows do not stand together
    void *grad       # (stretch, ld) ∇h, then ∇a
    void *slopes     # (stretch, ld), where the activation has no pullback
    void *o          # (stretch, O)
    void *grad_o
    void *values     # (stretch,) L(t)
    void *later      # (B, ld) ∇a of the step after the stretch
    void *states     # (segments, B, ld), or one that is passed on
    Py_ssize_t states_apart
    void *ends       # (B, ld) h where each sequence ends
    void *kept       # (B, ld) h after kept_step; otherwise the ends
    void *at_ends    # (B, ld) what their outputs send back
    double *losses   # (blocks,) their sums
    # ---- gradients: U and R transposed
    void *grad_U
    void *grad_W
    void *grad_V
    void *grad_R
    void *grad_b
    void *grad_c
    size_t gradients_size
    # ---- what is being done
    Py_ssize_t block_steps, blocks, segment_blocks, stretch_blocks
    int threads, parts
    Phase phase
    Py_ssize_t first_block, end_block        # of the stretch
    Py_ssize_t first_step, end_step          # of the stretch
    Py_ssize_t first_row, segment_row        # of the stretch, of the segment
    Py_ssize_t tile
    Py_ssize_t work
    int stop
    bint failed     # since a plugin's function has set an exception


cdef inline Py_ssize_t row_of(const Job *job, Py_ssize_t t) noexcept nogil:
    """The first row of step t."""
    return t * job.B if job.starts == NULL else job.starts[t]


cdef inline Py_ssize_t rows_of(const Job *job, Py_ssize_t t) noexcept nogil:
    """How many rows step t has: sequences that are longer than t."""
    return 0 if t >= job.T else row_of(job, t + 1) - row_of(job, t)


cdef inline Py_ssize_t step_of(const Job *job, Py_ssize_t block) noexcept nogil:
    return min(job.T, block * job.block_steps)


cdef inline int listen(Job *job, bint caller, Py_ssize_t work) noexcept nogil:
    """Not 0 where the work is to be given up, since Ctrl-C was pressed: the caller alone asks.

    (Or since a plugin's function has failed.) An exception then stands in the caller's thread. The
    functions between here and there pass on the number: in the other threads there is no
    interpreter to raise anything in.
    """
    if caller:
        job.work += work
        if job.work >= WORK_BETWEEN_SIGNALS:
            job.work = 0
            if interrupted():
                cybptt_raise_flag(&job.stop)
    return cybptt_flag(&job.stop)


# ------------------------------------------------------------------ functions on padded rows

cdef inline void call_block(
    Job *job, void *f, const void *context, const real **inputs, real *out, Py_ssize_t rows,
    Py_ssize_t cols
) noexcept nogil:
    if real is float:
        (<block_function_f32> f)(inputs, out, rows, cols, context)
    else:
        (<block_function_f64> f)(inputs, out, rows, cols, context)
    look_for_errors(job)


cdef inline void look_for_errors(Job *job) noexcept nogil:
    """A plugin's function may have set an exception: then there is one thread alone."""
    if job.may_raise and error_is_set():
        job.failed = True
        cybptt_raise_flag(&job.stop)


cdef inline void call_on_rows(
    Job *job, void *f, const void *context, const real *first, const real *second, real *out,
    Py_ssize_t rows
) noexcept nogil:
    """An elementwise function of one or two arrays of padded rows."""
    cdef const real *inputs[2]
    cdef Py_ssize_t i
    inputs[0], inputs[1] = first, second
    if job.n == job.ld:
        call_block(job, f, context, inputs, out, rows, job.n)
        return
    for i in range(rows):
        call_block(job, f, context, inputs, out + i * job.ld, 1, job.n)
        inputs[0] += job.ld
        inputs[1] += job.ld


cdef inline void pull_back(
    Job *job, Py_ssize_t row, Py_ssize_t rows, const real *which
) noexcept nogil:
    """C.1  ∇a(t) = f′ ⊙ ∇h(t), f′ of h(t) or of a(t), of so many rows from `row` on."""
    cdef real *grad = <real *> job.grad + (row - job.first_row) * job.ld
    cdef real *slopes
    cdef const real *x
    cdef Py_ssize_t i
    if job.a == NULL:
        x = <const real *> job.h + (job.B + row - job.segment_row) * job.ld
    else:
        x = <const real *> job.a + (row - job.segment_row) * job.ld
    if job.pullback != NULL:
        call_on_rows(job, job.pullback, job.pullback_context, x, grad, grad, rows)
    else:
        slopes = <real *> job.slopes + (row - job.first_row) * job.ld
        call_on_rows(job, job.slope, job.slope_context, x, x, slopes, rows)
        for i in range(rows):
            multiply(job.n, slopes + i * job.ld, grad + i * job.ld, grad + i * job.ld)


cdef inline real *a_row(const Job *job, Py_ssize_t row, const real *which) noexcept nogil:
    """Where a of a row stands; it turns into h there, unless it is kept."""
    if job.a != NULL:
        return <real *> job.a + (row - job.segment_row) * job.ld
    return h_row(job, row, which)


cdef inline real *h_row(const Job *job, Py_ssize_t row, const real *which) noexcept nogil:
    return <real *> job.h + (job.B + row - job.segment_row) * job.ld


cdef void copy_rows(
    const real *source, Py_ssize_t lds, Py_ssize_t rows, Py_ssize_t cols, real *out, Py_ssize_t ldo
) noexcept nogil:
    """Rows of `cols` values, padded with zeros to ldo where that is more, or cut to it."""
    cdef Py_ssize_t i
    for i in range(rows):
        memcpy(out + i * ldo, source + i * lds, min(cols, ldo) * sizeof(real))
        if ldo > cols:
            memset(out + i * ldo + cols, 0, (ldo - cols) * sizeof(real))


# ------------------------------------------------------------------ forward

cdef int forward_rows(
    Job *job, Py_ssize_t task, bint caller, const real *which
) noexcept nogil:
    """What a(t) has that waits for no other step, in one block."""
    cdef Py_ssize_t first = row_of(job, step_of(job, job.first_block + task))
    cdef Py_ssize_t rows = row_of(job, step_of(job, job.first_block + task + 1)) - first
    cdef real *a = a_row(job, first, which)
    if job.known_h != NULL:
        copy_rows(<const real *> job.known_h + first * job.H, job.H, rows, job.H, a, job.ld)
        return listen(job, caller, rows * job.H * WORK_OF_VALUE)
    if job.tokens:
        # 10.8  b + U x(t), x one-hot                       (rows, H)
        gather_rows(job, first, rows, a)
    else:
        # 10.8  b + U x(t)                                  (rows, H) = (H,) + (rows, I)(I, H)
        product(rows, job.I, job.n, <const real *> job.x + first * job.I, job.I,
                <const real *> job.U, <const real *> job.b, 0, a, job.ld)
    if job.fed:
        # C.4  … + R u(t)                                   (rows, H) += (rows, O)(O, H)
        product(rows, job.O, job.n, <const real *> job.u + first * job.O, job.O,
                <const real *> job.R, a, job.ld, a, job.ld)
    if not job.recurrent:
        # 10.9  h(t) = f(a(t)); C.8: no step waits
        call_on_rows(job, job.f, job.f_context, a, a, h_row(job, first, which), rows)
    return listen(job, caller, rows * job.H * (job.I + job.O + WORK_OF_VALUE))


cdef void gather_rows(const Job *job, Py_ssize_t first, Py_ssize_t rows, real *a) noexcept nogil:
    """a = b + the token's column of U, from U's panels."""
    cdef Py_ssize_t panel = 2 * lanes(a), i, j, k, width
    cdef const real *U
    cdef const real *b = <const real *> job.b
    for i in range(rows):
        j = 0
        while j < job.n:
            width = min(panel, job.n - j)
            U = <const real *> job.U + j * job.I + job.chosen[first + i] * width
            for k in range(width):
                a[i * job.ld + j + k] = b[j + k] + U[k]
            j += width


cdef int forward_steps(
    Job *job, Py_ssize_t task, bint caller, const real *which
) noexcept nogil:
    """10.8 and 10.9 through the steps of the stretch, for a share of the batch."""
    cdef Py_ssize_t low = job.B * task // job.parts, high = job.B * (task + 1) // job.parts
    cdef Py_ssize_t t, row, end, next_end, ld = job.ld
    cdef const real *h
    cdef real *a
    for t in range(job.first_step, job.end_step):
        row, end = row_of(job, t), min(high, rows_of(job, t))
        if low >= end:
            break
        if job.recurrent:
            h = <const real *> job.h + low * ld
            if row > job.segment_row:
                h = h_row(job, row_of(job, t - 1) + low, which)
            a = a_row(job, row + low, which)
            # 10.8  a(t) = b + U x(t) + R u(t) + W h(t−1)       (rows, H) += (rows, H)(H, H)
            if job.B == 1:
                one_row(job.H, job.n, h, <const real *> job.W, a, t & 1)
            else:
                product(end - low, job.H, job.n, h, ld, <const real *> job.W, a, ld, a, ld)
            # 10.9  h(t) = f(a(t))                              (rows, H)
            call_on_rows(job, job.f, job.f_context, a, a, h_row(job, row + low, which), end - low)
        next_end = max(low, min(end, rows_of(job, t + 1)))
        if next_end < end:
            copy_rows(h_row(job, row + next_end, which), ld, end - next_end, job.n,
                      <real *> job.ends + next_end * ld, ld)
        if listen(job, caller, (end - low) * job.H * (job.H + 8 * WORK_OF_VALUE)):
            return -1
    return 0


cdef int outputs(Job *job, Py_ssize_t task, bint caller, const real *which) noexcept nogil:
    """ŷ(t) of one block."""
    cdef Py_ssize_t first = row_of(job, step_of(job, job.first_block + task))
    cdef Py_ssize_t rows = row_of(job, step_of(job, job.first_block + task + 1)) - first
    predict_rows(job, rows, <const real *> h_row(job, first, which),
                 <real *> job.y_hat + first * job.O)
    return listen(job, caller, rows * job.O * (job.H + 8 * WORK_OF_VALUE))


cdef void predict_rows(Job *job, Py_ssize_t rows, const real *h, real *y_hat) noexcept nogil:
    cdef const real *o = y_hat
    # 10.10  o(t) = c + V h(t)                                  (rows, O) = (O,) + (rows, H)(H, O)
    output_rows(job, rows, h, y_hat)
    if job.link != NULL and rows > 0:
        # 10.11  ŷ(t), where o(t) stood
        call_block(job, job.link, job.link_context, &o, y_hat, rows, job.O)


cdef void output_rows(Job *job, Py_ssize_t rows, const real *h, real *o) noexcept nogil:
    if job.layered:
        product(rows, job.H, job.O, h, job.ld, <const real *> job.V, <const real *> job.c, 0, o,
                job.O)
    else:
        copy_rows(h, job.ld, rows, job.H, o, job.O)


# ------------------------------------------------------------------ backward

cdef double losses_of(
    Job *job, Py_ssize_t first, Py_ssize_t rows, const real *o, real *grad_o, real *values
) noexcept nogil:
    """10.13 and 10.18: the weighted sum of the losses of some rows, and its gradient by o."""
    cdef const void *y
    cdef double total = 0
    cdef Py_ssize_t i, j, O = job.O
    cdef real weight = <real> job.factor
    if job.classes:
        y = job.labels + first
    else:
        y = <const real *> job.y + first * O
    if rows == 0 or O == 0:
        return 0
    if real is float:
        (<loss_function_f32> job.loss)(o, y, values, grad_o, rows, O, job.loss_context)
    else:
        (<loss_function_f64> job.loss)(o, y, values, grad_o, rows, O, job.loss_context)
    look_for_errors(job)
    if job.factors == NULL:
        for i in range(rows):
            total += values[i] * job.factor
        if job.factor != 1:
            for j in range(rows * O):
                grad_o[j] *= weight
        return total
    for i in range(rows):
        weight = <real> job.factors[first + i]
        if job.factors[first + i] == 0:  # whatever its loss is, it does not count
            memset(grad_o + i * O, 0, O * sizeof(real))
            continue
        total += values[i] * job.factors[first + i]
        for j in range(O):
            grad_o[i * O + j] *= weight
    return total


cdef void output_and_back(
    Job *job, Py_ssize_t rows, const real *h, Py_ssize_t first, real *o, real *grad_o,
    real *values, real *back, double *loss
) noexcept nogil:
    """From rows of h to their losses, and from the losses back to ∇h."""
    cdef Py_ssize_t O = job.O, ld = job.ld
    # 10.10  o(t) = c + V h(t)                                  (rows, O) = (O,) + (rows, H)(H, O)
    output_rows(job, rows, h, o)
    loss[0] = losses_of(job, first, rows, o, grad_o, values)
    if job.layered:
        # 10.19, 10.21  Vᵀ ∇o(t)                                (rows, H) = (rows, O)(O, H)
        product(rows, O, job.n, grad_o, O, <const real *> job.V_back, <const real *> job.zeros, 0,
                back, ld)
    else:
        copy_rows(grad_o, O, rows, job.H, back, ld)


cdef int backward_rows(
    Job *job, Py_ssize_t task, bint caller, const real *which
) noexcept nogil:
    """What ∇h(t) has that waits for no other step, in one block."""
    cdef Py_ssize_t block = job.first_block + task, t, m
    cdef Py_ssize_t first = row_of(job, step_of(job, block)), O = job.O, ld = job.ld
    cdef Py_ssize_t rows = row_of(job, step_of(job, block + 1)) - first
    cdef Py_ssize_t at = first - job.first_row
    cdef real *grad = <real *> job.grad + at * ld
    cdef const real *h
    if job.last:
        memset(grad, 0, rows * ld * sizeof(real))
    elif job.cotangent != NULL:
        copy_rows(<const real *> job.cotangent + first * job.H, job.H, rows, job.H, grad, ld)
    else:
        output_and_back(
            job, rows, <const real *> h_row(job, first, which), first, <real *> job.o + at * O,
            <real *> job.grad_o + at * O, <real *> job.values + at, grad, &job.losses[block])
    if not job.recurrent:
        pull_back(job, first, rows, which)
    elif job.starts != NULL:
        for t in range(step_of(job, block), step_of(job, block + 1)):
            first, m = row_of(job, t), rows_of(job, t)
            h = <const real *> job.h
            if first > job.segment_row:
                h = h_row(job, row_of(job, t - 1), which)
            memcpy(<real *> job.before + (first - job.first_row) * ld, h, m * ld * sizeof(real))
    return listen(job, caller, rows * (2 * O * job.H + 8 * WORK_OF_VALUE * (O + job.H)))


cdef int backward_steps(
    Job *job, Py_ssize_t task, bint caller, const real *which
) noexcept nogil:
    """10.19, 10.21 and C.1 back through the steps of the stretch, for a share of the batch."""
    cdef Py_ssize_t low = job.B * task // job.parts, high = job.B * (task + 1) // job.parts
    cdef Py_ssize_t t, row, end, next_end, ld = job.ld
    cdef real *grad
    cdef const real *next_grad
    for t in range(job.end_step - 1, job.first_step - 1, -1):
        row, end = row_of(job, t), min(high, rows_of(job, t))
        if low >= end:
            continue
        grad = <real *> job.grad + (row + low - job.first_row) * ld
        next_end = max(low, min(end, rows_of(job, t + 1)))
        if job.last:
            # C.9  10.19 where a sequence ends
            copy_rows(<const real *> job.at_ends + next_end * ld, ld, end - next_end, job.n,
                      grad + (next_end - low) * ld, ld)
        if next_end > low:
            next_grad = <const real *> job.later + low * ld
            if t + 1 < job.end_step:
                next_grad = (
                    <const real *> job.grad + (row_of(job, t + 1) + low - job.first_row) * ld)
            # 10.21  … + Wᵀ ∇a(t+1)                             (rows, H) += (rows, H)(H, H)
            if job.B == 1:
                one_row(job.H, job.n, next_grad, <const real *> job.W_back, grad, t & 1)
            else:
                product(next_end - low, job.H, job.n, next_grad, ld, <const real *> job.W_back,
                        grad, ld, grad, ld)
        # C.1  ∇a(t) = f′ ⊙ ∇h(t)                               (rows, H)
        pull_back(job, row + low, end - low, which)
        if listen(job, caller, (end - low) * job.H * (job.H + 8 * WORK_OF_VALUE)):
            return -1
    return 0


cdef inline Py_ssize_t tiles(const Job *job, Py_ssize_t rows) noexcept nogil:
    return (rows + job.tile - 1) // job.tile


cdef inline Py_ssize_t gradient_tasks(const Job *job) noexcept nogil:
    """The biases are one task; each matrix is as many as it has tiles of rows."""
    cdef Py_ssize_t count = 1 + tiles(job, job.n if job.tokens else job.I)
    if job.recurrent:
        count += tiles(job, job.H)
    if job.fed:
        count += tiles(job, job.O)
    if job.layered and not job.last:
        count += tiles(job, job.O)
    return count


cdef int gradients(Job *job, Py_ssize_t task, bint caller, const real *which) noexcept nogil:
    """10.22 to 10.28 and C.7 of the stretch: one tile of one gradient, block by block."""
    cdef Py_ssize_t block, first, rows, at, ld = job.ld, O = job.O, low, size
    cdef Py_ssize_t of_W = tiles(job, job.H) if job.recurrent else 0
    cdef Py_ssize_t of_V = tiles(job, O) if job.layered and not job.last else 0
    cdef Py_ssize_t of_R = tiles(job, O) if job.fed else 0
    cdef const real *grad
    cdef const real *grad_o
    cdef const real *h
    for block in range(job.end_block - 1, job.first_block - 1, -1):
        first = row_of(job, step_of(job, block))
        rows = row_of(job, step_of(job, block + 1)) - first
        at = first - job.first_row
        grad = <const real *> job.grad + at * ld
        grad_o = <const real *> job.grad_o + at * O
        if task == 0:
            sum_columns(rows, job.H, grad, ld, <real *> job.grad_b)            # 10.23
            if of_V > 0:
                sum_columns(rows, O, grad_o, O, <real *> job.grad_c)           # 10.22
        elif task - 1 < of_W:
            # 10.26  ∇W += Σ ∇a(t) h(t−1)ᵀ                      (H, H) += (H, rows)(rows, H)
            low = (task - 1) * job.tile
            size = min(job.tile, job.H - low)
            h = <const real *> job.h + (first - job.segment_row) * ld
            if job.starts != NULL:
                h = <const real *> job.before + at * ld
            outer(size, rows, job.n, grad + low, ld, h, ld, <real *> job.grad_W + low * ld, ld)
        elif task - 1 - of_W < of_V:
            # 10.24  ∇V += Σ ∇o(t) h(t)ᵀ                        (O, H) += (O, rows)(rows, H)
            low = (task - 1 - of_W) * job.tile
            size = min(job.tile, O - low)
            outer(size, rows, job.n, grad_o + low, O, <const real *> h_row(job, first, which), ld,
                  <real *> job.grad_V + low * ld, ld)
        elif task - 1 - of_W - of_V < of_R:
            # C.7  ∇Rᵀ += Σ u(t) ∇a(t)ᵀ                         (O, H) += (O, rows)(rows, H)
            low = (task - 1 - of_W - of_V) * job.tile
            size = min(job.tile, O - low)
            outer(size, rows, job.n, <const real *> job.u + first * O + low, O, grad, ld,
                  <real *> job.grad_R + low * ld, ld)
        else:
            low = (task - 1 - of_W - of_V - of_R) * job.tile
            if job.tokens:
                # 10.28, x one-hot: ∇a(t) to its token's row
                scatter_rows(job, first, rows, low, min(job.tile, job.n - low), grad)
            else:
                # 10.28  ∇Uᵀ += Σ x(t) ∇a(t)ᵀ                   (I, H) += (I, rows)(rows, H)
                size = min(job.tile, job.I - low)
                outer(size, rows, job.n, <const real *> job.x + first * job.I + low, job.I, grad,
                      ld, <real *> job.grad_U + low * ld, ld)
        if listen(job, caller, rows * job.n * (job.tile + WORK_OF_VALUE)):
            return -1
    return 0


cdef int input_gradients(
    Job *job, Py_ssize_t task, bint caller, const real *which
) noexcept nogil:
    """C.2 of one block."""
    cdef Py_ssize_t first = row_of(job, step_of(job, job.first_block + task))
    cdef Py_ssize_t rows = row_of(job, step_of(job, job.first_block + task + 1)) - first
    # C.2  ∇x(t) = Uᵀ ∇a(t)                                 (rows, I) = (rows, H)(H, I)
    product(rows, job.H, job.I, <const real *> job.grad + (first - job.first_row) * job.ld, job.ld,
            <const real *> job.U_back, <const real *> job.zeros, 0,
            <real *> job.grad_x + first * job.I, job.I)
    return listen(job, caller, rows * job.I * (job.H + WORK_OF_VALUE))


cdef void pull_back_start(Job *job, const real *which) noexcept nogil:
    # C.3  ∇h(0) = Wᵀ ∇a(1)                                 (rows, H) = (rows, H)(H, H)
    cdef Py_ssize_t rows = rows_of(job, 0), n = job.n
    cdef real *grad = <real *> job.at_ends
    if job.B == 1 and rows == 1:
        memset(grad, 0, n * sizeof(real))
        one_row(job.H, n, <const real *> job.later, <const real *> job.W_back, grad, 1)
    else:
        product(rows, job.H, n, <const real *> job.later, job.ld, <const real *> job.W_back,
                <const real *> job.zeros, 0, grad, job.ld)
    copy_rows(grad, job.ld, rows, job.H, <real *> job.grad_h0, job.H)


cdef void scatter_rows(
    const Job *job, Py_ssize_t first, Py_ssize_t rows, Py_ssize_t low, Py_ssize_t cols,
    const real *grad
) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef real *to
    cdef const real *g
    for i in range(rows - 1, -1, -1):
        to = <real *> job.grad_U + job.chosen[first + i] * job.ld + low
        g = grad + i * job.ld + low
        for j in range(cols):
            to[j] += g[j]


# ------------------------------------------------------------------ the order of it all

cdef int run_task(Job *job, Py_ssize_t task, bint caller, const real *which) noexcept nogil:
    if job.phase == FORWARD_ROWS:
        return forward_rows(job, task, caller, which)
    if job.phase == FORWARD_STEPS:
        return forward_steps(job, task, caller, which)
    if job.phase == OUTPUTS:
        return outputs(job, task, caller, which)
    if job.phase == BACKWARD_ROWS:
        return backward_rows(job, task, caller, which)
    if job.phase == BACKWARD_STEPS:
        return backward_steps(job, task, caller, which)
    if job.phase == INPUTS:
        return input_gradients(job, task, caller, which)
    return gradients(job, task, caller, which)


cdef int task_f32(void *job, Py_ssize_t task, int caller) noexcept nogil:
    return run_task(<Job *> job, task, caller, <const float *> NULL)


cdef int task_f64(void *job, Py_ssize_t task, int caller) noexcept nogil:
    return run_task(<Job *> job, task, caller, <const double *> NULL)


cdef int share_out(
    Job *job, Phase phase, Py_ssize_t tasks, const real *which
) noexcept nogil:
    """One phase of a stretch; not 0 where it was given up."""
    job.phase = phase
    if real is float:
        return cybptt_share_out(tasks, job.threads, <cybptt_task> <void *> task_f32, job)
    else:
        return cybptt_share_out(tasks, job.threads, <cybptt_task> <void *> task_f64, job)


cdef void begin_stretch(Job *job, Py_ssize_t first_block, Py_ssize_t end_block) noexcept nogil:
    job.first_block, job.end_block = first_block, end_block
    job.first_step, job.end_step = step_of(job, first_block), step_of(job, end_block)
    job.first_row = row_of(job, job.first_step)


cdef int forward_segment(Job *job, Py_ssize_t segment, const real *which) noexcept nogil:
    """h of a segment, from the state before it; and the state before the next."""
    cdef Py_ssize_t block = segment * job.segment_blocks, t
    cdef Py_ssize_t end = min(job.blocks, block + job.segment_blocks), size = job.B * job.ld
    memcpy(job.h, <real *> job.states + segment * job.states_apart, size * sizeof(real))
    job.segment_row = row_of(job, step_of(job, block))
    while block < end:
        begin_stretch(job, block, min(end, block + job.stretch_blocks))
        if share_out(job, FORWARD_ROWS, job.end_block - block, which):
            return -1
        if job.known_h == NULL and share_out(job, FORWARD_STEPS, job.parts, which):
            return -1
        if job.first_step < job.kept_step <= job.end_step:
            # Those that have ended before stand at their ends.
            t = job.kept_step - 1
            memcpy(job.kept, job.ends, size * sizeof(real))
            memcpy(job.kept, h_row(job, row_of(job, t), which),
                   rows_of(job, t) * job.ld * sizeof(real))
        if job.y_hat != NULL and not job.last:
            if share_out(job, OUTPUTS, job.end_block - block, which):
                return -1
        block = job.end_block
    if end < job.blocks:
        t = job.end_step - 1
        memcpy(<real *> job.states + (segment + 1) * job.states_apart,
               h_row(job, row_of(job, t), which), rows_of(job, t) * job.ld * sizeof(real))
    return 0


cdef int backward_segment(Job *job, Py_ssize_t segment, const real *which) noexcept nogil:
    cdef Py_ssize_t first = segment * job.segment_blocks
    cdef Py_ssize_t block = min(job.blocks, first + job.segment_blocks)
    while block > first:
        # The same stretches as forward, for their memory's sake; the sums know only blocks.
        begin_stretch(job, max(first, block - job.stretch_blocks), block)
        if share_out(job, BACKWARD_ROWS, job.end_block - job.first_block, which):
            return -1
        if job.recurrent and share_out(job, BACKWARD_STEPS, job.parts, which):
            return -1
        if share_out(job, GRADIENTS, gradient_tasks(job), which):
            return -1
        if job.grad_x != NULL and share_out(job, INPUTS, job.end_block - job.first_block, which):
            return -1
        memcpy(job.later, job.grad, rows_of(job, job.first_step) * job.ld * sizeof(real))
        block = job.first_block
    return 0


cdef int predictions(Job *job, const real *which) noexcept nogil:
    """ŷ, and h at the ends. A segment is a stretch: no h is kept longer."""
    cdef Py_ssize_t segments = (job.blocks + job.segment_blocks - 1) // job.segment_blocks, s
    memcpy(job.ends, job.states, job.B * job.ld * sizeof(real))  # of sequences without steps
    for s in range(segments):
        if forward_segment(job, s, which):
            return -1
    if job.last:
        predict_rows(job, job.B, <const real *> job.ends, <real *> job.y_hat)
    return cybptt_flag(&job.stop)  # the link may have failed where no step comes after it


cdef int whole_pass(Job *job, double *loss, const real *which) noexcept nogil:
    """The loss, and the gradients in their padded form."""
    cdef Py_ssize_t segments = max(1, (job.blocks + job.segment_blocks - 1) // job.segment_blocks)
    cdef Py_ssize_t s, i
    memset(job.grad_U, 0, job.gradients_size)
    memcpy(job.ends, job.states, job.B * job.ld * sizeof(real))  # of sequences without steps
    if job.kept_step == 0:
        memcpy(job.kept, job.states, job.B * job.ld * sizeof(real))
    for s in range(segments):
        if forward_segment(job, s, which):
            return -1
    loss[0] = 0
    if job.last:
        output_and_back(
            job, job.B, <const real *> job.ends, 0, <real *> job.o, <real *> job.grad_o,
            <real *> job.values, <real *> job.at_ends, loss)
        if job.layered:
            sum_columns(job.B, job.O, <const real *> job.grad_o, job.O, <real *> job.grad_c)
            outer(job.O, job.B, job.n, <const real *> job.grad_o, job.O, <const real *> job.ends,
                  job.ld, <real *> job.grad_V, job.ld)
    for s in range(segments - 1, -1, -1):
        # Of the last segment the nodes are there already.
        if s < segments - 1 and forward_segment(job, s, which):
            return -1
        if backward_segment(job, s, which):
            return -1
    if job.cotangent != NULL:
        pull_back_start(job, which)
    elif not job.last:
        for i in range(job.blocks):
            loss[0] += job.losses[i]
    return cybptt_flag(&job.stop)  # the loss may have failed where there is no step
