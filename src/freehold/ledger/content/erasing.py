"""Erases kept content so that the chain says it: what, when, by whom and why.

What is to go is written down first, in `erasing.json`; then the chain has its record, on the disk; then the content is
destroyed; then the note goes. So a crash at any point leaves something that the next start carries out to its end, and
no content is gone without a record. Content of this chain that no record names, which a crash can leave, goes at the
start: nobody could ask for its erasure. That has its record too: a chain whose end was cut off leaves the same."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from freehold.core.errors import LedgerError, NewerFormatError
from freehold.ledger.content import note
from freehold.ledger.content.container import Name
from freehold.ledger.content.contents import Contents
from freehold.ledger.content.destroying import destroy, sweep, tidy
from freehold.ledger.content.named import AHEAD, names_since
from freehold.ledger.content.places import Place, places, read_about
from freehold.ledger.content.room import give_up, set_aside
from freehold.ledger.content.shelf import left
from freehold.ledger.content.spans import Span, spans
from freehold.ledger.content.turns import changing

SPANS_AT_ONCE = 4096
"""In one record: what is longer than a line can be is said in several."""
_LOOKED_AT = 2  # segments: a record follows what it names within seconds
_log = logging.getLogger("freehold.ledger")


@dataclass(frozen=True, slots=True)
class Why:
    """Why content is erased: because somebody asked for it, its time is over, or no record names it."""

    cause: Literal["asked", "retention", "unnamed"]
    by: str
    reason: str | None = None


UNNAMED = Why("unnamed", "the house", "no record named it at a start")


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

    async def take_away(self, unnamed: Sequence[Span], empty: Sequence[Place]) -> None:
        """Destroy these contents, which no record names, and these segments, in which nothing is left. Raises
        LedgerError."""
        contents = self._contents
        async with self._one_at_a_time:
            with worded(), self._changing():
                await asyncio.to_thread(destroy, self._folder, unnamed, live=contents.live)
                async with contents.at_disk:
                    idle = [place for place in empty if place.segment != contents.live]
                    await asyncio.to_thread(sweep, idle)

    async def mend(self, chain_folder: Path) -> None:
        """At a start: carry out what was begun, and take away what no record names. Where that cannot be, the house
        can serve all the same, and the log says so."""
        if not self._folder.is_dir():
            return
        try:
            with worded(), changing(self._folder):
                await self._finish()
                unnamed = await asyncio.to_thread(_unnamed, self._folder, chain_folder, self._contents.chain)
                await self._erased(spans(unnamed), UNNAMED)
                await asyncio.to_thread(_swept, self._folder)
        except (LedgerError, NewerFormatError) as error:
            _log.warning("%s", error)
            return
        try:
            await asyncio.to_thread(set_aside, self._folder)
        except OSError as error:
            _log.warning("On a full disk nothing could be erased: no room is set aside (%s).", error.strerror or error)
        if unnamed:
            _log.info("%d contents that no record names were removed: the last run was cut off.", len(unnamed))

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """What is erased may have been lost with its folder: then that is what the record is for."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with changing(self._folder):
            yield

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
        """Wait until the disk has what was entered; where it takes nothing, once more without the room that was set
        aside. Raises LedgerError."""
        try:
            await self._on_disk()
        except LedgerError:
            if not await asyncio.to_thread(give_up, self._folder):
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
    """Take away what nobody needs: empty segments, and what an exchange of the keys left that was cut off."""
    sweep(places(folder))
    for place in places(folder):
        tidy(place)
    for path in folder.glob("*.new"):
        path.unlink()


def _unnamed(folder: Path, chain_folder: Path, chain: str) -> list[Name]:
    """The contents of the last segments of this chain that no record names. Where the records were changed it is none:
    what they named may be what a person needs to see what was changed. So may what another chain names."""
    last = [place for place in places(folder)[-_LOOKED_AT:] if (about := read_about(place)) and about.chain == chain]
    there = {name for place in last for name, _ in left(place)}
    named = names_since(chain_folder, last[0].segment - AHEAD) if there else None
    return [] if named is None else sorted(there - named)
