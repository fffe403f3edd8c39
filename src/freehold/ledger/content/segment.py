"""The segment that content is put into, by one run of a house: made once, appended to, never gone on with later."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

from freehold.core.disk import replace_whole, sync_folder
from freehold.core.errors import LedgerError, NewerFormatError
from freehold.ledger.content.container import (
    KEY_BYTES,
    Kept,
    Name,
    Seals,
    Slot,
    endpoint_mark,
    keep_ms,
    sealed_segment_key,
)
from freehold.ledger.content.house_key import KeyRing
from freehold.ledger.content.places import About, Place, read_about
from freehold.ledger.segments import Tail


class Part(NamedTuple):
    """What is to be kept (`plain` makes it): of which endpoint, for how long, and when it came."""

    plain: Callable[[], bytes]
    endpoint: str
    keep_s: float
    at_ms: int


class Segment:
    """Make it with `begun`. Its key is with this process alone, and in its file, which says `about`, sealed with the
    house's."""

    def __init__(self, place: Place, seals: Seals, about: About) -> None:
        self.place = place
        self.count = 0
        self._seals = seals
        self._about = about
        self._keys = Tail(place.keys(about.generation), 0)
        try:
            self._sealed = Tail(place.sealed, 0)
        except BaseException:
            self._keys.close()
            raise

    @property
    def size_bytes(self) -> int:
        return self._sealed.size_bytes

    @property
    def is_valid(self) -> bool:
        """Its keys are still those that its file tells: where they were exchanged nothing more may be put into it."""
        try:
            return read_about(self.place) == self._about
        except (LedgerError, NewerFormatError):
            return False

    def put(self, parts: Sequence[Part]) -> list[Kept]:
        """Seal `parts` and hand them to the kernel. Raises OSError: then the segment is to be left, since what of it
        is on the disk is not known."""
        sealed: list[bytes] = []
        slots: list[bytes] = []
        kept: list[Kept] = []
        offset = self._sealed.size_bytes
        for place, part in enumerate(parts, self.count):
            about = Slot(part.at_ms, offset, 0, keep_ms(part.keep_s), endpoint_mark(part.endpoint), b"")
            data, slot = self._seals.sealed(place, part.plain(), about)
            sealed.append(data)
            slots.append(slot.raw)
            kept.append(Kept(Name(self.place.segment, place), hashlib.sha256(data).hexdigest()))
            offset += len(data)
        self._sealed.write(b"".join(sealed))
        self._keys.write(b"".join(slots))
        self.count += len(kept)
        return kept

    def sync(self) -> None:
        """Wait until what was put is on the disk: the sealed bytes before the keys to them. Raises OSError."""
        for tail in (self._sealed, self._keys):
            tail.sync(tail.size_bytes)

    def close(self) -> None:
        self._sealed.close()
        self._keys.close()


def begun(place: Place, chain: str, ring: KeyRing) -> Segment:
    """A new segment at `place`, with a key of its own. Raises OSError, HouseKeyError."""
    key, house_key = os.urandom(KEY_BYTES), ring.sealing(place.folder)
    os.close(os.open(place.keys(0), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))  # it is nobody else's
    try:
        about = About(chain, house_key.name, sealed_segment_key(house_key.value, chain, place.segment, key))
        replace_whole(place.about, about.raw(), mode=0o600)
        segment = Segment(place, Seals(chain, place.segment, key), about)
        for folder in (place.folder, place.folder.parent):
            sync_folder(folder)
    except BaseException:
        place.remove()
        raise
    return segment
