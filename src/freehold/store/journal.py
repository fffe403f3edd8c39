"""A download in progress on disk: the bytes so far, and beside them the journal that says what they are bytes of.

After a kill -9 every byte written is still there, after a power failure only what was synced is. So bytes are
taken up again as far as the file reaches where a hash will judge them, else as far as the journal says
they were synced.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from freehold.store.durable import writing

SYNC_EVERY_BYTES = 32 * 1024 * 1024
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Journal:
    """What the server said of the file when the download began. None where it said nothing."""

    url: str
    etag: str | None = None
    last_modified: str | None = None
    size_bytes: int | None = None
    synced_bytes: int = 0

    @classmethod
    def read(cls, path: Path) -> Journal | None:
        """The journal at `path`; None if there is none or it cannot be understood: then nothing is taken up."""
        try:
            fields = json.loads(path.read_bytes())
            return cls(**{name: fields[name] for name in cls.__slots__})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Put the journal at `path` in one step."""
        with writing(path.parent):
            fresh = path.with_name(path.name + ".new")
            fresh.write_text(json.dumps(asdict(self)), encoding="utf-8")
            fresh.replace(path)


def journal_path(part: Path) -> Path:
    """Where the journal of the bytes at `part` lies."""
    return part.with_name(part.name + ".journal")


class PartFile:
    """The bytes of one download, hashed as they are written. Its methods block; the lock lets a cancelled
    writer in a thread finish before the file is closed under it."""

    def __init__(self, path: Path, keep_bytes: int) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._hash = hashlib.sha256()
        self.size_bytes = 0
        self._synced_bytes = 0
        with writing(path.parent):
            path.touch()
            self._file = path.open("r+b", buffering=0)
            self._file.truncate(min(keep_bytes, path.stat().st_size))
            self._take_up()

    def write(self, chunk: bytes) -> bool:
        """Append `chunk`. True when it is time to write the journal, because bytes were synced."""
        with self._lock, writing(self.path.parent):
            rest = memoryview(chunk)
            while rest:
                written = self._file.write(rest)
                self._hash.update(rest[:written])
                self.size_bytes += written
                rest = rest[written:]
            if self.size_bytes - self._synced_bytes < SYNC_EVERY_BYTES:
                return False
            self._sync()
            return True

    def restart(self) -> None:
        """Forget every byte."""
        with self._lock, writing(self.path.parent):
            self._file.seek(0)
            self._file.truncate(0)
            self._hash = hashlib.sha256()
            self.size_bytes = self._synced_bytes = 0

    def finish(self) -> str:
        """Sync everything; the sha256 of all bytes."""
        with self._lock, writing(self.path.parent):
            self._sync()
            return self._hash.hexdigest()

    def close(self) -> None:
        with self._lock:
            self._file.close()

    def _sync(self) -> None:
        os.fsync(self._file.fileno())
        self._synced_bytes = self.size_bytes

    def _take_up(self) -> None:
        while chunk := self._file.read(_CHUNK_BYTES):
            self._hash.update(chunk)
            self.size_bytes += len(chunk)
        self._synced_bytes = self.size_bytes
