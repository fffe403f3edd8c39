"""The record of what left and what could not: a chain beside the ledger's, made and verified by the same mechanism.

    start        a run of the house began: its version, process, kernel, and where the policy lets connections go
    process      a process of the house began to run; `enforced` is what it gave up and by what, where that is known now
    locked       a worker said which lock it runs under; `enforced` is what it gave up by that
    attempt      what a process was refused: `count` times since the last record of that kind, between two times
    connection   one that the broker was asked for: to whom, to which address, and what became of it
    pulse        the house still runs: every ten minutes, so that the end of one that was killed is known that exactly
    end          a process ended, and how
    stop         the run ended in order

A kind of attempt is recorded when it first comes, and what followed once a minute: whoever tries without end cannot
fill the disk. The house writes this record; `report` says what that means. Written from one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from freehold.core.errors import LedgerError
from freehold.core.ports import Attempt
from freehold.egress.enforced import of_worker
from freehold.engines.attempts import Tally
from freehold.ledger.appender import Appender, appending

FOLDER = "egress"
"""Below the ledger's."""
COUNT_EVERY_S = 60.0
PULSE_EVERY = 10
PROCESSES_LIMIT = 1024
OTHERS = 0
"""No process: all that were started past the limit."""
HOUSE, BROKER, WITNESS = "the house", "the broker", "the witness"
OF_THE_HOUSE = "the house's"
"""The lock of what a locked house starts and nobody told of."""
STARTED = ", started by the house"
"""Behind the name of that."""


@dataclass(slots=True)
class _Process:
    name: str
    tally: Tally
    is_own: bool
    recorded: dict[str, int] = field(default_factory=dict)


