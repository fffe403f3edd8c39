from __future__ import annotations

from typing import Any

import pytest

from freehold.core.errors import RequestError, UnsupportedError
from freehold.core.ports import Capabilities, Upstream
from freehold.gateway import requests
from freehold.gateway.access.key import Verb as Allowed
from freehold.gateway.shaping import Verb

LOCAL = Upstream("llamacpp", "http://worker/v1", "m:q4_1", Capabilities(progress=True), socket_path="/run/x.sock")
REMOTE = Upstream("remote", "https://api.example/v1", "big", Capabilities())
BASE = Upstream("llamacpp", "http://worker/v1", "base", Capabilities(chat=False), socket_path="/run/x.sock")


def test_every_field_and_value_passes_but_for_the_model_and_the_streaming_options() -> None:
    body: dict[str, Any] = {"model": "house", "messages": [], "min_p": 0.1, "x_new": {"deep": [1, None]}, "seed": 2**40}
    sent = requests.outgoing(body, "chat", LOCAL)
    assert {key: sent[key] for key in body if key != "model"} == {key: body[key] for key in body if key != "model"}
    assert (sent["model"], sent["stream"], sent["return_progress"]) == ("m:q4_1", True, True)
    assert sent["stream_options"] == {"include_usage": True}
    assert body.keys() == {"model", "messages", "min_p", "x_new", "seed"}, "the caller's own dict is untouched"


def test_a_remote_is_not_sent_what_it_would_refuse() -> None:
    assert "return_progress" not in requests.outgoing({"return_progress": True}, "chat", REMOTE)


@pytest.mark.parametrize(
    ("verb", "field", "value"),
    [
        ("chat", "functions", [{"name": "f"}]),
        ("chat", "audio", {"voice": "alloy"}),
        ("chat", "modalities", ["audio"]),
        ("chat", "prediction", {"type": "content"}),
        ("chat", "store", True),
        ("complete", "suffix", "end"),
        ("complete", "best_of", 3),
        ("complete", "echo", True),
    ],
)
def test_a_field_the_engine_would_ignore_in_silence_is_refused_by_name(verb: Verb, field: str, value: object) -> None:
    with pytest.raises(UnsupportedError) as raised:
        requests.outgoing({field: value}, verb, LOCAL)
    assert raised.value.param == field
    assert requests.outgoing({field: value}, verb, REMOTE)[field] == value, "a remote decides for itself"


def test_a_base_model_says_that_it_cannot_chat_and_what_it_can() -> None:
    with pytest.raises(UnsupportedError, match="/v1/completions"):
        requests.outgoing({"messages": []}, "chat", BASE)


@pytest.mark.parametrize("body", [{}, {"model": None}, {"model": 5}, {"model": ""}])
def test_a_request_without_a_model_says_where_to_find_the_names(body: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="/v1/models"):
        requests.endpoint_name(body)


@pytest.mark.parametrize(
    ("body", "usage", "progress", "choices"),
    [
        ({}, True, False, 1),
        ({"stream": True}, False, False, 1),
        ({"stream": True, "stream_options": {"include_usage": True}, "return_progress": True}, True, True, 1),
        ({"n": 3}, True, False, 3),
        ({"prompt": ["a", "b"], "n": 2}, True, False, 4),
        ({"prompt": [1, 2, 3]}, True, False, 1),
    ],
)
def test_what_the_client_wants_to_see(body: dict[str, Any], usage: bool, progress: bool, choices: int) -> None:
    seen = requests.wanted(body, "complete", "house")
    assert (seen.usage, seen.progress, seen.choices) == (usage, progress, choices)


@pytest.mark.parametrize(
    ("verb", "body", "width"),
    [
        ("chat", {"n": 3}, 3),
        ("chat", {"prompt": ["a", "b"], "n": None}, 1),
        ("complete", {"prompt": ["a", "b"], "n": 2}, 4),
        ("complete", {"prompt": [[1], [2, 3]]}, 2),
        ("embed", {"input": "a", "n": -1000}, 1),
        ("embed", {"input": ["a", "b"], "n": "many"}, 2),
        ("embed", {"input": [1, 2, 3]}, 1),
        ("tokens", {"prompt": "a", "n": 5}, 0),
    ],
)
def test_how_many_answers_a_request_wants_is_read_from_what_its_route_knows(
    verb: Allowed, body: dict[str, Any], width: int
) -> None:
    assert requests.width(body, verb) == width


def test_a_picture_is_refused_by_its_place_and_not_taken_for_a_failure_of_the_engine() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "what is this?"}, picture]}]}
    with pytest.raises(UnsupportedError) as raised:
        requests.outgoing(body, "chat", LOCAL)
    assert raised.value.param == "messages.0.content.1"
    assert requests.outgoing(body, "chat", REMOTE)["messages"] == body["messages"]


def test_more_tokens_than_the_context_holds_are_the_context_and_not_a_wrapped_number() -> None:
    small = Upstream("llamacpp", "http://worker/v1", "m", Capabilities(), socket_path="/x", context_tokens=8192)
    sent = requests.outgoing({"messages": [], "max_tokens": 2**32 + 2, "max_completion_tokens": 5}, "chat", small)
    assert (sent["max_tokens"], sent["max_completion_tokens"]) == (8192, 5)
    looks_back = {"repeat_last_n": 2**31 - 1, "dry_penalty_last_n": 1e9}
    assert (
        requests.outgoing({**looks_back, "messages": []}, "chat", small).items()
        >= dict.fromkeys(looks_back, 8192).items()
    )
    assert requests.outgoing({"repeat_last_n": -1, "dry_penalty_last_n": "x"}, "chat", small)["repeat_last_n"] == -1
    assert requests.outgoing({"max_tokens": 2**40}, "chat", REMOTE)["max_tokens"] == 2**40


@pytest.mark.parametrize("field", ["n_predict", "n_probs"])
def test_names_that_go_round_a_bound_are_refused(field: str) -> None:
    with pytest.raises(RequestError) as raised:
        requests.outgoing({field: 60}, "chat", LOCAL)
    assert raised.value.param == field


@pytest.mark.parametrize("place", ["response_format.schema", "json_schema"])
@pytest.mark.parametrize(
    ("schema", "error"),
    [({"enum": ["x" * 100_000]}, RequestError), ({"type": "array", "uniqueItems": True}, UnsupportedError)],
)
def test_a_schema_is_looked_at_wherever_the_engine_takes_one(
    place: str, schema: dict[str, Any], error: type[RequestError]
) -> None:
    def body(schema: dict[str, Any]) -> dict[str, Any]:
        if place == "json_schema":
            return {"json_schema": schema}
        return {"response_format": {"type": "json_object", "schema": schema}}

    assert requests.outgoing(body({"type": "object"}), "chat", LOCAL)
    with pytest.raises(error) as raised:
        requests.outgoing(body(schema), "chat", LOCAL)
    assert str(raised.value.param).startswith(place)


def test_no_client_makes_an_engine_look_for_thousands_of_ends_after_every_token() -> None:
    assert requests.outgoing({"stop": ["x"] * requests.MOST_STOPS}, "chat", LOCAL)["stop"] == ["x"] * 64
    with pytest.raises(RequestError, match="64 strings at most, not 65"):
        requests.outgoing({"stop": ["x"] * 65}, "chat", LOCAL)
