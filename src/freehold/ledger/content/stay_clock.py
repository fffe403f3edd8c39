"""What time it is for what is kept: what is erased is gone for good, and the wall clock can be wrong for a while.

A machine without a clock of its own may begin years back, and anybody may set one years ahead. So in the first day of a
run a content is stamped no earlier than the last record of the run before; then the wall clock is believed. And its
time is over by a clock that the wall clock cannot take ahead at once: a jump ahead, in a run or since the record before
it, is believed after it has stood for a day in one run. A wrong clock thus makes the house erase late, and an early
erasure takes a day in which the log says what is coming.

What this cannot see: a clock that was wrong already at the end of the run before."""

from __future__ import annotations

import logging

from freehold.ledger.record import Clock

BELIEVED_AT_ONCE_MS = 60_000
"""More than a clock that is being kept right is moved by."""
OFF_MS = STANDS_MS = 86_400_000
"""For so long a house may have been off without a question; so long any other jump must stand."""
_log = logging.getLogger("freehold.ledger")


class StayClock:
    """`last_ms` is the wall clock of the last record before this run, None for none."""

    def __init__(self, clock: Clock, last_ms: int | None) -> None:
        self._clock = clock
        wall_ms, boot_ms = self._read()
        self._began_ms = boot_ms
        self._before = wall_ms - boot_ms if last_ms is None else last_ms - boot_ms
        self._offset = wall_ms - boot_ms if last_ms is None else min(wall_ms, last_ms + OFF_MS) - boot_ms
        self._jumped: tuple[int, int] | None = None

    def stamp_ms(self) -> int:
        """When something comes that is to be kept."""
        wall_ms, boot_ms = self._read()
        return wall_ms if boot_ms - self._began_ms >= STANDS_MS else max(wall_ms, self._before + boot_ms)

    def now_ms(self) -> int:
        """What may be counted as gone by."""
        wall_ms, boot_ms = self._read()
        offset = wall_ms - boot_ms
        if offset <= self._offset + BELIEVED_AT_ONCE_MS or self._has_stood(offset, boot_ms):
            self._offset, self._jumped = offset, None
        return self._offset + boot_ms

    def _has_stood(self, offset: int, boot_ms: int) -> bool:
        if self._jumped is None or abs(offset - self._jumped[0]) > BELIEVED_AT_ONCE_MS:
            self._jumped = offset, boot_ms
            _log.warning(
                "The clock is %.0f hours further than the ledger can tell: set it if it is wrong. If it stands for a "
                "day, what is kept is erased by it.",
                (offset - self._offset) / 3_600_000,
            )
        return boot_ms - self._jumped[1] >= STANDS_MS

    def _read(self) -> tuple[int, int]:
        return self._clock.wall_ns() // 1_000_000, self._clock.boot_ns() // 1_000_000
