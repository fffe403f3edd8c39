"""One way to write a JSON value, so that equal values have equal bytes and a hash or a signature means something.

The rules are those of RFC 8785 (JSON Canonicalization Scheme) for the values deeds are made of: keys sorted by their
UTF-16 code units, no insignificant whitespace, UTF-8, the shortest escapes. Whole numbers lie within what every JSON
reader holds exactly (2^53 - 1); a fraction is written where Python and ECMAScript write it alike (1e-4 to 1e16) and
refused elsewhere, as is what is nested more than 64 deep. Reading refuses what would let one text mean two values: a
key given twice, NaN, infinities.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, NoReturn

LARGEST_INTEGER = 2**53 - 1
DEEPEST = 64
_SMALLEST_FRACTION, _LARGEST_FRACTION = 1e-4, 1e16


def canonical(value: object) -> str:
    """`value` in its one form. Tuples are lists. Raises ValueError for what has none, with the place it stands at."""
    text = json.dumps(_ordered(value, "$"), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"half of a character cannot be written: {error.reason}") from error
    return text


def parsed(data: bytes) -> Any:
    """The value of a JSON text in UTF-8. Raises ValueError for one that is damaged or that can be read in two ways."""
    try:
        return json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _ordered(value: object, where: str, depth: int = 0) -> object:
    if depth > DEEPEST:
        raise ValueError("it is nested too deeply")
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ValueError(f"{where} has a key that is no text: {key!r}")
        plain = all(map(str.isascii, value))  # then the order of characters is the order of code units
        keys = sorted(value) if plain else sorted(value, key=_utf16)
        return {
            key: item
            if type(item := value[key]) is str and depth < DEEPEST
            else _ordered(item, f"{where}.{key}", depth + 1)
            for key in keys
        }
    if isinstance(value, list | tuple):
        # Most of a deed is texts, which are as they are: two hundred checks, and what each of them found.
        return [
            item if type(item) is str and depth < DEEPEST else _ordered(item, f"{where}[{number}]", depth + 1)
            for number, item in enumerate(value)
        ]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value, where)
    if value is None or isinstance(value, str | bool):
        return value
    raise ValueError(f"{where} is of type {type(value).__name__}, which JSON does not have")


def _number(value: float, where: str) -> float:
    if isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST_INTEGER:
        return int(value)
    if isinstance(value, int):
        if abs(value) > LARGEST_INTEGER:
            raise ValueError(f"{where} is {value}, a whole number that not every reader of JSON holds exactly")
    elif not _SMALLEST_FRACTION <= abs(value) < _LARGEST_FRACTION:
        raise ValueError(f"{where} is {value!r}, a number with more than one usual form")
    return value


def _utf16(key: str) -> list[int]:
    """The key's UTF-16 code units; a character beyond U+FFFF is two of them (Unicode 3.9, D91)."""
    return [unit for character in key for unit in _units(ord(character))]


def _units(point: int) -> tuple[int, ...]:
    above = point - 0x10000
    return (point,) if above < 0 else (0xD800 + (above >> 10), 0xDC00 + (above & 0x3FF))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        counted = Counter(name for name, _ in pairs)
        twice = next(name for name, times in counted.items() if times > 1)
        raise ValueError(f"the key {twice!r} is given twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")
