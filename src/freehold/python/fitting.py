"""What fits: the door for commands and programs. A model on this machine or on one that is described, models for it.

Nothing is started. The network is asked for one thing only: the header of a build that a source reference names. What
the running house has loaded is counted as taken.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from freehold.catalog import Catalog
from freehold.core.errors import CallError, FreeholdError
from freehold.core.refs import FakeRef, ModelRef, RemoteRef, SourceRef, parse
from freehold.core.settings import Settings, load
from freehold.hardware.describe import described
from freehold.planning.here import planner_here, planner_of
from freehold.planning.planner import Judge, Planner, Question
from freehold.planning.targets import Target, Targets
from freehold.store.store import Store

__all__ = ["Fitting", "Question", "fit", "planner_for", "target"]


@dataclass(frozen=True, slots=True)
class Fitting:
    """What is asked: `on` describes a machine, None is this one."""

    on: str | None = None
    question: Question = field(default_factory=Question)


def fit(ref: str | None = None, asked: Fitting | None = None, settings: Settings | None = None) -> dict[str, Any]:
    """What becomes of the model, file or source `ref` on a machine, or without one, which models to run there.

    The keys are stable; `fits` is True, False, or None where it cannot be said. Raises CallError for what cannot be
    read, NotFoundError with the nearest names, WeightsError for a header that is wrong, SourceError.
    """
    known, wanted = settings or load(), asked or Fitting()
    wanted.question.read()
    planner = planner_for(wanted.on, known)
    if ref is None:
        return planner.of_catalog(wanted.question, _judge(known))
    return planner.of_target(target(ref, known), wanted.question)


def planner_for(on: str | None, settings: Settings) -> Planner:
    """Who plans for the machine that `on` describes, or for this one without what the house's workers have mapped."""
    catalog = Catalog.load()
    if on is not None:
        return planner_of(catalog, described(on), settings.home)
    return planner_here(catalog, settings.home, _taken_bytes(settings))


def target(ref: str, settings: Settings) -> Target:
    """The builds that `ref` means; a source's header is read over the network."""
    parsed = parse(ref)
    if isinstance(parsed, RemoteRef | FakeRef):
        raise CallError(f"{ref} runs elsewhere or nowhere: there is nothing to fit.", reference=ref)
    found = Targets(Catalog.load(), Store.of(settings)).of(parsed)
    if found is not None:
        return found
    assert not isinstance(parsed, ModelRef), "a model's name is found or refused"
    return asyncio.run(_from_source(parsed, settings))


async def _from_source(ref: SourceRef, settings: Settings) -> Target:
    from freehold.app import build_house
    from freehold.store.headers import fetch_headers

    house = build_house(settings)
    plan = await house.sources[ref.kind].plan(ref)
    with tempfile.TemporaryDirectory(prefix="freehold-header-") as folder:
        paths = await fetch_headers(plan, Path(folder))
        return await asyncio.to_thread(Targets(house.catalog, house.store).of_files, str(ref), paths)


def _judge(settings: Settings) -> Judge:
    from freehold.permits import Permits

    permits = Permits(Catalog.load(), Store.of(settings))
    return lambda model: permits.of_model(model, settings)


def _taken_bytes(settings: Settings) -> int:
    """The weights that workers of the running house have mapped. Zero where no house runs or it does not answer."""
    from freehold.control import ps

    try:
        workers = ps(settings)["workers"]
        sizes = {build.name: build.size_bytes for build in Store.of(settings).builds()}
    except FreeholdError:
        return 0
    return sum(sizes.get(worker["build"], 0) for worker in workers if worker["pid"] is not None)
