"""Instances of JSON schemas: valid under what is covered, refused by name under what is not."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.engines.fake.instance import SchemaError, instance

NODE = {"$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}, "required": ["next"]}}}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "object", "properties": {"a": {"type": "integer"}, "b": {}}, "required": ["a"]}, {"a": 0}),
        ({"const": 5}, 5),
        ({"enum": ["x", "y"]}, "x"),
        ({"type": ["null", "string"]}, None),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [True, True]),
        ({"prefixItems": [{"const": 1}, {"type": "null"}]}, [1, None]),
        ({"type": "string"}, "fake"),
        ({"type": "string", "minLength": 6}, "fakefa"),
        ({"type": "string", "maxLength": 2}, "fa"),
        ({"type": "string", "format": "date"}, "2000-01-01"),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "exclusiveMinimum": 3, "multipleOf": 5}, 5),
        ({"type": "integer", "maximum": -7}, -7),
        ({"type": "number", "minimum": 0.5}, 0.5),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
        ({"allOf": [{"properties": {"a": {"const": 1}}}, {"required": ["a"]}]}, {"a": 1}),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"const": "there"}}}, "there"),
        ({**NODE, "type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}, {}),
        (True, {}),
    ],
)
def test_the_instance_is_valid(schema: Any, value: Any) -> None:
    assert instance(schema) == value


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "nonsense"}, "no type 'nonsense'"),
        ({"type": "string", "pattern": "a+"}, "cannot honor 'pattern'"),
        ({"type": "string", "format": "ipv6"}, "cannot honor the format 'ipv6'"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "'minLength' is over 'maxLength'"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "no number lies within the bounds"),
        ({"enum": []}, "'enum' must be a list with at least one value"),
        ({"$ref": "#/$defs/gone"}, "points at nothing"),
        ({"$ref": "https://example.com/schema"}, "does not point into the schema"),
        ({"$ref": "#"}, "requires itself within itself"),
        ({**NODE, "$ref": "#/$defs/node"}, "requires itself within itself"),
        ({"type": "array", "minItems": 10**9}, "'minItems' must be a whole number"),
        ("text", "a schema must be an object"),
    ],
)
def test_what_cannot_be_honored_is_refused_by_name(schema: Any, reason: str) -> None:
    with pytest.raises(SchemaError, match=reason.replace("$", r"\$")):
        instance(schema)
