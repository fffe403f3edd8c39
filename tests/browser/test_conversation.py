"""Talking to a model on the chat page: answers stream, stop, are asked for again, and are there after a reload."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from playwright.async_api import Download, Page, Route, expect

from .conftest import Served
from .scripted import Script, ScriptedHouse, local

pytestmark = pytest.mark.browser


async def ask(page: Page, question: str) -> None:
    box = page.get_by_role("textbox", name="Your question")
    await box.fill(question)
    await box.press("Enter")


async def ask_and_wait(page: Page, question: str) -> None:
    await ask(page, question)
    answer = page.get_by_role("article").last
    await expect(answer).to_have_attribute("aria-busy", "false")
    await expect(answer.locator(".prose")).to_contain_text(question)


async def test_an_answer_appears_while_it_is_written(page: Page, house: ScriptedHouse) -> None:
    house.scripts["Hello"] = Script(("First ", "words, ", "last words."), hold_at=2)
    await ask(page, "Hello")
    answer = page.get_by_role("article", name="Answer of small-model")
    await expect(answer.locator(".prose")).to_have_text("First words,")
    await expect(answer).to_have_attribute("aria-busy", "true")
    house.go.set()
    await expect(answer.locator(".prose")).to_have_text("First words, last words.")
    await expect(answer).to_have_attribute("aria-busy", "false")
    assert house.asked[0]["messages"] == [{"role": "user", "content": "Hello"}]


async def test_the_figures_are_the_engines_and_the_context_is_counted(page: Page, house: ScriptedHouse) -> None:
    await ask_and_wait(page, "Hello")
    figures = page.locator(".figures")
    await expect(figures).to_contain_text("50 tokens/s")
    await expect(figures).to_contain_text("3 tokens")
    await expect(page.locator("#context-figure")).to_have_text("33 / 8,192")


async def test_figures_that_nobody_told_are_left_out_and_never_zero(page: Page, house: ScriptedHouse) -> None:
    house.models[0]["context_tokens"] = None
    house.scripts["Hello"] = Script(("One.",), usage=False)
    await page.reload()
    await ask(page, "Hello")
    await expect(page.locator(".figure")).to_have_count(1)
    await expect(page.locator(".figures")).to_have_text(re.compile(r"^\d+\.\d\d s to first token$"))
    await expect(page.locator("#context-figure")).to_have_text("— / —")


async def test_how_far_the_prompt_is_read_is_shown(page: Page, house: ScriptedHouse) -> None:
    house.scripts["Long"] = Script(("Done.",), hold_at=0, progress=(10, 43))
    await ask(page, "Long")
    await expect(page.locator(".waiting")).to_contain_text("Reading the prompt, 43 %")
    await expect(page.get_by_role("progressbar", name="Prompt read")).to_have_attribute("value", "0.43")
    house.go.set()
    await expect(page.locator(".waiting")).to_be_hidden()
    assert house.asked[0]["return_progress"] is True


async def test_escape_stops_the_answer_and_the_house_is_told(page: Page, house: ScriptedHouse, served: Served) -> None:
    house.scripts["Hello"] = Script(("Kept words. ", "never"), hold_at=1)
    await ask(page, "Hello")
    await expect(page.locator(".prose")).to_have_text("Kept words.")
    await page.keyboard.press("Escape")
    await expect(page.get_by_text("You stopped this answer.")).to_be_visible()
    await expect(page.locator(".prose")).to_have_text("Kept words.")
    await expect(page.get_by_role("button", name="Send")).to_be_visible()
    await house.wait_until_left(1)


async def test_the_stop_button_stops_too(page: Page, house: ScriptedHouse) -> None:
    house.scripts["Hello"] = Script(("a", "b"), hold_at=1)
    await ask(page, "Hello")
    await page.get_by_role("button", name="Stop answering").click()
    await expect(page.get_by_text("You stopped this answer.")).to_be_visible()
    await house.wait_until_left(1)


async def test_editing_a_question_adds_a_version_and_loses_none(page: Page, house: ScriptedHouse) -> None:
    await ask_and_wait(page, "First try")
    await ask_and_wait(page, "Follow-up")
    await page.get_by_role("button", name="Edit and ask again").first.click()
    box = page.get_by_role("textbox", name="Edit your question")
    await box.fill("Second try")
    await box.press("Enter")
    await expect(page.get_by_role("article").last.locator(".prose")).to_have_text("You said: Second try")
    assert house.asked[-1]["messages"] == [{"role": "user", "content": "Second try"}]
    await expect(page.get_by_role("article")).to_have_count(2)
    await page.get_by_role("button", name="Previous question").click()
    await expect(page.get_by_role("article")).to_have_count(4)
    await expect(page.get_by_role("article").last.locator(".prose")).to_have_text("You said: Follow-up")


async def test_an_edit_can_be_called_off(page: Page) -> None:
    await ask_and_wait(page, "First try")
    await page.get_by_role("textbox", name="Your question").press("ArrowUp")
    box = page.get_by_role("textbox", name="Edit your question")
    await box.fill("Other")
    await box.press("Escape")
    await expect(page.locator(".bubble")).to_have_text("First try")
    await expect(page.get_by_role("article")).to_have_count(2)


async def test_answering_again_keeps_the_first_answer(page: Page, house: ScriptedHouse) -> None:
    await ask_and_wait(page, "Hello")
    house.scripts["Hello"] = Script(("Another answer.",))
    await page.get_by_role("button", name="Answer again").click()
    await expect(page.locator(".prose")).to_have_text("Another answer.")
    await expect(page.locator(".turns")).to_contain_text("2 / 2")
    await page.get_by_role("button", name="Previous answer").click()
    await expect(page.locator(".prose")).to_have_text("You said: Hello")


async def test_two_conversations_and_a_draft_survive_a_reload(page: Page, house: ScriptedHouse) -> None:
    await ask_and_wait(page, "About bread")
    await page.get_by_role("button", name="New conversation").click()
    await ask_and_wait(page, "About cheese")
    await page.get_by_role("textbox", name="Your question").fill("And wine?")
    await page.reload()
    await expect(page.locator(".prose")).to_have_text("You said: About cheese")
    await expect(page.get_by_role("textbox", name="Your question")).to_have_value("And wine?")
    await page.get_by_role("button", name="About bread", exact=True).click()
    await expect(page.locator(".prose")).to_have_text("You said: About bread")
    await expect(page.get_by_role("textbox", name="Your question")).to_have_value("")


async def test_a_reload_in_the_middle_keeps_what_was_answered(page: Page, house: ScriptedHouse) -> None:
    house.scripts["Hello"] = Script(("Half an answer ", "and the rest."), hold_at=1)
    await ask(page, "Hello")
    await expect(page.locator(".prose")).to_have_text("Half an answer")
    await page.reload()
    await expect(page.locator(".prose")).to_have_text("Half an answer")
    await expect(page.get_by_text("This answer was interrupted")).to_be_visible()
    house.go.set()
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator(".prose")).to_have_text("Half an answer and the rest.")


async def test_another_window_sees_the_conversation_grow(page: Page, house: ScriptedHouse, served: Served) -> None:
    await ask_and_wait(page, "Hello")
    other = await page.context.new_page()
    await other.goto(page.url)
    await expect(other.locator(".prose")).to_have_text("You said: Hello")
    await ask_and_wait(page, "More")
    await expect(other.get_by_role("article")).to_have_count(4)
    await expect(other.locator(".prose").last).to_have_text("You said: More")


async def test_a_conversation_is_renamed_found_deleted_and_brought_back(page: Page) -> None:
    await ask_and_wait(page, "About bread")
    await page.get_by_role("button", name="New conversation").click()
    await ask_and_wait(page, "About cheese")
    await page.get_by_role("button", name="Options of About bread").click()
    await page.get_by_role("menuitem", name="Rename").click()
    await page.get_by_role("textbox", name="Name of the conversation").fill("Baking")
    await page.keyboard.press("Enter")
    rows = page.locator(".conversation-open")
    await expect(rows).to_have_text(["About cheese", "Baking"])
    await page.get_by_role("searchbox", name="Search conversations").fill("said bread")
    await expect(rows).to_have_text(["Baking"])
    await page.get_by_role("searchbox", name="Search conversations").fill("")
    await page.get_by_role("button", name="Options of Baking").click()
    await page.get_by_role("menuitem", name="Delete").click()
    await expect(rows).to_have_text(["About cheese"])
    await page.get_by_role("button", name="Undo").click()
    await expect(rows).to_have_text(["About cheese", "Baking"])
    await page.reload()
    await expect(rows).to_have_text(["About cheese", "Baking"])


async def test_a_conversation_is_exported_in_both_forms(page: Page, house: ScriptedHouse) -> None:
    await ask_and_wait(page, "About bread")

    async def export(kind: str) -> tuple[Download, str]:
        await page.get_by_role("button", name="Options of About bread").click()
        async with page.expect_download() as waiting:
            await page.get_by_role("menuitem", name=f"Export as {kind}").click()
        download = await waiting.value
        return download, Path(await download.path()).read_text(encoding="utf-8")  # noqa: ASYNC240  # a small local file

    markdown, text = await export("Markdown")
    assert markdown.suggested_filename == "about-bread.md"
    assert text == "# About bread\n\n## You\n\nAbout bread\n\n## small-model\n\nYou said: About bread\n"
    as_json, text = await export("JSON")
    assert as_json.suggested_filename == "about-bread.json"
    assert [message["text"] for message in json.loads(text)["messages"]] == ["About bread", "You said: About bread"]


async def test_settings_are_sent_kept_and_taken_back(page: Page, house: ScriptedHouse) -> None:
    await page.get_by_role("button", name="Settings").click()
    await page.get_by_label("System prompt").fill("Answer in rhyme.")
    await page.get_by_label("Temperature").fill("0.2")
    await page.get_by_label("Longest answer, in tokens").fill("64")
    await page.get_by_label("Seed").fill("7")
    await page.keyboard.press("Escape")
    await ask_and_wait(page, "Hello")
    sent = house.asked[0]
    assert (sent["temperature"], sent["max_tokens"], sent["seed"]) == (0.2, 64, 7)
    assert sent["messages"][0] == {"role": "system", "content": "Answer in rhyme."}
    await page.reload()
    await page.get_by_role("button", name="Settings, 4 changed").click()
    await expect(page.get_by_label("System prompt")).to_have_value("Answer in rhyme.")
    await page.get_by_role("button", name="Use the model's own").click()
    await page.keyboard.press("Escape")
    await ask_and_wait(page, "Again")
    assert house.asked[1].keys().isdisjoint({"temperature", "max_tokens", "seed"})


async def test_a_setting_out_of_range_is_marked_and_not_sent(page: Page, house: ScriptedHouse) -> None:
    await page.get_by_role("button", name="Settings").click()
    await page.get_by_label("Temperature").fill("9")
    await expect(page.get_by_label("Temperature")).to_have_attribute("aria-invalid", "true")
    await page.keyboard.press("Escape")
    await ask_and_wait(page, "Hello")
    assert "temperature" not in house.asked[0]


async def test_each_conversation_remembers_its_model(page: Page, house: ScriptedHouse) -> None:
    house.models.append({"id": "far-away", "object": "model", "kind": "remote"})
    await page.reload()
    await ask_and_wait(page, "To the small one")
    await page.get_by_role("button", name="New conversation").click()
    await page.get_by_role("button", name="Model: small-model, local").click()
    await page.get_by_role("menuitemradio", name="far-away").click()
    await expect(page.locator("#place")).to_have_text("Sent to a remote model: what you write leaves this house.")
    await ask_and_wait(page, "To the far one")
    assert [body["model"] for body in house.asked] == ["small-model", "far-away"]
    await page.reload()
    await expect(page.get_by_role("button", name="Model: far-away, remote")).to_be_visible()
    await page.get_by_role("button", name="To the small one", exact=True).click()
    await expect(page.get_by_role("button", name="Model: small-model, local")).to_be_visible()


async def test_a_base_model_continues_text(page: Page, house: ScriptedHouse) -> None:
    house.models[:] = [{"id": "base", "object": "model", "kind": "local", "capabilities": {"chat": False}}]
    await page.reload()
    await ask_and_wait(page, "Once upon a time")
    assert house.asked[0]["prompt"] == "Once upon a time"


async def test_a_base_model_is_marked_and_nobody_is_led_to_it(page: Page, house: ScriptedHouse) -> None:
    house.models.insert(0, local("base", chat=False, state="stopped", capabilities=None))
    await page.evaluate("localStorage.setItem('freehold.model', 'base')")
    await page.reload()
    await page.get_by_role("button", name="Model: small-model, local").click()
    base = page.get_by_role("menuitemradio", name="base")
    await expect(base).to_be_disabled()
    await expect(base).to_contain_text("base model: continues text")
    await base.click(force=True)
    await page.keyboard.press("Escape")
    await ask_and_wait(page, "Hello")
    assert house.asked[0]["model"] == "small-model"


async def test_shift_enter_is_a_new_line_and_enter_while_composing_sends_nothing(
    page: Page, house: ScriptedHouse
) -> None:
    box = page.get_by_role("textbox", name="Your question")
    await box.fill("one")
    await box.press("Shift+Enter")
    await box.press_sequentially("two")
    await expect(box).to_have_value("one\ntwo")
    await box.evaluate(
        "box => box.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true}))"
    )
    assert house.asked == []
    await expect(box).to_have_value("one\ntwo")


async def test_the_reader_who_scrolls_up_is_left_alone(page: Page, house: ScriptedHouse) -> None:
    house.scripts["Long"] = Script(("A line.\n\n" * 60, "More.\n\n" * 30, "The end."), hold_at=1)
    await ask(page, "Long")
    await expect(page.locator(".prose p")).to_have_count(60)
    scroller = page.locator("#scroller")
    far = "box => box.scrollHeight - box.clientHeight - box.scrollTop"
    await page.wait_for_function(f"({far})(document.getElementById('scroller')) < 2")
    await scroller.hover()
    await page.mouse.wheel(0, -600)
    await expect(page.get_by_role("button", name="Latest")).to_be_visible()
    place = await scroller.evaluate("box => box.scrollTop")
    house.go.set()
    await expect(page.locator(".prose p")).to_have_count(91)
    assert await scroller.evaluate("box => box.scrollTop") == place
    await page.get_by_role("button", name="Latest").click()
    await page.wait_for_function(f"({far})(document.getElementById('scroller')) < 2")


async def test_a_question_asked_before_the_page_is_ready_is_not_lost(page: Page, house: ScriptedHouse) -> None:
    held = asyncio.Event()

    async def hold(route: Route) -> None:
        await held.wait()
        await route.continue_()

    await page.route("**/v1/models", hold)
    await page.reload()
    await ask(page, "Hello")
    await expect(page.get_by_role("textbox", name="Your question")).to_have_value("Hello")
    held.set()
    await expect(page.locator(".prose")).to_have_text("You said: Hello")
    await expect(page.get_by_role("textbox", name="Your question")).to_have_value("")
