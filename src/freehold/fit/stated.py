"""The numbers that a header states, asked for as the engine asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stated:
    """The numbers of one architecture by key: one, or one a layer."""

    numbers: Mapping[str, tuple[int, ...]]

    def one(self, key: str) -> int | None:
        """The number of `key`; of one a layer the largest; None where there is none."""
        return max(self.numbers.get(key, ()), default=None)

    def at(self, key: str, index: int) -> int | None:
        """The number of `key` for a layer."""
        found = self.numbers.get(key, ())
        if len(found) == 1:
            return found[0]
        return found[index] if index < len(found) else None
