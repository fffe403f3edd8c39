"""Reads the slots of segments as they are now, though their keys may be exchanged meanwhile (`rekeying`).

An exchange writes a new file of keys, then replaces the about file, which names the valid one, and then destroys the
old. So what was read of the keys is whole where the about file was not replaced by then; else it is read again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from freehold.ledger.content.container import SLOT_BYTES
from freehold.ledger.content.places import About, Place, read_about, read_part
from freehold.ledger.segments import unreadable


class Current:
    """What segments say of themselves. It is read again where it was replaced."""

    def __init__(self) -> None:
        self._said: dict[Place, _Said] = {}

    def slots(self, place: Place, first: int, count: int) -> tuple[About | None, bytes]:
        """The bytes of at most `count` slots from `first` on, and what the segment says of itself that they belong to:
        None where that is damaged or missing. Raises LedgerError, NewerFormatError."""
        said = self._look(place)
        while True:
            raw = read_part(said.keys, first * SLOT_BYTES, count * SLOT_BYTES)
            now = self._look(place)
            if now is said:
                return said.about, raw
            said = now

    def _look(self, place: Place) -> _Said:
        mark = _mark(place.about)
        said = self._said.get(place)
        if said is None or said.mark != mark:
            about = read_about(place)
            said = self._said[place] = _Said(mark, about, keys_of(place, about))
        return said


def keys_of(place: Place, about: About | None) -> Path:
    """The valid file of keys; the newest there is where the segment says nothing of itself."""
    generation = about.generation if about is not None else max(place.every_keys(), default=0)
    return place.keys(generation)


@dataclass(frozen=True, slots=True)
class _Said:
    """`mark` is another once the about file was replaced."""

    mark: tuple[int, ...]
    about: About | None
    keys: Path


def _mark(path: Path) -> tuple[int, ...]:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise unreadable(path, error) from error
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
