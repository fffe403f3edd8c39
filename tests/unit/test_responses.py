"""OpenAI's Responses, held against the types of OpenAI's own client: no field is dropped, no event is odd."""

from __future__ import annotations

import json
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import responses as types
from openai.types.responses import response_create_params, response_input_item_param
from pydantic import TypeAdapter

from freehold.core.errors import ContextLengthError, FreeholdError, RequestError, UpstreamError, WorkerLostError
from freehold.gateway.assemble import assemble
from freehold.gateway.translate import responses

EVENT: TypeAdapter[Any] = TypeAdapter(types.ResponseStreamEvent)
USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 3,
    "total_tokens": 12,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
ASK: dict[str, Any] = {"model": "house", "input": "Hi"}
USER = {"role": "user", "content": "Hi"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "name": "weather", "description": "d", "parameters": SCHEMA, "strict": True}
CHAT_TOOL = {"type": "function", "function": {key: value for key, value in TOOL.items() if key != "type"}}
CHAT_CHOICE = {"type": "function", "function": {"name": "weather"}}
FORMAT = {"name": "answer", "schema": SCHEMA, "strict": True}
REFUSED = "refused"

# Every field a client can send: a value, and what becomes of it in the chat body (or that it is refused).
FIELDS: dict[str, tuple[Any, Any]] = {
    "access_programs": ({"cyber": "standard"}, REFUSED),
    "background": (True, REFUSED),
    "background_options": ({"completion_window": "2h"}, REFUSED),
    "context_management": ([{"type": "compaction"}], REFUSED),
    "conversation": ("conv_1", REFUSED),
    "image": ({"context_compression": "auto"}, REFUSED),
    "include": (["message.output_text.logprobs"], {"logprobs": True}),
    "input": ("Yo", {"messages": [{"role": "user", "content": "Yo"}]}),
    "instructions": ("Be brief.", {"messages": [{"role": "system", "content": "Be brief."}, USER]}),
    "max_output_tokens": (5, {"max_completion_tokens": 5}),
    "max_tool_calls": (3, REFUSED),
    "metadata": ({"a": "b"}, {}),
    "model": ("other", {"model": "other"}),
    "moderation": ({"model": "m"}, REFUSED),
    "parallel_tool_calls": (False, {}),
    "previous_response_id": ("resp_1", REFUSED),
    "prompt": ({"id": "p"}, REFUSED),
    "prompt_cache_key": ("k", {"prompt_cache_key": "k"}),
    "prompt_cache_options": ({"mode": "explicit"}, REFUSED),
    "prompt_cache_retention": ("24h", {}),
    "reasoning": ({"effort": "low", "summary": "auto"}, {"reasoning_effort": "low"}),
    "safety_identifier": ("s", {"safety_identifier": "s"}),
    "service_tier": ("auto", {}),
    "store": (True, REFUSED),
    "stream": (True, {"stream": True, "stream_options": {"include_usage": True}}),
    "stream_options": ({"include_obfuscation": False}, {}),
    "temperature": (0.2, {"temperature": 0.2}),
    "text": (
        {"format": {"type": "json_schema", **FORMAT}, "verbosity": "low"},
        {"response_format": {"type": "json_schema", "json_schema": FORMAT}, "verbosity": "low"},
    ),
    "tool_choice": ("required", {"tool_choice": "required"}),
    "tools": ([TOOL], {"tools": [CHAT_TOOL]}),
    "top_logprobs": (2, {"logprobs": True, "top_logprobs": 2}),
    "top_p": (0.9, {"top_p": 0.9}),
    "truncation": ("disabled", {}),
    "user": ("u", {"user": "u"}),
}


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_is_translated_accepted_or_refused_by_its_name(field: str) -> None:
    value, becomes = FIELDS[field]
    body = {**ASK, field: value}
    if becomes == REFUSED:
        with pytest.raises(RequestError) as raised:
            responses.to_chat(body)
        assert raised.value.param == field
        responses.to_chat({**ASK, field: None})
    else:
        assert responses.to_chat(body) == responses.to_chat(ASK) | becomes


def test_every_field_of_the_client_has_been_decided_on() -> None:
    assert set(get_type_hints(response_create_params.ResponseCreateParamsStreaming)) == set(FIELDS)


