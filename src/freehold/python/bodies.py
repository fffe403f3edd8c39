"""What a call of the Python API becomes: an OpenAI request body. Pure.

Named arguments are the common fields; every other field passes as it is given (`top_p=0.9`, `logprobs=True`,
`stop=["\\n"]`), and the engine or the gateway refuses by name what it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from freehold.core.errors import RequestError

Messages = str | Sequence[Mapping[str, Any]]


class HasJsonSchema(Protocol):
    """A pydantic model class, or anything else that gives its own JSON Schema."""

    def model_json_schema(self) -> dict[str, Any]: ...


Schema = Mapping[str, Any] | HasJsonSchema


def chat(
    messages: Messages,
    *,
    system: str | None,
    tools: Sequence[Mapping[str, Any]] | None,
    schema: Schema | None,
    fields: Mapping[str, Any],
) -> dict[str, Any]:
    """The body of a chat call. Raises RequestError for messages that are none, or a schema given twice."""
    body: dict[str, Any] = {"messages": _messages(messages, system)}
    if tools:
        body["tools"] = list(tools)
    if schema is not None:
        if fields.get("response_format") is not None:
            raise RequestError("`schema` and `response_format` say the same thing; give one.", param="response_format")
        wanted = {"name": "answer", "schema": _schema(schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": wanted}
    return {**body, **_given(fields)}


def complete(prompt: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a text completion."""
    return {"prompt": prompt, **_given(fields)}


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """None means not given, as in the signatures: OpenAI's fields have no meaning for null that differs."""
    return {name: value for name, value in fields.items() if value is not None}


def _messages(messages: Messages, system: str | None) -> list[dict[str, Any]]:
    if isinstance(messages, str):
        listed: list[dict[str, Any]] = [{"role": "user", "content": messages}]
    else:
        listed = [dict(message) for message in messages]
    if not listed:
        raise RequestError("There is no message.", param="messages", hint='Give a text, or [{"role": "user", …}].')
    return [{"role": "system", "content": system}, *listed] if system else listed


def _schema(schema: Schema) -> dict[str, Any]:
    return dict(schema) if isinstance(schema, Mapping) else schema.model_json_schema()
