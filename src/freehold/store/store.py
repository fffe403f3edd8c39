"""The store: builds on disk, found by name or by where they came from, each with its deed.

A build appears and disappears by one rename of its folder. Reading needs no lock and works on a read-only store;
writing raises ReadOnlyError there. A deed that cannot be read hides its own build and no other; `problems` tells.

`find` and `confirm` are the door that every build passes before an engine opens it: the deed is whole and this
build's own, its signature is one that the house accepts, and every file has the bytes it names. The order is from the
cheap to the dear: 1 ms for a deed of 16 kB, 0.1 ms for its signature, 0.7 s per gigabyte for a hash (measured with a
build of 98 MB in the page cache, on two shared cores), which is taken unless the kernel says that the file was not
touched since the last one (see `seen`). So the first load after a pull reads everything once more, later ones do not.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from freehold.catalog import Catalog
from freehold.core.builds import HeldBuild, Stamp
from freehold.core.errors import BuildChangedError, CallError, DeedError, NotFoundError, StoreError
from freehold.core.names import nearest
from freehold.core.refs import FakeRef, ModelRef, Reference, RemoteRef, WebRef
from freehold.core.settings import Settings
from freehold.store.deeds.document import write_deed
from freehold.store.deeds.key_files import PASSPHRASE
from freehold.store.deeds.presence import confirm, file_path, is_in_place
from freehold.store.deeds.record import Deed, Labels, Origin, TextFile
from freehold.store.deeds.signing import Keys
from freehold.store.durable import make_folder, sync_file, sync_folder, writing
from freehold.store.index import matcher, read_held, scan
from freehold.store.layout import DEED_FILE, PAPERS_FOLDER, Layout
from freehold.store.locks import hold_briefly
from freehold.store.naming import digest_of

_REMOVED = "removed-"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Removed:
    """What `remove` took away. Files in place stay where they are and free nothing."""

    name: str
    freed_bytes: int


class Store:
    """The builds under `home`. Making one touches nothing. `keys` sign its deeds and are asked about signatures."""

    def __init__(self, home: Path, keys: Keys | None = None) -> None:
        self.layout = Layout(home)
        self.keys = keys or Keys(self.layout.keys)

    @classmethod
    def of(cls, settings: Settings) -> Store:
        """The store of a house: its home, and its keys with the passphrase from the environment."""
        keys = Layout(settings.home).keys
        phrase, unsigned = settings.secret(PASSPHRASE), settings.deeds.unsigned
        return cls(settings.home, Keys(keys, passphrase=phrase, unsigned=unsigned))

    def builds(self) -> tuple[HeldBuild, ...]:
        """Every build whose deed can be read, by name. Their files and signatures are not looked at."""
        found = scan(self.layout)
        for problem in found.problems:
            _log.warning("%s", problem)
        return tuple(self._held(deed) for deed in found.deeds)

    def problems(self) -> tuple[StoreError, ...]:
        """The deeds that cannot be read, and why."""
        return scan(self.layout).problems

    def find(self, ref: Reference) -> HeldBuild:
        """The held build that `ref` names, as an engine may open it: deed, signature and files were looked at.

        A model without a tag is its build that came in first, those last that were made here from another. A source
        reference finds the build that was had from there. A file of this disk that has changed since is not found.
        Raises NotFoundError with the nearest names, DeedError, DeedSignatureError, BuildChangedError.
        """
        deed = self._lookup(ref)
        self._admit(deed)
        return self._named(deed, ref)

    def peek(self, ref: Reference) -> HeldBuild:
        """As `find`, with neither the files nor the signature looked at: for what opens nothing. Raises NotFoundError
        with the nearest names, DeedError."""
        return self._named(self._lookup(ref), ref)

    def confirm(self, build: HeldBuild) -> tuple[Stamp, ...]:
        """The stamps of the files of `build`, in order, which may be opened now as it was found earlier: a file that
        has another one when it is opened is not the one that was looked at. Raises what `find` raises."""
        deed = read_held(self.layout.build(build.digest))
        stamps = self._admit(deed)
        if self._held(deed).files != build.files:
            raise BuildChangedError(
                f"{build.name} lies elsewhere now than when it was found.",
                hint="`freehold reload`, or try again.",
                build=build.name,
            )
        return stamps

    def by_digest(self, digest: str) -> HeldBuild | None:
        """The build with this digest, or None. Its files are not looked at."""
        return next((build for build in self.builds() if build.digest == digest), None)

    def deed(self, build: HeldBuild) -> Deed:
        """The deed of a held build, as it was written. Raises DeedError."""
        return read_held(self.layout.build(build.digest))

    def is_in_place(self, build: HeldBuild) -> bool:
        """True where the build's files lie outside the store."""
        return is_in_place(self.deed(build))

    def remove(self, ref: Reference) -> Removed:
        """Take a build away, under every name it has. Raises NotFoundError, ReadOnlyError."""
        with hold_briefly(self.layout.names_lock):
            deed = self._lookup(ref)
            folder = self.layout.build(deed.digest)
            freed_bytes = 0 if is_in_place(deed) else sum(file.size_bytes for file in deed.files)
            self._discard(folder)
        return Removed(deed.names[0], freed_bytes)

    def keep(self, staged: Path, deed: Deed) -> HeldBuild:
        """Make the build in the folder `staged` visible, in one step; its files become read-only. The deed is signed
        where the house has a key.

        Where the same bytes are held already, the names and origins are added to their deed. Raises StoreError.
        """
        deed = self._signed(deed)
        with hold_briefly(self.layout.names_lock):
            target = self.layout.build(deed.digest)
            if target.exists():
                return self._listed(self._merge(staged, target, deed))
            self._settle_in(staged, target, deed)
            self._forget_older(deed)
        return self._held(deed)

    def record(self, build: HeldBuild, *, origin: Origin, name: str | None = None) -> HeldBuild:
        """Note that a held build was asked for at `origin` too, and give it `name`, which becomes its first. Its
        signature, which says nothing of either, stays."""
        with hold_briefly(self.layout.names_lock):
            deed = self.deed(build)
            labels = replace(deed.labels, later_origins=_with_origin(deed, origin))
            if name is not None:
                names = (name, *(old for old in deed.names if old != name))
                labels = replace(labels, names=names, named_at=origin.date)
            return self._listed(self._write(replace(deed, labels=labels)))

    def sign(self, ref: Reference) -> Deed:
        """Sign the deed of a held build with the house's key, every file of it hashed first; the deed.

        What the house signs it has looked at. A deed whose signature is wrong stays as it is: whoever changed it would
        get the house's word for it. Raises NotFoundError, DeedError, BuildChangedError, HouseKeyError.
        """
        self.keys.require_own()
        return self._anew(ref, lambda _, deed: deed)

    def add_text(self, ref: Reference, text: TextFile, data: bytes) -> Deed:
        """Keep `data` beside a held build as the license text that `text` describes; the deed, which names it from now
        on. As with `sign`, every file is hashed first, and the new statement bears the house's signature. One that is
        kept already changes nothing.

        Raises what `sign` raises, CallError for a name that is taken and for one text too many; HouseKeyError where
        somebody signed the deed and this house has no key to do it again.
        """
        if self._lookup(ref).signature is not None:
            self.keys.require_own()
        from freehold.store.license_texts import with_text  # it downloads too, which reading a store needs nothing of

        return self._anew(ref, lambda folder, deed: with_text(folder / PAPERS_FOLDER, deed, text, data))

    def _anew(self, ref: Reference, change: Callable[[Path, Deed], Deed]) -> Deed:
        """The deed of a held build written as `change` gives it, once every file of it was hashed."""
        found = self._lookup(ref)
        self.keys.refuse_wrong(found)
        folder = self.layout.build(found.digest)
        confirm(folder, found, self.layout.seen(found.digest), anew=True)
        with hold_briefly(self.layout.names_lock):
            deed = read_held(folder)
            if deed.sealed != found.sealed:
                raise DeedError(f"The deed of {found.names[0]} changed while its files were hashed.", hint="Try again.")
            return self._write(self._signed(change(folder, deed)))

    def _signed(self, deed: Deed) -> Deed:
        return replace(deed, signature=self.keys.sign(deed.sealed)) if self.keys.has_own else deed

    def _admit(self, deed: Deed) -> tuple[Stamp, ...]:
        """The stamps of the files of `deed`. Raises unless an engine may open them."""
        self.keys.require(deed)
        return confirm(self.layout.build(deed.digest), deed, self.layout.seen(deed.digest))

    def _named(self, deed: Deed, ref: Reference) -> HeldBuild:
        held = self._held(deed)
        if isinstance(ref, ModelRef) and ref.tag is not None and str(ref) in deed.names:
            return replace(held, name=str(ref), model=ref.model)
        return held

    def _lookup(self, ref: Reference) -> Deed:
        if isinstance(ref, RemoteRef | FakeRef):
            raise CallError(f"{ref} is no build: the store holds nothing of it.", reference=str(ref))
        found = scan(self.layout)
        matches = [deed for deed in found.deeds if matcher(ref)(deed)]
        if matches:
            return min(matches, key=lambda deed: (deed.statement.made_from is not None, deed.statement.kept_at))
        digests = _known_digests(ref) if found.unread else frozenset()
        for unread in found.unread:
            if unread.is_meant(ref, digests):
                raise unread.error
        names = [name for deed in found.deeds for name in deed.names]
        also = f" A deed could not be read: {found.problems[0].message}" if found.problems else ""
        raise NotFoundError("build", str(ref), nearest=nearest(str(ref), names), hint=f"{_how_to_get(ref)}{also}")

    def _held(self, deed: Deed) -> HeldBuild:
        folder = self.layout.build(deed.digest)
        return HeldBuild(
            name=deed.names[0],
            model=deed.names[0].partition(":")[0],
            digest=deed.digest,
            files=tuple(file_path(folder, deed, file) for file in deed.files),
            size_bytes=sum(file.size_bytes for file in deed.files),
            facts=deed.facts,
            license=deed.license,
            parent=deed.statement.made_from.parent if deed.statement.made_from else None,
        )

    def _listed(self, deed: Deed) -> HeldBuild:
        """As `builds` shows it: under another name where its own was given to a later build."""
        return self.by_digest(deed.digest) or self._held(deed)

    def _write(self, deed: Deed) -> Deed:
        write_deed(self.layout.build(deed.digest) / DEED_FILE, deed)
        return deed

    def _settle_in(self, staged: Path, target: Path, deed: Deed) -> None:
        write_deed(staged / DEED_FILE, deed)
        kept = [] if is_in_place(deed) else [staged / file.name for file in deed.files]
        texts = [staged / PAPERS_FOLDER / text.name for text in deed.statement.texts]
        with writing(staged):
            for path in (*kept, *texts):
                path.chmod(0o444)
                sync_file(path)
        if texts:
            sync_folder(staged / PAPERS_FOLDER)
        sync_folder(staged)
        make_folder(target.parent)
        with writing(target.parent):
            staged.rename(target)
        sync_folder(target.parent)

    def _merge(self, staged: Path, target: Path, deed: Deed) -> Deed:
        """Both deeds in one. The newer statement counts where it says more: of a copy over a file in place, of a
        build with papers over one of version 1, and where the held deed cannot be read."""
        try:
            held = read_held(target)
        except DeedError as error:
            _log.warning("%s It is replaced: the build was pulled again.", error.message)
            self._replace(staged, target, deed)
            return deed
        names = tuple(dict.fromkeys((*deed.names, *held.names)))
        older = held.statement.written_as < deed.statement.written_as and not is_in_place(deed)
        if not older and not is_in_place(held):
            later = _with_origin(held, deed.statement.origin)
            return self._write(replace(held, labels=Labels(names, deed.labels.named_at, later)))
        merged = replace(deed, labels=replace(deed.labels, names=names, later_origins=_others(deed, held)))
        if is_in_place(held) and is_in_place(deed):
            return self._write(merged)
        self._replace(staged, target, merged)
        return merged

    def _replace(self, staged: Path, target: Path, deed: Deed) -> None:
        self._discard(target)
        self._settle_in(staged, target, deed)

    def _forget_older(self, deed: Deed) -> None:
        """A file in place that was changed is another build now: what the store said of the former one goes."""
        paths = set(deed.labels.places.values())
        for other in scan(self.layout).deeds:
            if other.digest != deed.digest and paths & set(other.labels.places.values()):
                self._discard(self.layout.build(other.digest))

    def _discard(self, folder: Path) -> None:
        aside = self.layout.partial(f"{_REMOVED}{folder.name}")
        make_folder(aside.parent)
        with writing(folder.parent):
            _delete(aside)
            folder.rename(aside)
        sync_folder(folder.parent)
        with writing(aside.parent):
            _delete(aside)
            self.layout.seen(folder.name).unlink(missing_ok=True)


