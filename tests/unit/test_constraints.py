from __future__ import annotations

from typing import Any

import pytest

from freehold.core.errors import RequestError
from freehold.gateway import constraints


def _named(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}


def _nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize(
    ("response_format", "param"),
    [
        ({}, "response_format.type"),
        ({"type": "yaml"}, "response_format.type"),
        ({"type": "json_schema"}, "response_format.json_schema.schema"),
        ({"type": "json_schema", "json_schema": {"name": "x"}}, "response_format.json_schema.schema"),
        (
            _named({"properties": {"a": {"type": "string", "pattern": "^((([a"}}}),
            "response_format.json_schema.schema.properties.a.pattern",
        ),
        (_named({"anyOf": [{}, {"pattern": "["}]}), "response_format.json_schema.schema.anyOf.1.pattern"),
        (_named({"pattern": "(" * 5000 + ")" * 5000}), "response_format.json_schema.schema.pattern"),
        (_named({"pattern": "a{99999999999}"}), "response_format.json_schema.schema.pattern"),
        ({"type": "json_object", "schema": {"pattern": "["}}, "response_format.schema.pattern"),
    ],
)
def test_what_an_engine_would_pass_over_is_refused_and_named(response_format: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as raised:
        constraints.check_format(response_format)
    assert raised.value.param == param


def test_a_schema_nested_without_end_is_refused_before_anything_recurses_too_far() -> None:
    with pytest.raises(RequestError, match="nested deeper"):
        constraints.check_format(_named(_nested(10_000)))


@pytest.mark.parametrize(
    "response_format",
    [
        {"type": "text"},
        {"type": "json_object"},
        _named(True),
        _named(_nested(20)),
        _named({"pattern": r"^(?<year>\d{4})(?=-)", "const": {"pattern": "["}}),
        _named({"properties": {"pattern": {"type": "string"}}}),
    ],
)
def test_what_can_be_followed_passes(response_format: dict[str, Any]) -> None:
    constraints.check_format(response_format)


def test_a_schema_that_would_hold_the_engine_is_refused() -> None:
    with pytest.raises(RequestError, match="larger than"):
        constraints.check_format(_named({"enum": [f"e{number}" for number in range(100_000)]}))
    tool = {"type": "function", "function": {"name": "f", "parameters": {"enum": ["x" * 100_000]}}}
    with pytest.raises(RequestError) as raised:
        constraints.check_tools([tool])
    assert raised.value.param == "tools.0.function.parameters"


@pytest.mark.parametrize(
    "grammar", ["root ::= " + "(" * 50_000 + '"a"' + ")" * 50_000, 'root ::= "' + "a" * 70_000 + '"']
)
def test_a_grammar_that_would_end_the_engine_is_refused(grammar: str) -> None:
    with pytest.raises(RequestError) as raised:
        constraints.check_grammar(grammar)
    assert raised.value.param == "grammar"
    constraints.check_grammar('root ::= ("yes" | "no")+')
