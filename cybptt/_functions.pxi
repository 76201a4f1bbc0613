# A part of _core.pyx: the functions that the loops call, in C or in Python.

cdef extern from *:
    """
    /* Whether this thread has a Python exception set: asked of its own state, without the lock. */
    static int error_is_set(void)
    {
        PyThreadState *state = PyGILState_GetThisThreadState();
    #if PY_VERSION_HEX >= 0x030C0000
        return state != NULL && state->current_exception != NULL;
    #else
        return state != NULL && state->curexc_type != NULL;
    #endif
    }
    """
    bint error_is_set() noexcept nogil


cdef class BlockFunction:
    """A function that the loops call on blocks of rows: C's, Python's, or C's for one dtype alone.

    ``call_f32`` and ``call_f64`` are given ``context``, which is the object's own. Where one is
    NULL ``python(step, *blocks)`` is called for that dtype, which must return a C-contiguous array
    of its blocks' shape and dtype. Where ``may_raise``, a C call may leave an exception set, as
    ufuncs' loops do: then ``python.raised(step, error)`` is called, to raise it with a word on
    where it came.

    One with C calls can be called on arrays of one shape, too; it returns a new array.
    """
    cdef block_function_f32 call_f32
    cdef block_function_f64 call_f64
    cdef const void *context
    cdef bint may_raise
    cdef readonly int n_in
    cdef readonly double parameter
    cdef readonly str name
    cdef object python

    @property
    def dtypes(self):
        """The dtypes for which it is C's."""
        return dtypes_of_calls(self.call_f32 != NULL, self.call_f64 != NULL)

    def __call__(self, *arguments):
        if len(arguments) != self.n_in:
            raise TypeError(f"{self.name}: got {len(arguments)} arrays, need {self.n_in}")
        blocks = [np.asarray(a) for a in arguments]
        dtype = blocks[0].dtype if len(blocks) == 1 else np.result_type(*blocks)
        dtype = np.float32 if dtype in (np.float32, np.float16) else np.float64
        refuse_dtype(self.name, dtype, self.dtypes)
        shape = blocks[0].shape
        if any(b.shape != shape for b in blocks):
            raise ValueError(f"{self.name}: got arrays of shapes {[b.shape for b in blocks]}, "
                             "need one shape")
        cols = shape[len(shape) - 1] if shape else 1
        flat = [contiguous(b, dtype).reshape(-1, cols) if cols else b for b in blocks]
        out = np.empty(shape, dtype)
        if out.size:
            if dtype is np.float32:
                call_on_arrays[float](self, flat, out.reshape(-1, cols))
            else:
                call_on_arrays[double](self, flat, out.reshape(-1, cols))
        return out[()]


cdef class PythonFunction(BlockFunction):
    """A Python callable for the loops; `c`, where it is given, for the dtypes that it has."""
    cdef BlockFunction c  # kept, for it owns what `context` points at

    def __init__(self, python, int n_in, BlockFunction c=None):
        self.python, self.n_in, self.c = python, n_in, c
        if c is not None:
            self.call_f32, self.call_f64, self.context = c.call_f32, c.call_f64, c.context
            self.may_raise, self.name = c.may_raise, c.name


cdef class Function(BlockFunction):
    """A C function of this build: ``function(name, parameter)``. Two are equal if these are."""

    def __init__(self, str name not None, double parameter=0.0):
        cdef int i = 0
        cdef bytes wanted = name.encode()
        self.call_f32 = NULL
        while K32.functions[i].name != NULL:
            if wanted == K32.functions[i].name:
                self.call_f32 = K32.functions[i].call
                self.call_f64 = K64.functions[i].call
                self.n_in = K32.functions[i].n_in
            i += 1
        if self.call_f32 == NULL:
            raise ValueError(f"name: got {name!r}, need the name of a C function of cybptt")
        self.name = name
        self.parameter = parameter
        self.context = &self.parameter

    def __reduce__(self):
        return Function, (self.name, self.parameter)

    def __eq__(self, other):
        if not isinstance(other, Function):
            return NotImplemented
        return (self.name, self.parameter) == (other.name, other.parameter)

    def __hash__(self):
        return hash((self.name, self.parameter))

    def __repr__(self):
        return f"cybptt._core.Function({self.name!r}, {self.parameter!r})"


