"""Builds that this house makes from builds it holds: converted for another engine, repacked into other tensor types.

They are builds like any other: their files are hashed, looked at, made visible by one rename, and confirmed before an
engine opens them. Their deed says what they were made from and how; license, papers and license texts are the parent's.
Nothing here makes files: `derive` gives whoever does an empty folder, and a second process that wants the same waits
and finds it made.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from freehold import __version__
from freehold.catalog import Catalog
from freehold.core.builds import HeldBuild, Stamp, WeightFacts
from freehold.core.errors import CallError, WeightsError
from freehold.store.candidate import OVERRIDDEN_BY, unread_of
from freehold.store.checked import Checked, check
from freehold.store.deeds.canonical import canonical
from freehold.store.deeds.presence import sha256_of
from freehold.store.deeds.record import (
    Deed,
    DeedFile,
    Derivation,
    Labels,
    Origin,
    Statement,
    TextFile,
    Verification,
    Verified,
)
from freehold.store.deeds.snapshot import BY_PARENT, MADE_FROM, MODEL, identified
from freehold.store.durable import make_folder, writing
from freehold.store.layout import PAPERS_FOLDER
from freehold.store.locks import hold
from freehold.store.naming import chosen_name, digest_of, is_file_name
from freehold.store.store import Store

CHECKS = ("sha256 of every file", "verification of every file before anything opened it", "made here from a held build")
_CARRIED = ("license", "repository", "base_model", OVERRIDDEN_BY)
"""What a source said of the parent and is as true of what was made from it. Hashes, versions and addresses are not."""


@dataclass(frozen=True, slots=True)
class Making:
    """How a build is made from a held one: `how` in words (the end of "It was ..."), by which tool, with which settings
    of it. `tag` is put after the parent's in the name: `openvino` makes `model:q4_1-openvino`."""

    tag: str
    how: str
    tool: str
    tool_version: str
    settings: Mapping[str, str] = field(default_factory=dict)


Make = Callable[[Path, Sequence[Stamp]], Awaitable[Sequence[str]]]
"""Writes files into an empty folder and gives their names, the one an engine opens first in front. It is told the
stamps of the parent's files, which were confirmed: one with another stamp is not what is to be opened."""


def made(store: Store, parent: HeldBuild, making: Making) -> HeldBuild | None:
    """The held build that was made from `parent` in just this way, or None. Its files are not looked at."""
    return next((build for build in store.builds() if _is_made(store.deed(build), parent, making)), None)


async def derive(
    parent: HeldBuild,
    making: Making,
    make: Make,
    *,
    store: Store,
    catalog: Catalog,
    facts: WeightFacts | None = None,
    waiting: Callable[[], None] = lambda: None,
) -> HeldBuild:
    """The build that `make` makes from `parent`: the one that is held, or a new one. `facts` are what is known of files
    that do not say it themselves; `waiting` is called where another process is making it.

    Raises what `Store.confirm`, `make` and `keep` raise; nothing of a failed one stays.
    """
    key = _key(parent, making)
    async with hold(store.layout.pull_lock(key), waiting=waiting):
        held = await asyncio.to_thread(made, store, parent, making)
        if held is not None:
            return held
        store.keys.require_signer()
        stamps = await asyncio.to_thread(store.confirm, parent)
        folder = store.layout.partial(key)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)  # of a making that was interrupted
        make_folder(folder)
        try:
            names = await make(folder, stamps)
            return await asyncio.to_thread(
                lambda: keep(folder, names, parent, making, store=store, catalog=catalog, facts=facts)
            )
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def keep(
    folder: Path,
    names: Sequence[str],
    parent: HeldBuild,
    making: Making,
    *,
    store: Store,
    catalog: Catalog,
    facts: WeightFacts | None = None,
) -> HeldBuild:
    """Make a held build of the files `names` of `folder`, which were made from `parent`. `folder` lies in the store's
    `partial` and is used up. Raises WeightsError for what no engine may open, CallError, StoreError and its kinds."""
    if not names or not all(map(is_file_name, names)) or len(set(names)) != len(names):
        raise CallError(f"{parent.name} was made into files that cannot be kept: {', '.join(names) or 'none at all'}.")
    deed = store.deed(parent)
    paths = [folder / name for name in names]
    files = tuple(DeedFile(path.name, path.stat().st_size, sha256_of(path), _verified(deed)) for path in paths)
    known = {path: file.sha256 for path, file in zip(paths, files, strict=True)}
    checked = check(paths, catalog, known, facts=facts)
    _refuse_unread(parent, deed, checked)
    texts = _texts(deed, store.layout.build(parent.digest) / PAPERS_FOLDER, folder / PAPERS_FOLDER)
    return store.keep(folder, _deed(deed, parent, making, files, checked, texts, catalog))


