"""The ledger of one house while it runs: makes records, hands them to the disk, and knows which requests are open.
Where content is kept, it names it, and says in the chain what of it was erased and who opened it (`ledger.content`).

Everything but `close` and the waiting is done at once, so that records have the order in which things happened."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from freehold.core.settings import LedgerMode
from freehold.ledger.appender import Appender, appending
from freehold.ledger.content.container import Kept
from freehold.ledger.content.contents import Contents
from freehold.ledger.content.erasing import Erasures
from freehold.ledger.content.house_key import FILE as KEY_FILE
from freehold.ledger.content.house_key import KeyRing
from freehold.ledger.content.named import never_kept
from freehold.ledger.content.places import FOLDER
from freehold.ledger.content.rekeyed import Rekeyed
from freehold.ledger.content.retaining import Retention
from freehold.ledger.content.spans import Span
from freehold.ledger.content.stay_clock import StayClock
from freehold.ledger.energy import LOOK_EVERY_S, Mark, Meter
from freehold.ledger.record import Asked, Clock, Energy, Outcome
from freehold.ledger.recover import Found
from freehold.ledger.segments import ALONE_SEGMENT_BYTES, SEGMENT_BYTES

_INTERRUPTED = Outcome("interrupted")
_CLOSING = Outcome("stopped", "house_closing")


class Ledger:
    """Open it with `opened`. `found` is what was there before; `interrupted` how many requests were open in it.
    `contents` keeps content, `erasures` erases it, and `retention` does when its time is over."""

    def __init__(self, appender: Appender, meter: Meter, contents: Contents) -> None:
        self.contents = contents
        self.erasures = Erasures(contents, self.enter, appender.on_disk)
        self.retention = Retention(contents, self.erasures)
        self._appender = appender
        self._chain = appender.chain
        self._meter = meter
        self._open: set[int] = set(appender.found.open)
        self._looking: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Task[None] | None = None

    @property
    def found(self) -> Found:
        return self._appender.found

    @property
    def chain(self) -> str:
        """The chain's name."""
        return self._chain.name

    @property
    def interrupted(self) -> int:
        return len(self.found.open)

    async def require(self) -> None:
        """Raise LedgerError where no request may be admitted, because it could not be recorded."""
        await self._appender.require()

    def admit(self, asked: Asked, kept: Kept | None = None) -> tuple[int, Mark | None]:
        """Record an admission; its number, and the meter then. It counts once `durable` has returned."""
        line = self._chain.admission(asked, kept)
        number = self._chain.seq
        self.contents.named(kept, number)
        self._open.add(number)
        self._put(line)  # which may begin a new file, with a record of its own
        return number, self._meter.begin()

    def settle(self, admission: int, outcome: Outcome, began: Mark | None, kept: Kept | None = None) -> Energy | None:
        """Record how the request ended that had this admission; gives its energy, None is unknown. It counts once
        `durable` has returned."""
        if admission not in self._open:
            return None
        self._open.discard(admission)
        energy = self._meter.end(began)
        self._put(self._chain.outcome(admission, outcome, energy, kept))
        self.contents.named(kept)
        self.contents.in_flight.pop(admission, None)
        return energy

    async def to_its_end(self, ending: Coroutine[Any, Any, None]) -> None:
        """Await `ending`, which records how a request ended; it goes on where whoever awaits it is cancelled."""
        task = asyncio.ensure_future(ending)
        self._ending.add(task)
        task.add_done_callback(self._ended)
        await asyncio.shield(task)

    def enter(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Record what is no request's. It is on the disk once `on_disk` has returned."""
        self._put(self._chain.entry(kind, fields))

    async def never_kept(self, these: Sequence[Span]) -> Span | None:
        """The first of these spans with a place at which nothing was ever kept, None for none. Raises LedgerError."""
        folder = self.contents.folder
        return await asyncio.to_thread(never_kept, folder, folder.parent, these)

    async def accessed(self, admission: int, *, by: str, reason: str | None) -> None:
        """Record that somebody is about to open what was kept of a request. Returns once that is on the disk. Raises
        LedgerError."""
        await self._said("access", {"by": by, "of": admission, "reason": reason})

    async def rekeyed(self, made: Rekeyed, *, by: str) -> None:
        """Record that the keys which open kept content were exchanged, before the former ones go. Returns once that is
        on the disk. Raises LedgerError."""
        await self._said("rekey", {"by": by, **made.fields})

    async def durable(self) -> None:
        """Return once everything recorded so far counts. Raises LedgerError where it cannot be written."""
        await self._appender.durable()

    async def close(self) -> None:
        """End the run in order, what is open with it, and let another process have the ledger. That goes on where
        whoever awaits it is cancelled; who closes again waits for the same end."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="closing the ledger")
        await asyncio.shield(self._closing)

    def begin(self, *, version: str, mode: LedgerMode, alone: bool = False) -> None:
        """Record that a run begins, and close what the last one left open."""
        found = self.found
        self._appender.begin()
        source, torn_bytes = self._meter.source, found.torn_bytes
        self._put(self._chain.start(version=version, mode=mode, meter=source, torn_bytes=torn_bytes, alone=alone))
        for admission in found.open:
            self._open.discard(admission)
            self._put(self._chain.outcome(admission, _INTERRUPTED))

    def look(self) -> None:
        """Read what counts energy, now and from time to time."""
        self._meter.look()
        self._looking = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self.look)

    async def _said(self, kind: str, fields: Mapping[str, Any]) -> None:
        await self.require()
        self.enter(kind, fields)
        await self._appender.on_disk()

    async def _close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        try:
            await self.retention.close()
            if self._ending:
                await asyncio.wait(self._ending)
            await self.contents.close()
            await self.erasures.close()
        finally:  # a loop that ends cancels this too
            for admission in sorted(self._open):
                self._put(self._chain.outcome(admission, _CLOSING))
            self._open.clear()
            self._put(self._chain.stop())
            await self._appender.close()

    def _put(self, line: bytes) -> None:
        self._appender.put(line, self._open)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._ending.discard(task)
        if not task.cancelled():
            task.exception()  # it was raised to whoever still awaits it


async def opened(
    folder: Path,
    mode: LedgerMode,
    *,
    version: str,
    ring: KeyRing | None = None,
    meter: Meter | None = None,
    clock: Clock | None = None,
    alone: bool = False,
) -> Ledger:
    """The ledger in `folder`, made where there is none, with a run begun in it, `alone` where it is no house's. What a
    crash left is mended: a torn line is set aside, open requests are closed as interrupted, kept content that no record
    names is removed. `ring` is what content is sealed with, by default a key beside the folder. Raises LedgerError
    where it cannot be written or another process writes it, NewerFormatError where a newer Freehold wrote it."""
    most_bytes = ALONE_SEGMENT_BYTES if alone else SEGMENT_BYTES
    appender = await appending(folder, strict=mode == "strict", clock=clock, most_bytes=most_bytes)
    ring = ring or KeyRing(folder.parent / KEY_FILE)
    stays = StayClock(clock or Clock(), appender.found.last_ms)
    contents = Contents(folder / FOLDER, ring, appender.chain, stays, strict=mode == "strict")
    ledger = Ledger(appender, meter or Meter([]), contents)
    try:
        ledger.begin(version=version, mode=mode, alone=alone)
        await ledger.durable()
        ledger.look()
        await ledger.erasures.mend(folder)
    except BaseException:
        await ledger.close()
        raise
    return ledger
