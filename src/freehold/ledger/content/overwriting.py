"""Overwrites bytes where they lie, so that a magnetic disk holds no former version of them.

What a program cannot promise: that another medium does not. SSDs move what is overwritten, and file systems that copy
on write, snapshots and backups hold what was."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from freehold.ledger.segments import opened

_ZEROS = bytes(1 << 20)


def overwrite(descriptor: int, offset: int, size_bytes: int) -> None:
    """Let zeros be there. They are on the disk once that was waited for. Raises OSError."""
    while size_bytes > 0:
        written = os.pwrite(descriptor, memoryview(_ZEROS)[:size_bytes], offset)
        offset, size_bytes = offset + written, size_bytes - written


def wipe(path: Path) -> None:
    """Overwrite the whole file at `path`, where there is one, and wait for the disk. Raises OSError."""
    with replaced(path):
        pass


@contextmanager
def replaced(path: Path) -> Iterator[None]:
    """What lies at `path` before is overwritten where it lies, and on the disk so, once it was replaced. Raises
    OSError."""
    try:
        descriptor = opened(path, os.O_WRONLY)
    except FileNotFoundError:
        yield
        return
    try:
        yield
        overwrite(descriptor, 0, os.fstat(descriptor).st_size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
