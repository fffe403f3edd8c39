"""A real Chromium, a house for it to visit, and a witness of everything the page did.

One Chromium serves all tests, each of which visits as somebody new. It belongs to the loop that it was started in, so
tests and fixtures here share one."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright, expect

from .scripted import ScriptedHouse

_ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]

_PATIENCE_MS = 20_000
expect.set_options(timeout=_PATIENCE_MS)  # how long a condition is waited for, on a busy machine

Visit = Callable[[str], Awaitable[Page]]


@dataclass
class Witness:
    """What the pages did that a person would not see. `houses` are the addresses they were sent to."""

    houses: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        context.on("request", self._request)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.troubles.append(str(error.error)))

    def _request(self, request: Request) -> None:
        self.requests.append(request.url)

    def _console(self, message: ConsoleMessage) -> None:
        # Chromium reports every answer with an error status here; tests of refusals look at the page instead.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.troubles.append(message.text)

    def strangers(self) -> list[str]:
        """Addresses asked for that are not the houses'."""
        return [url for url in self.requests if not url.startswith((*self.houses, "blob:", "data:"))]


@dataclass
class Served:
    """The scripted house at an address; `stop` and `start` take it away and bring it back at the same one."""

    house: ScriptedHouse
    port: int
    _server: uvicorn.Server | None = None
    _task: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        config = uvicorn.Config(self.house.app(), host="127.0.0.1", port=self.port, log_level="error", lifespan="off")
        self._server = uvicorn.Server(config)
        # Bound here, so that a browser may connect at once: the kernel holds it until the server accepts.
        listener = socket.create_server(("127.0.0.1", self.port))
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))

    async def stop(self) -> None:
        if self._server is None or self._task is None:
            return
        self._server.should_exit = self._server.force_exit = True
        await self._task
        self._server = None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(loop_scope="session")
async def served() -> AsyncIterator[Served]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    served = Served(ScriptedHouse(), port)
    await served.start()
    yield served
    served.house.go.set()
    await served.stop()


@pytest.fixture
def house(served: Served) -> ScriptedHouse:
    return served.house


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def chromium(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    path = os.environ.get("FREEHOLD_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Browser tests need Chromium: apt-get install chromium.")
        pytest.skip("There is no Chromium here: apt-get install chromium.")
    async with async_playwright() as playwright:
        own = {"XDG_CONFIG_HOME": str(tmp_path_factory.mktemp("chromium"))}
        browser = await playwright.chromium.launch(executable_path=path, args=_ARGUMENTS, env={**os.environ, **own})
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def witness() -> AsyncIterator[Witness]:
    """Every test of the page is also a test that it reached nobody else and broke no rule of its own policy."""
    witness = Witness()
    yield witness
    assert witness.strangers() == []
    assert witness.troubles == []


@pytest.fixture
def context_options() -> dict[str, Any]:
    """What a test overrides to visit as somebody else: a phone, a lover of the dark."""
    return {"viewport": {"width": 1280, "height": 800}}


@pytest_asyncio.fixture(loop_scope="session")
async def visit(chromium: Browser, witness: Witness, context_options: dict[str, Any]) -> AsyncIterator[Visit]:
    """Opens the page of the house at an address, as a visitor with nothing kept from before."""
    contexts: list[BrowserContext] = []

    async def go(address: str) -> Page:
        context = await chromium.new_context(**context_options)
        contexts.append(context)
        witness.houses.append("/".join(address.split("/")[:3]))
        witness.watch(context)
        page = await context.new_page()
        page.set_default_timeout(_PATIENCE_MS)
        await page.goto(address)
        return page

    yield go
    for context in contexts:
        await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(served: Served, visit: Visit) -> Page:
    """The page of the scripted house."""
    return await visit(served.address)
