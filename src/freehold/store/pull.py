"""The way of a weight file: reference, plan, downloads, hashes, header check, deed, one rename, visible.

A build that is held already is answered without network. Two pulls of one thing meet at a lock: the second waits and
finds it done. What remains after a crash is either nothing or a partial folder that the next pull takes up.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from freehold import __version__
from freehold.catalog import Catalog
from freehold.catalog.catalog import CatalogEntry
from freehold.core.builds import HeldBuild
from freehold.core.errors import (
    CallError,
    DeedError,
    DeedSignatureError,
    FreeholdError,
    NotFoundError,
    SourceError,
    StoreError,
    WeightsError,
)
from freehold.core.ports import Progress
from freehold.core.refs import FakeRef, FileRef, ModelRef, Reference, RemoteRef, SourceKind, SourceRef, WebRef, parse
from freehold.store.acquire import Acquired, Workplace, acquire, remove_if_empty, set_aside, settled
from freehold.store.candidate import Candidate, of_deed, of_plan, with_override
from freehold.store.checked import Checked, check
from freehold.store.deeds.presence import sha256_of
from freehold.store.deeds.record import Deed, DeedFile, Labels, Origin, Statement, TextFile, Verification, Verified
from freehold.store.deeds.snapshot import license_of, papers_of
from freehold.store.durable import make_folder, writing
from freehold.store.layout import PAPERS_FOLDER, key_of
from freehold.store.license_texts import MISSING, keep_texts
from freehold.store.locks import hold
from freehold.store.naming import absolute, chosen_name, digest_of, legal_name, name_from_file, written
from freehold.store.plan import Plan, Source
from freehold.store.store import Store
from freehold.store.transfer import Patience, open_session

if TYPE_CHECKING:
    from freehold.catalog.policy import Verdict

Permit = Callable[[Candidate], "Verdict | None"]
"""Asked whether the house takes a candidate; raises where it does not. None: nobody judges."""

CHECKS = ("sha256 of every file", "verification of every file before anything opened it")


async def pull(
    ref: Reference,
    *,
    store: Store,
    catalog: Catalog,
    sources: Mapping[SourceKind, Source],
    progress: Progress,
    copy: bool = True,
    name: str | None = None,
    permit: Permit = lambda _: None,
) -> HeldBuild:
    """Bring the build that `ref` names into `store`, checked, or answer at once where it is held.

    `copy` False leaves a file of this disk where it lies and keeps only its deed. `name` (`model:tag`) is what the
    build is called; without it, its catalog name, else what its source suggests, else what its file is called.
    `permit` is asked as soon as it can be said what comes, and again before it becomes visible; what it raises ends
    the pull.

    Raises NotFoundError, CallError, SourceError and its kinds, StoreError and its kinds, WeightsError.
    """
    wanted = _wanted(ref, store, catalog)
    if isinstance(wanted, HeldBuild):
        return wanted
    if wanted.entry is not None:
        permit(Candidate(wanted.entry.name, wanted.entry.model, None, None))
    work = _Pull(wanted, store, catalog, progress, copy, name, permit)
    held = work.held()
    if held is not None:
        return held
    source = sources.get(wanted.source.kind)
    if source is None:
        raise CallError(f"There is no source for {wanted.source.kind}: references here.", reference=str(ref))
    return await work.run(await source.plan(wanted.source))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The source to ask, and the catalog's row where a catalog name was asked for."""

    source: SourceRef
    entry: CatalogEntry | None = None


def _wanted(ref: Reference, store: Store, catalog: Catalog) -> _Wanted | HeldBuild:
    if isinstance(ref, RemoteRef | FakeRef):
        raise CallError(f"{ref} is no build: there is nothing to pull.", hint=f"Use it as it is: freehold run {ref}")
    if not isinstance(ref, ModelRef):
        return _Wanted(ref)
    try:
        entry = catalog.resolve(ref)
    except NotFoundError as unknown:
        try:
            return store.find(ref)
        except NotFoundError:
            raise unknown from None
    source = parse(entry.build.source)
    assert isinstance(source, SourceRef), "the catalog's loader refuses rows whose source is none"
    return _Wanted(source, entry)


