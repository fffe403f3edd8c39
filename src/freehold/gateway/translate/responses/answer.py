"""A whole chat answer as a Response: its items, its status, and what of the request it repeats.

Figures the engine does not give are null. The one exception is `cache_write_tokens`: nothing is written to a cache
on request or charged for here, so zero is the fact.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

_ECHOED: Mapping[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": None,
    "top_p": None,
    "user": None,
}


def from_chat(answer: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """The Response that `answer` (chat.completion) is to the Responses `request`."""
    choice = answer["choices"][0]
    message = choice["message"]
    status = finished(choice.get("finish_reason"))
    output = _items(message, choice.get("logprobs"), status["status"])
    counted = usage(answer.get("usage"), thought=any(item["type"] == "reasoning" for item in output))
    return {**opening(answer, request), **status, "output": output, "usage": counted}


def opening(chat: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """The Response before anything was said."""
    echoed = {key: default if request.get(key) is None else request[key] for key, default in _ECHOED.items()}
    return {
        "id": new_id("resp"),
        "object": "response",
        "created_at": chat.get("created") or int(time.time()),
        "model": chat.get("model") or request.get("model"),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "output": [],
        "usage": None,
        "background": False,
        "completed_at": None,
        "previous_response_id": None,
        "service_tier": "flex" if request.get("service_tier") == "flex" else "default",
        "store": False,
        "truncation": "disabled",
        **echoed,
    }


def new_id(kind: str) -> str:
    return f"{kind}_{uuid.uuid4().hex}"


def finished(reason: str | None) -> dict[str, Any]:
    """Status, and why an answer is incomplete, for a chat choice that ended with `reason`."""
    if reason == "length":
        return {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    if reason == "content_filter":
        return {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}
    return {"status": "completed", "incomplete_details": None, "completed_at": int(time.time())}


def usage(chat: Mapping[str, Any] | None, *, thought: bool) -> dict[str, Any] | None:
    """Responses' usage for chat's; None where the engine does not tell. `thought`: there was reasoning."""
    if not chat or chat.get("prompt_tokens") is None or chat.get("completion_tokens") is None:
        return None
    cached = (chat.get("prompt_tokens_details") or {}).get("cached_tokens")
    reasoning = (chat.get("completion_tokens_details") or {}).get("reasoning_tokens")
    return {
        "input_tokens": chat["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": chat["completion_tokens"],
        # Without any reasoning none of the tokens was reasoning; with it, only the engine can have counted them.
        "output_tokens_details": {"reasoning_tokens": 0 if reasoning is None and not thought else reasoning},
        "total_tokens": chat["prompt_tokens"] + chat["completion_tokens"],
    }


def logprob_entries(logprobs: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Responses' log probabilities of an output text for chat's."""
    entries = (logprobs or {}).get("content") or ()
    return [
        {**_token(entry), "top_logprobs": [_token(top) for top in entry.get("top_logprobs") or ()]} for entry in entries
    ]


def text_item(item_id: str, parts: list[dict[str, Any]], status: str) -> dict[str, Any]:
    return {"id": item_id, "type": "message", "role": "assistant", "status": status, "content": parts}


def text_part(text: str, logprobs: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}


def reasoning_item(item_id: str, text: str | None, status: str) -> dict[str, Any]:
    content = [] if text is None else [{"type": "reasoning_text", "text": text}]
    return {"id": item_id, "type": "reasoning", "summary": [], "content": content, "status": status}


def call_item(item_id: str, call: Mapping[str, Any], arguments: str, status: str) -> dict[str, Any]:
    return {
        "id": item_id,
        "type": "function_call",
        "call_id": call["id"],
        "name": call["function"]["name"],
        "arguments": arguments,
        "status": status,
    }


def _items(message: Mapping[str, Any], logprobs: Mapping[str, Any] | None, status: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if thought := message.get("reasoning_content") or message.get("reasoning"):
        items.append(reasoning_item(new_id("rs"), thought, status))
    parts: list[dict[str, Any]] = []
    if message.get("content"):
        parts.append(text_part(message["content"], logprob_entries(logprobs)))
    if message.get("refusal"):
        parts.append({"type": "refusal", "refusal": message["refusal"]})
    if parts:
        items.append(text_item(new_id("msg"), parts, status))
    calls = message.get("tool_calls") or ()
    items += [call_item(new_id("fc"), call, call["function"].get("arguments") or "", status) for call in calls]
    return items


def _token(entry: Mapping[str, Any]) -> dict[str, Any]:
    token = entry["token"]
    given = entry.get("bytes")
    return {"token": token, "logprob": entry["logprob"], "bytes": list(token.encode()) if given is None else given}
