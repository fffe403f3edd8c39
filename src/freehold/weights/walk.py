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
from itertools import islice
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


def _is_closed(path: Path) -> bool:
    """Whether this account may not enter a folder on the way to `path`."""
    try:
        path.lstat()
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return False


def files_of(paths: Iterable[Path]) -> Walked:
    """The files at and under `paths`, in order, each once. Raises CallError where there is none of that name."""
    files: list[Found] = []
    wrong: list[Findings] = []
    for path in paths:
        found = Findings(str(path))
        wrong.append(found)
        if _is_closed(path):
            found.add("file.unreadable", "It cannot be looked for: a folder on the way may not be entered.")
            continue
        if not os.path.lexists(path):
            raise CallError(
                f"There is no file and no folder {path}.", hint="freehold verify PATH: a weight file, or a folder."
            )
        # Not Path.is_dir, which raises where a folder on the way may not be entered.
        if os.path.isdir(path):  # noqa: PTH112
            files += _inside(path, found, wrong)
        elif _is_regular(path, found):
            files.append(Found(path, named=True))
    # Named or found again under the same path, a file is one file, and as named as it ever was.
    once = {found.path.absolute(): found for found in sorted(files, key=lambda found: found.named)}
    return Walked(
        tuple(once[place] for place in dict.fromkeys(found.path.absolute() for found in files)),
        tuple(finding for each in wrong for finding in each.found),
        tuple(finding for each in wrong for finding in each.undecided),
    )


def _inside(folder: Path, findings: Findings, wrong: list[Findings]) -> list[Found]:
    files: list[Found] = []
    for path, is_link in _entries(folder, findings):
        own = Findings(str(path))
        wrong.append(own)
        if (not is_link or _stays(path, folder, own)) and _is_regular(path, own):
            files.append(Found(path, named=False))
    if not files and not findings.undecided and not any(each.found or each.undecided for each in wrong):
        findings.add("folder.empty", "It has no file to look at.")
    return files


def _entries(folder: Path, findings: Findings) -> Iterator[tuple[Path, bool]]:
    """Everything under `folder` that is no folder, and whether it is a symbolic link, sorted in each folder; at most
    `MOST_FILES`, folders counted as well."""
    waiting, left = [(folder, 1)], MOST_FILES
    while waiting:
        inner, level = waiting.pop()
        if level > DEEPEST:
            findings.add("folder.bounds", f"{inner} lies more than {DEEPEST} folders deep and was not looked at.")
            continue
        try:
            with os.scandir(inner) as entries:
                found = sorted(islice(entries, left + 1), key=lambda entry: entry.name)
        except OSError as error:
            findings.add("file.unreadable", f"The folder {inner} cannot be read: {error.strerror}.")
            continue
        if len(found) > left:
            findings.add("folder.bounds", f"It has more than {MOST_FILES:,} entries; the others were not looked at.")
            found, waiting = found[:left], []
        left -= len(found)
        folders = {entry.name for entry in found if entry.is_dir(follow_symlinks=False)}
        yield from ((inner / entry.name, entry.is_symlink()) for entry in found if entry.name not in folders)
        waiting += ((inner / name, level + 1) for name in sorted(folders, reverse=True))


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
