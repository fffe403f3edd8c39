"""What fits: the door for commands and programs. A model on this machine or on one that is described, models for it.

Nothing is started. The network is asked for one thing only: the header of a build that a source reference names. What
the running house has loaded is counted as taken.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freehold.catalog import Catalog
from freehold.core.errors import CallError, FreeholdError
from freehold.core.refs import FakeRef, FileRef, ModelRef, RemoteRef, SourceRef, parse
from freehold.core.settings import Settings, load
from freehold.planning.here import planner_here, planner_of
from freehold.planning.planner import Judge, Planner, Question
from freehold.planning.target import Target, target_of_file, target_of_files

if TYPE_CHECKING:
    from freehold.planning.targets import Builds, Distances

__all__ = ["Fitting", "Question", "best_build", "fit", "planner_for", "target"]


@dataclass(frozen=True, slots=True)
class Fitting:
    """What is asked: `on` describes a machine, None is this one. `ask_engine`: its engine is asked as well whether it
    loads each build that has a header and how large its buffers would be, a fraction of a second for each."""

    on: str | None = None
    question: Question = field(default_factory=Question)
    ask_engine: bool = False


def fit(ref: str | None = None, asked: Fitting | None = None, settings: Settings | None = None) -> dict[str, Any]:
    """What becomes of the model, file or source `ref` on a machine, or without one, which models to run there.

    The keys are stable; `fits` is True, False, or None where it cannot be said. Raises CallError for what cannot be
    read, NotFoundError with the nearest names, WeightsError for a header that is wrong, SourceError.
    """
    known, wanted = settings or load(), asked or Fitting()
    wanted.question.read()
    if wanted.ask_engine and (ref is None or wanted.on is not None):
        raise CallError(
            "The engine can be asked about the builds of one model or file, and about this machine alone.",
            hint="freehold fit MODEL --ask-engine",
        )
    planner = planner_for(wanted.on, known)
    if ref is None:
        return planner.of_catalog(wanted.question, _judge(known))
    found = target(ref, known)
    if wanted.ask_engine:
        return _with_the_engines_word(planner, found, wanted.question, known)
    return planner.of_target(found, wanted.question)


def best_build(name: str, settings: Settings) -> dict[str, Any] | None:
    """Which build of the model `name` of the catalog to take on this machine as it is now, and why; `fits` None where
    it cannot be said. None where its weights are withheld. Raises NotFoundError with the nearest names."""
    found = target(name, settings)
    if not found.options:
        return None
    best = planner_for(None, settings).best(found)
    return {"fits": best.fits, "tag": best.build.tag if best.build else None, "reason": best.reason}


def planner_for(on: str | None, settings: Settings) -> Planner:
    """Who plans for the machine that `on` describes, or for this one without what the house's workers have mapped."""
    catalog = Catalog.load()
    if on is not None:
        from freehold.hardware.describe import described

        return planner_of(catalog, described(on), settings.home)
    return planner_here(catalog, settings.home, _taken_bytes(settings))


def target(ref: str, settings: Settings) -> Target:
    """The builds that `ref` means; a source's header is read over the network."""
    parsed = parse(ref)
    if isinstance(parsed, RemoteRef | FakeRef):
        raise CallError(f"{ref} runs elsewhere or nowhere: there is nothing to fit.", reference=ref)
    if isinstance(parsed, FileRef):
        return target_of_file(parsed)
    # The store and the deeds: a tenth of the time of a plan for a file, which asks nothing of them.
    from freehold.planning.targets import Targets
    from freehold.store.store import Store

    store = Store.of(settings)
    builds = functools.cache(store.builds)
    found = Targets(Catalog.load(), store, _distances(builds, settings), builds).of(parsed)
    if found is not None:
        return found
    assert not isinstance(parsed, ModelRef), "a model's name is found or refused"
    import asyncio

    return asyncio.run(_from_source(parsed, settings))


def _distances(builds: Builds, settings: Settings) -> Distances:
    """What was measured of held builds here; looked up where one is held."""

    @functools.cache
    def measured() -> Distances:
        from freehold.trials.distances import distances_here

        return distances_here(settings.home, builds)

    return lambda digest: measured()(digest)


async def _from_source(ref: SourceRef, settings: Settings) -> Target:
    import asyncio
    import tempfile

    from freehold.app import build_house
    from freehold.store.headers import fetch_headers

    house = build_house(settings)
    plan = await house.sources[ref.kind].plan(ref)
    with tempfile.TemporaryDirectory(prefix="freehold-header-") as folder:
        paths = await fetch_headers(plan, Path(folder))
        return await asyncio.to_thread(target_of_files, str(ref), paths)


def _with_the_engines_word(planner: Planner, target: Target, question: Question, settings: Settings) -> dict[str, Any]:
    import asyncio

    from freehold.engines.llamacpp.oracle import Oracle
    from freehold.planning.asked import ask, heard, word_json

    oracle = Oracle(settings.runtime_dir, settings.home / "logs", settings.engine.lock)
    options, (wanted, _) = target.options, question.read()
    words = asyncio.run(ask(oracle, options, wanted))
    answer = planner.of_target(replace(target, options=heard(options, words)), question)
    said = [word_json(word, each, wanted) for word, each in zip(words, options, strict=True)]
    builds = [{**row, "asked_of_engine": each} for row, each in zip(answer["builds"], said, strict=True)]
    return {**answer, "builds": builds}


def _judge(settings: Settings) -> Judge:
    from freehold.permits import Permits
    from freehold.store.store import Store

    permits = Permits(Catalog.load(), Store.of(settings))
    return lambda model: permits.of_model(model, settings)


def _taken_bytes(settings: Settings) -> int:
    """The weights that workers of the running house have mapped, those of one build once. Zero where no house runs or
    it does not answer."""
    from freehold.control import ps

    try:
        workers = ps(settings)["workers"]
    except FreeholdError:
        return 0
    from freehold.store.store import Store

    try:
        sizes = {build.name: build.size_bytes for build in Store.of(settings).builds()}
    except FreeholdError:
        return 0
    running = {worker["build"] for worker in workers if worker["pid"] is not None}
    return sum(sizes.get(build, 0) for build in running)
