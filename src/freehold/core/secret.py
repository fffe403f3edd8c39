"""A string that must not show itself; everybody else finds it in `core.settings`."""

from __future__ import annotations


class Secret:
    """A string that does not show itself; `reveal` gives it. Two are equal where they hold the same, so that settings
    read again are seen to be the same. Who checks a stranger's key compares it in constant time instead."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(…)"
