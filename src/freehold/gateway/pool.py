"""The workers that are running, each shared by every endpoint with the same target.

A worker is started by the first request that needs it, however many come at once, and stopped when no endpoint
points at it any more and the last request in flight has let go. So repointing an endpoint drops nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable

from freehold.core.errors import WorkerStartError
from freehold.core.ports import Outgoing, Upstream, Worker, WorkerReport
from freehold.gateway.endpoints import Target
from freehold.gateway.upstream import UpstreamClient

RETRY_AFTER_FAILURE_S = 5.0
NOTICED_WITHIN_S = 5.0
MakeWorker = Callable[[Target], Worker]


class Post:
    """One worker at work: its start, its client, and how many requests hold it. A remote one is reached through
    `outgoing`, where the house has that."""

    def __init__(self, worker: Worker, outgoing: Outgoing | None = None) -> None:
        self.worker = worker
        self._outgoing = outgoing
        self.in_flight = 0
        self.idle = asyncio.Event()
        self.idle.set()
        self.failure: tuple[float, WorkerStartError] | None = None
        self._starting: asyncio.Task[None] | None = None
        self._client: UpstreamClient | None = None

    async def client(self) -> UpstreamClient:
        """A client for the worker once it is ready. Raises WorkerStartError; a failure is remembered for a while,
        so that a build that cannot start is not tried again by every request."""
        if self.failure is not None:
            failed_at, error = self.failure
            if time.monotonic() - failed_at < RETRY_AFTER_FAILURE_S:
                raise error
            self.failure, self._starting = None, None
        try:
            await self._started()
            upstream = await self.worker.ready()
        except WorkerStartError as error:
            self.failure = (time.monotonic(), error)
            raise
        return await self._client_for(upstream)

    async def successor(self, lost: UpstreamClient) -> UpstreamClient:
        """A client for the next start of a worker that was found dead at `lost`, before its supervisor saw it end."""
        deadline = time.monotonic() + NOTICED_WITHIN_S
        while (client := await self.client()) is lost and time.monotonic() < deadline:  # noqa: ASYNC110  # a process ends
            await asyncio.sleep(0.01)
        return client

    async def _started(self) -> None:
        if self._starting is None:
            self._starting = asyncio.create_task(self.worker.start(), name="start worker")
        # A request that is cancelled must not cancel the start that others wait for.
        await asyncio.shield(self._starting)

    async def _client_for(self, upstream: Upstream) -> UpstreamClient:
        """The client of this start of the worker: a restarted one listens on another socket."""
        client = self._client
        if client is not None and client.upstream == upstream:
            return client
        self._client = UpstreamClient(upstream, self._outgoing)
        if client is not None:
            await client.close()
        return self._client

    def borrow(self) -> None:
        self.in_flight += 1
        self.idle.clear()

    def give_back(self) -> None:
        self.in_flight -= 1
        if self.in_flight == 0:
            self.idle.set()

    async def stop(self, *, drain_s: float) -> None:
        """Wait for the requests in flight, at most `drain_s`, then end the worker."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.idle.wait(), drain_s)
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
            await asyncio.wait([self._starting])
        await self.worker.stop()
        if self._client is not None:
            await self._client.close()


class WorkerPool:
    """Posts by target."""

    def __init__(self, make_worker: MakeWorker, *, drain_s: float, outgoing: Outgoing | None = None) -> None:
        self._make_worker = make_worker
        self._outgoing = outgoing
        self._drain_s = drain_s
        self._posts: dict[Target, Post] = {}
        self._retiring: set[asyncio.Task[None]] = set()

    def post(self, target: Target) -> Post:
        post = self._posts.get(target)
        if post is None:
            post = self._posts[target] = Post(self._make_worker(target), self._outgoing)
        return post

    def peek(self, target: Target) -> Post | None:
        return self._posts.get(target)

    def keep_only(self, targets: Iterable[Target]) -> None:
        """Retire every worker that none of `targets` needs, each when its last request has ended."""
        needed = set(targets)
        for target in [target for target in self._posts if target not in needed]:
            post = self._posts.pop(target)
            task = asyncio.create_task(post.stop(drain_s=self._drain_s), name="retire worker")
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    def reports(self) -> tuple[WorkerReport, ...]:
        return tuple(post.worker.report() for post in self._posts.values())

    async def close(self, *, drain_s: float) -> None:
        """Stop everything; on return no process of any worker is left."""
        posts = [*self._posts.values()]
        self._posts.clear()
        await asyncio.gather(*(post.stop(drain_s=drain_s) for post in posts), *self._retiring)
