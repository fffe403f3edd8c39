"""What a model gives back: answers, deltas of a stream, usage. Pure records over OpenAI's own bodies.

`raw` is always the whole body, so nothing that an engine says is out of reach. None is unknown, never zero.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from freehold.core.errors import EngineError


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call as the engine counted them; None where it does not say."""

    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model asks for. `arguments` is the JSON text as the model wrote it; `parsed` reads it."""

    id: str
    name: str
    arguments: str

    @property
    def parsed(self) -> dict[str, Any]:
        """Raises EngineError where the model wrote no JSON object."""
        value = _json(self.arguments, "arguments of a tool call")
        if not isinstance(value, dict):
            raise EngineError(f"The arguments of {self.name} are not a JSON object.")
        return value


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `str(answer)` is its text.

    `finish_reason` is OpenAI's ("stop", "length", "tool_calls"). `timings` are the engine's (milliseconds and tokens
    per second; keys as llama.cpp names them), None where it gives none. `digest` is the build's, None if remote.
    """

    text: str
    finish_reason: str | None
    usage: Usage
    tool_calls: tuple[ToolCall, ...]
    reasoning: str | None
    timings: Mapping[str, Any] | None
    endpoint: str
    digest: str | None
    raw: Mapping[str, Any] = field(repr=False)

    def __str__(self) -> str:
        return self.text

    def json(self) -> Any:
        """The text read as JSON: what `schema` asked for. Raises EngineError where it is none, for example because
        `max_tokens` cut it."""
        return _json(self.text, f"answer (finish_reason {self.finish_reason})")


@dataclass(frozen=True, slots=True)
class Delta:
    """One piece of a stream. `text` may be empty where the piece carries something else; `raw` is the chunk."""

    text: str
    reasoning: str
    raw: Mapping[str, Any] = field(repr=False)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One vector per text, in the order given."""

    vectors: tuple[tuple[float, ...], ...]
    usage: Usage
    raw: Mapping[str, Any] = field(repr=False)


def answer(body: Mapping[str, Any], *, endpoint: str, digest: str | None) -> Answer:
    """The Answer that an OpenAI chat or text completion says."""
    choice = body["choices"][0] if body.get("choices") else {}
    message = choice.get("message") or {}
    calls = message.get("tool_calls") or ()
    return Answer(
        text=message.get("content") or choice.get("text") or "",
        finish_reason=choice.get("finish_reason"),
        usage=usage(body),
        tool_calls=tuple(
            ToolCall(call.get("id") or "", call["function"]["name"], call["function"].get("arguments") or "")
            for call in calls
        ),
        reasoning=message.get("reasoning_content"),
        timings=body.get("timings"),
        endpoint=endpoint,
        digest=digest,
        raw=body,
    )


def usage(body: Mapping[str, Any]) -> Usage:
    counts = body.get("usage") or {}
    details = counts.get("prompt_tokens_details") or {}
    return Usage(counts.get("prompt_tokens"), counts.get("completion_tokens"), details.get("cached_tokens"))


def delta(chunk: Mapping[str, Any]) -> Delta:
    """The Delta that one OpenAI stream chunk says; of several choices the first counts."""
    choices: Sequence[Mapping[str, Any]] = chunk.get("choices") or ()
    choice = next((choice for choice in choices if choice.get("index", 0) == 0), {})
    said = choice.get("delta") or {}
    text = said.get("content") or choice.get("text") or ""
    return Delta(text=text, reasoning=said.get("reasoning_content") or "", raw=chunk)


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise EngineError(f"The {what} is not JSON: {error}.", text=text) from error
