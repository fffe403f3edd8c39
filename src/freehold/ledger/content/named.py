"""Which contents the records of a chain name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from freehold.ledger.content.container import SLOT_BYTES, Name
from freehold.ledger.content.current import keys_of
from freehold.ledger.content.places import Place, read_about
from freehold.ledger.content.spans import Span, name_of
from freehold.ledger.record import hash_of
from freehold.ledger.recover import record_of
from freehold.ledger.segments import lines, segments, since, unreadable

AHEAD = 1000
"""By how much the number of a segment may be beyond that of the record it was begun after: so often at most a segment
was begun into which nothing could be put."""
_MARK = b'"content":['


class Naming(NamedTuple):
    """A record that names a content. `admission` is the number of the request's admission."""

    seq: int
    admission: int
    name: Name
    sha256: str


def namings(chain_folder: Path, *, first: int = 0, until: int | None = None) -> Iterator[Naming]:
    """Every record that names a content, from the segment on that holds the record `first`, up to the record `until`.
    Raises LedgerError."""
    for path in since(segments(chain_folder), first):
        for raw in lines(path):
            record = record_of(raw.removesuffix(b"\n")) if _MARK in raw else None
            if record is None or (until is not None and record["seq"] > until):
                continue
            naming = _naming(record)
            if naming is not None:
                yield naming


def names_since(chain_folder: Path, first: int) -> set[Name] | None:
    """The contents that records from about the number `first` on name; None where those records are not whole, since
    then nobody knows what they named. Raises LedgerError."""
    names: set[Name] = set()
    before: str | None = None
    for path in since(segments(chain_folder), first):
        for raw in lines(path):
            line = raw.removesuffix(b"\n")
            record = record_of(line)
            if record is None or before not in (None, record["prev"]):
                return None
            before = hash_of(line)
            if (naming := _naming(record)) is not None:
                names.add(naming.name)
    return names


def never_kept(folder: Path, chain_folder: Path, these: Sequence[Span]) -> Span | None:
    """The first of these spans that covers a place where nothing was ever kept, as far as what lies in `folder` and the
    records tell; None for none. Raises LedgerError, NewerFormatError."""
    there = {span.segment: _slots_of(Place(folder, span.segment)) for span in these}
    beyond = [span for span in these if span.last >= there[span.segment]]
    if beyond:  # it may have been kept and be lost: then a record names it
        for naming in namings(chain_folder, first=min(there) - AHEAD):
            segment, place = naming.name
            if segment in there:
                there[segment] = max(there[segment], place + 1)
    return next((span for span in beyond if span.last >= there[span.segment]), None)


def _slots_of(place: Place) -> int:
    path = keys_of(place, read_about(place))
    try:
        return path.stat().st_size // SLOT_BYTES
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise unreadable(path, error) from error


def _naming(record: dict[str, Any]) -> Naming | None:
    name, kind = name_of(record), record.get("kind")
    admission = record["seq"] if kind == "admission" else record.get("of")
    if name is None or kind not in ("admission", "outcome") or type(admission) is not int:
        return None
    return Naming(record["seq"], admission, name, str(record.get("content_sha256")))
