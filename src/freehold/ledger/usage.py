"""What was used, by day, key and endpoint, summed from the ledger.

A segment that is finished never changes, so its sums are kept beside it (`usage-NUMBER.json`) and only the last one is
read anew. They are a convenience and prove nothing: one that does not fit its segment's size and time is made again,
and where they cannot be written everything is read. Days are the calendar's in UTC, by the time of the admission."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from freehold.ledger.record import whole_number
from freehold.ledger.requests import Record, records
from freehold.ledger.segments import segments

FORMAT = 1
UJ_PER_WH = 3.6e9
_DAY_MS = 86_400_000
_NEVER_MS = 253_402_300_800_000
"""The year 10000, which no calendar here has."""


class Group(NamedTuple):
    """What is summed together. `day` counts from 1970; `key` is None where none was needed."""

    day: int
    key: str | None
    endpoint: str

    @property
    def date(self) -> str:
        return datetime.fromtimestamp(self.day * 86_400, UTC).date().isoformat()


@dataclass(slots=True)
class Tally:
    """Sums over requests. Tokens are those the engines told; of `untold` requests they did not tell how many came out,
    and `pieces` is how many pieces of an answer those had been given. Energy is of the `metered` requests alone."""

    requests: int = 0
    done: int = 0
    stopped: int = 0
    failed: int = 0
    interrupted: int = 0
    tokens_in: int = 0
    tokens_cached: int = 0
    tokens_out: int = 0
    untold: int = 0
    pieces: int = 0
    total_us: int = 0
    metered: int = 0
    energy_uj: int = 0
    energy_most_uj: int = 0

    @property
    def charged_tokens(self) -> int:
        """What counts against a budget: every token that is known of, and each piece of an answer that nobody
        counted."""
        return self.tokens_in + self.tokens_out + self.pieces

    def add(self, other: Tally) -> None:
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def take(self, outcome: Record) -> None:
        """Count one request that ended so."""
        self.requests += 1
        ending = outcome.get("outcome")
        if ending in _ENDINGS:
            setattr(self, ending, getattr(self, ending) + 1)
        self.tokens_in += _count(outcome, "tokens_in")
        self.tokens_cached += _count(outcome, "tokens_cached")
        self.total_us += _count(outcome, "total_us")
        if outcome.get("tokens_out") is None and outcome.get("pieces") is not None:
            self.untold += 1
            self.pieces += _count(outcome, "pieces")
        self.tokens_out += _count(outcome, "tokens_out")
        if outcome.get("energy_uj") is not None:
            self.metered += 1
            self.energy_uj += _count(outcome, "energy_uj")
            self.energy_most_uj += _count(outcome, "energy_most_uj")


_COUNTS = tuple(field.name for field in fields(Tally))
_ENDINGS = ("done", "stopped", "failed", "interrupted")
Tallies = dict[Group, Tally]


def usage(folder: Path, *, since_ms: int = 0) -> Tallies:
    """The sums of the ledger in `folder`. Segments that end before `since_ms` are not read, so that older days may be
    left out; requests that have not ended are in none. Raises LedgerError."""
    total: Tallies = {}
    opened: dict[int, Group] = {}
    paths = _since(segments(folder), since_ms)
    for place, path in enumerate(paths):
        finished = place < len(paths) - 1
        part = _kept(path, opened) if finished else _summed(path, opened)
        opened = part.open
        for group, tally in part.tallies.items():
            total.setdefault(group, Tally()).add(tally)
    return total


def together(parts: Iterable[Tallies]) -> Tallies:
    """The sums of several chains as one."""
    total: Tallies = {}
    for part in parts:
        for group, tally in part.items():
            total.setdefault(group, Tally()).add(tally)
    return total


class Spent(NamedTuple):
    """What counts against a key's budgets. Of requests whose energy nobody knows none is in it."""

    tokens_today: int = 0
    tokens_this_month: int = 0
    wh_today: float = 0.0
    wh_this_month: float = 0.0


def spent(folder: Path, now_s: float) -> dict[str, Spent]:
    """What each key has spent of its budgets. Raises LedgerError."""
    now = datetime.fromtimestamp(now_s, UTC)
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    today, month = int(now_s) // 86_400, int(first.timestamp()) // 86_400
    found: dict[str, Spent] = {}
    for group, tally in usage(folder, since_ms=int(first.timestamp()) * 1000).items():
        if group.key is not None and group.day >= month:
            had, is_today = found.get(group.key, Spent()), group.day >= today
            tokens, wh = tally.charged_tokens, tally.energy_uj / UJ_PER_WH
            found[group.key] = Spent(
                had.tokens_today + tokens * is_today,
                had.tokens_this_month + tokens,
                had.wh_today + wh * is_today,
                had.wh_this_month + wh,
            )
    return found


@dataclass(slots=True)
class _Part:
    """The sums of one segment, and the requests that were open at its end."""

    tallies: Tallies
    open: dict[int, Group]


def _since(paths: list[Path], since_ms: int) -> list[Path]:
    """Without the segments behind which another one begins before `since_ms`."""
    first = 0
    for place, path in enumerate(paths[1:], 1):
        head = next(iter(records([path])), None)
        if head is not None and isinstance(head.get("at_ms"), int) and head["at_ms"] < since_ms:
            first = place
    return paths[first:]


def _summed(path: Path, opened: dict[int, Group]) -> _Part:
    part = _Part({}, dict(opened))
    for record in records([path]):
        kind = record.get("kind")
        if kind == "admission":
            at_ms, key = record.get("at_ms"), record.get("key")
            day = at_ms // _DAY_MS if type(at_ms) is int and 0 <= at_ms < _NEVER_MS else 0
            part.open[record["seq"]] = Group(day, key if isinstance(key, str) else None, str(record.get("endpoint")))
        elif kind == "outcome" and (group := part.open.pop(record.get("of", 0), None)) is not None:
            part.tallies.setdefault(group, Tally()).take(record)
    return part


def _kept(path: Path, opened: dict[int, Group]) -> _Part:
    """The sums of a finished segment, from beside it where they are and fit."""
    beside = path.with_name(f"usage-{path.stem.removeprefix('records-')}.json")
    found = path.stat()
    fits = {"format": FORMAT, "size_bytes": found.st_size, "mtime_ns": found.st_mtime_ns, "before": _open_rows(opened)}
    kept = _read(beside, fits)
    if kept is not None:
        return kept
    part = _summed(path, opened)
    rows = [[*group, *asdict(tally).values()] for group, tally in part.tallies.items()]
    text = json.dumps({**fits, "rows": rows, "open": _open_rows(part.open)})
    with contextlib.suppress(OSError):  # then they are summed again
        fresh = beside.with_suffix(f".{os.getpid()}.new")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(beside)
    return part


def _read(beside: Path, fits: dict[str, Any]) -> _Part | None:
    try:
        told = json.loads(beside.read_bytes())
        if any(told[name] != value for name, value in fits.items()):
            return None
        tallies = {Group(*row[:3]): Tally(*row[3:]) for row in told["rows"]}
        return _Part(tallies, dict(_opened(told["open"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _open_rows(opened: dict[int, Group]) -> list[list[Any]]:
    return [[number, *group] for number, group in sorted(opened.items())]


def _opened(rows: Iterable[list[Any]]) -> Iterator[tuple[int, Group]]:
    for number, *group in rows:
        yield number, Group(*group)


def _count(record: Record, name: str) -> int:
    return whole_number(record.get(name)) or 0