def test_items_and_tools_of_the_client_have_no_field_nobody_decided_on() -> None:
    bookkeeping = {"type", "id", "status"}
    decided: dict[Any, set[str]] = {
        types.EasyInputMessageParam: {"type", "role", "content", "phase"},
        response_input_item_param.Message: {"type", "status", "role", "content"},
        types.ResponseOutputMessageParam: {*bookkeeping, "role", "content", "phase"},
        types.ResponseFunctionToolCallParam: {
            *(*bookkeeping, "arguments", "call_id", "name", "caller", "namespace", "async")
        },
        response_input_item_param.FunctionCallOutput: {
            *(*bookkeeping, "output", "call_id", "caller", "name", "namespace")
        },
        types.ResponseReasoningItemParam: {*bookkeeping, "summary", "content", "encrypted_content"},
        types.ResponseInputTextParam: {"type", "text", "prompt_cache_breakpoint"},
        types.ResponseInputImageParam: {"type", "detail", "file_id", "image_url", "prompt_cache_breakpoint"},
        types.ResponseOutputTextParam: {"type", "text", "annotations", "logprobs"},
        types.FunctionToolParam: {
            *("type", "name", "parameters", "strict", "description"),
            *("allowed_callers", "defer_loading", "output_schema", "async"),
        },
        types.ToolChoiceAllowedParam: {"type", "mode", "tools"},
        types.ResponseTextConfigParam: {"format", "verbosity"},
        types.ResponseFormatTextJSONSchemaConfigParam: {"type", "name", "schema", "description", "strict"},
    }
    for item, fields in decided.items():
        assert set(get_type_hints(item)) == fields, item


FUNCTION_CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "weather", "arguments": "{}"}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
SAID = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "a", "annotations": [], "logprobs": []}],
}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "5"}
TEXT = {"type": "input_text", "text": "a"}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "5"}

ITEMS: list[tuple[list[Any], list[Any]]] = [
    ([USER], [USER]),
    ([{"role": "developer", "content": [TEXT]}], [{"role": "system", "content": "a"}]),
    (
        [{"role": "user", "content": [TEXT, {"type": "input_image", "image_url": "data:x", "detail": "low"}]}],
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "a"},
                    {"type": "image_url", "image_url": {"url": "data:x", "detail": "low"}},
                ],
            }
        ],
    ),
    (
        [USER, REASONING, SAID, FUNCTION_CALL, {**FUNCTION_CALL, "call_id": "c2"}, OUTPUT],
        [
            USER,
            {
                "role": "assistant",
                "content": "a",
                "reasoning_content": "hm",
                "tool_calls": [CALL, {**CALL, "id": "c2"}],
            },
            RESULT,
        ],
    ),
    ([FUNCTION_CALL], [{"role": "assistant", "content": None, "tool_calls": [CALL]}]),
    ([{**OUTPUT, "output": [TEXT, TEXT]}], [{**RESULT, "content": "a\na"}]),
    ([SAID, SAID], [{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "a"}]),
    (
        [SAID, {**REASONING, "content": None, "summary": [{"type": "summary_text", "text": "s"}]}, SAID],
        [
            {"role": "assistant", "content": "a"},
            {"role": "assistant", "content": "a", "reasoning_content": "s"},
        ],
    ),
    (
        [{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "phase": "final_answer"}],
        [{"role": "assistant", "content": "no"}],
    ),
]


@pytest.mark.parametrize(("items", "chat"), ITEMS)
def test_items_become_messages_in_their_order(items: list[Any], chat: list[Any]) -> None:
    before = json.dumps(items)
    assert responses.to_chat({**ASK, "input": items})["messages"] == chat
    assert json.dumps(items) == before, "the caller's own items are untouched"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"input": None}, "input"),
    ({"input": []}, "input"),
    ({"input": 5}, "input"),
    ({"truncation": "auto"}, "truncation"),
    ({"service_tier": "priority"}, "service_tier"),
    ({"include": ["message.output_text.logprobs", "reasoning.encrypted_content"]}, "include.1"),
    ({"reasoning": {"summary": "concise"}}, "reasoning.summary"),
    ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
    ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
    ({"stream_options": {"include_obfuscation": True}}, "stream_options.include_obfuscation"),
    ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
    ({"tools": [{**TOOL, "async": True}]}, "tools.0.async"),
    ({"tools": [{**TOOL, "output_schema": {"type": "string"}}]}, "tools.0.output_schema"),
    ({"tool_choice": {"type": "mcp"}}, "tool_choice.type"),
    ({"seed": 5}, "seed"),
]
WRONG_ITEMS: list[tuple[Any, str]] = [
    ("text", ""),
    ({"type": "web_search_call"}, ".type"),
    ({"type": "item_reference", "id": "x"}, ".type"),
    ({"id": "x"}, ".type"),
    ({"role": "robot", "content": "Hi"}, ".role"),
    ({"role": "user", "content": "Hi", "colour": "red"}, ".colour"),
    ({"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}, ".content.0.type"),
    ({"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}, ".content.0.file_id"),
    ({**REASONING, "encrypted_content": "x"}, ".encrypted_content"),
    ({**FUNCTION_CALL, "namespace": "n"}, ".namespace"),
    ({**OUTPUT, "output": [{"type": "input_image", "image_url": "data:x"}]}, ".output"),
]
WRONG += [({"input": [USER, item]}, f"input.1{param}") for item, param in WRONG_ITEMS]


@pytest.mark.parametrize(("change", "param"), WRONG)
def test_what_is_wrong_or_cannot_be_done_is_refused_in_the_clients_own_words(
    change: dict[str, Any], param: str
) -> None:
    with pytest.raises(RequestError) as raised:
        responses.to_chat({**ASK, **change})
    assert raised.value.param == param
    assert f"`{param}`" in raised.value.message


@pytest.mark.parametrize(
    ("choice", "chat"),
    [
        ({"type": "function", "name": "weather"}, CHAT_CHOICE),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "weather"}]},
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [CHAT_CHOICE]}},
        ),
    ],
)
def test_the_choice_of_a_tool_is_said_in_chats_words(choice: dict[str, Any], chat: dict[str, Any]) -> None:
    sent = responses.to_chat({**ASK, "tools": [TOOL], "tool_choice": choice, "parallel_tool_calls": False})
    assert (sent["tool_choice"], sent["parallel_tool_calls"]) == (chat, False)


