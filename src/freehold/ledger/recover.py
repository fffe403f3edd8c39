"""What the files say when a house starts: where the chain ends, and which requests nobody ended.

Only the last segment is read, whose first record names the requests that were open then. A line without its end is what
a crash leaves, and is set aside beside the ledger. Nothing else is mended here: a line that is no record stays where it
is, the chain goes on behind it, and `freehold ledger verify` says where it breaks. That the last segment is not whole
is noticed, for a warning."""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from freehold.core.formats import LEDGER
from freehold.ledger.record import NOTHING, hash_of, whole_number
from freehold.ledger.segments import lines, segments


@dataclass(frozen=True, slots=True)
class Torn:
    """What stands behind the last whole line of a segment: its last `size_bytes`, from `start_bytes` on."""

    path: Path
    start_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Found:
    """The end of a chain. `path` is the segment to go on with, None for none, `size_bytes` its whole lines, and `torn`
    what stands behind them, there and in segments after it. `open` are the admissions without an outcome. `damaged`
    lines of it are no records; `broken` is the number of the first record of the segment that does not hold the hash of
    the one before, 0 none. `last_ms` is the wall clock of the last record that tells it."""

    chain: str
    seq: int
    head: str
    path: Path | None
    size_bytes: int
    open: tuple[int, ...]
    torn: tuple[Torn, ...]
    damaged: int
    broken: int = 0
    last_ms: int | None = None

    @property
    def torn_bytes(self) -> int:
        return sum(each.size_bytes for each in self.torn)


def look(folder: Path) -> Found:
    """The end of the ledger in `folder`; a new chain where there is none. Raises LedgerError."""
    torn: tuple[Torn, ...] = ()
    for path in reversed(segments(folder)):
        found = _read(path)
        if found.size_bytes:
            return dataclasses.replace(found, path=None, size_bytes=0, torn=found.torn + torn) if torn else found
        torn = found.torn + torn  # a segment that was being begun: its first line never became whole
    return Found(secrets.token_hex(16), 0, NOTHING, None, 0, (), torn, 0)


def record_of(line: bytes) -> dict[str, Any] | None:
    """The record in a line without its end, or None where it is none. Raises NewerFormatError where it says that what
    follows is written in a way that this program does not know."""
    try:
        record = from_json(line, cache_strings="keys")
        if not isinstance(record, dict) or whole_number(record.get("seq")) is None:
            return None
        if record.get("kind") == "segment":
            LEDGER.require(record.get("format"), f"What record {record['seq']} begins")
    except ValueError:
        return None
    pointers = whole_number(record.get("of", 0)) is not None and isinstance(record.get("open", []), list)
    return record if pointers and isinstance(record.get("prev"), str) else None


@dataclass(slots=True)
class _Line:
    """One line of a segment, without its end: its `hash`, and `data`, None where it is longer than any record."""

    data: bytes | None
    hash: str
    size_bytes: int
    is_whole: bool


def _joined(path: Path) -> Iterator[_Line]:
    """The lines of a segment. What comes in pieces is hashed piece by piece and not held, however long it is."""
    size_bytes, hashed = 0, hashlib.sha256()
    for piece in lines(path):
        is_whole = piece.endswith(b"\n")
        if is_whole and not size_bytes:
            yield _Line(piece[:-1], hash_of(piece[:-1]), len(piece), is_whole=True)
            continue
        size_bytes += len(piece)
        hashed.update(piece.removesuffix(b"\n"))
        if is_whole:
            yield _Line(None, hashed.hexdigest(), size_bytes, is_whole=True)
            size_bytes, hashed = 0, hashlib.sha256()
    if size_bytes:
        yield _Line(None, hashed.hexdigest(), size_bytes, is_whole=False)


def _read(path: Path) -> Found:
    chain, seq, head, size_bytes, damaged, broken = "", 0, "", 0, 0, 0
    opened: set[int] = set()
    last_ms: int | None = None
    torn: tuple[Torn, ...] = ()
    for line in _joined(path):
        if not line.is_whole:
            torn = (Torn(path, size_bytes, line.size_bytes),)
            break
        size_bytes += line.size_bytes
        before, head = head, line.hash
        record = record_of(line.data) if line.data is not None else None
        seq = seq + 1 if record is None else record["seq"]
        damaged += record is None
        if record is None:
            continue
        if before and record["prev"] != before:  # of the first, the one before is in another file
            broken = broken or seq
        last_ms = last_ms if (at_ms := whole_number(record.get("at_ms"))) is None else at_ms
        kind = record.get("kind")
        if kind == "segment":
            chain = str(record.get("chain") or chain)
            opened.update(seq for seq in map(whole_number, record.get("open", ())) if seq is not None)
        elif kind == "admission":
            opened.add(seq)
        elif kind == "outcome":
            opened.discard(record.get("of", 0))
    name, still_open = chain or secrets.token_hex(16), tuple(sorted(opened))
    return Found(name, seq, head or NOTHING, path, size_bytes, still_open, torn, damaged, broken, last_ms)
