"""Measures the ways of running one build for one workload, within a bounded time, and finds the fastest faithful one.

The time is stated once a first run has shown how long runs take, and the work is shortened where it would be longer.
Speeds are those of the engine asked directly; what the house adds is measured in `bench/`. However one leaves, no
process and no folder of a bench is left; builds that were repacked are kept, because they were asked for.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from freehold.core.builds import HeldBuild
from freehold.core.errors import WorkerStartError
from freehold.core.ports import Worker
from freehold.core.settings import EngineOptions
from freehold.hardware import probe
from freehold.hardware.fingerprint import fingerprint
from freehold.store.store import Store
from freehold.trials.arms import AS_IT_IS, SETTINGS, Arm, Bounds, first, variations
from freehold.trials.bar import Bar
from freehold.trials.choice import Trial, choose
from freehold.trials.entrants import Entrant
from freehold.trials.held import passages
from freehold.trials.judging import REFERENCE, Judge
from freehold.trials.race import Race, Standing
from freehold.trials.report import Report, Row
from freehold.trials.workloads import Workload, shortened

CONTEXT_TOKENS = 4096
"""Of each slot while measuring, where nobody set another: enough for every workload, and little memory."""
CHALLENGERS = 3


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to try: `try_share` of the workload to sort arms by, `repetitions` of at most `final_share` of it."""

    try_share: float
    repetitions: int
    final_share: float
    passages: int
    finals_s: float


WHOLE = Effort(try_share=0.25, repetitions=5, final_share=1.0, passages=8, finals_s=300)
QUICK = Effort(try_share=0.1, repetitions=3, final_share=0.25, passages=2, finals_s=40)


@dataclass(frozen=True, slots=True)
class Asked:
    """What to measure. `options` are the house's: what they set is not varied. `repack` lets builds be made."""

    workload: Workload
    bar: Bar = field(default_factory=Bar)
    effort: Effort = WHOLE
    repack: bool = False
    options: EngineOptions = field(default_factory=EngineOptions)

    @property
    def fixed(self) -> frozenset[str]:
        """The settings that a person set."""
        return frozenset(name for name in SETTINGS if getattr(self.options, name, None) is not None)


