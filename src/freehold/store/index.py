"""Reads every deed of the store and tells which builds a reference means. Reading only.

A deed that cannot be read is reported beside the others, never in place of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from freehold.core.errors import StoreError
from freehold.core.refs import FileRef, ModelRef, SourceRef
from freehold.store.deeds import Deed, Origin, read_deed
from freehold.store.layout import DEED_FILE, Layout
from freehold.store.naming import absolute, displaced_name, written

_FOLDER = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Scan:
    """What lies in the store: the deeds, every name given once, and those that could not be read."""

    deeds: tuple[Deed, ...]
    problems: tuple[StoreError, ...]


def scan(layout: Layout) -> Scan:
    """Read every deed. Raises StoreError only where the folder of builds itself cannot be read."""
    deeds, problems = [], []
    for folder in _folders(layout.builds):
        try:
            deeds.append(read_deed(folder / DEED_FILE))
        except StoreError as error:
            if folder.exists():  # else it was removed while this ran
                problems.append(error)
    return Scan(settle(deeds), tuple(problems))


def _folders(builds: Path) -> list[Path]:
    try:
        return sorted(item for item in builds.iterdir() if _FOLDER.fullmatch(item.name))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"{builds} cannot be read: {error.strerror}.", folder=str(builds)) from error


def settle(deeds: Iterable[Deed]) -> tuple[Deed, ...]:
    """The deeds with every name given once, in the order of their first names.

    A name that two builds were given belongs to the one that was named last; the other is shown under a name of its
    own for as long as that one is held. Nothing is rewritten, so that no crash can lose a name.
    """
    taken: set[str] = set()
    settled = []
    for deed in sorted(deeds, key=lambda deed: (deed.named_at, deed.digest), reverse=True):
        names = tuple(name for name in deed.names if name not in taken)
        taken.update(names)
        settled.append(replace(deed, names=names or (displaced_name(deed.names[0], deed.digest),)))
    return tuple(sorted(settled, key=lambda deed: deed.names[0]))


def matcher(ref: ModelRef | SourceRef) -> Callable[[Deed], bool]:
    """Whether a deed is one that `ref` means. A file of this disk means the build it was when it was taken in."""
    if isinstance(ref, ModelRef):
        if ref.tag is not None:
            return lambda deed: str(ref) in deed.names
        return lambda deed: any(name.partition(":")[0] == ref.model for name in deed.names)
    text = written(ref)
    if isinstance(ref, FileRef):
        return lambda deed: any(
            origin.pinned == text and _is_unchanged(absolute(ref), origin) for origin in deed.origins
        )
    return lambda deed: any(text in {origin.asked, origin.pinned} for origin in deed.origins)


def _is_unchanged(path: Path, origin: Origin) -> bool:
    """True where the file is as it was when it was taken in, and where it is gone: then nothing speaks against it."""
    try:
        found = path.stat()
    except OSError:
        return True
    then = (origin.provenance.get("size_bytes"), origin.provenance.get("modified_ns"))
    return then == (str(found.st_size), str(found.st_mtime_ns))
