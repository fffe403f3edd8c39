"""Kept content read back: what its slot says, its sealed bytes, and, for who has the house's key, what was sealed.

Files of a stranger are read as such: only what is a file is opened, and no more is read than lies there and than any
content is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from freehold.ledger.content.container import (
    SLOT_BYTES,
    BrokenSealError,
    Name,
    Seals,
    Slot,
    segment_key,
    slot_of,
)
from freehold.ledger.content.current import Current
from freehold.ledger.content.house_key import HouseKey
from freehold.ledger.content.places import About, Place, read_part

_SLOTS_AT_ONCE = 4096
LARGEST_BYTES = 1 << 30
"""Of one content: what says that it is larger is cut off, and so is not what was named."""


class Found(NamedTuple):
    """One content as it lies there. `sealed` are its bytes, `about` what its segment said then of itself, None where
    that is damaged or missing."""

    slot: Slot
    sealed: bytes
    about: About | None


class NoKeyError(BrokenSealError):
    """It is sealed with the house's key of the name `key`, which is not here."""

    def __init__(self, key: str) -> None:
        super().__init__(f"it is sealed with the key {key}, which is not here")
        self.key = key


class Shelf:
    """What is kept in `folder`. `keys` are the house's, none where what is there is only to be compared."""

    def __init__(self, folder: Path, keys: tuple[HouseKey, ...] = ()) -> None:
        self._folder = folder
        self._keys = {key.name: key for key in keys}
        self._current = Current()
        self._seals: dict[tuple[int, About | None], Seals | BrokenSealError] = {}

    def find(self, name: Name) -> Found | None:
        """The content of that name; None where it was erased or is not there. Raises LedgerError, NewerFormatError."""
        place = Place(self._folder, name.segment)
        about, raw = self._current.slots(place, name.place, 1)
        slot = slot_of(raw)
        if slot is None or slot.is_erased:
            return None
        sealed = read_part(place.sealed, slot.offset, min(slot.size_bytes, LARGEST_BYTES))
        return Found(slot, sealed, about)

    def open(self, name: Name, found: Found) -> bytes:
        """What was sealed. Raises BrokenSealError, which says why it does not open."""
        return self._of(name.segment, found.about).opened(name.place, found.slot, found.sealed)

    def require_key(self, name: Name, found: Found) -> None:
        """Raise BrokenSealError where the house's key does not open it any more."""
        self._of(name.segment, found.about).key_of(name.place, found.slot)

    def _of(self, segment: int, about: About | None) -> Seals:
        seals = self._seals.get((segment, about))
        if seals is None:
            seals = self._seals[segment, about] = self._segment(segment, about)
        if isinstance(seals, BrokenSealError):
            raise seals
        return seals

    def _segment(self, segment: int, about: About | None) -> Seals | BrokenSealError:
        """What opens a segment, or why nothing does."""
        path = Place(self._folder, segment).about
        if about is None:
            return BrokenSealError(f"{path} is damaged or missing, and with it the key of the segment")
        house_key = self._keys.get(about.house_key)
        if house_key is None:
            return NoKeyError(about.house_key)
        try:
            key = segment_key(house_key.value, about.chain, segment, about.sealed_key)
        except BrokenSealError:
            return BrokenSealError(f"the key in {path} is not what the house sealed")
        return Seals(about.chain, segment, key)


def slots(place: Place) -> Iterator[tuple[Name, Slot]]:
    """Every slot of a segment, erased or not. Raises LedgerError, NewerFormatError."""
    current, number = Current(), 0
    while raw := current.slots(place, number, _SLOTS_AT_ONCE)[1]:
        for start in range(0, len(raw), SLOT_BYTES):
            slot = slot_of(raw[start : start + SLOT_BYTES])
            if slot is None:
                return
            yield Name(place.segment, number), slot
            number += 1


def left(place: Place) -> Iterator[tuple[Name, Slot]]:
    """Those that are not erased. Raises LedgerError, NewerFormatError."""
    return ((name, slot) for name, slot in slots(place) if not slot.is_erased)
