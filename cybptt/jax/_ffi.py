"""Functions of Python that a program of XLA's calls on the CPU, by XLA's interface for C.

``jax.pure_callback`` is the usual way. It puts what it is given on a device first, for which the
one thread has to be free that waits for the callback: on one processor a program that passes arrays
of some size stops for good. It also takes a third of a millisecond. Here XLA calls a C function,
which is ctypes', with the addresses of its buffers. The structures are those of
``xla/ffi/api/c_api.h``, version 0; of each the fields up to the last that is wanted.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Hashable
from ctypes import POINTER, Structure, c_char_p, c_int, c_int64, c_size_t, c_void_p
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

METADATA = 1  # the type of the extension that asks for the version
FIRST_VERSION = 0, 1  # of the interface, which jax 0.5 has
EXECUTE = 3  # the stage in which there is something to do
INTERNAL = 13  # the code of an error
DTYPES = {
    2: "i1",
    3: "i2",
    4: "i4",
    5: "i8",
    6: "u1",
    7: "u2",
    8: "u4",
    9: "u8",
    11: "f4",
    12: "f8",
}

# What each structure begins with.
HEAD: list[Any] = [("struct_size", c_size_t), ("extension_start", c_void_p)]


class Version(Structure):
    """XLA_FFI_Api_Version."""

    _fields_ = [*HEAD, ("major", c_int), ("minor", c_int)]


class ErrorArguments(Structure):
    """XLA_FFI_Error_Create_Args."""

    _fields_ = [*HEAD, ("message", c_char_p), ("code", c_int)]


ErrorCreate = ctypes.CFUNCTYPE(c_void_p, POINTER(ErrorArguments))


class Api(Structure):
    """XLA_FFI_Api."""

    _fields_ = [*HEAD, ("version", Version), ("internal", c_void_p), ("error_create", ErrorCreate)]


class Metadata(Structure):
    """XLA_FFI_Metadata."""

    _fields_ = [("struct_size", c_size_t), ("version", Version)]


class Extension(Structure):
    """XLA_FFI_Metadata_Extension, whose first fields are any extension's."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("type", c_int),
        ("next", c_void_p),
        ("metadata", POINTER(Metadata)),
    ]


class Buffer(Structure):
    """XLA_FFI_Buffer."""

    _fields_ = [
        *HEAD,
        ("dtype", c_int),
        ("data", c_void_p),
        ("rank", c_int64),
        ("dims", POINTER(c_int64)),
    ]


class Buffers(Structure):
    """XLA_FFI_Args, and XLA_FFI_Rets."""

    _fields_ = [*HEAD, ("size", c_int64), ("types", c_void_p), ("items", POINTER(POINTER(Buffer)))]


class Scalar(Structure):
    """XLA_FFI_Scalar."""

    _fields_ = [("dtype", c_int), ("value", POINTER(c_int64))]


class Attributes(Structure):
    """XLA_FFI_Attrs, of which there is one."""

    _fields_ = [
        *HEAD,
        ("size", c_int64),
        ("types", c_void_p),
        ("names", c_void_p),
        ("items", POINTER(POINTER(Scalar))),
    ]


class CallFrame(Structure):
    """XLA_FFI_CallFrame."""

    _fields_ = [
        *HEAD,
        ("api", POINTER(Api)),
        ("context", c_void_p),
        ("stage", c_int),
        ("arguments", Buffers),
        ("results", Buffers),
        ("attributes", Attributes),
    ]


Handler = ctypes.CFUNCTYPE(c_void_p, POINTER(CallFrame))


class Function:
    """A function of arrays that a traced program may call.

    Parameters
    ----------
    name : str
        What XLA knows it by.
    function : callable
        ``function(constant, *arrays) -> list of arrays``: of those it is given it may not keep any.
    """

    def __init__(self, name: str, function: Callable[..., list[Array]]) -> None:
        self._name, self._function = name, function
        # Programs know them by their places here, and may be called whenever.
        self._constants: list[Any] = []
        self._places: dict[Hashable, int] = {}
        self._handler = Handler(self._handle)  # kept as long as XLA may call it
        jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(self._handler), platform="cpu")

    def __call__(self, constant: Hashable, results: list[Any], *arrays: Any) -> Any:
        """Put a call into the program that is traced."""
        place = self._places.setdefault(constant, len(self._places))
        if place == len(self._constants):
            self._constants.append(constant)
        call = jax.ffi.ffi_call(self._name, results, vmap_method="sequential")
        return call(*arrays, place=np.int64(place))

    def _handle(self, frame: Any) -> int | None:
        """NULL, or the error."""
        call = frame.contents
        try:
            if call.extension_start:
                self._introduce(call)
            elif call.stage == EXECUTE:
                self._run(call)
        except BaseException as error:  # nothing above could take it
            message = f"{type(error).__name__}: {error}".encode()
            of = ErrorArguments(ctypes.sizeof(ErrorArguments), None, message, INTERNAL)
            created: int | None = call.api.contents.error_create(ctypes.byref(of))
            return created
        return None

    def _introduce(self, call: Any) -> None:
        """XLA asks for what version this is made: for its own, as far as fields are used here."""
        extension = ctypes.cast(call.extension_start, POINTER(Extension)).contents
        if extension.type == METADATA:
            ours = extension.metadata.contents.version
            ours.major, ours.minor = FIRST_VERSION
            if call.api:  # those that came first do not say
                theirs = call.api.contents.version
                ours.major, ours.minor = theirs.major, theirs.minor

    def _run(self, call: Any) -> None:
        constant = self._constants[call.attributes.items[0].contents.value[0]]
        arrays = [_array(call.arguments.items[i]) for i in range(call.arguments.size)]
        outputs = [_array(call.results.items[i]) for i in range(call.results.size)]
        for output, array in zip(outputs, self._function(constant, *arrays), strict=True):
            output[...] = array


def _array(buffer: Any) -> Array:
    """The numbers of a buffer, where they are."""
    content = buffer.contents
    shape = tuple(content.dims[i] for i in range(content.rank))
    if math.prod(shape) == 0:
        return np.empty(shape, DTYPES[content.dtype])
    return np.asarray(_Memory(content.data, shape, DTYPES[content.dtype]))


class _Memory:
    """What NumPy asks for the address of an array."""

    def __init__(self, address: int, shape: tuple[int, ...], dtype: str) -> None:
        self.__array_interface__ = {
            "version": 3,
            "data": (address, False),
            "shape": shape,
            "typestr": np.dtype(dtype).str,
        }
