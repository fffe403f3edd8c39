"""The gateway: takes a request in OpenAI's shape to the endpoint it names, and the answer back.

It knows endpoints, workers and engines' answers; it knows no HTTP server and no client's address. The server,
the command line and the Python API all ask here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from freehold.core.builds import HeldBuild
from freehold.core.errors import EngineError, NotFoundError, UnsupportedError, WorkerLostError
from freehold.core.ports import Outgoing, Upstream, WorkerReport
from freehold.core.refs import Reference
from freehold.core.settings import Settings
from freehold.gateway import endpoints, requests, tokens
from freehold.gateway.access.access import Access, Permit
from freehold.gateway.access.key import Verb as Allowed
from freehold.gateway.admission.admission import Admission
from freehold.gateway.admission.line import Standing
from freehold.gateway.asking import Asking, Caller, Local, record_unstarted
from freehold.gateway.assemble import assemble
from freehold.gateway.changes import changes, needs_restart, of_memory
from freehold.gateway.endpoints import EndpointInfo, EndpointTable, Target
from freehold.gateway.exchange import Exchange
from freehold.gateway.held import Held
from freehold.gateway.holding import foreseen, held_back
from freehold.gateway.keeping import keep_ready, keeping
from freehold.gateway.memory.life import Life
from freehold.gateway.memory.stay import preloaded, stays
from freehold.gateway.moving import Mover
from freehold.gateway.pace import Pace
from freehold.gateway.pool import MakeWorker, Occupancy, WorkerPool
from freehold.gateway.sending import adapted, sent
from freehold.gateway.shaping import Verb
from freehold.gateway.tables import Tables
from freehold.ledger.ledger import Ledger

REREAD_S = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer in OpenAI's shape, and who gave it. `digest` is None where nobody can know it."""

    body: dict[str, Any]
    endpoint: str
    engine: str
    digest: str | None


