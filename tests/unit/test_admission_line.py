"""The line of one worker, driven by hypothesis: never over its slots, nobody lost or late, no patient one turned away,
keys and classes fair."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from freehold.gateway.access.key import PRIORITIES, Priority
from freehold.gateway.admission.line import MARGIN, Line
from freehold.gateway.admission.ticket import Ticket

priorities = st.sampled_from(PRIORITIES)
keys = st.sampled_from(["ada", "bob", None])
patience = st.sampled_from([0.0, 1.0, 5.0, 1e6, math.inf])


def line_of(slots: int, *, most_waiting: int = 10_000) -> Line:
    line = Line(most_waiting=most_waiting)
    line.resize(slots, 0.0)
    return line


class OneWorker(RuleBasedStateMachine):
    """Requests come, wait, give up and end, time goes on, and the worker is started anew with other slots."""

    @initialize(slots=st.integers(1, 4), most=st.integers(0, 6), widest=st.integers(1, 5))
    def begin(self, slots: int, most: int, widest: int) -> None:
        self.line = line_of(slots, most_waiting=most)
        self.slots = self.over = slots
        self.most, self.widest = most, widest
        self.now_s = 0.0
        self.tickets: list[Ticket] = []
        self.left: list[Ticket] = []

    def _waiting(self) -> list[Ticket]:
        return [ticket for ticket in self.tickets if ticket.state == "waiting"]

    def _bounded(self) -> list[Ticket]:
        return [ticket for ticket in self._waiting() if ticket.latest_s < math.inf]

    def _at_work(self) -> list[Ticket]:
        return [ticket for ticket in self.tickets if ticket.state == "at work"]

    def _moved(self, before: list[Ticket], moved: list[Ticket], subject: Ticket | None = None) -> None:
        """What a call said that it moved is what has moved, in order of arrival within key and class, and in time."""
        changed = {id(ticket) for ticket in before if ticket.state != "waiting" and ticket is not subject}
        assert {id(ticket) for ticket in moved if ticket is not subject} == changed
        for ticket in moved:
            if ticket.state == "at work":
                assert self.now_s <= ticket.latest_s
                earlier = self.tickets[: self.tickets.index(ticket)]
                assert not any(
                    (other.key, other.priority) == (ticket.key, ticket.priority) and other.state == "waiting"
                    for other in earlier
                )
            else:
                assert ticket.state == "full" or self.now_s > ticket.latest_s

    @rule(key=keys, priority=priorities, width=st.integers(1, 5), patience_s=patience)
    def ask(self, key: str | None, priority: Priority, width: int, patience_s: float) -> None:
        ticket = Ticket(key, priority, min(width, self.widest), self.now_s + patience_s)
        before, bounded = self._waiting(), self._bounded()
        self.tickets.append(ticket)
        self._moved(before, self.line.enter(ticket, self.now_s), ticket)
        assert ticket.state in ("at work", "waiting", "full", "slow")
        self._lost_a_place([each for each in (*bounded, ticket) if each.state == "full"], bounded, ticket)
        if ticket.state == "slow":
            assert self.now_s + MARGIN * ticket.expected_s > ticket.latest_s

    def _lost_a_place(self, full: list[Ticket], bounded: list[Ticket], newcomer: Ticket) -> None:
        """One, for a newcomer to a full line: the last of whoever has the most; its own where it has as many."""
        if not full:
            return
        (lost,) = full
        assert len(bounded) == self.most
        had = Counter((each.key, each.priority) for each in (*bounded, newcomer))
        most, own = (had[each.key, each.priority] for each in (lost, newcomer))
        assert most == max(had.values())
        assert (most > own) == (lost is not newcomer)
        alike = [each for each in (*bounded, newcomer) if (each.key, each.priority) == (lost.key, lost.priority)]
        assert lost is alike[-1]

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        if self.tickets:
            ticket = data.draw(st.sampled_from(self.tickets))
            self.left.append(ticket)
            before, was = self._waiting(), ticket.state
            self._moved(before, self.line.leave(ticket, self.now_s), ticket)
            assert ticket.state == {"at work": "ended", "waiting": "gone"}.get(was, was)

    @rule(seconds=st.sampled_from([0.1, 1.0, 7.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule(slots=st.integers(1, 4))
    def start_the_worker_anew(self, slots: int) -> None:
        before = self._waiting()
        self.over, self.slots = self.line.taken, slots
        self._moved(before, self.line.resize(slots, self.now_s))

    @invariant()
    def never_more_at_work_than_slots(self) -> None:
        assert self.line.taken == sum(ticket.taken for ticket in self._at_work())
        assert self.line.taken <= max(self.slots, self.over)
        self.over = min(self.over, self.line.taken)

    @invariant()
    def nobody_is_lost_and_the_line_keeps_its_bound(self) -> None:
        standing = self.line.standing(self.now_s)
        assert standing.waiting == len(self._waiting())
        assert len(self._bounded()) <= self.most
        assert standing.waiting_batch == sum(ticket.priority == "batch" for ticket in self._waiting())

    @invariant()
    def no_patient_one_is_turned_away(self) -> None:
        patient = [ticket for ticket in self.tickets if ticket.latest_s == math.inf]
        assert not [ticket for ticket in patient if ticket.state in ("full", "slow")]
        assert all(ticket in self.left for ticket in patient if ticket.state == "gone")

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        waiting = self._waiting()
        if waiting:
            assert self.line.taken + max(min(ticket.width, self.slots) for ticket in waiting) > self.slots

    def teardown(self) -> None:
        while at_work := self._at_work() if hasattr(self, "line") else []:
            self.line.leave(at_work[0], self.now_s)
        if hasattr(self, "line"):
            assert (self.line.waiting, self.line.taken, self._waiting()) == (0, 0, [])


TestOneWorker = OneWorker.TestCase
TestOneWorker.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)


@dataclass
class Crowd:
    """A line in which some always have more waiting, and whose requests take as long as they are told."""

    line: Line
    now_s: float = 0.0
    ends: list[tuple[float, int, Ticket]] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    had_s: defaultdict[tuple[str | None, Priority], float] = field(default_factory=lambda: defaultdict(float))
    begun: list[Ticket] = field(default_factory=list)
    lengths_s: dict[str | None, float] = field(default_factory=dict)

    def ask(self, key: str | None, priority: Priority = "interactive") -> Ticket:
        ticket = Ticket(key, priority)
        self.line.enter(ticket, self.now_s)
        self._note([ticket])
        return ticket

    def end_one(self) -> None:
        """Let the request end that is due first, and its key ask again."""
        self.ends.sort()
        self.now_s, _, ended = self.ends.pop(0)
        self.had_s[ended.key, ended.priority] += self.now_s - ended.since_s
        moved = self.line.leave(ended, self.now_s)
        self._note(moved)
        self.ask(ended.key, ended.priority)

    def _note(self, moved: list[Ticket]) -> None:
        for ticket in moved:
            if ticket.state == "at work":
                self.begun.append(ticket)
                self.ends.append((self.now_s + self.lengths_s.get(ticket.key, 1.0), next(self.numbers), ticket))


@given(
    slots=st.integers(1, 4),
    lengths_s=st.lists(st.floats(0.1, 10.0), min_size=2, max_size=4),
    depths=st.lists(st.integers(1, 60), min_size=4, max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_keys_that_wait_have_the_same_time_of_slots_whatever_each_has_waiting_and_however_long_its_requests_are(
    slots: int, lengths_s: list[float], depths: list[int]
) -> None:
    names = [f"key{number}" for number in range(len(lengths_s))]
    crowd = Crowd(line_of(slots), lengths_s=dict(zip(names, lengths_s, strict=True)))
    for name, depth in zip(names, depths, strict=False):
        for _ in range(depth + slots):
            crowd.ask(name)
    for _ in range(300):
        crowd.end_one()
    had_s = [crowd.had_s[name, "interactive"] for name in names]
    # What is at work is charged by an estimate, and ends later: no key is ahead by more than that, twice over.
    assert max(had_s) - min(had_s) <= (2 * slots + 1) * max(lengths_s)


def test_a_key_with_a_thousand_waiting_does_not_keep_one_with_a_single_request_waiting() -> None:
    crowd = Crowd(line_of(2))
    for _ in range(1002):
        crowd.ask("crowd")
    for _ in range(10):
        crowd.end_one()
    single = crowd.ask("single")
    before = len(crowd.begun)
    crowd.end_one()
    assert crowd.begun[before:] == [single]


def test_what_nobody_asked_for_is_not_saved_up() -> None:
    crowd = Crowd(line_of(1))
    for _ in range(3):
        crowd.ask("steady")
    for _ in range(500):
        crowd.end_one()
    for _ in range(3):
        crowd.ask("late")
    before = len(crowd.begun)
    for _ in range(20):
        crowd.end_one()
    late = sum(ticket.key == "late" for ticket in crowd.begun[before:])
    assert 9 <= late <= 12


def test_interactive_goes_before_batch_which_keeps_a_tenth_while_both_wait_and_all_where_nobody_else_does() -> None:
    crowd = Crowd(line_of(2))
    for _ in range(6):
        crowd.ask("nightly", "batch")
    for _ in range(50):
        crowd.end_one()
    assert len(crowd.begun) == 52
    first = crowd.ask("person")
    crowd.end_one()
    assert first.state == "at work"
    for _ in range(6):
        crowd.ask("person")
    before = len(crowd.begun)
    for _ in range(1000):
        crowd.end_one()
    batch = sum(ticket.priority == "batch" for ticket in crowd.begun[before:])
    assert 90 <= batch <= 110


def test_batch_is_never_kept_waiting_for_ever() -> None:
    crowd = Crowd(line_of(1))
    for _ in range(5):
        crowd.ask("person")
    for _ in range(30):
        crowd.end_one()
    batch = crowd.ask("nightly", "batch")
    ends = 0
    while batch.state == "waiting":
        crowd.end_one()
        ends += 1
    assert 5 <= ends <= 11


def test_in_a_full_line_the_last_of_whoever_has_the_most_loses_its_place() -> None:
    line = line_of(1, most_waiting=3)
    first, *waiting = [Ticket("crowd", latest_s=100.0) for _ in range(4)]
    for ticket in (first, *waiting):
        line.enter(ticket, 0.0)
    refused = Ticket("crowd", latest_s=100.0)
    assert line.enter(refused, 0.0) == [] and refused.state == "full"
    other = Ticket("other", latest_s=100.0)
    assert line.enter(other, 0.0) == [waiting[-1]]
    assert (other.state, waiting[-1].state) == ("waiting", "full")
    assert line.standing(0.0).turned_away == 2


def test_in_a_full_line_nobody_takes_the_place_of_a_patient_one_or_finds_it_full_of_them() -> None:
    line = line_of(1, most_waiting=2)
    patient = [Ticket(None) for _ in range(6)]
    clients = [Ticket("ada", latest_s=100.0), Ticket("ada", latest_s=100.0), Ticket("bob", latest_s=100.0)]
    for ticket in (*patient, *clients):
        line.enter(ticket, 0.0)
    assert [ticket.state for ticket in patient] == ["at work", *["waiting"] * 5]
    assert [ticket.state for ticket in clients] == ["waiting", "full", "waiting"]


def test_whoever_would_come_too_late_is_told_at_once_by_how_long_requests_took_lately() -> None:
    line = line_of(1)
    done = Ticket("ada")
    line.enter(done, 0.0)
    line.leave(done, 2.0)
    for _ in range(5):
        line.enter(Ticket("ada", latest_s=1000.0), 2.0)
    slow = Ticket("ada", latest_s=2.0 + 9.0)
    line.enter(slow, 2.0)
    assert (slow.state, slow.expected_s) == ("slow", 10.0)
    in_time = Ticket("ada", latest_s=2.0 + 15.5)
    line.enter(in_time, 2.0)
    assert in_time.state == "waiting"
    other = Ticket("bob", latest_s=2.0 + 6.5)
    line.enter(other, 2.0)
    assert other.state == "waiting"
    nightly = Ticket("bob", "batch", latest_s=2.0 + 6.5)
    line.enter(nightly, 2.0)
    assert nightly.state == "slow"
    # Its turn comes in time, and its end would not: what it takes is expected too.
    unended = Ticket("eve", latest_s=1000.0, due_s=2.0 + 1.5 * 6.0 + 1.9)
    line.enter(unended, 2.0)
    assert unended.state == "slow"


def test_a_request_that_needs_several_slots_is_not_passed_by_its_like_and_takes_no_more_than_there_are() -> None:
    line = line_of(3)
    narrow, wide, later = Ticket("ada"), Ticket("ada", width=8), Ticket("ada")
    for ticket in (narrow, wide, later):
        line.enter(ticket, 0.0)
    assert (wide.state, later.state, line.taken) == ("waiting", "waiting", 1)
    assert line.leave(narrow, 1.0) == [wide]
    assert (line.taken, later.state) == (3, "waiting")
    assert line.leave(wide, 2.0) == [later]


@pytest.mark.parametrize("slots", [None, 1000])
def test_where_there_are_slots_for_all_nobody_waits(slots: int | None) -> None:
    line = Line(most_waiting=0)
    line.resize(slots, 0.0)
    tickets = [Ticket(None, latest_s=0.0) for _ in range(1000)]
    for ticket in tickets:
        line.enter(ticket, 0.0)
    assert {ticket.state for ticket in tickets} == {"at work"}
    assert line.standing(0.0).slots == slots
