"""Opens files where another hand may have put something else: a pipe that never speaks, a device, a giant."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO


def open_regular(path: Path) -> IO[bytes]:
    """`path` opened for reading, unbuffered. Raises OSError, also where it is no regular file: that would wait for a
    writer, or have no end. Symbolic links are followed."""
    # O_NONBLOCK: opening a pipe waits for its other end otherwise (fifo(7)); to a regular file it means nothing.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return os.fdopen(descriptor, "rb", buffering=0)


def let_read(path: Path) -> str:
    """What to do where this account may not read `path`: nothing of it has to go."""
    return f"Ask its owner to let this account read it (`chmod a+r {path}`, and a+x on its folders)."


def read_bounded(path: Path, most_bytes: int) -> bytes:
    """All of the regular file at `path`. Raises OSError, also where it has more than `most_bytes`."""
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > most_bytes:
            raise OSError(errno.EFBIG, f"it has more than {most_bytes:,} bytes", str(path))
        data = b""
        while len(data) <= most_bytes and (chunk := file.read(most_bytes + 1 - len(data))):
            data += chunk
        return data[:most_bytes]
