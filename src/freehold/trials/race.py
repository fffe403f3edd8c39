"""Runs arms against each other within a bounded time: many for a short while, the best of them again and in turns.

What must stay true: whatever happens, no worker of a race is left; and an arm that cannot run is an answer about it and
does not end the race of the others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from freehold.core.errors import EngineError
from freehold.core.ports import Worker
from freehold.trials.arms import Arm
from freehold.trials.asking import Asker
from freehold.trials.running import Run, run
from freehold.trials.workloads import Workload, shortened

MakeWorker = Callable[[Arm], Worker]
WARM_SHARE = 0.1


@dataclass(slots=True)
class Standing:
    """What is known of one arm: its runs of the whole workload, memory after them, or why it could not run.

    `tried` is its speed at the shortened workload, with which arms are sorted and none is chosen.
    """

    arm: Arm
    tried: float | None = None
    runs: list[Run] = field(default_factory=list)
    memory_bytes: int | None = None
    failed: str | None = None


class Race:
    """One bench's runs. `note` hears what is done, before it is."""

    def __init__(self, make_worker: MakeWorker, workload: Workload, note: Callable[[str], None]) -> None:
        self._make_worker = make_worker
        self._workload = workload
        self._note = note
        self._number = 0

    async def try_out(self, arm: Arm, share: float) -> Standing:
        """Once, at `share` of the workload after a little to warm up."""
        self._note(f"a short run: {arm.name}")
        standing = Standing(arm)
        found = await self._one(standing, shortened(self._workload, share))
        standing.tried = None if found is None else found.speed
        return standing

    async def finals(self, standings: Sequence[Standing], workload: Workload, repetitions: int) -> None:
        """`workload` `repetitions` times each, in an order that turns. An arm that fails is asked no more."""
        for repetition in range(repetitions):
            turn = repetition % len(standings)
            self._note(f"run {repetition + 1} of {repetitions}, {len(standings)} ways in turn")
            for standing in (*standings[turn:], *standings[:turn]):
                found = await self._one(standing, workload) if standing.failed is None else None
                if found is not None:
                    standing.runs.append(found)

    async def _one(self, standing: Standing, workload: Workload) -> Run | None:
        try:
            async with self._working(standing.arm) as (worker, asker):
                await run(asker, shortened(workload, WARM_SHARE), self._next())
                found = await run(asker, workload, self._next())
                standing.memory_bytes = worker.report().memory_bytes
        except EngineError as error:
            standing.failed = error.message
            standing.runs.clear()
            self._note(f"{standing.arm.name}: {error.message}")
            return None
        return found

    async def first_log_probabilities(self, arm: Arm, texts: Sequence[str]) -> list[float] | None:
        """What the server of `arm` says of the likeliest first token after each text; None where it does not."""
        try:
            async with self._working(arm) as (_, asker):
                said = [await asker.first_log_probability(text) for text in texts]
        except EngineError as error:
            self._note(f"{arm.name}: {error.message}")
            return None
        known = [each for each in said if each is not None]
        return known if len(known) == len(said) else None

    @asynccontextmanager
    async def _working(self, arm: Arm) -> AsyncIterator[tuple[Worker, Asker]]:
        worker = self._make_worker(arm)
        try:
            await worker.start()
            async with Asker(await worker.ready()) as asker:
                yield worker, asker
        finally:
            await worker.stop(grace_s=1.0)

    def _next(self) -> int:
        self._number += 1
        return self._number
