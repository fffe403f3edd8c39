"""The gateway over real worker processes of the fake engine: shared workers, repointing, recovery."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import psutil
import pytest

from freehold.app import build_house
from freehold.core.errors import (
    BadReferenceError,
    NotFoundError,
    SettingsError,
    UnsupportedError,
    UpstreamError,
    WorkerLostError,
    WorkerStartError,
)
from freehold.core.settings import Settings, load
from freehold.gateway.gateway import Gateway
from freehold.python.aio import open_async
from tests.integration.gateways import chat, gateway_of, settings_of
from tests.processes import OwnProcesses, until


def _settings(folder: Path, endpoints: str) -> Settings:
    return settings_of(folder, f"[endpoints]\n{endpoints}\n")


def _gateway(folder: Path, endpoints: str) -> AbstractAsyncContextManager[Gateway]:
    return gateway_of(folder, f"[endpoints]\n{endpoints}\n")


async def test_an_answer_carries_the_name_of_the_endpoint_and_the_usage_of_the_engine(tmp_path: Path) -> None:
    async with _gateway(tmp_path, 'house = "fake:demo?tokens=5"') as gateway:
        answer = await gateway.answer("chat", chat("house"))
        assert answer.body["model"] == answer.endpoint == "house"
        assert answer.body["usage"]["completion_tokens"] == 5
        assert len(answer.body["choices"][0]["message"]["content"].split()) == 5


@pytest.mark.parametrize("wants_usage", [True, False])
async def test_a_stream_shows_usage_only_to_those_who_asked_and_progress_to_nobody_else(
    tmp_path: Path, wants_usage: bool
) -> None:
    options = {"stream_options": {"include_usage": True}} if wants_usage else {}
    async with _gateway(tmp_path, 'house = "fake:demo?tokens=3"') as gateway:
        exchange = await gateway.open("chat", chat("house", stream=True, **options))
        chunks = [chunk async for chunk in exchange]
        await exchange.aclose()
    assert not any("prompt_progress" in chunk for chunk in chunks)
    assert [chunk for chunk in chunks if "usage" in chunk] == (chunks[-1:] if wants_usage else [])
    assert chunks[-1]["timings"]["predicted_n"] == 3
    assert exchange.usage is not None and exchange.usage["completion_tokens"] == 3


async def test_first_requests_at_once_make_one_worker(tmp_path: Path) -> None:
    own = OwnProcesses()
    async with _gateway(tmp_path, 'a = "fake:demo?slow-start=200"\nb = "fake:demo?slow-start=200"') as gateway:
        await asyncio.gather(*(gateway.answer("chat", chat(name)) for name in "abab" * 4))
        assert [report.state for report in gateway.workers()] == ["ready"]
        assert len(own.now()) == 1


async def test_repointing_an_endpoint_cuts_no_stream_and_ends_the_old_worker_after_the_last(tmp_path: Path) -> None:
    async with _gateway(tmp_path, 'house = "fake:old?rate=100&tokens=60"') as gateway:
        exchange = await gateway.open("chat", chat("house", stream=True))
        stream = aiter(exchange)
        await anext(stream)
        (old,) = [report.pid for report in gateway.workers()]
        lines = await gateway.reload(_settings(tmp_path, 'house = "fake:new?tokens=2"'))
        assert lines == ("house: fake:old?rate=100&tokens=60 -> fake:new?tokens=2",)
        answer = await gateway.answer("chat", chat("house"))
        assert answer.body["usage"]["completion_tokens"] == 2, "new requests go to the new worker"
        assert old is not None and psutil.pid_exists(old)
        rest = [chunk async for chunk in stream]
        assert rest[-1]["timings"]["predicted_n"] == 60, "the stream that was under way came to its end"
        await exchange.aclose()
        await until(lambda: not psutil.pid_exists(old))


async def test_a_reload_that_cannot_work_changes_nothing(tmp_path: Path) -> None:
    own = OwnProcesses()
    async with _gateway(tmp_path, 'house = "fake:old?tokens=4"') as gateway:
        await gateway.ready("house")
        with pytest.raises(WorkerStartError):
            await gateway.reload(_settings(tmp_path, 'house = "fake:new?refuse-start"'))
        with pytest.raises(SettingsError, match="freehold pull"):
            await gateway.reload(_settings(tmp_path, 'house = "no-such-model"'))
        with pytest.raises(SettingsError) as refused:
            await gateway.reload(_settings(tmp_path, 'house = "no-such-model"\nnew = "fake:new?tokns=2"'))
        assert all(said in str(refused.value) for said in ("2 of the endpoints", "house: ", "new: ", "tokns", "tokens"))
        assert [endpoint.name for endpoint in gateway.endpoints()] == ["house"]
        assert (await gateway.answer("chat", chat("house"))).body["usage"]["completion_tokens"] == 4
        await until(lambda: len(own.now()) == 1)


async def test_an_endpoint_with_wrong_options_is_refused_at_start_wherever_it_stands(tmp_path: Path) -> None:
    gateway = build_house(_settings(tmp_path, 'a = "fake:a"\nb = "fake:b?rate=fast"')).gateway
    with pytest.raises(SettingsError, match=r"b: .*rate must be a number"):
        await gateway.start()


async def test_a_model_that_is_forgotten_open_warns_as_a_file_does(tmp_path: Path) -> None:
    model = await open_async("fake:demo", settings=load(folder=tmp_path))
    house = model._house
    with pytest.warns(ResourceWarning, match="AsyncModel fake:demo> was never closed"):
        del model
        gc.collect()
    await house.gateway.close(drain_s=0)


async def test_a_wrong_reference_that_is_opened_is_called_one(tmp_path: Path) -> None:
    with pytest.raises(BadReferenceError, match="tokns"):
        await open_async("fake:demo?tokns=2", settings=load(folder=tmp_path))


async def test_a_worker_that_cannot_start_answers_why_and_is_not_tried_by_every_request(tmp_path: Path) -> None:
    async with _gateway(tmp_path, 'house = "fake:broken?refuse-start"') as gateway:
        errors = [await _error(gateway, "house") for _ in range(3)]
        assert all(isinstance(error, WorkerStartError) for error in errors)
        assert errors[0] is errors[2]


async def _error(gateway: Gateway, model: str) -> BaseException:
    with pytest.raises(WorkerStartError) as raised:
        await gateway.answer("chat", chat(model))
    return raised.value


async def test_a_client_that_leaves_ends_the_generation(tmp_path: Path) -> None:
    async with _gateway(tmp_path, 'house = "fake:demo?rate=20&tokens=5000"') as gateway:
        whole = asyncio.create_task(gateway.answer("chat", chat("house")))
        exchange = await gateway.open("chat", chat("house", stream=True))
        await anext(aiter(exchange))
        await _busy_slots(gateway, 2)
        whole.cancel()
        await asyncio.wait([whole])
        await exchange.aclose()
        await _busy_slots(gateway, 0)


async def _busy_slots(gateway: Gateway, count: int) -> None:
    import aiohttp

    (report,) = gateway.workers()
    assert report.pid is not None
    (socket,) = {
        str(c.laddr) for c in psutil.Process(report.pid).net_connections("unix") if c.status == "NONE" and c.laddr
    }
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(socket)) as session, asyncio.timeout(20):
        while True:
            async with session.get("http://worker/slots") as answer:
                if sum(slot["is_processing"] for slot in await answer.json()) == count:
                    return
            await asyncio.sleep(0.01)


async def test_a_worker_killed_under_streams_ends_each_with_an_error_and_the_next_request_works(tmp_path: Path) -> None:
    async with _gateway(tmp_path, 'house = "fake:demo?rate=50&tokens=500"') as gateway:
        exchanges = [await gateway.open("chat", chat("house", stream=True)) for _ in range(32)]
        streams = [aiter(exchange) for exchange in exchanges]
        for stream in streams:
            await anext(stream)
        (report,) = gateway.workers()
        assert report.pid is not None
        os.kill(report.pid, signal.SIGKILL)
        ends = await asyncio.gather(*(_end(stream) for stream in streams))
        assert [type(end) for end in ends] == [WorkerLostError] * 32
        for exchange in exchanges:
            await exchange.aclose()
        answer = await gateway.answer("chat", chat("house", max_tokens=3))
        assert answer.body["usage"]["completion_tokens"] == 3


async def _end(stream: AsyncIterator[dict[str, Any]]) -> BaseException | None:
    try:
        async for _ in stream:
            pass
    except WorkerLostError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("die-after=3", WorkerLostError),
        ("error-after=3", UpstreamError),
        ("http-500", UpstreamError),
    ],
)
async def test_a_fault_of_the_engine_is_told_and_not_taken_for_an_answer(
    tmp_path: Path, fault: str, kind: type[Exception]
) -> None:
    async with _gateway(tmp_path, f'house = "fake:demo?tokens=9&{fault}"') as gateway:
        with pytest.raises(kind):
            await gateway.answer("chat", chat("house"))


async def test_an_unknown_model_gets_the_nearest_names(tmp_path: Path) -> None:
    async with _gateway(tmp_path, 'assistant = "fake:demo"\nother = "fake:demo"') as gateway:
        with pytest.raises(NotFoundError, match="assistant"):
            await gateway.open("chat", chat("asistant"))


async def test_tokens_are_counted_by_the_engine_and_refused_where_it_cannot(tmp_path: Path) -> None:
    remote = 'far = { ref = "openai+http://127.0.0.1:9/v1:m" }'
    async with _gateway(tmp_path, f'house = "fake:demo"\n{remote}') as gateway:
        counted = await gateway.count_tokens(chat("house"))
        answer = await gateway.answer("chat", chat("house", max_tokens=1))
        assert counted == answer.body["usage"]["prompt_tokens"]
        ids = (await gateway.tokenize({"model": "house", "prompt": "one two"})).body
        assert ids["count"] == len(ids["tokens"]) > 0
        assert (await gateway.detokenize({"model": "house", "tokens": ids["tokens"]})).body["prompt"] == "one two"
        with pytest.raises(UnsupportedError, match="does not guess"):
            await gateway.count_tokens(chat("far"))
