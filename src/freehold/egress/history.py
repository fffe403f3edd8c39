"""The record of egress read as runs of the house: which processes, under which lock, what they tried, who was
connected.

Reads and judges nothing: whether the records are those that were written is for `ledger.verify` to say. Pure but for
the reading. A record of another kind than is known here, or with a field of another kind than it should have, is passed
over and counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Record = Mapping[str, Any]
Ending = Literal["stopped", "still running", "without a word"]
WITH_THE_HOUSE = "with the house"
"""How a process ended of which nobody told before the house did."""


@dataclass(slots=True)
class Process:
    """`lock` None: it never said. `observed` False: what it was refused was not heard."""

    name: str
    pid: int
    began_ms: int
    lock: str | None
    enforced: list[dict[str, str]]
    observed: bool = True
    ended_ms: int | None = None
    how: str | None = None


@dataclass(slots=True)
class Attempt:
    """`count` times between `first_ms` and `last_ms`."""

    process: str
    pid: int
    what: str
    fate: str
    by: str
    count: int
    first_ms: int
    last_ms: int


@dataclass(slots=True)
class Connection:
    at_ms: int
    peer: str
    address: str | None
    fate: str
    why: str | None


@dataclass(slots=True)
class Run:
    """`last_ms` is its last record; where it ended without a word, it ended at some time after that. `by_pid` are the
    last processes of each number, `passed_over` how many of its records nobody here understands."""

    began_ms: int
    last_ms: int
    version: str
    kernel: str
    allowed: list[str] | None
    ending: Ending = "without a word"
    processes: list[Process] = field(default_factory=list)
    by_pid: dict[int, Process] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    passed_over: int = 0

    @property
    def is_restricted(self) -> bool:
        return self.allowed is not None


def runs(records: Iterable[Record], *, still_running: bool) -> list[Run]:
    """Every run in order; `still_running` says of the last one what its records cannot."""
    found: list[Run] = []
    for record in records:
        try:
            _read(found, record)
        except (KeyError, TypeError, ValueError):
            if found:
                found[-1].passed_over += 1
    if found and still_running and found[-1].ending != "stopped":
        found[-1].ending = "still running"
    return found


def _read(found: list[Run], record: Record) -> None:
    """Raises KeyError, TypeError or ValueError where it is not understood."""
    kind, at_ms = record["kind"], record["at_ms"]
    if type(at_ms) is not int:
        raise TypeError
    if kind == "start":
        found.append(_started(record, at_ms))
    elif found and kind not in _SAY_NO_MORE:
        _READERS[kind](found[-1], record, at_ms)
    if found and kind != "segment":
        found[-1].last_ms = max(found[-1].last_ms, at_ms)


def _started(record: Record, at_ms: int) -> Run:
    allowed = record["allowed"]
    return Run(
        at_ms, at_ms, str(record["version"]), str(record["kernel"]), None if allowed is None else [*map(str, allowed)]
    )


def _process(run: Run, record: Record, at_ms: int) -> None:
    enforced = _enforced(record["enforced"])
    process = Process(str(record["process"]), int(record["pid"]), at_ms, _lock(record), enforced)
    run.processes.append(process)
    run.by_pid[process.pid] = process


def _locked(run: Run, record: Record, at_ms: int) -> None:
    del at_ms
    found = run.by_pid.get(record["pid"])
    if found is not None:
        lock, observed, gave_up = _lock(record), record["observed"] is True, _enforced(record.get("enforced", []))
        found.lock, found.observed, found.enforced = lock, observed, gave_up


def _enforced(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [{"what": str(row["what"]), "by": str(row["by"])} for row in rows]


def _lock(record: Record) -> str | None:
    return None if record["lock"] is None else str(record["lock"])


def _ended(run: Run, record: Record, at_ms: int) -> None:
    found = run.by_pid.get(record["pid"])
    if found is not None:
        found.ended_ms, found.how = at_ms, str(record["how"])


def _attempt(run: Run, record: Record, at_ms: int) -> None:
    del at_ms
    process, what, fate, by = (str(record[name]) for name in ("process", "what", "fate", "by"))
    pid, count, first_ms, last_ms = (int(record[name]) for name in ("pid", "count", "first_ms", "last_ms"))
    run.attempts.append(Attempt(process, pid, what, fate, by, count, first_ms, last_ms))


def _connection(run: Run, record: Record, at_ms: int) -> None:
    address, why = record.get("address"), record.get("why")
    run.connections.append(Connection(at_ms, str(record["peer"]), address, str(record["fate"]), why))


def _stop(run: Run, record: Record, at_ms: int) -> None:
    del record
    run.ending = "stopped"
    for process in run.processes:
        if process.ended_ms is None:
            process.ended_ms, process.how = at_ms, WITH_THE_HOUSE


_SAY_NO_MORE = ("segment", "pulse")
_READERS = {
    "process": _process,
    "locked": _locked,
    "end": _ended,
    "attempt": _attempt,
    "connection": _connection,
    "stop": _stop,
}
