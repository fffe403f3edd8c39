"""Turns a plan into checked files: every part fetched and compared with its hash, joined, compared again.

What it works in is one folder of `partial/`; everything in it can be taken up by a later run. Bytes that are not the
bytes named are moved to quarantine and the error names file, source and both hashes. Nothing is visible yet.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from freehold.core.errors import HashMismatchError, SourceError
from freehold.core.ports import Progress
from freehold.store.download import Fetched, fetch
from freehold.store.durable import make_folder, require_space, writing
from freehold.store.journal import journal_path
from freehold.store.naming import is_file_name
from freehold.store.plan import Part, Plan, PlannedFile
from freehold.store.transfer import Patience
from freehold.store.unpack import Damaged, Piece, join, joined_bytes


@dataclass(frozen=True, slots=True)
class Acquired:
    """One weight file put together at `path`. `hash_named` if its bytes were held against a hash somebody named."""

    path: Path
    sha256: str
    size_bytes: int
    hash_named: bool


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a pull works: its own partial folder, the folder for bad bytes, and the ways to the outside."""

    folder: Path
    quarantine: Path
    progress: Progress
    session: aiohttp.ClientSession
    patience: Patience

    @property
    def parts(self) -> Path:
        return self.folder / "parts"

    @property
    def build(self) -> Path:
        return self.folder / "build"

    def part(self, file: int, part: int) -> Path:
        return self.parts / f"{file}-{part}"


async def acquire(plan: Plan, place: Workplace) -> tuple[Acquired, ...]:
    """Every file of `plan`, in `place.build`. Raises SourceError and its kinds, NoSpaceError, StoreError."""
    _refuse_names(plan)
    make_folder(place.parts)
    make_folder(place.build)
    _take_back(plan, place)
    _require_space(plan, place)
    fetched = []
    for number, file in enumerate(plan.files):
        fetched.append(
            [await _fetch_checked(part, place.part(number, n), plan, place) for n, part in enumerate(file.parts)]
        )
    return tuple(
        [
            await _put_together(number, file, parts, plan, place)
            for number, (file, parts) in enumerate(zip(plan.files, fetched, strict=True))
        ]
    )


async def settled(plan: Plan, place: Workplace) -> Plan:
    """`plan`, or what its source makes of the download that it could not look into. Raises as `acquire` does."""
    if plan.settle is None:
        return plan
    make_folder(place.parts)
    _require_space(plan, place)
    path = place.part(0, 0)
    await _fetch_checked(plan.files[0].parts[0], path, plan, place)
    try:
        return await plan.settle(path)
    except SourceError:
        _forget(path)
        raise


def set_aside(path: Path, quarantine: Path, sha256: str) -> Path:
    """Move bad bytes out of the way, under their name and the start of their hash; where they are now."""
    target = make_folder(quarantine) / f"{sha256[:16]}-{path.name}"
    with writing(quarantine):
        path.replace(target)
    journal_path(path).unlink(missing_ok=True)
    return target


