"""What of a schema the local engine would drop in silence is refused, each by its place."""

from __future__ import annotations

from typing import Any, Literal

import pydantic
import pytest

from freehold.core.errors import RequestError, UnsupportedError
from freehold.gateway.enforced import check_enforced


def _of(part: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": part}, "required": ["a"], "additionalProperties": False}


@pytest.mark.parametrize(
    ("part", "place"),
    [
        ({"type": "string", "pattern": r"^\d{4}-\d{2}$"}, "pattern"),
        ({"type": "string", "pattern": "[0-9]{3}"}, "pattern"),
        ({"type": "string", "pattern": "^(?=x)[a-z]+$"}, "pattern"),
        ({"type": "number", "minimum": 10, "maximum": 12}, "minimum"),
        ({"type": ["integer", "null"], "exclusiveMinimum": 1}, "exclusiveMinimum"),
        ({"type": "integer", "multipleOf": 7}, "multipleOf"),
        ({"type": "object", "minProperties": 2}, "minProperties"),
        ({"type": "object", "properties": {}, "required": ["zz"]}, "required"),
        ({"type": "object", "dependentRequired": {"x": ["y"]}}, "dependentRequired"),
        ({"type": "array", "contains": {"const": 1}}, "contains"),
        ({"type": "array", "items": {"not": {"const": 1}}}, "items.not"),
        ({"if": {"const": 1}, "then": {"const": 2}}, "if"),
        ({"allOf": [{"$ref": "#/$defs/x"}, {"minimum": 5}]}, "allOf.1"),
    ],
)
def test_what_would_be_lost_is_refused_at_its_place(part: dict[str, Any], place: str) -> None:
    # `allOf.1` is both a part that cannot be joined and a bound without a type; either way its place is named.
    with pytest.raises(UnsupportedError) as raised:
        check_enforced(_of(part), "schema")
    assert (raised.value.param or "").startswith(f"schema.properties.a.{place}")


@pytest.mark.parametrize("part", [False, {"type": "integer", "minimum": 10, "maximum": 2}])
def test_what_nothing_can_follow_is_refused(part: Any) -> None:
    with pytest.raises(RequestError, match="nothing can follow"):
        check_enforced(_of(part), "schema")


def test_a_class_in_a_pattern_is_answered_with_what_to_write() -> None:
    with pytest.raises(UnsupportedError, match=r"write `\[0-9\]`"):
        check_enforced(_of({"pattern": r"^\d+$"}), "schema")


class _Address(pydantic.BaseModel):
    city: Literal["Paris", "Rome"]
    code: str = pydantic.Field(pattern="^[0-9]{5}$", description="five digits")


class _Person(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=20, examples=["Ada"])
    age: int = pydantic.Field(ge=0, le=150)
    homes: list[_Address] = pydantic.Field(max_length=3)
    note: str | None = None


@pytest.mark.parametrize(
    "schema",
    [
        _Person.model_json_schema(),
        _of({"type": "string", "pattern": r"^[A-Z]{2}\.\\[0-9]+$"}),
        _of({"const": {"not": 1, "minimum": 3}}),
        _of({"properties": {"pattern": {"type": "string"}, "not": {"type": "integer"}}, "required": ["not"]}),
        True,
    ],
)
def test_what_the_engine_keeps_passes(schema: Any) -> None:
    check_enforced(schema, "schema")


# Each was seen to be lost by XGrammar in openvino-genai 2026.4.1: an answer that breaks it was taken for a valid one.
@pytest.mark.parametrize(
    ("part", "place"),
    [
        ({"type": "integer", "minimum": 5}, "minimum"),
        ({"type": "integer", "exclusiveMinimum": 5}, "exclusiveMinimum"),
        ({"type": "string", "pattern": "^[a-z]+$", "maxLength": 2}, "maxLength"),
        ({"type": "string", "format": "date", "maxLength": 3}, "maxLength"),
        ({"type": "string", "pattern": "^.+$"}, "pattern"),
        ({"type": "string", "pattern": "^[^a]+$"}, "pattern"),
        ({"$ref": "#/$defs/n", "maximum": 5}, "maximum"),
        ({"$ref": "https://elsewhere/schema"}, "$ref"),
        ({"anyOf": [{"type": "integer"}], "type": "integer"}, "type"),
        ({"allOf": [{"$ref": "#/$defs/n"}, {"$ref": "#/$defs/m"}]}, "allOf"),
        ({"type": "integer", "multipleOf": 5}, "multipleOf"),
    ],
)
def test_what_only_xgrammar_loses_is_refused_under_its_rules(part: dict[str, Any], place: str) -> None:
    with pytest.raises(UnsupportedError) as raised:
        check_enforced(_of(part), "schema", "xgrammar")
    assert raised.value.param == f"schema.properties.a.{place}"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "integer", "minimum": 5, "maximum": 9},
        {"type": "string", "pattern": r"^[a-z.]+\.[0-9]{2}$"},
        {"type": "string", "maxLength": 12},
        {"$ref": "#/$defs/n", "description": "A name.", "$defs": {"n": {"type": "string"}}},
        {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
        {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1, "maxItems": 3},
    ],
)
def test_what_xgrammar_keeps_is_let_through(part: dict[str, Any]) -> None:
    check_enforced(_of(part), "schema", "xgrammar")
