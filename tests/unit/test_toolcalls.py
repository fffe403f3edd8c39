"""Tool calls read out of text: whatever the pieces, nothing lost, nothing invented."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from freehold.core.errors import RequestError, UnsupportedError
from freehold.core.ports import Capabilities
from freehold.gateway.toolcalls import ToolReader, adapt
from freehold.gateway.toolcalls.schema import rebase

UNKNOWING = Capabilities(tools=False, forced_tools=False)
KNOWING = Capabilities(tools=True, forced_tools=False)
ABLE = Capabilities(tools=True, forced_tools=True)
NAMES = ("get_weather", "now")
CITY = {"type": "object", "properties": {"city": {"$ref": "#/$defs/City"}}, "$defs": {"City": {"type": "string"}}}
TOOLS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": CITY}},
    {"type": "function", "function": {"name": "now"}},
]
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Weather in Rome?"}], "tools": TOOLS}
NAMED = {"type": "function", "function": {"name": "now"}}
CALL = '{"name": "get_weather", "arguments": {"city": "Rome \\"\\\\{"}}'
ROME = ("get_weather", {"city": 'Rome "\\{'})


def _chunk(text: str | None, reason: str | None = None, **choice: Any) -> dict[str, Any]:
    delta = {} if text is None else {"content": text}
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason, **choice}],
    }


def _read(pieces: list[str], *, forced: bool = False, reason: str = "stop") -> tuple[str, list[Any], str | None]:
    """Text, calls and finish reason that a client sees."""
    reader = ToolReader(NAMES, forced=forced)
    chunks = [out for piece in pieces for out in reader.feed(_chunk(piece))]
    chunks += [*reader.feed(_chunk(None, reason)), *reader.end()]
    assert all(map(to_json, chunks)), "each can be sent on"
    return _seen(chunks)


def _seen(chunks: list[dict[str, Any]]) -> tuple[str, list[Any], str | None]:
    text, finish = "", None
    calls: list[list[str]] = []
    for chunk in chunks:
        (choice,) = chunk["choices"]
        text += choice["delta"].get("content") or ""
        for entry in choice["delta"].get("tool_calls", ()):
            if "id" in entry:
                assert entry["id"].startswith("call_")
                assert entry["index"] == len(calls)
                calls.append([entry["function"]["name"], ""])
            calls[entry["index"]][1] += entry["function"]["arguments"]
        finish = choice["finish_reason"] or finish
    return text, [(name, json.loads(arguments)) for name, arguments in calls], finish


@pytest.mark.parametrize(
    ("written", "text", "calls"),
    [
        (f"<tool_call>\n{CALL}\n</tool_call>", "", [ROME]),
        (f"\n<tool_call>{CALL}</tool_call>\n", "", [ROME]),
        (f"Let me look.\n<tool_call>\n{CALL}\n</tool_call>", "Let me look.\n", [ROME]),
        (f"<tool_call>{CALL}</tool_call>\n<tool_call>{CALL}</tool_call>", "", [ROME, ROME]),
        (f"<tool_call>{CALL}", "", [ROME]),
        (f"<tool_call>{CALL}</tool_c", "", [ROME]),
        (f"<tool_call>{CALL}</tool_call>\nDone.", "\nDone.", [ROME]),
        (CALL, "", [ROME]),
        (f" {CALL}", "", [ROME]),
        ('{"arguments": {}, "name": "now"}', "", [("now", {})]),
        ('<tool_call>{"name": "now"}</tool_call>', "", [("now", {})]),
        ('<tool_call>{"name": "now", "arguments": "{\\"a\\": 1}"}</tool_call>', "", [("now", {"a": 1})]),
        ('<tool_call>{"name": "now", "arguments": {"a": "x\ny"}}</tool_call>', "", [("now", {"a": "x\ny"})]),
    ],
)
def test_a_call_is_found_wherever_models_write_it(written: str, text: str, calls: list[Any]) -> None:
    assert _read([written]) == (text, calls, "tool_calls")
    assert _read(list(written)) == (text, calls, "tool_calls"), "also in pieces of one character"


@pytest.mark.parametrize(
    "written",
    [
        "plain text, 1 < 2, <b>bold</b>, <tool_cal",
        "  ",
        "<tool_call>",
        "<tool_call>not json</tool_call>",
        '<tool_call>{"name": "now", "arguments": {]}</tool_call>',
        '<tool_call>{"name": "unknown", "arguments": {}}</tool_call>',
        '<tool_call>{"name": "now", "arguments": {"cut',
        '<tool_call>{"name": "now", "arguments": [1]}</tool_call>',
        '<tool_call>{"name": "now", "arguments": {"a": NaN}}</tool_call>',
        '{"name": "Ada", "age": 36}',
        '{"answer": {"name": "now", "arguments": {}}}',
        '{"name": "now"} is not a call without arguments',
        '{"name": 5}',
        f"Here is JSON: {CALL}",
        "<tool_call>" + '{"name": "now", "arguments": {"a": ' + "[" * 100_000 + "]" * 100_000 + "}}",
    ],
)
def test_what_is_no_valid_call_of_a_known_tool_comes_out_as_the_text_it_is(written: str) -> None:
    assert _read([written]) == (written, [], "stop")
    assert _read([written[:11], written[11:12], written[12:]]) == (written, [], "stop")


def test_text_streams_at_once_and_chunks_without_a_tag_pass_as_the_same_object() -> None:
    reader = ToolReader(NAMES, forced=False)
    assert _seen(reader.feed(_chunk("Hel")))[0] == "Hel"
    plain = _chunk("lo")
    assert reader.feed(plain) == [plain]
    assert reader.feed(plain)[0] is plain
    assert _seen(reader.feed(_chunk(" 1 < 2")))[0] == " 1 < 2", "a `<` that begins no tag is not held"


@pytest.mark.parametrize("head", ['{"na', '{"x', '{"name": "A'])
def test_an_answer_in_json_is_held_no_longer_than_it_can_be_a_call(head: str) -> None:
    reader = ToolReader(NAMES, forced=False)
    held = reader.feed(_chunk(head))
    assert (held == []) == (head != '{"x')
    assert _seen([*held, *reader.feed(_chunk('da"'))])[0] == head + 'da"'


_TEXT = st.text(alphabet=st.sampled_from('abc <>{}[]"\\:,\n/_tool_call'), max_size=40)
_MIXED = st.lists(
    st.one_of(_TEXT, st.sampled_from(["<tool_call>", "</tool_call>", CALL, "\n", '{"name": "now", "arguments": {}}'])),
    max_size=8,
).map("".join)


@given(written=_MIXED, cuts=st.lists(st.integers(0, 400), max_size=12), forced=st.booleans())
def test_pieces_never_change_what_is_read(written: str, cuts: list[int], forced: bool) -> None:
    edges = sorted({0, len(written), *(cut for cut in cuts if cut < len(written))})
    pieces = [written[a:b] for a, b in itertools.pairwise(edges)]
    assert _read(pieces, forced=forced) == _read([written], forced=forced)


@given(written=_TEXT)
def test_without_a_call_every_character_arrives(written: str) -> None:
    text, calls, _ = _read(list(written))
    assert calls == []
    assert text == written


def test_a_forced_call_streams_its_arguments_as_they_come() -> None:
    reader = ToolReader(NAMES, forced=True)
    assert reader.feed(_chunk('{\n "name"\n : "get_wea')) == []
    out = reader.feed(_chunk('ther", "arguments": {"ci'))
    assert [choice["delta"]["tool_calls"][0]["function"] for chunk in out for choice in chunk["choices"]] == [
        {"name": "get_weather", "arguments": ""},
        {"arguments": '{"ci'},
    ]
    rest = [*reader.feed(_chunk('ty": "Rome"}')), *reader.feed(_chunk("\n}")), *reader.feed(_chunk(None, "stop"))]
    assert _seen([*out, *rest]) == ("", [("get_weather", {"city": "Rome"})], "tool_calls")


def test_a_forced_array_gives_several_calls() -> None:
    written = f'[{CALL},\n{{"name": "now", "arguments": {{}}}}]'
    assert _read(list(written), forced=True) == ("", [ROME, ("now", {})], "tool_calls")


def test_a_forced_call_cut_at_the_length_says_so_and_keeps_what_came() -> None:
    reader = ToolReader(NAMES, forced=True)
    out = reader.feed(_chunk('{"name": "now", "arguments": {"a": "b'))
    (last,) = reader.feed(_chunk(None, "length"))
    assert out[-1]["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] == '{"a": "b'
    assert last["choices"][0]["finish_reason"] == "length"


def test_choices_are_read_apart_and_unknown_fields_of_a_chunk_are_kept() -> None:
    reader = ToolReader(NAMES, forced=False)
    chunk = _chunk("<tool_call>" + CALL)
    chunk["choices"].append({"index": 1, "delta": {"content": "text"}, "finish_reason": None})
    chunk["timings"] = {"predicted_n": 3}
    out = reader.feed(chunk)
    by_index = [(choice["index"], sorted(choice["delta"])) for part in out for choice in part["choices"]]
    assert by_index == [(0, ["tool_calls"]), (0, ["tool_calls"]), (1, ["content"])]
    assert [part.get("timings") for part in out] == [None, None, {"predicted_n": 3}]


def test_log_probabilities_leave_with_their_text_and_not_with_a_call() -> None:
    reader = ToolReader(NAMES, forced=False)
    one, two = {"token": "a <", "logprob": -1.0}, {"token": "b", "logprob": -2.0}
    first = reader.feed(_chunk("a <", logprobs={"content": [one]}))
    second = reader.feed(_chunk("b", logprobs={"content": [two]}))
    third = reader.feed(_chunk("<tool_call>" + CALL, logprobs={"content": [one]}))
    given_out = [choice.get("logprobs") for chunk in [*first, *second, *third] for choice in chunk["choices"]]
    assert given_out == [{"content": [one]}, {"content": [two]}, None, None]


def test_half_a_character_in_a_call_can_be_sent_on() -> None:
    text, calls, reason = _read(['{"name": "now", "arguments": {"a": "\\ud83d \u00e9"}}'])
    assert (text, calls, reason) == ("", [("now", {"a": "\ud83d \u00e9"})], "tool_calls")


@pytest.mark.parametrize("arguments", ["[" * 100_000, '{"a":' * 500 + "1" + "}" * 500, '"\\ud83d"', "no JSON"])
def test_arguments_of_a_call_that_was_made_are_told_as_they_were_written_where_nothing_can_read_them(
    arguments: str,
) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "now", "arguments": arguments}}
    history = [*ASK["messages"], {"role": "assistant", "content": None, "tool_calls": [call]}]
    adapted, _ = adapt({**ASK, "messages": history}, UNKNOWING)
    assert json.dumps(arguments) in adapted["messages"][-1]["content"]
    assert to_json(adapted)


def test_an_engine_that_does_it_itself_is_sent_the_request_untouched() -> None:
    body = {**ASK, "tool_choice": "required", "parallel_tool_calls": True}
    adapted, reader = adapt(body, ABLE)
    assert adapted is body
    assert reader is None


def test_a_request_without_tools_is_untouched_everywhere() -> None:
    body = {"messages": [{"role": "user", "content": "Hi"}]}
    assert adapt(body, UNKNOWING) == (body, None)
    assert adapt(ASK, KNOWING) == (ASK, None), "a knowing template is asked with its own tools"


def test_an_unknowing_template_is_told_of_the_tools_and_of_the_calls_made() -> None:
    history = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather and time?"},
        {
            "role": "assistant",
            "content": "Looking.",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Rome"}'}},
                {"id": "b", "type": "function", "function": {"name": "now", "arguments": ""}},
            ],
        },
        {"role": "tool", "tool_call_id": "b", "content": "noon"},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "sunny"}]},
    ]
    adapted, reader = adapt({**ASK, "messages": history, "temperature": 0}, UNKNOWING)
    assert reader is not None
    assert adapted.keys() == {"model", "messages", "temperature"}
    system, user, assistant, results = adapted["messages"]
    assert system["content"].startswith("Be brief.\n\n# Tools")
    assert json.dumps(TOOLS[0]) in system["content"]
    assert user == history[1]
    assert assistant == {
        "role": "assistant",
        "content": 'Looking.\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n</tool_call>\n'
        '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>',
    }
    assert results == {
        "role": "user",
        "content": '<tool_response>\n{"name": "get_weather", "content": "sunny"}\n</tool_response>\n'
        '<tool_response>\n{"name": "now", "content": "noon"}\n</tool_response>',
    }, "in the order of the calls"


def test_a_conversation_with_calls_goes_on_without_tools() -> None:
    messages = [{"role": "tool", "tool_call_id": "x", "content": "5"}]
    adapted, reader = adapt({"messages": messages}, UNKNOWING)
    assert reader is None
    assert adapted["messages"] == [{"role": "user", "content": '<tool_response>\n{"content": "5"}\n</tool_response>'}]
    assert messages[0]["role"] == "tool", "the caller's own messages are untouched"


@pytest.mark.parametrize("able", [KNOWING, UNKNOWING])
def test_a_demanded_call_constrains_the_answer(able: Capabilities) -> None:
    adapted, reader = adapt({**ASK, "tool_choice": "required"}, able)
    assert reader is not None
    schema = adapted["response_format"]["json_schema"]["schema"]
    assert [call["properties"]["name"] for call in schema["anyOf"]] == [{"const": "get_weather"}, {"const": "now"}]
    assert schema["$defs"]["tool_0"]["properties"]["city"] == {"$ref": "#/$defs/tool_0/$defs/City"}
    assert schema["$defs"]["tool_1"]["properties"] == {}
    assert (adapted.get("tool_choice"), "tools" in adapted) == (("none", True) if able.tools else (None, False))


def test_a_named_tool_is_the_only_one_and_several_calls_only_when_asked_for() -> None:
    adapted, _ = adapt({**ASK, "tool_choice": NAMED, "parallel_tool_calls": True}, UNKNOWING)
    schema = adapted["response_format"]["json_schema"]["schema"]
    assert (schema["type"], schema["minItems"]) == ("array", 1)
    assert schema["items"]["properties"]["name"] == {"const": "now"}
    assert "get_weather" not in adapted["messages"][0]["content"]


def test_allowed_tools_leave_the_others_out() -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NAMED]}}
    adapted, _ = adapt({**ASK, "tool_choice": choice}, KNOWING)
    assert adapted["tools"] == [TOOLS[1]]
    assert adapted["tool_choice"] == "auto"


def test_without_parallel_calls_the_generation_ends_with_the_first() -> None:
    adapted, _ = adapt({**ASK, "parallel_tool_calls": False, "stop": "END"}, UNKNOWING)
    assert adapted["stop"] == ["END", "</tool_call>"]


def test_local_references_move_and_values_and_other_references_do_not() -> None:
    schema = {"$ref": "#", "a": [{"$ref": "#/x"}, {"$ref": "https://e.example/s"}], "enum": [{"$ref": "#/x"}]}
    assert rebase(schema, "#/b") == {
        "$ref": "#/b",
        "a": [{"$ref": "#/b/x"}, {"$ref": "https://e.example/s"}],
        "enum": [{"$ref": "#/x"}],
    }
    assert rebase({"properties": {"default": {"$ref": "#/x"}}}, "#/b") == {
        "properties": {"default": {"$ref": "#/b/x"}}
    }, "a property may be called `default`"


@pytest.mark.parametrize(
    ("change", "param", "kind"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools.0.type", UnsupportedError),
        ({"tools": {"type": "function"}}, "tools", RequestError),
        ({"tools": [{"type": "function", "function": {}}]}, "tools.0.function.name", RequestError),
        ({"tool_choice": "always"}, "tool_choice", RequestError),
        ({"tool_choice": {"type": "function", "function": {"name": "get_whether"}}}, "tool_choice", RequestError),
        ({"tools": None, "tool_choice": "required"}, "tool_choice", RequestError),
        ({"tool_choice": "required", "logprobs": True}, "logprobs", UnsupportedError),
        ({"tool_choice": "required", "response_format": {"type": "json_object"}}, "response_format", UnsupportedError),
        ({"response_format": {"type": "json_schema"}}, "response_format", UnsupportedError),
        ({"messages": "Hi"}, "messages", RequestError),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(change: dict[str, Any], param: str, kind: type[RequestError]) -> None:
    with pytest.raises(kind) as raised:
        adapt({**ASK, **change}, UNKNOWING)
    assert raised.value.param == param
