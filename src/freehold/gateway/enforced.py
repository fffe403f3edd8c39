"""Refuses, by name and place, what of a JSON Schema a local engine would not keep. Pure.

llama.cpp b11549 makes a grammar of a schema and leaves out in silence what it has no grammar for: the answer comes
with status 200 and breaks the schema. Seen to be kept: types, properties, `required`, `additionalProperties`, `enum`,
`const`, `$ref`, `anyOf` and `oneOf` (one alternative; that the others do not match is not shown), `items`, lengths,
bounds of integers, anchored patterns of plain classes. A `format` it does not know is an annotation, as the standard
has it. What is refused is what is known to be lost; there may be more.

XGrammar, which OpenVINO uses (2026.4), loses the same and more: what stands beside `$ref` or `anyOf`, a second
`allOf`, lengths beside a `pattern` or `format`, a least value alone; and a pattern's `.` or `[^…]` lets a quotation
mark through, which ends the string there. An object takes no properties but those described, whatever
`additionalProperties` leaves open, and a tuple no other length: narrower, so what comes is valid.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from freehold.core.errors import RequestError, UnsupportedError
from freehold.core.ports import SchemaRules

_LOST = frozenset(
    {
        *("multipleOf", "minProperties", "maxProperties", "patternProperties", "propertyNames", "contains"),
        *("minContains", "maxContains", "uniqueItems", "if", "then", "else", "not", "dependentRequired"),
        *("dependentSchemas", "dependencies", "unevaluatedProperties", "unevaluatedItems", "$dynamicRef"),
    }
)
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_MAPS = ("properties", "$defs", "definitions")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_ANNOTATIONS = frozenset({"title", "description", "default", "examples", "$defs", "definitions", "$schema", "$id"})
_SINGLE = ("items", "additionalProperties")
# A class such as \d, an assertion such as \b, a reference back: letters and digits after a backslash, but for breaks.
_ESCAPED = re.compile(r"\\([A-Za-z0-9])")
# A dot outside a class, or a class of all others: on the pattern without escaped backslashes.
_ANYTHING = re.compile(r"\[\^|(?<!\\)\.(?![^\[]*\])")
_PLAIN_ESCAPES = frozenset("nrt")
_CLASSES = {"d": "[0-9]", "w": "[A-Za-z0-9_]", "s": "[ \\t\\n]"}


def check_enforced(schema: Any, path: str, rules: SchemaRules = "llama.cpp") -> None:
    """Raises UnsupportedError at the first part of `schema`, which the client calls `path`, that an engine with these
    `rules` would not keep, and RequestError where nothing at all can follow it."""
    for place, part in _schemas(schema, path):
        if part is False:
            raise RequestError(f"`{place}` is false: nothing can follow it.", param=place)
        if isinstance(part, Mapping):
            _check_part(part, place)
            if rules == "xgrammar":
                _check_xgrammar(part, place)


def _schemas(schema: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every place where a schema stands; what is plain data, such as `const` or `default`, is not looked into."""
    yield path, schema
    if not isinstance(schema, Mapping):
        return
    for key in _MAPS:
        for name, each in _items(schema.get(key)):
            yield from _schemas(each, f"{path}.{key}.{name}")
    for key in _LISTS:
        if isinstance(schema.get(key), list):
            for place, each in enumerate(schema[key]):
                yield from _schemas(each, f"{path}.{key}.{place}")
    for key in _SINGLE:
        if isinstance(schema.get(key), Mapping):
            yield from _schemas(schema[key], f"{path}.{key}")


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    yield from value.items() if isinstance(value, Mapping) else ()


def _check_part(part: Mapping[str, Any], path: str) -> None:
    for key in part:
        if key in _LOST:
            raise _lost(f"{path}.{key}", f"the engine does not enforce `{key}`")
    _check_bounds(part, path)
    _check_required(part, path)
    _check_all_of(part, path)
    if isinstance(part.get("pattern"), str):
        _check_pattern(part["pattern"], f"{path}.pattern")


def _check_xgrammar(part: Mapping[str, Any], path: str) -> None:
    """What only XGrammar loses."""
    for key in ("$ref", "anyOf", "oneOf"):
        beside = sorted(part.keys() - {key} - _ANNOTATIONS)
        if key in part and beside:
            raise _lost(f"{path}.{beside[0]}", f"the engine enforces nothing beside `{key}`")
    if isinstance(part.get("$ref"), str) and not part["$ref"].startswith("#"):
        raise _lost(f"{path}.$ref", "the engine follows references within the schema only")
    if isinstance(part.get("allOf"), list) and len(part["allOf"]) > 1:
        raise _lost(f"{path}.allOf", "the engine does not join several schemas; write one schema of them")
    for first, second in (("minimum", "maximum"), ("exclusiveMinimum", "exclusiveMaximum")):
        if first in part and second not in part:
            raise _lost(f"{path}.{first}", f"the engine enforces `{first}` only beside `{second}`")
    for key in {"pattern", "format"} & part.keys():
        beside = sorted({"minLength", "maxLength", "pattern", "format"} & part.keys() - {key})
        if beside:
            raise _lost(f"{path}.{beside[0]}", f"the engine does not enforce it beside `{key}`")
    if isinstance(part.get("pattern"), str) and _ANYTHING.search(part["pattern"].replace("\\\\", "")):
        raise _lost(f"{path}.pattern", "the engine takes a quotation mark for `.` and `[^…]`; name the characters")


def _check_bounds(part: Mapping[str, Any], path: str) -> None:
    stated = [key for key in _BOUNDS if key in part]
    if stated and part.get("type") != "integer":
        raise _lost(f"{path}.{stated[0]}", "the engine enforces bounds of integers only")
    low, high = part.get("minimum"), part.get("maximum")
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        raise RequestError(f"`{path}` has a minimum above its maximum: nothing can follow it.", param=path)


def _check_required(part: Mapping[str, Any], path: str) -> None:
    required = part.get("required")
    if not isinstance(required, list) or "allOf" in part:
        return
    known = part.get("properties")
    for name in required:
        if not isinstance(known, Mapping) or name not in known:
            raise _lost(f"{path}.required", f"the engine enforces only what `properties` describes, and not {name!r}")


def _check_all_of(part: Mapping[str, Any], path: str) -> None:
    for place, each in enumerate(part["allOf"] if isinstance(part.get("allOf"), list) else ()):
        if not isinstance(each, Mapping) or not {"$ref", "properties", "enum"} & each.keys():
            raise _lost(f"{path}.allOf.{place}", "the engine joins only objects and references; write one schema of it")


def _check_pattern(pattern: str, path: str) -> None:
    if not (pattern.startswith("^") and pattern.endswith("$")):
        raise _lost(path, "the engine enforces patterns only from `^` to `$`")
    if "(?" in pattern:
        raise _lost(path, "the engine enforces no groups that begin with `(?`")
    for letter in _ESCAPED.findall(pattern.replace("\\\\", "")):
        if letter not in _PLAIN_ESCAPES:
            instead = f"; write `{_CLASSES[letter]}`" if letter in _CLASSES else ""
            raise _lost(path, f"the engine does not enforce `\\{letter}`{instead}")


def _lost(path: str, why: str) -> UnsupportedError:
    return UnsupportedError(
        f"`{path}` would not be kept: {why}.", param=path, hint="Leave it out and check the answer yourself."
    )
