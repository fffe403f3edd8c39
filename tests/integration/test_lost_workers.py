"""A worker that is lost while it answers: who has seen nothing of the answer gets all of it, from its next start."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from freehold.core.errors import WorkerLostError
from freehold.ledger.requests import requests
from freehold.ledger.verify import verify
from tests.integration.gateways import chat, gateway_of
from tests.integration.house_process import HELLO, RunningHouse, running_house, until

TOML = """
[server]
port = 0
[endpoints]
slow = "fake:slow?rate=20&tokens=30"
late = "fake:late?first_ms=1500&tokens=3"
frail = "fake:frail?die-after=2&tokens=9"
"""
CHAT = "/v1/chat/completions"
WHOLE: dict[str, dict[str, Any]] = {
    CHAT: HELLO,
    "/v1/completions": {"prompt": "Once"},
    "/v1/messages": {"max_tokens": 30, **HELLO},
    "/v1/responses": {"input": "Hello!"},
    "/v1/embeddings": {"input": "a river"},
    "/v1/tokenize": {"prompt": "one two"},
    "/v1/messages/count_tokens": HELLO,
}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[RunningHouse]:
    with running_house(tmp_path, TOML) as running:
        yield running


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def awake(house: RunningHouse, endpoint: str) -> None:
    """Have the worker of `endpoint` ready, which leaves one request on record."""
    assert house.ask("POST", "/v1/tokenize", {"model": endpoint, "prompt": "x"}).status == 200


def kill_at_work(house: RunningHouse) -> None:
    until(lambda: house.busy() == 1)
    for worker in house.workers():
        worker.kill()


def recorded(house: RunningHouse, endpoint: str) -> list[dict[str, Any]]:
    assert verify(house.settings.ledger_folder).findings == []
    return [row for row in requests(house.settings.ledger_folder) if row["endpoint"] == endpoint]


def test_a_whole_answer_comes_though_its_worker_is_killed_half_way(
    house: RunningHouse, threads: ThreadPoolExecutor
) -> None:
    awake(house, "slow")
    answer = threads.submit(house.chat, "slow")
    kill_at_work(house)
    reply = answer.result(timeout=60)
    assert (reply.status, reply.json["usage"]["completion_tokens"]) == (200, 30)
    assert len(reply.json["choices"][0]["message"]["content"].split()) == 30, "of the first start nothing is in it"
    _, row = recorded(house, "slow")
    assert (row["outcome"], row["error"], row["tokens_out"]) == ("done", None, 30)
    assert row["total_us"] > row["first_us"] > 0


def test_every_route_waits_for_the_next_start_of_a_worker_that_somebody_stopped(
    house: RunningHouse, threads: ThreadPoolExecutor
) -> None:
    awake(house, "slow")
    (stopped,) = house.workers()
    stopped.send_signal(signal.SIGSTOP)
    replies = [threads.submit(house.ask, "POST", path, {"model": "slow", **body}) for path, body in WHOLE.items()]
    assert [reply.result(timeout=60).status for reply in replies] == [200] * len(WHOLE)
    assert not stopped.is_running()
    rows = recorded(house, "slow")[1:]
    assert sorted(row["route"] for row in rows) == sorted(WHOLE), "each is on record once"
    assert {row["outcome"] for row in rows} == {"done"}


def test_a_stream_of_which_nothing_has_come_yet_begins_with_the_next_start(
    house: RunningHouse, threads: ThreadPoolExecutor
) -> None:
    awake(house, "late")
    streamed = threads.submit(house.ask, "POST", CHAT, {"model": "late", "stream": True, **HELLO})
    kill_at_work(house)
    raw = streamed.result(timeout=60).raw
    assert b"error" not in raw and raw.endswith(b"data: [DONE]\n\n")
    _, row = recorded(house, "late")
    assert (row["outcome"], row["tokens_out"]) == ("done", 3)


def test_a_request_that_ends_its_worker_twice_is_told_so_and_not_to_be_sent_again(house: RunningHouse) -> None:
    reply = house.chat("frail")
    assert (reply.status, reply.error["code"], reply.headers["x-should-retry"]) == (502, "worker_lost", "false")
    assert "ended twice over this request" in reply.error["message"]
    (row,) = recorded(house, "frail")
    assert (row["outcome"], row["error"]) == ("failed", "worker_lost")


async def test_a_remote_model_is_never_asked_twice(tmp_path: Path) -> None:
    asked = 0

    async def begin_and_leave(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await answer.prepare(request)
        assert request.transport is not None
        request.transport.close()
        return answer

    app = web.Application()
    app.router.add_post("/v1/chat/completions", begin_and_leave)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    try:
        async with gateway_of(tmp_path, f'[endpoints]\nfar = "openai+http://127.0.0.1:{port}/v1:m"\n') as gateway:
            with pytest.raises(WorkerLostError, match="in the middle of this answer"):
                await gateway.answer("chat", chat("far"))
    finally:
        await runner.cleanup()
    assert asked == 1, "it may have been paid for"
