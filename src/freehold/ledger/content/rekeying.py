"""Exchanges every key that opens what is kept, in a house that runs too: the house's, each segment's, and, under that,
the seal on each content's own. The old ones are overwritten. What was sealed with the contents' keys stays as it is.

So a copy of the folder from before opens with the house's key of then alone, and with nothing that lies here now; a key
to what was erased since is in no file here. A segment into which a house puts content waits meanwhile, and the house
goes on with another one.

Each segment changes in one step, by the replacement of its about file: before, the old keys are valid and the new ones
lie beside them; after, the other way round, until the old are destroyed. A crash at any point leaves both of the
house's keys in the ring, which opens everything; called again, it ends. What a crash leaves beside the valid keys the
next exchange, erasure or start of a house destroys (`destroying.tidy`)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from freehold.core.disk import replace_whole, sync_folder
from freehold.ledger.content.container import (
    KEY_BYTES,
    BrokenSealError,
    Seals,
    Slot,
    sealed_segment_key,
    segment_key,
)
from freehold.ledger.content.destroying import tidy
from freehold.ledger.content.house_key import HouseKey, KeyRing
from freehold.ledger.content.overwriting import replaced
from freehold.ledger.content.places import About, Place, places, read_about
from freehold.ledger.content.shelf import slots
from freehold.ledger.content.turns import adding, changing
from freehold.ledger.segments import opened


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """The new key's name, how many segments it opens, and how many it does not: no key that was here opened them."""

    key: str
    segments: int
    unopened: int


def rekey(folder: Path, ring: KeyRing) -> Rekeyed:
    """Exchange the keys that open what is kept in `folder`. Raises HouseKeyError, LedgerError, NewerFormatError,
    OSError."""
    with changing(folder):
        with adding(folder, alone=True):
            old = {key.name: key for key in ring.read()}
            fresh = HouseKey(os.urandom(KEY_BYTES))
            ring.write([fresh, *old.values()])
            there = places(folder)
            exchanged = sum(_exchange(place, old, fresh) for place in there[-1:])  # no other can be put into
        exchanged += sum(_exchange(place, old, fresh) for place in there[:-1])
        with adding(folder, alone=True):
            ring.write([fresh])
    return Rekeyed(fresh.name, exchanged, len(there) - exchanged)


def _exchange(place: Place, old: dict[str, HouseKey], fresh: HouseKey) -> bool:
    """Whether a key of `old` opened the segment."""
    tidy(place)
    about = read_about(place)
    house_key = old.get(about.house_key) if about is not None else None
    if about is None or house_key is None:
        return False
    try:
        key = segment_key(house_key.value, about.chain, place.segment, about.sealed_key)
    except BrokenSealError:
        return False
    before = Seals(about.chain, place.segment, key)
    after = Seals(about.chain, place.segment, os.urandom(KEY_BYTES))
    generation = about.generation + 1
    _write_keys(place, generation, before, after)
    sealed = sealed_segment_key(fresh.value, about.chain, place.segment, after.key)
    with replaced(place.about):
        replace_whole(place.about, About(about.chain, fresh.name, sealed, generation).raw(), mode=0o600)
    tidy(place)
    return True


def _write_keys(place: Place, generation: int, before: Seals, after: Seals) -> None:
    """The slots of a segment, in the same order, with the keys that `before` opens sealed by `after`; what they open is
    on the disk before they are, as where it was put there."""
    _sync(place.sealed)
    path = place.keys(generation)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for name, slot in slots(place):
                file.write(_resealed(name.place, slot, before, after).raw)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    sync_folder(place.folder)


def _resealed(place: int, slot: Slot, before: Seals, after: Seals) -> Slot:
    """One that was erased stays so; one that was changed opens with neither."""
    if slot.is_erased:
        return slot
    try:
        return after.closed(place, before.key_of(place, slot), slot)
    except BrokenSealError:
        return slot


def _sync(path: Path) -> None:
    try:
        descriptor = opened(path)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
