"""Overwrites bytes where they lie, so that a magnetic disk holds no former version of them.

What is replaced has a second name until it is overwritten, `NAME.former`: so what a kill leaves is found, by the next
who replaces that file and by the next start of a house. Where the file system knows no second names, what is left
between the two stays.

What a program cannot promise: that another medium does not. SSDs move what is overwritten, and file systems that copy
on write, snapshots and backups hold what was."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from freehold.core.disk import sync_folder
from freehold.ledger.segments import opened

_ZEROS = bytes(1 << 20)
_NO_SECOND_NAMES = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)


def overwrite(descriptor: int, offset: int, size_bytes: int) -> None:
    """Let zeros be there. They are on the disk once that was waited for. Raises OSError."""
    while size_bytes > 0:
        written = os.pwrite(descriptor, memoryview(_ZEROS)[:size_bytes], offset)
        offset, size_bytes = offset + written, size_bytes - written


def wipe(path: Path) -> None:
    """Overwrite the whole file at `path`, where there is one, and wait for the disk. Raises OSError."""
    try:
        descriptor = opened(path, os.O_WRONLY)
    except FileNotFoundError:
        return
    try:
        _overwrite_whole(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replaced(path: Path) -> Iterator[None]:
    """What lies at `path` before is overwritten where it lies, and on the disk so, once it was replaced. Raises
    OSError."""
    finish(path)
    try:
        descriptor = opened(path, os.O_WRONLY)
    except FileNotFoundError:
        yield
        return
    is_over = False
    try:
        _name_twice(path)
        yield
        _overwrite_whole(descriptor)
        is_over = True
    finally:
        if is_over or os.fstat(descriptor).st_nlink > 1:  # else it was replaced, and is still to be overwritten
            former_of(path).unlink(missing_ok=True)
        os.close(descriptor)


def finish(path: Path) -> None:
    """Overwrite what `path` held before it was replaced, where a kill came between. What has another name is still
    valid, or somebody's copy, and stays. Raises OSError."""
    former = former_of(path)
    try:
        is_left = former.lstat().st_nlink == 1
    except FileNotFoundError:
        return
    if is_left:
        sync_folder(path.parent)  # what took its place is on the disk before it goes
        wipe(former)
    former.unlink()


def former_of(path: Path) -> Path:
    """The second name of what is being replaced."""
    return path.with_name(f"{path.name}.former")


def _name_twice(path: Path) -> None:
    try:
        os.link(path, former_of(path))
    except OSError as error:
        if error.errno not in _NO_SECOND_NAMES:
            raise


def _overwrite_whole(descriptor: int) -> None:
    overwrite(descriptor, 0, os.fstat(descriptor).st_size)
    os.fsync(descriptor)
