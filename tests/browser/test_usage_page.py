"""The Usage page in a browser: what was used, drawn by the house, for those who may see it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from freehold.gateway.access.book import KeyBook
from freehold.gateway.access.key import Scopes
from tests.integration.house_process import HELLO, RunningHouse, running_house

from .conftest import Visit
from .test_access import CONTRAST

pytestmark = pytest.mark.browser

TOML = """
[server]
port = 0
[endpoints]
small = "fake:small?tokens=3"
"<b>odd</b>" = "fake:odd?tokens=3"
"""
TEXTS = (".who", ".chart figcaption", ".chart .sub", ".chart .key", ".usage thead th", ".usage tbody td", ".usage h2")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningHouse]:
    with running_house(tmp_path, TOML) as house:
        yield house


async def ask(house: RunningHouse, key: str | None = None, model: str = "small") -> None:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    body = {"model": model, **HELLO}
    reply = await asyncio.to_thread(house.ask, "POST", "/v1/chat/completions", body, headers=headers)
    assert reply.status == 200


async def made(house: RunningHouse, owner: str, *, admin: bool = False) -> str:
    from freehold import control

    _, text = KeyBook(house.settings.home).create(owner, scopes=Scopes(admin=admin))
    await asyncio.to_thread(control.reread_keys, house.settings)
    return text


async def sign_in(page: Page, key: str) -> None:
    await page.get_by_label("Key", exact=True).fill(key)
    await page.get_by_role("dialog").get_by_role("button", name="Sign in").click()


async def test_a_house_without_keys_shows_everybody_what_was_used(running: RunningHouse, visit: Visit) -> None:
    for model in ("small", "small", "<b>odd</b>"):
        await ask(running, model=model)
    page = await visit(f"{running.address}/usage")
    await expect(page.get_by_role("img", name="Tokens a day")).to_be_visible()
    await expect(page.get_by_role("img", name="Requests a day, at most 3")).to_be_visible()
    by_endpoint = page.locator("section").filter(has_text="By endpoint")
    await expect(by_endpoint.locator("tbody th")).to_have_text(["small", "<b>odd</b>"])
    await expect(by_endpoint.locator("tbody tr").first.locator("td").first).to_have_text("2")
    await expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    for selector in TEXTS:
        contrast = await page.evaluate(CONTRAST, selector)
        assert contrast is not None and contrast >= 4.5, (selector, contrast)


async def test_who_is_signed_in_sees_their_own_use_and_an_administrator_everybodys(
    running: RunningHouse, visit: Visit
) -> None:
    ada, bob, root = await made(running, "ada"), await made(running, "bob"), await made(running, "root", admin=True)
    for key in (ada, bob):
        await ask(running, key)
    page = await visit(f"{running.address}/usage")
    await expect(page.get_by_role("dialog", name="Sign in to this house")).to_be_visible()
    await sign_in(page, ada)
    names = page.locator("section").filter(has_text="By key").locator("tbody th")
    await expect(names).to_have_text([f"ada ({ada.split('_')[1]})"])
    await expect(page.get_by_text("What the key of ada used.")).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("dialog", name="Sign in to this house")).to_be_visible()
    await expect(names).to_have_count(0)
    await sign_in(page, root)
    await expect(names).to_have_count(2)


async def test_a_wrong_key_shows_nothing_and_asks_again(running: RunningHouse, visit: Visit) -> None:
    await made(running, "ada")
    page = await visit(f"{running.address}/usage")
    await sign_in(page, "wrong")
    await expect(page.get_by_role("dialog", name="Sign in to this house")).to_be_visible()
    await expect(page.locator("#content")).to_be_empty()
