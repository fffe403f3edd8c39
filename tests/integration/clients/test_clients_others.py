"""Clients that people already have: LangChain's ChatOpenAI and simonw's llm, unmodified."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pydantic
import pytest

from tests.integration.clients.open_house import OpenHouse

pytestmark = pytest.mark.engine


class City(pydantic.BaseModel):
    """A city."""

    name: str = pydantic.Field(max_length=20)
    large: bool


@pytest.fixture(params=["chat", "responses"])
def langchain(house: OpenHouse, request: pytest.FixtureRequest) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(
        model=house.model,
        base_url=house.v1,
        api_key=pydantic.SecretStr(house.key),
        max_retries=0,
        temperature=0,
        max_completion_tokens=60,
        use_responses_api=request.param == "responses",
    )


def test_langchain_talks_and_streams(langchain: Any) -> None:
    whole = langchain.invoke("Name a city.")
    assert whole.text and whole.usage_metadata["output_tokens"] > 0
    assert "".join(chunk.text for chunk in langchain.stream("Name a city.")) == whole.text


def test_langchain_binds_a_tool_and_reads_the_call(langchain: Any) -> None:
    answer = langchain.bind_tools([City], tool_choice="City").invoke("Paris is large.")
    (call,) = answer.tool_calls
    City.model_validate(call["args"])


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_langchain_gets_structured_output(langchain: Any, method: str) -> None:
    assert isinstance(langchain.with_structured_output(City, method=method).invoke("Paris is large."), City)


def test_simonws_llm_prompts_streams_and_keeps_a_conversation(house: OpenHouse, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(json.dumps({"house": house.key}))
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- model_id: house\n  model_name: {house.model}\n  api_base: {house.v1}\n  api_key_name: house\n"
    )
    environment = {**os.environ, "LLM_USER_PATH": str(tmp_path)}

    def llm(*arguments: str) -> str:
        command = [sys.executable, "-m", "llm", "prompt", "-m", "house", "-o", "max_tokens", "8", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert llm("-o", "temperature", "0", "Name a city.") == llm("-o", "temperature", "0", "--no-stream", "Name a city.")
    assert llm("-c", "Another one.")
