"""One chain in its folder, appended to: by one process, which a lock sees to, in order, and on the disk in time.

Opening it mends what a crash left: a torn line is set aside beside the chain, and the chain goes on behind the last
whole one. What is in the records is nobody's business here."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import shutil
from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from freehold.core.disk import sync_folder
from freehold.core.errors import LedgerError
from freehold.ledger.record import Chain, Clock
from freehold.ledger.recover import Found, Torn, look
from freehold.ledger.segments import LONGEST_LINE_BYTES, SEGMENT_BYTES, Tail, opened, segment_path
from freehold.ledger.syncs import let_go_of_abandoned
from freehold.ledger.writer import Writer, refused

_log = logging.getLogger("freehold.ledger")


class TakenError(LedgerError):
    """Another process writes this chain."""


class Appender:
    """Open it with `appending`. `chain` makes the lines, `found` is what was there before."""

    def __init__(self, folder: Path, found: Found, writer: Writer, chain: Chain, most_bytes: int) -> None:
        self.found = found
        self.chain = chain
        self._folder = folder
        self._writer = writer
        self._most_bytes = most_bytes
        self._segment_bytes = found.size_bytes

    def begin(self) -> None:
        """Begin the first segment, where there is none to go on with."""
        if self.found.path is None:
            self._new_segment(self.found.open)

    def put(self, line: bytes, still_open: Collection[int] = ()) -> None:
        """Append a line that `chain` has just made; a new segment says which admissions are `still_open`."""
        self._writer.put(line)
        self._segment_bytes += len(line)
        if self._segment_bytes > self._most_bytes:
            self._new_segment(still_open)

    async def require(self) -> None:
        """Raise LedgerError where nothing can be written now."""
        await self._writer.require()

    async def durable(self) -> None:
        """Return once everything put so far counts. Raises LedgerError where it cannot be written."""
        await self._writer.durable()

    async def on_disk(self) -> None:
        """Return once everything put so far is on the disk, whatever the mode. Raises LedgerError."""
        await self._writer.on_disk()

    async def close(self) -> None:
        """Put everything on the disk that it takes, and let another process have the chain, also where whoever awaits
        this is cancelled."""
        await self._writer.close()

    def _new_segment(self, still_open: Collection[int]) -> None:
        self._writer.go_on_with(segment_path(self._folder, self.chain.seq + 1))
        line = self.chain.segment(still_open)
        self._writer.put(line)
        self._segment_bytes = len(line)


async def appending(
    folder: Path,
    *,
    strict: bool,
    clock: Clock | None = None,
    refusal: Callable[[OSError], LedgerError] = refused,
    most_bytes: int = SEGMENT_BYTES,
) -> Appender:
    """The chain in `folder`, made where there is none. `refusal` says what it means that it can be written no more, and
    `most_bytes` past what a new file is begun. Raises LedgerError where it cannot be written or another process writes
    it, NewerFormatError where a newer Freehold did."""
    try:
        files = await _in_thread(folder)
    except OSError as error:
        raise LedgerError(
            f"The ledger cannot be written in {folder}: {error.strerror or error}. Requests, attempts and connections "
            "cannot be recorded there.",
            hint="Let the house write that folder, or name another one: folder in [ledger] of freehold.toml.",
        ) from error
    found = files.found
    chain = Chain(found.chain, seq=found.seq, head=found.head, clock=clock)
    writer = Writer(files.tail, strict=strict, refusal=refusal, let_go=partial(os.close, files.lock))
    return Appender(folder, found, writer, chain, most_bytes)


def is_appended_to(folder: Path) -> bool:
    """Whether a process has the chain in `folder` open for writing now."""
    try:
        descriptor = opened(folder / _LOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


_LOCK = "lock"


class _Files(NamedTuple):
    """What a chain is written with, and what was found there."""

    lock: int
    found: Found
    tail: Tail | None

    def close(self) -> None:
        if self.tail is not None:
            self.tail.close()
        os.close(self.lock)


async def _in_thread(folder: Path) -> _Files:
    """The files of the chain. Who is cancelled waits for the thread all the same: it may be setting a torn line aside,
    which nobody else is to do meanwhile. Raises as `_taken`."""
    work = asyncio.get_running_loop().run_in_executor(None, _taken, folder)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        work.add_done_callback(_close_unused)
        await asyncio.wait([work])
        raise


def _close_unused(work: asyncio.Future[_Files]) -> None:
    if not work.cancelled() and work.exception() is None:
        work.result().close()


def _taken(folder: Path) -> _Files:
    let_go_of_abandoned()
    lock = _locked(folder)
    try:
        found = _looked(folder)
        return _Files(lock, found, Tail(found.path, found.size_bytes) if found.path is not None else None)
    except BaseException:
        os.close(lock)
        raise


def _locked(folder: Path) -> int:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = opened(folder / _LOCK, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise TakenError(
            f"Another process writes the ledger in {folder}.", hint="One house has one ledger: `freehold ps`."
        ) from error
    return descriptor


def _looked(folder: Path) -> Found:
    """What is there; the torn line is set aside before anything is written over it."""
    found = look(folder)
    if found.torn:
        aside = folder / f"torn-{found.seq + 1:012}"
        _set_aside(found.torn, aside)
        if found.torn_bytes > LONGEST_LINE_BYTES:
            _log.warning(
                "%s bytes behind the last whole record in %s have no line end: more than a record has, so no crash "
                "left them. They were set aside, in %s.",
                f"{found.torn_bytes:,}",
                ", ".join(str(each.path) for each in found.torn),
                aside,
            )
    if found.damaged or found.broken:
        _log.warning(
            "The record in %s was changed or is damaged%s. `freehold ledger verify` says what is wrong; in the folder "
            "egress, `freehold egress report` does.",
            folder,
            f" before its number {found.broken}" if found.broken else "",
        )
    return found


def _set_aside(torn: Iterable[Torn], aside: Path) -> None:
    with os.fdopen(opened(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as out:
        for each in torn:
            with os.fdopen(opened(each.path), "rb") as segment:
                segment.seek(each.start_bytes)
                shutil.copyfileobj(segment, out, LONGEST_LINE_BYTES)
        out.flush()
        os.fsync(out.fileno())
    sync_folder(aside.parent)