def _delete(folder: Path) -> None:
    """Take away what is there, if anything is. A symbolic link goes, and what it points at stays."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def _known_digests(ref: Reference) -> frozenset[str]:
    """The digests of the builds that `ref` means, where the catalog or the reference itself knows them."""
    if isinstance(ref, WebRef) and ref.sha256 is not None:
        return frozenset({digest_of([ref.sha256])})
    if not isinstance(ref, ModelRef):
        return frozenset()
    model = Catalog.load().get(ref.model)
    builds = model.builds if model else ()
    return frozenset(digest_of([build.sha256]) for build in builds if ref.tag in {None, build.tag})


def _how_to_get(ref: Reference) -> str:
    """What to pull where `ref` is not held: no command is named that cannot work."""
    if isinstance(ref, ModelRef):
        try:
            Catalog.load().resolve(ref)
        except NotFoundError as unknown:
            near = f"The nearest to pull: `freehold pull {unknown.nearest[0]}`. " if unknown.nearest else ""
            return f"{near}{unknown.hint}"
    return f"Pull it: `freehold pull {ref}`."


def _with_origin(deed: Deed, new: Origin) -> tuple[Origin, ...]:
    """The later origins with `new` in the place of the one it repeats, else after them. The first one, which gave the
    bytes, is part of the statement and stays as it is."""
    first, later = deed.statement.origin, deed.labels.later_origins
    if _said(first) == _said(new):
        return later
    same = [(old.asked, old.pinned) == (new.asked, new.pinned) for old in later]
    if any(same):
        return tuple(new if repeated else old for old, repeated in zip(later, same, strict=True))
    return (*later, new)


def _others(deed: Deed, held: Deed) -> tuple[Origin, ...]:
    """The origins of `held` that the one of `deed` does not repeat."""
    first = deed.statement.origin
    return tuple(old for old in held.origins if (old.asked, old.pinned) != (first.asked, first.pinned))


def _said(origin: Origin) -> tuple[str, str, dict[str, str]]:
    return origin.asked, origin.pinned, dict(origin.provenance)
