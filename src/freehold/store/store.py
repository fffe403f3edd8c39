"""The store: builds on disk, found by name or by where they came from, each with its deed.

A build appears and disappears by one rename of its folder. Reading needs no lock and works on a read-only store;
writing raises ReadOnlyError there. A deed that cannot be read hides its own build and no other; `problems` tells.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from freehold.catalog import Catalog
from freehold.core.builds import HeldBuild
from freehold.core.errors import CallError, NotFoundError, ReadOnlyError, StoreError
from freehold.core.names import nearest
from freehold.core.refs import FakeRef, ModelRef, Reference, RemoteRef
from freehold.store.deeds import Deed, Origin, read_deed, write_deed
from freehold.store.durable import make_folder, sync_file, sync_folder, writing
from freehold.store.index import matcher, scan
from freehold.store.layout import DEED_FILE, Layout
from freehold.store.locks import hold_briefly
from freehold.store.presence import confirm, file_path, is_in_place

_REMOVED = "removed-"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Removed:
    """What `remove` took away. Files in place stay where they are and free nothing."""

    name: str
    freed_bytes: int


class Store:
    """The builds under `home`. Making one touches nothing."""

    def __init__(self, home: Path) -> None:
        self.layout = Layout(home)

    def builds(self) -> tuple[HeldBuild, ...]:
        """Every build whose deed can be read, by name. Their files are not looked at."""
        found = scan(self.layout)
        for problem in found.problems:
            _log.warning("%s", problem)
        return tuple(self._held(deed) for deed in found.deeds)

    def problems(self) -> tuple[StoreError, ...]:
        """The deeds that cannot be read, and why."""
        return scan(self.layout).problems

    def find(self, ref: Reference) -> HeldBuild:
        """The held build that `ref` names, its files looked at.

        A model without a tag is its build that came in first. A source reference finds the build that was had
        from there. A file of this disk that has changed since is not found.
        Raises NotFoundError with the nearest names, StoreError where the build's files are not what they were.
        """
        deed = self._lookup(ref)
        folder = self.layout.build(deed.digest)
        confirmed = confirm(folder, deed)
        if confirmed != deed:
            self._remember(confirmed)
        held = self._held(confirmed)
        if isinstance(ref, ModelRef) and ref.tag is not None and str(ref) in deed.names:
            return replace(held, name=str(ref), model=ref.model)
        return held

    def by_digest(self, digest: str) -> HeldBuild | None:
        """The build with this digest, or None. Its files are not looked at."""
        return next((build for build in self.builds() if build.digest == digest), None)

    def deed(self, build: HeldBuild) -> Deed:
        """The deed of a held build, as it was written. Raises StoreError."""
        return read_deed(self.layout.build(build.digest) / DEED_FILE)

    def is_in_place(self, build: HeldBuild) -> bool:
        """True where the build's files lie outside the store."""
        return is_in_place(self.deed(build))

    def remove(self, ref: Reference) -> Removed:
        """Take a build away, under every name it has. Raises NotFoundError, ReadOnlyError."""
        with hold_briefly(self.layout.names_lock):
            deed = self._lookup(ref)
            folder = self.layout.build(deed.digest)
            freed_bytes = sum(file.size_bytes for file in deed.files if file.path is None)
            self._discard(folder)
        return Removed(deed.names[0], freed_bytes)

    def keep(self, staged: Path, deed: Deed) -> HeldBuild:
        """Make the build in the folder `staged` visible, in one step; its files become read-only.

        Where the same bytes are held already, the names and origins are added to their deed. Raises StoreError.
        """
        with hold_briefly(self.layout.names_lock):
            target = self.layout.build(deed.digest)
            if target.exists():
                return self._listed(self._merge(staged, target, deed))
            self._settle_in(staged, target, deed)
            self._forget_older(deed)
        return self._held(deed)

    def record(self, build: HeldBuild, *, origin: Origin, name: str | None = None) -> HeldBuild:
        """Note that a held build was asked for at `origin` too, and give it `name`, which becomes its first."""
        with hold_briefly(self.layout.names_lock):
            deed = self.deed(build)
            changed = replace(deed, origins=_with_origin(deed.origins, origin))
            if name is not None:
                names = (name, *(old for old in deed.names if old != name))
                changed = replace(changed, names=names, named_at=origin.date)
            return self._listed(self._write(changed))

    def _lookup(self, ref: Reference) -> Deed:
        if isinstance(ref, RemoteRef | FakeRef):
            raise CallError(f"{ref} is no build: the store holds nothing of it.", reference=str(ref))
        found = scan(self.layout)
        matches = [deed for deed in found.deeds if matcher(ref)(deed)]
        if matches:
            return min(matches, key=lambda deed: deed.kept_at)
        names = [name for deed in found.deeds for name in deed.names]
        unread = f" A deed could not be read: {found.problems[0].message}" if found.problems else ""
        raise NotFoundError("build", str(ref), nearest=nearest(str(ref), names), hint=f"{_how_to_get(ref)}{unread}")

    def _held(self, deed: Deed) -> HeldBuild:
        folder = self.layout.build(deed.digest)
        return HeldBuild(
            name=deed.names[0],
            model=deed.names[0].partition(":")[0],
            digest=deed.digest,
            files=tuple(file_path(folder, file) for file in deed.files),
            size_bytes=sum(file.size_bytes for file in deed.files),
            facts=deed.facts,
            license=deed.license,
        )

    def _listed(self, deed: Deed) -> HeldBuild:
        """As `builds` shows it: under another name where its own was given to a later build."""
        return self.by_digest(deed.digest) or self._held(deed)

    def _write(self, deed: Deed) -> Deed:
        write_deed(self.layout.build(deed.digest) / DEED_FILE, deed)
        return deed

    def _remember(self, confirmed: Deed) -> None:
        """Note the new times of touched files, where the store may be written."""
        stored = read_deed(self.layout.build(confirmed.digest) / DEED_FILE)
        try:
            self._write(replace(stored, files=confirmed.files))
        except ReadOnlyError:
            _log.info("the store is read-only: %s is hashed again next time", confirmed.names[0])

    def _settle_in(self, staged: Path, target: Path, deed: Deed) -> None:
        write_deed(staged / DEED_FILE, deed)
        with writing(staged):
            for file in deed.files:
                if file.path is None:
                    (staged / file.name).chmod(0o444)
                    sync_file(staged / file.name)
        sync_folder(staged)
        make_folder(target.parent)
        with writing(target.parent):
            staged.rename(target)
        sync_folder(target.parent)

    def _merge(self, staged: Path, target: Path, deed: Deed) -> Deed:
        held = read_deed(target / DEED_FILE)
        merged = replace(
            held,
            names=tuple(dict.fromkeys((*deed.names, *held.names))),
            named_at=deed.named_at,
            origins=_with_origin(held.origins, deed.origins[0]),
        )
        if is_in_place(held):
            merged = replace(merged, files=deed.files)
        if is_in_place(held) and not is_in_place(deed):
            self._discard(target)
            self._settle_in(staged, target, merged)
            return merged
        return self._write(merged)

    def _forget_older(self, deed: Deed) -> None:
        """A file in place that was changed is another build now: what the store said of the former one goes."""
        paths = {file.path for file in deed.files if file.path is not None}
        for other in scan(self.layout).deeds:
            if other.digest != deed.digest and paths & {file.path for file in other.files}:
                self._discard(self.layout.build(other.digest))

    def _discard(self, folder: Path) -> None:
        aside = self.layout.partial(f"{_REMOVED}{folder.name}")
        make_folder(aside.parent)
        with writing(folder.parent):
            if aside.exists():
                shutil.rmtree(aside)
            folder.rename(aside)
        sync_folder(folder.parent)
        with writing(aside.parent):
            shutil.rmtree(aside)


def _how_to_get(ref: Reference) -> str:
    """What to pull where `ref` is not held: no command is named that cannot work."""
    if isinstance(ref, ModelRef):
        try:
            Catalog.load().resolve(ref)
        except NotFoundError as unknown:
            near = f"The nearest to pull: `freehold pull {unknown.nearest[0]}`. " if unknown.nearest else ""
            return f"{near}{unknown.hint}"
    return f"Pull it: `freehold pull {ref}`."


def _with_origin(origins: tuple[Origin, ...], new: Origin) -> tuple[Origin, ...]:
    """The origins with `new` in the place of the one it repeats, else after them."""
    same = [(old.asked, old.pinned) == (new.asked, new.pinned) for old in origins]
    if any(same):
        return tuple(new if repeated else old for old, repeated in zip(origins, same, strict=True))
    return (*origins, new)
