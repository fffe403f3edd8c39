"""Erases kept content so that the chain says it: what, when, by whom and why.

What is to go is written down first, in `erasing.json`; then the chain has its record, on the disk; then the content is
destroyed; then the note goes. So a crash at any point leaves something that the next start carries out to its end, and
no content is gone without a record. What no record names is found at a start, which the chain says too, and goes after
a week (`unnamed`): nobody could ask for its erasure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from freehold.core.errors import HouseKeyError, LedgerError, NewerFormatError
from freehold.ledger.content import note, unnamed
from freehold.ledger.content.contents import Contents
from freehold.ledger.content.destroying import destroy, sweep
from freehold.ledger.content.erased import UNNAMED
from freehold.ledger.content.overwriting import wipe
from freehold.ledger.content.places import Place, places
from freehold.ledger.content.room import give_up, is_for_room, set_aside
from freehold.ledger.content.spans import Span, count, spans
from freehold.ledger.content.turns import changing

SPANS_AT_ONCE = 4096
"""In one record: what is longer than a line can be is said in several."""
_log = logging.getLogger("freehold.ledger")


@dataclass(frozen=True, slots=True)
class Why:
    """Why content is erased: because somebody asked for it, its time is over, or no record names it."""

    cause: Literal["asked", "retention", "unnamed"]
    by: str
    reason: str | None = None


_UNNAMED = Why(UNNAMED, "the house", "no record named it within a week")


class Erasures:
    """Erases from `contents`. `enter` appends a record of that kind with these fields, `on_disk` waits until the disk
    has what was appended."""

    def __init__(
        self,
        contents: Contents,
        enter: Callable[[str, Mapping[str, Any]], None],
        on_disk: Callable[[], Awaitable[None]],
    ) -> None:
        self._contents = contents
        self._folder = contents.folder
        self._enter = enter
        self._on_disk = on_disk
        self._one_at_a_time = asyncio.Lock()

    async def erase(self, these: Sequence[Span], why: Why) -> int:
        """Destroy these contents, each of which a record names, after what was begun before and cut off; how many of
        these were there. Raises LedgerError: what of them has a record by then is destroyed by the next call."""
        async with self._one_at_a_time:
            with worded(), self._changing():
                await self._finish()
                return await self._erased(these, why)

    async def take_away(self, these: Sequence[Span], empty: Sequence[Place]) -> None:
        """Destroy these contents, which no record will name, and these segments, in which nothing is left. Raises
        LedgerError."""
        contents = self._contents
        async with self._one_at_a_time:
            with worded(), self._changing():
                await asyncio.to_thread(destroy, self._folder, these, live=contents.live)
                async with contents.at_disk:
                    idle = [place for place in empty if place.segment != contents.live]
                    await asyncio.to_thread(sweep, idle)

    async def close(self) -> None:
        """Destroy what no record will name any more: of requests that were never admitted, or could not be answered.
        So what a start finds was left by a crash, or by who cut the chain."""
        lost = spans(self._contents.unnamed)
        if lost:
            try:
                await self.take_away(lost, [])
            except (LedgerError, NewerFormatError) as error:
                _log.warning("%s", error)

    async def let_go(self) -> int:
        """Destroy what a start found that no record named, and none names after a week; how many contents were there.
        Raises LedgerError."""
        folder, now_ms = self._folder, self._contents.clock.now_ms()
        async with self._one_at_a_time:
            with worded():
                these = await asyncio.to_thread(unnamed.due, folder, folder.parent, now_ms)
                if these is None:
                    return 0
                with self._changing():
                    await self._finish()
                    erased = await self._erased(these, _UNNAMED)
                    await asyncio.to_thread(unnamed.let_go, folder, now_ms)
        return erased

    async def mend(self, chain_folder: Path) -> None:
        """At a start: carry out what was begun, and find what no record names. Where that cannot be, the house can
        serve all the same, and the log says so."""
        await self._tidy_keys()
        if not self._folder.is_dir():
            return
        try:
            with worded(), changing(self._folder):
                await self._finish()
                await self._find_unnamed(chain_folder)
                await asyncio.to_thread(_swept, self._folder)
        except (LedgerError, NewerFormatError) as error:
            _log.warning("%s", error)
            return
        try:
            await asyncio.to_thread(set_aside, self._folder)
        except OSError as error:
            _log.warning("On a full disk nothing could be erased: no room is set aside (%s).", error.strerror or error)

    async def _tidy_keys(self) -> None:
        try:
            await asyncio.to_thread(self._contents.ring.tidy)
        except HouseKeyError as error:
            _log.warning("Keys that seal nothing any more may still lie on the disk: %s", error)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """What is erased may have been lost with its folder: then that is what the record is for."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with changing(self._folder):
            yield

    async def _find_unnamed(self, chain_folder: Path) -> None:
        """The record comes before the note: after a crash between them there are two, which both are true."""
        found = await asyncio.to_thread(unnamed.find, self._folder, chain_folder, self._contents.chain)
        at_ms = self._contents.clock.stamp_ms()
        await asyncio.to_thread(unnamed.begin_anew, self._folder, at_ms)
        if not found:
            return
        for start in range(0, len(found), SPANS_AT_ONCE):
            rows = [list(span) for span in found[start : start + SPANS_AT_ONCE]]
            self._enter("unnamed", {"by": "the house", "contents": rows})
        await self._on_disk()
        await asyncio.to_thread(unnamed.hold, self._folder, found, at_ms)
        _log.warning(
            "%d contents that no record names were found, and go after a week: the last run was killed, or this is a "
            "backup of a house that ran, or the end of the ledger was cut off. A checkpoint tells which.",
            count(found),
        )

    async def _erased(self, these: Sequence[Span], why: Why) -> int:
        erased = 0
        for start in range(0, len(these), SPANS_AT_ONCE):
            rows = [list(span) for span in these[start : start + SPANS_AT_ONCE]]
            fields = {"by": why.by, "cause": why.cause, "contents": rows, "reason": why.reason}
            with worded("What has no record in the ledger yet is not erased: make room on that disk, and ask again."):
                await asyncio.to_thread(note.write, self._folder, fields)
            erased += await self._carried_out(fields)
        return erased

    async def _finish(self) -> None:
        """Carry out an erasure that was cut off. Its record may be there already: then there are two."""
        fields = note.begun(self._folder)
        if fields is not None:
            await self._carried_out(fields)

    async def _carried_out(self, fields: Mapping[str, Any]) -> int:
        self._enter("erasure", fields)
        await self._recorded()
        these = note.spans_of(fields)
        erased = await asyncio.to_thread(destroy, self._folder, these, live=self._contents.live)
        (self._folder / note.ERASING).unlink(missing_ok=True)
        return erased

    async def _recorded(self) -> None:
        """Wait until the disk has what was entered; where it is full, once more without the room that was set
        aside. Raises LedgerError."""
        try:
            await self._on_disk()
        except LedgerError as error:
            if not (is_for_room(error) and await asyncio.to_thread(give_up, self._folder)):
                raise
            await self._on_disk()


@contextmanager
def worded(
    hint: str = "What has a record in the ledger already is destroyed within an hour, or at the house's next start.",
) -> Iterator[None]:
    """Says what the disk refuses."""
    try:
        yield
    except OSError as error:
        raise LedgerError(
            f"Kept content cannot be erased: {error.filename or 'the disk'}: {error.strerror}.",
            hint=hint,
        ) from error


def _swept(folder: Path) -> None:
    """Take away what a crash may have left, and nobody needs."""
    sweep(places(folder))
    for path in folder.glob("*.new"):
        wipe(path)
        path.unlink()
