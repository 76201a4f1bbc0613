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
from libc.stdint cimport int64_t

import os
import threading
import time

cnp.import_array()

cdef extern from "Python.h":
    int Py_AddPendingCall(int (*function)(void *) except -1, void *argument)

cdef extern from "pythread.h" nogil:
    ctypedef void *PyThread_type_lock
    PyThread_type_lock PyThread_allocate_lock()
    int PyThread_acquire_lock(PyThread_type_lock lock, int wait)
    void PyThread_release_lock(PyThread_type_lock lock)
    unsigned long PyThread_get_thread_ident()

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
    void *(*error_create)(ErrorArguments *) noexcept nogil

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


# One at a time may look at these two: how many calls are under way, and whether more may come.
cdef PyThread_type_lock gate = PyThread_allocate_lock()
cdef int under_way = 0
cdef bint ended = False

# In the main thread Python runs the handlers of signals, in the midst of a call. What one of them
# has raised is held until the program is over.
cdef unsigned long main_thread = threading.main_thread().ident
cdef object held = None

# How the main thread has a call made by `stand_in`. Locked is "nothing yet".
cdef PyThread_type_lock wanted = PyThread_allocate_lock()
cdef PyThread_type_lock answered = PyThread_allocate_lock()
cdef CallFrame *handed_on = NULL
cdef void *the_answer = NULL
PyThread_acquire_lock(wanted, 1)
PyThread_acquire_lock(answered, 1)


def handler():
    """What XLA is to call, in a capsule: the function whose place is the call's one attribute.

    A function takes arrays, which it may not keep, and gives a list of arrays of floats.
    """
    threading.Thread(target=stand_in, name="cybptt.jax", daemon=True).start()
    os.register_at_fork(after_in_child=after_fork)
    return PyCapsule_New(<void *> answer, NULL, NULL)


def end():
    """Let no more calls in, and wait for those that are under way: Python is about to end.

    A thread that then asked for the interpreter's lock would wait for ever, and XLA for it.
    """
    global ended
    cdef bint waits = True
    PyThread_acquire_lock(gate, 1)
    ended = True
    PyThread_release_lock(gate)
    while waits:
        time.sleep(0.001)
        PyThread_acquire_lock(gate, 1)
        waits = under_way > 0
        PyThread_release_lock(gate)


def stand_in():
    """Make the calls that are handed on, for ever: in a thread in which no signal is handled."""
    global the_answer
    while True:
        with nogil:
            PyThread_acquire_lock(wanted, 1)
        the_answer = make(handed_on)
        PyThread_release_lock(answered)


def after_fork():
    """There is no `stand_in`, and perhaps another main thread."""
    global main_thread
    main_thread = 0


cdef void *answer(CallFrame *frame) noexcept nogil:
    """NULL, or an error of XLA's making."""
    global under_way
    cdef void *found
    if frame.extension != NULL:
        introduce(frame)
        return NULL
    if frame.stage != EXECUTE:
        return NULL
    PyThread_acquire_lock(gate, 1)
    if ended:
        PyThread_release_lock(gate)
        return an_error(frame, "Python has ended")
    under_way += 1
    PyThread_release_lock(gate)
    found = make_here(frame) if PyThread_get_thread_ident() == main_thread else make(frame)
    PyThread_acquire_lock(gate, 1)
    under_way -= 1
    PyThread_release_lock(gate)
    return found


cdef void *make(CallFrame *frame) noexcept with gil:
    """The call, where no signal is handled."""
    cdef bytes message
    try:
        run(frame)
    except BaseException as error:
        message = type(error).__name__.encode()
        try:
            message = f"{type(error).__name__}: {error}".encode()
        except BaseException:  # its own __str__
            pass
        return an_error(frame, message)
    return NULL


cdef void *make_here(CallFrame *frame) noexcept with gil:
    """The call, in the main thread.

    What it raises may be its own, or a signal's: the call is made again where there are none, and
    succeeds if it was a signal's. XLA would make an error of it, and ctypes has lost the process.
    """
    global handed_on, held
    cdef void *found
    cdef object raised = None
    if held is None:
        try:
            run(frame)
            return NULL
        except BaseException as error:
            # Its traceback would keep arrays in sight whose memory is XLA's again.
            raised = error
            raised.__traceback__ = raised.__context__ = raised.__cause__ = None
    with nogil:
        handed_on = frame
        PyThread_release_lock(wanted)
        PyThread_acquire_lock(answered, 1)
        found = the_answer
    if found == NULL and raised is not None:
        held = raised
        if Py_AddPendingCall(raise_again, NULL) != 0:  # there is room for 32
            held = None
            return an_error(frame, type(raised).__name__.encode())
    return found


cdef int raise_again(void *_) except -1:
    """Python calls this in its main thread, as soon as it runs code of its own there."""
    global held
    raised, held = held, None
    raise raised


cdef void *an_error(CallFrame *frame, const char *message) noexcept nogil:
    cdef ErrorArguments of
    of.struct_size, of.extension = sizeof(ErrorArguments), NULL
    of.message, of.code = message, INTERNAL
    return frame.api.error_create(&of)


cdef void introduce(CallFrame *frame) noexcept nogil:
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
