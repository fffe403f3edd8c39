"""What a worker is started with, decided before its first start: the header is read, the machine is looked at.

It is called in a thread before every start of a process. What fitted once is not refused a restart, and keeps its
choices; what did not fit is looked at anew, because memory may have become free. A house with several models plans each
into a part of the memory first, and then the start is as it was planned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from freehold.core.builds import HeldBuild, Stamp
from freehold.core.errors import WeightsError, WorkerStartError
from freehold.core.ports import Choice, Mapped, MemoryNeeds, Room
from freehold.core.quantity import Unknown, at_least, at_most
from freehold.core.settings import EngineOptions
from freehold.engines.llamacpp.choices import NOT_MEASURED, Choices, choose, has_enough, over_memory
from freehold.engines.llamacpp.identity import engine_id
from freehold.fit.blueprint import Blueprint
from freehold.fit.memory import MemoryNeed, need
from freehold.fit.read_gguf import blueprint_of_gguf, blueprint_of_unreadable
from freehold.fit.refused import refused
from freehold.hardware import calibration, probe
from freehold.hardware.calibration import Calibration
from freehold.hardware.fingerprint import fingerprint
from freehold.hardware.machine import Machine

Confirm = Callable[[HeldBuild], Sequence[Stamp]]


class Preparation:
    """For one worker. `others_bytes` gives the weights that the house's other workers have mapped: the kernel counts
    their pages as available, and they are in use. `home` keeps what was measured of machines; None: nothing is.
    `shown` is filled by the first start."""

    def __init__(
        self,
        build: HeldBuild,
        options: EngineOptions,
        confirm: Confirm | None,
        others_bytes: Callable[[], int],
        home: Path | None = None,
    ) -> None:
        self._build = build
        self._options = options
        self._confirm = confirm
        self._others_bytes = others_bytes
        self._home = home
        self._chosen: Choices | None = None
        self._planned: tuple[Room, MemoryNeeds] | None = None
        self.shown: dict[str, Choice] = {}

    @property
    def chosen(self) -> Choices:
        """Valid once it was called."""
        assert self._chosen is not None, "a worker is described after its start was prepared"
        return self._chosen

    def plan(self, room: Room) -> MemoryNeeds:
        """What a start will take: chosen to fit its share, or as much more as a context of some length needs. Raises
        what `confirm` raises, and WorkerStartError where all that there is does not hold what was chosen or set."""
        if self._confirm is not None:
            self._confirm(self._build)
        if self._planned is None or self._planned[0] != room:
            self._planned = room, self._plan(room)
        return self._planned[1]

    def __call__(self) -> Mapping[str, Any]:
        """The part of the config that this start gets. Raises what `confirm` raises, and WorkerStartError where memory
        does not hold what was chosen or set."""
        stamps = self._confirm(self._build) if self._confirm is not None else None
        if self._chosen is None:
            self._chosen = self._choose()
        chosen = self._chosen
        told: dict[str, Any] = {
            "threads": chosen.threads,
            "slots": chosen.slots,
            "context_tokens": chosen.context_tokens,
            "batch_tokens": chosen.batch_tokens,
            "cache_type": chosen.cache_type,
            "prompt_cache_mib": chosen.prompt_cache_mib,
            "checkpoints": chosen.checkpoints,
            "pooling": chosen.pooling,
        }
        if stamps is not None:
            files = zip(self._build.files, stamps, strict=True)
            told["confirmed"] = [[str(path), *stamp] for path, stamp in files]
        return told

    def _plan(self, room: Room) -> MemoryNeeds:
        blueprint, machine = self._blueprint(), probe.machine()
        measured = self._calibration(machine)
        share_bytes = max(1, room.share_bytes)
        while True:
            machine = replace(machine, memory_available_bytes=share_bytes)
            chosen = choose(self._build, blueprint, machine, self._options, measured)
            needs = _needs(self._build, blueprint, chosen)
            if share_bytes >= room.most_bytes or has_enough(chosen, needs, share_bytes, self._build.facts):
                break
            share_bytes = min(2 * share_bytes, room.most_bytes)
        self._chosen = self._taken(blueprint, chosen, machine)
        return needs

    def _choose(self) -> Choices:
        blueprint = self._blueprint()
        machine = self._machine()
        chosen = choose(self._build, blueprint, machine, self._options, self._calibration(machine))
        return self._taken(blueprint, chosen, machine)

    def _taken(self, blueprint: Blueprint, chosen: Choices, machine: Machine) -> Choices:
        """`chosen`, shown. Raises WorkerStartError where it asks for more than the machine has, or the engine takes."""
        self.shown.update(chosen.shown)
        refusal = refused(blueprint, chosen.run)
        if refusal is not None:
            raise WorkerStartError(
                self._build.name,
                f"the engine makes no context for it: {refusal}.",
                hint="Set fewer slots, or another cache_type, in freehold.toml.",
            )
        too_much = over_memory(blueprint, chosen, machine)
        if too_much is not None:
            raise WorkerStartError(
                self._build.name,
                too_much,
                hint="Lower context_tokens or slots in freehold.toml, or stop another model.",
            )
        return chosen

    def _blueprint(self) -> Blueprint:
        """What the header says. Where it cannot be read, nothing is reckoned: what is wrong with the file is told by
        the worker, which holds it against its stamp first."""
        try:
            return blueprint_of_gguf(self._build.files, name=self._build.name)
        except WeightsError as error:
            return blueprint_of_unreadable(self._build, f"its header cannot be read: {error.message}")

    def _calibration(self, machine: Machine) -> Calibration | Unknown:
        if self._home is None:
            return NOT_MEASURED
        return calibration.read(self._home, fingerprint=fingerprint(machine), engine=engine_id())

    def _machine(self) -> Machine:
        found = probe.machine()
        left = max(0, found.memory_available_bytes - self._others_bytes())
        return replace(found, memory_available_bytes=left)


def _needs(build: HeldBuild, blueprint: Blueprint, chosen: Choices) -> MemoryNeeds:
    needed = need(blueprint, chosen.run)
    return MemoryNeeds(
        start=needed.total_bytes,
        growth_bytes=chosen.prompt_cache_mib * 2**20,
        given_back_bytes=int(at_most(needed.mapped_twice_bytes) or 0),
        floor_bytes=build.size_bytes,
        mapped=_mapped(build, needed),
    )


def _mapped(build: HeldBuild, needed: MemoryNeed) -> Mapped | None:
    """The weights that are used where they are mapped: all but those that the engine may lay out anew, in a copy of its
    own. None where nobody knows which those are."""
    weights, again = at_least(needed.weights_bytes), at_most(needed.mapped_twice_bytes)
    if weights is None or again is None or again >= weights:
        return None
    return Mapped(build.digest, int(weights - again))
