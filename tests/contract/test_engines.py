"""What every engine promises, whichever it is: the same tests for the fake, llama.cpp, OpenVINO and a remote one."""

from __future__ import annotations

import json
import math
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

import freehold.engines
from freehold.gateway.upstream import UpstreamClient, next_piece
from tests.contract import calls
from tests.contract.conftest import CONTEXT_TOKENS, ENGINES, KEY, Case

HELLO: dict[str, Any] = {
    "temperature": 0,
    "messages": [{"role": "user", "content": "Say hello to the people of the house."}],
}
ON_HEELS = 60
CITY = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 12}, "large": {"type": "boolean"}},
    "required": ["name", "large"],
    "additionalProperties": False,
}


def test_every_engine_there_is_passes_this_suite() -> None:
    folder = Path(freehold.engines.__file__).parent
    assert sorted(file.parent.name for file in folder.glob("*/engine.py")) == sorted(ENGINES)
    assert len(ENGINES) == 4


async def test_started_it_is_ready_and_reports_itself(case: Case) -> None:
    report = case.worker.report()
    assert case.worker.state == report.state == "ready"
    assert await case.worker.ready() == case.upstream
    assert (report.pid is not None) == case.is_local
    assert report.last_error is None
    assert KEY not in repr(report) + repr(case.upstream) + repr(case.worker)


async def test_stopped_no_process_and_no_socket_of_it_is_left(own_case: Case) -> None:
    pid, socket_path = own_case.worker.report().pid, own_case.upstream.socket_path
    await own_case.worker.stop()
    await own_case.worker.stop()
    assert own_case.worker.state == "stopped"
    assert pid is None or not psutil.pid_exists(pid)
    assert socket_path is None or not Path(socket_path).parent.exists()


async def test_a_local_engine_says_that_it_is_well(case: Case) -> None:
    assert await calls.call(case.behind.upstream, "//health") == (200, {"status": "ok"})


async def test_a_chat_streams_chunks_one_reason_and_done_last(case: Case) -> None:
    asked = {**HELLO, "max_tokens": 5, "stream_options": {"include_usage": True}}
    *chunks, done = await calls.stream(case.upstream, "/chat/completions", asked)
    assert done == "[DONE]"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    reasons = [choice["finish_reason"] for choice in calls.choices(chunks)]
    assert [reason for reason in reasons if reason] == ["length"]
    assert reasons[-1] == "length"
    assert {choice["delta"].get("role", "assistant") for choice in calls.choices(chunks)} == {"assistant"}
    assert calls.text_of(chunks)


async def test_usage_comes_last_and_adds_up(case: Case) -> None:
    asked = {**HELLO, "max_tokens": 5, "stream_options": {"include_usage": True}}
    *chunks, _ = await calls.stream(case.upstream, "/chat/completions", asked)
    usage = chunks[-1]["usage"]
    assert chunks[-1]["choices"] == []
    assert usage["completion_tokens"] == 5
    assert usage["prompt_tokens"] > 5
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


async def test_the_end_carries_timings_where_the_engine_runs_here(case: Case) -> None:
    *chunks, _ = await calls.stream(case.behind.upstream, "/chat/completions", {**HELLO, "max_tokens": 3})
    timings = chunks[-1]["timings"]
    assert timings["predicted_n"] == 3
    assert timings["prompt_n"] + timings["cache_n"] > 5
    assert timings["predicted_per_second"] > 0


async def test_a_completion_streams_text(case: Case) -> None:
    *chunks, done = await calls.stream(case.upstream, "/completions", {"prompt": "Once upon a time", "max_tokens": 4})
    assert done == "[DONE]"
    assert {chunk["object"] for chunk in chunks} == {"text_completion"}
    assert "".join(choice["text"] for choice in calls.choices(chunks)).strip()
    assert calls.choices(chunks)[-1]["finish_reason"] == "length"


async def test_at_temperature_zero_the_same_prompt_gets_the_same_answer(case: Case) -> None:
    asked = {**HELLO, "max_tokens": 8, "temperature": 0}
    first = await calls.stream(case.upstream, "/chat/completions", {**asked, "seed": 1})
    again = await calls.stream(case.upstream, "/chat/completions", {**asked, "seed": 2})
    assert calls.text_of(first) == calls.text_of(again)


async def test_a_seed_gives_the_same_answer_and_another_seed_another(case: Case) -> None:
    asked = {**HELLO, "max_tokens": 12, "temperature": 1.5}
    texts = [
        calls.text_of(await calls.stream(case.upstream, "/chat/completions", {**asked, "seed": seed}))
        for seed in (7, 7, 8)
    ]
    assert texts[0] == texts[1] != texts[2]


