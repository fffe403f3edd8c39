"""OpenAI's own Python client, unmodified, against a house on the real small model."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import openai
import pydantic
import pytest
from openai import OpenAI
from openai.types.responses import Response

from tests.conftest import SMOLLM2_SHA256
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


class City(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=20)
    large: bool


@pytest.fixture
def client(house: OpenHouse) -> Iterator[OpenAI]:
    with OpenAI(base_url=house.v1, api_key=house.key, max_retries=0) as client:
        yield client


def test_chat_gives_the_same_answer_streamed_and_whole_and_counts_it(client: OpenAI, house: OpenHouse) -> None:
    whole = client.chat.completions.create(model=house.model, messages=ASK, max_tokens=16, temperature=0, seed=1)
    assert whole.model == house.model
    assert whole.choices[0].finish_reason in ("stop", "length")
    assert whole.usage is not None and whole.usage.completion_tokens <= 16
    stream = client.chat.completions.create(
        model=house.model,
        messages=ASK,
        max_tokens=16,
        temperature=0,
        seed=1,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == whole.choices[0].message.content != ""
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert {chunk.model for chunk in chunks} == {house.model}
    known = f"llama.cpp-{metadata.version('xllamacpp')}-{SMOLLM2_SHA256[:12]}"
    assert {whole.system_fingerprint, *(chunk.system_fingerprint for chunk in chunks)} == {known}


def test_a_seed_makes_a_warm_answer_repeatable(client: OpenAI, house: OpenHouse) -> None:
    def ask(seed: int) -> str | None:
        answer = client.chat.completions.create(
            model=house.model, messages=ASK, max_tokens=24, temperature=1.5, seed=seed
        )
        return answer.choices[0].message.content

    assert ask(7) == ask(7) != ask(8)


def test_log_probabilities_come_with_their_alternatives(client: OpenAI, house: OpenHouse) -> None:
    answer = client.chat.completions.create(
        model=house.model, messages=ASK, max_tokens=4, temperature=0, logprobs=True, top_logprobs=3
    )
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None and logprobs.content is not None
    assert "".join(entry.token for entry in logprobs.content) == answer.choices[0].message.content
    for entry in logprobs.content:
        assert len(entry.top_logprobs) == 3
        assert entry.logprob == max(top.logprob for top in entry.top_logprobs), "greedy takes the likeliest"


def test_a_stop_sequence_ends_the_answer_and_is_not_part_of_it(client: OpenAI, house: OpenHouse) -> None:
    free = client.chat.completions.create(model=house.model, messages=ASK, max_tokens=16, temperature=0)
    word = (free.choices[0].message.content or "").split()[2]
    cut = client.chat.completions.create(model=house.model, messages=ASK, max_tokens=16, temperature=0, stop=[word])
    assert cut.choices[0].finish_reason == "stop"
    assert (cut.choices[0].message.content or "") == (free.choices[0].message.content or "").partition(word)[0]


def test_a_schema_is_kept_and_parsed_by_the_client(client: OpenAI, house: OpenHouse) -> None:
    parsed = client.chat.completions.parse(
        model=house.model, messages=ASK, response_format=City, max_tokens=80, temperature=0
    )
    assert isinstance(parsed.choices[0].message.parsed, City)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "look_up"}}])
def test_a_demanded_tool_call_has_valid_arguments_streamed_and_whole(
    client: OpenAI, house: OpenHouse, choice: Any
) -> None:
    asked: Any = {
        "model": house.model,
        "messages": ASK,
        "tools": [TOOL],
        "tool_choice": choice,
        "max_tokens": 120,
        "temperature": 0,
    }
    whole = client.chat.completions.create(**asked)
    (call,) = whole.choices[0].message.tool_calls or []
    assert (call.type, whole.choices[0].finish_reason) == ("function", "tool_calls")
    _check_city(call.function.name, call.function.arguments)
    with client.chat.completions.stream(**asked) as stream:
        (streamed,) = stream.get_final_completion().choices[0].message.tool_calls or []
    _check_city(streamed.function.name, streamed.function.arguments)


def _check_city(name: str, arguments: str) -> None:
    assert name == "look_up"
    city = json.loads(arguments)
    assert city["name"] in ("Paris", "Rome")
    assert isinstance(city["large"], bool)


def test_the_result_of_a_tool_is_read(client: OpenAI, house: OpenHouse) -> None:
    call: Any = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"name": "Rome"}'}}
    turn: list[Any] = [*ASK, {"role": "assistant", "content": None, "tool_calls": [call]}]
    counts = []
    for result in ("big", "big " * 50):
        messages: list[Any] = [*turn, {"role": "tool", "tool_call_id": "c1", "content": result}]
        answer = client.chat.completions.create(model=house.model, messages=messages, tools=[TOOL], max_tokens=1)
        assert answer.usage is not None
        counts.append(answer.usage.prompt_tokens)
    assert counts[1] - counts[0] >= 49, "the whole result is in the prompt"


def test_text_completion_and_embeddings(client: OpenAI, house: OpenHouse) -> None:
    text = client.completions.create(model=house.model, prompt="The capital of France is", max_tokens=3, temperature=0)
    assert text.choices[0].text.strip().startswith("Paris")
    texts = ["a cat", "a kitten", "the stock market fell"]
    vectors = [item.embedding for item in client.embeddings.create(model=house.model, input=texts).data]
    assert all(math.isclose(math.hypot(*vector), 1, abs_tol=1e-3) for vector in vectors)
    near, far = (sum(a * b for a, b in zip(vectors[0], other, strict=True)) for other in vectors[1:])
    assert near > far


def test_models_are_listed_and_looked_up(client: OpenAI, house: OpenHouse) -> None:
    assert {model.id for model in client.models.list()} == {house.model, house.breaking}
    assert client.models.retrieve(house.model).id == house.model


def test_a_response_is_the_same_streamed_and_whole(client: OpenAI, house: OpenHouse) -> None:
    asked: Any = {"model": house.model, "instructions": "Be brief.", "input": "Name a city.", "temperature": 0}
    whole = client.responses.create(**asked, max_output_tokens=12)
    Response.model_validate(whole.to_dict(), strict=True)
    with client.responses.stream(**asked, max_output_tokens=12) as stream:
        events = list(stream)
    final = next(event.response for event in events if event.type in ("response.completed", "response.incomplete"))
    assert final.output_text == whole.output_text != ""
    assert final.usage is not None and whole.usage is not None
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert final.status == whole.status
    if whole.status == "incomplete":
        assert whole.incomplete_details is not None
        assert whole.incomplete_details.reason == "max_output_tokens"


def test_a_response_calls_tools_and_keeps_schemas(client: OpenAI, house: OpenHouse) -> None:
    tool: Any = {"type": "function", "name": "look_up", "parameters": CITY, "strict": True}
    asked: Any = {"model": house.model, "input": "Look Rome up.", "temperature": 0, "max_output_tokens": 120}
    called = client.responses.create(**asked, tools=[tool], tool_choice="required")
    (item,) = called.output
    assert item.type == "function_call"
    _check_city(item.name, item.arguments)
    again: list[Any] = [
        {"role": "user", "content": "Look Rome up."},
        item.to_dict(),
        {"type": "function_call_output", "call_id": item.call_id, "output": "large"},
    ]
    follow = client.responses.create(model=house.model, input=again, tools=[tool], max_output_tokens=8, temperature=0)
    assert follow.output_text, "the turn goes on from the result"
    parsed = client.responses.parse(**asked, text_format=City)
    assert isinstance(parsed.output_parsed, City)


def test_log_probabilities_of_a_response(client: OpenAI, house: OpenHouse) -> None:
    answer = client.responses.create(
        model=house.model,
        input="Hi",
        max_output_tokens=3,
        include=["message.output_text.logprobs"],
        top_logprobs=2,
    )
    Response.model_validate(answer.to_dict(), strict=True)
    (item,) = answer.output
    assert item.type == "message" and item.content[0].type == "output_text"
    assert len(item.content[0].logprobs or ()) == 3


def test_errors_are_the_clients_own_exception_types(client: OpenAI, house: OpenHouse) -> None:
    with pytest.raises(openai.NotFoundError, match="small"):
        client.chat.completions.create(model="smal", messages=ASK)
    with pytest.raises(openai.BadRequestError) as long:
        client.chat.completions.create(model=house.model, messages=[{"role": "user", "content": "word " * 3000}])
    assert long.value.code == "context_length_exceeded"
    assert "1024" in long.value.message
    with pytest.raises(openai.BadRequestError) as kept:
        client.responses.create(model=house.model, input="Hi", previous_response_id="resp_1")
    assert kept.value.param == "previous_response_id"
    with pytest.raises(openai.BadRequestError) as schema:
        tool: Any = {"type": "web_search"}
        client.responses.create(model=house.model, input="Hi", tools=[tool])
    assert schema.value.param == "tools.0.type"
    with (
        OpenAI(base_url=house.v1, api_key="wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        stranger.models.list()


def test_a_stream_that_breaks_is_an_error_and_not_a_short_answer(client: OpenAI, house: OpenHouse) -> None:
    stream = client.chat.completions.create(model=house.breaking, messages=ASK, stream=True)
    with pytest.raises(openai.APIError):
        list(stream)
    events = list(client.responses.create(model=house.breaking, input="Hi", stream=True))
    assert events[-1].type == "response.failed"
    assert events[-1].response.error is not None
