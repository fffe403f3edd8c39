"""Sends what is measured to the collector, beside the requests and never in their way.

A request that ends leaves one small record. Each TURN_S a thread of its own adds the records up and writes their
spans, in slices, and the event loop brings those to the collector. Everything that waits is bounded: what is beyond the
bounds, or not taken in the end, is dropped and counted. Metrics are whole sums each time, so an outage loses none.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter

from freehold.core.settings import TelemetrySettings
from freehold.server.call import Call
from freehold.server.telemetry import encoding
from freehold.server.telemetry.collector import Collector, Reply
from freehold.server.telemetry.context import context_of
from freehold.server.telemetry.finished import Finished, finished
from freehold.server.telemetry.reach import Reach
from freehold.server.telemetry.series import Series
from freehold.server.telemetry.spans import Span, spans_of

TURN_S = 1.0
SLICE = 256
MOST_RECORDS = 16_384
MOST_SPANS = 16_384
# Before each further try of a message, or longer where the collector says so; after the last one it is dropped.
WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0)
_log = logging.getLogger("freehold.telemetry")


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Message:
    spans: int
    body: bytes


class Exporter:
    """`end` is called for every request; `start` and `close` around the life of the loop. `connect` makes the way to
    the collector, in that loop."""

    def __init__(
        self, settings: TelemetrySettings, connect: Callable[[], Collector], registry: CollectorRegistry
    ) -> None:
        self._settings = settings
        self._connect = connect
        self._series = Series()
        self._encoder = encoding.Encoder(settings.service_name, time.time_ns())
        self._records: deque[Finished] = deque()
        self._messages: deque[_Message] = deque()
        self._spans = 0
        self._unsent = 0
        self._closing, self._more, self._all_written = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._traces, self._metrics = Reach("Traces", settings.otlp), Reach("Metrics", settings.otlp)
        self._sent = Counter("freehold_otlp_spans_sent", "Spans that the collector took.", registry=registry)
        self._dropped = Counter(
            "freehold_otlp_spans_dropped", "Spans that it did not get.", ("reason",), registry=registry
        )
        self._missed = Counter(
            "freehold_otlp_requests_missed", "Requests in no span and no metric: too many at once.", registry=registry
        )
        self._reports = Counter(
            "freehold_otlp_metrics_exports", "Times that metrics were sent.", ("outcome",), registry=registry
        )

    def end(self, call: Call) -> None:
        """Keep what is to be known of `call`, whose answer has ended."""
        record = finished(call)
        if record is None:
            return
        if len(self._records) < MOST_RECORDS:
            self._records.append(record)
        else:
            self._missed.inc()
            self._traces.failed("more requests end than can be written down")

    def start(self) -> None:
        self._collector = self._connect()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="telemetry")
        for work in (self._write(), self._send(), self._report()):
            task = asyncio.create_task(work, name="telemetry")
            task.add_done_callback(_tell_of_bug)
            self._tasks.add(task)

    async def close(self, limit_s: float) -> None:
        """Send what there is, within `limit_s`; the log says what was not. Call it after the last request."""
        if not self._tasks:
            return
        self._closing.set()
        _, late = await asyncio.wait(self._tasks, timeout=limit_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        self._thread.shutdown()
        await self._collector.close()
        if unsent := self._unsent + self._spans:
            _log.warning("%d spans were not sent before the house ended.", unsent)

    async def _write(self) -> None:
        """Every TURN_S, and once more at the end: records become sums and messages."""
        try:
            is_last = False
            while not is_last:
                await self._pause(TURN_S)
                is_last = self._closing.is_set()
                while self._records:
                    records = [self._records.popleft() for _ in range(min(SLICE, len(self._records)))]
                    self._keep(await self._in_thread(partial(self._written, records)))
        finally:
            self._all_written.set()
            self._more.set()

    def _written(self, records: list[Finished]) -> _Message | None:
        spans: list[Span] = []
        for record in records:
            if "metrics" in self._settings.signals:
                self._series.add(record)
            if "traces" in self._settings.signals:
                context = context_of(record.traceparent, self._settings.sample)
                spans += spans_of(record, context) if context.sampled else []
        return _Message(len(spans), self._encoder.traces(spans)) if spans else None

    def _keep(self, message: _Message | None) -> None:
        if message is None:
            return
        if self._spans + message.spans > MOST_SPANS:
            self._drop("queue_full", message.spans, "it takes less than there is")
            return
        self._messages.append(message)
        self._spans += message.spans
        self._more.set()

    async def _send(self) -> None:
        """Messages of spans, one after the other."""
        while True:
            while self._messages:
                reply = await self._delivered(self._messages[0].body)
                self._count(self._messages.popleft(), reply)
            if self._all_written.is_set():
                return
            self._more.clear()
            await self._more.wait()

    async def _delivered(self, body: bytes) -> Reply:
        """The collector's last word on it, after as many tries as it is worth."""
        for wait_s in (*WAITS_S, None):
            reply = await self._collector.send("traces", body)
            if reply.fate == "taken":
                return reply
            self._traces.failed(reply.why)
            if reply.fate == "refused" or wait_s is None or self._closing.is_set():
                break
            await self._pause(max(wait_s, reply.wait_s))
        return reply

    def _count(self, message: _Message, reply: Reply) -> None:
        self._spans -= message.spans
        if reply.fate != "taken":
            self._drop("unreachable" if reply.fate == "later" else "refused", message.spans, reply.why)
            return
        rejected = min(max(encoding.rejected_spans(reply.body), 0), message.spans)
        self._sent.inc(message.spans - rejected)
        if rejected:
            self._drop("refused", rejected, "it did not take all that it was sent")
        else:
            self._traces.works()

    def _drop(self, reason: str, spans: int, why: str) -> None:
        self._dropped.labels(reason).inc(spans)
        self._traces.failed(why, lost=spans)
        if self._closing.is_set():
            self._unsent += spans

    async def _report(self) -> None:
        """Metrics, as often as the settings say and once more at the end."""
        if "metrics" not in self._settings.signals:
            return
        is_last = False
        while not is_last:
            await self._pause(self._settings.metrics_every_s)
            if is_last := self._closing.is_set():
                await self._all_written.wait()
            if self._series.is_empty:
                continue
            body = await self._in_thread(lambda: self._encoder.metrics(self._series, time.time_ns()))
            reply = await self._collector.send("metrics", body)
            is_whole = reply.fate == "taken" and encoding.rejected_points(reply.body) <= 0
            self._reports.labels("taken" if is_whole else "failed").inc()
            if is_whole:
                self._metrics.works()
            else:
                self._metrics.failed(reply.why or "it did not take all that it was sent")

    async def _pause(self, seconds: float) -> None:
        """`seconds`, or until the end begins."""
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _tell_of_bug(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.error("Measurements are not sent any more, by a fault of the house's.", exc_info=task.exception())
