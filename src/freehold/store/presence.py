"""Is a held build still what its deed says? Sizes always; for files in place also the time they were changed.

The hash is taken again only where a file in place has another time than when it was hashed. A file the store
itself holds is read-only and trusted by its size: a full check against bit rot is a matter of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from freehold.core.errors import StoreError
from freehold.store.deeds import Deed, DeedFile

_CHUNK_BYTES = 1 << 20


def file_path(folder: Path, file: DeedFile) -> Path:
    """Where the bytes of `file` are: in the build's folder, or in place."""
    return Path(file.path) if file.path is not None else folder / file.name


def is_in_place(deed: Deed) -> bool:
    """True where the store refers to files elsewhere and holds none."""
    return any(file.path is not None for file in deed.files)


def sha256_of(path: Path, advance: Callable[[int], None] | None = None) -> str:
    """The hash of the whole file; `advance` is told the bytes of every step. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            if advance is not None:
                advance(len(chunk))
    return digest.hexdigest()


def confirm(folder: Path, deed: Deed) -> Deed:
    """The deed, its times brought up to date where a file was touched and not changed. Raises StoreError."""
    return replace(deed, files=tuple(_confirmed(folder, deed, file) for file in deed.files))


def _confirmed(folder: Path, deed: Deed, file: DeedFile) -> DeedFile:
    path = file_path(folder, file)
    try:
        found = path.stat()
        if found.st_size != file.size_bytes:
            raise _changed(path, deed, f"has {found.st_size:,} bytes; {file.size_bytes:,} were kept")
        if file.path is None or found.st_mtime_ns == file.modified_ns:
            return file
        if (sha256 := sha256_of(path)) != file.sha256:
            raise _changed(path, deed, f"was changed: its sha256 is {sha256} now, {file.sha256} was kept")
        return replace(file, modified_ns=found.st_mtime_ns)
    except OSError as error:
        raise _changed(path, deed, f"cannot be read: {error.strerror}") from error


def _changed(path: Path, deed: Deed, what: str) -> StoreError:
    name = deed.names[0]
    return StoreError(
        f"{path}, which {name} is made of, {what}.",
        hint=f"`freehold rm {name}`, then `freehold pull {deed.origins[0].asked}`.",
        file=str(path),
        build=name,
    )
