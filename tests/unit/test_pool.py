"""The pool under every order of requests, cancellations, failed starts and ends: nobody is left waiting, nothing is
left running. The workers are scripted: processes, which are slower than any order of events, have their own suite."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.core.errors import FreeholdError, WorkerStartError
from freehold.core.memory_settings import MemorySettings
from freehold.core.ports import Capabilities, MemoryNeeds, Room, Upstream, WorkerReport, WorkerState
from freehold.core.quantity import Exact
from freehold.core.refs import parse
from freehold.core.settings import EndpointSettings, load
from freehold.gateway.endpoints import Target
from freehold.gateway.gateway import Gateway
from freehold.gateway.memory.budget import Budget
from freehold.gateway.pool import WorkerPool
from freehold.ledger.appender import is_appended_to
from freehold.ledger.ledger import opened

SIZES = {"fake:a": 4, "fake:b": 6, "fake:c": 9, "fake:far": 0, "fake:huge": 99}
CAPACITY = 10


class Scripted:
    """A worker whose starts wait for a word: `go`, and then begin or fail."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: WorkerState = "stopped"
        self.go = asyncio.Event()
        self.fails = False
        self.stays = False
        self.may_end = asyncio.Event()
        self.may_end.set()

    @property
    def upstream(self) -> Upstream:
        if self.state != "ready":
            raise WorkerStartError(self.name, "it is not running")
        return Upstream("scripted", "http://worker/v1", self.name, Capabilities(), socket_path="/nowhere")

    async def plan(self, room: Room) -> MemoryNeeds:
        del room
        await asyncio.sleep(0)
        return MemoryNeeds(Exact(SIZES[self.name]))

    async def start(self) -> None:
        self.state = "starting"
        await self.go.wait()
        self.state = "failed" if self.fails else "ready"
        if self.fails:
            raise WorkerStartError(self.name, "it was told to fail")

    async def ready(self) -> Upstream:
        await asyncio.sleep(0)
        return self.upstream

    async def stop(self, *, grace_s: float = 5.0) -> None:
        del grace_s
        self.state = "stopping"
        await self.may_end.wait()
        if self.stays:
            raise PermissionError(f"{self.name} takes no signal")
        await asyncio.sleep(0)
        self.state = "stopped"

    def report(self) -> WorkerReport:
        return WorkerReport(self.name, "scripted", self.state, None, None, 0, None, "none", {}, None, None)


class World:
    """A pool, its workers, and requests that stay until they are told to end."""

    def __init__(self) -> None:
        self.workers: dict[str, Scripted] = {}
        budget = Budget(CAPACITY, lambda: 10**9)
        self.pool = WorkerPool(self._make, MemorySettings(waiting=50), budget=budget)
        self.tasks: list[asyncio.Task[str]] = []
        self.ends: list[asyncio.Event] = []

    def _make(self, target: Target) -> Scripted:
        return self.workers.setdefault(target.reference, Scripted(target.reference))

    def ask(self, name: str) -> None:
        end = asyncio.Event()
        self.ends.append(end)
        self.tasks.append(asyncio.create_task(self._request(name, end)))

    async def _request(self, name: str, end: asyncio.Event) -> str:
        post = self.pool.post(Target("fake", name))
        post.borrow()
        try:
            await post.client()
            assert self.workers[name].state == "ready", "a request is never sent to what is not there"
            await end.wait()
            assert self.workers[name].state == "ready", "what is in use never goes"
            return "answered"
        finally:
            post.give_back()

    async def settle(self) -> None:
        for _ in range(30):
            await asyncio.sleep(0)
            taken = sum(SIZES[each.name] for each in self.workers.values() if each.state in {"starting", "ready"})
            assert taken <= CAPACITY

    async def close(self) -> None:
        await self.pool.close(drain_s=0)
        assert {each.state for each in self.workers.values()} <= {"stopped", "failed"}


async def _play(moves: Sequence[tuple[str, int]]) -> list[str]:
    world = World()
    names = list(SIZES)
    for move, number in moves:
        worker = world._make(Target("fake", names[number % len(names)]))
        if move == "ask":
            world.ask(worker.name)
        elif move == "cancel" and world.tasks:
            world.tasks[number % len(world.tasks)].cancel()
        elif move == "end" and world.ends:
            world.ends[number % len(world.ends)].set()
        elif move in {"go", "fail"}:
            worker.fails = move == "fail"
            worker.go.set()
        elif (
            move == "crash"
            and worker.state == "ready"
            and not world.pool.post(Target("fake", worker.name)).resident.users
        ):
            worker.state = "failed"
        await world.settle()
    for worker in world.workers.values():
        worker.fails = False
        worker.go.set()
    for end in world.ends:
        end.set()
    async with asyncio.timeout(30):
        ended = await asyncio.gather(*world.tasks, return_exceptions=True)
    await world.close()
    for end_of in ended:
        assert end_of == "answered" or isinstance(end_of, FreeholdError | asyncio.CancelledError), end_of
    return [end_of for end_of in ended if isinstance(end_of, str)]


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "ask", "cancel", "end", "end", "go", "fail", "crash"]), st.integers(0, 40)
    ),
    max_size=40,
)


