"""Requests in steps: lets them in while there is room, steps the pipeline, hands out what it made.

All on the event loop's thread, a step at a time; between two steps the loop answers whoever has come. A request is let
in when as many cache blocks are free as it may ever need, so that none ever has to make room for another: the pipeline
would compute it again, or end it where nothing can give way. What waits beyond that is bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from freehold.engines.http.body import RefusedError
from freehold.engines.openvino.asked import Asked
from freehold.engines.openvino.choices import BLOCK_TOKENS

QUEUE_LIMIT = 1024
PASSES = 4
"""Turns of the loop between two steps: one each to accept, read, parse and write."""

Reason = Literal["stop", "length"]


class Engine(Protocol):
    """What is needed of the pipeline."""

    blocks: int

    @property
    def busy(self) -> bool: ...

    def step(self) -> None: ...

    def submit(self, number: int, tokens: list[int], most: int, sampling: Any, **more: Any) -> Any: ...


@dataclass(eq=False, slots=True)
class Job:
    """One answer to be made. `take` is given what a step made of it: token ids, their log probabilities, and why it
    ended if it did. `fail` is called instead where the engine gave up."""

    tokens: list[int]
    most: int
    seed: int
    asked: Asked
    take: Callable[[list[int], list[float], Reason | None], None]
    fail: Callable[[], None]
    handle: Any = field(default=None, repr=False)

    @property
    def blocks(self) -> int:
        """The cache blocks that it may come to need."""
        return -(-(len(self.tokens) + self.most) // BLOCK_TOKENS)


class Batching:
    """Runs jobs on `engine`, `slots` of them at a time. `run` must be running."""

    def __init__(self, engine: Engine, *, slots: int) -> None:
        self._engine = engine
        self._slots = slots
        self._waiting: deque[Job] = deque()
        self._running: list[Job] = []
        self._leaving = 0
        self._free_blocks = engine.blocks
        self._numbers = 0
        self._wanted = asyncio.Event()
        self.made_tokens = 0

    @property
    def under_way(self) -> int:
        """Slots that are taken, those included whose answer is being let go of."""
        return len(self._running) + self._leaving

    def require_room(self, jobs: int) -> None:
        """Raises RefusedError where so many more would wait for too long."""
        if len(self._waiting) + jobs > QUEUE_LIMIT:
            raise RefusedError(503, f"{QUEUE_LIMIT} requests wait already", "overloaded_error")

    def add(self, job: Job) -> None:
        self._waiting.append(job)
        self._wanted.set()

    def drop(self, job: Job) -> None:
        """Nobody wants the rest of it."""
        with contextlib.suppress(ValueError):
            self._waiting.remove(job)
        if job in self._running:
            self._running.remove(job)
            self._free_blocks += job.blocks
            self._leaving += 1
            job.handle.cancel()

    async def run(self) -> None:
        """Step while there is something to do. Raises RuntimeError where the engine has failed: every job was told, and
        nothing can be relied on any more."""
        try:
            while True:
                await self._wanted.wait()
                self._admit()
                self._engine.step()
                self._leaving = 0
                self._hand_out()
                if not (self._waiting or self._engine.busy):
                    self._wanted.clear()
                for _ in range(PASSES):
                    await asyncio.sleep(0)
        except RuntimeError:
            for job in (*self._running, *self._waiting):
                job.fail()
            raise

    def _admit(self) -> None:
        while self._waiting and len(self._running) < self._slots and self._waiting[0].blocks <= self._free_blocks:
            job = self._waiting.popleft()
            try:
                job.handle = self._submitted(job)
            except RuntimeError:  # the engine looks at a request before it takes it: that one alone is lost
                job.fail()
                continue
            self._running.append(job)
            self._free_blocks -= job.blocks

    def _submitted(self, job: Job) -> Any:
        self._numbers += 1
        return self._engine.submit(
            self._numbers,
            job.tokens,
            job.most,
            dataclasses.replace(job.asked.sampling, seed=job.seed),
            schema=job.asked.schema,
            logprobs=job.asked.logprobs,
            ignore_end=job.asked.ignore_end,
        )

    def _hand_out(self) -> None:
        for job in [*self._running]:
            if job not in self._running:  # another of the same answer has failed just now
                continue
            tokens: list[int] = []
            logprobs: list[float] = []
            reason: Reason | None = None
            while job.handle.can_read():
                for output in job.handle.read().values():
                    tokens += output.generated_ids
                    logprobs += output.generated_log_probs
                    reason = _REASONS.get(output.finish_reason.name)
            self.made_tokens += len(tokens)
            ignored = job.handle.get_status().name == "IGNORED"
            if reason is not None or ignored:
                self._running.remove(job)
                self._free_blocks += job.blocks
            if ignored:
                job.fail()
            elif tokens or reason is not None:
                job.take(tokens, logprobs, reason)


_REASONS: dict[str, Reason] = {"STOP": "stop", "LENGTH": "length"}
