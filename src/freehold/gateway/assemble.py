"""Puts a stream's chunks together into the answer that a client gets who did not ask for a stream.

It knows no list of fields: strings of a delta are joined, lists are extended, tool calls are joined by their
`index`, anything else is the last value seen. So a field that an engine adds tomorrow arrives too.
"""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Any

from freehold.gateway.engine_shape import check_call

_ONCE = frozenset({"role", "id", "type", "name"})


async def assemble(chunks: AsyncIterable[dict[str, Any]], *, chat: bool) -> dict[str, Any]:
    """The whole answer (`chat.completion` or `text_completion`) that `chunks` say piece by piece."""
    answer: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    async for chunk in chunks:
        for choice in chunk.pop("choices", None) or ():
            _add_choice(choices.setdefault(choice.get("index", 0), {}), choice)
        answer.update({key: value for key, value in chunk.items() if value is not None})
    answer["object"] = "chat.completion" if chat else "text_completion"
    ordered = [choices[index] for index in sorted(choices)]
    answer["choices"] = [_chat_choice(choice) for choice in ordered] if chat else ordered
    return answer


def _add_choice(so_far: dict[str, Any], choice: dict[str, Any]) -> None:
    for key, value in choice.items():
        if key == "delta":
            _join(so_far.setdefault("delta", {}), value or {})
        elif key == "text":
            so_far["text"] = so_far.get("text", "") + value
        elif key == "logprobs" and value:
            _extend(so_far, value)
        elif value is not None or key not in so_far:
            so_far[key] = value


def _extend(so_far: dict[str, Any], logprobs: dict[str, Any]) -> None:
    known = so_far.get("logprobs") or {}
    for key, value in logprobs.items():
        before = known.get(key)
        known[key] = before + value if isinstance(value, list) and isinstance(before, list) else value
    so_far["logprobs"] = known


def _join(so_far: dict[str, Any], delta: dict[str, Any]) -> None:
    for key, value in delta.items():
        before = so_far.get(key)
        if key == "tool_calls":
            _join_calls(so_far.setdefault("tool_calls", []), value or [])
        elif isinstance(value, str) and isinstance(before, str) and key not in _ONCE:
            so_far[key] = before + value
        elif isinstance(value, dict):
            so_far[key] = before if isinstance(before, dict) else {}
            _join(so_far[key], value)
        elif value is not None or key not in so_far:
            so_far[key] = value


def _join_calls(calls: list[dict[str, Any]], pieces: list[dict[str, Any]]) -> None:
    for piece in pieces:
        index = piece.get("index", len(calls))
        call = next((call for call in calls if call["index"] == index), None)
        if call is None:
            call = {"index": index}
            calls.append(call)
        _join(call, {key: value for key, value in piece.items() if key != "index"})


def _chat_choice(choice: dict[str, Any]) -> dict[str, Any]:
    message = choice.pop("delta", {})
    calls = [{key: value for key, value in call.items() if key != "index"} for call in message.pop("tool_calls", [])]
    for call in calls:
        check_call(call)
    whole: dict[str, Any] = {"role": "assistant", "content": None, **message}
    if calls:
        whole["tool_calls"] = calls
        whole["content"] = whole["content"] or None
    elif whole["content"] is None:
        whole["content"] = ""
    return {"index": choice.pop("index", 0), "message": whole, **{"logprobs": None, **choice}}
