"""The Python API's pure half, and the loop that the synchronous twin runs on."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import threading
from collections.abc import Iterator

import pytest

from freehold.core.errors import CallError, EngineError, RequestError
from freehold.python import answers, bodies
from freehold.python.loop import LoopThread, Twin

CITY: dict[str, object] = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


class City:
    @staticmethod
    def model_json_schema() -> dict[str, object]:
        return CITY


def _chat(messages: bodies.Messages, **given: object) -> dict[str, object]:
    usual: dict[str, object] = {"system": None, "tools": None, "schema": None, "fields": {}}
    return bodies.chat(messages, **{**usual, **given})  # type: ignore[arg-type]  # the tests give what callers give


def test_a_text_becomes_one_message_and_the_system_message_leads() -> None:
    assert _chat("Hi", system="Be brief.") == {
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    }


def test_fields_pass_as_given_and_none_is_not_given() -> None:
    body = _chat("Hi", fields={"temperature": 0, "seed": None, "logit_bias": {"1": -100}, "x_unknown": [1]})
    assert {key: body[key] for key in body if key != "messages"} == {
        "temperature": 0,
        "logit_bias": {"1": -100},
        "x_unknown": [1],
    }


@pytest.mark.parametrize("schema", [CITY, City])
def test_a_schema_is_asked_for_strictly(schema: bodies.Schema) -> None:
    wanted = {"name": "answer", "schema": CITY, "strict": True}
    assert _chat("x", schema=schema)["response_format"] == {"type": "json_schema", "json_schema": wanted}


def test_a_schema_given_twice_is_refused_by_name() -> None:
    with pytest.raises(RequestError) as caught:
        _chat("x", schema=CITY, fields={"response_format": {"type": "text"}})
    assert caught.value.param == "response_format"


def test_no_message_is_refused() -> None:
    with pytest.raises(RequestError):
        _chat([])


def test_an_answer_says_everything_and_unknown_is_none() -> None:
    call = {"id": "call_1", "function": {"name": "add", "arguments": '{"a": 1}'}}
    message = {"content": None, "tool_calls": [call], "reasoning_content": "hm"}
    body = {"choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 3}}
    answer = answers.answer(body, endpoint="m", digest=None)
    assert (answer.text, str(answer), answer.reasoning, answer.finish_reason) == ("", "", "hm", "tool_calls")
    assert answer.tool_calls[0].name == "add" and answer.tool_calls[0].parsed == {"a": 1}
    assert answer.usage == answers.Usage(3, None, None)
    assert answer.timings is None and answer.raw is body


def test_an_answer_that_is_cut_json_says_why() -> None:
    body = {"choices": [{"message": {"content": '{"a'}, "finish_reason": "length"}]}
    with pytest.raises(EngineError) as caught:
        answers.answer(body, endpoint="m", digest=None).json()
    assert "length" in caught.value.message


def test_a_delta_is_the_first_choices_text_of_a_chat_or_a_completion() -> None:
    chat = {"choices": [{"index": 1, "delta": {"content": "no"}}, {"index": 0, "delta": {"content": "yes"}}]}
    assert answers.delta(chat).text == "yes"
    assert answers.delta({"choices": [{"text": "on"}]}).text == "on"
    assert answers.delta({"choices": [{"delta": {"reasoning_content": "hm"}}]}).reasoning == "hm"


class Thing:
    def __init__(self) -> None:
        self.closed = threading.Event()

    async def close(self) -> None:
        self.closed.set()


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread._close_all()


async def _double(value: int) -> int:
    await asyncio.sleep(0)
    return 2 * value


async def test_it_works_under_a_loop_that_is_running(loop: LoopThread) -> None:
    assert loop.run(_double(4)) == 8


def test_it_works_from_several_threads_at_once(loop: LoopThread) -> None:
    results: dict[int, int] = {}
    threads = [threading.Thread(target=lambda n=n: results.update({n: loop.run(_double(n))})) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: 2 * number for number in range(16)}


def test_an_error_comes_to_the_caller_as_it_is(loop: LoopThread) -> None:
    async def broken() -> None:
        raise RequestError("No.", param="x")

    with pytest.raises(RequestError):
        loop.run(broken())


def test_what_is_forgotten_is_closed(loop: LoopThread) -> None:
    thing = Thing()
    twin = Twin(thing, loop)
    del twin
    gc.collect()
    assert thing.closed.wait(10)


def test_what_is_still_open_at_the_end_is_closed() -> None:
    loop, thing = LoopThread(), Thing()
    twin = Twin(thing, loop)
    loop.run(_double(1))
    loop._close_all()
    assert thing.closed.is_set()
    assert repr(twin)


def _ask_in_child(loop: LoopThread, answer: multiprocessing.connection.Connection) -> None:
    try:
        loop.run(_double(1))
    except CallError as error:
        answer.send(error.message)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_is_told_instead_of_left_hanging(loop: LoopThread) -> None:
    loop.run(_double(1))
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe()
    child = fork.Process(target=_ask_in_child, args=(loop, there))
    child.start()
    assert here.poll(20) and "forked" in here.recv()
    child.join(20)
    assert child.exitcode == 0
