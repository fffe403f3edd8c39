"""Workers that answer what no engine should: the client is told that the engine failed, by the field where one is
wrong, and never of a bug of the house. The worker is locked like any other, and says what it is asked to say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.house_process import Reply, RunningHouse, shared_house

TOML = '[server]\nport = 0\n[endpoints]\nsmall = "fake:small"\n'
PROGRAM = Path(__file__).parent / "echo_house.py"
HUGE = 10**30
PIECE: dict[str, Any] = {"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}
LAST: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": "stop"}
CALL: dict[str, Any] = {"index": 0, "id": "c1", "function": {"name": "look", "arguments": "{}"}}
TOKEN: dict[str, Any] = {"token": "Hi", "logprob": -0.5}


def choice(**changed: Any) -> str:
    return json.dumps({"choices": [{**PIECE, **changed}]})


def called(*calls: Any) -> str:
    return choice(delta={"tool_calls": [*calls]})


def scored(*entries: Any) -> str:
    return choice(logprobs={"content": [*entries]})


def told(**fields: Any) -> str:
    return json.dumps({"choices": [], **fields})


NO_INDEX: tuple[Any, ...] = ("0", True, None, 1.5, -1, 1, HUGE, [0], {})
NO_FUNCTION: tuple[Any, ...] = (None, 5, [], {"name": 5})
CHUNKS: dict[str, str] = {
    **{f"index {value!r:.9}": choice(index=value) for value in NO_INDEX},
    **{f"choices {value!r}": json.dumps({"choices": value}) for value in (5, "x", True, [5], ["x"], {"0": PIECE})},
    **{f"delta {value!r}": choice(delta=value) for value in (None, 5, "x", ["x"], [])},
    **{f"content {value!r}": choice(delta={"content": value}) for value in (5, True, ["x"], {"text": "x"})},
    **{f"{name} 5": choice(delta={name: 5}) for name in ("role", "reasoning_content", "reasoning", "refusal")},
    **{f"finish_reason {value!r}": choice(finish_reason=value) for value in (5, True, ["stop"])},
    **{f"tool_calls {value!r}": choice(delta={"tool_calls": value}) for value in (5, "x", {"0": CALL}, [5])},
    **{f"call index {value!r:.9}": called({**CALL, "index": value}) for value in ("0", None, -1, HUGE)},
    **{f"function {value!r}": called({**CALL, "function": value}) for value in NO_FUNCTION},
    "arguments": called({**CALL, "function": {"name": "look", "arguments": {"at": "sea"}}}),
    "call id": called({**CALL, "id": 5}),
    **{f"logprobs {value!r}": choice(logprobs=value) for value in (5, "x", [TOKEN], {"content": 5}, {"content": [5]})},
    **{f"token {value!r}": scored({**TOKEN, "token": value}) for value in (None, 5, ["Hi"])},
    **{f"logprob {value!r}": scored({**TOKEN, "logprob": value}) for value in (None, "x", True, float("nan"))},
    "logprob beyond numbers": scored(TOKEN).replace("-0.5", "-1e999"),
    "no logprob": scored({"token": "Hi"}),
    "top_logprobs": scored({**TOKEN, "top_logprobs": {"Hi": -0.5}}),
    **{f"usage {value!r}": told(usage=value) for value in (5, ["x"], "x")},
    **{f"prompt_tokens {value!r:.9}": told(usage={"prompt_tokens": value}) for value in ("many", None, -1, 1.5, HUGE)},
    "cached": told(usage={"prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": "x"}}),
    "details": told(usage={"prompt_tokens": 1, "completion_tokens": 1, "completion_tokens_details": [1]}),
    "timings": told(timings=[1]),
    "speed": told(timings={"predicted_per_second": "fast"}),
    "created": json.dumps({"choices": [PIECE], "created": "soon"}),
    **{f"no object: {text:.9}": text for text in ("[]", "null", "5", '"x"')},
    **{f"no JSON: {text:.9}": text for text in ("{", "NaN", '{"new": NaN}', "[" * 100_000)},
}
DOORS = ["/v1/chat/completions", "/v1/messages", "/v1/responses"]
ANY_TOOL = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
BLAMED = (b"fake answered with a wrong `", b"fake sent an event that is not")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    with shared_house(tmp_path_factory, TOML, program=PROGRAM) as running:
        yield running


@pytest.fixture
def log(house: RunningHouse) -> Path:
    return house.settings.home.parent / "log"


def stream_of(*chunks: str) -> str:
    return "".join(f"data: {chunk}\n\n" for chunk in (*chunks, "[DONE]"))


def ask(house: RunningHouse, door: str, said: str, **fields: Any) -> Reply:
    text = {"prompt": said} if door == "/v1/completions" else {"input": said}
    messages = {"messages": [{"role": "user", "content": said}]}
    body = messages if door in ("/v1/chat/completions", "/v1/messages") else text
    limit = {"max_tokens": 9} if door == "/v1/messages" else {}
    return house.ask("POST", door, {"model": "small", **limit, **body, **fields})


def is_the_engines(house: RunningHouse, log: Path, door: str, said: str, *blamed: bytes, **fields: Any) -> None:
    """Whole or streamed, the client hears that the engine failed, and the log has no bug of the house's."""
    whole = ask(house, door, said, **fields)
    assert whole.status == 502, whole.raw
    streamed = ask(house, door, said, stream=True, **fields)
    assert b"[DONE]" not in streamed.raw and b"message_stop" not in streamed.raw
    assert b"response.completed" not in streamed.raw
    for reply in (whole, streamed):
        assert any(words in reply.raw for words in blamed), reply.raw
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("name", CHUNKS)
def test_a_chunk_of_the_wrong_shape_is_the_engines_failure_in_every_dialect(
    house: RunningHouse, log: Path, name: str
) -> None:
    for door in DOORS:
        is_the_engines(house, log, door, stream_of(CHUNKS[name], json.dumps({"choices": [LAST]})), *BLAMED)
    is_the_engines(house, log, DOORS[0], stream_of(CHUNKS[name]), *BLAMED, tools=ANY_TOOL)


