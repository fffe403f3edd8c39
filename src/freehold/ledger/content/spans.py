"""Contents by their places: written down as the fewest spans, and looked up. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from freehold.ledger.content.container import Name

_MOST = 2**53
"""What a reader of JSON can hold exactly."""


class Span(NamedTuple):
    """Contents of one segment, from `first` to `last`."""

    segment: int
    first: int
    last: int


def spans(names: Iterable[Name]) -> list[Span]:
    """`names` as the fewest spans, in order."""
    found: list[Span] = []
    for segment, place in sorted(set(names)):
        last = found[-1] if found else None
        if last is not None and (last.segment, last.last + 1) == (segment, place):
            found[-1] = last._replace(last=place)
        else:
            found.append(Span(segment, place, place))
    return found


def count(these: Iterable[Span]) -> int:
    """How many contents that is."""
    return sum(span.last - span.first + 1 for span in these)


def name_of(record: Mapping[str, Any]) -> Name | None:
    """The content that a record of the chain names, None where it names none."""
    found = _numbers(record.get("content"), 2)
    return None if found is None else Name(*found)


def read_spans(value: object) -> list[Span] | None:
    """The spans in a list of lists of three numbers; None where it is none."""
    if not isinstance(value, list):
        return None
    rows = [_numbers(row, 3) for row in value]
    if any(row is None or row[1] > row[2] for row in rows):
        return None
    return [Span(*row) for row in rows if row is not None]


class Places:
    """The places of one segment that some spans cover."""

    def __init__(self, these: Iterable[Span]) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for span in sorted(these):
            if self._lasts and span.first <= self._lasts[-1]:
                self._lasts[-1] = max(self._lasts[-1], span.last)
            else:
                self._firsts.append(span.first)
                self._lasts.append(span.last)

    def __contains__(self, place: int) -> bool:
        before = bisect_right(self._firsts, place) - 1
        return before >= 0 and place <= self._lasts[before]


def _numbers(value: object, count: int) -> list[int] | None:
    if not isinstance(value, list) or len(value) != count:
        return None
    return value if all(type(each) is int and 0 <= each < _MOST for each in value) else None
