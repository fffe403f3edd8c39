"""A backup put back: everything is unpacked aside and looked at, and then appears as a whole home, by one rename.

What is looked at stands in `backup_check`; what fails leaves nothing. A home that is there already is refused, or moved
aside where that was asked for: nothing of it is deleted.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, cast

from freehold.core.errors import BundleError, CallError, HouseKeyError, StoreError
from freehold.core.ports import Progress
from freehold.core.settings import Settings
from freehold.ledger.content.house_key import KeyRing
from freehold.ledger.verdict import Finding as Finding
from freehold.python import backup_form as form
from freehold.python.backup_check import Checked, checked, maker
from freehold.store.bundles import unaided
from freehold.store.durable import make_folder, require_space, sync_folder, writing
from freehold.store.opened import open_regular

_PRIVATE, _FOR_ALL, _READ_ONLY = 0o600, 0o644, 0o444
_ASIDE = ".restoring-"


class FormerKeys(NamedTuple):
    """The file with the keys that opened kept content in the home that was there before, and their names; none where
    they cannot be read."""

    path: Path
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """A home that was put back. `moved_aside` are the folders that lay there before, under their new names, and
    `former_keys` those of what that home kept, None where it had none."""

    home: Path
    brought: Checked
    moved_aside: tuple[Path, ...]
    former_keys: FormerKeys | None


def restore(
    path: Path, settings: Settings, *, progress: Progress, replace: bool = False, signed_by: str | None = None
) -> Restored:
    """Put the backup at `path` back as the home, and the ledger's folder, of `settings`. No house may run there, which
    the caller sees to. `signed_by` is the fingerprint of the key that must have made it.

    Raises CallError where something is there and `replace` was not asked for, BundleError, DeedError, LedgerError,
    KeyBookError, NewerFormatError, NoSpaceError and other StoreErrors; nothing has changed then.
    """
    ledger = settings.ledger_folder
    folders = [settings.home] if ledger.is_relative_to(settings.home) else [settings.home, ledger]
    for folder in folders:
        _refuse_filled(folder, replace=replace)
    try:
        with (
            io.BufferedReader(cast("io.RawIOBase", open_regular(path))) as file,
            _aside(settings.home) as stage,
        ):
            bundle = unaided.Bundle(file, form.BACKUP)
            key = maker(bundle.manifest, path, signed_by)
            _unpack(bundle, stage, progress, path)
            brought = checked(stage, bundle.manifest, key)
            if brought.closed:  # a place for the key that is to come back
                (stage / form.CONTENT_KEY).parent.mkdir(mode=0o700, exist_ok=True)
            moved = _put(stage, folders)
    except unaided.RefusedError as refused:
        hint = "Nothing of it was put back. Take another copy."
        raise BundleError(f"{path} {refused}", hint=hint, file=str(path)) from refused
    except OSError as error:
        raise StoreError(f"{error.filename or path}: {error.strerror}.", file=str(path)) from error
    return Restored(settings.home, brought, moved, _former_keys(moved))


def _former_keys(moved: Sequence[Path]) -> FormerKeys | None:
    path = next((place for folder in moved if (place := folder / form.CONTENT_KEY).exists()), None)
    if path is None:
        return None
    try:
        return FormerKeys(path, tuple(key.name for key in KeyRing(path).read()))
    except HouseKeyError:
        return FormerKeys(path, ())


def _refuse_filled(folder: Path, *, replace: bool) -> None:
    if folder.is_symlink() or folder.is_mount():
        kind = "a link" if folder.is_symlink() else "a disk of its own"
        raise CallError(
            f"{folder} is {kind}, and a home appears by a rename.",
            hint=f"Restore into a folder in it: FREEHOLD_HOME={folder / 'home'} freehold restore ...",
        )
    if _is_filled(folder) and not replace:
        raise CallError(
            f"{folder} is not empty, and is left as it is.",
            hint="Name another home (FREEHOLD_HOME), or have this one moved aside: --replace.",
        )


@contextmanager
def _aside(home: Path) -> Iterator[Path]:
    """A folder beside the home, for its owner alone, that is gone afterwards unless it became the home. What one that
    was killed left there goes too: nobody else restores this home now."""
    make_folder(home.parent)
    stage = home.with_name(f"{home.name}{_ASIDE}{os.getpid()}")
    for left in home.parent.glob(f"{home.name}{_ASIDE}*"):
        shutil.rmtree(left, ignore_errors=True)
    with writing(home.parent):
        stage.mkdir(mode=0o700)
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _unpack(bundle: unaided.Bundle, stage: Path, progress: Progress, path: Path) -> None:
    members = bundle.manifest.members
    size_bytes = sum(member.size_bytes for member in members)
    require_space(stage, unpacked_bytes=size_bytes)
    task = f"checking {path.name}"
    progress.start(task, total_bytes=size_bytes)
    for member, chunks in bundle.members():
        target = stage / member.path
        make_folder(target.parent)
        with writing(target.parent), target.open("xb") as out:
            os.fchmod(out.fileno(), _mode(member.path))
            for chunk in chunks:
                out.write(chunk)
                progress.advance(task, len(chunk))
            out.flush()
            os.fsync(out.fileno())
    for folder in (stage, *(each for each in stage.rglob("*") if each.is_dir())):
        folder.chmod(0o700)
        sync_folder(folder)
    progress.finish(task)


def _put(stage: Path, folders: Sequence[Path]) -> tuple[Path, ...]:
    """Let what was unpacked take its place: the home, and a ledger that has a folder of its own. What lay there is
    moved aside, and moved back where one of the renames fails. Gives what was moved aside, under its new names."""
    home, *elsewhere = folders
    moved: list[Path] = []
    with ExitStack() as near, ExitStack() as undo, writing(home.parent):
        renames = [(stage, home)]
        for ledger in elsewhere if (stage / form.LEDGER).exists() else ():
            beside = near.enter_context(_aside(ledger)) / form.LEDGER
            shutil.move(stage / form.LEDGER, beside)  # copied, where its folder is on another disk
            renames.insert(0, (beside, ledger))
        for folder in folders:
            if (aside := _moved_aside(folder)) is not None:
                undo.callback(aside.rename, folder)
                moved.append(aside)
        for source, target in renames:
            source.rename(target)
            undo.callback(target.rename, source)
            sync_folder(target.parent)
        undo.pop_all()
    return tuple(moved)


def _mode(path: str) -> int:
    if path.startswith((form.BUILDS, form.DEEDS)):
        return _READ_ONLY if not path.endswith("/deed.json") else _FOR_ALL
    return _FOR_ALL if path.endswith(".pub") else _PRIVATE


def _moved_aside(folder: Path) -> Path | None:
    if not _is_filled(folder):
        if folder.exists():
            folder.rmdir()
        return None
    aside = folder.with_name(f"{folder.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    folder.rename(aside)
    return aside


def _is_filled(folder: Path) -> bool:
    """Whether something is lost where `folder` goes: all but an empty folder."""
    return folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
