"""Which files a verification looks at: those named, and those in the folders named, within bounds.

Symbolic links are followed only inside the folder that was named; a link out of it is a finding. The one layout that
needs links, a snapshot of huggingface_hub's cache, is known and allowed.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from freehold.core.errors import CallError
from freehold.weights.checks import Findings
from freehold.weights.report import Finding

MOST_FILES = 10_000
DEEPEST = 16
_BLOB = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file to look at, and whether it was named itself or found in a folder."""

    path: Path
    named: bool


@dataclass(frozen=True, slots=True)
class Walked:
    """The files, and what was wrong on the way to them."""

    files: tuple[Found, ...]
    findings: tuple[Finding, ...]
    undecided: tuple[Finding, ...]


def files_of(paths: Iterable[Path]) -> Walked:
    """The files at and under `paths`, in order. Raises CallError where there is none of that name."""
    files: list[Found] = []
    wrong: list[Findings] = []
    for path in paths:
        found = Findings(str(path))
        wrong.append(found)
        if not os.path.lexists(path):
            raise CallError(
                f"There is no file and no folder {path}.", hint="freehold verify PATH: a weight file, or a folder."
            )
        if path.is_dir():
            files += _inside(path, found, wrong)
        elif _is_regular(path, found):
            files.append(Found(path, named=True))
    return Walked(
        tuple(files),
        tuple(finding for each in wrong for finding in each.found),
        tuple(finding for each in wrong for finding in each.undecided),
    )


def _inside(folder: Path, findings: Findings, wrong: list[Findings]) -> list[Found]:
    files: list[Found] = []
    for number, path in enumerate(_entries(folder, DEEPEST)):
        if number >= MOST_FILES:
            findings.add("folder.bounds", f"It has more than {MOST_FILES:,} files; the others were not looked at.")
            break
        if path.is_dir() and not path.is_symlink():
            findings.add("folder.bounds", f"{path} lies more than {DEEPEST} folders deep and was not looked at.")
            continue
        own = Findings(str(path))
        wrong.append(own)
        if (not path.is_symlink() or _stays(path, folder, own)) and _is_regular(path, own):
            files.append(Found(path, named=False))
    if not files and not findings.undecided and not any(each.found or each.undecided for each in wrong):
        findings.add("folder.empty", "It has no file to look at.")
    return files


def _entries(folder: Path, levels: int) -> Iterator[Path]:
    """Everything that is no folder, sorted; and the folders that lie too deep."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        entries = []
    for path in entries:
        if path.is_symlink() or not path.is_dir() or levels <= 1:
            yield path
        else:
            yield from _entries(path, levels - 1)


def _stays(link: Path, folder: Path, findings: Findings) -> bool:
    """True where `link` should be followed; says where it leads if not."""
    # Not Path.resolve, which raises for a link to itself.
    target = Path(os.path.realpath(link))
    if _is_cached(link, target):
        return True
    if not target.is_relative_to(folder.resolve()):
        findings.add("file.link", f"It is a symbolic link out of the folder, to {str(link.readlink())[:200]!r}.")
        return False
    return not target.is_dir()


def _is_cached(link: Path, target: Path) -> bool:
    """huggingface_hub: models--org--name/snapshots/REVISION/… links to models--org--name/blobs/HASH."""
    model = target.parent.parent
    is_blob = target.parent.name == "blobs" and _BLOB.fullmatch(target.name) is not None
    return is_blob and link.absolute().parent.resolve().is_relative_to(model / "snapshots")


def _is_regular(path: Path, findings: Findings) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        findings.add("file.unreadable", f"It cannot be read: {error.strerror}.")
        return False
    if stat.S_ISREG(mode):
        return True
    findings.add("file.kind", "It is a device, a pipe or a socket.")
    return False
