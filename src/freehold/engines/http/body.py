"""What is read of a request's body the same way by every worker that is written here, and how it is refused: in
llama.cpp's words and shape. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json


class RefusedError(Exception):
    """An answer that is an error: HTTP status and llama.cpp's `error` object."""

    def __init__(self, status: int, message: str, kind: str = "invalid_request_error", **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"code": status, "message": message, "type": kind, **more}


def over_context(prompt_tokens: int, context_tokens: int) -> RefusedError:
    """The refusal of a prompt that leaves no room for an answer, with both counts."""
    return RefusedError(
        400,
        f"request ({prompt_tokens} tokens) exceeds the available context size ({context_tokens} tokens), "
        "try increasing it",
        "exceed_context_size_error",
        n_prompt_tokens=prompt_tokens,
        n_ctx=context_tokens,
    )


def parsed(raw: bytes) -> Any:
    """Raises RefusedError for what is no JSON."""
    try:
        return from_json(raw)
    except ValueError as error:
        raise RefusedError(400, f"the body is not JSON: {error}") from error


def object_of(raw: bytes) -> dict[str, Any]:
    """Raises RefusedError for what is no JSON object."""
    body = parsed(raw)
    if not isinstance(body, dict):
        raise RefusedError(400, "the body must be a JSON object")
    return body


def messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The conversation: objects with a role each, whose content is text, parts of text, or nothing."""
    found = body.get("messages")
    if not isinstance(found, list) or not all(isinstance(message, dict) for message in found):
        raise RefusedError(400, "'messages' must be an array of objects")
    if not found:
        raise RefusedError(400, "'messages' must not be empty")
    for message in found:
        if not isinstance(message.get("role"), str):
            raise RefusedError(400, "every message must have a 'role'")
        parts = message.get("content")
        if not isinstance(parts, str | list | None) or _has_media(parts):
            raise RefusedError(400, "a message's 'content' must be text: this engine sees and hears nothing")
    return found


def text_of(message: Mapping[str, Any]) -> str:
    """What a message says, its text parts joined."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content)
    return content or ""


def several(value: Any, field: str) -> list[str | list[int]]:
    """One prompt or many: `value` is a string, token ids, or a list of either."""
    if isinstance(value, list) and value and not all(type(token) is int for token in value):
        return [_one(item) for item in value]
    if value in (None, []):
        raise RefusedError(400, f"'{field}' must be provided")
    return [_one(value)]


def stops(body: Mapping[str, Any]) -> tuple[str, ...]:
    found = body.get("stop") or []
    found = [found] if isinstance(found, str) else found
    if not isinstance(found, list) or not all(isinstance(stop, str) and stop for stop in found):
        raise RefusedError(400, "'stop' must be a string or an array of strings")
    return tuple(found)


def schema_of(body: Mapping[str, Any]) -> Any:
    """The JSON Schema of the shape asked for, or None where plain text is."""
    form = body.get("response_format") or {}
    if not isinstance(form, dict) or form.get("type", "text") not in {"text", "json_object", "json_schema"}:
        raise RefusedError(400, 'response_format type must be one of "text" or "json_object" or "json_schema"')
    if form.get("type") == "json_schema":
        inner = form.get("json_schema")
        if not isinstance(inner, dict):
            raise RefusedError(400, "'response_format.json_schema' must be an object")
        return inner.get("schema", True)
    if form.get("type") == "json_object":
        return form.get("schema", {"type": "object"})
    return body.get("json_schema")


def include_usage(body: Mapping[str, Any]) -> bool:
    options = body.get("stream_options") or {}
    if not isinstance(options, dict):
        raise RefusedError(400, "'stream_options' must be an object")
    return bool(options.get("include_usage"))


def whole(body: Mapping[str, Any], field: str, default: int, low: int, high: int) -> int:
    """A whole number from `low` to `high`, or `default` where the body has none."""
    value = body.get(field)
    if value is None:
        return default
    if type(value) is not int or not low <= value <= high:
        raise RefusedError(400, f"'{field}' must be a whole number from {low} to {high}")
    return value


def number(body: Mapping[str, Any], field: str, default: float, low: float, high: float) -> float:
    """A number from `low` to `high`, or `default` where the body has none."""
    value = body.get(field)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise RefusedError(400, f"'{field}' must be a number from {low:g} to {high:g}")
    return float(value)


def most_tokens(body: Mapping[str, Any], room: int) -> int:
    """How many tokens the answer may have: what was asked for, and no more than there is room for."""
    limit = whole(body, "max_completion_tokens", -1, -1, 2**31 - 1)
    limit = whole(body, "max_tokens", limit, -1, 2**31 - 1)
    return room if limit < 0 else min(room, limit)


def _one(value: Any) -> str | list[int]:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(type(token) is int for token in value):
        return value
    raise RefusedError(400, "a prompt must be a string or a list of token ids")


def _has_media(parts: str | list[Any] | None) -> bool:
    return isinstance(parts, list) and any(not isinstance(part, dict) or "text" not in part for part in parts)
