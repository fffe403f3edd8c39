"""Anthropic's Messages, held against the types of Anthropic's own client: no field is dropped, no event is odd."""

from __future__ import annotations

import json
from typing import Any, get_type_hints

import pytest
from anthropic import types
from anthropic.types import message_create_params
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from pydantic_core import to_json

from freehold.core.errors import RequestError, UnsupportedError, WorkerLostError
from freehold.gateway.assemble import assemble
from freehold.gateway.translate import messages

EVENT: TypeAdapter[Any] = TypeAdapter(types.RawMessageStreamEvent)
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}
ASK: dict[str, Any] = {"model": "house", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
JSON_FORMAT = {"type": "json_schema", "schema": SCHEMA}
CHAT_FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}}
TOOL = {"name": "weather", "input_schema": SCHEMA}
FUNCTION = {"name": "weather", "parameters": SCHEMA}
REFUSED = "refused"

# Every field a client can send: a value, and what becomes of it in the chat body (or that it is refused).
FIELDS: dict[str, tuple[Any, Any]] = {
    "max_tokens": (5, {"max_tokens": 5}),
    "messages": ([{"role": "user", "content": "Yo"}], {"messages": [{"role": "user", "content": "Yo"}]}),
    "model": ("other", {"model": "other"}),
    "cache_control": ({"type": "ephemeral"}, {}),
    "container": ({"id": "x"}, REFUSED),
    "diagnostics": ({"previous_message_id": "msg_1"}, REFUSED),
    "inference_geo": ("eu", REFUSED),
    "metadata": ({"user_id": "u"}, {"user": "u"}),
    "output_config": (
        {"effort": "low", "format": JSON_FORMAT},
        {"reasoning_effort": "low", "response_format": CHAT_FORMAT},
    ),
    "service_tier": ("auto", {}),
    "speed": ("fast", REFUSED),
    "stop_sequences": (["END"], {"stop": ["END"]}),
    "stream": (True, {"stream": True, "stream_options": {"include_usage": True}}),
    "system": ("Be brief.", {"messages": [{"role": "system", "content": "Be brief."}, *ASK["messages"]]}),
    "thinking": (
        {"type": "enabled", "budget_tokens": 2048},
        {"chat_template_kwargs": {"enable_thinking": True}, "thinking_budget_tokens": 2048},
    ),
    "tool_choice": ({"type": "any"}, {"tool_choice": "required"}),
    "tools": ([TOOL], {"tools": [{"type": "function", "function": FUNCTION}]}),
    "user_profile_id": ("p", REFUSED),
    "workspace_id": ("w", REFUSED),
    # Not in the client's types any more, or only in its beta ones; clients in use send them.
    "temperature": (0.2, {"temperature": 0.2}),
    "top_p": (0.9, {"top_p": 0.9}),
    "top_k": (40, {"top_k": 40}),
    "output_format": (JSON_FORMAT, {"response_format": CHAT_FORMAT}),
    "mcp_servers": ([{"type": "url", "url": "https://x.example"}], REFUSED),
    "context_management": ({"edits": [{}]}, REFUSED),
}


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_is_translated_accepted_or_refused_by_its_name(field: str) -> None:
    value, becomes = FIELDS[field]
    body = {**ASK, field: value}
    if becomes == REFUSED:
        with pytest.raises(UnsupportedError) as raised:
            messages.to_chat(body)
        assert raised.value.param == field
        messages.to_chat({**ASK, field: None})
    else:
        assert messages.to_chat(body) == messages.to_chat(ASK) | becomes


def test_every_field_of_the_client_has_been_decided_on() -> None:
    for create in (message_create_params.MessageCreateParamsStreaming, types.MessageCountTokensParams):
        assert set(get_type_hints(create)) <= set(FIELDS)


TOOL_USE = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Zürich"}}
CALL = {"id": "toolu_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Zürich"}'}}
CACHE = {"type": "ephemeral"}
PNG = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
TEXT = {"type": "text", "text": "a"}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1"}

