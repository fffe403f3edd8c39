"""What a request asks of the fake engine, checked, and how it refuses: in llama.cpp's words and shape. Pure.

Fields that have no meaning without a model (temperature aside, which makes the seed matter) are passed over, as the
sampling settings they are. Fields it could only pretend to honor (grammar, images) are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from freehold.engines.fake import words
from freehold.engines.fake.instance import SchemaError, instance
from freehold.engines.fake.options import FakeOptions
from freehold.engines.fake.template import render
from freehold.engines.http.body import (
    RefusedError,
    include_usage,
    messages,
    most_tokens,
    over_context,
    schema_of,
    several,
    stops,
    text_of,
    whole,
)

ANSWERS_LIMIT = 128
TOP_LOGPROBS_LIMIT = 20


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


def read(body: dict[str, Any], *, chat: bool, options: FakeOptions, model: str) -> Asked:
    """What `body` asks. Raises RefusedError."""
    if body.get("grammar"):
        raise RefusedError(400, "the fake engine cannot honor a grammar")
    texts = [render(messages(body), tools(body))] if chat else prompts(body.get("prompt"), "prompt")
    counts = [words.count(text) for text in texts]
    for tokens in counts:
        if tokens >= options.context_tokens:
            raise over_context(tokens, options.context_tokens)
    wanted = whole(body, "n", 1, 1, ANSWERS_LIMIT)
    scripts = tuple(
        _script(body, text, tokens, index, chat=chat, options=options)
        for text, tokens in zip(texts, counts, strict=True)
        for index in range(wanted)
    )
    return Asked(
        chat=chat,
        model=str(body.get("model") or model),
        prompt_tokens=sum(counts),
        scripts=scripts,
        stream=bool(body.get("stream")),
        include_usage=include_usage(body),
        progress=bool(body.get("return_progress")),
        top=_top(body, chat),
    )


def prompts(value: Any, field: str) -> list[str]:
    """The texts of one prompt or many, each given as text or as token ids. Raises RefusedError."""
    return [prompt if isinstance(prompt, str) else text_of_tokens(prompt) for prompt in several(value, field)]


def text_of_tokens(tokens: Any) -> str:
    """Raises RefusedError for what is not a list of token ids."""
    if not isinstance(tokens, list) or not all(type(token) is int for token in tokens):
        raise RefusedError(400, "tokens must be a list of token ids")
    try:
        return "".join(map(words.piece_of, tokens))
    except ValueError as error:
        raise RefusedError(400, str(error)) from error


def tools(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    tools = body.get("tools") or []
    named = isinstance(tools, list) and all(
        isinstance(tool, dict) and isinstance((tool.get("function") or {}).get("name"), str) for tool in tools
    )
    if not named:
        raise RefusedError(400, "'tools' must be an array of functions with a name")
    return list(tools)


def _script(
    body: Mapping[str, Any], prompt: str, prompt_tokens: int, index: int, *, chat: bool, options: FakeOptions
) -> Script:
    most = most_tokens(body, options.context_tokens - prompt_tokens)
    call = _call(body) if chat else None
    shaped = call.arguments if call is not None else _shaped(body)
    if shaped is not None:
        pieces = words.split(shaped)
    else:
        seed = 0 if body.get("temperature") == 0 else whole(body, "seed", 0, -(2**63), 2**64)
        pieces = words.write(prompt, seed=seed, index=index, tokens=min(options.tokens, most))
        if options.tokens > most:
            return _stopped(pieces, stops(body), "length")
        return _stopped(pieces, stops(body), "stop")
    name = call.name if call is not None else None
    if len(pieces) > most:
        return Script(tuple(pieces[:most]), "length", most, name)
    return Script(tuple(pieces), "tool_calls" if name else "stop", len(pieces), name)


def _stopped(pieces: list[str], ends: Sequence[str], reason: str) -> Script:
    """Cut at the first stop sequence, which is not part of the answer; its last token is counted, as it was made."""
    text = "".join(pieces)
    found = [(at, at + len(stop)) for stop in ends if (at := text.find(stop)) >= 0]
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
    schema = schema_of(body)
    return None if schema is None else _instance(schema)


def _instance(schema: Any) -> str:
    try:
        return json.dumps(instance(schema), ensure_ascii=False)
    except SchemaError as error:
        raise RefusedError(400, f"Unable to generate an answer for this schema: {error}") from error


def _top(body: Mapping[str, Any], chat: bool) -> int | None:
    if chat:
        top = whole(body, "top_logprobs", 0, 0, TOP_LOGPROBS_LIMIT)
        if top and not body.get("logprobs"):
            raise RefusedError(400, "top_logprobs requires logprobs to be set to true")
        return top if body.get("logprobs") else None
    return whole(body, "logprobs", 0, 0, TOP_LOGPROBS_LIMIT) or None
