"""Keeps content while a house runs: sealed, and on the disk no later than the record that names it.

What comes at one moment is sealed and written together, in a thread: those who wait share one write, and in strict mode
one wait for the disk. A record is made of what `keep` returned and of nothing else, so that no record names what is not
there. Where it cannot be written the request is refused as where its record could not be; what of it may be on the disk
all the same counts as content that no record names, and is taken away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from freehold.core.errors import FreeholdError, HouseKeyError, LedgerError
from freehold.ledger.content.container import Kept, Name
from freehold.ledger.content.house_key import KeyRing
from freehold.ledger.content.places import Place, places
from freehold.ledger.content.room import set_aside
from freehold.ledger.content.segment import Part, Segment, begun
from freehold.ledger.content.stay_clock import StayClock
from freehold.ledger.content.turns import adding
from freehold.ledger.record import Chain
from freehold.ledger.writer import SYNC_EVERY_S

SEGMENT_BYTES = 64 * 1024 * 1024
SEGMENT_RECORDS = 50_000
"""A new segment is begun past either, so that what no record names is found by looking at few records, and an exchange
of the keys keeps nobody waiting for longer than one segment takes."""
T = TypeVar("T")
_log = logging.getLogger("freehold.ledger")


@dataclass(slots=True)
class _Batch:
    """What is written together; `written` gives what each part was kept as, in order."""

    parts: list[Part] = field(default_factory=list)
    written: asyncio.Task[list[Kept]] | None = None


class Contents:
    """What is kept in `folder`, beside `chain`, sealed with the key in `ring`. Belongs to one event loop.

    `unnamed` holds when each content was kept that no record names yet, `in_flight` what each open admission names;
    `at_disk` is held while files are written."""

    def __init__(self, folder: Path, ring: KeyRing, chain: Chain, clock: StayClock, *, strict: bool) -> None:
        self.folder = folder
        self.ring = ring
        self.clock = clock
        self.unnamed: dict[Name, int] = {}
        self.in_flight: dict[int, Name] = {}
        self._doubtful: list[Name] = []
        self._chain = chain
        self._strict = strict
        self._segment: Segment | None = None
        self._begun_after = 0  # this record of the chain, whose number is not always the segment's
        self._batch: _Batch | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sync_soon: asyncio.TimerHandle | None = None
        self.at_disk = asyncio.Lock()

    @property
    def chain(self) -> str:
        """The name of the chain beside which it lies."""
        return self._chain.name

    @property
    def live(self) -> int | None:
        """The number of the segment that is written now."""
        return self._segment.place.segment if self._segment is not None else None

    async def ready(self) -> None:
        """Make the house's key where nothing is kept yet, and see that it can be used. Raises HouseKeyError."""
        await asyncio.to_thread(self.ring.sealing, self.folder)

    async def keep(self, plain: Callable[[], bytes], endpoint: str, keep_s: float) -> Kept:
        """Keep what `plain` makes, in a thread, for `keep_s`. Raises LedgerError; then what of it is on the disk is
        taken away as what no record names is."""
        if self._batch is None:
            self._batch = _Batch()
            self._batch.written = self._begin(self._write(self._batch))
        batch = self._batch
        assert batch.written is not None, "it was begun"
        place = len(batch.parts)
        batch.parts.append(Part(plain, endpoint, keep_s, self.clock.stamp_ms()))
        return (await asyncio.shield(batch.written))[place]

    def named(self, kept: Kept | None, admission: int | None = None) -> None:
        """A record names it now, that of an `admission` which is open."""
        if kept is not None:
            self.unnamed.pop(kept.name, None)
            if admission is not None:
                self.in_flight[admission] = kept.name

    async def close(self) -> None:
        """Put on the disk what was kept."""
        if self._sync_soon is not None:
            self._sync_soon.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._sync()
        self._leave()

    async def _write(self, batch: _Batch) -> list[Kept]:
        """Write a batch, which others join until the one before it is written."""
        async with self.at_disk:
            self._batch = None
            try:
                found = await asyncio.to_thread(self._written, batch.parts)
            except (OSError, FreeholdError) as error:
                _log.error("What requests ask is not kept: %s", error)
                self.unnamed.update(dict.fromkeys(self._doubtful, self.clock.stamp_ms()))
                self._doubtful.clear()
                raise _refused(error) from error
        self.unnamed.update({kept.name: part.at_ms for kept, part in zip(found, batch.parts, strict=True)})
        if not self._strict and self._sync_soon is None:
            self._sync_soon = asyncio.get_running_loop().call_later(SYNC_EVERY_S, self._begin_sync)
        return found

    def _written(self, parts: list[Part]) -> list[Kept]:
        """In a thread. A segment that could not be written is not gone on with."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with adding(self.folder):
                segment = self._with_room()
                first = Name(segment.place.segment, segment.count)
                self._doubtful = [first._replace(place=place) for place in range(first.place, first.place + len(parts))]
                found = segment.put(parts)
            if self._strict:
                segment.sync()
        except OSError:
            self._leave()
            raise
        self._doubtful.clear()
        return found

    def _with_room(self) -> Segment:
        segment, now = self._segment, self._chain.seq
        if segment is not None:
            has_room = segment.size_bytes < SEGMENT_BYTES and now - self._begun_after < SEGMENT_RECORDS
            if has_room and segment.is_valid:
                return segment
            segment.sync()
            self._leave()
        taken = [place.segment for place in places(self.folder)]
        number = max(now, taken[-1] + 1) if taken else now
        set_aside(self.folder)
        self._segment = begun(Place(self.folder, number), self._chain.name, self.ring)
        self._begun_after = now
        return self._segment

    def _leave(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.close()
            if not segment.count:
                segment.place.remove()

    def _begin_sync(self) -> None:
        """As the records of relaxed mode, what is kept is on the disk within a second or so."""
        self._sync_soon = None
        self._begin(self._sync())

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work, name="content")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _sync(self) -> None:
        async with self.at_disk:
            if self._segment is None:
                return
            try:
                await asyncio.to_thread(self._segment.sync)
            except OSError as error:
                _log.error("What was kept of requests may not be on the disk: %s.", error.strerror or error)
                self._leave()


def _refused(error: OSError | FreeholdError) -> LedgerError:
    """What a client is told; where the house's key lies is no business of theirs."""
    if isinstance(error, OSError):
        why = error.strerror or "the disk takes nothing"
    else:
        why = "the house's key cannot be used" if isinstance(error, HouseKeyError) else "its folder cannot be used"
    return LedgerError(
        f"What is asked cannot be kept: {why}. This endpoint answers nothing that it cannot keep.",
        hint="Make room on the ledger's disk, or let the house write its folder again; its log says what is wrong.",
    )
