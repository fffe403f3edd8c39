"""Requests in steps: let in when there is room for all they may need, let go of at once, told when the engine fails."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pytest

from freehold.engines.http.body import RefusedError
from freehold.engines.openvino.asked import read
from freehold.engines.openvino.batching import QUEUE_LIMIT, Batching, Job, Reason

Ended = Enum("Ended", "NONE STOP LENGTH")
Status = Enum("Status", "RUNNING IGNORED")


@dataclass
class Output:
    generated_ids: list[int]
    generated_log_probs: list[float]
    finish_reason: Ended


@dataclass
class Handle:
    """One request of the scripted engine: a token a step, until `most`."""

    most: int
    made: int = 0
    cancelled: bool = False
    ignored: bool = False
    outputs: list[Output] = field(default_factory=list)

    def can_read(self) -> bool:
        return bool(self.outputs)

    def read(self) -> dict[int, Output]:
        return {0: self.outputs.pop(0)}

    def get_status(self) -> Status:
        return Status.IGNORED if self.ignored else Status.RUNNING

    def cancel(self) -> None:
        self.cancelled = True


class Scripted:
    """An engine of `blocks` that makes token 5 for all, fails at step `fails_at`, does not take request `refuses`."""

    def __init__(self, blocks: int = 100, fails_at: int | None = None, refuses: int | None = None) -> None:
        self.blocks = blocks
        self._refuses = refuses
        self.handles: list[Handle] = []
        self.most_at_once = 0
        self.steps = 0
        self._fails_at = fails_at

    @property
    def running(self) -> list[Handle]:
        return [handle for handle in self.handles if not handle.cancelled and handle.made < handle.most]

    @property
    def busy(self) -> bool:
        return bool(self.running)

    def submit(self, number: int, tokens: list[int], most: int, sampling: Any, **more: Any) -> Handle:
        if number == self._refuses:
            raise RuntimeError("no such temperature")
        self.handles.append(Handle(most))
        return self.handles[-1]

    def step(self) -> None:
        self.steps += 1
        if self.steps == self._fails_at:
            raise RuntimeError("broken")
        self.most_at_once = max(self.most_at_once, len(self.running))
        for handle in self.running:
            handle.made += 1
            handle.outputs.append(Output([5], [-0.5], Ended.LENGTH if handle.made == handle.most else Ended.NONE))


@dataclass
class Taken:
    tokens: list[int] = field(default_factory=list)
    reason: Reason | None = None
    failed: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def job(self, most: int, prompt: int = 1) -> Job:
        def take(tokens: list[int], logprobs: list[float], reason: Reason | None) -> None:
            self.tokens += tokens
            self.reason = reason
            if reason is not None:
                self.ended.set()

        def fail() -> None:
            self.failed = True
            self.ended.set()

        asked = read({"messages": [{"role": "user", "content": "x"}]}, chat=True)
        return Job([1] * prompt, most, 0, asked, take, fail)


async def finished(*taken: Taken) -> None:
    async with asyncio.timeout(10):
        await asyncio.gather(*(each.ended.wait() for each in taken))


async def test_every_job_gets_its_tokens_and_its_reason_and_slots_are_never_exceeded() -> None:
    engine, taken = Scripted(), [Taken() for _ in range(5)]
    batching = Batching(engine, slots=2)
    run = asyncio.create_task(batching.run())
    for number, each in enumerate(taken):
        batching.add(each.job(number + 1))
    await finished(*taken)
    assert [len(each.tokens) for each in taken] == [1, 2, 3, 4, 5]
    assert {each.reason for each in taken} == {"length"}
    assert engine.most_at_once == 2
    assert (batching.under_way, batching.made_tokens) == (0, 15)
    run.cancel()


async def test_a_job_waits_until_the_blocks_that_it_may_need_are_free() -> None:
    engine, first, second = Scripted(blocks=3), Taken(), Taken()
    batching = Batching(engine, slots=8)
    batching.add(first.job(40))  # 41 tokens: two blocks
    batching.add(second.job(40))
    run = asyncio.create_task(batching.run())
    await finished(first)
    assert (engine.most_at_once, second.tokens) == (1, [])
    await finished(second)
    assert len(second.tokens) == 40
    run.cancel()


async def test_what_is_dropped_is_cancelled_and_makes_room_and_its_slot_is_taken_until_the_next_step() -> None:
    engine, first, second = Scripted(), Taken(), Taken()
    batching = Batching(engine, slots=1)
    job = first.job(1000)
    batching.add(job)
    batching.add(second.job(1))
    run = asyncio.create_task(batching.run())
    async with asyncio.timeout(10):
        while not first.tokens:  # noqa: ASYNC110 -- what is waited for is a step of the engine
            await asyncio.sleep(0)
    batching.drop(job)
    assert engine.handles[0].cancelled
    assert batching.under_way == 1
    await finished(second)
    assert batching.under_way == 0
    run.cancel()


async def test_a_job_that_is_dropped_while_it_waits_never_reaches_the_engine() -> None:
    engine, waiting = Scripted(), Taken()
    batching = Batching(engine, slots=1)
    job = waiting.job(1)
    batching.add(job)
    batching.drop(job)
    batching.drop(job)
    assert (engine.handles, batching.under_way) == ([], 0)


async def test_a_step_that_fails_is_told_to_everybody_and_ends_the_run() -> None:
    engine, running, waiting = Scripted(fails_at=3), Taken(), Taken()
    batching = Batching(engine, slots=1)
    batching.add(running.job(10))
    batching.add(waiting.job(10))
    with pytest.raises(RuntimeError, match="broken"):
        await batching.run()
    assert (running.failed, waiting.failed) == (True, True)
    assert len(running.tokens) == 2


async def test_a_request_that_the_engine_does_not_take_fails_alone() -> None:
    engine, first, second, third = Scripted(refuses=2), Taken(), Taken(), Taken()
    batching = Batching(engine, slots=4)
    for each in (first, second, third):
        batching.add(each.job(3))
    run = asyncio.create_task(batching.run())
    await finished(first, second, third)
    assert [(each.failed, len(each.tokens)) for each in (first, second, third)] == [(False, 3), (True, 0), (False, 3)]
    run.cancel()


async def test_a_request_that_the_engine_ignores_is_told_so() -> None:
    engine, taken = Scripted(), Taken()
    batching = Batching(engine, slots=1)
    batching.add(taken.job(1000))
    run = asyncio.create_task(batching.run())
    async with asyncio.timeout(10):
        while not taken.tokens:  # noqa: ASYNC110 -- what is waited for is a step of the engine
            await asyncio.sleep(0)
    engine.handles[0].ignored = True
    await finished(taken)
    assert taken.failed
    run.cancel()


async def test_what_is_dropped_because_another_was_ignored_is_handed_nothing_more() -> None:
    engine, ignored, other = Scripted(), Taken(), Taken()
    batching = Batching(engine, slots=2)
    first, second = ignored.job(1000), other.job(1000)
    failed = first.fail

    def fail() -> None:
        batching.drop(second)
        other.tokens.clear()
        failed()

    first.fail = fail
    for job in (first, second):
        batching.add(job)
    run = asyncio.create_task(batching.run())
    async with asyncio.timeout(10):
        while not ignored.tokens:  # noqa: ASYNC110 -- what is waited for is a step of the engine
            await asyncio.sleep(0)
    engine.handles[0].ignored = True
    await finished(ignored)
    assert other.tokens == []
    run.cancel()


async def test_a_queue_that_is_full_refuses_and_says_so() -> None:
    batching = Batching(Scripted(), slots=1)
    for _ in range(QUEUE_LIMIT):
        batching.add(Taken().job(1))
    with pytest.raises(RefusedError, match="requests wait already") as caught:
        batching.require_room(1)
    assert caught.value.status == 503
