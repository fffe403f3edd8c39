"""The description of the API is what the house does: every route is in it, and whatever fits it is never a 500."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok

from freehold.app import build_house
from freehold.core.settings import load
from freehold.server.asgi import create_app
from freehold.server.openapi import PATH, TOLD
from tests.integration.house_process import HELLO, RunningHouse, shared_house

TOML = """
[server]
port = 0
[endpoints]
small = "fake:small?tokens=3"
other = "fake:other?tokens=2"
"""
EXAMPLES = 40
DEADLINE = "x-freehold-deadline"
GIVEN: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": HELLO,
    "/v1/completions": {"prompt": "Once"},
    "/v1/messages": {"max_tokens": 3, **HELLO},
    "/v1/messages/count_tokens": HELLO,
    "/v1/responses": {"input": "Hello!"},
    "/v1/embeddings": {"input": "a river"},
    "/v1/tokenize": {"prompt": "a river"},
    "/v1/detokenize": {"tokens": [1, 2]},
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    with shared_house(tmp_path_factory, TOML) as running:
        yield running


@pytest.fixture(scope="module")
def document(house: RunningHouse) -> dict[str, Any]:
    reply = house.ask("GET", PATH)
    assert reply.status == 200
    return dict(reply.json)


def test_every_route_of_the_house_is_described_and_nothing_else(document: dict[str, Any]) -> None:
    application = create_app(build_house(load()))
    routes = {path: method.lower() for path, (method, _) in application._routes.items()}
    named = {path for path in document["paths"] if "{" in path}
    assert {path: next(iter(said)) for path, said in document["paths"].items() if path not in named} == routes
    assert named == {path for path in TOLD if "{" in path}
    assert TOLD.keys() <= document["paths"].keys()


@pytest.mark.parametrize("path", GIVEN)
def test_an_answer_is_what_is_described(house: RunningHouse, document: dict[str, Any], path: str) -> None:
    body = {"model": "small", **GIVEN[path]}
    operation = document["paths"][path]["post"]
    asked = operation["requestBody"]["content"]["application/json"]["schema"]
    validator = jsonschema.Draft202012Validator({**asked, "components": document["components"]})
    validator.validate(body)
    answer = house.ask("POST", path, body)
    assert answer.status == 200
    jsonschema.validate(answer.json, operation["responses"]["200"]["content"]["application/json"]["schema"])
    for missing in asked["required"]:
        assert missing in body, "the least that is asked for"
        without = {name: value for name, value in body.items() if name != missing}
        assert not validator.is_valid(without)
        refused = house.ask("POST", path, without)
        assert refused.status == 400 and f"`{missing}` is required" in json.dumps(refused.error)
        error = operation["responses"]["default"]["content"]["application/json"]["schema"]
        jsonschema.Draft202012Validator({**error, "components": document["components"]}).validate(refused.json)


def test_whatever_fits_the_description_or_just_does_not_is_answered_and_never_with_500(
    house: RunningHouse, document: dict[str, Any]
) -> None:
    schema = schemathesis.openapi.from_dict(document)
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    assert len(operations) == len(document["paths"])
    seen: dict[str, set[int]] = {}
    for operation in operations:
        modes = [schemathesis.GenerationMode.POSITIVE]
        if operation.method == "post":
            modes.append(schemathesis.GenerationMode.NEGATIVE)
        for mode in modes:
            cases = operation.as_strategy(generation_mode=mode)
            _ask_all(house, cases, seen.setdefault(operation.path, set()))
    assert {path for path, statuses in seen.items() if 200 in statuses} >= {"/v1/models", "/health", "/v1/tokenize"}
    assert all(400 in statuses for path, statuses in seen.items() if path in GIVEN)


def _ask_all(house: RunningHouse, cases: st.SearchStrategy[Any], seen: set[int]) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=cases, model=st.sampled_from(["small", "other", None]))
    def ask(case: Any, model: str | None) -> None:
        if model is not None and isinstance(case.body, dict):
            case.body["model"] = model
        response = case.call(base_url=house.address)
        # Who gives an answer too little time is told 504, which is what was asked for.
        if not (response.status_code == 504 and DEADLINE in (case.headers or {})):
            case.validate_response(response, checks=[not_a_server_error])
        seen.add(response.status_code)

    ask()
