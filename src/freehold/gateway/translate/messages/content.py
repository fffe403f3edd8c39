"""Anthropic's messages and content blocks as chat messages, in their order.

Thinking blocks of earlier turns become `reasoning_content`, which templates of thinking models read. A tool result
becomes a message of role `tool`; chat messages have no `is_error`, so an error's text is introduced as one.
"""

from __future__ import annotations

import json
from typing import Any

from freehold.core.errors import RequestError
from freehold.gateway.translate.fields import Fields

_ROLES = ("user", "assistant", "system")


def system_text(fields: Fields) -> list[dict[str, Any]]:
    """The `system` field as the first message, or nothing."""
    system = fields.take("system")
    if not system:
        return []
    return [{"role": "system", "content": _texts(system, fields.path("system"))}]


def chat_messages(messages: list[Any]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for index, message in enumerate(messages):
        fields = Fields(message, f"messages.{index}")
        role = fields.take("role")
        if role not in _ROLES:
            raise fields.wrong("role", f"must be user, assistant or system, not {role!r}")
        content, at = fields.take("content"), fields.path("content")
        if isinstance(content, str):
            out.append({"role": role, "content": content})
        elif not isinstance(content, list):
            raise fields.wrong("content", "must be a string or a list of blocks")
        elif role == "assistant":
            out.append(_assistant(content, at))
        elif role == "system":
            out.append({"role": "system", "content": _texts(content, at)})
        else:
            out += _user(content, at)
        fields.done()
    return out


def _user(blocks: list[Any], at: str) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    for index, block in enumerate(blocks):
        fields = Fields(block, f"{at}.{index}")
        if fields.take("type") == "tool_result":
            out += _said(parts)
            parts = []
            out.append(_tool_result(fields))
        else:
            parts.append(_part(fields))
    return [*out, *_said(parts)]


def _said(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": _simplest(parts)}] if parts else []


def _part(fields: Fields) -> dict[str, Any]:
    kind = fields.take("type")
    fields.accept("cache_control")
    if kind == "text":
        return {"type": "text", "text": _text(fields)}
    if kind == "image":
        return _image(fields)
    if kind == "document":
        return _document(fields)
    raise fields.unsupported("type", why="text, image, plain text document and tool_result blocks are")


def _text(fields: Fields) -> str:
    text = fields.text("text")
    fields.accept("type", "cache_control")
    fields.refuse({"citations": "this house gives no citations"})
    fields.done()
    return text


def _texts(content: Any, at: str) -> Any:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise RequestError(f"`{at}` must be a string or a list of text blocks.", param=at)
    parts = []
    for index, block in enumerate(content):
        fields = Fields(block, f"{at}.{index}")
        if fields.take("type") != "text":
            raise fields.unsupported("type", why="only text can stand here")
        parts.append({"type": "text", "text": _text(fields)})
    return _simplest(parts)


def _simplest(parts: list[dict[str, Any]]) -> Any:
    """One text alone is sent as a string, which every template takes."""
    return parts[0]["text"] if len(parts) == 1 and parts[0]["type"] == "text" else parts


def _image(fields: Fields) -> dict[str, Any]:
    fields.refuse({"transformations": "images are passed as they are"})
    source = fields.fields("source")
    if source is None:
        raise fields.wrong("source", "is required")
    kind = source.take("type")
    if kind == "url":
        url = source.text("url")
    elif kind == "base64":
        url = f"data:{source.text('media_type')};base64,{source.text('data')}"
    else:
        raise source.unsupported("type", why="this house keeps no uploaded files", hint="Send base64 or url.")
    source.done()
    fields.done()
    return {"type": "image_url", "image_url": {"url": url}}


def _document(fields: Fields) -> dict[str, Any]:
    fields.only("citations", {"enabled": False}, {}, why="this house gives no citations")
    source = fields.fields("source")
    if source is None:
        raise fields.wrong("source", "is required")
    if source.take("type") != "text":
        raise source.unsupported("type", why="only plain text documents are", hint="Send the document's text.")
    source.only("media_type", "text/plain")
    heads = [fields.take("title"), fields.take("context")]
    text = source.text("data")
    source.done()
    fields.done()
    return {"type": "text", "text": "\n\n".join([*(head for head in heads if head), text])}


def _tool_result(fields: Fields) -> dict[str, Any]:
    fields.accept("cache_control")
    fields.refuse({"toolset_name": "this house has no toolsets"})
    call_id = fields.text("tool_use_id")
    content = _texts(fields.take("content") or "", fields.path("content"))
    failed = fields.take("is_error")
    fields.done()
    if isinstance(content, list):
        content = "\n".join(part["text"] for part in content)
    return {"role": "tool", "tool_call_id": call_id, "content": f"Error: {content}" if failed else content}


def _assistant(blocks: list[Any], at: str) -> dict[str, Any]:
    texts: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    thoughts: list[str] = []
    for index, block in enumerate(blocks):
        fields = Fields(block, f"{at}.{index}")
        kind = fields.take("type")
        if kind == "text":
            texts.append({"type": "text", "text": _text(fields)})
        elif kind == "tool_use":
            calls.append(_tool_use(fields))
        elif kind == "thinking":
            thoughts.append(_thought(fields))
        elif kind == "redacted_thinking":
            raise fields.unsupported("type", why="its content cannot be read here", hint="Leave this block out.")
        else:
            raise fields.unsupported("type", why="text, thinking and tool_use blocks are")
    message: dict[str, Any] = {"role": "assistant", "content": _simplest(texts) if texts else None}
    if thoughts:
        message["reasoning_content"] = "\n".join(thoughts)
    if calls:
        message["tool_calls"] = calls
    elif not texts:
        message["content"] = ""
    return message


def _thought(fields: Fields) -> str:
    fields.accept("signature")
    text = fields.text("thinking")
    fields.done()
    return text


def _tool_use(fields: Fields) -> dict[str, Any]:
    fields.accept("cache_control")
    fields.only("caller", {"type": "direct"}, why="only the model itself calls tools")
    fields.refuse({"toolset_name": "this house has no toolsets"})
    value = fields.take("input")
    if not isinstance(value, dict):
        raise fields.wrong("input", "must be an object")
    function = {"name": fields.text("name"), "arguments": json.dumps(value, ensure_ascii=False)}
    call = {"id": fields.text("id"), "type": "function", "function": function}
    fields.done()
    return call