BLOCKS: list[tuple[str, list[Any], list[Any]]] = [
    ("user", [TEXT], [{"role": "user", "content": "a"}]),
    ("user", [{**TEXT, "cache_control": CACHE, "citations": None}], [{"role": "user", "content": "a"}]),
    ("user", [TEXT, TEXT], [{"role": "user", "content": [TEXT, TEXT]}]),
    (
        "user",
        [{"type": "image", "source": PNG}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}],
    ),
    (
        "user",
        [{"type": "image", "source": {"type": "url", "url": "https://x.example/i"}}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.example/i"}}]}],
    ),
    (
        "user",
        [{"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "body"}}],
        [{"role": "user", "content": "T\n\nbody"}],
    ),
    (
        "user",
        [{**RESULT, "content": "5", "cache_control": CACHE}, {**RESULT, "content": [TEXT, TEXT]}, TEXT],
        [
            {"role": "tool", "tool_call_id": "toolu_1", "content": "5"},
            {"role": "tool", "tool_call_id": "toolu_1", "content": "a\na"},
            {"role": "user", "content": "a"},
        ],
    ),
    (
        "user",
        [{**RESULT, "content": "no such city", "is_error": True}],
        [{"role": "tool", "tool_call_id": "toolu_1", "content": "Error: no such city"}],
    ),
    ("user", [RESULT], [{"role": "tool", "tool_call_id": "toolu_1", "content": ""}]),
    (
        "assistant",
        [{"type": "thinking", "thinking": "hm", "signature": "s"}, TEXT, TOOL_USE],
        [{"role": "assistant", "content": "a", "reasoning_content": "hm", "tool_calls": [CALL]}],
    ),
    (
        "assistant",
        [{**TOOL_USE, "caller": {"type": "direct"}}],
        [{"role": "assistant", "content": None, "tool_calls": [CALL]}],
    ),
    ("assistant", [], [{"role": "assistant", "content": ""}]),
    ("system", [TEXT], [{"role": "system", "content": "a"}]),
]


@pytest.mark.parametrize(("role", "blocks", "chat"), BLOCKS)
def test_blocks_become_messages_in_their_order(role: str, blocks: list[Any], chat: list[Any]) -> None:
    assert messages.to_chat({**ASK, "messages": [{"role": role, "content": blocks}]})["messages"] == chat


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"max_tokens": None}, "max_tokens"),
    ({"max_tokens": "9"}, "max_tokens"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"messages": []}, "messages"),
    ({"messages": ["Hi"]}, "messages.0"),
    ({"messages": [{"role": "robot", "content": "Hi"}]}, "messages.0.role"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": "Hi", "name": "x"}]}, "messages.0.name"),
    ({"system": [{"type": "image"}]}, "system.0.type"),
    ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
    ({"output_config": {"format": JSON_FORMAT}, "output_format": JSON_FORMAT}, "output_format"),
    ({"thinking": {"type": "between_tools"}}, "thinking.type"),
    ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
    ({"metadata": {"user": "x"}}, "metadata.user"),
    ({"temprature": 1}, "temprature"),
]
WRONG_TOOLS: list[tuple[dict[str, Any], str]] = [
    ({"type": "web_search_20250305", "name": "web_search"}, "tools.0.type"),
    ({"name": "f"}, "tools.0.input_schema"),
    ({**TOOL, "defer_loading": True}, "tools.0.defer_loading"),
    ({**TOOL, "allowed_callers": ["code_execution_20250825"]}, "tools.0.allowed_callers"),
]
WRONG_BLOCKS: list[tuple[str, dict[str, Any], str]] = [
    ("user", {"type": "search_result"}, "type"),
    ("user", {"type": "document", "source": {"type": "base64"}}, "source.type"),
    ("user", {"type": "image", "source": {"type": "file", "file_id": "f"}}, "source.type"),
    ("user", {"type": "text"}, "text"),
    ("user", {**TEXT, "citations": [{}]}, "citations"),
    ("user", {**RESULT, "content": [{"type": "image", "source": PNG}]}, "content.0.type"),
    ("assistant", {"type": "redacted_thinking", "data": "x"}, "type"),
    ("assistant", {**TOOL_USE, "input": "{}"}, "input"),
    ("assistant", {**TOOL_USE, "caller": {"type": "code_execution_20250825"}}, "caller"),
    ("assistant", {"type": "server_tool_use"}, "type"),
]
WRONG += [({"tools": [tool]}, param) for tool, param in WRONG_TOOLS]
WRONG += [
    ({"messages": [{"role": role, "content": [TEXT, block]}]}, f"messages.0.content.1.{param}")
    for role, block, param in WRONG_BLOCKS
]


@pytest.mark.parametrize(("change", "param"), WRONG)
def test_what_is_wrong_or_cannot_be_done_is_refused_in_the_clients_own_words(
    change: dict[str, Any], param: str
) -> None:
    with pytest.raises(RequestError) as raised:
        messages.to_chat({**ASK, **change})
    assert raised.value.param == param
    assert f"`{param}`" in raised.value.message


