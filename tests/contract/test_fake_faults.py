"""The fake engine's speed and faults, each seen from the client's side of a real worker's socket."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import aiohttp
import psutil
import pytest

from freehold.core.errors import WorkerStartError
from freehold.core.ports import Worker
from tests.contract import calls
from tests.contract.conftest import make_fake

HELLO = {"messages": [{"role": "user", "content": "hello"}]}


Start = Callable[[str], Awaitable[Worker]]


@pytest.fixture
async def started(home: Path) -> AsyncIterator[Start]:
    """Starts a fake worker by its reference; stops all of them."""
    workers: list[Worker] = []

    async def start(reference: str) -> Worker:
        worker = make_fake(reference)
        workers.append(worker)
        await worker.start()
        return worker

    yield start
    for worker in workers:
        await worker.stop()


async def test_refuse_start_is_a_start_error_with_a_reason(started: Start) -> None:
    with pytest.raises(WorkerStartError, match=r"fake:x\?refuse-start.* did not start: it refuses to start"):
        await started("fake:x?refuse-start")


async def test_slow_start_keeps_a_worker_starting_until_it_is_ready(started: Start) -> None:
    began_s = time.monotonic()
    worker = await started("fake:x?slow-start=300")
    assert time.monotonic() - began_s >= 0.3
    assert worker.state == "ready"


@pytest.mark.parametrize(("fault", "status"), [("http-500", 500), ("busy-503", 503)])
async def test_a_failing_engine_fails_every_answer_and_stays_well(started: Start, fault: str, status: int) -> None:
    worker = await started(f"fake:x?{fault}")
    found, body = await calls.call(worker.upstream, "/chat/completions", HELLO)
    assert (found, body["error"]["code"]) == (status, status)
    assert await calls.call(worker.upstream, "//health") == (200, {"status": "ok"})


async def test_error_after_ends_the_stream_with_an_error_event(started: Start) -> None:
    worker = await started("fake:x?error-after=3")
    events = await _events(worker, HELLO)
    assert [json.loads(event[6:]).get("error", {}).get("code") for event in events[-2:]] == [None, 500]
    assert len(events) == 1 + 3 + 1


async def test_truncated_json_and_a_garbage_event_stand_where_they_were_asked(started: Start) -> None:
    worker = await started("fake:x?tokens=4&truncated-json=2&garbage-event=3")
    role, first, cut, garbage, last, *_ = await _events(worker, HELLO)
    for whole in (role, first, last):
        assert json.loads(whole[6:])
    for broken in (cut, garbage):
        with pytest.raises(ValueError, match=r"."):
            json.loads(broken[6:])


async def test_die_after_kills_the_process_when_its_events_are_out(started: Start) -> None:
    worker = await started("fake:x?die-after=2")
    pid = worker.report().pid
    raw = b""
    url = f"{worker.upstream.base_url}/chat/completions"
    async with calls.session(worker.upstream) as client, client.post(url, json={**HELLO, "stream": True}) as answer:
        with pytest.raises(aiohttp.ClientPayloadError):
            async for piece in answer.content.iter_any():
                raw += piece
    assert raw.count(b'"content":"') == 2

    async def again() -> bool:
        return worker.state == "ready" and worker.report().pid != pid

    await calls.until(again)


async def test_hang_after_says_nothing_more_and_keeps_its_slot_until_the_client_leaves(started: Start) -> None:
    worker = await started("fake:x?hang-after=1")
    url = f"{worker.upstream.base_url}/chat/completions"
    async with calls.session(worker.upstream) as client, client.post(url, json={**HELLO, "stream": True}) as answer:
        for _ in ("role", "token"):
            await answer.content.readuntil(b"\n\n")
        rest = asyncio.ensure_future(answer.content.readany())
        # Requests answered meanwhile are time enough for the next event, were there one.
        for _ in range(20):
            assert await _busy(worker) == 1
        assert not rest.done()
        rest.cancel()

    async def idle() -> bool:
        return await _busy(worker) == 0

    await calls.until(idle)


async def test_a_rate_spaces_the_tokens_and_first_ms_comes_before_them(started: Start) -> None:
    worker = await started("fake:x?rate=50&tokens=11&first_ms=100")
    began_s = time.monotonic()
    await _events(worker, HELLO)
    assert time.monotonic() - began_s >= 0.1 + 10 / 50
    answer = (await calls.call(worker.upstream, "/chat/completions", HELLO))[1]
    assert answer["timings"]["prompt_ms"] >= 99
    assert answer["timings"]["predicted_ms"] >= 199


async def test_a_client_that_does_not_read_holds_the_delivery_up(started: Start) -> None:
    worker = await started("fake:x?tokens=100000&context=200000")
    reader, writer = await asyncio.open_unix_connection(worker.upstream.socket_path)
    body = json.dumps({**HELLO, "stream": True}).encode()
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    await reader.readuntil(b"\n\n")
    assert await _busy(worker) == 1
    pid = worker.report().pid
    assert pid is not None
    # An answer to another client, as long and read to its end, gives this one all the time it could need.
    assert len(await _events(worker, HELLO)) > 100_000
    assert await _busy(worker) == 1
    assert psutil.Process(pid).memory_info().rss < 200 * 1024 * 1024
    writer.transport.abort()


async def test_told_its_slots_it_lets_requests_wait_for_one_and_forgets_those_that_leave(started: Start) -> None:
    worker = await started("fake:x?slots=1&hang-after=1")
    url = f"{worker.upstream.base_url}/chat/completions"
    assert worker.upstream.slots == 1
    async with calls.session(worker.upstream) as client:
        first = await client.post(url, json={**HELLO, "stream": True})
        await first.content.readuntil(b"\n\n")
        leaving, staying = (asyncio.ensure_future(client.post(url, json={**HELLO, "stream": True})) for _ in range(2))
        # Requests answered meanwhile are time enough for a second answer, were there a slot.
        for _ in range(20):
            assert await _busy(worker) == 1
        assert not leaving.done() and not staying.done()
        leaving.cancel()
        first.close()
        answer = await staying
        assert await answer.content.readuntil(b"\n\n")
        answer.close()


async def _busy(worker: Worker) -> int:
    _, slots = await calls.call(worker.upstream, "//slots")
    return sum(slot["is_processing"] for slot in slots)


async def _events(worker: Worker, body: Mapping[str, object]) -> list[str]:
    asked = {**body, "stream": True}
    async with (
        calls.session(worker.upstream) as client,
        client.post(f"{worker.upstream.base_url}/chat/completions", json=asked) as answer,
    ):
        raw = (await answer.read()).decode("utf-8", "replace")
    return [event for event in raw.split("\n\n") if event]
