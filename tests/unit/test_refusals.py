from __future__ import annotations

import dataclasses
import json

import pytest

from freehold.core.errors import (
    ContextLengthError,
    EngineError,
    FreeholdError,
    LoadingError,
    RequestError,
    UpstreamError,
)
from freehold.core.ports import Capabilities, Upstream
from freehold.gateway.refusals import event_refusal, refusal

LOCAL = Upstream("llamacpp", "http://worker/v1", "m:q4_1", Capabilities(), socket_path="/run/x.sock")
REMOTE = Upstream("remote", "https://api.example/v1", "big", Capabilities())


def _body(**error: object) -> bytes:
    return json.dumps({"error": error}).encode()


def test_a_prompt_over_the_context_tells_both_counts() -> None:
    error = refusal(LOCAL, 400, _body(message="…", type="exceed_context_size_error", n_prompt_tokens=9031, n_ctx=8192))
    assert isinstance(error, ContextLengthError)
    assert "9031" in error.message and "8192" in error.message
    assert (error.data["prompt_tokens"], error.data["context_tokens"]) == (9031, 8192)


def test_an_embedding_input_over_the_batch_tells_both_counts() -> None:
    text = "input (700 tokens) is too large to process. increase the physical batch size (current batch size: 512)"
    error = refusal(LOCAL, 500, _body(code=500, message=text, type="server_error"))
    assert isinstance(error, RequestError) and error.param == "input"
    assert (error.data["prompt_tokens"], error.data["limit_tokens"]) == (700, 512)


def test_a_word_that_the_engine_does_not_know_is_no_failure_of_the_engine() -> None:
    said = _body(code=500, message="Unknown reasoning format: x", type="server_error")
    error = refusal(LOCAL, 500, said)
    assert isinstance(error, RequestError) and error.param == "reasoning_format"


@pytest.mark.parametrize(
    ("upstream", "status", "kind", "shown"),
    [
        (LOCAL, 400, RequestError, 400),
        (LOCAL, 500, UpstreamError, 502),
        (LOCAL, 503, LoadingError, 503),
        (REMOTE, 400, UpstreamError, 400),
        (REMOTE, 404, UpstreamError, 404),
        (REMOTE, 429, UpstreamError, 429),
        (REMOTE, 500, UpstreamError, 502),
        (REMOTE, 401, EngineError, 502),
        (REMOTE, 403, EngineError, 502),
        (REMOTE, 302, EngineError, 502),
    ],
)
def test_a_status_becomes_the_error_the_client_can_act_on(
    upstream: Upstream, status: int, kind: type[FreeholdError], shown: int
) -> None:
    error = refusal(upstream, status, _body(message="because"))
    assert isinstance(error, kind)
    assert error.http_status == shown


def test_a_remote_that_refuses_the_key_of_the_house_is_not_the_fault_of_the_client() -> None:
    error = refusal(REMOTE, 401, _body(message="bad key"))
    assert "this house's key" in error.message and "key_env" in error.hint


@pytest.mark.parametrize("raw", [b"", b"<html>oops</html>", b"[1]", b'{"error":"plain"}', b"\xff\xfe"])
def test_a_body_that_is_no_error_object_still_gives_an_error(raw: bytes) -> None:
    assert isinstance(refusal(LOCAL, 500, raw), UpstreamError)


def test_an_error_event_inside_a_stream_keeps_its_reason() -> None:
    error = event_refusal(LOCAL, {"code": 500, "message": "out of slots"})
    assert isinstance(error, UpstreamError) and "out of slots" in error.message


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("Automatic parser generation failed: JSON schema error at #/a: unrecognized type foo", "response_format"),
        ("Failed to initialize samplers: failed to parse grammar", "grammar"),
    ],
)
def test_a_refused_schema_or_grammar_names_the_field_of_the_client(message: str, param: str) -> None:
    error = refusal(LOCAL, 400, _body(message=message))
    assert isinstance(error, RequestError) and error.param == param
    assert "parser generation" not in error.message


def test_what_the_engine_cannot_do_is_not_a_failure_to_try_again() -> None:
    error = refusal(LOCAL, 500, _body(message="image input is not supported - hint: provide the mmproj"))
    assert error.http_status == 400 and not error.retryable


@pytest.mark.parametrize(
    ("trained", "hint"),
    [
        (8192, "Shorten the prompt: this model was trained with 8,192 tokens and takes no more."),
        (32768, "Shorten the prompt, or raise context_tokens in freehold.toml: 32,768 at most."),
        (None, "Shorten the prompt, or raise context_tokens in freehold.toml if the model was trained with more."),
    ],
)
def test_a_longer_context_is_offered_only_where_there_is_room_for_one(trained: int | None, hint: str) -> None:
    upstream = dataclasses.replace(LOCAL, trained_tokens=trained)
    assert refusal(upstream, 400, _body(message="…", n_prompt_tokens=9031, n_ctx=8192)).hint == hint
