"""The times of a period of which a report cannot say that nothing left, each with the reason. Pure.

A process counts as locked only where its record says so in the words that this program writes of a process of that
kind: of any other words nobody knows what they mean. Where a helper of a restricted house ended before the house did,
nobody hears what it would have told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from freehold.egress.history import WITH_THE_HOUSE, Process, Run
from freehold.egress.record import BROKER, HOUSE, OF_THE_HOUSE, STARTED, WITNESS
from freehold.engines.sandbox.lock import WHOLE


@dataclass(frozen=True, slots=True)
class Gap:
    """From `from_ms` to `to_ms`; None is open. Where an end is not known exactly the gap is the longer one."""

    from_ms: int | None
    to_ms: int | None
    why: str


def gaps(found: Sequence[Run], since_ms: int | None, until_ms: int) -> list[Gap]:
    """In order of time, within the period."""
    every = sorted([*_between(found, until_ms), *_within(found, until_ms)], key=lambda gap: gap.from_ms or 0)
    return [cut for gap in every if (cut := _cut(gap, since_ms, until_ms)) is not None]


def _between(found: Sequence[Run], until_ms: int) -> Iterator[Gap]:
    from_ms: int | None = None
    why = "there is no record: no house ran, or none that keeps one"
    for run in found:
        yield Gap(from_ms, run.began_ms, why)
        from_ms, why = run.last_ms, _after(run)
    if not found or found[-1].ending != "still running":
        yield Gap(from_ms, until_ms, why)


def _after(run: Run) -> str:
    if run.ending == "stopped":
        return "no house ran"
    return "no house ran; the one before ended without a word (killed, or the machine went down), at some time in this"


def _within(found: Sequence[Run], until_ms: int) -> Iterator[Gap]:
    for run in found:
        end_ms = until_ms if run.ending == "still running" else run.last_ms
        if not run.is_restricted:
            why = "the house ran and was not restricted: what it connected to itself is in no record"
            yield Gap(run.began_ms, end_ms, why)
        elif not any(process.name == HOUSE for process in run.processes):
            yield Gap(run.began_ms, end_ms, f"{HOUSE} never said which lock it ran under")
        yield from _unheard(run, end_ms)
        for process in run.processes:
            if process.name == HOUSE and not run.is_restricted:  # told of the whole run
                continue
            if lack := _lack(process):
                yield Gap(
                    process.began_ms, process.ended_ms or end_ms, f"{process.name} (process {process.pid}) {lack}"
                )
            elif not process.observed:
                why = "was locked, and what it was refused could not be heard"
                yield Gap(process.began_ms, process.ended_ms or end_ms, f"{process.name} (process {process.pid}) {why}")


def _unheard(run: Run, end_ms: int) -> Iterator[Gap]:
    for process in run.processes:
        if process.name in _LOST and process.ended_ms is not None and process.how != WITH_THE_HOUSE:
            why = f"{process.name} (process {process.pid}) had ended ({process.how}): {_LOST[process.name]}"
            yield Gap(process.ended_ms, end_ms, why)


_LOST = {
    WITNESS: "what the house and the broker were refused from then on was not heard",
    BROKER: "what it did from then on, if anything, is in no record",
}


def _lack(process: Process) -> str | None:
    lock = process.lock
    if lock is None:
        return "never said which lock it ran under"
    # The witness reads the memory of others, which Landlock would keep it from.
    if WHOLE.fullmatch(lock) or (process.name == WITNESS and lock == "seccomp"):
        return None
    if lock == OF_THE_HOUSE and process.name.endswith(STARTED):
        return None
    if lock.startswith(("none", "off")) or "missing" in lock:
        return f"ran with its lock not whole: {lock}"
    return f"said of its lock what is not known here: {lock}"


def _cut(gap: Gap, since_ms: int | None, until_ms: int) -> Gap | None:
    from_ms = gap.from_ms if since_ms is None else max(gap.from_ms or since_ms, since_ms)
    to_ms = until_ms if gap.to_ms is None else min(gap.to_ms, until_ms)
    return Gap(from_ms, to_ms, gap.why) if from_ms is None or from_ms < to_ms else None
