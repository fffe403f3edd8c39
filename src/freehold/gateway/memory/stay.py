"""How long each target stays in memory: the longest that any endpoint which points at it asks for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from freehold.core.memory_settings import MemorySettings, StaySettings
from freehold.gateway.endpoints import EndpointTable, Target


@dataclass(frozen=True, slots=True)
class Stay:
    """`keep_s` after its last request it goes; a pinned one never does."""

    keep_s: float
    pinned: bool


def stays(table: EndpointTable, memory: MemorySettings) -> Mapping[Target, Stay]:
    found: dict[Target, Stay] = {}
    for name, target in table.targets.items():
        said = table.stays.get(name, StaySettings())
        keep_s = memory.keep_s if said.keep_s is None else said.keep_s
        before = found.get(target, Stay(0.0, pinned=False))
        found[target] = Stay(max(keep_s, before.keep_s), said.pinned or before.pinned)
    return found


def preloaded(table: EndpointTable) -> tuple[Target, ...]:
    """What is loaded at the start: what asks for it, what is pinned, and the first endpoint; the pinned come first."""
    chosen: dict[Target, bool] = {}
    for name, target in table.targets.items():
        said = table.stays.get(name, StaySettings())
        usual = said.pinned or name == table.default
        if usual if said.preload is None else said.preload:
            chosen[target] = said.pinned or chosen.get(target, False)
    return tuple(sorted(chosen, key=lambda target: not chosen[target]))