class Bench:
    """For one build and workload. `note` hears in words what is being done."""

    def __init__(
        self,
        build: HeldBuild,
        asked: Asked,
        entrants: Sequence[Entrant],
        store: Store,
        folders: Mapping[str, Path],
        note: Callable[[str], None],
    ) -> None:
        self._build = build
        self._asked = asked
        self._entrants = {entrant.name: entrant for entrant in entrants}
        self._versions = {entrant.name: entrant.version or "unknown" for entrant in entrants}
        self._note = note
        self._options = replace(asked.options, context_tokens=asked.options.context_tokens or CONTEXT_TOKENS)
        self._own = Arm("llama.cpp", AS_IT_IS, build, {})
        self._judge = Judge(self._own, self._options, self._entrants, store, folders, note)
        self._race = Race(self._worker, asked.workload, note)
        self._standings: dict[tuple[object, ...], Standing] = {}

    async def run(self, incumbent: Arm | None = None) -> Report:
        """Measure and choose. `incumbent` is what is used now, None: llama.cpp with nothing set.

        Raises WorkerStartError where the incumbent itself cannot run, StoreError and its kinds.
        """
        began_s, load, asked = time.perf_counter(), os.getloadavg()[0], self._asked
        now = incumbent or self._own
        layouts = first(await self._layouts(), asked.workload)
        if now is not self._own and not await self._runs(now):
            self._note(f"{now.name} does not run any more: compared with llama.cpp on the file as it is.")
            now = self._own
        share = await self._look(now, layouts)
        await self._judge.refer(passages()[: asked.effort.passages])
        await self._judge.compare([self._own, now])
        await self._try([self._own, *layouts])
        for best in self._best_of_each_engine():
            await self._try(variations(best, asked.workload, self._bounds()))
        finalists = self._finalists(now)
        await self._race.finals(finalists, shortened(asked.workload, share), asked.effort.repetitions)
        self._require(now)
        await self._hear(finalists)
        rows = [self._row(standing) for standing in self._standings.values()]
        return Report(
            build=self._build.name,
            digest=self._build.digest,
            machine=fingerprint(probe.machine()),
            workload=asked.workload,
            share=share,
            quick=asked.effort.final_share < WHOLE.final_share,
            bar=str(asked.bar),
            engines=self._versions,
            rows=tuple(sorted(rows, key=_order)),
            verdict=choose([_trial(row) for row in rows if row.standing.runs], now),
            reference=self._judge.why_not or REFERENCE,
            load=(load, os.getloadavg()[0]),
            taken_on=datetime.now(UTC).isoformat(timespec="seconds"),
            elapsed_s=time.perf_counter() - began_s,
        )

    async def _layouts(self) -> list[Arm]:
        found: list[Arm] = []
        for entrant in self._entrants.values():
            found += await entrant.arms(self._build, self._note, repack=self._asked.repack)
        return found

    async def _look(self, now: Arm, layouts: Sequence[Arm]) -> float:
        """Try what is used now, say how long the bench takes, and give the share of the workload that runs will be."""
        effort = self._asked.effort
        began_s = time.perf_counter()
        await self._try([now])
        self._require(now)
        short_s = time.perf_counter() - began_s
        whole_s = short_s / effort.try_share
        runs = (CHALLENGERS + 1) * effort.repetitions
        share = min(effort.final_share, max(effort.try_share / 2, effort.finals_s / (runs * whole_s)))
        tried = len(layouts) + sum(len(variations(arm, self._asked.workload, self._bounds())) for arm in layouts[:2])
        total_s = tried * short_s + runs * share * whole_s + 10 * effort.passages
        self._note(
            f"About {math.ceil(total_s / 60)} minutes: up to {tried} ways for a short while, then {CHALLENGERS + 1} of "
            f"them {effort.repetitions} times in turn with {share:.0%} of the workload: {self._asked.workload.about}."
        )
        return share

    async def _runs(self, arm: Arm) -> bool:
        await self._try([arm])
        return self._standings[arm.key].failed is None

    def _require(self, arm: Arm) -> None:
        failed = self._standings[arm.key].failed
        if failed is not None:
            raise WorkerStartError(self._build.name, failed)

    async def _try(self, arms: Iterable[Arm]) -> None:
        """Measure the fidelity and the short run of those of `arms` that are new."""
        for arm in arms:
            if arm.key not in self._standings:
                await self._judge.compare([arm])
                self._standings[arm.key] = await self._race.try_out(arm, self._asked.effort.try_share)

    def _best_of_each_engine(self) -> list[Arm]:
        best: dict[str, Arm] = {}
        for standing in self._ranked():
            best.setdefault(standing.arm.engine, standing.arm)
        return list(best.values())

    def _finalists(self, now: Arm) -> list[Standing]:
        """What is used now, llama.cpp with nothing set, and the fastest others."""
        held = {arm.key: self._standings[arm.key] for arm in (now, self._own)}
        others = [standing for standing in self._ranked() if standing.arm.key not in held]
        return [*held.values(), *others[:CHALLENGERS]]

    def _ranked(self) -> list[Standing]:
        """Those that may be chosen and ran, the fastest in its short run first."""
        every = self._standings.values()
        fit = [each for each in every if each.tried and self._judge.unfit(each.arm, self._asked.bar) is None]
        return sorted(fit, key=lambda standing: -(standing.tried or 0.0))

    async def _hear(self, finalists: Sequence[Standing]) -> None:
        """Whether the servers compute what was measured beside them."""
        texts = [passage.text for passage in self._judge.passages]
        for arm in {standing.arm.arithmetic: standing.arm for standing in finalists}.values():
            if texts:
                self._note(f"whether it serves what was measured: {arm.name}")
                self._judge.hear(arm, await self._race.first_log_probabilities(arm, texts))

    def _row(self, standing: Standing) -> Row:
        arm = standing.arm
        return Row(
            standing, self._judge.fidelity(arm), self._judge.unknown(arm), self._judge.unfit(arm, self._asked.bar)
        )

    def _bounds(self) -> Bounds:
        return Bounds(max(1, math.floor(probe.machine().usable_cores)), self._asked.fixed)

    def _worker(self, arm: Arm) -> Worker:
        return self._entrants[arm.engine].worker(arm, self._options)


def _trial(row: Row) -> Trial:
    return Trial(row.standing.arm, tuple(run.speed for run in row.standing.runs), row.unfit)


def _order(row: Row) -> tuple[float, float]:
    runs = row.standing.runs
    return (-_trial(row).speed if runs else 0.0, -(row.standing.tried or 0.0))
