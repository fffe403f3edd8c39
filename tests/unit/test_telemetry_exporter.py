"""The queue before a collector: its bounds, its words in the log, and that a fault in it is nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from freehold.core.telemetry_settings import TelemetrySettings
from freehold.server.call import Call
from freehold.server.telemetry import exporter as module
from freehold.server.telemetry.collector import Collector
from freehold.server.telemetry.exporter import Exporter
from freehold.server.telemetry.reach import Reach
from tests.processes import until
from tests.servers.collector import LocalCollector, local_collector


@pytest.fixture
def collector() -> Iterator[LocalCollector]:
    with local_collector() as running:
        yield running


def ended(path: str = "/v1/chat/completions", request: bytes = b"r") -> Call:
    """A call that was refused before it reached an engine: one span."""

    async def nothing(*_: Any) -> Any:
        raise AssertionError("its answer has ended")

    scope = {"method": "POST", "path": path, "headers": [], "scheme": "http", "server": ("127.0.0.1", 8300)}
    call = Call(scope, nothing, nothing)
    call.id, call.status, call.refused = request, 404, "not_found"
    return call


def exporter_to(collector: LocalCollector, registry: CollectorRegistry) -> Exporter:
    return Exporter(TelemetrySettings(collector.url), lambda: Collector(collector.url, {}, None), registry)


async def test_beyond_what_may_wait_spans_are_dropped_and_counted(
    collector: LocalCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLICE", 2)
    monkeypatch.setattr(module, "MOST_SPANS", 4)
    registry = CollectorRegistry()
    exporter = exporter_to(collector, registry)
    collector.open.clear()
    for _ in range(10):
        exporter.end(ended())
    exporter.start()
    dropped = "freehold_otlp_spans_dropped_total"
    await until(lambda: registry.get_sample_value(dropped, {"reason": "queue_full"}) == 6)
    collector.open.set()
    await exporter.close(60)
    assert registry.get_sample_value("freehold_otlp_spans_sent_total") == len(collector.spans()) == 4
    (whole,) = collector.points("gen_ai.server.request.duration")
    assert whole.count == 10, "metrics have all of them"


async def test_beyond_what_can_be_written_down_requests_are_counted_as_missed(
    collector: LocalCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_RECORDS", 3)
    registry = CollectorRegistry()
    exporter = exporter_to(collector, registry)
    for _ in range(5):
        exporter.end(ended())
    assert registry.get_sample_value("freehold_otlp_requests_missed_total") == 2
    exporter.start()
    await exporter.close(60)
    assert len(collector.spans()) == 3


async def test_what_asks_no_model_leaves_nothing(collector: LocalCollector) -> None:
    exporter = exporter_to(collector, CollectorRegistry())
    for path in ("/health", "/v1/models", "/metrics", "/"):
        exporter.end(ended(path))
    exporter.start()
    await exporter.close(60)
    assert collector.sent == []


async def test_a_fault_of_ours_is_said_and_ends_the_sending_alone(
    collector: LocalCollector, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = exporter_to(collector, CollectorRegistry())
    exporter.end(ended(request=b"\xff"))  # no id that the door lets in
    exporter.start()
    await exporter.close(60)
    exporter.end(ended())
    (line,) = [record for record in caplog.records if record.exc_info]
    assert line.getMessage() == "Measurements are not sent any more, by a fault of the house's."


async def test_one_that_never_began_is_closed_at_once(collector: LocalCollector) -> None:
    await exporter_to(collector, CollectorRegistry()).close(60)
    assert collector.sent == []


def test_an_outage_is_two_lines_however_long_it_is(caplog: pytest.LogCaptureFixture) -> None:
    reach = Reach("Traces", "http://c:4318")
    reach.works()
    for _ in range(100):
        reach.failed("no answer in time", lost=2)
    reach.works()
    reach.works()
    assert [record.getMessage() for record in caplog.records] == [
        "Traces do not all reach http://c:4318: no answer in time. Requests do not wait for that. Lost so far: 2.",
        "Traces reach http://c:4318 again. Lost so far: 200.",
    ]


@pytest.mark.parametrize("host", ["a..b", "xn--", "x" * 64])
async def test_a_name_that_no_host_can_have_is_no_fault_of_the_house(host: str) -> None:
    collector = Collector(f"http://{host}:4318", {}, None)
    try:
        assert (await collector.send("traces", b"")).fate == "later"
    finally:
        await collector.close()


async def test_a_message_that_was_taken_is_not_sent_again_however_its_answer_goes_on() -> None:
    async def cut_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
        writer.close()

    async with await asyncio.start_server(cut_off, "127.0.0.1", 0) as server:
        collector = Collector(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", {}, None)
        try:
            assert (await collector.send("traces", b"")).fate == "taken"
        finally:
            await collector.close()
