"""Which models are in memory: who may come in, and who has to go for it. Pure: it sees no clock, process or byte.

Who wants in stands in one line, first come, first served: nobody overtakes, so nobody waits for ever behind smaller
ones. The first in line starts once what it needs is free, and is charged for it from that moment. Where it is not free,
models that nobody uses go, those longest unused first and no more than are needed. Where those are not enough, models
in use are closed to new requests, those that were in the longest first, and go when their last request has ended; each
has a turn of `turn_s` in memory before that. What must stay true: a model that is pinned or in use never goes, and no
start takes the charges beyond the capacity.

Weights that several have mapped from one file are in memory once, and are counted once, as long as any of them is
there. So what one adds, or gives back, depends on who else is there, and every sum is one over those who stay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from freehold.core.ports import Mapped

Phase = Literal["away", "waiting", "loading", "here", "leaving"]
Why = Literal["memory", "over", "idle", "asked"]
Move = Literal["start", "leave", "open", "refuse"]


@dataclass(slots=True, eq=False)
class Resident:
    """One model. `users` are the requests at work on it, `waiters` those that wait for it. Times are in seconds of one
    steady clock: `used_at` the end of its last use, `since` when it came in. `closed` says why it takes no new
    requests; `spared` keeps it from going for another's sake, for a while; `why` it goes, and for whose `sake`. What it
    needs, and is charged, is all that it takes, with the weights that it has `mapped`."""

    name: str
    keep_s: float = math.inf
    pinned: bool = False
    spared: bool = False
    phase: Phase = "away"
    need_bytes: int = 0
    charge_bytes: int = 0
    mapped: Mapped | None = None
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

    @property
    def mapped_bytes(self) -> int:
        """Of its charge, what all that have mapped the same weights have together."""
        return min(self.mapped.size_bytes, self.charge_bytes) if self.mapped is not None else 0


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
        return _together(self._known)

    @property
    def counted_once_bytes(self) -> int:
        """How much more the charges of all come to, one by one, than what they take together."""
        return sum(each.charge_bytes for each in self._known) - self.charged_bytes

    @property
    def line(self) -> tuple[Resident, ...]:
        return tuple(self._line)

    def most_bytes(self, resident: Resident) -> int:
        """What it could take, with weights that others have too, if everybody went who is not pinned."""
        pinned = [each for each in self._known if each.pinned and each is not resident]
        return self.capacity_bytes - _together(pinned) + _had_by(pinned, resident.mapped)

    def fits_beside(self, resident: Resident, need_bytes: int, *, evicting: bool) -> bool:
        """Whether it could start now that needs so much, with nobody closed for it, and without `evicting` with nobody
        going for it."""
        going = self._idle() if evicting else ()
        return self._missing(going, need_bytes, resident.mapped) <= 0

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
            elif self._missing_for(head, ()) > 0:
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
        leaving, idle = self._leaving(), self._idle()
        if self._missing_for(head, leaving) <= 0:
            return []
        if self._missing_for(head, [*leaving, *idle]) <= 0:
            going = _fewest(idle, lambda some: self._missing_for(head, [*leaving, *some]) <= 0)
            return [self._leave(each, "memory", head.name) for each in going]
        self._close_some(head, [*leaving, *idle], now)
        return []

    def _close_some(self, head: Resident, going: list[Resident], now: float) -> None:
        """Close as few of those in use as will do beside those `going`, where that will do; those that are closed
        already count."""
        busy = [each for each in self._known if each.phase == "here" and each.may_go and not each.is_idle]
        going = [*going, *(each for each in busy if each.closed)]
        turned = sorted((e for e in busy if not e.closed and now >= e.since + self.turn_s), key=lambda e: e.since)
        if self._missing_for(head, [*going, *turned]) > 0:
            return
        for each in turned:
            if self._missing_for(head, going) <= 0:
                return
            each.closed = "memory"
            going.append(each)

    def _relieve(self) -> list[Step]:
        """Models that turned out to take more than was thought, or other programs: idle ones go until it fits again."""
        leaving = self._leaving()
        going = _fewest(self._idle(), lambda some: self._missing([*leaving, *some]) <= 0)
        return [self._leave(each, "over") for each in going]

    def _idle(self) -> list[Resident]:
        """Those that could go at once."""
        return [each for each in self._known if each.is_idle and each.may_go]

    def _leaving(self) -> list[Resident]:
        return [each for each in self._known if each.phase == "leaving"]

    def _missing_for(self, head: Resident, going: Collection[Resident]) -> int:
        return self._missing(going, head.need_bytes, head.mapped)

    def _missing(self, going: Collection[Resident], need_bytes: int = 0, mapped: Mapped | None = None) -> int:
        """How many bytes there are too few, once those `going` have gone, for the rest and for one more that needs so
        much; zero or less: none."""
        rest = [each for each in self._known if each not in going]
        return _together(rest) + need_bytes - _had_by(rest, mapped) - self.capacity_bytes

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


def _fewest(idle: Iterable[Resident], enough: Callable[[list[Resident]], bool]) -> list[Resident]:
    """Of the longest unused as many as are `enough`, or all; without those that need not go for it, of which the last
    used are spared first."""
    taken: list[Resident] = []
    for each in sorted(idle, key=lambda each: each.used_at):
        if enough(taken):
            break
        taken.append(each)
    for each in reversed(taken.copy()):
        others = [other for other in taken if other is not each]
        if enough(others):
            taken = others
    return taken


def _together(residents: Iterable[Resident]) -> int:
    """What they take: weights that several have mapped of one build are there once."""
    alone_bytes, once = 0, dict[str, int]()
    for each in residents:
        alone_bytes += each.charge_bytes - each.mapped_bytes
        if each.mapped is not None:
            once[each.mapped.digest] = max(once.get(each.mapped.digest, 0), each.mapped_bytes)
    return alone_bytes + sum(once.values())


def _had_by(residents: Iterable[Resident], mapped: Mapped | None) -> int:
    """Of what is `mapped`, the bytes that one of these has in memory."""
    if mapped is None:
        return 0
    had = [each.mapped_bytes for each in residents if each.mapped is not None and each.mapped.digest == mapped.digest]
    return min(mapped.size_bytes, max(had, default=0))
