"""The Usage page in a browser: what was used, drawn by the house, for those who may see it."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import FloatRect, Page, expect

from freehold.gateway.access.book import KeyBook
from freehold.gateway.access.key import Scopes
from tests.integration.house_process import HELLO, RunningHouse, running_house

from .conftest import Visit
from .test_access import CONTRAST, PHONE

pytestmark = pytest.mark.browser

TOML = """
[server]
port = 0
[endpoints]
small = "fake:small?tokens=3"
"<b>odd</b>" = "fake:odd?tokens=3"
"""
TEXTS = (
    ".who",
    ".chart figcaption",
    ".chart .sub",
    ".chart .key",
    ".days span",
    ".usage thead th",
    ".usage tbody td",
    ".usage h2",
)

# For each head of a table, to which sides it and the cells below it stand.
SIDES = """() => {
    const sides = {};
    for (const head of document.querySelectorAll("thead th")) {
        const place = head.cellIndex + 1, found = sides[head.textContent] ??= [];
        const below = head.closest("table").querySelectorAll(`tbody tr > :nth-child(${place})`);
        for (const { textAlign } of [head, ...below].map(each => getComputedStyle(each)))
            if (!found.includes(textAlign)) found.push(textAlign);
    }
    return sides;
}"""
# The height of the letters under a chart, in pixels of the screen.
TEXT_SPANS = """spans => spans.map(span => {
    const range = document.createRange();
    range.selectNodeContents(span);
    const { left, right } = range.getBoundingClientRect();
    return [left, right];
})"""
DAYS_PX = "parseFloat(getComputedStyle(document.querySelector('.days span')).fontSize)"


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


async def head_and_rows(page: Page) -> list[tuple[FloatRect, FloatRect]]:
    """Where the head and the first row of each table are."""
    found = []
    for region in await page.get_by_role("region").all():
        head = await region.locator("thead th").first.bounding_box()
        row = await region.locator("tbody tr").first.bounding_box()
        assert head is not None and row is not None
        found.append((head, row))
    return found


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
    tables = await head_and_rows(page)
    assert [head["y"] + head["height"] <= row["y"] + 1 for head, row in tables] == [True, True]
    sides = await page.evaluate(SIDES)
    assert {head for head, side in sides.items() if side == ["left"]} == {"Key", "Endpoint"}
    assert {side for found in sides.values() if found != ["left"] for side in found} == {"right"}
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


async def test_where_nothing_was_asked_the_days_are_counted(running: RunningHouse, visit: Visit) -> None:
    page = await visit(f"{running.address}/usage")
    await expect(page.get_by_text("Nothing was asked in the last 30 days.")).to_be_visible()


@pytest.mark.parametrize("context_options", [PHONE], ids=["360 pixels"])
async def test_days_can_be_read_on_a_phone_and_do_not_overlap(running: RunningHouse, visit: Visit) -> None:
    await ask(running)
    page = await visit(f"{running.address}/usage")
    await expect(page.get_by_role("img", name="Tokens a day")).to_be_visible()
    assert await page.evaluate(DAYS_PX) >= 12
    named = page.locator(".chart").first.locator(".days span").filter(has_text=re.compile(r"\w"))
    places = await named.evaluate_all(TEXT_SPANS)
    assert len(places) == 6
    assert all(left >= 0 and right <= 360 for left, right in places)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(places))
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
