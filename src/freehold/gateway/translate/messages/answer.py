"""A whole chat answer as a Message: its content blocks, its stop reason and its usage.

Anthropic's `input_tokens` leave out what came from the cache. What an engine does not tell is null, never zero.
`stop_sequence` is known only where the engine says which one it met (vLLM does, llama.cpp does not); elsewhere
such an answer ends with `end_turn`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

_STOPS: Mapping[str, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


def from_chat(answer: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """The Message that `answer` (chat.completion) is to the Messages `request`."""
    choice = answer["choices"][0]
    reason, sequence = stopped(choice.get("finish_reason"), choice)
    return {
        **opening(answer, request),
        "content": _blocks(choice["message"], thinking=shows_thinking(request)),
        "stop_reason": "refusal" if choice["message"].get("refusal") else reason,
        "stop_sequence": sequence,
        "usage": usage(answer.get("usage")),
    }


def opening(chat: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """The Message before anything was said."""
    return {
        "id": f"msg_{uuid.uuid4().hex[:24]}",
        "type": "message",
        "role": "assistant",
        "model": chat.get("model") or request.get("model"),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        # What has been counted so far; the last event of a stream brings the figures.
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }


def stopped(reason: str | None, choice: Mapping[str, Any]) -> tuple[str, str | None]:
    """`stop_reason` and `stop_sequence` for a chat choice that ended with `reason`."""
    sequence = choice.get("stop_reason")
    if reason == "stop" and isinstance(sequence, str):
        return "stop_sequence", sequence
    return _STOPS.get(reason or "stop", "end_turn"), None


def usage(chat: Mapping[str, Any] | None) -> dict[str, Any]:
    """Anthropic's usage for OpenAI's."""
    counted = chat or {}
    prompt = counted.get("prompt_tokens")
    cached = (counted.get("prompt_tokens_details") or {}).get("cached_tokens")
    thought = (counted.get("completion_tokens_details") or {}).get("reasoning_tokens")
    out = {
        "input_tokens": prompt - (cached or 0) if prompt is not None else None,
        "output_tokens": counted.get("completion_tokens"),
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": None,
    }
    return out if thought is None else {**out, "output_tokens_details": {"thinking_tokens": thought}}


def shows_thinking(request: Mapping[str, Any]) -> bool:
    """False where the client asked for thinking to be left out of the answer."""
    return (request.get("thinking") or {}).get("display") != "omitted"


def _blocks(message: Mapping[str, Any], *, thinking: bool) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if thinking and (thought := message.get("reasoning_content") or message.get("reasoning")):
        blocks.append({"type": "thinking", "thinking": thought, "signature": ""})
    if text := message.get("content") or message.get("refusal"):
        blocks.append({"type": "text", "text": text})
    for call in message.get("tool_calls") or ():
        function = call["function"]
        value = _input(function.get("arguments") or "{}")
        blocks.append({"type": "tool_use", "id": call["id"], "name": function["name"], "input": value})
    return blocks


def _input(arguments: str) -> dict[str, Any]:
    """The parsed arguments; where they were cut, or could not be written again (too deep, half of a surrogate pair),
    Anthropic's own wrapping of what is not valid JSON."""
    try:
        value = from_json(arguments)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"INVALID_JSON": arguments}