def test_blocks_and_tools_of_the_client_have_no_field_nobody_decided_on() -> None:
    decided: dict[Any, set[str]] = {
        types.TextBlockParam: {"type", "text", "cache_control", "citations"},
        types.ImageBlockParam: {"type", "source", "cache_control", "transformations"},
        types.DocumentBlockParam: {"type", "source", "cache_control", "citations", "context", "title"},
        types.ThinkingBlockParam: {"type", "thinking", "signature"},
        types.ToolUseBlockParam: {"type", "id", "input", "name", "cache_control", "caller", "toolset_name"},
        types.ToolResultBlockParam: {*("type", "tool_use_id", "cache_control", "content", "is_error", "toolset_name")},
        types.ToolParam: {
            *("type", "name", "input_schema", "description", "strict", "cache_control", "allowed_callers"),
            *("defer_loading", "eager_input_streaming", "input_examples"),
        },
        types.ToolChoiceAutoParam: {"type", "disable_parallel_tool_use"},
        types.ToolChoiceToolParam: {"type", "name", "disable_parallel_tool_use"},
        types.ThinkingConfigEnabledParam: {"type", "budget_tokens", "display"},
        types.OutputConfigParam: {"effort", "format"},
        types.MetadataParam: {"user_id"},
    }
    for block, fields in decided.items():
        assert set(get_type_hints(block)) == fields, block


@pytest.mark.parametrize(
    ("choice", "chat"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        (
            {"type": "tool", "name": "weather"},
            {"tool_choice": {"type": "function", "function": {"name": "weather"}}},
        ),
        (
            {"type": "any", "disable_parallel_tool_use": True},
            {"tool_choice": "required", "parallel_tool_calls": False},
        ),
    ],
)
def test_the_choice_of_a_tool_is_said_in_chats_words(choice: dict[str, Any], chat: dict[str, Any]) -> None:
    assert messages.to_chat({**ASK, "tool_choice": choice}) == messages.to_chat(ASK) | chat


def test_a_tool_keeps_its_description_strictness_and_examples() -> None:
    tool = {**TOOL, "description": "d", "strict": True, "input_examples": [{"city": "Rome"}], "type": "custom"}
    (sent,) = messages.to_chat({**ASK, "tools": [tool]})["tools"]
    parameters = {**SCHEMA, "examples": [{"city": "Rome"}]}
    assert sent["function"] == {"name": "weather", "description": "d", "parameters": parameters, "strict": True}


def test_counting_needs_no_max_tokens() -> None:
    body = {key: value for key, value in ASK.items() if key != "max_tokens"}
    assert messages.to_count(body) == body


def _chunk(delta: dict[str, Any], reason: str | None = None, **choice: Any) -> dict[str, Any]:
    return {"id": "c", "model": "house", "choices": [{"index": 0, "delta": delta, "finish_reason": reason, **choice}]}


def _call(index: int, **call: Any) -> dict[str, Any]:
    return _chunk({"tool_calls": [{"index": index, **call}]})


TURN = [
    _chunk({"role": "assistant", "content": None}),
    _chunk({"reasoning_content": "h"}),
    _chunk({"reasoning_content": "m"}),
    _chunk({"content": "Loo"}),
    _chunk({"content": "king."}),
    _call(0, id="call_1", type="function", function={"name": "weather", "arguments": ""}),
    _call(0, function={"arguments": '{"city": '}),
    _call(0, function={"arguments": '"Rome"}'}),
    _call(1, id="call_2", type="function", function={"name": "weather", "arguments": "{}"}),
    _chunk({}, "tool_calls"),
]
COUNTED = {"id": "c", "model": "house", "choices": [], "usage": USAGE}
BLOCKS_SAID = [
    {"type": "thinking", "thinking": "hm", "signature": ""},
    {"type": "text", "text": "Looking."},
    {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Rome"}},
    {"type": "tool_use", "id": "call_2", "name": "weather", "input": {}},
]


def _stream(chunks: list[dict[str, Any]], request: dict[str, Any] | None = None) -> list[messages.Event]:
    stream = messages.Stream(request or ASK)
    events = [event for chunk in [*chunks, COUNTED] for event in stream.feed(chunk)] + stream.end()
    for event in events:
        assert EVENT.validate_python(event.data, strict=True).type == event.name
    return events


def _gathered(events: list[messages.Event]) -> dict[str, Any]:
    """The message a client puts together, which refuses events that are out of order."""
    assert (events[0].name, events[-1].name) == ("message_start", "message_stop")
    message = dict(events[0].data["message"])
    blocks: list[dict[str, Any]] = []
    opened: int | None = None
    for event in events[1:-1]:
        data = event.data
        if event.name == "content_block_start":
            assert opened is None
            assert data["index"] == len(blocks)
            opened = data["index"]
            blocks.append(dict(data["content_block"]))
        elif event.name == "content_block_delta":
            assert data["index"] == opened
            delta = data["delta"]
            key = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}[
                delta["type"]
            ]
            blocks[-1][key] = blocks[-1].get(key, "") + delta[key]
        elif event.name == "content_block_stop":
            assert data["index"] == opened
            opened = None
        else:
            assert opened is None
            message |= data["delta"] | {"usage": data["usage"]}
    for block in blocks:
        if "partial_json" in block:
            block["input"] = json.loads(block.pop("partial_json"))
    return {**message, "content": blocks}


