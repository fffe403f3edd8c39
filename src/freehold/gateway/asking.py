"""One request's way to its engine, and the two records that it leaves in the house's ledger.

Nothing reaches an engine but through an `Asking`: before the first byte is sent the admission counts, and the outcome
counts before the answer's last byte is given out. What is refused earlier was not admitted and leaves no record; what
fails earlier because its model cannot start was the house's to answer, and leaves both (`record_unstarted`). A worker
that is lost before anybody saw anything of its answer is followed to its next start, once: that is the same request, of
one admission and one outcome.

Without a ledger (a model opened in this process, or `mode = "off"`) it only passes on. Where content is
kept, what is sent is kept before the admission and the answer before the outcome, since those name it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import aiohttp

from freehold.core.errors import EngineError, FreeholdError, KeyRefusedError, LedgerError, WorkerLostError
from freehold.core.ports import Upstream
from freehold.gateway.access.access import Holder, Permit
from freehold.gateway.access.key import Key
from freehold.gateway.access.meter import Meter
from freehold.gateway.admission.ticket import Wish
from freehold.gateway.keeping import Keeping
from freehold.gateway.upstream import NotListeningError, UpstreamClient
from freehold.ledger.content.container import Kept
from freehold.ledger.energy import Mark
from freehold.ledger.ledger import Ledger
from freehold.ledger.record import Asked, Ending, Outcome
from freehold.ledger.usage import UJ_PER_WH


class Caller(Holder, Protocol):
    """Who asks: by which key, the request's id, the route it came by, how it wants to be served, when it came
    (`time.perf_counter`), and whether the client has gone. `asking` is set to its way to an engine once it has one."""

    asking: Asking | None

    @property
    def id(self) -> bytes: ...
    @property
    def route(self) -> str: ...
    @property
    def wish(self) -> Wish: ...
    @property
    def started_at(self) -> float: ...
    @property
    def gone(self) -> bool: ...


Successor = Callable[[UpstreamClient], Awaitable[UpstreamClient]]
"""Gives a client for the next start of the worker that was lost at a client."""
Found = TypeVar("Found")
_PATIENT = Wish(patient=True)


@dataclass(slots=True)
class Local:
    """A caller in this process, who came by no route and needs no key."""

    id: bytes = b"local"
    route: str = "local"
    key: Key | None = None
    is_guest: bool = False
    wish: Wish = _PATIENT
    started_at: float = field(default_factory=time.perf_counter)
    gone: bool = False
    meter: Meter | None = None
    ended: FreeholdError | None = None
    asking: Asking | None = None


class Asking:
    """`client` may be exchanged for the one of the worker's next start. `usage` is what the engine counted, None where
    it has not told; `prompt_tokens` what it said of the prompt before, `pieces` how many pieces of an answer have come,
    `reasons` why each answer ended. `content` keeps what passes, None where nothing is kept. `sent_at` is when the
    engine was first asked (`time.perf_counter`), None until then; `outcome` how it went, None until it has ended. End
    it with `done` or `failed`, once; the permit is closed by whoever asked for it."""

    __slots__ = (
        "_admission",
        "_began",
        "_caller",
        "_endpoint",
        "_followed",
        "_ledger",
        "_successor",
        "client",
        "content",
        "first_at",
        "outcome",
        "permit",
        "pieces",
        "prompt_tokens",
        "reasons",
        "sent_at",
        "usage",
    )

    def __init__(
        self,
        client: UpstreamClient,
        endpoint: str,
        caller: Caller,
        ledger: Ledger | None,
        permit: Permit | None,
        successor: Successor,
        content: Keeping | None = None,
    ) -> None:
        self.client = client
        self.content = content
        self.usage: Mapping[str, Any] | None = None
        self.prompt_tokens: int | None = None
        self.pieces: int | None = None
        self.first_at: float | None = None
        self.reasons: tuple[str, ...] = ()
        self.sent_at: float | None = None
        self.outcome: Outcome | None = None
        self.permit = permit
        self._endpoint = endpoint
        self._caller = caller
        self._ledger = ledger
        self._successor = successor
        self._followed: set[type[WorkerLostError]] = set()
        self._admission = 0
        self._began: Mark | None = None
        caller.asking = self

    @property
    def endpoint(self) -> str:
        return self._endpoint

    @property
    def upstream(self) -> Upstream:
        return self.client.upstream

    async def stream(self, path: str, body: Mapping[str, Any]) -> aiohttp.ClientResponse:
        """As the client's own. Raises LedgerError where the request cannot be recorded; then nothing was sent."""
        await self._admit(path, body)
        return await self._answered(lambda client: client.stream(path, body))

    async def call(self, path: str, body: Mapping[str, Any], *, root: bool = False) -> dict[str, Any]:
        """As the client's own. Raises LedgerError where the request cannot be recorded; then nothing was sent."""
        await self._admit(path, body)
        answer = await self._answered(lambda client: client.call(path, body, root=root))
        if self.content is not None:
            self.content.answered(answer)
        return answer

    async def follow(self, lost: WorkerLostError) -> None:
        """Turn to the next start of the worker that was `lost`; nothing that it said counts. Raises WorkerLostError
        where that was done before, as the request may be what ends it, and where the model is remote, as it may have
        been paid for; and what starting the worker raises."""
        upstream, before = self.client.upstream, type(lost) in self._followed
        if upstream.socket_path is None or (before and isinstance(lost, NotListeningError)):
            raise lost
        if before:
            raise WorkerLostError(
                f"{upstream.model} ended twice over this request.",
                hint="It is not asked a third time: this request may be what ends it. `freehold ps` shows its state.",
                again=True,
            ) from lost
        self._followed.add(type(lost))
        if self.content is not None:
            self.content.begin_anew()
        self.usage = self.prompt_tokens = self.pieces = self.first_at = None
        self.client = await self._successor(self.client)

    async def _answered(self, ask: Callable[[UpstreamClient], Awaitable[Found]]) -> Found:
        """What the engine answers to `ask`, or its next start where it was lost meanwhile."""
        while True:
            try:
                return await ask(self.client)
            except WorkerLostError as lost:
                await self.follow(lost)

    async def done(self) -> None:
        """The answer is whole. Returns once that counts. Raises LedgerError."""
        await self._settle("done", None)
        if self._ledger is not None:
            await self._ledger.durable()

    async def failed(self, error: BaseException | None = None) -> None:
        """There will be no whole answer, because of `error` or because nobody waits for it."""
        # What is told is the error, or nobody: whether or not the disk takes it.
        with contextlib.suppress(LedgerError):
            if not isinstance(error, FreeholdError):
                await self._settle("stopped", self._why(error))
                return
            await self._settle("failed", error.code)
            if self._ledger is not None:
                await self._ledger.durable()

    async def _admit(self, path: str, body: Mapping[str, Any]) -> None:
        if self.content is not None:
            self.content.sent(path, body)
        if self.sent_at is None:
            if self._ledger is not None:
                await self._record(self._ledger, self.content)
            self.sent_at = time.perf_counter()

    async def _record(self, ledger: Ledger, content: Keeping | None) -> None:
        await ledger.require()
        kept = await content.kept() if content is not None else None
        upstream = self.client.upstream
        asked = _asked(self._caller, self._endpoint, upstream.digest, upstream.engine)
        self._admission, self._began = ledger.admit(asked, kept)
        await ledger.durable()

    async def _settle(self, ending: Ending, error: str | None) -> None:
        """Record how it ended; where its content is kept, once that is. Raises LedgerError."""
        outcome = self.outcome = self._outcome(ending, error)
        if self.permit is not None:
            counted = outcome.tokens_out if outcome.tokens_out is not None else self.pieces
            self.permit.tokens = (outcome.tokens_in or 0) + (counted or 0)
        if self._ledger is None or not self._admission:
            return
        if self.content is None:
            self._record_outcome(self._ledger, outcome, None)
        else:
            await self._ledger.to_its_end(self._kept_and_recorded(self._ledger, self.content, outcome))

    async def _kept_and_recorded(self, ledger: Ledger, content: Keeping, outcome: Outcome) -> None:
        try:
            kept = await content.kept()
        except LedgerError as error:
            if outcome.ending == "done":
                outcome = self.outcome = outcome._replace(ending="failed", error=error.code)
            self._record_outcome(ledger, outcome, None)
            raise
        self._record_outcome(ledger, outcome, kept)

    def _record_outcome(self, ledger: Ledger, outcome: Outcome, kept: Kept | None) -> None:
        energy = ledger.settle(self._admission, outcome, self._began, kept)
        if self.permit is not None and energy is not None:
            self.permit.wh = energy.share_uj / UJ_PER_WH

    def _outcome(self, ending: Ending, error: str | None) -> Outcome:
        usage = self.usage or {}
        details = usage.get("prompt_tokens_details")
        started_at, first_at = self._caller.started_at, self.first_at
        return Outcome(
            ending,
            error,
            tokens_in=_count(usage.get("prompt_tokens", self.prompt_tokens)),
            tokens_cached=_count(details.get("cached_tokens")) if isinstance(details, dict) else None,
            tokens_out=_count(usage.get("completion_tokens")),
            pieces=self.pieces,
            first_us=None if first_at is None else round(1e6 * (first_at - started_at)),
            total_us=_since_us(started_at),
        )

    def _why(self, error: BaseException | None) -> str:
        ended = self._caller.ended
        if ended is not None:
            return "key_ended" if isinstance(ended, KeyRefusedError) else ended.code
        if self._caller.gone:
            return "client_gone"
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) or (task is not None and task.cancelling()):
            return "house_closing"
        return "left_early" if error is None else "internal_error"


async def record_unstarted(
    ledger: Ledger, caller: Caller, endpoint: str, digest: str | None, engine: str, error: EngineError
) -> None:
    """Write both records of a request that failed because no engine came to answer it. Where they cannot be written,
    the error is still what the client is told."""
    with contextlib.suppress(LedgerError):
        await ledger.require()
        admission, began = ledger.admit(_asked(caller, endpoint, digest, engine))
        ledger.settle(admission, Outcome("failed", error.code, total_us=_since_us(caller.started_at)), began)
        await ledger.durable()


def _asked(caller: Caller, endpoint: str, digest: str | None, engine: str) -> Asked:
    return Asked(
        request=caller.id.decode(),
        key=caller.key.id if caller.key is not None else None,
        endpoint=endpoint,
        route=caller.route,
        build=digest,
        engine=engine,
        queue_us=_since_us(caller.started_at),
    )


def _since_us(then: float) -> int:
    return round(1e6 * (time.perf_counter() - then))


def _count(value: object) -> int | None:
    """A count as an engine told it; anything that is none is unknown."""
    return value if type(value) is int and 0 <= value < 2**53 else None
