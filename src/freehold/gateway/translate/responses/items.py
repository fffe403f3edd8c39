"""Responses input items as chat messages, in their order.

Chat keeps reasoning, text and calls of one assistant turn in one message, Responses in one item each, so adjacent
items of the assistant are joined. `id`, `status` and `phase` of items are the client's bookkeeping and accepted.
`developer` is said as `system`, the word that open models' templates know.
"""

from __future__ import annotations

from typing import Any

from freehold.gateway.translate.fields import Fields

_ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}


def chat_messages(body: Fields) -> list[dict[str, Any]]:
    """The messages of `input`. Raises RequestError, UnsupportedError naming the item's field."""
    given = body.take("input")
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise body.wrong("input", "must be a string or a list of items")
    out: list[dict[str, Any]] = []
    for index, item in enumerate(given):
        fields = Fields(item, f"input.{index}")
        fields.accept("id", "status", "phase")
        _add(fields, out)
        fields.done()
    return out


def _add(fields: Fields, out: list[dict[str, Any]]) -> None:
    kind = fields.take("type") or ("message" if fields.take("role") else "item_reference")
    if kind == "message":
        _message(fields, out)
    elif kind == "function_call":
        _turn(out, said=True).setdefault("tool_calls", []).append(_call(fields))
    elif kind == "function_call_output":
        out.append(_output(fields))
    elif kind == "reasoning":
        message = _turn(out, said=False)
        message["reasoning_content"] = message.get("reasoning_content", "") + _reasoning(fields)
    elif kind == "item_reference":
        raise fields.unsupported("type", why="this house keeps no items", hint="Send the item itself.")
    else:
        raise fields.unsupported("type", why="message, function_call, function_call_output and reasoning are")


def _turn(out: list[dict[str, Any]], *, said: bool) -> dict[str, Any]:
    """The assistant's message under way, else a new one. `said`: it may already have said or called something."""
    last = out[-1] if out else {}
    if last.get("role") != "assistant" or (not said and (last["content"] is not None or "tool_calls" in last)):
        last = {"role": "assistant", "content": None}
        out.append(last)
    return last


def _message(fields: Fields, out: list[dict[str, Any]]) -> None:
    role = _ROLES.get(fields.text("role"))
    if role is None:
        raise fields.wrong("role", "must be user, assistant, system or developer")
    content = _content(fields, "content")
    if role == "assistant":
        _turn(out, said=False)["content"] = content
    else:
        out.append({"role": role, "content": content})


def _content(fields: Fields, key: str) -> Any:
    content = fields.take(key)
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise fields.wrong(key, "must be a string or a list of parts")
    parts = [_part(Fields(part, fields.path(f"{key}.{index}"))) for index, part in enumerate(content)]
    return parts[0]["text"] if len(parts) == 1 and parts[0]["type"] == "text" else parts


def _part(fields: Fields) -> dict[str, Any]:
    kind = fields.take("type")
    # The engine keeps every prefix it can, wherever a client would have it break.
    fields.accept("prompt_cache_breakpoint")
    if kind in ("input_text", "output_text"):
        fields.accept("logprobs")
        fields.refuse({"annotations": "this house gives no citations"})
        part: dict[str, Any] = {"type": "text", "text": fields.text("text")}
    elif kind == "refusal":
        part = {"type": "text", "text": fields.text("refusal")}
    elif kind == "input_image":
        part = _image(fields)
    else:
        raise fields.unsupported("type", why="input_text, output_text, refusal and input_image are")
    fields.done()
    return part


def _image(fields: Fields) -> dict[str, Any]:
    fields.refuse({"file_id": "this house keeps no uploaded files; send image_url"})
    image: dict[str, Any] = {"url": fields.text("image_url")}
    detail = fields.take("detail")
    if detail not in (None, "auto"):
        image["detail"] = detail
    return {"type": "image_url", "image_url": image}


def _call(fields: Fields) -> dict[str, Any]:
    fields.only("caller", {"type": "direct"}, why="only the model itself calls tools")
    fields.refuse({"namespace": "functions have no namespaces here", "async": "a call is answered in the next request"})
    function = {"name": fields.text("name"), "arguments": fields.text("arguments")}
    return {"id": fields.text("call_id"), "type": "function", "function": function}


def _output(fields: Fields) -> dict[str, Any]:
    fields.only("caller", {"type": "direct"}, why="only the model itself calls tools")
    fields.refuse({"namespace": "functions have no namespaces here"})
    content = _content(fields, "output")
    if isinstance(content, list):
        if any(part["type"] != "text" for part in content):
            raise fields.unsupported("output", why="a function's output is text here")
        content = "\n".join(part["text"] for part in content)
    message = {"role": "tool", "tool_call_id": fields.text("call_id"), "content": content}
    name = fields.take("name")
    return {**message, "name": name} if name else message


def _reasoning(fields: Fields) -> str:
    fields.refuse({"encrypted_content": "it cannot be read here; leave it out and send `content`"})
    # The summary says again, shorter, what the content says.
    parts, summary = fields.sequence("content"), fields.sequence("summary")
    kind = "content" if parts else "summary"
    return "\n".join(_thought(part, fields.path(f"{kind}.{n}")) for n, part in enumerate(parts or summary))


def _thought(part: Any, at: str) -> str:
    fields = Fields(part, at)
    if fields.take("type") not in ("reasoning_text", "summary_text"):
        raise fields.unsupported("type", why="reasoning_text and summary_text are")
    text = fields.text("text")
    fields.done()
    return text
