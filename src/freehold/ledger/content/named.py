"""Which contents the records of a chain name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from freehold.ledger.content.container import SLOT_BYTES, Name
from freehold.ledger.content.current import keys_of
from freehold.ledger.content.places import Place, read_about
from freehold.ledger.content.spans import Span, name_of
from freehold.ledger.record import NOTHING, hash_of
from freehold.ledger.recover import record_of
from freehold.ledger.segments import lines, segments, since, unreadable

_MARK = b'"content":['


class Naming(NamedTuple):
    """A record that names a content. `admission` is the number of the request's admission."""

    seq: int
    admission: int
    name: Name
    sha256: str


def namings(chain_folder: Path, *, until: int | None = None) -> Iterator[Naming]:
    """Every record that names a content, up to the record `until`. Raises LedgerError."""
    for path in segments(chain_folder):
        for raw in lines(path):
            record = record_of(raw.removesuffix(b"\n")) if _MARK in raw else None
            if record is None or (until is not None and record["seq"] > until):
                continue
            naming = _naming(record)
            if naming is not None:
                yield naming


def without_name(chain_folder: Path, names: Collection[Name], *, near: int | None = None) -> set[Name] | None:
    """Those of `names` that no record of the whole chain names; None where its records are not whole, since then nobody
    knows what they named. Where the records from about the number `near` on name all of them, no others are read.
    Raises LedgerError."""
    paths = segments(chain_folder)
    rest = _without(since(paths, near), names, None) if near is not None else set(names)
    return _without(paths, rest, NOTHING) if rest else rest


def _without(paths: Sequence[Path], names: Collection[Name], before: str | None) -> set[Name] | None:
    """Those of `names` that the records in these files do not name, the first of which holds the hash `before`, None
    where that may be any; None where the records are not whole."""
    rest = set(names)
    for path in paths:
        for raw in lines(path):
            line = raw.removesuffix(b"\n")
            record = record_of(line)
            if record is None or before not in (None, record["prev"]):
                return None
            before = hash_of(line)
            if (naming := _naming(record)) is not None:
                rest.discard(naming.name)
    return rest


def never_kept(folder: Path, chain_folder: Path, these: Sequence[Span]) -> Span | None:
    """The first of these spans that covers a place where nothing was ever kept, as far as what lies in `folder` and the
    records tell; None for none. Raises LedgerError, NewerFormatError."""
    there = {span.segment: _slots_of(Place(folder, span.segment)) for span in these}
    beyond = [span for span in these if span.last >= there[span.segment]]
    if beyond:  # it may have been kept and be lost: then a record names it
        for naming in namings(chain_folder):
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
