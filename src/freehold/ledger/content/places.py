"""Where content lies: the files of a segment, below the folder of the chain, and writing them so that they stay."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from freehold.core.errors import LedgerError
from freehold.core.formats import CONTENT
from freehold.ledger.segments import unreadable

FOLDER = "content"
"""Below the ledger's."""
_PREFIX = "content-"
_BUSY, _NEW = "lock", "new-lock"
_LARGEST_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Place:
    """The three files of one segment."""

    folder: Path
    segment: int

    @property
    def about(self) -> Path:
        return self._path(".json")

    @property
    def keys(self) -> Path:
        return self._path(".keys")

    @property
    def sealed(self) -> Path:
        return self._path(".sealed")

    def remove(self) -> None:
        """Take the three away, the key first, so that what a crash leaves opens nothing. Raises OSError."""
        for path in (self.about, self.keys, self.sealed):
            path.unlink(missing_ok=True)

    def _path(self, suffix: str) -> Path:
        return self.folder / f"{_PREFIX}{self.segment:012}{suffix}"


@dataclass(frozen=True, slots=True)
class About:
    """What a segment's small file says: of which chain it is, and its key, sealed with the house's key of that name."""

    chain: str
    house_key: str
    sealed_key: bytes

    def raw(self) -> bytes:
        words = {"chain": self.chain, "format": CONTENT.newest, "house_key": self.house_key}
        return json.dumps({**words, "sealed_key": self.sealed_key.hex()}, separators=(",", ":")).encode() + b"\n"


def read_about(place: Place) -> About | None:
    """What is said of the segment, None where it is damaged or not there. Raises LedgerError, NewerFormatError."""
    try:
        with os.fdopen(opened(place.about), "rb") as file:
            told = json.loads(file.read(_LARGEST_BYTES))
        words = CONTENT.newest_of(told, str(place.about))
        return About(str(words["chain"]), str(words["house_key"]), bytes.fromhex(words["sealed_key"]))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(place.about, error) from error
    except (ValueError, KeyError, TypeError):
        return None


def opened(path: Path) -> int:
    """A descriptor to read the file at `path`. Raises OSError, also for what is no file: reading that could wait for
    ever."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is no file", str(path))


def places(folder: Path) -> list[Place]:
    """Every segment of content in `folder`, in order. Raises LedgerError where nobody may look."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(folder, error) from error
    numbers = {name.removeprefix(_PREFIX).partition(".")[0] for name in names if name.startswith(_PREFIX)}
    return [Place(folder, int(number)) for number in sorted(numbers) if number.isascii() and number.isdigit()]


@contextmanager
def left_alone(folder: Path) -> Iterator[None]:
    """Nothing is erased meanwhile: for whoever takes a copy. Raises LedgerError."""
    with _locked(folder, _BUSY, fcntl.LOCK_SH | fcntl.LOCK_NB):
        yield


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Nobody else changes what is kept, or takes a copy of it. Raises LedgerError where somebody does."""
    with _locked(folder, _BUSY, fcntl.LOCK_EX | fcntl.LOCK_NB):
        yield


@contextmanager
def beginning(folder: Path, *, alone: bool = False) -> Iterator[None]:
    """A segment is begun with the house's key as it is now; `alone` waits until none is, and keeps it so."""
    with _locked(folder, _NEW, fcntl.LOCK_EX if alone else fcntl.LOCK_SH):
        yield


@contextmanager
def _locked(folder: Path, name: str, how: int) -> Iterator[None]:
    descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, how)
        except BlockingIOError as error:
            raise LedgerError(
                f"What is kept in {folder} is being copied, or erased from, by another process.",
                hint="Wait for `freehold backup` or `freehold ledger erase` to end, and try again.",
            ) from error
        yield
    finally:
        os.close(descriptor)
