# A part of _core.pyx: activations that are not of this build and yet C: ufuncs' loops, C pointers.
#
# A ufunc keeps its loops for plain dtypes in the public fields of PyUFuncObject: `types` holds a
# row of type numbers for each loop, `functions` and `data` what NumPy calls. NumPy itself calls a
# loop without an object in its row without the lock, so it may be called so here. A loop of the
# newer kind, an ArrayMethod, is not among them: NumPy keeps it in private fields. A ufunc that has
# only such a loop for a dtype, or one over objects, is called as a Python callable.
#
# Floating-point flags are left as the loops leave them, as this build's own kernels leave theirs:
# NumPy clears them before each operation whose flags it reads. So no overflow in a loop warns.

from cpython.pycapsule cimport PyCapsule_CheckExact, PyCapsule_GetName, PyCapsule_GetPointer

cdef extern from *:
    """
    #define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
    #define NO_IMPORT /* NumPy's types alone, none of its functions */
    """

cdef extern from "numpy/arrayobject.h" nogil:
    ctypedef Py_ssize_t npy_intp
    cdef enum:
        NPY_FLOAT
        NPY_DOUBLE


cdef extern from "numpy/ufuncobject.h" nogil:
    ctypedef void (*PyUFuncGenericFunction)(
        char **args, const npy_intp *dimensions, const npy_intp *strides, void *data
    ) noexcept nogil
    ctypedef class numpy.ufunc [object PyUFuncObject, check_size ignore]:
        cdef int nin
        cdef int nargs
        cdef int ntypes
        cdef const char *types
        cdef PyUFuncGenericFunction *functions
        cdef void *const *data


cdef enum:
    MOST_INPUTS = 3  # of a function here: link_vjp's


cdef struct UfuncLoop:
    PyUFuncGenericFunction call
    void *data
    int n_in


cdef UfuncLoop find_loop(ufunc f, int dtype) noexcept:
    """The first loop whose arguments are all of the dtype, as NumPy finds it; NULL if none."""
    cdef UfuncLoop loop
    cdef int i, j, same
    loop.call, loop.data, loop.n_in = NULL, NULL, f.nin
    for i in range(f.ntypes):
        same = 0
        for j in range(f.nargs):
            same += f.types[i * f.nargs + j] == dtype
        if same == f.nargs:
            loop.call, loop.data = f.functions[i], f.data[i]
            break
    return loop


cdef inline void run_loop(
    const UfuncLoop *loop, const real *const *inputs, real *out, Py_ssize_t n
) noexcept nogil:
    """The loop on n contiguous values."""
    cdef char *args[MOST_INPUTS + 1]
    cdef npy_intp strides[MOST_INPUTS + 1]
    cdef npy_intp length = n
    cdef int i
    for i in range(loop.n_in):
        args[i] = <char *> inputs[i]
        strides[i] = sizeof(real)
    args[loop.n_in] = <char *> out
    strides[loop.n_in] = sizeof(real)
    loop.call(args, &length, strides, loop.data)


cdef void call_ufunc_f32(
    const float *const *inputs, float *out, Py_ssize_t rows, Py_ssize_t cols, const void *context
) noexcept nogil:
    run_loop(&(<const UfuncLoop *> context)[0], inputs, out, rows * cols)


cdef void call_ufunc_f64(
    const double *const *inputs, double *out, Py_ssize_t rows, Py_ssize_t cols, const void *context
) noexcept nogil:
    run_loop(&(<const UfuncLoop *> context)[1], inputs, out, rows * cols)


def is_ufunc(f):
    """Whether it is a NumPy ufunc, or has one inside as what Numba's @vectorize makes does."""
    return isinstance(f, ufunc) or isinstance(getattr(f, "ufunc", None), ufunc)


cdef ufunc ufunc_of(f):
    return f if isinstance(f, ufunc) else f.ufunc


cdef object in_dtype_of(array, out):
    """What a ufunc over objects gives, as numbers."""
    return out.astype(array.dtype) if out.dtype == object else out


cdef class UfuncFunction(BlockFunction):
    """The loops of a ufunc f for float32 and float64, where it has them: ``UfuncFunction(f)``."""
    cdef UfuncLoop loops[2]  # float32's and float64's
    cdef object owner  # keeps the loops alive

    def __init__(self, f not None):
        self.owner, self.name, self.n_in = f, f.__name__, f.nin
        self.may_raise = True
        self.loops[0] = find_loop(ufunc_of(f), NPY_FLOAT)
        self.loops[1] = find_loop(ufunc_of(f), NPY_DOUBLE)
        self.context = &self.loops
        if self.loops[0].call != NULL:
            self.call_f32 = call_ufunc_f32
        if self.loops[1].call != NULL:
            self.call_f64 = call_ufunc_f64


def called_in_python(f, *arrays):
    """What the ufunc f gives when NumPy calls it."""
    return in_dtype_of(arrays[0], f(*arrays))


ctypedef void (*pointer_f32)(const float *x, float *out, Py_ssize_t n) noexcept nogil
ctypedef void (*pointer_f64)(const double *x, double *out, Py_ssize_t n) noexcept nogil


cdef void call_pointer_f32(
    const float *const *inputs, float *out, Py_ssize_t rows, Py_ssize_t cols, const void *context
) noexcept nogil:
    (<pointer_f32> (<void *const *> context)[0])(inputs[0], out, rows * cols)


cdef void call_pointer_f64(
    const double *const *inputs, double *out, Py_ssize_t rows, Py_ssize_t cols, const void *context
) noexcept nogil:
    (<pointer_f64> (<void *const *> context)[1])(inputs[0], out, rows * cols)


cdef class PointerFunction(BlockFunction):
    """C functions ``void (const T *in, T *out, intptr_t n)``: ``PointerFunction(name, pointers)``.

    `pointers` are `cybptt._c_pointers.Pointer`, float32's and float64's, None where there is none;
    their signatures are checked there. Two are equal if their pointers are.
    """
    cdef void *addresses[2]  # float32's and float64's
    cdef readonly tuple pointers

    def __init__(self, str name not None, tuple pointers not None):
        self.name, self.n_in, self.pointers = name, 1, pointers
        self.context = &self.addresses
        if pointers[0] is not None:
            self.addresses[0] = <void *> <size_t> pointers[0].address
            self.call_f32 = call_pointer_f32
        if pointers[1] is not None:
            self.addresses[1] = <void *> <size_t> pointers[1].address
            self.call_f64 = call_pointer_f64

    def __reduce__(self):
        raise TypeError("a C pointer can't be pickled")

    def __eq__(self, other):
        if not isinstance(other, PointerFunction):
            return NotImplemented
        return self.pointers == other.pointers

    def __hash__(self):
        return hash(self.pointers)

    def __repr__(self):
        return f"<C pointers for {' and '.join(self.dtypes)}>"


def capsule(obj):
    """A PyCapsule's name, which is its function's signature, and its address; None for another."""
    cdef const char *name
    if not PyCapsule_CheckExact(obj):
        return None
    name = PyCapsule_GetName(obj)
    return ("" if name == NULL else name.decode()), <size_t> PyCapsule_GetPointer(obj, name)