@pytest.mark.parametrize("changed", [{"text": 5}, {"text": None}, {"text": ["x"]}, {"logprobs": {"content": [5]}}])
def test_a_text_of_the_wrong_shape_is_the_engines_failure(
    house: RunningHouse, log: Path, changed: dict[str, Any]
) -> None:
    chunk = json.dumps({"choices": [{"index": 0, "text": "Hi", "finish_reason": "stop", **changed}]})
    is_the_engines(house, log, "/v1/completions", stream_of(chunk), *BLAMED)


@pytest.mark.parametrize("door", ["/v1/completions", *DOORS])
def test_an_answer_that_ends_before_it_has_begun_is_the_engines_failure(
    house: RunningHouse, log: Path, door: str
) -> None:
    for said in (stream_of(), stream_of(told()), stream_of(told(usage={"prompt_tokens": 1}))):
        is_the_engines(house, log, door, said, b"fake ended its answer before it had begun")


@pytest.mark.parametrize("call", [{"index": 0}, {**CALL, "id": None}, {**CALL, "function": {"arguments": "{}"}}])
def test_a_tool_call_without_an_id_or_a_name_is_the_engines_failure(
    house: RunningHouse, log: Path, call: dict[str, Any]
) -> None:
    said = stream_of(called(call), json.dumps({"choices": [LAST]}))
    for door in DOORS[1:]:
        is_the_engines(house, log, door, said, b"without the call's id or the tool's name")
    assert ask(house, DOORS[0], said).status == 502


def test_fields_that_nobody_knows_arrive_whatever_they_are_of(house: RunningHouse, log: Path) -> None:
    odd = [choice(delta={"content": "Hi", "new": value}) for value in (5, "x", {"a": 1}, "y", [1], None, {"a": "z"})]
    reply = ask(house, DOORS[0], stream_of(*odd, json.dumps({"choices": [LAST], "much": 1}).replace("1}", "1e999}")))
    assert reply.status == 200, reply.raw
    assert (reply.json["choices"][0]["message"]["content"], reply.json["much"]) == ("Hi" * len(odd), None)
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize(
    "said", ["{}", '{"data": 5}', '{"data": [5]}', '{"data": [{"embedding": ["x"], "index": 0}]}', '{"data": NaN}']
)
def test_embeddings_of_the_wrong_shape_are_the_engines_failure(house: RunningHouse, log: Path, said: str) -> None:
    reply = ask(house, "/v1/embeddings", said)
    assert (reply.status, reply.error["code"]) == (502, "engine_failed")
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("said", ["{}", '{"tokens": 5}', '{"tokens": ["x"]}', '{"tokens": [-1]}', "[]"])
def test_tokens_of_the_wrong_shape_are_the_engines_failure(house: RunningHouse, log: Path, said: str) -> None:
    rendered = json.dumps({"prompt": said})
    asked: list[dict[str, Any]] = [{"messages": [{"role": "user", "content": text}]} for text in (rendered, said)]
    for body in ({"prompt": said}, *asked):
        reply = house.ask("POST", "/v1/tokenize", {"model": "small", **body})
        assert (reply.status, reply.error["code"]) == (502, "engine_failed"), reply.raw
    assert "Traceback" not in log.read_text()


def test_a_worker_that_answered_wrongly_answers_on(house: RunningHouse) -> None:
    assert ask(house, DOORS[0], stream_of(CHUNKS["content 5"])).status == 502
    reply = ask(house, DOORS[0], stream_of(choice(), json.dumps({"choices": [LAST]})))
    assert (reply.status, reply.json["choices"][0]["message"]["content"]) == (200, "Hi")
