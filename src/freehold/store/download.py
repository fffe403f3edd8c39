"""The one downloader: every source's bytes come through `fetch`, resumable, hashed, retried, on disk.

It goes on where an earlier run ended if the server still has the same file (If-Range), starts again where it
has another one and says so, and makes no request at all where everything is there. It does not judge the
hash: the caller knows what was named. `file:` addresses are copied, always from the start.
"""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import aiohttp

from freehold.core.errors import SourceError
from freehold.core.ports import Progress
from freehold.store import transfer
from freehold.store.durable import require_space
from freehold.store.journal import Journal, PartFile, journal_path
from freehold.store.plan import Part
from freehold.store.transfer import Dropped, Patience

CHUNK_BYTES = 1 << 18
# A server that drops every connection is left alone unless each brings at least this much.
PROGRESS_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Fetched:
    """The bytes on disk: their sha256 and size. `resumed` if some of them came with an earlier run."""

    sha256: str
    size_bytes: int
    resumed: bool = False


async def fetch(
    part: Part,
    into: Path,
    *,
    progress: Progress,
    session: aiohttp.ClientSession | None = None,
    patience: Patience | None = None,
) -> Fetched:
    """Download `part` to the file `into`, whose folder is there, taking up what is there of it.

    Raises SourceUnreachableError (retryable; the bytes are kept), GatedError, SourceError, StoreError.
    """
    patience = patience or Patience()
    if urlsplit(part.url).scheme == "file":
        return await _copy(part, into, progress)
    if session is not None:
        return await _Download(part, into, progress, session, patience).run()
    async with transfer.open_session(patience=patience) as own:
        return await _Download(part, into, progress, own, patience).run()


async def _copy(part: Part, into: Path, progress: Progress) -> Fetched:
    source = Path(url2pathname(urlsplit(part.url).path))
    out = await asyncio.to_thread(PartFile, into, 0)
    try:
        with await asyncio.to_thread(source.open, "rb") as file:
            progress.start(part.name, total_bytes=os.fstat(file.fileno()).st_size)
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                await asyncio.to_thread(out.write, chunk)
                progress.advance(part.name, len(chunk))
        progress.finish(part.name)
        return Fetched(await asyncio.to_thread(out.finish), out.size_bytes)
    except OSError as error:
        raise SourceError(f"{source} cannot be read: {error.strerror}.", file=str(source)) from error
    finally:
        out.close()


