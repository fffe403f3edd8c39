"""Looks into a wheel without downloading it: the end of the file, its list of members, and small members.

A wheel is a zip archive, whose list of members stands at its end (PKWARE APPNOTE 4.3.6), so two byte ranges tell
what a wheel of gigabytes carries. Nothing is unpacked to disk, imported or run. A member over MAX_MEMBER_BYTES is
not read. Where a server sends whole files only, `look` reads small wheels whole and gives None for others: what is
in them is then unknown.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from freehold.core.errors import SourceError
from freehold.store.sources.index_client import Fetched, IndexClient
from freehold.store.sources.simple_index import WheelLink

# More than the 64 KiB of comment that may follow the list's end record (APPNOTE 4.3.16).
TAIL_BYTES = 66 << 10
MAX_MEMBER_BYTES = 4 << 20
MAX_DIRECTORY_BYTES = 16 << 20
# A local header repeats the name and may carry extra fields (APPNOTE 4.3.7), whose length only it knows.
_HEADER_SLACK_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Member:
    """One file in a wheel; `size_bytes` unpacked, as the archive claims."""

    path: str
    size_bytes: int

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


class Wheel:
    """The list of members of one wheel, and the bytes of its small ones."""

    def __init__(self, link: WheelLink, client: IndexClient, file: _Pieces | Path) -> None:
        self.link = link
        self._client = client
        self._file = file
        try:
            with self._open() as archive:
                self._infos = {info.filename: info for info in archive.infolist() if not info.is_dir()}
        except (zipfile.BadZipFile, OSError, ValueError, RuntimeError) as error:
            raise _broken(link, str(error)) from error

    @property
    def members(self) -> tuple[Member, ...]:
        return tuple(Member(path, info.file_size) for path, info in sorted(self._infos.items()))

    async def read(self, path: str) -> bytes:
        """The bytes of member `path`. Raises SourceError where it is damaged or too large to be metadata."""
        info = self._infos[path]
        if max(info.file_size, info.compress_size) > MAX_MEMBER_BYTES:
            raise _broken(self.link, f"{path} has {info.file_size:,} bytes, too many for what it should be")
        if isinstance(self._file, _Pieces):
            end = info.header_offset + _HEADER_SLACK_BYTES + len(path.encode()) + info.compress_size
            await self._file.want(self._client, self.link, info.header_offset, end)
        try:
            with self._open() as archive:
                return archive.read(path)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
            raise _broken(self.link, f"{path}: {error}") from error

    async def metadata(self) -> Message:
        """The wheel's METADATA (core metadata, a set of mail headers)."""
        found = [path for path in self._infos if path.count("/") == 1 and path.endswith(".dist-info/METADATA")]
        if len(found) != 1:
            raise _broken(self.link, f"it has {len(found)} METADATA files")
        return BytesParser().parsebytes(await self.read(found[0]), headersonly=True)

    def _open(self) -> zipfile.ZipFile:
        if isinstance(self._file, Path):
            return zipfile.ZipFile(self._file)
        self._file.seek(0)
        return zipfile.ZipFile(self._file)


async def look(link: WheelLink, client: IndexClient) -> Wheel | None:
    """The wheel behind `link`, or None where it is large and its server does not serve ranges. Raises SourceError."""
    parts = urlsplit(link.url)
    if parts.scheme == "file":
        return Wheel(link, client, Path(url2pathname(parts.path)))
    end = await client.tail(link.url, TAIL_BYTES)
    if end is None or end.data is None:
        return None
    pieces = _Pieces(end)
    start = _directory_start(end.data, end.size_bytes)
    if start is None:
        raise _broken(link, "it does not end as a zip archive does")
    await pieces.want(client, link, start, end.size_bytes)
    return Wheel(link, client, pieces)


def _directory_start(tail: bytes, size_bytes: int) -> int | None:
    """Where the list of members starts: the field at 16 of the end record (APPNOTE 4.3.16), zip64's where all ones."""
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        return None
    start = int.from_bytes(tail[at + 16 : at + 20], "little")
    if start == 0xFFFFFFFF:
        at64 = tail.rfind(b"PK\x06\x06", 0, at)
        if at64 < 0 or len(tail) < at64 + 56:
            return None
        start = int.from_bytes(tail[at64 + 48 : at64 + 56], "little")
    return start if start <= size_bytes else None


class _Pieces(io.RawIOBase):
    """A read-only file of which only some stretches are here; reading elsewhere is an error, never made-up bytes."""

    def __init__(self, end: Fetched) -> None:
        super().__init__()
        assert end.data is not None
        self._size_bytes = end.size_bytes
        self._pieces = {end.size_bytes - len(end.data): end.data}
        self._at = 0

    async def want(self, client: IndexClient, link: WheelLink, start: int, end: int) -> None:
        """Have the bytes from `start` to `end`, asked for only where they are not here."""
        end = min(end, self._size_bytes)
        if self._find(start, end) is not None or start >= end:
            return
        if end - start > MAX_DIRECTORY_BYTES:
            raise _broken(link, f"its list of members would have {end - start:,} bytes")
        fetched = await client.span(link.url, start, end)
        if fetched is None or fetched.data is None or len(fetched.data) != end - start:
            raise _broken(link, "its server answers for other bytes than were asked for")
        self._pieces[start] = fetched.data

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size_bytes}[whence]
        if base + offset < 0:
            raise OSError("negative position")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self._size_bytes if size < 0 else min(self._at + size, self._size_bytes)
        if end <= self._at:
            return b""
        data = self._find(self._at, end)
        if data is None:
            raise OSError(f"bytes {self._at} to {end} were not fetched")
        self._at = end
        return data

    def _find(self, start: int, end: int) -> bytes | None:
        for offset, data in self._pieces.items():
            if offset <= start and end <= offset + len(data):
                return data[start - offset : end - offset]
        return None


def _broken(link: WheelLink, why: str) -> SourceError:
    return SourceError(
        f"{link.filename} from {link.index} is not a sound wheel: {why}.",
        hint="The mirror is broken: try another, or another version.",
        file=link.filename,
    )
