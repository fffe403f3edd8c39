"""The pages' way to a firm's sign-on and back, in a browser. The issuer is another site: `localhost`, not 127.0.0.1."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.integration.house_process import RunningHouse, running_house
from tests.integration.page_visitor import free_port, toml
from tests.servers.accounts import LOGOUT
from tests.servers.issuer import LocalIssuer, local_issuer

from .conftest import Visit, Witness
from .test_access import PHONE, UNNAMED

pytestmark = pytest.mark.browser

ROLES = """
[sign_on.roles.readers]
endpoints = ["small"]
[sign_on.roles.admins]
admin = true
"""
KEPT = "() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href])"


@pytest.fixture
def issuer() -> Iterator[LocalIssuer]:
    with local_issuer("localhost") as running:
        running.accounts.person["groups"] = ["admins"]
        yield running


@pytest.fixture
def running(tmp_path: Path, issuer: LocalIssuer) -> Iterator[RunningHouse]:
    with running_house(tmp_path, toml(issuer, free_port(), ROLES)) as house:
        yield house


@pytest_asyncio.fixture(loop_scope="session")
async def page(running: RunningHouse, issuer: LocalIssuer, witness: Witness, visit: Visit) -> AsyncIterator[Page]:
    """The Usage page, which asks who is here."""
    witness.houses.append(issuer.url)
    page = await visit(f"{running.address}/usage")
    await expect(button(page, issuer)).to_be_focused()
    yield page
    kept = await page.evaluate(KEPT)
    assert "eyJ" not in kept and "code" not in kept and "state" not in kept


def button(page: Page, issuer: LocalIssuer) -> Any:
    return page.get_by_role("button", name=f"Sign in with {issuer.url.removeprefix('http://')}")


async def go_on(page: Page) -> None:
    """Say yes on the issuer's own page."""
    await expect(page.get_by_role("heading", name="Staff accounts")).to_be_visible()
    await page.get_by_role("button", name="Go on as ada").click()


async def test_a_person_signs_in_chats_and_signs_out(page: Page, running: RunningHouse, issuer: LocalIssuer) -> None:
    assert await page.evaluate(UNNAMED) == []
    await page.keyboard.press("Enter")
    await go_on(page)
    await expect(page.get_by_text("shown to ada, who may see what others did.")).to_be_visible()
    await expect(page).to_have_url(f"{running.address}/usage")
    await expect(page.get_by_role("button", name="Sign out")).to_have_attribute("title", "Sign out ada")
    await page.get_by_role("link", name="Admin").click()
    await expect(page.get_by_text("Shown to ada.")).to_be_visible()
    await page.goto(f"{running.address}/")
    await expect(page.get_by_role("button", name="Model: small")).to_be_visible()
    await page.get_by_role("textbox", name="Your question").fill("Hello")
    await page.keyboard.press("Enter")
    await expect(page.locator(".figures")).to_be_visible()
    assert "eyJ" not in await page.evaluate(KEPT)
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("dialog", name="Sign in to this house")).to_be_visible()
    await expect(button(page, issuer)).to_be_visible()
    assert [each for each in issuer.asked if each.startswith(LOGOUT)], "signed out there as well"
    cookies = {each["name"]: each for each in await page.context.cookies()}
    session = cookies.pop(f"freehold-{running.port}", None)
    assert session is None and all(each["httpOnly"] for each in cookies.values())


async def test_a_reader_sees_what_is_theirs_and_no_admin_page(page: Page, issuer: LocalIssuer) -> None:
    issuer.accounts.person["groups"] = ["readers"]
    await button(page, issuer).click()
    await go_on(page)
    await expect(page.get_by_text("What ada used.")).to_be_visible()
    await expect(page.get_by_role("link", name="Admin")).to_be_hidden()


async def test_who_is_not_let_in_is_told_and_may_try_again(
    page: Page, running: RunningHouse, issuer: LocalIssuer
) -> None:
    issuer.accounts.denies = {"error": "access_denied", "error_description": "<b>Not today</b>"}
    await button(page, issuer).click()
    await go_on(page)
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("says no: you were not let in, or did not want to be")
    await expect(alert).to_contain_text("<b>Not today</b>")
    issuer.accounts.denies = {}
    await page.get_by_role("link", name="Back to the house").click()
    await expect(page).to_have_url(f"{running.address}/usage")
    await button(page, issuer).click()
    await go_on(page)
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()


async def test_an_issuer_that_is_away_is_said_beside_its_button(page: Page, issuer: LocalIssuer) -> None:
    issuer.is_down = True
    await button(page, issuer).click()
    await expect(page.get_by_role("alert").filter(has_text=re.compile("answers with status 503"))).to_be_visible()
    await page.get_by_label("Key, or token of your sign-on").fill("wrong")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("The key is wrong.")).to_be_visible()


@pytest.mark.parametrize("context_options", [PHONE], ids=["360 pixels"])
async def test_the_dialog_fits_a_narrow_screen(page: Page, issuer: LocalIssuer) -> None:
    box = await button(page, issuer).bounding_box()
    assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 360 and box["height"] >= 24
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
