"""Reads every deed of the store and tells which builds a reference means. Reading only.

A deed that cannot be read is reported beside the others, never in place of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from freehold.core.errors import DeedError, StoreError
from freehold.core.refs import FileRef, ModelRef, SourceRef, WebRef
from freehold.store.deeds.canonical import canonical
from freehold.store.deeds.document import LARGEST_DEED_BYTES, read_deed
from freehold.store.deeds.record import Deed, Origin
from freehold.store.layout import DEED_FILE, Layout
from freehold.store.naming import absolute, digest_of, displaced_name, may_be_named, written
from freehold.store.opened import open_regular

_FOLDER = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Unread:
    """A deed that could not be read, or lies in another build's folder, and why."""

    path: Path
    error: StoreError

    @property
    def digest(self) -> str:
        """Of the build in whose folder it lies."""
        return f"sha256:{self.path.parent.name}"

    def is_meant(self, ref: ModelRef | SourceRef, digests: Container[str]) -> bool:
        """Whether its build is what `ref` means. A deed put in another's place took the names away with it, so what
        else is known of the build counts too: its digest, where it is among `digests`, and the names of its files."""
        named = isinstance(ref, ModelRef) and any(may_be_named(file, ref) for file in self._files())
        return self.digest in digests or named or self._mentions(ref)

    def _files(self) -> list[str]:
        try:
            return [file.name for file in self.path.parent.iterdir() if file.suffix == ".gguf"]
        except OSError:
            return []

    def _mentions(self, ref: ModelRef | SourceRef) -> bool:
        """Whether `ref` stands in its bytes as a name or an origin does."""
        text = canonical(written(ref))
        wanted = text if not isinstance(ref, ModelRef) or ref.tag is not None else f"{text[:-1]}:"
        try:
            with open_regular(self.path) as file:
                return wanted.encode() in file.read(LARGEST_DEED_BYTES)
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class Scan:
    """What lies in the store: the deeds, every name given once, and those that could not be read."""

    deeds: tuple[Deed, ...]
    unread: tuple[Unread, ...]

    @property
    def problems(self) -> tuple[StoreError, ...]:
        return tuple(unread.error for unread in self.unread)


def scan(layout: Layout) -> Scan:
    """Read every deed. Raises StoreError only where the folder of builds itself cannot be read."""
    deeds, unread = [], []
    for folder in _folders(layout.builds):
        try:
            deeds.append(read_held(folder))
        except StoreError as error:
            if folder.exists():  # else it was removed while this ran
                unread.append(Unread(folder / DEED_FILE, error))
    return Scan(settle(deeds), tuple(unread))


def read_held(folder: Path) -> Deed:
    """The deed of the build in `folder`. Raises DeedError, also for one that belongs to another folder."""
    deed = read_deed(folder / DEED_FILE)
    if deed.digest != f"sha256:{folder.name}":
        raise DeedError(
            f"{folder / DEED_FILE} is the deed of another build, {deed.digest}: it was put here in place of its own.",
            hint=f"Restore it from a copy, or remove the folder {folder} and pull the build again.",
            path=str(folder / DEED_FILE),
        )
    return deed


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
    for deed in sorted(deeds, key=lambda deed: (deed.labels.named_at, deed.digest), reverse=True):
        names = tuple(name for name in deed.names if name not in taken)
        taken.update(names)
        names = names or (displaced_name(deed.names[0], deed.digest),)
        settled.append(replace(deed, labels=replace(deed.labels, names=names)))
    return tuple(sorted(settled, key=lambda deed: deed.names[0]))


def matcher(ref: ModelRef | SourceRef) -> Callable[[Deed], bool]:
    """Whether a deed is one that `ref` means. A file of this disk means the build it was when it was taken in, an
    address with a hash only the bytes of that hash, whatever a deed says of where it was had."""
    if isinstance(ref, ModelRef):
        if ref.tag is not None:
            return lambda deed: str(ref) in deed.names
        return lambda deed: any(name.partition(":")[0] == ref.model for name in deed.names)
    text = written(ref)
    if isinstance(ref, FileRef):
        return lambda deed: any(
            origin.pinned == text and _is_unchanged(absolute(ref), origin) for origin in deed.origins
        )
    if isinstance(ref, WebRef) and ref.sha256 is not None:
        named = digest_of([ref.sha256])
        return lambda deed: deed.digest == named and _was_had(deed, text)
    return lambda deed: _was_had(deed, text)


def _was_had(deed: Deed, text: str) -> bool:
    return any(text in {origin.asked, origin.pinned} for origin in deed.origins)


def _is_unchanged(path: Path, origin: Origin) -> bool:
    """True where the file is as it was when it was taken in, and where it is gone: then nothing speaks against it."""
    try:
        found = path.stat()
    except OSError:
        return True
    then = (origin.provenance.get("size_bytes"), origin.provenance.get("modified_ns"))
    return then == (str(found.st_size), str(found.st_mtime_ns))
