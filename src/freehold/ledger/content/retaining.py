"""Erases what has been kept for as long as its endpoint says: at the start of a house, and every hour.

How long that is, is what the endpoint says now: a shorter time holds for what is there already. An endpoint that is not
there any more, or keeps nothing any more, keeps what it has for as long as it said when it came. What a request asked
that is still in flight stays until it has ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from freehold.core.errors import FreeholdError
from freehold.ledger.content.container import FOR_EVER, Name, Slot, endpoint_mark, keep_ms
from freehold.ledger.content.contents import Contents
from freehold.ledger.content.erasing import Erasures, Why, worded
from freehold.ledger.content.places import Place, places
from freehold.ledger.content.shelf import left
from freehold.ledger.content.spans import Span, spans

RETAIN_EVERY_S = 3600.0
UNNAMED_MS = 3_600_000
"""After so long no record will name a content any more: its request was cut off before it was admitted."""
WHY = Why("retention", "the house", "it was kept for as long as its endpoint says")
_log = logging.getLogger("freehold.ledger")


class Retention:
    """Retains what `contents` keep."""

    def __init__(self, contents: Contents, erasures: Erasures) -> None:
        self._contents = contents
        self._erasures = erasures
        self._running: asyncio.Task[None] | None = None

    def begin(self, keeps: Callable[[], Mapping[str, float]]) -> None:
        """Retain now, and every RETAIN_EVERY_S, by what `keeps` gives then."""
        self._running = asyncio.create_task(self._run(keeps), name="retention")
        self._running.add_done_callback(_tell)

    async def close(self) -> None:
        """End that. An erasure under way is carried out to its end by the next start."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def retain(self, keeps: Mapping[str, float]) -> int:
        """Erase what is over, and what was held for long enough without a name; `keeps` says for how many seconds each
        endpoint keeps, by name. How many contents were there. Raises LedgerError."""
        contents = self._contents
        if not contents.folder.is_dir():
            return 0
        stays = {endpoint_mark(name): keep_ms(keep_s) for name, keep_s in keeps.items()}
        now_ms = contents.clock.now_ms()
        spared = {*contents.unnamed, *contents.in_flight.values()}
        with worded():
            over, empty = await asyncio.to_thread(_over, contents.folder, stays, now_ms, spared)
        erased = await self._erasures.erase(over, WHY)
        lost = [name for name, at_ms in contents.unnamed.items() if at_ms + UNNAMED_MS <= now_ms]
        await self._erasures.take_away(spans(lost), empty)
        for name in lost:
            contents.unnamed.pop(name, None)
        return erased + await self._erasures.let_go()

    async def _run(self, keeps: Callable[[], Mapping[str, float]]) -> None:
        while True:
            try:
                erased = await self.retain(keeps())
                if erased:
                    _log.info("%d contents were erased: they had been kept for as long as is said.", erased)
            except FreeholdError as error:
                _log.warning("What is kept too long was not erased: %s", error)
            await asyncio.sleep(RETAIN_EVERY_S)


def _tell(ended: asyncio.Task[None]) -> None:
    """Only a defect of this program ends it before its house: then whoever runs the house is to know."""
    if not ended.cancelled() and (error := ended.exception()) is not None:
        _log.error("What is kept too long is erased no more until the house starts anew.", exc_info=error)


def _over(
    folder: Path, stays: Mapping[bytes, int], now_ms: int, spared: Collection[Name]
) -> tuple[list[Span], list[Place]]:
    """Whose time is over, and the segments in which nothing is left."""
    over: list[Name] = []
    empty: list[Place] = []
    for place in places(folder):
        there = list(left(place))
        over += [name for name, slot in there if _until_ms(slot, stays) <= now_ms and name not in spared]
        if not there:
            empty.append(place)
    return spans(over), empty


def _until_ms(slot: Slot, stays: Mapping[bytes, int]) -> int:
    stay = stays.get(slot.endpoint, slot.keep_ms)
    return FOR_EVER if stay == FOR_EVER else slot.at_ms + stay
