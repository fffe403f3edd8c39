"""The last minutes of a house: what it took it finishes, within a bound, and what comes meanwhile is sent elsewhere.

While it drains the house still listens, so that a client hears 503, when to try again and that this connection is at
its end, instead of a refused connection that could mean anything. `/health`, `/metrics` and the control socket answer
as ever: whoever stands before several houses sees there that this one is leaving.
"""

from __future__ import annotations

import asyncio
import math

from freehold.core.errors import HouseClosingError
from freehold.server.call import Call

_TOLD_ANYWAY = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})


class Drain:
    """`enter` and `leave` around every request that the house takes. Belongs to one event loop."""

    def __init__(self) -> None:
        self._at_work = 0
        self._ends_at: float | None = None
        self._idle = asyncio.Event()

    @property
    def has_begun(self) -> bool:
        return self._ends_at is not None

    @property
    def left_s(self) -> float | None:
        """Until this house has ended at the latest; None while it stays."""
        return None if self._ends_at is None else max(0.0, self._ends_at - asyncio.get_running_loop().time())

    def enter(self, call: Call) -> None:
        """Take a request; `leave` follows. Raises HouseClosingError for one that comes too late."""
        if self.has_begun and not (call.over_control_socket or call.path in _TOLD_ANYWAY):
            call.extra.append((b"connection", b"close"))
            raise self.refusal()
        self._at_work += 1

    def leave(self) -> None:
        self._at_work -= 1
        if self.has_begun and not self._at_work:
            self._idle.set()

    def refusal(self) -> HouseClosingError:
        """With the seconds until this house has ended at the latest: before that another try cannot succeed here."""
        return HouseClosingError(retry_after_s=max(1, math.ceil(self.left_s or 0.0)))

    def begin(self, limit_s: float) -> None:
        """Take nothing new from now on, and end within `limit_s` at the latest."""
        ends_at = asyncio.get_running_loop().time() + limit_s
        self._ends_at = ends_at if self._ends_at is None else min(self._ends_at, ends_at)

    async def run(self, limit_s: float) -> float:
        """Take nothing new and wait for what is at work, at most `limit_s`; how much of that is left."""
        self.begin(limit_s)
        assert self._ends_at is not None, "it has just begun"
        if self._at_work:
            try:
                async with asyncio.timeout_at(self._ends_at):
                    await self._idle.wait()
            except TimeoutError:
                return 0.0
        return self.left_s or 0.0