class _Download:
    """One part on its way: what is on disk, what the server said of the file, and the attempts."""

    def __init__(
        self, part: Part, into: Path, progress: Progress, session: aiohttp.ClientSession, patience: Patience
    ) -> None:
        self._part = part
        self._into = into
        self._progress = progress
        self._session = session
        self._patience = patience
        self._journal_path = journal_path(into)
        self._journal = Journal(part.url, size_bytes=part.size_bytes)
        self._resumed = False
        self._shown: tuple[int | None] | None = None

    async def run(self) -> Fetched:
        keep_bytes = self._take_up()
        self._file = await asyncio.to_thread(PartFile, self._into, keep_bytes)
        try:
            self._resumed = self._file.size_bytes > 0
            if self._resumed and not self._is_complete():
                self._progress.note(f"{self._part.name}: going on after {self._file.size_bytes:,} bytes.")
            await self._until_complete()
            sha256 = await asyncio.to_thread(self._file.finish)
            everything = self._file.size_bytes
            self._save(replace(self._journal, size_bytes=everything, synced_bytes=everything))
            self._progress.finish(self._part.name)
            return Fetched(sha256, self._file.size_bytes, self._resumed)
        finally:
            self._file.close()

    def _take_up(self) -> int:
        """How many bytes of an earlier run can be trusted to belong to this file."""
        found = Journal.read(self._journal_path)
        if found is None:
            return 0
        if self._part.sha256 is None:
            if found.url != self._part.url:
                return 0
            self._journal = found
            return found.synced_bytes
        if found.url == self._part.url:
            self._journal = found
        try:
            return self._into.stat().st_size
        except FileNotFoundError:
            return 0

    async def _until_complete(self) -> None:
        failures = 0
        if self._is_complete():
            self._show()
        while not self._is_complete():
            before_bytes = self._file.size_bytes
            try:
                await self._attempt()
                return
            except Dropped as dropped:
                await asyncio.to_thread(self._checkpoint)
                failures = 1 if self._file.size_bytes - before_bytes >= PROGRESS_BYTES else failures + 1
                if failures >= self._patience.attempts:
                    kept_bytes = self._file.size_bytes
                    raise transfer.gave_up(self._part.url, dropped, failures, kept_bytes=kept_bytes) from dropped
                await self._wait(failures, dropped)

    def _is_complete(self) -> bool:
        size_bytes = self._journal.size_bytes
        return size_bytes is not None and self._file.size_bytes == size_bytes

    async def _wait(self, failures: int, dropped: Dropped) -> None:
        wait_s = self._patience.first_wait_s * 2 ** (failures - 1)
        if dropped.wait_s is not None:
            wait_s = max(wait_s, dropped.wait_s)
        wait_s = min(wait_s, self._patience.longest_wait_s)
        self._progress.note(f"{dropped}; trying again in {wait_s:.1f} s.")
        await asyncio.sleep(wait_s)

    async def _attempt(self) -> None:
        headers = {"Accept-Encoding": "identity", **self._range()}
        async with transfer.get(self._session, self._part.url, private=self._part.headers, headers=headers) as response:
            await self._accept(response)
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                await self._receive(chunk)
        size_bytes = self._journal.size_bytes
        if size_bytes is not None and self._file.size_bytes != size_bytes:
            raise Dropped(f"{self._part.name}: {self._file.size_bytes:,} of {size_bytes:,} bytes arrived")

    def _range(self) -> dict[str, str]:
        """Ask for the rest, on the condition that the file is still the same; for all of it where nobody could tell."""
        if not self._file.size_bytes:
            return {}
        wanted = {"Range": f"bytes={self._file.size_bytes}-"}
        etag = self._journal.etag
        # A weak ETag must not be sent in If-Range (RFC 9110, 13.1.5).
        condition = etag if etag and not etag.startswith("W/") else self._journal.last_modified
        if condition:
            return {**wanted, "If-Range": condition}
        return wanted if self._part.sha256 else {}

    async def _accept(self, response: aiohttp.ClientResponse) -> None:
        """Decide from the headers where the body belongs. Raises Dropped to ask again from the start."""
        if response.status == 200:
            await self._begin(response)
            return
        match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", ""))
        start = int(match[1]) if match and match[1] else None
        size_bytes = int(match[2]) if match and match[2] != "*" else self._journal.size_bytes
        known_bytes = self._journal.size_bytes
        if response.status == 206 and start == self._file.size_bytes and known_bytes in {None, size_bytes}:
            self._save(replace(self._journal, size_bytes=size_bytes))
            self._show()
            return
        await self._restart("does not answer for the bytes that were asked for")
        raise Dropped(f"{self._part.name} is asked for from the start")

    async def _begin(self, response: aiohttp.ClientResponse) -> None:
        etag = response.headers.get("ETag")
        if self._file.size_bytes:
            changed = self._journal.etag is not None and etag != self._journal.etag
            await self._restart("has changed at its source" if changed else "cannot be resumed by its server")
        size_bytes = response.content_length
        named_bytes = self._part.size_bytes
        if named_bytes is not None and size_bytes is not None and size_bytes != named_bytes:
            raise SourceError(
                f"{self._part.name} has {size_bytes:,} bytes at its server; its source named {named_bytes:,}.",
                hint="The mirror is broken or out of date: try another.",
                file=self._part.name,
            )
        self._journal = Journal(
            self._part.url,
            etag,
            response.headers.get("Last-Modified"),
            size_bytes if size_bytes is not None else named_bytes,
        )
        if named_bytes is None and size_bytes is not None:
            require_space(self._into.parent, download_bytes=size_bytes)
        self._journal.write(self._journal_path)
        self._show()

    async def _receive(self, chunk: bytes) -> None:
        size_bytes = self._journal.size_bytes
        if size_bytes is not None and self._file.size_bytes + len(chunk) > size_bytes:
            raise SourceError(f"{self._part.name} is longer at its server than the {size_bytes:,} bytes it named.")
        if await asyncio.to_thread(self._file.write, chunk):
            self._save(replace(self._journal, synced_bytes=self._file.size_bytes))
        self._progress.advance(self._part.name, len(chunk))

    async def _restart(self, why: str) -> None:
        self._progress.note(f"{self._part.name} {why}: starting again.")
        await asyncio.to_thread(self._file.restart)
        self._journal = Journal(self._part.url, size_bytes=self._part.size_bytes)
        self._resumed = False
        self._shown = None

    def _checkpoint(self) -> None:
        self._file.finish()
        self._save(replace(self._journal, synced_bytes=self._file.size_bytes))

    def _save(self, journal: Journal) -> None:
        self._journal = journal
        journal.write(self._journal_path)

    def _show(self) -> None:
        """Start the display, again only where the total is another one or everything starts again."""
        size_bytes = self._journal.size_bytes
        if self._shown != (size_bytes,):
            self._shown = (size_bytes,)
            self._progress.start(self._part.name, total_bytes=size_bytes, done_bytes=self._file.size_bytes)
