"""Says in the log that measurements do not reach their collector, and that they do again. A line, not a flood."""

from __future__ import annotations

import logging
import time

AGAIN_AFTER_S = 300.0
_log = logging.getLogger("freehold.telemetry")


class Reach:
    """Of one kind of measurement, `what`, on its way to `address`."""

    def __init__(self, what: str, address: str) -> None:
        self._what = what
        self._address = address
        self._said_at = float("-inf")
        self._is_said = False
        self._lost = 0

    def failed(self, why: str, *, lost: int = 0) -> None:
        """`why` ends a sentence; `lost` of them are given up."""
        self._lost += lost
        now = time.monotonic()
        if now - self._said_at >= AGAIN_AFTER_S:
            self._said_at, self._is_said = now, True
            said = "%s do not all reach %s: %s. Requests do not wait for that. Lost so far: %d."
            _log.warning(said, self._what, self._address, why, self._lost)

    def works(self) -> None:
        if self._is_said:
            self._is_said = False
            _log.warning("%s reach %s again. Lost so far: %d.", self._what, self._address, self._lost)
