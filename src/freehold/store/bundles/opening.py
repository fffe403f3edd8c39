"""Takes a bundle in: everything is unpacked aside and checked, and only then do its builds become visible.

Checked are the manifest and its signature, the size and hash of every member, each deed (its seals, its signature, that
it is this build's, that it names just these files), and the weights themselves, as after a pull. Whatever fails,
nothing of the bundle stays. A deed that nobody signed whom this house trusts is somebody's word: what it says of its
files is held to the files, what it says of license and origin cannot be.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from freehold import __version__
from freehold.catalog import Catalog
from freehold.core.builds import HeldBuild, WeightFacts
from freehold.core.errors import BadReferenceError, BundleError, DeedError, DeedSignatureError, StoreError, WeightsError
from freehold.core.ports import Progress
from freehold.core.refs import ModelRef, parse
from freehold.store.bundles import unaided
from freehold.store.bundles.makers import Maker, maker_of
from freehold.store.candidate import OVERRIDDEN_BY
from freehold.store.checked import check
from freehold.store.deeds.document import read_deed
from freehold.store.deeds.record import Deed, Labels, Origin, Verification
from freehold.store.durable import make_folder, require_space, writing
from freehold.store.layout import DEED_FILE, PAPERS_FOLDER
from freehold.store.locks import hold_briefly
from freehold.store.opened import open_regular
from freehold.store.store import Store

if TYPE_CHECKING:
    from freehold.catalog.policy import Verdict

Permit = Callable[[Deed, bool], "Verdict | None"]
"""Asked whether the house takes a build; raises where it does not. The deed has what was found here of the files. True:
somebody the house trusts signed it. None: nobody judges."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a bundle brought. `maker` is who signed it; `wheels` are the files put into the folder asked for;
    `without_text` the builds that no license text came with."""

    builds: tuple[HeldBuild, ...]
    maker: Maker
    manifest_sha256: str
    wheels: tuple[Path, ...]
    without_text: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Unpacked:
    """One build of the bundle: its folder aside, its deed, and who took it although the house refuses it."""

    folder: Path
    deed: Deed
    overridden_by: str | None


def open_bundle(
    path: Path,
    *,
    store: Store,
    catalog: Catalog,
    progress: Progress,
    trust: str | None = None,
    wheels_to: Path | None = None,
    permit: Permit = lambda _, __: None,
) -> Opened:
    """Check the bundle at `path` and take its builds into `store`. `trust` is the fingerprint of its maker's key, or a
    file with the public key: the house trusts it from then on. `wheels_to` is a folder for the wheels. `permit` is
    asked of every deed whether the house takes its build; what it raises ends the opening.

    Raises BundleError, DeedError and its kinds, WeightsError, HouseKeyError, NoSpaceError and other StoreErrors.
    """
    store.keys.require_signer()
    try:
        with io.BufferedReader(cast("io.RawIOBase", open_regular(path))) as file:
            bundle = unaided.Bundle(file)
            maker = maker_of(bundle.manifest, store.keys, trust, path)
            work = _Opening(path, bundle, maker, store, catalog, progress, permit)
            return work.run(wheels_to)
    except unaided.RefusedError as refused:
        raise BundleError(
            f"{path} {refused}",
            hint="Nothing of it was taken in. Ask its maker for another copy, and compare `sha256sum` with theirs.",
            file=str(path),
        ) from refused
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}.", file=str(path)) from error


@dataclass(frozen=True, slots=True)
class _Opening:
    """One opening, from the first member to visible builds."""

    path: Path
    bundle: unaided.Bundle
    maker: Maker
    store: Store
    catalog: Catalog
    progress: Progress
    permit: Permit

    def run(self, wheels_to: Path | None) -> Opened:
        layout, seal = self.store.layout, self.bundle.manifest.seal
        aside = layout.partial(f"bundle-{seal[:32]}")
        with hold_briefly(layout.pull_lock(aside.name)):
            shutil.rmtree(aside, ignore_errors=True)  # of an opening that was interrupted
            make_folder(aside)
            try:
                self._unpack(aside, with_wheels=wheels_to is not None)
                unpacked = [self._checked(folder) for folder in sorted((aside / "builds").glob("*"))]
                self.maker.trust(self.store.keys)
                wheels = tuple(_moved(aside / "wheels", wheels_to)) if wheels_to else ()
                builds = tuple([self.store.keep(each.folder, self._labelled(each)) for each in unpacked])
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        bare = [build.name for build, each in zip(builds, unpacked, strict=True) if not each.deed.statement.texts]
        return Opened(builds, self.maker, seal, wheels, tuple(bare))

    def _unpack(self, aside: Path, *, with_wheels: bool) -> None:
        members = self.bundle.manifest.members
        kinds = ("builds/", "wheels/") if with_wheels else ("builds/",)
        wanted = {each.path for each in members if each.path.startswith(kinds)}
        require_space(aside, unpacked_bytes=sum(each.size_bytes for each in members if each.path in wanted))
        task = f"checking {self.path.name}"
        self.progress.start(task, total_bytes=sum(each.size_bytes for each in members))
        for member, chunks in self.bundle.members():
            steps = self._counted(chunks, task)
            if member.path not in wanted:
                for _ in steps:
                    pass
                continue
            target = aside / member.path
            make_folder(target.parent)
            with writing(target.parent), target.open("xb") as out:
                out.writelines(steps)
        self.progress.finish(task)

    def _counted(self, chunks: Iterator[bytes], task: str) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk
            self.progress.advance(task, len(chunk))

    def _checked(self, folder: Path) -> _Unpacked:
        deed = self._deed(folder)
        vouched = self._vouched(deed)
        known = {folder / file.name: file.sha256 for file in deed.files}
        try:
            found = check(list(known), self.catalog, known, facts=deed.facts)
        except WeightsError as error:
            raise WeightsError(
                f"{error.message} It came in {self.path}.", hint="Nothing of the bundle was taken in.", **error.data
            ) from error
        for said in found.to_say:
            self.progress.note(said)
        differs = _differs(deed.facts, found.facts)
        if differs:
            raise self._refused(deed.digest, f"says of its files what they do not say themselves: {differs}")
        looked = Verification.of(found.report, date=deed.statement.kept_at, freehold=__version__)
        verdict = self.permit(replace(deed, statement=replace(deed.statement, verification=looked)), vouched)
        return _Unpacked(folder, deed, verdict.overridden_by if verdict else None)

    def _vouched(self, deed: Deed) -> bool:
        """Whether somebody whom the house trusts has signed `deed`. Raises DeedSignatureError where the house takes no
        other deeds, or the signature is forged."""
        keys = self.store.keys
        if self.maker.vouches_for(deed, keys):
            return True
        try:
            keys.require(deed)
        except DeedSignatureError as error:
            raise DeedSignatureError(
                f"{error.message} It came in {self.path}, and nothing of that was taken in.",
                hint="Ask its maker for another copy, after `freehold deed sign --all` there; or, if you know whose "
                "key it is, `freehold signing trust FILE` with its public half.",
                **error.data,
            ) from error
        return False

    def _deed(self, folder: Path) -> Deed:
        digest = f"sha256:{folder.name}"
        try:
            deed = read_deed(folder / DEED_FILE)
        except DeedError as error:
            message = error.message.replace(str(folder / DEED_FILE), "It").removesuffix(".")
            raise self._refused(digest, f"is refused. {message}") from error
        if deed.digest != digest:
            raise self._refused(digest, f"is the deed of another build, {deed.digest}")
        if deed.labels.places or not all(map(_is_name, deed.names)):
            raise self._refused(digest, "has labels that no bundle has")
        named = {file.name: file.sha256 for file in deed.files}
        named |= {f"{PAPERS_FOLDER}/{text.name}": text.sha256 for text in deed.statement.texts}
        carried = self._carried(folder.name)
        for name in sorted(named.keys() ^ carried.keys()):
            what = "names a file that is not there" if name in named else "does not name a file that is there"
            raise self._refused(digest, f"{what}: {name}")
        for name in (name for name, sha256 in sorted(named.items()) if carried[name] != sha256):
            raise self._refused(digest, f"names other bytes than the manifest: {name}")
        return deed

    def _carried(self, hexdigits: str) -> Mapping[str, str]:
        """The hashes of a build's members but its deed, by their path in its folder."""
        start = f"builds/{hexdigits}/"
        members = self.bundle.manifest.members
        found = {each.path.removeprefix(start): each.sha256 for each in members if each.path.startswith(start)}
        return {name: sha256 for name, sha256 in found.items() if name != DEED_FILE}

    def _refused(self, digest: str, why: str) -> BundleError:
        return BundleError(
            f"The deed of {digest[:19]} in {self.path} {why}.",
            hint="Nothing of the bundle was taken in. Ask its maker for another copy.",
            file=str(self.path),
        )

    def _labelled(self, unpacked: _Unpacked) -> Deed:
        """The deed with labels of this house: the names it brought, given now, and the bundle it came in."""
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        said = {"bundle": self.path.name, "bundle_made_by": self.maker.key or "nobody signed it"}
        said |= {OVERRIDDEN_BY: unpacked.overridden_by} if unpacked.overridden_by else {}
        deed = unpacked.deed
        origin = Origin(f"bundle:{self.path.name}", f"bundle:sha256:{self.bundle.manifest.seal}", now, said)
        return replace(deed, labels=Labels(deed.names, now, (origin,)))


def _is_name(name: str) -> bool:
    try:
        ref = parse(name)
    except BadReferenceError:
        return False
    return isinstance(ref, ModelRef) and ref.tag is not None and str(ref) == name


def _differs(said: WeightFacts, found: WeightFacts) -> str | None:
    """The first fact of the files that a deed states otherwise. What only one of them has is no difference: an earlier
    Freehold read fewer."""
    for name, value in asdict(found).items():
        stated = getattr(said, name)
        if stated is not None and value is not None and stated != value:
            return name.replace("_", " ")
    return None


def _moved(folder: Path, target: Path) -> Iterator[Path]:
    make_folder(target)
    with writing(target):
        for wheel in sorted(folder.glob("*.whl")):
            shutil.move(wheel, target / wheel.name)
            yield target / wheel.name
