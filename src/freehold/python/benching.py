"""Measures how a held build runs fastest on this machine at no loss of faithfulness, and remembers it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from freehold.app import House
from freehold.core.errors import CallError, StoreError
from freehold.core.names import nearest
from freehold.core.refs import parse
from freehold.core.settings import WORKLOADS, Settings
from freehold.python.opening import house_for
from freehold.trials import record
from freehold.trials.arms import Arm
from freehold.trials.bar import Bar
from freehold.trials.bench import QUICK, WHOLE, Asked, Bench
from freehold.trials.entrants import Entrant
from freehold.trials.workloads import WORKLOADS as WORK


@dataclass(frozen=True, slots=True)
class Wished:
    """A bench as people ask for it. `faithful` is "own", "strict" or nats; `engines` empty means all there are."""

    ref: str
    workload: str = "chat"
    faithful: str = "own"
    engines: tuple[str, ...] = ()
    repack: bool = False
    quick: bool = False


def bench(
    wished: Wished, *, note: Callable[[str], None] = lambda _: None, settings: Settings | None = None
) -> dict[str, Any]:
    """What was found, keys as in `trials.report`, and `kept`: the file it is remembered in, null where it is not.

    Raises CallError for what cannot be asked, NotFoundError for a build that is not held, PolicyError for one that the
    house refuses, WorkerStartError where it does not run at all.
    """
    workload = next((work for name, work in WORK.items() if name == wished.workload), None)
    if workload is None:
        raise CallError(f"There is no workload {wished.workload!r}.", hint=f"There are {', '.join(WORKLOADS)}.")
    bar = Bar.read(wished.faithful)
    house = house_for(settings)
    entrants = _entrants(house, wished.engines)
    build = house.store.find(parse(wished.ref))
    house.permits.require_build(build, house.settings)
    if build.facts.format != "gguf":
        raise CallError(
            f"{build.name} is in {build.facts.format}'s form, which one engine alone runs: there is nothing to choose.",
            hint="Give the build that it was made from: `freehold show` names it.",
        )
    effort = QUICK if wished.quick else WHOLE
    asked = Asked(workload, bar, effort, repack=wished.repack, options=house.settings.engine)
    used = house.remembered.winner(build, wished.workload)
    if isinstance(used, str):
        note(f"What was measured before is not used: {used}.")
    folders = {"runtime_dir": house.settings.runtime_dir, "log_dir": house.settings.home / "logs"}
    running = Bench(build, asked, entrants, house.store, folders, note)
    report = asyncio.run(running.run(used if isinstance(used, Arm) else None)).as_json()
    return {**report, "kept": _keep(house, report, note)}


def _entrants(house: House, names: Sequence[str]) -> list[Entrant]:
    known = {entrant.name: entrant for entrant in house.entrants}
    for name in names:
        if name not in known:
            raise CallError(
                f"There is no engine {name!r} here.",
                hint=f"There are {', '.join(known)}.",
                engine=name,
                nearest=nearest(name, known),
            )
    # llama.cpp is what the others are held against.
    return [entrant for name, entrant in known.items() if not names or name in names or name == "llama.cpp"]


def _keep(house: House, report: dict[str, Any], note: Callable[[str], None]) -> str | None:
    if report["winner"] is None:
        return None
    try:
        return str(record.write(house.settings.home, report))
    except StoreError as error:
        note(f"It is not remembered: {error.message}")
        return None
