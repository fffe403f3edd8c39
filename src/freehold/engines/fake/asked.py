"""What a request asks of the fake engine, checked, and how it refuses: in llama.cpp's words and shape. Pure.

Fields that have no meaning without a model (temperature aside, which makes the seed matter) are passed over, as the
sampling settings they are. Fields it could only pretend to honor (grammar, images) are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from freehold.engines.fake import words
from freehold.engines.fake.instance import SchemaError, instance
from freehold.engines.fake.options import FakeOptions
from freehold.engines.fake.template import render, text_of

ANSWERS_LIMIT = 128
TOP_LOGPROBS_LIMIT = 20


class RefusedError(Exception):
    """An answer that is an error: HTTP status and llama.cpp's `error` object."""

    def __init__(self, status: int, message: str, kind: str = "invalid_request_error", **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"code": status, "message": message, "type": kind, **more}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the answer makes; `arguments` is JSON."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Script:
    """What one answer will say: its token pieces, why it ends, and whether it is text or a tool call."""

    pieces: tuple[str, ...]
    finish_reason: str
    tokens: int
    tool: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A checked request. `top` is None where no logprobs are wanted; `scripts` has one entry per answer."""

    chat: bool
    model: str
    prompt_tokens: int
    scripts: tuple[Script, ...]
    stream: bool
    include_usage: bool
    progress: bool
    top: int | None


def read(body: Any, *, chat: bool, options: FakeOptions, model: str) -> Asked:
    """What `body` asks. Raises RefusedError."""
    if not isinstance(body, dict):
        raise RefusedError(400, "the body must be a JSON object")
    if body.get("grammar"):
        raise RefusedError(400, "the fake engine cannot honor a grammar")
    prompts = [render(messages(body), tools(body))] if chat else _prompts(body)
    counts = [words.count(prompt) for prompt in prompts]
    for tokens in counts:
        _check_room(tokens, options)
    wanted = _whole(body, "n", 1, 1, ANSWERS_LIMIT)
    scripts = tuple(
        _script(body, prompt, tokens, index, chat=chat, options=options)
        for prompt, tokens in zip(prompts, counts, strict=True)
        for index in range(wanted)
    )
    stream_options = body.get("stream_options") or {}
    if not isinstance(stream_options, dict):
        raise RefusedError(400, "'stream_options' must be an object")
    return Asked(
        chat=chat,
        model=str(body.get("model") or model),
        prompt_tokens=sum(counts),
        scripts=scripts,
        stream=bool(body.get("stream")),
        include_usage=bool(stream_options.get("include_usage")),
        progress=bool(body.get("return_progress")),
        top=_top(body, chat),
    )


def text_of_prompt(value: Any) -> str:
    """A prompt or an embedding's input, given as text or as token ids, as text. Raises RefusedError."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(type(token) is int for token in value):
        try:
            return "".join(map(words.piece_of, value))
        except ValueError as error:
            raise RefusedError(400, str(error)) from error
    raise RefusedError(400, "a prompt must be a string or a list of token ids")


def several(value: Any, field: str) -> list[str]:
    """One text or many: `value` may be a string, token ids, or a list of either."""
    if isinstance(value, list) and value and not all(type(token) is int for token in value):
        return [text_of_prompt(item) for item in value]
    if value in (None, []):
        raise RefusedError(400, f"'{field}' must be provided")
    return [text_of_prompt(value)]


def _prompts(body: Mapping[str, Any]) -> list[str]:
    return several(body.get("prompt"), "prompt")


def messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise RefusedError(400, "'messages' must be an array of objects")
    if not messages:
        raise RefusedError(400, "'messages' must not be empty")
    for message in messages:
        if not isinstance(message.get("role"), str):
            raise RefusedError(400, "every message must have a 'role'")
        parts = message.get("content")
        if not isinstance(parts, str | list | None) or _has_media(parts):
            raise RefusedError(400, "a message's 'content' must be text: the fake engine sees and hears nothing")
    return messages


def _has_media(parts: str | list[Any] | None) -> bool:
    return isinstance(parts, list) and any(not isinstance(part, dict) or "text" not in part for part in parts)