@dataclass(frozen=True, slots=True)
class _Pull:
    """One pull, from plan to visible build."""

    wanted: _Wanted
    store: Store
    catalog: Catalog
    progress: Progress
    copy: bool
    name: str | None
    permit: Permit

    def held(self, plan: Plan | None = None) -> HeldBuild | None:
        """The build if the store has it: by its hash where that is known, else by where it came from."""
        found = self._find(plan)
        if found is None or (self.copy and self.store.is_in_place(found)):
            return None
        self.progress.note(f"{found.name} is already held.")
        name = self._new_name(found)
        if name is None and plan is None:
            return found
        pinned = plan.origin if plan else written(self.wanted.source)
        return self.store.record(found, origin=self._origin(pinned, plan), name=name)

    def _new_name(self, found: HeldBuild) -> str | None:
        """What a held build is to be called too: the name chosen, or the catalog's if it was asked for by that."""
        if self.name is not None:
            return chosen_name(self.name, found.facts)
        entry = self.wanted.entry
        known = entry is None or entry.name in self.store.deed(found).names
        return None if known or entry is None else entry.name

    def _find(self, plan: Plan | None) -> HeldBuild | None:
        if self.wanted.entry is not None:
            return self._whole(digest_of([self.wanted.entry.build.sha256]))
        named = [file.sha256 for file in plan.files if file.sha256] if plan else []
        if plan and len(named) == len(plan.files):
            return self._whole(digest_of(named))
        try:
            return self.store.find(self.wanted.source)
        except NotFoundError:
            return None
        except DeedSignatureError:
            raise
        except DeedError as unreadable:
            # What is kept anew gets a new deed: that is how a damaged one is mended.
            self.progress.note(f"{unreadable.message} It is pulled again.")
            return None

    def _whole(self, digest: str) -> HeldBuild | None:
        found = self.store.by_digest(digest)
        return self.store.find(parse(found.name)) if found else None

    async def run(self, plan: Plan) -> HeldBuild:
        self.store.keys.require_signer()
        plan = self._named(plan)
        layout, key = self.store.layout, key_of(plan)
        waiting = f"{plan.origin} is being pulled by another process: waiting for it."
        async with hold(layout.pull_lock(key), waiting=lambda: self.progress.note(waiting)):
            held = self.held(plan)
            if held is not None:
                return held
            planned = of_plan(plan, written(self.wanted.source), self.catalog)
            if planned is not None:
                self.permit(planned)
            if isinstance(self.wanted.source, FileRef):
                # Before anything is copied: most of what is no weight file is a slip in a path.
                await asyncio.to_thread(check, _local_paths(self.wanted.source, plan), self.catalog)
            folder = make_folder(layout.partial(key))
            try:
                build = await (self._in_place(plan, folder) if not self.copy else self._download(plan, folder))
            except FreeholdError:
                await asyncio.to_thread(remove_if_empty, folder)
                raise
            with writing(folder.parent):
                await asyncio.to_thread(shutil.rmtree, folder)
            return build

    def _named(self, plan: Plan) -> Plan:
        """The plan with the catalog's hash and size for its one file, which count for more than the source's."""
        entry = self.wanted.entry
        if entry is None:
            return plan
        if len(plan.files) != 1:
            raise StoreError(f"{plan.origin} has {len(plan.files)} files; the catalog describes one for {entry.name}.")
        file = replace(plan.files[0], sha256=entry.build.sha256, size_bytes=entry.build.size_bytes)
        return replace(plan, files=(file,))

    async def _download(self, plan: Plan, folder: Path) -> HeldBuild:
        patience = Patience()
        async with open_session(plan.tls, patience, plan.proxy) as session:
            place = Workplace(folder, self.store.layout.quarantine, self.progress, session, patience)
            plan = self._named(await settled(plan, place))
            acquired = await acquire(plan, place)
            texts = place.build / PAPERS_FOLDER
            kept = await keep_texts(plan.papers, texts, session=session, progress=self.progress)
        files = tuple(DeedFile(item.path.name, item.size_bytes, item.sha256, self._verified(item)) for item in acquired)
        checked = await self._checked([item.path for item in acquired], files, plan)
        if kept.missing:
            plan = replace(plan, provenance={**plan.provenance, MISSING: "; ".join(kept.missing)})
        return self.store.keep(place.build, self._deed(plan, files, checked, kept.texts))

    async def _in_place(self, plan: Plan, folder: Path) -> HeldBuild:
        if not isinstance(self.wanted.source, FileRef):
            raise CallError(f"{self.wanted.source} is not a file of this disk: it cannot be used where it lies.")
        paths = _local_paths(self.wanted.source, plan)
        files = tuple([await self._measured(path) for path in paths])
        checked = await self._look(paths, files)
        deed = self._deed(plan, files, checked)
        labels = replace(deed.labels, places={path.name: str(path) for path in paths})
        return self.store.keep(make_folder(folder / "build"), replace(deed, labels=labels))

    async def _measured(self, path: Path) -> DeedFile:
        task, found = f"hashing {path.name}", await asyncio.to_thread(path.stat)
        self.progress.start(task, total_bytes=found.st_size)
        sha256 = await asyncio.to_thread(sha256_of, path, lambda nbytes: self.progress.advance(task, nbytes))
        self.progress.finish(task)
        verified: Verified = "named by catalog" if self.catalog.by_sha256(sha256) else "unverified: recorded"
        return DeedFile(path.name, found.st_size, sha256, verified)

    async def _look(self, paths: list[Path], files: tuple[DeedFile, ...]) -> Checked:
        self.progress.note("Checking the weights.")
        known = {path: file.sha256 for path, file in zip(paths, files, strict=True)}
        checked = await asyncio.to_thread(check, paths, self.catalog, known)
        for said in checked.to_say:
            self.progress.note(said)
        return checked

    async def _checked(self, paths: list[Path], files: tuple[DeedFile, ...], plan: Plan) -> Checked:
        """Check the weights. What is refused is set aside, so that the next pull asks the source again."""
        try:
            return await self._look(paths, files)
        except WeightsError as error:
            aside = [
                set_aside(path, self.store.layout.quarantine, file.sha256)
                for path, file in zip(paths, files, strict=True)
            ]
            await asyncio.to_thread(shutil.rmtree, paths[0].parent.parent)
            raise WeightsError(
                f"{error.message} It came from {plan.origin}.",
                hint=f"The bytes were set aside in {aside[0].parent}. Try another source, or tell its publisher.",
                **error.data,
            ) from error

    def _verified(self, item: Acquired) -> Verified:
        if isinstance(self.wanted.source, WebRef) and self.wanted.source.sha256:
            return "named by you"
        if self.catalog.by_sha256(item.sha256) is not None:
            return "named by catalog"
        return "named by source" if item.hash_named else "unverified: recorded"

    def _deed(
        self, plan: Plan, files: tuple[DeedFile, ...], checked: Checked, texts: tuple[TextFile, ...] = ()
    ) -> Deed:
        facts = checked.facts
        entry = self.catalog.by_sha256(files[0].sha256) if len(files) == 1 else None
        origin = self._origin(plan.origin, plan)
        names = [entry.name] if entry else []
        if self.name:
            names.insert(0, chosen_name(self.name, facts))
        suggested = plan.suggested_name
        usual = legal_name(suggested, facts) if suggested else name_from_file(files[0].name, facts)
        statement = Statement(
            digest=digest_of([file.sha256 for file in files]),
            files=files,
            origin=origin,
            facts=facts,
            checks=CHECKS,
            freehold=__version__,
            kept_at=origin.date,
            license=license_of(entry.model) if entry else plan.provenance.get("license"),
            papers=papers_of(self.catalog, files, plan.provenance),
            texts=texts,
            verification=Verification.of(checked.report, date=origin.date, freehold=__version__),
        )
        try:
            deed = Deed(statement, Labels(tuple(dict.fromkeys(names)) or (usual,), origin.date))
        except ValueError as error:
            # The weights were checked; what is left is what the source said, such as half of a character.
            raise SourceError(f"{plan.origin} says something that no deed can hold: {error}.") from error
        return with_override(deed, self.permit(of_deed(deed, self.catalog)))

    def _origin(self, pinned: str, plan: Plan | None) -> Origin:
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        return Origin(written(self.wanted.source), pinned, now, dict(plan.provenance) if plan else {})


def _local_paths(ref: FileRef, plan: Plan) -> list[Path]:
    first = absolute(ref)
    return [first.with_name(file.name) for file in plan.files]
