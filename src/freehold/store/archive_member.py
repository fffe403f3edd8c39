"""The beginning of one member of a zip archive that lies on a server, over byte ranges.

Two ranges tell where the member is (the archive's end, and its list of members), a third streams it. Nothing of the
archive decides where bytes go or how many. Source: PKWARE APPNOTE 4.3.
"""

from __future__ import annotations

import asyncio
import fnmatch
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import IO
from urllib.parse import urlsplit
from urllib.request import url2pathname

import aiohttp

from freehold.core.errors import SourceError
from freehold.store import transfer
from freehold.store.plan import Part

# More than the 64 KiB of comment that may follow the list's end record (4.3.16).
TAIL_BYTES = 66 << 10
MAX_DIRECTORY_BYTES = 16 << 20
CHUNK_BYTES = 1 << 18
_LOCAL_HEADER_BYTES = 30


async def member_bytes(part: Part, session: aiohttp.ClientSession, most_bytes: int) -> AsyncIterator[bytes]:
    """The member that `part.member` names, unpacked, from its start, up to `most_bytes` as they come.

    Raises Dropped, GatedError, SourceError: also where its server does not answer for parts of a file.
    """
    if urlsplit(part.url).scheme == "file":
        with (
            zipfile.ZipFile(url2pathname(urlsplit(part.url).path)) as archive,
            archive.open(_only(archive, part)) as file,
        ):
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield chunk
        return
    info = await _find(part, session)
    try:
        async with _span(part, session, info.header_offset, info.header_offset + most_bytes) as (response, _):
            head = await response.content.readexactly(_LOCAL_HEADER_BYTES)
            await response.content.readexactly(sum(struct.unpack("<HH", head[26:30])))
            unpack = _Unpack(info, part)
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                for piece in unpack.feed(chunk):
                    yield piece
                if unpack.done:
                    break
    except asyncio.IncompleteReadError as error:
        raise _broken(part, "it ends inside a member") from error


class _Unpack:
    """Unpacks what comes of one member, a bounded piece at a time."""

    def __init__(self, info: zipfile.ZipInfo, part: Part) -> None:
        self._part = part
        self._left = info.compress_size
        if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED} or info.flag_bits & 1:
            raise _broken(part, "its member is packed in a way that is not read here")
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS) if info.compress_type == zipfile.ZIP_DEFLATED else None

    @property
    def done(self) -> bool:
        """Whether the whole member came; what a server sends beyond it is not waited for."""
        return self._left <= 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        chunk = chunk[: self._left]
        self._left -= len(chunk)
        if self._inflate is None:
            yield chunk
            return
        try:
            while chunk:
                yield self._inflate.decompress(chunk, CHUNK_BYTES)
                chunk = self._inflate.unconsumed_tail
        except zlib.error as error:
            raise _broken(self._part, str(error)) from error


async def _find(part: Part, session: aiohttp.ClientSession) -> zipfile.ZipInfo:
    """Where the member is. The list of members is read out of a file with a hole where the archive's rest would be."""
    with tempfile.TemporaryFile() as file:
        size_bytes = await _take(part, session, None, None, file)
        start = _directory_start(file, size_bytes, part)
        await _take(part, session, start, size_bytes, file)
        try:
            with zipfile.ZipFile(file) as archive:
                return _only(archive, part)
        except (zipfile.BadZipFile, OSError, ValueError, RuntimeError) as error:
            raise _broken(part, str(error)) from error


async def _take(part: Part, session: aiohttp.ClientSession, start: int | None, end: int | None, file: IO[bytes]) -> int:
    """Put the bytes from `start` to `end` of the archive where they belong in `file`; how long the archive is."""
    async with _span(part, session, start, end) as (response, (first, size_bytes)):
        left = size_bytes - first
        if not 0 <= left <= max(TAIL_BYTES, MAX_DIRECTORY_BYTES):
            raise _broken(part, f"its list of members would have {left:,} bytes")
        file.truncate(size_bytes)
        file.seek(first)
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            left -= file.write(chunk[:left])
            if not left:
                break
    return size_bytes


@asynccontextmanager
async def _span(
    part: Part, session: aiohttp.ClientSession, start: int | None, end: int | None
) -> AsyncIterator[tuple[aiohttp.ClientResponse, tuple[int, int]]]:
    """The answer for the bytes from `start` to `end`, of the archive's last ones without a start; and where they begin
    and how long the archive is."""
    wanted = f"-{TAIL_BYTES}" if start is None else f"{start}-{(end or start + 1) - 1}"
    headers = {"Accept-Encoding": "identity", "Range": f"bytes={wanted}"}
    async with transfer.get(session, part.url, private=part.headers, headers=headers) as response:
        match = re.fullmatch(r"bytes (\d{1,13})-\d+/(\d{1,13})", response.headers.get("Content-Range", ""))
        if response.status != 206 or match is None or (start is not None and int(match[1]) != start):
            raise SourceError(
                f"The server of {part.name} sends whole files only, and what it has of the build is inside an archive.",
                hint="Pull it: then its header is at hand.",
                file=part.name,
            )
        yield response, (int(match[1]), int(match[2]))


def _directory_start(file: IO[bytes], size_bytes: int, part: Part) -> int:
    """Where the list of members starts: at 16 of the end record (4.3.16), in zip64's where that is all ones."""
    file.seek(max(0, size_bytes - TAIL_BYTES))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    start = int.from_bytes(tail[at + 16 : at + 20], "little") if 0 <= at <= len(tail) - 22 else size_bytes
    if start == 0xFFFFFFFF:
        at = tail.rfind(b"PK\x06\x06", 0, at)
        start = int.from_bytes(tail[at + 48 : at + 56], "little") if at >= 0 else size_bytes
    if start >= size_bytes:
        raise _broken(part, "it does not end as a zip archive does")
    return start


def _only(archive: zipfile.ZipFile, part: Part) -> zipfile.ZipInfo:
    found = [info for info in archive.infolist() if fnmatch.fnmatchcase(info.filename, part.member or "")]
    if len(found) != 1:
        raise _broken(part, f"it has {len(found)} members {part.member}")
    return found[0]


def _broken(part: Part, why: str) -> SourceError:
    return SourceError(
        f"{part.name} is not a sound archive: {why}.", hint="The mirror is broken: try another.", file=part.name
    )
