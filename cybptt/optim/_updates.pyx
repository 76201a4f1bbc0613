# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# cython: embedsignature=True, binding=True, freethreading_compatible=True
"""The optimizers' loops over a vector: one pass in C where NumPy takes seven.

Every operation is rounded by itself, as NumPy rounds it, so the bits are those of the same lines in
NumPy, on every instruction set. The callers have checked their arrays: float32 or float64, all of
one dtype and size; what an optimizer keeps is contiguous.
"""
cdef extern from "tables.h" nogil:
    ctypedef void (*update_f32)(
        Py_ssize_t n, float *theta, Py_ssize_t theta_stride, const float *grad,
        Py_ssize_t grad_stride, float *one, float *two, const float *k
    ) noexcept nogil
    ctypedef void (*update_f64)(
        Py_ssize_t n, double *theta, Py_ssize_t theta_stride, const double *grad,
        Py_ssize_t grad_stride, double *one, double *two, const double *k
    ) noexcept nogil
    ctypedef struct update_entry_f32:
        const char *name
        update_f32 call
    ctypedef struct update_entry_f64:
        const char *name
        update_f64 call
    ctypedef struct updates_f32:
        const update_entry_f32 *updates
        void (*scale)(Py_ssize_t n, float *g, Py_ssize_t stride, double norm, double max_norm) \
            noexcept nogil
        int (*within)(Py_ssize_t n, const float *g, Py_ssize_t stride, float limit) noexcept nogil
        double (*sum_of_squares)(
            Py_ssize_t n, const float *g, Py_ssize_t stride, double divisor) noexcept nogil
    ctypedef struct updates_f64:
        const update_entry_f64 *updates
        void (*scale)(Py_ssize_t n, double *g, Py_ssize_t stride, double norm, double max_norm) \
            noexcept nogil
        int (*within)(Py_ssize_t n, const double *g, Py_ssize_t stride, double limit) noexcept nogil
        double (*sum_of_squares)(
            Py_ssize_t n, const double *g, Py_ssize_t stride, double divisor) noexcept nogil
    const updates_f32 *cybptt_updates_f32(int i)
    const updates_f64 *cybptt_updates_f64(int i)

ctypedef fused real:
    float
    double


def n_variants():
    """How many instruction sets there are kernels for that run here."""
    cdef int i = 0
    while cybptt_updates_f64(i) != NULL:
        i += 1
    return i


cdef class Update:
    """The update of that name, by the kernels of the `variant`-th best instruction set."""

    cdef update_f32 f32
    cdef update_f64 f64
    cdef readonly str name

    def __init__(self, str name, int variant=0):
        cdef const updates_f32 *kernels32 = cybptt_updates_f32(variant)
        cdef const updates_f64 *kernels64 = cybptt_updates_f64(variant)
        cdef int i = 0
        while kernels32.updates[i].name != NULL and kernels32.updates[i].name.decode() != name:
            i += 1
        if kernels32.updates[i].name == NULL:
            raise KeyError(name)
        self.name, self.f32, self.f64 = name, kernels32.updates[i].call, kernels64.updates[i].call

    def __reduce__(self):
        return Update, (self.name,)

    def __call__(self, theta, grad, tuple buffers, *numbers):
        """Change θ and what the optimizer keeps (two arrays at most) by one step."""
        if theta.itemsize == 4:
            update[float](self, theta, grad, buffers, numbers)
        else:
            update[double](self, theta, grad, buffers, numbers)


cdef void update(
    Update self, real[:] theta, const real[:] grad, tuple buffers, tuple numbers
) except *:
    cdef Py_ssize_t n = theta.shape[0], size = sizeof(real)
    cdef Py_ssize_t theta_stride = theta.strides[0] // size, grad_stride = grad.strides[0] // size
    cdef real[::1] one, two
    cdef real *kept[2]
    cdef real k[7]
    if n == 0:
        return
    kept[0] = kept[1] = NULL
    if len(buffers) > 0:
        one = buffers[0]
        kept[0] = &one[0]
    if len(buffers) > 1:
        two = buffers[1]
        kept[1] = &two[0]
    for i in range(len(numbers)):
        k[i] = numbers[i]
    with nogil:
        if real is float:
            self.f32(n, &theta[0], theta_stride, &grad[0], grad_stride, kept[0], kept[1], k)
        else:
            self.f64(n, &theta[0], theta_stride, &grad[0], grad_stride, kept[0], kept[1], k)


def scale(g, double norm, double max_norm, int variant=0):
    """g ← g · max_norm / norm, in double precision."""
    if g.itemsize == 4:
        scale_it[float](g, norm, max_norm, variant)
    else:
        scale_it[double](g, norm, max_norm, variant)


cdef void scale_it(real[:] g, double norm, double max_norm, int variant) except *:
    cdef Py_ssize_t n = g.shape[0], stride = g.strides[0] // <Py_ssize_t>sizeof(real)
    if n == 0:
        return
    with nogil:
        if real is float:
            cybptt_updates_f32(variant).scale(n, &g[0], stride, norm, max_norm)
        else:
            cybptt_updates_f64(variant).scale(n, &g[0], stride, norm, max_norm)


def within(g, double limit, int variant=0):
    """Whether all |g| ≤ limit; NaN is not."""
    if g.itemsize == 4:
        return within_it[float](g, limit, variant)
    return within_it[double](g, limit, variant)


cdef bint within_it(const real[:] g, double limit, int variant) except *:
    cdef Py_ssize_t n = g.shape[0], stride = g.strides[0] // <Py_ssize_t>sizeof(real)
    cdef bint all_are
    if n == 0:
        return True
    with nogil:
        if real is float:
            all_are = cybptt_updates_f32(variant).within(n, &g[0], stride, <float>limit)
        else:
            all_are = cybptt_updates_f64(variant).within(n, &g[0], stride, limit)
    return all_are


def sum_of_squares(g, double divisor=1, int variant=0):
    """Σ (g / divisor)², in double precision and in one order."""
    if g.itemsize == 4:
        return sum_it[float](g, divisor, variant)
    return sum_it[double](g, divisor, variant)


cdef double sum_it(const real[:] g, double divisor, int variant) except? -1:
    cdef Py_ssize_t n = g.shape[0], stride = g.strides[0] // <Py_ssize_t>sizeof(real)
    cdef double total
    if n == 0:
        return 0
    with nogil:
        if real is float:
            total = cybptt_updates_f32(variant).sum_of_squares(n, &g[0], stride, divisor)
        else:
            total = cybptt_updates_f64(variant).sum_of_squares(n, &g[0], stride, divisor)
    return total