def _chunk(delta: dict[str, Any], reason: str | None = None, **choice: Any) -> dict[str, Any]:
    said = {"index": 0, "delta": delta, "finish_reason": reason, **choice}
    return {"id": "c", "model": "house", "created": 7, "choices": [said]}


def _call(index: int, **call: Any) -> dict[str, Any]:
    return _chunk({"tool_calls": [{"index": index, **call}]})


def _logprob(token: str) -> dict[str, Any]:
    entry = {"token": token, "logprob": -0.5, "bytes": list(token.encode())}
    return {"content": [{**entry, "top_logprobs": [entry, {**entry, "bytes": None}]}]}


TURN = [
    _chunk({"role": "assistant", "content": None}),
    _chunk({"reasoning_content": "h"}),
    _chunk({"reasoning_content": "m"}),
    _chunk({"content": "Loo"}, logprobs=_logprob("Loo")),
    _chunk({"content": "king."}, logprobs=_logprob("king.")),
    _call(0, id="call_1", type="function", function={"name": "weather", "arguments": ""}),
    _call(0, function={"arguments": '{"city": '}),
    _call(0, function={"arguments": '"Rome"}'}),
    _call(1, id="call_2", type="function", function={"name": "weather", "arguments": "{}"}),
    _chunk({}, "tool_calls"),
]
COUNTED = {"id": "c", "model": "house", "choices": [], "usage": USAGE}
FULL: dict[str, Any] = {
    **ASK,
    "instructions": "Be brief.",
    "tools": [TOOL],
    "tool_choice": {"type": "function", "name": "weather"},
    "metadata": {"a": "b"},
    "temperature": 0.5,
    "text": {"format": {"type": "json_schema", **FORMAT}},
    "reasoning": {"effort": "low"},
}


def _stream(chunks: list[dict[str, Any]]) -> list[responses.Event]:
    stream = responses.Stream(FULL)
    events = [event for chunk in [*chunks, COUNTED] for event in stream.feed(chunk)] + stream.end()
    _check(events)
    return events


def _check(events: list[responses.Event]) -> None:
    for number, event in enumerate(events):
        assert EVENT.validate_python(event.data, strict=True).type == event.name
        assert event.data["sequence_number"] == number
    assert [event.name for event in events[:2]] == ["response.created", "response.in_progress"]


def _gathered(events: list[responses.Event]) -> list[dict[str, Any]]:
    """The output a client puts together from the deltas alone, checked against what each closing event repeats."""
    items: dict[int, dict[str, Any]] = {}
    pieces: dict[str, str] = {}
    for event in events:
        data = event.data
        if event.name.endswith(".delta"):
            assert data["output_index"] == len(items) - 1, "only the last item is open"
            pieces[data["item_id"]] = pieces.get(data["item_id"], "") + data["delta"]
        elif event.name == "response.output_item.added":
            assert data["output_index"] == len(items)
            items[data["output_index"]] = data["item"]
        elif event.name == "response.output_item.done":
            assert data["item"]["id"] == items[data["output_index"]]["id"]
            items[data["output_index"]] = data["item"]
    for item in items.values():
        said = item["arguments"] if item["type"] == "function_call" else item["content"][0]["text"]
        assert said == pieces.get(item["id"], "")
    return list(items.values())


def _without_ids(response: dict[str, Any]) -> dict[str, Any]:
    output = [{**item, "id": ""} for item in response["output"]]
    return {**response, "id": "", "completed_at": 0, "output": output}


