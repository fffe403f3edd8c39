"""How kept content is sealed, and how its files say where it lies. Pure but for the bytes of chance.

Content lies in segments beside the chain, each of three files:

    content-NUMBER.json     the segment's own key, sealed with the house's key: a line, replaced whole
    content-NUMBER.keys     a slot of 96 bytes for each content: when, where, how long, and its own key, sealed;
                            content-NUMBER.N.keys once the keys were exchanged N times, which the line says
    content-NUMBER.sealed   the sealed contents, one behind the other

All of it is AES-256-GCM (NIST SP 800-38D). Every content has a key of its own, 32 bytes of chance that seal once, so
their nonce is zeros. That key is sealed with the segment's, under the content's place as nonce, which no two contents
of a segment share: a segment is written by one run of a house and never gone on with. Where keys are exchanged the
segment gets another, and its contents' are sealed with that. The segment's key is sealed with the house's, under a
nonce of chance. What each seal is bound to (its associated data) is the chain, the segment, the place, and all that the
slot says.

So a content cannot be opened as another one, none can be given a longer stay, and one whose slot holds zeros in place
of its key is gone for everybody."""

from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
TAG_BYTES = 16
NONCE_BYTES = 12
_SLOT = struct.Struct(">QQQQ16s48s")
SLOT_BYTES = _SLOT.size
KEY_OFFSET = SLOT_BYTES - KEY_BYTES - TAG_BYTES
"""Where a slot's key begins: what is overwritten where content is erased."""
_GONE = bytes(KEY_BYTES + TAG_BYTES)
FOR_EVER = 2**64 - 1


class BrokenSealError(Exception):
    """What is here is not what was sealed: it was changed, or sealed with another key."""


class Name(NamedTuple):
    """What a record calls a content: the segment's number and its place in it, from 0."""

    segment: int
    place: int


class Kept(NamedTuple):
    """A content that was kept, as its record names it. `sha256` is that of its sealed bytes."""

    name: Name
    sha256: str


class Slot(NamedTuple):
    """What is said of one content: when it was kept (milliseconds since 1970), where its sealed bytes lie, how long it
    stays (FOR_EVER: until it is erased), the start of the SHA-256 of its endpoint's name, and its sealed key."""

    at_ms: int
    offset: int
    size_bytes: int
    keep_ms: int
    endpoint: bytes
    key: bytes

    @property
    def is_erased(self) -> bool:
        return self.key == _GONE

    @property
    def raw(self) -> bytes:
        return _SLOT.pack(*self)


@dataclass(frozen=True, slots=True)
class Seals:
    """Seals and opens what is in one segment of a chain's content."""

    chain: str
    segment: int
    key: bytes = field(repr=False)

    def sealed(self, place: int, plain: bytes, about: Slot) -> tuple[bytes, Slot]:
        """`plain` sealed, and its slot: `about`, with the size and the key."""
        key = os.urandom(KEY_BYTES)
        slot = about._replace(size_bytes=len(plain) + TAG_BYTES)
        sealed = _aes(key).encrypt(bytes(NONCE_BYTES), plain, self._bound(place, b"content"))
        return sealed, self.closed(place, key, slot)

    def closed(self, place: int, key: bytes, about: Slot) -> Slot:
        """`about`, with the `key` of its content sealed. It must be the only one that is ever sealed so at `place`."""
        return about._replace(key=_aes(self.key).encrypt(_nonce(place), key, self._bound(place, b"key", about)))

    def key_of(self, place: int, slot: Slot) -> bytes:
        """The key of one content. Raises BrokenSealError."""
        return _opened(self.key, _nonce(place), slot.key, self._bound(place, b"key", slot))

    def opened(self, place: int, slot: Slot, sealed: bytes) -> bytes:
        """What was sealed. Raises BrokenSealError."""
        return _opened(self.key_of(place, slot), bytes(NONCE_BYTES), sealed, self._bound(place, b"content"))

    def _bound(self, place: int, what: bytes, slot: Slot | None = None) -> bytes:
        said = slot.raw[:KEY_OFFSET] if slot is not None else b""
        return b"freehold content 1\n%s\n%s %d %d\n" % (what, self.chain.encode(), self.segment, place) + said


def sealed_segment_key(house_key: bytes, chain: str, segment: int, key: bytes) -> bytes:
    """A segment's key, sealed with the house's."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + _aes(house_key).encrypt(nonce, key, _bound_segment(chain, segment))


def segment_key(house_key: bytes, chain: str, segment: int, sealed: bytes) -> bytes:
    """The segment's key. Raises BrokenSealError."""
    return _opened(house_key, sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound_segment(chain, segment))


def slot_of(raw: bytes) -> Slot | None:
    """The slot in these bytes, None where they are not a whole one."""
    return Slot(*_SLOT.unpack(raw)) if len(raw) == SLOT_BYTES else None


def endpoint_mark(endpoint: str) -> bytes:
    """What a slot holds of its endpoint's name."""
    return hashlib.sha256(endpoint.encode()).digest()[:16]


def keep_ms(keep_s: float) -> int:
    """A stay as a slot holds it."""
    return FOR_EVER if keep_s == float("inf") else max(1, round(1000 * keep_s))


def _bound_segment(chain: str, segment: int) -> bytes:
    return b"freehold content 1\nsegment\n%s %d\n" % (chain.encode(), segment)


def _nonce(place: int) -> bytes:
    return place.to_bytes(NONCE_BYTES, "big")


def _aes(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _opened(key: bytes, nonce: bytes, sealed: bytes, bound: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag

    try:
        return _aes(key).decrypt(nonce, sealed, bound)
    except (InvalidTag, ValueError) as error:  # ValueError: too short to be sealed
        raise BrokenSealError("it is not what was sealed") from error
