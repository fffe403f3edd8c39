"""The chat page of the house as it is started by a person: `freehold up`, the real engine, the real small model."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import expect

from .conftest import Visit
from .test_conversation import ask

pytestmark = [pytest.mark.browser, pytest.mark.engine]

Up = Callable[..., Awaitable[str]]
_PATIENCE_S = 60


@pytest_asyncio.fixture(loop_scope="session")
async def up() -> AsyncIterator[Up]:
    """Starts a house that serves the references, on a free port; answers its address once it is open."""
    started: list[asyncio.subprocess.Process] = []

    async def start(*refs: str, key: str | None = None) -> str:
        command = [str(Path(sys.executable).with_name("freehold")), "up", "--quiet", "--pull", "--port", "0", *refs]
        environment = dict(os.environ) if key is None else {**os.environ, "FREEHOLD_API_KEY": key}
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environment)
        started.append(process)
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), _PATIENCE_S)
        assert line.startswith(b"http://"), "the house did not open; its words are on stderr"
        return line.decode().strip()

    yield start
    for process in started:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), _PATIENCE_S)


async def idle(folder: Path) -> None:
    """Waits until no slot of any worker whose socket lies below `folder` is at work."""
    while True:
        busy = 0
        for socket in [path for path in folder.rglob("*.sock") if path.name != "house.sock"]:  # noqa: ASYNC240  # local
            connector = aiohttp.UnixConnector(str(socket))
            async with (
                aiohttp.ClientSession(connector=connector) as session,
                session.get("http://worker/slots") as answer,
            ):
                busy += sum(slot["is_processing"] for slot in await answer.json())
        if not busy:
            return


async def test_the_real_model_answers_and_its_figures_are_known(up: Up, visit: Visit, smollm2_gguf: Path) -> None:
    page = await visit(await up(str(smollm2_gguf)))
    await page.get_by_role("button", name="Settings").click()
    await page.get_by_label("Longest answer, in tokens").fill("48")
    await page.keyboard.press("Escape")
    await ask(page, "What is photosynthesis?")
    answer = page.get_by_role("article").last
    await expect(answer).to_have_attribute("aria-busy", "false", timeout=_PATIENCE_S * 1000)
    await expect(answer.locator(".prose")).not_to_be_empty()
    await expect(answer.locator(".figures")).not_to_contain_text("—")
    await expect(answer.locator(".figures")).to_contain_text(" tokens/s")
    await expect(page.locator("#context-figure")).not_to_contain_text("—")
    await expect(page.locator(".badge", has_text="local").first).to_be_visible()


async def test_stopping_on_the_page_leaves_the_engine_idle(up: Up, visit: Visit, smollm2_gguf: Path) -> None:
    page = await visit(await up(str(smollm2_gguf)))
    await ask(page, "Write a very long story about the sea.")
    await expect(page.locator(".prose")).not_to_be_empty(timeout=_PATIENCE_S * 1000)
    await page.keyboard.press("Escape")
    await expect(page.get_by_text("You stopped this answer.")).to_be_visible()
    await asyncio.wait_for(idle(Path(os.environ["XDG_RUNTIME_DIR"])), 10)
    await expect(page.locator(".prose")).not_to_be_empty()


async def test_a_prompt_beyond_the_context_is_refused_with_both_counts(up: Up, visit: Visit) -> None:
    page = await visit(await up("fake:small?context=64"))
    await ask(page, "word " * 500)
    await expect(page.get_by_role("article").last.get_by_role("alert")).to_contain_text("holds 64")


async def test_a_worker_that_dies_in_the_middle_is_reported_in_place(up: Up, visit: Visit) -> None:
    page = await visit(await up("fake:dies?die-after=5"))
    await ask(page, "Hello")
    article = page.get_by_role("article").last
    await expect(article.get_by_role("alert")).to_be_visible()
    await expect(article.locator(".prose")).not_to_be_empty()
    await expect(article.get_by_role("button", name="Try again")).to_be_visible()


async def test_a_house_with_a_key_asks_for_it_and_shows_nothing_without(up: Up, visit: Visit) -> None:
    page = await visit(await up("fake:quick?tokens=8", key="sesame"))
    dialog = page.get_by_role("dialog", name="Sign in to this house")
    await expect(dialog).to_be_visible()
    assert "quick" not in await page.content()
    await dialog.get_by_label("Key", exact=True).fill("sesame")
    await page.keyboard.press("Enter")
    await expect(dialog).to_be_hidden()
    await ask(page, "Hello")
    await expect(page.get_by_role("article").last).to_have_attribute("aria-busy", "false")
    await expect(page.locator(".prose")).not_to_be_empty()


async def test_two_endpoints_answer_side_by_side(up: Up, visit: Visit) -> None:
    page = await visit(await up("fake:one?tokens=4", "fake:two?tokens=4"))
    await expect(page.get_by_role("button", name="Model: one, test")).to_be_visible()
    await ask(page, "Hello")
    await expect(page.get_by_role("article", name="Answer of one")).to_have_attribute("aria-busy", "false")
    await page.keyboard.press("Control+Shift+M")
    await page.get_by_role("menuitemradio", name="two").click()
    await ask(page, "Hello again")
    await expect(page.get_by_role("article", name="Answer of two")).to_have_attribute("aria-busy", "false")
