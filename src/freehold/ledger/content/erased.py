"""What a chain says of content that was erased. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from freehold.ledger.clocks import iso
from freehold.ledger.content.container import Name
from freehold.ledger.content.spans import Places, Span, count, read_spans

UNNAMED: Final = "unnamed"
"""The cause of an erasure of what no record named for a week."""


@dataclass(slots=True)
class Erasure:
    """A record that says what of the kept content was erased, when, by whom and why. `requests` counts those whose
    content it was, from `first` to `last` by the number of their admission; 0 until somebody counted."""

    seq: int
    at_ms: int | None
    by: str
    cause: str
    reason: str | None
    spans: tuple[Span, ...]
    requests: int = 0
    first: int = 0
    last: int = 0

    def of_request(self, admission: int) -> None:
        """It erased what this request asked."""
        self.requests += 1
        self.first = min(self.first or admission, admission)
        self.last = max(self.last, admission)

    @property
    def contents(self) -> int:
        """How many contents it names."""
        return count(self.spans)

    @property
    def words(self) -> str:
        """When, by whom and why."""
        when = iso(self.at_ms) if self.at_ms is not None else "a day that is not told"
        why = f": {' '.join(self.reason.split())}" if self.reason else ""
        return f"on {when} by {self.by}{why} (record {self.seq:,})"


class Erased:
    """Which contents were erased, by which record."""

    def __init__(self, erasures: Iterable[Erasure]) -> None:
        self._of: dict[int, list[tuple[Erasure, Places]]] = {}
        for erasure in erasures:
            for segment in {span.segment for span in erasure.spans}:
                of_one = Places(span for span in erasure.spans if span.segment == segment)
                self._of.setdefault(segment, []).append((erasure, of_one))

    def by(self, name: Name, named: int) -> Erasure | None:
        """The first record that says it of this content, which the record `named` names. One that stands before that
        says nothing of it: nobody erases what has not come yet."""
        told = self._of.get(name.segment, ())
        return next((each for each, of_one in told if each.seq > named and name.place in of_one), None)


def erasure_of(record: Mapping[str, Any]) -> Erasure:
    """A record of that kind."""
    at_ms, reason = record.get("at_ms"), record.get("reason")
    return Erasure(
        record["seq"],
        at_ms if type(at_ms) is int else None,
        str(record.get("by")),
        str(record.get("cause")),
        reason if isinstance(reason, str) else None,
        tuple(read_spans(record.get("contents")) or ()),
    )
