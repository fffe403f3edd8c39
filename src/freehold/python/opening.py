"""Gets a house with one endpoint ready: settings, store, gateway. The work behind `freehold.open` and `pull`."""

from __future__ import annotations

import asyncio
import dataclasses
import shlex
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from freehold import control
from freehold.app import House, Recorded, build_house
from freehold.core.builds import HeldBuild
from freehold.core.errors import CallError, FreeholdError, NoEngineError, NotFoundError
from freehold.core.ports import Progress
from freehold.core.progress import Silent
from freehold.core.refs import LOOPBACK_HOSTS, FakeRef, FileRef, ModelRef, Reference, RemoteRef
from freehold.core.settings import EndpointSettings, EngineOptions, Settings, load
from freehold.egress.policy import require_no_pull as require_no_pull
from freehold.egress.policy import require_no_pull_beside
from freehold.engines.opens import require_engine
from freehold.gateway.endpoints import EndpointInfo
from freehold.python.foresight import Foreseeing, unknown_to_engines
from freehold.store.plan import Source
from freehold.store.pull import pull


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to open, and how."""

    ref: Reference
    pull: bool = False
    key_env: str | None = None
    options: EngineOptions = field(default_factory=EngineOptions)


def house_for(settings: Settings | None) -> House:
    """A house from `settings`, or from those of this folder and environment."""
    return build_house(settings or load())


async def open_house(
    wanted: Wanted, settings: Settings | None, *, progress: Progress | None = None
) -> tuple[House, EndpointInfo]:
    """A started house whose one endpoint is `wanted`, ready to answer. On any error no process is left. Raises what
    opening a model raises, and LedgerError where what it will be asked cannot be recorded. What this home's running
    house is asked by its address it records itself."""
    base = settings or load()
    name = str(wanted.ref)
    row = EndpointSettings(name, wanted.ref, wanted.key_env, wanted.options)
    recorded: Recorded | None = "alone"
    if isinstance(wanted.ref, RemoteRef) and await asyncio.to_thread(_is_own_house, wanted.ref, base):
        recorded = None
    house = build_house(dataclasses.replace(base, endpoints={name: row}), recorded=recorded)
    if not isinstance(wanted.ref, RemoteRef | FakeRef):
        await hold(house, wanted.ref, may_pull=wanted.pull, progress=progress)
    elif isinstance(wanted.ref, FakeRef):
        # Raises BadReferenceError: the gateway would call it a mistake in the settings, which it is not here.
        house.engines.fake.worker(wanted.ref)
    try:
        await house.gateway.start()
        return house, await house.gateway.ready(name)
    except BaseException:
        await house.gateway.close(drain_s=0)
        raise


def _is_own_house(ref: RemoteRef, settings: Settings) -> bool:
    """Whether the house that runs on this home is who answers there."""
    asked = urlsplit(ref.base_url)
    try:
        house = control.running(settings)
    except FreeholdError:
        return False
    if house is None:
        return False
    own = urlsplit(house.address)
    return asked.port == own.port and (asked.hostname in {own.hostname, *LOOPBACK_HOSTS})


async def hold(house: House, ref: Reference, *, may_pull: bool, progress: Progress | None = None) -> HeldBuild:
    """The held build of `ref`, to be run; pulled first where that is allowed. A file of this disk is always taken in,
    where it lies: nothing is copied and nothing is downloaded. Raises NotFoundError with the command that pulls it, and
    NoEngineError where nothing here runs it."""
    try:
        build = house.store.find(ref)
    except NotFoundError:
        if not may_pull and not isinstance(ref, FileRef):
            raise
        build = await pull_into(house, ref, progress=progress, copy=not isinstance(ref, FileRef), to_run=True)
    require_engine(build)
    return build


async def pull_into(
    house: House,
    ref: Reference,
    *,
    progress: Progress | None = None,
    copy: bool = True,
    name: str | None = None,
    refuse_unfit: bool = False,
    to_run: bool = False,
) -> HeldBuild:
    """Pull `ref` into the store of `house`. `copy` False leaves a file of this disk where it lies; `name` is what the
    build is called instead of the name that its source suggests. What cannot run here is noted, or where it can be told
    before anything is downloaded, with `refuse_unfit` raises DoesNotFitError or NoEngineError; `to_run`: who asks wants
    to run it, and has the last one anyhow. Raises PolicyError where the house does not take it.
    """
    if isinstance(ref, RemoteRef | FakeRef):
        raise CallError(f"{ref} is no build: there is nothing to pull.", hint=f"Use it as it is: freehold run {ref}")
    settings, said = house.settings, progress or Silent()
    if not isinstance(ref, FileRef):
        require_no_pull(ref, settings.policy.egress)
        require_no_pull_beside(ref, await asyncio.to_thread(_held_to, settings))

    told = set[type[FreeholdError]]()

    def say(problem: FreeholdError) -> None:
        if refuse_unfit or (to_run and isinstance(problem, NoEngineError)):
            raise problem
        told.add(type(problem))
        said.note(f"{problem.message} {problem.hint}")

    def foreseeing(source: Source) -> Foreseeing:
        return Foreseeing(source, house.catalog, house.store, say, ahead=not isinstance(ref, ModelRef))

    door = f"pull {shlex.quote(str(ref))}{f' --name {name}' if name else ''}{'' if copy else ' --in-place'} --override"
    build = await pull(
        ref,
        store=house.store,
        catalog=house.catalog,
        sources={kind: foreseeing(each) for kind, each in house.sources.items()},
        progress=said,
        copy=copy,
        name=name,
        permit=lambda candidate: house.permits.require(house.permits.of_candidate(candidate, settings), settings, door),
    )
    # A build that was held already came without a question: its verdict is asked for here.
    verdict = house.permits.require(house.permits.of_build(build, settings), settings, door)
    if verdict.decision != "allow":
        said.note(verdict.line)
    unknown = unknown_to_engines(build.facts, build.name)
    if unknown is not None and not to_run and NoEngineError not in told:
        said.note(f"{unknown.message} {unknown.hint}")
    return build


def _held_to(settings: Settings) -> list[str] | None:
    """All that the house that runs on this home may connect to; None for anywhere, and where none runs."""
    try:
        if not (settings.runtime_dir / control.SOCKET_NAME).is_socket():
            return None  # also where a socket could not be: pulling needs none
        allowed: list[str] | None = control.ps(settings)["egress"]["allowed"]
    except (NotFoundError, PermissionError):  # another account's folder, and so another's house
        return None
    return allowed
