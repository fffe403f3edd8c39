"""A Responses request as a chat request. Every field is translated, accepted with its reason here, or refused by name.

No answer can be fetched here later, so whatever refers to one that was given is refused with the way out: send the
items. Accepted because they change no answer: `metadata` (given back), `service_tier` auto, default and flex (which
only lets others go first), `reasoning.summary` auto (the whole reasoning is given), `prompt_cache_*` hints that name
no other place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freehold.gateway.translate.fields import Fields, present
from freehold.gateway.translate.responses.items import chat_messages

_SEND_ITEMS = "no answer can be fetched here later; send the earlier items in `input`"
_REFUSED: Mapping[str, str] = {
    "previous_response_id": _SEND_ITEMS,
    "conversation": _SEND_ITEMS,
    "prompt": _SEND_ITEMS,
    "store": _SEND_ITEMS,
    "background": "an answer is given while you wait",
    "background_options": "an answer is given while you wait",
    "context_management": "a prompt is never cut or changed in silence",
    "moderation": "this house asks no other service about your prompts",
    "access_programs": "this house is in no such program",
    "image": "images are passed as they are",
    "max_tool_calls": "it counts built-in tools, and there are none",
    "prompt_cache_options": "the engine keeps every prefix it can, unasked",
}
_LOGPROBS = "message.output_text.logprobs"


def to_chat(body: dict[str, Any]) -> dict[str, Any]:
    """The chat body that asks the same. Raises RequestError naming the client's own field."""
    fields = Fields(body)
    fields.refuse(_REFUSED)
    fields.accept("metadata", "prompt_cache_retention")
    fields.only("service_tier", "auto", "default", "flex")
    fields.only("truncation", "disabled", why="a prompt is never cut in silence")
    instructions = fields.take("instructions")
    told = [{"role": "system", "content": instructions}] if instructions else []
    streaming = _stream(fields)
    chat = present(
        model=fields.take("model"),
        messages=[*told, *chat_messages(fields)],
        max_completion_tokens=fields.take("max_output_tokens"),
        temperature=fields.take("temperature"),
        top_p=fields.take("top_p"),
        stream=streaming,
        stream_options={"include_usage": True} if streaming else None,
        user=fields.take("user"),
        safety_identifier=fields.take("safety_identifier"),
        prompt_cache_key=fields.take("prompt_cache_key"),
        parallel_tool_calls=fields.take("parallel_tool_calls"),
        tools=[_tool(tool, f"tools.{index}") for index, tool in enumerate(fields.sequence("tools"))] or None,
        tool_choice=_tool_choice(fields),
        reasoning_effort=_effort(fields),
    )
    chat |= _logprobs(fields) | _text(fields)
    if "tools" not in chat:
        # Chat APIs refuse `parallel_tool_calls` beside no tools, where Responses allows it.
        chat.pop("parallel_tool_calls", None)
    fields.done()
    return chat


def _stream(fields: Fields) -> Any:
    options = fields.fields("stream_options")
    if options is not None:
        options.refuse({"include_obfuscation": "events carry no padding here"})
        options.done()
    return fields.take("stream")


def _tool(tool: Any, at: str) -> dict[str, Any]:
    fields = Fields(tool, at)
    if fields.take("type") != "function":
        raise fields.unsupported("type", why="this house runs no tools of its own, only your functions")
    fields.only("allowed_callers", ["direct"], why="only the model itself calls tools")
    fields.refuse(
        {
            "defer_loading": "every tool is told to the model at once",
            "async": "a call is answered in the next request",
            "output_schema": "what a tool answers is not checked here",
        }
    )
    function = present(
        name=fields.text("name"),
        description=fields.take("description"),
        parameters=fields.take("parameters"),
        strict=fields.take("strict"),
    )
    fields.done()
    return {"type": "function", "function": function}


def _tool_choice(parent: Fields) -> Any:
    choice = parent.take("tool_choice")
    if choice is None or isinstance(choice, str):
        return choice
    fields = Fields(choice, parent.path("tool_choice"))
    kind = fields.take("type")
    if kind == "function":
        chosen: dict[str, Any] = _named(fields)
    elif kind == "allowed_tools":
        named = [_named(Fields(tool, fields.path(f"tools.{n}"))) for n, tool in enumerate(fields.sequence("tools"))]
        chosen = {"type": "allowed_tools", "allowed_tools": {"mode": fields.take("mode"), "tools": named}}
    else:
        raise fields.unsupported("type", why="this house runs no tools of its own, only your functions")
    fields.done()
    return chosen


def _named(fields: Fields) -> dict[str, Any]:
    if fields.take("type") != "function":
        raise fields.unsupported("type", why="this house runs no tools of its own, only your functions")
    name = fields.text("name")
    fields.done()
    return {"type": "function", "function": {"name": name}}


def _effort(parent: Fields) -> Any:
    fields = parent.fields("reasoning")
    if fields is None:
        return None
    fields.only("summary", "auto", why="the reasoning is given whole")
    fields.only("generate_summary", "auto", why="the reasoning is given whole")
    fields.only("context", "auto", why="send the reasoning items that shall be read")
    fields.only("mode", "standard")
    effort = fields.take("effort")
    fields.done()
    return effort


def _logprobs(fields: Fields) -> dict[str, Any]:
    include, top = fields.sequence("include"), fields.take("top_logprobs")
    for index, wanted in enumerate(include):
        if wanted != _LOGPROBS:
            at = f"include.{index}"
            raise Fields({at: wanted}).unsupported(at, why=f"only {_LOGPROBS} can be had")
    return present(logprobs=True if include or top else None, top_logprobs=top)


def _text(parent: Fields) -> dict[str, Any]:
    fields = parent.fields("text")
    if fields is None:
        return {}
    verbosity = fields.take("verbosity")
    wanted = fields.fields("format")
    fields.done()
    # "medium" is what a model does when nobody says anything.
    chat = present(verbosity=None if verbosity == "medium" else verbosity)
    return chat if wanted is None else chat | _format(wanted)


def _format(fields: Fields) -> dict[str, Any]:
    kind = fields.text("type")
    if kind == "json_schema":
        described = present(
            name=fields.text("name"),
            schema=fields.take("schema"),
            description=fields.take("description"),
            strict=fields.take("strict"),
        )
        asked = {"response_format": {"type": kind, "json_schema": described}}
    elif kind in ("json_object", "text"):
        asked = {"response_format": {"type": kind}} if kind == "json_object" else {}
    else:
        raise fields.unsupported("type", why="text, json_object and json_schema are")
    fields.done()
    return asked
