"""OpenAI's own Python client, unmodified, against a house whose endpoint runs with OpenVINO."""

from __future__ import annotations

import concurrent.futures
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.integration.clients.open_house import OpenHouse

pytestmark = pytest.mark.engine
ASK: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
CITY = {
    "type": "object",
    "properties": {"name": {"$ref": "#/$defs/Name"}, "large": {"type": "boolean"}},
    "required": ["name", "large"],
    "additionalProperties": False,
    "$defs": {"Name": {"type": "string", "enum": ["Paris", "Rome"]}},
}
TOOL: Any = {"type": "function", "function": {"name": "look_up", "description": "Look a city up", "parameters": CITY}}


@pytest.fixture
def client(openvino_house: OpenHouse) -> Iterator[OpenAI]:
    with OpenAI(base_url=openvino_house.v1, api_key=openvino_house.key, max_retries=0) as client:
        yield client


def form(schema: Any) -> Any:
    return {"type": "json_schema", "json_schema": {"name": "city", "schema": schema, "strict": True}}


def test_chat_gives_the_same_answer_streamed_and_whole_and_counts_it(client: OpenAI) -> None:
    asked: dict[str, Any] = {"model": "small", "messages": ASK, "max_tokens": 16, "temperature": 0}
    whole = client.chat.completions.create(**asked)
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == whole.choices[0].message.content != ""
    assert whole.usage == chunks[-1].usage and whole.usage is not None
    assert 1 < whole.usage.completion_tokens <= 16
    assert {chunk.model for chunk in chunks} == {whole.model} == {"small"}


def test_an_answer_follows_a_schema(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="small", messages=ASK, max_tokens=60, temperature=0, response_format=form(CITY)
    )
    city = json.loads(answer.choices[0].message.content or "")
    assert city["name"] in {"Paris", "Rome"} and isinstance(city["large"], bool)


def test_a_schema_of_which_a_part_would_be_lost_is_refused_by_its_place(client: OpenAI) -> None:
    with pytest.raises(openai.APIStatusError, match=r"schema\.minimum` would not be kept"):
        client.chat.completions.create(
            model="small", messages=ASK, response_format=form({"type": "integer", "minimum": 5})
        )


def test_a_tool_that_is_demanded_is_called(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="small", messages=ASK, max_tokens=80, temperature=0, tools=[TOOL], tool_choice="required"
    )
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert json.loads(call.function.arguments).keys() == {"name", "large"}


def test_what_the_engine_cannot_do_is_refused_by_name(client: OpenAI) -> None:
    with pytest.raises(openai.APIStatusError, match="top_logprobs") as alternatives:
        client.chat.completions.create(model="small", messages=ASK, logprobs=True, top_logprobs=3)
    with pytest.raises(openai.APIStatusError, match="embed"):
        client.embeddings.create(model="small", input="x")
    with pytest.raises(openai.APIStatusError, match="logit_bias"):
        client.chat.completions.create(model="small", messages=ASK, logit_bias={"1": 5})
    assert alternatives.value.param == "top_logprobs"


def test_a_prompt_over_the_context_is_refused_with_both_counts(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="small", messages=[{"role": "user", "content": "word " * 12_000}])
    assert caught.value.code == "context_length_exceeded"
    assert "12031 tokens" in caught.value.message and "holds 1024" in caught.value.message


def test_a_stream_that_is_closed_makes_room_and_many_at_once_are_all_answered(client: OpenAI) -> None:
    with client.chat.completions.create(model="small", messages=ASK, max_tokens=900, stream=True) as stream:
        next(iter(stream))

    def ask(number: int) -> int:
        answer = client.chat.completions.create(
            model="small",
            messages=[{"role": "user", "content": f"Say {number}."}],
            max_tokens=8,
            extra_body={"ignore_eos": True},
        )
        assert answer.usage is not None
        return answer.usage.completion_tokens

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        assert list(pool.map(ask, range(12))) == [8] * 12
