"""One streamed answer on its way from an engine to a client.

Every answer is streamed from the engine, also for clients that asked for it whole: a streaming engine notices a
client that has gone (0.1 to 1 s), a non-streaming one works on for nobody (25 s, llama.cpp #24496). What is changed on
the way is in `shaping`. This is the hottest loop of the house, so it is one class and no chain of generators.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Self

import aiohttp
from pydantic_core import from_json

from freehold.core.errors import FreeholdError, WorkerLostError
from freehold.gateway.asking import Asking
from freehold.gateway.engine_shape import check_chunk, not_an_answer
from freehold.gateway.pace import Pace
from freehold.gateway.refusals import event_refusal
from freehold.gateway.shaping import ChunkFilter, Shaper, Wanted
from freehold.gateway.sse import DONE, EventReader
from freehold.gateway.upstream import lost as lost_at
from freehold.gateway.upstream import next_piece

# With its quotes it can only be a key: inside a JSON string the second quote would be escaped.
_PROGRESS = b'"prompt_progress":'


Resend = Callable[[], Awaitable[tuple[aiohttp.ClientResponse, ChunkFilter | None]]]


class Exchange:
    """Iterate it for OpenAI stream chunks; close it and the generation stops. `resend` sends the request anew where its
    worker was lost before the first of them had come.

    `usage` and `timings` are the engine's own, filled in when its last chunk has come; None until then and where
    the engine does not tell. `finished` is True once the engine said that the answer is whole. Iterating raises
    WorkerLostError, UpstreamError or EngineError after the last chunk that was good.
    """

    def __init__(
        self,
        asking: Asking,
        response: aiohttp.ClientResponse,
        wanted: Wanted,
        pace: Pace,
        *,
        resend: Resend,
        tools: ChunkFilter | None = None,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self.endpoint = wanted.endpoint
        self._asking = asking
        self._wanted = wanted
        self._resend = resend
        self._hides_progress = not wanted.progress
        self._on_close = on_close
        self._closed = False
        self._pace = pace
        pace.begin()
        self._begin(response, tools)

    def _begin(self, response: aiohttp.ClientResponse, tools: ChunkFilter | None) -> None:
        self._upstream = upstream = self._asking.upstream
        self.engine = upstream.engine
        self.digest = upstream.digest
        self._response = response
        self._shaper = Shaper(self._wanted, tools, upstream.fingerprint)
        self._events = EventReader()
        self._ready: deque[dict[str, Any]] = deque()
        self._ended = False
        self._failure: FreeholdError | None = None
        self._progress = b""

    @property
    def usage(self) -> dict[str, Any] | None:
        return self._shaper.usage

    @property
    def timings(self) -> dict[str, Any] | None:
        return self._shaper.timings

    @property
    def finished(self) -> bool:
        return self._shaper.finished

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> dict[str, Any]:
        while not self._ready:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                raise StopAsyncIteration
            try:
                rest_s = self._pace.rest_s if self._asking.first_at is not None else 0.0
                self._take(await next_piece(self._response, self._upstream, rest_s))
            except WorkerLostError as lost:
                if self._asking.first_at is None:
                    await self.again(lost)
                else:
                    self._failure = lost
            except FreeholdError as error:
                self._failure = error
        return self._ready.popleft()

    def arrived(self) -> Iterator[dict[str, Any]]:
        """The chunks that are there already, without waiting for more."""
        while self._ready:
            yield self._ready.popleft()

    async def again(self, lost: WorkerLostError) -> None:
        """Begin anew with the worker's next start, for a client that has seen nothing: no chunk that was given so far
        counts. Raises as `Asking.follow`, and what sending raises."""
        self._failure = None
        self._response.close()
        try:
            await self._asking.follow(lost)
            response, tools = await self._resend()
        except FreeholdError as error:
            self._failure = error
            raise
        if self._closed:  # by another task, meanwhile
            response.close()
            raise lost
        self._begin(response, tools)

    async def aclose(self) -> None:
        """Let go of the engine; a generation under way stops. Returns once the outcome is recorded, so give out the
        last of the answer after it. Raises LedgerError where that cannot be. Calling it twice is fine."""
        if self._closed:
            return
        self._closed = True
        self._ended = True
        self._pace.end()
        self._response.close()
        self._asking.usage = self.usage
        self._asking.reasons = tuple(self._shaper.reasons.values())
        if self._progress and self.usage is None:
            self._asking.prompt_tokens = _prompt_tokens(self._progress)
        try:
            await (self._asking.done() if self.finished and not self._failure else self._asking.failed(self._failure))
        finally:
            self._on_close()

    def _take(self, piece: bytes) -> None:
        """Make chunks of what has arrived; an empty piece is the end of the connection."""
        if not piece:
            self._end()
            return
        for data in self._events.feed(piece):
            if data == DONE:
                if not self._shaper.begun:
                    raise not_an_answer(self._upstream, "ended its answer before it had begun")
                self._shaper.finished = True
                self._end()
                return
            if _PROGRESS in data:
                self._progress = data
                if self._hides_progress:
                    continue
            asking = self._asking
            if asking.first_at is None:
                asking.first_at, asking.pieces = time.perf_counter(), 0
            asking.pieces += 1  # type: ignore[operator]  # a number since the first
            if asking.content is not None:
                asking.content.event(data)
            self._ready.extend(self._shaper.feed(self._parsed(data)))

    def _end(self) -> None:
        self._ended = True
        self._ready.extend(self._shaper.end())
        if not self.finished:
            raise lost_at(self._upstream)

    def _parsed(self, data: bytes) -> dict[str, Any]:
        try:
            chunk = from_json(data, allow_inf_nan=False)
        except ValueError as error:
            raise not_an_answer(self._upstream, "sent an event that is not JSON") from error
        if not isinstance(chunk, dict):
            raise not_an_answer(self._upstream, "sent an event that is not an object")
        if chunk.get("error") is not None:
            raise event_refusal(self._upstream, chunk["error"])
        check_chunk(chunk, self._upstream, self._wanted.choices)
        return chunk


def _prompt_tokens(event: bytes) -> int | None:
    """The length of the prompt, as the engine told it while it read it."""
    try:
        return from_json(event)["prompt_progress"]["total"]  # type: ignore[no-any-return]  # looked at by who counts
    except (ValueError, KeyError, TypeError):
        return None