def test_a_stream_opens_and_closes_block_after_block() -> None:
    events = _stream(TURN)
    message = _gathered(events)
    assert message["content"] == BLOCKS_SAID
    assert (message["model"], message["stop_reason"]) == ("house", "tool_use")
    assert message["usage"]["input_tokens"] == 5, "without what came from the cache"
    assert message["usage"]["cache_read_input_tokens"] == 4
    assert len(events) == 18, "one event per piece: nothing is held back, nothing is joined"


async def test_a_whole_answer_is_what_the_stream_says_piece_by_piece() -> None:
    async def chunks() -> Any:
        for chunk in json.loads(json.dumps([*TURN, COUNTED])):
            yield chunk

    whole = messages.from_chat(await assemble(chunks(), chat=True), ASK)
    assert types.Message.model_validate(whole, strict=True).stop_reason == "tool_use"
    assert {**whole, "id": ""} == {**_gathered(_stream(TURN)), "id": ""}


_PIECES = st.lists(
    st.one_of(
        st.builds(lambda text: {"content": text}, st.text(max_size=5)),
        st.builds(lambda text: {"reasoning_content": text}, st.text(max_size=5)),
    ),
    max_size=8,
)


@given(_PIECES)
def test_text_and_thinking_arrive_whole_however_they_change_places(pieces: list[dict[str, str]]) -> None:
    message = _gathered(_stream([_chunk(piece) for piece in pieces] + [_chunk({}, "stop")]))
    for kind, key in (("text", "content"), ("thinking", "reasoning_content")):
        said = "".join(block[kind] for block in message["content"] if block["type"] == kind)
        assert said == "".join(piece.get(key, "") for piece in pieces)


@pytest.mark.parametrize(
    ("reason", "choice", "stop_reason", "sequence"),
    [
        ("stop", {}, "end_turn", None),
        ("stop", {"stop_reason": "END"}, "stop_sequence", "END"),
        ("length", {}, "max_tokens", None),
        ("content_filter", {}, "refusal", None),
        (None, {}, "end_turn", None),
    ],
)
def test_why_it_stopped(reason: str | None, choice: dict[str, Any], stop_reason: str, sequence: str | None) -> None:
    streamed = _gathered(_stream([_chunk({"content": "a"}), _chunk({}, reason, **choice)]))
    message = {"role": "assistant", "content": "a"}
    whole = messages.from_chat({"choices": [{"message": message, "finish_reason": reason, **choice}]}, ASK)
    for answer in (streamed, whole):
        assert (answer["stop_reason"], answer["stop_sequence"]) == (stop_reason, sequence)


def test_a_figure_the_engine_does_not_give_is_null_and_not_zero() -> None:
    whole = messages.from_chat({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}, ASK)
    assert set(whole["usage"].values()) == {None}


def test_thinking_is_left_out_where_the_client_asks_for_that() -> None:
    request = {**ASK, "thinking": {"type": "adaptive", "display": "omitted"}}
    messages.to_chat(request)
    kinds = [block["type"] for block in _gathered(_stream(TURN, request))["content"]]
    assert kinds == ["text", "tool_use", "tool_use"]


@pytest.mark.parametrize("written", ['{"city": "Ro', '{"a": "\\ud83d"}', f'{{"a": {"[" * 5000}{"]" * 5000}}}'])
def test_arguments_that_were_cut_or_cannot_be_written_again_are_kept_as_they_are(written: str) -> None:
    call = {"id": "c", "function": {"name": "weather", "arguments": written}}
    choice = {"message": {"content": None, "tool_calls": [call]}, "finish_reason": "length"}
    whole = messages.from_chat({"model": "house", "choices": [choice], "usage": USAGE}, ASK)
    assert whole["content"][0]["input"] == {"INVALID_JSON": written}
    types.Message.model_validate(whole, strict=True)
    assert to_json(whole)


def test_a_stream_that_breaks_ends_with_an_error_event() -> None:
    stream = messages.Stream(ASK)
    stream.feed(TURN[3])
    (event,) = stream.fail(WorkerLostError("The worker stopped.", hint="Send it again."))
    assert event.name == "error"
    assert event.data["error"] == {"type": "api_error", "message": "The worker stopped. Send it again."}


def test_a_stream_of_nothing_is_still_a_message() -> None:
    assert _gathered(_stream([]))["content"] == []
