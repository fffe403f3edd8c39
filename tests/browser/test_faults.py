"""When something fails, the page says what, in the house's own words, keeps what was there, and offers the way on."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from .conftest import Served
from .scripted import Script, ScriptedHouse
from .test_conversation import ask, ask_and_wait

pytestmark = pytest.mark.browser

LOST = {
    "message": "The worker of small-model ended while it was answering.",
    "code": "worker_lost",
    "hint": "Ask again: a new one is starting.",
}
TOO_LONG = {
    "message": "The prompt has 9012 tokens and the context of this endpoint holds 8192.",
    "code": "context_length_exceeded",
    "param": "messages",
}


async def test_an_engine_lost_in_the_middle_is_reported_and_asked_again(page: Page, house: ScriptedHouse) -> None:
    house.scripts["Hello"] = Script(("Half ", "gone"), break_at=1, break_with=LOST)
    await ask(page, "Hello")
    alert = page.get_by_role("article").last.get_by_role("alert")
    await expect(alert).to_contain_text(LOST["message"])
    await expect(alert).to_contain_text(LOST["hint"])
    await expect(page.locator(".prose")).to_have_text("Half")
    house.scripts["Hello"] = Script(("Whole.",))
    await alert.get_by_role("button", name="Try again").click()
    await expect(page.locator(".prose")).to_have_text("Whole.")
    await expect(page.locator(".turns")).to_contain_text("2 / 2")


async def test_a_stream_that_breaks_off_is_not_taken_for_a_whole_answer(page: Page, house: ScriptedHouse) -> None:
    house.scripts["Hello"] = Script(("Half ", "gone"), break_at=1)
    await ask(page, "Hello")
    await expect(page.get_by_role("alert")).to_contain_text("ended before it was whole")
    await expect(page.locator(".prose")).to_have_text("Half")


async def test_a_prompt_beyond_the_context_names_both_counts(page: Page, house: ScriptedHouse) -> None:
    house.scripts["Long"] = Script(refuse=(400, TOO_LONG))
    await ask(page, "Long")
    await expect(page.get_by_role("article").last.get_by_role("alert")).to_contain_text(TOO_LONG["message"])


async def test_a_question_that_would_be_refused_again_is_edited_instead(page: Page, house: ScriptedHouse) -> None:
    house.scripts["Long"] = Script(refuse=(400, TOO_LONG | {"hint": "Ask for less, or see `freehold ps`."}))
    await ask(page, "Long")
    alert = page.get_by_role("article").last.get_by_role("alert")
    await expect(alert.locator("code")).to_have_text("freehold ps")
    await expect(alert).not_to_contain_text("`")
    await expect(alert.get_by_role("button", name="Try again")).to_have_count(0)
    await alert.get_by_role("button", name="Edit").click()
    box = page.get_by_role("textbox", name="Edit your question")
    await expect(box).to_have_value("Long")
    await box.fill("Short")
    await box.press("Enter")
    await expect(page.locator(".prose")).to_have_text("You said: Short")


async def test_a_refusal_leaves_no_empty_version_behind_when_asked_again(page: Page, house: ScriptedHouse) -> None:
    house.scripts["Hello"] = Script(refuse=(503, {"message": "The build is loading.", "code": "loading"}))
    await ask(page, "Hello")
    retry = page.get_by_role("button", name="Try again")
    await expect(retry).to_be_visible()
    del house.scripts["Hello"]
    await retry.click()
    await expect(page.locator(".prose")).to_have_text("You said: Hello")
    await expect(page.locator(".turns")).to_have_count(0)


async def test_a_key_is_asked_for_once_and_kept_nowhere_in_the_page(page: Page, house: ScriptedHouse) -> None:
    house.key = "sesame"
    await page.reload()
    dialog = page.get_by_role("dialog", name="Sign in to this house")
    await expect(dialog).to_be_visible()
    await dialog.get_by_label("Key", exact=True).fill("wrong")
    await page.keyboard.press("Enter")
    await expect(dialog.get_by_role("alert")).to_have_text("The key is wrong.")
    await dialog.get_by_label("Key", exact=True).fill("sesame")
    await dialog.get_by_role("button", name="Sign in").click()
    await expect(dialog).to_be_hidden()
    await ask_and_wait(page, "Hello")
    await page.reload()
    await expect(page.locator(".prose")).to_have_text("You said: Hello")
    await expect(dialog).to_be_hidden()
    kept = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    assert "sesame" not in await page.evaluate(kept) and "signed-in" not in await page.evaluate(kept)
    await page.get_by_role("button", name="Sign out").click()
    await expect(dialog).to_be_visible()
    await expect(page.locator("#model")).to_have_attribute("aria-label", "Model: small-model")


async def test_who_is_signed_out_is_asked_to_sign_in_and_told_nothing_else(page: Page, house: ScriptedHouse) -> None:
    house.key = "sesame"
    await page.reload()
    dialog = page.get_by_role("dialog", name="Sign in to this house")
    await expect(dialog).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("heading", name="Sign in to ask")).to_be_visible()
    await expect(page.get_by_role("textbox", name="Your question")).to_have_attribute("placeholder", "Sign in to ask")
    text = await page.locator("body").inner_text()
    assert "freehold pull" not in text and "No model" not in text
    await ask(page, "Hello")
    await expect(dialog).to_be_visible()
    await dialog.get_by_label("Key", exact=True).fill("sesame")
    await page.keyboard.press("Enter")
    await expect(page.locator(".prose")).to_have_text("You said: Hello")


async def test_who_is_signed_out_while_asking_is_told_to_sign_in_again(page: Page, house: ScriptedHouse) -> None:
    await ask_and_wait(page, "Hello")
    house.key = "sesame"
    await ask(page, "Still me?")
    dialog = page.get_by_role("dialog", name="Sign in to this house")
    await expect(dialog).to_be_visible()
    await page.keyboard.press("Escape")
    trouble = page.locator(".trouble")
    await expect(trouble).to_contain_text("You are not signed in any more.")
    await expect(trouble).not_to_contain_text("Bearer")
    await trouble.get_by_role("button", name="Try again").click()
    await expect(dialog).to_be_visible()
    await dialog.get_by_label("Key", exact=True).fill("sesame")
    await page.keyboard.press("Enter")
    await trouble.get_by_role("button", name="Try again").click()
    await expect(page.locator(".prose").last).to_have_text("You said: Still me?")


async def test_a_house_out_of_reach_is_said_and_found_again(page: Page, house: ScriptedHouse, served: Served) -> None:
    await ask_and_wait(page, "Hello")
    await served.stop()
    await ask(page, "Are you there?")
    await expect(page.get_by_text("The house does not answer. What you wrote is kept.")).to_be_visible()
    await expect(page.locator(".bubble").last).to_have_text("Are you there?")
    await served.start()
    await expect(page.locator("#away")).to_be_hidden(timeout=20_000)
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator(".prose").last).to_have_text("You said: Are you there?")


async def test_a_model_that_is_gone_is_named_and_nothing_is_sent(page: Page, house: ScriptedHouse) -> None:
    await ask_and_wait(page, "Hello")
    house.models[:] = [{"id": "other", "object": "model", "kind": "local"}]
    await page.reload()
    await expect(page.get_by_role("button", name="Model: small-model, not offered now")).to_be_visible()
    await ask(page, "Still there?")
    await expect(page.get_by_text("The house does not offer small-model now: choose another model.")).to_be_visible()
    await expect(page.get_by_role("textbox", name="Your question")).to_have_value("Still there?")
    assert len(house.asked) == 1


async def test_a_house_without_models_says_how_to_get_one(page: Page, house: ScriptedHouse) -> None:
    house.models.clear()
    await page.reload()
    await expect(page.get_by_role("heading", name="No model yet")).to_be_visible()
    await expect(page.get_by_text("freehold pull smollm2-135m-instruct")).to_be_visible()


async def test_full_storage_is_said_and_the_answer_is_still_there(page: Page, house: ScriptedHouse) -> None:
    await page.evaluate(
        """() => { IDBObjectStore.prototype.put = () => { throw new DOMException("full", "QuotaExceededError"); }; }"""
    )
    await ask_and_wait(page, "Hello")
    await expect(page.get_by_text("The browser's storage is full")).to_be_visible()


async def test_a_question_that_was_refused_does_not_burden_the_next(page: Page, house: ScriptedHouse) -> None:
    await ask_and_wait(page, "First")
    house.scripts["Far too long"] = Script(refuse=(400, TOO_LONG))
    await ask(page, "Far too long")
    await expect(page.get_by_role("article").last.get_by_role("alert")).to_be_visible()
    await ask_and_wait(page, "Next")
    assert [message["content"] for message in house.asked[-1]["messages"]] == ["First", "You said: First", "Next"]
