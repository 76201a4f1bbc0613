# cython: language_level=3, embedsignature=True, binding=True, freethreading_compatible=True
"""What XLA calls on the CPU, by its interface for functions in C: a function of Python's.

``jax.pure_callback`` is the usual way. It puts what it is given on a device first, for which the
one thread has to be free that waits for the callback: on one processor a program that passes arrays
of some size stops for good. Here XLA calls C, with the addresses of its buffers, and no array is
copied on the way in.

The structures are those of ``xla/ffi/api/c_api.h``, version 0; of each the fields up to the last
that is wanted. Nothing of JAX's is needed, neither to compile this nor to import it.
"""
cimport numpy as cnp
from cpython.pycapsule cimport PyCapsule_New
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int64_t
from libc.string cimport memset

cnp.import_array()

cdef extern from "Python.h":
    int Py_AddPendingCall(int (*function)(void *) except -1, void *argument)

cdef enum:
    METADATA = 1  # the type of the extension that asks for the version
    MAJOR = 0  # the first version of the interface, which jax 0.5 has
    MINOR = 1
    EXECUTE = 3  # the stage in which there is something to do
    INTERNAL = 13  # the code of an error

cdef struct Extension:  # its first fields are any extension's
    size_t struct_size
    int type
    void *next
    Metadata *metadata

cdef struct Version:
    size_t struct_size
    void *extension
    int major
    int minor

cdef struct Metadata:
    size_t struct_size
    Version version

cdef struct ErrorArguments:
    size_t struct_size
    void *extension
    const char *message
    int code

cdef struct Api:
    size_t struct_size
    void *extension
    Version version
    void *internal
    void *(*error_create)(ErrorArguments *) noexcept

cdef struct Buffer:
    size_t struct_size
    void *extension
    int dtype
    void *data
    int64_t rank
    int64_t *dims

cdef struct Buffers:  # the arguments, and the results
    size_t struct_size
    void *extension
    int64_t size
    void *types
    Buffer **items

cdef struct Scalar:
    int dtype
    int64_t *value

cdef struct Attributes:  # there is one
    size_t struct_size
    void *extension
    int64_t size
    void *types
    void *names
    Scalar **items

cdef struct CallFrame:
    size_t struct_size
    Extension *extension
    const Api *api
    void *context
    int stage
    Buffers arguments
    Buffers results
    Attributes attributes

# XLA's numbers of dtypes, and NumPy's.
cdef dict TYPES = {
    2: cnp.NPY_INT8, 3: cnp.NPY_INT16, 4: cnp.NPY_INT32, 5: cnp.NPY_INT64,
    6: cnp.NPY_UINT8, 7: cnp.NPY_UINT16, 8: cnp.NPY_UINT32, 9: cnp.NPY_UINT64,
    11: cnp.NPY_FLOAT32, 12: cnp.NPY_FLOAT64,
}

# Programs know a function by its place here, and may call it whenever: none is ever taken away.
functions = {}


def handler():
    """What XLA is to call, in a capsule: the function whose place is the call's one attribute.

    A function takes arrays, which it may not keep, and gives a list of arrays of floats.
    """
    return PyCapsule_New(<void *> answer, NULL, NULL)


cdef void *answer(CallFrame *frame) noexcept with gil:
    """NULL, or an error of XLA's making. No exception can leave, whenever a signal comes:
    Python runs the handlers of signals in Python's own code alone, and all of that is in here.
    """
    cdef object error = None
    try:
        if frame.extension != NULL:
            introduce(frame)
        elif frame.stage == EXECUTE:
            run(frame)
    except BaseException as raised:
        error = raised
    if error is None or not isinstance(error, Exception) and put_off(frame, error):
        return NULL
    return an_error(frame, error)


cdef introduce(CallFrame *frame):
    """XLA asks for what version this is made: for its own, as far as fields are used here."""
    cdef Version *ours
    if frame.extension.type == METADATA:
        ours = &frame.extension.metadata.version
        ours.major, ours.minor = MAJOR, MINOR
        if frame.api != NULL:  # those that came first do not say
            ours.major, ours.minor = frame.api.version.major, frame.api.version.minor


cdef run(CallFrame *frame):
    cdef int64_t i, place = frame.attributes.items[0].value[0]
    arrays = [array(frame.arguments.items[i], False) for i in range(frame.arguments.size)]
    found = functions[place](*arrays)
    for i in range(frame.results.size):
        cnp.PyArray_CopyInto(array(frame.results.items[i], True), found[i])


cdef cnp.ndarray array(Buffer *buffer, bint writeable):
    """The numbers of a buffer, where they are."""
    cdef cnp.ndarray numbers = cnp.PyArray_SimpleNewFromData(
        <int> buffer.rank, <cnp.npy_intp *> buffer.dims, TYPES[buffer.dtype], buffer.data
    )
    if not writeable:
        cnp.PyArray_CLEARFLAGS(numbers, cnp.NPY_ARRAY_WRITEABLE)
    return numbers


cdef bint put_off(CallFrame *frame, object interrupt) noexcept:
    """Let a Ctrl-C wait until the program has returned to Python; whether it can.

    XLA would make an error of it, which a program of the user's might take for one. Until then
    nobody sees the results: they are NaN.
    """
    cdef int64_t i
    cdef cnp.ndarray result
    # Its traceback would keep arrays in sight whose memory is XLA's again.
    interrupt.__traceback__ = interrupt.__context__ = interrupt.__cause__ = None
    Py_INCREF(interrupt)
    if Py_AddPendingCall(raise_again, <void *> interrupt) != 0:
        Py_DECREF(interrupt)
        return False
    for i in range(frame.results.size):
        result = array(frame.results.items[i], True)
        memset(cnp.PyArray_DATA(result), 0xff, cnp.PyArray_NBYTES(result))
    return True


cdef int raise_again(void *interrupt) except -1:
    """Python calls this in its main thread, as soon as it runs code of its own there."""
    held = <object> interrupt
    Py_DECREF(held)
    raise held


cdef void *an_error(CallFrame *frame, object error) noexcept:
    cdef ErrorArguments of
    cdef bytes message = type(error).__name__.encode()
    try:
        message = f"{type(error).__name__}: {error}".encode()
    except BaseException:  # its own __str__
        pass
    of.struct_size, of.extension = sizeof(ErrorArguments), NULL
    of.message, of.code = message, INTERNAL
    return frame.api.error_create(&of)
