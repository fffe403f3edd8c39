"""What requests may take of a key's tokens: never more than there are, in whatever order they come and end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from freehold.core.errors import LimitError
from freehold.core.ports import Capabilities, Upstream
from freehold.gateway.access.access import Access, Permit
from freehold.gateway.access.book import KeyBook
from freehold.gateway.access.key import Key, Limits
from freehold.gateway.access.meter import Meter
from freehold.gateway.asking import Local
from freehold.gateway.holding import USUAL_TOKENS, Need, granted, held_back


@dataclass
class Work:
    held: int
    may_take: int


def ada(**limits: float) -> Meter:
    return Meter(Key("0123abcd", "ada", (), 0, limits=Limits(**limits)))  # type: ignore[arg-type]


def enters(meter: Meter, need: Need) -> int:
    """What is held back for `need` once it is known, as the gateway does it. Raises LimitError."""
    held = meter.enter(None if need.most is None else need.most * need.answers)
    try:
        return meter.exchange(held, granted(need, (meter.left() or 0) + held).held)
    except LimitError:
        meter.leave(held, 0)
        raise


class OneBudget(RuleBasedStateMachine):
    """Requests of all kinds come and end; an engine takes anything up to what it was told."""

    @initialize(limit=st.integers(1, 30_000))
    def begin(self, limit: int) -> None:
        self.limit, self.used, self.work = limit, 0, list[Work]()
        self.meter = ada(tokens_per_day=limit)

    @rule(
        prompt=st.integers(0, 3000),
        answers=st.integers(1, 3),
        most=st.none() | st.integers(1, 6000),
        context=st.none() | st.integers(1, 9000),
    )
    def ask(self, prompt: int, answers: int, most: int | None, context: int | None) -> None:
        need = Need(prompt, answers, most, context)
        try:
            held = self.meter.enter(None if most is None else most * answers)
        except LimitError:
            return
        room = (self.meter.left() or 0) + held
        grant = granted(need, room)
        each = min(value for value in (most, grant.most, context or 10**9) if value is not None)
        takes = prompt + each * answers
        takes = takes if context is None else min(takes, context * answers)
        try:
            held = self.meter.exchange(held, grant.held)
        except LimitError:
            assert grant.held > room
            self.meter.leave(held, 0)
        else:
            self.work.append(Work(held, takes))

    @rule(part=st.floats(0, 1), data=st.data())
    def end(self, part: float, data: st.DataObject) -> None:
        if self.work:
            work = data.draw(st.sampled_from(self.work))
            self.work.remove(work)
            tokens = round(part * work.may_take)
            self.used += tokens
            self.meter.leave(work.held, tokens)

    @invariant()
    def never_more_than_the_budget(self) -> None:
        assert self.used + sum(each.may_take for each in self.work) <= self.limit


TestOneBudget = OneBudget.TestCase
TestOneBudget.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


@given(prompt=st.integers(0, 100), left=st.integers(102, USUAL_TOKENS))
def test_an_open_answer_alone_gets_all_that_is_left_of_a_small_budget(prompt: int, left: int) -> None:
    assert granted(Need(prompt, 1, None), left) == (left, left - prompt)


def test_an_answer_is_not_cut_where_its_context_fits_the_share() -> None:
    assert granted(Need(500, 1, None, context=8192), 100_000) == (8192, None)
    assert granted(Need(500, 1, 9000, context=8192), 100_000) == (8192, None)


def test_a_large_budget_lets_many_open_answers_in_at_one_time() -> None:
    meter, count = ada(tokens_per_day=100_000), 0
    with pytest.raises(LimitError) as refused:
        while True:
            enters(meter, Need(100, 1, None, context=131_072))
            count += 1
    assert count >= 8
    assert (refused.value.retry_after_s, "hold back" in refused.value.message) == (1, True)


def test_what_is_refused_because_of_others_is_let_in_when_they_have_ended() -> None:
    meter = ada(tokens_per_day=100)
    held = enters(meter, Need(20, 1, None))
    with pytest.raises(
        LimitError, match="ada has 100 tokens left of the 100 for today, and requests at work hold back"
    ):
        enters(meter, Need(20, 1, None))
    meter.leave(held, 30)
    assert enters(meter, Need(20, 1, None)) == 70


@dataclass
class Counting:
    """A way to an engine that only counts: a token for each word."""

    permit: Permit
    upstream = Upstream("llamacpp", "http://worker/v1", "m", Capabilities(tokenize=True), socket_path="/x")

    async def call(self, path: str, body: Mapping[str, Any], *, root: bool) -> dict[str, Any]:
        assert root
        if path == "/apply-template":
            return {"prompt": body["messages"][0]["content"] + body["chat_template_kwargs"]["date_string"]}
        return {"tokens": [1] * len(str(body["content"]).split())}


TEXT = "word " * 30


@pytest.mark.parametrize("prompt", [TEXT, [TEXT], [[1, TEXT]], [1, TEXT], [{"prompt_string": TEXT}], [[1] * 30]])
async def test_a_prompt_counts_whole_in_whatever_form_the_engine_takes_it(prompt: Any, home: Path) -> None:
    meter = ada(tokens_per_day=29)
    asking: Any = Counting(Permit(Access(KeyBook(home), None), Local(), meter, meter.enter(None)))
    with pytest.raises(LimitError, match=r"may take (30|31|32) tokens"):
        await held_back(asking, "complete", {"prompt": prompt, "max_tokens": 1})


async def test_what_a_template_is_told_beside_the_messages_counts_too(home: Path) -> None:
    meter = ada(tokens_per_day=1500)
    asking: Any = Counting(Permit(Access(KeyBook(home), None), Local(), meter, meter.enter(None)))
    body = {"messages": [{"role": "user", "content": "Hi "}], "chat_template_kwargs": {"date_string": TEXT * 60}}
    with pytest.raises(LimitError, match="may take 1,802 tokens"):
        await held_back(asking, "chat", {**body, "max_tokens": 1})


def test_requests_at_work_hold_back_the_energy_that_the_dearest_one_took() -> None:
    meter = ada(wh_per_day=10.0)
    meter.leave(meter.enter(None), 5, 4.0)
    first = meter.enter(None)
    meter.enter(None)
    with pytest.raises(LimitError, match="Ask again when it has ended") as refused:
        meter.enter(None)
    assert refused.value.retry_after_s == 1
    meter.leave(first, 5, 1.0)
    meter.enter(None)
