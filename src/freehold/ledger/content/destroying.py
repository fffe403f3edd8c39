"""Takes kept content away for good: its key is overwritten where it lies, then its sealed bytes.

The key goes first and is on the disk as zeros before anything else is touched: from then on nobody opens what is left,
with the house's key or without. A segment in which nothing is left goes as a whole, its own key first.

What a program cannot promise: that the medium keeps no former version of a block. SSDs move what is overwritten, and
file systems that copy on write, snapshots and backups hold what was. What they hold opens with the house's key, and a
new key (`rekeying`) does not change that."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from freehold.core.disk import sync_folder
from freehold.ledger.content.container import KEY_OFFSET, SLOT_BYTES, Slot
from freehold.ledger.content.places import Place
from freehold.ledger.content.shelf import left
from freehold.ledger.content.spans import Places, Span

_ZEROS = bytes(1 << 20)


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
    """Take away those of these segments in which nothing is left. Raises OSError, LedgerError."""
    for place in candidates:
        if next(left(place), None) is None:
            _remove(place)


def _remove(place: Place) -> None:
    for path in (place.about, place.keys):
        if path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                _overwrite(descriptor, 0, os.fstat(descriptor).st_size)
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
    place.remove()
    sync_folder(place.folder)


def _of_segment(place: Place, spans: Sequence[Span]) -> int:
    covered = Places(spans)
    wanted = [(name.place, slot) for name, slot in left(place) if name.place in covered]
    if wanted:
        _destroy_keys(place.keys, [number for number, _ in wanted])
        _destroy_sealed(place.sealed, [slot for _, slot in wanted])
    return len(wanted)


def _destroy_keys(path: Path, numbers: Sequence[int]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        for number in numbers:
            _overwrite(descriptor, number * SLOT_BYTES + KEY_OFFSET, SLOT_BYTES - KEY_OFFSET)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def _destroy_sealed(path: Path, wanted: Sequence[Slot]) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        there = os.fstat(descriptor).st_size
        for slot in wanted:
            _overwrite(descriptor, slot.offset, min(slot.size_bytes, max(0, there - slot.offset)))
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def _overwrite(descriptor: int, offset: int, size_bytes: int) -> None:
    while size_bytes > 0:
        written = os.pwrite(descriptor, memoryview(_ZEROS)[:size_bytes], offset)
        offset, size_bytes = offset + written, size_bytes - written
