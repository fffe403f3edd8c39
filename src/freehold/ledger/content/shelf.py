"""Kept content read back: what its slot says, its sealed bytes, and, for who has the house's key, what was sealed.

It may be erased meanwhile, or given other keys by another process, and the house's key with them. So what does not open
is looked at again before anybody is told so, and the house's keys are read where one is needed, and not before.

Files of a stranger are read as such: only what is a file is opened, and no more is read than lies there and than any
content is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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


ReadKeys = Callable[[], tuple[HouseKey, ...]]


def no_keys() -> tuple[HouseKey, ...]:
    """Of who compares what is there, and opens nothing."""
    return ()


class Shelf:
    """What is kept in `folder`. `keys` gives the house's, as they are now."""

    def __init__(self, folder: Path, keys: ReadKeys = no_keys) -> None:
        self._folder = folder
        self._read_keys = keys
        self._keys: dict[str, HouseKey] = {}
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

    def read(self, name: Name) -> bytes | None:
        """What was sealed; None where it was erased, now at the latest, or is not there. Raises BrokenSealError, which
        says why it does not open, HouseKeyError, LedgerError, NewerFormatError."""
        while (found := self.find(name)) is not None:
            try:
                return self.open(name, found)
            except BrokenSealError:
                if self.is_still(name, found):
                    raise
        return None

    def is_still(self, name: Name, found: Found) -> bool:
        """Whether it was neither erased nor given other keys since it was found: of what is erased the key goes first.
        Raises LedgerError, NewerFormatError."""
        about, raw = self._current.slots(Place(self._folder, name.segment), name.place, 1)
        return (slot_of(raw), about) == (found.slot, found.about)

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
        if about.house_key not in self._keys:
            self._keys |= {key.name: key for key in self._read_keys()}
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
