# A part of _core.pyx: the functions that the loops call, C's or Python's, and the C losses.

cdef class BlockFunction:
    """A function that the loops call on blocks of rows: C's or Python's.

    ``call_f32`` and ``call_f64`` are NULL where it is Python's: then ``python(step, *blocks)`` is
    called, which must return a C-contiguous array of its blocks' shape and dtype.
    """
    cdef block_function_f32 call_f32
    cdef block_function_f64 call_f64
    cdef readonly int n_in
    cdef readonly double parameter
    cdef object python


cdef class PythonFunction(BlockFunction):
    """A Python callable for the loops."""

    def __init__(self, python, int n_in):
        self.call_f32 = NULL
        self.call_f64 = NULL
        self.python = python
        self.n_in = n_in


cdef class Function(BlockFunction):
    """A C function of this build: ``function(name, parameter)``.

    Called on arrays of one shape and of dtype float32 or float64, it returns a new array. Two are
    equal if their names and parameters are.
    """
    cdef readonly str name

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

    def __call__(self, *arguments):
        if len(arguments) != self.n_in:
            raise TypeError(f"{self.name}: got {len(arguments)} arrays, need {self.n_in}")
        blocks = [np.asarray(a) for a in arguments]
        dtype = blocks[0].dtype if len(blocks) == 1 else np.result_type(*blocks)
        dtype = np.float32 if dtype in (np.float32, np.float16) else np.float64
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


cdef object contiguous(array, dtype):
    """The array as the kernels read it; nearly always it is so already."""
    flags = array.flags
    if array.dtype == dtype and flags.c_contiguous and flags.aligned:
        return array
    return np.require(array, dtype, "CA")


cdef call_on_arrays(Function f, list arrays, real[:, ::1] out):
    cdef const real *pointers[3]
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
            if real is float:
                f.call_f32(pointers, writable(out) + row * cols, rows, cols, f.parameter)
            else:
                f.call_f64(pointers, writable(out) + row * cols, rows, cols, f.parameter)
            for j in range(f.n_in):
                pointers[j] += rows * cols
            row += rows
            look_for_signals(&work, 2 * rows * cols * WORK_OF_VALUE)


cdef inline int apply(
    BlockFunction f, const real **inputs, real *out, Py_ssize_t rows, Py_ssize_t cols,
    Py_ssize_t step
) except -1 nogil:
    if real is float:
        if f.call_f32 != NULL:
            f.call_f32(inputs, out, rows, cols, f.parameter)
            return 0
    else:
        if f.call_f64 != NULL:
            f.call_f64(inputs, out, rows, cols, f.parameter)
            return 0
    with gil:
        return apply_python(f, inputs, out, rows, cols, step)


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
    result = f.python(step, *blocks)
    if result.shape[0] != rows or result.shape[1] != cols:
        raise ValueError("a Python function returned another shape than it was given")
    memcpy(out, &result[0, 0], size)
    return 0


cdef class LossFunction:
    """The value or the gradient of a C loss of this build: ``loss_function(name, part)``.

    Called with o (N, O), float32 or float64, and y, classes (N,) or values (N, O): the value is
    (N,), the gradient (N, O).
    """
    cdef loss_function_f32 call_f32
    cdef loss_function_f64 call_f64
    cdef bint classes
    cdef readonly str name
    cdef readonly str part
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

    def __call__(self, o, y):
        o = np.asarray(o)
        dtype = np.float32 if o.dtype in (np.float32, np.float16) else np.float64
        o = contiguous(o, dtype)
        if o.ndim != 2:
            raise ValueError(f"o: got an array of shape {o.shape}, need (N, O)")
        # Labels are indices: a copy, that what is checked be what is read.
        y = np.array(y, np.intp) if self.classes else contiguous(np.asarray(y), dtype)
        needed = o.shape[:1] if self.classes else o.shape
        if y.shape != needed:
            raise ValueError(f"y: got an array of shape {y.shape}, need {needed}")
        if self.classes and not all_in_range(y, o.shape[1]):
            raise ValueError(f"y: got labels {y.min()} … {y.max()}, need 0 … {o.shape[1] - 1}")
        out = np.empty(o.shape[0] if self.part == "value" else o.shape, dtype)
        if out.size == 0:
            return out
        if o.shape[1] == 0:  # a sum over no outputs
            out[...] = 0
        elif dtype is np.float32:
            loss_on_arrays[float](self, o, y.reshape(o.shape[0], -1), out.reshape(o.shape[0], -1))
        else:
            loss_on_arrays[double](self, o, y.reshape(o.shape[0], -1), out.reshape(o.shape[0], -1))
        return out

    def __reduce__(self):
        return LossFunction, (self.name, self.part, self.parameter)

    def __eq__(self, other):
        if not isinstance(other, LossFunction):
            return NotImplemented
        return self.__reduce__() == other.__reduce__()

    def __hash__(self):
        return hash((self.name, self.part, self.parameter))

    def __repr__(self):
        return f"cybptt._core.LossFunction({self.name!r}, {self.part!r}, {self.parameter!r})"


loss_function = LossFunction


cdef bint all_in_range(const Py_ssize_t[::1] labels, Py_ssize_t O) noexcept:
    cdef Py_ssize_t i
    for i in range(labels.shape[0]):
        if labels[i] < 0 or labels[i] >= O:
            return False
    return True


cdef loss_on_arrays(LossFunction f, const real[:, ::1] o, y, real[:, ::1] out):
    cdef const Py_ssize_t[:, ::1] labels
    cdef const real[:, ::1] values
    cdef const void *targets
    cdef real *value = NULL
    cdef real *gradient = NULL
    cdef Py_ssize_t N = o.shape[0], O = o.shape[1], rows = rows_at_once(O), row = 0, work = 0
    if f.classes:
        labels = y
        targets = &labels[0, 0]
    else:
        values = y
        targets = &values[0, 0]
    if f.part == "value":
        value = writable(out)
    else:
        gradient = writable(out)
    with nogil:
        while row < N:
            rows = min(rows, N - row)
            if real is float:
                f.call_f32(data(o) + row * O, targets, value, gradient, rows, O, f.parameter)
            else:
                f.call_f64(data(o) + row * O, targets, value, gradient, rows, O, f.parameter)
            if f.classes:
                targets = <const Py_ssize_t *> targets + rows
            else:
                targets = <const real *> targets + rows * O
            if value != NULL:
                value += rows
            else:
                gradient += rows * O
            row += rows
            look_for_signals(&work, 4 * rows * O * WORK_OF_VALUE)


cdef inline Py_ssize_t rows_at_once(Py_ssize_t cols) noexcept nogil:
    """Rows of a large array between two looks at the signals."""
    return max(1, 262_144 // max(1, cols))
