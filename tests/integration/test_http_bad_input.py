"""What bad input gets: a clear error in the shape of the API spoken, and a house that goes on."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.house_process import HELLO, Reply, RunningHouse, rest_of, shared_house

TOML = """
[server]
port = 0
max_body_bytes = 200000
[endpoints]
small-model = "fake:small?tokens=3"
tiny-context = "fake:tiny?context=16&tokens=40"
refuses = "fake:refuses?refuse-start"
"""
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    with shared_house(tmp_path_factory, TOML) as running:
        yield running


@pytest.fixture
def house(shared: RunningHouse) -> Iterator[RunningHouse]:
    yield shared
    assert shared.chat("small-model").status == 200, "the house goes on"


def _body(**fields: Any) -> dict[str, Any]:
    return {"model": "small-model", **HELLO, **fields}


def _said(**message: Any) -> dict[str, Any]:
    return {"model": "small-model", "messages": [{"role": "user", **message}]}


def test_a_field_of_the_wrong_type_is_named_as_the_client_spelled_it(house: RunningHouse) -> None:
    wrong: list[tuple[str, dict[str, Any], str]] = [
        (CHAT, _body(temperature="hot"), "temperature"),
        (CHAT, _body(max_tokens=1.5), "max_tokens"),
        (CHAT, _body(max_tokens=0), "max_tokens"),
        (CHAT, _body(stream="yes"), "stream"),
        (CHAT, _body(stream_options={"include_usage": 1}), "stream_options.include_usage"),
        (CHAT, _body(stop=[1]), "stop.0"),
        (CHAT, _body(tools={}), "tools"),
        (CHAT, _body(messages=[]), "messages"),
        (CHAT, _body(messages=["hello"]), "messages.0"),
        (CHAT, _body(messages=[{"role": "user", "content": 7}]), "messages.0.content"),
        (CHAT, {"model": "small-model"}, "messages"),
        (CHAT, HELLO, "model"),
        (CHAT, _body(model=7), "model"),
        ("/v1/completions", {"model": "small-model", "prompt": {}}, "prompt"),
        ("/v1/embeddings", {"model": "small-model", "input": 7}, "input"),
        ("/v1/detokenize", {"model": "small-model", "tokens": ["a"]}, "tokens.0"),
        (CHAT, _said(content=[{"type": ["text"], "text": "a"}]), "messages.0.content.0.type"),
        (CHAT, _said(content=[{"type": "text", "text": 5}]), "messages.0.content.0.text"),
        (CHAT, _said(content="a", tool_calls=[{"id": ["a"], "function": {"name": "f"}}]), "messages.0.tool_calls.0.id"),
        (CHAT, _said(role="tool", content="a", tool_call_id={}), "messages.0.tool_call_id"),
        ("/v1/responses", {"model": "small-model", "input": 7}, "input"),
        ("/v1/responses", {"model": "small-model", "input": [{"role": ["user"], "content": "a"}]}, "input.0.role"),
        ("/v1/responses", {"model": "small-model", "input": "a", "top_logprobs": 1000}, "top_logprobs"),
    ]
    for path, body, field in wrong:
        reply = house.ask("POST", path, body)
        assert (reply.status, reply.error["type"]) == (400, "invalid_request_error"), (path, body, reply.raw)
        assert reply.error["param"] == field, reply.raw
        assert field in reply.error["message"]


def test_messages_speaks_its_own_shape_of_error(house: RunningHouse) -> None:
    reply = house.ask("POST", "/v1/messages", {**_body(), "max_tokens": "many"})
    assert reply.status == 400
    assert reply.json["type"] == "error"
    assert reply.error["type"] == "invalid_request_error"
    assert "max_tokens" in reply.error["message"]
    assert reply.json["request_id"] == reply.headers["x-request-id"]
    unknown = house.ask("POST", "/v1/messages", {**_body(), "model": "nobody", "max_tokens": 5})
    assert (unknown.status, unknown.error["type"]) == (404, "not_found_error")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b'{"model": }', "column 11"),
        (b"", "empty"),
        (b"[1, 2]", "not an array"),
        (b"null", "not null"),
        (b'{"model": NaN}', "not valid JSON"),
        (b'{"a": "\xff"}', "not valid JSON"),
        (b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}", "recursion limit"),
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused_with_its_reason(
    house: RunningHouse, raw: bytes, said: str
) -> None:
    reply = house.ask("POST", CHAT, raw=raw)
    assert (reply.status, reply.error["code"]) == (400, "invalid_request")
    assert said in reply.error["message"]


def test_only_json_is_read(house: RunningHouse) -> None:
    for headers in ({"content-type": "text/plain"}, {"content-encoding": "gzip"}):
        reply = house.ask("POST", CHAT, _body(), headers=headers)
        assert (reply.status, reply.error["code"]) == (415, "unsupported_media_type")


def test_a_body_over_the_limit_is_refused_whether_its_length_was_told_or_not(house: RunningHouse) -> None:
    large = json.dumps(_body(padding="x" * 3_000_000)).encode()
    pieces = (large[at : at + 50_000] for at in range(0, len(large), 50_000))
    for reply in (house.ask("POST", CHAT, raw=large), house.ask("POST", CHAT, raw=pieces)):
        assert (reply.status, reply.error["code"]) == (413, "body_too_large")
        assert "200,000" in reply.error["message"]
        assert reply.headers["connection"] == "close"


def test_a_client_that_waits_for_our_word_sends_no_body_that_is_too_large(house: RunningHouse) -> None:
    client = socket.create_connection(("127.0.0.1", house.port), timeout=60)
    head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n"
    client.sendall(f"{head}content-length: 900000\r\n\r\n".encode())
    assert rest_of(client).startswith(b"HTTP/1.1 413")


def test_a_head_that_is_too_large_and_what_is_not_http_are_refused(house: RunningHouse) -> None:
    said = {
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx-long: " + b"x" * 100_000 + b"\r\n\r\n": b"HTTP/1.1 431",
        b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"x-many: y\r\n" * 20_000 + b"\r\n": b"HTTP/1.1 431",
        b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"a:\r\n" * 20_000 + b"\r\n": b"HTTP/1.1 431",
        b"\x16\x03\x01 this is no HTTP\r\n\r\n": b"HTTP/1.1 400",
    }
    for raw, status in said.items():
        client = socket.create_connection(("127.0.0.1", house.port), timeout=60)
        client.sendall(raw)
        assert client.recv(12) == status
        client.close()


def test_an_unknown_model_is_answered_with_the_nearest_names_and_never_becomes_a_label(house: RunningHouse) -> None:
    reply = house.chat("smal-model")
    assert (reply.status, reply.error["code"]) == (404, "not_found")
    assert "small-model" in reply.error["message"]
    assert reply.error["nearest"][0] == "small-model"
    assert house.ask("GET", "/v1/models/smal-model").status == 404
    assert b"smal-model" not in house.ask("GET", "/metrics").raw


def test_an_unknown_route_or_method_is_answered_in_the_same_shape(house: RunningHouse) -> None:
    wrong = house.ask("POST", "/v1/chat/completion", _body())
    assert wrong.status == 404
    assert wrong.error["nearest"][0] == CHAT
    method = house.ask("GET", CHAT)
    assert (method.status, method.headers["allow"]) == (405, "POST")
    assert house.ask("GET", "/admin/ps").status == 404, "the control routes do not exist over TCP"


def test_a_prompt_beyond_the_context_is_refused_with_both_counts(house: RunningHouse) -> None:
    long = [{"role": "user", "content": "word " * 400}]
    for stream in (False, True):
        reply = house.chat("tiny-context", messages=long, stream=stream)
        assert (reply.status, reply.error["code"]) == (400, "context_length_exceeded")
        assert reply.error["context_tokens"] == 16
        assert reply.error["prompt_tokens"] > 16


def test_an_engine_that_does_not_start_is_said_with_its_reason_and_without_its_log(house: RunningHouse) -> None:
    reply = house.chat("refuses")
    assert (reply.status, reply.error["code"]) == (503, "worker_not_started")
    assert reply.headers["x-should-retry"] == "false"
    assert "log" not in reply.error


def test_the_request_id_is_the_clients_where_it_is_sane(house: RunningHouse) -> None:
    def id_for(given: str) -> str:
        reply: Reply = house.ask("GET", "/health/live", headers={"x-request-id": given})
        return reply.headers["x-request-id"]

    assert id_for("abc-123") == "abc-123"
    assert id_for("a b").startswith("req_")
    assert id_for("x" * 500).startswith("req_")
