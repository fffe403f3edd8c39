"""The files that a ledger lies in: one chain, cut into segments that are named by their first record's number.

A segment is only ever appended to. Appending needs no more than the file system's own promise, that a file's size grows
after its content is there (ext4's ordered mode, XFS): what a crash leaves is a line without its end, the last of the
last file, and nothing else. Any other damage was not done by a crash of this program."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from freehold.core.errors import LedgerError

SEGMENT_BYTES = 16 * 1024 * 1024
"""A new file is begun past this size: what is read at every start."""
ALONE_SEGMENT_BYTES = 1024 * 1024
"""And past this one where no house writes it, but processes of which each may answer once."""
LONGEST_LINE_BYTES = 1024 * 1024
_PREFIX, _SUFFIX = "records-", ".jsonl"


def segment_path(folder: Path, first: int) -> Path:
    """The segment whose first record has the number `first`."""
    return folder / f"{_PREFIX}{first:012}{_SUFFIX}"


def segments(folder: Path) -> list[Path]:
    """Every segment of the ledger in `folder`, in order. Raises LedgerError where nobody may look."""
    try:
        return sorted(path for path in folder.iterdir() if path.name.startswith(_PREFIX) and path.suffix == _SUFFIX)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(folder, error) from error


def since(paths: list[Path], record: int) -> list[Path]:
    """The segments of `paths`, which are all of a ledger, from the one on that holds this record."""
    before = [n for n, path in enumerate(paths) if path.name <= segment_path(path.parent, max(0, record)).name]
    return paths[before[-1] :] if before else paths


def lines(path: Path) -> Iterator[bytes]:
    """The lines of one segment as they are on the disk, each with its line end but perhaps the last. A line beyond the
    longest there can be comes in pieces, none of which is a record. Raises LedgerError where it cannot be read."""
    try:
        with os.fdopen(opened(path), "rb") as file:
            while line := file.readline(LONGEST_LINE_BYTES):
                yield line
    except OSError as error:
        raise unreadable(path, error) from error


def opened(path: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of the file at `path`, to read it or as `flags` say; one that is made is its owner's alone. Raises
    OSError, also for what is no file: opening a pipe would wait for ever."""
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is no file", str(path))


class Tail:
    """The segment that is appended to. `path` may be there already, with `size_bytes` of whole lines in it."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self._descriptor = opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._ragged = True  # what lies beyond the whole lines goes before the next is written
        self._synced_bytes = size_bytes

    def write(self, data: bytes) -> None:
        """Append whole lines: all of `data`, or nothing that stays. Raises OSError."""
        if self._ragged:
            os.ftruncate(self._descriptor, self.size_bytes)
        self._ragged = True
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self.size_bytes += len(data)
        self._ragged = False

    def sync(self, size_bytes: int) -> None:
        """Wait until the first `size_bytes`, which were written before, are on the disk. Raises OSError."""
        os.fdatasync(self._descriptor)
        self._synced_bytes = size_bytes

    def require_name(self) -> None:
        """Raise OSError where the name leads to another file or none: what is appended here nobody would find."""
        mine, named = os.fstat(self._descriptor), self.path.stat()
        if (mine.st_dev, mine.st_ino) != (named.st_dev, named.st_ino):
            raise FileNotFoundError(errno.ENOENT, "another file has taken its place", str(self.path))

    def unwrite(self) -> None:
        """Count what was not synced as not written, so that it is written anew: after a sync that failed the kernel may
        forget what it could not keep, and then call the next one a success."""
        self.size_bytes, self._ragged = self._synced_bytes, True

    def close(self) -> None:
        os.close(self._descriptor)


def unreadable(path: Path, error: OSError) -> LedgerError:
    return LedgerError(
        f"{path} cannot be read: {error.strerror or error}.", hint="Ask as the account that runs the house."
    )
