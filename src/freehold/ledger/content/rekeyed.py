"""What a chain says of an exchange of the keys that open kept content. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from freehold.ledger.record import whole_number

_NAME = re.compile(r"[0-9a-f]{16}")
_MOST_FORMER = 256
"""More than a file of keys holds."""


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """The new key's name, and those of the keys that the file held before; how many segments it opens, and how many it
    does not: no key that was here opened them, or, `damaged`, they are not whole: then the former keys are still in the
    file."""

    key: str
    former: tuple[str, ...]
    segments: int
    unopened: int
    damaged: int = 0

    @property
    def fields(self) -> dict[str, Any]:
        """Of its record."""
        return {**asdict(self), "former": [*self.former]}


def rekeyed_of(fields: Mapping[str, Any]) -> Rekeyed | None:
    """What fields of a record say; None where they are none of that kind."""
    key, former = fields.get("key"), fields.get("former")
    segments, unopened, damaged = (whole_number(fields.get(name)) for name in ("segments", "unopened", "damaged"))
    if not isinstance(former, list) or len(former) > _MOST_FORMER or not all(map(_is_name, [key, *former])):
        return None
    if segments is None or unopened is None or damaged is None:
        return None
    return Rekeyed(str(key), tuple(former), segments, unopened, damaged)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None
