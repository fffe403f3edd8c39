"""What can be said of a pull before it downloads: that this machine cannot run what would come, and what it could.

Weights that are larger than all the memory there is, whatever runs now, cannot be run, by the sizes that the source
states. And nothing here runs an architecture that no engine knows: of a large file the header is read first. What no
size is stated of, what is a close call, or what is not known, is never held up.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from freehold.catalog import Catalog
from freehold.core.builds import WeightFacts
from freehold.core.errors import DoesNotFitError, FreeholdError, NoEngineError
from freehold.core.quantity import Unknown
from freehold.core.refs import HubRef, SourceRef, parse
from freehold.engines.opens import HINT, no_engine
from freehold.fit.weights import BITS
from freehold.hardware import here, probe
from freehold.hardware.rig import Rig
from freehold.planning.planner import Planner
from freehold.planning.targets import Targets
from freehold.store.candidate import of_plan
from freehold.store.headers import MOST_BYTES, fetch_headers
from freehold.store.plan import Plan, Source
from freehold.store.store import Store
from freehold.weights.gguf import check_gguf

WEIGHTS_SHARE = 0.97
"""Of a file, at least: the rest is its header."""
AHEAD_S = 30.0
"""How long a pull waits for a header that it looks into before it begins; it does not depend on one."""


def memory_bytes(rig: Rig) -> int:
    """All the memory of a machine that models can lie in, whoever has it now."""
    return sum(place.memory_bytes for place in rig.places)


def foresee(plan: Plan, asked: str, catalog: Catalog, store: Store, rig: Rig) -> DoesNotFitError | None:
    """Why what `plan` would bring cannot run on `rig`, and what would; None where it can, or nobody can tell."""
    sizes = [file.size_bytes for file in plan.files]
    if not sizes or None in sizes:
        return None
    needed = int(sum(size or 0 for size in sizes) * WEIGHTS_SHARE)
    there = memory_bytes(rig)
    if needed <= there:
        return None
    instead = _beside(plan, needed, there) or _of_its_model(plan, asked, catalog, store, rig)
    return DoesNotFitError(
        f"{asked} takes {needed / 1e9:,.1f} GB of memory for its weights alone, and this machine has "
        f"{there / 1e9:,.1f} GB: it cannot run here.",
        hint=f"{f'What would: {instead}. ' if instead else ''}`freehold fit` says what fits.",
        needed_bytes=needed,
        memory_bytes=there,
        instead=instead,
    )


def _beside(plan: Plan, needed_bytes: int, there_bytes: int) -> str | None:
    """The largest build of the same repository that is small enough, by the bits of its type and of the one asked
    for; None where there is none, or their names do not tell."""
    origin = parse(plan.origin)
    if not isinstance(origin, HubRef) or (origin.tag or "").upper() not in BITS:
        return None
    bits = BITS[(origin.tag or "").upper()][1]
    labels = [label.strip() for label in plan.provenance.get("other_builds", "").split(",")]
    known = [label for label in labels if label.upper() in BITS]
    small = [each for each in known if needed_bytes * BITS[each.upper()][1] / bits <= there_bytes]
    best = max(small, key=lambda label: BITS[label.upper()][1], default=None)
    return None if best is None else f"hf:{origin.repository}:{best}"


def _of_its_model(plan: Plan, asked: str, catalog: Catalog, store: Store, rig: Rig) -> str | None:
    found = of_plan(plan, asked, catalog)
    model = found.model if found is not None else None
    if model is None:
        return None
    # With all its memory: what else is loaded now may be gone when the model is run.
    free = replace(rig, places=tuple(replace(each, usable_bytes=each.memory_bytes) for each in rig.places))
    planner = Planner(catalog, free, Unknown("speed does not matter to whether it fits"))
    best = planner.best(Targets(catalog, store).of_model(model)).build
    return None if best is None else f"{model.name}:{best.tag}"


def unknown_to_engines(facts: WeightFacts, asked: str) -> NoEngineError | None:
    """Why nothing here runs such weights; None where an engine does, or nobody can tell."""
    reason = no_engine(facts)
    return None if reason is None else NoEngineError(f"{asked} cannot be run: {reason}.", hint=HINT)


async def read_ahead(plan: Plan) -> WeightFacts | None:
    """What the header of a large file says, read before the rest of it; None of one that comes as fast as its header,
    of what does not come within AHEAD_S, and of what cannot be read: then the pull itself says what is wrong."""
    first = plan.files[0] if plan.files else None
    if first is None or first.size_bytes is None or first.size_bytes <= MOST_BYTES:
        return None
    with tempfile.TemporaryDirectory(prefix="freehold-header-") as folder:
        try:
            (path,) = await fetch_headers(replace(plan, files=(first,)), Path(folder), longest_s=AHEAD_S)
        except (FreeholdError, OSError):
            return None
        return (await asyncio.to_thread(check_gguf, path)).facts


class Foreseeing:
    """A source that looks at what it plans before anything is downloaded, and tells `say` what cannot run here.
    `ahead`: headers are looked into as well, which a build of the catalog does not need."""

    def __init__(
        self, source: Source, catalog: Catalog, store: Store, say: Callable[[FreeholdError], None], *, ahead: bool
    ) -> None:
        self._source = source
        self._catalog = catalog
        self._store = store
        self._say = say
        self._ahead = ahead

    async def plan(self, ref: SourceRef) -> Plan:
        """As the source plans; raises what it raises, and what `say` raises."""
        plan = await self._source.plan(ref)
        problem = foresee(plan, str(ref), self._catalog, self._store, here.rig(probe.machine()))
        if problem is not None:
            self._say(problem)
        facts = await read_ahead(plan) if self._ahead else None
        unknown = None if facts is None else unknown_to_engines(facts, str(ref))
        if unknown is not None:
            self._say(unknown)
        return plan
