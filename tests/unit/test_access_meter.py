"""What one key may use, held against a model that remembers everything and computes it anew each time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from freehold.core.errors import CallError, KeyRefusedError, LimitError
from freehold.core.settings import Secret
from freehold.gateway.access.access import Access
from freehold.gateway.access.book import KeyBook
from freehold.gateway.access.key import HOUSE_KEY, Key, Limits, Scopes
from freehold.gateway.access.meter import Clocks, Meter
from freehold.gateway.asking import Local
from freehold.ledger.usage import Spent

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()
"""The last day of a month, so that a day's end is a month's too."""


@dataclass
class Time:
    """Two clocks that stand until they are moved."""

    steady_s: float = 1000.0
    wall_s: float = NOON

    def clocks(self) -> Clocks:
        return Clocks(lambda: self.steady_s, lambda: self.wall_s)

    def go_on(self, seconds: float) -> None:
        self.steady_s += seconds
        self.wall_s += seconds


def key(**limits: Any) -> Key:
    return Key("0123abcd", "ada", (), 0, limits=Limits(**limits))


@dataclass
class Request:
    began_s: float
    held: int
    tokens: int | None = None
    ended_s: float = 0.0
    ended_wall_s: float = 0.0


@dataclass
class Model:
    """Everything that happened. `day` and `month` are the latest that the wall clock ever showed."""

    limits: Limits
    time: Time
    requests: list[Request] = field(default_factory=list)
    latest_s: float = 0.0

    def allows(self, held: int) -> bool:
        self.latest_s = max(self.latest_s, self.time.wall_s)
        limits, at_work = self.limits, [each for each in self.requests if each.tokens is None]
        now_s, day = self.time.steady_s, datetime.fromtimestamp(self.latest_s, UTC)
        recent = [each for each in self.requests if each.began_s > now_s - 60]
        ended = [each for each in self.requests if each.tokens]
        in_minute = sum(each.tokens or 0 for each in ended if each.ended_s > now_s - 60)
        days = [(datetime.fromtimestamp(each.ended_wall_s, UTC), each.tokens or 0) for each in ended]
        today = sum(tokens for at, tokens in days if at.date() == day.date())
        month = sum(tokens for at, tokens in days if (at.year, at.month) == (day.year, day.month))
        needed = sum(each.held for each in at_work) + max(1, held)
        return (
            _under(len(at_work) + 1, limits.concurrency)
            and _under(len(recent) + 1, limits.requests_per_minute)
            and _under(in_minute + needed, limits.tokens_per_minute)
            and _under(today + needed, limits.tokens_per_day)
            and _under(month + needed, limits.tokens_per_month)
        )


def _under(value: int, limit: int | None) -> bool:
    return limit is None or value <= limit


maybe = st.none() | st.integers(1, 8)
budget = st.none() | st.integers(1, 300)


class OneKey(RuleBasedStateMachine):
    """Requests come and end, time goes on, and the wall clock is set now and then."""

    @initialize(limits=st.builds(Limits, maybe, maybe, budget, budget, budget))
    def begin(self, limits: Limits) -> None:
        self.time = Time()
        self.meter = Meter(Key("0123abcd", "ada", (), 0, limits=limits), clocks=self.time.clocks())
        self.model = Model(limits, self.time)

    @rule(most=st.none() | st.integers(1, 60))
    def ask(self, most: int | None) -> None:
        allowed = self.model.allows(most or 0)
        try:
            held = self.meter.enter(most)
        except LimitError as error:
            assert not allowed
            assert error.retry_after_s is None or error.retry_after_s >= 1
        else:
            assert allowed and held == (most or 0)
            self.model.requests.append(Request(self.time.steady_s, held))

    @rule(tokens=st.integers(0, 80), data=st.data())
    def end(self, tokens: int, data: st.DataObject) -> None:
        at_work = [each for each in self.model.requests if each.tokens is None]
        if at_work:
            request = data.draw(st.sampled_from(at_work))
            self.model.latest_s = max(self.model.latest_s, self.time.wall_s)
            request.tokens, request.ended_s, request.ended_wall_s = tokens, self.time.steady_s, self.model.latest_s
            self.meter.leave(request.held, tokens)

    @rule(seconds=st.sampled_from([0.5, 20.0, 59.5, 60.0, 3600.0, 86_400.0]))
    def wait(self, seconds: float) -> None:
        self.time.go_on(seconds)

    @rule(hours=st.integers(-48, 48))
    def set_the_wall_clock(self, hours: int) -> None:
        self.time.wall_s = NOON + 3600 * hours

    @invariant()
    def what_is_told_is_never_below_nothing(self) -> None:
        for standing in (self.meter.requests(), self.meter.tokens()):
            assert standing is None or (0 <= standing.remaining <= standing.limit and standing.reset_s >= 0)
        self.model.latest_s = max(self.model.latest_s, self.time.wall_s)


TestOneKey = OneKey.TestCase
TestOneKey.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_budget_opens_again_when_its_day_is_over_and_says_so() -> None:
    time = Time()
    meter = Meter(key(tokens_per_day=100), clocks=time.clocks())
    meter.leave(meter.enter(None), 100)
    with pytest.raises(LimitError, match=r"has used its 100 tokens for today; it opens again at 2026-12-01T00:00:00Z"):
        meter.enter(None)
    time.go_on(12 * 3600 - 1)
    with pytest.raises(LimitError) as refused:
        meter.enter(None)
    assert (refused.value.retry_after_s, refused.value.retryable) == (1, True)
    time.go_on(1)
    assert meter.enter(None) == 0


def test_a_minute_opens_again_when_enough_of_it_has_faded_and_not_when_some_has() -> None:
    time = Time()
    meter = Meter(key(tokens_per_minute=100), clocks=time.clocks())
    for tokens in (10, 90):
        meter.leave(meter.enter(None), tokens)
        time.go_on(20)
    for most, wait_s in ((10, 20), (11, 40)):
        with pytest.raises(LimitError, match="it opens again at") as refused:
            meter.enter(most)
        assert refused.value.retry_after_s == wait_s
    time.go_on(40)
    assert meter.enter(11) == 11


def test_of_several_limits_the_one_that_opens_last_says_when() -> None:
    time = Time()
    meter = Meter(key(tokens_per_minute=50, tokens_per_day=60), clocks=time.clocks())
    meter.leave(meter.enter(None), 50)
    with pytest.raises(LimitError, match="for today") as refused:
        meter.enter(20)
    assert refused.value.retry_after_s == 12 * 3600
    with pytest.raises(LimitError, match="no more than 50 for a minute") as never:
        meter.enter(61)
    assert (never.value.retry_after_s, never.value.retryable) == (None, False)


def test_setting_the_clock_back_gives_nobody_a_new_budget() -> None:
    time = Time()
    meter = Meter(key(tokens_per_day=100, tokens_per_month=150), clocks=time.clocks())
    meter.leave(meter.enter(None), 100)
    for days in (-1, -40, 0):
        time.wall_s = NOON + 86_400 * days
        with pytest.raises(LimitError):
            meter.enter(None)


async def test_what_was_spent_on_the_day_of_a_start_does_not_count_against_the_day_after(home: Path) -> None:
    time, book = Time(), KeyBook(home)
    ada, _ = book.create("ada", limits=Limits(tokens_per_day=100, tokens_per_month=1000))
    access = Access(book, None, clocks=time.clocks())
    access.spent({ada.id: Spent(100, 100)})
    caller = Local(key=ada)
    with pytest.raises(LimitError, match="for today"):
        access.enter(caller, "chat", "small", 1)
    time.go_on(86_400)
    assert access.enter(caller, "chat", "small", 1) is not None


async def test_a_key_that_opens_nothing_any_more_does_nothing_either_whenever_it_was_shown(home: Path) -> None:
    book = KeyBook(home)
    _, text = book.create("ada", scopes=Scopes(admin=True))
    access = Access(book, None)
    caller = Local(key=access.require(text.encode()))
    access.require_admin(caller)
    access.revoke("ada")
    access.reread()
    with pytest.raises(KeyRefusedError, match="was revoked"):
        access.enter(caller, "chat", "small", 1)
    with pytest.raises(KeyRefusedError, match="was revoked"):
        access.require_admin(caller)


def test_a_key_that_has_expired_is_not_turned_into_one_that_opens_nothing_either(home: Path) -> None:
    KeyBook(home).create("ada", expires_s=1)
    with pytest.raises(CallError, match=r"The key of ada has expired.*freehold keys create ada"):
        KeyBook(home).rotate("ada")


def test_a_key_of_the_house_may_look_like_any_other(home: Path) -> None:
    KeyBook(home).create("ada")
    access = Access(KeyBook(home), Secret("fh_chosen_by_somebody"))
    assert access.require(b"fh_chosen_by_somebody").id == HOUSE_KEY
    with pytest.raises(KeyRefusedError):
        access.require(b"fh_chosen_by_nobody")


def test_what_the_ledger_remembers_counts() -> None:
    meter = Meter(key(tokens_per_day=100, tokens_per_month=1000), spent=Spent(100, 100))
    with pytest.raises(LimitError, match="for today"):
        meter.enter(None)
