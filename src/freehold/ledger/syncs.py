"""Waits for the disk in a thread of its own, for a chain's writer, whose loop goes on meanwhile.

One wait at a time: of two who ask at once the kernel tells an error to one. What nobody ended before its loop was
closed nobody can any more; the next who opens a chain lets go of it."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from freehold.ledger.segments import Tail


@dataclass(slots=True)
class Job:
    """One fdatasync: of what, how many of its bytes and of the lines that are not synced it covers, and who waits for
    it."""

    tail: Tail
    size_bytes: int
    lines: int
    waiting: list[asyncio.Future[None]]


class Syncs:
    """Belongs to the event loop that runs. `ended` is called in it with each job and what went wrong; `let_go` in the
    thread, once and after the last job, however the end came."""

    def __init__(self, ended: Callable[[Job, OSError | None], None], let_go: Callable[[], None]) -> None:
        self._ended = ended
        self._let_go = let_go
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        _open.add(self)
        self._thread.start()

    def ask(self, job: Job) -> None:
        self._jobs.put(job)

    def end(self) -> None:
        """Take no more; what was asked is waited for."""
        self._jobs.put(None)

    async def over(self) -> None:
        """Return once `let_go` has."""
        await self._over.wait()  # no pool of threads: an interpreter that ends has none any more

    def end_if_abandoned(self) -> None:
        """Where the loop is closed that this belongs to, end it; returns once it has. Called in a thread."""
        if self._loop.is_closed():
            self.end()
            self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            failure: OSError | None = None
            try:
                job.tail.sync(job.size_bytes)
            except OSError as error:
                failure = error
            self._call(partial(self._ended, job, failure))
        self._let_go()
        _open.discard(self)
        self._call(self._over.set)

    def _call(self, what: Callable[[], None]) -> None:
        """Call it in the loop, from the thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for it
            self._loop.call_soon_threadsafe(what)


_open: set[Syncs] = set()


def let_go_of_abandoned() -> None:
    """Let go of what nobody closed before its loop was closed. Blocks until the disk has answered what it was asked, so
    it is called in a thread."""
    for syncs in [*_open]:
        syncs.end_if_abandoned()
