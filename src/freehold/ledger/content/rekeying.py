"""Exchanges the house's key for a new one, in a house that runs too: the segments' keys are sealed anew, and the old
key is overwritten. So the old key alone opens nothing in this folder any more.

What it does not do: the segments' own keys stay. A copy of the folder from before (a backup, a block that an SSD moved)
opens with the old key, and with the new one and today's file of the segment; so does, in it, what was erased since.

A crash at any point leaves both keys in the ring, which opens everything; called again, it ends."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from freehold.core.disk import replace_whole
from freehold.ledger.content.container import KEY_BYTES, BrokenSealError, sealed_segment_key, segment_key
from freehold.ledger.content.house_key import HouseKey, KeyRing
from freehold.ledger.content.places import About, Place, beginning, changing, places, read_about


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """The new key's name, how many segments it opens, and how many it does not: no key that was here opened them."""

    key: str
    segments: int
    unopened: int


def rekey(folder: Path, ring: KeyRing) -> Rekeyed:
    """Exchange the key that opens what is kept in `folder`. Raises HouseKeyError, LedgerError, OSError."""
    with changing(folder), beginning(folder, alone=True):
        old = {key.name: key for key in ring.read()}
        fresh = HouseKey(os.urandom(KEY_BYTES))
        ring.write([fresh, *old.values()])
        there = places(folder)
        resealed = sum(_reseal(place, old, fresh) for place in there)
        ring.write([fresh])
    return Rekeyed(fresh.name, resealed, len(there) - resealed)


def _reseal(place: Place, old: dict[str, HouseKey], fresh: HouseKey) -> bool:
    about = read_about(place)
    house_key = old.get(about.house_key) if about is not None else None
    if about is None or house_key is None:
        return False
    try:
        key = segment_key(house_key.value, about.chain, place.segment, about.sealed_key)
    except BrokenSealError:
        return False
    sealed = sealed_segment_key(fresh.value, about.chain, place.segment, key)
    replace_whole(place.about, About(about.chain, fresh.name, sealed).raw(), mode=0o600)
    return True
