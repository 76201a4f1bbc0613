# A part of _core.pyx: a model as the whole pass takes it, its memory, and the door in front of it.
from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS,
    PyBUF_FORMAT,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.exc cimport PyErr_Clear, PyErr_ExceptionMatches, PyErr_Occurred
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport uintptr_t

cdef enum:
    ALIGNMENT = 64  # bytes of a cache line, and of the widest register
    MOST_ARRAYS = 10


cdef class Memory:
    """What a pass computes in; it grows to what the largest pass needed. See `Workspace`."""
    cdef char *memory
    cdef size_t size
    cdef int in_use

    def __dealloc__(self):
        PyMem_RawFree(self.memory)

    @property
    def nbytes(self):
        """How much it holds, in bytes."""
        return self.size

    cdef char *at_least(self, size_t size) except NULL:
        if size > self.size:
            # What it held is of no use to the next pass, and need not stand beside it.
            PyMem_RawFree(self.memory)
            self.size = 0
            self.memory = <char *> PyMem_RawMalloc(size)
            if self.memory == NULL:
                raise MemoryError(f"a pass needs {size} bytes")
            self.size = size
        return self.memory


cdef class Arrays:
    """The buffers of a call's arrays, held while it runs."""
    cdef Py_buffer views[MOST_ARRAYS]
    cdef int count

    cdef Py_buffer *hold(self, array, int flags=0) except NULL:
        """Raises BufferError where it is not C-contiguous, or not writable where it must be."""
        cdef Py_buffer *view = &self.views[self.count]
        PyObject_GetBuffer(array, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | flags)
        self.count += 1
        return view

    cdef const void *address(self, array) except? NULL:
        return NULL if array is None else self.hold(array).buf

    def __dealloc__(self):
        cdef int i
        for i in range(self.count):
            PyBuffer_Release(&self.views[i])


cdef inline bint holds(const Py_buffer *view, char kind, int ndim) noexcept:
    """Whether these are aligned, native values of that kind, in so many axes."""
    return (view.ndim == ndim and view.format[0] == kind and view.format[1] == 0
            and <uintptr_t> view.buf % <uintptr_t> view.itemsize == 0)


cdef inline bint holds_integers(const Py_buffer *view, int ndim) noexcept:
    return view.itemsize == sizeof(Py_ssize_t) and (
        holds(view, b"l", ndim) or holds(view, b"q", ndim))


cdef bint copy_in_range(
    const Py_ssize_t *indices, Py_ssize_t count, Py_ssize_t size, Py_ssize_t *out
) noexcept nogil:
    """Indices are copied and then looked at: nobody else can change what was found good."""
    cdef Py_ssize_t i
    cdef size_t largest = 0
    for i in range(count):
        out[i] = indices[i]
    for i in range(count):
        largest = max(largest, <size_t> out[i])  # a negative one is the largest of all
    return count == 0 or largest < <size_t> size


