"""Which models are in memory: who may come in, and who has to go for it. Pure: it sees no clock, process or byte.

Who wants in stands in one line, first come, first served: nobody overtakes, so nobody waits for ever behind smaller
ones. The first in line starts once what it needs is free, and is charged for it from that moment. Where it is not free,
models that nobody uses go, those longest unused first and no more than are needed. Where those are not enough, models
in use are closed to new requests, those that were in the longest first, and go when their last request has ended; each
has a turn of `turn_s` in memory before that. What must stay true: a model that is pinned or in use never goes, and no
start takes the charges beyond the capacity.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

Phase = Literal["away", "waiting", "loading", "here", "leaving"]
Why = Literal["memory", "over", "idle", "asked"]
Move = Literal["start", "leave", "open", "refuse"]


@dataclass(slots=True, eq=False)
class Resident:
    """One model. `users` are the requests at work on it, `waiters` those that wait for it. Times are in seconds of one
    steady clock: `used_at` the end of its last use, `since` when it came in. `closed` says why it takes no new
    requests; `spared` keeps it from going for another's sake, for a while; `why` it goes, and for whose `sake`."""

    name: str
    keep_s: float = math.inf
    pinned: bool = False
    spared: bool = False
    phase: Phase = "away"
    need_bytes: int = 0
    charge_bytes: int = 0
    users: int = 0
    waiters: int = 0
    used_at: float = 0.0
    since: float = 0.0
    closed: Why | None = None
    why: Why | None = None
    sake: str = ""

    @property
    def is_open(self) -> bool:
        """Whether a request may go to it now."""
        return self.phase == "here" and self.closed is None

    @property
    def is_idle(self) -> bool:
        """Nobody uses it, and nobody who could waits for it."""
        return self.phase == "here" and not self.users and (not self.waiters or self.closed is not None)

    @property
    def may_go(self) -> bool:
        return not self.pinned and not self.spared


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done: `start` it, end it (`leave`), tell those who wait that it takes requests again (`open`), or
    that it cannot have what it needs, whoever goes (`refuse`)."""

    move: Move
    resident: Resident


@dataclass(slots=True)
class Residents:
    """All models of a house. `steps` decides, and has decided once it returns: what it gives must be done. Then say how
    it ended: `loaded`, or `ended` for a start that failed and for a model that has gone."""

    capacity_bytes: int
    turn_s: float = 10.0
    _known: list[Resident] = field(default_factory=list)
    _line: list[Resident] = field(default_factory=list)

    def add(self, resident: Resident) -> None:
        self._known.append(resident)

    def forget(self, resident: Resident) -> None:
        """It is away and not coming back."""
        self._known.remove(resident)

    def __iter__(self) -> Iterator[Resident]:
        return iter(self._known)

    @property
    def charged_bytes(self) -> int:
        return _sum(self._known)

    @property
    def line(self) -> tuple[Resident, ...]:
        return tuple(self._line)

    def most_bytes(self, resident: Resident) -> int:
        """The memory that it could have if everybody went who is not pinned."""
        return self.capacity_bytes - _sum(each for each in self._known if each.pinned and each is not resident)

    @property
    def room_bytes(self) -> int:
        """What nobody is charged for; below zero where more was taken than was thought."""
        return self.capacity_bytes - self.charged_bytes

    def fits_beside(self, need_bytes: int) -> bool:
        """Whether a model that needs so much could start now, with nobody closed for it."""
        return need_bytes <= self.room_bytes + _sum(each for each in self._known if each.is_idle and each.may_go)

    def line_up(self, resident: Resident, need_bytes: int) -> None:
        """It wants in. What takes no memory waits behind nobody."""
        assert resident.phase == "away", f"{resident.name} is {resident.phase}"
        resident.need_bytes = need_bytes
        if not need_bytes:
            resident.phase = "loading"
            return
        resident.phase = "waiting"
        self._line.append(resident)

    def step_out(self, resident: Resident) -> list[Step]:
        """Nobody waits for it any more: it leaves the line. Those who were closed for it open again."""
        self._line.remove(resident)
        resident.phase = "away"
        return self._open_again()

    def close(self, resident: Resident) -> None:
        """It is to go as soon as its last request has ended, because somebody said so."""
        resident.closed = "asked"

    def loaded(self, resident: Resident, charge_bytes: int, now: float) -> None:
        resident.phase, resident.closed = "here", None
        resident.charge_bytes, resident.since, resident.used_at = charge_bytes, now, now

    def ended(self, resident: Resident) -> None:
        """It takes no memory any more."""
        resident.phase, resident.closed, resident.why, resident.charge_bytes = "away", None, None, 0

    def steps(self, now: float) -> list[Step]:
        """What is to be done now, if anything."""
        found = [self._leave(each, each.closed or "idle") for each in self._known if _has_to_go(each, now)]
        while self._line:
            head = self._line[0]
            if head.need_bytes > self.most_bytes(head):
                found += [*self.step_out(head), Step("refuse", head)]
            elif head.need_bytes > self.room_bytes:
                return found + self._make_room(head, now)
            else:
                self._line.pop(0)
                head.phase, head.charge_bytes = "loading", head.need_bytes
                found += [Step("start", head), *self._open_again()]
        return found + self._relieve()

    def wake_at(self, now: float) -> float:
        """When `steps` may have something to do though nothing happened; infinite where it will not."""
        idle = [each.used_at + each.keep_s for each in self._known if each.is_idle and not each.pinned]
        turns = [each.since + self.turn_s for each in self._known if self._line and each.phase == "here"]
        return min([*idle, *(turn for turn in turns if turn > now)], default=math.inf)

    def _make_room(self, head: Resident, now: float) -> list[Step]:
        missing = head.need_bytes - self.room_bytes - _sum(e for e in self._known if e.phase == "leaving")
        if missing <= 0:
            return []
        idle = [each for each in self._known if each.is_idle and each.may_go]
        if _sum(idle) >= missing:
            return [self._leave(each, "memory", head.name) for each in _fewest(idle, missing)]
        self._close_some(missing - _sum(idle), now)
        return []

    def _close_some(self, missing: int, now: float) -> None:
        """Close as few of those in use as will do, where that will do; those that are closed already count."""
        busy = [each for each in self._known if each.phase == "here" and each.may_go and not each.is_idle]
        missing -= _sum(each for each in busy if each.closed)
        turned = sorted((e for e in busy if not e.closed and now >= e.since + self.turn_s), key=lambda e: e.since)
        if _sum(turned) < missing:
            return
        for each in turned:
            if missing <= 0:
                return
            each.closed = "memory"
            missing -= each.charge_bytes

    def _relieve(self) -> list[Step]:
        """Models that turned out to take more than was thought, or other programs: idle ones go until it fits again."""
        missing = self.charged_bytes - self.capacity_bytes - _sum(e for e in self._known if e.phase == "leaving")
        idle = [each for each in self._known if each.is_idle and each.may_go]
        return [self._leave(each, "over") for each in _fewest(idle, missing)]

    def _leave(self, resident: Resident, why: Why, sake: str = "") -> Step:
        resident.phase, resident.why, resident.sake = "leaving", why, sake
        return Step("leave", resident)

    def _open_again(self) -> list[Step]:
        closed = [each for each in self._known if each.phase == "here" and each.closed == "memory"]
        for each in closed:
            each.closed = None
        return [Step("open", each) for each in closed]


def _has_to_go(resident: Resident, now: float) -> bool:
    if not resident.is_idle:
        return False
    return resident.closed == "asked" or (not resident.pinned and now - resident.used_at >= resident.keep_s)


def _fewest(idle: Iterable[Resident], missing: int) -> list[Resident]:
    """Of the longest unused as many as give `missing` bytes, or all; without those that need not go for it, of which
    the last used are spared first."""
    taken: list[Resident] = []
    for each in sorted(idle, key=lambda each: each.used_at):
        if _sum(taken) >= missing:
            break
        taken.append(each)
    for each in reversed(taken.copy()):
        if _sum(taken) - each.charge_bytes >= missing:
            taken.remove(each)
    return taken


def _sum(residents: Iterable[Resident]) -> int:
    return sum(each.charge_bytes for each in residents)
