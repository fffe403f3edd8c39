"""A Messages request as a chat request. Every field is translated, accepted with its reason here, or refused by name.

Accepted because they change no answer: `cache_control` (the engine keeps every prefix it can, unasked),
`service_tier` (there is one), `eager_input_streaming` (a hint), `thinking.signature` (nobody here checks it).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freehold.core.errors import RequestError
from freehold.gateway.translate.fields import Fields, present
from freehold.gateway.translate.messages.content import chat_messages, system_text

_REFUSED: Mapping[str, str] = {
    "container": "this house runs no code for a model",
    "mcp_servers": "this house connects to no servers of others",
    "context_management": "a prompt is never cut or changed in silence",
    "diagnostics": "this house keeps no earlier prompts to compare with",
    "inference_geo": "inference happens where this house stands",
    "user_profile_id": "this house keeps no profiles",
    "workspace_id": "this house has no workspaces",
}
_CHOICES: Mapping[str, str] = {"auto": "auto", "any": "required", "none": "none"}


def to_chat(body: dict[str, Any]) -> dict[str, Any]:
    """The chat body that asks the same. Raises RequestError naming the client's own field."""
    if body.get("max_tokens") is None:
        raise RequestError("`max_tokens` is required.", param="max_tokens")
    return to_count(body)


def to_count(body: dict[str, Any]) -> dict[str, Any]:
    """`to_chat` for counting tokens, where `max_tokens` is not asked for."""
    fields = Fields(body)
    fields.refuse(_REFUSED)
    fields.accept("cache_control")
    fields.only("service_tier", "auto", "standard_only")
    fields.only("speed", "standard", why="this house has one speed")
    system = system_text(fields)
    messages = fields.take("messages")
    if not isinstance(messages, list) or not messages:
        raise fields.wrong("messages", "must be a list with at least one message")
    streaming = fields.take("stream")
    chat = present(
        model=fields.take("model"),
        messages=[*system, *chat_messages(messages)],
        max_tokens=_max_tokens(fields),
        stop=fields.take("stop_sequences"),
        temperature=fields.take("temperature"),
        top_p=fields.take("top_p"),
        top_k=fields.take("top_k"),
        stream=streaming,
        stream_options={"include_usage": True} if streaming else None,
        user=_user(fields),
        tools=[_tool(tool, f"tools.{index}") for index, tool in enumerate(fields.sequence("tools"))] or None,
    )
    chat |= _tool_choice(fields) | _thinking(fields) | _output(fields)
    fields.done()
    return chat


def _max_tokens(fields: Fields) -> int | None:
    value = fields.take("max_tokens")
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise fields.wrong("max_tokens", "must be a whole number of at least 1")
    return value


def _user(fields: Fields) -> Any:
    metadata = fields.fields("metadata")
    if metadata is None:
        return None
    user = metadata.take("user_id")
    metadata.done()
    return user


def _tool(tool: Any, at: str) -> dict[str, Any]:
    fields = Fields(tool, at)
    if fields.take("type") not in (None, "custom"):
        raise fields.unsupported("type", why="this house runs no tools of its own, only yours")
    fields.accept("cache_control", "eager_input_streaming")
    fields.only("allowed_callers", ["direct"], why="only the model itself calls tools")
    fields.refuse({"defer_loading": "every tool is told to the model at once"})
    schema = fields.take("input_schema")
    if not isinstance(schema, dict):
        raise fields.wrong("input_schema", "must be a JSON Schema")
    examples = fields.take("input_examples")
    function = present(
        name=fields.text("name"),
        description=fields.take("description"),
        # JSON Schema's own keyword for what Anthropic calls `input_examples`.
        parameters={**schema, "examples": examples} if examples else schema,
        strict=fields.take("strict"),
    )
    fields.done()
    return {"type": "function", "function": function}


def _tool_choice(parent: Fields) -> dict[str, Any]:
    fields = parent.fields("tool_choice")
    if fields is None:
        return {}
    kind = fields.text("type")
    if kind == "tool":
        choice: Any = {"type": "function", "function": {"name": fields.text("name")}}
    elif kind in _CHOICES:
        choice = _CHOICES[kind]
    else:
        raise fields.wrong("type", f"must be auto, any, tool or none, not {kind!r}")
    one = fields.take("disable_parallel_tool_use")
    fields.done()
    return {"tool_choice": choice, **present(parallel_tool_calls=False if one else None)}


def _thinking(parent: Fields) -> dict[str, Any]:
    """`chat_template_kwargs.enable_thinking` is what thinking models' templates call it (Qwen's convention); the
    budget is llama.cpp's own field. Adaptive is what a model does when nobody says anything."""
    fields = parent.fields("thinking")
    if fields is None:
        return {}
    kind = fields.text("type")
    if kind not in ("enabled", "disabled", "adaptive"):
        raise fields.unsupported("type", why="thinking is enabled, disabled or adaptive here")
    budget = fields.take("budget_tokens")
    fields.only("display", "summarized", "omitted")
    fields.done()
    if kind == "adaptive":
        return {}
    asked = {"chat_template_kwargs": {"enable_thinking": kind == "enabled"}}
    return {**asked, **present(thinking_budget_tokens=budget)}


def _output(parent: Fields) -> dict[str, Any]:
    fields = parent.fields("output_config")
    effort = fields.take("effort") if fields else None
    wanted, older = fields.fields("format") if fields else None, parent.fields("output_format")
    if wanted and older:
        raise parent.wrong("output_format", "is the older name of `output_config.format`: give one of them")
    wanted = wanted or older
    chat = present(reasoning_effort=effort)
    if wanted is not None:
        if wanted.text("type") != "json_schema":
            raise wanted.unsupported("type", why="only json_schema is")
        schema = wanted.take("schema")
        if not isinstance(schema, dict):
            raise wanted.wrong("schema", "must be a JSON Schema")
        wanted.done()
        described = {"name": "answer", "strict": True, "schema": schema}
        chat["response_format"] = {"type": "json_schema", "json_schema": described}
    if fields:
        fields.done()
    return chat