function = Function


cdef object dtypes_of_calls(bint f32, bint f64):
    return ("float32",) * f32 + ("float64",) * f64


cdef int refuse_dtype(name, dtype, dtypes) except -1:
    if np.dtype(dtype).name not in dtypes:
        raise TypeError(f"{name}: got {np.dtype(dtype)}, need {' or '.join(dtypes)}, "
                        "for which it has C functions")
    return 0


cdef object contiguous(array, dtype):
    """The array as the kernels read it; nearly always it is so already."""
    flags = array.flags
    if array.dtype == dtype and flags.c_contiguous and flags.aligned:
        return array
    return np.require(array, dtype, "CA")


cdef call_on_arrays(BlockFunction f, list arrays, real[:, ::1] out):
    cdef const real *pointers[MOST_INPUTS]
    cdef const real[:, ::1] block
    cdef int i, j
    for i, array in enumerate(arrays):
        block = array
        pointers[i] = data(block)
    cdef Py_ssize_t N = out.shape[0], cols = out.shape[1], rows = rows_at_once(cols)
    cdef Py_ssize_t row = 0, work = 0
    with nogil:
        while row < N:
            rows = min(rows, N - row)
            apply(f, pointers, writable(out) + row * cols, rows, cols, 0)
            for j in range(f.n_in):
                pointers[j] += rows * cols
            row += rows
            look_for_signals(&work, 2 * rows * cols * WORK_OF_VALUE)


cdef inline Py_ssize_t rows_at_once(Py_ssize_t cols) noexcept nogil:
    """Rows of a large array between two looks at the signals."""
    return max(1, 262_144 // max(1, cols))


cdef inline int apply(
    BlockFunction f, const real **inputs, real *out, Py_ssize_t rows, Py_ssize_t cols,
    Py_ssize_t step
) except -1 nogil:
    if real is float:
        if f.call_f32 == NULL:
            with gil:
                return apply_python(f, inputs, out, rows, cols, step)
        f.call_f32(inputs, out, rows, cols, f.context)
    else:
        if f.call_f64 == NULL:
            with gil:
                return apply_python(f, inputs, out, rows, cols, step)
        f.call_f64(inputs, out, rows, cols, f.context)
    if f.may_raise and error_is_set():
        with gil:
            return name_error(f, step)
    return 0


cdef int apply_python(
    BlockFunction f, const real **inputs, real *out, Py_ssize_t rows, Py_ssize_t cols,
    Py_ssize_t step
) except -1:
    cdef real[:, ::1] block
    cdef const real[:, ::1] result
    cdef size_t size = <size_t> (rows * cols) * sizeof(real)
    if size == 0:
        return 0
    blocks = []
    for i in range(f.n_in):
        array = np.empty((rows, cols), dtype_of(inputs[0]))
        block = array
        memcpy(&block[0, 0], inputs[i], size)
        blocks.append(array)
    result = contiguous(f.python(step, *blocks), dtype_of(inputs[0]))
    if result.shape[0] != rows or result.shape[1] != cols:
        raise ValueError("a Python function returned another shape than it was given")
    memcpy(out, &result[0, 0], size)
    return 0


cdef int raise_set_error() except -1:
    return -1


cdef int name_error(BlockFunction f, Py_ssize_t step) except -1:
    """Raise the exception that is set, by way of `python.raised` where there is one."""
    if f.python is None:
        raise_set_error()
    try:
        raise_set_error()
    except BaseException as error:
        f.python.raised(step, error)
    return 0


cdef inline void sum_rows(Py_ssize_t m, Py_ssize_t n, const real *A, real *out) noexcept nogil:
    """out (m,) += the sums of A's rows (m, n)"""
    if real is float:
        K32.sum_rows(m, n, A, out)
    else:
        K64.sum_rows(m, n, A, out)
