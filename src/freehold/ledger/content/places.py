"""Where content lies: the files of a segment, below the folder of the chain, and reading what lies there."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from freehold.core.formats import CONTENT
from freehold.ledger.segments import opened, unreadable

FOLDER = "content"
"""Below the ledger's."""
_PREFIX = "content-"
_NAME = re.compile(r"content-([0-9]{12})\..*")
_LARGEST_BYTES = 65_536
_KEYS = re.compile(r"[^.]*(?:\.([1-9][0-9]{0,8}))?\.keys")
MOST_EXCHANGES = 10**9


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one segment."""

    folder: Path
    segment: int

    @property
    def about(self) -> Path:
        return self._path(".json")

    @property
    def sealed(self) -> Path:
        return self._path(".sealed")

    def keys(self, generation: int) -> Path:
        """The file of the keys that its contents came with (0), or got by the exchange of this number."""
        return self._path(f".{generation}.keys" if generation else ".keys")

    def every_keys(self) -> dict[int, Path]:
        """The files of keys that are there, by their generation, the newest last. There is more than one only while
        keys are exchanged, or where that was cut off: what the segment says of itself then names the valid one."""
        found = {path: _KEYS.fullmatch(path.name) for path in self.folder.glob(f"{self._path('').name}.*keys")}
        return dict(sorted((int(match[1] or 0), path) for path, match in found.items() if match is not None))

    def remove(self) -> None:
        """Take them away, the key first, so that what a crash leaves opens nothing. Raises OSError."""
        for path in (self.about, *self.every_keys().values(), self.sealed):
            path.unlink(missing_ok=True)

    def _path(self, suffix: str) -> Path:
        return self.folder / f"{_PREFIX}{self.segment:012}{suffix}"


@dataclass(frozen=True, slots=True)
class About:
    """What a segment's small file says: of which chain it is, its key, sealed with the house's key of that name, and
    how often that key was exchanged, which names the file of the keys that it opens."""

    chain: str
    house_key: str
    sealed_key: bytes
    generation: int = 0

    def raw(self) -> bytes:
        words = {"chain": self.chain, "format": CONTENT.newest, "generation": self.generation}
        words |= {"house_key": self.house_key}
        return json.dumps({**words, "sealed_key": self.sealed_key.hex()}, separators=(",", ":")).encode() + b"\n"


def read_about(place: Place) -> About | None:
    """What is said of the segment, None where it is damaged or not there. Raises LedgerError, NewerFormatError."""
    try:
        with os.fdopen(opened(place.about), "rb") as file:
            told = json.loads(file.read(_LARGEST_BYTES))
        words = CONTENT.newest_of(told, str(place.about))
        generation = words["generation"]
        if type(generation) is not int or not 0 <= generation < MOST_EXCHANGES:
            return None
        return About(str(words["chain"]), str(words["house_key"]), bytes.fromhex(words["sealed_key"]), generation)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(place.about, error) from error
    except (ValueError, KeyError, TypeError):
        return None


def size_bytes(path: Path) -> int | None:
    """How large the file at `path` is, None where there is none. Raises LedgerError."""
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(path, error) from error


def read_whole(path: Path) -> bytes:
    """All that the file holds. Raises OSError."""
    with os.fdopen(opened(path), "rb") as file:
        return file.read()


def read_part(path: Path, offset: int, size_bytes: int) -> bytes:
    """As many of the bytes as are there; none where there is no such file. Raises LedgerError."""
    try:
        descriptor = opened(path)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        wanted = min(size_bytes, os.fstat(descriptor).st_size - offset)
        return b"" if wanted <= 0 else os.pread(descriptor, wanted, offset)
    except OSError as error:
        raise unreadable(path, error) from error
    finally:
        os.close(descriptor)


def places(folder: Path) -> list[Place]:
    """Every segment of content in `folder`, in order. Raises LedgerError where nobody may look."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(folder, error) from error
    numbers = {int(match[1]) for name in names if (match := _NAME.fullmatch(name)) is not None}
    return [Place(folder, number) for number in sorted(numbers)]


def key_names(folder: Path) -> Iterator[str]:
    """The name of the house's key that each segment in `folder` is sealed with, the newest first; of one that is
    damaged none. Raises LedgerError, NewerFormatError."""
    return (about.house_key for place in reversed(places(folder)) if (about := read_about(place)) is not None)
