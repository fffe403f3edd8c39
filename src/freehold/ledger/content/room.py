"""Room on the disk that is set aside beside what is kept, so that a full disk keeps nothing from being erased: an
erasure needs some for its note and its record. It is given up where the disk is full, and set aside again at the next
start, or before the next segment is begun: nothing is kept whose erasure has no room.

What it cannot promise: that no other program takes what was given up first, and that a file system which copies on
write has it at once."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from freehold.core.disk import replace_whole

FILE = "erasing.room"
ROOM_BYTES = 1 << 20
"""Several times the longest note and the longest record."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
T = TypeVar("T")


def set_aside(folder: Path) -> None:
    """See that the room is there. Raises OSError."""
    path = folder / FILE
    if not path.exists() or path.stat().st_size != ROOM_BYTES:
        replace_whole(path, os.urandom(ROOM_BYTES), mode=0o600)  # bytes of chance, which nothing compresses


def give_up(folder: Path) -> bool:
    """Let the disk have the room, where there is any. Raises OSError."""
    try:
        (folder / FILE).unlink()
    except FileNotFoundError:
        return False
    return True


def is_for_room(error: BaseException | None) -> bool:
    """Whether it came of a disk that is full."""
    while error is not None and not (isinstance(error, OSError) and error.errno in _FULL):
        error = error.__cause__
    return error is not None


def with_room(folder: Path, do: Callable[[], T]) -> T:
    """Do it, and where the disk is full once more without the room. Raises OSError."""
    try:
        return do()
    except OSError as error:
        if not is_for_room(error) or not give_up(folder):
            raise
    return do()
