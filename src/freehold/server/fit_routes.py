"""The routes behind what fits on the Models page: every model in brief, and every build of one.

GET only. It plans for this machine as it is, with what the house's own workers use counted as taken, on a thread: a
second of arithmetic over the whole catalog. One plan at a time, so that no number of pages holds up the answers that
are streamed beside them. The brief is kept for KEPT_S, since memory that is free changes slowly.
"""

from __future__ import annotations

import time
from typing import Any

from anyio import CapacityLimiter, to_thread

from freehold.app import House
from freehold.server.answers import Handler
from freehold.server.call import Call

ONE_FIT = "/api/fit/"
KEPT_S = 30.0


class FitRoutes:
    """Handlers for GET; `model` answers `/api/fit/{name}`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._one_at_a_time = CapacityLimiter(1)
        self._brief: tuple[float, dict[str, Any]] | None = None

    def routes(self) -> dict[str, Handler]:
        """GET handlers by path."""
        return {"/api/fit": self._every}

    async def model(self, call: Call) -> None:
        """Every build of a model of the catalog on this machine. Raises NotFoundError with the nearest names."""
        name = call.path.removeprefix(ONE_FIT)
        await call.reply(200, await to_thread.run_sync(self._house.fit, name, limiter=self._one_at_a_time))

    async def _every(self, call: Call) -> None:
        await call.reply(200, await to_thread.run_sync(self._in_brief, limiter=self._one_at_a_time))

    def _in_brief(self) -> dict[str, Any]:
        now = time.monotonic()
        if self._brief is None or now - self._brief[0] > KEPT_S:
            self._brief = (now, self._house.fits())
        return self._brief[1]
