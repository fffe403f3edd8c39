"""Decides, per request, how tools reach an engine: as they are, as plain messages, or as a constraint. Pure.

- An engine that knows tools and can be forced to use one is sent the request untouched.
- A template that knows no tools is told of them in plain messages (`prompt`), and its text is watched for calls.
- Where a call is demanded and the engine cannot be forced, the answer is constrained to a call by its JSON schema
  mode (`schema`); a template that knows tools still lists them itself.

Limits: with `tool_choice` auto, `strict` tools are not enforced; a call is what the model wrote, and text that is
no valid call of a known tool stays text. Log probabilities of a call's own tokens are not given out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freehold.core.errors import RequestError, UnsupportedError
from freehold.core.ports import Capabilities
from freehold.gateway.toolcalls import asked as asking
from freehold.gateway.toolcalls import prompt, schema
from freehold.gateway.toolcalls.asked import Asked
from freehold.gateway.toolcalls.reader import ToolReader

_FIELDS = frozenset({"tools", "tool_choice", "parallel_tool_calls"})


def adapt(body: dict[str, Any], capabilities: Capabilities) -> tuple[dict[str, Any], ToolReader | None]:
    """The chat body to send to an engine with `capabilities`, and what reads its chunks, where any must be read.

    Raises RequestError for a wrong field, UnsupportedError where what is asked cannot be had together.
    """
    if capabilities.tools and capabilities.forced_tools:
        return body, None
    if not _speaks_of_tools(body):
        return body, None
    asked = asking.read(body)
    if asked.mode == "required" and not capabilities.forced_tools:
        return _forced(body, asked, capabilities)
    if capabilities.tools:
        return _narrowed(body, asked), None
    return _watched(body, asked)


def _speaks_of_tools(body: Mapping[str, Any]) -> bool:
    if body.get("tools") or body.get("tool_choice"):
        return True
    return any(message.get("role") == "tool" or message.get("tool_calls") for message in _messages(body))


def _forced(body: dict[str, Any], asked: Asked, able: Capabilities) -> tuple[dict[str, Any], ToolReader]:
    _refuse_with_forced(body, able)
    rest = {key: value for key, value in body.items() if key not in _FIELDS}
    rest["response_format"] = schema.response_format(asked)
    if able.tools:
        rest |= {"tools": list(asked.tools), "tool_choice": "none"}
    else:
        rest["messages"] = prompt.plain(_messages(body), prompt.section(asked))
    return rest, ToolReader(asked.names, forced=True)


def _refuse_with_forced(body: Mapping[str, Any], able: Capabilities) -> None:
    if not able.json_schema:
        raise UnsupportedError("This endpoint's engine cannot be made to call a tool.", param="tool_choice")
    for field in ("response_format", "grammar", "json_schema"):
        if _constrains(body, field):
            raise UnsupportedError(
                f"`{field}` and a demanded tool call cannot be had together on this endpoint.",
                param=field,
                hint="Leave one of them out, or set `tool_choice` to auto.",
            )
    if body.get("logprobs"):
        raise UnsupportedError("A demanded tool call has no log probabilities on this endpoint.", param="logprobs")


def _narrowed(body: dict[str, Any], asked: Asked) -> dict[str, Any]:
    """The engine's own tools, but for `allowed_tools`, which it does not know."""
    if not isinstance(body.get("tool_choice"), dict):
        return body
    return {**body, "tools": list(asked.tools), "tool_choice": asked.mode}


def _watched(body: dict[str, Any], asked: Asked) -> tuple[dict[str, Any], ToolReader | None]:
    rest = {key: value for key, value in body.items() if key not in _FIELDS}
    if asked.mode == "none" or not asked.tools:
        return {**rest, "messages": prompt.plain(_messages(body), "")}, None
    if _constrains(body, "response_format"):
        raise UnsupportedError(
            "`response_format` and `tools` cannot be had together on this endpoint: its template knows no tools.",
            param="response_format",
            hint="Leave one of them out.",
        )
    rest["messages"] = prompt.plain(_messages(body), prompt.section(asked))
    if asked.parallel is False:
        # The generation ends with the first call, so that there is no second one to take away.
        rest["stop"] = [*_stops(body.get("stop")), prompt.CLOSE]
    return rest, ToolReader(asked.names, forced=False)


def _constrains(body: Mapping[str, Any], field: str) -> bool:
    value = body.get(field)
    return bool(value) and not (isinstance(value, dict) and value.get("type") == "text")


def _stops(stop: Any) -> list[str]:
    return [stop] if isinstance(stop, str) else list(stop or ())


def _messages(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise RequestError("`messages` must be a list of objects.", param="messages")
    return messages
