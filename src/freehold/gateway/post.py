"""One worker and those who want it: a request gets its client here, or waits for it, or hears why not."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from freehold.core.errors import FreeholdError, HouseClosingError, MemoryHeldError, WorkerStartError
from freehold.core.ports import MemoryNeeds, Upstream, Worker, WorkerState
from freehold.core.sizes import size
from freehold.gateway.memory.residents import Resident
from freehold.gateway.upstream import UpstreamClient

if TYPE_CHECKING:
    from freehold.gateway.pool import WorkerPool

FIRST_PAUSE_S = 5.0
REFUSED_PAUSE_S = 1.0
LONGEST_PAUSE_S = 300.0
NOTICED_WITHIN_S = 5.0


class Post:
    """`resident` is its place in memory. `retired`: no endpoint points at it any more, and it goes after its last
    request. `aside`: why it is not started again until somebody says so. `turned_away`: there was no room for it,
    whoever went."""

    def __init__(self, worker: Worker, resident: Resident, pool: WorkerPool) -> None:
        self.worker = worker
        self.resident = resident
        self.needs: MemoryNeeds | None = None
        self.retired = False
        self.aside: WorkerStartError | None = None
        self.turned_away: MemoryHeldError | None = None
        self.driver: asyncio.Task[FreeholdError | None] | None = None
        self._pool = pool
        self._changed = asyncio.Event()
        self._failure: WorkerStartError | None = None
        self._again_at = 0.0
        self._failures = 0
        self._client: UpstreamClient | None = None

    @property
    def is_done(self) -> bool:
        """Nobody needs it, nothing of it is there and nobody has to do with it."""
        resident = self.resident
        return self.retired and resident.phase == "away" and not resident.waiters and not resident.users

    @property
    def state(self) -> WorkerState:
        """The worker's, seen by who asks for it: one that waits for memory is on its way."""
        return "starting" if self.resident.phase == "waiting" else self.worker.state

    @property
    def note(self) -> str | None:
        """Why it takes no requests now, where that is not its state alone."""
        resident = self.resident
        if self.aside is not None:
            return f"set aside: {self.aside.message}"
        if resident.phase == "waiting":
            return f"waits for {size(resident.need_bytes)} of memory"
        if resident.phase == "here" and resident.closed is not None:
            sake = "others need its memory" if resident.closed == "memory" else "it is being unloaded"
            return f"takes no new requests and goes after its last: {sake}"
        if resident.phase == "away" and self._failure is not None:
            return f"did not start: {self._failure.message}"
        return None

    def borrow(self) -> None:
        self.resident.users += 1
        self._pool.entered()

    def give_back(self) -> None:
        self.resident.users -= 1
        self.resident.used_at = self._pool.now()
        self._pool.left(self)

    async def client(self) -> UpstreamClient:
        """A client for the worker once it is ready, for somebody who has borrowed it. Raises WorkerStartError,
        LoadingError."""
        if not self.resident.is_open:
            await self._wait()
        try:
            upstream = await self.worker.ready()
        except WorkerStartError as error:
            told = self._pool.lost(self, error)
            if told is error:
                raise
            raise told from error
        return await self._client_for(upstream)

    async def successor(self, lost: UpstreamClient) -> UpstreamClient:
        """A client for the next start of a worker that was found dead at `lost`, before its supervisor saw it end.
        Raises HouseClosingError where there will be none, and what `client` raises."""
        if self._pool.keeper.closing:
            raise HouseClosingError()
        deadline = time.monotonic() + NOTICED_WITHIN_S
        while (client := await self.client()) is lost and time.monotonic() < deadline:  # noqa: ASYNC110  # a process ends
            await asyncio.sleep(0.01)
        return client

    async def brought(self) -> None:
        """Wait until it is in memory, for nobody's request. Raises what `client` raises."""
        self.resident.waiters += 1
        try:
            await self._pool.bring(self)
        finally:
            self._stop_waiting()

    async def changed(self) -> None:
        """Wait until something happened to its place."""
        await self._changed.wait()

    def pulse(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def failed(self, error: WorkerStartError, now: float) -> None:
        """Remember a start that failed, so that not every request tries it again; each time for twice as long."""
        self._failure = error
        self._again_at = now + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**self._failures)
        self._failures += 1

    def refused(self, error: WorkerStartError, now: float) -> None:
        """Remember for a moment that it was not even tried: memory, or a setting, may soon be another."""
        self._failure, self._again_at = error, now + REFUSED_PAUSE_S

    def recovered(self) -> None:
        self._failures, self._failure, self.aside = 0, None, None

    def refusal(self, now: float) -> WorkerStartError | None:
        """Why it is not started now, if it is not."""
        return self.aside or (self._failure if now < self._again_at else None)

    async def end(self) -> None:
        """End the worker; on return no process of it is left."""
        try:
            await self.worker.stop()
        finally:
            if self._client is not None:
                client, self._client = self._client, None
                await client.close()

    async def _wait(self) -> None:
        self._pool.let_wait(self)
        self.resident.users -= 1
        self.resident.waiters += 1
        try:
            await self._pool.bring(self)
        finally:
            self.resident.users += 1
            self._stop_waiting()

    def _stop_waiting(self) -> None:
        self.resident.waiters -= 1
        if not self.resident.waiters:
            self._pool.unwanted(self)

    async def _client_for(self, upstream: Upstream) -> UpstreamClient:
        """The client of this start of the worker: a restarted one listens on another socket."""
        client = self._client
        if client is not None and client.upstream == upstream:
            return client
        self._client = UpstreamClient(upstream, self._pool.outgoing)
        if client is not None:
            await client.close()
        return self._client