def tools(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    tools = body.get("tools") or []
    named = isinstance(tools, list) and all(
        isinstance(tool, dict) and isinstance((tool.get("function") or {}).get("name"), str) for tool in tools
    )
    if not named:
        raise RefusedError(400, "'tools' must be an array of functions with a name")
    return list(tools)


def _check_room(tokens: int, options: FakeOptions) -> None:
    if tokens >= options.context_tokens:
        raise RefusedError(
            400,
            f"request ({tokens} tokens) exceeds the available context size ({options.context_tokens} tokens), "
            "try increasing it",
            "exceed_context_size_error",
            n_prompt_tokens=tokens,
            n_ctx=options.context_tokens,
        )


def _script(
    body: Mapping[str, Any], prompt: str, prompt_tokens: int, index: int, *, chat: bool, options: FakeOptions
) -> Script:
    limit = _whole(body, "max_completion_tokens", -1, -1, 2**31 - 1)
    limit = _whole(body, "max_tokens", limit, -1, 2**31 - 1)
    room = options.context_tokens - prompt_tokens
    most = room if limit < 0 else min(room, limit)
    call = _call(body) if chat else None
    shaped = call.arguments if call is not None else _shaped(body)
    if shaped is not None:
        pieces = words.split(shaped)
    else:
        seed = 0 if body.get("temperature") == 0 else _whole(body, "seed", 0, -(2**63), 2**64)
        pieces = words.write(prompt, seed=seed, index=index, tokens=min(options.tokens, most))
        if options.tokens > most:
            return _stopped(pieces, _stops(body), "length")
        return _stopped(pieces, _stops(body), "stop")
    name = call.name if call is not None else None
    if len(pieces) > most:
        return Script(tuple(pieces[:most]), "length", most, name)
    return Script(tuple(pieces), "tool_calls" if name else "stop", len(pieces), name)


def _stopped(pieces: list[str], stops: list[str], reason: str) -> Script:
    """Cut at the first stop sequence, which is not part of the answer; its last token is counted, as it was made."""
    text = "".join(pieces)
    found = [(at, at + len(stop)) for stop in stops if (at := text.find(stop)) >= 0]
    if not found:
        return Script(tuple(pieces), reason, len(pieces))
    start, end = min(found)
    kept: list[str] = []
    made = seen = 0
    for piece in pieces:
        if seen >= end:
            break
        if seen < start:
            kept.append(piece[: start - seen])
        seen += len(piece)
        made += 1
    return Script(tuple(kept), "stop", made)


def _stops(body: Mapping[str, Any]) -> list[str]:
    stops = body.get("stop") or []
    stops = [stops] if isinstance(stops, str) else stops
    if not isinstance(stops, list) or not all(isinstance(stop, str) and stop for stop in stops):
        raise RefusedError(400, "'stop' must be a string or an array of strings")
    return stops


def _call(body: Mapping[str, Any]) -> ToolCall | None:
    """The call to make: where `tool_choice` forces one, or where the user's last message names a function."""
    functions = [tool["function"] for tool in tools(body)]
    choice = body.get("tool_choice", "auto")
    if choice == "none" or not functions:
        return None
    chosen = None
    if isinstance(choice, dict):
        name = (choice.get("function") or {}).get("name")
        chosen = next((function for function in functions if function["name"] == name), None)
        if chosen is None:
            raise RefusedError(400, f"'tool_choice' names {name!r}, which is not among the tools")
    elif choice == "required":
        chosen = functions[0]
    else:
        last = body["messages"][-1]
        said = text_of(last) if last["role"] == "user" else ""
        chosen = next((function for function in functions if function["name"] in said), None)
    if chosen is None:
        return None
    return ToolCall(chosen["name"], _instance(chosen.get("parameters") or {"type": "object"}))


def _shaped(body: Mapping[str, Any]) -> str | None:
    """The JSON text of the shape asked for, or None where plain text is."""
    form = body.get("response_format") or {}
    if not isinstance(form, dict) or form.get("type", "text") not in {"text", "json_object", "json_schema"}:
        raise RefusedError(400, 'response_format type must be one of "text" or "json_object" or "json_schema"')
    if form.get("type") == "json_schema":
        inner = form.get("json_schema")
        if not isinstance(inner, dict):
            raise RefusedError(400, "'response_format.json_schema' must be an object")
        return _instance(inner.get("schema", True))
    if form.get("type") == "json_object":
        return _instance(form.get("schema", True))
    return _instance(body["json_schema"]) if "json_schema" in body else None


def _instance(schema: Any) -> str:
    try:
        return json.dumps(instance(schema), ensure_ascii=False)
    except SchemaError as error:
        raise RefusedError(400, f"Unable to generate an answer for this schema: {error}") from error


def _top(body: Mapping[str, Any], chat: bool) -> int | None:
    if chat:
        top = _whole(body, "top_logprobs", 0, 0, TOP_LOGPROBS_LIMIT)
        if top and not body.get("logprobs"):
            raise RefusedError(400, "top_logprobs requires logprobs to be set to true")
        return top if body.get("logprobs") else None
    return _whole(body, "logprobs", 0, 0, TOP_LOGPROBS_LIMIT) or None


def _whole(body: Mapping[str, Any], field: str, default: int, low: int, high: int) -> int:
    value = body.get(field)
    if value is None:
        return default
    if type(value) is not int or not low <= value <= high:
        raise RefusedError(400, f"'{field}' must be a whole number from {low} to {high}")
    return value
