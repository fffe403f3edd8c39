"""Exchanges every key that opens what is kept, in a house that runs too: the house's, each segment's, and, under that,
the seal on each content's own. The old ones are overwritten. What was sealed with the contents' keys stays as it is.

So a copy of the folder from before opens with the house's key of then alone, and with nothing that lies here now; a key
to what was erased since is in no file here. A segment into which a house puts content waits meanwhile, and the house
goes on with another one.

Each segment changes in one step, by the replacement of its about file: before, the old keys are valid and the new ones
lie beside them; after, the other way round, until the old are destroyed. A crash at any point leaves both of the
house's keys in the ring, which opens everything; called again, it ends. What a crash leaves beside the valid keys the
next exchange, erasure or start of a house destroys (`destroying.tidy`).

No key is dropped that may open something still: where no segment here is sealed with one they may be another ledger's,
and where a segment is damaged they may open it once it is whole again. Nor is one before the chain says it: the record
is written when everything has other keys, and the old one goes after that."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from enum import Enum
from pathlib import Path

from freehold.core.disk import replace_whole, sync_folder
from freehold.core.errors import HouseKeyError, LedgerError
from freehold.ledger.content import note
from freehold.ledger.content.container import (
    KEY_BYTES,
    SLOT_BYTES,
    BrokenSealError,
    Seals,
    Slot,
    sealed_segment_key,
    segment_key,
)
from freehold.ledger.content.destroying import holds_nothing, tidy
from freehold.ledger.content.house_key import HouseKey, KeyRing
from freehold.ledger.content.overwriting import replaced
from freehold.ledger.content.places import MOST_EXCHANGES, About, Place, key_names, places, read_about, size_bytes
from freehold.ledger.content.rekeyed import Rekeyed
from freehold.ledger.content.shelf import slots
from freehold.ledger.content.turns import adding, changing
from freehold.ledger.segments import opened


class _Of(Enum):
    """What became of a segment."""

    EXCHANGED = "it has new keys"
    EMPTY = "it holds nothing to open"
    UNOPENED = "its key was not here"
    DAMAGED = "it is not whole"


Record = Callable[[Rekeyed], None]


def rekey(folder: Path, ring: KeyRing, record: Record, others: Sequence[Path] = ()) -> Rekeyed:
    """Exchange the keys that open what is kept in `folder`. `record` sees to the record of each exchange, and is done
    once the disk has it; `others` are folders of the same home. Raises HouseKeyError, LedgerError where that would
    close what lies elsewhere or bring back what was erased, NewerFormatError, OSError, and what `record` raises: then
    the old keys stay, and open everything."""
    with ring.alone(), changing(folder):
        if note.begun(folder) is not None:
            raise LedgerError(
                f"What is being erased from {folder} is not gone yet: an erasure was cut off.",
                hint="It ends when the house starts, and within an hour where it runs. Then call this again.",
            )
        old, used = ring.read(), {*key_names(folder)}
        _require_mine(folder, ring, {key.name for key in old}, others)
        if len(old) > 1:  # the first is one that was cut off, and new where it seals nothing yet
            made = _to(old[0], old, folder, ring, record)
            if made.damaged or old[0].name not in used:
                return made
        return _to(HouseKey(os.urandom(KEY_BYTES)), ring.read(), folder, ring, record)


def _to(fresh: HouseKey, old: Sequence[HouseKey], folder: Path, ring: KeyRing, record: Record) -> Rekeyed:
    """Let `fresh` open what a key of `old` does, and be the only one then."""
    keys = {key.name: key for key in old}
    with adding(folder, alone=True):
        if fresh.name not in keys:
            ring.write([fresh, *old])
        there = places(folder)
        became = [_exchange(place, keys, fresh, nullcontext()) for place in there[-1:]]  # no other can be put into
    became += [_exchange(place, keys, fresh, adding(folder, alone=True)) for place in there[:-1]]
    former = tuple(name for name in keys if name != fresh.name)
    exchanged, damaged = became.count(_Of.EXCHANGED), became.count(_Of.DAMAGED)
    made = Rekeyed(fresh.name, former, exchanged, became.count(_Of.UNOPENED) + damaged, damaged)
    record(made)
    if not damaged:
        with adding(folder, alone=True):
            ring.folders.exchange(former, fresh.name, folder)
            ring.write([fresh])
    return made


def _require_mine(folder: Path, ring: KeyRing, old: set[str], others: Iterable[Path]) -> None:
    """Raise HouseKeyError where the keys of these names may open what lies in another folder."""
    is_mine = not old.isdisjoint(key_names(folder)) or ring.folders.seals_with(folder) in old
    if old and not is_mine and all(holds_nothing(place) or read_about(place) for place in places(folder)):
        raise HouseKeyError(
            f"Nothing in {folder} is sealed with the key {min(old)}: it may be that of another ledger. Nothing is "
            "exchanged.",
            hint="Use the freehold.toml that the house was started with (FREEHOLD_CONFIG). If nothing is sealed with "
            "it anywhere, move keys/content.key away, and call this again.",
        )
    for key, other in ring.folders.elsewhere(old, folder, others):
        if other.is_dir():
            raise HouseKeyError(
                f"What is kept in {other} is sealed with the key {key} too. Nothing is exchanged.",
                hint="Give each ledger a home of its own, with a copy of that key, or erase what one of them keeps.",
            )
        raise HouseKeyError(
            f"{other} is not there, and what was kept in it is sealed with the key {key} too. Nothing is exchanged.",
            hint=f"Bring it back. If it was moved, or is gone for good, take its line out of {ring.folders.path}.",
        )


def _exchange(place: Place, old: dict[str, HouseKey], fresh: HouseKey, alone: AbstractContextManager[None]) -> _Of:
    """Exchange the keys of one segment; while it is `alone` nothing is put into it."""
    tidy(place)
    about = read_about(place)
    house_key = old.get(about.house_key) if about is not None else None
    if about is not None and house_key is None:
        return _Of.UNOPENED
    before = _opened(place, about, house_key)
    if about is None or before is None:
        return _Of.EMPTY if holds_nothing(place) else _Of.DAMAGED
    generation = about.generation + 1
    after = Seals(about.chain, place.segment, os.urandom(KEY_BYTES))
    _write_keys(place, generation, before, after)
    sealed = sealed_segment_key(fresh.value, about.chain, place.segment, after.key)
    with alone:
        if not _is_whole(place.keys(generation), place.keys(about.generation)):
            place.keys(generation).unlink()
            return _Of.DAMAGED
        with replaced(place.about):
            replace_whole(place.about, About(about.chain, fresh.name, sealed, generation).raw(), mode=0o600)
    tidy(place)
    return _Of.EXCHANGED


def _opened(place: Place, about: About | None, house_key: HouseKey | None) -> Seals | None:
    """What opens the contents' keys; None where the segment is not whole, or its keys were exchanged too often."""
    if about is None or house_key is None or about.generation + 1 >= MOST_EXCHANGES:
        return None
    if about.generation not in place.every_keys():
        return None
    try:
        key = segment_key(house_key.value, about.chain, place.segment, about.sealed_key)
    except BrokenSealError:
        return None
    return Seals(about.chain, place.segment, key)


def _is_whole(fresh: Path, former: Path) -> bool:
    """Whether as many slots were sealed anew as there are."""
    there = size_bytes(former)
    return there is not None and size_bytes(fresh) == there // SLOT_BYTES * SLOT_BYTES


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
