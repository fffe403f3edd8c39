"""Where the house that the clients talk to is, and what it is asked for."""

from __future__ import annotations

from dataclasses import dataclass

KEY = "the-key-of-this-house"


@dataclass(frozen=True, slots=True)
class OpenHouse:
    """`url` has no `/v1`; `model` is the endpoint of the real small model."""

    url: str
    key: str = KEY
    model: str = "small"
    breaking: str = "breaking"

    @property
    def v1(self) -> str:
        return f"{self.url}/v1"
