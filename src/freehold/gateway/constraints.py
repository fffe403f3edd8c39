"""Looks at what an answer must follow, a JSON Schema or a grammar, before an engine does. Pure.

Two reasons. An engine that cannot read a part of a schema may answer without it (llama.cpp b11549 takes a broken
`pattern` for none). And an engine compiles them while every other request waits: a grammar nested 50,000 deep ended the
worker, an enum of 100,000 values held it for 24 s. What is within the bounds is the engine's to judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from freehold.core.errors import RequestError

_KINDS = ("text", "json_object", "json_schema")
# JavaScript's named groups, which JSON Schema patterns may use, in Python's spelling.
_NAMED_GROUP = re.compile(r"\(\?<(?![=!])")
DEPTH_LIMIT = 64
PARTS_LIMIT = 5_000
TEXT_LIMIT_CHARACTERS = 64 * 1024
GRAMMAR_DEPTH_LIMIT = 128


def check_format(response_format: Any) -> None:
    """Raises RequestError that names the field."""
    kind = response_format.get("type") if isinstance(response_format, dict) else None
    if kind not in _KINDS:
        raise _wrong("response_format.type", f"must be one of {', '.join(_KINDS)}, not {kind!r}")
    named = response_format.get("json_schema")
    if kind == "json_schema" and (not isinstance(named, dict) or not isinstance(named.get("schema"), dict | bool)):
        path = "response_format.json_schema.schema"
        raise _wrong(path, "is missing: it is the JSON Schema that the answer must follow")
    for path, schema in schemas({"response_format": response_format}):
        check_schema(schema, path)


def schemas(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every JSON Schema that an answer to `body` must follow, by its place: OpenAI's, and the two that llama.cpp takes
    beside it. That `response_format` has the shape of one must be known."""
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        yield "response_format.json_schema.schema", wanted["json_schema"]["schema"]
    if wanted.get("type") == "json_object" and wanted.get("schema") is not None:
        yield "response_format.schema", wanted["schema"]
    if body.get("json_schema") is not None:
        yield "json_schema", body["json_schema"]


def check_tools(tools: Any) -> None:
    """The parameter schemas of OpenAI tools: an engine makes grammars of them. Raises RequestError."""
    for place, tool in enumerate(tools or ()):
        function = tool.get("function")
        if isinstance(function, dict) and function.get("parameters") is not None:
            check_schema(function["parameters"], f"tools.{place}.function.parameters")


def check_schema(schema: Any, path: str) -> None:
    """Raises RequestError where `schema`, which the client calls `path`, is out of bounds or has a broken pattern."""
    characters = 0
    for parts, (where, key, value) in enumerate(_walk(schema, path, DEPTH_LIMIT), 1):
        characters += len(value) if isinstance(value, str) else 0
        if parts > PARTS_LIMIT or characters > TEXT_LIMIT_CHARACTERS:
            raise _wrong(path, f"is larger than {PARTS_LIMIT:,} parts or {TEXT_LIMIT_CHARACTERS:,} characters")
        if key == "pattern" and isinstance(value, str):
            _check_pattern(value, where)


def check_grammar(grammar: str) -> None:
    """Raises RequestError where a GBNF grammar is too long or nested too deep for a recursive parser."""
    depth = deepest = 0
    for character in grammar:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    if len(grammar) > TEXT_LIMIT_CHARACTERS or deepest > GRAMMAR_DEPTH_LIMIT:
        limits = f"{TEXT_LIMIT_CHARACTERS:,} characters or nested deeper than {GRAMMAR_DEPTH_LIMIT}"
        raise RequestError(f"`grammar` is longer than {limits}.", param="grammar")


def _walk(schema: Any, path: str, depth: int) -> Iterator[tuple[str, str, Any]]:
    """Every part with its place and its key; what a key names is not looked into where it is plain data."""
    if depth == 0:
        raise _wrong(path, f"is nested deeper than {DEPTH_LIMIT} levels")
    parts = schema.items() if isinstance(schema, dict) else enumerate(schema) if isinstance(schema, list) else ()
    for key, value in parts:
        where = f"{path}.{key}"
        yield where, str(key), value
        if key not in {"const", "default", "examples"}:
            yield from _walk(value, where, depth - 1)


def _check_pattern(pattern: str, path: str) -> None:
    try:
        re.compile(_NAMED_GROUP.sub("(?P<", pattern))
    except (re.error, OverflowError) as error:
        raise _wrong(path, f"is not a regular expression: {error}") from error
    except RecursionError:
        raise _wrong(path, "is nested too deeply") from None


def _wrong(path: str, why: str) -> RequestError:
    return RequestError(f"`{path}` {why}.", param=path)
