"""Reads a whole chain and says what is wrong with it, record by record.

Each record holds the hash of the one before it, so the record that follows is the witness against one that was edited.
A number that is missing was deleted, one that stands elsewhere was moved, one that is there twice was added. What a
chain cannot show by itself: that records are missing at its end, that the last one was edited, which none follows, or
that all of it was written anew. A checkpoint that was kept where the writer cannot reach shows each, up to the record
it saw. Whether what is kept of requests is what the records name is for `content.check` to say.

Nothing is written. Memory does not grow with the ledger, but for its erasures and accesses, and time no faster than it,
whatever was done to it. Where a great deal was changed at once the first of it is told, and its name is the likeliest
one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from freehold.ledger.clocks import ClockWatch
from freehold.ledger.content.erased import erasure_of
from freehold.ledger.displaced import MOST_HELD, Displaced
from freehold.ledger.record import NOTHING, hash_of
from freehold.ledger.recover import record_of
from freehold.ledger.segments import lines, segments
from freehold.ledger.verdict import MOST_FINDINGS as MOST_FINDINGS
from freehold.ledger.verdict import Finding as Finding
from freehold.ledger.verdict import Kind, access_of, rekeying_of, unnamed_of
from freehold.ledger.verdict import Seen as Seen
from freehold.ledger.verdict import Verdict as Verdict


def verify(folder: Path, checkpoints: Sequence[Seen] = ()) -> Verdict:
    """Look at every record of the ledger in `folder`. Raises LedgerError where it cannot be read."""
    walk = _Walk({seen.seq for seen in checkpoints})
    ahead: bytes | None = None
    for raw in _all_lines(folder):
        if ahead is not None:
            walk.take(ahead[:-1], raw)
        ahead = raw
    if ahead is not None and ahead.endswith(b"\n"):
        walk.take(ahead[:-1], None)
    elif ahead is not None:
        walk.verdict.torn_bytes = len(ahead)
    verdict = walk.end()
    for seen in sorted(checkpoints, key=lambda seen: seen.seq):
        _compare(verdict, seen, walk.hashes.get(seen.seq))
    verdict.findings.sort(key=lambda finding: finding.first)
    return verdict


def _all_lines(folder: Path) -> Iterator[bytes]:
    for path in segments(folder):
        yield from lines(path)


def _number(raw: bytes | None) -> int | None:
    record = record_of(raw.removesuffix(b"\n")) if raw is not None else None
    return None if record is None else int(record["seq"])


MOST_OPEN = 100_000
"""More requests than any house has at work: of those beyond, their number alone is known."""


class _Walk:
    """One pass over the lines, in their order. `hashes` are those of the records that were asked for."""

    def __init__(self, wanted: Iterable[int]) -> None:
        self.verdict = Verdict()
        self.hashes: dict[int, str] = {}
        self._wanted = frozenset(wanted)
        self._expected = 1
        self._damaged_from = 0
        self._whole = True
        # What the next record may have as its `prev`; empty where the record before is not known.
        self._before = {NOTHING}
        self._displaced = Displaced()
        self._open: set[int] = set()
        self._open_beyond = 0
        self._clocks = ClockWatch(self.verdict.clock)

    def take(self, line: bytes, following: bytes | None) -> None:
        """The next line, and the one after it as it is on the disk."""
        self.verdict.records += 1
        record, found = record_of(line), hash_of(line)
        if record is None:
            self._damaged_from = self._damaged_from or self._expected
            self._whole = False
            self._go_on(found, known=False)
            return
        seq: int = record["seq"]
        self._whole &= seq == self._expected
        if self._damaged_from:
            self._end_of_damage(seq)
        if seq != self._expected and self._is_stray(seq, _number(following)):
            self._displaced.stray(seq, self._expected, found)
            if _number(following) == self._expected + 1:  # it took another's place, rather than coming between
                self._displaced.gap(self._expected, self._expected, None)
                self._go_on(found, known=False)
            elif seq == self._expected - 1 and len(self._before) < MOST_HELD:
                self._before.add(found)
            return
        if seq > self._expected:
            self._displaced.gap(self._expected, seq - 1, record["prev"])
            self._expected = seq
        elif self._before and record["prev"] not in self._before:
            self.verdict.accuse(seq - 1)
        self._accept(record, found)

    def end(self) -> Verdict:
        if self._damaged_from:
            self._end_of_damage(self._expected)
        self._displaced.tell(self.verdict)
        self.verdict.open = len(self._open) + self._open_beyond
        self.verdict.last = self._expected - 1
        return self.verdict

    def _end_of_damage(self, following: int) -> None:
        """A damaged page holds several records, and perhaps no line's end: it reaches to what follows."""
        first, self._damaged_from = self._damaged_from, 0
        if following == first:
            self._find("added", first, "stands behind a line that is no record")
        else:
            self._find("damaged", first, "cannot be read as a record", last=max(following - 1, first))
        self._expected = max(following, first)

    def _is_stray(self, seq: int, following: int | None) -> bool:
        return seq < self._expected or following in (self._expected, self._expected + 1)

    def _accept(self, record: dict[str, Any], found: str) -> None:
        verdict, seq = self.verdict, self._expected
        if seq in self._wanted:
            self.hashes[seq] = found
        kind = record.get("kind")
        if kind == "admission":
            verdict.requests += 1
            self._opened(seq)
        elif kind == "outcome":
            verdict.interrupted += record.get("outcome") == "interrupted"
            self._close(seq, record.get("of"))
        elif kind == "segment" and verdict.chain is None:
            verdict.chain = str(record.get("chain"))
        elif kind == "start":
            verdict.alone.add(record.get("alone") is True)
        elif kind == "erasure":
            verdict.erasures.append(erasure_of(record))
        elif kind == "unnamed":
            verdict.unnamed.append(unnamed_of(record))
        elif kind == "access":
            verdict.accesses.append(access_of(record))
        elif kind == "rekey":
            verdict.rekeyings.append(rekeying_of(record))
        verdict.contents += "content" in record
        verdict.head = found
        verdict.last_at_ms = self._clocks.look(record)
        self._go_on(found, known=True)

    def _opened(self, seq: int) -> None:
        if len(self._open) < MOST_OPEN:
            self._open.add(seq)
        else:
            self._open_beyond += 1

    def _close(self, seq: int, of: object) -> None:
        if of in self._open:
            self._open.discard(of)
        elif self._open_beyond:
            self._open_beyond -= 1
        elif self._whole:
            self._find("unpaired", seq, f"is the outcome of {of}, which is no open request")

    def _go_on(self, found: str, *, known: bool) -> None:
        self._before = {found} if known else set()
        self._expected += 1

    def _find(self, kind: Kind, first: int, text: str, *, last: int | None = None) -> None:
        self.verdict.find(kind, first, text, last=last)


def _compare(verdict: Verdict, seen: Seen, found: str | None) -> None:
    """Hold a ledger against what a checkpoint saw of it."""
    if verdict.chain is not None and verdict.chain != seen.chain:
        text = f"is of the chain {verdict.chain}, and {seen.called} saw {seen.chain}"
        verdict.findings.append(Finding("another chain", 1, verdict.last, text))
    elif seen.seq > verdict.last:
        text = f"was there when {seen.called} was made, and the ledger ends before"
        verdict.findings.append(Finding("truncated", verdict.last + 1, seen.seq, text))
    elif found is not None and found != seen.head and not any(each.first <= seen.seq for each in verdict.findings):
        text = f"is not what {seen.called} saw: it, or what comes before it, was written anew"
        verdict.findings.append(Finding("rewritten", seen.seq, seen.seq, text))
