"""The rim around `residents`: does what they decide, when something happened, and looks at what models really take.

It ends workers; it starts none: whoever waits for one does, once its turn has come. What must stay true: a step that
was decided is done, and a worker that has ended is charged for no longer than it takes to notice.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator

from freehold.core.errors import WorkerGivenUpError, WorkerStartError
from freehold.gateway.memory import charge, words
from freehold.gateway.memory.budget import Budget
from freehold.gateway.memory.life import Happening, Life
from freehold.gateway.memory.residents import Resident, Residents, Step, Why
from freehold.gateway.post import Post

MEASURE_EVERY_S = 10.0
LOOK_EVERY_S = 0.5
"""While somebody waits for memory: other programs may give some back."""

_TOLD: dict[Why, tuple[Happening, str]] = {
    "memory": ("evicted", "{sake} needed its memory"),
    "over": ("evicted", "more is taken than there is"),
    "idle": ("idle", "nobody asked it for as long as it is kept"),
    "asked": ("unloaded", "somebody said so"),
}


class Keeper:
    """Of one house. `budget` may be replaced at any time."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.life = Life()
        self.residents = Residents(0)
        self.closing = False
        self._posts: dict[Resident, Post] = {}
        self._going: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._measured_at = 0.0

    @staticmethod
    def now() -> float:
        return time.monotonic()

    def __iter__(self) -> Iterator[Post]:
        return iter(tuple(self._posts.values()))

    def add(self, post: Post) -> None:
        self._posts[post.resident] = post
        self.residents.add(post.resident)

    def look(self) -> None:
        """See how much memory there is; not while something is on its way in: what it took of its charge is unknown."""
        if not any(each.phase == "loading" and each.charge_bytes for each in self.residents):
            pids = [post.worker.report().pid for post in self]
            self.residents.capacity_bytes = self.budget.capacity_bytes(pid for pid in pids if pid is not None)

    def measure(self, post: Post) -> int:
        """What `post` is charged as it runs now."""
        assert post.needs is not None, "what runs was planned"
        return charge.running(post.needs, post.worker.report().memory_bytes)

    def advance(self) -> None:
        """Decide and do what there is to do now."""
        if self.closing:
            return
        for post in self:
            if post.resident.phase == "here" and post.worker.state == "failed":
                self._notice(post)
        self.do(self.residents.steps(self.now()))
        for post in self:
            if post.is_done:
                del self._posts[post.resident]
                self.residents.forget(post.resident)
        self._set_timer()

    def do(self, steps: list[Step]) -> None:
        for step in steps:
            post = self._posts[step.resident]
            if step.move == "leave":
                task = asyncio.create_task(self._end(post), name=f"end {step.resident.name}")
                self._going.add(task)
                task.add_done_callback(self._going.discard)
            elif step.move == "refuse":
                post.turned_away = words.refused(step.resident, self.residents, self.residents.capacity_bytes)
            post.pulse()

    def lost(self, post: Post, error: WorkerStartError) -> WorkerStartError:
        """A worker that was ready is none any more; gives what those are told who want it."""
        if post.resident.phase != "here":
            return error
        self.residents.ended(post.resident)
        if isinstance(error, WorkerGivenUpError):
            error = post.aside = words.set_aside(post.resident.name, error)
            self.life.tell("set aside", post.resident.name, error.message)
        else:
            post.failed(error, self.now())
            self.life.tell("lost", post.resident.name, error.message)
        post.pulse()
        return error

    def wake_by(self, at: float) -> None:
        """Look then at the latest, on the clock of `now`."""
        if at < self._timer_at and not self.closing:
            self._stop_timer()
            self._timer_at = at
            self._timer = asyncio.get_running_loop().call_later(max(0.0, at - self.now()), self._tick)

    def _set_timer(self) -> None:
        """Wake up when there may be something to do though nothing happens."""
        self._stop_timer()
        at = self.residents.wake_at(self.now())
        if self.residents.line:
            at = min(at, self.now() + LOOK_EVERY_S)
        if any(each.phase == "here" and each.charge_bytes for each in self.residents):
            at = min(at, self._measured_at + MEASURE_EVERY_S)
        self.wake_by(at)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, math.inf

    async def close(self) -> None:
        """End every worker; nothing is decided any more. Where some cannot be ended the others are, and then the first
        of their errors is raised."""
        self.closing = True
        self._stop_timer()
        ended = await asyncio.gather(*self._going, return_exceptions=True)
        ended += await asyncio.gather(*(post.end() for post in self), return_exceptions=True)
        for post in self:
            self.residents.ended(post.resident)
            post.pulse()
        for error in ended:
            if error is not None:
                raise error

    async def _end(self, post: Post) -> None:
        resident = post.resident
        what, why = _TOLD[resident.why or "asked"]
        why = why.format(sake=resident.sake or "another")
        if post.retired:
            what, why = "unloaded", "no endpoint points at it any more"
        try:
            await post.end()
        finally:
            before_bytes = self.residents.charged_bytes
            self.residents.ended(resident)
            self.life.tell(what, resident.name, why, size_bytes=before_bytes - self.residents.charged_bytes)
            post.pulse()
            self.advance()

    def _notice(self, post: Post) -> None:
        try:
            _ = post.worker.upstream
        except WorkerStartError as error:
            self.lost(post, error)

    def _tick(self) -> None:
        self._timer, self._timer_at = None, math.inf
        if self.residents.line:
            self.look()
        if self.now() - self._measured_at >= MEASURE_EVERY_S:
            self._measured_at = self.now()
            for post in self:
                if post.resident.phase == "here":
                    post.resident.charge_bytes = self.measure(post)
            self.look()
        self.advance()
