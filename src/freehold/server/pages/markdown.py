"""Markdown written by a model, as HTML that is safe to show.

Two walls stand one behind the other. The parser does not know raw HTML, so tags in the text stay text and nothing
is lost; then the sanitizer lets through only the elements, attributes and class names listed here. Pictures are
never loaded, because an address chosen by a model can carry the conversation away in its query: they become a
link that says so. Nothing that comes out fetches anything, runs anything or names an element of the page.

Rendering is incremental. Top-level blocks are settled once another block has begun after them; `render` gives them
apart from what may still change, so that a client which streams a long answer sends and replaces only its tail. What
this does not cover: a link reference defined in a later block than its use, when only a tail was sent; a line that
was taken for a table's second while it was still half there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from freehold.server.pages.highlight import CLASSES, highlighted

MAX_TEXT_CHARS = 65_536
"""Longest text that one call renders. Longer answers are rendered in several calls."""

_TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li"),
    *("strong", "em", "s", "code", "pre", "span", "a", "table", "thead", "tbody", "tr", "th", "td"),
}
_LANGUAGE_CHARS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789+-#._")


@dataclass(frozen=True, slots=True)
class Rendered:
    """`settled_html` is the first `settled_lines` lines of the text and stays as it is however the text goes on;
    `open_html` is the rest. Lines end with a line feed."""

    settled_html: str
    settled_lines: int
    open_html: str


def render(text: str) -> Rendered:
    """Safe HTML of `text`, split where the last block that began on a whole line begins.

    `text` holds at most MAX_TEXT_CHARS.
    """
    parser = _parser()
    env: EnvType = {}
    tokens = parser.parse(text, env)
    begins = _last_block(tokens, whole_lines=text.count("\n"))
    if begins == 0:
        return Rendered("", 0, _safe(parser, tokens, env))
    lines = tokens[begins].map
    settled_lines = lines[0] if lines else 0
    return Rendered(_safe(parser, tokens[:begins], env), settled_lines, _safe(parser, tokens[begins:], env))


def _last_block(tokens: Sequence[Token], *, whole_lines: int) -> int:
    """Index of the token that opens the last top-level block; 0 where there is one block or none.

    A block that begins on a line without its end does not count: `*` opens a list, and `*so*`, a moment later,
    goes on with the paragraph before it.
    """
    for at in reversed(range(len(tokens))):
        lines = tokens[at].map
        if lines and tokens[at].level == 0 and tokens[at].nesting >= 0 and lines[0] < whole_lines:
            return at
    return 0


def _safe(parser: MarkdownIt, tokens: Sequence[Token], env: EnvType) -> str:
    return _cleaner().clean(parser.renderer.render(tokens, parser.options, env))


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": False}, renderer_cls=_Renderer)
    return parser.enable(["table", "strikethrough"])


@cache
def _cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=_TAGS,
        clean_content_tags=set(),
        attributes={"a": {"href", "title"}, "ol": {"start"}, "pre": {"data-language"}},
        allowed_classes={
            "span": set(CLASSES),
            "a": {"unloaded-image"},
            "th": {"left", "center", "right"},
            "td": {"left", "center", "right"},
        },
        set_tag_attribute_values={"a": {"target": "_blank"}},
        link_rel="noopener noreferrer nofollow",
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
    )


class _Renderer(RendererHTML):
    """HTML without style attributes (the page's policy refuses them) and without pictures."""

    def fence(self, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: EnvType) -> str:
        words = tokens[idx].info.split(maxsplit=1)
        return _code_block(tokens[idx].content, words[0] if words else "")

    def code_block(self, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: EnvType) -> str:
        return _code_block(tokens[idx].content, "")

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        token = tokens[idx]
        alt = self.renderInlineAsText(token.children, options, env) or "no description"
        address = escapeHtml(str(token.attrGet("src") or ""))
        return f'<a class="unloaded-image" href="{address}">Picture not loaded: {escapeHtml(alt)}</a>'

    def th_open(self, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: EnvType) -> str:
        return _cell(tokens[idx])

    def td_open(self, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: EnvType) -> str:
        return _cell(tokens[idx])


def _code_block(code: str, language: str) -> str:
    label = "".join(letter for letter in language.lower() if letter in _LANGUAGE_CHARS)[:32]
    attribute = f' data-language="{label}"' if label else ""
    return f"<pre{attribute}><code>{highlighted(code, label)}</code></pre>\n"


def _cell(token: Token) -> str:
    side = str(token.attrGet("style") or "").removeprefix("text-align:")
    return f'<{token.tag} class="{side}">' if side else f"<{token.tag}>"