async def test_it_stops_before_a_stop_sequence(case: Case) -> None:
    asked = {**HELLO, "max_tokens": 12, "temperature": 0}
    whole = calls.text_of(await calls.stream(case.upstream, "/chat/completions", asked))
    stop = whole.split()[2]
    *chunks, _ = await calls.stream(case.upstream, "/chat/completions", {**asked, "stop": [stop]})
    assert calls.text_of(chunks) == whole[: whole.index(stop)]
    assert calls.choices(chunks)[-1]["finish_reason"] == "stop"


async def test_several_answers_each_have_their_index_and_reason(case: Case) -> None:
    *chunks, _ = await calls.stream(case.upstream, "/chat/completions", {**HELLO, "max_tokens": 3, "n": 2})
    ended = sorted(choice["index"] for choice in calls.choices(chunks) if choice["finish_reason"] == "length")
    assert ended == [0, 1]


async def test_an_answer_under_a_schema_is_valid(case: Case) -> None:
    assert case.upstream.capabilities.json_schema
    form = {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY, "strict": True}}
    asked = {**HELLO, "max_tokens": 60, "response_format": form}
    city = json.loads(calls.text_of(await calls.stream(case.upstream, "/chat/completions", asked)))
    assert city.keys() == {"name", "large"}
    assert isinstance(city["name"], str)
    assert len(city["name"]) <= 12
    assert isinstance(city["large"], bool)


async def test_an_impossible_schema_is_refused(case: Case) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}}
    status, body = await calls.call(case.upstream, "/chat/completions", {**HELLO, "response_format": form})
    assert status == 400
    assert body["error"]["message"]


async def test_a_grammar_is_honored_or_refused_never_ignored(case: Case) -> None:
    asked = {**HELLO, "max_tokens": 4, "grammar": 'root ::= "yes" | "no"'}
    status, body = await calls.call(case.behind.upstream, "/chat/completions", asked)
    if case.behind.upstream.capabilities.grammar:
        assert body["choices"][0]["message"]["content"] in {"yes", "no"}
    else:
        assert (status, "grammar" in body["error"]["message"]) == (400, True)


async def test_logprobs_name_every_token(case: Case) -> None:
    assert case.upstream.capabilities.logprobs
    asked = {**HELLO, "max_tokens": 4, "temperature": 0, "logprobs": True}
    others = 3 if case.upstream.capabilities.top_logprobs else 0
    chunks = await calls.stream(case.upstream, "/chat/completions", {**asked, "top_logprobs": others})
    entries = [entry for choice in calls.choices(chunks) for entry in (choice.get("logprobs") or {}).get("content", ())]
    assert len(entries) == 4
    assert "".join(entry["token"] for entry in entries) == calls.text_of(chunks)
    for entry in entries:
        assert entry["logprob"] <= 0
        assert len(entry["top_logprobs"]) == others
        assert sum(math.exp(top["logprob"]) for top in entry["top_logprobs"]) <= 1.0001
    if not others:
        status, body = await calls.call(case.upstream, "/chat/completions", {**asked, "top_logprobs": 1})
        assert (status, "top_logprobs" in body["error"]["message"]) == (501, True)


async def test_a_forced_tool_is_called_with_its_arguments(case: Case) -> None:
    if not case.upstream.capabilities.forced_tools:
        assert case.name in {"llamacpp", "openvino"}, "the gateway enforces tools where these engines do not"
        return
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": CITY}}]
    asked = {**HELLO, "max_tokens": 60, "tools": tools, "tool_choice": "required"}
    chunks = await calls.stream(case.upstream, "/chat/completions", asked)
    calls_made = [call for choice in calls.choices(chunks) for call in choice["delta"].get("tool_calls", ())]
    assert calls_made[0]["function"]["name"] == "look_up"
    assert calls_made[0]["id"]
    assert json.loads("".join(call["function"]["arguments"] for call in calls_made)).keys() == {"name", "large"}
    assert calls.choices(chunks)[-1]["finish_reason"] == "tool_calls"


async def test_a_prompt_over_the_context_is_refused_with_both_counts(case: Case) -> None:
    asked = {"messages": [{"role": "user", "content": "people " * 2 * CONTEXT_TOKENS}], "max_tokens": 1}
    status, body = await calls.call(case.upstream, "/chat/completions", asked)
    assert status == 400
    assert body["error"]["type"] == "exceed_context_size_error"
    assert body["error"]["n_ctx"] == CONTEXT_TOKENS
    assert body["error"]["n_prompt_tokens"] > 2 * CONTEXT_TOKENS


async def test_a_local_engine_says_how_much_its_context_holds(case: Case) -> None:
    assert case.upstream.context_tokens == (CONTEXT_TOKENS if case.is_local else None)


