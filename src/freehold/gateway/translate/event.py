"""One server-sent event: its name and its data, which repeats the name as `type` in both dialects."""

from __future__ import annotations

from typing import Any, NamedTuple


class Event(NamedTuple):
    name: str
    data: dict[str, Any]
