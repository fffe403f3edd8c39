"""What is said of a ledger that was looked at: what it holds, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from freehold.ledger.content.erased import Erasure
from freehold.ledger.content.rekeyed import Rekeyed, rekeyed_of
from freehold.ledger.content.spans import count, read_spans
from freehold.ledger.record import NOTHING, whole_number

Kind = Literal[
    "damaged",
    "edited",
    "deleted",
    "added",
    "reordered",
    "unpaired",
    "truncated",
    "rewritten",
    "another chain",
    "chain missing",
    "misplaced",
    "unreadable",
    "content missing",
    "content changed",
    "content closed",
    "content left",
]
MOST_FINDINGS = 1000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: with the records `first` to `last`, and in which words."""

    kind: Kind
    first: int
    last: int
    text: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What a checkpoint says: the chain's name, and the hash of record `seq`. `called` is where that stands."""

    chain: str
    seq: int
    head: str
    called: str


@dataclass(frozen=True, slots=True)
class Access:
    """A record that says who was about to open what was kept of the request with this admission, and why."""

    seq: int
    at_ms: int | None
    by: str
    admission: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class Rekeying:
    """A record that says who exchanged the keys that open what is kept, and for which; `made` is None where it does not
    say that as such a record does."""

    seq: int
    at_ms: int | None
    by: str
    made: Rekeyed | None


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A record that says that a start found so many contents which no record named."""

    seq: int
    at_ms: int | None
    contents: int


@dataclass(slots=True)
class Verdict:
    """What a ledger holds and what is wrong with it. `open` requests have no outcome (yet), `torn_bytes` stand behind
    the last whole line, as a crash leaves them. `alone` says of its runs whether they were of a process without a
    house, `clock` where the wall clock was set. `contents` records name content that was kept; `sealed_otherwise` are
    the names of keys that are not here, and how many contents each one opens. `findings` stop at MOST_FINDINGS."""

    chain: str | None = None
    records: int = 0
    requests: int = 0
    interrupted: int = 0
    open: int = 0
    last: int = 0
    head: str = NOTHING
    last_at_ms: int | None = None
    torn_bytes: int = 0
    contents: int = 0
    alone: set[bool] = field(default_factory=set)
    clock: list[str] = field(default_factory=list)
    erasures: list[Erasure] = field(default_factory=list)
    unnamed: list[Unnamed] = field(default_factory=list)
    accesses: list[Access] = field(default_factory=list)
    rekeyings: list[Rekeying] = field(default_factory=list)
    sealed_otherwise: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def find(self, kind: Kind, first: int, text: str, *, last: int | None = None) -> None:
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(kind, first, first if last is None else last, text))

    def accuse(self, seq: int) -> None:
        """The record behind number `seq`, 0 is none, was not written after what stands there."""
        if seq == 0:
            self.find("edited", 1, "does not begin a chain: its `prev` is not zeros")
        else:
            self.find("edited", seq, f"is not the record that number {seq + 1} was written after")


def access_of(record: Mapping[str, Any]) -> Access:
    """A record of that kind."""
    reason = record.get("reason")
    return Access(
        record["seq"],
        whole_number(record.get("at_ms")),
        str(record.get("by")),
        whole_number(record.get("of")) or 0,
        reason if isinstance(reason, str) else None,
    )


def rekeying_of(record: Mapping[str, Any]) -> Rekeying:
    """A record of that kind."""
    return Rekeying(record["seq"], whole_number(record.get("at_ms")), str(record.get("by")), rekeyed_of(record))


def unnamed_of(record: Mapping[str, Any]) -> Unnamed:
    """A record of that kind."""
    contents = count(read_spans(record.get("contents")) or ())
    return Unnamed(record["seq"], whole_number(record.get("at_ms")), contents)
