"""The report of egress for a period: what was enforced and by what, what was tried, who was connected, what is not
known.

A document of plain values, made from the record and from what the verification of its chain found. It accuses nobody
and leaves nothing out: a chain that is not whole is reported with what is wrong with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freehold.egress.gaps import gaps
from freehold.egress.history import Attempt, Run, runs
from freehold.egress.limits import LIMITS
from freehold.engines.sandbox.spoken import OF_LIBUV
from freehold.ledger.appender import is_appended_to
from freehold.ledger.clocks import iso
from freehold.ledger.requests import records
from freehold.ledger.segments import segments
from freehold.ledger.verify import verify

TITLE = "freehold egress report 1"


@dataclass(frozen=True, slots=True)
class Period:
    """From `since_ms`, None is from the first record, up to but not including `until_ms`. `asked_ms` is the end that
    was asked for, where that had not come yet and the period was cut."""

    since_ms: int | None
    until_ms: int
    asked_ms: int | None = None

    def cut_at(self, made_ms: int) -> Period:
        """What of it can be reported at `made_ms`: a report says nothing of times that have not come."""
        if self.until_ms <= made_ms + 1:
            return self
        return Period(self.since_ms, made_ms + 1, self.until_ms)


def report(folder: Path, period: Period, *, made_ms: int, version: str) -> dict[str, Any]:
    """The report on the record in `folder`, up to `made_ms` at most. Raises LedgerError where it cannot be read."""
    period = period.cut_at(made_ms)
    running = is_appended_to(folder)
    verdict = verify(folder)
    found = runs(records(segments(folder)), still_running=running)
    shown = [run for run in found if _overlaps(run, period)]
    return {
        "title": TITLE,
        "made": iso(made_ms),
        "by": f"freehold {version}",
        "period": {
            "since": _iso(period.since_ms),
            "until": iso(period.until_ms),
            "asked_until": _iso(period.asked_ms),
        },
        "record": {
            "chain": verdict.chain,
            "last": verdict.last,
            "head": verdict.head,
            "torn_bytes": verdict.torn_bytes,
            "findings": [dataclasses.asdict(finding) for finding in verdict.findings],
            "clock": verdict.clock,
        },
        "runs": [_run(run, period) for run in shown],
        "gaps": [
            {"from": _iso(gap.from_ms), "to": _iso(gap.to_ms), "why": gap.why}
            for gap in gaps(found, period.since_ms, period.until_ms)
        ],
        "limits": [*LIMITS],
    }


def _overlaps(run: Run, period: Period) -> bool:
    since_ms = period.since_ms or 0
    return run.began_ms < period.until_ms and (run.ending == "still running" or run.last_ms >= since_ms)


def _run(run: Run, period: Period) -> dict[str, Any]:
    since_ms = period.since_ms or 0
    tried = [each for each in run.attempts if each.first_ms < period.until_ms and each.last_ms >= since_ms]
    return {
        "began": iso(run.began_ms),
        "last": iso(run.last_ms),
        "ending": run.ending,
        "version": run.version,
        "kernel": run.kernel,
        "allowed": run.allowed,
        "passed_over": run.passed_over,
        "processes": [
            {
                "process": process.name,
                "pid": process.pid,
                "began": iso(process.began_ms),
                "ended": _iso(process.ended_ms),
                "how": process.how,
                "lock": process.lock,
                "observed": process.observed,
                "enforced": process.enforced,
            }
            for process in run.processes
            if process.began_ms < period.until_ms and (process.ended_ms is None or process.ended_ms >= since_ms)
        ],
        "attempts": _summed(attempt for attempt in tried if attempt.what != OF_LIBUV),
        "probes": _summed(attempt for attempt in tried if attempt.what == OF_LIBUV),
        "connections": [
            {"at": iso(each.at_ms), "peer": each.peer, "address": each.address, "fate": each.fate, "why": each.why}
            for each in run.connections
            if since_ms <= each.at_ms < period.until_ms
        ],
    }


def _summed(attempts: Iterable[Attempt]) -> list[dict[str, Any]]:
    """One row for each kind of each process, in the order in which they first came."""
    rows: dict[tuple[str, int, str], dict[str, Any]] = {}
    for each in attempts:
        row = rows.setdefault(
            (each.process, each.pid, each.what),
            {
                "process": each.process,
                "pid": each.pid,
                "what": each.what,
                "count": 0,
                "first": iso(each.first_ms),
                "fate": each.fate,
                "by": each.by,
            },
        )
        row["count"] += each.count
        row["last"] = iso(each.last_ms)
    return [*rows.values()]


def _iso(at_ms: int | None) -> str | None:
    return None if at_ms is None else iso(at_ms)