class EgressRecord:
    """An `engines.watcher.Watcher`. It takes nothing in before `begin` and after `close`."""

    def __init__(self, ledger_folder: Path) -> None:
        self._folder = ledger_folder / FOLDER
        self._appender: Appender | None = None
        self._processes: dict[int, _Process] = {}
        self._ticking: asyncio.TimerHandle | None = None
        self._retrying: asyncio.Task[None] | None = None
        self._turns = 0
        self._all_heard = False

    async def begin(self, *, version: str, allowed: Sequence[str] | None, strict: bool) -> None:
        """Begin a run; `allowed` are all the addresses there are, None is any. Raises LedgerError."""
        self._all_heard = allowed is not None
        with contextlib.suppress(OSError):  # which is told below: the ledger's folder is its owner's alone, too
            await asyncio.to_thread(self._folder.parent.mkdir, 0o700, parents=True, exist_ok=True)
        self._appender = await appending(self._folder, strict=strict, refusal=_unwritable)
        self._appender.begin()
        kernel = f"{platform.system()} {platform.release()} {platform.machine()}"
        known = {"version": version, "pid": os.getpid(), "kernel": kernel}
        torn_bytes = self._appender.found.torn_bytes
        self._put("start", {**known, "allowed": None if allowed is None else [*allowed], "torn_bytes": torn_bytes})
        await self._appender.durable()
        self._ticking = asyncio.get_running_loop().call_later(COUNT_EVERY_S, self._tick)

    async def close(self) -> None:
        """End the run."""
        if self._appender is None:
            return
        if self._ticking is not None:
            self._ticking.cancel()
        for pid in [*self._processes]:
            self._count(pid)
        self._put("stop", {})
        appender, self._appender = self._appender, None
        try:
            if self._retrying is not None:
                await asyncio.wait([self._retrying])
        finally:
            await appender.close()

    def runs(self, process: str, pid: int, lock: str, enforced: Sequence[tuple[str, str]]) -> Tally:
        """A process of the house's own runs; the tally that what it is refused is counted in."""
        tally = Tally(lambda _: self.tried(pid))
        tally.is_heard = self._all_heard
        self._processes[pid] = _Process(process, tally, is_own=True)
        self._put("process", {"process": process, "pid": pid, "lock": lock, "enforced": _rows(enforced)})
        return tally

    def runs_unlocked(self) -> None:
        """The house itself runs, and may connect to whom it likes."""
        self.runs(HOUSE, os.getpid(), "none: its connections are not restricted", ())

    def began(self, process: str, pid: int, tally: Tally) -> None:
        tally.is_heard |= self._all_heard  # by the witness
        self.ended(pid, "it became another program")
        self._processes[pid] = _Process(process, tally, is_own=False)
        self._put("process", {"process": process, "pid": pid, "lock": None, "enforced": []})
        self._count(pid)

    def locked(self, pid: int, lock: str) -> None:
        found = self._processes.get(pid)
        if found is not None:
            heard = found.tally.is_heard
            rows = _rows(of_worker(lock))
            told = {"process": found.name, "pid": pid, "lock": lock, "observed": heard, "enforced": rows}
            self._put("locked", told)

    def tried(self, pid: int) -> None:
        self._count(pid)

    def ended(self, pid: int, how: str) -> None:
        self._count(pid)
        found = self._processes.pop(pid, None)
        if found is not None:
            self._put("end", {"process": found.name, "pid": pid, "how": how})

    def heard(self, pid: int, command: str, attempt: Attempt) -> None:
        """The witness heard this of a process; of one that nobody told us of, the command it runs is its name."""
        if pid not in self._processes:
            pid, command = (pid, command) if len(self._processes) < PROCESSES_LIMIT else (OTHERS, "other programs")
        if pid not in self._processes:
            self.runs(f"{command}{STARTED}", pid, OF_THE_HOUSE, ())
        tally = self._processes[pid].tally
        tally.count(attempt.what, attempt.count, first_at=attempt.first_at, last_at=attempt.last_at)

    def seen(self) -> dict[str, tuple[Attempt, ...]]:
        """What each process that is no worker was refused, by its name and number; those without an attempt are left
        out."""
        own = {pid: each for pid, each in self._processes.items() if each.is_own}
        tallies = {f"{each.name} (process {pid})": each.tally.seen for pid, each in own.items()}
        return {name: seen for name, seen in tallies.items() if seen}

    def connection(self, fields: Mapping[str, Any]) -> None:
        """The broker was asked for one."""
        self._put("connection", fields)

    def _count(self, pid: int) -> None:
        """Record what its tally has and no record tells yet."""
        found = self._processes.get(pid)
        if found is None:
            return
        for attempt in found.tally.seen or ():
            more = attempt.count - found.recorded.get(attempt.what, 0)
            if more:
                found.recorded[attempt.what] = attempt.count
                times = {"first_ms": _ms(attempt.first_at), "last_ms": _ms(attempt.last_at)}
                told = {"process": found.name, "pid": pid, "what": attempt.what, "count": more, **times}
                self._put("attempt", {**told, "fate": "refused", "by": "seccomp"})

    def _tick(self) -> None:
        self._ticking = asyncio.get_running_loop().call_later(COUNT_EVERY_S, self._tick)
        for pid in [*self._processes]:
            self._count(pid)
        self._turns += 1
        if self._turns % PULSE_EVERY == 0:
            self._put("pulse", {})
        if self._retrying is None or self._retrying.done():
            self._retrying = asyncio.create_task(self._retry(), name="egress record")

    async def _retry(self) -> None:
        """What could not be written is tried again."""
        try:
            if self._appender is not None:
                await self._appender.require()
        except LedgerError:
            return  # the log has it

    def _put(self, kind: str, fields: Mapping[str, Any]) -> None:
        if self._appender is not None:
            self._appender.put(self._appender.chain.entry(kind, fields))


def _rows(enforced: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"what": what, "by": by} for what, by in enforced]


def _ms(at: float) -> int:
    return round(at * 1000)


def _unwritable(error: OSError) -> LedgerError:
    return LedgerError(
        f"The ledger cannot be written: {error.strerror or error}. Attempts and connections are not on record until "
        "it can.",
        hint="Make room on its disk, or let the house write its folder again, and it goes on by itself. [ledger] of "
        "freehold.toml says where it lies.",
    )
