"""Reads typed values out of TOML tables and collects every problem with its line, instead of stopping at one.

`tomllib` does not keep line numbers; `line_of` finds a key's line again in the text. It covers tables,
dotted keys at the start of a line and inline tables (which report the line of the key that holds them).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from freehold.core.errors import BadReferenceError
from freehold.core.names import nearest
from freehold.core.refs import Reference, parse


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at dotted key `key`; `line` counts from 1, or is None when the line was not found."""

    key: str
    text: str
    line: int | None


def line_of(text: str, path: tuple[str, ...]) -> int | None:
    """The line on which the key at `path` stands, else that of the nearest table above it, else None."""
    best: tuple[int, int] | None = None
    here: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
        key = re.match(r"\s*([\w.\"'-]+)\s*=", line)
        if header:
            here = _split(header[1])
            found = here
        elif key:
            found = here + _split(key[1])
        else:
            continue
        if found == path[: len(found)] and (best is None or len(found) > best[0]):
            best = (len(found), number)
    return best[1] if best else None


def _split(dotted: str) -> tuple[str, ...]:
    pieces = re.findall(r"\"([^\"]*)\"|'([^']*)'|([\w-]+)", dotted)
    return tuple(next(piece for piece in group if piece) for group in pieces if any(group))


class TableReader:
    """One TOML table. Every read names its key, so that `refuse_unknown` can name the ones nobody read."""

    def __init__(self, data: Mapping[str, Any], text: str, problems: list[Problem], path: tuple[str, ...] = ()) -> None:
        self._data = data
        self._text = text
        self._problems = problems
        self._path = path
        self._read: set[str] = set()

    def has(self, key: str) -> bool:
        """Whether the key is there. What is asked for is a setting, given or not."""
        self._read.add(key)
        return key in self._data

    def names(self) -> tuple[str, ...]:
        return tuple(self._data)

    def value(self, key: str) -> Any:
        """What stands at `key`, unchecked, None where nothing does: for fields that may have several shapes."""
        return self._take(key, None)

    def is_table(self, key: str) -> bool:
        return isinstance(self._data.get(key), dict)

    def table(self, key: str) -> TableReader:
        value = self._take(key, {})
        if not isinstance(value, dict):
            self.problem(key, "must be a table")
            value = {}
        return TableReader(value, self._text, self._problems, (*self._path, key))

    def text(self, key: str, default: str) -> str:
        value = self._take(key, default)
        if isinstance(value, str):
            return value
        self.problem(key, f"must be a string, not {value!r}")
        return default

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._take(key, [])
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        self.problem(key, "must be a list of strings")
        return ()

    def one_of(self, key: str, default: str, legal: tuple[str, ...]) -> str:
        value = self.text(key, default)
        if value in legal:
            return value
        self.problem(key, f"must be one of {', '.join(legal)}, not {value!r}")
        return default

    def flag(self, key: str) -> bool:
        """A boolean that must be there."""
        value = self._take(key, None)
        if isinstance(value, bool):
            return value
        self.problem(
            key, "is missing: it must be true or false" if value is None else f"must be true or false, not {value!r}"
        )
        return False

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        value = self._take(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.problem(key, f"must be a whole number from {low} to {high}, not {value!r}")
        return default

    def optional_integer(self, key: str, low: int, high: int) -> int | None:
        return self.integer(key, low, low, high) if self.has(key) else None

    def number(self, key: str, default: float, low: float, high: float) -> float:
        value = self._take(key, default)
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            return float(value)
        self.problem(key, f"must be a number from {low:g} to {high:g}, not {value!r}")
        return default

    def reference(self, key: str, *, required: bool) -> Reference | None:
        value = self._take(key, None)
        if value is None:
            if required:
                self.problem(key, "is missing: it names what the endpoint points at")
            return None
        if not isinstance(value, str):
            self.problem(key, f"must be a string, not {value!r}")
            return None
        try:
            return parse(value)
        except BadReferenceError as error:
            self.problem(key, str(error))
            return None

    def from_environment(self, env: Mapping[str, str], name: str, key: str, default: str) -> str:
        """As `text`, where the environment variable `name` counts for more."""
        written = self.text(key, default)
        return env.get(name) or written

    def from_environment_int(self, env: Mapping[str, str], name: str, default: int) -> int:
        text = env.get(name)
        if not text:
            return default
        if text.isascii() and text.isdigit() and int(text) <= 65535:
            return int(text)
        self._problems.append(Problem(name, f"{name} must be a port number, not {text!r}", None))
        return default

    def chosen(self, key: str, default: str, legal: tuple[str, ...], env: Mapping[str, str], name: str) -> str:
        """As `one_of`, where the environment variable `name` counts for more."""
        told = self.one_of(key, default, legal)
        given = env.get(name) or told
        if given in legal:
            return given
        self._problems.append(Problem(name, f"{name} must be one of {', '.join(legal)}, not {given!r}", None))
        return told

    def refuse_unknown(self) -> None:
        for key in self._data:
            if key not in self._read:
                guess = nearest(key, self._read)
                self.problem(key, "is not a setting" + (f"; did you mean {guess[0]!r}?" if guess else ""))

    def problem(self, key: str, text: str) -> None:
        path = (*self._path, key)
        self._problems.append(Problem(".".join(path), f"{'.'.join(path)} {text}", line_of(self._text, path)))

    def _take(self, key: str, default: Any) -> Any:
        self._read.add(key)
        return self._data.get(key, default)
