"""Histograms of what is measured, added up since the house started. One thread at a time.

They grow with the endpoints and the codes of errors, which are few; beyond MOST_SERIES of an instrument the rest is one
series with the attribute that OpenTelemetry's metrics SDK has for that.
"""

from __future__ import annotations

import functools
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from freehold.server.telemetry.conventions import (
    HOUSE,
    OPERATION_DURATION,
    OPERATIONS,
    REQUEST_DURATION,
    TIME_PER_OUTPUT_TOKEN,
    TIME_TO_FIRST_TOKEN,
    TOKEN_USAGE,
    Instrument,
    provider,
    where,
)
from freehold.server.telemetry.finished import EngineCall, Finished
from freehold.server.telemetry.spans import Named, given

MOST_SERIES = 2000  # the metrics SDK's own default
_OVERFLOW: Named = (("otel.metric.overflow", True),)


class Histogram:
    """`buckets` has one count more than there are bounds: what is above the last."""

    __slots__ = ("buckets", "count", "highest", "lowest", "sum")

    def __init__(self, bounds: int) -> None:
        self.buckets = [0] * (bounds + 1)
        self.count = 0
        self.sum = 0.0
        self.lowest = float("inf")
        self.highest = float("-inf")


class Series:
    """`add` what has finished; iterate it for what there is."""

    def __init__(self) -> None:
        self._found: dict[Instrument, dict[Named, Histogram]] = {}

    @property
    def is_empty(self) -> bool:
        return not self._found

    def __iter__(self) -> Iterator[tuple[Instrument, Mapping[Named, Histogram]]]:
        return iter(self._found.items())

    def add(self, request: Finished) -> None:
        operation, engine = OPERATIONS[request.path], request.engine
        model = engine.upstream.model if engine is not None else None
        house = _of_house(operation, request.endpoint, model, request.error)
        self._observe(REQUEST_DURATION, house, request.duration_s)
        if engine is None:
            return
        self._add_engine(operation, request.endpoint, engine)
        if request.error is None and engine.first_s is not None:
            self._observe(TIME_TO_FIRST_TOKEN, house, engine.first_s)
            if engine.tokens_out is not None and engine.tokens_out > 1:
                rest_s = request.duration_s - engine.first_s
                self._observe(TIME_PER_OUTPUT_TOKEN, house, rest_s / (engine.tokens_out - 1))

    def _add_engine(self, operation: str, endpoint: str | None, engine: EngineCall) -> None:
        upstream = engine.upstream
        named = _of_engine(operation, endpoint, upstream.model, provider(upstream), where(upstream), engine.error)
        self._observe(OPERATION_DURATION, named.call, engine.ended_s - engine.sent_s)
        if engine.tokens_in is not None:
            self._observe(TOKEN_USAGE, named.tokens_in, engine.tokens_in)
        if engine.tokens_out is not None:
            self._observe(TOKEN_USAGE, named.tokens_out, engine.tokens_out)

    def _observe(self, instrument: Instrument, named: Named, value: float) -> None:
        series = self._found.setdefault(instrument, {})
        found = series.get(named)
        if found is None:
            named = named if len(series) < MOST_SERIES else _OVERFLOW
            found = series.setdefault(named, Histogram(len(instrument.bounds)))
        found.buckets[bisect_left(instrument.bounds, value)] += 1
        found.count += 1
        found.sum += value
        found.lowest = min(found.lowest, value)
        found.highest = max(found.highest, value)


class _OfEngine(NamedTuple):
    call: Named
    tokens_in: Named
    tokens_out: Named


@functools.lru_cache(maxsize=1024)
def _of_house(operation: str, endpoint: str | None, model: str | None, error: str | None) -> Named:
    return given(
        {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": HOUSE,
            "gen_ai.request.model": endpoint,
            "gen_ai.response.model": model,
            "error.type": error,
        }
    )


@functools.lru_cache(maxsize=1024)
def _of_engine(
    operation: str, endpoint: str | None, model: str, whose: str, place: tuple[str, int] | None, error: str | None
) -> _OfEngine:
    address, port = place or (None, None)
    common = given(
        {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": whose,
            "gen_ai.request.model": endpoint,
            "gen_ai.response.model": model,
            "server.address": address,
            "server.port": port,
        }
    )
    return _OfEngine(
        (*common, *given({"error.type": error})),
        (*common, ("gen_ai.token.type", "input")),
        (*common, ("gen_ai.token.type", "output")),
    )
