"""The workers of a house: brought into memory by the first request that needs them, and ended when others need it more.

However many requests come at once, one worker is started. Who may come in and who has to go is decided by
`memory.residents`. What must stay true: whoever waits is answered, whatever happens to a start; a request that is
cancelled cancels nothing that others wait for; after `close` no process of any worker is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from freehold.core.errors import FreeholdError, HouseClosingError, WorkerStartError
from freehold.core.memory_settings import MemorySettings
from freehold.core.ports import Outgoing, Room, Worker, WorkerReport
from freehold.gateway.endpoints import Target
from freehold.gateway.memory import charge, words
from freehold.gateway.memory.budget import Budget
from freehold.gateway.memory.keeper import Keeper
from freehold.gateway.memory.residents import Resident
from freehold.gateway.memory.stay import Stay
from freehold.gateway.post import Post

GLANCE_S = 0.05
"""Between looks at a model that is waited for beyond its time, because nobody knows yet what it needs."""
RATHER_DIFFERENT = 0.1
"""By so large a part other programs must have taken or given back memory before models are planned into it anew."""
MakeWorker = Callable[[Target], Worker]


@dataclasses.dataclass(frozen=True, slots=True)
class Occupancy:
    """Of the memory that models may take together: all of it, and what is reserved. `most_bytes` is as it was seen
    last. What is reserved for each comes to `counted_once_bytes` more: weights that several have mapped."""

    most_bytes: int
    reserved_bytes: int
    counted_once_bytes: int


class WorkerPool:
    """Posts by target. `budget` None: what `settings` allow of this machine. Remote workers are reached through
    `outgoing`, where the house has that."""

    def __init__(
        self,
        make_worker: MakeWorker,
        settings: MemorySettings,
        *,
        budget: Budget | None = None,
        outgoing: Outgoing | None = None,
    ) -> None:
        self.keeper = Keeper(budget or Budget(settings.limit_bytes))
        self.residents = self.keeper.residents
        self.now = self.keeper.now
        self.outgoing = outgoing
        self._make_worker = make_worker
        self._settings = settings
        self._stays: Mapping[Target, Stay] = {}
        self._room: Room | None = None
        self._posts: dict[Target, Post] = {}
        self._claims = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def settings(self) -> MemorySettings:
        """Those in force."""
        return self._settings

    def post(self, target: Target) -> Post:
        post = self._posts.get(target)
        if post is None or post.is_done:
            # One that is done was forgotten, or is about to be.
            post = self._posts[target] = Post(self._make_worker(target), Resident(target.reference), self)
            self.keeper.add(post)
            self._settle(target, post)
        elif post.retired:
            post.retired = False
            self._settle(target, post)
        return post

    def peek(self, target: Target) -> Post | None:
        """The post of `target`, if it has one that is not on its way out."""
        post = self._posts.get(target)
        return None if post is None or post.retired else post

    def settle(self, settings: MemorySettings, stays: Mapping[Target, Stay]) -> None:
        """Put other settings in force. Models that are in memory stay as they were planned."""
        if settings.limit_bytes != self._settings.limit_bytes:
            self.keeper.budget = dataclasses.replace(self.keeper.budget, limit_bytes=settings.limit_bytes)
            self._room = None
        if _models(stays) != _models(self._stays):
            self._room = None
        for post in self._posts.values():
            if settings != self._settings and post.aside is None:
                post.recovered()
        self._settings, self._stays = settings, stays
        for target, post in self._posts.items():
            if not post.retired:
                self._settle(target, post)
        self.keeper.look()
        self.keeper.advance()

    def keep_only(self, targets: Iterable[Target]) -> None:
        """Retire every worker that none of `targets` needs, each when its last request has ended."""
        needed = set(targets)
        for target in list(self._posts):
            if target in needed:
                self.post(target)
            else:
                self.retire(target)
        self.keeper.advance()
        self._posts = {target: post for target, post in self._posts.items() if not post.is_done}

    def retire(self, target: Target) -> None:
        """No endpoint points at `target`: its worker goes when its last request has ended."""
        post = self._posts[target]
        post.retired = True
        post.resident.keep_s, post.resident.pinned = 0.0, False

    @contextlib.contextmanager
    def sparing(self, targets: Iterable[Target]) -> Iterator[None]:
        """Their workers do not go for others meanwhile, nor are they pinned: they go once the others are there."""
        posts = {target: post for target in targets if (post := self._posts.get(target)) is not None}
        for post in posts.values():
            post.resident.spared, post.resident.pinned = True, False
        try:
            yield
        finally:
            for target, post in posts.items():
                post.resident.spared = False
                self._settle(target, post)

    async def fits_beside(self, post: Post, *, evicting: bool) -> bool:
        """Whether it is there, or could start now with nobody in use closed for it, and without `evicting` with nobody
        going for it. Raises WorkerStartError where it can never start."""
        if post.resident.phase in {"here", "loading"}:
            return True
        needed = await self._plan(post)
        return self.residents.fits_beside(post.resident, needed, evicting=evicting)

    async def bring(self, post: Post) -> None:
        """Wait until `post` takes requests. Raises WorkerStartError, HouseClosingError, and MemoryHeldError where
        others hold the memory for too long."""
        deadline = self.now() + self._settings.wait_s
        while not post.resident.is_open:
            error = HouseClosingError() if self.keeper.closing else post.refusal(self.now())
            if error is not None:
                raise error
            if post.driver is None or post.driver.done():
                post.driver = asyncio.create_task(self._drive(post), name=f"bring {post.resident.name}")
            driver = post.driver
            # A start has its own time limit, and what a model needs is soon known: only memory is waited for so long.
            left_s = None if post.resident.phase == "loading" else max(GLANCE_S, deadline - self.now())
            await asyncio.wait({driver}, timeout=left_s)
            if driver.cancelled():
                raise HouseClosingError()
            if driver.done() and (failure := driver.result()) is not None:
                raise failure
            if not driver.done() and post.resident.phase not in {"away", "loading"} and self.now() >= deadline:
                raise words.held(post.resident, self.residents, self._settings.wait_s)

    def let_wait(self, post: Post) -> None:
        """Raises LoadingError where as many requests wait for it as may."""
        if post.resident.waiters >= self._settings.waiting:
            raise words.too_many(post.resident, self._settings.waiting)

    def unwanted(self, post: Post) -> None:
        """Nobody waits for it any more. What has begun to start goes on: the next one finds it ready."""
        if post.resident.phase == "waiting":
            self.keeper.do(self.residents.step_out(post.resident))
            post.pulse()
        self.keeper.advance()

    def entered(self) -> None:
        """A request has come."""
        self._claims += 1
        self._quiet.clear()

    def left(self, post: Post) -> None:
        """A request has ended."""
        self._claims -= 1
        if not self._claims:
            self._quiet.set()
        resident = post.resident
        if resident.users:
            return
        if self.residents.line or resident.closed or post.retired:
            self.keeper.advance()
        elif resident.keep_s < math.inf:
            self.keeper.wake_by(resident.used_at + resident.keep_s)

    def lost(self, post: Post, error: WorkerStartError) -> WorkerStartError:
        """A worker that was ready is none any more; gives what those are told who want it."""
        told = self.keeper.lost(post, error)
        self.keeper.advance()
        return told

    def failed(self, post: Post, error: WorkerStartError) -> None:
        """It did not start."""
        post.failed(error, self.now())
        self.keeper.life.tell("failed", post.resident.name, error.message)

    def refused(self, post: Post, error: WorkerStartError) -> None:
        """It cannot be started as it is, so that nobody tried."""
        post.refused(error, self.now())
        self.keeper.life.tell("refused", post.resident.name, error.message)

    async def unload(self, post: Post) -> None:
        """End it when its last request has ended; on return it holds no memory, unless somebody asked for it anew."""
        resident = post.resident
        if resident.phase == "here":
            self.residents.close(resident)
            self.keeper.advance()
        while resident.closed is not None or resident.phase == "leaving":
            await post.changed()

    def reports(self) -> tuple[WorkerReport, ...]:
        """Of every worker that was wanted once."""
        return tuple(map(_report, self.keeper))

    def report_of(self, target: Target) -> WorkerReport | None:
        """Of the worker of `target`, if it has one that is not on its way out."""
        post = self.peek(target)
        return _report(post) if post is not None else None

    def occupancy(self) -> Occupancy:
        found = self.residents
        return Occupancy(found.capacity_bytes, found.charged_bytes, found.counted_once_bytes)

    async def close(self, *, drain_s: float) -> None:
        """Stop everything; on return no process of any worker is left."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), drain_s)
        self.keeper.closing = True
        drivers = [post.driver for post in self.keeper if post.driver is not None]
        for driver in drivers:
            driver.cancel()
        if drivers:
            await asyncio.wait(drivers)
        await self.keeper.close()

    async def _drive(self, post: Post) -> FreeholdError | None:
        """Runs while somebody waits for it and it takes no requests; gives why it will not take any."""
        resident = post.resident
        try:
            while not resident.is_open:
                if resident.phase in {"here", "leaving"}:
                    await post.changed()
                elif not resident.waiters:
                    return None
                elif (error := await self._load(post)) is not None:
                    return error
        finally:
            if resident.phase == "waiting":
                self.keeper.do(self.residents.step_out(resident))
            elif resident.phase == "loading":
                self.residents.ended(resident)
            self.keeper.advance()
        return None

    async def _load(self, post: Post) -> FreeholdError | None:
        """One try; gives why it failed."""
        resident, post.turned_away = post.resident, None
        try:
            needed = await self._plan(post)
        except WorkerStartError as error:
            self.refused(post, error)
            return error
        if not resident.waiters:
            return None
        self.residents.line_up(resident, needed)
        self.keeper.advance()
        while resident.phase == "waiting":
            await post.changed()
        return post.turned_away if resident.phase != "loading" else await self._start(post)

    async def _start(self, post: Post) -> FreeholdError | None:
        """Its turn has come; gives why it did not start."""
        resident, began = post.resident, self.now()
        try:
            await post.worker.start()
        except WorkerStartError as error:
            self.residents.ended(resident)
            self.failed(post, error)
            return error
        self.residents.loaded(resident, self.keeper.measure(post), self.now())
        post.recovered()
        took_s = self.now() - began
        self.keeper.life.tell("loaded", resident.name, seconds=took_s, size_bytes=resident.charge_bytes)
        self.keeper.advance()
        return None

    async def _plan(self, post: Post) -> int:
        """What it needs. Raises WorkerStartError, also where it can never have that."""
        self.keeper.look()
        capacity = self.residents.capacity_bytes
        if self._room is None or abs(capacity - self._room.most_bytes) > RATHER_DIFFERENT * self._room.most_bytes:
            self._room = self.keeper.budget.room(len(_models(self._stays)), capacity)
        needs = post.needs = await post.worker.plan(self._room)
        post.resident.mapped = needs.mapped
        most = self.residents.most_bytes(post.resident)
        if charge.least_bytes(needs) > max(0, most):
            pinned = [each for each in self.residents if each.pinned and each.charge_bytes]
            raise words.never_fits(post.resident.name, needs, self.residents.capacity_bytes, pinned)
        return charge.before_start(needs, most)

    def _settle(self, target: Target, post: Post) -> None:
        stay = self._stays.get(target, Stay(self._settings.keep_s, pinned=False))
        post.resident.keep_s, post.resident.pinned = stay.keep_s, stay.pinned


def _report(post: Post) -> WorkerReport:
    resident = post.resident
    return dataclasses.replace(
        post.worker.report(),
        reserved_bytes=resident.charge_bytes,
        mapped_bytes=resident.mapped_bytes,
        in_use=resident.users,
        waiting=resident.waiters,
        pinned=resident.pinned,
    )


def _models(stays: Collection[Target]) -> frozenset[Target]:
    """Those that take memory here."""
    return frozenset(target for target in stays if target.kind != "remote")