def test_a_stream_opens_fills_and_closes_item_after_item() -> None:
    events = _stream(TURN)
    final = events[-1]
    assert final.name == "response.completed"
    assert final.data["response"]["output"] == _gathered(events)
    kinds = [item["type"] for item in final.data["response"]["output"]]
    assert kinds == ["reasoning", "message", "function_call", "function_call"]
    deltas = [event.data["delta"] for event in events if event.name.endswith(".delta")]
    assert deltas == ["h", "m", "Loo", "king.", '{"city": ', '"Rome"}', "{}"], "one event per piece"


async def test_a_whole_answer_is_what_the_stream_says_piece_by_piece() -> None:
    async def chunks() -> Any:
        for chunk in json.loads(json.dumps([*TURN, COUNTED])):
            yield chunk

    whole = responses.from_chat(await assemble(chunks(), chat=True), FULL)
    response = types.Response.model_validate(whole, strict=True)
    assert response.output_text == "Looking."
    assert _without_ids(whole) == _without_ids(_stream(TURN)[-1].data["response"])
    assert (whole["store"], whole["truncation"], whole["error"]) == (False, "disabled", None)
    echoed = ("instructions", "tools", "tool_choice", "metadata", "temperature", "text", "reasoning")
    assert {key: whole[key] for key in echoed} == {key: FULL[key] for key in echoed}


def test_log_probabilities_are_given_with_their_text() -> None:
    message = _stream(TURN)[-1].data["response"]["output"][1]
    entries = message["content"][0]["logprobs"]
    assert [entry["token"] for entry in entries] == ["Loo", "king."]
    assert entries[0]["top_logprobs"][1]["bytes"] == list(b"Loo")


_PIECES = st.lists(
    st.one_of(
        st.builds(lambda text: {"content": text}, st.text(max_size=5)),
        st.builds(lambda text: {"reasoning_content": text}, st.text(max_size=5)),
    ),
    max_size=8,
)


@given(_PIECES)
def test_text_and_reasoning_arrive_whole_however_they_change_places(pieces: list[dict[str, str]]) -> None:
    items = _gathered(_stream([_chunk(piece) for piece in pieces] + [_chunk({}, "stop")]))
    for kind, key in (("message", "content"), ("reasoning", "reasoning_content")):
        said = "".join(item["content"][0]["text"] for item in items if item["type"] == kind)
        assert said == "".join(piece.get(key, "") for piece in pieces)


@pytest.mark.parametrize(
    ("reason", "event", "why"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_an_answer_that_is_not_whole_says_why(reason: str, event: str, why: Any) -> None:
    final = _stream([_chunk({"content": "a"}), _chunk({}, reason)])[-1]
    response = final.data["response"]
    assert (final.name, response["status"], response["incomplete_details"]) == (f"response.{event}", event, why)
    assert response["output"][0]["status"] == event
    message = {"role": "assistant", "content": "a"}
    whole = responses.from_chat({"choices": [{"message": message, "finish_reason": reason}]}, ASK)
    types.Response.model_validate(whole, strict=True)
    assert (whole["status"], whole["incomplete_details"], whole["usage"]) == (event, why, None)


def test_reasoning_nobody_counted_is_null_and_not_zero() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2}
    choice = {"message": {"content": "a", "reasoning_content": "hm"}, "finish_reason": "stop"}
    whole = responses.from_chat({"choices": [choice], "usage": usage}, ASK)
    assert whole["usage"]["output_tokens_details"] == {"reasoning_tokens": None}
    assert whole["usage"]["input_tokens_details"]["cached_tokens"] is None


def test_a_refusal_is_a_part_of_its_own() -> None:
    events = _stream([_chunk({"refusal": "I "}), _chunk({"refusal": "won't"}), _chunk({}, "stop")])
    (item,) = events[-1].data["response"]["output"]
    assert item["content"] == [{"type": "refusal", "refusal": "I won't"}]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (WorkerLostError("The worker stopped."), "server_error"),
        (UpstreamError("Too many.", http_status=429), "rate_limit_exceeded"),
        (ContextLengthError(9, 8), "invalid_prompt"),
    ],
)
def test_a_stream_that_breaks_ends_failed_with_what_was_said_so_far(error: FreeholdError, code: str) -> None:
    stream = responses.Stream(ASK)
    events = [*stream.feed(_chunk({"content": "Loo"})), *stream.fail(error)]
    _check(events)
    response = events[-1].data["response"]
    assert (events[-1].name, response["status"]) == ("response.failed", "failed")
    assert response["error"] == {"code": code, "message": str(error)}
    assert response["output"][0]["content"][0]["text"] == "Loo"
    assert response["output"][0]["status"] == "incomplete"
