"""Makes one weight file out of its downloads: joined in order, taken out of their archives where they come in one.

Nothing of an archive decides where bytes go: the one wanted member is streamed into a file we named, up to
the size it declares, its CRC checked. Nothing is imported, installed or run.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from freehold.core.errors import SourceError
from freehold.store.durable import writing

_CHUNK_BYTES = 1 << 20
_ENCRYPTED = 0x1
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


@dataclass(frozen=True, slots=True)
class Piece:
    """A download on disk, all of it or its one member that matches the pattern `member`."""

    path: Path
    name: str
    member: str | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """What was written: sha256 and size."""

    sha256: str
    size_bytes: int


class Damaged(Exception):  # noqa: N818 -- a signal to the caller, who knows where the piece came from
    """The archive `piece` cannot be read as one."""

    def __init__(self, piece: Piece, reason: str) -> None:
        super().__init__(f"{piece.name} is a damaged archive: {reason}")
        self.piece = piece


def joined_bytes(pieces: Sequence[Piece]) -> int:
    """How large the file made of `pieces` will be. Raises Damaged, SourceError for an archive without the member."""
    return sum(_piece_bytes(piece) for piece in pieces)


def join(pieces: Sequence[Piece], into: Path, *, advance: Callable[[int], None]) -> Joined:
    """Write `pieces` in order to `into`, and sync it. Raises as `joined_bytes` does, and StoreError for the disk."""
    digest = hashlib.sha256()
    size_bytes = 0
    with writing(into.parent), into.open("wb") as out:
        for piece in pieces:
            for chunk in _chunks(piece):
                out.write(chunk)
                digest.update(chunk)
                size_bytes += len(chunk)
                advance(len(chunk))
        out.flush()
        os.fsync(out.fileno())
    return Joined(digest.hexdigest(), size_bytes)


def _piece_bytes(piece: Piece) -> int:
    if piece.member is None:
        return piece.path.stat().st_size
    with _archive(piece) as archive:
        return _member(piece, archive).file_size


def _chunks(piece: Piece) -> Iterator[bytes]:
    if piece.member is None:
        with piece.path.open("rb") as file:
            yield from _blocks(file)
        return
    with _archive(piece) as archive, archive.open(_member(piece, archive)) as member:
        # ZipExtFile ends at the size the directory declares and compares the CRC there.
        yield from _blocks(member)


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(_CHUNK_BYTES):
        yield block


@contextmanager
def _archive(piece: Piece) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(piece.path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise Damaged(piece, str(error)) from error


def _member(piece: Piece, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    files = [info for info in archive.infolist() if not info.is_dir()]
    found = [info for info in files if fnmatch.fnmatchcase(info.filename, piece.member or "")]
    if len(found) != 1:
        names = ", ".join(info.filename for info in found or files[:8])
        raise SourceError(
            f"{piece.name} has {len(found)} files that match {piece.member!r}, and one is wanted. There are: {names}.",
            file=piece.name,
        )
    if found[0].flag_bits & _ENCRYPTED or found[0].compress_type not in _METHODS:
        raise SourceError(f"{found[0].filename} in {piece.name} is encrypted or packed in an unknown way.")
    return found[0]