cdef class Plan:
    """A model and a dtype, made ready for the whole pass.

    f, slope, pullback : BlockFunction, or None for pullback
    of_input : whether f′ is a function of a
    loss : LossFunction
    recurrence : "hidden", "output" or "both"; what is fed back is known beforehand
    any_target : whether the loss is defined for every y
    link : BlockFunction, or None where ŷ is o, or another's who needs the interpreter
    predicts : whether `predict` can make ŷ
    """
    cdef Py_ssize_t I, H, O, n, ld, size
    cdef Py_ssize_t at_W, at_V, at_b, at_c, at_R
    cdef bint single, tokens, last, layered, recurrent, fed, of_input, may_raise, any_target
    cdef BlockFunction f, slope, pullback
    cdef LossFunction loss
    cdef BlockFunction link
    cdef readonly bint predicts

    def __init__(self, Py_ssize_t I, Py_ssize_t H, Py_ssize_t O, *, bint single, bint tokens,
                 bint last, bint layered, str recurrence not None, BlockFunction f not None,
                 BlockFunction slope not None, BlockFunction pullback, bint of_input,
                 LossFunction loss not None, bint any_target, BlockFunction link,
                 bint predicts):
        cdef Py_ssize_t itemsize = 4 if single else 8
        self.I, self.H, self.O = I, H, O
        self.single, self.tokens, self.last, self.layered = single, tokens, last, layered
        self.recurrent, self.fed = recurrence != "output", recurrence != "hidden"
        self.f, self.slope, self.pullback, self.of_input = f, slope, pullback, of_input
        self.loss, self.any_target = loss, any_target
        self.link, self.predicts = link, predicts
        self.may_raise = f.may_raise or slope.may_raise or loss.may_raise or (
            link is not None and link.may_raise)
        self.n = padded_size(H, <float *> NULL) if single else padded_size(H, <double *> NULL)
        # Rows that are 256 bytes apart, or a multiple, would all want the same places of the cache.
        self.ld = self.n + (ALIGNMENT // itemsize if self.n * itemsize % 256 == 0 else 0)
        self.at_W = H * I
        self.at_V = self.at_W + H * (H if self.recurrent else O)
        self.at_b = self.at_V + (O * H if layered else 0)
        self.at_c = self.at_b + H
        self.at_R = self.at_c + (O if layered else 0)
        self.size = self.at_R
        if self.recurrent and self.fed:
            self.size += H * O
        else:
            self.at_R = self.at_W  # with output recurrence alone W multiplies what is fed back

    def quick(self, vector, x, y, out, h0, bint with_ends, reduction, int threads,
              Memory workspace):
        """The loss, the gradient in `out`, and h at the ends or None.

        For the usual call: all lengths equal, no weights, nothing fed back. Where an array is not
        as the loops read it the whole is None: it goes by the other door, which says what is wrong,
        or makes it right.
        """
        cdef Arrays arrays = Arrays()
        cdef Job job
        cdef Py_buffer *of_vector
        cdef Py_buffer *of_x
        cdef Py_buffer *of_y
        cdef Py_buffer *of_out
        cdef Py_buffer *of_h0 = NULL
        cdef const void *start = NULL
        cdef void *end = NULL
        cdef char kind = b"f" if self.single else b"d"
        cdef int axes
        cdef bint batched
        if self.fed or not self.any_target or not isinstance(reduction, str):
            return None
        try:
            of_vector, of_x, of_y = arrays.hold(vector), arrays.hold(x), arrays.hold(y)
            of_out = arrays.hold(out, PyBUF_WRITABLE)
            if h0 is not None:
                of_h0 = arrays.hold(h0)
                start = of_h0.buf
        except (BufferError, TypeError, ValueError):
            return None
        if not (holds(of_vector, kind, 1) and holds(of_out, kind, 1)
                and of_vector.shape[0] == self.size and of_out.shape[0] == self.size
                and (<char *> of_out.buf >= <char *> of_vector.buf + of_vector.len
                     or <char *> of_vector.buf >= <char *> of_out.buf + of_out.len)):
            return None
        memset(&job, 0, sizeof(job))
        # x: (T, B, I) or (T, I); tokens (T, B) or (T,)
        axes = of_x.ndim + (1 if self.tokens else 0)
        if axes not in (2, 3):
            return None
        if self.tokens:
            if not holds_integers(of_x, of_x.ndim):
                return None
        elif not holds(of_x, kind, of_x.ndim) or of_x.shape[axes - 1] != self.I:
            return None
        batched = axes == 3
        job.T, job.B = of_x.shape[0], of_x.shape[1] if batched else 1
        if <double> job.T * <double> job.B > 1e18:  # of inputs without a value, I = 0
            return None
        # h0: (B, H) or (H,)
        if h0 is not None and not (
                holds(of_h0, kind, 1 + batched) and of_h0.shape[batched] == self.H
                and (not batched or of_h0.shape[0] == job.B)):
            return None
        ends = None
        if with_ends:
            ends = np.empty(
                [job.B, self.H][not batched:], np.float32 if self.single else np.float64)
            end = arrays.hold(ends, PyBUF_WRITABLE).buf
        # y: labels (T, B), (T,), (B,) or (); values with an axis more
        axes = (not self.last) + batched
        if self.loss.classes:
            if not holds_integers(of_y, axes):
                return None
        elif not holds(of_y, kind, axes + 1) or of_y.shape[axes] != self.O:
            return None
        if not self.last and of_y.shape[0] != job.T:
            return None
        if batched and of_y.shape[axes - 1] != job.B:
            return None
        job.factor = 1
        if reduction == "mean":
            if job.B == 0 or (job.T == 0 and not self.last):
                return None
            job.factor = 1.0 / <double> (job.B if self.last else job.T * job.B)
        elif reduction != "sum":
            return None
        job.N = job.T * job.B
        job.x = of_x.buf
        job.chosen = <const Py_ssize_t *> of_x.buf
        job.y = of_y.buf
        job.labels = <const Py_ssize_t *> of_y.buf
        job.kept_step = -1
        loss = self.compute(&job, of_vector.buf, of_out.buf, start, end, 0, threads, workspace)
        return None if loss is None else (loss, ends)

    def run(self, vector, out, Py_ssize_t T, Py_ssize_t B, starts, x, y, factor, u, h0, ends,
            Py_ssize_t kept_step, Py_ssize_t segment_blocks, int threads, Memory workspace):
        """The loss, the gradient in `out`, h at the ends in `ends`: all in packed rows, checked.

        With kept_step ≥ 0 it is h after so many steps, T at most, that stands in `ends`.
        None where a plugin has failed: pass by pass it will again, and be named.
        """
        cdef Arrays arrays = Arrays()
        cdef Job job
        cdef const void *from_vector = arrays.address(vector)
        cdef void *to = arrays.hold(out, PyBUF_WRITABLE).buf
        cdef void *to_ends = arrays.hold(ends, PyBUF_WRITABLE).buf
        cdef const void *from_h0 = arrays.address(h0)
        memset(&job, 0, sizeof(job))
        job.T, job.B = T, B
        job.starts = <const Py_ssize_t *> arrays.address(starts)
        job.N = row_of(&job, T)
        job.x = arrays.address(x)
        job.chosen = <const Py_ssize_t *> job.x
        job.y = arrays.address(y)
        job.labels = <const Py_ssize_t *> job.y
        job.u = arrays.address(u)
        if isinstance(factor, float):
            job.factor = factor
        else:
            job.factors = <const double *> arrays.address(factor)
        job.kept_step = kept_step
        return self.compute(
            &job, from_vector, to, from_h0, to_ends, segment_blocks, threads, workspace)

    def predict(self, vector, Py_ssize_t T, Py_ssize_t B, starts, x, u, h0, y_hat, ends,
                int threads):
        """ŷ in `y_hat` and h at the ends in `ends`: all in packed rows, checked.

        False where a plugin has failed, as None of `run`.
        """
        cdef Arrays arrays = Arrays()
        cdef Job job
        cdef const void *from_vector = arrays.address(vector)
        cdef const void *from_h0 = arrays.address(h0)
        cdef void *to_ends = arrays.hold(ends, PyBUF_WRITABLE).buf
        memset(&job, 0, sizeof(job))
        job.T, job.B = T, B
        job.starts = <const Py_ssize_t *> arrays.address(starts)
        job.N = row_of(&job, T)
        job.x = arrays.address(x)
        job.chosen = <const Py_ssize_t *> job.x
        job.u = arrays.address(u)
        job.y_hat = arrays.hold(y_hat, PyBUF_WRITABLE).buf
        job.kept_step = -1
        return self.compute(
            &job, from_vector, NULL, from_h0, to_ends, 0, threads, None) is not None

    def pull_back(self, vector, out, Py_ssize_t T, Py_ssize_t B, starts, x, h, grad_h, h0, grad_x,
                  grad_h0, int threads):
        """The gradient in `out`, ∇x in `grad_x` (None: not wanted), and ∇h(0) in `grad_h0`.

        From h and ∇h of outside, (N, H), of a model without an output layer: all in packed rows,
        checked. False where a plugin has failed, as None of `run`.
        """
        cdef Arrays arrays = Arrays()
        cdef Job job
        cdef const void *from_vector = arrays.address(vector)
        cdef const void *from_h0 = arrays.address(h0)
        cdef void *to = arrays.hold(out, PyBUF_WRITABLE).buf
        memset(&job, 0, sizeof(job))
        job.T, job.B = T, B
        job.starts = <const Py_ssize_t *> arrays.address(starts)
        job.N = row_of(&job, T)
        job.x = arrays.address(x)
        job.chosen = <const Py_ssize_t *> job.x
        job.cotangent = arrays.address(grad_h)
        if not self.of_input:
            job.known_h = arrays.address(h)
        if grad_x is not None:
            job.grad_x = arrays.hold(grad_x, PyBUF_WRITABLE).buf
        job.grad_h0 = arrays.hold(grad_h0, PyBUF_WRITABLE).buf
        job.kept_step = -1
        return self.compute(&job, from_vector, to, from_h0, NULL, 0, threads, None) is not None

    cdef object compute(self, Job *job, const void *vector, void *out, const void *h0, void *ends,
                        Py_ssize_t segment_blocks, int threads, Memory workspace):
        """Take the memory, compute, write the results: the loss, or 0 where ŷ alone is wanted.

        None for an index out of range, and where a plugin has failed.
        """
        cdef double loss = 0
        cdef int status = 0
        cdef bint valid
        if workspace is None:
            workspace = Memory()
        self.describe(job, segment_blocks, threads)
        # A pass within another's, by a signal's handler or in another thread, has its own memory.
        if cybptt_set(&workspace.in_use, 1):
            raise ValueError("workspace: got one that a pass is using, need one for each thread")
        try:
            lay_out(job, self.single, workspace.at_least(lay_out(job, self.single, NULL)))
            with nogil:
                valid = self.copy_indices(job)
                if valid and self.single:
                    status = pass_over[float](
                        self, job, <const float *> vector, <float *> out, <const float *> h0,
                        <float *> ends, &loss)
                elif valid:
                    status = pass_over[double](
                        self, job, <const double *> vector, <double *> out, <const double *> h0,
                        <double *> ends, &loss)
            # A C pointer is not asked after each call. One that has set an exception has failed.
            if status or PyErr_Occurred() != NULL:
                status = -1
                forget_failure(job)
        finally:
            cybptt_set(&workspace.in_use, 0)
        return loss if valid and status == 0 else None

    cdef void describe(self, Job *job, Py_ssize_t segment_blocks, int threads) noexcept:
        """What the pass needs to know beside its arrays, and how it goes about it."""
        cdef double work
        job.I, job.H, job.O, job.n, job.ld = self.I, self.H, self.O, self.n, self.ld
        job.recurrent, job.fed, job.tokens = self.recurrent, self.fed, self.tokens
        job.last, job.layered = self.last, self.layered
        job.classes = self.loss.classes and job.cotangent == NULL
        job.keep_a, job.may_raise = self.of_input, self.may_raise
        job.f, job.f_context = block_call(self.f, self.single), self.f.context
        job.slope, job.slope_context = block_call(self.slope, self.single), self.slope.context
        if self.pullback is not None:
            job.pullback = block_call(self.pullback, self.single)
            job.pullback_context = self.pullback.context
        job.loss = <void *> self.loss.call_f32 if self.single else <void *> self.loss.call_f64
        job.loss_context = self.loss.context
        if self.link is not None:
            job.link, job.link_context = block_call(self.link, self.single), self.link.context
        job.block_steps = max(1, BLOCK_ROWS // max(1, job.B))
        job.blocks = (job.T + job.block_steps - 1) // job.block_steps
        job.segment_blocks = max(1, job.blocks)
        if segment_blocks > 0:
            job.segment_blocks = min(job.segment_blocks, segment_blocks)
        # A thread is worth starting, and a stretch worth lengthening, for so much work alone.
        work = <double> job.N * self.H * (3 * self.H + 3 * self.O + 2 * self.I)
        threads = 1 if self.may_raise else threads
        job.threads = <int> max(1, min(<double> threads, work / work_of_thread))
        job.parts = <int> max(1, min(<Py_ssize_t> job.threads, job.B // 2))
        job.stretch_blocks = 1
        job.tile = max(1, max(self.H, max(self.I, self.O)))
        if job.threads > 1:
            job.stretch_blocks = max(
                1, STRETCH_VALUES // max(1, job.block_steps * job.B * job.ld))
            job.tile = max(24, (job.tile // (2 * job.threads) + 11) // 12 * 12)
        job.stretch_blocks = min(job.stretch_blocks, job.segment_blocks)
        job.states_apart = job.B * job.ld
        if job.y_hat != NULL:
            job.segment_blocks, job.states_apart = job.stretch_blocks, 0

    cdef bint copy_indices(self, Job *job) noexcept nogil:
        """Tokens and labels, copied and seen to be in range; who predicts has seen to it."""
        if job.y_hat != NULL:
            return True
        if self.tokens:
            if not copy_in_range(job.chosen, job.N, self.I, job.own_tokens):
                return False
            job.chosen = job.own_tokens
        if job.classes:
            if not copy_in_range(
                    job.labels, job.B if self.last else job.N, self.O, job.own_labels):
                return False
            job.labels = job.own_labels
        return True


cdef int forget_failure(const Job *job) except -1:
    """Raise what is set; but not a plugin's error, which says nothing of where it came."""
    if PyErr_Occurred() == NULL:
        raise RuntimeError("this process was forked within a pass: only its parent can finish it")
    if job.failed and PyErr_ExceptionMatches(Exception):
        PyErr_Clear()
        return 0
    return raise_set_error()


cdef void *block_call(BlockFunction f, bint single) noexcept:
    return <void *> f.call_f32 if single else <void *> f.call_f64


# ------------------------------------------------------------------ memory

cdef inline void *take(
    char *memory, size_t *used, Py_ssize_t rows, Py_ssize_t cols, size_t itemsize
) noexcept:
    """The next values of the memory; NULL while their size alone is asked for."""
    cdef char *start = memory + used[0]
    # More than any memory has: the request for it will be refused.
    if <double> rows * <double> cols * <double> itemsize > 1e18:
        used[0] = <size_t> 1 << 62
    if used[0] < <size_t> 1 << 62:
        used[0] += (rows * cols * itemsize + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
    return NULL if memory == NULL else start


cdef size_t lay_out(Job *job, bint single, char *memory) noexcept:
    """Where each array stands in the memory, and how much of it there is."""
    cdef size_t size = 4 if single else 8, used = 0, gradients
    cdef Py_ssize_t ld = job.ld, n = job.n, O = job.O, H = job.H, I = job.I
    cdef Py_ssize_t block_rows = job.block_steps * job.B
    cdef Py_ssize_t kept = min(job.N, job.segment_blocks * block_rows)
    cdef Py_ssize_t rows = min(job.N, job.stretch_blocks * block_rows)
    cdef Py_ssize_t output_rows = max(rows, job.B if job.last else 0)
    cdef Py_ssize_t segments = (job.blocks + job.segment_blocks - 1) // job.segment_blocks
    cdef bint back = job.y_hat == NULL  # there is a way back
    cdef Py_ssize_t fed = O if job.fed else 0
    cdef Py_ssize_t padded_I = (
        padded_size(I, <float *> NULL) if single else padded_size(I, <double *> NULL))
    cdef Py_ssize_t padded_O = (
        padded_size(O, <float *> NULL) if single else padded_size(O, <double *> NULL))
    if memory != NULL:
        memory += ALIGNMENT - <uintptr_t> memory % ALIGNMENT
    job.U = take(memory, &used, I, n, size)
    job.W = take(memory, &used, H if job.recurrent else 0, n, size)
    job.V = take(memory, &used, H, padded_O, size)
    job.R = take(memory, &used, fed, n, size)
    job.b = take(memory, &used, 1, n, size)
    job.h = take(memory, &used, job.B + kept, ld, size)
    if job.keep_a:
        job.a = take(memory, &used, kept, ld, size)
    job.states = take(memory, &used, max(1, segments) if back else 1, job.B * ld, size)
    job.ends = take(memory, &used, job.B, ld, size)
    job.kept = job.ends
    if job.kept_step >= 0:
        job.kept = take(memory, &used, job.B, ld, size)
    if not back:
        return used + ALIGNMENT
    job.W_back = take(memory, &used, H if job.recurrent else 0, n, size)
    job.V_back = take(memory, &used, O, n, size)
    if job.grad_x != NULL:
        job.U_back = take(memory, &used, H, padded_I, size)
    job.zeros = take(memory, &used, 1, max(n, padded_I), size)
    if job.recurrent and job.starts != NULL:
        job.before = take(memory, &used, rows, ld, size)
    job.grad = take(memory, &used, rows, ld, size)
    if job.pullback == NULL:
        job.slopes = take(memory, &used, rows, ld, size)
    if job.cotangent == NULL:
        job.o = take(memory, &used, output_rows, O, size)
        job.grad_o = take(memory, &used, output_rows, O, size)
    job.values = take(memory, &used, 1, output_rows, size)
    job.later = take(memory, &used, job.B, ld, size)
    job.at_ends = take(memory, &used, job.B, ld, size)
    job.losses = <double *> take(memory, &used, 1, job.blocks, sizeof(double))
    if job.tokens:
        job.own_tokens = <Py_ssize_t *> take(memory, &used, 1, job.N, sizeof(Py_ssize_t))
    if job.classes:
        job.own_labels = <Py_ssize_t *> take(
            memory, &used, 1, job.B if job.last else job.N, sizeof(Py_ssize_t))
    gradients = used
    job.grad_U = take(memory, &used, I, ld, size)
    job.grad_W = take(memory, &used, H if job.recurrent else 0, ld, size)
    job.grad_V = take(memory, &used, O, ld, size)
    job.grad_R = take(memory, &used, fed, ld, size)
    job.grad_b = take(memory, &used, 1, n, size)
    job.grad_c = take(memory, &used, 1, O, size)
    job.gradients_size = used - gradients
    return used + ALIGNMENT


# ------------------------------------------------------------------ from the vector to the vector

cdef int pass_over(
    Plan plan, Job *job, const real *vector, real *out, const real *h0, real *ends, double *loss
) noexcept nogil:
    """Parameters into panels, the whole pass, gradients into the vector; or forward alone."""
    cdef Py_ssize_t H = job.H, I = job.I, O = job.O
    pack(I, H, vector, 1, I, <real *> job.U)
    if job.recurrent:
        pack(H, H, vector + plan.at_W, 1, H, <real *> job.W)
    if job.fed:
        pack(O, H, vector + plan.at_R, 1, O, <real *> job.R)
    if job.layered:
        pack(H, O, vector + plan.at_V, 1, H, <real *> job.V)
        job.c = vector + plan.at_c
    copy_rows(vector + plan.at_b, H, 1, H, <real *> job.b, job.n)
    if h0 == NULL:
        memset(job.states, 0, job.B * job.ld * sizeof(real))
    else:
        copy_rows(h0, H, job.B, H, <real *> job.states, job.ld)
    if job.y_hat != NULL:
        if predictions(job, vector):
            return -1
        copy_rows(<const real *> job.ends, job.ld, job.B, H, ends, H)
        return 0
    if job.recurrent:
        pack(H, H, vector + plan.at_W, H, 1, <real *> job.W_back)
    if job.layered:
        pack(O, H, vector + plan.at_V, H, 1, <real *> job.V_back)
    if job.grad_x != NULL:
        pack(H, I, vector, I, 1, <real *> job.U_back)
    memset(job.zeros, 0, max(job.n, padded_size(I, vector)) * sizeof(real))
    if whole_pass(job, loss, vector):
        return -1
    transpose(H, I, <const real *> job.grad_U, job.ld, out, I)
    if job.recurrent:
        copy_rows(<const real *> job.grad_W, job.ld, H, H, out + plan.at_W, H)
    if job.layered:
        copy_rows(<const real *> job.grad_V, job.ld, O, H, out + plan.at_V, H)
        memcpy(out + plan.at_c, job.grad_c, O * sizeof(real))
    memcpy(out + plan.at_b, job.grad_b, H * sizeof(real))
    if job.fed:
        transpose(H, O, <const real *> job.grad_R, job.ld, out + plan.at_R, O)
    if ends != NULL:
        copy_rows(<const real *> job.kept, job.ld, job.B, H, ends, H)
    return 0
