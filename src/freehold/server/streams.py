"""Writes a streamed answer as server-sent events, in the dialect the client speaks.

One write gives what has arrived: one event, or several where the house is busier than the engine. Nothing is buffered:
a write waits while the client takes nothing, which stops the reading from the engine, so memory stays bounded. However
a stream ends, the exchange with the engine is closed first, and the client is told: by the dialect's own last event, or
by its error event.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Protocol

from pydantic_core import to_json

from freehold.core.errors import FreeholdError, HouseClosingError
from freehold.gateway.exchange import Exchange
from freehold.gateway.translate.event import Event
from freehold.server.call import Call, Header
from freehold.server.errors import InternalError, openai_body
from freehold.server.watch import ClientWatch

_HEADERS: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),
)
_log = logging.getLogger("freehold.server")


class Frames(Protocol):
    """A dialect's bytes for each chunk, for the end, and for a failure."""

    def feed(self, chunk: dict[str, Any]) -> bytes: ...

    def end(self) -> bytes: ...

    def fail(self, error: FreeholdError) -> bytes: ...


class OpenAIFrames:
    """Chat and text completions: data only, `[DONE]` after a whole answer and never after a broken one."""

    def feed(self, chunk: dict[str, Any]) -> bytes:
        return b"data: " + to_json(chunk, inf_nan_mode="null") + b"\n\n"

    def end(self) -> bytes:
        return b"data: [DONE]\n\n"

    def fail(self, error: FreeholdError) -> bytes:
        return self.feed(openai_body(error))


class EventStream(Protocol):
    """A translator's stream: chunks in, the dialect's events out."""

    def feed(self, chunk: dict[str, Any]) -> list[Event]: ...

    def end(self) -> list[Event]: ...

    def fail(self, error: FreeholdError) -> list[Event]: ...


class EventFrames:
    """Messages and Responses: named events."""

    def __init__(self, events: EventStream) -> None:
        self._events = events

    def feed(self, chunk: dict[str, Any]) -> bytes:
        return _framed(self._events.feed(chunk))

    def end(self) -> bytes:
        return _framed(self._events.end())

    def fail(self, error: FreeholdError) -> bytes:
        return _framed(self._events.fail(error))


async def stream(call: Call, exchange: Exchange, frames: Frames, watch: ClientWatch) -> None:
    """Relay `exchange` to the client until it ends, breaks, or the client is gone. Closes the exchange."""
    call.endpoint, call.digest = exchange.endpoint, exchange.digest
    try:
        last = await _relay(call, exchange, frames, watch)
    finally:
        call.usage = exchange.usage
        failure = await _closed(exchange)
    if failure is not None:
        call.broken = failure.code
        last = frames.fail(failure)
    await call.write(last, more=False)


async def _closed(exchange: Exchange) -> FreeholdError | None:
    """Close the exchange; the error where its outcome cannot be recorded, without which no answer is whole."""
    try:
        await exchange.aclose()
    except FreeholdError as error:
        return error
    return None


async def _relay(call: Call, exchange: Exchange, frames: Frames, watch: ClientWatch) -> bytes:
    """Everything but the last bytes, which it gives."""
    try:
        await call.begin(200, _HEADERS)
        async for chunk in exchange:
            if call.first_token_at is None:
                call.first_token_at = time.perf_counter()
            piece = frames.feed(chunk)
            for also in exchange.arrived():
                piece += frames.feed(also)
            if piece:
                await call.write(piece)
        return frames.end()
    except FreeholdError as error:
        call.broken = error.code
        return frames.fail(error)
    except asyncio.CancelledError:
        if watch.gone:
            raise
        if call.ended is not None:
            call.broken = call.ended.code
            return frames.fail(call.ended)
        call.broken = HouseClosingError.code
        return frames.fail(HouseClosingError())
    except Exception:
        call.broken = InternalError.code
        _log.exception("request %s: the stream failed", call.id.decode())
        return frames.fail(InternalError(call.id))


def _framed(events: list[Event]) -> bytes:
    lines = ((event.name.encode(), to_json(event.data, inf_nan_mode="null")) for event in events)
    return b"".join(b"event: %b\ndata: %b\n\n" % line for line in lines)
