"""Remote models: what is checked before anything leaves the house, and that the key shows nowhere."""

from __future__ import annotations

import pytest

from freehold.core.errors import WorkerStartError
from freehold.core.ports import Worker
from freehold.core.refs import RemoteRef
from freehold.core.settings import Secret
from freehold.engines.remote.engine import Remote

KEY = "sk-very-secret"
OPENAI = RemoteRef("https://api.openai.com/v1", "gpt-5")


def _worker(base_url: str, key: str | None = KEY) -> Worker:
    return Remote().worker(RemoteRef(base_url, "large"), Secret(key) if key is not None else None)


async def test_with_address_and_key_it_is_ready_and_asks_with_the_key() -> None:
    worker = Remote().worker(OPENAI, Secret(KEY))
    await worker.start()
    upstream = await worker.ready()
    assert upstream.base_url == "https://api.openai.com/v1"
    assert upstream.headers == {"authorization": f"Bearer {KEY}"}
    assert (upstream.model, upstream.digest, upstream.context_tokens) == ("gpt-5", None, None)
    assert worker.state == "ready"


async def test_without_a_key_openai_says_which_variable_to_set() -> None:
    with pytest.raises(WorkerStartError, match=r"api\.openai\.com") as caught:
        await Remote().worker(OPENAI, None).start()
    assert "OPENAI_API_KEY" in caught.value.hint


async def test_without_a_key_another_host_says_how_to_name_its_variable() -> None:
    with pytest.raises(WorkerStartError) as caught:
        await _worker("https://llm.partner.example/v1", None).start()
    assert 'ref = "openai+https://llm.partner.example/v1:large", key_env = ' in caught.value.hint


async def test_a_server_on_this_machine_needs_no_key() -> None:
    worker = _worker("http://127.0.0.1:9/v1", None)
    await worker.start()
    assert worker.upstream.headers == {}


@pytest.mark.parametrize(
    ("base_url", "reason"),
    [
        ("http://llm.partner.example/v1", "plain http"),
        ("https://user:password@llm.partner.example/v1", "no user and no query"),
        ("https://llm.partner.example:99999/v1", "must be https"),
        ("https://llm.partner.example/v1?key=1", "no user and no query"),
    ],
)
async def test_an_address_of_another_form_is_refused(base_url: str, reason: str) -> None:
    worker = _worker(base_url)
    with pytest.raises(WorkerStartError, match=reason):
        await worker.start()
    assert worker.state == "failed"
    with pytest.raises(WorkerStartError, match=reason):
        await worker.ready()
    assert reason in (worker.report().last_error or "")


@pytest.mark.parametrize("base_url", ["https://llm.partner.example/v1", "http://127.0.0.1:9/v1"])
async def test_a_key_with_a_line_break_is_refused_without_showing_it(base_url: str) -> None:
    with pytest.raises(WorkerStartError, match="line break") as caught:
        await _worker(base_url, f"{KEY}\r\nhost: elsewhere").start()
    assert KEY not in str(caught.value) + repr(caught.value.data)


async def test_the_key_shows_nowhere() -> None:
    worker = Remote().worker(OPENAI, Secret(KEY))
    await worker.start()
    assert KEY not in repr(worker.report()) + repr(worker.upstream) + repr(worker) + str(vars(worker))


async def test_stopped_it_is_not_ready_until_it_is_started_again() -> None:
    worker = Remote().worker(OPENAI, Secret(KEY))
    await worker.start()
    await worker.stop()
    with pytest.raises(WorkerStartError, match="it is stopped"):
        await worker.ready()
    await worker.start()
    assert worker.state == "ready"
    assert worker.report().pid is None
