"""The JSON Schema that leaves an engine no answer but a tool call. Pure.

Each tool's parameter schema is put whole under `$defs` of the new schema, and its local references (`#/...`, JSON
Pointer, RFC 6901) are moved along, so schemas with `$defs`, `definitions` or recursion keep working.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freehold.gateway.toolcalls.asked import Asked

_NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
# Under these keys stand values, not schemas: a "$ref" in them is somebody's data.
_VALUES = frozenset({"const", "default", "enum", "example", "examples"})


def response_format(asked: Asked) -> dict[str, Any]:
    """OpenAI's `response_format` for `{"name": …, "arguments": …}` of one of the tools.

    An array of such calls only where several were asked for explicitly: a small model that must write an array
    does not know when to end it.
    """
    calls = [_call(name, index) for index, name in enumerate(asked.names)]
    schema: dict[str, Any] = calls[0] if len(calls) == 1 else {"anyOf": calls}
    if asked.parallel:
        schema = {"type": "array", "items": schema, "minItems": 1}
    schema["$defs"] = {
        _key(index): rebase(tool["function"].get("parameters") or _NO_PARAMETERS, f"#/$defs/{_key(index)}")
        for index, tool in enumerate(asked.tools)
    }
    return {"type": "json_schema", "json_schema": {"name": "tool_call", "strict": True, "schema": schema}}


def rebase(schema: Any, base: str) -> Any:
    """`schema` with every local reference made relative to `base` instead of the root."""
    if isinstance(schema, list):
        return [rebase(item, base) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "$ref" and isinstance(value, str) and value.startswith("#"):
            out[key] = base + value[1:]
        else:
            out[key] = value if key in _VALUES and not isinstance(value, dict) else rebase(value, base)
    return out


def _call(name: str, index: int) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"name": {"const": name}, "arguments": {"$ref": f"#/$defs/{_key(index)}"}},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _key(index: int) -> str:
    return f"tool_{index}"
