"""What was hashed lately: so that a file of many gigabytes is not read twice to be opened once.

A full hash costs 0.7 s per gigabyte (see `store`): half a minute for a build of 40 GB at every start of a worker. It is
taken again unless the kernel says that the file is the one that was hashed (see `Stamp`). Whoever writes to a file can
set its mtime back; its ctime only the kernel sets, at every write, rename and change of mode. A look that is not
clearly later than the ctime it saw counts for nothing: a write within one tick of a clock would leave no trace.

Notes that others could have written are not believed: those of another account than this one, root and the one whose
home it is, and those that others may write. What this does not cover: somebody who may write them all the same, who
sets the machine's clock back, who writes to the disk under the file system or, on a file system in memory, through a
memory map that was written through before; who writes to the file while the engine has it open. `freehold deed verify`
hashes everything, always.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from freehold.core.builds import Stamp
from freehold.core.errors import StoreError
from freehold.store.durable import make_folder, write_whole
from freehold.store.opened import open_regular

SETTLED_AFTER_NS = 2_000_000_000  # the coarsest clock of a file system in use: FAT's two seconds
_LARGEST_BYTES = 1 << 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """One full hash: what the kernel said of the file before, and when it began (nanoseconds since 1970)."""

    sha256: str
    stamp: Stamp
    looked_ns: int

    def holds(self, stamp: Stamp, sha256: str) -> bool:
        """True where a file that has this stamp now has this hash still."""
        same = (self.sha256, self.stamp) == (sha256, stamp)
        return same and self.looked_ns - self.stamp.changed_ns > SETTLED_AFTER_NS


def read_looks(path: Path) -> dict[str, Look]:
    """The looks noted at `path`, by the path of the file; none where they cannot be read or believed: then all is
    hashed."""
    try:
        with open_regular(path) as file:
            if not _is_believed(os.fstat(file.fileno()), path.parent.parent.stat()):
                return {}
            data = json.loads(file.read(_LARGEST_BYTES))
        return {str(name): _look(*fields) for name, fields in data.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def write_looks(path: Path, looks: dict[str, Look]) -> None:
    """Note `looks` at `path`, which lies in a folder of the home; where that cannot be written, the next load hashes
    again."""
    fields = {name: (look.sha256, *look.stamp, look.looked_ns) for name, look in looks.items()}
    try:
        make_folder(path.parent)
        write_whole(path, json.dumps(fields).encode(), mode=0o644)
    except StoreError as error:
        _log.info("%s The files are hashed again when they are opened next.", error.message)


def _is_believed(notes: os.stat_result, home: os.stat_result) -> bool:
    return notes.st_uid in {os.geteuid(), 0, home.st_uid} and not notes.st_mode & 0o022


def _look(sha256: str, *numbers: int) -> Look:
    if any(type(number) is not int for number in numbers):
        raise TypeError("a look is a hash and whole numbers")
    *stamp, looked_ns = numbers
    return Look(sha256, Stamp(*stamp), looked_ns)