async def test_progress_is_told_before_the_first_token_where_it_is_promised(case: Case) -> None:
    assert case.upstream.capabilities.progress == case.is_local
    asked = {**HELLO, "max_tokens": 2, "return_progress": True}
    chunks = await calls.stream(case.behind.upstream, "/chat/completions", asked)
    told = [chunk["prompt_progress"] for chunk in chunks if "prompt_progress" in chunk]
    assert told[-1]["processed"] == told[-1]["total"]
    assert "prompt_progress" in chunks[0]


async def test_text_comes_back_from_its_tokens(case: Case) -> None:
    assert case.upstream.capabilities.tokenize == case.is_local
    text = "Hello, people of the house: naïve, 42 %, 🙂"
    _, tokens = await calls.call(case.behind.upstream, "//tokenize", {"content": text})
    assert all(isinstance(token, int) for token in tokens["tokens"])
    _, back = await calls.call(case.behind.upstream, "//detokenize", tokens)
    assert back["content"] == text


async def test_the_template_shows_what_a_chat_becomes(case: Case) -> None:
    _, rendered = await calls.call(case.behind.upstream, "//apply-template", HELLO)
    assert "Say hello to the people of the house." in rendered["prompt"]


async def test_embeddings_are_unit_vectors_in_the_order_of_their_inputs(case: Case) -> None:
    texts = ["the house", "a river of stone", "the house"]
    status, body = await calls.call(case.upstream, "/embeddings", {"model": case.upstream.model, "input": texts})
    if not case.upstream.capabilities.embeddings:
        assert (status, "embeddings" in body["error"]["message"]) == (501, True)
        return
    assert status == 200, body
    vectors = [row["embedding"] for row in body["data"]]
    assert [row["index"] for row in body["data"]] == [0, 1, 2]
    assert vectors[0] == pytest.approx(vectors[2], abs=1e-3)
    assert vectors[0] != pytest.approx(vectors[1], abs=1e-3)
    for vector in vectors:
        assert math.hypot(*vector) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("raw", [b'{"messages": [', b"[]", b'{"messages": "hello"}', b"{}"])
async def test_a_broken_request_is_refused_with_a_reason(case: Case, raw: bytes) -> None:
    status, body = await calls.call(case.upstream, "/chat/completions", raw)
    assert status in {400, 500}
    assert body["error"]["message"]
    assert case.worker.state == "ready"


async def test_a_request_on_the_heels_of_an_answer_is_answered(case: Case) -> None:
    asked = {**HELLO, "max_tokens": 2, "stream": True}
    client = UpstreamClient(case.upstream)
    try:
        for _ in range(ON_HEELS):
            response = await client.stream("/chat/completions", asked)
            while await next_piece(response, case.upstream):
                pass
    finally:
        await client.close()


async def test_a_client_that_leaves_ends_its_answer(case: Case) -> None:
    asked = {**HELLO, "max_tokens": 1000, "stream": True, "return_progress": True, "ignore_eos": True}
    async with calls.session(case.upstream) as client:
        answer = await client.post(f"{case.upstream.base_url}/chat/completions", json=asked)
        await answer.content.readuntil(b"\n\n")
        assert await case.busy_slots() == 1
        answer.close()

    async def idle() -> bool:
        return await case.busy_slots() == 0

    await calls.until(idle)


async def test_a_killed_worker_breaks_its_streams_and_the_next_request_works(own_case: Case) -> None:
    if not own_case.is_local:
        assert own_case.worker.report().pid is None, "a remote engine has no process of ours to kill"
        return
    before, socket_path = own_case.worker.report().pid, own_case.upstream.socket_path
    assert before is not None
    asked = {**HELLO, "max_tokens": 1000, "stream": True, "ignore_eos": True}
    url = f"{own_case.upstream.base_url}/chat/completions"
    async with calls.session(own_case.upstream) as client, client.post(url, json=asked) as answer:
        await answer.content.readuntil(b"\n\n")
        os.kill(before, signal.SIGKILL)
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()

    async def noticed() -> bool:
        return own_case.worker.state != "ready" or own_case.worker.report().pid != before

    await calls.until(noticed)
    upstream = await own_case.worker.ready()
    assert upstream.socket_path != socket_path
    assert calls.text_of(await calls.stream(upstream, "/chat/completions", {**HELLO, "max_tokens": 2}))
    assert own_case.worker.report().restarts == 1


async def test_a_remote_engine_without_the_key_is_refused_by_the_other_side(case: Case) -> None:
    if case.is_local:
        assert not case.upstream.headers, "a local engine is asked without any key"
        return
    async with aiohttp.ClientSession() as client, client.post(f"{case.upstream.base_url}/chat/completions") as answer:
        assert answer.status == 401
    assert case.upstream.headers["authorization"] == f"Bearer {KEY}"