def remove_if_empty(folder: Path) -> None:
    """Remove the partial `folder` unless a byte in it can be taken up again. Journals alone are none."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".journal")]
    if not any(path.stat().st_size for path in files):
        shutil.rmtree(folder, ignore_errors=True)


def is_whole(file: PlannedFile) -> bool:
    """True where the one download is the weight file itself, and nothing has to be joined."""
    return len(file.parts) == 1 and file.parts[0].member is None


def _forget(part: Path) -> None:
    """Remove a download and its journal."""
    part.unlink(missing_ok=True)
    journal_path(part).unlink(missing_ok=True)


def _refuse_names(plan: Plan) -> None:
    names = [file.name for file in plan.files]
    bad = [name for name in names if not is_file_name(name)]
    if bad or len(set(names)) != len(names) or not names:
        raise SourceError(f"{plan.origin} names files that cannot be kept: {', '.join(bad or names) or 'none at all'}.")


def _take_back(plan: Plan, place: Workplace) -> None:
    """An earlier run may have ended between moving a download into the build and making the build visible."""
    for number, file in enumerate(plan.files):
        moved, part = place.build / file.name, place.part(number, 0)
        with writing(place.folder):
            if is_whole(file) and moved.exists() and not part.exists():
                moved.replace(part)


def _require_space(plan: Plan, place: Workplace) -> None:
    """For what is still to be written as far as it is known: the rest of the downloads, the files made of them."""
    download_bytes = unpacked_bytes = 0
    for number, file in enumerate(plan.files):
        for n, part in enumerate(file.parts):
            path = place.part(number, n)
            download_bytes += max(0, (part.size_bytes or 0) - (path.stat().st_size if path.exists() else 0))
        unpacked_bytes += 0 if is_whole(file) else (file.size_bytes or 0)
    require_space(place.folder, download_bytes=download_bytes, unpacked_bytes=unpacked_bytes)


async def _fetch_checked(part: Part, into: Path, plan: Plan, place: Workplace) -> Fetched:
    fetched = await _fetch(part, into, place)
    if part.sha256 in {None, fetched.sha256}:
        return fetched
    if fetched.resumed:
        # The earlier bytes may be the bad ones: a power failure, a mirror that has changed.
        place.progress.note(f"{part.name} does not have its hash after it was resumed: starting again.")
        _forget(into)
        fetched = await _fetch(part, into, place)
    _compare(part.name, into, fetched.sha256, part.sha256, plan, place)
    return fetched


async def _fetch(part: Part, into: Path, place: Workplace) -> Fetched:
    return await fetch(part, into, progress=place.progress, session=place.session, patience=place.patience)


def _compare(name: str, path: Path, found: str, expected: str | None, plan: Plan, place: Workplace) -> None:
    if expected in {None, found}:
        return
    aside = _set_aside_as(name, path, found, place)
    raise HashMismatchError(name, source=plan.origin, expected=str(expected), found=found, quarantined=str(aside))


def _set_aside_as(name: str, path: Path, sha256: str, place: Workplace) -> Path:
    """As `set_aside`, under the name that the source gave."""
    named = path.replace(path.with_name(name)) if path.name != name and is_file_name(name) else path
    aside = set_aside(named, place.quarantine, sha256)
    journal_path(path).unlink(missing_ok=True)
    return aside


async def _put_together(
    number: int, file: PlannedFile, fetched: Sequence[Fetched], plan: Plan, place: Workplace
) -> Acquired:
    path = place.build / file.name
    try:
        made = await _move_or_join(number, file, fetched, path, plan, place)
        _compare(file.name, path, made.sha256, file.sha256, plan, place)
        if file.size_bytes not in {None, made.size_bytes}:
            aside = set_aside(path, place.quarantine, made.sha256)
            raise _other_size(file, made.size_bytes, aside, plan)
    except (SourceError, Damaged) as error:
        shown = _damaged(error, file, fetched, plan, place) if isinstance(error, Damaged) else error
        # Parts without a hash of their own may be the cause: kept, they would fail every later pull.
        for n in range(len(file.parts)):
            _forget(place.part(number, n))
        path.unlink(missing_ok=True)
        raise shown from error.__cause__
    hash_named = file.sha256 is not None or all(part.sha256 is not None for part in file.parts)
    return Acquired(path, made.sha256, made.size_bytes, hash_named)


async def _move_or_join(
    number: int, file: PlannedFile, fetched: Sequence[Fetched], path: Path, plan: Plan, place: Workplace
) -> Fetched:
    if not is_whole(file):
        return await _join(number, file, fetched, path, plan, place)
    with writing(place.build):
        place.part(number, 0).replace(path)
    return fetched[0]


async def _join(
    number: int, file: PlannedFile, fetched: Sequence[Fetched], path: Path, plan: Plan, place: Workplace
) -> Fetched:
    pieces = [Piece(place.part(number, n), part.name, part.member) for n, part in enumerate(file.parts)]
    size_bytes = await asyncio.to_thread(joined_bytes, pieces)
    if file.size_bytes not in {None, size_bytes}:
        # Nothing is unpacked: a small archive may claim to hold more than any disk. The downloads are what is kept.
        aside = [
            _set_aside_as(piece.name, piece.path, had.sha256, place) for piece, had in zip(pieces, fetched, strict=True)
        ]
        raise _other_size(file, size_bytes, aside[0] if len(aside) == 1 else place.quarantine, plan)
    require_space(place.folder, unpacked_bytes=size_bytes)
    task = f"unpacking {file.name}"
    place.progress.start(task, total_bytes=size_bytes)
    joined = await asyncio.to_thread(join, pieces, path, advance=lambda nbytes: place.progress.advance(task, nbytes))
    place.progress.finish(task)
    return Fetched(joined.sha256, joined.size_bytes)


def _damaged(
    error: Damaged, file: PlannedFile, fetched: Sequence[Fetched], plan: Plan, place: Workplace
) -> SourceError:
    """Set the archive aside; the error that says which hash it has, who named that, and where it came from."""
    number = next(n for n, part in enumerate(file.parts) if part.name == error.piece.name)
    part, sha256 = file.parts[number], fetched[number].sha256
    aside = _set_aside_as(part.name, error.piece.path, sha256, place)
    index = plan.provenance.get("index")
    named = f"the hash that {index or 'its source'} named for it" if part.sha256 else "and nobody named a hash for it"
    wanted = f" The {file.name} in it was to have sha256 {file.sha256}." if file.sha256 else ""
    return SourceError(
        f"{error}. It came from {f'the index {index}' if index else plan.origin}"
        f" and has sha256 {sha256}, {named}.{wanted}",
        hint=f"The bytes were set aside at {aside}; do not use them. What publishes them is broken: name another index "
        "with PIP_INDEX_URL or another version, and tell whoever runs this one.",
        file=part.name,
        source=plan.origin,
        index=index,
        found=sha256,
        expected=part.sha256,
        quarantined=str(aside),
    )


def _other_size(file: PlannedFile, size_bytes: int, aside: Path, plan: Plan) -> HashMismatchError:
    return HashMismatchError(
        file.name,
        source=plan.origin,
        expected=str(file.size_bytes),
        found=str(size_bytes),
        quarantined=str(aside),
        measure="size_bytes",
    )
