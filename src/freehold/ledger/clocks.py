"""Where the wall clock was set while a house ran: seen by the steady clock that stands beside it in every record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from freehold.ledger.record import whole_number

JUMP_MS = 2000
"""Less is what a clock that is being kept right (NTP) drifts, and what a busy machine takes between two readings."""
MOST_TOLD = 1000


class ClockWatch:
    """Give it each record in turn; it adds a line to `told` for each jump, and one that says so past MOST_TOLD."""

    def __init__(self, told: list[str]) -> None:
        self._told = told
        self._began_ms: int | None = None

    def look(self, record: dict[str, Any]) -> int | None:
        """The record's wall clock."""
        at_ms, clock_ms = whole_number(record.get("at_ms")), whole_number(record.get("clock_ms"))
        if at_ms is None:
            return None
        if clock_ms is None or record.get("kind") == "start":
            self._began_ms = at_ms if record.get("kind") == "start" else self._began_ms
            return at_ms
        began_ms = at_ms - clock_ms
        if self._began_ms is not None and abs(began_ms - self._began_ms) > JUMP_MS:
            self._tell(record["seq"], (began_ms - self._began_ms) / 1000, at_ms)
        self._began_ms = began_ms
        return at_ms

    def _tell(self, seq: int, moved_s: float, at_ms: int) -> None:
        way = "forward" if moved_s > 0 else "back"
        if len(self._told) < MOST_TOLD:
            self._told.append(
                f"before record {seq} the wall clock went {way} by {abs(moved_s):,.0f} s, to {iso(at_ms)}: "
                "it was set, or the machine slept"
            )
        elif len(self._told) == MOST_TOLD:
            self._told.append(f"from record {seq} on it was set more often, which is not listed here")


def iso(at_ms: int) -> str:
    """A wall clock's milliseconds as ISO 8601, in UTC; what no calendar has, in digits."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"{at_ms} ms"
