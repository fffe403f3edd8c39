"""The real engine, in its lock, on the real small model: what it answers, what it refuses, how it fails to start."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from freehold.core import settings
from freehold.core.builds import HeldBuild
from freehold.core.errors import WorkerStartError
from freehold.core.ports import Worker
from freehold.core.settings import EngineOptions
from freehold.engines.llamacpp.engine import LlamaCpp
from freehold.weights.gguf import read_facts
from tests.processes import until

pytestmark = pytest.mark.engine

# One thread: two that wait for each other crawl when other programs hold the cores, and nothing here is about speed.
SMALL = EngineOptions(context_tokens=512, slots=2, threads=1, lock="require")
SAID = "xylophone-secret"


def held(path: Path, smollm2_gguf: Path) -> HeldBuild:
    facts = read_facts(smollm2_gguf)
    return HeldBuild("smollm2:q4_1", "smollm2", "sha256:0", (path,), path.stat().st_size, facts)


def worker_of(build: HeldBuild, home: Path, options: EngineOptions = SMALL) -> Worker:
    return LlamaCpp(runtime_dir=settings.load().runtime_dir, log_dir=home / "logs").worker(build, options)


@pytest.fixture
async def worker(home: Path, smollm2_gguf: Path) -> AsyncIterator[Worker]:
    one = worker_of(held(smollm2_gguf, smollm2_gguf), home)
    await one.start()
    yield one
    await one.stop()


def text_of(path: str | None) -> str:
    return Path(path or "").read_text()


async def post(worker: Worker, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
    upstream = await worker.ready()
    assert upstream.socket_path is not None
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(upstream.socket_path), headers={"Accept-Encoding": "identity"}
        ) as session,
        session.post(f"http://worker{path}", json=body) as answer,
    ):
        return answer.status, await answer.json()


async def test_the_locked_engine_chats_completes_embeds_and_tokenizes(worker: Worker) -> None:
    assert worker.report().lock.startswith("seccomp + landlock ")
    hello = [{"role": "user", "content": "Say hello."}]
    status, chat = await post(worker, "/v1/chat/completions", messages=hello, max_tokens=8)
    assert (status, chat["model"]) == (200, "smollm2:q4_1")
    assert chat["choices"][0]["message"]["content"]
    status, text = await post(worker, "/v1/completions", prompt="The capital of France is", max_tokens=3, temperature=0)
    assert (status, text["choices"][0]["text"][:6]) == (200, " Paris")
    status, tokens = await post(worker, "/tokenize", content="hello world")
    assert worker.report().attempts == (), "an honest engine asks for nothing that its lock refuses"
    assert (status, await post(worker, "/detokenize", tokens=tokens["tokens"])) == (
        200,
        (200, {"content": "hello world"}),
    )


async def test_an_embedding_takes_an_input_longer_than_a_batch(worker: Worker) -> None:
    assert worker.report().choices["batch"].value == "64 tokens"
    status, answer = await post(worker, "/v1/embeddings", input="word " * 400)
    assert (status, answer["usage"]["prompt_tokens"]) == (200, 401)
    assert len(answer["data"][0]["embedding"]) == 576


async def test_it_says_what_it_can_do_and_what_it_does_not_enforce(worker: Worker) -> None:
    upstream = await worker.ready()
    can = upstream.capabilities
    assert (can.chat, can.embeddings, can.tokenize, can.progress, can.grammar) == (True, True, True, True, True)
    assert (can.tools, can.forced_tools) == (False, False)
    assert (upstream.context_tokens, upstream.model, upstream.digest) == (512, "smollm2:q4_1", "sha256:0")


async def test_every_slot_has_the_whole_context_to_itself(worker: Worker) -> None:
    """Two requests that together need more than one context are both answered to their end."""
    asks = [
        post(worker, "/v1/completions", prompt=f"{number} " + "word " * 400, max_tokens=50, ignore_eos=True)
        for number in range(2)
    ]
    for status, answer in await asyncio.gather(*asks):
        assert status == 200
        assert answer["choices"][0]["finish_reason"] == "length"
        assert answer["usage"]["completion_tokens"] == 50


async def test_a_prompt_longer_than_the_context_is_refused_with_both_counts(worker: Worker) -> None:
    status, answer = await post(worker, "/v1/completions", prompt="word " * 600, max_tokens=1)
    error = answer["error"]
    assert (status, error["type"]) == (400, "exceed_context_size_error")
    assert (error["n_prompt_tokens"], error["n_ctx"]) == (601, 512)


async def test_a_killed_engine_comes_back_and_answers_the_next_request(worker: Worker) -> None:
    pid = worker.report().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: worker.state != "ready")
    assert (await post(worker, "/v1/completions", prompt="one two", max_tokens=1))[0] == 200
    assert worker.report().restarts == 1


async def test_the_log_holds_no_word_of_a_request(worker: Worker) -> None:
    schema = {"type": "object", "properties": {SAID: {"type": "string", "pattern": f"({SAID}"}}}
    broken = {"json_schema": {"schema": {"type": SAID}}, "type": "json_schema"}
    chat = [{"role": "user", "content": SAID}]
    await post(worker, "/v1/chat/completions", messages=chat, max_tokens=1)
    await post(worker, "/v1/chat/completions", messages=[{"role": SAID, "content": 5}])
    await post(worker, "/v1/chat/completions", messages=chat, response_format=broken)
    await post(worker, "/v1/completions", prompt=SAID, grammar=f'{SAID} ::== "')
    await post(worker, "/v1/completions", prompt=SAID, json_schema=schema, max_tokens=1)
    await worker.stop()
    log = text_of(worker.report().log_path)
    assert "print_timing" in log
    assert SAID not in log


async def test_a_build_without_a_template_is_not_offered_for_chat(home: Path, smollm2_gguf: Path) -> None:
    build = held(smollm2_gguf, smollm2_gguf)
    base = dataclasses.replace(build, facts=dataclasses.replace(build.facts, chat_template=None))
    worker = worker_of(base, home)
    await worker.start()
    assert not worker.upstream.capabilities.chat
    assert not worker.upstream.capabilities.tools
    await worker.stop()


async def test_a_context_that_memory_cannot_hold_is_refused_before_a_process_is_started(
    home: Path, smollm2_gguf: Path
) -> None:
    options = EngineOptions(context_tokens=8192, slots=256)
    worker = worker_of(held(smollm2_gguf, smollm2_gguf), home, options)
    with pytest.raises(
        WorkerStartError, match=r"8,192 tokens in 256 slots takes 48\.4 GB .* and .* GB are free"
    ) as raised:
        await worker.start()
    assert raised.value.hint == "Lower context_tokens or slots in freehold.toml, or stop another model."
    assert worker.report().pid is None and not raised.value.log


async def test_more_slots_than_the_engine_takes_are_refused_before_a_process_is_started(
    home: Path, smollm2_gguf: Path
) -> None:
    worker = worker_of(held(smollm2_gguf, smollm2_gguf), home, EngineOptions(context_tokens=256, slots=257))
    with pytest.raises(WorkerStartError, match="makes no context for it: it has 256 slots at most"):
        await worker.start()
    assert worker.report().pid is None


def damaged(weights: Path, damage: Callable[[bytes], bytes], folder: Path) -> Path:
    path = folder / "model.gguf"
    path.write_bytes(damage(weights.read_bytes()))
    return path


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content[:5_000_000], "data is not within the file bounds"),
        (lambda content: b"<html>not here</html>" * 400, "invalid magic characters"),
        (lambda content: content.replace(b"llama", b"lxxma"), "unknown model architecture: 'lxxma'"),
        (lambda content: b"", "failed to"),
    ],
    ids=["truncated", "not a GGUF", "unknown architecture", "empty"],
)
async def test_a_damaged_weight_file_says_what_is_wrong_with_it(
    home: Path, smollm2_gguf: Path, tmp_path: Path, damage: Callable[[bytes], bytes], reason: str
) -> None:
    worker = worker_of(held(damaged(smollm2_gguf, damage, tmp_path), smollm2_gguf), home)
    with pytest.raises(WorkerStartError) as raised:
        await worker.start()
    assert raised.value.message.startswith("The worker of smollm2:q4_1 did not start: llama.cpp could not load it: ")
    assert reason in raised.value.message
    assert "freehold verify" in raised.value.hint and "newer engine" in raised.value.hint
    assert "freehold pull" not in raised.value.hint
    assert raised.value.log
    assert "security:" not in raised.value.log
    assert "security: no API key is set" in text_of(worker.report().log_path)
