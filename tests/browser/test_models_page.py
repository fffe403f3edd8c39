"""The Models page of a real house: find a model, see how open it is, follow the evidence, know what it asks of you."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import Locator, Page, expect

from freehold.app import build_house
from freehold.core.settings import load
from freehold.server.asgi import create_app
from freehold.store.overrides import Override, Overrides
from freehold.store.store import Store
from tests.unit.test_models_route import BANK
from tests.unit.test_store import take_in, weights

from .conftest import Visit
from .test_access import CONTRAST, PHONE, UNNAMED

pytestmark = pytest.mark.browser

POLICY = '[policy]\nreview = "allow"\n'  # so that a build nobody knows is served to an organization all the same

Open = Callable[..., Awaitable[str]]

# Text of every kind on the page, for its contrast (WCAG 2.2 AA, 1.4.3: 4.5).
TEXTS = (
    *(
        ".brand",
        ".places a",
        ".places [aria-current]",
        ".intro p",
        ".organization summary",
        ".stop-name",
        ".stop-level",
    ),
    *(".stop-count", ".stops-note", ".field span", "#filter-q", "#tally", "#clear", "thead button", ".title", ".sub"),
    *(".figure", ".license-name", ".label", ".axis-name", ".verdict.allow", ".verdict.review", ".verdict.deny"),
    *(".verdict.allow-with-duties", ".held", ".chat"),
)
PAPER_TEXTS = (
    *(".paper-place", "#paper-title", ".paper-sub", ".badge", "#paper h3", "#paper h4", ".label-line", ".ends span"),
    *(
        ".rung",
        ".rung.here",
        ".fine",
        ".said span",
        ".said .sub",
        ".fact",
        ".hash",
        ".component-name",
        ".component .sub",
    ),
)


@pytest_asyncio.fixture(loop_scope="session")
async def house(home: Path) -> AsyncIterator[Open]:
    """Opens a house with these settings at an address of its own."""
    served: list[tuple[uvicorn.Server, asyncio.Task[None]]] = []

    async def start(settings: str = "", key: str | None = None) -> str:
        file = home.parent / "freehold.toml"
        file.write_text(settings)
        environment = {"FREEHOLD_HOME": str(home)} | ({"FREEHOLD_API_KEY": key} if key else {})
        app = create_app(build_house(load(environment=environment, file=file)))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", ws="none"))
        listener = socket.create_server(("127.0.0.1", 0))
        served.append((server, asyncio.create_task(server.serve(sockets=[listener]))))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for server, task in served:
        server.should_exit = server.force_exit = True
        await task


async def hold(home: Path, name: str, fill: bytes) -> None:
    """Hold a small build that no catalog knows."""
    await asyncio.to_thread(lambda: take_in(Store(home), weights(home.parent / f"{name}.gguf", fill)))


def rows(page: Page) -> Locator:
    return page.locator("tbody tr")


def choice(page: Page, name: str) -> Locator:
    return page.get_by_role("combobox", name=name)


def row(page: Page, title: str) -> Locator:
    return rows(page).filter(has=page.get_by_role("link", name=title, exact=True))


async def titles(page: Page) -> list[str]:
    return await page.locator("tbody .title").all_text_contents()


async def paper(page: Page, title: str) -> Locator:
    found = page.get_by_role("dialog", name=title)
    await expect(found).to_be_visible()
    return found


async def test_filters_meet_and_the_url_holds_them(house: Open, visit: Visit) -> None:
    page = await visit(f"{await house()}/models")
    await expect(rows(page).first).to_be_visible()
    everything = await rows(page).count()
    assert everything > 300
    await page.get_by_role("searchbox", name="Search the models").fill("llama instruct")
    await choice(page, "Size").select_option("40B to 130B")
    await choice(page, "License").select_option("F2 Commercial use, at least within terms")
    await choice(page, "Skill").select_option("tools")
    await page.get_by_role("button", name=re.compile("^L2 community license")).click()
    await expect(row(page, "Llama 3.3 70B Instruct")).to_be_visible()
    shown = await titles(page)
    assert shown and all("Llama" in title for title in shown)
    assert "Llama 3.2 3B Instruct" not in shown, "too small"
    await expect(page.locator("#tally")).to_have_text(f"{len(shown)} of {everything} models")
    assert "q=llama+instruct&size=huge&license=F2&label=2&skill=tools" in page.url
    await page.reload()
    await expect(rows(page)).to_have_count(len(shown))
    await expect(choice(page, "Size")).to_have_value("huge")
    await page.get_by_role("button", name="Clear filters").click()
    await expect(rows(page)).to_have_count(everything)
    assert page.url.endswith("/models")


async def test_what_is_unknown_fits_no_filter(house: Open, visit: Visit, home: Path) -> None:
    await hold(home, "own", b"\x11")
    page = await visit(f"{await house()}/models?q=gpt")
    await expect(row(page, "GPT-4o")).to_be_visible()
    await choice(page, "Size").select_option("Over 130B")
    await expect(row(page, "GPT-4o")).to_have_count(0)
    await page.goto(page.url.partition("?")[0] + "?q=own%3Aq4&label=012345")
    await expect(page.get_by_text("What nobody knows of a model fits no filter.")).to_be_visible()


async def test_a_filter_that_this_house_has_no_choice_for_is_left_out(house: Open, visit: Visit) -> None:
    page = await visit(f"{await house()}/models?verdict=deny&license=nonsense&size=nonsense&sort=nonsense&label=9x")
    await expect(page.locator("#tally")).to_have_text(re.compile(r"^\d+ models$"))


async def test_a_columns_head_sorts_and_the_unknown_comes_last(house: Open, visit: Visit) -> None:
    page = await visit(f"{await house()}/models")
    head = page.get_by_role("columnheader", name="Size")
    await head.get_by_role("button").click()
    await expect(head).to_have_attribute("aria-sort", "ascending")
    figures = await page.locator("tbody .figure").all_text_contents()
    sizes = [
        float(text[:-1]) * {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}[text[-1]] for text in figures if text[0] != "u"
    ]
    assert sizes == sorted(sizes)
    assert len(sizes) > 200
    assert set(figures[len(sizes) :]) == {"unknown"}
    await head.get_by_role("button").click()
    await expect(head).to_have_attribute("aria-sort", "descending")
    await expect(choice(page, "Sorted by")).to_have_value("-size")
    assert float((await page.locator("tbody .figure").first.text_content() or "")[:-1]) > 0


async def test_the_place_of_a_model_is_drawn_with_both_axes(house: Open, visit: Visit) -> None:
    page = await visit(f"{await house()}/models?q=bloom")
    bloom = row(page, "BLOOM 176B")
    await expect(bloom.locator(".label")).to_have_text("L2 community license")
    await expect(bloom.locator(".axis").nth(0)).to_contain_text("License F2: commercial use within terms")
    await expect(bloom.locator(".axis").nth(1)).to_contain_text("Published T4")
    await expect(bloom.locator(".axis").nth(1).locator(".cell.full")).to_have_count(4)
    await expect(bloom.locator(".track .span")).to_have_count(0)
    place = "e => (e.getBoundingClientRect().left + e.offsetWidth / 2 - e.parentElement.getBoundingClientRect().left)"
    width = await bloom.locator(".track").evaluate("e => e.clientWidth")
    assert await bloom.locator(".dot").evaluate(place) / width == pytest.approx(2 / 5, abs=0.01)


async def test_an_interval_is_drawn_as_one_and_the_unknown_as_unknown(house: Open, visit: Visit, home: Path) -> None:
    await hold(home, "own", b"\x11")
    page = await visit(f"{await house()}/models")
    await expect(row(page, "own:q4_1").locator(".track.blank")).to_be_visible()
    await expect(row(page, "own:q4_1").locator(".dot")).to_have_count(0)
    await expect(row(page, "own:q4_1")).to_contain_text("Not in the catalog")
    interval = rows(page).filter(has=page.locator(".track .span")).first
    await expect(interval.locator(".label")).to_have_text(re.compile(r"^L\d–\d .+, perhaps .+"))
    await expect(interval.locator(".track .best")).to_be_visible()


async def test_every_piece_of_evidence_is_one_click_away(house: Open, visit: Visit) -> None:
    page = await visit(f"{await house()}/models?q=llama-3.3-70b")
    await page.get_by_role("link", name="Llama 3.3 70B Instruct", exact=True).click()
    found = await paper(page, "Llama 3.3 70B Instruct")
    await expect(found).to_contain_text("Above 700,000,000 monthly active users")
    component = found.locator(".component").filter(has_text="Training code")
    await expect(component.locator(".from")).to_be_hidden()
    await component.locator("summary").click()
    await expect(component.locator(".from")).to_contain_text("llama-3.3.yaml")
    await found.get_by_text("Every clause").click()
    await expect(found.locator(".clauses dd").filter(has_text="section 1.b.iv").first).to_contain_text("sha256:")
    await expect(found.locator(".part .hash").first).to_contain_text(re.compile("sha256:[0-9a-f]{64}"))
    await found.get_by_text("What others say").click()
    await expect(found.get_by_text("20.8 of 100")).to_be_visible()
    assert "model=llama-3.3-70b-instruct" in page.url
    await page.go_back()
    await expect(found).to_be_hidden()
    assert "model=" not in page.url
    await page.go_forward()
    await paper(page, "Llama 3.3 70B Instruct")


async def test_a_paper_can_be_sent_as_a_link_and_a_wrong_one_says_so(house: Open, visit: Visit) -> None:
    address = await house()
    page = await visit(f"{address}/models?model=deepseek-r1-distill-llama-70b")
    found = await paper(page, "DeepSeek R1 Distill Llama 70B")
    await expect(found).to_contain_text("And the license of llama-3.3-70b-instruct, which it was made from")
    await found.get_by_role("button", name="Close").click()
    await expect(found).to_be_hidden()
    await expect(page.get_by_role("link", name="DeepSeek R1 Distill Llama 70B", exact=True)).to_be_focused()
    assert page.url == f"{address}/models"
    await page.goto(f"{address}/models?model=nothing-like-it")
    await expect(page.get_by_text("There is no model called nothing-like-it here.")).to_be_visible()


async def test_the_keyboard_alone_is_enough(house: Open, visit: Visit) -> None:
    page = await visit(f"{await house()}/models")
    await expect(rows(page).first).to_be_visible()
    await page.keyboard.press("/")
    await expect(page.get_by_role("searchbox")).to_be_focused()
    await page.keyboard.type("pythia")
    await expect(page.locator("#tally")).to_have_text(re.compile("^[0-9]+ of"))
    shown = await titles(page)
    assert len(shown) > 3
    first = page.get_by_role("link", name=shown[0], exact=True)
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await first.evaluate("e => e === document.activeElement"):
            break
    await expect(first).to_be_focused()
    await page.keyboard.press("Enter")
    await paper(page, shown[0])
    await page.keyboard.press("ArrowRight")
    found = await paper(page, shown[1])
    await expect(page.locator("#paper-place")).to_have_text(f"2 of {len(shown)}")
    await page.keyboard.press("Escape")
    await expect(found).to_be_hidden()
    await expect(page.get_by_role("link", name=shown[1], exact=True)).to_be_focused()


async def test_without_an_organization_the_page_says_how_to_describe_one(house: Open, visit: Visit) -> None:
    page = await visit(f"{await house()}/models")
    await expect(page.get_by_text("No organization is described, so there are no verdicts.")).to_be_visible()
    await expect(choice(page, "Verdict")).to_be_hidden()
    await expect(page.get_by_role("columnheader", name="Verdict")).to_be_hidden()
    await page.locator("#organization").get_by_text("How to describe it").click()
    example = await page.locator("#organization pre").inner_text()
    page = await visit(f"{await house(example)}/models")
    await expect(page.get_by_text("Verdicts for Harbor Bank")).to_be_visible()


async def test_an_organization_sees_its_own_verdicts_with_the_fact_that_they_turn_on(house: Open, visit: Visit) -> None:
    page = await visit(f"{await house(BANK)}/models?q=llama-4-scout")
    scout = row(page, "Llama 4 Scout 17B 16E Instruct")
    await expect(scout.locator(".verdict")).to_have_text("Deny")
    await choice(page, "Verdict").select_option("Allow")
    await expect(scout).to_have_count(0)
    await choice(page, "Verdict").select_option("Deny")
    await scout.get_by_role("link").click()
    found = await paper(page, "Llama 4 Scout 17B 16E Instruct")
    await expect(found.get_by_role("heading", name="For Harbor Bank")).to_be_visible()
    await expect(found.locator(".reason.deny")).to_contain_text("llama4, territory, section")
    await expect(found.locator(".reason.deny .fact")).to_have_text("domicile = DE, in the EU")
    await expect(found.locator(".readings")).to_contain_text("by our reading of text sha256:")
    await page.keyboard.press("Escape")
    await page.get_by_text("Verdicts for Harbor Bank").click()
    await expect(page.locator("#organization")).to_contain_text("domicile = DE")


async def test_an_override_is_shown_beside_the_verdict(house: Open, visit: Visit, home: Path) -> None:
    signed = Override(
        subject="llama-4-scout-17b-16e-instruct",
        by="Ada Byron",
        reason="agreed by mail",
        grounds=("another",),
        reasons=("x",),
        date="2026-11-20T10:00:00+00:00",
        freehold="0",
    )
    Overrides(home).add(signed)
    page = await visit(f"{await house(BANK)}/models?model={signed.subject}")
    found = await paper(page, "Llama 4 Scout 17B 16E Instruct")
    await expect(found.locator(".override")).to_contain_text("by Ada Byron on Nov 20, 2026: “agreed by mail”")
    await expect(found.locator(".override")).to_contain_text("It does not cover what stands against the model today.")


async def test_a_held_build_shows_its_deed_and_leads_to_the_chat(house: Open, visit: Visit, home: Path) -> None:
    key = await asyncio.to_thread(Store(home).keys.create)
    await hold(home, "first", b"\x11")
    await hold(home, "second", b"\x22")
    page = await visit(f"{await house()}/models?here=held")
    await expect(rows(page)).to_have_count(2)
    await page.get_by_role("link", name="second:q4_1", exact=True).click()
    found = await paper(page, "second:q4_1")
    await expect(found.locator(".seal.good").first).to_contain_text(f"Deed signed by {key[:16]}")
    await expect(found.locator(".seal.good").last).to_contain_text("Files clean")
    await found.get_by_role("link", name="Chat with second:q4_1").click()
    await expect(page.get_by_role("button", name="Model: second, local")).to_be_visible()
    await page.go_back()
    await found.get_by_role("button", name="Close").click()
    await page.get_by_role("link", name="Chat with second:q4_1").click()
    await expect(page.get_by_role("button", name="Model: second, local")).to_be_visible()
    await page.get_by_role("link", name="Models").click()
    await expect(page.get_by_role("heading", name="Models", level=1)).to_be_visible()


async def test_a_house_with_a_key_asks_for_it_once(house: Open, visit: Visit) -> None:
    page = await visit(f"{await house(key='open sesame')}/models")
    dialog = page.get_by_role("dialog", name="Sign in to this house")
    await expect(dialog).to_be_visible()
    await dialog.get_by_label("Key").fill("wrong")
    await page.keyboard.press("Enter")
    await expect(dialog).to_be_visible()
    await dialog.get_by_label("Key").fill("open sesame")
    await dialog.get_by_role("button", name="Sign in").click()
    await expect(rows(page).first).to_be_visible()
    await page.get_by_role("link", name="BLOOM 176B", exact=True).click()
    await paper(page, "BLOOM 176B")


@pytest.mark.parametrize("context_options", [PHONE], ids=["360 pixels"])
async def test_a_narrow_screen_never_scrolls_sideways(house: Open, visit: Visit, home: Path) -> None:
    await hold(home, "own", b"\x11")
    page = await visit(f"{await house(BANK)}/models")
    await expect(rows(page).first).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    await expect(page.get_by_role("cell").first).to_be_visible()
    await page.get_by_role("link", name="Gemma 3 270M", exact=True).tap()
    found = await paper(page, "Gemma 3 270M")
    for summary in await found.locator("summary").all():
        await summary.evaluate("e => e.parentElement.open = true")
    assert await page.locator("#paper-body").evaluate("e => e.scrollWidth <= e.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_text_has_enough_contrast(house: Open, visit: Visit, home: Path, scheme: Any) -> None:
    await hold(home, "own", b"\x11")
    page = await visit(f"{await house(BANK + POLICY)}/models?q=o")
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    await expect(rows(page).first).to_be_visible()
    found = {selector: await page.evaluate(CONTRAST, selector) for selector in TEXTS}
    await page.get_by_role("link", name="Llama 4 Scout 17B 16E Instruct", exact=True).click()
    await paper(page, "Llama 4 Scout 17B 16E Instruct")
    found |= {selector: await page.evaluate(CONTRAST, selector) for selector in PAPER_TEXTS}
    assert [selector for selector, contrast in found.items() if contrast is None] == []
    assert {selector: contrast for selector, contrast in found.items() if contrast < 4.5} == {}


async def test_everything_has_a_name_and_no_name_is_given_twice(house: Open, visit: Visit) -> None:
    page = await visit(f"{await house(BANK)}/models?model=gemma-3-270m")
    await paper(page, "Gemma 3 270M")
    assert await page.evaluate(UNNAMED) == []
    await page.keyboard.press("Escape")
    assert await page.evaluate(UNNAMED) == []
    await expect(page.get_by_role("main")).to_have_count(1)
    await expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
    await expect(page.get_by_role("search", name="Filter the models")).to_be_visible()
    repeated = (
        "() => [...document.querySelectorAll('[id]')].map(e => e.id).filter((id, at, all) => all.indexOf(id) !== at)"
    )
    assert await page.evaluate(repeated) == []


async def test_what_fits_is_a_column_a_filter_and_an_order(house: Open, visit: Visit) -> None:
    page = await visit(f"{await house()}/models")
    small = row(page, "SmolLM2 135M Instruct").locator(".c-fits")
    await expect(small).to_have_text(re.compile("^Fits in "))
    vast = row(page, "DeepSeek V3").locator(".c-fits")
    await expect(vast).to_have_text("No build to take")
    await expect(vast.locator("span")).to_have_attribute("title", re.compile("it needs .* GB and this machine has"))
    await expect(row(page, "GPT-4o").locator(".c-fits")).to_have_text("")
    await choice(page, "Here").select_option("Fits this machine")
    await expect(row(page, "DeepSeek V3")).to_have_count(0)
    await expect(row(page, "SmolLM2 135M Instruct")).to_be_visible()
    assert "here=fits" in page.url
    said = await page.locator("tbody .c-fits").all_text_contents()
    assert len(said) > 20 and all(text.startswith("Fits in ") for text in said)
    await page.get_by_role("button", name="Clear filters").click()
    head = page.get_by_role("columnheader", name="Fits here")
    await head.get_by_role("button").click()
    await expect(head).to_have_attribute("aria-sort", "descending")
    first, *_, last = await page.locator("tbody .c-fits").all_text_contents()
    assert (first[:8], last) == ("Fits in ", "No build to take")


async def test_beside_a_held_build_stands_what_fits_of_it(
    house: Open, visit: Visit, home: Path, smollm2_gguf: Path
) -> None:
    await asyncio.to_thread(lambda: take_in(Store(home), smollm2_gguf, copy=False))
    page = await visit(f"{await house()}/models?here=held")
    held = row(page, "SmolLM2 135M Instruct")
    await expect(held.locator(".c-here")).to_contain_text("Held")
    await expect(held.locator(".c-fits")).to_have_text("Fits in q4_1")


async def test_a_paper_shows_every_build_with_what_each_figure_rests_on(house: Open, visit: Visit) -> None:
    page = await visit(f"{await house()}/models?model=llama-3.1-8b-instruct")
    found = await paper(page, "Llama 3.1 8B Instruct")
    table = found.get_by_role("region", name="Builds and what they need")
    await expect(table.locator("tbody tr")).to_have_count(10)
    q4 = table.locator("tbody tr").filter(has=page.get_by_role("rowheader", name="q4_k_m"))
    await expect(q4.locator(".estimated").first).to_have_text(re.compile(r"^≈ [\d.]+–[\d.]+ GB$"))
    await expect(q4.locator("td").nth(4)).to_have_text("unknown")
    await expect(found.get_by_text(re.compile("Speed is unknown: this machine was not measured"))).to_be_visible()
    await expect(table.locator(".recommended")).to_have_count(1)
    await expect(found.locator(".fit-reason")).to_contain_text("q6_k: ")
    assert await page.evaluate(UNNAMED) == []


async def test_a_service_has_no_builds_to_fit(house: Open, visit: Visit) -> None:
    page = await visit(f"{await house()}/models?model=gpt-4o")
    found = await paper(page, "GPT-4o")
    await expect(found.get_by_role("heading", name="How open it is")).to_be_visible()
    await expect(found.get_by_role("heading", name="What fits here")).to_have_count(0)