@given(moves=MOVES)
@settings(max_examples=150, deadline=None)
def test_whatever_happens_everybody_is_answered_and_nothing_is_left(moves: list[tuple[str, int]]) -> None:
    asyncio.run(_play(moves))


async def test_three_that_do_not_fit_together_are_all_answered_in_the_order_they_came() -> None:
    moves = [("ask", 0), ("ask", 1), ("ask", 2), ("go", 0), ("go", 1), ("go", 2)]
    assert await _play(moves) == ["answered"] * 3


async def test_what_is_larger_than_everything_is_refused_without_a_start() -> None:
    world = World()
    world.ask("fake:huge")
    with pytest.raises(
        WorkerStartError, match=r"needs 99 B of memory \(computed\), and all models together may take 10 B"
    ):
        await world.tasks[0]
    assert world.workers["fake:huge"].state == "stopped"
    await world.close()


async def test_a_request_that_comes_while_its_model_goes_waits_and_is_answered() -> None:
    world = World()
    for name in ("fake:c", "fake:a"):
        world._make(Target("fake", name)).go.set()
    world.ask("fake:c")
    await world.settle()
    world.ends[0].set()
    await world.settle()
    world.ask("fake:a")  # the first has to go for it
    while world.pool.post(Target("fake", "fake:c")).resident.phase != "leaving":  # noqa: ASYNC110  # turns of the loop
        await asyncio.sleep(0)
    world.ask("fake:c")
    world.ends[1].set()
    world.ends[2].set()
    async with asyncio.timeout(30):
        assert await asyncio.gather(*world.tasks) == ["answered"] * 3
    await world.close()


async def test_a_closed_pool_takes_no_request() -> None:
    world = World()
    await world.close()
    world.ask("fake:a")
    with contextlib.suppress(FreeholdError):
        await world.tasks[0]
        raise AssertionError("it was let in")
    assert world.workers["fake:a"].state == "stopped"


async def _with_one_that_stays(world: World) -> None:
    for name in ("fake:a", "fake:b"):
        world._make(Target("fake", name)).go.set()
        world.ask(name)
    await world.settle()
    assert {each.state for each in world.workers.values()} == {"ready"}
    world.workers["fake:a"].stays = True


async def test_where_one_worker_cannot_be_ended_the_others_are_and_it_is_told() -> None:
    world = World()
    await _with_one_that_stays(world)
    with pytest.raises(PermissionError, match="fake:a takes no signal"):
        await world.pool.close(drain_s=0)
    assert world.workers["fake:b"].state == "stopped"
    assert world.pool.occupancy().reserved_bytes == 0
    await asyncio.gather(*(task for task in world.tasks if task.cancel()), return_exceptions=True)


async def test_where_one_worker_that_is_on_its_way_out_cannot_be_ended_the_others_are() -> None:
    world = World()
    await _with_one_that_stays(world)
    world.ends[0].set()
    await world.settle()
    world.workers["fake:a"].may_end.clear()
    going = asyncio.create_task(world.pool.unload(world.pool.post(Target("fake", "fake:a"))))
    closing = asyncio.create_task(world.pool.close(drain_s=0))
    await world.settle()
    assert world.workers["fake:a"].state == "stopping" and not closing.done()
    world.workers["fake:a"].may_end.set()
    with pytest.raises(PermissionError, match="fake:a takes no signal"):
        await closing
    assert world.workers["fake:b"].state == "stopped"
    await asyncio.gather(going, *(task for task in world.tasks if task.cancel()), return_exceptions=True)


async def test_a_house_whose_worker_cannot_be_ended_lets_go_of_its_ledger_all_the_same(home: Path) -> None:
    worker = Scripted("fake:a")
    worker.go.set()
    folder = home / "ledger"
    gateway = Gateway(
        replace(load(), endpoints={"a": EndpointSettings("a", parse("fake:a"))}),
        held=lambda: (),
        find=lambda reference: pytest.fail(str(reference)),
        permit=lambda build, settings: None,
        make_worker=lambda target: worker,
        open_ledger=lambda: opened(folder, "relaxed", version="1"),
    )
    await gateway.start()
    await gateway.load("a")
    worker.stays = True
    with pytest.raises(PermissionError, match="fake:a takes no signal"):
        await gateway.close(drain_s=0)
    assert not is_appended_to(folder)
