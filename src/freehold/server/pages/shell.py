"""The pages of a house, and what all of them have in common: one head, one set of icons, one way from page to page and
one way to sign in. A view holds what is a page's own. Beside them stands what is shown to somebody who could not sign
in. Pure but for reading the views, which come with the program.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

VIEWS = Path(__file__).parent / "views"
_SLOT = re.compile(r"\{\{(\w+)\}\}")
_CURRENT = ' aria-current="page"'
_FOR_ADMINS = " data-admin hidden"


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `name` is that of its view; `styles` go on app.css; `is_for_admins` keeps links to it from others."""

    path: str
    name: str
    title: str
    script: str
    styles: tuple[str, ...]
    classes: str = ""
    is_for_admins: bool = False


PAGES = (
    Page("/", "chat", "Chat", "app.js", ("prose.css",)),
    Page("/models", "models", "Models", "models-page.js", ("models.css", "models-paper.css"), "models"),
    Page("/usage", "usage", "Usage", "usage-page.js", ("models.css", "usage.css"), "models usage"),
    Page(
        "/admin",
        "admin",
        "Admin",
        "admin-page.js",
        ("models.css", "usage.css", "admin.css"),
        "models usage admin",
        True,
    ),
)


def drawn(page: Page) -> str:
    """The page's HTML. It holds nothing of anybody's: what is to be seen is asked for by who is signed in."""
    styles = "\n  ".join(f'<link rel="stylesheet" href="/static/{each}">' for each in ("app.css", *page.styles))
    top = _filled("top.html", places=_places(page))
    return _filled(
        "shell.html",
        title="Freehold" if page.path == "/" else f"{escape(page.title)} · Freehold",
        styles=styles,
        script=page.script,
        classes=page.classes,
        icons=_filled("icons.svg"),
        view=_filled(f"{page.name}.html", top=top.strip()),
    )


def refusal(message: str, hint: str, page: str) -> str:
    """What somebody sees whom the sign-on sent back and who is not signed in by that: why, and the way to `page`."""
    return _filled("refused.html", message=escape(message), hint=escape(hint), page=escape(page))


def _places(here: Page) -> str:
    return "".join(
        f'<a href="{page.path}"{_CURRENT * (page is here)}{_FOR_ADMINS * page.is_for_admins}>{escape(page.title)}</a>'
        for page in PAGES
    )


def _filled(file: str, /, **slots: str) -> str:
    """The view with its slots filled, and nothing looked for in what fills them."""
    return _SLOT.sub(lambda slot: slots[slot[1]], (VIEWS / file).read_text(encoding="utf-8"))
