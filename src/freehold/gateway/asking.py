"""One request's way to its engine, and the two records that it leaves in the house's ledger.

Nothing reaches an engine but through an `Asking`: before the first byte is sent the admission counts, and the outcome
counts before the answer's last byte is given out. What is refused earlier was not admitted and leaves no record.
Without a ledger (a model opened in this process, or `mode = "off"`) it only passes on."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp

from freehold.core.errors import FreeholdError, LedgerError
from freehold.core.ports import Upstream
from freehold.gateway.upstream import UpstreamClient
from freehold.ledger.energy import Mark
from freehold.ledger.ledger import Ledger
from freehold.ledger.record import Asked, Ending, Energy, Outcome


class Caller(Protocol):
    """Who asks: the request's id, the route it came by, the key's id, when it came (`time.perf_counter`), and whether
    the client has gone."""

    @property
    def id(self) -> bytes: ...
    @property
    def route(self) -> str: ...
    @property
    def key_id(self) -> str | None: ...
    @property
    def started_at(self) -> float: ...
    @property
    def gone(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Local:
    """A caller in this process, who came by no route."""

    id: bytes = b"local"
    route: str = "local"
    key_id: str | None = None
    started_at: float = 0.0
    gone: bool = False


LOCAL = Local()


class Asking:
    """`client` may be exchanged for the one of the worker's next start. End it with `done` or `failed`, once."""

    __slots__ = ("_admission", "_began", "_caller", "_endpoint", "_ledger", "client", "first_at", "usage")

    def __init__(self, client: UpstreamClient, endpoint: str, caller: Caller, ledger: Ledger | None) -> None:
        self.client = client
        self.usage: Mapping[str, Any] | None = None
        self.first_at: float | None = None
        self._endpoint = endpoint
        self._caller = caller
        self._ledger = ledger
        self._admission = 0
        self._began: Mark | None = None

    @property
    def upstream(self) -> Upstream:
        return self.client.upstream

    async def stream(self, path: str, body: Mapping[str, Any]) -> aiohttp.ClientResponse:
        """As the client's own. Raises LedgerError where the request cannot be recorded; then nothing was sent."""
        await self._admit()
        return await self.client.stream(path, body)

    async def call(self, path: str, body: Mapping[str, Any], *, root: bool = False) -> dict[str, Any]:
        """As the client's own. Raises LedgerError where the request cannot be recorded; then nothing was sent."""
        await self._admit()
        return await self.client.call(path, body, root=root)

    async def done(self) -> None:
        """The answer is whole. Returns once that counts. Raises LedgerError."""
        if self._admission and self._ledger is not None:
            self._settle(self._ledger, "done", None)
            await self._ledger.durable()

    async def failed(self, error: BaseException | None = None) -> None:
        """There will be no whole answer, because of `error` or because nobody waits for it."""
        if not self._admission or self._ledger is None:
            return
        if not isinstance(error, FreeholdError):
            self._settle(self._ledger, "stopped", self._why(error))
            return
        self._settle(self._ledger, "failed", error.code)
        # The error is what the client is told, whether or not the disk takes it.
        with contextlib.suppress(LedgerError):
            await self._ledger.durable()

    async def _admit(self) -> None:
        ledger = self._ledger
        if ledger is None or self._admission:
            return
        await ledger.require()
        caller, upstream = self._caller, self.client.upstream
        asked = Asked(
            request=caller.id.decode(),
            key=caller.key_id,
            endpoint=self._endpoint,
            route=caller.route,
            build=upstream.digest,
            engine=upstream.engine,
            queue_us=_since_us(caller.started_at),
        )
        self._admission, self._began = ledger.admit(asked)
        await ledger.durable()

    def _settle(self, ledger: Ledger, ending: Ending, error: str | None) -> None:
        started_at, first_at = self._caller.started_at, self.first_at
        usage = self.usage or {}
        details = usage.get("prompt_tokens_details")
        first_us = None if first_at is None else round(1e6 * (first_at - started_at))

        def outcome(energy: Energy | None) -> Outcome:
            return Outcome(
                ending,
                error,
                tokens_in=_count(usage.get("prompt_tokens")),
                tokens_cached=_count(details.get("cached_tokens")) if isinstance(details, dict) else None,
                tokens_out=_count(usage.get("completion_tokens")),
                first_us=first_us,
                total_us=_since_us(started_at),
                energy=energy,
            )

        ledger.settle(self._admission, outcome, self._began)

    def _why(self, error: BaseException | None) -> str:
        if self._caller.gone:
            return "client_gone"
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) or (task is not None and task.cancelling()):
            return "house_closing"
        return "left_early" if error is None else "internal_error"


def _since_us(then: float) -> int:
    return round(1e6 * (time.perf_counter() - then))


def _count(value: object) -> int | None:
    """A count as an engine told it; anything that is none is unknown."""
    return value if type(value) is int and 0 <= value < 2**53 else None
