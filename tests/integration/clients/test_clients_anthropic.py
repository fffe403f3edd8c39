"""Anthropic's own Python client, unmodified, against a house on the real small model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import anthropic
import pydantic
import pytest
from anthropic import Anthropic
from anthropic.types import Message, TextBlock, ToolUseBlock

from tests.integration.clients.open_house import OpenHouse

pytestmark = pytest.mark.engine
ASK: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["Paris", "Rome"]}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL: Any = {"name": "look_up", "description": "Look a city up", "input_schema": SCHEMA}


class City(pydantic.BaseModel):
    """A choice, because the client keeps a length bound for itself and sends only what every service enforces."""

    name: Literal["Paris", "Lyon", "Rome"]


@pytest.fixture
def client(house: OpenHouse) -> Iterator[Anthropic]:
    with Anthropic(base_url=house.url, api_key=house.key, max_retries=0) as client:
        yield client


def test_a_message_is_the_same_streamed_and_whole_and_is_counted(client: Anthropic, house: OpenHouse) -> None:
    asked: Any = {"model": house.model, "max_tokens": 16, "system": "Be brief.", "messages": ASK}
    fixed: Any = {"extra_body": {"temperature": 0}}
    whole = client.messages.create(**asked, **fixed)
    Message.model_validate(whole.to_dict(), strict=True)
    assert (whole.model, whole.role) == (house.model, "assistant")
    with client.messages.stream(**asked, **fixed) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    (block,) = whole.content
    assert isinstance(block, TextBlock)
    assert text == block.text != ""
    assert final.stop_reason == whole.stop_reason
    assert final.usage.output_tokens == whole.usage.output_tokens
    counted = client.messages.count_tokens(model=house.model, system="Be brief.", messages=ASK)
    assert counted.input_tokens == whole.usage.input_tokens + (whole.usage.cache_read_input_tokens or 0)


def test_an_answer_that_was_cut_says_so(client: Anthropic, house: OpenHouse) -> None:
    answer = client.messages.create(model=house.model, max_tokens=2, messages=ASK)
    assert (answer.stop_reason, answer.usage.output_tokens) == ("max_tokens", 2)


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "look_up"}])
def test_a_demanded_tool_call_has_parsed_valid_input(client: Anthropic, house: OpenHouse, choice: Any) -> None:
    asked: Any = {"model": house.model, "max_tokens": 120, "messages": ASK, "tools": [TOOL], "tool_choice": choice}
    with client.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()
    for answer in (client.messages.create(**asked), streamed):
        (block,) = answer.content
        assert isinstance(block, ToolUseBlock)
        assert (block.name, answer.stop_reason) == ("look_up", "tool_use")
        assert block.input in [{"city": "Paris"}, {"city": "Rome"}]


def test_the_result_of_a_tool_is_read_and_counted(client: Anthropic, house: OpenHouse) -> None:
    turn: list[Any] = [
        *ASK,
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "look_up", "input": {}}]},
    ]
    counts = []
    for result in ("big", "big " * 50):
        content: Any = [{"type": "tool_result", "tool_use_id": "t", "content": result}]
        messages: list[Any] = [*turn, {"role": "user", "content": content}]
        counted = client.messages.count_tokens(model=house.model, messages=messages, tools=[TOOL])
        answer = client.messages.create(model=house.model, max_tokens=1, messages=messages, tools=[TOOL])
        assert counted.input_tokens == answer.usage.input_tokens + (answer.usage.cache_read_input_tokens or 0)
        counts.append(counted.input_tokens)
    assert counts[1] - counts[0] >= 49, "the whole result is in the prompt"


def test_a_schema_is_kept_and_parsed_by_the_client(client: Anthropic, house: OpenHouse) -> None:
    parsed = client.messages.parse(model=house.model, max_tokens=80, messages=ASK, output_format=City)
    assert isinstance(parsed.parsed_output, City)


def test_errors_are_the_clients_own_exception_types(client: Anthropic, house: OpenHouse) -> None:
    with pytest.raises(anthropic.NotFoundError, match="small"):
        client.messages.create(model="smal", max_tokens=5, messages=ASK)
    with pytest.raises(anthropic.BadRequestError, match="1024"):
        client.messages.create(model=house.model, max_tokens=5, messages=[{"role": "user", "content": "word " * 3000}])
    with pytest.raises(anthropic.BadRequestError, match=r"tools\.0\.type"):
        tool: Any = {"type": "web_search_20250305", "name": "web_search"}
        client.messages.create(model=house.model, max_tokens=5, messages=ASK, tools=[tool])
    with (
        Anthropic(base_url=house.url, api_key="wrong", max_retries=0) as stranger,
        pytest.raises(anthropic.AuthenticationError),
    ):
        stranger.messages.create(model=house.model, max_tokens=5, messages=ASK)


def test_a_stream_that_breaks_is_an_error_and_not_a_short_answer(client: Anthropic, house: OpenHouse) -> None:
    with pytest.raises(anthropic.APIStatusError):
        list(client.messages.create(model=house.breaking, max_tokens=20, messages=ASK, stream=True))
