"""Locks between processes: flock(2) on a file, given back by the kernel when its holder ends, however it ends.

Two holders in one process exclude each other too, since every `hold` opens the file anew. Lock files are never
removed: removing one would let two holders lock two files of one name.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from freehold.store.durable import make_folder, writing

POLL_S = 0.1


@asynccontextmanager
async def hold(path: Path, *, waiting: Callable[[], None]) -> AsyncIterator[None]:
    """Hold the lock at `path`. `waiting` is called once if somebody else holds it."""
    import asyncio  # whoever waits runs it already; a command that only reads the store need not load it

    with _opened(path) as descriptor:
        if not _taken(descriptor):
            waiting()
            # The kernel offers no way to await a flock without a thread that a cancelled wait would leave behind.
            while not _taken(descriptor):  # noqa: ASYNC110 -- the event is another process's, only the kernel sees it
                await asyncio.sleep(POLL_S)
        yield


@contextmanager
def hold_briefly(path: Path) -> Iterator[None]:
    """Hold the lock at `path`, blocking until it is free: for steps of milliseconds only."""
    with _opened(path) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    make_folder(path.parent)
    with writing(path.parent):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
