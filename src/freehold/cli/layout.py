"""What the sections of a page are made of: wrapped text, numbered sources, short hashes, the bar of the label."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

WIDTH = 80
LABEL = 20
VALUE = WIDTH - LABEL - 2
_SHORT = 16
_BAR = 50

Line = tuple[str, str | None]
"""A name, and its value: several lines where it has line breaks, None where it is unknown."""


class Sources:
    """The sources that were named, numbered in the order in which they were."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str | None, str | None], int] = {}

    def mark(self, source: Mapping[str, Any] | None) -> str:
        """The number of `source` in brackets; nothing where there is none."""
        if source is None:
            return ""
        key = (source["text"], source["url"], source["date"])
        return f" [{self._numbers.setdefault(key, len(self._numbers) + 1)}]"

    def lines(self) -> list[Line]:
        return [
            (f"[{number}]", wrapped(f"{text}{f', {when}' if when else ''}", url))
            for (text, url, when), number in self._numbers.items()
        ]


def place(section: str) -> str:
    """Where in a text a clause stands, from what a record has for it: "policy, X" is X of the list of uses."""
    if section == "whole":
        return "the whole text"
    return f"use policy, {section.removeprefix('policy, ')}" if section.startswith("policy, ") else f"section {section}"


def wrapped(*texts: str | None, width: int = VALUE) -> str:
    """Every text broken into lines of at most `width`, a long word left whole."""
    lines = [
        line
        for text in texts
        if text
        for line in textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    ]
    return "\n".join(lines)


def bar(low: float, high: float) -> str:
    """Where the label stands between closed and open science; a bar where it is an interval."""
    first, last = round(low * (_BAR - 1)), round(high * (_BAR - 1))
    line = "".join("#" if first <= place <= last else "-" for place in range(_BAR))
    ends = f"{'closed':<{_BAR - 10}}open science"
    return f"[{line}]\n{ends}"


def short(sha256: str | None) -> str:
    """A hash as far as one compares it by eye; the whole one is in the JSON and in a deed."""
    return f"sha256 {sha256.removeprefix('sha256:')[:_SHORT]}…" if sha256 else "sha256 unknown"
