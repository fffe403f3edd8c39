"""The ledger of one house while it runs: makes records, hands them to the disk, and knows which requests are open.

One process writes a ledger, which a lock sees to. Everything but `close` and the waiting is done at once, so that
records have the order in which things happened."""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path

from freehold.core.errors import LedgerError
from freehold.core.settings import LedgerMode
from freehold.ledger.energy import Mark, Meter
from freehold.ledger.record import Asked, Chain, Clock, Outcome
from freehold.ledger.recover import Found, look
from freehold.ledger.segments import SEGMENT_BYTES, Tail, segment_path
from freehold.ledger.writer import Writer, refused

_INTERRUPTED = Outcome("interrupted")
_CLOSING = Outcome("stopped", "house_closing")


class Ledger:
    """Open it with `opened`. `found` is what was there before; `interrupted` how many requests were open in it."""

    def __init__(self, folder: Path, found: Found, writer: Writer, chain: Chain, meter: Meter, lock: int) -> None:
        self.found = found
        self._folder = folder
        self._writer = writer
        self._chain = chain
        self._meter = meter
        self._lock = lock
        self._open: set[int] = set(found.open)
        self._segment_bytes = found.size_bytes

    @property
    def interrupted(self) -> int:
        return len(self.found.open)

    async def require(self) -> None:
        """Raise LedgerError where no request may be admitted, because it could not be recorded."""
        await self._writer.require()

    def admit(self, asked: Asked) -> tuple[int, Mark | None]:
        """Record an admission; its number, and the meter then. It counts once `durable` has returned."""
        line = self._chain.admission(asked)
        number = self._chain.seq
        self._open.add(number)
        self._put(line)  # which may begin a new file, with a record of its own
        return number, self._meter.begin()

    def settle(self, admission: int, outcome: Outcome, began: Mark | None) -> None:
        """Record how the request ended that had this admission. It counts once `durable` has returned."""
        if admission in self._open:
            self._open.discard(admission)
            self._put(self._chain.outcome(admission, outcome, self._meter.end(began)))

    async def durable(self) -> None:
        """Return once everything recorded so far counts. Raises LedgerError where it cannot be written."""
        await self._writer.durable(len(self._open))

    async def close(self) -> None:
        """End the run in order, what is open with it, and let another process have the ledger."""
        for admission in sorted(self._open):
            self._put(self._chain.outcome(admission, _CLOSING))
        self._open.clear()
        self._put(self._chain.stop())
        await self._writer.close()
        os.close(self._lock)

    def begin(self, *, version: str, mode: LedgerMode) -> None:
        """Record that a run begins, and close what the last one left open."""
        found = self.found
        if found.path is None:
            self._new_segment()
        self._put(self._chain.start(version=version, mode=mode, meter=self._meter.source, torn_bytes=len(found.torn)))
        for admission in found.open:
            self._open.discard(admission)
            self._put(self._chain.outcome(admission, _INTERRUPTED))

    def _put(self, line: bytes) -> None:
        self._writer.put(line)
        self._segment_bytes += len(line)
        if self._segment_bytes > SEGMENT_BYTES:
            self._new_segment()

    def _new_segment(self) -> None:
        self._writer.go_on_with(segment_path(self._folder, self._chain.seq + 1))
        line = self._chain.segment(self._open)
        self._writer.put(line)
        self._segment_bytes = len(line)


async def opened(
    folder: Path, mode: LedgerMode, *, version: str, meter: Meter | None = None, clock: Clock | None = None
) -> Ledger:
    """The ledger in `folder`, made where there is none, with a run begun in it. What a crash left is mended: a torn
    line is set aside, open requests are closed as interrupted. Raises LedgerError where it cannot be written or another
    process writes it."""
    try:
        lock = await asyncio.to_thread(_locked, folder)
        found = await asyncio.to_thread(_looked, folder)
        tail = Tail(found.path, found.size_bytes) if found.path is not None else None
    except OSError as error:
        raise refused(error) from error
    writer = Writer(tail, strict=mode == "strict")
    chain = Chain(found.chain, seq=found.seq, head=found.head, clock=clock)
    ledger = Ledger(folder, found, writer, chain, meter or Meter([]), lock)
    ledger.begin(version=version, mode=mode)
    try:
        await ledger.durable()
    except LedgerError:
        await writer.close()
        os.close(lock)
        raise
    return ledger


def _locked(folder: Path) -> int:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise LedgerError(
            f"Another process writes the ledger in {folder}.", hint="One house has one ledger: `freehold ps`."
        ) from error
    return descriptor


def _looked(folder: Path) -> Found:
    """What is there; the torn line is set aside before anything is written over it."""
    found = look(folder)
    if found.torn:
        (folder / f"torn-{found.seq + 1:012}").write_bytes(found.torn)
    return found
