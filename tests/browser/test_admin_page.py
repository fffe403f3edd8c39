"""The Admin page in a browser: who is at work now, what models take, what failed, and what its buttons end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Page, expect

from tests.integration.house_process import HELLO, RunningHouse, rest_of, running_house
from tests.servers.issuer import local_issuer

from .conftest import Visit
from .test_access import CONTRAST, PHONE, UNNAMED
from .test_usage_page import SIDES, head_and_rows, made, sign_in

pytestmark = pytest.mark.browser

TOML = """
[server]
port = 0
[endpoints]
small = "fake:small?tokens=3"
endless = "fake:endless?rate=50&tokens=100000&context=200000"
broken = "fake:broken?refuse-start"
"<b>odd</b>" = "fake:odd?tokens=3"
"""
CHAT = "/v1/chat/completions"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
TEXTS = (
    ".who",
    ".usage h2",
    ".usage thead th",
    ".usage tbody th",
    ".usage tbody td",
    ".usage .fine",
    ".hash",
    ".places a",
)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningHouse]:
    with running_house(tmp_path, TOML) as house:
        yield house


def at_work(page: Page) -> Any:
    return page.get_by_role("region", name="At work").locator("tbody tr")


async def stream(house: RunningHouse, key: str) -> socket.socket:
    headers = {"authorization": f"Bearer {key}"}
    return await asyncio.to_thread(house.open_stream, CHAT, {"model": "endless", **HELLO}, headers=headers)


async def ask(house: RunningHouse, key: str, model: str) -> int:
    headers = {"authorization": f"Bearer {key}"}
    return (await asyncio.to_thread(house.ask, "POST", CHAT, {"model": model, **HELLO}, headers=headers)).status


async def admins_page(house: RunningHouse, visit: Visit, key: str) -> Page:
    page = await visit(f"{house.address}/admin")
    await sign_in(page, key)
    await expect(page.get_by_role("heading", name="At work")).to_be_visible()
    return page


async def test_signed_out_it_shows_a_form_and_nothing_of_the_house(running: RunningHouse, visit: Visit) -> None:
    await made(running, "ada")
    page = await visit(f"{running.address}/admin")
    await expect(page.get_by_role("dialog", name="Sign in to this house")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("main")).to_be_hidden()
    await expect(page.locator("#content")).to_be_empty()
    assert "endless" not in await page.content()
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_label("Key", exact=True)).to_be_focused()


async def test_a_key_without_the_scope_sees_nothing_and_is_told_why(running: RunningHouse, visit: Visit) -> None:
    ada = await made(running, "ada")
    page = await visit(f"{running.address}/admin")
    await sign_in(page, ada)
    content = page.locator("#content")
    await expect(content.get_by_role("heading")).to_have_text("What you signed in with does not open this page")
    await expect(content).to_contain_text("Whoever runs the house can give you a key that opens it.")
    assert "freehold keys" not in await page.locator("main > :not(noscript)").last.inner_text()
    await expect(page.locator(".notice")).to_have_count(0)
    await expect(content.get_by_role("link", name="Usage page")).to_be_visible()
    await content.get_by_role("button", name="Sign in as somebody else").click()
    await expect(page.get_by_role("dialog", name="Sign in to this house")).to_be_visible()
    await expect(content).to_be_empty()
    await sign_in(page, ada)
    await page.goto(f"{running.address}/usage")
    await expect(page.get_by_role("img", name="Tokens a day").or_(page.locator(".none"))).to_be_visible()
    await expect(page.get_by_role("link", name="Admin")).to_be_hidden()


async def test_who_is_at_work_is_seen_live_and_can_be_stopped(running: RunningHouse, visit: Visit) -> None:
    root, ada = await made(running, "root", admin=True), await made(running, "ada")
    page = await admins_page(running, visit, root)
    await expect(page.get_by_text("Nobody asks for anything now.")).to_be_visible()
    client = await stream(running, ada)
    row = at_work(page).filter(has_text="ada")
    await expect(row).to_contain_text("endless")
    await expect(row).to_contain_text(CHAT)
    before = await row.locator("td").nth(3).inner_text()
    await expect(row.locator("td").nth(3)).not_to_have_text(before)
    stop = row.get_by_role("button", name="Stop the request of ada")
    await stop.focus()
    await page.keyboard.press("Enter")
    sure = page.get_by_role("dialog", name="Stop the request of ada?")
    await expect(sure.get_by_role("button", name="Leave it")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(sure).to_be_hidden()
    await expect(stop).to_be_focused()
    await stop.click()
    await sure.get_by_role("button", name="Stop it").click()
    await expect(page.get_by_text("Nobody asks for anything now.")).to_be_visible()
    rest = await asyncio.to_thread(rest_of, client)
    assert b'"code":"stopped_by_admin"' in rest and b"[DONE]" not in rest
    assert await ask(running, ada, "small") == 200
    failed = page.get_by_role("region", name="Last errors").locator("tbody tr")
    await expect(failed).to_contain_text(["stopped_by_admin"])


async def test_a_key_is_revoked_from_the_page_and_its_work_ends(running: RunningHouse, visit: Visit) -> None:
    root, ada, bob = await made(running, "root", admin=True), await made(running, "ada"), await made(running, "bob")
    page = await admins_page(running, visit, root)
    streams = [await stream(running, key) for key in (ada, bob)]
    await at_work(page).filter(has_text="ada").get_by_role("button", name="Revoke").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke", exact=True).click()
    await expect(page.locator(".notice")).to_contain_text("The key of ada opens nothing any more. 1 request was ended.")
    await expect(at_work(page)).to_have_count(1)
    assert b'"code":"invalid_api_key"' in await asyncio.to_thread(rest_of, streams[0])
    assert (await ask(running, ada, "small"), await ask(running, bob, "small")) == (401, 200)
    streams[1].close()


async def test_models_and_errors_are_shown_and_every_text_is_a_text(running: RunningHouse, visit: Visit) -> None:
    root = await made(running, "<i>root</i>", admin=True)
    page = await admins_page(running, visit, root)
    assert await ask(running, root, "small") == 200
    assert await ask(running, root, "broken") >= 500
    assert await ask(running, root, "<b>odd</b>") == 200
    models = page.get_by_role("region", name="Models").locator("tbody tr")
    await expect(models.filter(has_text="fake:small")).to_contain_text(["ready"])
    await expect(models.filter(has_text="fake:small").locator("td").nth(4)).to_contain_text("MB")
    came = page.get_by_role("region", name="What came and went").locator("tbody tr")
    await expect(came.filter(has_text="fake:small")).to_contain_text(["loaded"])
    await expect(page.get_by_text("that models may take are kept for those that are loaded.")).to_be_visible()
    await expect(models.locator("th")).to_have_text(["small", "endless", "broken", "<b>odd</b>"])
    failed = page.get_by_role("region", name="Last errors").locator("tbody tr").first
    await expect(failed).to_contain_text("worker_not_started")
    await expect(failed).to_contain_text("<i>root</i>")
    sides = await page.evaluate(SIDES)
    numbers = {"At work", "Waiting", "Memory", "Kept free for it", "Restarts", "Took", "Status"}
    assert {head for head, side in sides.items() if side == ["right"]} == numbers
    assert {side for head, found in sides.items() if head not in numbers for side in found} == {"left"}
    assert len(await head_and_rows(page)) == 3
    for _ in range(30):
        assert await ask(running, root, "broken") >= 500
    await expect(page.get_by_role("region", name="Last errors").locator("tbody tr").nth(19)).to_be_visible()
    for scrolled in (0, 300, 900):
        await page.evaluate("top => scrollTo(0, top)", scrolled)
        for head, row in await head_and_rows(page):
            assert head["y"] + head["height"] <= row["y"] + 1, scrolled
    for scheme in SCHEMES:
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = {selector: await page.evaluate(CONTRAST, selector) for selector in TEXTS}
        assert {selector: contrast for selector, contrast in found.items() if contrast < 4.5} == {}, scheme
    assert await page.evaluate(UNNAMED) == []


@pytest.mark.parametrize("context_options", [PHONE], ids=["360 pixels"])
async def test_a_narrow_screen_never_scrolls_sideways(running: RunningHouse, visit: Visit) -> None:
    root = await made(running, "root-with-a-rather-long-name@example.org", admin=True)
    page = await admins_page(running, visit, root)
    client = await stream(running, root)
    await expect(at_work(page)).to_have_count(1)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    client.close()


async def test_a_session_that_ends_while_somebody_looks_leaves_nothing_on_the_screen(
    running: RunningHouse, visit: Visit
) -> None:
    from freehold import control
    from freehold.gateway.access.book import KeyBook

    page = await admins_page(running, visit, await made(running, "root", admin=True))
    await expect(page.get_by_role("link", name="Admin")).to_be_visible()
    KeyBook(running.settings.home).revoke("root")
    await asyncio.to_thread(control.reread_keys, running.settings)
    await expect(page.get_by_role("dialog", name="Sign in to this house")).to_be_visible()
    await expect(page.locator("#content")).to_be_empty()
    await expect(page.get_by_role("link", name="Admin")).to_be_hidden()


async def test_a_person_signs_in_with_a_token_of_the_firm(tmp_path: Path, visit: Visit) -> None:
    with local_issuer() as issuer:
        roles = "[sign_on.roles.admins]\nadmin = true\n"
        sign_on = f'[sign_on]\nissuer = "{issuer.url}"\naudience = "freehold"\n{roles}'
        with running_house(tmp_path, TOML + sign_on) as house:
            page = await visit(f"{house.address}/admin")
            token = issuer.token(preferred_username="ada", groups=["admins"])
            await page.get_by_label("Key, or token of your sign-on").fill(token)
            await page.keyboard.press("Enter")
            await expect(page.get_by_text("Shown to ada.")).to_be_visible()
            await page.goto(f"{house.address}/")
            await expect(page.get_by_role("button", name="Model: small")).to_be_visible()
            await page.get_by_role("button", name="Sign out").click()
            await expect(page.get_by_role("dialog", name="Sign in to this house")).to_be_visible()
