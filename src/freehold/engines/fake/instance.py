"""A small valid instance of a JSON schema, so that an answer without a model still honors the shape asked for. Pure.

Covered: type (also a list of types), const, enum, default-free objects with their required properties, arrays with
minItems, strings with minLength and the formats date, date-time, time, email, uri and uuid, numbers with bounds and
multipleOf, anyOf, oneOf, allOf and $ref within the schema. Anything that could make the instance wrong (pattern, not,
if, contains, …) is refused by name, never disregarded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_REFUSED = (
    "pattern",
    "not",
    "if",
    "contains",
    "dependentRequired",
    "dependentSchemas",
    "propertyNames",
    "minProperties",
)
_FORMATS = {
    "date": "2000-01-01",
    "date-time": "2000-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "email": "a@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_DEPTH_LIMIT = 64
_TOO_DEEP = "the schema requires itself within itself, or is nested too deeply"
_LENGTH_LIMIT = 10_000


class SchemaError(ValueError):
    """The schema is wrong, or asks for something this generator does not cover."""


def instance(schema: Any) -> Any:
    """A JSON value that is valid under `schema`. Raises SchemaError."""
    return _make(schema, schema, 0)


def _make(schema: Any, root: Any, depth: int) -> Any:
    if depth > _DEPTH_LIMIT:
        raise SchemaError(_TOO_DEEP)
    if schema is True:
        return {}
    if not isinstance(schema, dict):
        raise SchemaError(f"a schema must be an object, not {schema!r}")
    schema = _merged(schema, root, depth)
    for word in _REFUSED:
        if word in schema:
            raise SchemaError(f"the fake engine cannot honor {word!r}")
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return _first(schema["enum"], "enum")
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return _make(_first(schema[word], word), root, depth + 1)
    kind = _kind(schema)
    if kind not in _MAKERS:
        raise SchemaError(f"there is no type {kind!r}")
    return _MAKERS[kind](schema, root, depth)


def _merged(schema: Mapping[str, Any], root: Any, depth: int) -> dict[str, Any]:
    """`schema` with its $ref and allOf taken in; required lists and properties are joined."""
    if depth > _DEPTH_LIMIT:
        raise SchemaError(_TOO_DEEP)
    whole = {key: value for key, value in schema.items() if key not in {"$ref", "allOf"}}
    parts = [*([_target(schema["$ref"], root)] if "$ref" in schema else []), *schema.get("allOf", ())]
    for part in parts:
        if not isinstance(part, dict):
            raise SchemaError(f"a schema must be an object, not {part!r}")
        inner = _merged(part, root, depth + 1)
        joined = {
            "properties": {**whole.get("properties", {}), **inner.get("properties", {})},
            "required": [*whole.get("required", ()), *inner.get("required", ())],
        }
        whole = {**inner, **whole, **{key: value for key, value in joined.items() if value}}
    return whole


def _target(ref: Any, root: Any) -> Any:
    if not isinstance(ref, str) or not (ref == "#" or ref.startswith("#/")):
        raise SchemaError(f"$ref {ref!r} does not point into the schema")
    found = root
    for step in ref[2:].split("/") if len(ref) > 1 else ():
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or name not in found:
            raise SchemaError(f"$ref {ref!r} points at nothing")
        found = found[name]
    return found


def _kind(schema: Mapping[str, Any]) -> Any:
    kind = schema.get("type")
    if isinstance(kind, list):
        return _first(kind, "type")
    if kind is None:
        return "array" if "items" in schema or "prefixItems" in schema else "object"
    return kind


def _first(values: Any, word: str) -> Any:
    if not isinstance(values, list) or not values:
        raise SchemaError(f"{word!r} must be a list with at least one value")
    return values[0]


def _object(schema: Mapping[str, Any], root: Any, depth: int) -> dict[str, Any]:
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, dict) or not isinstance(required, list):
        raise SchemaError("'properties' must be an object and 'required' a list")
    # In the order of the properties, as llama.cpp's grammar has them too.
    names = [*(name for name in properties if name in required), *(name for name in required if name not in properties)]
    return {name: _make(properties.get(name, True), root, depth + 1) for name in names}


def _array(schema: Mapping[str, Any], root: Any, depth: int) -> list[Any]:
    first = [_make(item, root, depth + 1) for item in schema.get("prefixItems", ())]
    missing = _bound(schema, "minItems", 0) - len(first)
    if missing > 1 and schema.get("uniqueItems"):
        raise SchemaError("the fake engine cannot honor 'uniqueItems'")
    return first + [_make(schema.get("items", True), root, depth + 1) for _ in range(missing)]


def _string(schema: Mapping[str, Any], _root: Any, _depth: int) -> str:
    if "format" in schema:
        if schema["format"] not in _FORMATS:
            raise SchemaError(f"the fake engine cannot honor the format {schema['format']!r}")
        return _FORMATS[schema["format"]]
    low, high = _bound(schema, "minLength", 0), _bound(schema, "maxLength", _LENGTH_LIMIT)
    if low > high:
        raise SchemaError("'minLength' is over 'maxLength'")
    return ("fake" * (low // 4 + 1))[: max(low, min(4, high))]


def _integer(schema: Mapping[str, Any], _root: Any, _depth: int) -> int:
    step = schema.get("multipleOf", 1)
    value = _in_bounds(schema, step if isinstance(step, int) and step > 0 else 1, 1)
    return int(value)


def _number(schema: Mapping[str, Any], _root: Any, _depth: int) -> float:
    step = schema.get("multipleOf")
    return _in_bounds(schema, step, 1e-6 if step is None else step)


def _in_bounds(schema: Mapping[str, Any], step: float | None, margin: float) -> float:
    """Zero where it lies within the bounds, else the value nearest to it that does."""
    low, high = -math.inf, math.inf
    for word, add in (("minimum", 0), ("exclusiveMinimum", margin)):
        if isinstance(schema.get(word), int | float):
            low = max(low, schema[word] + add)
    for word, add in (("maximum", 0), ("exclusiveMaximum", -margin)):
        if isinstance(schema.get(word), int | float):
            high = min(high, schema[word] + add)
    value: float = 0
    if low > 0:
        value = low if step is None else math.ceil(low / step) * step
    elif high < 0:
        value = high if step is None else math.floor(high / step) * step
    if not low <= value <= high:
        raise SchemaError("no number lies within the bounds")
    return value


def _bound(schema: Mapping[str, Any], word: str, default: int) -> int:
    value = schema.get(word, default)
    if not isinstance(value, int) or not 0 <= value <= _LENGTH_LIMIT:
        raise SchemaError(f"{word!r} must be a whole number from 0 to {_LENGTH_LIMIT}")
    return value


def _boolean(_schema: Mapping[str, Any], _root: Any, _depth: int) -> bool:
    return True


def _null(_schema: Mapping[str, Any], _root: Any, _depth: int) -> None:
    return None


_MAKERS: dict[Any, Any] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "null": _null,
}
