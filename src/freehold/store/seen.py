"""What was hashed lately: so that a file of many gigabytes is not read twice to be opened once.

A full hash costs 0.7 s per gigabyte (see `store`): half a minute for a build of 40 GB at every start of a worker. It is
taken again unless the kernel says that the file is the one that was hashed: same inode, size, time of change of its
content (mtime) and of its record (ctime). Whoever writes to a file can set its mtime back; its ctime only the kernel
sets, at every write, rename and change of mode. A look that is not clearly later than the ctime it saw counts for
nothing: a write within one tick of a clock would leave no trace.

What this does not cover: somebody who may write these records (they lie in the home, apart from the deeds), who
sets the machine's clock back, who writes to the disk under the file system, or to the file while the engine has it
open. `freehold deed verify` hashes everything, always.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from freehold.core.errors import StoreError
from freehold.store.durable import make_folder, write_whole

SETTLED_AFTER_NS = 2_000_000_000  # the coarsest clock of a file system in use: FAT's two seconds
_LARGEST_BYTES = 1 << 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """One full hash: what the kernel said of the file before, and when it began (nanoseconds since 1970)."""

    sha256: str
    inode: int
    size_bytes: int
    modified_ns: int
    changed_ns: int
    looked_ns: int

    @classmethod
    def of(cls, sha256: str, found: os.stat_result, looked_ns: int) -> Look:
        return cls(sha256, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, looked_ns)

    def holds(self, found: os.stat_result, sha256: str) -> bool:
        """True where a file that is now as `found` has this hash still."""
        same = Look.of(sha256, found, self.looked_ns) == self
        return same and self.looked_ns - self.changed_ns > SETTLED_AFTER_NS


def read_looks(path: Path) -> dict[str, Look]:
    """The looks noted at `path`, by the path of the file; none where they cannot be read: then all is hashed."""
    try:
        with path.open("rb") as file:
            data = json.loads(file.read(_LARGEST_BYTES))
        return {str(name): Look(*fields) for name, fields in data.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def write_looks(path: Path, looks: dict[str, Look]) -> None:
    """Note `looks` at `path`; where that cannot be written, the next load hashes again."""
    fields = {
        name: (look.sha256, look.inode, look.size_bytes, look.modified_ns, look.changed_ns, look.looked_ns)
        for name, look in looks.items()
    }
    try:
        make_folder(path.parent)
        write_whole(path, json.dumps(fields).encode())
    except StoreError as error:
        _log.info("%s The files are hashed again when they are opened next.", error.message)
