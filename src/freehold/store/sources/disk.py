"""A weight file on this disk. Its size and modification time are noted, so that a later change is seen."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

from freehold.core.errors import NotFoundError, SourceError
from freehold.core.names import nearest
from freehold.core.refs import FileRef, SourceRef
from freehold.store.naming import absolute, is_file_name, split_names
from freehold.store.plan import Part, Plan, PlannedFile

_SHOWN_NEIGHBORS = 1000


class DiskSource:
    """`file:` references. A split GGUF (`-00001-of-00003`) is planned with all its files."""

    async def plan(self, ref: SourceRef) -> Plan:
        """Raises NotFoundError with the nearest files of that folder, SourceError for what is no regular file."""
        assert isinstance(ref, FileRef), f"{ref} is no file reference"
        return await asyncio.to_thread(_plan, absolute(ref))


def state_of(path: Path) -> dict[str, str]:
    """What would change with the file: for the deed's provenance. Raises OSError."""
    found = path.stat()
    return {"size_bytes": str(found.st_size), "modified_ns": str(found.st_mtime_ns)}


def _plan(path: Path) -> Plan:
    files = tuple(_file(path.with_name(name)) for name in split_names(path.name))
    return Plan(origin=f"file:{path}", files=files, provenance={"path": str(path), **state_of(path)})


def _file(path: Path) -> PlannedFile:
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise NotFoundError("file", str(path), nearest=_neighbors(path)) from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.", file=str(path)) from error
    if stat.S_ISDIR(found.st_mode):
        inside = next((item.name for item in sorted(path.glob("*.gguf"))), "model.gguf")
        raise SourceError(
            f"{path} is a folder; name the .gguf in it.", hint=f"Like: freehold pull {path / inside}", file=str(path)
        )
    if not stat.S_ISREG(found.st_mode) or not is_file_name(path.name):
        raise SourceError(f"{path} is not a regular file with a plain name.", file=str(path))
    part = Part(path.as_uri(), path.name, size_bytes=found.st_size)
    return PlannedFile(path.name, (part,), size_bytes=found.st_size)


def _neighbors(path: Path) -> tuple[str, ...]:
    if not path.parent.is_dir():
        return ()
    names = [item.name for _, item in zip(range(_SHOWN_NEIGHBORS), path.parent.iterdir(), strict=False)]
    return tuple(str(path.parent / name) for name in nearest(path.name, names))