def _refuse_unread(parent: HeldBuild, deed: Deed, checked: Checked) -> None:
    """Raises WeightsError where something of the new files could not be judged that was not so of the parent's: whoever
    took the parent all the same took that, and nothing else."""
    taken = {each.check for each in unread_of(deed)}
    for finding in (each for each in checked.report.undecided if each.check not in taken):
        raise WeightsError(
            f"What was made from {parent.name} cannot be judged. {finding.file}: {finding.message} ({finding.check})",
            hint=finding.hint,
            file=finding.file,
            check=finding.check,
        )


def _deed(
    old: Deed,
    parent: HeldBuild,
    making: Making,
    files: tuple[DeedFile, ...],
    checked: Checked,
    texts: tuple[TextFile, ...],
    catalog: Catalog,
) -> Deed:
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    papers = old.statement.papers
    statement = Statement(
        digest=digest_of([file.sha256 for file in files]),
        files=files,
        origin=Origin(parent.name, parent.digest, now, _provenance(old, catalog)),
        facts=checked.facts,
        checks=CHECKS,
        freehold=__version__,
        kept_at=now,
        license=old.license,
        papers=None if papers is None else {**papers, "identified_by": BY_PARENT},
        texts=texts,
        verification=Verification.of(checked.report, date=now, freehold=__version__),
        made_from=_derivation(parent, making),
    )
    return Deed(statement, Labels((chosen_name(f"{parent.name}-{making.tag}", checked.facts),), now))


def _derivation(parent: HeldBuild, making: Making) -> Derivation:
    return Derivation(parent.digest, parent.name, making.how, making.tool, making.tool_version, dict(making.settings))


def _is_made(deed: Deed, parent: HeldBuild, making: Making) -> bool:
    made_from = deed.statement.made_from
    return made_from is not None and replace(made_from, parent_name=parent.name) == _derivation(parent, making)


def _provenance(old: Deed, catalog: Catalog) -> dict[str, str]:
    """What a policy is to know of the new build: whose weights these are, as far as it is known of the parent's."""
    said = old.statement.origin.provenance
    carried = {key: said[key] for key in _CARRIED if key in said}
    carried[MADE_FROM] = said.get(MADE_FROM, old.statement.origin.asked)
    found = identified(catalog, old.files, said)
    if found is not None and len(old.files) == 1 and catalog.by_sha256(old.files[0].sha256) is not None:
        carried[MODEL] = found[0].name
    elif MODEL in said:
        carried[MODEL] = said[MODEL]
    return carried


def _verified(old: Deed) -> Verified:
    unverified = any(file.verified.startswith("unverified") for file in old.files)
    return "unverified: recorded" if unverified else "made here"


def _texts(old: Deed, source: Path, target: Path) -> tuple[TextFile, ...]:
    """The parent's license texts, copied; `Store.confirm` has looked at them."""
    if old.statement.texts:
        make_folder(target)
    with writing(target):
        for text in old.statement.texts:
            shutil.copyfile(source / text.name, target / text.name)
    return old.statement.texts


def _key(parent: HeldBuild, making: Making) -> str:
    said = _derivation(replace(parent, name=""), making)
    parts = [said.parent, said.how, said.tool, said.tool_version, dict(said.settings)]
    return hashlib.sha256(canonical(parts).encode()).hexdigest()[:32]
