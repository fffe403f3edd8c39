"""Where the wall clock was set while a house ran: seen by the steady clock that stands beside it in every record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

JUMP_MS = 2000
"""Less is what a clock that is being kept right (NTP) drifts, and what a busy machine takes between two readings."""


class ClockWatch:
    """Give it each record in turn; it adds a line to `told` for each jump."""

    def __init__(self, told: list[str]) -> None:
        self._told = told
        self._began_ms: int | None = None

    def look(self, record: dict[str, Any]) -> int | None:
        """The record's wall clock."""
        at_ms, clock_ms = record.get("at_ms"), record.get("clock_ms")
        if type(at_ms) is not int:
            return None
        if type(clock_ms) is not int or record.get("kind") == "start":
            self._began_ms = at_ms if record.get("kind") == "start" else self._began_ms
            return at_ms
        began_ms = at_ms - clock_ms
        if self._began_ms is not None and abs(began_ms - self._began_ms) > JUMP_MS:
            moved_s = (began_ms - self._began_ms) / 1000
            way = "forward" if moved_s > 0 else "back"
            self._told.append(
                f"before record {record['seq']} the wall clock went {way} by {abs(moved_s):,.0f} s, to {iso(at_ms)}: "
                "it was set, or the machine slept"
            )
        self._began_ms = began_ms
        return at_ms


def iso(at_ms: int) -> str:
    """A wall clock's milliseconds as ISO 8601, in UTC; what no calendar has, in digits."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"{at_ms} ms"
