"""Records that do not stand where they belong, matched once all of a ledger was read: what is missing in one place may
stand in another. Pure.

What is held is bounded, far beyond what is told of one ledger; of what is past the bound somebody has heard enough."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from freehold.ledger.verdict import MOST_FINDINGS, Verdict

MOST_HELD = 10 * MOST_FINDINGS


@dataclass(frozen=True, slots=True)
class _Gap:
    """Numbers that were not where they belong. `prev` is what the record behind says of the last of them."""

    first: int
    last: int
    prev: str | None


@dataclass(frozen=True, slots=True)
class _Stray:
    """A record that stands where number `place` belongs."""

    seq: int
    place: int
    hash: str


class Displaced:
    """Give it gaps and strays in the ledger's order, in which each gap begins behind the end of the one before."""

    def __init__(self) -> None:
        self._gaps: list[_Gap] = []
        self._strays: list[_Stray] = []

    def gap(self, first: int, last: int, prev: str | None) -> None:
        if len(self._gaps) < MOST_HELD:
            self._gaps.append(_Gap(first, last, prev))

    def stray(self, seq: int, place: int, found: str) -> None:
        if len(self._strays) < MOST_HELD:
            self._strays.append(_Stray(seq, place, found))

    def tell(self, verdict: Verdict) -> None:
        """Whether what is missing stands elsewhere, and what stands elsewhere belongs anywhere. The time it takes grows
        with what is held, but for the sorting of it."""
        match = _Match(self._strays, verdict)
        for gap in self._gaps:
            match.fill(gap)
        match.tell_rest()


class _Match:
    """Each stray is taken once: by the gap that its number belongs in, or by the one that it stands in."""

    def __init__(self, strays: Sequence[_Stray], verdict: Verdict) -> None:
        self._verdict = verdict
        self._strays = strays
        self._by_seq = {stray.seq: stray for stray in strays}
        self._seqs = sorted(self._by_seq)
        self._at: defaultdict[int, deque[int]] = defaultdict(deque)
        for stray in strays:
            self._at[stray.place].append(stray.seq)
        self._taken: set[int] = set()

    def fill(self, gap: _Gap) -> None:
        within = self._seqs[bisect_left(self._seqs, gap.first) : bisect_right(self._seqs, gap.last)]
        moved = [seq for seq in within if seq not in self._taken]
        self._taken.update(moved)
        for seq in moved:
            self._verdict.find("reordered", seq, f"stands where number {self._by_seq[seq].place} belongs")
        if gap.prev is not None and gap.last in moved and self._by_seq[gap.last].hash != gap.prev:
            self._verdict.accuse(gap.last)
        for first, last in _without(gap, moved):
            self._missing(first, last)

    def tell_rest(self) -> None:
        for stray in self._strays:
            if stray.seq not in self._taken:
                self._verdict.find("added", stray.seq, f"is there a second time, before number {stray.place}")

    def _missing(self, first: int, last: int) -> None:
        instead = self._next_at(first) if first == last else None
        if instead is not None:
            self._taken.add(instead)
            self._verdict.find("edited", first, f"has another number: {instead}")
        else:
            self._verdict.find("deleted", first, "is missing", last=last)

    def _next_at(self, place: int) -> int | None:
        """The number of the first record that stands there and was not taken."""
        there = self._at.get(place)
        while there:
            if (seq := there.popleft()) not in self._taken:
                return seq
        return None


def _without(gap: _Gap, moved: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The parts of `gap` between the numbers in `moved`, which are in order."""
    first = gap.first
    for seq in (*moved, gap.last + 1):
        if first < seq:
            yield first, seq - 1
        first = seq + 1
