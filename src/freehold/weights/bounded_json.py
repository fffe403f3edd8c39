"""Reads JSON of untrusted files piece by piece, so that memory follows what is kept and not what a file claims.

An object is walked member by member; whoever walks decides what becomes of each value. Keys are never merged: a key
that comes twice is seen twice. Text is bounded before it comes here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()
MAX_STRUCTURE = 1_000_000


class JsonError(ValueError):
    """The text is not the JSON that was expected; `position` counts characters."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class DuplicateKeyError(JsonError):
    """An object has a key twice."""


def after_space(text: str, at: int) -> int:
    """The place of the first character at or after `at` that is no white space."""
    found = _SPACE.match(text, at)
    assert found is not None, "the pattern matches the empty text"
    return found.end()


def string_at(text: str, at: int) -> tuple[str, int]:
    """The string that begins at `at`, and the place after it. Raises JsonError."""
    if text[at : at + 1] != '"':
        raise JsonError("has no string where one must stand", at)
    try:
        value, end = _DECODER.raw_decode(text, at)
    except ValueError as error:
        raise JsonError("has a string that does not end or holds control characters", at) from error
    return value, end


def walk_object(text: str, at: int, member: Callable[[str, int], int]) -> int:
    """Walk the object at `at`: `member(key, place)` reads each value and gives the place after it. The place after the
    object. Raises JsonError."""
    at = after_space(text, _expect(text, at, "{"))
    if text[at : at + 1] == "}":
        return at + 1
    while True:
        key, at = string_at(text, at)
        at = after_space(text, member(key, after_space(text, _expect(text, after_space(text, at), ":"))))
        if text[at : at + 1] == "}":
            return at + 1
        at = after_space(text, _expect(text, at, ","))


def _expect(text: str, at: int, mark: str) -> int:
    if text[at : at + 1] != mark:
        raise JsonError(f"has no {mark!r} where one must stand", at)
    return at + 1


def loads_once(text: str) -> Any:
    """The value of a small text. Raises DuplicateKeyError for a key that comes twice, JsonError for what is no JSON
    and for one with more than `MAX_STRUCTURE` items, whatever its length."""
    return _loads(text, _distinct)


def loads_both(text: str) -> tuple[Any, Any]:
    """What programs read in a small text where keys come twice: those that keep the last, and those that keep the
    first. Raises JsonError."""
    return _loads(text, dict), _loads(text, lambda pairs: dict(reversed(pairs)))


def _loads(text: str, make: Callable[[list[tuple[str, Any]]], dict[str, Any]]) -> Any:
    if text.count(",") + text.count("{") + text.count("[") > MAX_STRUCTURE:
        raise JsonError(f"has more than {MAX_STRUCTURE:,} items", 0)
    try:
        return json.loads(text, object_pairs_hook=make)
    except JsonError:
        raise
    except RecursionError as error:
        raise JsonError("is nested too deeply", 0) from error
    except ValueError as error:
        raise JsonError("is not JSON", getattr(error, "pos", 0)) from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]  # add is the memory
        raise DuplicateKeyError(f"has the key {twice[:80]!r} twice in one object", 0)
    return found


def strings_in(value: Any, *, deepest: int = 64) -> Iterator[tuple[str, Any]]:
    """Every member of every object inside `value` as (key, value), outer ones first, down to `deepest` levels."""
    if deepest <= 0:
        return
    if isinstance(value, dict):
        yield from value.items()
        for inner in value.values():
            yield from strings_in(inner, deepest=deepest - 1)
    elif isinstance(value, list):
        for inner in value:
            yield from strings_in(inner, deepest=deepest - 1)
