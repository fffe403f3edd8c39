"""Writing that survives: atomic replacement, fsync of files and folders, and the one translation of disk errors.

Only local disk work belongs under `writing`: network libraries raise OSError too, and theirs mean something else.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from freehold.core import disk
from freehold.core.errors import NoSpaceError, ReadOnlyError, StoreError

# Room left for everything else on the disk after a pull.
MARGIN_BYTES = 64 * 1024 * 1024

_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Translate what the disk refuses while `folder` is written to: ReadOnlyError or StoreError."""
    try:
        yield
    except OSError as error:
        raise _translated(error, folder) from error


def make_folder(folder: Path) -> Path:
    """Make `folder` and those above it. Raises ReadOnlyError where that is not allowed."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_whole(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """`replace_whole` with the errors of this house."""
    with writing(path.parent):
        disk.replace_whole(path, data, mode=mode)


def sync_file(path: Path) -> None:
    """Wait until the content of `path` is on the disk."""
    with writing(path.parent), path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in `folder` are on the disk."""
    with writing(folder):
        disk.sync_folder(folder)


def require_space(folder: Path, *, download_bytes: int = 0, unpacked_bytes: int = 0) -> None:
    """Raise NoSpaceError unless the disk of `folder`, which must be there, has that much and a margin free."""
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < download_bytes + unpacked_bytes + MARGIN_BYTES:
        raise NoSpaceError(
            str(folder),
            download_bytes=download_bytes,
            unpacked_bytes=unpacked_bytes,
            reserve_bytes=MARGIN_BYTES,
            free_bytes=free_bytes,
        )


def _translated(error: OSError, folder: Path) -> StoreError:
    if error.errno in _READ_ONLY:
        return ReadOnlyError(
            f"{folder} cannot be written: {error.strerror}.",
            hint="Set FREEHOLD_HOME to a folder of your own, or ask whoever owns this one to do it.",
            folder=str(folder),
        )
    if error.errno in _FULL:
        return StoreError(
            f"The disk of {folder} is full: {error.strerror}. What was downloaded is kept.",
            hint="Free some with `freehold rm`, then pull again: it goes on where it was.",
            folder=str(folder),
        )
    return StoreError(f"{folder} cannot be written: {error.strerror}.", folder=str(folder))
