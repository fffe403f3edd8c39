from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from freehold.gateway.assemble import assemble


async def _stream(*chunks: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    for chunk in chunks:
        yield chunk


def _chunk(delta: dict[str, Any], index: int = 0, **choice: Any) -> dict[str, Any]:
    return {"id": "c1", "object": "chat.completion.chunk", "choices": [{"index": index, "delta": delta, **choice}]}


async def test_text_thinking_and_logprobs_are_joined_and_usage_and_unknown_fields_are_kept() -> None:
    whole = await assemble(
        _stream(
            _chunk({"role": "assistant", "content": None}),
            _chunk({"reasoning_content": "hm"}),
            _chunk({"content": "a"}, logprobs={"content": [{"token": "a"}]}),
            _chunk({"content": "b"}, logprobs={"content": [{"token": "b"}]}),
            _chunk({}, finish_reason="stop"),
            {"id": "c1", "choices": [], "usage": {"total_tokens": 3}, "timings": {"predicted_n": 2}, "new": [1]},
        ),
        chat=True,
    )
    assert whole["object"] == "chat.completion"
    assert whole["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "ab", "reasoning_content": "hm"},
            "logprobs": {"content": [{"token": "a"}, {"token": "b"}]},
            "finish_reason": "stop",
        }
    ]
    assert (whole["usage"], whole["timings"], whole["new"]) == ({"total_tokens": 3}, {"predicted_n": 2}, [1])


async def test_tool_calls_are_joined_by_their_index_and_leave_no_content() -> None:
    def piece(index: int, **fields: Any) -> dict[str, Any]:
        return _chunk({"tool_calls": [{"index": index, **fields}]})

    whole = await assemble(
        _stream(
            piece(0, id="call_1", type="function", function={"name": "f", "arguments": ""}),
            piece(0, function={"arguments": '{"a":'}),
            piece(1, id="call_2", type="function", function={"name": "g", "arguments": "{}"}),
            piece(0, function={"arguments": "1}"}),
            _chunk({}, finish_reason="tool_calls"),
        ),
        chat=True,
    )
    message = whole["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]


async def test_several_choices_stay_apart_and_come_in_their_order() -> None:
    whole = await assemble(
        _stream(
            {"choices": [{"index": 1, "text": "x", "finish_reason": None}]},
            {"choices": [{"index": 0, "text": "a", "finish_reason": None}]},
            {"choices": [{"index": 1, "text": "y", "finish_reason": "length"}]},
            {"choices": [{"index": 0, "text": "b", "finish_reason": "stop"}]},
        ),
        chat=False,
    )
    assert [(choice["text"], choice["finish_reason"]) for choice in whole["choices"]] == [
        ("ab", "stop"),
        ("xy", "length"),
    ]
    assert whole["object"] == "text_completion"
