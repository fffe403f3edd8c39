"""What people are told of memory: who holds it, why a model is not there, and what can be done. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from freehold.core.errors import LoadingError, MemoryHeldError, WorkerGivenUpError, WorkerStartError
from freehold.core.ports import MemoryNeeds
from freehold.core.quantity import Unknown
from freehold.core.sizes import size
from freehold.gateway.memory.charge import least_bytes
from freehold.gateway.memory.residents import Resident

_HINT = "`freehold ps` shows who holds memory; what all models may take is `limit` in [memory] of freehold.toml."


def too_many(resident: Resident, limit: int) -> LoadingError:
    return LoadingError(
        f"{resident.name} is not ready, and {limit} requests wait for it already: no more may.",
        hint="Send it again in a few seconds. `waiting` in [memory] of freehold.toml is how many may wait.",
        retry_after="5",
    )


def held(resident: Resident, everybody: Iterable[Resident], wait_s: float) -> MemoryHeldError:
    """Nobody made room in time."""
    return MemoryHeldError(
        f"{_needs(resident)} and did not get it within {wait_s:g} s: {_holders(resident, everybody)}.",
        hint=_HINT,
        retry_after="10",
    )


def refused(resident: Resident, everybody: Iterable[Resident], capacity_bytes: int) -> MemoryHeldError:
    """There is no room for it now, whoever goes."""
    return MemoryHeldError(
        f"{_needs(resident)}; all models together may take {size(capacity_bytes)} now, and "
        f"{_holders(resident, everybody)}.",
        hint=_HINT,
        retry_after="10",
    )


def never_fits(name: str, needs: MemoryNeeds, capacity_bytes: int, pinned: Iterable[Resident]) -> WorkerStartError:
    """It is larger than all that it could ever have."""
    others = [f"{each.name} ({size(each.charge_bytes)})" for each in pinned]
    beside = f", of which {', '.join(others)} {'is' if len(others) == 1 else 'are'} pinned" if others else ""
    return WorkerStartError(
        name,
        f"it needs {'at least ' if isinstance(needs.start, Unknown) else ''}{size(least_bytes(needs))} of memory "
        f"(computed), and all models together may take {size(capacity_bytes)}{beside}.",
        hint=f"Take a smaller build or a shorter context: `freehold fit` says which. {_HINT}",
    )


def moving(name: str) -> LoadingError:
    return LoadingError(
        f"{name} is being moved to another model, for which memory has to become free first.",
        hint="Send it again in a few seconds. `freehold ps` shows how far it is.",
        retry_after="5",
    )


def moving_for_many(name: str, waiters: int) -> LoadingError:
    return LoadingError(
        f"{name} is being moved to another model, and {waiters} requests wait for that already: no more may.",
        hint="Send it again in a few seconds. `waiting` in [memory] of freehold.toml is how many may wait.",
        retry_after="5",
    )


def set_aside(name: str, error: WorkerGivenUpError) -> WorkerGivenUpError:
    """It is not started again by itself; how it is."""
    return WorkerGivenUpError(
        name,
        error.reason,
        log=error.log,
        hint=f"It was set aside. {error.hint} When the cause is mended: `freehold load`, with the endpoint's name. "
        "Another build or other options in freehold.toml start it anew too.",
    )


def _needs(resident: Resident) -> str:
    return f"{resident.name} needs {size(resident.need_bytes)} of memory"


def _holders(resident: Resident, everybody: Iterable[Resident]) -> str:
    others = [_holder(each) for each in everybody if each is not resident and each.charge_bytes]
    return f"it is held by {', '.join(others)}" if others else "other programs hold it"


def _holder(resident: Resident) -> str:
    doing = [size(resident.charge_bytes)]
    if resident.pinned:
        doing.append("pinned")
    if resident.phase != "here":
        doing.append(resident.phase)
    if resident.users:
        doing.append(f"{resident.users} {'request' if resident.users == 1 else 'requests'} at work")
    return f"{resident.name} ({', '.join(doing)})"
