"""Notices a client that goes away while its answer is being made, or whose time is over, and stops the work at once.

The watcher reads the connection beside the work; when the client is gone it cancels the work, whose `finally`
blocks close the exchange with the engine. Only the watcher's own cancellation is swallowed, never another's.
"""

from __future__ import annotations

import asyncio
import math
import time
from types import TracebackType

from freehold.core.errors import DeadlineError
from freehold.server.call import Call


class ClientWatch:
    """`async with ClientWatch(call) as watch:` around work for one client; `watch.gone` says how it ended.

    The body must have been read whole before: the watcher takes what is received from then on.
    """

    __slots__ = ("_call", "_timer", "_watcher", "_work", "gone")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._timer: asyncio.TimerHandle | None = None
        self.gone = False

    async def __aenter__(self) -> ClientWatch:
        work = asyncio.current_task()
        assert work is not None, "an ASGI application runs in a task"
        self._work = self._call.work = work
        self._watcher = asyncio.create_task(self._watch(), name="watch client")
        deadline_at = self._call.wish.deadline_at
        if deadline_at != math.inf:
            left_s = max(0.0, deadline_at - time.perf_counter())
            self._timer = asyncio.get_running_loop().call_later(left_s, self._late)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._watcher.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._call.work = None
        ended = self._call.ended
        if ended is not None and kind is asyncio.CancelledError:
            self._work.uncancel()
            raise ended
        if not self.gone:
            return False
        self._work.uncancel()
        return kind is asyncio.CancelledError

    def _late(self) -> None:
        call = self._call
        if call.ended is None and not (call.complete or self.gone):
            call.ended = DeadlineError(call.wish.deadline_at - call.started_at)
            self._work.cancel()

    async def _watch(self) -> None:
        try:
            while (await self._call.receive())["type"] != "http.disconnect":
                pass
        except asyncio.CancelledError:
            # Returning ends this task as well. A stored CancelledError would tie its trace, the call and this watch
            # into a cycle for the garbage collector: 30 objects a request, and a fifth of its time.
            return
        # A whole answer is reported as a disconnect too: then there is nothing left to stop.
        if not self._call.complete:
            self.gone = self._call.gone = True
            self._work.cancel()
