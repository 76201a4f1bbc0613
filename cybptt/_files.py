"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from typing import TypeAlias

from cybptt._validate import describe, wrong_type, wrong_value

Path: TypeAlias = "str | os.PathLike[str]"


def file_name(path: Path) -> str:
    """A path as a str, or an error that names the argument."""
    need = "a str or an os.PathLike"
    try:
        name = os.fsdecode(path)
    except TypeError:
        raise wrong_type("path", describe(path), need) from None
    if not name or "\0" in name:
        raise wrong_value("path", repr(name), f"{need} that names a file")
    return name


def write_whole(path: Path, data: bytes) -> None:
    """Put a file in its place whole or not at all, whatever ends the attempt."""
    name = os.path.realpath(file_name(path))  # a symbolic link stays one, as with open()
    folder = os.path.dirname(name)
    temporary = os.path.join(folder, f".cybptt-{secrets.token_hex(8)}.tmp")
    mode = _mode_of(name)
    try:
        with open(temporary, "xb") as file:
            if mode is not None:
                os.chmod(temporary, mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, name)
        _sync_folder(folder)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.filename == temporary:
            error.filename = name  # the name that the caller knows
        raise


def _mode_of(name: str) -> int | None:
    """The permissions that a file has, None where there is none; what open() refuses is refused."""
    try:
        mode = os.stat(name).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    if not stat.S_ISREG(mode):
        raise wrong_value("path", f"{name!r}, which is no regular file", "a file's name")
    if not os.access(name, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)
    return stat.S_IMODE(mode)


def _sync_folder(folder: str) -> None:
    """Bring the new name to the disk too, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
