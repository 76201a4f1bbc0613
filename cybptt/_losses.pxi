# A part of _core.pyx: the losses in C, of this build, of ufuncs' loops or of C pointers.

from libc.string cimport memset

cdef class LossFunction:
    """The value or the gradient, which `part` says, of a C loss: it computes either, or both.

    Called with o (N, O), float32 or float64, and y, classes (N,) or values (N, O): the value is
    (N,), the gradient (N, O). ``call_f32`` and ``call_f64`` are NULL where it has none for that
    dtype; ``context`` and ``may_raise`` are as `BlockFunction`'s. ``of`` says which loss it is: two
    are equal if that and their parts are.
    """
    cdef loss_function_f32 call_f32
    cdef loss_function_f64 call_f64
    cdef const void *context
    cdef bint classes
    cdef bint may_raise
    cdef readonly object of
    cdef readonly str name
    cdef readonly str part

    @property
    def dtypes(self):
        """The dtypes that it takes."""
        return dtypes_of_calls(self.call_f32 != NULL, self.call_f64 != NULL)

    def __call__(self, o, y):
        value, gradient = self.run(o, y, self.part == "value", self.part == "gradient")
        return value if self.part == "value" else gradient

    def both(self, o, y):
        """The value and the gradient, whichever the part, from one call."""
        return self.run(o, y, True, True)

    cdef run(self, o, y, bint want_value, bint want_gradient):
        o = np.asarray(o)
        dtype = np.float32 if o.dtype in (np.float32, np.float16) else np.float64
        refuse_dtype(self.name, dtype, self.dtypes)
        o = contiguous(o, dtype)
        if o.ndim != 2:
            raise ValueError(f"o: got an array of shape {o.shape}, need (N, O)")
        y = np.asarray(y)
        if self.classes and y.size > 0 and y.dtype.kind not in "iu":
            raise TypeError(f"y: got an array of dtype {y.dtype}, need integers")
        # Labels are indices: a copy, that what is checked be what is read.
        y = np.array(y, np.intp) if self.classes else contiguous(y, dtype)
        needed = o.shape[:1] if self.classes else o.shape
        if y.shape != needed:
            raise ValueError(f"y: got an array of shape {y.shape}, need {needed}")
        if self.classes and not all_in_range(y, o.shape[1]):
            raise ValueError(f"y: got labels {y.min()} … {y.max()}, need 0 … {o.shape[1] - 1}")
        value = np.zeros(o.shape[0], dtype) if want_value else None
        gradient = np.empty(o.shape, dtype) if want_gradient else None
        if o.size == 0:  # of no outputs, the sum is 0
            return value, gradient
        y = y.reshape(o.shape[0], -1)
        if dtype is np.float32:
            loss_on_arrays[float](self, o, y, value, gradient)
        else:
            loss_on_arrays[double](self, o, y, value, gradient)
        return value, gradient

    def __eq__(self, other):
        if not isinstance(other, LossFunction):
            return NotImplemented
        return (self.of, self.part) == (other.of, other.part)

    def __hash__(self):
        return hash((self.of, self.part))

    def __repr__(self):
        return f"cybptt._core.{type(self).__name__}({', '.join(map(repr, self.__reduce__()[1]))})"


cdef class BuiltInLoss(LossFunction):
    """A loss of this build: ``loss_function(name, part, parameter)``."""
    cdef readonly double parameter

    def __init__(self, str name not None, str part not None, double parameter=0.0):
        cdef int i = 0
        cdef bytes wanted = name.encode()
        self.call_f32 = NULL
        while K32.losses[i].name != NULL:
            if wanted == K32.losses[i].name:
                self.call_f32 = K32.losses[i].call
                self.call_f64 = K64.losses[i].call
                self.classes = K32.losses[i].classes
            i += 1
        if self.call_f32 == NULL or part not in ("value", "gradient"):
            raise ValueError(f"name, part: got {name!r}, {part!r}, need a C loss of cybptt, and "
                             "'value' or 'gradient'")
        self.name, self.part, self.parameter = name, part, parameter
        self.of = (name, parameter)
        self.context = &self.parameter

    def __reduce__(self):
        return BuiltInLoss, (self.name, self.part, self.parameter)


loss_function = BuiltInLoss


# ------------------------------------------------------------------ losses of ufuncs

