"""Opens what is kept as somebody would who got files of several days: each is tried with each, whatever its name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from freehold.ledger.content.container import SLOT_BYTES, BrokenSealError, Seals, segment_key, slot_of
from freehold.ledger.content.house_key import HouseKey
from freehold.ledger.content.transcript import read


def openable(folders: Iterable[Path], keys: Iterable[HouseKey]) -> set[str]:
    """All that opens of the files in these folders for who has these keys of the house."""
    paths = [path for folder in folders for path in folder.glob("content-*")]
    seals = {found for key in keys for path in paths if path.suffix == ".json" for found in _seals(path, key)}
    slots = [path for path in paths if path.suffix == ".keys"]
    sealed = [path.read_bytes() for path in paths if path.suffix == ".sealed"]
    return {text for each in seals for path in slots for text in _opened(each, path.read_bytes(), sealed)}


def _seals(path: Path, key: HouseKey) -> Iterator[Seals]:
    told, segment = json.loads(path.read_bytes()), int(path.name.split(".")[0].removeprefix("content-"))
    try:
        found = segment_key(key.value, told["chain"], segment, bytes.fromhex(told["sealed_key"]))
    except BrokenSealError:
        return
    yield Seals(told["chain"], segment, found)


def _opened(seals: Seals, keys: bytes, sealed: list[bytes]) -> Iterator[str]:
    for place in range(len(keys) // SLOT_BYTES):
        slot = slot_of(keys[place * SLOT_BYTES : (place + 1) * SLOT_BYTES])
        assert slot is not None
        for data in sealed:
            try:
                plain = seals.opened(place, slot, data[slot.offset : slot.offset + slot.size_bytes])
            except BrokenSealError:
                continue
            yield f"place {place} of {seals.segment}: {_text(plain)}"


def _text(plain: bytes) -> str:
    try:
        return str(read([plain]))
    except ValueError:  # an answer without what it answers
        return "an answer"
