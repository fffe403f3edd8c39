"""Takes kept content away for good: its key is overwritten where it lies, then its sealed bytes.

The key goes first and is on the disk as zeros before anything else is touched: from then on nobody opens what is left,
with the house's key or without. A segment in which nothing is left goes as a whole, its own key first.

What a program cannot promise: that the medium keeps no former version of a block (`overwriting`). What one holds of
before opens with the house's key of then, until that was exchanged (`rekeying`) and no copy of it is left."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from freehold.core.disk import sync_folder
from freehold.ledger.content.container import KEY_OFFSET, SLOT_BYTES, Slot
from freehold.ledger.content.current import keys_of
from freehold.ledger.content.overwriting import finish, overwrite, wipe
from freehold.ledger.content.places import Place, read_about, size_bytes
from freehold.ledger.content.shelf import left
from freehold.ledger.content.spans import Places, Span
from freehold.ledger.segments import opened


def destroy(folder: Path, spans: Iterable[Span], *, live: int | None = None) -> int:
    """Destroy these contents; how many were there. The segment with the number `live` is being written, and stays.
    What is not there any more is passed over. Raises OSError, LedgerError."""
    destroyed = 0
    for segment, of_one in groupby(sorted(spans), key=lambda span: span.segment):
        place = Place(folder, segment)
        destroyed += _of_segment(place, list(of_one))
        if segment != live:
            sweep([place])
    return destroyed


def sweep(candidates: Iterable[Place]) -> None:
    """Take away what nobody needs of these segments: keys that are not valid, and those in which nothing is left.
    Raises OSError, LedgerError, NewerFormatError."""
    for place in candidates:
        tidy(place)
        others = set(place.every_keys().values()) - {keys_of(place, read_about(place))}
        if not others and holds_nothing(place):
            _remove(place)


def holds_nothing(place: Place) -> bool:
    """Every key to its contents is zeros, or nothing was put there. Where the keys are away what they open is there:
    they may come back. Raises LedgerError, NewerFormatError."""
    is_known = keys_of(place, read_about(place)).exists() or not size_bytes(place.sealed)
    return is_known and next(left(place), None) is None


def tidy(place: Place) -> None:
    """Destroy the keys of this segment that are not valid, which an exchange leaves that was cut off. The caller is the
    only one who changes what is kept. Raises OSError, LedgerError, NewerFormatError."""
    finish(place.about)
    about, every = read_about(place), list(place.every_keys().values())
    valid = keys_of(place, about)
    if about is None or valid not in every:  # it was no exchange that left these
        return
    for path in every:
        if path != valid:
            wipe(path)
            path.unlink()
    if len(every) > 1:
        sync_folder(place.folder)


def _remove(place: Place) -> None:
    for path in (place.about, *place.every_keys().values()):
        wipe(path)
    place.remove()
    sync_folder(place.folder)


def _of_segment(place: Place, spans: Sequence[Span]) -> int:
    tidy(place)
    covered = Places(spans)
    wanted = [slot for name, slot in left(place) if name.place in covered]
    for path in place.every_keys().values():
        _destroy_keys(path, spans)
    if wanted:
        _destroy_sealed(place.sealed, wanted)
    return len(wanted)


def _destroy_keys(path: Path, spans: Sequence[Span]) -> None:
    descriptor = opened(path, os.O_WRONLY)
    try:
        count = os.fstat(descriptor).st_size // SLOT_BYTES
        for span in spans:
            for number in range(span.first, min(span.last + 1, count)):
                overwrite(descriptor, number * SLOT_BYTES + KEY_OFFSET, SLOT_BYTES - KEY_OFFSET)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def _destroy_sealed(path: Path, wanted: Sequence[Slot]) -> None:
    try:
        descriptor = opened(path, os.O_WRONLY)
    except FileNotFoundError:
        return
    try:
        there = os.fstat(descriptor).st_size
        for slot in wanted:
            overwrite(descriptor, slot.offset, min(slot.size_bytes, max(0, there - slot.offset)))
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