cdef enum:
    MOST_TERMS = 2048  # of a loss, computed before they are summed: they stay in the cache


cdef inline void ufunc_loss(
    const real *o, const real *y, real *value, real *grad, Py_ssize_t N, Py_ssize_t O,
    const UfuncLoop *of_value, const UfuncLoop *of_gradient
) noexcept nogil:
    cdef real terms[MOST_TERMS]
    cdef const real *inputs[2]
    cdef Py_ssize_t rows = max(1, MOST_TERMS // max(1, O)), n = 0, j
    if grad != NULL:
        inputs[0], inputs[1] = o, y
        run_loop(of_gradient, inputs, grad, N * O)
    if value == NULL:
        return
    # 10.14  L(t) = the sum of the terms of its row. Many rows at once, or a part of a long one.
    memset(value, 0, <size_t> N * sizeof(real))
    while n < N:
        rows, j = min(rows, N - n), 0
        while j < O:
            inputs[0], inputs[1] = o + n * O + j, y + n * O + j
            run_loop(of_value, inputs, terms, rows * min(MOST_TERMS, O - j))
            sum_rows(rows, min(MOST_TERMS, O - j), terms, value + n)
            j += MOST_TERMS
        n += rows


cdef void ufunc_loss_f32(
    const float *o, const void *y, float *value, float *grad, Py_ssize_t N, Py_ssize_t O,
    const void *context
) noexcept nogil:
    cdef const UfuncLoop *loops = <const UfuncLoop *> context
    ufunc_loss(o, <const float *> y, value, grad, N, O, &loops[0], &loops[1])


cdef void ufunc_loss_f64(
    const double *o, const void *y, double *value, double *grad, Py_ssize_t N, Py_ssize_t O,
    const void *context
) noexcept nogil:
    cdef const UfuncLoop *loops = <const UfuncLoop *> context
    ufunc_loss(o, <const double *> y, value, grad, N, O, &loops[2], &loops[3])


cdef class UfuncLoss(LossFunction):
    """A loss whose terms and their derivatives are ufuncs of (o, y): ``UfuncLoss(v, g, part)``.

    One of the two may be None, where it is no ufunc: it is not asked for then.
    """
    cdef UfuncLoop loops[4]  # float32's value and gradient, float64's

    def __init__(self, value, gradient, str part not None):
        cdef int i
        self.of, self.part = (value, gradient), part
        self.name, self.may_raise = self.terms().__name__, True
        for i, f in enumerate(self.of):
            if f is not None:
                self.loops[i] = find_loop(ufunc_of(f), NPY_FLOAT)
                self.loops[2 + i] = find_loop(ufunc_of(f), NPY_DOUBLE)
        self.context = &self.loops
        if self.has(0):
            self.call_f32 = ufunc_loss_f32
        if self.has(2):
            self.call_f64 = ufunc_loss_f64

    cdef bint has(self, int first):
        """Whether each ufunc has its loop."""
        cdef bint value = self.of[0] is None or self.loops[first].call != NULL
        return value and (self.of[1] is None or self.loops[first + 1].call != NULL)

    def terms(self):
        """The ufunc of the part."""
        return self.of[self.part == "gradient"]

    def __call__(self, o, y):
        o = np.asarray(o)
        if o.dtype.name in self.dtypes:
            return LossFunction.__call__(self, o, y)
        terms = in_dtype_of(o, self.terms()(o, y))
        return terms.sum(axis=1) if self.part == "value" else terms

    def __reduce__(self):
        return UfuncLoss, (*self.of, self.part)


# ------------------------------------------------------------------ losses of C pointers

ctypedef void (*loss_pointer_f32)(
    const float *o, const void *y, float *value, float *grad, Py_ssize_t N, Py_ssize_t O
) noexcept nogil
ctypedef void (*loss_pointer_f64)(
    const double *o, const void *y, double *value, double *grad, Py_ssize_t N, Py_ssize_t O
) noexcept nogil


cdef void pointer_loss_f32(
    const float *o, const void *y, float *value, float *grad, Py_ssize_t N, Py_ssize_t O,
    const void *context
) noexcept nogil:
    cdef loss_pointer_f32 of_value = <loss_pointer_f32> (<void *const *> context)[0]
    cdef loss_pointer_f32 of_gradient = <loss_pointer_f32> (<void *const *> context)[1]
    if of_value == of_gradient:
        of_value(o, y, value, grad, N, O)
        return
    if value != NULL:
        of_value(o, y, value, NULL, N, O)
    if grad != NULL:
        of_gradient(o, y, NULL, grad, N, O)


cdef void pointer_loss_f64(
    const double *o, const void *y, double *value, double *grad, Py_ssize_t N, Py_ssize_t O,
    const void *context
) noexcept nogil:
    cdef loss_pointer_f64 of_value = <loss_pointer_f64> (<void *const *> context)[2]
    cdef loss_pointer_f64 of_gradient = <loss_pointer_f64> (<void *const *> context)[3]
    if of_value == of_gradient:
        of_value(o, y, value, grad, N, O)
        return
    if value != NULL:
        of_value(o, y, value, NULL, N, O)
    if grad != NULL:
        of_gradient(o, y, NULL, grad, N, O)


cdef class PointerLoss(LossFunction):
    """A loss of C functions by dtype: ``PointerLoss(value, gradient, classes, part)``.

    They are ``void (const T *o, const T *y, T *value, T *grad_o, intptr_t N, intptr_t O)``, with
    ``const intptr_t *y`` for classes; value and gradient hold a `cybptt._c_pointers.Pointer` for
    each dtype, (float32's, float64's), None where there is none. Where both are one C function it
    is called once for both. One of the two may be None, as in `UfuncLoss`.
    """
    cdef void *addresses[4]  # float32's value and gradient, float64's

    def __init__(self, value, gradient, bint classes, str part not None):
        cdef int i
        self.of, self.part = (value, gradient, classes), part
        self.name, self.classes = part, classes
        for i in range(2):
            pair = (value or gradient)[i], (gradient or value)[i]
            if None not in pair:
                self.addresses[2 * i] = <void *> <size_t> pair[0].address
                self.addresses[2 * i + 1] = <void *> <size_t> pair[1].address
        self.context = &self.addresses
        if self.addresses[0] != NULL:
            self.call_f32 = pointer_loss_f32
        if self.addresses[2] != NULL:
            self.call_f64 = pointer_loss_f64

    def __reduce__(self):
        raise TypeError("a C pointer can't be pickled")

    def __repr__(self):
        return f"<the {self.part} by C pointers for {' and '.join(self.dtypes)}>"


# ------------------------------------------------------------------ calling a loss

cdef inline int apply_loss(
    LossFunction f, const real *o, const void *y, real *value, real *grad, Py_ssize_t N,
    Py_ssize_t O
) except -1 nogil:
    """The values (N,) and the gradients (N, O) of N rows; either is not wanted where NULL."""
    if real is float:
        f.call_f32(o, y, value, grad, N, O, f.context)
    else:
        f.call_f64(o, y, value, grad, N, O, f.context)
    if f.may_raise and error_is_set():
        with gil:
            raise_set_error()
    return 0


cdef bint all_in_range(const Py_ssize_t[::1] labels, Py_ssize_t O) noexcept:
    cdef Py_ssize_t i
    for i in range(labels.shape[0]):
        if labels[i] < 0 or labels[i] >= O:
            return False
    return True


cdef loss_on_arrays(
    LossFunction f, const real[:, ::1] o, y, real[::1] value, real[:, ::1] gradient
):
    cdef const Py_ssize_t[:, ::1] labels
    cdef const real[:, ::1] values
    cdef const void *targets
    cdef real *to_value = NULL if value is None else &value[0]
    cdef real *to_gradient = NULL if gradient is None else &gradient[0, 0]
    cdef Py_ssize_t N = o.shape[0], O = o.shape[1], rows = rows_at_once(O), row = 0, work = 0
    if f.classes:
        labels = y
        targets = &labels[0, 0]
    else:
        values = y
        targets = &values[0, 0]
    with nogil:
        while row < N:
            rows = min(rows, N - row)
            apply_loss(f, data(o) + row * O, targets, to_value, to_gradient, rows, O)
            if f.classes:
                targets = <const Py_ssize_t *> targets + rows
            else:
                targets = <const real *> targets + rows * O
            if to_value != NULL:
                to_value += rows
            if to_gradient != NULL:
                to_gradient += rows * O
            row += rows
            look_for_signals(&work, 4 * rows * O * WORK_OF_VALUE)
