"""What the operators, filters and methods of a template do to texts, numbers and tuples, within bounds.

A text of a few hundred characters can ask for one of a billion: whatever would come to more than `MOST_CHARACTERS` is
None, before it is made.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

from jinja2 import nodes

MOST_CHARACTERS = 2048
_LARGEST_NUMBER = 2**64

_TEXT_FILTERS: dict[str, Callable[[str], Any]] = {
    "lower": str.lower, "upper": str.upper, "capitalize": str.capitalize, "title": str.title, "trim": str.strip,
    "string": str, "e": str, "escape": str, "safe": str, "forceescape": str, "list": tuple,
}  # fmt: skip


def attempt(act: Callable[..., Any], *items: Any) -> Any:
    """The result of `act`, or None where these values do not allow it."""
    try:
        return act(*items)
    except (TypeError, ValueError, IndexError, KeyError, OverflowError, AttributeError):
        return None


def operate(node: nodes.BinExpr, left: Any, right: Any) -> Any:
    if isinstance(node, nodes.Add):
        return left + right
    if isinstance(node, nodes.Sub):
        return left - right
    if isinstance(node, nodes.Mul):
        return left * right if _product_size(left, right) <= MOST_CHARACTERS else None
    if isinstance(node, nodes.Mod) and isinstance(left, str):
        return left % right if _is_narrow(left) else None
    return None


def _product_size(left: Any, right: Any) -> int:
    if isinstance(left, int) and isinstance(right, int):
        return 0 if abs(left) < _LARGEST_NUMBER and abs(right) < _LARGEST_NUMBER else MOST_CHARACTERS + 1
    items, times = (right, left) if isinstance(left, int) else (left, right)
    return weight(items) * max(times, 0)


def weight(value: Any) -> int:
    """How many characters and items `value` holds, those of tuples in tuples included. It stops counting where that
    is more than is kept: a few texts can be the items of a billion."""
    if isinstance(value, str):
        return len(value)
    total, waiting = 1, [value]
    while waiting and total <= MOST_CHARACTERS:
        inner = waiting.pop()
        if isinstance(inner, list | tuple):
            total += len(inner)
            waiting += inner[:MOST_CHARACTERS]
        elif isinstance(inner, str):
            total += len(inner)
    return total


def _is_narrow(pattern: str) -> bool:
    """False for a pattern whose widths may be as large as its digits, or the numbers given to it, say."""
    return "*" not in pattern and not any(len(digits) > 3 for digits in _digits(pattern))


def joined(separator: str, items: Iterable[Any]) -> str | None:
    texts = [str(item) for item in items]
    size = sum(map(len, texts)) + len(separator) * len(texts)
    return separator.join(texts) if size <= MOST_CHARACTERS else None


def _replaced(value: str, old: str, new: str) -> str | None:
    return value.replace(old, new) if value.count(old) * len(new) <= MOST_CHARACTERS else None


def called(name: str, value: str, *rest: Any) -> Any:
    if name == "join":
        return joined(value, *rest)
    if name == "replace":
        return _replaced(value, *rest)
    return getattr(value, name)(*rest)


def _digits(text: str) -> list[str]:
    return ["".join(run) for is_digit, run in itertools.groupby(text, str.isdigit) if is_digit]


def filtered(name: str, value: Any, *arguments: Any) -> Any:
    if name == "join":
        return joined(str(arguments[0] if arguments else ""), value)
    if name == "replace":
        return _replaced(str(value), str(arguments[0]), str(arguments[1]))
    if name == "reverse":
        return value[::-1]
    if name in {"first", "last"}:
        return value[0 if name == "first" else -1]
    if name == "int":
        return int(value)
    if name == "format":
        return value % arguments if _is_narrow(value) else None
    if name == "list" and isinstance(value, tuple):
        return value
    return _TEXT_FILTERS[name](str(value) if not isinstance(value, tuple) else "") if name in _TEXT_FILTERS else None


def hashable(value: Any) -> Any:
    return tuple(map(hashable, value)) if isinstance(value, list | tuple) else value


def is_small(value: Any) -> bool:
    if isinstance(value, str | list | tuple):
        return weight(value) <= MOST_CHARACTERS
    return value is None or not isinstance(value, int) or abs(value) <= _LARGEST_NUMBER
