"""What a ledger holds, and how each record becomes a line.

A record is one line of canonical JSON (RFC 8785): keys in order, no spaces, UTF-8. `seq` counts from 1 without a gap,
`prev` is the SHA-256 of the line before it, without its line end; the first has zeros there. So each line vouches for
all before it, and `sha256sum` and any reader of JSON check the chain without this program.

    segment     heads each file: the chain's name, and the requests that are open here, by the number of their admission
    start       a run of the house began: its version, mode and meter, and what of a torn line was set aside; `alone`
                where it was no house, but a process that answers by itself
    admission   a request is about to reach an engine: who asked what of which build
    outcome     how it ended; `of` is the number of its admission
    erasure     kept content is taken away for good: which (`contents`), by whom (`by`) and why (`cause`, `reason`)
    access      kept content was opened: that of the request whose admission is `of`, by whom and why
    rekey       the keys that open kept content were exchanged, by whom: for that of the name `key` from those named
                `former`, of so many `segments`; `unopened` are not among them, the `damaged` of which keep the former
    unnamed     a start found kept content that no record names: which (`contents`)
    stop        the run ended in order

Time: `at_ms` is the wall clock, which people may set, `clock_ms` the time since the run began by a clock nobody can
set. Durations are microseconds of that clock, counted from the request's last byte. null is unknown, never zero. No
record has room for a prompt or an answer. `request` is the id that the client sent or was given. Where an endpoint's
content is kept, `content` of an admission and of an outcome names what was sent and what was answered, each by segment
and place, and `content_sha256` is the hash of its sealed bytes (`ledger.content`)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pydantic_core import to_json

from freehold.core.formats import LEDGER
from freehold.ledger.content.container import Kept

NOTHING = "0" * 64
"""What the first record has before it."""

Ending = Literal["done", "stopped", "failed", "interrupted"]


class Asked(NamedTuple):
    """A request about to be sent to an engine. `key` is the key's id, None where none was needed; `build` the digest,
    None where nobody can know it; `queue_us` the time it waited in the house until now."""

    request: str
    key: str | None
    endpoint: str
    route: str
    build: str | None
    engine: str
    queue_us: int


class Energy(NamedTuple):
    """What the processor's package used, in microjoules: `most_uj` while the request was at work, `share_uj` this
    request's part of it, where whatever was at work at one moment has equal parts."""

    share_uj: int
    most_uj: int


class Outcome(NamedTuple):
    """How a request ended. `error` is the code of what stopped it: an error's, `client_gone`, `house_closing`.
    `first_us` is the time to the first piece of the answer, `pieces` how many there were of a streamed one: the least
    that came out where nobody told `tokens_out`."""

    ending: Ending
    error: str | None = None
    tokens_in: int | None = None
    tokens_cached: int | None = None
    tokens_out: int | None = None
    pieces: int | None = None
    first_us: int | None = None
    total_us: int | None = None


def _boot_ns() -> int:
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True, slots=True)
class Clock:
    """The clocks, in nanoseconds: the wall's, since 1970, and two that only go forward, of which `boot_ns` goes on
    while the machine sleeps."""

    wall_ns: Callable[[], int] = time.time_ns
    steady_ns: Callable[[], int] = time.monotonic_ns
    boot_ns: Callable[[], int] = _boot_ns


class Chain:
    """The end of the chain: the last record's number and hash. Each method makes the next line and is then its end."""

    __slots__ = ("_began_ns", "_clock", "head", "name", "seq")

    def __init__(self, name: str, *, seq: int = 0, head: str = NOTHING, clock: Clock | None = None) -> None:
        self.name = name
        self.seq = seq
        self.head = head
        self._clock = clock or Clock()
        self._began_ns = self._clock.steady_ns()

    def segment(self, open_admissions: Iterable[int]) -> bytes:
        at_ms, _ = self._times()
        record = {"at_ms": at_ms, "chain": self.name, "format": LEDGER.newest, "kind": "segment"}
        return self._add({**record, "open": sorted(open_admissions), "prev": self.head, "seq": self.seq + 1})

    def start(self, *, version: str, mode: str, meter: str | None, torn_bytes: int, alone: bool = False) -> bytes:
        fields = {"meter": meter, "mode": mode, "torn_bytes": torn_bytes, "version": version}
        return self.entry("start", {**fields, "alone": True} if alone else fields)

    def admission(self, asked: Asked, kept: Kept | None = None) -> bytes:
        at_ms, clock_ms = self._times()
        return self._add(
            {
                "at_ms": at_ms,
                "build": asked.build,
                "clock_ms": clock_ms,
                "endpoint": asked.endpoint,
                "engine": asked.engine,
                "key": asked.key,
                "kind": "admission",
                "prev": self.head,
                "queue_us": asked.queue_us,
                "request": asked.request,
                "route": asked.route,
                "seq": self.seq + 1,
            },
            kept,
        )

    def outcome(self, of: int, outcome: Outcome, energy: Energy | None = None, kept: Kept | None = None) -> bytes:
        at_ms, clock_ms = self._times()
        return self._add(
            {
                "at_ms": at_ms,
                "clock_ms": clock_ms,
                "energy_most_uj": energy.most_uj if energy is not None else None,
                "energy_uj": energy.share_uj if energy is not None else None,
                "error": outcome.error,
                "first_us": outcome.first_us,
                "kind": "outcome",
                "of": of,
                "outcome": outcome.ending,
                "pieces": outcome.pieces,
                "prev": self.head,
                "seq": self.seq + 1,
                "tokens_cached": outcome.tokens_cached,
                "tokens_in": outcome.tokens_in,
                "tokens_out": outcome.tokens_out,
                "total_us": outcome.total_us,
            },
            kept,
        )

    def stop(self) -> bytes:
        return self.entry("stop", {})

    def entry(self, kind: str, fields: Mapping[str, object]) -> bytes:
        """A record with other fields than a request's. What of a text is no Unicode (a byte of a terminal that nobody
        could decode) becomes a question mark: a record that cannot be written would stop whoever has to write it."""
        at_ms, clock_ms = self._times()
        place = {"at_ms": at_ms, "clock_ms": clock_ms, "kind": kind, "prev": self.head, "seq": self.seq + 1}
        told = {name: _sound(value) if isinstance(value, str) else value for name, value in fields.items()}
        return self._add(dict(sorted({**told, **place}.items())))

    def _times(self) -> tuple[int, int]:
        clock = self._clock
        return clock.wall_ns() // 1_000_000, (clock.steady_ns() - self._began_ns) // 1_000_000

    def _add(self, record: dict[str, object], kept: Kept | None = None) -> bytes:
        if kept is not None:
            named = {**record, "content": list(kept.name), "content_sha256": kept.sha256}
            record = dict(sorted(named.items()))
        line = to_json(record)
        self.seq += 1
        self.head = hash_of(line)
        return line + b"\n"


def whole_number(value: object) -> int | None:
    """`value` where it is a number as a record may have it, else None. Canonical JSON has none from 2**53 on (RFC 8785,
    3.2.2.3), and larger ones, which whoever changes a ledger can write, do not fit where numbers go."""
    return value if type(value) is int and abs(value) < 2**53 else None


def _sound(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def hash_of(line: bytes) -> str:
    """What the next record says of `line`, which has no line end."""
    return hashlib.sha256(line).hexdigest()
