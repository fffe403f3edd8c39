"""Code in a model's answer, marked up with Pygments' short class names.

Only languages that are named are highlighted, never guessed, and only up to a bounded length: some lexers take
far more than linear time on text made for it. Longer code is shown plain. What comes out is escaped HTML.
"""

from __future__ import annotations

from functools import cache
from html import escape

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound

MAX_CODE_CHARS = 16_384
"""Longest code that is highlighted."""

CLASSES = frozenset(name for name in STANDARD_TYPES.values() if name)
"""Every class name that `highlighted` can give."""


def highlighted(code: str, language: str) -> str:
    """Escaped HTML of `code`; `language` is any of Pygments' names of it, and unknown ones give plain text."""
    lexer = _lexer(language) if language and len(code) <= MAX_CODE_CHARS else None
    if lexer is None:
        return escape(code, quote=False)
    return highlight(code, lexer, _formatter())


@cache
def _formatter() -> HtmlFormatter[str]:
    return HtmlFormatter(nowrap=True)


def _lexer(language: str) -> Lexer | None:
    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None