class Gateway:
    """`held` gives the builds of the store, `find` the one a reference names (NotFoundError); `permit` raises
    PolicyError for a build that those settings do not let the house serve. `open_ledger` opens the ledger that every
    request is recorded in; None records nothing. `access` knows the keys of those who ask; None lets everybody.
    `outgoing` is through whom remote models are reached; None reaches them directly."""

    def __init__(
        self,
        settings: Settings,
        *,
        held: Callable[[], tuple[HeldBuild, ...]],
        find: Callable[[Reference], HeldBuild],
        permit: Callable[[HeldBuild, Settings], object],
        make_worker: MakeWorker,
        open_ledger: Callable[[], Awaitable[Ledger]] | None = None,
        access: Access | None = None,
        outgoing: Outgoing | None = None,
    ) -> None:
        self._settings = settings
        self._tables = Tables(held, find, permit, make_worker)
        self._open_ledger = open_ledger
        self._access = access
        self.ledger: Ledger | None = None
        self._pool = WorkerPool(make_worker, settings.memory, outgoing=outgoing)
        self._mover = Mover(self._pool)
        self._admission = Admission(settings.admission)
        self._pace = Pace()
        self._table = EndpointTable({})
        self._reloading = asyncio.Lock()
        self._created = int(time.time())
        self._read_at = 0.0

    async def start(self) -> None:
        """Read the endpoints, open the ledger and begin to load what is to be loaded at once. Raises SettingsError
        where one names nothing held or has wrong options, LedgerError."""
        self._table = self._tables.read(self._settings)
        if self._open_ledger is not None:
            self.ledger = await self._open_ledger()
            await keep_ready(self.ledger, self._table.keeps)
            self.ledger.retention.begin(lambda: self._table.keeps)
        self._pool.settle(self._settings.memory, stays(self._table, self._settings.memory))
        self._mover.bring_soon(*preloaded(self._table))

    async def close(self, *, drain_s: float | None = None) -> None:
        """Wait for requests in flight, at most `drain_s`, then stop every worker."""
        async with AsyncExitStack() as closing:  # each is closed, whatever becomes of those before
            closing.push_async_callback(self._close_ledger)
            closing.push_async_callback(self._mover.close)
            await self._pool.close(drain_s=self._settings.server.drain_s if drain_s is None else drain_s)

    async def _close_ledger(self) -> None:
        if self.ledger is not None:
            ledger, self.ledger = self.ledger, None
            await ledger.close()

    async def reload(self, settings: Settings) -> tuple[str, ...]:
        """Put `settings` in force: new workers are ready before an endpoint is repointed where memory holds both,
        requests in flight end where they began. On any error nothing has changed. Gives one line per change."""
        async with self._reloading:
            table = self._tables.read(settings)
            await keep_ready(self.ledger, table.keeps)
            changed = changes(self._table, table)
            more = [target for target in preloaded(table) if target not in preloaded(self._table)]
            async with self._mover.moved(self._table, table, filter(self._is_running, changed.repointed)):
                memory = of_memory(self._settings.memory, settings.memory)
                lines = (*changed.lines, *memory, *needs_restart(self._settings, settings))
                self._table, self._settings = table, settings
                self._pool.keep_only(table.targets.values())
                self._pool.settle(settings.memory, stays(table, settings.memory))
                self._admission.use(settings.admission, table.targets.values())
            self._mover.bring_soon(*more)
            return lines

    @property
    def settings(self) -> Settings:
        """The settings in force: those of the start, or of the last reload."""
        return self._settings

    def endpoints(self) -> tuple[EndpointInfo, ...]:
        self._look_again()
        return tuple(self._info(name, target) for name, target in self._table.targets.items())

    async def ready(self, name: str) -> EndpointInfo:
        """Wait until the worker of endpoint `name` answers. Raises NotFoundError, WorkerStartError."""
        async with self._asking("tokens", {"model": name}, None) as (own, _):
            return self._info(own, self._table.targets[own])

    def workers(self) -> tuple[WorkerReport, ...]:
        return self._pool.reports()

    def answering(self) -> dict[str, WorkerReport]:
        """The worker of each endpoint; one that nobody has asked yet has none."""
        found = ((name, self._pool.report_of(target)) for name, target in self._table.targets.items())
        return {name: report for name, report in found if report is not None}

    def lines(self) -> dict[str, Standing]:
        """Who is at work and who waits, by endpoint; those that share a worker share its line. An endpoint that nobody
        has asked yet has none."""
        found = ((name, self._admission.standing(target)) for name, target in self._table.targets.items())
        return {name: standing for name, standing in found if standing is not None}

    @property
    def life(self) -> Life:
        """What happened to the workers."""
        return self._pool.keeper.life

    def memory(self) -> Occupancy:
        return self._pool.occupancy()

    async def load(self, name: str) -> EndpointInfo:
        """Bring the model of endpoint `name` into memory, also one that failed or was set aside. Raises NotFoundError,
        WorkerStartError, LoadingError."""
        own, target = self._endpoint(name)
        post = self._pool.post(target)
        post.recovered()
        await post.brought()
        return self._info(own, target)

    async def unload(self, name: str) -> EndpointInfo:
        """End the model of endpoint `name` once its last request has ended. Raises NotFoundError."""
        own, target = self._endpoint(name)
        if (post := self._pool.peek(target)) is not None:
            await self._pool.unload(post)
        return self._info(own, target)

    async def open(self, verb: Verb, body: Mapping[str, Any], caller: Caller | None = None) -> Exchange:
        """Send `body` to the endpoint it names and give its stream, once the engine has taken the work.

        Raises NotFoundError, RequestError, ContextLengthError, UnsupportedError, UpstreamError, WorkerStartError,
        WorkerLostError, LedgerError, BusyError, DeadlineError. The caller closes the Exchange, whatever happens.
        """
        caller = caller or Local()
        name, target = await self._reached(body)
        post = self._pool.post(target)
        with Held(post, self._enter(caller, verb, name, foreseen(post, verb, body))) as held:
            asking = await self._way(held, target, name, caller, requests.width(body, verb))
            try:
                response, tools = await sent(asking, verb, body)
            except BaseException as error:
                await asking.failed(error)
                raise
            held.keep()
        seen = requests.wanted(body, verb, name)
        resend = partial(sent, asking, verb, body)
        return Exchange(asking, response, seen, self._pace, resend=resend, tools=tools, on_close=held.let_go)

    async def answer(self, verb: Verb, body: Mapping[str, Any], caller: Caller | None = None) -> Answer:
        """The whole answer to `body`; cancelling the call stops the generation. Raises what `open` raises."""
        exchange = await self.open(verb, {**body, "stream": False}, caller)
        try:
            whole = await _whole(exchange, chat=verb == "chat")
        finally:
            await exchange.aclose()
        return Answer(whole, exchange.endpoint, exchange.engine, exchange.digest)

    async def embed(self, body: Mapping[str, Any], caller: Caller | None = None) -> Answer:
        """Embeddings of `input`, in its order, as the endpoint's engine normalizes them."""
        async with self._asking("embed", body, caller) as (name, asking):
            upstream = asking.upstream
            if not upstream.capabilities.embeddings:
                raise UnsupportedError(f"{name} gives no embeddings.", param="model")
            if body.get("dimensions") is not None and upstream.socket_path is not None:
                raise UnsupportedError("`dimensions` is not supported by this endpoint.", param="dimensions")
            out = await held_back(asking, "embed", {**body, "model": upstream.model})
            whole = await asking.call("/embeddings", out)
            asking.usage = whole["usage"] if isinstance(whole.get("usage"), dict) else None
            return _named(whole, name, upstream)

    async def tokenize(self, body: Mapping[str, Any], caller: Caller | None = None) -> Answer:
        """Token ids of `prompt` or of `messages` under the chat template: `tokens`, `count`, `max_model_len`."""
        async with self._asking("tokens", body, caller) as (name, asking):
            return _named(await tokens.tokenize(asking, body), name, asking.upstream)

    async def detokenize(self, body: Mapping[str, Any], caller: Caller | None = None) -> Answer:
        """The text of `tokens`, as `prompt`."""
        async with self._asking("tokens", body, caller) as (name, asking):
            return _named(await tokens.detokenize(asking, body), name, asking.upstream)

    async def count_tokens(self, body: Mapping[str, Any], caller: Caller | None = None) -> int:
        """How many tokens the chat request `body` has as its prompt, tools and template included: counted by the
        engine, never estimated. Raises UnsupportedError where the engine cannot count."""
        async with self._asking("tokens", body, caller) as (_, asking):
            whole, _ = adapted(body, "chat", asking.upstream)
            return len(await tokens.of_messages(asking, whole))

    @asynccontextmanager
    async def _asking(
        self, verb: Allowed, body: Mapping[str, Any], caller: Caller | None
    ) -> AsyncIterator[tuple[str, Asking]]:
        """A way to the endpoint that `body` names, for whole answers. What reached the engine is recorded."""
        caller = caller or Local()
        name, target = await self._reached(body)
        post = self._pool.post(target)
        with Held(post, self._enter(caller, verb, name, None)) as held:
            asking = await self._way(held, target, name, caller, requests.width(body, verb))
            try:
                yield name, asking
            except BaseException as error:
                await asking.failed(error)
                raise
            await asking.done()

    async def _way(self, held: Held, target: Target, name: str, caller: Caller, width: int) -> Asking:
        """The request's way to the engine of endpoint `name`, once its turn has come. That none came to answer it is on
        record as well."""
        try:
            client = await self._admission.client(held, target, name, caller, width)
        except EngineError as error:
            if self.ledger is not None:
                digest = target.build.digest if target.build else None
                engine = held.post.worker.report().engine
                await record_unstarted(self.ledger, caller, name, digest, engine, error)
            raise
        content = keeping(self.ledger, self._table.keeps, name)
        return Asking(client, name, caller, self.ledger, held.permit, held.post.successor, content)

    def _enter(self, caller: Caller, verb: Allowed, endpoint: str, most_tokens: int | None) -> Permit | None:
        return self._access.enter(caller, verb, endpoint, most_tokens) if self._access is not None else None

    async def _reached(self, body: Mapping[str, Any]) -> tuple[str, Target]:
        """The endpoint that `body` names. One that is being moved is waited for."""
        name, target = self._endpoint(requests.endpoint_name(body))
        if self._mover.is_shut(name):
            await self._mover.passed(name)
            name, target = self._endpoint(name)
        return name, target

    def _endpoint(self, name: str) -> tuple[str, Target]:
        try:
            return self._table.find(name)
        except NotFoundError:
            if not self._look_again():
                raise
        return self._table.find(name)

    def _look_again(self) -> bool:
        """Where no endpoints are configured, a build pulled a moment ago is one: read the store anew, but not more
        often than every REREAD_S, whatever clients ask for."""
        now = time.monotonic()
        if self._settings.endpoints is not None or now - self._read_at < REREAD_S:
            return False
        self._read_at = now
        self._table = self._tables.read(self._settings)
        return True

    def _is_running(self, name: str) -> bool:
        post = self._pool.peek(self._table.targets[name])
        return post is not None and post.resident.phase != "away"

    def _info(self, name: str, target: Target) -> EndpointInfo:
        post = self._pool.peek(target)
        running = post is not None and post.worker.state == "ready"
        upstream = post.worker.upstream if post is not None and running else None
        return EndpointInfo(
            name=name,
            target=target.reference,
            kind=target.kind,
            build=target.build.name if target.build else None,
            digest=target.build.digest if target.build else None,
            context_tokens=upstream.context_tokens if upstream else None,
            state=post.state if post else "stopped",
            capabilities=endpoints.offered(upstream.capabilities) if upstream else None,
            created=self._created,
            license=target.build.license if target.build else None,
            size_bytes=target.build.size_bytes if target.build else None,
            chat=endpoints.chats(target, upstream.capabilities if upstream else None),
            note=self._mover.note(name) or (post.note if post else None),
        )


async def _whole(exchange: Exchange, *, chat: bool) -> dict[str, Any]:
    """All of it; nobody has seen a part, so that a worker that was lost half-way is followed to its next start."""
    while True:
        try:
            return await assemble(exchange, chat=chat)
        except WorkerLostError as lost:
            await exchange.again(lost)


def _named(body: dict[str, Any], endpoint: str, upstream: Upstream) -> Answer:
    return Answer({**body, "model": endpoint}, endpoint, upstream.engine, upstream.digest)
