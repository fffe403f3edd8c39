"""Lets requests through to workers, each when its turn has come: the lines of all workers, at work.

A request that finds a slot free goes on within the same turn of the event loop. One that waits does so in the house and
not in the engine, which would take it for good: when its client leaves, its place is free at once. When a worker is
ready is for the pool to say; whoever waits here has borrowed the worker already, so that it is not taken away
meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Collection, Iterable
from typing import Protocol

from freehold.core.admission_settings import AdmissionSettings
from freehold.core.errors import BusyError, DeadlineError, FreeholdError
from freehold.gateway.access.access import Holder
from freehold.gateway.admission.line import Line, Standing
from freehold.gateway.admission.ticket import Ticket, Wish
from freehold.gateway.endpoints import Target
from freehold.gateway.held import Held
from freehold.gateway.upstream import UpstreamClient

LONGEST_RETRY_S = 60
"""Clients obey `Retry-After` up to a minute."""


class Asker(Holder, Protocol):
    """Who asks, as far as turns go. `started_at` is by `time.perf_counter`."""

    @property
    def wish(self) -> Wish: ...
    @property
    def started_at(self) -> float: ...


class Admission:
    """The lines of one house, one for each target that was asked since the endpoints last changed."""

    def __init__(self, settings: AdmissionSettings) -> None:
        self._settings = settings
        self._doors: dict[Target, _Door] = {}

    def use(self, settings: AdmissionSettings, targets: Collection[Target]) -> None:
        """Go on with `settings`, and forget the lines of other targets than these, once nobody is in them."""
        self._settings = settings
        for target, door in list(self._doors.items()):
            door.line.most_waiting = settings.queue
            if target not in targets and not (door.line.waiting or door.line.taken):
                del self._doors[target]

    async def client(self, held: Held, target: Target, endpoint: str, asker: Asker, width: int) -> UpstreamClient:
        """A client for the worker that `held` has borrowed, when the turn has come of a request that needs `width`
        slots; none are given to one that needs none, which is never late. Letting go of `held` ends the turn. Raises
        BusyError, DeadlineError, and what starting the worker raises."""
        client = await held.post.client()
        if not width:
            return client
        door = self._door(target)
        door.resize(client.upstream.slots or target.options.slots)
        ticket = self._ticket(asker, width)
        held.turn = lambda: door.leave(ticket)
        door.enter(ticket)
        if ticket.is_at_work:
            return client
        await door.wait(ticket)
        if not ticket.is_at_work:
            raise self._refusal(endpoint, ticket, asker, door.line)
        # Closed: the worker was started anew meanwhile. Else it is not asked for again: a worker that is to go takes
        # no new requests, and this one is no new one.
        return await held.post.client() if client.is_closed else client

    def standing(self, target: Target) -> Standing | None:
        """The line of `target` as it is now; None where nobody was ever in it."""
        door = self._doors.get(target)
        return door.line.standing(time.perf_counter()) if door is not None else None

    def _door(self, target: Target) -> _Door:
        door = self._doors.get(target)
        if door is None:
            door = self._doors[target] = _Door(Line(most_waiting=self._settings.queue))
        return door

    def _ticket(self, asker: Asker, width: int) -> Ticket:
        wish, key = asker.wish, asker.key
        latest_s = math.inf
        if not wish.patient:
            latest_s = min(time.perf_counter() + self._settings.wait_s, wish.deadline_at)
        if key is None:
            return Ticket(None, wish.priority, width, latest_s, wish.deadline_at)
        # A request can be less than its key, never more.
        lower = "batch" if key.limits.priority == "batch" else wish.priority
        return Ticket(key.id, lower, width, latest_s, wish.deadline_at)

    def _refusal(self, endpoint: str, ticket: Ticket, asker: Asker, line: Line) -> FreeholdError:
        busy, deadline_at = f"{endpoint} is asked more than it can answer", asker.wish.deadline_at
        if ticket.state == "full":
            text = f"{busy}: as many requests wait for it as may ({line.most_waiting:,})."
            return BusyError(text, retry_after_s=_rounded(line.per_place_s()))
        if ticket.state == "slow":
            late_s = ticket.since_s + ticket.expected_s - ticket.latest_s
            text = f"{busy}: the turn of this request would come in about {ticket.expected_s:.2g} s, which is too late."
            return BusyError(text, retry_after_s=_rounded(late_s))
        if ticket.latest_s == deadline_at:
            return DeadlineError(deadline_at - asker.started_at)
        text = f"{busy}: the turn of this request did not come within {self._settings.wait_s:g} s."
        return BusyError(text, retry_after_s=_rounded(line.per_place_s()))


class _Door:
    """One worker's line, and those who sleep until their turn comes."""

    __slots__ = ("_sleepers", "line")

    def __init__(self, line: Line) -> None:
        self.line = line
        self._sleepers: dict[Ticket, asyncio.Future[None]] = {}

    def resize(self, slots: int | None) -> None:
        if slots != self.line.slots:
            self._wake(self.line.resize(slots, time.perf_counter()))

    def enter(self, ticket: Ticket) -> None:
        self._wake(self.line.enter(ticket, time.perf_counter()))

    def leave(self, ticket: Ticket) -> None:
        self._wake(self.line.leave(ticket, time.perf_counter()))

    async def wait(self, ticket: Ticket) -> None:
        """Until `ticket` does not wait any more, or it is too late for it."""
        if ticket.state != "waiting":
            return
        sleeper = self._sleepers[ticket] = asyncio.get_running_loop().create_future()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_left_s(ticket)):
                    await sleeper
        finally:
            del self._sleepers[ticket]
        if ticket.state == "waiting":
            self.leave(ticket)

    def _wake(self, moved: Iterable[Ticket]) -> None:
        for ticket in moved:
            sleeper = self._sleepers.get(ticket)
            if sleeper is not None and not sleeper.done():
                sleeper.set_result(None)


def _left_s(ticket: Ticket) -> float | None:
    return None if ticket.latest_s == math.inf else max(0.0, ticket.latest_s - time.perf_counter())


def _rounded(seconds: float | None) -> int | None:
    return None if seconds is None else min(LONGEST_RETRY_S, max(1, math.ceil(seconds)))
