"""How lines reach the disk. Every line is handed to the kernel at once, which survives the end of the house however it
comes; when a record counts is the mode's to say.

`strict` waits for the disk: whoever waits at one moment shares one fdatasync (group commit), in a thread (`syncs`), so
that a slow disk holds up those who wait and nobody else. `relaxed` asks the disk once a second and waits for the kernel
alone: a power failure may take the last second, the end of a process nothing.

What cannot be written is kept and written first when the disk takes it again, so that the chain on it has no gap; until
then nothing new is begun.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from collections.abc import Callable
from pathlib import Path

from freehold.core.disk import sync_folder
from freehold.core.errors import LedgerError
from freehold.ledger.segments import Tail
from freehold.ledger.syncs import Job, Syncs

SYNC_EVERY_S = 1.0
RETRY_EVERY_S = 1.0
GATHER_S = 0.002
"""How long at most those who wait are gathered: each fdatasync costs the house a change of threads."""
_log = logging.getLogger("freehold.ledger")


class Writer:
    """Appends lines to `tail`, or to the segment that the first `go_on_with` names. Belongs to one event loop.

    `refusal` says, to those who wait and in the log, what it means that nothing can be written. `let_go` is called, in
    a thread, once nothing will be written any more, however that came."""

    def __init__(
        self,
        tail: Tail | None,
        *,
        strict: bool,
        refusal: Callable[[OSError], LedgerError],
        let_go: Callable[[], None],
    ) -> None:
        self._refusal = refusal
        self._let_go = let_go
        self._tail = tail
        self._strict = strict
        self._loop = asyncio.get_running_loop()
        self._unwritten: list[bytes | Path] = []
        self._unsynced: list[bytes] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._failure: OSError | None = None
        self._retry_at_s = 0.0
        self._job: Job | None = None
        self._planned = False
        self._is_closed = False
        self._syncs = Syncs(self._ended, self._release)
        self._ticking = self._loop.call_later(SYNC_EVERY_S, self._tick)

    def put(self, line: bytes) -> None:
        """Append a line with its end."""
        if self._failure is None and self._tail is not None and not self._unwritten:
            try:
                self._tail.write(line)
                self._unsynced.append(line)
                return
            except OSError as error:
                self._fail(error)
        self._unwritten.append(line)

    def go_on_with(self, path: Path) -> None:
        """Append to another segment from now on."""
        self._unwritten.append(path)
        if self._failure is None:
            self._write_on()

    async def durable(self) -> None:
        """Return once everything put so far counts. Raises LedgerError where it cannot be written."""
        await self._counts(on_disk=self._strict)

    async def on_disk(self) -> None:
        """Return once the disk has everything put so far, whatever the mode; it is asked though it took nothing a
        moment ago. Raises LedgerError."""
        if self._failure is not None:
            await self._attempt()
        await self._counts(on_disk=True)

    async def require(self) -> None:
        """Raise LedgerError while the disk takes nothing; tries again at most once a second."""
        if self._failure is None:
            return
        if time.monotonic() < self._retry_at_s:
            raise self._refusal(self._failure)
        await self._attempt()

    async def close(self) -> None:
        """Put everything on the disk that it takes, and let go. Who is cancelled meanwhile does not wait for that."""
        self._ticking.cancel()
        try:
            await (self._attempt() if self._failure is not None else self._synced())
        except LedgerError:
            _log.error("The last records could not be written.")
        finally:
            self._end()
        await self._syncs.over()

    def _end(self) -> None:
        """Write nothing any more: another process may have the files as soon as the disk has answered."""
        self._is_closed = True
        self._failure = OSError(errno.EBADF, "it is closed")
        waiting, self._waiting = self._waiting, []
        self._tell(waiting, self._failure)
        self._syncs.end()

    def _release(self) -> None:
        if self._tail is not None:
            self._tail.close()
        self._let_go()

    async def _counts(self, *, on_disk: bool) -> None:
        if self._failure is not None:
            raise self._refusal(self._failure)
        if self._unwritten or (on_disk and (self._unsynced or self._job)):
            await self._synced()

    async def _attempt(self) -> None:
        """Write what could not be written, and ask the disk. Raises LedgerError."""
        self._retry_at_s = time.monotonic() + RETRY_EVERY_S
        if not self._write_on():
            assert self._failure is not None, "it is tried again where it failed"
            raise self._refusal(self._failure)
        await self._synced()
        if not self._is_closed:
            self._failure = None
            self._write_on()
            _log.warning("Records can be written again.")

    async def _synced(self) -> None:
        """Return once the disk has everything put so far. Raises LedgerError."""
        waiting: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(waiting)
        self._plan()
        await waiting

    def _plan(self) -> None:
        """Ask the disk for those who wait once no more of them come."""
        if self._job is None and self._waiting and not self._planned:
            self._planned = True
            self._loop.call_soon(self._gather, 0, self._loop.time() + GATHER_S)

    def _gather(self, came: int, until_s: float) -> None:
        """Once for each turn of the loop: `came` had come by the last one."""
        if len(self._waiting) > came and self._loop.time() < until_s:
            self._loop.call_soon(self._gather, len(self._waiting), until_s)
        else:
            self._sync()

    def _tick(self) -> None:
        """What nobody waits for is on the disk within a second too; and so long it takes to notice that the segment is
        not where it was."""
        self._ticking = self._loop.call_later(SYNC_EVERY_S, self._tick)
        if self._failure is not None or not self._write_on():
            return
        if self._unsynced and self._job is None and not self._planned:
            self._sync()

    def _write_on(self) -> bool:
        """Write what is left, in order; whether all of it is written. Another segment waits for the thread."""
        if self._is_closed:
            return False
        try:
            if self._tail is not None:
                self._tail.require_name()
            while self._unwritten:
                piece = self._unwritten[0]
                if isinstance(piece, Path):
                    if self._job is not None:
                        return False
                    self._change_to(piece)
                else:
                    assert self._tail is not None, "a segment comes before its lines"
                    self._tail.write(piece)
                    self._unsynced.append(piece)
                del self._unwritten[0]
        except OSError as error:
            self._fail(error)
            return False
        return True

    def _change_to(self, path: Path) -> None:
        """The old segment is whole on the disk before the new one has a name. Raises OSError."""
        old = self._tail
        if old is not None:
            try:
                old.sync(old.size_bytes)
            except OSError as error:
                self._rewrite(error)
                raise
            self._unsynced.clear()
        fresh = Tail(path, 0)
        try:
            sync_folder(path.parent)
        except OSError:
            fresh.close()
            raise
        self._tail = fresh
        if old is not None:
            old.close()

    def _sync(self) -> None:
        self._planned = False
        assert self._tail is not None, "a ledger's first record is in a segment"
        waiting, self._waiting = self._waiting, []
        self._job = Job(self._tail, self._tail.size_bytes, len(self._unsynced), waiting)
        self._syncs.ask(self._job)

    def _ended(self, job: Job, failure: OSError | None) -> None:
        self._job = None
        if failure is not None:
            self._rewrite(failure)
        else:
            del self._unsynced[: job.lines]
            if self._failure is None and self._unwritten:
                self._write_on()
        self._tell(job.waiting, failure)
        self._plan()

    def _rewrite(self, failure: OSError) -> None:
        """Count what the disk did not take as not written."""
        assert self._tail is not None, "it was asked for"
        self._tail.unwrite()
        self._unwritten[:0], self._unsynced = self._unsynced, []
        self._fail(failure)

    def _fail(self, error: OSError) -> None:
        if self._failure is None:
            _log.error("%s", self._refusal(error).message)
        self._failure, self._retry_at_s = error, time.monotonic() + RETRY_EVERY_S
        waiting, self._waiting = self._waiting, []
        self._tell(waiting, error)

    def _tell(self, waiting: list[asyncio.Future[None]], failure: OSError | None) -> None:
        for future in waiting:
            if future.done():
                continue
            if failure is None:
                future.set_result(None)
            else:
                future.set_exception(self._refusal(failure))


def refused(error: OSError) -> LedgerError:
    """What a client is told, and the person who runs the house, while the ledger takes nothing."""
    refusal = LedgerError(
        f"The ledger cannot be written: {error.strerror or error}. No request is answered that it cannot record.",
        hint="Make room on its disk, or let the house write its folder again, and it goes on by itself. [ledger] of "
        "freehold.toml says where it lies.",
    )
    refusal.__cause__ = error
    return refusal
