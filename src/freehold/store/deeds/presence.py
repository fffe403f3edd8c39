"""Is a held build still what its deed says? Every file of it is: the weights, and the license texts beside them.

Sizes always; hashes unless the kernel says that the file is the one that was hashed last (see `seen`). `confirm` gives
the stamps of what it looked at, so that whoever opens a file can tell whether it is that one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from freehold.core.builds import Stamp
from freehold.core.errors import BuildChangedError, StoreError
from freehold.store.deeds.record import Deed, DeedFile, TextFile
from freehold.store.deeds.seen import Look, read_looks, write_looks
from freehold.store.layout import PAPERS_FOLDER
from freehold.store.opened import let_read, open_regular

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class FileState:
    """One file of a build as it is found. `problem` is the end of a sentence, None where nothing is wrong; `unread`:
    this account may not read the file, so nothing is known of it."""

    name: str
    path: Path
    problem: str | None
    unread: bool = False


def file_path(folder: Path, deed: Deed, file: DeedFile) -> Path:
    """Where the bytes of `file` are: in the build's folder, or in place."""
    place = deed.labels.places.get(file.name)
    return folder / file.name if place is None else Path(place)


def is_in_place(deed: Deed) -> bool:
    """True where the store refers to files elsewhere and holds none."""
    return bool(deed.labels.places)


def sha256_of(path: Path, advance: Callable[[int], None] | None = None) -> str:
    """The hash of the whole file; `advance` is told the bytes of every step. Raises OSError."""
    with open_regular(path) as file:
        return _hash(file, advance)


def confirm(folder: Path, deed: Deed, notes: Path, *, anew: bool = False) -> tuple[Stamp, ...]:
    """The stamps of the weight files, in order; every file, the texts too, is what the deed says. `notes` is where
    looks are noted; `anew` hashes whatever was. Raises BuildChangedError, StoreError for one that may not be read."""
    known, looks = {} if anew else read_looks(notes), {}
    for path, file in _files(folder, deed):
        try:
            looks[str(path)] = _looked_at(path, file, known.get(str(path)))
        except _UnreadError as unread:
            raise StoreError(
                f"{path}, which {deed.names[0]} is made of, {unread}. That says nothing against it.",
                hint=let_read(path),
                file=str(path),
                build=deed.names[0],
            ) from unread
        except _WrongError as wrong:
            raise _changed(path, deed, str(wrong)) from wrong
    if looks != known:
        write_looks(notes, looks)
    return tuple(looks[str(file_path(folder, deed, file))].stamp for file in deed.files)


def states(folder: Path, deed: Deed) -> Iterator[FileState]:
    """Every file of the build, hashed whatever was noted."""
    for path, file in _files(folder, deed):
        try:
            _looked_at(path, file, None)
            yield FileState(file.name, path, None)
        except _UnreadError as unread:
            yield FileState(file.name, path, f"{unread}. {let_read(path).removesuffix('.')}", unread=True)
        except _WrongError as wrong:
            yield FileState(file.name, path, str(wrong))


class _WrongError(Exception):
    """What is wrong with a file, as the end of a sentence that begins with its name."""


class _UnreadError(Exception):
    """Why this account cannot look at a file, as the end of a sentence that begins with its name."""


def _files(folder: Path, deed: Deed) -> Iterator[tuple[Path, DeedFile | TextFile]]:
    for file in deed.files:
        yield file_path(folder, deed, file), file
    for text in deed.statement.texts:
        yield folder / PAPERS_FOLDER / text.name, text


def _looked_at(path: Path, file: DeedFile | TextFile, known: Look | None) -> Look:
    try:
        with open_regular(path) as opened:
            found = os.fstat(opened.fileno())
            if found.st_size != file.size_bytes:
                raise _WrongError(f"has {found.st_size:,} bytes; {file.size_bytes:,} were kept")
            if known is not None and known.holds(Stamp.of(found), file.sha256):
                return known
            _settle(opened)
            stamp, began_ns = Stamp.of(os.fstat(opened.fileno())), time.time_ns()
            sha256 = _hash(opened)
    except PermissionError as error:
        raise _UnreadError("may not be read by this account") from error
    except OSError as error:
        raise _WrongError(f"cannot be read: {error.strerror}") from error
    if sha256 != file.sha256:
        raise _WrongError(f"was changed: its sha256 is {sha256} now, {file.sha256} was kept")
    return Look(sha256, stamp, began_ns)


def _settle(file: IO[bytes]) -> None:
    """Have the kernel note what is written from now on. A page that somebody wrote through a memory map is written
    again without a trace until it has been taken to the disk; from then on the next write changes the ctime."""
    with contextlib.suppress(OSError):  # a disk that cannot be written has no such page
        os.fsync(file.fileno())


def _hash(file: IO[bytes], advance: Callable[[int], None] | None = None) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
        if advance is not None:
            advance(len(chunk))
    return digest.hexdigest()


def _changed(path: Path, deed: Deed, what: str) -> BuildChangedError:
    name, made_from = deed.names[0], deed.statement.made_from
    again = f"`freehold pull {shlex.quote(_to_pull(deed))}`"
    if made_from is not None:
        again = f"make it anew from {made_from.parent_name} ({made_from.how})"
    return BuildChangedError(
        f"{path}, which {name} is made of, {what}.",
        hint=f"`freehold rm {name}`, then {again}.",
        file=str(path),
        build=name,
    )


def _to_pull(deed: Deed) -> str:
    """By which name a build comes again: the catalog's if it has these very bytes, else where it came from."""
    from freehold.catalog import Catalog  # it reads every row, which only this failure needs

    entry = Catalog.load().by_sha256(deed.files[0].sha256) if len(deed.files) == 1 else None
    return deed.statement.origin.asked if entry is None else f"{entry.model.name}:{entry.build.tag}"
