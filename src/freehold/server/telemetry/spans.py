"""The spans of a finished request: the house's own, and the engine's part below it. Pure but for new span ids.

Counts of tokens stand on the engine's span alone, which is where the conventions put them: a backend that adds up spans
counts each token once. The house's own span is HTTP's, with what was asked and how it ended.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from freehold.server.telemetry.context import Context, new_id
from freehold.server.telemetry.conventions import (
    CLIENT,
    HOUSE,
    METHODS,
    OPERATIONS,
    OTHER,
    SERVER,
    provider,
    where,
)
from freehold.server.telemetry.finished import EngineCall, Finished

Value = str | int | float | tuple[str, ...]
Named = tuple[tuple[str, Value], ...]
# OTLP's `SpanFlags`: sampled; whether the parent is remote is known; and it is.
_SAMPLED, _KNOWN, _REMOTE = 0x001, 0x100, 0x200


class Span(NamedTuple):
    """`common` are attributes that many spans share, put together once for all of them; `own` are this one's."""

    name: str
    kind: int
    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    flags: int
    start_ns: int
    end_ns: int
    common: Named
    own: Named
    is_error: bool


def spans_of(request: Finished, context: Context) -> list[Span]:
    """One span, or two where an engine was asked."""
    start_ns = request.ended_ns - round(request.duration_s * 1e9)
    method = request.method if request.method in METHODS else OTHER
    own = Span(
        f"{method} {request.path}",
        SERVER,
        context.trace_id,
        new_id(8),
        context.parent_id,
        _SAMPLED | _KNOWN | (_REMOTE if context.parent_id else 0),
        start_ns,
        request.ended_ns,
        _of_house(
            method, request.scheme, request.path, request.status, request.server, request.endpoint, request.error
        ),
        (("freehold.request.id", request.request.decode()),),
        request.status >= 500 or request.is_broken,
    )
    return [own] if request.engine is None else [own, _below(own, request, request.engine)]


def given(pairs: dict[str, Value | None]) -> Named:
    """Those of `pairs` that are known."""
    return tuple((name, value) for name, value in pairs.items() if value is not None)


def _below(own: Span, request: Finished, engine: EngineCall) -> Span:
    operation, upstream = OPERATIONS[request.path], engine.upstream
    place = where(upstream)
    first_s = None if engine.first_s is None else engine.first_s - engine.sent_s
    counted: dict[str, Value | None] = {
        "gen_ai.response.finish_reasons": engine.reasons or None,
        "gen_ai.response.time_to_first_chunk": first_s,
        "gen_ai.usage.input_tokens": engine.tokens_in,
        "gen_ai.usage.cache_read.input_tokens": engine.tokens_cached,
        "gen_ai.usage.output_tokens": engine.tokens_out,
    }
    return Span(
        f"{operation} {request.endpoint}" if request.endpoint is not None else operation,
        CLIENT,
        own.trace_id,
        new_id(8),
        own.span_id,
        _SAMPLED | _KNOWN,
        own.start_ns + round(engine.sent_s * 1e9),
        own.start_ns + round(engine.ended_s * 1e9),
        _of_engine(
            operation,
            provider(upstream),
            request.endpoint,
            upstream.model,
            upstream.digest,
            engine.error,
            place,
        ),
        given(counted),
        engine.ending == "failed",
    )


@functools.lru_cache(maxsize=1024)
def _of_house(
    method: str,
    scheme: str,
    path: str,
    status: int,
    server: tuple[str, int | None] | None,
    endpoint: str | None,
    error: str | None,
) -> Named:
    address, port = server or (None, None)
    return given(
        {
            "http.request.method": method,
            "http.route": path,
            "http.response.status_code": status or None,
            "url.path": path,
            "url.scheme": scheme,
            "server.address": address if port is not None else None,
            "server.port": port,
            "gen_ai.operation.name": OPERATIONS[path],
            "gen_ai.provider.name": HOUSE,
            "gen_ai.request.model": endpoint,
            "error.type": error,
        }
    )


@functools.lru_cache(maxsize=1024)
def _of_engine(
    operation: str,
    whose: str,
    endpoint: str | None,
    model: str,
    digest: str | None,
    error: str | None,
    place: tuple[str, int] | None,
) -> Named:
    address, port = place or (None, None)
    return given(
        {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": whose,
            "gen_ai.request.model": endpoint,
            "gen_ai.response.model": model,
            "freehold.build.digest": digest,
            "error.type": error,
            "server.address": address,
            "server.port": port,
        }
    )
