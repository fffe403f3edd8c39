"""Tools told to a model in plain messages, in the Hermes convention: `<tools>`, `<tool_call>`, `<tool_response>`.

For chat templates that know no tools: those drop `tools`, `tool_calls` and tool results in silence (seen with
SmolLM2's template), which would be answering another question than the one asked. The convention is that of
NousResearch's Hermes 2 Pro, which Qwen and others were trained on. Pure; the caller's messages are not changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import from_json

from freehold.core.errors import RequestError, UnsupportedError
from freehold.gateway.toolcalls.asked import Asked

OPEN, CLOSE = "<tool_call>", "</tool_call>"


def section(asked: Asked) -> str:
    """What the system message says about the tools."""
    tools = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in asked.tools)
    about = (
        "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
        f"You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n{tools}\n</tools>\n\n"
    )
    if asked.mode == "required":
        shape = '[{"name": <function-name>, "arguments": <args-json-object>}, ...]' if asked.parallel else _SHAPE
        return f"{about}Answer with a function call and nothing else, as JSON:\n{shape}"
    return (
        f"{about}For each function call, return a json object with function name and arguments within "
        f"{OPEN}{CLOSE} XML tags:\n{OPEN}\n{_SHAPE}\n{CLOSE}"
    )


_SHAPE = '{"name": <function-name>, "arguments": <args-json-object>}'


def plain(messages: Sequence[Mapping[str, Any]], told: str) -> list[dict[str, Any]]:
    """`messages` without tool calls and tool results as such, `told` added to the system message (if not empty).

    Results that follow one another become one user message, in the order of the calls they answer.
    """
    out: list[dict[str, Any]] = []
    calls: dict[str, tuple[int, str]] = {}
    results: list[tuple[int, str]] = []
    for index, message in enumerate(messages):
        if message.get("role") == "tool":
            order, name = calls.get(message.get("tool_call_id", ""), (len(calls), message.get("name") or ""))
            results.append((order, _result(name, _text(message.get("content"), f"messages.{index}.content"))))
            continue
        out += _responses(results)
        if message.get("tool_calls"):
            calls = {call.get("id", ""): (n, _function(call, index)["name"]) for n, call in _numbered(message)}
            out.append(_assistant(message, index))
        else:
            out.append(dict(message))
    out += _responses(results)
    return _with_system(out, told) if told else out


def _numbered(message: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    return list(enumerate(message["tool_calls"]))


def _responses(results: list[tuple[int, str]]) -> list[dict[str, Any]]:
    ordered = [text for _, text in sorted(results, key=lambda result: result[0])]
    results.clear()
    return [{"role": "user", "content": "\n".join(ordered)}] if ordered else []


def _result(name: str, text: str) -> str:
    said = {"name": name, "content": text} if name else {"content": text}
    return f"<tool_response>\n{json.dumps(said, ensure_ascii=False)}\n</tool_response>"


def _assistant(message: Mapping[str, Any], index: int) -> dict[str, Any]:
    said = _text(message.get("content"), f"messages.{index}.content")
    calls = [_call(_function(call, index)) for _, call in _numbered(message)]
    rest = {key: value for key, value in message.items() if key != "tool_calls"}
    return {**rest, "content": "\n".join([said, *calls] if said else calls)}


def _call(function: Mapping[str, Any]) -> str:
    arguments = function.get("arguments") or "{}"
    try:
        value = from_json(arguments) if isinstance(arguments, str) else arguments
    except ValueError:
        value = arguments
    said = json.dumps({"name": function["name"], "arguments": value}, ensure_ascii=False)
    return f"{OPEN}\n{said}\n{CLOSE}"


def _function(call: Any, index: int) -> Mapping[str, Any]:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise RequestError("A tool call needs `function.name`.", param=f"messages.{index}.tool_calls")
    return function


def _text(content: Any, param: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    texts: list[str] = []
    for part in content if isinstance(content, list) else [content]:
        if not isinstance(part, dict) or part.get("type") != "text":
            raise UnsupportedError("Only text can stand beside tool calls on this endpoint.", param=param)
        texts.append(part.get("text") or "")
    return "\n".join(texts)


def _with_system(messages: list[dict[str, Any]], told: str) -> list[dict[str, Any]]:
    first = messages[0] if messages else {}
    if first.get("role") not in ("system", "developer"):
        return [{"role": "system", "content": told}, *messages]
    content = first.get("content")
    if isinstance(content, list):
        return [{**first, "content": [*content, {"type": "text", "text": told}]}, *messages[1:]]
    return [{**first, "content": f"{content}\n\n{told}" if content else told}, *messages[1:]]
