"""The ways of running one build that are compared, and which of them are tried when. Pure.

A full grid of engines, layouts, threads, batches, slots and cache types would take hours. First every layout of every
engine is tried as its engine would run it; then the settings of the best of each engine are changed one at a time. What
this cannot find is a pair of settings that only together are faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from freehold.core.builds import HeldBuild
from freehold.core.settings import EngineOptions
from freehold.trials.workloads import Workload

SETTINGS = ("threads", "slots", "batch_tokens", "cache_type")
"""The fields of EngineOptions that a bench may choose."""
AS_IT_IS = "as it is"
CACHE_TYPES = ("q8_0",)
BATCHES = (128, 256, 512)
CLOSEST_CORES = 2
"""Thread counts this near to the usable cores are tried too: another program may need one."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One way: which engine runs which build (the one that is asked about, or one made from it), with what set.

    `layout` says what the weights are in: "as it is", or the type they were repacked to.
    """

    engine: str
    layout: str
    build: HeldBuild
    settings: Mapping[str, int | str]

    @property
    def name(self) -> str:
        """For people: "llama.cpp q8_0, threads 2, slots 32"."""
        said = [f"{key.removesuffix('_tokens').replace('_', ' ')} {value}" for key, value in self.settings.items()]
        return ", ".join([f"{self.engine} {self.layout}", *said])

    @property
    def key(self) -> tuple[object, ...]:
        return (self.engine, self.build.digest, *sorted(self.settings.items()))

    @property
    def arithmetic(self) -> tuple[object, ...]:
        """What its fidelity depends on; threads, slots and batches do not change what is computed."""
        return (self.engine, self.build.digest, self.settings.get("cache_type"))

    def options(self, base: EngineOptions) -> EngineOptions:
        return replace(base, **self.settings)  # type: ignore[arg-type]  # SETTINGS are its fields


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may be varied: `cores` that may be used; `fixed` are settings that a person set, which stay."""

    cores: int
    fixed: frozenset[str] = frozenset()


def first(layouts: Iterable[Arm], workload: Workload) -> list[Arm]:
    """Every layout of every engine, as its engine would run it for `workload`."""
    return [replace(arm, settings={**arm.settings, **_for(workload, arm)}) for arm in layouts]


def variations(arm: Arm, workload: Workload, bounds: Bounds) -> list[Arm]:
    """`arm` with one setting changed, for each that may be and could matter for `workload`."""
    choices: dict[str, Sequence[int | str]] = {"threads": _threads(bounds.cores)}
    if arm.engine == "llama.cpp":
        choices |= {"batch_tokens": BATCHES, "cache_type": CACHE_TYPES}
        if workload.streams > 1:
            choices["slots"] = (workload.streams // 4, workload.streams // 2, workload.streams)
    return [
        replace(arm, settings={**arm.settings, name: value})
        for name, values in choices.items()
        if name not in bounds.fixed
        for value in values
        if arm.settings.get(name) != value
    ]


def _for(workload: Workload, arm: Arm) -> dict[str, int | str]:
    return {"slots": workload.streams} if workload.streams > 1 and arm.engine == "llama.cpp" else {}


def _threads(cores: int) -> list[int]:
    return list(range(max(1, cores - CLOSEST_CORES + 1), cores + 1))
