"""What OpenVINO is asked: defaults as llama.cpp has them, and what it cannot do refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freehold.engines.http.body import RefusedError
from freehold.engines.openvino.asked import NO_TOP_K, read

MESSAGES = {"messages": [{"role": "user", "content": "hello"}]}


def refused(body: dict[str, Any], *, chat: bool = True) -> dict[str, Any]:
    with pytest.raises(RefusedError) as caught:
        read({**MESSAGES, **body}, chat=chat)
    return caught.value.error


def test_where_nothing_is_said_sampling_is_as_llama_cpp_has_it() -> None:
    found = read(MESSAGES, chat=True).sampling
    assert (found.temperature, found.top_p, found.top_k, found.min_p) == (0.8, 0.95, 40, 0.05)
    assert (found.repetition_penalty, found.presence_penalty, found.frequency_penalty) == (1, 0, 0)


def test_without_a_seed_two_requests_draw_differently_and_with_one_alike() -> None:
    assert len({read(MESSAGES, chat=True).sampling.seed for _ in range(8)}) > 1
    assert read({**MESSAGES, "seed": 7}, chat=True).sampling.seed == 7
    assert 0 <= read({**MESSAGES, "seed": -2}, chat=True).sampling.seed < 2**32


def test_values_at_the_edge_of_what_the_engine_takes_are_taken() -> None:
    found = read({**MESSAGES, "top_k": 0, "top_p": 0, "min_p": 1, "repeat_penalty": 0}, chat=True).sampling
    assert found.top_k == NO_TOP_K
    assert 0 < found.top_p < 1e-3 and found.min_p < 1 and found.repetition_penalty > 0


def test_a_temperature_that_is_no_number_to_the_engine_is_zero() -> None:
    assert read({**MESSAGES, "temperature": 1e-60}, chat=True).sampling.temperature == 0
    assert read({**MESSAGES, "temperature": 0.01}, chat=True).sampling.temperature == 0.01


def test_a_schema_is_carried_as_json_text_and_json_object_means_any_object() -> None:
    form = {"type": "json_schema", "json_schema": {"schema": {"type": "integer"}}}
    assert json.loads(read({**MESSAGES, "response_format": form}, chat=True).schema or "") == {"type": "integer"}
    form = {"type": "json_object"}
    assert json.loads(read({**MESSAGES, "response_format": form}, chat=True).schema or "") == {"type": "object"}
    assert read({**MESSAGES, "response_format": {"type": "text"}}, chat=True).schema is None


@pytest.mark.parametrize("field", ["logit_bias", "mirostat", "typical_p", "lora", "dry_multiplier", "no_such_field"])
def test_a_field_that_would_be_disregarded_is_refused_by_name(field: str) -> None:
    error = refused({field: {"1": 2} if field == "logit_bias" else 1})
    assert error["code"] == 501
    assert field in error["message"]


@pytest.mark.parametrize(
    "body", [{"logit_bias": None}, {"tools": []}, {"user": "me"}, {"cache_prompt": True}, {"tool_choice": "auto"}]
)
def test_a_field_that_says_nothing_is_passed_over(body: dict[str, Any]) -> None:
    assert read({**MESSAGES, **body}, chat=True).answers == 1


def test_log_probabilities_of_other_tokens_are_refused_and_those_of_the_own_are_given() -> None:
    assert read({**MESSAGES, "logprobs": True}, chat=True).logprobs
    assert read({"prompt": "x", "logprobs": 0}, chat=False).logprobs
    assert not read({"prompt": "x"}, chat=False).logprobs
    assert "top_logprobs" in refused({"logprobs": True, "top_logprobs": 2})["message"]
    assert "'logprobs' above 0" in refused({"logprobs": 2}, chat=False)["message"]


@pytest.mark.parametrize(
    "body",
    [
        *({"temperature": value} for value in (-1, "hot", True, float("nan"))),
        *({"n": value} for value in (0, 129, 1.5)),
        *({"stop": value} for value in ([""], 3)),
        *({"response_format": value} for value in ("json", {"type": "xml"})),
        {"presence_penalty": 3},
    ],
)
def test_a_value_out_of_bounds_is_refused(body: dict[str, Any]) -> None:
    assert refused(body)["code"] == 400


def test_a_grammar_is_refused() -> None:
    assert "grammar" in refused({"grammar": 'root ::= "x"'})["message"]
