"""Everybody can use the page: by keyboard alone, by ear, in the dark, on a small screen, without motion."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

from .scripted import Script, ScriptedHouse
from .test_conversation import ask, ask_and_wait
from .test_rendering import RICH, show

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}

# Pairs of text on the page and the least contrast WCAG 2.2 AA asks of them (1.4.3: 4.5 for text).
TEXTS = (
    *(".brand", "#new", "#search", ".conversations h2", ".here .conversation-open", ":not(.here) > .conversation-open"),
    *("#model", ".badge", "#context", "#place", ".bubble", ".who", ".prose p", ".prose a", ".prose p code"),
    *(".language", ".prose th", ".figures", ".turns", ".trouble p", ".trouble button"),
    *(".code .k", ".code .nf", ".code .mi", ".code .o"),
)

CONTRAST = """selector => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const rgba = color => {
        canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const mixed = (value, under, opaque) => (value * opaque + under * (255 - opaque)) / 255;
    const over = (top, under) => top.slice(0, 3).map((value, at) => mixed(value, under[at], top[3]));
    const light = rgb => rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
    const element = document.querySelector(selector);
    if (!element) return null;
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    const ground = layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
    const ink = over(rgba(getComputedStyle(element).color), ground);
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
}"""

UNNAMED = """() => [...document.querySelectorAll(
        "button, a[href], input, textarea, meter, progress, [role=region], nav, dialog, article")]
    .filter(each => each.checkVisibility())
    .filter(each => {
        const by = each.getAttribute("aria-labelledby");
        const name = each.getAttribute("aria-label") || (by && document.getElementById(by).textContent)
            || [...(each.labels ?? [])].map(label => label.textContent).join("")
            || (each.matches("button, a") ? each.textContent : "");
        return !name.trim();
    }).map(each => each.outerHTML.slice(0, 120))"""


async def full_page(page: Page, house: ScriptedHouse) -> None:
    """Every kind of thing the page shows, at once."""
    await ask_and_wait(page, "An earlier conversation")
    await page.get_by_role("button", name="New conversation").click()
    await show(page, house, RICH)
    await page.get_by_role("button", name="Answer again").click()
    await expect(page.locator(".turns")).to_be_visible()
    house.scripts["Fail"] = Script(refuse=(400, {"message": "No.", "code": "invalid_request"}))
    await ask(page, "Fail")
    await expect(page.locator(".trouble")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_text_has_enough_contrast(page: Page, house: ScriptedHouse, scheme: Any) -> None:
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    await full_page(page, house)
    found = {selector: await page.evaluate(CONTRAST, selector) for selector in TEXTS}
    assert [selector for selector, contrast in found.items() if contrast is None] == []
    assert {selector: contrast for selector, contrast in found.items() if contrast < 4.5} == {}


async def test_everything_that_can_be_used_has_a_name(page: Page, house: ScriptedHouse) -> None:
    await full_page(page, house)
    assert await page.evaluate(UNNAMED) == []
    for opener in ("Settings", "Keyboard shortcuts"):
        await page.get_by_role("button", name=opener).click()
        assert await page.evaluate(UNNAMED) == []
        await page.keyboard.press("Escape")


async def test_the_page_has_its_landmarks_and_one_name_for_each(page: Page, house: ScriptedHouse) -> None:
    await ask_and_wait(page, "Hello")
    await expect(page.get_by_role("main")).to_have_count(1)
    await expect(page.get_by_role("navigation", name="Conversations")).to_be_visible()
    await expect(page.get_by_role("region", name="Conversation", exact=True)).to_be_visible()
    await expect(page.get_by_role("article", name="You")).to_be_visible()
    await expect(page.get_by_role("article", name="Answer of small-model")).to_be_visible()
    assert await page.evaluate("document.documentElement.lang") == "en"
    repeated = (
        "() => [...document.querySelectorAll('[id]')].map(e => e.id).filter((id, at, all) => all.indexOf(id) !== at)"
    )
    assert await page.evaluate(repeated) == []


async def test_a_finished_answer_is_announced_once_and_its_pieces_are_not(page: Page, house: ScriptedHouse) -> None:
    house.scripts["Hello"] = Script(("One ", "two ", "three."), hold_at=2)
    await ask(page, "Hello")
    await expect(page.locator(".prose")).to_have_text("One two")
    await expect(page.locator("#announcer")).to_have_text("")
    house.go.set()
    await expect(page.locator("#announcer")).to_have_text("small-model answered: One two three.")


async def test_the_keyboard_alone_is_enough(page: Page, house: ScriptedHouse) -> None:
    await expect(page.get_by_role("textbox", name="Your question")).to_be_focused()
    await page.keyboard.type("Hello")
    await page.keyboard.press("Enter")
    await expect(page.locator(".prose")).to_have_text("You said: Hello")
    await page.keyboard.press("Control+Shift+M")
    await expect(page.get_by_role("menuitemradio", name="small-model")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Model: small-model, local")).to_be_focused()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("searchbox")).to_be_focused()
    await page.keyboard.press("Control+,")
    await expect(page.get_by_role("dialog", name="Settings")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("Control+Shift+O")
    await expect(page.get_by_role("textbox", name="Your question")).to_be_focused()
    await expect(page.get_by_role("region", name="New conversation")).to_be_visible()
    await page.keyboard.press("Alt+ArrowDown")
    await expect(page.locator(".prose")).to_have_text("You said: Hello")


async def test_tabbing_reaches_every_control_and_shows_where_it_is(page: Page, house: ScriptedHouse) -> None:
    await full_page(page, house)
    await page.evaluate("document.activeElement.blur()")
    controls = """() => [...document.querySelectorAll("button:enabled, a[href], input, textarea, pre")]
        .filter(each => each.checkVisibility()).length"""
    here = """() => {
        const each = document.activeElement;
        each.dataset.seen ??= String(document.querySelectorAll("[data-seen]").length);
        const shown = getComputedStyle(each).outlineStyle !== "none" || each.matches("#question");
        return [each.dataset.seen, shown, each.tagName, each.outerHTML.slice(0, 100)];
    }"""
    seen: set[str] = set()
    total = await page.evaluate(controls)
    for _ in range(total + 8):
        await page.keyboard.press("Tab")
        number, visible, tag, what = await page.evaluate(here)
        if tag != "BODY":
            seen.add(number)
            assert visible, what
    assert len(seen) >= total


@pytest.mark.parametrize("context_options", [PHONE], ids=["360 pixels"])
async def test_a_narrow_screen_never_scrolls_sideways(page: Page, house: ScriptedHouse) -> None:
    wide = "```python\n" + "x = 1; " * 60 + "\n```\n\n| " + "column | " * 20 + "\n|" + "---|" * 20 + "\n\n" + "w" * 300
    house.scripts["Wide"] = Script((wide,))
    await ask(page, "Wide")
    await expect(page.locator("table")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    assert await page.evaluate("(box => box.scrollWidth <= box.clientWidth)(document.getElementById('scroller'))")
    await page.get_by_role("button", name="Conversations").tap()
    drawer = page.get_by_role("navigation", name="Conversations")
    await expect(drawer).to_be_visible()
    await expect(page.get_by_role("button", name="New conversation")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(drawer).to_be_hidden()
    await expect(page.get_by_role("button", name="Conversations")).to_be_focused()


@pytest.mark.parametrize("context_options", [{"viewport": {"width": 320, "height": 480}}], ids=["320 pixels"])
async def test_the_smallest_screen_shows_the_welcome_from_its_start(page: Page, house: ScriptedHouse) -> None:
    await expect(page.get_by_role("heading", level=1)).to_be_in_viewport(ratio=1)
    assert await page.evaluate("(box => box.scrollHeight > box.clientHeight)(document.getElementById('scroller'))")
    await expect(page.locator("#latest")).to_be_hidden()
    for name in ("Conversations", "Settings"):
        button = await page.get_by_role("button", name=name, exact=True).bounding_box()
        assert button is not None and min(button["width"], button["height"]) >= 24
    house.scripts["Long"] = Script(("line\n\n" * 40,))
    await ask(page, "Long")
    await expect(page.locator(".figures")).to_be_in_viewport()


@pytest.mark.parametrize("context_options", [{"color_scheme": "dark"}], ids=["dark system"])
async def test_the_theme_follows_the_system_until_one_is_chosen(page: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = await page.evaluate(ground)
    await page.get_by_role("button", name="Use the light theme").click()
    light = await page.evaluate(ground)
    assert light != dark
    await page.reload()
    assert await page.evaluate(ground) == light
    await page.get_by_role("button", name="Use the dark theme").click()
    assert await page.evaluate(ground) == dark
    await page.emulate_media(color_scheme="light")
    assert await page.evaluate(ground) == light


@pytest.mark.parametrize("context_options", [{"reduced_motion": "reduce"}], ids=["no motion"])
async def test_who_wants_no_motion_gets_none(page: Page, house: ScriptedHouse) -> None:
    house.scripts["Hello"] = Script(("a",), hold_at=0)
    await ask(page, "Hello")
    await expect(page.locator(".dots")).to_be_visible()
    running = "() => document.getAnimations().filter(each => each.effect.getComputedTiming().duration > 1).length"
    assert await page.evaluate(running) == 0
