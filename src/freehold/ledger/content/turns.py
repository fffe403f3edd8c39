"""Who may touch what is kept, and when: those who copy it, change it, and add to it, in whatever process they are."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from freehold.core.errors import LedgerError

_BUSY, _ADDING = "lock", "new-lock"
ADDING_WAIT_S, _LOOK_AGAIN_S = 30.0, 0.01


@contextmanager
def left_alone(folder: Path) -> Iterator[None]:
    """Nothing is erased or sealed anew meanwhile: for whoever takes a copy. Raises LedgerError."""
    with _unless_busy(folder, fcntl.LOCK_SH):
        yield


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Nobody else changes what is kept, or takes a copy of it. Raises LedgerError where somebody does."""
    with _unless_busy(folder, fcntl.LOCK_EX):
        yield


@contextmanager
def adding(folder: Path, *, alone: bool = False) -> Iterator[None]:
    """Content is added under the keys as they are now; `alone` waits until none is, and keeps it so. Raises LedgerError
    where another process keeps it so for longer than ADDING_WAIT_S: it was stopped."""
    with _lock(folder / _ADDING) as descriptor:
        if alone:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        else:
            _share(descriptor, folder)
        yield


@contextmanager
def _unless_busy(folder: Path, how: int) -> Iterator[None]:
    with _lock(folder / _BUSY) as descriptor:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LedgerError(
                f"What is kept in {folder} is being copied, or erased from, or sealed anew, by another process.",
                hint="Wait for `freehold backup`, `freehold ledger erase` or `freehold ledger new-key` to end, and try "
                "again.",
            ) from error
        yield


def _share(descriptor: int, folder: Path) -> None:
    until_s = time.monotonic() + ADDING_WAIT_S
    while not _is_shared(descriptor):
        if time.monotonic() >= until_s:
            raise LedgerError(
                f"The key of what is kept in {folder} is being exchanged by a process that does not go on.",
                hint="Let `freehold ledger new-key` end, or end it and call it again.",
            )
        time.sleep(_LOOK_AGAIN_S)


def _is_shared(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _lock(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
