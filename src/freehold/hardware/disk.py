"""How fast weights are read from a folder's disk: measured, past the kernel's cache (O_DIRECT, open(2)).

It reads the largest file that is there, else one it writes and removes. In a virtual machine the host's own cache may
answer faster than its disk. Where a file system has no such reads, and on systems without them, it is unknown.
"""

from __future__ import annotations

import mmap
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from freehold.core.quantity import Measured, Quantity, Unknown
from freehold.hardware.reading import text

RUNS = 5
PIECE_BYTES = 4 * 2**20
RUN_PIECES = 8
"""A run reads 32 MiB, so that five of them take under two seconds on a disk of 100 MB/s."""
_RUN_BYTES = PIECE_BYTES * RUN_PIECES


def read_speed(folder: Path) -> Quantity:
    """Bytes/s of `RUNS` runs over different parts of one file."""
    flag = getattr(os, "O_DIRECT", None)
    if flag is None:
        return Unknown("this system has no reads past its cache")
    place = next((each for each in (folder, *folder.parents) if each.is_dir()), None)
    if place is None:
        return Unknown(f"{folder} is not there")
    if _kept_in_memory(place):
        return Unknown(f"{place} is kept in memory")
    try:
        with _file(place) as (path, size_bytes):
            speeds = [_run(path, flag, number * _RUN_BYTES % (size_bytes - _RUN_BYTES + 1)) for number in range(RUNS)]
    except OSError as error:
        return Unknown(f"{place}: {error.strerror or error}")
    day = datetime.now(UTC).date().isoformat()
    return Measured(statistics.median(speeds), min(speeds), max(speeds), RUNS, day)


def _kept_in_memory(folder: Path) -> bool:
    """Whether the file system of `folder` is one without a disk; its line in the mounts is the longest above it."""
    rows = (line.split() for line in text(Path("/proc/self/mounts")).splitlines())
    mounts = [(row[1], row[2]) for row in rows if folder.resolve().is_relative_to(row[1])]
    return max(mounts, key=lambda mount: len(mount[0]), default=("", ""))[1] in {"tmpfs", "ramfs"}


@contextmanager
def _file(folder: Path) -> Iterator[tuple[Path, int]]:
    """A file of at least two runs: the largest build that the store at `folder` holds, else a new one, then removed."""
    size_bytes, largest = max(((path.stat().st_size, path) for path in folder.glob("builds/*/*")), default=(0, folder))
    if size_bytes >= 2 * _RUN_BYTES:
        yield largest, size_bytes
        return
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".read-speed-") as file:
        for _ in range(2 * RUN_PIECES):
            file.write(os.urandom(PIECE_BYTES))
        file.flush()
        os.fsync(file.fileno())
        yield Path(file.name), 2 * _RUN_BYTES


def _run(path: Path, flag: int, offset: int) -> float:
    """Bytes/s of one run from `offset` on, rounded down to what direct reads are aligned to."""
    start = offset // mmap.PAGESIZE * mmap.PAGESIZE
    descriptor = os.open(path, os.O_RDONLY | flag)
    try:
        with mmap.mmap(-1, PIECE_BYTES) as buffer:
            began = time.perf_counter()
            read = sum(os.preadv(descriptor, [buffer], start + piece * PIECE_BYTES) for piece in range(RUN_PIECES))
            return read / (time.perf_counter() - began)
    finally:
        os.close(descriptor)
