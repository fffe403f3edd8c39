"""What a reload changes, in lines for the person who asked for it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from freehold.core.content_settings import told
from freehold.core.memory_settings import MemorySettings
from freehold.core.settings import Settings
from freehold.core.sizes import size
from freehold.gateway.endpoints import EndpointTable


@dataclass(frozen=True, slots=True)
class Changes:
    lines: tuple[str, ...]
    repointed: tuple[str, ...]


def changes(old: EndpointTable, new: EndpointTable) -> Changes:
    repointed = tuple(
        name for name, target in new.targets.items() if name in old.targets and old.targets[name] != target
    )
    lines = [_repointed(name, old.targets[name].reference, new.targets[name].reference) for name in repointed]
    lines += [f"{name}: added, {new.targets[name].reference}" for name in new.targets if name not in old.targets]
    lines += [f"{name}: removed" for name in old.targets if name not in new.targets]
    lines += [_kept(name, new.keeps.get(name)) for name in new.targets if old.keeps.get(name) != new.keeps.get(name)]
    same = (name for name in new.targets if name in old.targets and name not in repointed)
    lines += [f"{name}: its stay in memory" for name in same if old.stays.get(name) != new.stays.get(name)]
    return Changes(tuple(lines), repointed)


def _repointed(name: str, old: str, new: str) -> str:
    return f"{name}: {old} -> {new}" if old != new else f"{name}: {new}, run another way"


def _kept(name: str, keep_s: float | None) -> str:
    if keep_s is None:
        return f"{name}: what it is asked and answers is kept no more; what was kept stays for as long as was said then"
    return f"{name}: what it is asked and answers is kept {told(keep_s)}"


def of_memory(old: MemorySettings, new: MemorySettings) -> tuple[str, ...]:
    """What a reload changes of `[memory]`, in force at once."""
    if old == new:
        return ()
    limit = "what is free" if new.limit_bytes is None else size(new.limit_bytes)
    return (f"[memory]: models may take {limit} together",)


def needs_restart(old: Settings, new: Settings) -> tuple[str, ...]:
    """What was read at start and is another now."""
    if _at_start(old) == _at_start(new):
        return ()
    tables = "[server], [sign_on], [telemetry], [deeds], [ledger], [log], home and egress of [policy]"
    return (f"{tables} are read at start: run `freehold stop`, then `freehold up`, for their changes",)


def _at_start(settings: Settings) -> tuple[object, ...]:
    own = (settings.server, settings.sign_on, settings.home, settings.deeds, settings.ledger, settings.log)
    return (*own, settings.telemetry, settings.policy.egress)
