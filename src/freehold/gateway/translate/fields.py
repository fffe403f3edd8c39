"""Reads a client's object field by field, so that a field nobody read is refused by its own name.

A field that has no meaning here is one of three: read, refused (`refuse`), or accepted because it changes no
answer (`accept`). Nothing is dropped by being forgotten: `done` refuses the rest. Null counts as absent, as in both
dialects. Names in errors are the client's own, dotted: `messages.0.content.1.type`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freehold.core.errors import RequestError, UnsupportedError
from freehold.core.names import nearest


class Fields:
    """One object of a request, found at `at` (empty for the body). Raises RequestError where it is not an object."""

    def __init__(self, data: Any, at: str = "") -> None:
        if not isinstance(data, dict):
            raise RequestError(f"`{at or 'body'}` must be an object.", param=at or None)
        self._data: Mapping[str, Any] = data
        self._at = at
        self._read: set[str] = set()

    def path(self, key: str) -> str:
        return f"{self._at}.{key}" if self._at else key

    def take(self, key: str) -> Any:
        """The value of `key`, None where absent."""
        self._read.add(key)
        return self._data.get(key)

    def text(self, key: str) -> str:
        """The string at `key`, which must be there."""
        value = self.take(key)
        if not isinstance(value, str):
            raise self.wrong(key, "must be a string")
        return value

    def sequence(self, key: str) -> list[Any]:
        """The list at `key`, empty where absent."""
        value = self.take(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(key, "must be a list")
        return value

    def fields(self, key: str) -> Fields | None:
        """The object at `key`, None where absent."""
        value = self.take(key)
        return None if value is None else Fields(value, self.path(key))

    def accept(self, *keys: str) -> None:
        """Fields that change no answer here; the caller says why beside the call."""
        self._read.update(keys)

    def only(self, key: str, *legal: Any, why: str = "") -> None:
        """Refuse any value of `key` but the legal ones and null: those are what the house does anyway."""
        value = self.take(key)
        if value is not None and value not in legal:
            reason = f": {why}" if why else ""
            raise UnsupportedError(f"`{self.path(key)}` {value!r} is not supported{reason}.", param=self.path(key))

    def refuse(self, reasons: Mapping[str, str]) -> None:
        """Refuse each of these fields where it asks for something, with the reason."""
        for key, why in reasons.items():
            if self.take(key) not in (None, False, [], {}):
                raise UnsupportedError(f"`{self.path(key)}` is not supported: {why}.", param=self.path(key))

    def wrong(self, key: str, text: str) -> RequestError:
        return RequestError(f"`{self.path(key)}` {text}.", param=self.path(key))

    def unsupported(self, key: str, *, why: str, hint: str = "") -> UnsupportedError:
        shown = f" {self._data.get(key)!r}" if isinstance(self._data.get(key), str) else ""
        text = f"`{self.path(key)}`{shown} is not supported: {why}."
        return UnsupportedError(text, param=self.path(key), hint=hint)

    def done(self) -> None:
        """Refuse what nobody read."""
        for key in self._data:
            if key not in self._read:
                guess = nearest(str(key), self._read)
                raise RequestError(
                    f"`{self.path(key)}` is not a field this house knows.",
                    param=self.path(key),
                    hint=f"Did you mean `{guess[0]}`?" if guess else "",
                )


def present(**values: Any) -> dict[str, Any]:
    """The fields that have a value: what was not asked is not sent."""
    return {key: value for key, value in values.items() if value is not None}
