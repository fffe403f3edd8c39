"""One worker's line: who goes on to it now, who waits, who is turned away. Pure: it has no clock and wakes nobody.

- A worker has so many slots, and never more at work than that. While some are free and nobody waits, a request goes
  straight on.
- The next one is found by fair shares of the time that slots are held: first between the classes, of which batch is
  to have a tenth while both wait, then between the keys of a class, then by arrival. Keys that wait differ by no more
  than a few requests' time, however many requests each has waiting.
- A request that needs several slots waits until they are free, and nobody behind it goes first.
- Whoever would come too late is told at once, by how long requests took lately. In a full line the last of whoever
  has the most waiting loses its place. Patient ones are not turned away, and do not make a line full for others.

What it does not do: it takes no slot back from a request that is at work.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from typing import NamedTuple

from freehold.gateway.access.key import PRIORITIES, Priority
from freehold.gateway.admission.shares import Shares
from freehold.gateway.admission.ticket import State, Ticket

WEIGHTS: dict[Priority, float] = {"interactive": 9.0, "batch": 1.0}
_RATIO = WEIGHTS["interactive"] / WEIGHTS["batch"]
_NEWEST = 1 / 8
"""What the newest request counts in the mean of how long they take."""
MARGIN = 1.5
"""What is let in should end in time, and a wait is not always what was expected: in a line that stays as long as its
deadlines allow, whoever comes just too late has taken the slots for nothing."""
_Queue = deque[Ticket]


class Standing(NamedTuple):
    """A line as it is now. `slots` None is without bound; `longest_wait_s` is the age of the oldest that waits, None
    where none does. Since the house began: how many had to wait, for how long in all, and how many were turned away."""

    slots: int | None
    taken: int
    waiting: int
    waiting_batch: int
    longest_wait_s: float | None
    waited: int
    waited_s: float
    turned_away: int


class _Class:
    """Those of one priority that wait, by key."""

    __slots__ = ("bounded", "queues", "shares", "waiting")

    def __init__(self) -> None:
        self.queues: dict[str | None, _Queue] = {}
        self.shares: Shares[str | None] = Shares()
        self.waiting = 0
        self.bounded: Counter[str | None] = Counter()  # how many of each key may be turned away

    def first(self) -> Ticket:
        """The next one; there must be one."""
        shares, queues = self.shares, self.queues
        return queues[min(queues, key=lambda key: (shares.after(key), queues[key][0].since_s))][0]

    def before(self, ticket: Ticket) -> int:
        """About how many of this class go before `ticket`, which is the last of its key: keys take turns."""
        place = len(self.queues[ticket.key]) - 1
        return place + sum(min(len(queue), place + 1) for key, queue in self.queues.items() if key != ticket.key)


class Line:
    """`most_waiting` bounds how many wait who are not patient, `slots` how many are at work (None: nobody ever waits).
    What a method gives are the tickets that waited until then and do not any more. A ticket comes in with `enter` and
    goes with `leave`, whatever became of it; leaving twice is fine."""

    def __init__(self, *, most_waiting: int) -> None:
        self.most_waiting = most_waiting
        self.slots: int | None = None
        self.taken = 0
        self.waiting = 0
        self._bounded = 0
        self._classes = {priority: _Class() for priority in PRIORITIES}
        self._between: Shares[Priority] = Shares(WEIGHTS)
        self._cost_s: float | None = None  # slot seconds of a request, and its seconds, lately
        self._length_s = 0.0
        self._waited, self._waited_s = 0, 0.0
        self._turned_away: Counter[State] = Counter()

    def enter(self, ticket: Ticket, now_s: float) -> list[Ticket]:
        """Take `ticket` in: it is then at work, waiting, or turned away."""
        ticket.since_s = now_s
        of_class = self._classes[ticket.priority]
        if ticket.key not in of_class.queues:
            of_class.shares.arrive(ticket.key)
        if not of_class.waiting:
            self._between.arrive(ticket.priority)
        if not self.waiting and self._fits(ticket):
            self._begin(ticket, now_s)
            return []
        of_class.queues.setdefault(ticket.key, deque()).append(ticket)
        self._count(ticket, 1)
        ticket.state = "waiting"
        return [*self._advance(now_s), *self._turn_away(ticket, now_s)]

    def leave(self, ticket: Ticket, now_s: float) -> list[Ticket]:
        """`ticket` is done, or its client does not wait any longer."""
        if ticket.state == "at work":
            self._end(ticket, now_s)
        elif ticket.state == "waiting":
            self._remove(ticket, "gone")
        if not self.waiting and not self.taken:
            self._begin_anew()
        return self._advance(now_s)

    def resize(self, slots: int | None, now_s: float) -> list[Ticket]:
        """The worker has so many slots from now on. Those at work stay."""
        self.slots = slots
        return self._advance(now_s)

    def expected_wait_s(self, ticket: Ticket) -> float | None:
        """An estimate, from how long requests took lately, of when the turn of `ticket` comes, which waits as the last
        of its key. None where no request has ended yet."""
        if self._cost_s is None or self.slots is None:
            return None
        before = self._classes[ticket.priority].before(ticket)
        if ticket.priority == "interactive":
            others = min(self._classes["batch"].waiting, int(before / _RATIO))
        else:
            others = min(self._classes["interactive"].waiting, int((before + 1) * _RATIO))
        return (before + others + 1) * self._cost_s / self.slots

    def per_place_s(self) -> float | None:
        """An estimate of how long it takes until one more of the line goes on; None where no request has ended yet."""
        return None if self._cost_s is None or self.slots is None else self._cost_s / self.slots

    def standing(self, now_s: float) -> Standing:
        oldest = min((queue[0].since_s for _, queue in self._queues()), default=None)
        return Standing(
            slots=self.slots,
            taken=self.taken,
            waiting=self.waiting,
            waiting_batch=self._classes["batch"].waiting,
            longest_wait_s=None if oldest is None else now_s - oldest,
            waited=self._waited,
            waited_s=self._waited_s,
            turned_away=sum(self._turned_away.values()),
        )

    def _advance(self, now_s: float) -> list[Ticket]:
        """Let in whoever is next and fits; who comes too late for it is gone."""
        moved: list[Ticket] = []
        while self.waiting:
            ticket = self._next()
            if ticket.latest_s < now_s:
                self._remove(ticket, "gone")
            elif self._fits(ticket):
                self._waited += 1
                self._waited_s += now_s - ticket.since_s
                self._remove(ticket, "at work")
                self._begin(ticket, now_s)
            else:
                break
            moved.append(ticket)
        return moved

    def _next(self) -> Ticket:
        """The first of the class that is behind its share; at a tie, of the one that goes before."""
        cost_s = self._cost_s or 0.0
        waiting = [priority for priority in PRIORITIES if self._classes[priority].waiting]
        return self._classes[min(waiting, key=lambda priority: self._between.after(priority, cost_s))].first()

    def _turn_away(self, ticket: Ticket, now_s: float) -> list[Ticket]:
        """Keep the line's bounds, now that `ticket` has joined it; gives who else lost a place."""
        if ticket.state != "waiting" or ticket.is_patient:
            return []
        wait_s = self.expected_wait_s(ticket)
        if wait_s is not None and self._would_be_late(ticket, now_s + MARGIN * wait_s):
            ticket.expected_s = wait_s
            self._remove(ticket, "slow")
        elif self._bounded > self.most_waiting:
            last = self._last_of_the_most(ticket)
            self._remove(last, "full")
            return [] if last is ticket else [last]
        return []

    def _last_of_the_most(self, newcomer: Ticket) -> Ticket:
        """The last, of those who may be turned away, of whoever has the most of them; where several do, of `newcomer`'s
        own."""
        rows = [(each, key, count) for each in self._classes.values() for key, count in each.bounded.items()]
        own = self._classes[newcomer.priority]
        of_class, key, _ = max(rows, key=lambda row: (row[2], row[0] is own and row[1] == newcomer.key))
        return next(ticket for ticket in reversed(of_class.queues[key]) if not ticket.is_patient)

    def _would_be_late(self, ticket: Ticket, begins_s: float) -> bool:
        return begins_s > ticket.latest_s or begins_s + self._length_s > ticket.due_s

    def _fits(self, ticket: Ticket) -> bool:
        return self.slots is None or self.taken + min(ticket.width, self.slots) <= self.slots

    def _begin(self, ticket: Ticket, now_s: float) -> None:
        ticket.state, ticket.since_s = "at work", now_s
        ticket.taken = ticket.width if self.slots is None else min(ticket.width, self.slots)
        ticket.charged_s = self._cost_s or 0.0
        self.taken += ticket.taken
        self._classes[ticket.priority].shares.begin(ticket.key, ticket.charged_s)
        self._between.begin(ticket.priority, ticket.charged_s)

    def _end(self, ticket: Ticket, now_s: float) -> None:
        ticket.state = "ended"
        self.taken -= ticket.taken
        length_s = now_s - ticket.since_s
        cost_s = length_s * ticket.taken
        difference_s = cost_s - ticket.charged_s
        self._classes[ticket.priority].shares.correct(ticket.key, difference_s)
        self._between.correct(ticket.priority, difference_s)
        newest = 1.0 if self._cost_s is None else _NEWEST
        self._cost_s = (1 - newest) * (self._cost_s or 0.0) + newest * cost_s
        self._length_s += newest * (length_s - self._length_s)

    def _remove(self, ticket: Ticket, state: State) -> None:
        queues = self._classes[ticket.priority].queues
        queue = queues[ticket.key]
        queue.remove(ticket)
        if not queue:
            del queues[ticket.key]
        self._count(ticket, -1)
        ticket.state = state
        if state in ("full", "slow"):
            self._turned_away[state] += 1

    def _count(self, ticket: Ticket, by: int) -> None:
        of_class = self._classes[ticket.priority]
        self.waiting += by
        of_class.waiting += by
        if not ticket.is_patient:
            self._bounded += by
            of_class.bounded[ticket.key] += by
            if not of_class.bounded[ticket.key]:
                del of_class.bounded[ticket.key]

    def _queues(self) -> Iterator[tuple[str | None, _Queue]]:
        for of_class in self._classes.values():
            yield from of_class.queues.items()

    def _begin_anew(self) -> None:
        self._between.clear()
        for of_class in self._classes.values():
            of_class.shares.clear()
