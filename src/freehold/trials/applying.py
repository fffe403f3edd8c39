"""How a build is run by default: as the fastest faithful way that was measured here, where one was; and why.

What a person set wins over what was measured. Where the winner cannot be used (its engine is not installed, its
build is gone, its record is not this machine's) the file is run as it is by llama.cpp, and the reason says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from freehold.core.builds import HeldBuild
from freehold.core.ports import Choice, MemoryNeeds, Room, Upstream, Worker, WorkerReport, WorkerState
from freehold.core.settings import EngineOptions
from freehold.engines.openvino.files import FORMAT as OPENVINO_FORMAT
from freehold.trials.arms import AS_IT_IS, Arm
from freehold.trials.record import Ignored, Winner, read

SHOWN_AS = {"threads": "threads", "batch_tokens": "batch", "cache_type": "kv cache"}
"""What workers call the settings that a bench may choose."""


@dataclass(frozen=True, slots=True)
class Applied:
    """`arm` is what to run with `options`; `why` is the engine's line in `freehold ps`."""

    arm: Arm
    options: EngineOptions
    why: Choice


class Remembered:
    """The winners of benches on this machine. `versions` are of the engines that are installed, `fingerprint` names the
    machine and `by_digest` finds a held build; both are asked when they are needed."""

    def __init__(
        self,
        home: Path,
        versions: Mapping[str, str],
        fingerprint: Callable[[], str],
        by_digest: Callable[[str], HeldBuild | None],
    ) -> None:
        self._home = home
        self._versions = versions
        self._fingerprint = fingerprint
        self._by_digest = by_digest

    def winner(self, build: HeldBuild, workload: str) -> Arm | str | None:
        """The arm that won for `build`; a sentence where there is a record that cannot be used; None without one."""
        found = self._read(build, workload)
        if not isinstance(found, Winner):
            return found
        return self._arm(build, found)

    def apply(self, build: HeldBuild, options: EngineOptions) -> Applied:
        """How to run `build` for the workload of `options`."""
        if build.facts.format == OPENVINO_FORMAT:
            only = Choice("openvino", "chosen", "the build is in OpenVINO's form")
            return Applied(Arm("openvino", AS_IT_IS, build, {}), options, only)
        default = Arm(options.engine or "llama.cpp", AS_IT_IS, build, {})
        if options.engine is not None:
            return Applied(default, options, Choice(options.engine, "set", "set in freehold.toml or with --engine"))
        workload = options.workload or "chat"
        found = self._read(build, workload)
        if isinstance(found, Winner):
            arm = self._arm(build, found)
            if isinstance(arm, Arm):
                free = {name: value for name, value in arm.settings.items() if getattr(options, name) is None}
                # As many as were the fastest, where memory holds them now.
                slots = free.pop("slots", None)
                options = replace(options, most_slots=slots if isinstance(slots, int) else None)
                return Applied(replace(arm, settings=free), options, Choice(_called(arm), "chosen", found.reason))
            found = arm
        reason = found or f"not measured for {workload} here: `freehold bench {build.name}` does"
        return Applied(default, options, Choice(default.engine, "chosen", reason))

    def _read(self, build: HeldBuild, workload: str) -> Winner | str | None:
        found = read(self._home, self._fingerprint(), build.digest, workload, self._versions)
        return found.reason if isinstance(found, Ignored) else found

    def _arm(self, build: HeldBuild, winner: Winner) -> Arm | str:
        run = build if winner.digest == build.digest else self._by_digest(winner.digest)
        if run is None:
            gone = f"the build in {winner.layout} that won on {winner.taken_on} is not held any more"
            return f"{gone}: `freehold bench {build.name} --repack` makes it again"
        return Arm(winner.engine, winner.layout, run, dict(winner.settings))


class ExplainedWorker:
    """A worker that says of itself why it runs as it does."""

    def __init__(self, worker: Worker, applied: Applied) -> None:
        self._worker = worker
        self._applied = applied

    @property
    def upstream(self) -> Upstream:
        return self._worker.upstream

    @property
    def state(self) -> WorkerState:
        return self._worker.state

    async def plan(self, room: Room) -> MemoryNeeds:
        return await self._worker.plan(room)

    async def start(self) -> None:
        await self._worker.start()

    async def ready(self) -> Upstream:
        return await self._worker.ready()

    async def stop(self, *, grace_s: float = 5.0) -> None:
        await self._worker.stop(grace_s=grace_s)

    def report(self) -> WorkerReport:
        found = self._worker.report()
        shown = {SHOWN_AS.get(name, name) for name in self._applied.arm.settings}
        choices = {
            name: replace(choice, origin="chosen", reason="as in the fastest run") if name in shown else choice
            for name, choice in found.choices.items()
            if name != "engine"
        }
        return replace(found, choices={"engine": self._applied.why, **choices})


def _called(arm: Arm) -> str:
    return arm.engine if arm.layout == AS_IT_IS else f"{arm.engine} {arm.layout}"
