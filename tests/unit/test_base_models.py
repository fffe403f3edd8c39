"""A build without a chat template only continues texts: the house says so before a worker ran, and nobody is led to
chat with it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from freehold.app import build_house
from freehold.cli import connect
from freehold.cli.connect import Connection, connect_to_chat, usual_ref
from freehold.core.errors import UnsupportedError
from freehold.core.ports import Capabilities
from freehold.core.settings import Settings, load
from freehold.gateway.endpoints import Target, chats
from freehold.store.store import Store
from tests.gguf_bytes import KEYS, STRING, gguf
from tests.unit.test_store import take_in

TEMPLATE = {"tokenizer.chat_template": (STRING, "{{ messages }}")}


@pytest.fixture
def settings(home: Path, tmp_path: Path) -> Settings:
    """A home that holds a base model, first by its name, and one that can chat."""
    for name, more in (("a-base", {}), ("b-chat", TEMPLATE)):
        path = tmp_path / f"{name}.gguf"
        path.write_bytes(gguf({**KEYS, **more}, fill=name[:1].encode()))
        take_in(Store(home), path, name=f"{name}:q4_1")
    return load(environment={"FREEHOLD_HOME": str(home)}, folder=tmp_path)


def test_the_house_knows_before_any_worker_ran(settings: Settings) -> None:
    house = build_house(settings)
    asyncio.run(house.gateway.start())
    assert {info.name: (info.state, info.chat) for info in house.gateway.endpoints()} == {
        "a-base": ("stopped", False),
        "b-chat": ("stopped", True),
    }


def test_what_the_engine_told_counts_for_more_and_nothing_is_guessed() -> None:
    assert chats(Target("remote", "openai:x"), None) is None
    assert chats(Target("remote", "openai:x"), Capabilities(chat=False)) is False


def test_nobody_is_led_to_a_base_model_where_another_can_chat(settings: Settings) -> None:
    assert usual_ref(settings) == "b-chat"


class _Closed:
    closed = False

    async def close(self) -> None:
        self.closed = True


def test_a_chat_with_a_base_model_is_refused_and_what_was_started_ends(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = _Closed()

    async def opened(ref: str, _: Settings) -> Connection:
        return Connection(model, ref, None, chats=False, shared=False)  # type: ignore[arg-type]

    monkeypatch.setattr(connect, "connect", opened)
    with pytest.raises(UnsupportedError, match="a-base is a base model") as refused:
        asyncio.run(connect_to_chat("a-base", settings))
    assert model.closed and "freehold run a-base" in refused.value.hint
